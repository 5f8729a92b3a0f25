//! The tree of a checkpoint as C2SP tlog-tiles has it: hash tiles and bundles of entries, for whoever asks or copies.
//!
//! Whatever is given is checked up to the signed root first: hash tiles by the tiles above them, entries by hashing their
//! bytes anew. It costs one tile a level, and a damaged row is never given on.

use crate::domain::fields::codes;
use crate::domain::ids::EntryIndex;
use crate::ledger::Ledger;
use crate::proof::entry_bundle;
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::signed_tree::{SignedTree, TreeProblem};
use crate::proof::tile_path::{TileKind, TilePath};
use crate::proof::tiles::TILE_WIDTH;
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{Database, StoreError, StoreFault, entries};

codes! {
    /// Who may read the bundles of all entries.
    pub enum EntriesFor {
        /// Anybody.
        Public = "public",
        /// Whoever has a token with the scope `audit`.
        Auditors = "auditors",
    }
}

impl Default for EntriesFor {
    /// What nobody decided is not public.
    fn default() -> Self {
        Self::Auditors
    }
}

/// The tree that a checkpoint signs.
#[derive(Debug)]
pub struct Tree(SignedTree);

impl Tree {
    /// The tree of a checkpoint, whose right edge must make its root.
    pub fn open(database: &mut Database, checkpoint: &StoredCheckpoint) -> Result<Self, StoreError> {
        let tree = SignedTree::open(&mut StoredTiles(database), checkpoint.size, &checkpoint.root);
        tree.map(Self).map_err(unread)
    }

    /// The bytes of a tile that the tree has.
    pub fn bytes(&mut self, database: &mut Database, tile: TilePath) -> Result<Vec<u8>, StoreError> {
        let hashes = self.0.hashes(&mut StoredTiles(database), tile).map_err(unread)?;
        match tile.kind() {
            TileKind::Hashes(_) => Ok(hashes.iter().flat_map(|hash| hash.0).collect()),
            TileKind::Entries => bundle(database, tile, &hashes),
        }
    }
}

fn unread(problem: TreeProblem<StoreError>) -> StoreError {
    match problem {
        TreeProblem::Source(error) => error,
        other => StoreError::damaged(other.to_string()),
    }
}

/// The entries below a tile of level 0, whose leaf hashes are known to be signed.
fn bundle(database: &mut Database, tile: TilePath, leaves: &[TreeHash]) -> Result<Vec<u8>, StoreError> {
    let range = tile.range();
    let count = i64::try_from(tile.width()).unwrap_or_default();
    let stored = entries::page(database, EntryIndex(range.start), count)?;
    for (index, leaf) in range.zip(leaves) {
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or_default();
        let entry = stored.get(place).filter(|entry| entry.index.0 == index);
        if entry.is_none_or(|entry| leaf_hash(&entry.bytes) != *leaf) {
            return Err(StoreError::damaged(format!("entry {index} is missing or is not the one that was signed")));
        }
    }
    let bundle = entry_bundle::write(stored.iter().map(|entry| entry.bytes.as_slice()));
    bundle.map_err(|problem| StoreError::damaged(format!("{tile}: {problem}")))
}

impl Ledger {
    /// The bytes of a tile of the newest checkpoint that is shown; `None` if its tree has no such tile yet.
    ///
    /// Checkpoint and rows come from one snapshot. What is not as it was signed is damage beneath us: the ledger halts.
    pub fn tile(&self, tile: TilePath) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.store.snapshot(|database| {
            let shown = tiles::shown_checkpoint(database)?.filter(|shown| tile.is_within(shown.size));
            let Some(shown) = shown else { return Ok(None) };
            Tree::open(database, &shown)?.bytes(database, tile).map(Some)
        });
        if let Err(StoreError { fault: StoreFault::Damaged, message }) = &read {
            self.health.halt(message.clone());
        }
        read
    }
}
