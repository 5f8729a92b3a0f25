//! Custody: two parties, two statements. Until the receiver answers, everything stays with the sender.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::{Account, adjust, relocate};
use crate::domain::border::Shipment;
use crate::domain::codes::{ItemKind, ItemStatus, KeyCustody, Place, Role, TableCode};
use crate::domain::delegation::are_related;
use crate::domain::event::{
    Carried, Common, DifferenceAgreed, Event, HandoverAccepted, HandoverOffered, HandoverRefused, HandoverWithdrawn,
    OfferedLot, ReceivedLot, RefusedItem, Statement, Unoffered,
};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::{codes, record};
use crate::domain::finding;
use crate::domain::hazardous;
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, PartyId, SiteId};
use crate::domain::item::{Item, own_packed_item, require_order, restate_at};
use crate::domain::lot::{Road, each_once, settle_in};
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::packing::{require_whole_containers, take_out_of_container};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::Key;
use crate::domain::signal::{self, Taking};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::domain::treatment::documented;
use crate::limits::LEGS_MAX;
use std::collections::BTreeSet;

codes! {
    /// Where a handover stands.
    pub enum HandoverStatus {
        /// The receiver claims to have it; the sender has not offered it yet.
        Claimed = "claimed",
        /// The receiver has not answered.
        Open = "open",
        /// The receiver took all or a part.
        Accepted = "accepted",
        /// The receiver took nothing.
        Refused = "refused",
        /// The sender took it back.
        Withdrawn = "withdrawn",
        /// It never was: a correction says so.
        Void = "void",
    }
}

record! {
    /// What a receiver claims to have received without an offer.
    pub struct Claim {
        /// The entry that claims it.
        entry: EntryIndex,
        /// The key that signed it.
        signer: KeyId,
        /// Who, where and when.
        common: Common,
        /// What became of it.
        accepted: HandoverAccepted,
    }
}

record! {
    /// One leg of the way.
    pub struct Leg {
        /// The entry that states it.
        entry: EntryIndex,
        /// Who carried.
        carrier: OrganisationId,
        /// How.
        mode: TableCode,
        /// Where it began.
        from: Place,
        /// Where it ended.
        to: Place,
        /// Day of departure.
        departed: Date,
        /// Day of arrival.
        arrived: Date,
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
        to: Option<OrganisationId>,
        /// A plant without a key that receives; the sender shows its papers.
        facility: Option<SiteId>,
        /// The devices, components and containers that were offered.
        items: Vec<ItemId>,
        /// The lots that were offered, in the offer's order.
        lots: Vec<ItemId>,
        /// Where it stands.
        status: HandoverStatus,
        /// The entry of the offer; of a claim until then.
        offered: EntryIndex,
        /// The key that signed the offer.
        signer: KeyId,
        /// Who carries, if others do.
        carriers: Vec<OrganisationId>,
        /// The legs of its way, as they were posted.
        legs: Vec<Leg>,
        /// Its border, if it crosses one.
        shipment: Option<Shipment>,
        /// What the receiver claimed before there was an offer.
        claim: Option<Claim>,
        /// The entry of the answer.
        answered: Option<EntryIndex>,
        /// Whether sender and receiver weighed differently beyond the band.
        disputed: bool,
        /// Who has agreed to the difference.
        agreed: Vec<OrganisationId>,
    }
}

impl Handover {
    /// Everything that was offered.
    pub fn all(&self) -> impl Iterator<Item = &ItemId> {
        self.items.iter().chain(&self.lots)
    }

    /// Everybody who has to do with it.
    pub fn parties(&self) -> impl Iterator<Item = OrganisationId> {
        [self.from].into_iter().chain(self.to).chain(self.carriers.iter().copied())
    }
}

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

/// Which side of a handover speaks.
pub(crate) enum Side {
    Sender,
    Receiver,
}

