//! Where an audit reads a ledger. Nothing that a source says is believed.

use crate::domain::ids::EntryIndex;
use crate::domain::state::Changes;
use crate::ledger::audit::progress::Progress;
use crate::ledger::audit::report::Findings;
use crate::ledger::replay::Taken;
use crate::proof::merkle::TreeHash;
use crate::store::head::Head;
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Database, StoreError, StoreFault};

/// Why a source does not give something.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is missing or ill-formed: a finding.
    #[error("{0}")]
    Damaged(String),
    /// The source cannot be read at all: the audit stops and can go on later.
    #[error("{0}")]
    Unreachable(String),
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        match error.fault {
            StoreFault::Damaged => Self::Damaged(error.message),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

/// Where a source ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Entries that it holds.
    pub size: u64,
    /// The newest checkpoint, if one is signed.
    pub note: Option<String>,
}

/// A ledger to be audited.
pub trait Source {
    /// What it is, in words.
    fn name(&self) -> String;

    /// Whether it is the auditor's own, so that its keys need no other road.
    fn is_own(&self) -> bool {
        false
    }

    /// Where it ends. Read once, at the start.
    fn end(&mut self) -> Result<End, SourceError>;

    /// Where it ends if not even a checkpoint that witnesses wait for is left out; `None` if that is [`Source::end`].
    fn newest(&mut self) -> Result<Option<End>, SourceError> {
        Ok(None)
    }

    /// One entry.
    fn entry(&mut self, index: EntryIndex) -> Result<Vec<u8>, SourceError>;

    /// The entries from an index on, in order and without a gap: up to `count`, fewer where the rest cannot be read.
    fn entries(&mut self, from: EntryIndex, count: u64) -> Result<Vec<Vec<u8>>, SourceError>;

    /// The first `width` hashes of tile `n` of a level.
    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, SourceError>;

    /// Checkpoints that it holds over `from..=to` entries, beside its newest one.
    fn checkpoints(&mut self, _from: u64, _to: u64) -> Result<Vec<StoredCheckpoint>, SourceError> {
        Ok(Vec::new())
    }

    /// Compares what it holds beside the entries that were just taken.
    fn compare_batch(
        &mut self,
        _taken: &[Taken],
        _changes: &Changes,
        _progress: &mut Progress,
    ) -> Result<(), SourceError> {
        Ok(())
    }

    /// Compares what it holds beside all entries with what follows from them; `workspace` has that.
    fn compare_end(
        &mut self,
        _workspace: &mut Database,
        _head: &Head,
        _progress: &Progress,
        _findings: &mut Findings,
    ) -> Result<(), SourceError> {
        Ok(())
    }
}
