//! Looking things up, for those whom they concern.

use crate::domain::event::Statement;
use crate::domain::ids::{EntryIndex, ItemId, OrganisationId};
use crate::domain::state::{Record, RecordKind};
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::proof::entry::Entry;
use crate::proof::keys::CompactJws;
use crate::proof::statement::Unverified;
use crate::store::entries::StoredEntry;
use crate::store::{StoreError, entries, mentions, records};

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Sees everything: an auditor.
    All,
    /// Sees what concerns it.
    Organisation(OrganisationId),
}

/// An entry as it is looked up.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place.
    pub index: EntryIndex,
    /// When the ledger wrote it down.
    pub time: LedgerTime,
    /// What it says.
    pub statement: Statement,
    /// The payload as it was signed.
    pub payload: String,
    /// Its warnings as a JSON list.
    pub warnings: String,
}

/// A page of entries.
#[derive(Debug, Clone)]
pub struct EventsPage {
    /// Those that the reader may see.
    pub events: Vec<Event>,
    /// From where the next page goes on; `None` on the last.
    pub next: Option<EntryIndex>,
}

fn read_event(stored: StoredEntry) -> Result<Event, StoreError> {
    let damaged = || StoreError::damaged(format!("entry {} cannot be read", stored.index));
    let entry = Entry::parse(&stored.bytes).map_err(|_| damaged())?;
    let statement = Unverified::read(&entry.statement).map_err(|_| damaged())?.statement;
    let payload = CompactJws::parse(&entry.statement).map_err(|_| damaged())?.payload;
    let payload = String::from_utf8(payload).map_err(|_| damaged())?;
    Ok(Event { index: stored.index, time: entry.time, statement, payload, warnings: stored.warnings })
}

impl Ledger {
    /// Whether a reader may see an entry.
    pub fn may_see(&self, reader: Reader, index: EntryIndex) -> Result<bool, StoreError> {
        match reader {
            Reader::All => Ok(true),
            Reader::Organisation(own) => {
                self.store.read(|database| mentions::concerns(database, &own.to_string(), index))
            }
        }
    }

    /// The entries that concern a subject (an organisation, a site, an item), or all that the reader may see; `count` of
    /// them are looked at, from an index on.
    pub fn events(
        &self,
        reader: Reader,
        subject: Option<&str>,
        from: EntryIndex,
        count: i64,
    ) -> Result<EventsPage, StoreError> {
        self.store.read(|database| {
            let indexes = match (subject, reader) {
                (Some(subject), _) => mentions::of_subject(database, subject, from.0, count)?,
                (None, Reader::Organisation(own)) => mentions::of_subject(database, &own.to_string(), from.0, count)?,
                (None, Reader::All) => {
                    entries::page(database, from, count)?.into_iter().map(|entry| entry.index).collect()
                }
            };
            let is_full = i64::try_from(indexes.len()).is_ok_and(|found| found == count);
            let next = indexes.last().filter(|_| is_full).map(|last| EntryIndex(last.0 + 1));
            let visible = match reader {
                Reader::All => indexes,
                Reader::Organisation(own) => mentions::concerning(database, &own.to_string(), &indexes)?,
            };
            let stored = entries::find_many(database, &visible)?;
            let events = stored.into_iter().map(read_event).collect::<Result<_, _>>()?;
            Ok(EventsPage { events, next })
        })
    }

    /// An item as it is now, for whoever is or was a party to it.
    pub fn item(&self, reader: Reader, id: ItemId) -> Result<Option<Record>, StoreError> {
        self.store.read(|database| {
            let subject = id.to_string();
            let found = records::load(database, std::slice::from_ref(&subject))?;
            let item = found.into_iter().find(|record| matches!(record, Record::Item(_)));
            let is_party = match reader {
                Reader::All => true,
                Reader::Organisation(own) => mentions::meet(database, &subject, &own.to_string())?,
            };
            Ok(item.filter(|_| is_party))
        })
    }

    /// A page of the registry: organisations, sites, scales or keys.
    pub fn registry(&self, kind: RecordKind, after: &str, count: i64) -> Result<Vec<Record>, StoreError> {
        self.store.read(|database| records::page(database, kind, after, count))
    }

    /// One record of the registry.
    pub fn registered(&self, kind: RecordKind, id: &str) -> Result<Option<Record>, StoreError> {
        let found = self.store.read(|database| records::load(database, &[id.to_owned()]))?;
        Ok(found.into_iter().find(|record| record.id().kind == kind))
    }
}