/// The open handover that a statement answers, if its author may.
pub(crate) fn open_handover(
    state: &State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
) -> Result<Handover, Stop> {
    unanswered(state, context, id, side, &[HandoverStatus::Open])
}

/// The same for a handover that stands otherwise.
fn unanswered(
    state: &State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
    standing: &[HandoverStatus],
) -> Result<Handover, Stop> {
    let Some(handover) = state.handover(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let (speaker, wanted) = match side {
        Side::Sender => (handover.from, "sender"),
        // For a plant without a key the sender shows its papers.
        Side::Receiver => (handover.to.unwrap_or(handover.from), "named receiver"),
    };
    if speaker != context.party() {
        return refuse(RefusalCode::WrongReceiver, "/handover", format!("only the {wanted} may say this"));
    }
    if !standing.contains(&handover.status) {
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
pub(crate) fn give_back(state: &mut State<'_>, context: &Context<'_>, id: &ItemId) -> Result<(), Stop> {
    let item = offered_item(state, context, id)?;
    let held = Item { status: ItemStatus::Held, ..item };
    state.put(Record::Item(held.touched(context)?));
    Ok(())
}

pub(crate) fn close(state: &mut State<'_>, context: &Context<'_>, handover: Handover, status: HandoverStatus) {
    let answered = Some(context.index);
    state.put(Record::Handover(Handover { status, answered, ..handover }));
}

/// The sender takes the offer back, or rejects what a receiver claims to have.
pub fn handover_withdrawn(state: &mut State<'_>, context: &Context<'_>, event: &HandoverWithdrawn) -> Result<(), Stop> {
    end_whole(state, context, &event.handover, &Side::Sender, HandoverStatus::Withdrawn)
}

/// The receiver takes nothing, or takes back its claim.
pub fn handover_refused(state: &mut State<'_>, context: &Context<'_>, event: &HandoverRefused) -> Result<(), Stop> {
    end_whole(state, context, &event.handover, &Side::Receiver, HandoverStatus::Refused)
}

/// A handover ends without anything changing hands.
fn end_whole(
    state: &mut State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
    status: HandoverStatus,
) -> Result<(), Stop> {
    let handover = unanswered(state, context, id, side, &[HandoverStatus::Open, HandoverStatus::Claimed])?;
    for id in handover.all() {
        if handover.status == HandoverStatus::Open {
            give_back(state, context, id)?;
        } else if let Some(item) = state.item(id)?.cloned() {
            // What was only claimed is where it was.
            state.put(Record::Item(Item { claimed: None, ..item }));
        }
    }
    close(state, context, handover, status);
    Ok(())
}

/// The receiver takes what it does not refuse one by one; devices and components keep their grams, lots are weighed.
pub fn handover_accepted(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &HandoverAccepted,
) -> Result<Vec<Warning>, Stop> {
    if let Some(unoffered) = &event.unoffered {
        claim(state, context, event, unoffered)?;
        return Ok(Vec::new());
    }
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    if handover.shipment.is_some() {
        let detail = "this is a shipment over a border; its receipt is import_received";
        return refuse(RefusalCode::WrongKind, "/handover", detail);
    }
    take(state, context, handover, event, Road::Ordinary)
}

/// A receiver says that something came which nobody offered. It stays with the sender, marked, until the sender offers it.
fn claim(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &HandoverAccepted,
    unoffered: &Unoffered,
) -> Result<(), Stop> {
    if state.handover(&event.handover)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/handover", "a handover of this id is known");
    }
    let items = unoffered.items.clone().unwrap_or_default();
    let lots = unoffered.lots.clone().unwrap_or_default();
    let distinct: BTreeSet<&ItemId> = items.iter().chain(&lots).collect();
    if distinct.is_empty() || distinct.len() != items.len() + lots.len() {
        return refuse(RefusalCode::ListInvalid, "/unoffered", "name at least one item or lot, and each once");
    }
    if unoffered.from == context.party() {
        return refuse(RefusalCode::WrongReceiver, "/unoffered/from", "the sender must be another organisation");
    }
    state.require_loaded(distinct.iter().map(ToString::to_string))?;
    for (list, ids) in [("items", &items), ("lots", &lots)] {
        for (position, id) in ids.iter().enumerate() {
            mark_claimed(state, event.handover, unoffered.from, id, &format!("/unoffered/{list}/{position}"))?;
        }
    }
    let handover = Handover {
        id: event.handover,
        from: unoffered.from,
        to: Some(context.party()),
        facility: None,
        items,
        lots,
        status: HandoverStatus::Claimed,
        offered: context.index,
        signer: context.signer,
        carriers: Vec::new(),
        legs: Vec::new(),
        shipment: None,
        claim: Some(Claim {
            entry: context.index,
            signer: context.signer,
            common: context.statement.common.clone(),
            accepted: HandoverAccepted { unoffered: None, ..event.clone() },
        }),
        answered: None,
        disputed: false,
        agreed: Vec::new(),
    };
    require_sound_refusals(&handover, event.refused.as_deref().unwrap_or_default())?;
    let answers = event.lots.as_deref().unwrap_or_default();
    require_an_answer_each(&handover, answers)?;
    for (position, answer) in answers.iter().enumerate() {
        let pointer = format!("/lots/{position}");
        require_whole_answer(state, answer, &pointer)?;
        require_sum(state, context, answer, &pointer)?;
    }
    state.put(Record::Handover(handover));
    Ok(())
}

fn mark_claimed(
    state: &mut State<'_>,
    handover: HandoverId,
    from: OrganisationId,
    id: &ItemId,
    pointer: &str,
) -> Result<(), Stop> {
    let Some(item) = state.item(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, pointer, "no item of this id is registered");
    };
    if item.holder != from {
        return refuse(RefusalCode::NotTheHolder, pointer, "the named sender does not hold this item");
    }
    if item.status != ItemStatus::Held || item.claimed.is_some() {
        let detail = format!("this needs an item that is held and not claimed; this one is {}", item.status);
        return refuse(RefusalCode::WrongStatus, pointer, detail);
    }
    state.put(Record::Item(Item { claimed: Some(handover), ..item }));
    Ok(())
}

fn require_an_answer_each(handover: &Handover, answers: &[ReceivedLot]) -> Result<(), Stop> {
    if answers.len() == handover.lots.len() {
        return Ok(());
    }
    let count = handover.lots.len();
    let detail = format!("say of each of the {count} lots, in the offer's order, what was received");
    refuse(RefusalCode::ListInvalid, "/lots", detail)
}

/// The receiver's answer takes effect.
pub(crate) fn take(
    state: &mut State<'_>,
    context: &Context<'_>,
    handover: Handover,
    event: &HandoverAccepted,
    road: Road,
) -> Result<Vec<Warning>, Stop> {
    let refused = event.refused.clone().unwrap_or_default();
    require_sound_refusals(&handover, &refused)?;
    let answers = event.lots.as_deref().unwrap_or_default();
    require_an_answer_each(&handover, answers)?;
    let mut warnings = match &handover.facility {
        Some(facility) => {
            let (number, document) = (event.number.as_ref(), event.document.as_ref());
            documented(state, context, facility, number, document, "/handover")?
        }
        None => Vec::new(),
    };
    if !handover.lots.is_empty() {
        warnings.extend(signal::of_receipt(state, context, &handover, event)?);
    }
    let receipt = Receipt {
        handover: &handover,
        holder: handover.to.unwrap_or(handover.from),
        site: handover.facility.or(context.statement.common.site),
        flaw: flaw_of(state, context, &handover)?,
        papers: warnings.clone(),
        road,
    };
    for id in &handover.items {
        if refused.iter().any(|refused| refused.item == *id) {
            give_back(state, context, id)?;
        } else {
            warnings.extend(take_over(state, context, &receipt, id)?);
        }
    }
    hazardous::require_owed_loaded(state, &handover.lots)?;
    for (position, (id, answer)) in handover.lots.iter().zip(answers).enumerate() {
        let lot = offered_item(state, context, id)?;
        warnings.extend(take_lot(state, context, &receipt, lot, answer, &format!("/lots/{position}"))?);
    }
    part_from_containers(state, &handover)?;
    let disputed = warnings.iter().any(|warning| warning.code == WarningCode::DifferenceBeyondBand);
    close(state, context, Handover { disputed, ..handover }, HandoverStatus::Accepted);
    Ok(each_once(warnings))
}

/// What went another way than its container is in it no more.
fn part_from_containers(state: &mut State<'_>, handover: &Handover) -> Result<(), Stop> {
    for id in handover.all() {
        let Some(item) = state.item(id)?.cloned() else { continue };
        let Some(container) = item.packed_in else { continue };
        if state.item(&container)?.is_some_and(|container| container.holder != item.holder) {
            let item = take_out_of_container(state, item)?;
            state.put(Record::Item(item));
        }
    }
    Ok(())
}

/// A receipt at work.
struct Receipt<'a> {
    handover: &'a Handover,
    holder: OrganisationId,
    site: Option<SiteId>,
    /// Why nobody but one party confirmed it.
    flaw: Option<FlawCode>,
    /// That it rests on papers.
    papers: Vec<Warning>,
    road: Road,
}

