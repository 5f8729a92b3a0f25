//! Batches: inputs go in, weighed fractions come out, and at the end the difference is booked, never typed.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, adjust, flow_out, relocate};
use crate::domain::codes::{Arising, Condition, ItemKind, ItemStatus, Provenance, Role, TableCode};
use crate::domain::event::{BatchClosed, BatchFed, BatchOpened, Dismantled, RemainingStock};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{BatchId, EntryIndex, ItemId, OrganisationId, SiteId};
use crate::domain::item::{Item, Weighed, new_item, own_item, restate_at};
use crate::domain::lot::{code_warning, country_of, require_new, waste_code};
use crate::domain::mass::{Grams, SignedGrams, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{DAY_MS, LedgerTime};
use std::collections::BTreeSet;

codes! {
    /// Where a batch stands.
    pub enum BatchStatus {
        /// It takes inputs and gives fractions.
        Open = "open",
        /// It is done.
        Closed = "closed",
        /// It is done, and less came out than went in, beyond the band: not eligible until an auditor has looked.
        Short = "short",
    }
}

record! {
    /// What its inputs have in common: the flags that decide eligibility.
    pub struct BatchFlags {
        /// What their weights rest on.
        basis: WeightBasis,
        /// Where they became waste, and when the last of them did.
        arising: Arising,
        /// What was declared of them.
        provenance: Provenance,
    }
}

record! {
    /// A stretch of dismantling at one site.
    pub struct Batch {
        /// Its id.
        id: BatchId,
        /// Whose it is.
        organisation: OrganisationId,
        /// Where.
        site: SiteId,
        /// Where it stands.
        status: BatchStatus,
        /// When it began.
        began: LedgerTime,
        /// What its inputs have in common; unknown before the first.
        flags: Option<BatchFlags>,
        /// Classes that were fed in.
        classes: Vec<TableCode>,
        /// What was fed in, less what remained.
        input_g: Grams,
        /// What is left of it: live mass; below zero while the scales disagree.
        left_g: SignedGrams,
        /// The entry that opened it.
        opened: EntryIndex,
        /// The entry that closed it.
        closed: Option<EntryIndex>,
    }
}

/// A stretch of dismantling begins.
pub fn batch_opened(state: &mut State<'_>, context: &Context<'_>, event: &BatchOpened) -> Result<(), Stop> {
    context.require_role(state, &[Role::Recycler])?;
    let Some(site) = context.statement.common.site else {
        return refuse(RefusalCode::Unknown, "/site", "a batch is opened at a site of the centre");
    };
    if state.batch(&event.batch)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/batch", "a batch of this id is known");
    }
    state.put(Record::Batch(Batch {
        id: event.batch,
        organisation: context.statement.common.org,
        site,
        status: BatchStatus::Open,
        began: context.occurred_by_now()?,
        flags: None,
        classes: Vec::new(),
        input_g: Grams::ZERO,
        left_g: SignedGrams(0),
        opened: context.index,
        closed: None,
    }));
    Ok(())
}

/// The author's open batch.
fn open_batch(state: &State<'_>, context: &Context<'_>, id: &BatchId) -> Result<Batch, Stop> {
    let Some(batch) = state.batch(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/batch", "no batch of this id is known");
    };
    if batch.organisation != context.statement.common.org {
        return refuse(RefusalCode::NotTheHolder, "/batch", "this is another organisation's batch");
    }
    if batch.status != BatchStatus::Open {
        return refuse(RefusalCode::BatchClosed, "/batch", format!("this batch is {} already", batch.status));
    }
    Ok(batch)
}

fn require_running(state: &State<'_>, context: &Context<'_>, batch: &Batch) -> Result<(), Stop> {
    let days = rules_in_force(state)?.batch_days_max;
    if context.occurred_by_now()?.ms() - batch.began.ms() > days * DAY_MS {
        let detail = format!("a batch lasts {days} days at most; close this one and open another");
        return refuse(RefusalCode::TimeInvalid, "/occurred_at", detail);
    }
    Ok(())
}

/// Waste goes in: its grams are the batch's now. All inputs of a batch carry the same flags.
pub fn batch_fed(state: &mut State<'_>, context: &Context<'_>, event: &BatchFed) -> Result<(), Stop> {
    let mut batch = open_batch(state, context, &event.batch)?;
    require_running(state, context, &batch)?;
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        batch = feed(batch, &item, &pointer)?;
        relocate(state, item.site, Some(batch.site), item.grams);
        state.put(Record::Item(item.ended().touched(context)?));
    }
    state.put(Record::Batch(batch));
    Ok(())
}

fn feed(batch: Batch, item: &Item, pointer: &str) -> Result<Batch, Stop> {
    let (Some(arising), Some(provenance), None) = (&item.arising, &item.provenance, item.batch) else {
        let detail = "only waste that has arisen and was not dismantled yet goes into a batch";
        return refuse(RefusalCode::WrongCondition, pointer, detail);
    };
    let mut flags = batch.flags.unwrap_or_else(|| BatchFlags {
        basis: item.basis,
        arising: arising.clone(),
        provenance: provenance.clone(),
    });
    if (flags.basis, &flags.arising.country, &flags.provenance) != (item.basis, &arising.country, provenance) {
        let detail = "all inputs of a batch have one weight basis, country of arising and declaration";
        return refuse(RefusalCode::SourcesDiffer, pointer, detail);
    }
    if arising.month > flags.arising.month {
        flags.arising = arising.clone();
    }
    let Some(input_g) = batch.input_g.plus(item.grams) else {
        return refuse(RefusalCode::SumOutOfRange, pointer, "the batch's input would leave the range");
    };
    let mut classes = batch.classes;
    if !classes.contains(&item.class) {
        classes.push(item.class.clone());
    }
    let left_g = SignedGrams(batch.left_g.0 + item.grams.get());
    Ok(Batch { flags: Some(flags), classes, input_g, left_g, ..batch })
}

