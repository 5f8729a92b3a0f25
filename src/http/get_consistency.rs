//! `GET /v1/proofs/consistency`: that nothing was rewritten between two checkpoints.

use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsistencyQuery {
    /// The size of the earlier checkpoint.
    from: u64,
    /// The size of the later checkpoint; the newest if absent.
    to: Option<u64>,
}

/// The proof that one checkpoint's tree is a beginning of another's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsistencyBody {
    /// Size of the earlier checkpoint.
    from: u64,
    /// Size of the later checkpoint.
    to: u64,
    /// RFC 9162 §2.1.4, in hex.
    hashes: Vec<String>,
    /// The earlier signed note.
    from_checkpoint: String,
    /// The later signed note.
    to_checkpoint: String,
}

/// Prove that nothing was rewritten between two checkpoints.
///
/// Public.
#[utoipa::path(
    tag = "proofs",
    params(ConsistencyQuery),
    responses(
        (status = 200, description = "The proof.", body = ConsistencyBody),
        (status = 400, description = "The query cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such checkpoint.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/proofs/consistency")]
pub(super) async fn get_consistency(
    query: web::Query<ConsistencyQuery>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<ConsistencyBody>, Problem> {
    let (from, to) = (query.from, query.to);
    let consistency = blocking(move || ledger.prove_consistency(from, to)).await??;
    Ok(web::Json(ConsistencyBody {
        from: consistency.first.size,
        to: consistency.second.size,
        hashes: consistency.hashes.iter().map(ToString::to_string).collect(),
        from_checkpoint: consistency.first.note,
        to_checkpoint: consistency.second.note,
    }))
}
