//! Derived state as it was at earlier entries: versions of records that were written over, and what each entry booked.

use crate::domain::balance::SiteAccount;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::past::{Stamp, Version};
use crate::domain::state::{Record, RecordId, RecordKind};
use crate::store::bulk::{self, BookingRow, PastRow};
use crate::store::records::{self, read_account, read_row};
use crate::store::schema::{bookings, past};
use crate::store::{Database, StoreError, StoreResult, database_number, read_index};
use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, RunQueryDsl, sql_query};
use std::collections::BTreeMap;

/// Stores versions that were written over.
pub fn insert(database: &mut Database, superseded: &[(RecordId, Version)]) -> StoreResult<()> {
    let row = |(id, version): &(RecordId, Version)| {
        Ok(PastRow {
            since: database_number(version.stamp.since.0)?,
            id: id.id.clone(),
            kind: id.kind.as_str().to_owned(),
            before: version.stamp.before.map(|before| database_number(before.0)).transpose()?,
            body: version.record.body(),
        })
    };
    let rows: Vec<PastRow> = superseded.iter().map(row).collect::<StoreResult<_>>()?;
    bulk::insert_past(database, &rows)
}

/// Stores what entries booked.
pub fn insert_bookings(database: &mut Database, booked: &[(EntryIndex, SiteAccount, i64)]) -> StoreResult<()> {
    let row = |(index, account, grams): &(EntryIndex, SiteAccount, i64)| {
        Ok(BookingRow {
            idx: database_number(index.0)?,
            account: account.account.to_string(),
            site: account.site.map(|site| site.to_string()).unwrap_or_default(),
            grams: *grams,
        })
    };
    let rows: Vec<BookingRow> = booked.iter().map(row).collect::<StoreResult<_>>()?;
    bulk::insert_bookings(database, &rows)
}

/// The stamp of a row.
pub(super) fn read_stamp(since: i64, before: Option<i64>) -> StoreResult<Stamp> {
    Ok(Stamp { since: read_index(since)?, before: before.map(read_index).transpose()? })
}

/// The records of an id as they were from an entry on: for each kind the version in force after it, and all later ones but
/// the present.
pub fn of_id(database: &mut Database, id: &str, from: EntryIndex) -> StoreResult<Vec<Version>> {
    let mut found = Vec::new();
    for (record, stamp) in records::load_stamped(database, &[id.to_owned()])? {
        found.extend(chain(database, &record.id(), stamp, from)?);
    }
    Ok(found)
}

/// Follows a record back, version by version, to the one that was in force after an entry.
fn chain(database: &mut Database, id: &RecordId, now: Stamp, at: EntryIndex) -> StoreResult<Vec<Version>> {
    let (mut found, mut stamp) = (Vec::new(), now);
    while let (true, Some(before)) = (stamp.since > at && id.kind.keeps_past(), stamp.before) {
        let Some(version) = version(database, id, before)? else {
            return Err(StoreError::damaged(format!("{} {} has lost what it was at {before}", id.kind, id.id)));
        };
        stamp = version.stamp;
        found.push(version);
    }
    Ok(found)
}

fn version(database: &mut Database, id: &RecordId, since: EntryIndex) -> StoreResult<Option<Version>> {
    let key = (database_number(since.0)?, &id.id, id.kind.as_str());
    let row: Option<(Option<i64>, String)> =
        past::table.find(key).select((past::before, past::body)).first(database).optional()?;
    let read = |(before, body): (Option<i64>, String)| {
        let stamp = read_stamp(database_number(since.0)?, before)?;
        Ok(Version { stamp, record: read_row(&id.id, id.kind.as_str(), &body)? })
    };
    row.map(read).transpose()
}

/// A record as it was after an entry, if it existed.
pub fn as_of(database: &mut Database, kind: RecordKind, id: &str, at: EntryIndex) -> StoreResult<Option<Record>> {
    let all = records::load_stamped(database, &[id.to_owned()])?;
    let Some((record, stamp)) = all.into_iter().find(|(record, _)| record.id().kind == kind) else { return Ok(None) };
    if stamp.since <= at {
        return Ok(Some(record));
    }
    let oldest = chain(database, &record.id(), stamp, at)?.pop();
    Ok(oldest.filter(|version| version.stamp.since <= at).map(|version| version.record))
}

#[derive(QueryableByName)]
struct BookedRow {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Text)]
    site: String,
    #[diesel(sql_type = BigInt)]
    grams: i64,
}

/// What the entries after one booked, in grams by account; of all accounts, or of a site's.
pub fn booked_after(
    database: &mut Database,
    at: EntryIndex,
    site: Option<SiteId>,
) -> StoreResult<BTreeMap<SiteAccount, i64>> {
    // A sum over numbers of 64 bits is of another type on PostgreSQL; no account's leaves their range.
    let query = |only: &str| {
        let sum = "SELECT account, site, CAST(SUM(grams) AS BIGINT) AS grams FROM bookings WHERE idx > $1";
        sql_query(format!("{sum}{only} GROUP BY account, site"))
    };
    let at = database_number(at.0)?;
    let rows: Vec<BookedRow> = match site {
        None => query("").bind::<BigInt, _>(at).load(database)?,
        Some(site) => query(" AND site = $2").bind::<BigInt, _>(at).bind::<Text, _>(site.to_string()).load(database)?,
    };
    rows.into_iter().map(|row| Ok((read_account(&row.account, &row.site)?, row.grams))).collect()
}

/// How many versions and bookings there are, for the audit.
pub fn counts(database: &mut Database) -> StoreResult<(u64, u64)> {
    let count = |found: i64| u64::try_from(found).map_err(|_| StoreError::damaged("a negative count"));
    let versions = past::table.count().get_result(database)?;
    let booked = bookings::table.count().get_result(database)?;
    Ok((count(versions)?, count(booked)?))
}

/// Entry, id and kind of a version.
pub type RawKey = (i64, String, String);
/// What a version wrote over, and what it says in JSON.
pub type RawVersion = (Option<i64>, String);

/// Versions that some entries wrote and later ones wrote over, unread: by entry, id and kind, what they wrote over and what they
/// say.
pub fn raw_between(
    database: &mut Database,
    from: EntryIndex,
    to: EntryIndex,
) -> StoreResult<BTreeMap<RawKey, RawVersion>> {
    let rows: Vec<(i64, String, String, Option<i64>, String)> = past::table
        .filter(past::since.ge(database_number(from.0)?))
        .filter(past::since.lt(database_number(to.0)?))
        .load(database)?;
    Ok(rows.into_iter().map(|(since, id, kind, before, body)| ((since, id, kind), (before, body))).collect())
}

/// What some entries booked, in order: index, account, grams.
pub fn bookings_between(
    database: &mut Database,
    from: EntryIndex,
    to: EntryIndex,
) -> StoreResult<Vec<(EntryIndex, SiteAccount, i64)>> {
    let rows: Vec<(i64, String, String, i64)> = bookings::table
        .filter(bookings::idx.ge(database_number(from.0)?))
        .filter(bookings::idx.lt(database_number(to.0)?))
        .load(database)?;
    let read = |(idx, account, site, grams): (i64, String, String, i64)| {
        Ok((read_stamp(idx, None)?.since, read_account(&account, &site)?, grams))
    };
    rows.into_iter().map(read).collect()
}
