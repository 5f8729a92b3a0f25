//! `/health/live` and `/health/ready`.

use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::cosigned::Witnessed;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// Is the process alive?
#[utoipa::path(tag = "health", responses((status = 200, description = "It is.", body = String, content_type = "text/plain")))]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}

/// A node that appends.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// The ledger's origin.
    ledger: String,
    /// Entries.
    size: u64,
    /// Entries that the newest checkpoint covers.
    checkpoint_size: u64,
    /// Entries that the copy of the tree covers, on a node that keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror_size: Option<u64>,
    /// Entries that the newest checkpoint covers that a quorum of witnesses cosigned; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed_size: Option<u64>,
    /// When a quorum last vouched that it is the newest they know, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed_time: Option<u64>,
    /// Seconds since the last pass of the self-audit that found nothing; absent before the first, and on a node without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    self_audit_age_s: Option<u64>,
    /// Entries that it covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    self_audit_size: Option<u64>,
}

/// Does the node append?
///
/// If not, the problem says why: halted for good until a person looks, a clock that is off, no database.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "It does.", body = Ready),
        (status = 503, description = "It does not, and why.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/health/ready")]
pub(super) async fn ready(ledger: web::Data<Ledger>) -> Result<web::Json<Ready>, Problem> {
    let checkpoint_size = ledger.checkpoint().map_or(0, |shown| shown.size);
    let mirror_size = ledger.mirrored();
    let witnessed = ledger.witnessed();
    let (self_audit_age_s, self_audit_size) = ledger.last_clean_pass().unzip();
    let origin = ledger.origin.to_string();
    let readiness = blocking(move || ledger.readiness()).await?;
    let unready = |reason: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "", reason);
    let size = readiness.map_err(unready)?;
    let witnessed_size = witnessed.as_ref().map(Witnessed::size);
    let witnessed_time = witnessed.map(|witnessed| witnessed.time);
    Ok(web::Json(Ready {
        ledger: origin,
        size,
        checkpoint_size,
        mirror_size,
        witnessed_size,
        witnessed_time,
        self_audit_age_s,
        self_audit_size,
    }))
}
