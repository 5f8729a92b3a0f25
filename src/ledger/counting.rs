//! What counts as said: an entry's statement, or what its correction puts in its place.

use crate::domain::correction::{Correction, CorrectionStatus, CorrectionsOf};
use crate::domain::event::{Event as DomainEvent, Statement};
use crate::domain::ids::EntryIndex;
use crate::ledger::lookup::read_event;
use crate::store::{Database, StoreError, entries, records};
use std::collections::BTreeMap;

/// What an entry comes to.
#[derive(Debug, Clone)]
pub(crate) enum Counting {
    /// It says so, or its correction does.
    Said(Box<Statement>),
    /// It brought a correction into force, and with it this statement, unless something never happened.
    Effect(Box<Correction>, Option<Box<Statement>>),
}

/// The entries of some indexes, in order, as they count; what never happened is left out.
pub(crate) fn read(database: &mut Database, indexes: &[EntryIndex]) -> Result<Vec<(EntryIndex, Counting)>, StoreError> {
    let mut corrections = corrections_of(database, indexes)?;
    let mut found = Vec::with_capacity(indexes.len());
    for stored in entries::find_many(database, indexes)? {
        let index = stored.index;
        let of_it = corrections.remove(&index).unwrap_or_default();
        let in_effect = of_it.iter().find(|correction| correction.status == CorrectionStatus::InEffect);
        let statement = read_event(stored)?.statement;
        let counting = match (in_effect, &statement.event) {
            (Some(correction), _) => in_place(database, correction)?.map(Counting::Said),
            (None, DomainEvent::Corrected(_)) => effect(database, index, index)?,
            (None, DomainEvent::CorrectionConfirmed(event)) => effect(database, event.correction, index)?,
            (None, _) => Some(Counting::Said(Box::new(statement))),
        };
        found.extend(counting.map(|counting| (index, counting)));
    }
    Ok(found)
}

/// The corrections of some entries, in order.
pub(crate) fn corrections_of(
    database: &mut Database,
    indexes: &[EntryIndex],
) -> Result<BTreeMap<EntryIndex, Vec<Correction>>, StoreError> {
    let ids: Vec<String> = indexes.iter().map(|index| CorrectionsOf::id_of(*index)).collect();
    let lists: Vec<CorrectionsOf> = records::load_of(database, &ids)?;
    let named: Vec<String> = lists.into_iter().flat_map(|list| list.corrections).map(Correction::id_of).collect();
    let mut found: BTreeMap<EntryIndex, Vec<Correction>> = BTreeMap::new();
    for correction in records::load_of::<Correction>(database, &named)? {
        found.entry(correction.target).or_default().push(correction);
    }
    for corrections in found.values_mut() {
        corrections.sort_by_key(|correction| correction.entry);
    }
    Ok(found)
}

/// A correction, if it was an entry that brought it into force, and it still counts.
fn effect(database: &mut Database, correction: EntryIndex, index: EntryIndex) -> Result<Option<Counting>, StoreError> {
    let known = records::find(database, &Correction::id_of(correction))?;
    let counts = |known: &Correction| known.effect == Some(index) && known.status == CorrectionStatus::InEffect;
    let Some(correction) = known.filter(counts) else { return Ok(None) };
    let statement = in_place(database, &correction)?;
    Ok(Some(Counting::Effect(Box::new(correction), statement)))
}

/// What a correction puts in place of its target.
fn in_place(database: &mut Database, correction: &Correction) -> Result<Option<Box<Statement>>, StoreError> {
    let damaged = || StoreError::damaged(format!("the correction {} cannot be read", correction.entry));
    let mut both = entries::find_many(database, &[correction.target, correction.entry])?.into_iter();
    let (Some(target), Some(said)) = (both.next(), both.next()) else { return Err(damaged()) };
    let earlier = read_event(target)?.statement.common;
    match read_event(said)?.statement.event {
        DomainEvent::Corrected(event) => Ok(event.in_place_of(&earlier).map(Box::new)),
        _ => Err(damaged()),
    }
}
