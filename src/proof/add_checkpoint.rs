//! C2SP tlog-witness, `add-checkpoint`, to the byte: what a log sends to a witness, and when the witness may cosign.
//!
//! The decision is a function of the request and of what the witness cosigned last. Whoever runs it keeps that on disk,
//! and lets nothing come between the decision and the disk.

use crate::limits::WITNESS_PROOF_HASHES_MAX;
use crate::proof::checkpoint::AnyCheckpoint;
use crate::proof::merkle::{TreeHash, check_consistency};
use crate::proof::note::{Note, NoteProblem, NoteVerifier};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The media type of a tree's size: how a witness says what it cosigned last.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A request that was read; nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size that the log believes the witness cosigned last.
    pub old_size: u64,
    /// The consistency proof from that size.
    pub proof: Vec<TreeHash>,
    /// The checkpoint's note.
    pub note: Note<'a>,
    /// What the note says.
    pub checkpoint: AnyCheckpoint<'a>,
}

/// Why a witness does not cosign; the specification gives each its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCosigned {
    /// 400: not of the form.
    #[error(
        "the request is not of the form of add-checkpoint: old SIZE, proof lines, an empty line, a signed checkpoint"
    )]
    Malformed,
    /// 400: the old size is larger than the checkpoint's.
    #[error("the old size is larger than the checkpoint's size")]
    OldLarger,
    /// 404: a log that this witness does not know.
    #[error("this witness does not know the log of this origin")]
    UnknownOrigin,
    /// 403: no signature of a known key, or a bad one.
    #[error("the checkpoint is not signed by a key that this witness knows of its log, or such a signature is bad")]
    NotSigned,
    /// 409: the size that was cosigned last.
    #[error("the old size is not {0}, the size that this witness cosigned last")]
    OtherSize(u64),
    /// 422: it does not extend what was cosigned.
    #[error("the checkpoint is not proved to extend the one that this witness cosigned last")]
    Inconsistent,
}

/// Writes a request.
pub fn format(old_size: u64, proof: &[TreeHash], note: &str) -> String {
    let mut text = format!("old {old_size}\n");
    for hash in proof {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", BASE64.encode(&hash.0));
    }
    text + "\n" + note
}

/// A size as it stands in a line: decimal, in one form.
pub fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

/// How a witness names a log in its addresses: hex of SHA-256 of the origin.
pub fn origin_hash(origin: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(origin))
}

impl<'a> AddCheckpoint<'a> {
    /// Reads a request.
    pub fn parse(body: &'a str) -> Result<Self, NotCosigned> {
        Self::read(body).ok_or(NotCosigned::Malformed)
    }

    fn read(body: &'a str) -> Option<Self> {
        let (first, mut rest) = body.split_once('\n')?;
        let old_size = parse_size(first.strip_prefix("old ")?)?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            if line.is_empty() {
                break;
            }
            let hash = TreeHash::from_slice(&BASE64.decode(line.as_bytes()).ok()?)?;
            if proof.len() == WITNESS_PROOF_HASHES_MAX {
                return None;
            }
            proof.push(hash);
        }
        let note = Note::parse(rest).ok()?;
        let checkpoint = AnyCheckpoint::parse(note.text)?;
        Some(Self { old_size, proof, note, checkpoint })
    }

    /// Decides, in the order of the specification, under the keys that the witness knows of the checkpoint's log and what it
    /// cosigned of it last. No keys: the log is not known.
    pub fn check(&self, keys: &[NoteVerifier], latest: Option<(u64, TreeHash)>) -> Result<(), NotCosigned> {
        if keys.is_empty() {
            return Err(NotCosigned::UnknownOrigin);
        }
        if !is_signed(&self.note, keys) {
            return Err(NotCosigned::NotSigned);
        }
        let new = (self.checkpoint.size, &self.checkpoint.root);
        if self.old_size > new.0 {
            return Err(NotCosigned::OldLarger);
        }
        let (size, root) = latest.unwrap_or((0, crate::proof::merkle::empty_root()));
        if self.old_size != size {
            return Err(NotCosigned::OtherSize(size));
        }
        // An empty tree has one root; and whatever extends an empty tree needs no proof.
        let is_empty_right = new.0 > 0 || *new.1 == crate::proof::merkle::empty_root();
        let extends = is_empty_right && check_consistency((size, &root), new, &self.proof).is_ok();
        extends.then_some(()).ok_or(NotCosigned::Inconsistent)
    }

    /// The first signature line of each of some keys, with their line feeds: what a witness keeps of a note. A request may
    /// repeat a line as often as a note has room; with ours the note would then be too long to be read again.
    pub fn lines_of(&self, keys: &[NoteVerifier]) -> String {
        let mut lines = String::new();
        let mut keys: Vec<&NoteVerifier> = keys.iter().collect();
        for line in &self.note.signatures {
            let alone = Note { text: self.note.text, signatures: vec![line.clone()] };
            if let Some(signer) = keys.iter().position(|key| key.require_signed(&alone).is_ok()) {
                keys.swap_remove(signer);
                lines.push_str(line.line);
                lines.push('\n');
            }
        }
        lines
    }
}

/// Whether one of the keys signed a note and no line of any of them is bad.
pub fn is_signed(note: &Note<'_>, keys: &[NoteVerifier]) -> bool {
    let results: Vec<Result<(), NoteProblem>> = keys.iter().map(|key| key.require_signed(note)).collect();
    let is_fine = |result: &Result<(), NoteProblem>| matches!(result, Ok(()) | Err(NoteProblem::NotSigned));
    results.iter().all(is_fine) && results.iter().any(Result::is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::merkle::{leaf_hash, node_hash};
    use crate::proof::note::sign_note;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_request_reads_back() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let key = SigningKey::from_bytes(&[7; 32]);
        let verifier = NoteVerifier::new("log.example", key.verifying_key()).expect("a name");
        let body = format!("log.example\n2\n{}\n", BASE64.encode(&node_hash(&left, &right).0));
        let note = sign_note("log.example", &key, &body).expect("a note");
        let text = format(1, &[right], &note);
        let request = AddCheckpoint::parse(&text).expect("a request");
        assert_eq!((request.old_size, request.proof.clone(), request.checkpoint.size), (1, vec![right], 2));
        let keys = [verifier];
        assert_eq!(request.check(&keys, Some((1, left))), Ok(()));
        assert_eq!(request.check(&keys, Some((1, right))), Err(NotCosigned::Inconsistent));
        assert_eq!(request.check(&keys, None), Err(NotCosigned::OtherSize(0)));
        assert_eq!(request.check(&[], None), Err(NotCosigned::UnknownOrigin));
        assert_eq!(format!("{body}\n{}", request.lines_of(&keys)), note);
        assert_eq!(origin_hash("log.example").len(), 64);
    }
}
