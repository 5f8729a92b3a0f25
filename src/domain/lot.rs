//! Lots: waste known by weight. How it comes in from outside, and how lots join and part.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{flow_in, relocate};
use crate::domain::capacity;
use crate::domain::codes::{
    Arising, Condition, Country, ItemKind, ItemStatus, Provenance, Role, SourceKind, TableCode, WasteCode,
    WasteCodeOverride,
};
use crate::domain::composition::{Composition, SourceId, TooManySources, WasteSource, given_of};
use crate::domain::due::{self, DueKind};
use crate::domain::event::{Collected, CollectedKind, Count, Merged, Permit, Received, Split, Stored};
use crate::domain::evidence::Evidence;
use crate::domain::ids::{ItemId, SiteId};
use crate::domain::item::{Item, Overridden, Storage, Weighed, new_item, own_item, own_packed_item, weigh};
use crate::domain::lacks::{Lack, joined, lacking};
use crate::domain::mass::{Grams, WeightBasis, apportion};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::signal;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{Date, LedgerTime};
use crate::limits::{SOURCES_MAX, WEIGHT_G_MAX};
use std::collections::BTreeSet;

/// Where a statement's site lies, or its organisation.
pub(crate) fn country_of(
    state: &State<'_>,
    context: &Context<'_>,
    site: Option<SiteId>,
) -> Result<Option<Country>, Stop> {
    if let Some(site) = site {
        return Ok(state.site(&site)?.map(|site| site.country.clone()));
    }
    let organisation = state.organisation(&context.party())?;
    Ok(organisation.and_then(|organisation| organisation.country.clone()))
}

/// The waste code of a class or fraction by the rule set in force, where the country is known, on the day on which it
/// is said to have happened.
pub(crate) fn waste_code(
    state: &State<'_>,
    context: &Context<'_>,
    class: &TableCode,
    overridden: Option<&Overridden>,
    country: Option<&Country>,
) -> Result<Option<WasteCode>, Stop> {
    let rules = rules_in_force(state)?;
    let place = country.zip(context.day());
    Ok(place.and_then(|(country, day)| waste_code_at(rules, class.as_str(), overridden, (country, &day))))
}

/// The same at a place on a day: a person's, as long as it stands in the list there, or the tables'. Pure, so that whoever
/// verifies a bundle asks the same.
pub(crate) fn waste_code_at(
    rules: &RuleSet,
    class: &str,
    overridden: Option<&Overridden>,
    (country, day): (&Country, &Date),
) -> Option<WasteCode> {
    let chosen = overridden.filter(|chosen| chosen.country == *country);
    let chosen = chosen.filter(|chosen| rules.lists_waste_code(&chosen.code, country, day));
    chosen.map(|chosen| chosen.code.clone()).or_else(|| rules.waste_code(class, country, day))
}

/// A person's waste code instead of the tables': it must stand in the list of the place on the day.
pub(crate) fn overridden(
    state: &State<'_>,
    context: &Context<'_>,
    stated: Option<&WasteCodeOverride>,
    country: Option<&Country>,
) -> Result<Option<Overridden>, Stop> {
    let Some(stated) = stated else { return Ok(None) };
    let rules = rules_in_force(state)?;
    match (country, context.day()) {
        (Some(country), Some(day)) if rules.lists_waste_code(&stated.code, country, &day) => {
            Ok(Some(Overridden { code: stated.code.clone(), country: country.clone() }))
        }
        _ => {
            let detail = format!("{} stands in no list of the place on that day", stated.code);
            refuse(RefusalCode::CodeUnknown, "/waste_code/code", detail)
        }
    }
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
    waste_code: Option<&'a WasteCodeOverride>,
    pieces: Option<Count>,
    lacks: Vec<Lack>,
}

/// The source of waste that was not dismantled yet.
pub(crate) fn source_of(class: &TableCode, basis: WeightBasis, arising: &Arising, provenance: &Provenance) -> SourceId {
    let (country, class, provenance) = (arising.country.clone(), class.clone(), provenance.clone());
    SourceId::of_waste(&WasteSource { country, class, basis, provenance })
}

