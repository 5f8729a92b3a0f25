//! Items: how they come under the ledger, how their mass is known, and how they leave it alive.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{country_of, weighed_more};
use crate::domain::balance::{Account, adjust, come_back, flow_in, flow_out};
use crate::domain::codes::{
    Arising, Condition, Country, ItemKind, ItemStatus, ReleaseReason, Role, SanitisationMethod, TableCode, WasteCode,
};
use crate::domain::composition::Composition;
use crate::domain::event::{Count, Found, Lost, Registered, RegisteredKind, Released, Reweighed};
use crate::domain::evidence::Evidence;
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, DonationId, EntryIndex, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::lacks::Lack;
use crate::domain::mass::{Grams, Weight, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::signal;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::{DAY_MS, Date, LedgerTime};

record! {
    /// Anything traced.
    pub struct Item {
        /// Its id.
        id: ItemId,
        /// What it is.
        kind: ItemKind,
        /// Its product class; of a lot that left dismantling, its fraction.
        class: TableCode,
        /// Where its grams come from, once it is waste.
        sources: Composition,
        /// The donations behind its grams, once it is waste; empty if nothing of it was donated.
        given: Composition,
        /// What it owes: hazardous grams of batches, as weighed when they left them, that no permitted site has accepted yet.
        owed: Composition,
        /// What it came without, by its receipt.
        lacks: Vec<Lack>,
        /// The donation to which it belongs.
        donation: Option<DonationId>,
        /// The entry of its final treatment.
        treated: Option<EntryIndex>,
        /// The entry of the interim treatment in which it ended.
        interim: Option<EntryIndex>,
        /// The waste code of its class where it lies; known once it is waste and weighed as such.
        waste_code: Option<WasteCode>,
        /// Another code than the tables give, in one jurisdiction.
        overridden: Option<Overridden>,
        /// Who has it.
        holder: OrganisationId,
        /// Where it is, if its holder has named a site.
        site: Option<SiteId>,
        /// The country in which it lies, as far as known.
        lies_in: Option<Country>,
        /// Where it stands in its life.
        status: ItemStatus,
        /// What is known of its state.
        condition: Condition,
        /// Its mass.
        grams: Grams,
        /// What the mass rests on.
        basis: WeightBasis,
        /// How many pieces a lot has, where they were counted and the rule set asks.
        pieces: Option<Count>,
        /// Where it came under the ledger; provenance only.
        country: Option<Country>,
        /// Where and when it became waste, if it has; of what was joined, the last to do so. Its sources say the rest.
        arising: Option<Arising>,
        /// The lot that it has joined.
        joined: Option<ItemId>,
        /// The device from which it was taken.
        part_of: Option<ItemId>,
        /// The device into which it was built.
        installed_in: Option<ItemId>,
        /// The container in which it is.
        packed_in: Option<ItemId>,
        /// What is in it, if it is a container.
        contents: Option<Vec<ItemId>>,
        /// Since when it is stored pending treatment.
        stored: Option<Storage>,
        /// The handover in which somebody claims to have received it without an offer.
        claimed: Option<HandoverId>,
        /// What it had when it was lost.
        lost_g: Option<Grams>,
        /// The correction by which it never was.
        voided: Option<EntryIndex>,
        /// What it had when it left the scheme alive.
        released_g: Option<Grams>,
        /// The batch into which it was fed; its grams are the batch's.
        fed: Option<BatchId>,
        /// What stands behind it.
        evidence: Evidence,
        /// How far its data was put out of reach, verified.
        sanitised: Option<SanitisationMethod>,
        /// Whether it was opened and holds no data medium.
        media_free: bool,
        /// The entry of the test that found its condition.
        tested: Option<EntryIndex>,
        /// The handover by which its holder got it.
        received: Option<HandoverId>,
        /// The entry that registered it.
        registered: EntryIndex,
        /// The last entry about it.
        last_entry: EntryIndex,
        /// When the last thing happened to it.
        last_occurred: LedgerTime,
    }
}

record! {
    /// Storage pending treatment.
    pub struct Storage {
        /// R13 or D15.
        operation: TableCode,
        /// The day on which it began.
        since: Date,
    }
}

record! {
    /// Another waste code than the tables give.
    pub struct Overridden {
        /// The code.
        code: WasteCode,
        /// The country whose list it stands in.
        country: Country,
    }
}

/// Who may bring an item under the ledger.
const REGISTRANTS: &[Role] = &[Role::Donor, Role::Collector, Role::Refurbisher, Role::Recycler];

/// A device or component comes under the ledger; its grams flow in.
pub fn registered(state: &mut State<'_>, context: &Context<'_>, event: &Registered) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, REGISTRANTS)?;
    if state.item(&event.item)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/item", "an item of this id is registered");
    }
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let kind = match event.kind {
        RegisteredKind::Device => ItemKind::Device,
        RegisteredKind::Component => ItemKind::Component,
    };
    flow_in(state, context.statement.common.site, weighed.grams);
    let item = new_item(state, context, event.item, kind, event.class.clone(), &weighed)?;
    let country = Some(event.country.clone());
    // Of a place without a site the statement knows best.
    let lies_in = if item.site.is_some() { item.lies_in.clone() } else { country.clone() };
    state.put(Record::Item(Item { lies_in, country, ..item }));
    Ok(weighed.warnings)
}

