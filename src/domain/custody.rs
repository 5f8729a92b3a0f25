//! Custody: two parties, two statements. Until the receiver answers, everything stays with the sender.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, adjust, relocate};
use crate::domain::codes::{ItemKind, ItemStatus, KeyCustody, Role};
use crate::domain::event::{
    HandoverAccepted, HandoverOffered, HandoverRefused, HandoverWithdrawn, ReceivedLot, RefusedItem,
};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, SiteId};
use crate::domain::item::{Item, own_item, require_order, restate_at};
use crate::domain::lot::{arrive, each_once, settle_in};
use crate::domain::mass::Grams;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
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
        /// The devices and components that were offered.
        items: Vec<ItemId>,
        /// The lots that were offered, in the offer's order.
        lots: Vec<ItemId>,
        /// Where it stands.
        status: HandoverStatus,
        /// The entry of the offer.
        offered: EntryIndex,
        /// The key that signed the offer.
        signer: KeyId,
        /// Who carries, if somebody else does.
        carrier: Option<OrganisationId>,
        /// The entry of the answer.
        answered: Option<EntryIndex>,
    }
}

impl Handover {
    fn all(&self) -> impl Iterator<Item = &ItemId> {
        self.items.iter().chain(&self.lots)
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
    let items = event.items.clone().unwrap_or_default();
    let lots: Vec<ItemId> = event.lots.iter().flatten().map(|offered| offered.lot).collect();
    let distinct: BTreeSet<&ItemId> = items.iter().chain(&lots).collect();
    if distinct.is_empty() || distinct.len() != items.len() + lots.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item or lot, and each once");
    }
    for (position, id) in items.iter().enumerate() {
        offer(state, context, id, &format!("/items/{position}"), false)?;
    }
    for (position, offered) in event.lots.iter().flatten().enumerate() {
        let grams = offer(state, context, &offered.lot, &format!("/lots/{position}/lot"), true)?;
        if offered.sent_g != grams {
            let detail = format!("this lot has {grams} on the ledger; say reweighed first if it weighs otherwise");
            return refuse(RefusalCode::SumDiffers, format!("/lots/{position}/sent_g"), detail);
        }
    }
    let (status, offered) = (HandoverStatus::Open, context.index);
    state.put(Record::Handover(Handover {
        id: event.handover,
        from,
        to: event.to,
        items,
        lots,
        status,
        offered,
        signer: context.signer,
        carrier: event.carrier,
        answered: None,
    }));
    Ok(())
}

