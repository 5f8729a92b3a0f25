//! `GET /v1/register/entries`: what was said of certificates, as it stands in the ledger.

use crate::domain::ids::EntryIndex;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EntriesQuery {
    /// From this index on: as the address in `Link` has it.
    #[serde(default)]
    from: u64,
}

/// Read the entries of certificates.
///
/// Public. Each line is one entry, exactly the bytes that are hashed and chained, in the order of the ledger: every issue, and
/// whatever was said of any certificate since. From them alone anybody can check the sum rule and that no gram backs two units;
/// `/v1/proofs/inclusion` proves that an entry is in the ledger. The next page stands in `Link`.
#[utoipa::path(
    tag = "register",
    params(EntriesQuery),
    responses(
        (status = 200, description = "A page: one entry a line.", body = String, content_type = "application/x-ndjson"),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/register/entries")]
pub(super) async fn list_register_entries(
    query: web::Query<EntriesQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let from = EntryIndex(query.from);
    let (entries, next) = blocking(move || ledger.certificate_entries(from)).await??;
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("</v1/register/entries?from={next}>; rel=\"next\"")));
    }
    let mut lines = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum());
    for entry in entries {
        lines.extend(entry);
        lines.push(b'\n');
    }
    Ok(response.content_type("application/x-ndjson").body(lines))
}
