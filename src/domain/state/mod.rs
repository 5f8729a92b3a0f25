//! What is known at one place in the ledger.
//!
//! A state is either complete (replay) or partial: loaded from a database for the statements at hand. A partial state
//! never mistakes "not loaded" for "does not exist": asking for what was not loaded stops the rule with
//! [`Stop::Load`], whoever runs it loads that and asks again. So live sequencing and replay cannot disagree.
//!
//! `record` says what there is, `changes` what a statement makes of it, `lookups` is how a rule asks.

mod changes;
mod lookups;
mod record;

pub use changes::Changes;
pub use record::{EVERY_CERTIFICATE, LEDGER_RECORD, Record, RecordId, RecordKind};

use crate::domain::balance::SiteAccount;
use crate::domain::certificate::{AccountChange, account_changes};
use crate::domain::ids::EntryIndex;
use crate::domain::past::{Past, PastEntry, Stamp, Version, View};
use crate::domain::refusal::Refusal;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Why a rule did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The statement is refused.
    Refused(Refusal),
    /// The state is partial and the rule needs more of it: load that and apply again.
    Load(Vec<Wanted>),
}

/// What a rule needs that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The records of this id, of whatever kind, as they are now.
    Record(String),
    /// The records of this id as they were from an entry on.
    Past {
        /// The id.
        id: String,
        /// The first entry after which they matter.
        from: EntryIndex,
    },
    /// What an entry said.
    Entry(EntryIndex),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is known: its own layer over a base.
///
/// Rules write into an overlay; when the statement is refused the overlay is dropped and nothing has happened.
#[derive(Debug, Clone, Default)]
pub struct State<'base> {
    base: Option<&'base State<'base>>,
    /// Set at the bottom of a state that looks at an earlier place in the ledger.
    view: Option<View<'base>>,
    records: BTreeMap<RecordId, Record>,
    /// Which entries wrote the records; a rule's own layer has none yet.
    stamps: BTreeMap<RecordId, Stamp>,
    past: Past,
    /// What each entry of this layer booked.
    bookings: Vec<(EntryIndex, SiteAccount, i64)>,
    /// What each entry of this layer did to blocks in accounts.
    happened: Vec<AccountChange>,
    accounts: BTreeMap<SiteAccount, i64>,
    mentioned: BTreeSet<RecordId>,
    /// `None`: everything is here. `Some`: the ids whose records, of whatever kind, are here if they exist.
    loaded: Option<BTreeSet<String>>,
}

impl<'base> State<'base> {
    /// Knows nothing and knows that there is nothing else: where a replay starts.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows nothing yet; ask, load, ask again.
    pub fn partial() -> Self {
        Self { loaded: Some(BTreeSet::new()), ..Self::default() }
    }

