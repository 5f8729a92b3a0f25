//! Which grams back a certificate and which do not yet, and why: of treatments, batches and lots, treated or not.

use crate::domain::apply::rules_in_force;
use crate::domain::batch::Batch;
use crate::domain::codes::ItemStatus;
use crate::domain::eligibility::{self, Figure, Gap, figures, standing};
use crate::domain::ids::{BatchId, EntryIndex, ItemId};
use crate::domain::item::Item;
use crate::domain::mass::Grams;
use crate::domain::pool;
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{State, Stop};
use crate::domain::time::LedgerTime;
use crate::domain::treatment::{Line, Treatment};
use crate::ledger::Ledger;
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::lookup::Reader;
use std::collections::BTreeSet;

/// How one line of a treatment stands: grams of one source.
#[derive(Debug, Clone)]
pub struct TreatmentStanding {
    /// The treatment.
    pub treatment: Treatment,
    /// The line.
    pub line: Line,
    /// Grams that back a certificate by the rules in force, or may.
    pub eligible: Grams,
    /// What the others lack.
    pub gaps: BTreeSet<Gap>,
}

/// What eligibility is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// One treatment, by its entry.
    Treatment(EntryIndex),
    /// A batch, and all treatments of what left it.
    Batch(BatchId),
    /// An item: the treatment that ended it, or the batch into which it went.
    Item(ItemId),
}

/// Treated grams of one source, as they are told to whoever asks.
#[derive(Debug, Clone)]
pub struct Treated {
    /// How they stand by the rules in force.
    pub standing: TreatmentStanding,
    /// Grams of them on which units rest. They are judged by the rules of their issue, so they may be more than are eligible.
    pub certified_g: i64,
    /// Where a rule counts: what it found. For whoever has the batch, and for auditors.
    pub figures: Vec<Figure>,
}

/// Where grams are that no final treatment has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a batch, or in what left it.
    Batch(BatchId),
    /// In an item.
    Item(ItemId, ItemStatus),
    /// In the lot that an item has joined.
    Joined(ItemId, ItemId),
    /// Nowhere: a correction says that the item never was.
    Voided(ItemId),
}

/// Grams that no final treatment has ended.
#[derive(Debug, Clone)]
pub struct Untreated {
    /// Where they are.
    pub place: Place,
    /// How many.
    pub grams: i64,
    /// What they lack already.
    pub gaps: BTreeSet<Gap>,
    /// Where a rule counts: what it found. For whoever has the batch, and for auditors.
    pub figures: Vec<Figure>,
}

/// What backs a certificate and what does not.
#[derive(Debug, Clone, Default)]
pub struct Eligibility {
    /// What was treated, in the order of the ledger.
    pub treated: Vec<Treated>,
    /// What was not.
    pub untreated: Vec<Untreated>,
}

impl Ledger {
    /// How grams stand under the scheme; `None` if there is nothing of that id, or it is others' business.
    pub fn eligibility(&self, reader: Reader, asked: Asked) -> Result<Option<Eligibility>, Unanswered> {
        let now = self.now()?;
        self.store.snapshot(|database| ask(database, |state| told(state, reader, asked, now)))
    }
}

fn told(state: &State<'_>, reader: Reader, asked: Asked, now: LedgerTime) -> Result<Option<Eligibility>, Stop> {
    let Some(entries) = treatments_of(state, reader, asked)? else { return Ok(None) };
    let Some(lines) = lines_of(state, &entries, now)? else { return Ok(None) };
    let treated = treated(state, reader, lines)?;
    let asked_item = match asked {
        Asked::Item(id) => state.item(&id)?.filter(|item| item.treated.is_none()).cloned(),
        Asked::Batch(_) | Asked::Treatment(_) => None,
    };
    let batch = match (asked, &asked_item) {
        (Asked::Batch(id), _) => Some(id),
        (_, Some(item)) => item.fed,
        _ => None,
    };
    let rest = match (batch, &asked_item) {
        (Some(id), _) => rest_of_batch(state, reader, id, (&treated, now))?,
        (None, Some(item)) => Some(rest_of_item(state, reader, item, now)?),
        (None, None) => None,
    };
    Ok(Some(Eligibility { treated, untreated: rest.into_iter().collect() }))
}

fn treated(state: &State<'_>, reader: Reader, lines: Vec<TreatmentStanding>) -> Result<Vec<Treated>, Stop> {
    let rules = rules_in_force(state)?;
    let entries: BTreeSet<EntryIndex> = lines.iter().map(|standing| standing.treatment.entry).collect();
    state.require_loaded(entries.iter().map(|entry| pool::Certified::id_of(*entry)))?;
    let (mut treated, mut wanted) = (Vec::with_capacity(lines.len()), Vec::new());
    for standing in lines {
        let figures = match standing.line.batch_in(state)? {
            Some(batch) => figures_of(rules, reader, batch, (Some(standing.treatment.entry), &standing.gaps)),
            None => Vec::new(),
        };
        match pool::certified_of(state, standing.treatment.entry, &standing.line) {
            Ok(certified_g) => treated.push(Treated { standing, certified_g, figures }),
            // All of them are loaded at once.
            Err(Stop::Load(more)) => wanted.extend(more),
            Err(refused) => return Err(refused),
        }
    }
    if wanted.is_empty() { Ok(treated) } else { Err(Stop::Load(wanted)) }
}

/// Figures are the business of whoever has the batch; others hear of its gaps alone.
fn figures_of(
    rules: &RuleSet,
    reader: Reader,
    batch: &Batch,
    (treatment, gaps): (Option<EntryIndex>, &BTreeSet<Gap>),
) -> Vec<Figure> {
    let conditions = rules.scheme.conditions.as_ref().filter(|_| reader.may_read(batch.organisation));
    conditions.map(|conditions| figures(conditions, batch, treatment, gaps)).unwrap_or_default()
}

