//! What happens inside one transaction: from statements to entries, effects and a new head.
//!
//! The same statements in the same order and at the same time give the same bytes in any batching: nothing here
//! depends on how many are taken at once. That holds for statements that waited too, unless more have their turn than one
//! transaction gives.

mod staging;

use self::staging::Staged;
use crate::domain::apply::rules_in_force;
use crate::domain::awaited::gives_turns;
use crate::domain::ids::{EntryIndex, Origin};
use crate::domain::state::{Changes, LEDGER_RECORD, RecordId, Wanted};
use crate::domain::time::LedgerTime;
use crate::ledger::clock::Clock;
use crate::ledger::demands::Demands;
use crate::ledger::erasure;
use crate::ledger::full_tiles::store_full_tiles;
use crate::ledger::orders::{Admission, Deliveries};
use crate::ledger::posting::{Group, Mode, Outcome, Posted, Receipt, Refused};
use crate::ledger::rules;
use crate::ledger::waiting::{Candidate, Left, WaitingRoom, still_lacks};
use crate::ledger::waiting_row::posted_again;
use crate::ledger::working::Working;
use crate::limits::{CLOCK_BEHIND_HEAD_MS_MAX, CLOCK_OFF_DATABASE_MS_MAX};
use crate::proof::commitment::Opening;
use crate::proof::entry::ChainHash;
use crate::proof::merkle::TreeHash;
use crate::store::entries::{Identity, NewEntry, StoredEntry};
use crate::store::head::Head;
use crate::store::{Database, StoreError, backend, entries, halt, head, mentions, openings};
use std::collections::{BTreeMap, BTreeSet};

/// The highest end of the ledger that this node has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Entries.
    pub size: u64,
    /// BLAKE3 of the last.
    pub chain_hash: ChainHash,
}

/// Why nothing was appended.
#[derive(Debug)]
pub enum AppendError {
    /// The database.
    Store(StoreError),
    /// The database contradicts what this node has seen, or another node has found a contradiction.
    Halt(String),
    /// This node's clock is off.
    ClockOff(String),
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What one transaction did.
pub struct Appended {
    /// The new head.
    pub head: Head,
    /// Every request's outcomes.
    pub outcomes: Vec<Vec<Outcome>>,
    /// Whether statements that waited could not have their turn in this transaction.
    pub turns_left: bool,
    /// Whether openings or statements that waited were deleted, whose bytes the database's log may still hold.
    pub erased: bool,
}

/// What [`Run::finish`] wrote.
struct Written {
    head: Head,
    turns_left: bool,
    erased: bool,
}

/// Appends the statements of some requests in one transaction, and of those that wait what has its turn now.
pub fn append(
    database: &mut Database,
    origin: &Origin,
    clock: &Clock,
    seen: Option<&Seen>,
    demands: Demands,
    groups: &[&Group],
) -> Result<Appended, AppendError> {
    let start = head::lock(database)?;
    if start.is_halted {
        return Err(AppendError::Halt(halt::reason(database)?.unwrap_or_default()));
    }
    if let Some(seen) = seen {
        require_same_history(database, &start, seen)?;
    }
    let time = entry_time(database, clock, &start)?;
    let mut run = Run::begin(database, origin, start, time, groups)?;
    run.demands = demands;
    run.give_turns()?;
    let mut outcomes = Vec::with_capacity(groups.len());
    for group in groups {
        outcomes.push(run.append_group(group)?);
    }
    run.answer_who_had_a_turn(&mut outcomes);
    let Written { head, turns_left, erased } = run.finish()?;
    Ok(Appended { head, outcomes, turns_left, erased })
}

/// The database must extend what this node has seen: a backup put back, or a standby that lacks the last commits,
/// would otherwise lead to a second history.
pub fn require_same_history(database: &mut Database, head: &Head, seen: &Seen) -> Result<(), AppendError> {
    let halt = |problem: String| Err(AppendError::Halt(problem));
    if head.size() < seen.size {
        let size = head.size();
        return halt(format!("the database went back: it has {size} entries, this node has seen {}", seen.size));
    }
    let at_seen = if head.size() == seen.size {
        head.chain_hash
    } else {
        let last = entries::find(database, EntryIndex(seen.size.saturating_sub(1)))?;
        last.map_or(ChainHash::START, |entry| ChainHash::of(&entry.bytes))
    };
    if at_seen != seen.chain_hash {
        return halt(format!("the database holds another history: entry {} differs", seen.size.saturating_sub(1)));
    }
    Ok(())
}

/// The time of the next entry: ledger time never goes back, and a clock that is far behind or off the database's
/// refuses instead of lying.
pub fn entry_time(database: &mut Database, clock: &Clock, head: &Head) -> Result<LedgerTime, AppendError> {
    let now = clock.now_ms();
    let behind = head.time.ms() - now;
    if behind > CLOCK_BEHIND_HEAD_MS_MAX {
        return Err(AppendError::ClockOff(format!("this node's clock is {behind} ms behind the ledger's last entry")));
    }
    let database_clock = if clock.is_real() { backend::clock_ms(database)? } else { None };
    if let Some(off) = database_clock.map(|theirs| (theirs - now).abs()).filter(|off| *off > CLOCK_OFF_DATABASE_MS_MAX)
    {
        return Err(AppendError::ClockOff(format!("this node's clock is {off} ms off the database's")));
    }
    let now = LedgerTime::from_ms(now).ok_or_else(|| AppendError::ClockOff("this node's clock is absurd".into()))?;
    Ok(now.max(head.time))
}

/// One transaction at work.
struct Run<'a> {
    database: &'a mut Database,
    origin: &'a Origin,
    start: Head,
    head: Head,
    time: LedgerTime,
    demands: Demands,
    working: Working,
    changes: Changes,
    stored: BTreeMap<Identity, StoredEntry>,
    waiting: WaitingRoom,
    orders: Admission,
    accepted: Accepted,
}

