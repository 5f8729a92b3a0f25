//! Full hash tiles and signed checkpoints.

use crate::proof::merkle::{TreeHash, root_of};
use crate::proof::tiles::{ProofError, TILE_WIDTH, TileSource};
use crate::store::schema::{checkpoints, shown, tiles};
use crate::store::{Database, StoreError, StoreResult, database_number, entries};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

/// Stores a full tile and gives its root, which is a hash of the level above.
pub fn insert(database: &mut Database, level: u32, n: u64, hashes: &[TreeHash]) -> StoreResult<TreeHash> {
    let root = root_of(hashes);
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let row = (
        tiles::level.eq(i64::from(level)),
        tiles::n.eq(database_number(n)?),
        tiles::root.eq(root.0.as_slice()),
        tiles::hashes.eq(bytes),
    );
    diesel::insert_into(tiles::table).values(row).execute(database)?;
    Ok(root)
}

/// The hashes of a full tile.
pub fn full_tile(database: &mut Database, level: u32, n: u64) -> StoreResult<Vec<TreeHash>> {
    let key = (i64::from(level), database_number(n)?);
    let bytes: Option<Vec<u8>> = tiles::table.find(key).select(tiles::hashes).first(database).optional()?;
    let damaged = || StoreError::damaged(format!("tile {level}/{n} is missing or ill-formed"));
    let hashes: Option<Vec<_>> = bytes.ok_or_else(damaged)?.chunks(32).map(TreeHash::from_slice).collect();
    hashes.ok_or_else(damaged)
}

/// The roots of the tiles `from..to` of a level: hashes of the level above.
pub fn roots(database: &mut Database, level: u32, from: u64, to: u64) -> StoreResult<Vec<TreeHash>> {
    let rows: Vec<Vec<u8>> = tiles::table
        .filter(tiles::level.eq(i64::from(level)))
        .filter(tiles::n.ge(database_number(from)?))
        .filter(tiles::n.lt(database_number(to)?))
        .order(tiles::n.asc())
        .select(tiles::root)
        .load(database)?;
    let hashes: Option<Vec<_>> = rows.iter().map(|row| TreeHash::from_slice(row)).collect();
    hashes.ok_or_else(|| StoreError::damaged("a tile's root has not 32 bytes"))
}

/// Tiles as proofs read them: full ones from their table, partial ones from what lies below.
pub struct StoredTiles<'a>(pub &'a mut Database);

impl TileSource for StoredTiles<'_> {
    type Error = StoreError;

    fn tile(&mut self, level: u32, n: u64, width: u64) -> StoreResult<Vec<TreeHash>> {
        let from = n * TILE_WIDTH;
        match level {
            _ if width == TILE_WIDTH => full_tile(self.0, level, n),
            0 => entries::leaf_hashes(self.0, from, from + width),
            _ => roots(self.0, level - 1, from, from + width),
        }
    }
}

impl From<ProofError<StoreError>> for StoreError {
    /// What the database's own tiles cannot prove, it has lost.
    fn from(error: ProofError<Self>) -> Self {
        match error {
            ProofError::Source(error) => error,
            other => Self::damaged(other.to_string()),
        }
    }
}

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: TreeHash,
    /// The signed note.
    pub note: String,
}

type Row = (i64, Vec<u8>, String);

fn read_row((size, root, note): Row) -> StoreResult<StoredCheckpoint> {
    let damaged = || StoreError::damaged(format!("checkpoint {size} is ill-formed"));
    let root = TreeHash::from_slice(&root).ok_or_else(damaged)?;
    Ok(StoredCheckpoint { size: u64::try_from(size).map_err(|_| damaged())?, root, note })
}

/// The largest checkpoint.
pub fn last_checkpoint(database: &mut Database) -> StoreResult<Option<StoredCheckpoint>> {
    let row = checkpoints::table.order(checkpoints::size.desc()).first::<Row>(database).optional()?;
    row.map(read_row).transpose()
}

/// Lets a checkpoint be seen: on every node, and never a smaller one after it.
pub fn show_checkpoint(database: &mut Database, size: u64) -> StoreResult<()> {
    let smaller = shown::table.find(1).filter(shown::size.lt(database_number(size)?));
    diesel::update(smaller).set(shown::size.eq(database_number(size)?)).execute(database)?;
    Ok(())
}

/// Entries of the newest checkpoint that may be seen; 0 before the first.
pub fn shown_size(database: &mut Database) -> StoreResult<u64> {
    let size: i64 = shown::table.find(1).select(shown::size).first(database)?;
    u64::try_from(size).map_err(|_| StoreError::damaged("the size that is shown is negative"))
}

/// The newest checkpoint that may be seen.
pub fn shown_checkpoint(database: &mut Database) -> StoreResult<Option<StoredCheckpoint>> {
    let size: i64 = shown::table.find(1).select(shown::size).first(database)?;
    let row = checkpoints::table.find(size).first::<Row>(database).optional()?;
    row.map(read_row).transpose()
}

/// The checkpoint of a size.
pub fn checkpoint(database: &mut Database, size: u64) -> StoreResult<Option<StoredCheckpoint>> {
    let row = checkpoints::table.find(database_number(size)?).first::<Row>(database).optional()?;
    row.map(read_row).transpose()
}

/// The checkpoints of the sizes `from..=to`, in order.
pub fn checkpoints_between(database: &mut Database, from: u64, to: u64) -> StoreResult<Vec<StoredCheckpoint>> {
    let query = checkpoints::table
        .filter(checkpoints::size.ge(database_number(from)?))
        .filter(checkpoints::size.le(database_number(to)?))
        .order(checkpoints::size.asc());
    query.load::<Row>(database)?.into_iter().map(read_row).collect()
}

/// Stores a checkpoint; the key on size refuses a second one.
pub fn insert_checkpoint(database: &mut Database, checkpoint: &StoredCheckpoint) -> StoreResult<()> {
    let row = (
        checkpoints::size.eq(database_number(checkpoint.size)?),
        checkpoints::root.eq(checkpoint.root.0.as_slice()),
        checkpoints::note.eq(&checkpoint.note),
    );
    diesel::insert_into(checkpoints::table).values(row).execute(database)?;
    Ok(())
}
