//! Replay: the whole ledger again, from its bytes alone, over a database that holds what follows from the entries so far.
//!
//! Memory holds one batch of entries and what their statements name; everything else lies in the database, as it does when the
//! ledger is written. So a replay needs no more of it for a hundred million entries than for a thousand.

pub mod checked;

use crate::domain::apply::{Context, apply};
use crate::domain::codes::KeyCustody;
use crate::domain::fields::{Field, Value};
use crate::domain::ids::{EntryIndex, Origin};
use crate::domain::refusal::Warning;
use crate::domain::state::{Changes, LEDGER_RECORD, RecordId, State, Stop, Wanted};
use crate::ledger::full_tiles::store_full_tiles;
use crate::ledger::working::{Working, require_written_loaded, signing_key};
use crate::limits::{REPLAY_LOAD_ROUNDS_MAX, REPLAY_RECORDS_MAX};
use crate::proof::entry::Entry;
use crate::proof::merkle::TreeHash;
use crate::proof::statement::{Signed, Unverified};
use crate::store::entries::{Identity, NewEntry};
use crate::store::head::Head;
use crate::store::{Database, StoreError, entries, head, mentions};
use checked::{Checked, Keys, Said};
use std::collections::{BTreeMap, BTreeSet};

/// What a replay writes beside records, what they were, and accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The index of what entries concern, and what they booked: the database has the entries already.
    Derived,
    /// The entries with tiles and head: the database is the replay's own.
    Entries,
}

/// Everything that follows from the entries so far.
pub struct Replay {
    origin: Origin,
    keep: Keep,
    written: Head,
    /// The end of the entries that were taken.
    pub head: Head,
    working: Working,
    pending: Pending,
}

/// What was taken and is not written yet.
#[derive(Default)]
struct Pending {
    changes: Changes,
    entries: Vec<NewEntry>,
    mentions: BTreeSet<(String, EntryIndex)>,
    identities: BTreeMap<Identity, EntryIndex>,
}

/// What an entry turned out to be.
pub struct Taken {
    /// Its place.
    pub index: EntryIndex,
    /// The statement, its signature checked.
    pub signed: Signed,
    /// The warnings that the rules give.
    pub warnings: Vec<Warning>,
    /// What it concerns.
    pub concerned: BTreeSet<RecordId>,
    /// Whether the service holds the secret of the key that signed it.
    pub is_hosted: bool,
    /// SHA-256 of the files that it binds.
    pub documents: Vec<String>,
}

/// What the rules make of an entry.
struct Taking {
    warnings: Vec<Warning>,
    concerned: BTreeSet<RecordId>,
    is_hosted: bool,
    changes: Changes,
}

/// An entry that does not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {problem}")]
pub struct DoesNotFollow {
    /// The entry.
    pub index: EntryIndex,
    /// What is wrong.
    pub problem: String,
}

/// Why an entry was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It does not follow from those before it.
    #[error(transparent)]
    Entry(#[from] DoesNotFollow),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a try to take an entry ended.
enum Ended {
    Problem(String),
    Load(Vec<Wanted>),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => {
                Self::Problem(format!("{} at {:?}: {}", refusal.code, refusal.pointer, refusal.detail))
            }
            Stop::Load(wanted) => Self::Load(wanted),
        }
    }
}

impl From<String> for Ended {
    fn from(problem: String) -> Self {
        Self::Problem(problem)
    }
}

impl Replay {
    /// Goes on behind the entries that a database holds; behind none, before index 0.
    pub fn behind(origin: Origin, keep: Keep, head: Head) -> Self {
        Self { origin, keep, written: head.clone(), head, working: Working::new(), pending: Pending::default() }
    }

    /// Loads at once what the next entries name, and looks whether any statement's id was used before.
    pub fn prepare(&mut self, database: &mut Database, batch: &[Checked]) -> Result<(), StoreError> {
        let said = || batch.iter().filter_map(Checked::said);
        let named: BTreeSet<&String> = said().flat_map(|said| &said.identifiers).collect();
        let named = named.into_iter().cloned().chain([LEDGER_RECORD.to_owned()]);
        let missing = named.filter(|id| !self.working.state.has_loaded(id));
        self.working.load(database, missing.map(Wanted::Record).collect())?;
        let identities: Vec<Identity> = said().map(|said| said.identity).collect();
        self.pending.identities.extend(entries::indexes_of(database, &identities)?);
        Ok(())
    }

    /// Takes the next entry: form, place, chain, signature, rules. What it changes is not written yet.
    pub fn take(&mut self, database: &mut Database, keys: &Keys, next: Checked) -> Result<Taken, NotTaken> {
        let index = EntryIndex(self.head.size());
        let problem = |problem| DoesNotFollow { index, problem };
        let Checked { bytes, leaf_hash, chain_hash, read } = next;
        let read = read.map_err(problem)?;
        self.require_place(index, &read.entry).map_err(problem)?;
        let Said { signed, documents, .. } = read.statement.map_err(problem)?;
        let signed = match signed {
            Some(signed) => signed,
            None => self.ask(database, |replay| verify_at_its_turn(replay.state(), &read.entry.statement, keys))?,
        };
        let Taking { warnings, concerned, is_hosted, changes } =
            self.ask(database, |replay| replay.try_take(index, &read.entry, &signed))?;
        let taken = Taken { index, signed, warnings, concerned, is_hosted, documents };
        self.accept(&taken, changes, bytes, leaf_hash);
        (self.head.chain_hash, self.head.time) = (chain_hash, read.entry.time);
        Ok(taken)
    }