/// Entries made and not yet written.
#[derive(Default, Clone)]
struct Accepted {
    entries: Vec<NewEntry>,
    openings: Vec<(EntryIndex, Opening)>,
    mentions: BTreeSet<(String, EntryIndex)>,
    receipts: BTreeMap<Identity, ([u8; 32], Receipt)>,
    deliveries: Deliveries,
}

impl<'a> Run<'a> {
    fn begin(
        database: &'a mut Database,
        origin: &'a Origin,
        start: Head,
        time: LedgerTime,
        groups: &[&Group],
    ) -> Result<Self, StoreError> {
        let posted = || groups.iter().flat_map(|group| &group.posted);
        let identities: Vec<Identity> = posted().map(|posted| posted.identity).collect();
        let identifiers: BTreeSet<String> =
            posted().flat_map(|posted| posted.identifiers.iter().cloned()).chain([LEDGER_RECORD.to_owned()]).collect();
        let stored = entries::find_by_identity(database, &identities)?;
        let identifiers: Vec<String> = identifiers.into_iter().collect();
        let waiting = WaitingRoom::enter(database, time, &identities, &identifiers)?;
        let mut orders = Admission::enter(database, time)?;
        orders.look_for(database, posted())?;
        let mut run = Self {
            database,
            origin,
            head: start.clone(),
            start,
            time,
            demands: Demands::default(),
            working: Working::new(),
            changes: Changes::default(),
            stored,
            waiting,
            orders,
            accepted: Accepted::default(),
        };
        run.load(identifiers.into_iter().map(Wanted::Record).collect())?;
        run.require_known_rules()?;
        Ok(run)
    }

