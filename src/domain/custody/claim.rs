//! The receiver's word without an offer: something came, and the sender has not said so yet.

use super::taking::{require_an_answer_each, require_sound_refusals, require_sum, require_whole_answer};
use super::{Claim, Handover, HandoverStatus};
use crate::domain::apply::{Context, refuse};
use crate::domain::codes::ItemStatus;
use crate::domain::event::{HandoverAccepted, Unoffered};
use crate::domain::ids::{HandoverId, ItemId, OrganisationId};
use crate::domain::item::Item;
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use std::collections::BTreeSet;

/// A receiver says that something came which nobody offered. It stays with the sender, marked, until the sender offers it.
pub(super) fn claim(
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
