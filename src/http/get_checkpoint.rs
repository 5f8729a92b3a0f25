//! `GET /log/checkpoint`: the newest signed checkpoint.

use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};

/// Read the newest checkpoint.
///
/// A C2SP signed note over origin, size and root, with the cosignatures of witnesses that are known of it; they come a moment
/// after the ledger's own signature. Public.
#[utoipa::path(
    tag = "proofs",
    responses(
        (status = 200, description = "The signed note.", body = String, content_type = "text/plain"),
        (status = 404, description = "Nothing is signed yet.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/log/checkpoint")]
pub(super) async fn get_checkpoint(ledger: web::Data<Ledger>) -> Result<HttpResponse, Problem> {
    let shown = ledger.checkpoint().ok_or_else(|| Problem::not_found("no checkpoint is signed yet"))?;
    let cosigned = blocking(move || ledger.cosigned(shown)).await??;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).insert_header((CACHE_CONTROL, "no-cache"));
    Ok(response.body(cosigned.checkpoint.note))
}
