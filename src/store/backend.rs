//! Everything in which the two databases differ: how they are opened, what makes them durable, how their errors are
//! told apart. The fast road of each for many rows is `bulk`.

use crate::store::{StoreError, StoreFault, StoreResult};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ManageConnection, Pool, PoolError, R2D2Connection};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The first SQLite without the race of a WAL reset that could damage a database.
const SQLITE_VERSION_MIN: i64 = 3_051_003;

/// How often a node tries to bring the schema up to date, and the pause between two tries.
const MIGRATION_TRIES_MAX: u32 = 10;
const MIGRATION_PAUSE: Duration = Duration::from_millis(200);

pub use either::Database;

#[expect(missing_docs, reason = "the derive makes items that carry no documentation")]
mod either {
    use diesel::{MultiConnection, PgConnection, SqliteConnection};

    /// A connection to either database: PostgreSQL for several nodes, SQLite, the default, in one file.
    #[derive(MultiConnection)]
    pub enum Database {
        Postgres(PgConnection),
        Sqlite(SqliteConnection),
    }
}

/// Which database, told by its URL and never guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://…` or `postgresql://…`.
    Postgres(String),
    /// A file.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:FILE`; anything else is refused.
    pub fn parse(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(url.to_owned()));
        }
        url.strip_prefix("sqlite:").filter(|path| !path.is_empty()).map(|path| Self::Sqlite(path.into()))
    }

    /// Where the lock against a second process lies.
    pub fn lock_path(&self) -> Option<PathBuf> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite(path) => {
                // By whatever path it is reached, one file has one lock.
                let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
                let name = path.with_extension("lock").file_name().map(PathBuf::from);
                Some(folder.zip(name).map_or_else(|| path.with_extension("lock"), |(folder, name)| folder.join(name)))
            }
        }
    }
}

/// What a pool's connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// Opens connections by the URL's kind; the derived way would try one database after the other.
#[derive(Debug)]
pub(super) struct Manager {
    url: DatabaseUrl,
    access: Access,
}

impl ManageConnection for Manager {
    type Connection = Database;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Database, Self::Error> {
        let mut connection = establish(&self.url)?;
        set_up(&mut connection, self.access).map_err(diesel::r2d2::Error::QueryError)?;
        Ok(connection)
    }

