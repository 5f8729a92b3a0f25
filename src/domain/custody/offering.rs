//! The sender's word: what is offered stays with the sender, marked, until the receiver answers.

use super::{Claim, Handover, HandoverStatus, take};
use crate::domain::apply::{Context, refuse};
use crate::domain::arrival::Road;
use crate::domain::codes::{ItemKind, ItemStatus, Role};
use crate::domain::event::{Event, HandoverOffered, OfferedLot, Statement};
use crate::domain::ids::{HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::item::{Item, own_packed_item};
use crate::domain::mass::Grams;
use crate::domain::packing::require_whole_containers;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, State, Stop};
use std::collections::BTreeSet;

/// What is offered, by whom to whom.
pub(crate) struct Offering<'a> {
    pub(crate) handover: HandoverId,
    pub(crate) to: Option<OrganisationId>,
    pub(crate) facility: Option<SiteId>,
    pub(crate) items: &'a [ItemId],
    pub(crate) lots: &'a [OfferedLot],
    pub(crate) carriers: &'a [OrganisationId],
}

/// Items are offered; they stay with the sender, marked as offered. An offer that names the receiver's claim completes the
/// handover at once.
pub fn handover_offered(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &HandoverOffered,
) -> Result<Vec<Warning>, Stop> {
    let claimed = claimed_handover(state, context, event)?;
    let (items, lots) = (event.items.as_deref().unwrap_or_default(), event.lots.as_deref().unwrap_or_default());
    let carriers = event.carrier.as_slice();
    let (handover, to, facility) = (event.handover, event.to, event.to_facility);
    let offering = Offering { handover, to, facility, items, lots, carriers };
    let offered = offer_all(state, context, &offering)?;
    let Some(claim) = claimed else {
        state.put(Record::Handover(offered));
        return Ok(Vec::new());
    };
    // The receiver's own statement is applied now, as if it were said here: with its key, its site and its scale.
    let accepted = claim.accepted.clone();
    let statement = Statement { common: claim.common.clone(), event: Event::HandoverAccepted(accepted.clone()) };
    let as_receiver = Context { signer: claim.signer, statement: &statement, ..*context };
    let offered = Handover { claim: Some(claim), ..offered };
    state.put(Record::Handover(offered.clone()));
    take(state, &as_receiver, offered, &accepted, Road::Ordinary)
}

/// The claim that an offer completes: the same handover, the same parties, the same things in the same order.
fn claimed_handover(state: &State<'_>, context: &Context<'_>, event: &HandoverOffered) -> Result<Option<Claim>, Stop> {
    let known = state.handover(&event.handover)?;
    let Some(entry) = event.completes else {
        return match known {
            Some(_) => refuse(RefusalCode::AlreadyRegistered, "/handover", "a handover of this id is known"),
            None => Ok(None),
        };
    };
    let open = known.filter(|known| known.status == HandoverStatus::Claimed && known.offered == entry);
    let Some(known) = open else {
        let detail = "this entry claims no receipt under this handover, or the offer was made before";
        return refuse(RefusalCode::NothingToAnswer, "/completes", detail);
    };
    if known.from != context.party() || known.to != event.to {
        return refuse(RefusalCode::WrongReceiver, "/to", "the claim names another sender, or is another receiver's");
    }
    let lots: Vec<ItemId> = event.lots.iter().flatten().map(|lot| lot.lot).collect();
    if event.items.as_deref().unwrap_or_default() != known.items || lots != known.lots {
        let detail = "the offer names exactly what is claimed, in the claim's order";
        return refuse(RefusalCode::ListInvalid, "/items", detail);
    }
    Ok(known.claim.clone())
}

/// Marks everything as offered; gives the open handover, which the caller keeps.
pub(crate) fn offer_all(
    state: &mut State<'_>,
    context: &Context<'_>,
    offering: &Offering<'_>,
) -> Result<Handover, Stop> {
    let from = context.party();
    require_receiver(state, from, offering)?;
    for carrier in offering.carriers {
        require_carrier(state, Some(carrier))?;
    }
    let lots: Vec<ItemId> = offering.lots.iter().map(|offered| offered.lot).collect();
    let distinct: BTreeSet<ItemId> = offering.items.iter().chain(&lots).copied().collect();
    if distinct.is_empty() || distinct.len() != offering.items.len() + lots.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item or lot, and each once");
    }
    state.require_loaded(distinct.iter().map(ToString::to_string))?;
    require_whole_containers(state, &distinct)?;
    for (position, id) in offering.items.iter().enumerate() {
        offer(state, context, id, &format!("/items/{position}"), false)?;
    }
    for (position, offered) in offering.lots.iter().enumerate() {
        let grams = offer(state, context, &offered.lot, &format!("/lots/{position}/lot"), true)?;
        if offered.sent_g != grams && !context.follows_figures() {
            let detail = format!("this lot has {grams} on the ledger; say reweighed first if it weighs otherwise");
            return refuse(RefusalCode::SumDiffers, format!("/lots/{position}/sent_g"), detail);
        }
    }
    Ok(Handover {
        id: offering.handover,
        from,
        to: offering.to,
        facility: offering.facility,
        items: offering.items.to_vec(),
        lots,
        status: HandoverStatus::Open,
        offered: context.index,
        signer: context.signer,
        carriers: offering.carriers.to_vec(),
        legs: Vec::new(),
        shipment: None,
        claim: None,
        answered: None,
        disputed: false,
        agreed: Vec::new(),
    })
}

/// The receiver is another organisation, or a plant without one.
fn require_receiver(state: &State<'_>, from: OrganisationId, offering: &Offering<'_>) -> Result<(), Stop> {
    match (&offering.to, &offering.facility) {
        (Some(to), None) if *to == from => {
            refuse(RefusalCode::WrongReceiver, "/to", "the receiver must be another organisation")
        }
        (Some(to), None) => match state.organisation(to)? {
            Some(_) => Ok(()),
            None => refuse(RefusalCode::Unknown, "/to", "no organisation of this id is registered"),
        },
        (None, Some(facility)) => match state.site(facility)? {
            Some(site) if site.organisation.is_none() => Ok(()),
            _ => refuse(RefusalCode::Unknown, "/to_facility", "no facility of this id is registered"),
        },
        _ => refuse(RefusalCode::ListInvalid, "/to", "name one receiver: to, or to_facility for a plant without a key"),
    }
}

/// Marks an item as offered; lots, which are weighed again, stand in a list of their own.
fn offer(
    state: &mut State<'_>,
    context: &Context<'_>,
    id: &ItemId,
    pointer: &str,
    as_lot: bool,
) -> Result<Grams, Stop> {
    let item = own_packed_item(state, context, id, pointer, &[ItemStatus::Held])?;
    if (item.kind == ItemKind::Lot) != as_lot {
        let detail = "devices, components and containers stand in items, lots with their sent mass in lots";
        return refuse(RefusalCode::WrongKind, pointer, detail);
    }
    let (grams, offered) = (item.grams, Item { status: ItemStatus::Offered, ..item });
    state.put(Record::Item(offered.touched(context)?));
    Ok(grams)
}

fn require_carrier(state: &State<'_>, carrier: Option<&OrganisationId>) -> Result<(), Stop> {
    let Some(carrier) = carrier else { return Ok(()) };
    match state.organisation(carrier)? {
        Some(organisation) if organisation.roles.contains(&Role::Carrier) => Ok(()),
        Some(_) => refuse(RefusalCode::RoleMissing, "/carrier", "this organisation is no carrier"),
        None => refuse(RefusalCode::Unknown, "/carrier", "no organisation of this id is registered"),
    }
}
