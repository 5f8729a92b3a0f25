//! `DELETE /v1/waiting/{id}`: take back a statement that is not in the ledger.

use crate::domain::ids::StatementId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, delete, web};

/// Take back what waits.
///
/// A statement of the token's own organisation that waits, was refused at its turn or has expired is removed with its
/// openings. What is in the ledger stays there.
#[utoipa::path(
    tag = "events",
    params(("id" = String, Path, description = "The statement's id.")),
    responses(
        (status = 204, description = "Taken back."),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[delete("/v1/waiting/{id}")]
pub(super) async fn withdraw_waiting(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let organisation = caller.0.organisation;
    let not_found = || Problem::not_found("no statement of this id and of the token's organisation waits");
    let id = StatementId::parse(&id).ok_or_else(not_found)?;
    let taken_back = blocking(move || ledger.take_back(organisation, id)).await??;
    if taken_back { Ok(HttpResponse::NoContent().finish()) } else { Err(not_found()) }
}
