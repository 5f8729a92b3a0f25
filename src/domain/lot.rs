//! Lots: waste known by weight. How it comes in from outside, and how lots join and part.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{flow_in, relocate};
use crate::domain::codes::{Arising, Condition, Country, ItemKind, ItemStatus, Provenance, Role, TableCode, WasteCode};
use crate::domain::event::{Collected, CollectedKind, Merged, Permit, Received, Split};
use crate::domain::evidence::Evidence;
use crate::domain::ids::{ItemId, SiteId};
use crate::domain::item::{Item, Weighed, new_item, own_item, weigh};
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::SiteYear;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;
use crate::limits::WEIGHT_G_MAX;
use std::collections::BTreeSet;

impl Item {
    /// Where its grams come from (rules.md §5): the batch that it left; before dismantling, country of arising, class,
    /// and the flags that decide eligibility.
    pub(crate) fn source(&self) -> String {
        if let Some(batch) = self.batch {
            return batch.to_string();
        }
        let country = self.arising.as_ref().map(|arising| arising.country.to_string()).unwrap_or_default();
        let flags =
            self.provenance.as_ref().map(|declared| format!("{}.{}", declared.kind, declared.counted_elsewhere));
        format!("{country}/{}/{}.{}", self.class, self.basis, flags.unwrap_or_default())
    }
}

/// Where a statement's site lies, or its organisation.
pub(crate) fn country_of(
    state: &State<'_>,
    context: &Context<'_>,
    site: Option<SiteId>,
) -> Result<Option<Country>, Stop> {
    if let Some(site) = site {
        return Ok(state.site(&site)?.map(|site| site.country.clone()));
    }
    let organisation = state.organisation(&context.statement.common.org)?;
    Ok(organisation.and_then(|organisation| organisation.country.clone()))
}

/// The waste code of a class or fraction by the rule set in force, where the country is known.
pub(crate) fn waste_code(
    state: &State<'_>,
    class: &TableCode,
    country: Option<&Country>,
) -> Result<Option<WasteCode>, Stop> {
    let rules = rules_in_force(state)?;
    Ok(country.and_then(|country| rules.waste_code(class.as_str(), country)))
}

pub(crate) fn code_warning(code: Option<&WasteCode>) -> Option<Warning> {
    if code.is_some() { None } else { Warning::new(WarningCode::WasteCodeUnknown, "/class") }
}

/// What is said of waste when it comes in from outside.
struct Incoming<'a> {
    id: ItemId,
    kind: ItemKind,
    class: &'a TableCode,
    arising: &'a Arising,
    provenance: &'a Provenance,
}

fn take_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    incoming: &Incoming<'_>,
    weighed: Weighed,
) -> Result<Vec<Warning>, Stop> {
    let site = context.statement.common.site;
    let country = country_of(state, context, site)?;
    let waste_code = waste_code(state, incoming.class, country.as_ref())?;
    let item = Item {
        condition: Condition::Waste,
        arising: Some(incoming.arising.clone()),
        provenance: Some(incoming.provenance.clone()),
        waste_code: waste_code.clone(),
        country,
        ..new_item(context, incoming.id, incoming.kind, incoming.class.clone(), &weighed)?
    };
    flow_in(state, site, weighed.grams);
    let mut warnings = weighed.warnings;
    warnings.extend(code_warning(waste_code.as_ref()));
    if let Some(site) = site {
        warnings.extend(intake_warnings(state, context, site, &item)?);
    }
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    state.put(Record::Item(Item { evidence, ..item }));
    Ok(warnings)
}

/// An item comes to a site, or to no site: its grams move there, waste has the waste code of the place, and what comes
/// from elsewhere is measured against the site's permit and yearly capacity, on whatever road it comes.
pub(crate) fn arrive(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    to: Option<SiteId>,
) -> Result<(Item, Vec<Warning>), Stop> {
    let from = item.site;
    relocate(state, from, to, item.grams);
    settle_in(state, context, Item { site: to, ..item }, from)
}

/// The same for an item whose grams have been booked at its site already.
pub(crate) fn settle_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    from: Option<SiteId>,
) -> Result<(Item, Vec<Warning>), Stop> {
    if item.arising.is_none() {
        return Ok((item, Vec::new()));
    }
    let country = country_of(state, context, item.site)?;
    let waste_code = waste_code(state, &item.class, country.as_ref())?;
    let item = Item { waste_code, ..item };
    let warnings = match item.site {
        Some(site) if from != item.site => intake_warnings(state, context, site, &item)?,
        _ => Vec::new(),
    };
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    Ok((Item { evidence, ..item }, warnings))
}

/// A warning each, however many items it is about.
pub(crate) fn each_once(warnings: Vec<Warning>) -> Vec<Warning> {
    let mut once: Vec<Warning> = Vec::new();
    for warning in warnings {
        if !once.contains(&warning) {
            once.push(warning);
        }
    }
    once
}

