//! Looking things up, for those whom they concern.

use crate::domain::correction::CorrectionStatus;
use crate::domain::custody::Handover;
use crate::domain::erasure::ErasedValue;
use crate::domain::event::{Event as DomainEvent, Statement};
use crate::domain::fields::codes;
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, OrganisationId};
use crate::domain::item::Item;
use crate::domain::lineage::{Link, Node, links};
use crate::domain::state::{Record, RecordId, RecordKind};
use crate::domain::time::LedgerTime;
use crate::ledger::as_of::{AsOf, NoPlace};
use crate::ledger::counting::{self, Counting, corrections_of};
use crate::ledger::{Ledger, erasure};
use crate::limits::{LINEAGE_NODES_MAX, PAGE_ROWS_MAX};
use crate::proof::entry::Entry;
use crate::proof::keys::CompactJws;
use crate::proof::statement::Unverified;
use crate::store::entries::StoredEntry;
use crate::store::{Database, StoreError, entries, mentions, past, records};
use std::collections::{BTreeSet, VecDeque};

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Sees everything: an auditor.
    All,
    /// Sees what concerns it.
    Organisation(OrganisationId),
}

impl Reader {
    /// Whether it may read what is an organisation's business alone.
    pub fn may_read(self, owner: OrganisationId) -> bool {
        match self {
            Self::All => true,
            Self::Organisation(own) => own == owner,
        }
    }

    /// What concerns the reader is found under this; an auditor sees all.
    fn subject(self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Organisation(own) => Some(subject_of(own)),
        }
    }
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
    /// The corrections of it and where they stand, in order.
    pub corrections: Vec<(EntryIndex, CorrectionStatus)>,
    /// What was erased of its values since.
    pub erased: Vec<ErasedValue>,
}

/// A page of entries.
#[derive(Debug, Clone)]
pub struct EventsPage {
    /// Those that the reader may see.
    pub events: Vec<Event>,
    /// From where the next page goes on; `None` on the last.
    pub next: Option<EntryIndex>,
}

/// An item as a reader may see it.
#[derive(Debug, Clone)]
pub enum SeenItem {
    /// All of it: for auditors, and for whoever the last entry about it concerns.
    Whole(Item),
    /// For whoever was a party to it once: that it exists, what it is and where it stands in its life. What has been said
    /// of it since is others' business.
    FromOutside(Item),
}

codes! {
    /// Which part of a lineage is looked at.
    pub enum Direction {
        /// The item alone.
        None = "none",
        /// What it came from.
        Up = "up",
        /// What it became.
        Down = "down",
        /// Both.
        Both = "both",
    }
}

/// What an item came from and became, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    /// What it came from.
    pub up: Vec<Node>,
    /// What it became.
    pub down: Vec<Node>,
    /// Whether that is all that the reader may see; a lineage is followed to a bound.
    pub complete: bool,
}

/// Follows a node up, down or both ways; for a reader over entries that it may see.
pub(crate) fn walk(
    database: &mut Database,
    own: Option<&str>,
    start: Node,
    direction: Direction,
) -> Result<Lineage, StoreError> {
    let mut lineage = Lineage { complete: true, ..Lineage::default() };
    if matches!(direction, Direction::Up | Direction::Both) {
        lineage.complete &= follow(database, own, start, Link::up, &mut lineage.up)?;
    }
    if matches!(direction, Direction::Down | Direction::Both) {
        lineage.complete &= follow(database, own, start, Link::down, &mut lineage.down)?;
    }
    Ok(lineage)
}

/// Breadth first along one direction, over entries that the reader may see; gives whether the end was reached.
fn follow(
    database: &mut Database,
    own: Option<&str>,
    start: Node,
    step: fn(&Link, Node) -> &[Node],
    found: &mut Vec<Node>,
) -> Result<bool, StoreError> {
    let mut left = VecDeque::from([start]);
    let mut seen = BTreeSet::from([start]);
    while let Some(node) = left.pop_front() {
        for links in links_of(database, own, node)? {
            for next in step(&links, node) {
                if !seen.insert(*next) {
                    continue;
                }
                if found.len() == LINEAGE_NODES_MAX {
                    return Ok(false);
                }
                found.push(*next);
                left.push_back(*next);
            }
        }
    }
    Ok(true)
}

