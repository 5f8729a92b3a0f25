//! The bundle: one file that proves one certificate offline. It has one byte form; any other byte is refused.
//!
//! Compact JSON with keys in the order of the declarations. The checkpoint stands once, each entry with its bytes and
//! its inclusion path. What no checkpoint authenticates has no place in it, and neither has the trust anchor: whoever
//! verifies brings the ledger's key by another road.

use crate::limits::BUNDLE_BYTES_MAX;
use crate::proof::merkle::TreeHash;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

/// The only version so far.
const VERSION: u8 = 1;
const TYPE: &str = "loopledger-bundle";

/// A bundle as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u8,
    r#type: String,
    certificate: String,
    keys: Vec<String>,
    checkpoint: String,
    entries: Vec<WrittenEntry>,
    openings: Vec<WrittenOpening>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    index: u64,
    entry: String,
    path: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOpening {
    entry: u64,
    pointer: String,
    salt: String,
    value: String,
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The serial numbers of the certificate that it is about.
    pub certificate: String,
    /// The vkeys under which the checkpoint is signed, the log's and its witnesses', one signature line each, in this order.
    pub keys: Vec<String>,
    /// The checkpoint's note.
    pub checkpoint: String,
    /// Entries in the order of the ledger.
    pub entries: Vec<BundledEntry>,
    /// Openings of the certificate's retirement.
    pub openings: Vec<BundledOpening>,
}

/// An entry with the proof that it is in the checkpoint's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledEntry {
    /// Its place.
    pub index: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The leaf's sibling first.
    pub path: Vec<TreeHash>,
}

/// The value behind a commitment of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledOpening {
    /// The entry.
    pub entry: u64,
    /// JSON Pointer of the commitment in its payload.
    pub pointer: String,
    /// The salt.
    pub salt: [u8; 32],
    /// The value.
    pub value: String,
}

/// Why bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotABundle {
    /// They are something else.
    #[error("this is no bundle of a certificate, or it was damaged: {0}")]
    Unreadable(String),
    /// They say what a bundle says, in another form: somebody has touched them.
    #[error("the file is not in the one form that a bundle has: it was changed or written again")]
    OtherForm,
}

impl Bundle {
    /// The one byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let entry = |entry: &BundledEntry| WrittenEntry {
            index: entry.index,
            entry: BASE64.encode(&entry.bytes),
            path: entry.path.iter().map(|hash| BASE64.encode(&hash.0)).collect(),
        };
        let opening = |opening: &BundledOpening| WrittenOpening {
            entry: opening.entry,
            pointer: opening.pointer.clone(),
            salt: HEXLOWER.encode(&opening.salt),
            value: opening.value.clone(),
        };
        let written = Written {
            v: VERSION,
            r#type: TYPE.to_owned(),
            certificate: self.certificate.clone(),
            keys: self.keys.clone(),
            checkpoint: self.checkpoint.clone(),
            entries: self.entries.iter().map(entry).collect(),
            openings: self.openings.iter().map(opening).collect(),
        };
        // Strings and numbers alone: writing them as JSON cannot fail.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads the one byte form: what is read is written again and compared.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotABundle> {
        let unreadable = |problem: &str| NotABundle::Unreadable(problem.to_owned());
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(unreadable("it is longer than 64 MiB"));
        }
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| NotABundle::Unreadable(error.to_string()))?;
        if written.v != VERSION || written.r#type != TYPE {
            return Err(unreadable("it is of another type or version"));
        }
        let bundle = Self {
            certificate: written.certificate,
            keys: written.keys,
            checkpoint: written.checkpoint,
            entries: written.entries.iter().map(read_entry).collect::<Option<_>>().ok_or(NotABundle::OtherForm)?,
            openings: written
                .openings
                .into_iter()
                .map(read_opening)
                .collect::<Option<_>>()
                .ok_or(NotABundle::OtherForm)?,
        };
        if bundle.to_bytes() == bytes { Ok(bundle) } else { Err(NotABundle::OtherForm) }
    }
}

fn read_entry(written: &WrittenEntry) -> Option<BundledEntry> {
    let hash = |text: &String| TreeHash::from_slice(&BASE64.decode(text.as_bytes()).ok()?);
    Some(BundledEntry {
        index: written.index,
        bytes: BASE64.decode(written.entry.as_bytes()).ok()?,
        path: written.path.iter().map(hash).collect::<Option<_>>()?,
    })
}

fn read_opening(written: WrittenOpening) -> Option<BundledOpening> {
    let salt = HEXLOWER.decode(written.salt.as_bytes()).ok()?;
    let WrittenOpening { entry, pointer, value, .. } = written;
    Some(BundledOpening { entry, pointer, salt: salt.try_into().ok()?, value })
}
