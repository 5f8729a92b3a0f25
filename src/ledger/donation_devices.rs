//! A donation's devices, one by one: what happened to each and what became of it.

use crate::domain::codes::{Country, TableCode};
use crate::domain::composition::SourceId;
use crate::domain::device_life::Life;
use crate::domain::ids::{DonationId, EntryIndex, ItemId, SiteId};
use crate::domain::item::Item;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use crate::domain::outlook::Outlook;
use crate::domain::time::{Date, LedgerTime};
use crate::domain::whereabouts::{Place, Whereabouts, next_of};
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::counting::{self, Counting};
use crate::ledger::donation_contents::load_items;
use crate::ledger::downstream::{Downstream, Reached, site_countries};
use crate::ledger::eligibility::lines_of;
use crate::ledger::lookup::subject_of_node;
use crate::limits::{DEVICE_ENTRIES_MAX, PAGE_ROWS_MAX};
use crate::store::{Database, StoreError, mentions};
use std::collections::{BTreeMap, BTreeSet};

/// A device or part of a donation.
#[derive(Debug, Clone)]
pub struct GivenDevice {
    /// As it is now.
    pub item: Item,
    /// Where the last of it is.
    pub place: Place,
    /// What happened to it.
    pub life: Life,
    /// Whether all that was said of it was looked at.
    pub whole_life: bool,
    /// The lot or batch into which it went.
    pub next: Option<Node>,
    /// Whether its grams back a certificate, or those of the lots that it went into.
    pub outlook: Outlook,
}

/// A final treatment that something of a donation reached.
#[derive(Debug, Clone)]
pub struct ReachedTreatment {
    /// The day, as written.
    pub day: Date,
    /// Where.
    pub site: SiteId,
    /// The country of the site.
    pub country: Option<Country>,
    /// The final operation.
    pub operation: TableCode,
    /// What was treated.
    pub class: TableCode,
    /// Grams of the donation among what was treated.
    pub given: Grams,
    /// Whether its grams back a certificate.
    pub outlook: Outlook,
}

/// Some devices of a donation, and what they went into.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    /// The devices, in the order in which they were given.
    pub devices: Vec<GivenDevice>,
    /// What the lots and batches reached into which they went.
    pub onward: BTreeMap<Node, Reached>,
    /// The treatments that they reached.
    pub treatments: BTreeMap<EntryIndex, ReachedTreatment>,
}

impl Devices {
    /// Looks at some devices at a ledger time; what became of their lots is known, or followed.
    pub(crate) fn of(
        database: &mut Database,
        (donation, now): (DonationId, LedgerTime),
        ids: &[ItemId],
        downstream: Option<Downstream>,
    ) -> Result<Self, Unanswered> {
        let mut items = load_items(database, ids)?;
        let nexts: BTreeSet<Node> = items.values().filter_map(next_of).collect();
        let downstream = match downstream {
            Some(known) => known,
            None => Downstream::follow(database, nexts.iter().copied())?,
        };
        let onward: BTreeMap<Node, Reached> = nexts.into_iter().map(|next| (next, downstream.reached(next))).collect();
        let ended = items.values().filter_map(|item| item.treated);
        let entries = ended.chain(onward.values().flat_map(|reached| reached.treatments.iter().copied())).collect();
        let treatments = treatments(database, (donation, now), entries)?;
        let mut found = Self { devices: Vec::with_capacity(ids.len()), onward, treatments };
        for item in ids.iter().filter_map(|id| items.remove(id)) {
            let device = found.device(database, item, &downstream)?;
            found.devices.push(device);
        }
        Ok(found)
    }

    fn device(&self, database: &mut Database, item: Item, downstream: &Downstream) -> Result<GivenDevice, StoreError> {
        let (life, whole_life) = life_of(database, item.id)?;
        let life = life.as_it_stands(&item);
        let next = next_of(&item);
        let place = match (Whereabouts::of_item(&item), next) {
            (Some(own), _) => (own, item.lies_in.clone()),
            (None, Some(next)) => downstream.last_place(next),
            (None, None) => (Whereabouts::Dispersed, item.lies_in.clone()),
        };
        let onward = next.and_then(|next| self.onward.get(&next));
        let reached = item.treated.iter().chain(onward.into_iter().flat_map(|reached| &reached.treatments));
        let outlooks = reached.filter_map(|entry| self.treatments.get(entry)).map(|treatment| treatment.outlook);
        // What goes on may yet become eligible.
        let outlook = Outlook::of_all(outlooks.chain(place.0.goes_on().then_some(Outlook::Open)));
        Ok(GivenDevice { item, place, life, whole_life, next, outlook })
    }
}

/// What happened to an item, and whether all that was said of it was looked at.
fn life_of(database: &mut Database, item: ItemId) -> Result<(Life, bool), StoreError> {
    let subject = subject_of_node(Node::Item(item));
    let (mut life, mut from, mut read) = (Life::default(), 0, 0);
    loop {
        let page = mentions::of_subject(database, &subject, from, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { return Ok((life, true)) };
        if read >= DEVICE_ENTRIES_MAX {
            return Ok((life, false));
        }
        from = last.0 + 1;
        read += page.len();
        for (index, counting) in counting::read(database, &page)? {
            if let Counting::Said(statement) = counting {
                life.see(item, index, &statement);
            }
        }
    }
}

/// Some treatments, and whether their grams back certificates.
fn treatments(
    database: &mut Database,
    (donation, now): (DonationId, LedgerTime),
    entries: BTreeSet<EntryIndex>,
) -> Result<BTreeMap<EntryIndex, ReachedTreatment>, Unanswered> {
    let entries: Vec<EntryIndex> = entries.into_iter().collect();
    let lines = ask(database, |state| lines_of(state, &entries, now))?.unwrap_or_default();
    let countries = site_countries(database, &lines.iter().map(|line| line.treatment.site).collect())?;
    let source = SourceId::of_donation(Some(&donation));
    let mut found: BTreeMap<EntryIndex, ReachedTreatment> = BTreeMap::new();
    for line in lines {
        let outlook = Outlook::of_line(line.line.grams(), line.eligible, &line.gaps);
        let treatment = line.treatment;
        let reached = found.entry(treatment.entry).or_insert_with(|| ReachedTreatment {
            given: treatment.given.grams_of(&source),
            country: countries.get(&treatment.site).cloned(),
            day: treatment.day,
            site: treatment.site,
            operation: treatment.operation,
            class: treatment.class,
            outlook,
        });
        reached.outlook = reached.outlook.and(outlook);
    }
    Ok(found)
}
