//! Commitments to values that stay outside the ledger, and their openings.

use crate::domain::fields::Value;
use crate::limits::{OPENING_BYTES_MAX, OPENINGS_MAX};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use unicode_normalization::is_nfc;

/// The value behind a commitment, which can be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// JSON Pointer of the commitment in the payload.
    pub pointer: String,
    /// 32 random bytes, fresh for every commitment, so that equal values do not show.
    pub salt: [u8; 32],
    /// The value, UTF-8 in NFC.
    pub value: String,
}

/// An opening that does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {problem}")]
pub struct OpeningRefused {
    /// JSON Pointer of the commitment.
    pub pointer: String,
    /// What is wrong.
    pub problem: &'static str,
}

/// SHA-256("loopledger/commitment/v1" || 0x00 || salt || uint16be(len field) || field || value).
pub fn commit(pointer: &str, salt: &[u8; 32], value: &str) -> Option<String> {
    let length = u16::try_from(pointer.len()).ok()?;
    let mut hasher = Sha256::new();
    hasher.update(b"loopledger/commitment/v1\0");
    hasher.update(salt);
    hasher.update(length.to_be_bytes());
    hasher.update(pointer);
    hasher.update(value);
    Some(HEXLOWER.encode(&hasher.finalize()))
}

/// Checks each opening against the commitment in the payload at its pointer.
pub fn check_openings(payload: &Value, openings: &[Opening]) -> Result<(), OpeningRefused> {
    if openings.len() > OPENINGS_MAX {
        return Err(OpeningRefused { pointer: String::new(), problem: "more than 64 openings" });
    }
    let check = |opening: &Opening| match problem_of(payload, opening) {
        None => Ok(()),
        Some(problem) => Err(OpeningRefused { pointer: opening.pointer.clone(), problem }),
    };
    openings.iter().try_for_each(check)
}

/// What is wrong with a value that an opening shall have.
pub fn problem_of_value(value: &str) -> Option<&'static str> {
    if value.len() > OPENING_BYTES_MAX {
        return Some("the value is longer than 1024 bytes");
    }
    // A NUL cannot be stored by every database; no other control character belongs into a name or a note either.
    if value.chars().any(char::is_control) {
        return Some("the value has a control character");
    }
    (!is_nfc(value)).then_some("the value is not in Unicode normalisation form C")
}

fn problem_of(payload: &Value, opening: &Opening) -> Option<&'static str> {
    if let Some(problem) = problem_of_value(&opening.value) {
        return Some(problem);
    }
    if opening.pointer.chars().any(char::is_control) {
        return Some("the pointer has a control character");
    }
    let Some(Value::Text(committed)) = payload.at(&opening.pointer).and_then(|value| value.member("c")) else {
        return Some("the payload has no commitment at this pointer");
    };
    if commit(&opening.pointer, &opening.salt, &opening.value).as_ref() != Some(committed) {
        return Some("salt, field and value do not hash to the commitment in the payload");
    }
    None
}
