//! Batches: inputs go in, weighed fractions come out, and at the end the difference is booked, never typed.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{arrive, country_of};
use crate::domain::balance::{Account, adjust, flow_out};
use crate::domain::codes::{Arising, Condition, CountedElsewhere, ItemKind, ItemStatus, Provenance, Role, TableCode};
use crate::domain::composition::too_many_sources;
use crate::domain::composition::{Composition, SourceId, WasteSource, given_of};
use crate::domain::dismantling::{self, CountedInto, DISMANTLING};
use crate::domain::event::{BatchClosed, BatchFed, BatchOpened, Dismantled, RemainingStock};
use crate::domain::evidence::Evidence;
use crate::domain::fed::{self, FedClass};
use crate::domain::fields::{codes, record};
use crate::domain::hazardous::{self, Hazardous};
use crate::domain::ids::{BatchId, EntryIndex, ItemId, KeyId, OrganisationId, SiteId};
use crate::domain::intake::source_of;
use crate::domain::item::{Item, Weighed, new_item, own_item, require_order_after, restate_at};
use crate::domain::lot::require_new;
use crate::domain::mass::{Grams, SignedGrams, WeightBasis};
use crate::domain::permit::permit_warning;
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::signal::{self, Gave, TallyKind};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::storage::storage_warning;
use crate::domain::time::{DAY_MS, LedgerTime, OccurredAt};
use crate::domain::treatment::settle_all;
use crate::domain::waste_code::{code_warning, overridden, waste_code};
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
        /// It never was: a correction says so.
        Void = "void",
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
        /// What the centre itself declared of them, when it closed the batch.
        centre: Option<CountedElsewhere>,
    }
}

record! {
    /// What operations for residues had ended of a batch with one more treatment.
    pub struct Residual {
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// The sum.
        to: Grams,
    }
}

record! {
    /// That an auditor found an explanation.
    pub struct Explained {
        /// The finding.
        entry: EntryIndex,
        /// When it was said, as written.
        occurred_at: OccurredAt,
        /// The key that signed it.
        signer: KeyId,
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
        /// Classes that were fed in, with what of each was, less what remained of it.
        fed: Vec<FedClass>,
        /// Of its input, what was counted into which year of its site, where the rule set counts operations.
        counted: Option<Vec<CountedInto>>,
        /// The coarsest scale on which something of it was weighed: its division.
        division_g: Grams,
        /// What was fed in, less what remained.
        input_g: Grams,
        /// Of its treated grams, those that ever entered a pool: never more than its input.
        eligible_g: Grams,
        /// What came out of it as fractions, as weighed then.
        out_g: Grams,
        /// What is left of it: live mass; below zero while the scales disagree.
        left_g: SignedGrams,
        /// What left it by fraction, where the rule set looks at it.
        gave: Option<Vec<Gave>>,
        /// Fractions of which some came out under a rule set that did not look at it, each once.
        uncounted: Option<Vec<TableCode>>,
        /// The donations behind what was fed in; empty if nothing of it was donated.
        given: Composition,
        /// Fractions of the rule set that came out of it, each once.
        outputs: Vec<TableCode>,
        /// What became of its hazardous grams.
        hazardous: Hazardous,
        /// What operations for residues ended of it, treatment by treatment.
        residual: Vec<Residual>,
        /// An auditor explained its shortfall.
        explained: Option<Explained>,
        /// The entry that opened it.
        opened: EntryIndex,
        /// The entry that closed it.
        closed: Option<EntryIndex>,
        /// Entries of the treatments of what left it, in order.
        treatments: Vec<EntryIndex>,
        /// When the last thing happened to it.
        last_occurred: LedgerTime,
        /// What stands behind it and all that was fed in.
        evidence: Evidence,
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
        organisation: context.party(),
        site,
        status: BatchStatus::Open,
        began: context.occurred_by_now()?,
        flags: None,
        fed: Vec::new(),
        counted: None,
        division_g: Grams::ZERO,
        last_occurred: context.occurred_by_now()?,
        input_g: Grams::ZERO,
        eligible_g: Grams::ZERO,
        out_g: Grams::ZERO,
        left_g: SignedGrams(0),
        gave: None,
        uncounted: None,
        given: Composition::default(),
        outputs: Vec::new(),
        hazardous: Hazardous::none(),
        residual: Vec::new(),
        explained: None,
        opened: context.index,
        closed: None,
        treatments: Vec::new(),
        evidence: Evidence::of(context),
    }));
    Ok(())
}

