//! A correction comes into force, or holds what it would change until it is decided.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::batch::Batch;
use crate::domain::certificate;
use crate::domain::correction::records::{flawed, substance, unflawed};
use crate::domain::correction::rerun::Rerun;
use crate::domain::correction::verdict::{flaws_of, net, touches_grams};
use crate::domain::correction::{Booking, Correction, CorrectionStatus, Recount, Touched};
use crate::domain::due::{self, DueKind};
use crate::domain::evidence::FlawCode;
use crate::domain::finding::{self, Cure, NumberTaken};
use crate::domain::ids::{BatchId, EntryIndex, OrganisationId};
use crate::domain::item::Item;
use crate::domain::mass::{Grams, SignedGrams};
use crate::domain::pool;
use crate::domain::signal::{self, Tally};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::treatment::{Line, Treatment, settle_all};
use std::collections::{BTreeMap, BTreeSet};

/// After this silence those concerned are reminded, in days.
const REMINDER_DAYS: i64 = 5;

/// Holds what a correction would change: none of it backs a certificate until it is decided.
pub(super) fn hold(
    state: &mut State<'_>,
    context: &Context<'_>,
    mut correction: Correction,
    rerun: &Rerun,
) -> Result<(), Stop> {
    for id in rerun.world.keys().chain(&rerun.behind).collect::<BTreeSet<_>>() {
        let has_grams = matches!(id.kind, RecordKind::Item | RecordKind::Batch | RecordKind::Treatment);
        if let Some(record) = state.find(id)?.filter(|_| has_grams).cloned() {
            state.put(flawed(record, context.index));
            correction.held.extend(Touched::of(id));
        }
    }
    let all = correction.counterparties.clone();
    remind(state, context, correction.entry, &all)?;
    state.put(Record::Correction(correction));
    Ok(())
}

/// Asks some more for their word; silence is counted anew.
pub(super) fn ask(
    state: &mut State<'_>,
    context: &Context<'_>,
    mut correction: Correction,
    new: &[OrganisationId],
) -> Result<(), Stop> {
    remind(state, context, correction.entry, new)?;
    correction.counterparties.extend(new);
    let (asked, status) = (context.time, CorrectionStatus::Open);
    state.put(Record::Correction(Correction { asked, status, ..correction }));
    Ok(())
}

/// Notes when whoever is asked is reminded.
fn remind(
    state: &mut State<'_>,
    context: &Context<'_>,
    correction: EntryIndex,
    asked: &[OrganisationId],
) -> Result<(), Stop> {
    let Some(day) = context.time.date() else { return Ok(()) };
    let subject = if correction == context.index {
        context.statement.common.id
    } else {
        state.entry(correction)?.statement.common.id
    };
    due::note(state, asked, (&day, REMINDER_DAYS), DueKind::Correction, &subject, correction);
    Ok(())
}

/// What comes out of the run is what stands from now on.
pub(super) fn bring_into_force(
    state: &mut State<'_>,
    context: &Context<'_>,
    correction: Correction,
    rerun: Rerun,
) -> Result<(), Stop> {
    let changed = differing(state, &rerun)?;
    let unseen = new_flaws(state, &rerun)?;
    let treatments = withdraw(state, &changed)?;
    for (id, now) in &changed {
        let record = in_force(state, context, id, now.clone())?;
        if let Record::Treatment(treatment) = &record {
            treatment.mention_donations(state);
        }
        state.put(record);
    }
    pool::cover_certified(state, &treatments)?;
    put_papers(state, context, correction.target, &rerun)?;
    let treatments = merged(treatments, finding::reopen(state, &unseen)?);
    let (bookings, intakes) = (book(state, &rerun)?, rerun.received.book(state, &rerun.met)?);
    let recounts = recount(state, correction.target, &rerun)?;
    let mut touched = absorb(state, &correction, &rerun)?;
    touched.extend(changed.keys().filter_map(Touched::of));
    touched.sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
    touched.dedup();
    let (entry, held) = (correction.entry, correction.held.clone());
    state.put(Record::Correction(Correction {
        status: CorrectionStatus::InEffect,
        effect: Some(context.index),
        blocked_by: None,
        held: Vec::new(),
        changed: touched,
        bookings,
        intakes,
        recounts,
        over: rerun.met.into_iter().collect(),
        ..correction
    }));
    let_go(state, context, entry, &held)?;
    settle_all(state, context, &treatments)?;
    certificate::judge(state, context, &treatments)
}

