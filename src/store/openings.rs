//! The values behind commitments: stored with their entry, erasable apart from it.

use crate::domain::event::CertificateRetired;
use crate::domain::ids::EntryIndex;
use crate::proof::commitment::Opening;
use crate::store::bulk::{self, OpeningRow};
use crate::store::schema::openings;
use crate::store::{Database, StoreError, StoreResult, companies, database_number};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

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
    let rows: Vec<(String, Vec<u8>, String)> = openings::table
        .filter(openings::idx.eq(database_number(index.0)?))
        .order(openings::pointer.asc())
        .select((openings::pointer, openings::salt, openings::value))
        .load(database)?;
    let read = |(pointer, salt, value): (String, Vec<u8>, String)| {
        let salt = salt.try_into().map_err(|_| StoreError::damaged(format!("opening of entry {index}")))?;
        Ok(Opening { pointer, salt, value })
    };
    rows.into_iter().map(read).collect()
}

/// Whether an opening stands at an entry from an index on.
pub fn stands_from(database: &mut Database, index: EntryIndex) -> StoreResult<bool> {
    let query = openings::table.filter(openings::idx.ge(database_number(index.0)?)).select(openings::idx);
    Ok(query.first::<i64>(database).optional()?.is_some())
}