/// Why a handover is no two-party proof: both keys are the operator's, one organisation signed for both sides, or the
/// sides are related.
fn flaw_of(state: &State<'_>, context: &Context<'_>, handover: &Handover) -> Result<Option<FlawCode>, Stop> {
    let other = handover.to.map(|to| PartyId(to.0)).or(handover.facility.map(|facility| PartyId(facility.0)));
    let related = match other {
        Some(other) => are_related(state, PartyId(handover.from.0), other)?,
        None => false,
    };
    if related {
        return Ok(Some(FlawCode::RelatedParties));
    }
    if handover.facility.is_some() {
        return Ok(None);
    }
    let (offered, answered) = (state.key(&handover.signer)?, state.key(&context.signer)?);
    if offered.zip(answered).is_some_and(|(one, other)| one.organisation == other.organisation) {
        return Ok(Some(FlawCode::RelatedParties));
    }
    let is_hosted = |key: Option<&Key>| key.is_none_or(|key| key.custody == KeyCustody::Hosted);
    Ok((is_hosted(offered) && is_hosted(answered)).then_some(FlawCode::CustodyNotConfirmed))
}

impl Receipt<'_> {
    /// What is taken, as signals look at it.
    fn taking<'t>(&self, before: &'t Item, after: &'t Item, change_g: i64, pointer: &'t str) -> Taking<'t> {
        Taking { from: self.handover.from, to: self.handover.to, before, after, change_g, pointer }
    }

    /// What stands behind an item after this handover.
    fn evidence_after(&self, context: &Context<'_>, item: &Item, warnings: &[Warning]) -> Evidence {
        let evidence = item.evidence.clone().warned(warnings, context.index).warned(&self.papers, context.index);
        match self.flaw {
            Some(flaw) => evidence.flawed(flaw, context.index),
            None => evidence,
        }
    }
}