/// Marks an item as offered; lots, which are weighed again, stand in a list of their own.
fn offer(
    state: &mut State<'_>,
    context: &Context<'_>,
    id: &ItemId,
    pointer: &str,
    as_lot: bool,
) -> Result<Grams, Stop> {
    let item = own_item(state, context, id, pointer, &[ItemStatus::Held])?;
    if (item.kind == ItemKind::Lot) != as_lot {
        let detail = "devices and components stand in items, lots with their sent mass in lots";
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
    state.require_loaded(handover.all().map(ToString::to_string))?;
    Ok(handover)
}

fn offered_item(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let Some(item) = state.item(id)? else {
        return refuse(RefusalCode::Unknown, "/handover", "an item of this handover is not known");
    };
    require_order(state, context, item)?;
    Ok(item.clone())
}

/// Gives an offered item back to its sender's shelf; it never left.
fn give_back(state: &mut State<'_>, context: &Context<'_>, id: &ItemId) -> Result<(), Stop> {
    let item = offered_item(state, context, id)?;
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
    for id in handover.all() {
        give_back(state, context, id)?;
    }
    close(state, context, handover, HandoverStatus::Withdrawn);
    Ok(())
}

/// The receiver takes nothing.
pub fn handover_refused(state: &mut State<'_>, context: &Context<'_>, event: &HandoverRefused) -> Result<(), Stop> {
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    for id in handover.all() {
        give_back(state, context, id)?;
    }
    close(state, context, handover, HandoverStatus::Refused);
    Ok(())
}

/// The receiver takes what it does not refuse one by one; devices and components keep their grams, lots are weighed.
pub fn handover_accepted(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &HandoverAccepted,
) -> Result<Vec<Warning>, Stop> {
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    let refused = event.refused.clone().unwrap_or_default();
    require_sound_refusals(&handover, &refused)?;
    let mut warnings = Vec::new();
    for id in &handover.items {
        if refused.iter().any(|refused| refused.item == *id) {
            give_back(state, context, id)?;
        } else {
            warnings.extend(take_over(state, context, &handover, id)?);
        }
    }
    let received = event.lots.clone().unwrap_or_default();
    if received.len() != handover.lots.len() {
        let detail =
            format!("say of each of the {} lots, in the offer's order, what was received", handover.lots.len());
        return refuse(RefusalCode::ListInvalid, "/lots", detail);
    }
    for (position, (id, received)) in handover.lots.iter().zip(&received).enumerate() {
        let lot = offered_item(state, context, id)?;
        warnings.extend(take_lot(state, context, &handover, lot, received, &format!("/lots/{position}"))?);
    }
    close(state, context, handover, HandoverStatus::Accepted);
    Ok(each_once(warnings))
}

/// Whether both sides signed with keys that the operator holds: then nobody but the operator confirmed anything.
fn is_confirmed(state: &State<'_>, context: &Context<'_>, handover: &Handover) -> Result<bool, Stop> {
    let is_hosted = |kid: &KeyId| Ok::<_, Stop>(state.key(kid)?.is_none_or(|key| key.custody == KeyCustody::Hosted));
    Ok(!is_hosted(&handover.signer)? || !is_hosted(&context.signer)?)
}

/// What stands behind an item after this handover.
fn evidence_after(
    state: &State<'_>,
    context: &Context<'_>,
    handover: &Handover,
    item: &Item,
    warnings: &[Warning],
) -> Result<Evidence, Stop> {
    let evidence = item.evidence.clone().warned(warnings, context.index);
    let confirmed = is_confirmed(state, context, handover)?;
    Ok(if confirmed { evidence } else { evidence.flawed(FlawCode::CustodyNotConfirmed, context.index) })
}

/// A lot is the receiver's with the receiver's net weight; a refused part never leaves the sender; the rest is
/// difference, at the receiver's site, where it was found.
fn take_lot(
    state: &mut State<'_>,
    context: &Context<'_>,
    handover: &Handover,
    lot: Item,
    received: &ReceivedLot,
    pointer: &str,
) -> Result<Vec<Warning>, Stop> {
    require_whole_answer(state, received, pointer)?;
    let Some(weight) = &received.weight else {
        give_back(state, context, &lot.id)?;
        return Ok(Vec::new());
    };
    let (net, basis, scale_warning) = restate_at(state, context, weight, &format!("{pointer}/weight"))?;
    if received.accepted_g.plus(received.refused_g) != Some(net) {
        let detail = format!("accepted and refused must add up to the {net} received");
        return refuse(RefusalCode::SumDiffers, format!("{pointer}/accepted_g"), detail);
    }
    let division = match &weight.scale {
        Some(scale) => state.scale(scale)?.map_or(Grams::ZERO, |scale| scale.division_g),
        None => Grams::ZERO,
    };
    let difference = net.get() - lot.grams.get();
    let disputed = difference.abs() > rules_in_force(state)?.bands.handover_g(lot.grams, division);
    let mut warnings: Vec<Warning> = scale_warning.into_iter().collect();
    if disputed {
        warnings.extend(Warning::new(WarningCode::DifferenceBeyondBand, pointer));
    }
    let evidence = lot.evidence.clone().warned(&warnings, context.index);
    let lot = Item { basis, evidence, status: ItemStatus::Held, ..lot };
    if received.accepted_g == Grams::ZERO {
        adjust(state, lot.site, Account::Difference, difference);
        state.put(Record::Item(Item { grams: received.refused_g, ..lot }.touched(context)?));
        return Ok(warnings);
    }
    if let Some(id) = received.refused_as {
        let returned = Item { id, grams: received.refused_g, registered: context.index, ..lot.clone() };
        state.put(Record::Item(returned.touched(context)?));
    }
    let (from, site) = (lot.site, context.statement.common.site);
    move_received(state, &lot, site, received);
    let (holder, grams) = (context.statement.common.org, received.accepted_g);
    let evidence = evidence_after(state, context, handover, &lot, &[])?;
    let taken = Item { holder, site, grams, evidence, received: Some(handover.id), ..lot };
    let (taken, found) = settle_in(state, context, taken, from)?;
    warnings.extend(found);
    state.put(Record::Item(taken.touched(context)?));
    Ok(warnings)
}

/// What is refused stays at the sender's site, as far as the ledger has grams for it there; all else travels. What no
/// weighing explains is found where it is found.
fn move_received(state: &mut State<'_>, lot: &Item, site: Option<SiteId>, received: &ReceivedLot) {
    let staying = received.refused_g.min(lot.grams);
    let travelling = lot.grams.minus(staying).unwrap_or(Grams::ZERO);
    relocate(state, lot.site, site, travelling);
    adjust(state, lot.site, Account::Difference, received.refused_g.get() - staying.get());
    adjust(state, site, Account::Difference, received.accepted_g.get() - travelling.get());
}

/// A refused part has a new id and a reason; where nothing, or everything, is refused there is no part. Of a lot that
/// never came there is no weight.
fn require_whole_answer(state: &State<'_>, received: &ReceivedLot, pointer: &str) -> Result<(), Stop> {
    let nothing_came = received.accepted_g == Grams::ZERO && received.refused_g == Grams::ZERO;
    if received.weight.is_some() == nothing_came {
        let detail = "say what it weighed; of a lot that never came, 0 accepted and 0 refused without a weight";
        return refuse(RefusalCode::WeightInvalid, format!("{pointer}/weight"), detail);
    }
    let is_part = received.refused_g > Grams::ZERO && received.accepted_g > Grams::ZERO;
    if received.refused_as.is_some() != is_part {
        let detail = "name a new id for a refused part, and only for a part";
        return refuse(RefusalCode::ListInvalid, format!("{pointer}/refused_as"), detail);
    }
    if received.reason.is_some() != (received.refused_g > Grams::ZERO || nothing_came) {
        let detail = "give a reason for what is refused or never came, and only for that";
        return refuse(RefusalCode::ListInvalid, format!("{pointer}/reason"), detail);
    }
    match &received.refused_as {
        Some(id) if state.item(id)?.is_some() => {
            refuse(RefusalCode::AlreadyRegistered, format!("{pointer}/refused_as"), "an item of this id is known")
        }
        _ => Ok(()),
    }
}

fn require_sound_refusals(handover: &Handover, refused: &[RefusedItem]) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for (position, refusal) in refused.iter().enumerate() {
        if !handover.items.contains(&refusal.item) || !seen.insert(refusal.item) {
            let pointer = format!("/refused/{position}/item");
            return refuse(RefusalCode::ListInvalid, pointer, "name items of this handover, and each once");
        }
    }
    if handover.lots.is_empty() && seen.len() == handover.items.len() {
        let detail = "everything is refused; say handover_refused";
        return refuse(RefusalCode::ListInvalid, "/refused", detail);
    }
    Ok(())
}

/// The item is the receiver's, at the receiver's site; what is waste already is taken in there like a lot.
fn take_over(
    state: &mut State<'_>,
    context: &Context<'_>,
    handover: &Handover,
    id: &ItemId,
) -> Result<Vec<Warning>, Stop> {
    let item = offered_item(state, context, id)?;
    let common = &context.statement.common;
    let received = Some(handover.id);
    let taken = Item { holder: common.org, status: ItemStatus::Held, received, ..item };
    let (taken, warnings) = arrive(state, context, taken, common.site)?;
    let evidence = evidence_after(state, context, handover, &taken, &warnings)?;
    state.put(Record::Item(Item { evidence, ..taken }.touched(context)?));
    Ok(warnings)
}