/// What the entries about a node turn into what.
pub(crate) fn links_of(database: &mut Database, own: Option<&str>, node: Node) -> Result<Vec<Link>, StoreError> {
    let (subject, mut from, mut found) = ([subject_of_node(node)], 0, Vec::new());
    loop {
        let page = mentions::of_any(database, &subject, own, from, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { return Ok(found) };
        from = last.0 + 1;
        for (_, counting) in counting::read(database, &page)? {
            let (Counting::Said(statement) | Counting::Effect(_, Some(statement))) = counting else { continue };
            let event = statement.event;
            let offered = match &event {
                DomainEvent::HandoverAccepted(event) => offered_lots(database, &event.handover)?,
                DomainEvent::ImportReceived(event) => offered_lots(database, &event.handover)?,
                _ => Vec::new(),
            };
            found.extend(links(&event, &offered));
        }
    }
}

/// The lots of a handover, in its offer's order.
pub(crate) fn offered_lots(database: &mut Database, handover: &HandoverId) -> Result<Vec<ItemId>, StoreError> {
    let found: Option<Handover> = records::find(database, &handover.to_string())?;
    Ok(found.map(|handover| handover.lots).unwrap_or_default())
}

/// What concerns an item or a batch is found under this.
pub(crate) fn subject_of_node(node: Node) -> String {
    match node {
        Node::Item(item) => RecordId::new(RecordKind::Item, &item).subject(),
        Node::Batch(batch) => RecordId::new(RecordKind::Batch, &batch).subject(),
    }
}

/// The events of some indexes, with where the next page goes on.
fn page(database: &mut Database, visible: &[EntryIndex], count: i64) -> Result<EventsPage, StoreError> {
    let is_full = i64::try_from(visible.len()).is_ok_and(|found| found == count);
    let next = visible.last().filter(|_| is_full).map(|last| EntryIndex(last.0 + 1));
    let stored = entries::find_many(database, visible)?;
    let mut events = stored.into_iter().map(read_event).collect::<Result<Vec<_>, _>>()?;
    let corrections = corrections_of(database, visible)?;
    let mut erased = erasure::of_entries(database, visible)?;
    for event in &mut events {
        let of_it = corrections.get(&event.index).into_iter().flatten();
        event.corrections = of_it.map(|correction| (correction.entry, correction.status)).collect();
        event.erased = erased.remove(&event.index).unwrap_or_default();
    }
    Ok(EventsPage { events, next })
}

/// What concerns an organisation is found under this.
fn subject_of(organisation: OrganisationId) -> String {
    RecordId::new(RecordKind::Organisation, &organisation).subject()
}

/// An item as a reader may see it: now, or as it was after an entry. Nobody sees what it was before they met it.
fn seen_by(
    database: &mut Database,
    reader: Reader,
    item: Item,
    at: Option<EntryIndex>,
) -> Result<Option<SeenItem>, StoreError> {
    let Reader::Organisation(own) = reader else { return Ok(Some(SeenItem::Whole(item))) };
    let (subject, own) = (RecordId::new(RecordKind::Item, &item.id).subject(), subject_of(own));
    if mentions::concerns(database, &own, item.last_entry)? {
        return Ok(Some(SeenItem::Whole(item)));
    }
    let met = mentions::of_both(database, &subject, &own, 0, 1)?.first().copied();
    let has_met = met.is_some_and(|met| at.is_none_or(|at| met <= at));
    Ok(has_met.then_some(SeenItem::FromOutside(item)))
}

/// Reads an entry as it is looked up.
pub(crate) fn read_event(stored: StoredEntry) -> Result<Event, StoreError> {
    let damaged = || StoreError::damaged(format!("entry {} cannot be read", stored.index));
    let entry = Entry::parse(&stored.bytes).map_err(|_| damaged())?;
    let statement = Unverified::read(&entry.statement).map_err(|_| damaged())?.statement;
    let payload = CompactJws::parse(&entry.statement).map_err(|_| damaged())?.payload;
    let payload = String::from_utf8(payload).map_err(|_| damaged())?;
    Ok(Event {
        index: stored.index,
        time: entry.time,
        statement,
        payload,
        warnings: stored.warnings,
        corrections: Vec::new(),
        erased: Vec::new(),
    })
}

impl Ledger {
    /// Whether a reader may see an entry.
    pub fn may_see(&self, reader: Reader, index: EntryIndex) -> Result<bool, StoreError> {
        match reader {
            Reader::All => Ok(true),
            Reader::Organisation(own) => {
                self.store.read(|database| mentions::concerns(database, &subject_of(own), index))
            }
        }
    }

    /// The entries that concern a subject (an organisation, a site, an item, a batch), or all that the reader may see;
    /// `count` of them, from an index on.
    pub fn events(
        &self,
        reader: Reader,
        subject: Option<&RecordId>,
        from: EntryIndex,
        count: i64,
    ) -> Result<EventsPage, StoreError> {
        self.store.read(|database| {
            let subject = subject.map(RecordId::subject);
            let own = reader.subject();
            let visible = match (subject, &own) {
                (Some(subject), _) => mentions::of_any(database, &[subject], own.as_deref(), from.0, count)?,
                (None, Some(own)) => mentions::of_subject(database, own, from.0, count)?,
                (None, None) => entries::page(database, from, count)?.into_iter().map(|entry| entry.index).collect(),
            };
            page(database, &visible, count)
        })
    }

    /// A page of the entries that concern an item and what it came from, became, or both, as far as the reader may see
    /// them; of the same lineage, what it consists of.
    pub fn lineage(
        &self,
        reader: Reader,
        item: ItemId,
        direction: Direction,
        from: EntryIndex,
        count: i64,
    ) -> Result<(Lineage, EventsPage), StoreError> {
        self.store.snapshot(|database| {
            let own = reader.subject();
            let lineage = walk(database, own.as_deref(), Node::Item(item), direction)?;
            let nodes = lineage.up.iter().chain(&lineage.down).copied().chain([Node::Item(item)]);
            let subjects: Vec<String> = nodes.map(subject_of_node).collect();
            let visible = mentions::of_any(database, &subjects, own.as_deref(), from.0, count)?;
            Ok((lineage, page(database, &visible, count)?))
        })
    }

    /// An item as it is now, or as it was after an earlier entry, for whoever is or, by then, was a party to it. With it the
    /// entry, if an earlier place was asked for.
    pub fn item(
        &self,
        reader: Reader,
        id: ItemId,
        as_of: Option<&AsOf>,
    ) -> Result<Option<(SeenItem, Option<EntryIndex>)>, NoPlace> {
        self.store.snapshot(|database| {
            let at = as_of.map(|as_of| as_of.entry(database, self.clock.now_ms())).transpose()?;
            let found = match at {
                None => records::load(database, &[id.to_string()])?,
                Some(at) => past::as_of(database, RecordKind::Item, &id.to_string(), at)?.into_iter().collect(),
            };
            let item = found.into_iter().find_map(|record| Item::try_from(record).ok());
            let Some(item) = item else { return Ok(None) };
            Ok(seen_by(database, reader, item, at)?.map(|seen| (seen, at)))
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