/// The weight of an answer, if accepted and refused add up to it.
fn require_sum(
    state: &State<'_>,
    context: &Context<'_>,
    answer: &ReceivedLot,
    pointer: &str,
) -> Result<Option<(Grams, WeightBasis, Option<Warning>)>, Stop> {
    let Some(weight) = &answer.weight else { return Ok(None) };
    let (net, basis, warning) = restate_at(state, context, weight, &format!("{pointer}/weight"))?;
    if answer.accepted_g.plus(answer.refused_g) != Some(net) {
        let detail = format!("accepted and refused must add up to the {net} received");
        return refuse(RefusalCode::SumDiffers, format!("{pointer}/accepted_g"), detail);
    }
    Ok(Some((net, basis, warning)))
}

/// A lot is the receiver's with the receiver's net weight; a refused part never leaves the sender; the rest is
/// difference, at the receiver's site, where it was found. Both parts have their share of every source.
fn take_lot(
    state: &mut State<'_>,
    context: &Context<'_>,
    receipt: &Receipt<'_>,
    lot: Item,
    answer: &ReceivedLot,
    pointer: &str,
) -> Result<Vec<Warning>, Stop> {
    require_whole_answer(state, answer, pointer)?;
    let Some((net, basis, scale_warning)) = require_sum(state, context, answer, pointer)? else {
        give_back(state, context, &lot.id)?;
        return Ok(Vec::new());
    };
    let division = match answer.weight.as_ref().and_then(|weight| weight.scale) {
        Some(scale) => state.scale(&scale)?.map_or(Grams::ZERO, |scale| scale.division_g),
        None => Grams::ZERO,
    };
    let difference = net.get() - lot.grams.get();
    let disputed = difference.abs() > rules_in_force(state)?.bands.handover_g(lot.grams, division);
    let mut warnings: Vec<Warning> = scale_warning.into_iter().collect();
    if disputed {
        warnings.extend(Warning::new(WarningCode::DifferenceBeyondBand, pointer));
    }
    let evidence = lot.evidence.clone().warned(&warnings, context.index);
    let (from, sent, before) = (lot.site, lot.grams, lot.clone());
    let lot = Item { evidence, status: ItemStatus::Held, claimed: None, ..lot }.weighing(net, basis);
    if answer.accepted_g == Grams::ZERO {
        adjust(state, from, Account::Difference, difference);
        let about = RecordId::new(RecordKind::Item, &lot.id);
        let signal = signal::of_difference(state, context, from, difference, &[before.basis, basis], &about)?;
        let evidence = lot.evidence.clone().warned(signal.as_slice(), context.index);
        state.put(Record::Item(Item { evidence, ..lot }.touched(context)?));
        warnings.extend(signal);
        return Ok(warnings);
    }
    let (taken, returned) = lot.parted(answer.accepted_g);
    if let Some(id) = answer.refused_as {
        let returned = Item { id, packed_in: None, registered: context.index, ..returned };
        state.put(Record::Item(returned.touched(context)?));
    }
    move_received(state, (from, sent), receipt.site, answer);
    let evidence = receipt.evidence_after(context, &taken, &[]);
    let (holder, site, received) = (receipt.holder, receipt.site, Some(receipt.handover.id));
    let taken = Item { holder, site, evidence, received, ..taken };
    let (taken, found) = settle_in(state, context, taken, from, receipt.road)?;
    warnings.extend(found);
    // What was refused never left; the rest of what was sent is what came.
    let travelled = sent.minus(answer.refused_g).unwrap_or(Grams::ZERO);
    let taking = receipt.taking(&before, &taken, answer.accepted_g.get() - travelled.get(), pointer);
    let (evidence, found) = signal::of_taking(state, context, taken.evidence.clone(), &taking)?;
    warnings.extend(found);
    let (site, taken) = (taken.site, Item { evidence, ..taken }.touched(context)?);
    let taken = hazardous::accept(state, context, taken, site, None)?;
    state.put(Record::Item(taken));
    Ok(warnings)
}

