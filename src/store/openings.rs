//! The values behind commitments: stored with their entry, erasable apart from it.

use crate::domain::event::CertificateRetired;
use crate::domain::ids::EntryIndex;
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::commitment::Opening;
use crate::store::bulk::{self, OpeningRow};
use crate::store::schema::openings;
use crate::store::{Database, StoreError, StoreResult, companies, database_number};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::BTreeMap;

/// Stores openings of new entries.
pub fn insert(database: &mut Database, new: &[(EntryIndex, Opening)]) -> StoreResult<()> {
    let row = |(index, opening): &(EntryIndex, Opening)| {
        Ok(OpeningRow {
            idx: database_number(index.0)?,
            pointer: opening.pointer.clone(),
            salt: opening.salt.to_vec(),
            value: opening.value.clone(),
        })
    };
    let rows: Vec<OpeningRow> = new.iter().map(row).collect::<StoreResult<_>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    bulk::insert_openings(database, &rows)?;
    companies::insert(database, new)
}

/// Deletes openings, and what is found by them; one that is not there is gone already.
pub fn erase<'a>(
    database: &mut Database,
    places: impl IntoIterator<Item = &'a (EntryIndex, String)>,
) -> StoreResult<()> {
    for (index, pointer) in places {
        diesel::delete(openings::table.find((database_number(index.0)?, pointer))).execute(database)?;
        if pointer == CertificateRetired::COMPANY {
            companies::erase(database, *index)?;
        }
    }
    Ok(())
}

/// The openings of an entry that were not erased.
pub fn of_entry(database: &mut Database, index: EntryIndex) -> StoreResult<Vec<Opening>> {
    Ok(of_entries(database, &[index])?.remove(&index).unwrap_or_default())
}

/// The openings of some entries that were not erased.
pub fn of_entries(database: &mut Database, entries: &[EntryIndex]) -> StoreResult<BTreeMap<EntryIndex, Vec<Opening>>> {
    let mut found: BTreeMap<EntryIndex, Vec<Opening>> = BTreeMap::new();
    let numbers = entries.iter().map(|index| database_number(index.0)).collect::<StoreResult<Vec<i64>>>()?;
    for chunk in numbers.chunks(QUERY_BINDS_MAX) {
        let rows: Vec<(i64, String, Vec<u8>, String)> = openings::table
            .filter(openings::idx.eq_any(chunk))
            .order((openings::idx.asc(), openings::pointer.asc()))
            .select((openings::idx, openings::pointer, openings::salt, openings::value))
            .load(database)?;
        for (idx, pointer, salt, value) in rows {
            let damaged = || StoreError::damaged(format!("an opening of entry {idx} cannot be read"));
            let index = u64::try_from(idx).map(EntryIndex).map_err(|_| damaged())?;
            let salt = salt.try_into().map_err(|_| damaged())?;
            found.entry(index).or_default().push(Opening { pointer, salt, value });
        }
    }
    Ok(found)
}

/// Whether an opening stands at an entry from an index on.
pub fn stands_from(database: &mut Database, index: EntryIndex) -> StoreResult<bool> {
    let query = openings::table.filter(openings::idx.ge(database_number(index.0)?)).select(openings::idx);
    Ok(query.first::<i64>(database).optional()?.is_some())
}