/// What a decided correction held is free: on the records that it marked, and by a cure wherever the mark has gone with grams.
pub(super) fn let_go(
    state: &mut State<'_>,
    context: &Context<'_>,
    entry: EntryIndex,
    held: &[Touched],
) -> Result<(), Stop> {
    for touched in held {
        if let Some(record) = state.find(&touched.id())?.cloned() {
            state.put(unflawed(record, entry));
        }
    }
    if held.is_empty() { Ok(()) } else { finding::cure(state, context, entry, &[FlawCode::Correction]) }
}

/// The right statement's numbers are used and the first one's are not; what was reviewed or cleared of the first statement
/// says nothing of the right one.
fn put_papers(state: &mut State<'_>, context: &Context<'_>, target: EntryIndex, rerun: &Rerun) -> Result<(), Stop> {
    for id in &rerun.numbers {
        if let Some(Record::Number(taken)) = state.find(id)?.cloned() {
            state.put(Record::Number(NumberTaken { freed: Some(context.index), ..taken }));
        }
    }
    if let Some(cure) = state.cure(&Cure::id_of(target))?.cloned() {
        state.put(Record::Cure(Cure { poster: None, facility: None, cured: Vec::new(), ..cure }));
    }
    for paper in &rerun.papers {
        state.put(paper.clone());
    }
    Ok(())
}