/// What is refused stays at the sender's site, as far as the ledger has grams for it there; all else travels. What no
/// weighing explains is found where it is found.
fn move_received(
    state: &mut State<'_>,
    (from, sent): (Option<SiteId>, Grams),
    site: Option<SiteId>,
    received: &ReceivedLot,
) {
    let staying = received.refused_g.min(sent);
    let travelling = sent.minus(staying).unwrap_or(Grams::ZERO);
    relocate(state, from, site, travelling);
    adjust(state, from, Account::Difference, received.refused_g.get() - staying.get());
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
    receipt: &Receipt<'_>,
    id: &ItemId,
) -> Result<Vec<Warning>, Stop> {
    let item = offered_item(state, context, id)?;
    let from = item.site;
    relocate(state, from, receipt.site, item.grams);
    let (holder, site, received) = (receipt.holder, receipt.site, Some(receipt.handover.id));
    let taken = Item { holder, site, status: ItemStatus::Held, received, claimed: None, ..item };
    let (taken, mut warnings) = settle_in(state, context, taken, from, receipt.road)?;
    let evidence = receipt.evidence_after(context, &taken, &warnings);
    let taking = receipt.taking(&taken, &taken, 0, "/handover");
    let (evidence, found) = signal::of_taking(state, context, evidence, &taking)?;
    warnings.extend(found);
    state.put(Record::Item(Item { evidence, ..taken }.touched(context)?));
    Ok(warnings)
}