/// A new item of the statement's author, untested and held.
pub(crate) fn new_item(
    state: &State<'_>,
    context: &Context<'_>,
    id: ItemId,
    kind: ItemKind,
    class: TableCode,
    weighed: &Weighed,
) -> Result<Item, Stop> {
    let common = &context.statement.common;
    Ok(Item {
        id,
        kind,
        class,
        sources: Composition::default(),
        given: Composition::default(),
        owed: Composition::default(),
        lacks: Vec::new(),
        donation: None,
        treated: None,
        interim: None,
        waste_code: None,
        overridden: None,
        holder: context.party(),
        site: common.site,
        lies_in: country_of(state, context, common.site)?,
        status: ItemStatus::Held,
        condition: Condition::Untested,
        grams: weighed.grams,
        basis: weighed.basis,
        pieces: None,
        country: None,
        arising: None,
        joined: None,
        part_of: None,
        installed_in: None,
        packed_in: None,
        contents: None,
        stored: None,
        claimed: None,
        lost_g: None,
        voided: None,
        released_g: None,
        fed: None,
        evidence: Evidence::of(context).warned(&weighed.warnings, context.index),
        sanitised: None,
        media_free: false,
        tested: None,
        received: None,
        registered: context.index,
        last_entry: context.index,
        last_occurred: context.occurred_by_now()?,
    })
}

/// A weight as it counts.
pub(crate) struct Weighed {
    pub(crate) grams: Grams,
    pub(crate) basis: WeightBasis,
    pub(crate) warnings: Vec<Warning>,
}

/// The grams of a stated weight and what they really rest on: a scale that is overdue or overloaded only estimates. An
/// unknown class is a fact like any other: it is accepted with a warning where the grams are stated.
pub(crate) fn weigh(
    state: &State<'_>,
    context: &Context<'_>,
    class: &TableCode,
    weight: &Weight,
) -> Result<Weighed, Stop> {
    let rules = rules_in_force(state)?;
    let known = rules.class(class.as_str());
    let net = match weight.net() {
        Ok(net) => net,
        Err(problem) => {
            return refuse(RefusalCode::WeightInvalid, format!("/weight{}", problem.pointer), problem.problem);
        }
    };
    let Some(grams) = net.or_else(|| known.and_then(|class| class.mean_g).and_then(Grams::new)) else {
        let detail = format!("the rule set has no mean mass for class {class}; weigh it or estimate it");
        return refuse(RefusalCode::NoClassMean, "/weight/basis", detail);
    };
    let of_scale = scale_warning(state, context, weight, "/weight")?;
    let basis = if of_scale.is_some() { WeightBasis::Estimated } else { weight.basis };
    // A part may be what a fraction is: a drive, a board. The first rule set knew parts by product class alone.
    let is_part = rules.borders.is_some() && rules.fraction(class.as_str()).is_some();
    let of_class = if known.is_none() && !is_part { Warning::new(WarningCode::ClassUnknown, "/class") } else { None };
    Ok(Weighed { grams, basis, warnings: of_class.into_iter().chain(of_scale).collect() })
}

fn scale_warning(
    state: &State<'_>,
    context: &Context<'_>,
    weight: &Weight,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let Some(scale_id) = weight.scale else { return Ok(None) };
    let at_scale = format!("{pointer}/scale");
    let Some(scale) = state.scale(&scale_id)? else {
        return refuse(RefusalCode::Unknown, at_scale, "no scale of this id is registered");
    };
    if scale.organisation != context.party() {
        let detail = "this scale stands at another organisation's site";
        return refuse(RefusalCode::ScaleOfAnotherOrganisation, at_scale, detail);
    }
    let day = context.statement.common.occurred_at.date();
    let covers = |day: &Date| scale.verifications.iter().any(|held| held.on <= *day && *day <= held.until);
    if !day.as_ref().is_some_and(covers) {
        return Ok(Warning::new(WarningCode::ScaleOverdue, &at_scale));
    }
    if weight.gross_g.is_some_and(|gross| gross > scale.capacity_g) {
        return Ok(Warning::new(WarningCode::ScaleOverloaded, &format!("{pointer}/gross_g")));
    }
    Ok(None)
}

