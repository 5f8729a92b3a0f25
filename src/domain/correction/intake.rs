//! What sites took in during a year, and by how much a correction changes it.

use crate::domain::capacity::{Brought, SiteYear};
use crate::domain::correction::{Correction, Intake};
use crate::domain::ids::EntryIndex;
use crate::domain::mass::{Grams, SignedGrams};
use crate::domain::state::{Changes, Record, RecordId, State, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// By how much the sums of sites' years move, against what was counted at first, by their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes(BTreeMap<String, (SiteYear, i64)>);

/// A site-year's sum as runs begin with it.
fn received_before(state: &State<'_>, index: EntryIndex, id: &RecordId) -> Result<Grams, Stop> {
    Ok(match state.as_of(id, EntryIndex(index.0 - 1))? {
        Some(Record::SiteYear(known)) => known.received_g,
        _ => Grams::ZERO,
    })
}

/// What an entry brought to sites at first.
pub(super) fn brought(state: &State<'_>, index: EntryIndex, recorded: &Changes) -> Result<Brought, Stop> {
    let mut brought = Brought::default();
    for (id, record) in &recorded.records {
        if let Record::SiteYear(after) = record {
            brought.count(received_before(state, index, id)?, after);
        }
    }
    Ok(brought)
}

impl Intakes {
    /// What an entry brings to a site's year now, against what it brought at first.
    pub(super) fn compare(
        &mut self,
        state: &State<'_>,
        (index, id): (EntryIndex, &RecordId),
        recorded: &Changes,
        made: &Changes,
    ) -> Result<(), Stop> {
        let year = |changes: &Changes| match changes.records.get(id) {
            Some(Record::SiteYear(known)) => Some(known.clone()),
            _ => None,
        };
        let before = received_before(state, index, id)?.get();
        let (now, first) = (year(made), year(recorded));
        let sum = |year: &Option<SiteYear>| year.as_ref().map_or(before, |year| year.received_g.get());
        let change = sum(&now) - sum(&first);
        if let Some(year) = now.or(first) {
            self.move_by(year, change);
        }
        Ok(())
    }

    fn move_by(&mut self, year: SiteYear, grams: i64) {
        self.0.entry(year.id()).or_insert((year, 0)).1 += grams;
    }

    /// Books it, less what earlier corrections booked that are made anew.
    pub(super) fn book(&self, state: &mut State<'_>, met: &BTreeSet<EntryIndex>) -> Result<Vec<Intake>, Stop> {
        let mut all = self.clone();
        for entry in met {
            for intake in state.correction(&Correction::id_of(*entry))?.into_iter().flat_map(|met| &met.intakes) {
                all.move_by(intake.nothing_yet(), -intake.grams.0);
            }
        }
        let mut intakes = Vec::new();
        for (id, (year, grams)) in all.0.into_iter().filter(|(_, (_, grams))| *grams != 0) {
            let SiteYear { site, year, operation, .. } = year;
            let intake = Intake { site, year, grams: SignedGrams(grams), operation };
            let known = state.site_year(&id)?.cloned().unwrap_or_else(|| intake.nothing_yet());
            let received_g = Grams::new(known.received_g.get() + grams).unwrap_or(Grams::ZERO);
            state.put(Record::SiteYear(SiteYear { received_g, ..known }));
            intakes.push(intake);
        }
        Ok(intakes)
    }
}

impl Intake {
    /// The site's year that it moves, before anything is counted.
    fn nothing_yet(&self) -> SiteYear {
        SiteYear {
            site: self.site,
            year: self.year.clone(),
            received_g: Grams::ZERO,
            outside_g: None,
            operation: self.operation.clone(),
        }
    }
}
