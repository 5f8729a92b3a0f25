//! `DELETE /v1/tokens/{id}`: end a token.

use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::store::tokens;
use actix_web::{HttpResponse, delete, web};

/// Revoke a token; it holds for no further request.
#[utoipa::path(
    tag = "tokens",
    params(("id" = String, Path, description = "The token's public part.")),
    responses(
        (status = 204, description = "Revoked."),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"])),
)]
#[delete("/v1/tokens/{id}")]
pub(super) async fn revoke_token(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_admin(&ledger)?;
    let revoked = blocking(move || {
        let now_ms = ledger.clock.now_ms();
        ledger.store.write(|database| tokens::revoke(database, &id, now_ms))
    });
    if !revoked.await?? {
        return Err(Problem::not_found("there is no token of this id in force"));
    }
    Ok(HttpResponse::NoContent().finish())
}
