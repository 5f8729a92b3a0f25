//! Proofs for anyone, from tiles and leaf hashes.

use crate::domain::ids::EntryIndex;
use crate::ledger::Ledger;
use crate::ledger::cosigned::Cosigned;
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::tiles::{ProofError, Prover};
use crate::proof::tlog_proof;
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{StoreError, entries};

/// That an entry is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The entry.
    pub index: EntryIndex,
    /// Its hash.
    pub leaf_hash: TreeHash,
    /// The leaf's sibling first.
    pub hashes: Vec<TreeHash>,
    /// The checkpoint, with the cosignatures that are known of it.
    pub cosigned: Cosigned,
}

impl Inclusion {
    /// The C2SP tlog-proof.
    pub fn tlog_proof(&self) -> String {
        tlog_proof::format(self.index.0, &self.hashes, &self.cosigned.checkpoint.note)
    }
}

/// That one checkpoint's tree is a beginning of another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The smaller checkpoint.
    pub first: StoredCheckpoint,
    /// The larger checkpoint.
    pub second: StoredCheckpoint,
    /// The proof of RFC 9162 §2.1.4.
    pub hashes: Vec<TreeHash>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// No checkpoint of that size was signed.
    #[error("no checkpoint over {0} entries was signed")]
    NoCheckpoint(u64),
    /// The checkpoint does not cover the entry.
    #[error("the checkpoint over {size} entries does not cover entry {index}")]
    NotCovered {
        /// The entry.
        index: EntryIndex,
        /// The checkpoint's size.
        size: u64,
    },
    /// The sizes stand in the wrong order.
    #[error("the first size is larger than the second")]
    WrongOrder,
    /// The database.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for NoProof {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn unproved(error: ProofError<StoreError>) -> NoProof {
    match error {
        ProofError::Source(error) => NoProof::Store(error),
        other => NoProof::Store(StoreError::damaged(other.to_string())),
    }
}

impl Ledger {
    /// A size up to the newest checkpoint that is shown. One beyond it may be stored already, but until the guard has
    /// moved to it nobody must hold it.
    fn shown_size(&self, wanted: Option<u64>) -> Result<u64, NoProof> {
        let newest = self.checkpoint().map_or(0, |shown| shown.size);
        match wanted.unwrap_or(newest) {
            size if size <= newest => Ok(size),
            size => Err(NoProof::NoCheckpoint(size)),
        }
    }

    /// Proves an entry under the checkpoint of a size, or under the newest.
    pub fn prove_inclusion(&self, index: EntryIndex, size: Option<u64>) -> Result<Inclusion, NoProof> {
        let size = self.shown_size(size)?;
        let (leaf_hash, hashes, checkpoint) = self.store.read(|database| {
            let checkpoint = tiles::checkpoint(database, size)?.ok_or(NoProof::NoCheckpoint(size))?;
            if index.0 >= size {
                return Err(NoProof::NotCovered { index, size });
            }
            let entry = entries::find(database, index)?;
            let entry = entry.ok_or_else(|| StoreError::damaged(format!("entry {index} is missing")))?;
            let mut source = StoredTiles(database);
            let hashes = Prover::new(&mut source, size).inclusion(index.0).map_err(unproved)?;
            Ok::<_, NoProof>((leaf_hash(&entry.bytes), hashes, checkpoint))
        })?;
        Ok(Inclusion { index, leaf_hash, hashes, cosigned: self.cosigned(checkpoint)? })
    }

    /// Proves that the checkpoint of one size is a beginning of another's, or of the newest.
    pub fn prove_consistency(&self, first: u64, second: Option<u64>) -> Result<Consistency, NoProof> {
        let second = self.shown_size(second)?;
        if first > second {
            return Err(NoProof::WrongOrder);
        }
        self.store.read(|database| {
            let find = |database: &mut _, size| tiles::checkpoint(database, size)?.ok_or(NoProof::NoCheckpoint(size));
            let (first, second) = (find(database, first)?, find(database, second)?);
            let mut source = StoredTiles(database);
            let hashes = Prover::new(&mut source, second.size).consistency(first.size).map_err(unproved)?;
            Ok(Consistency { first, second, hashes })
        })
    }
}
