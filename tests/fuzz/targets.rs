//! What reads bytes from outside, each as a function that must never panic and whose answer must hold together: whatever is
//! accepted reads back to the very same.
//!
//! `tests/run` gives each a fixed number of mutated inputs on stable Rust; under `cargo fuzz` (nightly) each is a target.

use loopledger::domain::event::Statement;
use loopledger::proof::add_checkpoint::AddCheckpoint;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::checkpoint::{AnyCheckpoint, Checkpoint};
use loopledger::proof::entry::Entry;
use loopledger::proof::entry_bundle;
use loopledger::proof::json;
use loopledger::proof::keys::verifying_key;
use loopledger::proof::merkle::leaf_hash;
use loopledger::proof::note::{Note, NoteVerifier};
use loopledger::proof::policy::Policy;
use loopledger::proof::statement::Unverified;
use loopledger::proof::tile_path::TilePath;
use loopledger::proof::tlog_proof::{self, TlogProof};
use loopledger::proof::verify::verify;

/// What a target is given.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("payload", payload),
    ("statement", statement),
    ("entry", entry),
    ("note", note),
    ("checkpoint", checkpoint),
    ("proof", proof),
    ("tile_path", tile_path),
    ("entry_bundle", entry_bundle_of),
    ("add_checkpoint", add_checkpoint),
    ("policy", policy),
    ("bundle", bundle),
];

/// The base point of the curve: a key whose secret nobody needs here.
const SOME_KEY: [u8; 32] = {
    let mut key = [0x66; 32];
    key[0] = 0x58;
    key
};

pub fn payload(data: &[u8]) {
    let Ok(value) = json::parse(data) else { return };
    let written = value.to_string();
    assert_eq!(json::parse(written.as_bytes()).as_ref(), Ok(&value), "what is read reads back");
    let theirs: serde_json::Value = serde_json::from_slice(data).expect("any parser takes what the strict one takes");
    let ours: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(theirs, ours, "any parser reads the same");
    if let Ok(statement) = Statement::read(&value) {
        let again = json::parse(statement.to_payload().as_bytes()).expect("the strict profile");
        assert_eq!(Statement::read(&again), Ok(statement));
    }
}

pub fn statement(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(unverified) = Unverified::read(text) else { return };
    let key = verifying_key(SOME_KEY).expect("a good key");
    assert!(unverified.verify(&key).is_err(), "nobody has that key");
}

pub fn entry(data: &[u8]) {
    if let Ok(entry) = Entry::parse(data) {
        assert_eq!(entry.to_bytes(), data, "an entry has one byte form");
    }
}

pub fn note(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(note) = Note::parse(text) {
        let lines: Vec<&str> = note.signatures.iter().map(|line| line.line).collect();
        assert_eq!(format!("{}\n{}\n", note.text, lines.join("\n")), text, "a note is its text and its lines");
    }
    if let Ok(verifier) = NoteVerifier::parse(text) {
        assert_eq!(verifier.vkey(), text, "a vkey has one form");
    }
}

pub fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.body(), text, "a checkpoint of ours has one form");
    }
    if let Some(any) = AnyCheckpoint::parse(text) {
        assert!(text.starts_with(&format!("{}\n{}\n", any.origin, any.size)));
    }
}

pub fn proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(proof) = TlogProof::parse(text) else { return };
    assert!(proof.check(&leaf_hash(b"a leaf of no tree")).is_err() || proof.hashes.is_empty());
    if !text.contains("\nextra ") {
        assert_eq!(tlog_proof::format(proof.index, &proof.hashes, proof.checkpoint), text);
    }
}

pub fn tile_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text, "a tile has one path");
    }
}

pub fn entry_bundle_of(data: &[u8]) {
    let Some((width, bundle)) = data.split_first() else { return };
    if let Ok(entries) = entry_bundle::read(bundle, u64::from(*width)) {
        assert_eq!(entry_bundle::write(entries).as_deref(), Ok(bundle), "a bundle has one form");
    }
}

pub fn add_checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert!(request.check(&[], None).is_err(), "nobody's checkpoint is cosigned");
    }
}

pub fn policy(data: &[u8]) {
    let Ok(policy) = Policy::parse(data) else { return };
    assert_eq!(policy.is_quorum(&std::collections::BTreeSet::new()), !policy.asks_for_witnesses());
    let all = (0..policy.witnesses.len()).collect();
    assert!(policy.is_quorum(&all), "all witnesses are always a quorum");
    let _ =
        policy.open("ledger.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— ledger.example AAAAAAA=\n");
}

pub fn bundle(data: &[u8]) {
    if let Ok(bundle) = Bundle::parse(data) {
        assert_eq!(bundle.to_bytes(), data, "a bundle has one byte form");
    }
    if let Ok(verdict) = verify(data, None) {
        assert!(!verdict.trusted, "nobody vouches where no key is given");
    }
}
