//! Waste that goes in a circle: handed on, and back again, to be received twice.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::evidence::Evidence;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::refusal::Warning;
use crate::domain::signal::{Figures, SignalCode, Taking, raise};
use crate::domain::state::{RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::limits::HANDED_ON_MAX;
use std::collections::BTreeMap;

record! {
    /// That an organisation has handed waste on; it travels with the grams until they are dismantled.
    pub struct HandedOn {
        /// Who.
        by: OrganisationId,
        /// When the receiver took it, as written.
        on: Date,
        /// The entry of that.
        entry: EntryIndex,
    }
}

/// Of two that become one: who handed either on, each at the latest. Of very many the latest are kept.
pub(crate) fn joined(one: Option<&[HandedOn]>, other: Option<&[HandedOn]>) -> Option<Vec<HandedOn>> {
    if one.is_none() && other.is_none() {
        return None;
    }
    let mut latest: BTreeMap<OrganisationId, HandedOn> = BTreeMap::new();
    for handed in one.into_iter().chain(other).flatten() {
        let known = latest.entry(handed.by).or_insert_with(|| handed.clone());
        if (&known.on, known.entry) < (&handed.on, handed.entry) {
            *known = handed.clone();
        }
    }
    let mut all: Vec<HandedOn> = latest.into_values().collect();
    if all.len() > HANDED_ON_MAX {
        all.sort_by(|one, other| (&other.on, other.entry).cmp(&(&one.on, one.entry)));
        all.truncate(HANDED_ON_MAX);
        all.sort_by_key(|handed| handed.by);
    }
    Some(all)
}

/// The signal of waste that comes back to whoever has handed it on; and the memory of who hands it on now. Equipment that is not
/// waste yet may well come back: for repair, or at its end.
pub(super) fn of_taking(
    state: &mut State<'_>,
    context: &Context<'_>,
    evidence: Evidence,
    taking: &Taking<'_>,
) -> Result<(Evidence, Option<Warning>), Stop> {
    let signals = rules_in_force(state)?.signals.as_ref();
    let (Some(signals), Some(to), Some(day)) = (signals, taking.to, context.day()) else { return Ok((evidence, None)) };
    if taking.after.arising.is_none() {
        return Ok((evidence, None));
    }
    let in_time = |handed: &&HandedOn| handed.on.days_until(&day).is_some_and(|days| days <= signals.circular_days);
    let earlier = evidence.handed_on.iter().flatten().filter(|handed| handed.by == to).find(in_time);
    let earlier = earlier.map(|handed| handed.entry);
    let warning = if earlier.is_some() {
        let found_g = Some(taking.after.grams.get());
        let figures = Figures { site: taking.after.site, found_g, earlier, ..Figures::default() };
        let about = RecordId::new(RecordKind::Item, &taking.after.id);
        raise(state, context, SignalCode::CircularTrade, &about, figures, taking.pointer)
    } else {
        None
    };
    let now = [HandedOn { by: taking.from, on: day, entry: context.index }];
    let handed_on = joined(evidence.handed_on.as_deref(), Some(&now));
    Ok((Evidence { handed_on, ..evidence }, warning))
}