/// Flaws that come up with the run, where the rule set asks: whoever cleared those entries before has not seen them.
fn new_flaws(state: &State<'_>, rerun: &Rerun) -> Result<BTreeSet<(EntryIndex, FlawCode)>, Stop> {
    if !rules_in_force(state)?.cures_by_strangers_alone() {
        return Ok(BTreeSet::new());
    }
    let by_entry = |record: &Record| flaws_of(record).into_iter().map(|flaw| (flaw.entry, flaw.code)).collect();
    let (mut known, mut brought, mut unseen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (id, record) in &rerun.world {
        let now: BTreeSet<_> = by_entry(record);
        match state.find(id)? {
            // What an entry brought to one thing was not seen of another.
            Some(first) => {
                let first: BTreeSet<_> = by_entry(first);
                unseen.extend(now.difference(&first).copied());
                known.extend(first);
            }
            None => brought.extend(now),
        }
    }
    unseen.extend(brought.difference(&known).copied());
    Ok(unseen)
}

/// Both, each once, in their order.
fn merged(mut treatments: Vec<EntryIndex>, more: Vec<EntryIndex>) -> Vec<EntryIndex> {
    treatments.extend(more);
    treatments.sort_unstable();
    treatments.dedup();
    treatments
}

/// What really comes out otherwise than it stands.
fn differing(state: &State<'_>, rerun: &Rerun) -> Result<BTreeMap<RecordId, Record>, Stop> {
    let mut changed = BTreeMap::new();
    for (id, now) in &rerun.world {
        if state.find(id)?.is_none_or(|first| substance(first) != substance(now)) {
            changed.insert(id.clone(), now.clone());
        }
    }
    Ok(changed)
}

/// A record as it stands with the correction: what pools made of it is kept where its grams are the same, and the
/// correction stands behind its grams too.
fn in_force(state: &State<'_>, context: &Context<'_>, id: &RecordId, now: Record) -> Result<Record, Stop> {
    let first = state.find(id)?;
    Ok(match (now, first) {
        (Record::Item(item), _) => Record::Item(Item { evidence: item.evidence.and(context), ..item }),
        (Record::Batch(batch), first) => {
            let eligible_g = match first {
                Some(Record::Batch(first)) => first.eligible_g,
                _ => Grams::ZERO,
            };
            Record::Batch(Batch { eligible_g, evidence: batch.evidence.and(context), ..batch })
        }
        (Record::Treatment(treatment), Some(Record::Treatment(first))) if pool::same_lines(first, &treatment) => {
            let (lines, evidence) = (first.lines.clone(), treatment.evidence.and(context));
            Record::Treatment(Treatment { evidence, lines, ..treatment })
        }
        // Places in pools of an earlier time are none: substance knows of none.
        (Record::Treatment(treatment), _) => {
            let evidence = treatment.evidence.clone().and(context);
            substance(&Record::Treatment(Treatment { evidence, ..treatment }))
        }
        (other, _) => other,
    })
}

/// Takes grams that change out of their pools; gives the treatments that must be looked at again. Grams on which units rest stay
/// with them, good or not.
fn withdraw(state: &mut State<'_>, changed: &BTreeMap<RecordId, Record>) -> Result<Vec<EntryIndex>, Stop> {
    let (mut treatments, mut batches): (BTreeSet<EntryIndex>, BTreeSet<BatchId>) = Default::default();
    let (mut own, rules) = (BTreeSet::new(), rules_in_force(state)?);
    for (id, now) in changed {
        let first = state.find(id)?.cloned();
        if let Record::Treatment(treatment) = now {
            // Whatever changed of it may be what it waited for.
            treatments.insert(treatment.entry);
        }
        if first.as_ref().is_some_and(|first| !touches_grams(rules, first, now)) {
            continue;
        }
        match now {
            Record::Treatment(treatment) => _ = own.insert(treatment.entry),
            Record::Batch(batch) => {
                batches.insert(batch.id);
                treatments.extend(&batch.treatments);
                if let Some(Record::Batch(first)) = &first {
                    treatments.extend(&first.treatments);
                }
            }
            _ => {}
        }
    }
    treatments.extend(&own);
    let treatments: Vec<EntryIndex> = treatments.into_iter().collect();
    state.require_loaded(treatments.iter().map(|entry| Treatment::id_of(*entry)))?;
    for entry in &treatments {
        let is_concerned =
            |line: &Line| own.contains(entry) || line.source.batch().is_some_and(|batch| batches.contains(&batch));
        pool::withdraw(state, *entry, is_concerned)?;
    }
    Ok(treatments)
}

/// Books by how much the accounts move, less what earlier corrections booked of it.
fn book(state: &mut State<'_>, rerun: &Rerun) -> Result<Vec<Booking>, Stop> {
    let moved = net(state, rerun)?;
    let mut bookings = Vec::new();
    for (account, grams) in moved.into_iter().filter(|(_, grams)| *grams != 0) {
        bookings.push(Booking { account: account.account.clone(), site: account.site, grams: SignedGrams(grams) });
        state.book(account, grams);
    }
    Ok(bookings)
}

/// The same for what adds up at sites, and the tickets of the statement.
fn recount(state: &mut State<'_>, target: EntryIndex, rerun: &Rerun) -> Result<Option<Vec<Recount>>, Stop> {
    for (id, said) in &rerun.tickets {
        signal::said_again(state, target, (id, said.as_ref()))?;
    }
    let mut counted: BTreeMap<String, (Tally, i64)> =
        rerun.tallies.iter().map(|(id, counted)| (id.id.clone(), counted.clone())).collect();
    for entry in &rerun.met {
        let met = state.correction(&Correction::id_of(*entry))?;
        for recount in met.into_iter().flat_map(|met| met.recounts.iter().flatten()) {
            counted.entry(recount.tally.id()).or_insert((recount.tally.clone(), 0)).1 -= recount.grams.0;
        }
    }
    let mut recounts = Vec::new();
    for (tally, grams) in counted.into_values().filter(|(_, grams)| *grams != 0) {
        signal::recount(state, &tally, grams)?;
        recounts.push(Recount { tally, grams: SignedGrams(grams) });
    }
    Ok(Some(recounts).filter(|recounts| !recounts.is_empty()))
}

/// Earlier corrections whose effects were made anew belong to this one now; gives what they had changed.
fn absorb(state: &mut State<'_>, correction: &Correction, rerun: &Rerun) -> Result<Vec<Touched>, Stop> {
    let mut touched = Vec::new();
    for entry in &rerun.met {
        let Some(met) = state.correction(&Correction::id_of(*entry))?.cloned() else { continue };
        touched.extend(met.changed.iter().cloned());
        let is_replaced = met.target == correction.target && met.status == CorrectionStatus::InEffect;
        let status = if is_replaced { CorrectionStatus::Superseded } else { met.status };
        state.put(Record::Correction(Correction { status, absorbed: Some(correction.entry), ..met }));
    }
    Ok(touched)
}
