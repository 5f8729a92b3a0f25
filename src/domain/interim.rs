//! Interim treatment: lots become lots before the final operation. It ends no mass and makes no eligible gram.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{arrive, country_of};
use crate::domain::balance::{Account, adjust, flow_out};
use crate::domain::capacity;
use crate::domain::codes::{Condition, Country, ItemKind, ItemStatus, Role};
use crate::domain::composition::too_many_sources;
use crate::domain::composition::{Composition, given_of};
use crate::domain::event::{InterimOutput, TreatedInterim};
use crate::domain::evidence::Evidence;
use crate::domain::hazardous::shared;
use crate::domain::ids::{ItemId, SiteId};
use crate::domain::item::{Item, Weighed, new_item, own_item, restate_at};
use crate::domain::lot::require_new;
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::permit::permit_warning;
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::signal;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::storage::storage_warning;
use crate::domain::waste_code::{code_warning, waste_code};
use std::collections::BTreeSet;

/// Exchange and sorting, blending, repackaging (Directive 2008/98/EC, Annexes I and II).
const INTERIM: &[&str] = &["R12", "D13", "D14"];

/// What goes in, together.
struct Charge {
    items: Vec<Item>,
    grams: Grams,
    sources: Composition,
    given: Composition,
    owed: Composition,
    evidence: Evidence,
    warnings: Vec<Warning>,
}

/// What comes out, weighed.
struct Yield<'a> {
    output: &'a InterimOutput,
    grams: Grams,
    basis: WeightBasis,
    warning: Option<Warning>,
}

/// Lots become lots at a site; what no weighing explains is booked as difference, within the band of a batch.
pub fn treated_interim(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &TreatedInterim,
) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Recycler, Role::Treater])?;
    let Some(site) = context.statement.common.site else {
        return refuse(RefusalCode::Unknown, "/site", "a treatment names the site where it happened");
    };
    if !INTERIM.contains(&event.operation.as_str()) {
        return refuse(RefusalCode::CodeUnknown, "/operation", "interim treatment is R12, D13 or D14");
    }
    let charge = charge(state, context, event, site)?;
    let (yields, division) = yields(state, context, event)?;
    let sum = yields.iter().try_fold(Grams::ZERO, |sum, found| sum.plus(found.grams));
    let out = sum.and_then(|sum| sum.plus(event.loss_g)?.plus(event.out_of_scope_g));
    let Some(out) = out else {
        return refuse(RefusalCode::SumOutOfRange, "/outputs", "the outputs' mass would leave the range");
    };
    let band = rules_in_force(state)?.bands.batch_g(charge.grams, division);
    let difference = out.get() - charge.grams.get();
    if difference > band {
        let detail = format!("{difference} g more come out than went in, beyond the band of {band} g");
        return refuse(RefusalCode::OutputsExceedInputs, "/outputs", detail);
    }
    let mut warnings = charge.warnings.clone();
    let into = (site, event.operation.as_str());
    warnings.extend(capacity::take_into(state, context, into, charge.grams, "/operation")?);
    if -difference > band {
        warnings.extend(Warning::new(WarningCode::InterimShort, "/outputs"));
    }
    if let Some(first) = event.outputs.first() {
        let about = RecordId::new(RecordKind::Item, &first.lot);
        let bases: Vec<WeightBasis> =
            charge.items.iter().map(|item| item.basis).chain(yields.iter().map(|found| found.basis)).collect();
        warnings.extend(signal::of_difference(state, context, Some(site), difference, &bases, &about)?);
    }
    adjust(state, Some(site), Account::Difference, difference);
    flow_out(state, Some(site), Account::Loss, event.loss_g);
    flow_out(state, Some(site), Account::OutOfScope, event.out_of_scope_g);
    for item in &charge.items {
        let ended = Item { interim: Some(context.index), ..item.clone() }.passed_on();
        state.put(Record::Item(ended.touched(context)?));
    }
    let mut whole = (charge.sources.scaled(out), charge.given.scaled(out));
    let owed = owed_by(state, context, &charge, &yields, site)?;
    for (found, owed) in yields.into_iter().zip(owed) {
        let (sources, sources_left) = whole.0.take(found.grams);
        let (given, given_left) = whole.1.take(found.grams);
        whole = (sources_left, given_left);
        warnings.extend(put_output(state, context, &charge, found, (sources, given, owed), (site, &warnings))?);
    }
    Ok(each_once(warnings))
}

