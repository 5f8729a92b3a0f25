//! Items: how they come under the ledger, how their mass is known, and how they leave it alive.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, adjust, flow_in, flow_out};
use crate::domain::codes::{
    Arising, Condition, Country, ItemKind, ItemStatus, Provenance, ReleaseReason, Role, SanitisationMethod, TableCode,
    WasteCode,
};
use crate::domain::event::{Lost, Registered, RegisteredKind, Released, Reweighed};
use crate::domain::evidence::Evidence;
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::mass::{Grams, Weight, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::state::{Record, State, Stop};
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
        /// The batch that it left.
        batch: Option<BatchId>,
        /// The entry of its final treatment.
        treated: Option<EntryIndex>,
        /// The waste code of its class where it lies; known once it is waste and weighed as such.
        waste_code: Option<WasteCode>,
        /// Who has it.
        holder: OrganisationId,
        /// Where it is, if its holder has named a site.
        site: Option<SiteId>,
        /// Where it stands in its life.
        status: ItemStatus,
        /// What is known of its state.
        condition: Condition,
        /// Its mass.
        grams: Grams,
        /// What the mass rests on.
        basis: WeightBasis,
        /// Where it came under the ledger; provenance only.
        country: Option<Country>,
        /// Where and when it became waste, if it has.
        arising: Option<Arising>,
        /// What was declared of it when it became waste or came in.
        provenance: Option<Provenance>,
        /// The lot that it has joined.
        joined: Option<ItemId>,
        /// The batch into which it was fed; its grams are the batch's.
        fed: Option<BatchId>,
        /// What stands behind it.
        evidence: Evidence,
        /// How far its data was put out of reach, verified.
        sanitised: Option<SanitisationMethod>,
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

/// Who may bring an item under the ledger.
const REGISTRANTS: &[Role] = &[Role::Donor, Role::Collector, Role::Refurbisher, Role::Recycler];

/// A device or component comes under the ledger; its grams flow in.
pub fn registered(state: &mut State<'_>, context: &Context<'_>, event: &Registered) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, REGISTRANTS)?;
    if state.item(&event.item)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/item", "an item of this id is registered");
    }
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let common = &context.statement.common;
    let kind = match event.kind {
        RegisteredKind::Device => ItemKind::Device,
        RegisteredKind::Component => ItemKind::Component,
    };
    flow_in(state, common.site, weighed.grams);
    let item = new_item(context, event.item, kind, event.class.clone(), &weighed)?;
    state.put(Record::Item(Item { country: Some(event.country.clone()), ..item }));
    Ok(weighed.warnings)
}

/// A new item of the statement's author, untested and held.
pub(crate) fn new_item(
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
        batch: None,
        treated: None,
        waste_code: None,
        holder: common.org,
        site: common.site,
        status: ItemStatus::Held,
        condition: Condition::Untested,
        grams: weighed.grams,
        basis: weighed.basis,
        country: None,
        arising: None,
        provenance: None,
        joined: None,
        fed: None,
        evidence: Evidence::of(context).warned(&weighed.warnings, context.index),
        sanitised: None,
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
    let known = rules_in_force(state)?.class(class.as_str());
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
    let of_class = if known.is_none() { Warning::new(WarningCode::ClassUnknown, "/class") } else { None };
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
    if scale.organisation != context.statement.common.org {
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
        Self { status: ItemStatus::Ended, grams: Grams::ZERO, ..self }
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
    let Some(item) = state.item(id)? else {
        return refuse(RefusalCode::Unknown, pointer, "no item of this id is registered");
    };
    if item.holder != context.statement.common.org {
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
    adjust(state, item.site, Account::Reweighed, grams.get() - item.grams.get());
    state.put(Record::Item(Item { grams, basis, ..item }.touched(context)?));
    Ok(warning.into_iter().collect())
}

/// An item leaves the scheme alive, and its grams with it.
pub fn released(state: &mut State<'_>, context: &Context<'_>, event: &Released) -> Result<(), Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held])?;
    if item.condition == Condition::Waste && event.reason == ReleaseReason::ReuseSale {
        let detail = "this item is waste; waste is not sold for reuse";
        return refuse(RefusalCode::WrongCondition, "/reason", detail);
    }
    flow_out(state, item.site, Account::Released, item.grams);
    state.put(Record::Item(item.ended().touched(context)?));
    Ok(())
}

/// An item is gone and nobody has it.
pub fn lost(state: &mut State<'_>, context: &Context<'_>, event: &Lost) -> Result<(), Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held, ItemStatus::InUse])?;
    flow_out(state, item.site, Account::Lost, item.grams);
    state.put(Record::Item(item.ended().touched(context)?));
    Ok(())
}
