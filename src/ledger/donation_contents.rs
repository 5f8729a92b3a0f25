//! What was said of a donation: what belongs to it, who was trained with it, what of it was treated.

use crate::domain::event::{Event, Statement, TrainingHeld, TrainingTopic};
use crate::domain::ids::{DonationId, EntryIndex, ItemId, OrganisationId};
use crate::domain::item::Item;
use crate::domain::state::{RecordId, RecordKind};
use crate::domain::time::Date;
use crate::ledger::counting::{self, Counting};
use crate::limits::{DONATION_READ_MAX, PAGE_ROWS_MAX};
use crate::store::{Database, StoreError, mentions, records};
use std::collections::{BTreeMap, BTreeSet};

/// People were trained with what was given.
#[derive(Debug, Clone)]
pub struct Training {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// Who trained them.
    pub organisation: OrganisationId,
    /// In what.
    pub topic: TrainingTopic,
    /// How many people.
    pub participants: i64,
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Date,
}

/// A stretch of what was said of a donation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Devices and components in the order in which they were given; parts where they were taken out.
    pub(crate) items: Vec<ItemId>,
    /// Trainings, first to last.
    pub(crate) trainings: Vec<Training>,
    /// Entries of final treatments of its grams.
    pub(crate) treatments: BTreeSet<EntryIndex>,
    /// Where the next stretch begins; `None` if there is none.
    pub(crate) next: Option<EntryIndex>,
}

impl Contents {
    /// Reads from an index on until there are so many items, and to the end of the statement that brings the last.
    pub(crate) fn read(
        database: &mut Database,
        donation: DonationId,
        from: EntryIndex,
        items_max: usize,
    ) -> Result<Self, StoreError> {
        let subject = RecordId::new(RecordKind::Donation, &donation).subject();
        let (mut contents, mut at, mut read) = (Self::default(), from.0, 0);
        loop {
            let page = mentions::of_subject(database, &subject, at, PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { return Ok(contents) };
            at = last.0 + 1;
            for (index, counting) in counting::read(database, &page)? {
                match counting {
                    Counting::Said(statement) => contents.add(donation, index, &statement),
                    Counting::Effect(correction, _) => contents.treatments.extend(correction.treatments()),
                }
                read += 1;
                if contents.items.len() >= items_max || read >= DONATION_READ_MAX {
                    contents.next = Some(EntryIndex(index.0 + 1));
                    return Ok(contents);
                }
            }
        }
    }

    fn add(&mut self, donation: DonationId, entry: EntryIndex, statement: &Statement) {
        match &statement.event {
            Event::Donated(event) if event.donation == donation => self.items.extend(&event.items),
            Event::PartRemoved(event) => self.items.push(event.component),
            Event::TreatedFinal(_) => _ = self.treatments.insert(entry),
            Event::TrainingHeld(event) => self.trainings.push(training(entry, statement, event)),
            _ => {}
        }
    }
}

fn training(entry: EntryIndex, statement: &Statement, event: &TrainingHeld) -> Training {
    Training {
        entry,
        organisation: statement.common.party(),
        topic: event.topic,
        participants: event.participants.get(),
        from: event.from.clone(),
        until: event.until.clone(),
    }
}

/// The items of some ids.
pub(crate) fn load_items(database: &mut Database, ids: &[ItemId]) -> Result<BTreeMap<ItemId, Item>, StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let found: Vec<Item> = records::load_of(database, &ids)?;
    Ok(found.into_iter().map(|item| (item.id, item)).collect())
}
