//! The receipt of a shipment in the other country.

use super::borders;
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::custody::{Handover, HandoverStatus, Side, close, give_back, open_handover, take};
use crate::domain::due::{self, DueKind};
use crate::domain::event::{HandoverAccepted, ImportReceived};
use crate::domain::ids::OrganisationId;
use crate::domain::lot::{Road, country_of};
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{State, Stop};

/// The receiver in the other country answers; what it refuses, all or a part, returns to live stock at the sender.
pub fn import_received(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &ImportReceived,
) -> Result<Vec<Warning>, Stop> {
    let borders = borders(rules_in_force(state)?)?;
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    if handover.shipment.is_none() {
        let detail = "this crosses no border; its receipt is handover_accepted";
        return refuse(RefusalCode::WrongKind, "/handover", detail);
    }
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
    if let Some(day) = context.day().filter(|_| !handover.lots.is_empty()) {
        let parties: Vec<OrganisationId> = handover.parties().take(2).collect();
        let term = (&day, borders.completion_days);
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
    let road = Road::Shipment { elsewhere: is_elsewhere(state, context, &handover)? };
    take(state, context, handover, &accepted, road)
}

/// Whether a shipment arrives in another country than the one it was shipped to; older rule sets did not look.
fn is_elsewhere(state: &State<'_>, context: &Context<'_>, handover: &Handover) -> Result<bool, Stop> {
    if rules_in_force(state)?.scheme.conditions.is_none() {
        return Ok(false);
    }
    let site = handover.facility.or(context.statement.common.site);
    let arrived_in = country_of(state, context, site)?;
    let shipped_to = handover.shipment.as_ref().map(|shipment| &shipment.to_country);
    Ok(arrived_in.as_ref().zip(shipped_to).is_some_and(|(arrived, shipped)| arrived != shipped))
}
