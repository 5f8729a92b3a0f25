//! C2SP tlog-proof: one inclusion proof with its checkpoint, in one text (`.tlog-proof`).

use crate::limits::PROOF_HASHES_MAX;
use crate::proof::checkpoint::AnyCheckpoint;
use crate::proof::merkle::{ProofProblem, TreeHash, check_inclusion};
use crate::proof::note::Note;
use data_encoding::BASE64;
use std::fmt::Write as _;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The proof that the entry of an index is in the tree of the checkpoint that follows it.
pub fn format(index: u64, hashes: &[TreeHash], checkpoint_note: &str) -> String {
    let mut text = format!("{HEADER}\nindex {index}\n");
    for hash in hashes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", BASE64.encode(&hash.0));
    }
    text + "\n" + checkpoint_note
}

/// A proof that was read. What it says is believed only after the checkpoint's signatures and [`TlogProof::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof<'a> {
    /// The entry's place.
    pub index: u64,
    /// The leaf's sibling first.
    pub hashes: Vec<TreeHash>,
    /// The checkpoint's note, verbatim.
    pub checkpoint: &'a str,
}

impl<'a> TlogProof<'a> {
    /// Reads a proof; the unauthenticated `extra` line that others may write is passed over.
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
        let (mut line, mut rest) = rest.split_once('\n')?;
        if let Some(extra) = line.strip_prefix("extra ") {
            BASE64.decode(extra.as_bytes()).ok()?;
            (line, rest) = rest.split_once('\n')?;
        }
        let number = line.strip_prefix("index ")?;
        let index: u64 = number.parse().ok().filter(|index: &u64| index.to_string() == number)?;
        let mut hashes = Vec::new();
        loop {
            (line, rest) = rest.split_once('\n')?;
            if line.is_empty() {
                break;
            }
            let hash = BASE64.decode(line.as_bytes()).ok()?;
            hashes.push(TreeHash::from_slice(&hash).filter(|_| hashes.len() < PROOF_HASHES_MAX)?);
        }
        Some(Self { index, hashes, checkpoint: rest })
    }

    /// Checks that a leaf stands where the proof says, in the tree of its own checkpoint. Whether that checkpoint is signed by
    /// anybody is for whoever calls to find out first.
    pub fn check(&self, leaf: &TreeHash) -> Result<(), ProofProblem> {
        let note = Note::parse(self.checkpoint).map_err(|_| ProofProblem::SizesDoNotFit)?;
        let checkpoint = AnyCheckpoint::parse(note.text).ok_or(ProofProblem::SizesDoNotFit)?;
        check_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::merkle::{leaf_hash, node_hash};
    use crate::proof::note::sign_note;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_proof_reads_back_and_proves_its_leaf_alone() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let body = format!("ledger.example\n2\n{}\n", BASE64.encode(&node_hash(&left, &right).0));
        let note = sign_note("ledger.example", &SigningKey::from_bytes(&[7; 32]), &body).expect("a note");
        let text = format(1, &[left], &note);
        let proof = TlogProof::parse(&text).expect("a proof");
        assert_eq!(proof, TlogProof { index: 1, hashes: vec![left], checkpoint: &note });
        assert_eq!(proof.check(&right), Ok(()));
        assert_eq!(proof.check(&left), Err(ProofProblem::OtherRoot));
        let extra = text.replacen("\nindex", "\nextra AAAA\nindex", 1);
        assert_eq!(TlogProof::parse(&extra), Some(proof));
        for broken in ["", "index 1\n", &text.replace("@v1", "@v2"), &text.replace("index 1", "index 01"), HEADER] {
            assert_eq!(TlogProof::parse(broken), None, "{broken:?}");
        }
    }
}
