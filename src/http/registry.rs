//! `GET /v1/organisations`, `/v1/sites`, `/v1/scales`, `/v1/keys`, and one of each: the registry.

use crate::domain::state::{Record, RecordKind};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::limits::PAGE_ROWS_MAX;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A page of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistryPage {
    /// In the order of their ids.
    #[schema(value_type = Vec<Object>)]
    records: Vec<Box<RawValue>>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A record as it is derived from the ledger.
pub(super) fn record_body(record: &Record) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(record.body()).map_err(Problem::internal)
}

async fn page(
    caller: Authenticated,
    query: RegistryQuery,
    ledger: web::Data<Ledger>,
    kind: RecordKind,
    path: &str,
) -> Result<HttpResponse, Problem> {
    caller.require_reader()?;
    let found = blocking(move || ledger.registry(kind, &query.after, PAGE_ROWS_MAX)).await??;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
    let next = found.last().filter(|_| is_full).map(|record| record.id().id);
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next {
        response.insert_header((LINK, format!("<{path}?after={next}>; rel=\"next\"")));
    }
    let records = found.iter().map(record_body).collect::<Result<_, _>>()?;
    Ok(response.json(RegistryPage { records, next }))
}

async fn one(
    caller: Authenticated,
    id: String,
    ledger: web::Data<Ledger>,
    kind: RecordKind,
) -> Result<HttpResponse, Problem> {
    caller.require_reader()?;
    let found = blocking(move || ledger.registered(kind, &id)).await??;
    let record = found.ok_or_else(|| Problem::not_found(format!("there is no {kind} of this id")))?;
    Ok(HttpResponse::Ok().json(record_body(&record)?))
}

/// Declares the two endpoints of one kind of record. What they do is said in utoipa's words: it does not see a `doc` that is an
/// expression.
macro_rules! registry {
    ($list:ident, $one:ident, $kind:ident, $path:literal, $path_of_one:literal, $what:literal) => {
        #[utoipa::path(
            tag = "registry",
            summary = concat!("List ", $what, "."),
            description = "For every token that reads.",
            params(RegistryQuery),
            responses(
                (status = 200, description = "A page.", body = RegistryPage),
                (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
            ),
            security(("token" = ["read"]), ("token" = ["audit"])),
        )]
        #[get($path)]
        pub(super) async fn $list(
            caller: Authenticated,
            query: web::Query<RegistryQuery>,
            ledger: web::Data<Ledger>,
        ) -> Result<HttpResponse, Problem> {
            page(caller, query.into_inner(), ledger, RecordKind::$kind, $path).await
        }

        #[utoipa::path(
            tag = "registry",
            summary = concat!("Read one of the ", $what, "."),
            description = "For every token that reads.",
            params(("id" = String, Path, description = "Its id.")),
            responses(
                (status = 200, description = "What is known of it now.", body = Object),
                (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
            ),
            security(("token" = ["read"]), ("token" = ["audit"])),
        )]
        #[get($path_of_one)]
        pub(super) async fn $one(
            caller: Authenticated,
            id: web::Path<String>,
            ledger: web::Data<Ledger>,
        ) -> Result<HttpResponse, Problem> {
            one(caller, id.into_inner(), ledger, RecordKind::$kind).await
        }
    };
}

registry!(
    list_organisations,
    get_organisation,
    Organisation,
    "/v1/organisations",
    "/v1/organisations/{id}",
    "organisations"
);
registry!(list_sites, get_site, Site, "/v1/sites", "/v1/sites/{id}", "sites");
registry!(list_scales, get_scale, Scale, "/v1/scales", "/v1/scales/{id}", "scales");
registry!(list_keys, get_key, Key, "/v1/keys", "/v1/keys/{id}", "keys");
