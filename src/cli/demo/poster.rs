//! Saying things: statements are numbered, signed, posted in batches of 1,000 and counted. What an interrupted demo has
//! posted is posted again and changes nothing.

use crate::cli::CommandError;
use crate::cli::demo::parties::{Party, Signer};
use crate::cli::demo::plan::Plan;
use crate::ledger::Ledger;
use crate::ledger::posting::{Mode, Outcome, Posted, Refused};
use crate::limits::BATCH_LINES_MAX;
use crate::proof::commitment::Opening;
use crate::proof::statement;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Something to be said.
pub(super) struct Saying {
    kind: &'static str,
    occurred_at: String,
    fields: Value,
    openings: Vec<Opening>,
}

impl Saying {
    /// A statement's type, time and own fields.
    pub(super) fn new(kind: &'static str, occurred_at: &str, fields: Value) -> Self {
        Self { kind, occurred_at: occurred_at.to_owned(), fields, openings: Vec::new() }
    }

    /// With openings beside it.
    pub(super) fn opened(self, openings: Vec<Opening>) -> Self {
        Self { openings, ..self }
    }

    /// For another, who lets the author speak.
    pub(super) fn on_behalf_of(mut self, party: &Party) -> Self {
        self.fields["on_behalf_of"] = json!(party.id.to_string());
        self
    }

    /// At a site of its author, or of whom the author speaks for.
    pub(super) fn at(mut self, site: Option<Uuid>) -> Self {
        if let Some(site) = site {
            self.fields["site"] = json!(site.to_string());
        }
        self
    }
}

struct Pending {
    party: Party,
    kind: &'static str,
    payload: String,
    openings: Vec<Opening>,
}

/// Posts to a ledger.
pub(super) struct Poster<'a> {
    pub(super) ledger: &'a Ledger,
    plan: &'a Plan,
    runtime: Runtime,
    progress: ProgressBar,
    pending: Vec<Pending>,
    number: u64,
    /// Statements that stand in the ledger, by type.
    pub(super) said: BTreeMap<&'static str, u64>,
    /// Refusals by code: those that the demo provokes.
    pub(super) refused: BTreeMap<String, u64>,
}

impl<'a> Poster<'a> {
    pub(super) fn new(ledger: &'a Ledger, plan: &'a Plan, progress: ProgressBar) -> Result<Self, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (said, refused) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { ledger, plan, runtime, progress, pending: Vec::new(), number: 0, said, refused })
    }

    /// The number of the next statement, taken.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Says something; it is posted with the next batch.
    pub(super) fn say(&mut self, party: &Party, saying: Saying) -> Result<(), CommandError> {
        let number = self.next_number();
        self.say_as(party, saying, number)
    }

    /// The same under a number taken before.
    pub(super) fn say_as(&mut self, party: &Party, saying: Saying, number: u64) -> Result<(), CommandError> {
        let pending = self.pending(party, saying, number);
        self.pending.push(pending);
        if self.pending.len() == BATCH_LINES_MAX { self.flush() } else { Ok(()) }
    }

    /// The id of the statement of a number.
    pub(super) fn statement_id(&self, number: u64) -> Uuid {
        self.plan.id("statement", number)
    }

    fn pending(&self, party: &Party, saying: Saying, number: u64) -> Pending {
        let Saying { kind, occurred_at, mut fields, openings } = saying;
        fields["v"] = json!(1);
        fields["ledger"] = json!(self.ledger.origin.as_str());
        fields["id"] = json!(self.statement_id(number).to_string());
        fields["org"] = json!(party.id.to_string());
        fields["type"] = json!(kind);
        fields["occurred_at"] = json!(occurred_at);
        Pending { party: party.clone(), kind, payload: fields.to_string(), openings }
    }

    /// Posts what waits. Nothing of it may be refused: the story would be broken.
    pub(super) fn flush(&mut self) -> Result<(), CommandError> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let posted = sign_all(self.ledger, &pending)?;
        let outcomes = self.post(posted)?;
        for (pending, outcome) in pending.iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted(_) | Outcome::Repeated(_) => *self.said.entry(pending.kind).or_default() += 1,
                other => {
                    return Err(format!("{} of {} was not taken: {other:?}", pending.kind, pending.party.name).into());
                }
            }
        }
        self.progress.inc(u64::try_from(pending.len()).unwrap_or(0));
        Ok(())
    }

    /// Tries what must be refused, and counts the refusal by its code.
    pub(super) fn try_in_vain(&mut self, party: &Party, saying: Saying) -> Result<(), CommandError> {
        self.flush()?;
        let number = self.next_number();
        let pending = [self.pending(party, saying, number)];
        let posted = sign_all(self.ledger, &pending)?;
        match self.post(posted)?.into_iter().next() {
            Some(Outcome::Refused(Refused::Rules(refusal))) => {
                *self.refused.entry(refusal.code.to_string()).or_default() += 1;
                Ok(())
            }
            other => Err(format!("what had to be refused was not: {other:?}").into()),
        }
    }

    fn post(&self, posted: Vec<Posted>) -> Result<Vec<Outcome>, CommandError> {
        let outcomes = self.runtime.block_on(self.ledger.post(posted, Mode::Each));
        outcomes.map_err(|unavailable| format!("the ledger takes nothing: {unavailable:?}").into())
    }

    /// Waits for the checkpoint over an entry.
    pub(super) fn wait_for_checkpoint(
        &self,
        index: crate::domain::ids::EntryIndex,
    ) -> Result<crate::store::tiles::StoredCheckpoint, CommandError> {
        let patience = std::time::Duration::from_mins(1);
        let shown = self.runtime.block_on(self.ledger.checkpoint_over(index, patience));
        shown.ok_or_else(|| "no checkpoint was signed within a minute".into())
    }
}

/// Signs and checks on all cores, in order.
fn sign_all(ledger: &Ledger, pending: &[Pending]) -> Result<Vec<Posted>, CommandError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = pending.len().div_ceil(cores).max(1);
    let sign =
        |chunk: &[Pending]| chunk.iter().map(|pending| sign(ledger, pending)).collect::<Result<Vec<_>, String>>();
    let signed: Result<Vec<Vec<Posted>>, String> = std::thread::scope(|scope| {
        let threads: Vec<_> = pending.chunks(share).map(|chunk| scope.spawn(move || sign(chunk))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err("a signing thread died".to_owned()))
        };
        threads.into_iter().map(join).collect()
    });
    Ok(signed?.into_iter().flatten().collect())
}

fn sign(ledger: &Ledger, pending: &Pending) -> Result<Posted, String> {
    let payload = pending.payload.as_bytes();
    let jws = match &pending.party.signer {
        Signer::Own(key) => statement::sign(key, payload).ok_or("a statement cannot be signed")?,
        Signer::Hosted => ledger.vault.sign(pending.party.id, payload).map_err(|error| error.to_string())?,
    };
    ledger.prepare(&jws, pending.openings.clone()).map_err(|error| format!("{}: {error:?}", pending.kind))
}
