//! Which entries concern an organisation, a site or an item: derived, for finding them again.

use crate::domain::ids::EntryIndex;
use crate::limits::QUERY_BINDS_MAX;
use crate::store::bulk::{self, MentionRow};
use crate::store::schema::mentions;
use crate::store::{Database, StoreError, StoreResult, database_number, read_index};
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::BTreeSet;

/// Stores what new entries concern: subject and index.
pub fn insert(database: &mut Database, new: &BTreeSet<(String, EntryIndex)>) -> StoreResult<()> {
    let row = |(subject, index): &(String, EntryIndex)| {
        Ok(MentionRow { subject: subject.clone(), idx: database_number(index.0)? })
    };
    let rows: Vec<MentionRow> = new.iter().map(row).collect::<StoreResult<_>>()?;
    bulk::insert_mentions(database, &rows)
}

/// The indexes of the entries that concern a subject, from an index on, in order.
pub fn of_subject(database: &mut Database, subject: &str, from: u64, count: i64) -> StoreResult<Vec<EntryIndex>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let rows: Vec<i64> = mentions::table
        .filter(mentions::subject.eq(subject))
        .filter(mentions::idx.ge(from))
        .order(mentions::idx.asc())
        .limit(count)
        .select(mentions::idx)
        .load(database)?;
    rows.into_iter().map(read_index).collect()
}

/// The indexes of the entries that concern both of two subjects, from an index on, in order.
pub fn of_both(
    database: &mut Database,
    subject: &str,
    other: &str,
    from: u64,
    count: i64,
) -> StoreResult<Vec<EntryIndex>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let others = diesel::alias!(mentions as others);
    let rows: Vec<i64> = mentions::table
        .inner_join(others.on(others.field(mentions::idx).eq(mentions::idx)))
        .filter(mentions::subject.eq(subject))
        .filter(others.field(mentions::subject).eq(other))
        .filter(mentions::idx.ge(from))
        .order(mentions::idx.asc())
        .limit(count)
        .select(mentions::idx)
        .load(database)?;
    rows.into_iter().map(read_index).collect()
}

/// The indexes of the entries that concern any of some subjects and, if given, an organisation too, from an index on, in
/// order.
pub fn of_any(
    database: &mut Database,
    subjects: &[String],
    organisation: Option<&str>,
    from: u64,
    count: i64,
) -> StoreResult<Vec<EntryIndex>> {
    let mut found = BTreeSet::new();
    match organisation {
        Some(organisation) => {
            for subject in subjects {
                found.extend(of_both(database, subject, organisation, from, count)?);
            }
        }
        None => {
            for chunk in subjects.chunks(QUERY_BINDS_MAX) {
                found.extend(of_chunk(database, chunk, from, count)?);
            }
        }
    }
    Ok(found.into_iter().take(usize::try_from(count).unwrap_or(0)).collect())
}

fn of_chunk(database: &mut Database, subjects: &[String], from: u64, count: i64) -> StoreResult<Vec<EntryIndex>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let rows: Vec<i64> = mentions::table
        .filter(mentions::subject.eq_any(subjects))
        .filter(mentions::idx.ge(from))
        .order(mentions::idx.asc())
        .limit(count)
        .select(mentions::idx)
        .distinct()
        .load(database)?;
    rows.into_iter().map(read_index).collect()
}

/// Whether an entry concerns a subject.
pub fn concerns(database: &mut Database, subject: &str, index: EntryIndex) -> StoreResult<bool> {
    let Ok(index) = i64::try_from(index.0) else { return Ok(false) };
    let key = (subject, index);
    let found: Option<i64> = mentions::table.find(key).select(mentions::idx).first(database).optional()?;
    Ok(found.is_some())
}

/// Which of these rows, subject and index, are not there, for the audit.
pub fn missing(database: &mut Database, expected: &[(String, EntryIndex)]) -> StoreResult<Vec<(String, EntryIndex)>> {
    let row = |(subject, index): &(String, EntryIndex)| {
        Ok(MentionRow { subject: subject.clone(), idx: database_number(index.0)? })
    };
    let rows: Vec<MentionRow> = expected.iter().map(row).collect::<StoreResult<_>>()?;
    let missing = bulk::missing_mentions(database, rows)?;
    missing.into_iter().map(|row| Ok((row.subject, read_index(row.idx)?))).collect()
}

/// How many rows there are, for the audit.
pub fn count(database: &mut Database) -> StoreResult<u64> {
    let count: i64 = mentions::table.count().get_result(database)?;
    u64::try_from(count).map_err(|_| StoreError::damaged("a negative count"))
}
