//! A copy of the tree in another place, a folder or a bucket, from which anybody can serve it.
//!
//! What a checkpoint covers lies there before the checkpoint does: tiles and bundles are written create-only and must be
//! the bytes that lie there already, if any; then the checkpoint moves, by compare-and-swap and only forward. Nothing is
//! remembered but what lies there. If we crash anywhere in between, the same again is right.

use crate::domain::event::Vkey;
use crate::domain::registry::Ledger as LedgerRecord;
use crate::ledger::objects::{Object, Objects, ObjectsError, Version};
use crate::ledger::opening::ledger_in;
use crate::ledger::tree::Tree;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::merkle::TreeHash;
use crate::proof::note::NoteVerifier;
use crate::proof::tile_path::{LEVEL_MAX, TileKind, TilePath, added, hashes_on_level};
use crate::proof::tiles::{ProofError, Prover, TILE_WIDTH};
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{Store, StoreError};

/// Where the checkpoint lies, beside `tile/`.
const CHECKPOINT: &str = "checkpoint";

/// Why a copy is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// What lies there is another history of this ledger. Nothing of it was changed.
    #[error("{0}")]
    Contradiction(String),
    /// What lies there is none of this ledger's trees. Nothing of it was changed.
    #[error("{0}")]
    WrongPlace(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place could not be read or written; trying again is safe.
    #[error(transparent)]
    Place(ObjectsError),
    /// Whoever asked for the copy does not want it any longer.
    #[error("the copy was broken off")]
    BrokenOff,
}

impl From<ObjectsError> for CopyError {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Differs(_) => {
                Self::Contradiction(format!("{error}: two histories, or a file that was damaged or replaced there"))
            }
            other => Self::Place(other),
        }
    }
}

/// Which files of a tree are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What the checkpoint there does not cover yet.
    Missing,
    /// All that the checkpoint covers: what lies there already is compared byte by byte.
    Everything,
}

/// A copy from a database to a place.
pub struct TreeCopy<'a> {
    /// The database.
    pub store: &'a Store,
    /// The place.
    pub objects: &'a Objects,
    /// Whether bundles of entries are written too.
    pub with_entries: bool,
}

/// The checkpoint that lies at the place.
struct Standing {
    size: u64,
    object: Object,
}

impl TreeCopy<'_> {
    /// Brings the copy to a checkpoint, which must have been shown. `goes_on` is asked before each file.
    pub fn bring_to(
        &self,
        checkpoint: &StoredCheckpoint,
        extent: Extent,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), CopyError> {
        let standing = self.standing(checkpoint)?;
        let covered = standing.as_ref().map_or(0, |standing| standing.size);
        let from = if extent == Extent::Everything { 0 } else { covered };
        let mut tree = self.store.read(|database| Tree::open(database, checkpoint))?;
        let mut write = |tile: TilePath| {
            if !goes_on() {
                return Err(CopyError::BrokenOff);
            }
            let bytes = self.store.read(|database| tree.bytes(database, tile))?;
            Ok(self.objects.create(&tile.to_string(), &bytes)?)
        };
        let levels = (0..=LEVEL_MAX).take_while(|level| hashes_on_level(*level, checkpoint.size) > 0);
        levels.flat_map(|level| added(TileKind::Hashes(level), from, checkpoint.size)).try_for_each(&mut write)?;
        if self.with_entries {
            let from = if from == 0 || self.has_entries(covered)? { from } else { 0 };
            added(TileKind::Entries, from, checkpoint.size).try_for_each(&mut write)?;
        }
        self.move_checkpoint(standing, checkpoint)
    }

    /// The checkpoint there, which must be one of this ledger's, over a beginning of its tree; it may cover more than ours.
    fn standing(&self, ours: &StoredCheckpoint) -> Result<Option<Standing>, CopyError> {
        let Some(object) = self.objects.get(CHECKPOINT)? else { return Ok(None) };
        let place = format!("{}/{CHECKPOINT}", self.objects.url());
        let signed = std::str::from_utf8(&object.bytes).ok().map(|note| self.signed_by_us(note)).transpose()?.flatten();
        let Some(signed) = signed else {
            let cure = "does another ledger's tree lie there? Give an empty place";
            let problem = format!("{place} is signed by none of this ledger's keys: {cure}");
            return Err(CopyError::WrongPlace(problem));
        };
        // Read after what lies there: another publisher of this ledger may have signed and copied more meanwhile.
        let here = self.store.read(tiles::last_checkpoint)?.map_or(ours.size, |last| last.size.max(ours.size));
        if signed.size > here {
            let there = signed.size;
            let cause = "was a backup put back? Restore the newer database";
            let problem = format!("{place} covers {there} entries, the newest checkpoint here only {here}: {cause}");
            return Err(CopyError::Contradiction(problem));
        }
        if self.root_over(signed.size)? != Some(signed.root) {
            let size = signed.size;
            let problem = format!("{place} signs another history: its root over {size} entries is not the one here");
            return Err(CopyError::Contradiction(problem));
        }
        Ok(Some(Standing { size: signed.size, object }))
    }

    fn signed_by_us(&self, note: &str) -> Result<Option<Checkpoint>, StoreError> {
        let ledger = ledger_in(self.store)?;
        let vkeys = ledger.iter().flat_map(LedgerRecord::checkpoint_vkeys).map(Vkey::as_str);
        let verifiers = vkeys.filter_map(|vkey| NoteVerifier::parse(vkey).ok());
        Ok(verifiers.into_iter().find_map(|verifier| Checkpoint::open(note, &verifier).ok()))
    }

    /// The root over the first entries as the database has them; `None` if their tiles are not whole.
    fn root_over(&self, size: u64) -> Result<Option<TreeHash>, StoreError> {
        self.store.read(|database| {
            let mut source = StoredTiles(database);
            match Prover::new(&mut source, size).frontier() {
                Ok(frontier) => Ok(Some(frontier.root())),
                Err(ProofError::Source(error)) => Err(error),
                Err(ProofError::OutOfRange | ProofError::Incomplete { .. }) => Ok(None),
            }
        })
    }

    /// Whether the place has the last bundle of a tree of this size, and so all of them: they were not always copied if
    /// entries were for auditors before.
    fn has_entries(&self, size: u64) -> Result<bool, CopyError> {
        let last = size.checked_sub(1);
        let last = last.and_then(|last| TilePath::new(TileKind::Entries, last / TILE_WIDTH, last % TILE_WIDTH + 1));
        match last {
            Some(bundle) => Ok(self.objects.get(&bundle.to_string())?.is_some()),
            None => Ok(true),
        }
    }

    /// Puts the checkpoint there, which is never in the way of a newer one: a write that arrives late expects what is gone,
    /// and one that covers more stays.
    fn move_checkpoint(&self, standing: Option<Standing>, checkpoint: &StoredCheckpoint) -> Result<(), CopyError> {
        let note = checkpoint.note.as_bytes();
        let there: Option<Version> = match standing {
            Some(standing) if standing.object.bytes == note || standing.size > checkpoint.size => return Ok(()),
            standing => standing.map(|standing| standing.object.version),
        };
        self.objects.swap(CHECKPOINT, there.as_ref(), note)?;
        Ok(())
    }
}
