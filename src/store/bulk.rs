//! Many rows at once, on the fast road of each database: arrays in one statement on PostgreSQL, prepared single rows on
//! SQLite.

use crate::store::schema::{bookings, entries, mentions, openings, past, records};
use crate::store::{Database, StoreResult};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, QueryableByName, RunQueryDsl, sql_query};

/// A row of `entries`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = entries)]
pub(super) struct EntryRow {
    pub(super) idx: i64,
    pub(super) bytes: Vec<u8>,
    pub(super) leaf_hash: Vec<u8>,
    pub(super) organisation: Vec<u8>,
    pub(super) statement_id: Vec<u8>,
    pub(super) payload_sha256: Vec<u8>,
    pub(super) warnings: String,
}

/// Many entries: one statement with arrays on PostgreSQL, prepared single rows on SQLite.
pub(super) fn insert_entries(connection: &mut Database, rows: &[EntryRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(entries::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            fn column<'a, T>(rows: &'a [EntryRow], value: fn(&'a EntryRow) -> T) -> Vec<T> {
                rows.iter().map(value).collect()
            }
            sql_query(
                "INSERT INTO entries (idx, bytes, leaf_hash, organisation, statement_id, payload_sha256, warnings) \
                 SELECT * FROM UNNEST($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind::<Array<BigInt>, _>(column(rows, |row| row.idx))
            .bind::<Array<Binary>, _>(column(rows, |row| row.bytes.as_slice()))
            .bind::<Array<Binary>, _>(column(rows, |row| row.leaf_hash.as_slice()))
            .bind::<Array<Binary>, _>(column(rows, |row| row.organisation.as_slice()))
            .bind::<Array<Binary>, _>(column(rows, |row| row.statement_id.as_slice()))
            .bind::<Array<Binary>, _>(column(rows, |row| row.payload_sha256.as_slice()))
            .bind::<Array<Text>, _>(column(rows, |row| row.warnings.as_str()))
            .execute(connection)?;
        }
    }
    Ok(())
}

/// A row of `records`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = records)]
pub(super) struct RecordRow {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) body: String,
    pub(super) since: i64,
    pub(super) before: Option<i64>,
}

/// The rows' columns as arrays, for UNNEST: id, kind, body, since, before.
type RecordArrays<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<i64>, Vec<Option<i64>>);

fn record_arrays(rows: &[RecordRow]) -> RecordArrays<'_> {
    let text = |value: fn(&RecordRow) -> &str| rows.iter().map(value).collect();
    let (since, before) = rows.iter().map(|row| (row.since, row.before)).unzip();
    (text(|row| &row.id), text(|row| &row.kind), text(|row| &row.body), since, before)
}

/// Many records that did not exist.
pub(super) fn insert_records(connection: &mut Database, rows: &[RecordRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(records::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            let (ids, kinds, bodies, since, before) = record_arrays(rows);
            sql_query("INSERT INTO records (id, kind, body, since, before) SELECT * FROM UNNEST($1, $2, $3, $4, $5)")
                .bind::<Array<Text>, _>(ids)
                .bind::<Array<Text>, _>(kinds)
                .bind::<Array<Text>, _>(bodies)
                .bind::<Array<BigInt>, _>(since)
                .bind::<Array<Nullable<BigInt>>, _>(before)
                .execute(connection)?;
        }
    }
    Ok(())
}

/// Many records that existed; tells how many rows were written.
pub(super) fn update_records(connection: &mut Database, rows: &[RecordRow]) -> StoreResult<usize> {
    match connection {
        Database::Sqlite(connection) => {
            let mut written = 0;
            for row in rows {
                let target = records::table.find((&row.id, &row.kind));
                let columns =
                    (records::body.eq(&row.body), records::since.eq(row.since), records::before.eq(row.before));
                written += diesel::update(target).set(columns).execute(connection)?;
            }
            Ok(written)
        }
        Database::Postgres(connection) => {
            let (ids, kinds, bodies, since, before) = record_arrays(rows);
            let written = sql_query(
                "UPDATE records SET body = new.body, since = new.since, before = new.before \
                 FROM UNNEST($1, $2, $3, $4, $5) AS new (id, kind, body, since, before) \
                 WHERE records.id = new.id AND records.kind = new.kind",
            )
            .bind::<Array<Text>, _>(ids)
            .bind::<Array<Text>, _>(kinds)
            .bind::<Array<Text>, _>(bodies)
            .bind::<Array<BigInt>, _>(since)
            .bind::<Array<Nullable<BigInt>>, _>(before)
            .execute(connection)?;
            Ok(written)
        }
    }
}

