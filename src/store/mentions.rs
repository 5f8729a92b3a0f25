//! Which entries concern an organisation, a site or an item: derived, for finding them again.

use crate::domain::ids::EntryIndex;
use crate::limits::QUERY_BINDS_MAX;
use crate::store::backend::{self, MentionRow};
use crate::store::schema::mentions;
use crate::store::{Database, StoreError, StoreResult, database_number};
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::BTreeSet;

/// Stores what new entries concern: id as text, and index.
pub fn insert(database: &mut Database, new: &BTreeSet<(String, EntryIndex)>) -> StoreResult<()> {
    let row = |(subject, index): &(String, EntryIndex)| {
        Ok(MentionRow { subject: subject.clone(), idx: database_number(index.0)? })
    };
    let rows: Vec<MentionRow> = new.iter().map(row).collect::<StoreResult<_>>()?;
    backend::insert_mentions(database, &rows)
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

/// Whether an entry concerns a subject.
pub fn concerns(database: &mut Database, subject: &str, index: EntryIndex) -> StoreResult<bool> {
    let key = (subject, database_number(index.0)?);
    let found: Option<i64> = mentions::table.find(key).select(mentions::idx).first(database).optional()?;
    Ok(found.is_some())
}

/// Those of some entries that concern a subject, in order.
pub fn concerning(database: &mut Database, subject: &str, indexes: &[EntryIndex]) -> StoreResult<Vec<EntryIndex>> {
    let mut found = Vec::with_capacity(indexes.len());
    for chunk in indexes.chunks(QUERY_BINDS_MAX) {
        let ids = chunk.iter().map(|index| database_number(index.0)).collect::<StoreResult<Vec<_>>>()?;
        let query = mentions::table.filter(mentions::subject.eq(subject)).filter(mentions::idx.eq_any(ids));
        let rows: Vec<i64> = query.order(mentions::idx.asc()).select(mentions::idx).load(database)?;
        found.extend(rows.into_iter().map(read_index).collect::<StoreResult<Vec<_>>>()?);
    }
    Ok(found)
}

/// Whether any entry concerns both of two subjects.
pub fn meet(database: &mut Database, subject: &str, other: &str) -> StoreResult<bool> {
    let theirs = diesel::alias!(mentions as theirs);
    let common: Option<i64> = mentions::table
        .inner_join(theirs.on(theirs.field(mentions::idx).eq(mentions::idx)))
        .filter(mentions::subject.eq(subject))
        .filter(theirs.field(mentions::subject).eq(other))
        .select(mentions::idx)
        .first(database)
        .optional()?;
    Ok(common.is_some())
}

/// How many rows there are, for the audit.
pub fn count(database: &mut Database) -> StoreResult<u64> {
    let count: i64 = mentions::table.count().get_result(database)?;
    u64::try_from(count).map_err(|_| StoreError::damaged("a negative count"))
}

fn read_index(idx: i64) -> StoreResult<EntryIndex> {
    u64::try_from(idx).map(EntryIndex).map_err(|_| StoreError::damaged("a mention has a negative index"))
}