/// The author's open batch.
fn open_batch(state: &State<'_>, context: &Context<'_>, id: &BatchId) -> Result<Batch, Stop> {
    let Some(batch) = state.batch(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/batch", "no batch of this id is known");
    };
    if batch.organisation != context.party() {
        return refuse(RefusalCode::NotTheHolder, "/batch", "this is another organisation's batch");
    }
    if batch.status != BatchStatus::Open {
        return refuse(RefusalCode::BatchClosed, "/batch", format!("this batch is {} already", batch.status));
    }
    require_order_after(state, context, batch.last_occurred, "batch")?;
    Ok(batch)
}

impl Batch {
    /// What stands behind what went into it, and behind the acceptances of its hazardous grams.
    pub fn behind(&self) -> impl Iterator<Item = &Evidence> {
        [&self.evidence].into_iter().chain(&self.hazardous.evidence)
    }

    /// The same batch after an entry about it.
    fn touched(self, context: &Context<'_>) -> Result<Self, Stop> {
        let last_occurred = self.last_occurred.max(context.occurred_by_now()?);
        let evidence = self.evidence.clone().and(context);
        Ok(Self { last_occurred, evidence, ..self })
    }

    /// What of a class was fed in and has not remained.
    fn fed_of(&self, class: &TableCode) -> Option<Grams> {
        self.fed.iter().find(|fed| fed.class == *class).map(|fed| fed.grams)
    }

    /// The same batch after a fraction has come out; of those that the tables do not know there is no list.
    fn giving(mut self, fraction: &TableCode, grams: Grams, is_known: bool) -> Self {
        self.out_g = self.out_g.plus(grams).unwrap_or(self.out_g);
        if is_known && !self.outputs.contains(fraction) {
            self.outputs.push(fraction.clone());
        }
        self
    }
}

/// A batch lasts 31 days. Beyond that nothing more goes in; a cage that fills later has filled all the same.
fn is_overdue(state: &State<'_>, context: &Context<'_>, batch: &Batch) -> Result<bool, Stop> {
    let days = rules_in_force(state)?.batch_days_max;
    Ok(context.occurred_by_now()?.ms() - batch.began.ms() > days * DAY_MS)
}

/// Waste goes in: its grams are the batch's now. All inputs of a batch carry the same flags. What the site's permit does
/// not cover is dismantled all the same, with a warning.
pub fn batch_fed(state: &mut State<'_>, context: &Context<'_>, event: &BatchFed) -> Result<Vec<Warning>, Stop> {
    let mut batch = open_batch(state, context, &event.batch)?;
    if is_overdue(state, context, &batch)? {
        let detail = "the batch has lasted as long as a batch may; close it and open another";
        return refuse(RefusalCode::TimeInvalid, "/occurred_at", detail);
    }
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    let permits = state.site(&batch.site)?.map(|site| site.permits.clone()).unwrap_or_default();
    let (day, before) = (context.day(), batch.input_g);
    let mut warnings = Vec::new();
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        warnings.extend(storage_warning(state, context, &item, &pointer)?);
        let (item, found) = arrive(state, context, item, Some(batch.site))?;
        warnings.extend(found);
        let code = item.waste_code.as_ref();
        warnings.extend(permit_warning(&permits, day.as_ref(), code, Some(DISMANTLING)));
        batch = feed(rules_in_force(state)?, batch, &item, &pointer)?;
        let fed = Item { fed: Some(batch.id), ..item }.ended();
        state.put(Record::Item(Item { status: ItemStatus::InBatch, ..fed }.touched(context)?));
    }
    let fed_g = batch.input_g.minus(before).unwrap_or(Grams::ZERO);
    let (batch, over) = dismantling::count(state, context, batch, fed_g)?;
    warnings.extend(over);
    let warnings = each_once(warnings);
    let batch = batch.touched(context)?;
    let evidence = batch.evidence.clone().warned(&warnings, context.index);
    state.put(Record::Batch(Batch { evidence, ..batch }));
    Ok(warnings)
}

