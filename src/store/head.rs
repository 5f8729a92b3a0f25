//! Where the ledger ends: one row, locked first and advanced last by every append.

use crate::domain::time::LedgerTime;
use crate::proof::entry::ChainHash;
use crate::proof::merkle::{Frontier, TreeHash};
use crate::store::schema::head;
use crate::store::{Database, StoreError, StoreResult};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};

/// The end of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The right edge of the tree, which knows the number of entries.
    pub frontier: Frontier,
    /// BLAKE3 of the last entry; zeros before the first.
    pub chain_hash: ChainHash,
    /// Time of the last entry.
    pub time: LedgerTime,
    /// Whether a halt stands: then nothing is appended.
    pub is_halted: bool,
}

impl Head {
    /// Before index 0.
    pub fn start() -> Self {
        Self {
            frontier: Frontier::default(),
            chain_hash: ChainHash::START,
            time: LedgerTime::default(),
            is_halted: false,
        }
    }

    /// Entries so far.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }
}

type Row = (i64, Vec<u8>, Vec<u8>, i64, i64);

fn read_row((size, chain_hash, frontier, time_ms, halted): Row) -> StoreResult<Head> {
    let damaged = || StoreError::damaged("the head row cannot be read");
    let size = u64::try_from(size).map_err(|_| damaged())?;
    let peaks: Option<Vec<_>> = frontier.chunks(32).map(TreeHash::from_slice).collect();
    Ok(Head {
        frontier: peaks.and_then(|peaks| Frontier::new(size, peaks)).ok_or_else(damaged)?,
        chain_hash: ChainHash(chain_hash.try_into().map_err(|_| damaged())?),
        time: LedgerTime::from_ms(time_ms).ok_or_else(damaged)?,
        is_halted: halted != 0,
    })
}

fn columns() -> (head::size, head::chain_hash, head::frontier, head::time_ms, head::halted) {
    (head::size, head::chain_hash, head::frontier, head::time_ms, head::halted)
}

/// Reads the end of the ledger without locking it.
pub fn read(database: &mut Database) -> StoreResult<Head> {
    read_row(head::table.find(1).select(columns()).first::<Row>(database)?)
}

/// Locks the end of the ledger until the transaction ends, and reads it.
///
/// The lock is a write: on PostgreSQL it is the row's lock, on SQLite it makes the transaction a writing one at once,
/// so that patience (`busy_timeout`) applies. It must be the first statement of the transaction.
pub fn lock(database: &mut Database) -> StoreResult<Head> {
    let row = diesel::update(head::table.find(1))
        .set(head::lock_count.eq(head::lock_count + 1))
        .returning(columns())
        .get_result::<Row>(database)?;
    read_row(row)
}

/// Moves the end of the ledger by compare-and-swap; under the lock it cannot miss, so a miss is damage.
pub fn advance(database: &mut Database, from: &Head, to: &Head) -> StoreResult<()> {
    let damaged = |_| StoreError::damaged("the ledger is longer than this database can count");
    let (old_size, new_size) =
        (i64::try_from(from.size()).map_err(damaged)?, i64::try_from(to.size()).map_err(damaged)?);
    let peaks: Vec<u8> = to.frontier.peaks().iter().flat_map(|peak| peak.0).collect();
    let unchanged =
        head::table.find(1).filter(head::size.eq(old_size)).filter(head::chain_hash.eq(from.chain_hash.0.as_slice()));
    let written = diesel::update(unchanged)
        .set((
            head::size.eq(new_size),
            head::chain_hash.eq(to.chain_hash.0.as_slice()),
            head::frontier.eq(peaks),
            head::time_ms.eq(to.time.ms()),
        ))
        .execute(database)?;
    match written {
        1 => Ok(()),
        _ => Err(StoreError::damaged("the head moved under its lock")),
    }
}
