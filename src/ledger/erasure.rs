//! What was erased, for those who look at entries.

use crate::domain::erasure::{Erased, ErasedValue};
use crate::domain::ids::EntryIndex;
use crate::domain::state::{Changes, Record};
use crate::ledger::Ledger;
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

/// A commitment's place: its entry, and the pointer in its payload.
type Place = (EntryIndex, String);

/// Where openings are to go, by what a run of entries changed.
///
/// With a place come those of the same entry that earlier statements erased; there is nothing to delete at them.
pub(crate) fn places_in(changes: &Changes) -> BTreeSet<Place> {
    changes.records.values().flat_map(places_of).collect()
}

/// The places of a record, if it is one of erasures.
fn places_of(record: &Record) -> Vec<Place> {
    let Record::Erased(erased) = record else { return Vec::new() };
    erased.values.iter().map(|value| (erased.entry, value.pointer.to_string())).collect()
}

/// What was erased of some entries' values.
pub(crate) fn of_entries(
    database: &mut Database,
    entries: &[EntryIndex],
) -> Result<BTreeMap<EntryIndex, Vec<ErasedValue>>, StoreError> {
    let ids: Vec<String> = entries.iter().copied().map(Erased::id_of).collect();
    let found: Vec<Erased> = records::load_of(database, &ids)?;
    Ok(found.into_iter().map(|erased| (erased.entry, erased.values)).collect())
}

/// What was erased of one entry's values.
pub(crate) fn of_entry(database: &mut Database, entry: EntryIndex) -> Result<Vec<ErasedValue>, StoreError> {
    Ok(of_entries(database, &[entry])?.remove(&entry).unwrap_or_default())
}

impl Ledger {
    /// What was erased of an entry's values.
    pub fn erased(&self, entry: EntryIndex) -> Result<Vec<ErasedValue>, StoreError> {
        self.store.read(|database| of_entry(database, entry))
    }
}
