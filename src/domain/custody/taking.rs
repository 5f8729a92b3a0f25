//! The receiver's word: what is taken is the receiver's, weighed by the receiver; what is refused never left.

use super::claim::claim;
use super::{Handover, HandoverStatus, Side, close, give_back, offered_item, open_handover};
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{Road, settle_in};
use crate::domain::balance::{Account, adjust, relocate};
use crate::domain::codes::{ItemStatus, KeyCustody};
use crate::domain::delegation::are_related;
use crate::domain::event::{HandoverAccepted, ReceivedLot, RefusedItem};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::hazardous;
use crate::domain::ids::{ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::item::{Item, restate_at};
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::packing::take_out_of_container;
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::Key;
use crate::domain::signal::{self, Taking};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::treatment::documented;
use std::collections::BTreeSet;

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

pub(super) fn require_an_answer_each(handover: &Handover, answers: &[ReceivedLot]) -> Result<(), Stop> {
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
pub(super) fn require_sum(
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
pub(super) fn require_whole_answer(state: &State<'_>, received: &ReceivedLot, pointer: &str) -> Result<(), Stop> {
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

pub(super) fn require_sound_refusals(handover: &Handover, refused: &[RefusedItem]) -> Result<(), Stop> {
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
