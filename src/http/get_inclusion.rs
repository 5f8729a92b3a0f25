//! `GET /v1/proofs/inclusion`: that an entry is in the ledger.

use crate::domain::ids::EntryIndex;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::proofs::NoProof;
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct InclusionQuery {
    /// The entry.
    index: u64,
    /// The size of a signed checkpoint; the newest if absent.
    size: Option<u64>,
}

/// The proof that an entry is in the tree of a checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InclusionBody {
    /// The entry.
    index: u64,
    /// The checkpoint's size.
    size: u64,
    /// SHA-256(0x00 || entry), in hex.
    leaf_hash: String,
    /// The checkpoint's root, in hex.
    root: String,
    /// RFC 9162 §2.1.3, in hex, the leaf's sibling first.
    hashes: Vec<String>,
    /// Whether a quorum of the service's witnesses cosigned the checkpoint, as far as is known here.
    witnessed: bool,
    /// The same with the checkpoint and its cosignatures, as a C2SP tlog-proof.
    tlog_proof: String,
}

/// Prove that an entry is in the ledger.
///
/// Public: a proof shows hashes, never what was said. Under the newest checkpoint, which the witnesses may not have cosigned
/// yet; the size of the newest that they did stands in `/log/witnessed-checkpoint`.
#[utoipa::path(
    tag = "proofs",
    params(InclusionQuery),
    responses(
        (status = 200, description = "The proof.", body = InclusionBody),
        (status = 400, description = "The query cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such checkpoint, or it does not cover the entry.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/proofs/inclusion")]
pub(super) async fn get_inclusion(
    query: web::Query<InclusionQuery>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<InclusionBody>, Problem> {
    let (index, size) = (EntryIndex(query.index), query.size);
    let proved = blocking(move || {
        let inclusion = ledger.prove_inclusion(index, size)?;
        let witnessed = ledger.meets_quorum(&inclusion.cosigned);
        Ok::<_, NoProof>((inclusion, witnessed))
    });
    let (inclusion, witnessed) = proved.await??;
    let checkpoint = &inclusion.cosigned.checkpoint;
    Ok(web::Json(InclusionBody {
        index: index.0,
        size: checkpoint.size,
        leaf_hash: inclusion.leaf_hash.to_string(),
        root: checkpoint.root.to_string(),
        hashes: inclusion.hashes.iter().map(ToString::to_string).collect(),
        witnessed,
        tlog_proof: inclusion.tlog_proof(),
    }))
}