impl Item {
    /// The same item after an entry about it.
    pub(crate) fn touched(self, context: &Context<'_>) -> Result<Self, Stop> {
        let last_occurred = self.last_occurred.max(context.occurred_by_now()?);
        let evidence = self.evidence.clone().and(context);
        Ok(Self { last_entry: context.index, last_occurred, evidence, ..self })
    }

    /// The same item, ended: its grams are where the rule has booked them.
    pub(crate) fn ended(self) -> Self {
        let none = Composition::default;
        Self { status: ItemStatus::Ended, grams: Grams::ZERO, sources: none(), given: none(), stored: None, ..self }
    }

    /// The same item, ended in others: what it owes went into them.
    pub(crate) fn passed_on(self) -> Self {
        Self { owed: Composition::default(), ..self.ended() }
    }

    /// The same item with another mass: sources and donations shrink or grow pro rata.
    pub(crate) fn weighing(self, grams: Grams, basis: WeightBasis) -> Self {
        let sources = self.sources.scaled(grams).weighed_as(basis);
        let given = self.given.scaled(grams);
        Self { sources, given, grams, basis, ..self }
    }

    /// A part of it, and what is left, each with its share of every source.
    pub(crate) fn parted(self, grams: Grams) -> (Self, Self) {
        let (part_sources, rest_sources) = self.sources.take(grams);
        let (part_given, rest_given) = self.given.take(grams);
        let (part_owed, rest_owed) = self.owed_of(grams);
        let rest = self.grams.minus(grams).unwrap_or(Grams::ZERO);
        // Nobody counted the pieces of a part; all of it has all of them.
        let pieces = self.pieces.filter(|_| rest == Grams::ZERO);
        let (sources, given, owed) = (part_sources, part_given, part_owed);
        let part = Self { sources, given, owed, grams, pieces, ..self.clone() };
        let (sources, given, owed) = (rest_sources, rest_given, rest_owed);
        (part, Self { grams: rest, sources, given, owed, pieces: None, ..self })
    }

    /// Whether it is a product, and no waste, lot or container.
    pub(crate) fn is_product(&self) -> bool {
        matches!(self.kind, ItemKind::Device | ItemKind::Component) && self.condition != Condition::Waste
    }
}

/// The item that a statement of its holder is about, in one of the statuses that allow it.
pub(crate) fn own_item(
    state: &State<'_>,
    context: &Context<'_>,
    id: &ItemId,
    pointer: &str,
    statuses: &[ItemStatus],
) -> Result<Item, Stop> {
    let item = own_packed_item(state, context, id, pointer, statuses)?;
    if let Some(container) = &item.packed_in {
        let detail = format!("this item is packed in {container}; say unpacked first");
        return refuse(RefusalCode::Packed, pointer, detail);
    }
    Ok(item)
}

/// The same for a statement that may be about what is packed.
pub(crate) fn own_packed_item(
    state: &State<'_>,
    context: &Context<'_>,
    id: &ItemId,
    pointer: &str,
    statuses: &[ItemStatus],
) -> Result<Item, Stop> {
    let Some(item) = state.item(id)? else {
        return refuse(RefusalCode::Unknown, pointer, "no item of this id is registered");
    };
    if item.holder != context.party() {
        return refuse(RefusalCode::NotTheHolder, pointer, "another organisation holds this item");
    }
    if matches!(item.status, ItemStatus::Ended | ItemStatus::InBatch) {
        return refuse(RefusalCode::ItemEnded, pointer, "this item has ended or was dismantled; correct instead");
    }
    if !statuses.contains(&item.status) {
        let allowed: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
        let detail = format!("this needs an item that is {}; this one is {}", allowed.join(" or "), item.status);
        return refuse(RefusalCode::WrongStatus, pointer, detail);
    }
    require_order(state, context, item)?;
    Ok(item.clone())
}

/// Order within an item is entry order; what happened may lie before its last event by the offline window at most.
pub(crate) fn require_order(state: &State<'_>, context: &Context<'_>, item: &Item) -> Result<(), Stop> {
    require_order_after(state, context, item.last_occurred, "item")
}

/// The same for whatever had its last event then.
pub(crate) fn require_order_after(
    state: &State<'_>,
    context: &Context<'_>,
    last: LedgerTime,
    what: &str,
) -> Result<(), Stop> {
    let days = rules_in_force(state)?.offline_window_days;
    let earliest = last.ms() - days * DAY_MS;
    if context.statement.common.occurred_at.ms() < earliest {
        let detail = format!("it lies more than {days} days before the {what}'s last event, {last}");
        return refuse(RefusalCode::BeforeLastEvent, "/occurred_at", detail);
    }
    Ok(())
}

/// The grams that are stated for an item that exists, and what they rest on.
pub(crate) fn restate(
    state: &State<'_>,
    context: &Context<'_>,
    weight: &Weight,
) -> Result<(Grams, WeightBasis, Option<Warning>), Stop> {
    restate_at(state, context, weight, "/weight")
}

