//! The carriers' word: the legs of a handover's way.

use super::Leg;
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::Role;
use crate::domain::event::Carried;
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use crate::limits::LEGS_MAX;

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
