//! Who signed a bundle's checkpoint, and who saw it.
//!
//! A bundle lists the keys of exactly the signature lines that stand in its checkpoint, in their order: keys of the log
//! (type 0x01) and of witnesses (0x04). Each line is verified, whoever is trusted; what a key is worth, only the verifier's own
//! anchor tells.

use crate::domain::time::LedgerTime;
use crate::proof::bundle::Bundle;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::cosignature::Cosigner;
use crate::proof::note::{Note, NoteProblem, NoteVerifier};
use crate::proof::policy::{Policy, Witnessed};
use crate::proof::verify::{Rejection, invalid};
use std::collections::BTreeSet;

/// Whom the verifier trusts, had by another road than the bundle.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Nobody: the bundle can only be shown to agree with itself.
    Nobody,
    /// The ledger's key; nobody need have seen the checkpoint.
    Key(&'a NoteVerifier),
    /// A policy: one of its logs signs, and its quorum of witnesses has cosigned.
    Policy(&'a Policy),
}

/// That a trusted witness has seen a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the policy calls the witness.
    pub by: String,
    /// When it saw that the checkpoint extends all that it saw before.
    pub at: LedgerTime,
}

/// A checkpoint whose every signature line was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The policy's witnesses that cosigned it, in the policy's order.
    pub seen: Vec<Seen>,
    /// Cosignatures of witnesses that the verifier has not named: they prove nothing to it.
    pub unnamed: usize,
}

/// A key of a bundle.
enum ListedKey {
    Log(NoteVerifier),
    Witness(Cosigner),
}

impl ListedKey {
    fn parse(vkey: &str) -> Option<Self> {
        NoteVerifier::parse(vkey).map(Self::Log).or_else(|_| Cosigner::parse(vkey).map(Self::Witness)).ok()
    }

    fn bytes(&self) -> [u8; 32] {
        match self {
            Self::Log(log) => log.key().to_bytes(),
            Self::Witness(witness) => witness.key().to_bytes(),
        }
    }

    fn verify(&self, note: &Note<'_>) -> Result<(), NoteProblem> {
        match self {
            Self::Log(log) => log.require_signed(note),
            Self::Witness(witness) => witness.time_of(note).map(drop),
        }
    }
}

/// The keys of a bundle that can sign checkpoints, as they are listed.
pub(super) fn log_keys(bundle: &Bundle) -> impl Iterator<Item = &String> {
    bundle.keys.iter().filter(|key| NoteVerifier::parse(key).is_ok())
}

/// The checkpoint is signed by every key that is listed, one line each in the same order and no other line, and by whom the
/// verifier trusts.
pub(super) fn check(bundle: &Bundle, trust: Trust<'_>) -> Result<Signed, Rejection> {
    let keys = check_lines(bundle)?;
    let log = keys.iter().find_map(|key| match key {
        ListedKey::Log(log) => Some(log),
        ListedKey::Witness(_) => None,
    });
    let Some(log) = log else { return invalid("the bundle lists no key of a log") };
    let checkpoint = Checkpoint::open(&bundle.checkpoint, log)
        .map_err(|problem| Rejection::Invalid(format!("the checkpoint is not signed by {}: {problem}", log.vkey())))?;
    let is_anothers = |key: &ListedKey| matches!(key, ListedKey::Log(log) if log.name() != checkpoint.origin.as_str());
    if keys.iter().any(is_anothers) {
        return invalid("a key of another log is listed");
    }
    let witnesses = keys.iter().filter(|key| matches!(key, ListedKey::Witness(_))).count();
    match trust {
        Trust::Key(anchor) if !bundle.keys.contains(&anchor.vkey()) => {
            invalid(format!("the checkpoint is not signed by the key that you trust, {}", anchor.vkey()))
        }
        Trust::Nobody | Trust::Key(_) => Ok(Signed { checkpoint, seen: Vec::new(), unnamed: witnesses }),
        Trust::Policy(policy) => {
            let seen = believe(policy, &bundle.checkpoint)?;
            let unnamed = witnesses.saturating_sub(seen.len());
            Ok(Signed { checkpoint, seen, unnamed })
        }
    }
}

