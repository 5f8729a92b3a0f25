//! A database of an audit's own: a whole ledger as replaying it gives it, and how far the audit has come.
//!
//! It is SQLite, and can be made anew from the entries at any time, so it is not durable.

use crate::domain::ids::EntryIndex;
use crate::store::backend::{self, Database};
use crate::store::schema::audit;
use crate::store::{Aborted, StoreError, StoreResult, database_number, read_index};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{
    Connection as _, ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, RunQueryDsl, sql_query,
};
use std::path::Path;

/// What an audit has beside a ledger's own tables.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS audit (id BIGINT NOT NULL PRIMARY KEY, progress TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS documents (sha256 TEXT NOT NULL, idx BIGINT NOT NULL, PRIMARY KEY (sha256, idx))
        WITHOUT ROWID;
    DROP TABLE IF EXISTS stretches;
    CREATE TABLE stretches (treatment BIGINT NOT NULL, from_g BIGINT NOT NULL, of_id TEXT NOT NULL,
        to_g BIGINT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (treatment, from_g, of_id)) WITHOUT ROWID;
    DROP TABLE IF EXISTS shares;
    CREATE TABLE shares (of_what TEXT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL) WITHOUT ROWID;
    DROP TABLE IF EXISTS replaced;
    CREATE TABLE replaced (side TEXT NOT NULL, pool TEXT NOT NULL, first_unit BIGINT NOT NULL, by_units TEXT NOT NULL,
        units TEXT NOT NULL, idx BIGINT NOT NULL, PRIMARY KEY (side, pool, first_unit, units)) WITHOUT ROWID;
    DROP TABLE IF EXISTS replaced_units;
    CREATE TABLE replaced_units (pool TEXT NOT NULL, unit BIGINT NOT NULL, giving BIGINT NOT NULL, backed BIGINT NOT NULL,
        PRIMARY KEY (pool, unit)) WITHOUT ROWID;
";

/// An audit's database.
pub struct Workspace {
    database: Database,
}

impl Workspace {
    /// In a file, which is made where there is none and gone on with where there is one.
    pub fn open(file: &Path) -> StoreResult<Self> {
        Self::with_tables(backend::open_workspace(Some(file))?)
    }

    /// In memory, and in a file of the system's that goes with it once it has grown.
    pub fn temporary() -> StoreResult<Self> {
        Self::with_tables(backend::open_workspace(None)?)
    }

    fn with_tables(mut database: Database) -> StoreResult<Self> {
        database.batch_execute(TABLES)?;
        Ok(Self { database })
    }

    /// The database itself.
    pub fn database(&mut self) -> &mut Database {
        &mut self.database
    }

    /// Works in one transaction, so that what is killed on the way leaves nothing of it.
    pub fn transaction<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Database) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = self.database.transaction(|database| work(database).map_err(Aborted::Work));
        outcome.map_err(|aborted| match aborted {
            Aborted::Work(error) => error,
            Aborted::Database(error) => E::from(StoreError::from(error)),
        })
    }
}

/// How far the audit has come, as it was last written down.
pub fn progress(database: &mut Database) -> StoreResult<Option<String>> {
    Ok(audit::table.find(1).select(audit::progress).first(database).optional()?)
}

/// Writes down how far the audit has come.
pub fn set_progress(database: &mut Database, progress: &str) -> StoreResult<()> {
    let written = diesel::update(audit::table.find(1)).set(audit::progress.eq(progress)).execute(database)?;
    if written == 0 {
        let row = (audit::id.eq(1), audit::progress.eq(progress));
        diesel::insert_into(audit::table).values(row).execute(database)?;
    }
    Ok(())
}

/// Remembers the files that an entry binds.
pub fn add_documents(database: &mut Database, index: EntryIndex, sha256: &[String]) -> StoreResult<()> {
    let idx = database_number(index.0)?;
    for sha256 in sha256 {
        sql_query("INSERT OR IGNORE INTO documents (sha256, idx) VALUES (?, ?)")
            .bind::<Text, _>(sha256)
            .bind::<BigInt, _>(idx)
            .execute(database)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct SharedRow {
    #[diesel(sql_type = Text)]
    sha256: String,
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// Files that more than one entry binds, up to `count`: their SHA-256 with the first and the last of these entries.
pub fn shared_documents(database: &mut Database, count: i64) -> StoreResult<Vec<(String, EntryIndex, EntryIndex)>> {
    let query = "SELECT sha256, MIN(idx) AS first, MAX(idx) AS last FROM documents GROUP BY sha256 \
                 HAVING COUNT(*) > 1 ORDER BY sha256 LIMIT ?";
    let rows: Vec<SharedRow> = sql_query(query).bind::<BigInt, _>(count).load(database)?;
    rows.into_iter().map(|row| Ok((row.sha256, read_index(row.first)?, read_index(row.last)?))).collect()
}