fn feed(rules: &RuleSet, mut batch: Batch, item: &Item, pointer: &str) -> Result<Batch, Stop> {
    let sources = item.sources.shares().iter().map(|share| share.source.waste()).collect::<Option<Vec<_>>>();
    let (Some(arising), Some(sources)) = (&item.arising, sources) else {
        let detail = "only waste that has arisen and was not dismantled yet goes into a batch";
        return refuse(RefusalCode::WrongCondition, pointer, detail);
    };
    let month = arising.month.clone();
    let mut flags = batch.flags.take();
    for WasteSource { country, basis, provenance, .. } in sources {
        let known = flags.get_or_insert_with(|| BatchFlags {
            basis,
            arising: Arising { country: country.clone(), month: month.clone() },
            provenance: provenance.clone(),
            centre: None,
        });
        if (known.basis, &known.arising.country, &known.provenance) != (basis, &country, &provenance) {
            let detail = "all that goes into a batch has one weight basis, country of arising and declaration";
            return refuse(RefusalCode::SourcesDiffer, pointer, detail);
        }
    }
    if let Some(flags) = flags.as_mut().filter(|flags| month > flags.arising.month) {
        flags.arising.month = month;
    }
    let Some(input_g) = batch.input_g.plus(item.grams) else {
        return refuse(RefusalCode::SumOutOfRange, pointer, "the batch's input would leave the range");
    };
    // A class never weighs more than all of them together, so its sum is in range too.
    fed::add(rules, &mut batch.fed, &item.class, (item.grams, &item.lacks));
    let left_g = SignedGrams(batch.left_g.0 + item.grams.get());
    let given = given_of(&[(&batch.given, batch.input_g), (&item.given, item.grams)]).or_else(too_many_sources)?;
    let evidence = batch.evidence.clone().join(&item.evidence.clone().dismantled());
    let last_occurred = batch.last_occurred.max(item.last_occurred);
    Ok(Batch { flags, input_g, left_g, given, last_occurred, evidence, ..batch })
}

