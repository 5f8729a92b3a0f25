//! What an entry that is applied once more brought to the years of sites at first, and what those hold beside it.

use crate::domain::capacity::SiteYear;
use crate::domain::correction::intake::{Intakes, counted_before};
use crate::domain::evidence::FlawCode;
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
    /// The entry.
    index: EntryIndex,
    /// What the run and earlier ones made of the years.
    sums: Sums<'a>,
    /// What the entry brought at first, by the ids of the sites' years; below zero if it took back.
    first: BTreeMap<String, i64>,
    /// What of it came to sites, in whatever year: so rule sets 1 to 3 count it.
    to_sites: Grams,
    /// Whether something that it wrote is marked by it for a capacity as it stands.
    is_marked: bool,
}

/// What the years of sites count as a run is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums<'a> {
    /// What the run has moved so far.
    pub(super) moved: &'a Intakes,
    /// Earlier corrections that the run makes anew.
    pub(super) met: &'a BTreeSet<EntryIndex>,
    /// What entries count for today that these made otherwise.
    pub(super) today: &'a Intakes,
}

impl<'a> Brought<'a> {
    /// What an entry brought, by what it changed when it was applied as it was said.
    pub(super) fn of(
        state: &'a State<'a>,
        index: EntryIndex,
        recorded: &Changes,
        sums: Sums<'a>,
    ) -> Result<Self, Stop> {
        let (first, to_sites) = (BTreeMap::new(), Grams::ZERO);
        let mut brought = Self { state, index, sums, first, to_sites, is_marked: false };
        for (id, record) in &recorded.records {
            if let Record::SiteYear(after) = record {
                brought.note(after, counted_before(state, index, id)?);
            }
            brought.is_marked |= state.find(id)?.is_some_and(|stands| is_marked(stands, index));
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

    /// What it counts for in a site's year today: earlier corrections may have made that more or less.
    pub(crate) fn today_g(&self, id: &str) -> i64 {
        self.sums.today.counted_by(self.index, id).unwrap_or_else(|| self.first_g(id))
    }

    /// Whether it counts as beyond a capacity today.
    pub(crate) const fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// The ledger as it stands.
    pub(crate) const fn state(&self) -> &'a State<'a> {
        self.state
    }

    /// What it brought to sites at first.
    pub(crate) const fn to_sites(&self) -> Grams {
        self.to_sites
    }

    /// What a site's year holds beside it, with the correction as far as it has come, and with work outside the ledger.
    pub(crate) fn beside_g(&self, id: &str) -> Result<i64, Stop> {
        let stands_g = self.state.site_year(id)?.map_or(0, SiteYear::all_g);
        Ok(stands_g + self.sums.moved.against_what_stands(self.state, self.sums.met, id)? - self.first_g(id))
    }
}

/// Whether an entry has marked a record for a capacity.
fn is_marked(record: &Record, by: EntryIndex) -> bool {
    let evidence = match record {
        Record::Item(item) => &item.evidence,
        Record::Batch(batch) => &batch.evidence,
        Record::Treatment(treatment) => &treatment.evidence,
        _ => return false,
    };
    evidence.flaws.iter().any(|flaw| flaw.code == FlawCode::OverCapacity && flaw.entry == by)
}
