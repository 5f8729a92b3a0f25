//! Verifying a bundle offline: the same code that the service runs, and nothing of the service's word.
//!
//! From cheap to dear, so that a flipped bit is found early: the one byte form, the checkpoint's signatures, every
//! entry's inclusion path, the openings, every signature under the key rules, and then what the certificate says.

mod certificate;
mod doubts;
pub mod history;
mod life;
mod life_facts;
mod matter;
mod scheme;
mod shown;
mod signed;
pub mod since;

pub use certificate::{CertificateFacts, Share};
pub use life_facts::{BackedFacts, LifeFacts, PendingFacts, RetiredFacts, StepFacts};
pub use signed::{Seen, Trust};

use crate::domain::event::CertificateRetired;
use crate::domain::fields::Value;
use crate::domain::ids::EntryIndex;
use crate::proof::bundle::{Bundle, NotABundle};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::commitment::{Opening, check_openings};
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::json;
use crate::proof::keys::CompactJws;
use crate::proof::merkle::{check_inclusion, leaf_hash};
use crate::proof::note::NoteVerifier;
use shown::Shown;
use signed::log_keys;

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The file is no bundle.
    #[error("{0}")]
    Unreadable(String),
    /// It is one, and it is wrong.
    #[error("{0}")]
    Invalid(String),
}

/// A value of the retirement that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedFacts {
    /// JSON Pointer of its commitment.
    pub pointer: String,
    /// The day, UTC.
    pub on: String,
    /// The entry that says so.
    pub by: u64,
}

/// References that lead out of the bundle, and openings that are not there.
fn not_shown(
    shown: &Shown,
    certificate: &CertificateFacts,
    openings: &[(String, String)],
    erased: &[ErasedFacts],
) -> Vec<String> {
    let mut words = shown.not_shown(certificate);
    let is_told = |pointer: &str| {
        openings.iter().any(|(open, _)| open == pointer) || erased.iter().any(|erased| erased.pointer == pointer)
    };
    if certificate.retired.is_some() && !CertificateRetired::OPENED.iter().all(|pointer| is_told(pointer)) {
        words.push("for whom and for what it was retired, or a part of that: left out, or erased".to_owned());
    }
    words
}

/// Rejects as invalid, in words.
fn invalid<T>(problem: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Invalid(problem.into()))
}

/// What a bundle proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the checkpoint is signed by a key that the verifier brought. If not, the bundle agrees with itself, and
    /// whoever made it may have made all of it.
    pub trusted: bool,
    /// The checkpoint under which all of it stands.
    pub checkpoint: Checkpoint,
    /// The trusted witnesses that saw it, and when.
    pub seen: Vec<Seen>,
    /// Cosignatures of witnesses that the verifier has not named.
    pub unnamed: usize,
    /// Entries that are shown.
    pub shown: usize,
    /// Statements among them that rest on keys whose secrets the operator holds.
    pub hosted: usize,
    /// When the last of them was written down.
    pub as_of: String,
    /// What the certificate says and rests on.
    pub certificate: CertificateFacts,
    /// The values behind the commitments of its retirement, by pointer.
    pub openings: Vec<(String, String)>,
    /// The values of its retirement that were erased.
    pub erased: Vec<ErasedFacts>,
    /// What was referred to and is not in the bundle, in words.
    pub not_shown: Vec<String>,
    /// What the reader should know although it does not make the bundle invalid.
    pub remarks: Vec<String>,
}

/// Verifies a bundle. `anchor` is the ledger's key, had by another road than the bundle.
pub fn verify(bytes: &[u8], anchor: Option<&NoteVerifier>) -> Result<Verdict, Rejection> {
    verify_bundle(&read(bytes)?, anchor.map_or(Trust::Nobody, Trust::Key))
}

/// Reads a bundle; nothing of it is verified but its form.
pub fn read(bytes: &[u8]) -> Result<Bundle, Rejection> {
    Bundle::parse(bytes).map_err(|problem| match problem {
        NotABundle::Unreadable(_) => Rejection::Unreadable(problem.to_string()),
        NotABundle::OtherForm => Rejection::Invalid(problem.to_string()),
    })
}

