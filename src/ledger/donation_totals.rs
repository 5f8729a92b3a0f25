//! The totals of a donation: where all of it is, to the gram, and into what it was treated.

use crate::domain::codes::{Country, ItemKind, TableCode};
use crate::domain::composition::SourceId;
use crate::domain::donation::Donation;
use crate::domain::ids::{DonationId, EntryIndex, ItemId};
use crate::domain::item::Item;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::treatment::Treatment;
use crate::domain::whereabouts::{Place, Whereabouts, grams_in_item, next_of};
use crate::ledger::donation_contents::{Contents, Training, load_items};
use crate::ledger::downstream::{Downstream, site_countries};
use crate::limits::{DONATION_TRAININGS_MAX, QUERY_BINDS_MAX};
use crate::store::{Database, StoreError, records};
use std::collections::BTreeMap;

/// How much is at a place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Devices, and components that were given as such, whose last part is there.
    pub devices: u64,
    /// Parts that were taken out of devices, likewise.
    pub parts: u64,
    /// Grams of the donation there.
    pub grams: i64,
}

impl Tally {
    fn count(&mut self, item: &Item) {
        match (item.kind, item.part_of) {
            (ItemKind::Component, Some(_)) => self.parts += 1,
            _ => self.devices += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.devices += other.devices;
        self.parts += other.parts;
        self.grams += other.grams;
    }
}

/// Where and how something was treated, and what it was then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreatedAs {
    /// The country of the site.
    pub country: Option<Country>,
    /// The final operation.
    pub operation: TableCode,
    /// Its fraction; of what was never dismantled, its class.
    pub class: TableCode,
}

/// How much of a donation was treated in one way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Treated {
    /// In how many treatments.
    pub treatments: u64,
    /// How many grams of the donation.
    pub grams: i64,
}

/// All of a donation.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// What its items weighed on the ledger when they were given, in grams.
    pub brought: Grams,
    /// What is in all places, less what was brought: later weighings, differences between scales, dust, and parts exchanged
    /// with other devices. `None` where not everything was read.
    pub changed: Option<i64>,
    /// How much is where. The grams of all places are what was brought and what changed.
    pub places: BTreeMap<Place, Tally>,
    /// How much was treated how.
    pub treated: BTreeMap<TreatedAs, Treated>,
    /// The first trainings.
    pub trainings: Vec<Training>,
    /// How many trainings there were.
    pub trainings_held: usize,
    /// How many people were in them; who was in two counts twice.
    pub people: i64,
    /// Whether everything was read; a donation is followed to a bound.
    pub complete: bool,
}

impl Totals {
    /// Adds a whole donation up; gives also what its lots and batches became.
    pub(crate) fn of(
        database: &mut Database,
        donation: &Donation,
        contents: Contents,
    ) -> Result<(Self, Downstream), StoreError> {
        let mut totals = Self { brought: donation.brought_g, ..Self::default() };
        let starts = totals.count_items(database, donation.id, &contents.items)?;
        let downstream = Downstream::follow(database, starts.keys().copied())?;
        for (node, counted) in starts {
            totals.at(downstream.last_place(node)).add(counted);
        }
        for (place, grams) in downstream.grams_of(donation.id) {
            totals.at(place).grams += grams.get();
        }
        let treatments: Vec<EntryIndex> = contents.treatments.into_iter().collect();
        totals.add_treatments(database, donation.id, &treatments)?;
        totals.trainings_held = contents.trainings.len();
        totals.people = contents.trainings.iter().map(|training| training.participants).sum();
        totals.trainings = contents.trainings.into_iter().take(DONATION_TRAININGS_MAX).collect();
        totals.complete = contents.next.is_none() && downstream.complete;
        let everywhere: i64 = totals.places.values().map(|tally| tally.grams).sum();
        totals.changed = totals.complete.then(|| everywhere - donation.brought_g.get());
        Ok((totals, downstream))
    }

    fn at(&mut self, place: Place) -> &mut Tally {
        self.places.entry(place).or_default()
    }

    /// Counts what is still itself; gives how many went into which lot or batch.
    fn count_items(
        &mut self,
        database: &mut Database,
        donation: DonationId,
        ids: &[ItemId],
    ) -> Result<BTreeMap<Node, Tally>, StoreError> {
        let mut starts: BTreeMap<Node, Tally> = BTreeMap::new();
        for chunk in ids.chunks(QUERY_BINDS_MAX) {
            for item in load_items(database, chunk)?.into_values() {
                let own = Whereabouts::of_item(&item);
                if let Some(next) = next_of(&item).filter(|_| own.is_none()) {
                    starts.entry(next).or_default().count(&item);
                    continue;
                }
                let tally = self.at((own.unwrap_or(Whereabouts::Dispersed), item.lies_in.clone()));
                tally.count(&item);
                tally.grams += grams_in_item(&item, &donation).get();
            }
        }
        Ok(starts)
    }

    fn add_treatments(
        &mut self,
        database: &mut Database,
        donation: DonationId,
        entries: &[EntryIndex],
    ) -> Result<(), StoreError> {
        let source = SourceId::of_donation(Some(&donation));
        for chunk in entries.chunks(QUERY_BINDS_MAX) {
            let treatments = load_treatments(database, chunk)?;
            let countries = site_countries(database, &treatments.iter().map(|treatment| treatment.site).collect())?;
            // A correction may have left none of the donation in it.
            let is_of_it = |treatment: &Treatment| treatment.given.grams_of(&source).get() > 0;
            for treatment in treatments.into_iter().filter(is_of_it) {
                let grams = treatment.given.grams_of(&source).get();
                let country = countries.get(&treatment.site).cloned();
                self.at((Whereabouts::Treated, country.clone())).grams += grams;
                let (operation, class) = (treatment.operation, treatment.class);
                let treated = self.treated.entry(TreatedAs { country, operation, class }).or_default();
                treated.treatments += 1;
                treated.grams += grams;
            }
        }
        Ok(())
    }
}

fn load_treatments(database: &mut Database, entries: &[EntryIndex]) -> Result<Vec<Treatment>, StoreError> {
    let ids: Vec<String> = entries.iter().copied().map(Treatment::id_of).collect();
    records::load_of(database, &ids)
}