/// One of the two sides agrees to the receiver's weight; when both have, what was in dispute counts again.
pub fn difference_agreed(state: &mut State<'_>, context: &Context<'_>, event: &DifferenceAgreed) -> Result<(), Stop> {
    let Some(mut handover) = state.handover(&event.handover)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let party = context.party();
    if party != handover.from && Some(party) != handover.to {
        return refuse(RefusalCode::WrongReceiver, "/handover", "only sender and receiver agree to a difference");
    }
    if !handover.disputed && context.again.is_some() {
        // Since it was said a correction has explained the difference: there is nothing left to agree to.
        return Ok(());
    }
    let (Some(answered), Some(receiver), true) = (handover.answered, handover.to, handover.disputed) else {
        let detail = "nothing of this handover is in dispute between two parties";
        return refuse(RefusalCode::NothingToAnswer, "/handover", detail);
    };
    if handover.agreed.contains(&party) {
        return refuse(RefusalCode::NothingToAnswer, "/handover", "your organisation has agreed before");
    }
    handover.agreed.push(party);
    let both = [handover.from, receiver].iter().all(|side| handover.agreed.contains(side));
    state.put(Record::Handover(Handover { disputed: !both, ..handover }));
    if both { finding::cure(state, context, answered, &[FlawCode::Disputed]) } else { Ok(()) }
}

/// The mode of transport that has a vehicle with a number plate.
const ROAD_MODE: &str = "R";

/// A carrier states one leg of the way; late, or out of order, it is stated all the same.
pub fn carried(state: &mut State<'_>, context: &Context<'_>, event: &Carried) -> Result<(), Stop> {
    context.require_role(state, &[Role::Carrier])?;
    let Some(mut handover) = state.handover(&event.handover)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let carrier = context.party();
    if !handover.carriers.is_empty() && !handover.carriers.contains(&carrier) {
        return refuse(RefusalCode::WrongReceiver, "/handover", "the offer names other carriers");
    }
    if !rules_in_force(state)?.transport.iter().any(|mode| mode.code == event.mode.as_str()) {
        return refuse(RefusalCode::CodeUnknown, "/mode", "expected a mode of transport of the rule set in force");
    }
    if event.mode.as_str() == ROAD_MODE && event.vehicle.is_none() {
        return refuse(RefusalCode::ProofMissing, "/vehicle", "a leg by road names its vehicle, as a commitment");
    }
    if event.arrived < event.departed {
        return refuse(RefusalCode::TimeInvalid, "/arrived", "it arrives before it departs");
    }
    if handover.legs.len() >= LEGS_MAX {
        return refuse(RefusalCode::ListInvalid, "/handover", format!("a way has at most {LEGS_MAX} legs"));
    }
    state.require_loaded(handover.all().map(ToString::to_string))?;
    handover.legs.push(Leg {
        entry: context.index,
        carrier,
        mode: event.mode.clone(),
        from: event.from.clone(),
        to: event.to.clone(),
        departed: event.departed.clone(),
        arrived: event.arrived.clone(),
    });
    state.put(Record::Handover(handover));
    Ok(())
}
