//! The lineage of a corrected entry, applied once more as if the right thing had been said at first.
//!
//! Entries run in their order, each on the ledger as it stood when it was written, but for the records that come out
//! otherwise by now. A record that comes out otherwise calls the later entries that wrote it; one that comes out as it was
//! calls none, so only what really follows is run. Earlier corrections on the way are met and taken into account.

use crate::domain::apply::{Again, Context, apply_rule};
use crate::domain::balance::SiteAccount;
use crate::domain::batch::Batch;
use crate::domain::capacity;
use crate::domain::correction::brought::{Brought, Sums};
use crate::domain::correction::intake::Intakes;
use crate::domain::correction::records::{flawed, substance, voided};
use crate::domain::correction::start::{Proposal, Replaced, Start, in_effect};
use crate::domain::correction::{Correction, CorrectionsOf, Touched, is_correctable};
use crate::domain::event::{Event, Statement};
use crate::domain::evidence::FlawCode;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::past::{PastEntry, View};
use crate::domain::refusal::{Refusal, RefusalCode, Warning, WarningCode};
use crate::domain::signal::{Tally, Ticket};
use crate::domain::state::{Changes, Record, RecordId, RecordKind, State, Stop, Wanted};
use crate::limits::{RERUN_ENTRIES_MAX, RERUN_RECORDS_MAX};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in the way of a correction.
#[derive(Debug, Clone)]
pub(super) enum Barrier {
    /// This entry could not stand.
    Refused(EntryIndex, Refusal),
    /// It reaches too far.
    TooWide,
}

/// What comes out.
#[derive(Debug, Clone, Default)]
pub(super) struct Rerun {
    /// Records that come out otherwise.
    pub(super) world: BTreeMap<RecordId, Record>,
    /// By how much each account moves, against what was booked at first.
    pub(super) moved: BTreeMap<SiteAccount, i64>,
    /// The same for what sites received in a year.
    pub(super) received: Intakes,
    /// What adds up at sites, and by how much it comes to more or less; the same way.
    pub(super) tallies: BTreeMap<RecordId, (Tally, i64)>,
    /// Tickets that the first statement or the right one uses, and what the right one says of them.
    pub(super) tickets: BTreeMap<RecordId, Option<Ticket>>,
    /// Numbers that the right statement uses, and what it rests on of a plant's papers.
    pub(super) papers: Vec<Record>,
    /// Numbers that the first statement used.
    pub(super) numbers: Vec<RecordId>,
    /// What lies behind a barrier.
    pub(super) behind: BTreeSet<RecordId>,
    /// Whose later statements rest on it.
    pub(super) speakers: BTreeSet<OrganisationId>,
    /// Whether something of its lineage was accepted by somebody or finally treated.
    pub(super) is_relied_on: bool,
    /// Earlier corrections that were taken into account.
    pub(super) met: BTreeSet<EntryIndex>,
    /// What stands in the way, if something does; then the rest is as far as it came.
    pub(super) barrier: Option<Barrier>,
}

impl Rerun {
    /// Tells the author if something is implausible with the right statement that was not so before.
    pub(super) fn raises_signal(&self, state: &State<'_>) -> Result<Option<Warning>, Stop> {
        for (id, now) in &self.world {
            let stands = |record: &Record| matches!(record, Record::Signal(signal) if signal.lifted.is_none());
            if stands(now) && !state.find(id)?.is_some_and(stands) {
                return Ok(Warning::new(WarningCode::SignalRaised, "/instead"));
            }
        }
        Ok(None)
    }
}

/// Runs the lineage of a correction.
pub(super) fn run(state: &State<'_>, until: EntryIndex, proposal: &Proposal) -> Result<Rerun, Stop> {
    let mut start = Start::of(state, proposal)?;
    loop {
        let today = counted_today(state, until, &mut start, proposal)?;
        let mut run = Run::begin(state, until, &start, proposal, &today);
        let (met, found) = (run.finish()?, run.found);
        match met {
            None => return Ok(Rerun { met: start.met, ..found }),
            // A correction on the way has a seed of its own: everything again, with both.
            Some(met) => start.meet(state, met)?,
        }
    }
}

