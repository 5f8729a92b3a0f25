//! What is said when a value behind a commitment is erased.

use crate::domain::fields::{codes, record, text_field};
use crate::domain::ids::EntryIndex;

/// Steps of names and positions alone, so that no words fit in. Depth is bounded by the payload that it must lead into.
fn is_commitment_pointer(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_step = |step: &str| (1..=40).contains(&step.len()) && step.bytes().all(is_plain);
    text.len() <= 200 && text.strip_prefix('/').is_some_and(|steps| steps.split('/').all(is_step))
}

text_field!(
    /// Where a commitment stands in a payload: a JSON Pointer (RFC 6901), the same as the key of its opening.
    CommitmentPointer, Code, "the JSON Pointer of a commitment, such as /serial", is_commitment_pointer
);

codes! {
    /// Why a value is erased.
    pub enum ErasureReason {
        /// The person whom it is about asked for it.
        PersonAsked = "person_asked",
        /// The time for which it may be kept is over.
        RetentionOver = "retention_over",
        /// It should not have been posted: it is wrong, or somebody else's.
        PostedInError = "posted_in_error",
        /// An authority or a court ordered it.
        Ordered = "ordered",
    }
}

record! {
    /// The values behind commitments of one entry are erased: their openings are deleted when this is written down.
    ///
    /// The commitments stay where they are, so nothing that was proved before is proved otherwise.
    pub struct ValueErased {
        /// The entry whose values they are.
        entry: EntryIndex,
        /// The commitments in its payload, each once.
        pointers: Vec<CommitmentPointer>,
        /// Why.
        reason: ErasureReason,
    }
}
