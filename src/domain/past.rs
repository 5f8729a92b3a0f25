//! What was known at earlier places in the ledger: which entry wrote a record, what it wrote over, and what entries said.
//!
//! A correction runs the lineage of an entry again, so the rules must see it as it was.

use crate::domain::event::Statement;
use crate::domain::ids::{EntryIndex, KeyId};
use crate::domain::refusal::Warning;
use crate::domain::state::{Record, RecordId, State, Stop};
use crate::domain::time::LedgerTime;
use std::collections::BTreeMap;

/// Which entry wrote a record, and which one wrote what it wrote over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The entry that wrote it.
    pub since: EntryIndex,
    /// The entry that had written it before; `None` if it is the first.
    pub before: Option<EntryIndex>,
}

/// A record as it once was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Which entries wrote it.
    pub stamp: Stamp,
    /// What it said.
    pub record: Record,
}

/// An earlier entry as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEntry {
    /// The entry's time.
    pub time: LedgerTime,
    /// The key that signed it.
    pub signer: KeyId,
    /// What it says.
    pub statement: Statement,
    /// The warnings that it got.
    pub warnings: Vec<Warning>,
}

/// Versions that were written over, and entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    versions: BTreeMap<RecordId, BTreeMap<EntryIndex, Version>>,
    entries: BTreeMap<EntryIndex, PastEntry>,
    /// Of ids whose past was loaded: from which entry on.
    loaded: BTreeMap<String, EntryIndex>,
}

impl Past {
    /// The versions and the entries.
    pub(crate) fn into_parts(self) -> (Vec<(RecordId, Version)>, BTreeMap<EntryIndex, PastEntry>) {
        let of_record = |(id, versions): (RecordId, BTreeMap<EntryIndex, Version>)| {
            versions.into_values().map(move |version| (id.clone(), version))
        };
        (self.versions.into_iter().flat_map(of_record).collect(), self.entries)
    }

    /// Takes over more of both.
    pub(crate) fn extend(&mut self, versions: Vec<(RecordId, Version)>, entries: BTreeMap<EntryIndex, PastEntry>) {
        for (id, version) in versions {
            self.versions.entry(id).or_default().insert(version.stamp.since, version);
        }
        self.entries.extend(entries);
    }

    /// Takes over what was loaded of an id.
    pub(crate) fn remember(&mut self, id: String, from: EntryIndex, versions: Vec<Version>) {
        self.extend(versions.into_iter().map(|version| (version.record.id(), version)).collect(), BTreeMap::new());
        let reach = self.loaded.entry(id).or_insert(from);
        *reach = (*reach).min(from);
    }

    /// Whether an id's past was loaded from that entry on.
    pub(crate) fn reaches(&self, id: &str, from: EntryIndex) -> bool {
        self.loaded.get(id).is_some_and(|reach| *reach <= from)
    }

    /// The version that an entry, or the last one before it, wrote, among those that were written over.
    pub(crate) fn version(&self, id: &RecordId, at: EntryIndex) -> Option<&Version> {
        self.versions.get(id)?.range(..=at).next_back().map(|(_, version)| version)
    }

    /// The entries that wrote the versions of a record.
    pub(crate) fn sinces(&self, id: &RecordId) -> impl Iterator<Item = EntryIndex> {
        self.versions.get(id).into_iter().flat_map(|versions| versions.keys().copied())
    }

    /// How many versions there are.
    pub(crate) fn len(&self) -> usize {
        self.versions.values().map(BTreeMap::len).sum()
    }

    /// What an entry said.
    pub(crate) fn entry(&self, index: EntryIndex) -> Option<&PastEntry> {
        self.entries.get(&index)
    }
}

/// How a state looks at an earlier place: what stood there, but for some records that a correction makes otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'base> {
    /// The state whose past it is.
    pub(crate) state: &'base State<'base>,
    /// The entry after which it looks.
    pub(crate) at: EntryIndex,
    /// The first entry after which anything is asked for, so that an id is loaded once.
    pub(crate) from: EntryIndex,
    /// The records that are otherwise.
    pub(crate) world: &'base BTreeMap<RecordId, Record>,
}

impl View<'_> {
    /// A record as it is seen.
    pub(crate) fn record(&self, id: &RecordId) -> Result<Option<&Record>, Stop> {
        match self.world.get(id) {
            Some(record) => Ok(Some(record)),
            None => self.state.as_of(id, self.at),
        }
    }
}