    /// A node that lacks the rule set in force neither appends nor refuses for good: what it is sent, and what waits, is for nodes
    /// that have it.
    fn require_known_rules(&self) -> Result<(), StoreError> {
        match self.working.state.ledger() {
            Ok(Some(ledger)) => rules::adopted(Some(ledger)).map(drop),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Loads what rules ask for.
    fn load(&mut self, wanted: Vec<Wanted>) -> Result<(), StoreError> {
        self.working.load(self.database, wanted)
    }

    /// Appends a request's statements: one by one, or as one.
    fn append_group(&mut self, group: &Group) -> Result<Vec<Outcome>, StoreError> {
        if group.mode == Mode::All {
            let staged = self.stage(&group.posted)?;
            let refused = staged.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_)));
            if refused {
                return Ok(undone(staged.outcomes, self.head.size()));
            }
            return self.take_and_settle(&group.posted, staged);
        }
        let mut outcomes = Vec::with_capacity(group.posted.len());
        for posted in &group.posted {
            let posted = std::slice::from_ref(posted);
            let staged = self.stage(posted)?;
            outcomes.extend(self.take_and_settle(posted, staged)?);
        }
        Ok(outcomes)
    }

    /// Takes over what was staged, settles what that means for what waits, and gives the turns that follow from it.
    fn take_and_settle(&mut self, posted: &[Posted], staged: Staged) -> Result<Vec<Outcome>, StoreError> {
        let outcomes = self.take_and_tell(staged)?;
        let settled = posted.iter().zip(outcomes).map(|(posted, outcome)| self.settle(posted, outcome));
        let settled = settled.collect::<Result<_, _>>()?;
        self.give_turns()?;
        Ok(settled)
    }

    /// What had to wait and had its turn in the same transaction is in the ledger by now: its poster gets the receipt.
    fn answer_who_had_a_turn(&self, outcomes: &mut [Vec<Outcome>]) {
        for outcome in outcomes.iter_mut().flatten() {
            if let Outcome::Waiting(waiting) = outcome
                && let Some((_, receipt)) = self.accepted.receipts.get(&waiting.identity)
            {
                *outcome = Outcome::Accepted(receipt.clone());
            }
        }
    }

    /// Takes over what was staged and tells what waits which records are new, and which items have moved.
    fn take_and_tell(&mut self, staged: Staged) -> Result<Vec<Outcome>, StoreError> {
        let awaited = staged.changes.records.iter().filter(|(id, _)| self.waiting.may_await(id));
        // What was written was loaded before, so an error cannot be; it would cost a turn in vain.
        let moved = awaited.filter(|(id, after)| gives_turns(self.working.state.find(id).unwrap_or(None), after));
        let moved: Vec<RecordId> = moved.map(|(id, _)| id.clone()).collect();
        let outcomes = self.take(staged);
        self.waiting.brought(self.database, &moved)?;
        Ok(outcomes)
    }

    /// What is in the ledger waits no more; what lacks something is kept, if it may wait. If it waits already it waits on,
    /// however it is posted again: to be told that it is refused would be wrong.
    fn settle(&mut self, posted: &Posted, outcome: Outcome) -> Result<Outcome, StoreError> {
        match &outcome {
            Outcome::Accepted(_) | Outcome::Repeated(_) => self.waiting.leave(self.database, posted.identity)?,
            Outcome::Refused(Refused::Rules(refusal)) => {
                if let Some(candidate) = Candidate::of(&self.working.state, posted, refusal)?
                    && let Ok(rules) = rules_in_force(&self.working.state)
                {
                    return self.waiting.keep(self.database, candidate, rules.offline_window_days);
                }
                if let Some(waits) = self.waiting.waits_on(posted)
                    && still_lacks(&self.working.state, posted, &outcome).is_some()
                {
                    return Ok(waits);
                }
            }
            Outcome::Refused(_) | Outcome::Waiting(_) => {}
        }
        Ok(outcome)
    }

    /// Sequences what waited for something that is there now, as if it were posted here, until nothing is due or this
    /// transaction has given as many turns as it may.
    fn give_turns(&mut self) -> Result<(), StoreError> {
        while let Some(row) = self.waiting.next(self.database)? {
            let Ok(posted) = posted_again(&row) else {
                self.waiting.give_up(self.database, row.head)?;
                continue;
            };
            self.stored.extend(entries::find_by_identity(self.database, &[posted.identity])?);
            self.load(posted.identifiers.iter().cloned().map(Wanted::Record).collect())?;
            self.waiting.look_for(self.database, &posted.identifiers)?;
            self.orders.look_for(self.database, [&posted])?;
            let staged = self.stage(std::slice::from_ref(&posted))?;
            for outcome in self.take_and_tell(staged)? {
                let lacks = still_lacks(&self.working.state, &posted, &outcome);
                self.waiting.had_turn(self.database, row.head.clone(), &outcome, lacks)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, staged: Staged) -> Vec<Outcome> {
        self.head = staged.head;
        self.working.state.absorb(staged.changes.clone());
        self.changes.merge(staged.changes);
        self.accepted.entries.extend(staged.accepted.entries);
        self.accepted.openings.extend(staged.accepted.openings);
        self.accepted.mentions.extend(staged.accepted.mentions);
        self.accepted.receipts.extend(staged.accepted.receipts);
        self.accepted.deliveries.extend(staged.accepted.deliveries);
        staged.outcomes
    }

    /// Writes entries, effects, tiles and, last, the head. Nothing of it shows before the commit.
    ///
    /// Openings go in the transaction that says so: a crash before the commit leaves the value and no word of its erasure,
    /// after it neither the value nor a way back. One that was posted in this very transaction is never written.
    fn finish(mut self) -> Result<Written, StoreError> {
        let Left { turns: turns_left, erased: emptied } = self.waiting.finish(self.database)?;
        if self.accepted.entries.is_empty() {
            let lapsed = self.orders.finish(self.database, &Deliveries::default(), &self.changes)?;
            return Ok(Written { head: self.start, turns_left, erased: emptied || lapsed });
        }
        let erased = erasure::places_in(&self.changes);
        self.accepted.openings.retain(|(index, opening)| !erased.contains(&(*index, opening.pointer.clone())));
        entries::insert(self.database, &self.accepted.entries)?;
        openings::insert(self.database, &self.accepted.openings)?;
        openings::erase(self.database, &erased)?;
        mentions::insert(self.database, &self.accepted.mentions)?;
        self.working.store(self.database, &self.changes)?;
        let closed = self.orders.finish(self.database, &self.accepted.deliveries, &self.changes)?;
        let leaves: Vec<TreeHash> = self.accepted.entries.iter().map(|entry| entry.leaf_hash).collect();
        store_full_tiles(self.database, self.start.size(), &leaves)?;
        head::advance(self.database, &self.start, &self.head)?;
        Ok(Written { head: self.head, turns_left, erased: emptied || closed || !erased.is_empty() })
    }
}

/// All or nothing, and it is nothing: what has a place from `size` on has lost it again. A statement that was in the
/// ledger before keeps its receipt.
fn undone(outcomes: Vec<Outcome>, size: u64) -> Vec<Outcome> {
    let undo = |outcome| match outcome {
        Outcome::Accepted(_) => Outcome::Refused(Refused::NotPosted),
        Outcome::Repeated(receipt) if receipt.index.0 >= size => Outcome::Refused(Refused::NotPosted),
        Outcome::Refused(Refused::SameIdOtherContent(index)) if index.0 >= size => {
            Outcome::Refused(Refused::SameIdInRequest)
        }
        other => other,
    };
    outcomes.into_iter().map(undo).collect()
}
