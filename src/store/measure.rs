//! What a benchmark needs to know of the database: a bare durable insert to compare with, rows, and bytes written.

use crate::store::schema::{accounts, bookings, checkpoints, entries, mentions, openings, past, records, tiles};
use crate::store::{Database, StoreError, StoreResult};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Binary};
use diesel::{QueryDsl, QueryableByName, RunQueryDsl, sql_query};

#[derive(QueryableByName)]
struct Position {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Makes the table of bare inserts.
pub fn make_bare_table(database: &mut Database) -> StoreResult<()> {
    let (number, bytes) = match database {
        Database::Postgres(_) => ("BIGINT", "BYTEA"),
        Database::Sqlite(_) => ("INTEGER", "BLOB"),
    };
    let table = format!("CREATE TABLE bare (number {number} PRIMARY KEY, bytes {bytes} NOT NULL)");
    Ok(database.batch_execute(&table)?)
}

/// Removes it.
pub fn drop_bare_table(database: &mut Database) -> StoreResult<()> {
    Ok(database.batch_execute("DROP TABLE bare")?)
}

/// One row with so many bytes: the least that a durable append can be.
pub fn bare_insert(database: &mut Database, number: i64, bytes: &[u8]) -> StoreResult<()> {
    match database {
        Database::Postgres(connection) => sql_query("INSERT INTO bare (number, bytes) VALUES ($1, $2)")
            .bind::<BigInt, _>(number)
            .bind::<Binary, _>(bytes)
            .execute(connection)?,
        Database::Sqlite(connection) => sql_query("INSERT INTO bare (number, bytes) VALUES (?, ?)")
            .bind::<BigInt, _>(number)
            .bind::<Binary, _>(bytes)
            .execute(connection)?,
    };
    Ok(())
}

/// Rows of all tables that a statement writes to.
pub fn rows(database: &mut Database) -> StoreResult<i64> {
    let counts: [i64; 9] = [
        entries::table.count().get_result(database)?,
        openings::table.count().get_result(database)?,
        mentions::table.count().get_result(database)?,
        records::table.count().get_result(database)?,
        past::table.count().get_result(database)?,
        bookings::table.count().get_result(database)?,
        accounts::table.count().get_result(database)?,
        tiles::table.count().get_result(database)?,
        checkpoints::table.count().get_result(database)?,
    ];
    Ok(counts.iter().sum())
}

/// Bytes that the server has written to its log since it was made; `None` for SQLite, which writes in this process.
pub fn log_position(database: &mut Database) -> StoreResult<Option<i64>> {
    let Database::Postgres(connection) = database else { return Ok(None) };
    let query = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS bytes";
    let row: Position = sql_query(query).get_result(connection).map_err(StoreError::from)?;
    Ok(Some(row.bytes))
}
