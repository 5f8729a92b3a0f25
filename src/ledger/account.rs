//! Accounts: which blocks an organisation holds and held, and what happened to them.

use crate::domain::certificate::{AccountChange, Certificate};
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind};
use crate::domain::time::LedgerTime;
use crate::ledger::ancestry::{Ancestry, ancestry};
use crate::ledger::lookup::read_event;
use crate::ledger::{Ledger, erasure};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::holdings::{self, Holding};
use crate::store::{Database, StoreError, entries, mentions, records};
use std::collections::{BTreeMap, BTreeSet};

/// A block that is or was in an account.
#[derive(Debug, Clone)]
pub struct Held {
    /// From when to when.
    pub holding: Holding,
    /// The block as it stands; `None` once it has left: what became of it is others' business, or the register's.
    pub certificate: Option<Certificate>,
}

/// A page of an account.
#[derive(Debug, Clone)]
pub struct AccountPage {
    /// In the order in which the blocks came.
    pub held: Vec<Held>,
    /// The entry and block behind which the next page begins; `None` on the last.
    pub next: Option<(EntryIndex, String)>,
}

/// What happened to the blocks of an account.
#[derive(Debug, Clone)]
pub struct AccountChanges {
    /// In the order of the ledger, with its times.
    pub changes: Vec<(LedgerTime, AccountChange)>,
    /// From where the next page goes on; `None` on the last.
    pub next: Option<EntryIndex>,
}

/// An entry about a block or one of which it is a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Its place.
    pub index: EntryIndex,
    /// When the ledger wrote it down.
    pub time: LedgerTime,
    /// Its type.
    pub type_name: &'static str,
}

/// Where a block comes from.
#[derive(Debug, Clone)]
pub struct History {
    /// The block from which the first of the chain was cut, where that was not issued: more than are read at once.
    pub further: Option<SerialBlock>,
    /// The blocks of which it is a part, each cut from the one before, and last the block itself.
    pub chain: Vec<SerialBlock>,
    /// In whose accounts they came with these events.
    pub holdings: Vec<Holding>,
    /// What was said of them.
    pub events: Vec<HistoryEvent>,
    /// From where the next page of events goes on; `None` on the last.
    pub next: Option<EntryIndex>,
}

fn is_full(found: usize) -> bool {
    i64::try_from(found).is_ok_and(|count| count >= PAGE_ROWS_MAX)
}

impl Ledger {
    /// A page of an account, behind a block that came with an entry.
    pub fn account(
        &self,
        holder: OrganisationId,
        (since, serial): (EntryIndex, &str),
    ) -> Result<AccountPage, StoreError> {
        self.store.snapshot(|database| {
            let found = holdings::of_holder(database, holder, (since, serial), PAGE_ROWS_MAX)?;
            let next = found.last().filter(|_| is_full(found.len())).map(|last| (last.since, last.serial.clone()));
            let here = found.iter().filter(|holding| holding.until.is_none());
            let serials: Vec<String> = here.map(|holding| holding.serial.clone()).collect();
            let certificates: Vec<Certificate> = records::load_of(database, &serials)?;
            let mut certificates: BTreeMap<String, Certificate> =
                certificates.into_iter().map(|found| (found.serial.to_string(), found)).collect();
            // A block that left and came back is listed twice, and stands here once.
            let held = found.into_iter().map(|holding| {
                let is_here = holding.until.is_none();
                let certificate = is_here.then(|| certificates.remove(&holding.serial)).flatten();
                Held { holding, certificate }
            });
            Ok(AccountPage { held: held.collect(), next })
        })
    }

    /// What happened to the blocks of an account, from an entry on.
    pub fn account_changes(&self, holder: OrganisationId, from: EntryIndex) -> Result<AccountChanges, StoreError> {
        self.store.snapshot(|database| {
            let changes = holdings::changes_of(database, holder, from, PAGE_ROWS_MAX)?;
            let next = changes.last().filter(|_| is_full(changes.len())).map(|last| EntryIndex(last.entry.0 + 1));
            let indexes: BTreeSet<EntryIndex> = changes.iter().map(|change| change.entry).collect();
            let times = times_of(database, &indexes.into_iter().collect::<Vec<_>>())?;
            let with_time = |change: AccountChange| Some((*times.get(&change.entry)?, change));
            Ok(AccountChanges { changes: changes.into_iter().filter_map(with_time).collect(), next })
        })
    }

    /// Where a block comes from, and what was said of it from an entry on; `None` if there never was such a block.
    pub fn history(&self, serial: &SerialBlock, from: EntryIndex) -> Result<Option<History>, StoreError> {
        self.store.snapshot(|database| {
            let Some(block) = records::find::<Certificate>(database, &serial.to_string())? else { return Ok(None) };
            let retired = block.retired.as_ref().map(|retired| retired.entry);
            let Ancestry { blocks, further } = ancestry(database, &block)?;
            let chain: Vec<SerialBlock> =
                blocks.into_iter().rev().chain([block]).map(|certificate| certificate.serial).collect();
            let serials: Vec<String> = chain.iter().map(ToString::to_string).collect();
            let subject = |serial: &String| RecordId::new(RecordKind::Certificate, serial).subject();
            let subjects: Vec<String> = serials.iter().map(subject).collect();
            let mut indexes: BTreeSet<EntryIndex> =
                mentions::of_any(database, &subjects, None, from.0, PAGE_ROWS_MAX)?.into_iter().collect();
            if let Some(retired) = retired {
                let erased = erasure::of_entry(database, retired)?;
                indexes.extend(erased.iter().map(|value| value.by).filter(|by| *by >= from));
            }
            let page: Vec<EntryIndex> = indexes.into_iter().take(usize::try_from(PAGE_ROWS_MAX).unwrap_or(0)).collect();
            let next = page.last().filter(|_| is_full(page.len())).map(|last| EntryIndex(last.0 + 1));
            let events = entries::find_many(database, &page)?.into_iter().map(|stored| {
                let event = read_event(stored)?;
                let type_name = event.statement.event.type_name();
                Ok(HistoryEvent { index: event.index, time: event.time, type_name })
            });
            let events = events.collect::<Result<Vec<_>, StoreError>>()?;
            let holdings = holdings::of_blocks(database, &serials, from, next)?;
            Ok(Some(History { further, chain, holdings, events, next }))
        })
    }
}

fn times_of(database: &mut Database, indexes: &[EntryIndex]) -> Result<BTreeMap<EntryIndex, LedgerTime>, StoreError> {
    let stored = entries::find_many(database, indexes)?;
    stored.into_iter().map(|entry| read_event(entry).map(|event| (event.index, event.time))).collect()
}
