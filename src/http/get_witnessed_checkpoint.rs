//! `GET /log/witnessed-checkpoint`: the newest checkpoint that a quorum of the witnesses cosigned.
//!
//! It stands beside `/log/checkpoint`, not under it and not in its place: that one is the newest, as tlog-tiles has it, and a
//! folder of files that mirrors the log cannot hold a file and a folder of one name.

use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};

/// Read the newest witnessed checkpoint.
///
/// A C2SP signed note with the cosignatures of a quorum, under the policy that the service was given. Whoever relies on it
/// checks it under a policy of their own. Public.
#[utoipa::path(
    tag = "proofs",
    responses(
        (status = 200, description = "The signed note.", body = String, content_type = "text/plain"),
        (status = 404, description = "No quorum has cosigned any yet, or this service has no witnesses.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/log/witnessed-checkpoint")]
pub(super) async fn get_witnessed_checkpoint(ledger: web::Data<Ledger>) -> Result<HttpResponse, Problem> {
    let missing = || {
        Problem::not_found(if ledger.asks_for_witnesses() {
            "no quorum of the witnesses has cosigned a checkpoint yet"
        } else {
            "this service has no witnesses; /log/checkpoint is signed by the ledger alone"
        })
    };
    let witnessed = ledger.witnessed().ok_or_else(missing)?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).insert_header((CACHE_CONTROL, "no-cache"));
    Ok(response.body(witnessed.cosigned.checkpoint.note))
}
