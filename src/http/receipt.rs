//! The receipt as it is answered.

use crate::http::problem::Problem;
use crate::ledger::posting::{Outcome, Receipt, Waiting};
use serde::Serialize;
use utoipa::ToSchema;

/// What a caller gets for an accepted statement: it is on disk. Not yet a proof; the checkpoint follows in a second.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceiptBody {
    /// The ledger's origin.
    ledger: String,
    /// The entry's place.
    index: u64,
    /// When the ledger wrote it down.
    #[schema(example = "2026-11-23T05:31:00.123Z")]
    time: String,
    /// SHA-256(0x00 || entry), in hex.
    leaf_hash: String,
    /// BLAKE3 of the entry, in hex: the next entry's `prev`.
    chain_hash: String,
    /// What others will see about it; its mass may back no certificate until cured.
    warnings: Vec<WarningBody>,
    /// With `?wait=proof`: the C2SP tlog-proof under a signed checkpoint; absent, with the warning `proof_pending`, if
    /// none came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    /// With a proof: whether a quorum of the service's witnesses cosigned its checkpoint. If not, and the service has
    /// witnesses, the warning `not_witnessed` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessed: Option<bool>,
}

/// Something that does not keep a statement out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WarningBody {
    /// A stable code.
    code: String,
    /// JSON Pointer into the payload.
    pointer: String,
    /// What it means.
    meaning: String,
}

impl From<&Receipt> for ReceiptBody {
    fn from(receipt: &Receipt) -> Self {
        let warning = |warning: &crate::domain::refusal::Warning| WarningBody {
            code: warning.code.to_string(),
            pointer: warning.pointer.to_string(),
            meaning: warning.code.meaning().to_owned(),
        };
        Self {
            ledger: receipt.ledger.to_string(),
            index: receipt.index.0,
            time: receipt.time.to_string(),
            leaf_hash: receipt.leaf_hash.to_string(),
            chain_hash: receipt.chain_hash.to_string(),
            warnings: receipt.warnings.iter().map(warning).collect(),
            proof: None,
            witnessed: None,
        }
    }
}

/// A proof that was waited for.
pub(super) struct WaitedProof {
    /// The C2SP tlog-proof.
    pub(super) text: String,
    /// Whether the checkpoint's cosignatures are a quorum.
    pub(super) witnessed: bool,
    /// Whether the service has witnesses and they are not.
    pub(super) awaits_witnesses: bool,
}

impl ReceiptBody {
    /// Adds the proof that was waited for.
    pub(super) fn with_proof(mut self, proof: Option<WaitedProof>) -> Self {
        match &proof {
            None => {
                self.warn(
                    "proof_pending",
                    "it is in the ledger, but no checkpoint covers it yet; ask /v1/proofs/inclusion later",
                );
            }
            Some(proof) if proof.awaits_witnesses => {
                self.warn("not_witnessed", "it is in the ledger and proved, but no quorum of the witnesses has cosigned the checkpoint yet; ask /v1/proofs/inclusion later");
            }
            Some(_) => {}
        }
        self.witnessed = proof.as_ref().map(|proof| proof.witnessed);
        self.proof = proof.map(|proof| proof.text);
        self
    }

    fn warn(&mut self, code: &str, meaning: &str) {
        self.warnings.push(WarningBody { code: code.to_owned(), pointer: String::new(), meaning: meaning.to_owned() });
    }
}

/// What became of a statement that was not refused.
pub(super) enum Answered {
    /// It is in the ledger; the status says since when.
    InLedger(u16, Receipt),
    /// It waits.
    Waiting(Box<Waiting>),
}

/// Splits an outcome into its answer, or the problem.
pub(super) fn answer(outcome: Outcome) -> Result<Answered, Problem> {
    match outcome {
        Outcome::Accepted(receipt) => Ok(Answered::InLedger(201, receipt)),
        Outcome::Repeated(receipt) => Ok(Answered::InLedger(200, receipt)),
        Outcome::Waiting(waiting) => Ok(Answered::Waiting(waiting)),
        Outcome::Refused(refused) => Err(refused.into()),
    }
}