    /// An empty layer over this state.
    pub fn overlay<'over>(&'over self) -> State<'over>
    where
        'base: 'over,
    {
        State { base: Some(self), ..State::default() }
    }

    /// A state as it was after an entry, with some records as a correction makes them.
    pub(crate) fn seen_by(view: View<'base>) -> Self {
        Self { view: Some(view), ..Self::default() }
    }

    /// What this layer holds.
    pub fn into_changes(self) -> Changes {
        let Self { records, stamps, past, bookings, happened, accounts, mentioned, .. } = self;
        let (superseded, entries) = past.into_parts();
        Changes { records, stamps, superseded, entries, bookings, happened, accounts, mentioned }
    }

    /// Takes over what entries changed.
    pub fn absorb(&mut self, changes: Changes) {
        self.records.extend(changes.records);
        self.stamps.extend(changes.stamps);
        self.past.extend(changes.superseded, changes.entries);
        self.bookings.extend(changes.bookings);
        self.happened.extend(changes.happened);
        for (account, grams) in changes.accounts {
            *self.accounts.entry(account).or_default() += grams;
        }
    }

    /// Gives what a rule changed its place in the ledger: which entry wrote it, and what it wrote over.
    pub fn placed(&self, mut changes: Changes, index: EntryIndex, entry: PastEntry) -> Changes {
        for (id, record) in &changes.records {
            let before = self.newest(id);
            if let Record::Certificate(after) = record {
                let before = before.and_then(|(before, _)| before.as_certificate());
                changes.happened.extend(account_changes(index, before, after));
            }
            let stamp = Stamp { since: index, before: before.map(|(_, stamp)| stamp.since) };
            changes.stamps.insert(id.clone(), stamp);
            if let Some((record, stamp)) = before.filter(|_| id.kind.keeps_past()) {
                changes.superseded.push((id.clone(), Version { stamp, record: record.clone() }));
            }
        }
        let moved = changes.accounts.iter().filter(|(_, grams)| **grams != 0);
        changes.bookings.extend(moved.map(|(account, grams)| (index, account.clone(), *grams)));
        changes.entries.insert(index, entry);
        changes
    }

    fn newest(&self, id: &RecordId) -> Option<(&Record, Stamp)> {
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let (Some(record), Some(stamp)) = (state.records.get(id), state.stamps.get(id)) {
                return Some((record, *stamp));
            }
            layer = state.base;
        }
        None
    }

    /// A record as it was after an entry, if it existed.
    pub(crate) fn as_of(&self, id: &RecordId, at: EntryIndex) -> Result<Option<&Record>, Stop> {
        self.require_past([&id.id], at)?;
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let (Some(record), Some(stamp)) = (state.records.get(id), state.stamps.get(id))
                && (stamp.since <= at || (!id.kind.keeps_past() && stamp.before.is_some()))
            {
                return Ok(Some(record));
            }
            if let Some(version) = state.past.version(id, at) {
                return Ok(Some(&version.record));
            }
            layer = state.base;
        }
        Ok(None)
    }

    /// The entries that wrote a record after another entry, in order.
    pub(crate) fn written_after(&self, id: &RecordId, after: EntryIndex) -> Result<BTreeSet<EntryIndex>, Stop> {
        self.require_past([&id.id], after)?;
        let (mut found, mut layer) = (BTreeSet::new(), Some(self));
        while let Some(state) = layer {
            found.extend(state.stamps.get(id).map(|stamp| stamp.since));
            found.extend(state.past.sinces(id));
            layer = state.base;
        }
        Ok(found.split_off(&EntryIndex(after.0 + 1)))
    }

    /// Asks for the past of many ids at once.
    pub(crate) fn require_past<'id>(
        &self,
        ids: impl IntoIterator<Item = &'id String>,
        from: EntryIndex,
    ) -> Result<(), Stop> {
        let missing = ids.into_iter().filter(|id| !self.has_past(id, from));
        let missing: Vec<Wanted> = missing.map(|id| Wanted::Past { id: id.clone(), from }).collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
    }

    /// Whether the records of this id are here as they were from an entry on.
    pub(crate) fn has_past(&self, id: &str, from: EntryIndex) -> bool {
        match (self.base, &self.loaded) {
            (Some(base), _) => base.has_past(id, from),
            (None, None) => true,
            (None, Some(_)) => self.past.reaches(id, from),
        }
    }

    /// What an earlier entry said.
    pub(crate) fn entry(&self, index: EntryIndex) -> Result<&PastEntry, Stop> {
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let Some(entry) = state.past.entry(index) {
                return Ok(entry);
            }
            if let Some(view) = &state.view {
                return view.state.entry(index);
            }
            layer = state.base;
        }
        Err(Stop::Load(vec![Wanted::Entry(index)]))
    }

    /// Puts a record as the database has it, with the entries that wrote it.
    pub fn put_stored(&mut self, record: Record, stamp: Stamp) {
        let id = record.id();
        self.stamps.insert(id.clone(), stamp);
        self.records.insert(id, record);
    }

    /// Remembers what the records of an id were from an entry on.
    pub fn remember(&mut self, id: String, from: EntryIndex, versions: Vec<Version>) {
        self.past.remember(id, from, versions);
    }

    /// Remembers what an entry said.
    pub fn remember_entry(&mut self, index: EntryIndex, entry: PastEntry) {
        self.past.extend(Vec::new(), BTreeMap::from([(index, entry)]));
    }

    /// Forgets what was, what was said and what was booked, and keeps what stands: whoever asks for more loads it again. For a
    /// partial state.
    pub fn forget_past(&mut self) {
        (self.past, self.bookings, self.accounts) = (Past::default(), Vec::new(), BTreeMap::new());
        self.happened = Vec::new();
    }

    /// Whether the records of this id are here if they exist.
    pub fn has_loaded(&self, id: &str) -> bool {
        match (self.base, &self.view, &self.loaded) {
            (Some(base), ..) => base.has_loaded(id),
            (None, Some(view), _) => view.state.has_past(id, view.from),
            (None, None, None) => true,
            (None, None, Some(loaded)) => loaded.contains(id),
        }
    }

    fn wanted(&self, id: String) -> Wanted {
        match (self.base, &self.view) {
            (Some(base), _) => base.wanted(id),
            (None, Some(view)) => Wanted::Past { id, from: view.from },
            (None, None) => Wanted::Record(id),
        }
    }

    /// Remembers that the records of these ids were looked up.
    pub fn mark_loaded(&mut self, ids: impl IntoIterator<Item = String>) {
        if let Some(loaded) = &mut self.loaded {
            loaded.extend(ids);
        }
    }

    /// Writes a record.
    pub fn put(&mut self, record: Record) {
        self.records.insert(record.id(), record);
    }

    /// Says that the entry concerns something whose record it does not change.
    pub fn mention(&mut self, subject: RecordId) {
        self.mentioned.insert(subject);
    }

    /// Adds grams to an account. A movement books both of its sides.
    pub fn book(&mut self, account: SiteAccount, grams: i64) {
        *self.accounts.entry(account).or_default() += grams;
    }

    /// All accounts of this layer.
    pub fn accounts(&self) -> &BTreeMap<SiteAccount, i64> {
        &self.accounts
    }

    /// All records of this layer.
    pub fn records(&self) -> &BTreeMap<RecordId, Record> {
        &self.records
    }

    /// Which entries wrote a record of this layer.
    pub fn stamp(&self, id: &RecordId) -> Option<Stamp> {
        self.stamps.get(id).copied()
    }

    /// The version of a record that an entry wrote, if it was written over.
    pub fn version(&self, id: &RecordId, since: EntryIndex) -> Option<&Version> {
        self.past.version(id, since).filter(|version| version.stamp.since == since)
    }

    /// How many versions were written over.
    pub fn versions(&self) -> usize {
        self.past.len()
    }

    /// What each entry booked, in the order of the entries.
    pub fn bookings(&self) -> &[(EntryIndex, SiteAccount, i64)] {
        &self.bookings
    }

    /// Asks for many records at once, so that they are loaded in one go and not one after the other.
    pub fn require_loaded(&self, ids: impl IntoIterator<Item = String>) -> Result<(), Stop> {
        let missing = ids.into_iter().filter(|id| !self.has_loaded(id));
        let missing: Vec<Wanted> = missing.map(|id| self.wanted(id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
    }

    /// Whether there is such a record.
    pub fn knows(&self, id: &RecordId) -> Result<bool, Stop> {
        Ok(self.record(id.kind, id.id.clone())?.is_some())
    }

    fn record(&self, kind: RecordKind, id: String) -> Result<Option<&Record>, Stop> {
        self.find(&RecordId { id, kind })
    }

    /// A record as it was before this layer.
    pub(crate) fn before(&self, key: &RecordId) -> Result<Option<&Record>, Stop> {
        self.base.map_or(Ok(None), |base| base.find(key))
    }

    /// The record of an id and kind, in whatever layer.
    pub(crate) fn find(&self, key: &RecordId) -> Result<Option<&Record>, Stop> {
        if !self.has_loaded(&key.id) {
            return Err(Stop::Load(vec![self.wanted(key.id.clone())]));
        }
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let Some(record) = state.records.get(key) {
                return Ok(Some(record));
            }
            if let Some(view) = &state.view {
                return view.record(key);
            }
            layer = state.base;
        }
        Ok(None)
    }

    /// SHA-256 over every record and account in order: two replays that agree have the same digest.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for (id, record) in &self.records {
            hasher.update(format!("{}\n{}\n{}\n", id.kind, id.id, record.body()));
        }
        for (account, grams) in &self.accounts {
            let site = account.site.map(|site| site.to_string()).unwrap_or_default();
            hasher.update(format!("{}\n{site}\n{grams}\n", account.account));
        }
        hasher.finalize().into()
    }
}
