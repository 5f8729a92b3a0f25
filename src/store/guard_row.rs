//! The guard as a row of a second database, where no backup of the ledger's own database puts it back.

use crate::domain::ids::Origin;
use crate::store::backend::{self, Access, Database, DatabaseUrl, Manager};
use crate::store::schema::loopledger_guard;
use crate::store::{StoreError, StoreFault, StoreResult};
use diesel::connection::SimpleConnection;
use diesel::r2d2::Pool;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

/// All that a guard's database is: one row for each ledger that it guards.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS loopledger_guard (origin TEXT NOT NULL PRIMARY KEY, note TEXT NOT NULL)";

/// A guard's database.
pub struct GuardRow {
    connections: Pool<Manager>,
}

impl std::fmt::Debug for GuardRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GuardRow")
    }
}

impl GuardRow {
    /// Connects, and makes the table where it is missing.
    ///
    /// A database that holds a ledger is refused: whoever puts a backup of it back would put the guard back with it. So is
    /// one that acknowledges before it is on disk.
    pub fn open(url: &DatabaseUrl) -> StoreResult<Self> {
        let row = Self { connections: backend::pool(url, Access::ReadWrite, 1)? };
        row.with(|database| {
            if backend::holds_a_ledger(database)? {
                let problem =
                    "the guard's database holds a ledger; a guard lies in another database, best on another server";
                return Err(StoreError { fault: StoreFault::Rejected, message: problem.to_owned() });
            }
            backend::assert_durable(database)?;
            make_table(database)
        })?;
        Ok(row)
    }

    /// The note that it holds for a ledger.
    pub fn read(&self, origin: &Origin) -> StoreResult<Option<String>> {
        self.with(|database| read(database, origin))
    }

    /// Puts a note in the place of the expected one, or where nothing is expected; tells whether it lies there now.
    ///
    /// Of an error the outcome is unknown; the same swap again is right.
    pub fn swap(&self, origin: &Origin, expected: Option<&str>, note: &str) -> StoreResult<bool> {
        self.with(|database| {
            let swapped = match expected {
                Some(expected) => move_row(database, origin, expected, note)?,
                None => insert_row(database, origin, note)?,
            };
            Ok(swapped || read(database, origin)?.as_deref() == Some(note))
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Database) -> StoreResult<T>) -> StoreResult<T> {
        let mut connection = self.connections.get().map_err(backend::pool_error)?;
        work(&mut connection)
    }
}

/// Two nodes that make the table at once are told apart by the database: the later one finds it.
fn make_table(database: &mut Database) -> StoreResult<()> {
    let made = database.batch_execute(TABLE);
    made.or_else(|_| database.batch_execute(TABLE)).map_err(StoreError::from)
}

fn read(database: &mut Database, origin: &Origin) -> StoreResult<Option<String>> {
    let note = loopledger_guard::table.find(origin.as_str()).select(loopledger_guard::note);
    Ok(note.first(database).optional()?)
}

/// One statement is one transaction: the database compares and swaps, and answers after it is on disk.
fn move_row(database: &mut Database, origin: &Origin, expected: &str, note: &str) -> StoreResult<bool> {
    let unmoved = loopledger_guard::table.find(origin.as_str()).filter(loopledger_guard::note.eq(expected));
    Ok(diesel::update(unmoved).set(loopledger_guard::note.eq(note)).execute(database)? == 1)
}

fn insert_row(database: &mut Database, origin: &Origin, note: &str) -> StoreResult<bool> {
    if read(database, origin)?.is_some() {
        return Ok(false);
    }
    let row = (loopledger_guard::origin.eq(origin.as_str()), loopledger_guard::note.eq(note));
    match diesel::insert_into(loopledger_guard::table).values(row).execute(database).map_err(StoreError::from) {
        Ok(_) => Ok(true),
        // Somebody else was first.
        Err(error) if error.fault == StoreFault::Rejected => Ok(false),
        Err(error) => Err(error),
    }
}