    /// Asks the rules, loads what they ask for, and asks again.
    fn ask<T>(&mut self, database: &mut Database, question: impl Fn(&Self) -> Result<T, Ended>) -> Result<T, NotTaken> {
        let problem = |problem| DoesNotFollow { index: EntryIndex(self.head.size()), problem };
        for _ in 0..REPLAY_LOAD_ROUNDS_MAX {
            match question(self) {
                Ok(answer) => return Ok(answer),
                Err(Ended::Problem(words)) => return Err(problem(words).into()),
                Err(Ended::Load(wanted)) => self.working.load(database, wanted)?,
            }
        }
        Err(problem("the rules ask for more state without end".into()).into())
    }

    fn require_place(&self, index: EntryIndex, entry: &Entry) -> Result<(), String> {
        if entry.index != index || entry.ledger != self.origin {
            return Err(format!("stands at {} of {}", entry.index, entry.ledger));
        }
        if entry.prev != self.head.chain_hash {
            return Err("prev is not the hash of the entry before".into());
        }
        if entry.time < self.head.time {
            return Err("its time lies before that of the entry before".into());
        }
        Ok(())
    }

    fn try_take(&self, index: EntryIndex, entry: &Entry, signed: &Signed) -> Result<Taking, Ended> {
        let state = &self.working.state;
        if signed.statement.common.ledger != self.origin {
            return Err(format!("its statement was made for {}", signed.statement.common.ledger).into());
        }
        if self.pending.identities.get(&signed.identity()).is_some_and(|first| *first < index) {
            return Err("its organisation has used this statement's id before".to_owned().into());
        }
        let context =
            Context { index, time: entry.time, signer: signed.signer, statement: &signed.statement, again: None };
        let mut overlay = state.overlay();
        let warnings = apply(&mut overlay, &context)?;
        let changes = overlay.into_changes();
        require_written_loaded(state, &changes)?;
        let concerned = changes.concerned(&signed.statement.common);
        let changes = state.placed(changes, index, context.remembered(&warnings));
        let is_hosted = state.key(&signed.signer)?.is_some_and(|key| key.custody == KeyCustody::Hosted);
        Ok(Taking { warnings, concerned, is_hosted, changes })
    }

    /// Takes over what an entry changed.
    fn accept(&mut self, taken: &Taken, mut changes: Changes, bytes: Vec<u8>, leaf_hash: TreeHash) {
        let said = std::mem::take(&mut changes.entries);
        self.working.state.absorb(Changes { entries: said, ..changes.clone() });
        self.pending.changes.merge(changes);
        self.pending.identities.insert(taken.signed.identity(), taken.index);
        self.head.frontier.push(leaf_hash);
        match self.keep {
            Keep::Derived => {
                let concerned = taken.concerned.iter().map(|subject| (subject.subject(), taken.index));
                self.pending.mentions.extend(concerned);
            }
            Keep::Entries => self.pending.entries.push(NewEntry {
                index: taken.index,
                bytes,
                leaf_hash,
                identity: taken.signed.identity(),
                payload_sha256: taken.signed.payload_sha256,
                warnings: stored_form(&taken.warnings),
            }),
        }
    }

    /// What the entries since the last writing changed.
    pub fn changes(&self) -> &Changes {
        &self.pending.changes
    }

    /// Writes what was taken. Call it in the transaction in which it was loaded: a crash leaves the end of the batch before.
    pub fn write(&mut self, database: &mut Database) -> Result<(), StoreError> {
        let Pending { mut changes, entries, mentions, .. } = std::mem::take(&mut self.pending);
        match self.keep {
            Keep::Derived => mentions::insert(database, &mentions)?,
            Keep::Entries => {
                changes.bookings.clear();
                entries::insert(database, &entries)?;
                let leaves: Vec<TreeHash> = entries.iter().map(|entry| entry.leaf_hash).collect();
                store_full_tiles(database, self.written.size(), &leaves)?;
                head::advance(database, &self.written, &self.head)?;
            }
        }
        self.working.store(database, &changes)?;
        self.working.written(changes, REPLAY_RECORDS_MAX);
        self.written = self.head.clone();
        Ok(())
    }

    /// What is known of the records at hand.
    pub fn state(&self) -> &State<'static> {
        &self.working.state
    }
}

/// Warnings as the ledger keeps them beside an entry.
pub(crate) fn stored_form(warnings: &Vec<Warning>) -> String {
    warnings.write().unwrap_or(Value::List(Vec::new())).to_string()
}

/// Checks the signature of a statement whose key was not remembered.
fn verify_at_its_turn(state: &State<'_>, jws: &str, keys: &Keys) -> Result<Signed, Ended> {
    let unverified = Unverified::read(jws).map_err(|refused| refused.to_string())?;
    let key = signing_key(state, &unverified)?;
    let key = key.ok_or_else(|| "signed by a key that is not registered".to_owned())?;
    let signed = unverified.verify(&key).map_err(|refused| refused.to_string())?;
    keys.remember(key);
    Ok(signed)
}
