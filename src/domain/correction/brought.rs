//! What an entry that is applied once more brought to the years of sites at first, and what those hold beside it.

use crate::domain::capacity::SiteYear;
use crate::domain::correction::intake::{Intakes, counted_before};
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::state::{Changes, Record, State, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// What a site's year is measured against when an entry counts otherwise than at first: the year as it stands with the
/// correction, not as it stood on the entry's day.
#[derive(Debug, Clone)]
pub(crate) struct Brought<'a> {
    /// The ledger as it stands.
    state: &'a State<'a>,
    /// What the run has moved so far.
    moved: &'a Intakes,
    /// Earlier corrections that the run makes anew.
    met: &'a BTreeSet<EntryIndex>,
    /// What the entry brought at first, by the ids of the sites' years; below zero if it took back.
    first: BTreeMap<String, i64>,
    /// What of it came to sites, in whatever year: so rule sets 1 to 3 count it.
    to_sites: Grams,
}

impl<'a> Brought<'a> {
    /// What an entry brought, by what it changed when it was applied as it was said.
    pub(super) fn of(
        state: &'a State<'a>,
        index: EntryIndex,
        recorded: &Changes,
        (moved, met): (&'a Intakes, &'a BTreeSet<EntryIndex>),
    ) -> Result<Self, Stop> {
        let mut brought = Self { state, moved, met, first: BTreeMap::new(), to_sites: Grams::ZERO };
        for (id, record) in &recorded.records {
            if let Record::SiteYear(after) = record {
                brought.note(after, counted_before(state, index, id)?);
            }
        }
        Ok(brought)
    }

    fn note(&mut self, after: &SiteYear, before_g: i64) {
        let grams = after.counted_g() - before_g;
        self.first.insert(after.id(), grams);
        if after.operation.is_none() {
            let more = Grams::new(grams).unwrap_or(Grams::ZERO);
            self.to_sites = self.to_sites.plus(more).unwrap_or(self.to_sites);
        }
    }

    /// What it brought to a site's year at first.
    pub(crate) fn first_g(&self, id: &str) -> i64 {
        self.first.get(id).copied().unwrap_or(0)
    }

    /// What it brought to sites at first.
    pub(crate) const fn to_sites(&self) -> Grams {
        self.to_sites
    }

    /// What a site's year holds beside it, with the correction as far as it has come, and with work outside the ledger.
    pub(crate) fn beside_g(&self, id: &str) -> Result<i64, Stop> {
        let stands_g = self.state.site_year(id)?.map_or(0, SiteYear::all_g);
        Ok(stands_g + self.moved.against_what_stands(self.state, self.met, id)? - self.first_g(id))
    }
}