/// Takes grams out of a batch; below zero by more than the band, more would come out than went in.
fn take_out(state: &State<'_>, batch: Batch, grams: Grams, division: Grams, pointer: &str) -> Result<Batch, Stop> {
    let left = batch.left_g.0 - grams.get();
    let band = rules_in_force(state)?.bands.batch_g(batch.input_g, division);
    if left < -band {
        let detail = format!("{} g more would come out than went in, beyond the band of {band} g", -left);
        return refuse(RefusalCode::OutputsExceedInputs, pointer, detail);
    }
    Ok(Batch { left_g: SignedGrams(left), ..batch })
}

fn division_of(state: &State<'_>, weight: &crate::domain::mass::Weight) -> Result<Grams, Stop> {
    Ok(match &weight.scale {
        Some(scale) => state.scale(scale)?.map_or(Grams::ZERO, |scale| scale.division_g),
        None => Grams::ZERO,
    })
}

/// A fraction leaves the batch as a lot of the centre.
pub fn dismantled(state: &mut State<'_>, context: &Context<'_>, event: &Dismantled) -> Result<Vec<Warning>, Stop> {
    let batch = open_batch(state, context, &event.batch)?;
    require_running(state, context, &batch)?;
    require_new(state, &event.lot, "/lot")?;
    if rules_in_force(state)?.fraction(event.fraction.as_str()).is_none() {
        return refuse(RefusalCode::CodeUnknown, "/fraction", "expected a fraction of the rule set in force");
    }
    let (grams, basis, warning) = restate_at(state, context, &event.weight, "/weight")?;
    let batch = take_out(state, batch, grams, division_of(state, &event.weight)?, "/weight")?;
    let Some(flags) = batch.flags.clone() else {
        return refuse(RefusalCode::OutputsExceedInputs, "/batch", "nothing was fed into this batch yet");
    };
    let country = country_of(state, context, Some(batch.site))?;
    let waste_code = waste_code(state, &event.fraction, country.as_ref())?;
    let weighed = Weighed { grams, basis, warnings: Vec::new() };
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising: Some(flags.arising),
        provenance: Some(flags.provenance),
        batch: Some(batch.id),
        waste_code: waste_code.clone(),
        country,
        site: Some(batch.site),
        ..new_item(context, event.lot, ItemKind::Lot, event.fraction.clone(), &weighed)?
    }));
    state.put(Record::Batch(batch));
    Ok(code_warning(waste_code.as_ref()).into_iter().chain(warning).collect())
}

/// A batch ends: loss, what does not belong to it, what remained; the rest is difference.
pub fn batch_closed(state: &mut State<'_>, context: &Context<'_>, event: &BatchClosed) -> Result<Vec<Warning>, Stop> {
    let mut batch = open_batch(state, context, &event.batch)?;
    let mut warnings = Vec::new();
    for (position, stock) in event.remaining.iter().flatten().enumerate() {
        let (after, found) = keep(state, context, batch, stock, &format!("/remaining/{position}"))?;
        batch = after;
        warnings.extend(found);
    }
    for (grams, account, pointer) in
        [(event.loss_g, Account::Loss, "/loss_g"), (event.out_of_scope_g, Account::OutOfScope, "/out_of_scope_g")]
    {
        batch = take_out(state, batch, grams, Grams::ZERO, pointer)?;
        flow_out(state, Some(batch.site), account, grams);
    }
    let band = rules_in_force(state)?.bands.batch_g(batch.input_g, Grams::ZERO);
    let rest = batch.left_g.0;
    adjust(state, Some(batch.site), Account::Difference, -rest);
    let status = if rest > band { BatchStatus::Short } else { BatchStatus::Closed };
    if status == BatchStatus::Short {
        warnings.extend(Warning::new(WarningCode::BatchShort, "/batch"));
    }
    state.put(Record::Batch(Batch { status, left_g: SignedGrams(0), closed: Some(context.index), ..batch }));
    Ok(warnings)
}

/// What was not dismantled is a lot again, as it was before; the batch's input is smaller by as much.
fn keep(
    state: &mut State<'_>,
    context: &Context<'_>,
    batch: Batch,
    stock: &RemainingStock,
    pointer: &str,
) -> Result<(Batch, Vec<Warning>), Stop> {
    require_new(state, &stock.lot, &format!("{pointer}/lot"))?;
    let flags = match &batch.flags {
        Some(flags) if batch.classes.contains(&stock.class) => flags.clone(),
        _ => return refuse(RefusalCode::CodeUnknown, format!("{pointer}/class"), "nothing of this class was fed in"),
    };
    let (grams, basis, warning) = restate_at(state, context, &stock.weight, &format!("{pointer}/weight"))?;
    let batch = take_out(state, batch, grams, division_of(state, &stock.weight)?, &format!("{pointer}/weight"))?;
    let Some(input_g) = batch.input_g.minus(grams) else {
        let detail = "more remained than was fed in";
        return refuse(RefusalCode::OutputsExceedInputs, format!("{pointer}/weight"), detail);
    };
    let country = country_of(state, context, Some(batch.site))?;
    let waste_code = waste_code(state, &stock.class, country.as_ref())?;
    let weighed = Weighed { grams, basis, warnings: Vec::new() };
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising: Some(flags.arising),
        provenance: Some(flags.provenance),
        waste_code,
        country,
        site: Some(batch.site),
        ..new_item(context, stock.lot, ItemKind::Lot, stock.class.clone(), &weighed)?
    }));
    Ok((Batch { input_g, ..batch }, warning.into_iter().collect()))
}
