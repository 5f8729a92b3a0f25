//! Merging: devices or lots of one class and waste code become one lot.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{arrive, country_of};
use crate::domain::codes::{Condition, Country, ItemKind, ItemStatus, WasteCode};
use crate::domain::composition::{Composition, given_of, too_many_sources};
use crate::domain::event::Merged;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{ItemId, SiteId};
use crate::domain::item::{Item, Weighed, new_item, own_item};
use crate::domain::lacks::{Lack, joined};
use crate::domain::lot::require_new;
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, each_once};
use crate::domain::rule_set::RuleSet;
use crate::domain::signal;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::LedgerTime;
use crate::domain::waste_code::{code_warning, waste_code};
use crate::limits::WEIGHT_G_MAX;
use std::collections::BTreeSet;

/// What joins into one lot.
struct Joining {
    sum: Grams,
    sources: Composition,
    given: Vec<(Composition, Grams)>,
    owed: Composition,
    evidence: Evidence,
    last_occurred: LedgerTime,
    warnings: Vec<Warning>,
}

/// Devices or lots of one class and waste code become one lot; grams and sources add up.
pub fn merged(state: &mut State<'_>, context: &Context<'_>, event: &Merged) -> Result<Vec<Warning>, Stop> {
    let distinct: BTreeSet<&ItemId> = event.inputs.iter().collect();
    if event.inputs.is_empty() || distinct.len() != event.inputs.len() {
        return refuse(RefusalCode::ListInvalid, "/inputs", "name at least one input, and each once");
    }
    require_new(state, &event.lot, "/lot")?;
    let inputs = waste_inputs(state, context, &event.inputs)?;
    state.require_loaded(inputs.iter().filter_map(|input| input.site).map(|site| site.to_string()))?;
    let Some(first) = inputs.first() else {
        return refuse(RefusalCode::ListInvalid, "/inputs", "name at least one input");
    };
    let site = context.statement.common.site.or(first.site);
    let country = country_of(state, context, site)?;
    let overridden = first.overridden.clone();
    let code = waste_code(state, context, &first.class, overridden.as_ref(), country.as_ref())?;
    let joining = join(state, context, &inputs, event, (site, country.as_ref(), code.as_ref()))?;
    let given: Vec<(&Composition, Grams)> = joining.given.iter().map(|(given, grams)| (given, *grams)).collect();
    let given = given_of(&given).or_else(too_many_sources)?;
    // Weighed and estimated parts may join: the sum is no better than its worst part.
    let same_basis = inputs.iter().all(|input| input.basis == first.basis);
    let basis = if same_basis { first.basis } else { WeightBasis::Estimated };
    let weighed = Weighed { grams: joining.sum, basis, warnings: Vec::new() };
    let latest = inputs.iter().filter_map(|input| input.arising.clone()).max_by(|a, b| a.month.cmp(&b.month));
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising: latest,
        sources: joining.sources,
        given,
        owed: joining.owed,
        lacks: lacked_together(rules_in_force(state)?, &inputs),
        waste_code: code,
        overridden,
        country: country.clone(),
        lies_in: country,
        site,
        pieces: signal::of_all(rules_in_force(state)?, &inputs),
        evidence: joining.evidence,
        last_occurred: joining.last_occurred,
        ..new_item(state, context, event.lot, ItemKind::Lot, first.class.clone(), &weighed)?
    }));
    Ok(each_once(joining.warnings))
}

/// What inputs came without, together.
fn lacked_together(rules: &RuleSet, inputs: &[Item]) -> Vec<Lack> {
    let together = |(lacks, grams): (Vec<Lack>, Grams), input: &Item| {
        let sum = grams.plus(input.grams).unwrap_or(grams);
        (joined(rules, (&lacks, grams), (&input.lacks, input.grams)), sum)
    };
    let mut inputs = inputs.iter();
    let first = inputs.next().map_or((Vec::new(), Grams::ZERO), |first| (first.lacks.clone(), first.grams));
    inputs.fold(first, together).0
}

/// Each input comes to the place of the new lot and ends in it.
fn join(
    state: &mut State<'_>,
    context: &Context<'_>,
    inputs: &[Item],
    event: &Merged,
    (site, country, code): (Option<SiteId>, Option<&Country>, Option<&WasteCode>),
) -> Result<Joining, Stop> {
    let mut joining = Joining {
        sum: Grams::ZERO,
        sources: Composition::default(),
        given: Vec::with_capacity(inputs.len()),
        owed: Composition::default(),
        evidence: Evidence::of(context),
        last_occurred: context.occurred_by_now()?,
        warnings: code_warning(code).into_iter().collect(),
    };
    for (position, input) in inputs.iter().enumerate() {
        let pointer = format!("/inputs/{position}");
        require_same_place(state, input, country, &pointer)?;
        let own = waste_code(state, context, &input.class, input.overridden.as_ref(), country)?;
        if own.as_ref() != code {
            let detail = "a lot has one waste code; this has another than the first";
            return refuse(RefusalCode::ClassesDiffer, pointer, detail);
        }
        joining.sum = match joining.sum.plus(input.grams) {
            Some(sum) if sum.get() <= WEIGHT_G_MAX => sum,
            _ => return refuse(RefusalCode::SumOutOfRange, "/inputs", "a lot has at most 1000000000 g"),
        };
        joining.sources = joining.sources.plus(&input.sources).or_else(too_many_sources)?;
        joining.given.push((input.given.clone(), input.grams));
        joining.owed = joining.owed.plus(&input.owed).or_else(too_many_sources)?;
        let (arrived, found) = arrive(state, context, input.clone(), site)?;
        joining.warnings.extend(found);
        joining.evidence = joining.evidence.join(&arrived.evidence);
        joining.last_occurred = joining.last_occurred.max(arrived.last_occurred);
        let joined = Item { joined: Some(event.lot), ..arrived.passed_on() };
        state.put(Record::Item(joined.touched(context)?));
    }
    Ok(joining)
}

/// A merger is no way over a border.
fn require_same_place(state: &State<'_>, input: &Item, country: Option<&Country>, pointer: &str) -> Result<(), Stop> {
    let differ = if rules_in_force(state)?.borders.is_some() {
        input.lies_in.as_ref().zip(country).is_some_and(|(from, to)| from != to)
    } else {
        // The first rule set knew no borders between the countries of one jurisdiction.
        let Some(site) = &input.site else { return Ok(()) };
        let from = state.site(site)?.map(|site| site.country.jurisdiction().to_owned());
        from.as_deref() != country.map(Country::jurisdiction)
    };
    if differ {
        let detail = "this lies in another country than the new lot; ship it there first";
        return refuse(RefusalCode::JurisdictionsDiffer, pointer, detail);
    }
    Ok(())
}

/// The inputs of a merger: all the author's, all waste that has arisen somewhere, all of one class.
fn waste_inputs(state: &State<'_>, context: &Context<'_>, ids: &[ItemId]) -> Result<Vec<Item>, Stop> {
    let mut inputs: Vec<Item> = Vec::with_capacity(ids.len());
    for (position, id) in ids.iter().enumerate() {
        let pointer = format!("/inputs/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.condition != Condition::Waste || item.arising.is_none() {
            let detail = "only waste is merged; say retired first, with country and month of arising";
            return refuse(RefusalCode::WrongCondition, pointer, detail);
        }
        if let Some(first) = inputs.first().filter(|first| first.class != item.class) {
            let detail = format!("a lot has one class; this is {}, the first is {}", item.class, first.class);
            return refuse(RefusalCode::ClassesDiffer, pointer, detail);
        }
        inputs.push(item);
    }
    Ok(inputs)
}