/// Verifies a bundle that was read.
pub fn verify_bundle(bundle: &Bundle, trust: Trust<'_>) -> Result<Verdict, Rejection> {
    let signed = signed::check(bundle, trust)?;
    let checkpoint = signed.checkpoint;
    let entries = check_entries(bundle, &checkpoint)?;
    let openings = check_bundled_openings(bundle, &entries)?;
    let shown = Shown::read(checkpoint.origin.clone(), &entries)?;
    require_ledgers_key(bundle, &shown)?;
    let certificate = certificate::check(&shown, &bundle.certificate)?;
    require_openings_of_retirement(bundle, &certificate)?;
    let retired = certificate.retired.as_ref();
    let erased = retired.map_or_else(Vec::new, |retired| shown.erased(EntryIndex(retired.entry)));
    Ok(Verdict {
        trusted: !matches!(trust, Trust::Nobody),
        checkpoint,
        seen: signed.seen,
        unnamed: signed.unnamed,
        shown: entries.len(),
        hosted: shown.hosted(),
        as_of: entries.last().map(|entry| entry.time.to_string()).unwrap_or_default(),
        not_shown: not_shown(&shown, &certificate, &openings, &erased),
        remarks: [shown.remarks(), doubts::after(&shown, EntryIndex(certificate.issued))].concat(),
        certificate,
        openings,
        erased,
    })
}

/// Every entry is in its one form, stands in the checkpoint's tree where it says, and follows those before it.
fn check_entries(bundle: &Bundle, checkpoint: &Checkpoint) -> Result<Vec<Entry>, Rejection> {
    let mut entries: Vec<Entry> = Vec::with_capacity(bundle.entries.len());
    let mut before: Option<ChainHash> = None;
    for bundled in &bundle.entries {
        let index = bundled.index;
        let leaf = leaf_hash(&bundled.bytes);
        if let Err(problem) = check_inclusion(&leaf, index, checkpoint.size, &bundled.path, &checkpoint.root) {
            return invalid(format!("entry {index} is not in the ledger of the checkpoint: {problem}"));
        }
        let Ok(entry) = Entry::parse(&bundled.bytes) else { return invalid(format!("entry {index} is no entry")) };
        if entry.index.0 != index || entry.ledger != checkpoint.origin {
            return invalid(format!("entry {index} says that it is entry {} of {}", entry.index, entry.ledger));
        }
        if let Some(last) = entries.last() {
            if last.index >= entry.index || last.time > entry.time {
                return invalid(format!("entry {index} does not come after entry {}", last.index));
            }
            if last.index.0 + 1 == index && before != Some(entry.prev) {
                return invalid(format!("entry {index} does not name the hash of entry {}", last.index));
            }
        }
        before = Some(ChainHash::of(&bundled.bytes));
        entries.push(entry);
    }
    Ok(entries)
}

fn check_bundled_openings(bundle: &Bundle, entries: &[Entry]) -> Result<Vec<(String, String)>, Rejection> {
    let mut values = Vec::with_capacity(bundle.openings.len());
    for opening in &bundle.openings {
        let payload = entries.iter().find(|entry| entry.index.0 == opening.entry).and_then(payload_of);
        let Some(payload) = payload else { return invalid("an opening belongs to no entry that is shown") };
        let (pointer, value) = (opening.pointer.clone(), opening.value.clone());
        let checked = Opening { pointer: pointer.clone(), salt: opening.salt, value: value.clone() };
        if let Err(problem) = check_openings(&payload, &[checked]) {
            return invalid(format!("an opening does not open its commitment: {problem}"));
        }
        if values.iter().any(|(known, _)| *known == pointer) {
            return invalid("an opening stands twice");
        }
        values.push((pointer, value));
    }
    Ok(values)
}

fn payload_of(entry: &Entry) -> Option<Value> {
    json::parse(&CompactJws::parse(&entry.statement).ok()?.payload).ok()
}

/// The openings are those of the certificate's own retirement and of nothing else.
fn require_openings_of_retirement(bundle: &Bundle, certificate: &CertificateFacts) -> Result<(), Rejection> {
    let retired = certificate.retired.as_ref().map(|retired| retired.entry);
    if bundle.openings.iter().any(|opening| Some(opening.entry) != retired) {
        return invalid("an opening belongs to another entry than the retirement");
    }
    Ok(())
}

/// Entry 0 names the key that signs the ledger's checkpoints.
fn require_ledgers_key(bundle: &Bundle, shown: &Shown) -> Result<(), Rejection> {
    if log_keys(bundle).any(|key| shown.names_checkpoint_key(key)) {
        return Ok(());
    }
    invalid("the checkpoint is not signed by the key that entry 0 of the ledger names")
}
