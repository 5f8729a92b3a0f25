//! Floor 2: the only SQL.
//!
//! A [`Store`] hands out connections: one at a time to write, several to read. The functions of the modules below
//! take a [`Database`] and do one thing; what belongs together is put into one transaction by the floor above.
//! Durability: a write that returned is on disk (SQLite `synchronous=FULL`, PostgreSQL `synchronous_commit`), which is
//! asserted when the store opens.

pub mod audit_sums;
pub mod backend;
pub mod blocks;
mod bulk;
pub mod companies;
pub mod cosignatures;
pub mod derived;
pub mod entries;
pub mod guard_row;
pub mod halt;
pub mod head;
pub mod holdings;
pub mod hosted_keys;
pub mod measure;
pub mod mentions;
pub mod openings;
pub mod order_units;
pub mod orders;
pub mod past;
pub mod records;
mod schema;
pub mod stock;
pub mod tiles;
pub mod tokens;
pub mod unserved;
pub mod waiting;
pub mod workspace;

pub use backend::{Database, DatabaseUrl};

use crate::domain::ids::EntryIndex;
use backend::{Access, Manager};
use diesel::Connection as _;
use diesel::r2d2::Pool;
use std::fs::{File, OpenOptions, TryLockError};

/// What went wrong in the database, as far as a caller must tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Another transaction was in the way; trying again is safe.
    Busy,
    /// The database rejected a row or a query: a bug of ours, or rows that changed beneath us.
    Rejected,
    /// Nothing was committed and nothing can be said about why; the connection may be gone.
    Failed,
    /// The commit itself failed: whether it happened is unknown until it is read again.
    OutcomeUnknown,
    /// A stored row cannot be read back as what it must be.
    Damaged,
}

/// A fault of the database, with words for the log; never shown to a client.
#[derive(Debug, thiserror::Error)]
#[error("{fault:?}: {message}")]
pub struct StoreError {
    /// What kind of fault.
    pub fault: StoreFault,
    /// The database's own words.
    pub message: String,
}

impl StoreError {
    /// A row that cannot be read back.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self { fault: StoreFault::Damaged, message: message.into() }
    }
}

/// A number as the databases keep it.
fn database_number(number: u64) -> StoreResult<i64> {
    i64::try_from(number).map_err(|_| StoreError::damaged("a number beyond the database's range"))
}

/// The place of an entry, as the databases keep it.
fn read_index(number: i64) -> StoreResult<EntryIndex> {
    u64::try_from(number).map(EntryIndex).map_err(|_| StoreError::damaged("an entry has a negative index"))
}

/// What a store function gives.
pub type StoreResult<T> = Result<T, StoreError>;

/// The database of one ledger.
pub struct Store {
    writers: Pool<Manager>,
    readers: Pool<Manager>,
    /// Held as long as the store is open: a second process on the same SQLite file must not start.
    _lock: Option<File>,
}

impl Store {
    /// Opens, migrates and asserts that commits are durable.
    ///
    /// On SQLite it takes the operating system's lock beside the file and fails if another process has it.
    pub fn open(url: &DatabaseUrl, readers: u32) -> StoreResult<Self> {
        let lock = url.lock_path().map(|path| take_lock(&path)).transpose()?;
        backend::migrate(url)?;
        let store = Self {
            writers: backend::pool(url, Access::ReadWrite, 1)?,
            readers: backend::pool(url, Access::ReadOnly, readers)?,
            _lock: lock,
        };
        store.write_plain(backend::assert_durable)?;
        // What was erased in the moment before a crash may still stand in the log.
        store.empty_log()?;
        Ok(store)
    }

    /// Opens a database to read alone: beside a running service, without its lock, without migrating.
    pub fn open_to_read(url: &DatabaseUrl) -> StoreResult<Self> {
        let pool = || backend::pool(url, Access::ReadOnly, 1);
        if let DatabaseUrl::Sqlite(path) = url
            && !path.exists()
        {
            let message = format!("there is no database {}", path.display());
            return Err(StoreError { fault: StoreFault::Failed, message });
        }
        Ok(Self { writers: pool()?, readers: pool()?, _lock: None })
    }

    /// Reads.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Database) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.readers.get().map_err(backend::pool_error)?;
        work(&mut connection)
    }

    /// Reads within one snapshot.
    pub fn snapshot<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Database) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.readers.get().map_err(backend::pool_error)?;
        backend::begin_snapshot(&mut connection)?;
        let outcome = work(&mut connection);
        backend::end_snapshot(&mut connection)?;
        outcome
    }

    /// Reads within one snapshot that may last: an audit works long on what it has read before it reads on.
    pub fn long_snapshot<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, E>,
    ) -> Result<T, E> {
        self.snapshot(|database| {
            backend::let_snapshot_last(database)?;
            work(database)
        })
    }

    /// Makes sure that what was deleted is gone from SQLite's log too; `false` if a reader was in the way: ask again later.
    pub fn empty_log(&self) -> StoreResult<bool> {
        self.write_plain(backend::empty_log)
    }

    fn write_plain<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Database) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.writers.get().map_err(backend::pool_error)?;
        work(&mut connection)
    }

    /// Writes in one transaction; an error rolls back.
    ///
    /// An error of the commit itself comes back as [`StoreFault::OutcomeUnknown`]. Where the work was not done before, since the
    /// connection was gone, nothing was committed.
    pub fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Database) -> Result<T, E>) -> Result<T, E> {
        self.write_plain(|connection| {
            let mut is_done = false;
            let outcome = connection.transaction(|connection| {
                let done = work(connection).map_err(Aborted::Work)?;
                is_done = true;
                Ok(done)
            });
            outcome.map_err(|aborted| match aborted {
                Aborted::Work(error) => error,
                Aborted::Database(error) if is_done => E::from(backend::commit_error(&error)),
                Aborted::Database(error) => E::from(backend::begin_error(&error)),
            })
        })
    }
}

/// Tells an error of the work from one of BEGIN, COMMIT or ROLLBACK.
enum Aborted<E> {
    Work(E),
    Database(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Aborted<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

fn take_lock(path: &std::path::Path) -> StoreResult<File> {
    let failed = |message: String| StoreError { fault: StoreFault::Failed, message };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| failed(format!("{}: {error}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let who = "another process serves this ledger; a ledger has one writer";
            Err(failed(format!("{} is locked: {who}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(format!("{}: {error}", path.display()))),
    }
}
