//! C2SP tlog-checkpoint: origin, size and root of the tree, as a signed note.

use crate::domain::ids::Origin;
use crate::proof::merkle::TreeHash;
use crate::proof::note::{NoteProblem, NoteVerifier, sign_note};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;

/// The size and root of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger.
    pub origin: Origin,
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
}

/// Why a note is no checkpoint of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointProblem {
    /// The note itself.
    #[error(transparent)]
    Note(#[from] NoteProblem),
    /// Its text is not origin, size, root.
    #[error("the note's text is not origin, size and root, a line each")]
    NotACheckpoint,
    /// It names another ledger than the key does.
    #[error("the checkpoint's origin is not the name of the key")]
    OtherOrigin,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root.0))
    }

    /// Reads the text: exactly three lines, one form; our ledgers write no extension lines.
    pub fn parse(body: &str) -> Option<Self> {
        let read = AnyCheckpoint::parse(body)?;
        let checkpoint = Self { origin: Origin::parse(read.origin)?, size: read.size, root: read.root };
        (checkpoint.body() == body).then_some(checkpoint)
    }

    /// Signs it; the key's name is the origin.
    pub fn sign(&self, key: &SigningKey) -> Option<String> {
        sign_note(self.origin.as_str(), key, &self.body())
    }

    /// Adds the signature line of another key to a note of this checkpoint: while one key takes the place of another, who
    /// knows either can verify it.
    pub fn add_signature(&self, note: &str, key: &SigningKey) -> Option<String> {
        let another = self.sign(key)?;
        let line = another.strip_prefix(&self.body())?.strip_prefix('\n')?;
        Some(format!("{note}{line}"))
    }

    /// Reads a note that the key signed and whose origin is the key's name.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, CheckpointProblem> {
        let checkpoint = Self::parse(verifier.open(note)?).ok_or(CheckpointProblem::NotACheckpoint)?;
        if checkpoint.origin.as_str() != verifier.name() {
            return Err(CheckpointProblem::OtherOrigin);
        }
        Ok(checkpoint)
    }
}

/// A checkpoint of any log that follows the specification, whatever its name and with whatever extension lines: what a
/// witness meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyCheckpoint<'a> {
    /// The log.
    pub origin: &'a str,
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
}

impl<'a> AnyCheckpoint<'a> {
    /// Reads the first three lines of a text that ends in a line feed; numbers and hashes have one form.
    pub fn parse(body: &'a str) -> Option<Self> {
        let mut lines = body.strip_suffix('\n')?.split('\n');
        let (origin, size_line, root_line) = (lines.next()?, lines.next()?, lines.next()?);
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        let root = TreeHash::from_slice(&BASE64.decode(root_line.as_bytes()).ok()?)?;
        let size: u64 = size_line.parse().ok()?;
        (size.to_string() == size_line && BASE64.encode(&root.0) == root_line).then_some(Self { origin, size, root })
    }
}
