//! What sites took in during a year, and by how much a correction changes it.

use crate::domain::capacity::SiteYear;
use crate::domain::correction::{Correction, Intake};
use crate::domain::ids::EntryIndex;
use crate::domain::mass::{Grams, SignedGrams};
use crate::domain::state::{Changes, Record, RecordId, State, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// What a run makes of sites' years.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes {
    /// By how much their sums move, against what was counted at first, by their ids.
    moved: BTreeMap<String, (SiteYear, i64)>,
    /// What each entry counts in each of them now.
    counted: BTreeMap<EntryIndex, BTreeMap<String, i64>>,
}

/// What a site's year counts as runs begin with it.
pub(super) fn counted_before(state: &State<'_>, index: EntryIndex, id: &RecordId) -> Result<i64, Stop> {
    Ok(match state.as_of(id, EntryIndex(index.0 - 1))? {
        Some(Record::SiteYear(known)) => known.counted_g(),
        _ => 0,
    })
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
        let before = counted_before(state, index, id)?;
        let (now, first) = (year(made), year(recorded));
        let sum = |year: &Option<SiteYear>| year.as_ref().map_or(before, SiteYear::counted_g);
        let change = sum(&now) - sum(&first);
        self.counted.entry(index).or_default().insert(id.id.clone(), sum(&now) - before);
        if let Some(year) = now.or(first) {
            self.move_by(year, change);
        }
        Ok(())
    }

    /// What an entry counts in a site's year, if the run has come by it.
    pub(super) fn counted_by(&self, index: EntryIndex, id: &str) -> Option<i64> {
        self.counted.get(&index)?.get(id).copied()
    }

    fn move_by(&mut self, year: SiteYear, grams: i64) {
        self.moved.entry(year.id()).or_insert((year, 0)).1 += grams;
    }

    /// By how much a site's year moves against what stands: less what earlier corrections booked that are made anew.
    pub(super) fn against_what_stands(
        &self,
        state: &State<'_>,
        met: &BTreeSet<EntryIndex>,
        id: &str,
    ) -> Result<i64, Stop> {
        let mut moved = self.moved.get(id).map_or(0, |(_, grams)| *grams);
        for entry in met {
            let booked = state.correction(&Correction::id_of(*entry))?.into_iter().flat_map(|met| &met.intakes);
            moved -= booked.filter(|intake| intake.nothing_yet().id() == id).map(|intake| intake.grams.0).sum::<i64>();
        }
        Ok(moved)
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
        for (id, (year, grams)) in all.moved.into_iter().filter(|(_, (_, grams))| *grams != 0) {
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
            returned_g: None,
            outside_g: None,
            operation: self.operation.clone(),
        }
    }
}
