//! Items: how they come under the ledger and what is found about them.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, SiteAccount};
use crate::domain::codes::{Condition, Country, ItemKind, ItemStatus, Role, TableCode};
use crate::domain::event::{Registered, Tested};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, ItemId, OrganisationId, SiteId};
use crate::domain::mass::{Grams, Weight, WeightBasis};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{DAY_MS, LedgerTime};

record! {
    /// Anything traced.
    pub struct Item {
        /// Its id.
        id: ItemId,
        /// What it is.
        kind: ItemKind,
        /// Its product class.
        class: TableCode,
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
        /// Where it was registered.
        country: Country,
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
    let item = Item {
        id: event.item,
        kind: event.kind,
        class: event.class.clone(),
        holder: common.org,
        site: common.site,
        status: ItemStatus::Held,
        condition: Condition::Untested,
        grams: weighed.grams,
        basis: weighed.basis,
        country: event.country.clone(),
        registered: context.index,
        last_entry: context.index,
        last_occurred: context.occurred()?,
    };
    for account in [Account::Inflow, Account::Live] {
        state.book(SiteAccount { account, site: common.site }, weighed.grams.get());
    }
    state.put(Record::Item(item));
    Ok(weighed.warning.into_iter().collect())
}

struct Weighed {
    grams: Grams,
    basis: WeightBasis,
    warning: Option<Warning>,
}

/// The grams of a stated weight and what they really rest on: a scale that is overdue or overloaded only estimates.
fn weigh(state: &State<'_>, context: &Context<'_>, class: &TableCode, weight: &Weight) -> Result<Weighed, Stop> {
    let rules = rules_in_force(state)?;
    let Some(class) = rules.class(class.as_str()) else {
        let detail = "expected a UNU-KEY of four digits that the rule set in force carries";
        return refuse(RefusalCode::CodeUnknown, "/class", detail);
    };
    let net = match weight.net() {
        Ok(net) => net,
        Err(problem) => {
            return refuse(RefusalCode::WeightInvalid, format!("/weight{}", problem.pointer), problem.problem);
        }
    };
    let Some(grams) = net.or_else(|| class.mean_g.and_then(Grams::new)) else {
        let detail = format!("the rule set has no mean mass for class {}; weigh it or estimate it", class.code);
        return refuse(RefusalCode::NoClassMean, "/weight/basis", detail);
    };
    let warning = scale_warning(state, context, weight)?;
    let basis = if warning.is_some() { WeightBasis::Estimated } else { weight.basis };
    Ok(Weighed { grams, basis, warning })
}

fn scale_warning(state: &State<'_>, context: &Context<'_>, weight: &Weight) -> Result<Option<Warning>, Stop> {
    let Some(scale_id) = weight.scale else { return Ok(None) };
    let Some(scale) = state.scale(&scale_id)? else {
        return refuse(RefusalCode::Unknown, "/weight/scale", "no scale of this id is registered");
    };
    let owner = state.site(&scale.site)?.map(|site| site.organisation);
    if owner != Some(context.statement.common.org) {
        let detail = "this scale stands at another organisation's site";
        return refuse(RefusalCode::ScaleOfAnotherOrganisation, "/weight/scale", detail);
    }
    let day = context.statement.common.occurred_at.date();
    let verified = day.is_some_and(|day| scale.verified_on <= day && day <= scale.verified_until);
    if !verified {
        return Ok(Warning::new(WarningCode::ScaleOverdue, "/weight/scale"));
    }
    if weight.gross_g.is_some_and(|gross| gross > scale.capacity_g) {
        return Ok(Warning::new(WarningCode::ScaleOverloaded, "/weight/gross_g"));
    }
    Ok(None)
}

/// The item that a holder's statement is about, still its own and alive.
fn held_item(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let Some(item) = state.item(id)? else {
        return refuse(RefusalCode::Unknown, "/item", "no item of this id is registered");
    };
    if item.holder != context.statement.common.org {
        return refuse(RefusalCode::NotTheHolder, "/item", "another organisation holds this item");
    }
    match item.status {
        ItemStatus::Held => {}
        ItemStatus::Ended => return refuse(RefusalCode::ItemEnded, "/item", "this item has ended; correct instead"),
        other => {
            let detail = format!("this needs an item that is held; this one is {other}");
            return refuse(RefusalCode::WrongStatus, "/item", detail);
        }
    }
    require_order(state, context, item)?;
    Ok(item.clone())
}

/// Order within an item is entry order; what happened may lie before its last event by the offline window at most.
fn require_order(state: &State<'_>, context: &Context<'_>, item: &Item) -> Result<(), Stop> {
    let days = rules_in_force(state)?.offline_window_days;
    let earliest = item.last_occurred.ms() - days * DAY_MS;
    if context.statement.common.occurred_at.ms() < earliest {
        let detail = format!("it lies more than {days} days before the item's last event, {}", item.last_occurred);
        return refuse(RefusalCode::BeforeLastEvent, "/occurred_at", detail);
    }
    Ok(())
}

/// What a test found; the last finding holds.
pub fn tested(state: &mut State<'_>, context: &Context<'_>, event: &Tested) -> Result<Vec<Warning>, Stop> {
    let item = held_item(state, context, &event.item)?;
    let last_occurred = item.last_occurred.max(context.occurred()?);
    let condition = Condition::from(event.result);
    state.put(Record::Item(Item { condition, last_entry: context.index, last_occurred, ..item }));
    Ok(Vec::new())
}
