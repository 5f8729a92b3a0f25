//! `GET /v1/certificates/draft`: what an issuer would sign now.

use crate::domain::codes::{Month, Role};
use crate::domain::fields::Field;
use crate::domain::ids::SiteId;
use crate::domain::state::{Record, RecordKind};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use crate::store::StoreError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftQuery {
    /// The site of the batches.
    site: String,
    /// The month of the pool, such as 2026-11.
    vintage: String,
    /// At most so many units of 1 kg, the buffer's included; without it all that one issue can hold.
    units: Option<u32>,
}

/// Draft an issue.
///
/// The fields of `certificate_issued` to be completed by the common part and signed: serial numbers and the grams that
/// the pool gives next. Nothing is reserved; a draft that others overtook is refused with `grams_taken`. For issuers, the
/// centre whose site it is, and auditors.
#[utoipa::path(
    tag = "certificates",
    params(DraftQuery),
    responses(
        (status = 200, description = "The fields to sign.", body = Object),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/certificates/draft")]
pub(super) async fn get_certificate_draft(
    caller: Authenticated,
    query: web::Query<DraftQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let site = SiteId::parse(&query.site).ok_or_else(|| Problem::not_found("no site of this id is registered"))?;
    let vintage = Month::parse(&query.vintage);
    let vintage = vintage.ok_or_else(|| Problem::bad_request("query_invalid", "/vintage", "expected a month"))?;
    let units = query.units.map(i64::from);
    let drafted = blocking(move || {
        if !may_draft(&ledger, reader, site)? {
            return Ok(None);
        }
        ledger.draft(site, &vintage, units).map(Some)
    });
    let detail = "drafts are for issuers and for the centre whose site it is";
    let refused = || Problem::new(StatusCode::FORBIDDEN, "role_missing", "/site", detail);
    let draft = drafted.await?.map_err(Problem::from)?.ok_or_else(refused)?;
    let body = draft.write().map(|fields| fields.to_string()).unwrap_or_default();
    Ok(HttpResponse::Ok().json(RawValue::from_string(body).map_err(Problem::internal)?))
}

fn may_draft(ledger: &Ledger, reader: Reader, site: SiteId) -> Result<bool, StoreError> {
    let Reader::Organisation(own) = reader else { return Ok(true) };
    let organisation = ledger.registered(RecordKind::Organisation, &own.to_string())?;
    let is_issuer = matches!(organisation, Some(Record::Organisation(org)) if org.roles.contains(&Role::Issuer));
    let site = ledger.registered(RecordKind::Site, &site.to_string())?;
    Ok(is_issuer || matches!(site, Some(Record::Site(site)) if site.organisation == Some(own)))
}
