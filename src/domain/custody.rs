//! Custody: two parties, two statements. Until the receiver answers, everything stays with the sender.

use crate::domain::apply::{Context, refuse};
use crate::domain::balance::relocate;
use crate::domain::codes::{ItemStatus, Role};
use crate::domain::event::{HandoverAccepted, HandoverOffered, HandoverRefused, HandoverWithdrawn, RefusedItem};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, OrganisationId};
use crate::domain::item::{Item, own_item};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use std::collections::BTreeSet;

codes! {
    /// Where a handover stands.
    pub enum HandoverStatus {
        /// The receiver has not answered.
        Open = "open",
        /// The receiver took all or a part.
        Accepted = "accepted",
        /// The receiver took nothing.
        Refused = "refused",
        /// The sender took it back.
        Withdrawn = "withdrawn",
    }
}

record! {
    /// A handover.
    pub struct Handover {
        /// Its id.
        id: HandoverId,
        /// The sender.
        from: OrganisationId,
        /// The receiver.
        to: OrganisationId,
        /// What was offered, in the offer's order.
        items: Vec<ItemId>,
        /// Where it stands.
        status: HandoverStatus,
        /// The entry of the offer.
        offered: EntryIndex,
        /// The entry of the answer.
        answered: Option<EntryIndex>,
    }
}

/// Items are offered; they stay with the sender, marked as offered.
pub fn handover_offered(state: &mut State<'_>, context: &Context<'_>, event: &HandoverOffered) -> Result<(), Stop> {
    let from = context.statement.common.org;
    if state.handover(&event.handover)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/handover", "a handover of this id is known");
    }
    if event.to == from {
        return refuse(RefusalCode::WrongReceiver, "/to", "the receiver must be another organisation");
    }
    if state.organisation(&event.to)?.is_none() {
        return refuse(RefusalCode::Unknown, "/to", "no organisation of this id is registered");
    }
    require_carrier(state, event.carrier.as_ref())?;
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    for (position, id) in event.items.iter().enumerate() {
        let item = own_item(state, context, id, &format!("/items/{position}"), &[ItemStatus::Held])?;
        let offered = Item { status: ItemStatus::Offered, ..item };
        state.put(Record::Item(offered.touched(context)?));
    }
    state.put(Record::Handover(Handover {
        id: event.handover,
        from,
        to: event.to,
        items: event.items.clone(),
        status: HandoverStatus::Open,
        offered: context.index,
        answered: None,
    }));
    Ok(())
}

fn require_carrier(state: &State<'_>, carrier: Option<&OrganisationId>) -> Result<(), Stop> {
    let Some(carrier) = carrier else { return Ok(()) };
    match state.organisation(carrier)? {
        Some(organisation) if organisation.roles.contains(&Role::Carrier) => Ok(()),
        Some(_) => refuse(RefusalCode::RoleMissing, "/carrier", "this organisation is no carrier"),
        None => refuse(RefusalCode::Unknown, "/carrier", "no organisation of this id is registered"),
    }
}

/// Which side of a handover speaks.
enum Side {
    Sender,
    Receiver,
}

/// The open handover that a statement answers, if its author may.
fn open_handover(state: &State<'_>, context: &Context<'_>, id: &HandoverId, side: &Side) -> Result<Handover, Stop> {
    let Some(handover) = state.handover(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let (speaker, wanted) = match side {
        Side::Sender => (handover.from, "sender"),
        Side::Receiver => (handover.to, "named receiver"),
    };
    if speaker != context.statement.common.org {
        return refuse(RefusalCode::WrongReceiver, "/handover", format!("only the {wanted} may say this"));
    }
    if handover.status != HandoverStatus::Open {
        let detail = format!("this handover is {} already", handover.status);
        return refuse(RefusalCode::HandoverAnswered, "/handover", detail);
    }
    state.require_loaded(handover.items.iter().map(ToString::to_string))?;
    Ok(handover)
}

fn offered_item(state: &State<'_>, id: &ItemId) -> Result<Item, Stop> {
    match state.item(id)? {
        Some(item) => Ok(item.clone()),
        None => refuse(RefusalCode::Unknown, "/handover", "an item of this handover is not known"),
    }
}

/// Gives an offered item back to its sender's shelf; it never left.
fn give_back(state: &mut State<'_>, context: &Context<'_>, id: &ItemId) -> Result<(), Stop> {
    let item = offered_item(state, id)?;
    let held = Item { status: ItemStatus::Held, ..item };
    state.put(Record::Item(held.touched(context)?));
    Ok(())
}

fn close(state: &mut State<'_>, context: &Context<'_>, handover: Handover, status: HandoverStatus) {
    let answered = Some(context.index);
    state.put(Record::Handover(Handover { status, answered, ..handover }));
}

/// The sender takes the offer back.
pub fn handover_withdrawn(state: &mut State<'_>, context: &Context<'_>, event: &HandoverWithdrawn) -> Result<(), Stop> {
    let handover = open_handover(state, context, &event.handover, &Side::Sender)?;
    for id in &handover.items {
        give_back(state, context, id)?;
    }
    close(state, context, handover, HandoverStatus::Withdrawn);
    Ok(())
}

/// The receiver takes nothing.
pub fn handover_refused(state: &mut State<'_>, context: &Context<'_>, event: &HandoverRefused) -> Result<(), Stop> {
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    for id in &handover.items {
        give_back(state, context, id)?;
    }
    close(state, context, handover, HandoverStatus::Refused);
    Ok(())
}

/// The receiver takes what it does not refuse one by one; devices and components keep their grams.
pub fn handover_accepted(state: &mut State<'_>, context: &Context<'_>, event: &HandoverAccepted) -> Result<(), Stop> {
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    let none = Vec::new();
    let refused = event.refused.as_ref().unwrap_or(&none);
    require_sound_refusals(&handover, refused)?;
    for id in &handover.items {
        if refused.iter().any(|refused| refused.item == *id) {
            give_back(state, context, id)?;
        } else {
            take_over(state, context, &handover, id)?;
        }
    }
    close(state, context, handover, HandoverStatus::Accepted);
    Ok(())
}

fn require_sound_refusals(handover: &Handover, refused: &[RefusedItem]) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for (position, refusal) in refused.iter().enumerate() {
        if !handover.items.contains(&refusal.item) || !seen.insert(refusal.item) {
            let pointer = format!("/refused/{position}/item");
            return refuse(RefusalCode::ListInvalid, pointer, "name items of this handover, and each once");
        }
    }
    if seen.len() == handover.items.len() {
        let detail = "everything is refused; say handover_refused";
        return refuse(RefusalCode::ListInvalid, "/refused", detail);
    }
    Ok(())
}

/// The item is the receiver's, at the receiver's site.
fn take_over(state: &mut State<'_>, context: &Context<'_>, handover: &Handover, id: &ItemId) -> Result<(), Stop> {
    let item = offered_item(state, id)?;
    let common = &context.statement.common;
    relocate(state, item.site, common.site, item.grams);
    let received = Some(handover.id);
    let taken = Item { holder: common.org, site: common.site, status: ItemStatus::Held, received, ..item };
    state.put(Record::Item(taken.touched(context)?));
    Ok(())
}
