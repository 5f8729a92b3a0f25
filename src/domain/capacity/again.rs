//! Capacity when an entry is applied once more, because it or something before it was corrected. It keeps what its day found;
//! what it makes more is measured against the year as it stands with the correction.

use crate::domain::apply::{Again, Context, rules_in_force};
use crate::domain::capacity::{SiteYear, counts_every_intake, is_beyond};
use crate::domain::codes::{CalendarYear, TableCode};
use crate::domain::correction::Brought;
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};

/// Whether an entry is beyond the capacity of a year that it counts in. Under rule sets 4 and before what is corrected itself is
/// measured whatever it brings, and what only follows if it brings more than at first.
pub(super) fn is_over(
    state: &State<'_>,
    again: Again<'_>,
    year: &SiteYear,
    capacity: Option<Grams>,
    pointer: &str,
) -> Result<bool, Stop> {
    let is_it = |known: &Warning| known.code == WarningCode::OverCapacity && known.pointer.as_str() == pointer;
    let known = again.warnings.iter().any(is_it);
    let Some(brought) = again.brought else { return Ok(known) };
    if !rules_in_force(state)?.permits.as_ref().is_some_and(|permits| permits.corrections_measured) {
        let others_g = (year.all_g() - brought.to_sites().get()).max(0);
        return Ok(if again.is_corrected { is_beyond(others_g, capacity) } else { known });
    }
    let id = year.id();
    let now_g = brings_g(state, year)?;
    let beyond = is_beyond(brought.beside_g(&id)? + now_g, capacity);
    if !counts_every_intake(brought.state())? {
        return Ok(if again.is_corrected { beyond } else { known || (now_g > brought.first_g(&id) && beyond) });
    }
    let stays = known && !again.is_corrected;
    Ok(stays || (beyond && (brought.is_marked() || now_g > brought.today_g(&id))))
}

/// What the entry that is applied brings to a year.
fn brings_g(state: &State<'_>, year: &SiteYear) -> Result<i64, Stop> {
    let before = match state.before(&RecordId::new(RecordKind::SiteYear, &year.id()))? {
        Some(Record::SiteYear(before)) => before.counted_g(),
        _ => 0,
    };
    Ok(year.counted_g() - before)
}

/// A warning where an entry that gives grams back to a year gives less of them back than it did, and the year has no room for
/// these. Only an entry that is applied once more can.
pub(crate) fn returned(
    state: &State<'_>,
    context: &Context<'_>,
    (site, operation): (SiteId, &str),
    year: &CalendarYear,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let (Some(again), Some(operation)) = (context.again, TableCode::parse(operation)) else { return Ok(None) };
    match again.brought {
        Some(brought) if counts_every_intake(brought.state())? => {}
        _ => return Ok(None),
    }
    let year = SiteYear::known(state, site, year.clone(), Some(operation))?;
    let capacity = capacity_of(state, context, &year)?;
    let is_over = is_over(state, again, &year, capacity, pointer)?;
    Ok(if is_over { Warning::new(WarningCode::OverCapacity, pointer) } else { None })
}

/// Whether a year has no room for what an entry had given back to it that never happened.
pub(crate) fn is_over_unsaid<'y>(
    state: &State<'_>,
    context: &Context<'_>,
    brought: &Brought<'_>,
    years: impl Iterator<Item = &'y SiteYear>,
) -> Result<bool, Stop> {
    if !counts_every_intake(state)? {
        return Ok(false);
    }
    for year in years {
        let id = year.id();
        let is_more = brought.first_g(&id) < 0 && (brought.is_marked() || brought.today_g(&id) < 0);
        if is_more && is_beyond(brought.beside_g(&id)?, capacity_of(state, context, year)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The capacity of the operation that a site's year is about, on the day of a statement or, of a statement of another year, on
/// the last of its days.
fn capacity_of(state: &State<'_>, context: &Context<'_>, year: &SiteYear) -> Result<Option<Grams>, Stop> {
    let day = context.day().filter(|day| day.year().as_ref() == Some(&year.year));
    Ok(state.site(&year.site)?.and_then(|site| match (day, &year.operation) {
        (Some(day), Some(operation)) => site.operation_capacity_on(&day, operation),
        _ => site.capacity_in(year),
    }))
}
