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

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn each_at_the_latest_and_not_too_many() {
        let handed = |by: u128, on: &str, entry| HandedOn {
            by: OrganisationId(Uuid::from_u128(by)),
            on: Date::parse(on).expect("a day"),
            entry: EntryIndex(entry),
        };
        assert_eq!(joined(None, None), None);
        let (early, late) = (handed(1, "2026-11-20", 9), handed(1, "2026-11-21", 4));
        let other = handed(2, "2026-01-01", 1);
        let both = Some(vec![late.clone(), other.clone()]);
        assert_eq!(joined(Some(&[other, early.clone()]), Some(std::slice::from_ref(&late))), both);
        assert_eq!(joined(both.as_deref(), Some(&[early])), both);
        let many: Vec<HandedOn> =
            (0..100).map(|by| handed(by, "2026-11-20", u64::try_from(by).expect("small"))).collect();
        let kept = joined(Some(&many), None).expect("some");
        assert_eq!(kept.first().map(|handed| handed.entry), Some(EntryIndex(36)), "the latest are kept");
        assert_eq!(kept.len(), HANDED_ON_MAX);
    }
}