/// What of a batch is not treated: what is still in it, and in what left it.
fn rest_of_batch(
    state: &State<'_>,
    reader: Reader,
    id: BatchId,
    (treated, now): (&[Treated], LedgerTime),
) -> Result<Option<Untreated>, Stop> {
    eligibility::require_untreated(state, &[], &[id])?;
    let Some(batch) = state.batch(&id)?.cloned() else { return Ok(None) };
    let own = treated.iter().filter(|treated| treated.standing.line.source.batch() == Some(id));
    let treated_g: i64 = own.map(|treated| treated.standing.line.grams().get()).sum();
    let grams = batch.left_g.0.max(0) + (batch.out_g.get() - treated_g).max(0);
    if grams == 0 {
        return Ok(None);
    }
    let rules = rules_in_force(state)?;
    let gaps = eligibility::of_batch(state, rules, &batch, now)?;
    let figures = figures_of(rules, reader, &batch, (None, &gaps));
    Ok(Some(Untreated { place: Place::Batch(id), grams, gaps, figures }))
}

/// What of an item is not treated: all of it. What has ended otherwise lacks nothing that anybody could do something about.
fn rest_of_item(state: &State<'_>, reader: Reader, item: &Item, now: LedgerTime) -> Result<Untreated, Stop> {
    let id = item.id;
    let gone = |place| Ok(Untreated { place, grams: 0, gaps: BTreeSet::new(), figures: Vec::new() });
    match (item.voided, item.joined, item.status) {
        (Some(_), ..) => return gone(Place::Voided(id)),
        (_, Some(lot), _) => return gone(Place::Joined(id, lot)),
        (.., status @ ItemStatus::Ended) => return gone(Place::Item(id, status)),
        _ => {}
    }
    eligibility::require_untreated(state, std::slice::from_ref(item), &[])?;
    let rules = rules_in_force(state)?;
    let gaps = eligibility::of_item(state, rules, item, now)?;
    let mut figures = Vec::new();
    for batch in item.sources.batches() {
        let batch = state.batch(&batch)?;
        figures.extend(batch.map(|batch| figures_of(rules, reader, batch, (None, &gaps))).unwrap_or_default());
    }
    Ok(Untreated { place: Place::Item(id, item.status), grams: item.grams.get(), gaps, figures })
}

/// How every line of some treatments stands at a time; `None` if one of them is not known.
pub(crate) fn lines_of(
    state: &State<'_>,
    entries: &[EntryIndex],
    now: LedgerTime,
) -> Result<Option<Vec<TreatmentStanding>>, Stop> {
    eligibility::require_loaded(state, entries)?;
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(treatment) = state.treatment(*entry)?.cloned() else { return Ok(None) };
        for line in treatment.lines.clone() {
            found.push(line_standing(state, &treatment, line, now)?);
        }
    }
    Ok(Some(found))
}

fn line_standing(
    state: &State<'_>,
    treatment: &Treatment,
    line: Line,
    now: LedgerTime,
) -> Result<TreatmentStanding, Stop> {
    let mut gaps = standing(state, rules_in_force(state)?, (treatment, &line), now)?.gaps;
    let entered = line.covered;
    // What meets every rule and entered no pool waits for nothing but to be looked at again; unless its batch has no grams left
    // to back it.
    if gaps.is_empty() && entered < line.grams() {
        let is_beyond = !line.waits() || is_exhausted(state, &line)?;
        gaps.insert(if is_beyond { Gap::BeyondBatchInput } else { Gap::NotLookedAt });
    }
    let lost = gaps.iter().any(|gap| !matches!(gap, Gap::BeyondBatchInput | Gap::NotLookedAt));
    let eligible = if lost { Grams::ZERO } else { entered };
    Ok(TreatmentStanding { treatment: treatment.clone(), line, eligible, gaps })
}

/// Whether the batch of a line backs nothing more.
fn is_exhausted(state: &State<'_>, line: &Line) -> Result<bool, Stop> {
    let batch = line.source.batch().map(|batch| state.batch(&batch)).transpose()?.flatten();
    Ok(batch.is_some_and(|batch| batch.eligible_g >= batch.input_g))
}

/// The treatments that are asked about, if they are the reader's business: the centre's whose batch it is, the treater's,
/// or the item's holder's.
pub(crate) fn treatments_of(state: &State<'_>, reader: Reader, asked: Asked) -> Result<Option<Vec<EntryIndex>>, Stop> {
    Ok(match asked {
        Asked::Batch(id) => {
            state.batch(&id)?.filter(|batch| reader.may_read(batch.organisation)).map(|batch| batch.treatments.clone())
        }
        Asked::Item(id) => match state.item(&id)? {
            Some(item) if reader.may_read(item.holder) => match (item.treated, item.fed) {
                (Some(entry), _) => Some(vec![entry]),
                (None, Some(batch)) => state.batch(&batch)?.map(|batch| batch.treatments.clone()),
                (None, None) => Some(Vec::new()),
            },
            _ => None,
        },
        Asked::Treatment(entry) => {
            let Some(treatment) = state.treatment(entry)? else { return Ok(None) };
            let mut is_party = reader.may_read(treatment.organisation);
            for batch in treatment.batches() {
                is_party |= state.batch(&batch)?.is_some_and(|batch| reader.may_read(batch.organisation));
            }
            is_party.then(|| vec![entry])
        }
    })
}