pub(crate) fn require_new(state: &State<'_>, id: &ItemId, pointer: &str) -> Result<(), Stop> {
    match state.item(id)? {
        Some(_) => refuse(RefusalCode::AlreadyRegistered, pointer, "an item of this id is known"),
        None => Ok(()),
    }
}

/// Waste from outside the scheme comes under the ledger where it is gathered.
pub fn collected(state: &mut State<'_>, context: &Context<'_>, event: &Collected) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Collector, Role::Recycler])?;
    require_new(state, &event.item, "/item")?;
    let kind = match event.kind {
        CollectedKind::Device => ItemKind::Device,
        CollectedKind::Lot => ItemKind::Lot,
    };
    require_lot_weight(kind, &event.weight)?;
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let (arising, provenance) = (&event.arising, &event.provenance);
    let incoming = Incoming { id: event.item, kind, class: &event.class, arising, provenance };
    take_in(state, context, &incoming, weighed)
}

/// A lot is known by weight: the mean of its class says nothing about it.
fn require_lot_weight(kind: ItemKind, weight: &crate::domain::mass::Weight) -> Result<(), Stop> {
    if kind == ItemKind::Lot && weight.basis == WeightBasis::Class {
        return refuse(RefusalCode::WeightInvalid, "/weight/basis", "a lot is weighed, or at least estimated");
    }
    Ok(())
}

/// Waste from outside the scheme is received at a centre's gate; what the permit does not cover is taken with a warning.
pub fn received(state: &mut State<'_>, context: &Context<'_>, event: &Received) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Recycler])?;
    if context.statement.common.site.is_none() {
        return refuse(RefusalCode::Unknown, "/site", "a gate receipt names the centre's site");
    }
    require_new(state, &event.item, "/item")?;
    require_lot_weight(ItemKind::Lot, &event.weight)?;
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let (arising, provenance) = (&event.arising, &event.provenance);
    let incoming = Incoming { id: event.item, kind: ItemKind::Lot, class: &event.class, arising, provenance };
    take_in(state, context, &incoming, weighed)
}

/// Whether a permit holds on the day, for the code, and for the operation; taking waste in is covered by any operation.
pub fn permit_covers(permit: &Permit, day: &Date, code: &WasteCode, operation: Option<&str>) -> bool {
    let in_time = permit.valid_from <= *day && *day <= permit.valid_until;
    let fits = |allowed: &TableCode| operation.is_none_or(|operation| allowed.as_str() == operation);
    in_time && permit.operations.iter().any(fits) && permit.waste_codes.contains(code)
}

/// A warning unless the permit of the site covers it.
pub(crate) fn permit_warning(
    permit: Option<&Permit>,
    day: Option<&Date>,
    code: Option<&WasteCode>,
    operation: Option<&str>,
) -> Option<Warning> {
    match (permit, day, code) {
        (Some(permit), Some(day), Some(code)) if permit_covers(permit, day, code, operation) => None,
        _ => Warning::new(WarningCode::PermitNotValid, "/site"),
    }
}

/// What the site's permit does not cover on the day, and what exceeds its yearly capacity. Whoever gathers waste needs no
/// permit for the place where it gathers; whoever recycles or treats does.
fn intake_warnings(
    state: &mut State<'_>,
    context: &Context<'_>,
    site: SiteId,
    item: &Item,
) -> Result<Vec<Warning>, Stop> {
    let organisation = state.organisation(&context.statement.common.org)?;
    let works_on_waste = |role: &Role| matches!(role, Role::Recycler | Role::Treater);
    if !organisation.is_some_and(|organisation| organisation.roles.iter().any(works_on_waste)) {
        return Ok(Vec::new());
    }
    let permit = state.site(&site)?.and_then(|site| site.permit.clone());
    let day = context.statement.common.occurred_at.date();
    let not_covered = permit_warning(permit.as_ref(), day.as_ref(), item.waste_code.as_ref(), None);
    let Some(year) = day.and_then(|day| day.year()) else { return Ok(not_covered.into_iter().collect()) };
    let before = state.site_year(&SiteYear::id_of(&site, &year))?.map_or(Grams::ZERO, |known| known.received_g);
    let Some(received_g) = before.plus(item.grams) else {
        return refuse(RefusalCode::SumOutOfRange, "/weight", "the site's sum of the year would leave the range");
    };
    let capacity = permit.map(|permit| permit.capacity_g_per_year);
    let over = capacity.is_some_and(|capacity| received_g > capacity);
    state.put(Record::SiteYear(SiteYear { site, year, received_g }));
    let over = if over { Warning::new(WarningCode::OverCapacity, "/weight") } else { None };
    Ok(not_covered.into_iter().chain(over).collect())
}