    fn is_valid(&self, connection: &mut Database) -> Result<(), Self::Error> {
        connection.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, connection: &mut Database) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

fn establish(url: &DatabaseUrl) -> Result<Database, diesel::r2d2::Error> {
    let connection = match url {
        DatabaseUrl::Postgres(url) => PgConnection::establish(url).map(Database::Postgres),
        DatabaseUrl::Sqlite(path) => SqliteConnection::establish(&path.to_string_lossy()).map(Database::Sqlite),
    };
    connection.map_err(diesel::r2d2::Error::ConnectionError)
}

fn set_up(connection: &mut Database, access: Access) -> Result<(), Error> {
    let settings = match (&connection, access) {
        // busy_timeout first: setting WAL takes a lock, and without patience two openers fail.
        (Database::Sqlite(_), Access::ReadWrite) => {
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; \
             PRAGMA secure_delete = ON; \
             PRAGMA wal_autocheckpoint = 10000; PRAGMA cache_size = -65536;"
        }
        (Database::Sqlite(_), Access::ReadOnly) => {
            "PRAGMA busy_timeout = 10000; PRAGMA query_only = ON; PRAGMA cache_size = -16384;"
        }
        // A node that stalls inside a transaction must not hold the head for ever.
        (Database::Postgres(_), Access::ReadWrite) => {
            "SET synchronous_commit = on; SET lock_timeout = '10s'; SET statement_timeout = '60s'; \
             SET idle_in_transaction_session_timeout = '10s'; SET default_transaction_isolation = 'read committed';"
        }
        (Database::Postgres(_), Access::ReadOnly) => {
            "SET default_transaction_read_only = on; SET statement_timeout = '60s'; \
             SET idle_in_transaction_session_timeout = '60s';"
        }
    };
    connection.batch_execute(settings)
}

pub(super) fn pool(url: &DatabaseUrl, access: Access, size: u32) -> StoreResult<Pool<Manager>> {
    let manager = Manager { url: url.clone(), access };
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .test_on_check_out(access == Access::ReadOnly && matches!(url, DatabaseUrl::Postgres(_)))
        .connection_timeout(Duration::from_secs(3))
        .build(manager)
        .map_err(pool_error)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(super) fn pool_error(error: PoolError) -> StoreError {
    StoreError { fault: StoreFault::Failed, message: format!("no connection to the database: {error}") }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self { fault: fault_of(&error), message: error.to_string() }
    }
}

fn fault_of(error: &Error) -> StoreFault {
    let Error::DatabaseError(kind, details) = error else { return StoreFault::Failed };
    match kind {
        DatabaseErrorKind::SerializationFailure => StoreFault::Busy,
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => StoreFault::Failed,
        // SQLite has no kind for busy, PostgreSQL none for lock_timeout, so their words must do. A server that speaks
        // another language is not understood: then the transaction is not tried again here, which is safe.
        DatabaseErrorKind::Unknown if is_busy(details.message()) => StoreFault::Busy,
        DatabaseErrorKind::Unknown if is_lost(details.message()) => StoreFault::Failed,
        _ => StoreFault::Rejected,
    }
}

/// Whether the server went away in the middle of a transaction.
fn is_lost(message: &str) -> bool {
    ["connection", "disk I/O error", "database or disk is full"].iter().any(|words| message.contains(words))
}

fn is_busy(message: &str) -> bool {
    ["database is locked", "database table is locked", "lock timeout", "deadlock detected"]
        .iter()
        .any(|words| message.contains(words))
}

/// The fault of a BEGIN that failed, or of a ROLLBACK: nothing was committed. What gets a new connection may try again.
pub(super) fn begin_error(error: &Error) -> StoreError {
    let fault = match fault_of(error) {
        StoreFault::Busy => StoreFault::Busy,
        _ => StoreFault::Failed,
    };
    StoreError { fault, message: error.to_string() }
}

/// The fault of a failed COMMIT. A serialisation failure surely rolled back; of anything else the outcome is unknown until it
/// is read again.
pub(super) fn commit_error(error: &Error) -> StoreError {
    let fault = match fault_of(error) {
        StoreFault::Busy => StoreFault::Busy,
        _ => StoreFault::OutcomeUnknown,
    };
    StoreError { fault, message: error.to_string() }
}

/// Brings the schema up to date.
///
/// Nodes that start at once all try, and the database lets one of them through: it refuses a second table of a name and
/// takes that migration back whole. Whoever was second finds at the next try that nothing is left to do.
pub(super) fn migrate(url: &DatabaseUrl) -> StoreResult<()> {
    let failed = |message: String| StoreError { fault: StoreFault::Failed, message };
    let mut connection = establish(url).map_err(|error| failed(error.to_string()))?;
    set_up(&mut connection, Access::ReadWrite)?;
    for _ in 1..MIGRATION_TRIES_MAX {
        match run_migrations(&mut connection) {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(error, "the schema could not be brought up to date; trying again"),
        }
        std::thread::sleep(MIGRATION_PAUSE);
    }
    run_migrations(&mut connection).map_err(failed)
}

fn run_migrations(connection: &mut Database) -> Result<(), String> {
    let migrations = match connection {
        Database::Postgres(_) => POSTGRES_MIGRATIONS,
        Database::Sqlite(_) => SQLITE_MIGRATIONS,
    };
    connection.run_pending_migrations(migrations).map(|_| ()).map_err(|error| error.to_string())
}

/// Opens a database of its own that can be made anew at any time: in a file, or without a name, which SQLite keeps in memory
/// until it outgrows its cache and deletes in the end.
///
/// Nothing waits for the disk: a process that is killed loses nothing that it committed, a machine that loses power may leave a
/// file that cannot be read. Nobody else is let in.
pub(super) fn open_workspace(file: Option<&Path>) -> StoreResult<Database> {
    let failed = |message: String| StoreError { fault: StoreFault::Failed, message };
    let place = file.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let mut connection = SqliteConnection::establish(&place).map_err(|error| failed(format!("{place}: {error}")))?;
    connection.batch_execute(
        "PRAGMA page_size = 16384; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; \
         PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -65536;",
    )?;
    connection.run_pending_migrations(SQLITE_MIGRATIONS).map_err(|error| failed(format!("{place}: {error}")))?;
    Ok(Database::Sqlite(connection))
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

fn setting(connection: &mut Database, query: &str) -> StoreResult<String> {
    let row: Setting = sql_query(query).get_result(connection)?;
    Ok(row.value)
}

/// Refuses a database that would acknowledge a commit before it is on disk.
pub(super) fn assert_durable(connection: &mut Database) -> StoreResult<()> {
    let expectations: &[(&str, &[&str])] = match connection {
        Database::Postgres(_) => &[
            ("SELECT current_setting('fsync') AS value", &["on"]),
            ("SELECT current_setting('full_page_writes') AS value", &["on"]),
            ("SELECT current_setting('synchronous_commit') AS value", &["on", "remote_apply"]),
        ],
        Database::Sqlite(_) => &[
            ("SELECT CAST(synchronous AS TEXT) AS value FROM pragma_synchronous", &["2", "3"]),
            ("SELECT journal_mode AS value FROM pragma_journal_mode", &["wal"]),
            ("SELECT CAST(recursive_triggers AS TEXT) AS value FROM pragma_recursive_triggers", &["1"]),
        ],
    };
    for (query, accepted) in expectations {
        let found = setting(connection, query)?;
        if !accepted.contains(&found.as_str()) {
            let message = format!("not durable: {query} gave {found}, expected one of {accepted:?}");
            return Err(StoreError { fault: StoreFault::Failed, message });
        }
    }
    assert_sqlite_version(connection)
}

fn assert_sqlite_version(connection: &mut Database) -> StoreResult<()> {
    let Database::Sqlite(_) = connection else { return Ok(()) };
    let version = setting(connection, "SELECT sqlite_version() AS value")?;
    let parts: Vec<i64> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    let number = parts.iter().fold(0, |sum, part| sum * 1_000 + part);
    if parts.len() != 3 || number < SQLITE_VERSION_MIN {
        let message = format!("SQLite {version} has a bug that can damage a WAL database; 3.51.3 or later is needed");
        return Err(StoreError { fault: StoreFault::Failed, message });
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Whether a ledger's tables stand in this database, in whatever schema.
pub(super) fn holds_a_ledger(connection: &mut Database) -> StoreResult<bool> {
    let query = match connection {
        Database::Postgres(_) => {
            "SELECT count(*) AS count FROM (SELECT schemaname FROM pg_catalog.pg_tables \
             WHERE tablename IN ('entries', 'checkpoints', 'head') GROUP BY schemaname HAVING count(*) = 3) ledgers"
        }
        Database::Sqlite(_) => {
            "SELECT count(*) / 3 AS count FROM sqlite_schema \
             WHERE type = 'table' AND name IN ('entries', 'checkpoints', 'head')"
        }
    };
    let row: Count = sql_query(query).get_result(connection)?;
    Ok(row.count > 0)
}

#[derive(QueryableByName)]
struct Checkpointed {
    #[diesel(sql_type = BigInt)]
    busy: i64,
}

/// Moves SQLite's write-ahead log into the database's file and cuts it to nothing: pages in it still hold rows as they were
/// before they were deleted. Gives whether that was done; a reader in the middle of a snapshot is waited for only shortly,
/// because every append waits meanwhile. PostgreSQL keeps its own log, which `VACUUM` and its archive's retention empty.
pub(super) fn empty_log(connection: &mut Database) -> StoreResult<bool> {
    let Database::Sqlite(connection) = connection else { return Ok(true) };
    connection.batch_execute("PRAGMA busy_timeout = 250")?;
    let row: Result<Checkpointed, Error> = sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection);
    connection.batch_execute("PRAGMA busy_timeout = 10000")?;
    Ok(row?.busy == 0)
}

#[derive(QueryableByName)]
struct Milliseconds {
    #[diesel(sql_type = BigInt)]
    ms: i64,
}

/// The database's own clock, where it has one: milliseconds since 1970.
pub fn clock_ms(connection: &mut Database) -> StoreResult<Option<i64>> {
    let Database::Postgres(connection) = connection else { return Ok(None) };
    let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms";
    let row: Milliseconds = sql_query(query).get_result(connection)?;
    Ok(Some(row.ms))
}

pub(super) fn begin_snapshot(connection: &mut Database) -> StoreResult<()> {
    let begin = match connection {
        Database::Postgres(_) => "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Database::Sqlite(_) => "BEGIN",
    };
    Ok(connection.batch_execute(begin)?)
}

/// Lifts the limits that end a query or an idle transaction, for this transaction alone.
pub(super) fn let_snapshot_last(connection: &mut Database) -> StoreResult<()> {
    match connection {
        Database::Postgres(_) => Ok(connection
            .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")?),
        Database::Sqlite(_) => Ok(()),
    }
}

pub(super) fn end_snapshot(connection: &mut Database) -> StoreResult<()> {
    Ok(connection.batch_execute("COMMIT")?)
}

/// The file of a SQLite database inside a data folder.
pub fn sqlite_in(data: &Path) -> DatabaseUrl {
    DatabaseUrl::Sqlite(data.join("ledger.sqlite"))
}