/// Takes the inputs to the site and adds them up.
fn charge(state: &mut State<'_>, context: &Context<'_>, event: &TreatedInterim, site: SiteId) -> Result<Charge, Stop> {
    let distinct: BTreeSet<&ItemId> = event.inputs.iter().collect();
    if event.inputs.is_empty() || distinct.len() != event.inputs.len() {
        return refuse(RefusalCode::ListInvalid, "/inputs", "name at least one lot, and each once");
    }
    let permits = state.site(&site)?.map(|site| site.permits.clone()).unwrap_or_default();
    let (mut sum, mut sources, mut given) = (Grams::ZERO, Composition::default(), Vec::new());
    let mut owed = Composition::default();
    let (mut evidence, mut warnings, mut items) = (Evidence::of(context), Vec::new(), Vec::new());
    for (position, id) in event.inputs.iter().enumerate() {
        let pointer = format!("/inputs/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.kind != ItemKind::Lot || item.arising.is_none() {
            return refuse(RefusalCode::WrongKind, pointer, "lots of waste are treated; say merged first");
        }
        warnings.extend(storage_warning(state, context, &item, &pointer)?);
        let (item, found) = arrive(state, context, item, Some(site))?;
        warnings.extend(found);
        let (code, operation) = (item.waste_code.as_ref(), Some(event.operation.as_str()));
        warnings.extend(permit_warning(&permits, context.day().as_ref(), code, operation));
        sum = match sum.plus(item.grams) {
            Some(sum) => sum,
            None => return refuse(RefusalCode::SumOutOfRange, "/inputs", "the inputs' mass would leave the range"),
        };
        sources = sources.plus(&item.sources).or_else(too_many_sources)?;
        given.push((item.given.clone(), item.grams));
        owed = owed.plus(&item.owed).or_else(too_many_sources)?;
        evidence = evidence.join(&item.evidence.clone().sorted());
        items.push(item);
    }
    let given: Vec<(&Composition, Grams)> = given.iter().map(|(given, grams)| (given, *grams)).collect();
    let given = given_of(&given).or_else(too_many_sources)?;
    Ok(Charge { items, grams: sum, sources, given, owed, evidence, warnings: each_once(warnings) })
}

/// Weighs the outputs; gives them and the coarsest division of their scales.
fn yields<'a>(
    state: &State<'_>,
    context: &Context<'_>,
    event: &'a TreatedInterim,
) -> Result<(Vec<Yield<'a>>, Grams), Stop> {
    let distinct: BTreeSet<ItemId> = event.outputs.iter().map(|output| output.lot).collect();
    if event.outputs.is_empty() || distinct.len() != event.outputs.len() {
        return refuse(RefusalCode::ListInvalid, "/outputs", "name at least one new lot, and each once");
    }
    let (mut yields, mut coarsest) = (Vec::with_capacity(event.outputs.len()), Grams::ZERO);
    for (position, output) in event.outputs.iter().enumerate() {
        let pointer = format!("/outputs/{position}");
        require_new(state, &output.lot, &format!("{pointer}/lot"))?;
        let (grams, basis, warning) = restate_at(state, context, &output.weight, &format!("{pointer}/weight"))?;
        if let Some(scale) = &output.weight.scale {
            coarsest = coarsest.max(state.scale(scale)?.map_or(Grams::ZERO, |scale| scale.division_g));
        }
        yields.push(Yield { output, grams, basis, warning });
    }
    Ok((yields, coarsest))
}

/// What each output owes of what the inputs owed.
fn owed_by(
    state: &State<'_>,
    context: &Context<'_>,
    charge: &Charge,
    yields: &[Yield<'_>],
    site: SiteId,
) -> Result<Vec<Composition>, Stop> {
    let country = country_of(state, context, Some(site))?;
    let mut outputs = Vec::with_capacity(yields.len());
    for found in yields {
        let code = waste_code(state, context, &found.output.fraction, None, country.as_ref())?;
        outputs.push((found.grams, code.is_some_and(|code| code.is_hazardous())));
    }
    Ok(shared(&charge.owed, &outputs))
}

/// A lot comes out, with its share of every source and all that stands behind the inputs.
fn put_output(
    state: &mut State<'_>,
    context: &Context<'_>,
    charge: &Charge,
    found: Yield<'_>,
    (sources, given, owed): (Composition, Composition, Composition),
    (site, so_far): (SiteId, &[Warning]),
) -> Result<Vec<Warning>, Stop> {
    let country: Option<Country> = country_of(state, context, Some(site))?;
    let class = &found.output.fraction;
    let waste_code = waste_code(state, context, class, None, country.as_ref())?;
    let mut warnings: Vec<Warning> = found.warning.into_iter().chain(code_warning(waste_code.as_ref())).collect();
    let rules = rules_in_force(state)?;
    if rules.fraction(class.as_str()).is_none() && rules.class(class.as_str()).is_none() {
        warnings.extend(Warning::new(WarningCode::ClassUnknown, "/outputs"));
    }
    let weighed = Weighed { grams: found.grams, basis: found.basis, warnings: warnings.clone() };
    let new = new_item(state, context, found.output.lot, ItemKind::Lot, class.clone(), &weighed)?;
    let evidence = new.evidence.clone().join(&charge.evidence).warned(so_far, context.index);
    let arising = charge.items.iter().filter_map(|item| item.arising.clone()).max_by(|a, b| a.month.cmp(&b.month));
    let last = charge.items.iter().map(|item| item.last_occurred).max().unwrap_or(new.last_occurred);
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising,
        sources: sources.weighed_as(found.basis),
        given,
        owed,
        waste_code,
        country: country.clone(),
        lies_in: country,
        site: Some(site),
        evidence,
        last_occurred: new.last_occurred.max(last),
        ..new
    }));
    Ok(warnings)
}