/// What the entries count for today that earlier corrections made otherwise: a run with these alone.
fn counted_today(
    state: &State<'_>,
    until: EntryIndex,
    start: &mut Start,
    proposal: &Proposal,
) -> Result<Intakes, Stop> {
    while capacity::counts_every_intake(state)? && !start.met.is_empty() {
        let (standing, proposal) = start.without(state, proposal)?;
        let nothing = Intakes::default();
        let mut run = Run::begin(state, until, &standing, &proposal, &nothing);
        match run.finish()? {
            None => return Ok(run.found.received),
            Some(met) => start.meet(state, met)?,
        }
    }
    Ok(Intakes::default())
}

/// A run at work.
struct Run<'s> {
    state: &'s State<'s>,
    until: EntryIndex,
    start: &'s Start,
    /// What the entries that earlier corrections made otherwise count for today.
    today: &'s Intakes,
    /// The correction itself, whose own hold does not count.
    own: EntryIndex,
    /// The entry that it corrects.
    target: EntryIndex,
    /// The last entry before everything.
    from: EntryIndex,
    left: BTreeSet<EntryIndex>,
    done: usize,
    found: Rerun,
}

impl<'s> Run<'s> {
    fn begin(
        state: &'s State<'s>,
        until: EntryIndex,
        start: &'s Start,
        proposal: &Proposal,
        today: &'s Intakes,
    ) -> Self {
        let (own, target) = (proposal.replaced.by, proposal.target);
        let left: BTreeSet<EntryIndex> = start.seeds.keys().chain(&start.effects).copied().collect();
        let from = EntryIndex(left.first().map_or(0, |first| first.0.saturating_sub(1)));
        Self { state, until, start, today, own, target, from, left, done: 0, found: Rerun::default() }
    }

    /// Runs to the end; gives a correction that must be taken into account first, if there is one.
    fn finish(&mut self) -> Result<Option<EntryIndex>, Stop> {
        while let Some(index) = self.left.pop_first() {
            self.fetch_ahead(index)?;
            self.done += 1;
            if self.done > RERUN_ENTRIES_MAX || self.found.world.len() > RERUN_RECORDS_MAX {
                self.found.barrier = Some(Barrier::TooWide);
                return Ok(None);
            }
            let entry = self.state.entry(index)?;
            let met = match &entry.statement.event {
                Event::Corrected(_) => self.pass_correction(index, index)?,
                Event::CorrectionConfirmed(event) => self.pass_correction(index, event.correction)?,
                _ if self.start.seeds.contains_key(&index) => self.run_again(index, entry)?,
                _ if runs_again(entry) => match in_effect(self.state, index)? {
                    // What counts as said there is what its correction says.
                    Some(correction) => Some(correction),
                    None => self.run_again(index, entry)?,
                },
                _ => None,
            };
            if met.is_some() {
                return Ok(met);
            }
        }
        Ok(None)
    }

    /// Behind a barrier nothing is run again; what the entries there wrote is held all the same.
    fn walk_on(&mut self, index: EntryIndex, recorded: &Changes) -> Result<(), Stop> {
        for id in recorded.records.keys().filter(|id| is_followed(id.kind)) {
            self.found.behind.insert(id.clone());
            let later = self.state.written_after(id, index)?;
            self.left.extend(later.into_iter().filter(|later| *later < self.until));
        }
        Ok(())
    }

    /// Asks at once for what the entries that wait will ask for one by one.
    fn fetch_ahead(&self, next: EntryIndex) -> Result<(), Stop> {
        if self.wanted_by(next).is_empty() {
            return Ok(());
        }
        let all: BTreeSet<Wanted> = [next].iter().chain(&self.left).flat_map(|index| self.wanted_by(*index)).collect();
        Err(Stop::Load(all.into_iter().collect()))
    }

