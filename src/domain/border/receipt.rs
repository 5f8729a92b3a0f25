//! The receipt of a shipment in the other country.

use super::completion::Completion;
use super::shipping::Shipment;
use super::{borders, is_named};
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{Road, country_of};
use crate::domain::custody::{HandoverStatus, Side, close, give_back, open_handover, take};
use crate::domain::due::{self, DueKind};
use crate::domain::event::{HandoverAccepted, ImportReceived};
use crate::domain::ids::{HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::item::Item;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, State, Stop};

/// The receiver in the other country answers; what it refuses, all or a part, returns to live stock at the sender.
pub fn import_received(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &ImportReceived,
) -> Result<Vec<Warning>, Stop> {
    let rules = rules_in_force(state)?;
    let borders = borders(rules)?;
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    let Some(shipment) = handover.shipment.clone() else {
        let detail = "this crosses no border; its receipt is handover_accepted";
        return refuse(RefusalCode::WrongKind, "/handover", detail);
    };
    if event.refused_whole.is_some() {
        if event.refused.is_some() || event.lots.is_some() {
            let detail = "what is refused as a whole is not answered piece by piece";
            return refuse(RefusalCode::ListInvalid, "/refused_whole", detail);
        }
        for id in handover.all() {
            give_back(state, context, id)?;
        }
        close(state, context, handover, HandoverStatus::Refused);
        return Ok(Vec::new());
    }
    let day = context.day();
    if let Some(day) = day.as_ref().filter(|_| !handover.lots.is_empty()) {
        let parties: Vec<OrganisationId> = handover.parties().take(2).collect();
        let term = (day, borders.completion_days);
        due::note(state, &parties, term, DueKind::Completion, &handover.id, context.index);
    }
    let accepted = HandoverAccepted {
        handover: event.handover,
        refused: event.refused.clone(),
        lots: event.lots.clone(),
        unoffered: None,
        number: event.number.clone(),
        document: event.document.clone(),
    };
    let site = handover.facility.or(context.statement.common.site);
    let elsewhere = is_elsewhere(state, context, &shipment, site)?;
    let completion = day.and_then(|day| Completion::of(rules, shipment.operation.as_ref(), &day));
    let (id, brought) = (handover.id, handover.all().copied().collect::<Vec<_>>());
    let warnings = take(state, context, handover, &accepted, Road::Shipment { elsewhere })?;
    if let Some(completion) = completion {
        ask_for_completion(state, &id, &brought, &completion)?;
    }
    Ok(warnings)
}

/// What was taken of a shipment as waste must end as and when it should.
fn ask_for_completion(
    state: &mut State<'_>,
    handover: &HandoverId,
    brought: &[ItemId],
    completion: &Completion,
) -> Result<(), Stop> {
    for id in brought {
        let Some(item) = state.item(id)?.filter(|item| item.received == Some(*handover)).cloned() else { continue };
        if item.arising.is_some() {
            let evidence = item.evidence.clone().bound_to(completion);
            state.put(Record::Item(Item { evidence, ..item }));
        }
    }
    Ok(())
}

/// Whether a shipment arrives in another country than the one it was shipped to, or at a plant that its consent does not name;
/// older rule sets looked at neither, or at the country alone.
fn is_elsewhere(
    state: &State<'_>,
    context: &Context<'_>,
    shipment: &Shipment,
    site: Option<SiteId>,
) -> Result<bool, Stop> {
    if rules_in_force(state)?.scheme.conditions.is_none() {
        return Ok(false);
    }
    if shipment.plants.as_ref().is_some_and(|plants| !is_named(plants, site)) {
        return Ok(true);
    }
    let arrived_in = country_of(state, context, site)?;
    Ok(arrived_in.is_some_and(|arrived_in| arrived_in != shipment.to_country))
}
