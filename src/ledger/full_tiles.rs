//! The tiles that became full: stored with the entries that filled them.

use crate::proof::merkle::TreeHash;
use crate::proof::tiles::TILE_WIDTH;
use crate::store::{Database, StoreError, entries, tiles};

/// Stores the tiles that became full, level by level.
pub(crate) fn store_full_tiles(database: &mut Database, old_size: u64, leaves: &[TreeHash]) -> Result<(), StoreError> {
    let mut first = old_size / TILE_WIDTH;
    let begun = old_size % TILE_WIDTH;
    let new = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
    if begun + new < TILE_WIDTH {
        return Ok(());
    }
    let mut hashes = entries::leaf_hashes(database, first * TILE_WIDTH, old_size)?;
    require_count(&hashes, begun)?;
    hashes.extend_from_slice(leaves);
    let mut level = 0;
    loop {
        let full = hashes.chunks_exact(usize::try_from(TILE_WIDTH).unwrap_or(256));
        let mut next = first;
        for tile in full {
            tiles::insert(database, level, next, tile)?;
            next += 1;
        }
        // The level above gets one hash a tile; its own tiles are full at every 256th.
        let above = first / TILE_WIDTH;
        if next / TILE_WIDTH == above {
            return Ok(());
        }
        hashes = tiles::roots(database, level, above * TILE_WIDTH, next)?;
        require_count(&hashes, next - above * TILE_WIDTH)?;
        first = above;
        level += 1;
    }
}

/// A tile is never changed once it is stored, so nothing incomplete may go into one.
fn require_count(hashes: &[TreeHash], expected: u64) -> Result<(), StoreError> {
    if u64::try_from(hashes.len()) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::damaged("hashes of earlier entries are missing"))
}