    fn wanted_by(&self, index: EntryIndex) -> Vec<Wanted> {
        let Ok(entry) = self.state.entry(index) else { return vec![Wanted::Entry(index)] };
        let replaced = self.start.seeds.get(&index).and_then(|replaced| replaced.statement.as_ref());
        let ids =
            entry.statement.identifiers().into_iter().chain(replaced.into_iter().flat_map(Statement::identifiers));
        let missing = ids.filter(|id| !self.state.has_past(id, self.from));
        let corrections = Some(CorrectionsOf::id_of(index)).filter(|id| !self.state.has_loaded(id));
        let corrections = corrections.into_iter().map(Wanted::Record);
        missing.map(|id| Wanted::Past { id, from: self.from }).chain(corrections).collect()
    }

    /// Applies an entry twice: on the ledger as it stood, and on what has come out so far.
    fn run_again(&mut self, index: EntryIndex, entry: &PastEntry) -> Result<Option<EntryIndex>, Stop> {
        let name = entry.statement.common.r#type.as_str();
        let relies = matches!(name, "handover_accepted" | "import_received" | "treated_final");
        self.found.is_relied_on |= relies && index != self.target;
        let again =
            Again { warnings: &entry.warnings, signed_at: index, brought: None, is_corrected: false, is_new: false };
        let first =
            Context { index, time: entry.time, signer: entry.signer, statement: &entry.statement, again: Some(again) };
        let recorded = self.apply(&first, &BTreeMap::new());
        if self.found.barrier.is_some() {
            return match recorded {
                Ok(recorded) => self.walk_on(index, &recorded).map(|()| None),
                Err(Stop::Refused(_)) => Ok(None),
                Err(load) => Err(load),
            };
        }
        let made = match &recorded {
            Ok(recorded) => self.make(index, first, again, recorded),
            // What could not stand as it was said is not made otherwise either.
            Err(_) => Ok(Changes::default()),
        };
        match (recorded, made) {
            (Err(Stop::Load(wanted)), _) | (_, Err(Stop::Load(wanted))) => return Err(Stop::Load(wanted)),
            (Err(Stop::Refused(refusal)), _) => self.found.barrier = Some(Barrier::Refused(index, refusal)),
            (Ok(recorded), Err(Stop::Refused(refusal))) => {
                self.found.barrier = Some(Barrier::Refused(index, refusal));
                self.walk_on(index, &recorded)?;
            }
            (Ok(recorded), Ok(made)) => {
                let rests_on_it = self.compare(index, &recorded, &made)?;
                if rests_on_it && is_correctable(name) {
                    self.found.speakers.insert(entry.statement.common.party());
                }
            }
        }
        Ok(None)
    }

    /// Applies an entry, or what a correction puts in its place, on what has come out so far.
    fn make(
        &self,
        index: EntryIndex,
        first: Context<'_>,
        again: Again<'_>,
        recorded: &Changes,
    ) -> Result<Changes, Stop> {
        let sums = Sums { moved: &self.found.received, met: &self.start.met, today: self.today };
        let brought = Brought::of(self.state, index, recorded, sums)?;
        let again = Again { brought: Some(&brought), ..again };
        let context = match self.start.seeds.get(&index) {
            None => Context { again: Some(again), ..first },
            Some(Replaced { statement: None, .. }) => return self.unsaid(first, recorded, &brought),
            Some(Replaced { by, signer, statement: Some(statement) }) => {
                let is_new = index == self.target && self.own == self.until;
                let again = Some(Again { signed_at: *by, is_corrected: true, is_new, ..again });
                Context { signer: *signer, statement, again, ..first }
            }
        };
        self.apply(&context, &self.found.world)
    }

    /// What never happened brings nothing. A batch is marked if it gave room in a year back by it that the year does not have: what
    /// it was fed counts again.
    fn unsaid(&self, first: Context<'_>, recorded: &Changes, brought: &Brought<'_>) -> Result<Changes, Stop> {
        let mut nothing = Changes::default();
        let years = recorded.records.values().filter_map(|record| match record {
            Record::SiteYear(year) => Some(year),
            _ => None,
        });
        if !capacity::is_over_unsaid(self.state, &first, brought, years)? {
            return Ok(nothing);
        }
        let at = EntryIndex(first.index.0.saturating_sub(1));
        for id in recorded.records.keys().filter(|id| id.kind == RecordKind::Batch) {
            let view = View { state: self.state, at, from: self.from, world: &self.found.world };
            if let Some(Record::Batch(batch)) = view.record(id)?.cloned() {
                let evidence = batch.evidence.clone().flawed(FlawCode::OverCapacity, first.index);
                nothing.records.insert(id.clone(), Record::Batch(Batch { evidence, ..batch }));
            }
        }
        Ok(nothing)
    }

