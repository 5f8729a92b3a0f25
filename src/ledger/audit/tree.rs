//! What was signed, and the tiles, beside the tree that the entries give.

use crate::domain::registry::Ledger;
use crate::ledger::audit::anchor::Anchor;
use crate::ledger::audit::progress::Progress;
use crate::ledger::audit::report::Findings;
use crate::ledger::audit::seen::{Seen, name_of};
use crate::ledger::audit::source::{End, Source, SourceError};
use crate::ledger::audit::{AuditError, damaged};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::merkle::TreeHash;
use crate::proof::tile_path::hashes_on_level;
use crate::proof::tiles::{Prover, TILE_HEIGHT, TILE_WIDTH, TileSource};
use crate::store::tiles::{StoredCheckpoint, StoredTiles};
use crate::store::{Database, StoreError};

/// The tree of the entries that were taken, and what a source says of it.
pub(super) struct Tree<'a> {
    pub(super) workspace: &'a mut Database,
    pub(super) source: &'a mut dyn Source,
    pub(super) anchor: &'a Anchor,
    pub(super) seen: &'a Seen,
    /// The ledger, as its last entry leaves it.
    pub(super) ledger: Option<Ledger>,
    /// Entries that were taken.
    pub(super) size: u64,
}

impl Tree<'_> {
    fn root_at(&mut self, size: u64) -> Result<TreeHash, StoreError> {
        let damaged = |_| StoreError::damaged(format!("the tree over {size} entries cannot be read"));
        let frontier = Prover::new(&mut StoredTiles(self.workspace), size).frontier().map_err(damaged)?;
        Ok(frontier.root())
    }

    /// Every checkpoint that this auditor has seen must lie on the source's one history; gives how many there are.
    pub(super) fn compare_remembered(&mut self, end: &End, findings: &mut Findings) -> Result<u64, AuditError> {
        let notes = self.seen.notes()?;
        let mut compared = 0;
        for note in &notes {
            let Some(seen) = body_of(note) else { continue };
            if let Some(ledger) = self.ledger.as_ref().filter(|ledger| ledger.origin != seen.origin) {
                let (known, found) = (&seen.origin, &ledger.origin);
                let problem = format!("the folder remembers {known}, this is {found}; take another one with --work");
                return Err(AuditError::OtherLedger(problem));
            }
            compared += 1;
            let problem = if seen.size > end.size {
                format!("the source shows {} entries, this auditor has seen a checkpoint over {}", end.size, seen.size)
            } else if seen.size <= self.size && self.root_at(seen.size)? != seen.root {
                format!("this auditor has seen a checkpoint over {} entries with another root", seen.size)
            } else {
                continue;
            };
            let shown = end.note.as_deref().unwrap_or_default();
            let kept = self.seen.keep_evidence(&name_of(&seen), note, shown)?;
            let kept = kept.map(|file| format!("; both notes are in {}", file.display())).unwrap_or_default();
            findings.broken(None, format!("{problem}{kept}"));
        }
        Ok(compared)
    }

    /// The newest checkpoint must be signed under the keys that count, over these very entries; gives the number of entries that
    /// it covers.
    pub(super) fn compare_newest(&mut self, end: &End, findings: &mut Findings) -> Result<Option<u64>, AuditError> {
        let Some(note) = &end.note else { return Ok(None) };
        let checkpoint = match self.anchor.open(note, self.ledger.as_ref()) {
            Ok(checkpoint) => checkpoint,
            Err(problem) => {
                findings.broken(None, format!("the newest checkpoint is not signed, {problem}"));
                return Ok(None);
            }
        };
        let size = checkpoint.size;
        if size <= self.size && self.root_at(size)? != checkpoint.root {
            findings.broken(None, format!("the checkpoint over {size} entries has another root than the entries give"));
        }
        // It is remembered also where it contradicts the entries: it was signed.
        self.seen.remember(&checkpoint, note)?;
        Ok(Some(size))
    }

    /// The tiles at the right edge of the tree, which are not full.
    pub(super) fn compare_partial_tiles(
        &mut self,
        end: &End,
        progress: &mut Progress,
        findings: &mut Findings,
    ) -> Result<(), AuditError> {
        // A database has full tiles alone.
        if self.source.is_own() || self.size != end.size {
            return Ok(());
        }
        for level in 0..u64::BITS / TILE_HEIGHT {
            let on_level = hashes_on_level(level, self.size);
            let (n, width) = (on_level / TILE_WIDTH, on_level % TILE_WIDTH);
            if width > 0 {
                compare_tile(self.workspace, self.source, (level, n, width), findings)?;
                progress.tiles += 1;
            }
        }
        Ok(())
    }
}

/// The tiles that became full with the entries `before..after`.
pub(super) fn compare_full_tiles(
    workspace: &mut Database,
    source: &mut dyn Source,
    (before, after): (u64, u64),
    progress: &mut Progress,
) -> Result<(), AuditError> {
    for level in 0..u64::BITS / TILE_HEIGHT {
        for n in hashes_on_level(level + 1, before)..hashes_on_level(level + 1, after) {
            compare_tile(workspace, source, (level, n, TILE_WIDTH), &mut progress.findings)?;
            progress.tiles += 1;
        }
    }
    Ok(())
}

fn compare_tile(
    workspace: &mut Database,
    source: &mut dyn Source,
    (level, n, width): (u32, u64, u64),
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let ours = StoredTiles(workspace).tile(level, n, width)?;
    match source.tile(level, n, width) {
        Ok(theirs) if theirs == ours => {}
        Ok(_) => findings.broken(None, format!("tile {level}/{n} is not the hashes of its entries")),
        Err(SourceError::Damaged(problem)) => findings.broken(None, format!("tile {level}/{n}: {problem}")),
        Err(error @ SourceError::Unreachable(_)) => damaged(findings, None, &error)?,
    }
    Ok(())
}

/// A checkpoint that is stored over so many entries must be signed by a key that the ledger names there.
pub(super) fn compare_stored(
    stored: &StoredCheckpoint,
    ledger: Option<&Ledger>,
    root: TreeHash,
    progress: &mut Progress,
) {
    progress.checkpoints += 1;
    progress.covered = stored.size;
    let opened = Anchor::None.open(&stored.note, ledger).map(|checkpoint| (checkpoint.size, checkpoint.root));
    if opened != Ok((stored.size, root)) || stored.root != root {
        let problem = format!("the checkpoint over {} entries is not signed over them", stored.size);
        progress.findings.broken(None, problem);
    }
}

/// What a note says, whoever signed it.
pub(super) fn body_of(note: &str) -> Option<Checkpoint> {
    let end = note.rfind("\n\n")?;
    Checkpoint::parse(&note[..=end])
}
