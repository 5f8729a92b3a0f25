//! `GET /v1/corrections/{entry}`: where a correction stands.

use crate::domain::correction::Correction;
use crate::domain::ids::EntryIndex;
use crate::domain::state::{Record, RecordKind};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::registry::record_body;
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use actix_web::{HttpResponse, get, web};

/// Read a correction.
///
/// Where it stands, whom it concerns and who has agreed, what it holds until it is decided, what it changed and booked: for
/// its parties, and for tokens with the scope `audit`.
#[utoipa::path(
    tag = "items",
    params(("entry" = u64, Path, description = "The entry that states it.")),
    responses(
        (status = 200, description = "What is known of it now.", body = Object),
        (status = "4XX", description = "Refused; 404 also where it does not concern the caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/corrections/{entry}")]
pub(super) async fn get_correction(
    caller: Authenticated,
    entry: web::Path<u64>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let id = Correction::id_of(EntryIndex(*entry));
    let found = blocking(move || ledger.registered(RecordKind::Correction, &id)).await??;
    let may_see = |record: &Record| match reader {
        Reader::All => true,
        Reader::Organisation(own) => record.owners().contains(&own),
    };
    match found.filter(may_see) {
        Some(record) => Ok(HttpResponse::Ok().json(record_body(&record)?)),
        None => Err(Problem::not_found("no correction stands at this index, or it does not concern this token")),
    }
}
