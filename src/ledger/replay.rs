//! Replay: the whole ledger again, from its bytes alone.

use crate::domain::apply::{Context, apply};
use crate::domain::ids::{EntryIndex, OrganisationId, Origin, StatementId};
use crate::domain::refusal::Warning;
use crate::domain::state::{RecordId, State, Stop};
use crate::domain::time::LedgerTime;
use crate::ledger::append::signing_key;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::merkle::{Frontier, leaf_hash};
use crate::proof::statement::{Signed, Unverified};
use std::collections::BTreeSet;

/// Everything that follows from the entries so far.
pub struct Replay {
    origin: Origin,
    last_time: Option<LedgerTime>,
    identities: BTreeSet<(OrganisationId, StatementId)>,
    /// The tree.
    pub frontier: Frontier,
    /// BLAKE3 of the last entry.
    pub chain_hash: ChainHash,
    /// What is known.
    pub state: State<'static>,
}

/// What an entry turned out to be.
pub struct Taken {
    /// The statement, its signature checked.
    pub signed: Signed,
    /// The warnings that the rules give.
    pub warnings: Vec<Warning>,
    /// What it concerns.
    pub concerned: BTreeSet<RecordId>,
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

impl Replay {
    /// Before index 0.
    pub fn start(origin: Origin) -> Self {
        Self {
            origin,
            last_time: None,
            identities: BTreeSet::new(),
            frontier: Frontier::default(),
            chain_hash: ChainHash::START,
            state: State::empty(),
        }
    }

    /// Takes the next entry: form, place, chain, signature, rules.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Taken, DoesNotFollow> {
        let index = EntryIndex(self.frontier.size());
        self.try_take(index, bytes).map_err(|problem| DoesNotFollow { index, problem })
    }

    fn try_take(&mut self, index: EntryIndex, bytes: &[u8]) -> Result<Taken, String> {
        let entry = Entry::parse(bytes).map_err(|problem| problem.to_string())?;
        if entry.index != index || entry.ledger != self.origin {
            return Err(format!("stands at {} of {}", entry.index, entry.ledger));
        }
        if entry.prev != self.chain_hash {
            return Err("prev is not the hash of the entry before".into());
        }
        if self.last_time.is_some_and(|last| entry.time < last) {
            return Err("its time lies before that of the entry before".into());
        }
        let signed = self.verify(&entry.statement)?;
        if signed.statement.common.ledger != self.origin {
            return Err(format!("its statement was made for {}", signed.statement.common.ledger));
        }
        if !self.identities.insert(signed.identity()) {
            return Err("its organisation has used this statement's id before".into());
        }
        let context =
            Context { index, time: entry.time, signer: signed.signer, statement: &signed.statement, again: None };
        let mut overlay = self.state.overlay();
        let warnings = apply(&mut overlay, &context).map_err(|stop| match stop {
            Stop::Refused(refusal) => format!("{} at {:?}: {}", refusal.code, refusal.pointer, refusal.detail),
            Stop::Load(wanted) => format!("the rules asked to load {wanted:?} from a complete state"),
        })?;
        let changes = overlay.into_changes();
        let concerned = changes.concerned(&signed.statement.common);
        let changes = self.state.placed(changes, index, context.remembered(&warnings));
        self.state.absorb(changes);
        self.frontier.push(leaf_hash(bytes));
        self.chain_hash = ChainHash::of(bytes);
        self.last_time = Some(entry.time);
        Ok(Taken { signed, warnings, concerned })
    }

    fn verify(&self, jws: &str) -> Result<Signed, String> {
        let unverified = Unverified::read(jws).map_err(|refused| refused.to_string())?;
        let key = signing_key(&self.state, &unverified).ok().flatten();
        let key = key.ok_or("signed by a key that is not registered")?;
        unverified.verify(&key).map_err(|refused| refused.to_string())
    }
}