/// Takes grams out of a batch; below zero by more than the band, more would come out than went in.
fn take_out(state: &State<'_>, batch: Batch, grams: Grams, division: Grams, pointer: &str) -> Result<Batch, Stop> {
    let left = batch.left_g.0 - grams.get();
    let division_g = batch.division_g.max(division);
    let band = rules_in_force(state)?.bands.batch_g(batch.input_g, division_g);
    if left < -band {
        let detail = format!("{} g more would come out than went in, beyond the band of {band} g", -left);
        return refuse(RefusalCode::OutputsExceedInputs, pointer, detail);
    }
    Ok(Batch { left_g: SignedGrams(left), division_g, ..batch })
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
    require_new(state, &event.lot, "/lot")?;
    let mut warnings = Vec::new();
    let is_known = rules_in_force(state)?.fraction(event.fraction.as_str()).is_some();
    if !is_known {
        warnings.extend(Warning::new(WarningCode::ClassUnknown, "/fraction"));
    }
    if is_overdue(state, context, &batch)? {
        warnings.extend(Warning::new(WarningCode::BatchOverdue, "/occurred_at"));
    }
    let (grams, basis, warning) = restate_at(state, context, &event.weight, "/weight")?;
    let batch = take_out(state, batch, grams, division_of(state, &event.weight)?, "/weight")?;
    let Some(flags) = batch.flags.clone() else {
        return refuse(RefusalCode::OutputsExceedInputs, "/batch", "nothing was fed into this batch yet");
    };
    let country = country_of(state, context, Some(batch.site))?;
    let overridden = overridden(state, context, event.waste_code.as_ref(), country.as_ref())?;
    let by_table = waste_code(state, context, &event.fraction, None, country.as_ref())?;
    let waste_code = waste_code(state, context, &event.fraction, overridden.as_ref(), country.as_ref())?;
    warnings.extend(code_warning(waste_code.as_ref()).into_iter().chain(warning));
    let (done, about) = ((TallyKind::Dismantled, batch.site), RecordId::new(RecordKind::Item, &event.lot));
    warnings.extend(signal::of_throughput(state, context, done, grams, &about)?);
    let batch = signal::with_output(rules_in_force(state)?, batch, &event.fraction, grams);
    let weighed = Weighed { grams, basis, warnings: warnings.clone() };
    let new = new_item(state, context, event.lot, ItemKind::Lot, event.fraction.clone(), &weighed)?;
    let lot = Item {
        condition: Condition::Waste,
        arising: Some(flags.arising),
        sources: Composition::of(SourceId::of_batch(&batch.id), grams),
        given: batch.given.scaled(grams),
        waste_code,
        overridden,
        lies_in: country.clone(),
        country,
        site: Some(batch.site),
        last_occurred: new.last_occurred.max(batch.last_occurred),
        ..new
    };
    let (batch, lot) =
        hazardous::leave(context, batch.giving(&event.fraction, grams, is_known), lot, by_table.as_ref());
    state.put(Record::Item(lot));
    state.put(Record::Batch(batch.touched(context)?));
    Ok(warnings)
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
    let band = rules_in_force(state)?.bands.batch_g(batch.input_g, batch.division_g);
    let rest = batch.left_g.0;
    adjust(state, Some(batch.site), Account::Difference, -rest);
    let status = if rest > band { BatchStatus::Short } else { BatchStatus::Closed };
    if status == BatchStatus::Short {
        warnings.extend(Warning::new(WarningCode::BatchShort, "/batch"));
    }
    let mut signals = signal::of_closing(state, context, &batch)?;
    let about = RecordId::new(RecordKind::Batch, &batch.id);
    let bases: Vec<WeightBasis> = batch.flags.iter().map(|flags| flags.basis).collect();
    signals.extend(signal::of_difference(state, context, Some(batch.site), -rest, &bases, &about)?);
    signals.extend(dismantling::returned(state, context, &batch)?);
    let evidence = batch.evidence.clone().warned(&signals, context.index);
    warnings.extend(each_once(signals));
    let treatments = batch.treatments.clone();
    let flags = batch.flags.clone().map(|flags| BatchFlags { centre: event.counted_elsewhere, ..flags });
    let (left_g, closed) = (SignedGrams(0), Some(context.index));
    let closed = Batch { status, flags, left_g, closed, evidence, ..batch };
    state.put(Record::Batch(closed.touched(context)?));
    settle_all(state, context, &treatments)?;
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
    let (Some(flags), Some(fed_g)) = (batch.flags.clone(), batch.fed_of(&stock.class)) else {
        return refuse(RefusalCode::CodeUnknown, format!("{pointer}/class"), "nothing of this class was fed in");
    };
    let (grams, basis, warning) = restate_at(state, context, &stock.weight, &format!("{pointer}/weight"))?;
    let batch = take_out(state, batch, grams, division_of(state, &stock.weight)?, &format!("{pointer}/weight"))?;
    let band = rules_in_force(state)?.bands.batch_g(fed_g, batch.division_g);
    if grams.get() - fed_g.get() > band {
        let detail = format!("of this class {fed_g} were fed in; more remained, beyond the band of {band} g");
        return refuse(RefusalCode::OutputsExceedInputs, format!("{pointer}/weight"), detail);
    }
    let mut batch = dismantling::take_back(state, batch, grams)?;
    // Within the band more may remain than went in: then nothing of it was dismantled.
    let input_g = batch.input_g.minus(grams).unwrap_or(Grams::ZERO);
    let lacks = fed::take_back(&mut batch.fed, &stock.class, grams);
    let country = country_of(state, context, Some(batch.site))?;
    let waste_code = waste_code(state, context, &stock.class, None, country.as_ref())?;
    let weighed = Weighed { grams, basis, warnings: Vec::new() };
    let source = source_of(&stock.class, basis, &flags.arising, &flags.provenance);
    let new = new_item(state, context, stock.lot, ItemKind::Lot, stock.class.clone(), &weighed)?;
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising: Some(flags.arising),
        sources: Composition::of(source, grams),
        given: batch.given.scaled(grams),
        lacks,
        waste_code,
        lies_in: country.clone(),
        country,
        site: Some(batch.site),
        evidence: new.evidence.join(&batch.evidence),
        last_occurred: new.last_occurred.max(batch.last_occurred),
        ..new
    }));
    let given = batch.given.scaled(input_g);
    Ok((Batch { input_g, given, ..batch }, warning.into_iter().collect()))
}