    fn apply(&self, context: &Context<'_>, world: &BTreeMap<RecordId, Record>) -> Result<Changes, Stop> {
        let at = EntryIndex(context.index.0.saturating_sub(1));
        let before = State::seen_by(View { state: self.state, at, from: self.from, world });
        let mut layer = before.overlay();
        apply_rule(&mut layer, context)?;
        Ok(layer.into_changes())
    }

    /// What an entry brings now, against what it brought at first; whether something that it says comes out otherwise. A batch
    /// alone does not count: whoever treats of it stands in its record, whatever else changes there.
    fn compare(&mut self, index: EntryIndex, recorded: &Changes, made: &Changes) -> Result<bool, Stop> {
        let mut rests_on_it = false;
        for (account, grams) in &made.accounts {
            *self.found.moved.entry(account.clone()).or_default() += grams;
        }
        for (account, grams) in &recorded.accounts {
            *self.found.moved.entry(account.clone()).or_default() -= grams;
        }
        let ids: BTreeSet<&RecordId> = recorded.records.keys().chain(made.records.keys()).collect();
        for id in ids {
            match id.kind {
                RecordKind::SiteYear => self.found.received.compare(self.state, (index, id), recorded, made)?,
                RecordKind::Tally => self.compare_tally(index, id, recorded, made)?,
                RecordKind::Ticket if index == self.target => {
                    let said = match made.records.get(id) {
                        Some(Record::Ticket(ticket)) => Some(ticket.clone()),
                        _ => None,
                    };
                    self.found.tickets.insert(id.clone(), said);
                }
                RecordKind::Number | RecordKind::Cure if index == self.target => {
                    self.found.numbers.extend(recorded.records.get(id).map(Record::id));
                    self.found.papers.extend(made.records.get(id).cloned());
                    self.require_free(index, id)?;
                }
                kind if is_followed(kind) => {
                    if !recorded.records.contains_key(id) && self.is_somebody_elses(index, id)? {
                        return Ok(false);
                    }
                    let now = match made.records.get(id).or_else(|| self.found.world.get(id)) {
                        Some(record) => Some(record.clone()),
                        None => self.state.as_of(id, EntryIndex(index.0 - 1))?.cloned(),
                    };
                    self.follow(id, now, index)?;
                    let is_shared = matches!(kind, RecordKind::Batch | RecordKind::Donation | RecordKind::Signal);
                    rests_on_it |= !is_shared && self.found.world.contains_key(id);
                }
                _ => {}
            }
        }
        Ok(rests_on_it)
    }

    /// A number that the right statement uses may have been used by another one in the meantime.
    fn require_free(&mut self, index: EntryIndex, id: &RecordId) -> Result<(), Stop> {
        if let Some(Record::Number(taken)) = self.state.find(id)?
            && taken.freed.is_none()
            && taken.entry != index
        {
            let (code, pointer) = (RefusalCode::NumberTaken, "/number".to_owned());
            let detail = format!("entry {} has used this number", taken.entry);
            self.found.barrier = Some(Barrier::Refused(index, Refusal { code, pointer, detail }));
        }
        Ok(())
    }

    /// An id that the right statement brings may have been given to something else in the meantime.
    fn is_somebody_elses(&mut self, index: EntryIndex, id: &RecordId) -> Result<bool, Stop> {
        let is_new = self.state.as_of(id, EntryIndex(index.0 - 1))?.is_none() && !self.found.world.contains_key(id);
        let taken = is_new && self.state.find(id)?.is_some() && !self.was_brought_by_correction(id)?;
        if taken {
            let detail = format!("{} is the id of something that came later", id.id);
            let refusal = Refusal { code: RefusalCode::AlreadyRegistered, pointer: String::new(), detail };
            self.found.barrier = Some(Barrier::Refused(index, refusal));
        }
        Ok(taken)
    }