/// The same for a weight that stands elsewhere in the payload.
pub(crate) fn restate_at(
    state: &State<'_>,
    context: &Context<'_>,
    weight: &Weight,
    pointer: &str,
) -> Result<(Grams, WeightBasis, Option<Warning>), Stop> {
    match weight.net() {
        Ok(Some(grams)) => {
            let warning = scale_warning(state, context, weight, pointer)?;
            let basis = if warning.is_some() { WeightBasis::Estimated } else { weight.basis };
            Ok((grams, basis, warning))
        }
        Ok(None) => refuse(RefusalCode::WeightInvalid, format!("{pointer}/basis"), "expected weighed or estimated"),
        Err(problem) => refuse(RefusalCode::WeightInvalid, format!("{pointer}{}", problem.pointer), problem.problem),
    }
}

/// An item was weighed again; what it weighs more or less is booked as such.
pub fn reweighed(state: &mut State<'_>, context: &Context<'_>, event: &Reweighed) -> Result<Vec<Warning>, Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    let (grams, basis, warning) = restate(state, context, &event.weight)?;
    if item.kind == ItemKind::Container {
        return refuse(RefusalCode::WrongKind, "/item", "a container has no mass of its own here");
    }
    let change = grams.get() - item.grams.get();
    adjust(state, item.site, Account::Reweighed, change);
    let after = item.clone().weighing(grams, basis);
    let mut signals: Vec<Warning> = signal::of_lots(state, context, &item, &after, "/weight")?.into_iter().collect();
    signals.extend(weighed_more(state, context, &after, change)?);
    let about = RecordId::new(RecordKind::Item, &after.id);
    signals.extend(signal::of_difference(state, context, after.site, change, &[item.basis, basis], &about)?);
    let evidence = after.evidence.clone().warned(&signals, context.index);
    state.put(Record::Item(Item { evidence, ..after }.touched(context)?));
    Ok(warning.into_iter().chain(signals).collect())
}

/// An item leaves the scheme alive, and its grams with it.
pub fn released(state: &mut State<'_>, context: &Context<'_>, event: &Released) -> Result<(), Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    if item.condition == Condition::Waste && event.reason == ReleaseReason::ReuseSale {
        let detail = "this item is waste; waste is not sold for reuse";
        return refuse(RefusalCode::WrongCondition, "/reason", detail);
    }
    require_empty(&item)?;
    flow_out(state, item.site, Account::Released, item.grams);
    // Whose gift its grams were is kept: a donor may ask.
    let (given, released_g) = (item.given.clone(), Some(item.grams));
    state.put(Record::Item(Item { given, released_g, ..item.ended() }.touched(context)?));
    Ok(())
}

/// An item is gone and nobody has it.
pub fn lost(state: &mut State<'_>, context: &Context<'_>, event: &Lost) -> Result<(), Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held, ItemStatus::InUse])?;
    require_empty(&item)?;
    flow_out(state, item.site, Account::Lost, item.grams);
    // What it was made of is kept: it may be found.
    let lost_g = Some(item.grams);
    state.put(Record::Item(Item { status: ItemStatus::Ended, grams: Grams::ZERO, lost_g, ..item }.touched(context)?));
    Ok(())
}

/// What is in a container does not vanish with it unsaid.
fn require_empty(item: &Item) -> Result<(), Stop> {
    if item.contents.is_some() {
        return refuse(RefusalCode::Packed, "/item", "something is packed in this container; say unpacked first");
    }
    Ok(())
}

/// What was lost is back with its last holder, where it was lost.
pub fn found(state: &mut State<'_>, context: &Context<'_>, event: &Found) -> Result<(), Stop> {
    let Some(item) = state.item(&event.item)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/item", "no item of this id is registered");
    };
    if item.holder != context.party() {
        return refuse(RefusalCode::NotTheHolder, "/item", "another organisation lost this item");
    }
    let Some(grams) = item.lost_g else {
        return refuse(
            RefusalCode::WrongStatus,
            "/item",
            format!("only what was lost is found; this is {}", item.status),
        );
    };
    require_order(state, context, &item)?;
    come_back(state, item.site, Account::Lost, grams);
    state.put(Record::Item(Item { status: ItemStatus::Held, grams, lost_g: None, ..item }.touched(context)?));
    Ok(())
}

/// Whether a device or component may hold a user's data: its class does, or is a data medium, or stands in no table.
pub(crate) fn bears_data(rules: &RuleSet, item: &Item) -> bool {
    let class = item.class.as_str();
    match (rules.class(class), rules.fraction(class)) {
        (Some(class), _) => class.data_bearing,
        (None, Some(fraction)) => fraction.drive,
        (None, None) => true,
    }
}