/// A row of `past`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = past)]
pub(super) struct PastRow {
    pub(super) since: i64,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) before: Option<i64>,
    pub(super) body: String,
}

/// Many versions that were written over.
pub(super) fn insert_past(connection: &mut Database, rows: &[PastRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(past::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            sql_query("INSERT INTO past (since, id, kind, before, body) SELECT * FROM UNNEST($1, $2, $3, $4, $5)")
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.since).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
                .bind::<Array<Nullable<BigInt>>, _>(rows.iter().map(|row| row.before).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.body.as_str()).collect::<Vec<_>>())
                .execute(connection)?;
        }
    }
    Ok(())
}

/// A row of `bookings`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = bookings)]
pub(super) struct BookingRow {
    pub(super) idx: i64,
    pub(super) account: String,
    pub(super) site: String,
    pub(super) grams: i64,
}

/// What many entries booked.
pub(super) fn insert_bookings(connection: &mut Database, rows: &[BookingRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(bookings::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            sql_query("INSERT INTO bookings (idx, account, site, grams) SELECT * FROM UNNEST($1, $2, $3, $4)")
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.idx).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.account.as_str()).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.site.as_str()).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.grams).collect::<Vec<_>>())
                .execute(connection)?;
        }
    }
    Ok(())
}

/// A row of `mentions`.
#[derive(Debug, Clone, Insertable, QueryableByName)]
#[diesel(table_name = mentions)]
pub(super) struct MentionRow {
    pub(super) subject: String,
    pub(super) idx: i64,
}

/// Many mentions.
pub(super) fn insert_mentions(connection: &mut Database, rows: &[MentionRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(mentions::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            sql_query("INSERT INTO mentions (subject, idx) SELECT * FROM UNNEST($1, $2)")
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.subject.as_str()).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.idx).collect::<Vec<_>>())
                .execute(connection)?;
        }
    }
    Ok(())
}

/// Those of these mentions that are not there: one statement with arrays on PostgreSQL, prepared look-ups on SQLite.
pub(super) fn missing_mentions(connection: &mut Database, rows: Vec<MentionRow>) -> StoreResult<Vec<MentionRow>> {
    match connection {
        Database::Sqlite(connection) => {
            let mut missing = Vec::new();
            for row in rows {
                let found = mentions::table.find((&row.subject, row.idx)).select(mentions::idx);
                if found.first::<i64>(connection).optional()?.is_none() {
                    missing.push(row);
                }
            }
            Ok(missing)
        }
        Database::Postgres(connection) => {
            let query = sql_query(
                "SELECT asked.subject, asked.idx FROM UNNEST($1, $2) AS asked (subject, idx) WHERE NOT EXISTS \
                 (SELECT 1 FROM mentions WHERE mentions.subject = asked.subject AND mentions.idx = asked.idx)",
            );
            let missing = query
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.subject.as_str()).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.idx).collect::<Vec<_>>())
                .load(connection)?;
            Ok(missing)
        }
    }
}

/// A row of `openings`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = openings)]
pub(super) struct OpeningRow {
    pub(super) idx: i64,
    pub(super) pointer: String,
    pub(super) salt: Vec<u8>,
    pub(super) value: String,
}

/// Many openings.
pub(super) fn insert_openings(connection: &mut Database, rows: &[OpeningRow]) -> StoreResult<()> {
    match connection {
        Database::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(openings::table).values(row).execute(connection)?;
            }
        }
        Database::Postgres(connection) => {
            sql_query("INSERT INTO openings (idx, pointer, salt, value) SELECT * FROM UNNEST($1, $2, $3, $4)")
                .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.idx).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.pointer.as_str()).collect::<Vec<_>>())
                .bind::<Array<Binary>, _>(rows.iter().map(|row| row.salt.as_slice()).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(rows.iter().map(|row| row.value.as_str()).collect::<Vec<_>>())
                .execute(connection)?;
        }
    }
    Ok(())
}