    /// Whether an id came under the ledger by an earlier correction that is made anew now.
    fn was_brought_by_correction(&self, id: &RecordId) -> Result<bool, Stop> {
        let first = self.state.written_after(id, self.from)?.first().copied();
        Ok(first.is_some_and(|first| self.start.effects.contains(&first)))
    }

    /// What an entry adds to a sum of its site now, against what it added at first.
    fn compare_tally(
        &mut self,
        index: EntryIndex,
        id: &RecordId,
        recorded: &Changes,
        made: &Changes,
    ) -> Result<(), Stop> {
        let tally = |record: Option<&Record>| match record {
            Some(Record::Tally(tally)) => Some(tally.clone()),
            _ => None,
        };
        let before = tally(self.state.as_of(id, EntryIndex(index.0 - 1))?).map_or(0, |tally| tally.sum_g.0);
        let (now, first) = (tally(made.records.get(id)), tally(recorded.records.get(id)));
        let sum = |tally: &Option<Tally>| tally.as_ref().map_or(before, |tally| tally.sum_g.0);
        let change = sum(&now) - sum(&first);
        if let Some(tally) = now.or(first) {
            self.found.tallies.entry(id.clone()).or_insert((tally, 0)).1 += change;
        }
        Ok(())
    }

    /// Keeps what comes out otherwise after an entry, and calls the later entries that wrote it. What does not come out at
    /// all never was.
    fn follow(&mut self, id: &RecordId, now: Option<Record>, index: EntryIndex) -> Result<(), Stop> {
        let first = self.state.as_of(id, index)?;
        let now = now.or_else(|| first.map(|first| voided(first, self.own)));
        let same = match (first, &now) {
            (Some(first), Some(now)) => substance(first) == substance(now),
            (first, now) => first.is_none() && now.is_none(),
        };
        let later = if same { BTreeSet::new() } else { self.state.written_after(id, index)? };
        match now.filter(|_| !same) {
            Some(now) => _ = self.found.world.insert(id.clone(), now),
            None => _ = self.found.world.remove(id),
        }
        self.left.extend(later.into_iter().filter(|later| *later < self.until));
        Ok(())
    }

    /// An entry about a correction on the way. One that brought an effect is unmade, since its seed is run again; one that
    /// still waits holds what it held.
    fn pass_correction(&mut self, index: EntryIndex, entry: EntryIndex) -> Result<Option<EntryIndex>, Stop> {
        let Some(correction) = self.state.correction(&Correction::id_of(entry))? else { return Ok(None) };
        if correction.effect == Some(index) {
            if !self.start.met.contains(&entry) {
                return Ok(Some(entry));
            }
            for touched in &correction.changed {
                let id = touched.id();
                let now = match self.found.world.get(&id) {
                    Some(record) => Some(record.clone()),
                    None => self.state.as_of(&id, EntryIndex(index.0 - 1))?.cloned(),
                };
                self.follow(&id, now, index)?;
            }
        } else if entry == index && entry != self.own && correction.is_undecided() {
            for touched in &correction.held {
                self.keep_held(touched, index)?;
            }
        }
        Ok(None)
    }

    fn keep_held(&mut self, touched: &Touched, index: EntryIndex) -> Result<(), Stop> {
        let id = touched.id();
        let Some(record) = self.found.world.get(&id).cloned() else { return Ok(()) };
        self.follow(&id, Some(flawed(record, index)), index)
    }
}

/// Whether an entry says what happened to things, or holds them: such entries are run again.
fn runs_again(entry: &PastEntry) -> bool {
    let name = entry.statement.common.r#type.as_str();
    is_correctable(name) || matches!(name, "difference_agreed" | "audit_finding")
}

/// Kinds of records that a lineage consists of.
const fn is_followed(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::Item
            | RecordKind::Handover
            | RecordKind::Consent
            | RecordKind::Donation
            | RecordKind::Batch
            | RecordKind::Treatment
            | RecordKind::Signal
    )
}