fn take_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    incoming: &Incoming<'_>,
    weighed: Weighed,
) -> Result<Vec<Warning>, Stop> {
    let site = context.statement.common.site;
    let country = country_of(state, context, site)?;
    let overridden = overridden(state, context, incoming.waste_code, country.as_ref())?;
    let waste_code = waste_code(state, context, incoming.class, overridden.as_ref(), country.as_ref())?;
    let source = source_of(incoming.class, weighed.basis, incoming.arising, incoming.provenance);
    let counts = rules_in_force(state)?.signals.is_some();
    let item = Item {
        condition: Condition::Waste,
        arising: Some(incoming.arising.clone()),
        sources: Composition::of(source, weighed.grams),
        waste_code: waste_code.clone(),
        overridden,
        lacks: incoming.lacks.clone(),
        country,
        pieces: incoming.pieces.filter(|_| counts),
        ..new_item(state, context, incoming.id, incoming.kind, incoming.class.clone(), &weighed)?
    };
    flow_in(state, site, weighed.grams);
    let mut warnings = weighed.warnings;
    warnings.extend(code_warning(waste_code.as_ref()));
    if let Some(site) = site {
        warnings.extend(intake_warnings(state, context, site, &item)?);
    }
    warnings.extend(signal::of_count(state, context, &item)?);
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    state.put(Record::Item(Item { evidence, ..item }));
    Ok(warnings)
}

/// On what road an item comes to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// Any other.
    Ordinary,
    /// A shipment over a border, whose papers were looked at when it left.
    Shipment {
        /// Whether it came to another country than the papers say.
        elsewhere: bool,
    },
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
    settle_in(state, context, Item { site: to, ..item }, from, Road::Ordinary)
}

/// The same for an item whose grams have been booked at its site already.
pub(crate) fn settle_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    from: Option<SiteId>,
    road: Road,
) -> Result<(Item, Vec<Warning>), Stop> {
    let country = country_of(state, context, item.site)?;
    let mut warnings = border_warnings(state, &item, country.as_ref(), road)?;
    let stored = item.stored.clone().filter(|_| from == item.site);
    let mut item = Item { lies_in: country.clone().or(item.lies_in.clone()), stored, ..item };
    if item.arising.is_some() {
        let code = waste_code(state, context, &item.class, item.overridden.as_ref(), country.as_ref())?;
        item.waste_code = code;
        if let Some(site) = item.site.filter(|_| from != item.site) {
            warnings.extend(intake_warnings(state, context, site, &item)?);
        }
    }
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    Ok((Item { evidence, ..item }, warnings))
}

/// What lay in one country and lies in another without a shipment has crossed a border without papers.
fn border_warnings(state: &State<'_>, item: &Item, to: Option<&Country>, road: Road) -> Result<Vec<Warning>, Stop> {
    let watched = rules_in_force(state)?.borders.is_some() && road == Road::Ordinary;
    let crossed = item.lies_in.as_ref().zip(to).is_some_and(|(from, to)| from != to);
    let astray = road == Road::Shipment { elsewhere: true };
    let warning =
        if astray || (watched && crossed) { Warning::new(WarningCode::BorderNotCovered, "/site") } else { None };
    Ok(warning.into_iter().collect())
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
    require_no_reuse(state, &event.provenance)?;
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let (arising, provenance, waste_code) = (&event.arising, &event.provenance, event.waste_code.as_ref());
    let counted = event.pieces.map(Count::get).or((kind == ItemKind::Device).then_some(1));
    let lacks = lacking(rules_in_force(state)?, event.missing.as_ref(), counted)?;
    let (id, pieces) = (event.item, event.pieces.filter(|_| kind == ItemKind::Lot));
    let incoming = Incoming { id, kind, class: &event.class, arising, provenance, waste_code, pieces, lacks };
    take_in(state, context, &incoming, weighed)
}

