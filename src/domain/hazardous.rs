//! What becomes of a batch's hazardous grams: whether a site that may treat them has accepted them (rules.md §6).
//!
//! A lot that leaves a batch with an asterisk owes its grams, as they were weighed then, to that batch. What is owed goes
//! with the lot into others and parts of it, whatever scales show later, until a site that is permitted for its final
//! operation accepts it. The sums stand on the batch, so that asking costs no search. They are kept under every rule set,
//! and only `e-resource/1` asks for them.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::batch::Batch;
use crate::domain::codes::ItemStatus;
use crate::domain::codes::WasteCode;
use crate::domain::composition::{Composition, SourceId};
use crate::domain::eligibility::e_resource_1;
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, EntryIndex, ItemId, SiteId};
use crate::domain::item::Item;
use crate::domain::mass::{Grams, SignedGrams, WeightBasis, apportion};
use crate::domain::permit::permit_covers;
use crate::domain::registry::Site;
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{Record, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::domain::treatment::{Treatment, settle_all};
use std::collections::{BTreeMap, BTreeSet};

record! {
    /// The hazardous grams that left a batch, by what has become of them. What is in none of the sums below the first lies
    /// weighed in somebody's store.
    pub struct Hazardous {
        /// All of them, as they were weighed when they left it.
        total_g: Grams,
        /// Those that a site permitted for their final operation has accepted.
        accepted_g: Grams,
        /// Those that ended before any such site had them: lost, sold, or treated where no permit covered it.
        gone_g: SignedGrams,
        /// Those that lie in lots without a weight from a verified scale.
        unweighed_g: SignedGrams,
        /// The day on which the first of them left the batch: from then on their age counts.
        since: Option<Date>,
        /// What stands behind the acceptances, until they sufficed.
        evidence: Option<Evidence>,
    }
}

impl Hazardous {
    /// None yet.
    pub fn none() -> Self {
        Self {
            total_g: Grams::ZERO,
            accepted_g: Grams::ZERO,
            gone_g: SignedGrams(0),
            unweighed_g: SignedGrams(0),
            since: None,
            evidence: None,
        }
    }

    /// Whether so many parts per million of them are accepted.
    pub fn is_accepted(&self, ppm: i64) -> bool {
        let (accepted, total) = (i128::from(self.accepted_g.get()), i128::from(self.total_g.get()));
        accepted * 1_000_000 >= total * i128::from(ppm)
    }
}

impl Item {
    /// What it owes to batches: a part of so many of its grams, and the rest.
    pub(crate) fn owed_of(&self, part: Grams) -> (Composition, Composition) {
        let share = apportion(&[part, self.grams.minus(part).unwrap_or(Grams::ZERO)], self.owed.total());
        self.owed.take(share.first().copied().unwrap_or(Grams::ZERO))
    }
}

/// A lot that leaves a batch as hazardous waste owes its grams to it; also where somebody states another code than the table's.
pub(crate) fn leave(context: &Context<'_>, batch: Batch, lot: Item, by_table: Option<&WasteCode>) -> (Batch, Item) {
    if !lot.waste_code.as_ref().into_iter().chain(by_table).any(WasteCode::is_hazardous) {
        return (batch, lot);
    }
    let known = batch.hazardous;
    let total_g = known.total_g.plus(lot.grams).unwrap_or(known.total_g);
    let since = known.since.into_iter().chain(context.day()).min();
    let hazardous = Hazardous { total_g, since, ..known };
    let owed = Composition::of(SourceId::of_batch(&batch.id), lot.grams);
    (Batch { hazardous, ..batch }, Item { owed, ..lot })
}

/// Whether a site may end what an item is on that day: by one operation, or by any that the scheme admits.
fn may_end(rules: &RuleSet, site: &Site, item: &Item, day: &Date, operation: Option<&str>) -> bool {
    let Some(code) = &item.waste_code else { return false };
    let is_admitted = |known: &str| match &rules.scheme.conditions {
        Some(conditions) => conditions.recovery.iter().chain(&conditions.residual.operations).any(|one| one == known),
        None => true,
    };
    let finals = rules.operations.iter().filter(|known| known.r#final).map(|known| known.code.as_str());
    let mut fitting = finals.filter(|known| operation.is_none_or(|one| one == *known) && is_admitted(known));
    fitting.any(|known| site.permits.iter().any(|permit| permit_covers(permit, day, code, Some(known))))
}

/// Asks at once for the batches to which some items owe grams, before they are accepted one by one.
pub(crate) fn require_owed_loaded(state: &State<'_>, items: &[ItemId]) -> Result<(), Stop> {
    state.require_loaded(items.iter().map(ToString::to_string))?;
    let mut batches = BTreeSet::new();
    for id in items {
        let owed = state.item(id)?.into_iter().flat_map(|item| item.owed.batches());
        batches.extend(owed.map(|batch| batch.to_string()));
    }
    state.require_loaded(batches)
}

/// A site has accepted an item, or treats it: if it may end it on that day, nothing of it is owed any more.
pub(crate) fn accept(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    site: Option<SiteId>,
    operation: Option<&str>,
) -> Result<Item, Stop> {
    let (Some(site), Some(day), false) = (site, context.day(), item.owed.is_empty()) else { return Ok(item) };
    let rules = rules_in_force(state)?;
    if !state.site(&site)?.is_some_and(|site| may_end(rules, site, &item, &day, operation)) {
        return Ok(item);
    }
    state.require_loaded(item.owed.batches().map(|batch| batch.to_string()))?;
    // What weighs less than it owes by more than scales differ has lost the rest on the way.
    let owed_g = item.owed.total();
    let is_short = item.grams.get() + rules.bands.handover_g(owed_g, Grams::ZERO) < owed_g.get();
    let (owed, lost) = if is_short { item.owed.take(item.grams) } else { (item.owed.clone(), Composition::default()) };
    for share in lost.shares() {
        let Some(batch) = share.source.batch().map(|id| state.batch(&id)).transpose()?.flatten().cloned() else {
            continue;
        };
        let gone_g = SignedGrams(batch.hazardous.gone_g.0 + share.grams.get());
        let hazardous = Hazardous { gone_g, ..batch.hazardous };
        state.put(Record::Batch(Batch { hazardous, ..batch }));
    }
    let behind = item.evidence.clone().and(context);
    for share in owed.shares() {
        let Some(id) = share.source.batch() else { continue };
        let Some(batch) = state.batch(&id)?.cloned() else { continue };
        // What comes when enough is accepted adds nothing, so neither do its doubts.
        let suffices = rules.scheme.conditions.as_ref().is_some_and(|conditions| {
            batch.closed.is_some() && batch.hazardous.is_accepted(conditions.hazardous.accepted_ppm)
        });
        let known = batch.hazardous;
        let evidence = match known.evidence {
            Some(evidence) if suffices => Some(evidence),
            Some(evidence) => Some(evidence.join(&behind)),
            None if suffices => None,
            None => Some(behind.clone()),
        };
        let accepted_g = known.accepted_g.plus(share.grams).unwrap_or(known.accepted_g);
        state.put(Record::Batch(Batch { hazardous: Hazardous { accepted_g, evidence, ..known }, ..batch }));
    }
    Ok(Item { owed: Composition::default(), ..item })
}

/// What lots that come out of an interim treatment owe: what went in owed, shared among what is still hazardous, or among
/// all if nothing is.
pub(crate) fn shared(owed: &Composition, outputs: &[(Grams, bool)]) -> Vec<Composition> {
    let any = outputs.iter().any(|(grams, hazardous)| *hazardous && *grams > Grams::ZERO);
    let weight = |(grams, hazardous): &(Grams, bool)| if *hazardous || !any { *grams } else { Grams::ZERO };
    let weights: Vec<Grams> = outputs.iter().map(weight).collect();
    let mut left = owed.clone();
    let mut shares = Vec::with_capacity(outputs.len());
    for part in apportion(&weights, owed.total()) {
        let (taken, rest) = left.take(part);
        left = rest;
        shares.push(taken);
    }
    shares
}

/// What an item's owed grams count as, beside lying weighed in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Gone,
    Unweighed,
}

fn doubt_of(item: &Item) -> Option<Doubt> {
    match (item.status, item.basis) {
        (ItemStatus::Ended, _) => Some(Doubt::Gone),
        (_, WeightBasis::Weighed) => None,
        _ => Some(Doubt::Unweighed),
    }
}

/// Follows what every item owes, after a rule has had its say: no rule can forget it. Then looks again at what waited for
/// a batch that lacks less now.
///
/// A correction brings items and batches into force as its own run has left them, where this was followed entry by entry.
pub(crate) fn follow(state: &mut State<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let is_correction = matches!(
        context.statement.event,
        Event::Corrected(_) | Event::CorrectionConfirmed(_) | Event::CorrectionDisputed(_)
    );
    if !is_correction {
        let moved = moved(state)?;
        state.require_loaded(moved.keys().map(ToString::to_string))?;
        for (id, (gone, unweighed)) in moved {
            let Some(batch) = state.batch(&id)?.cloned() else { continue };
            let known = batch.hazardous;
            let (gone_g, unweighed_g) =
                (SignedGrams(known.gone_g.0 + gone), SignedGrams(known.unweighed_g.0 + unweighed));
            state.put(Record::Batch(Batch { hazardous: Hazardous { gone_g, unweighed_g, ..known }, ..batch }));
        }
    }
    if context.again.is_some() {
        return Ok(());
    }
    let waiting = set_free(state, context)?;
    if waiting.is_empty() { Ok(()) } else { settle_all(state, context, &waiting) }
}

/// By how many grams the sums of batches move, by what the changed items owed before and owe now.
fn moved(state: &State<'_>) -> Result<BTreeMap<BatchId, (i64, i64)>, Stop> {
    let mut moved: BTreeMap<BatchId, (i64, i64)> = BTreeMap::new();
    for (id, record) in state.records().iter().filter(|(id, _)| id.kind == RecordKind::Item) {
        let Record::Item(now) = record else { continue };
        let before = match state.before(id)? {
            Some(Record::Item(before)) => Some(before),
            _ => None,
        };
        for (item, sign) in before.into_iter().map(|before| (before, -1)).chain([(now, 1)]) {
            let Some(doubt) = doubt_of(item) else { continue };
            for share in item.owed.shares() {
                let Some(batch) = share.source.batch() else { continue };
                let sums = moved.entry(batch).or_default();
                let sum = if doubt == Doubt::Gone { &mut sums.0 } else { &mut sums.1 };
                *sum += sign * share.grams.get();
            }
        }
    }
    moved.retain(|_, sums| *sums != (0, 0));
    Ok(moved)
}

/// Treatments of batches that lack less than they did before this entry. Where the rule set in force says so, only those that wait for
/// something: what is in its pool already is not looked at again, however much of it there is. Under the rule sets before, the entry
/// writes all of them, and a correction of an earlier one comes past it: so older ledgers replay.
fn set_free(state: &State<'_>, context: &Context<'_>) -> Result<Vec<EntryIndex>, Stop> {
    let Some(conditions) = &rules_in_force(state)?.scheme.conditions else { return Ok(Vec::new()) };
    let mut concerned = BTreeSet::new();
    for (id, record) in state.records().iter().filter(|(id, _)| id.kind == RecordKind::Batch) {
        let (Record::Batch(now), Some(Record::Batch(before))) = (record, state.before(id)?) else { continue };
        let lacked = e_resource_1::lacks(conditions, before, context.time);
        let lacks = e_resource_1::lacks(conditions, now, context.time);
        if lacked.difference(&lacks).next().is_some() {
            concerned.extend(&now.treatments);
        }
    }
    if !conditions.hazardous.settles_waiting_alone {
        return Ok(concerned.into_iter().collect());
    }
    state.require_loaded(concerned.iter().map(|treatment| Treatment::id_of(*treatment)))?;
    let mut waiting = Vec::new();
    for entry in concerned {
        if state.treatment(entry)?.is_some_and(Treatment::waits) {
            waiting.push(entry);
        }
    }
    Ok(waiting)
}