/// Devices or lots of one class, source and waste code become one lot; grams add up.
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
    let waste_code = waste_code(state, &first.class, country.as_ref())?;
    let mut warnings: Vec<Warning> = code_warning(waste_code.as_ref()).into_iter().collect();
    let (mut sum, mut evidence, mut last_occurred) = (Grams::ZERO, Evidence::of(context), context.occurred_by_now()?);
    for (position, input) in inputs.iter().enumerate() {
        require_same_jurisdiction(state, input, country.as_ref(), &format!("/inputs/{position}"))?;
        sum = match sum.plus(input.grams) {
            Some(sum) if sum.get() <= WEIGHT_G_MAX => sum,
            _ => return refuse(RefusalCode::SumOutOfRange, "/inputs", "a lot has at most 1000000000 g"),
        };
        let (arrived, found) = arrive(state, context, input.clone(), site)?;
        warnings.extend(found);
        evidence = evidence.join(&arrived.evidence);
        last_occurred = last_occurred.max(arrived.last_occurred);
        let joined = Item { joined: Some(event.lot), ..arrived.ended() };
        state.put(Record::Item(joined.touched(context)?));
    }
    // Of one batch, weighed and estimated lots may join: the sum is no better than its worst part.
    let same_basis = inputs.iter().all(|input| input.basis == first.basis);
    let basis = if same_basis { first.basis } else { WeightBasis::Estimated };
    let weighed = Weighed { grams: sum, basis, warnings: Vec::new() };
    let latest = inputs.iter().filter_map(|input| input.arising.clone()).max_by(|a, b| a.month.cmp(&b.month));
    state.put(Record::Item(Item {
        condition: Condition::Waste,
        arising: latest,
        provenance: first.provenance.clone(),
        batch: first.batch,
        waste_code,
        country,
        site,
        evidence,
        last_occurred,
        ..new_item(context, event.lot, ItemKind::Lot, first.class.clone(), &weighed)?
    }));
    Ok(each_once(warnings))
}

/// A merger is no way over a border.
fn require_same_jurisdiction(
    state: &State<'_>,
    input: &Item,
    country: Option<&Country>,
    pointer: &str,
) -> Result<(), Stop> {
    let Some(site) = &input.site else { return Ok(()) };
    let from = state.site(site)?.map(|site| site.country.jurisdiction().to_owned());
    if from.as_deref() != country.map(Country::jurisdiction) {
        let detail = "this lies in another jurisdiction than the new lot; ship it there first";
        return refuse(RefusalCode::JurisdictionsDiffer, pointer, detail);
    }
    Ok(())
}

/// The inputs of a merger: all the author's, all waste that has arisen somewhere, all of one source.
fn waste_inputs(state: &State<'_>, context: &Context<'_>, ids: &[ItemId]) -> Result<Vec<Item>, Stop> {
    let mut inputs: Vec<Item> = Vec::with_capacity(ids.len());
    for (position, id) in ids.iter().enumerate() {
        let pointer = format!("/inputs/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.condition != Condition::Waste || item.arising.is_none() {
            let detail = "only waste is merged; say retired first, with country and month of arising";
            return refuse(RefusalCode::WrongCondition, pointer, detail);
        }
        if let Some(first) = inputs.first() {
            if first.class != item.class {
                let detail = format!("a lot has one class; this is {}, the first is {}", item.class, first.class);
                return refuse(RefusalCode::ClassesDiffer, pointer, detail);
            }
            if first.source() != item.source() {
                let detail =
                    format!("a lot has one source yet; this is {}, the first is {}", item.source(), first.source());
                return refuse(RefusalCode::SourcesDiffer, pointer, detail);
            }
        }
        inputs.push(item);
    }
    Ok(inputs)
}

/// A lot becomes several; their grams are exactly its own.
pub fn split(state: &mut State<'_>, context: &Context<'_>, event: &Split) -> Result<(), Stop> {
    let lot = own_item(state, context, &event.lot, "/lot", &[ItemStatus::Held])?;
    if lot.kind != ItemKind::Lot {
        return refuse(RefusalCode::WrongKind, "/lot", "only a lot is split");
    }
    if event.parts.len() < 2 {
        return refuse(RefusalCode::ListInvalid, "/parts", "a split has at least two parts");
    }
    let mut left = lot.grams;
    for (position, part) in event.parts.iter().enumerate() {
        let pointer = format!("/parts/{position}");
        require_new(state, &part.lot, &format!("{pointer}/lot"))?;
        left = match left.minus(part.net_g) {
            Some(rest) if part.net_g > Grams::ZERO => rest,
            _ => return refuse(RefusalCode::SumDiffers, format!("{pointer}/net_g"), unequal(lot.grams)),
        };
        let child = Item { id: part.lot, grams: part.net_g, registered: context.index, ..lot.clone() };
        state.put(Record::Item(child.touched(context)?));
    }
    if left != Grams::ZERO {
        return refuse(RefusalCode::SumDiffers, "/parts", unequal(lot.grams));
    }
    state.put(Record::Item(lot.ended().touched(context)?));
    Ok(())
}

fn unequal(grams: Grams) -> String {
    format!("the parts, each more than 0 g, must add up to exactly the lot's {grams}")
}