/// A lot is known by weight: the mean of its class says nothing about it.
fn require_lot_weight(kind: ItemKind, weight: &crate::domain::mass::Weight) -> Result<(), Stop> {
    if kind == ItemKind::Lot && weight.basis == WeightBasis::Class {
        return refuse(RefusalCode::WeightInvalid, "/weight/basis", "a lot is weighed, or at least estimated");
    }
    Ok(())
}

/// Only what was retired under this ledger comes from reuse; whoever brings waste in says where that is from.
fn require_no_reuse(state: &State<'_>, provenance: &Provenance) -> Result<(), Stop> {
    if provenance.kind == SourceKind::Reuse && rules_in_force(state)?.scheme.conditions.is_some() {
        let detail = "what was in use under this ledger is retired; say where waste from outside comes from";
        return refuse(RefusalCode::CodeUnknown, "/provenance/kind", detail);
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
    require_no_reuse(state, &event.provenance)?;
    let mut weighed = weigh(state, context, &event.class, &event.weight)?;
    weighed.warnings.extend(signal::of_load(state, context, event)?);
    let (arising, provenance, waste_code) = (&event.arising, &event.provenance, event.waste_code.as_ref());
    let lacks = lacking(rules_in_force(state)?, event.missing.as_ref(), event.pieces.map(Count::get))?;
    let (id, kind, pieces) = (event.item, ItemKind::Lot, event.pieces);
    let incoming = Incoming { id, kind, class: &event.class, arising, provenance, waste_code, pieces, lacks };
    take_in(state, context, &incoming, weighed)
}

/// Whether a permit holds on the day, for the code, and for the operation; taking waste in is covered by any operation.
pub fn permit_covers(permit: &Permit, day: &Date, code: &WasteCode, operation: Option<&str>) -> bool {
    let in_time = permit.valid_from <= *day && *day <= permit.valid_until;
    let fits = |allowed: &TableCode| operation.is_none_or(|operation| allowed.as_str() == operation);
    in_time && permit.operations.iter().any(fits) && permit.waste_codes.contains(code)
}

/// A warning unless one of the site's permits covers it.
pub(crate) fn permit_warning(
    permits: &[Permit],
    day: Option<&Date>,
    code: Option<&WasteCode>,
    operation: Option<&str>,
) -> Option<Warning> {
    let covered = day
        .zip(code)
        .is_some_and(|(day, code)| permits.iter().any(|permit| permit_covers(permit, day, code, operation)));
    if covered { None } else { Warning::new(WarningCode::PermitNotValid, "/site") }
}

/// What the site's permit does not cover on the day, and what exceeds its yearly capacity. Whoever gathers waste needs no
/// permit for the place where it gathers; whoever recycles or treats does.
fn intake_warnings(
    state: &mut State<'_>,
    context: &Context<'_>,
    site: SiteId,
    item: &Item,
) -> Result<Vec<Warning>, Stop> {
    let organisation = state.organisation(&context.party())?;
    let works_on_waste = |role: &Role| matches!(role, Role::Recycler | Role::Treater);
    let works = organisation.is_some_and(|organisation| organisation.roles.iter().any(works_on_waste));
    let Some(place) = state.site(&site)?.cloned() else { return Ok(Vec::new()) };
    if !works && place.organisation.is_some() {
        return Ok(Vec::new());
    }
    let day = context.day();
    let not_covered = permit_warning(&place.permits, day.as_ref(), item.waste_code.as_ref(), None);
    let over = capacity::take_in(state, context, &place, item.grams)?;
    Ok(not_covered.into_iter().chain(over).collect())
}

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

pub(crate) fn too_many_sources<T>(_: TooManySources) -> Result<T, Stop> {
    let detail = format!("this would have more than {SOURCES_MAX} sources; make it smaller");
    refuse(RefusalCode::TooManySources, "", detail)
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

/// A lot becomes several; their grams are exactly its own, and each takes of every source.
pub fn split(state: &mut State<'_>, context: &Context<'_>, event: &Split) -> Result<(), Stop> {
    let lot = own_item(state, context, &event.lot, "/lot", &[ItemStatus::Held])?;
    if lot.kind != ItemKind::Lot {
        return refuse(RefusalCode::WrongKind, "/lot", "only a lot is split");
    }
    if event.parts.len() < 2 {
        return refuse(RefusalCode::ListInvalid, "/parts", "a split has at least two parts");
    }
    let mut left = lot.clone();
    let masses = masses_of(context, &lot, event);
    for ((position, part), grams) in event.parts.iter().enumerate().zip(&masses) {
        let pointer = format!("/parts/{position}");
        require_new(state, &part.lot, &format!("{pointer}/lot"))?;
        let is_empty = *grams == Grams::ZERO && !context.follows_figures();
        if is_empty || *grams > left.grams {
            return refuse(RefusalCode::SumDiffers, format!("{pointer}/net_g"), unequal(lot.grams));
        }
        let (child, rest) = left.parted(*grams);
        left = rest;
        let child = Item { id: part.lot, registered: context.index, ..child };
        state.put(Record::Item(child.touched(context)?));
    }
    if left.grams != Grams::ZERO {
        return refuse(RefusalCode::SumDiffers, "/parts", unequal(lot.grams));
    }
    state.put(Record::Item(lot.passed_on().touched(context)?));
    Ok(())
}

/// The masses of a split's parts: as stated; of a lot whose mass was corrected, in the proportion stated.
fn masses_of(context: &Context<'_>, lot: &Item, event: &Split) -> Vec<Grams> {
    let stated: Vec<Grams> = event.parts.iter().map(|part| part.net_g).collect();
    if context.follows_figures() { apportion(&stated, lot.grams) } else { stated }
}

fn unequal(grams: Grams) -> String {
    format!("the parts, each more than 0 g, must add up to exactly the lot's {grams}")
}

/// Storage pending treatment, by recovery or by disposal (Directive 2008/98/EC, Annexes I and II).
pub(crate) const STORAGE: &[&str] = &["R13", "D15"];

/// Waste is stored pending treatment; said again at the same place, the clock runs on.
pub fn stored(state: &mut State<'_>, context: &Context<'_>, event: &Stored) -> Result<Vec<Warning>, Stop> {
    if !STORAGE.contains(&event.operation.as_str()) {
        return refuse(RefusalCode::CodeUnknown, "/operation", "storage pending treatment is R13 or D15");
    }
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    let Some(day) = context.day() else {
        return refuse(RefusalCode::TimeInvalid, "/occurred_at", "storage begins on a day");
    };
    let mut warnings = Vec::new();
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_packed_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.arising.is_none() {
            return refuse(RefusalCode::WrongCondition, pointer, "only waste is stored pending treatment");
        }
        let permits = match item.site {
            Some(site) => state.site(&site)?.map(|site| site.permits.clone()).unwrap_or_default(),
            None => Vec::new(),
        };
        let operation = Some(event.operation.as_str());
        let found = permit_warning(&permits, Some(&day), item.waste_code.as_ref(), operation);
        let evidence = item.evidence.clone().warned(found.as_slice(), context.index);
        warnings.extend(found);
        let since = item.stored.as_ref().map_or_else(|| day.clone(), |stored| stored.since.clone());
        if let Some(borders) = &rules_in_force(state)?.borders {
            let term = (&since, borders.storage_days_max);
            due::note(state, &[item.holder], term, DueKind::Storage, id, context.index);
        }
        let stored = Some(Storage { operation: event.operation.clone(), since });
        state.put(Record::Item(Item { stored, evidence, ..item }.touched(context)?));
    }
    Ok(each_once(warnings))
}

/// A warning if an item was stored longer than it may be when something is done with it.
pub(crate) fn storage_warning(
    state: &State<'_>,
    context: &Context<'_>,
    item: &Item,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let Some(stored) = &item.stored else { return Ok(None) };
    let days = rules_in_force(state)?.borders.as_ref().and_then(|borders| u64::try_from(borders.storage_days_max).ok());
    let last = days.and_then(|days| stored.since.plus_days(days));
    let late = last.zip(context.day()).is_some_and(|(last, day)| day > last);
    Ok(if late { Warning::new(WarningCode::StorageOverdue, pointer) } else { None })
}