/// Each listed key has signed the line of its place. A key counts once, whatever names it goes by.
fn check_lines(bundle: &Bundle) -> Result<Vec<ListedKey>, Rejection> {
    let Ok(note) = Note::parse(&bundle.checkpoint) else {
        return invalid("the checkpoint is no signed note, or has more signature lines than are read");
    };
    if note.signatures.len() != bundle.keys.len() {
        return invalid("the checkpoint has other signature lines than the bundle has keys");
    }
    let (mut keys, mut distinct) = (Vec::with_capacity(bundle.keys.len()), BTreeSet::new());
    for (vkey, line) in bundle.keys.iter().zip(&note.signatures) {
        let Some(key) = ListedKey::parse(vkey) else { return invalid("a key in the bundle is no vkey") };
        if !distinct.insert(key.bytes()) {
            return invalid("a key is listed twice");
        }
        let alone = Note { text: note.text, signatures: vec![line.clone()] };
        if let Err(problem) = key.verify(&alone) {
            return invalid(format!("the checkpoint is not signed by {vkey}: {problem}"));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// A checkpoint that came by another road than the bundle.
pub(super) struct Newer {
    pub(super) checkpoint: Checkpoint,
    pub(super) seen: Vec<Seen>,
    /// What the verifier's policy misses, if it misses something.
    pub(super) missed: Option<String>,
}

/// Opens a checkpoint of the bundle's ledger that came by another road: signed by whom the verifier trusts, or, if that is
/// nobody, by the key of the bundle. The newest one may not have found its witnesses yet.
pub(super) fn open_newer(bundle: &Bundle, trust: Trust<'_>, note: &str) -> Result<Newer, Rejection> {
    let by_key = |key: &NoteVerifier| match Checkpoint::open(note, key) {
        Ok(checkpoint) => Ok(Newer { checkpoint, seen: Vec::new(), missed: None }),
        Err(problem) => invalid(format!("the newer checkpoint is not signed by {}: {problem}", key.vkey())),
    };
    match trust {
        Trust::Key(key) => by_key(key),
        Trust::Policy(policy) => {
            let witnessed = open_by(policy, note)?;
            let missed = (!witnessed.quorum_met).then(|| quorum_missed(policy, &witnessed));
            Ok(Newer { seen: seen_by(&witnessed)?, checkpoint: witnessed.checkpoint, missed })
        }
        Trust::Nobody => match log_keys(bundle).find_map(|key| NoteVerifier::parse(key).ok()) {
            Some(key) => by_key(&key),
            None => invalid("the bundle lists no key of a log"),
        },
    }
}

fn open_by(policy: &Policy, note: &str) -> Result<Witnessed, Rejection> {
    let problem = |problem| Rejection::Invalid(format!("the checkpoint is not believed under your policy: {problem}"));
    policy.open(note).map_err(problem)
}

/// The policy's witnesses that cosigned a note, if one of its logs signed it and its quorum is met.
fn believe(policy: &Policy, note: &str) -> Result<Vec<Seen>, Rejection> {
    let witnessed = open_by(policy, note)?;
    if witnessed.quorum_met { seen_by(&witnessed) } else { invalid(quorum_missed(policy, &witnessed)) }
}

fn seen_by(witnessed: &Witnessed) -> Result<Vec<Seen>, Rejection> {
    let seen = |(by, seconds): &(String, u64)| {
        let ms = i64::try_from(*seconds).ok()?.checked_mul(1_000)?;
        Some(Seen { by: by.clone(), at: LedgerTime::from_ms(ms)? })
    };
    let seen: Option<Vec<Seen>> = witnessed.cosigned.iter().map(seen).collect();
    seen.ok_or_else(|| Rejection::Invalid("a witness cosigned at a time beyond the year 9999".into()))
}

fn quorum_missed(policy: &Policy, witnessed: &Witnessed) -> String {
    let have: Vec<&str> = witnessed.cosigned.iter().map(|(name, _)| name.as_str()).collect();
    let names = || policy.witnesses.iter().map(|witness| witness.name.as_str());
    let missing: Vec<&str> = names().filter(|name| !have.contains(name)).collect();
    let have = if have.is_empty() { "nobody".to_owned() } else { have.join(", ") };
    format!(
        "your policy's quorum is not met: {have} cosigned the checkpoint; missing of its witnesses: {}",
        missing.join(", ")
    )
}
