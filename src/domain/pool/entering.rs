//! How grams enter a pool and leave it again.

use crate::domain::batch::Batch;
use crate::domain::codes::Month;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::mass::Grams;
use crate::domain::pool::certified::{Span, certified, certified_in, without};
use crate::domain::pool::{Pool, PoolPlace, PoolRange, ranges_of};
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::OccurredAt;
use crate::domain::treatment::{Line, Treatment};

/// Grams of a line that neither are certified nor wait in a pool, in order.
fn uncovered(state: &State<'_>, treatment: &Treatment, line: &Line) -> Result<Vec<Span>, Stop> {
    let certified = certified_in(&certified(state, treatment.entry)?, line);
    let mut waiting = Vec::new();
    for range in ranges_of(state, line)? {
        waiting.push((range.from.get() + range.allotted.get(), range.from.get() + range.grams.get()));
    }
    Ok(without(&without(&[(line.from.get(), line.to.get())], &certified), &waiting))
}

/// The grams of a line that meets every rule enter the pool of the vintage, as far as the batch's input reaches: the
/// excess falls on whoever comes last.
pub(crate) fn enter(
    state: &mut State<'_>,
    mut treatment: Treatment,
    position_of_line: usize,
    latest: &OccurredAt,
) -> Result<Treatment, Stop> {
    let Some(line) = treatment.lines.get(position_of_line).cloned() else { return Ok(treatment) };
    let (Some(batch), Some(vintage)) = (line.batch_in(state)?.cloned(), latest.month()) else {
        return Ok(treatment);
    };
    let mut line = Line { reopened: false, ..line };
    let left = batch.input_g.minus(batch.eligible_g).unwrap_or(Grams::ZERO);
    let mut left = left.get();
    for (from, to) in uncovered(state, &treatment, &line)? {
        let (Some(from), Some(grams)) = (Grams::new(from), Grams::new((to - from).min(left))) else { continue };
        if grams > Grams::ZERO {
            left -= grams.get();
            let place = append(state, (batch.site, &vintage), treatment.entry, from, grams)?;
            line.places.push(place);
            line.covered = line.covered.plus(grams).unwrap_or(line.covered);
        }
    }
    let eligible_g = Grams::new(batch.input_g.get() - left).unwrap_or(batch.eligible_g);
    state.put(Record::Batch(Batch { eligible_g, ..batch }));
    if let Some(stored) = treatment.lines.get_mut(position_of_line) {
        *stored = line;
    }
    Ok(treatment)
}

/// Grams join the end of a pool.
fn append(
    state: &mut State<'_>,
    (site, vintage): (SiteId, &Month),
    treatment: EntryIndex,
    from: Grams,
    grams: Grams,
) -> Result<PoolPlace, Stop> {
    let vintage = vintage.clone();
    let pool = state.pool(&Pool::id_of(&site, &vintage))?.cloned().unwrap_or(Pool {
        site,
        vintage: vintage.clone(),
        ranges: 0,
        first: 0,
        entered_g: Grams::ZERO,
        allotted_g: Grams::ZERO,
        units: 0,
    });
    let position = pool.ranges;
    let allotted = Grams::ZERO;
    state.put(Record::PoolRange(PoolRange {
        site,
        vintage: vintage.clone(),
        position,
        treatment,
        from,
        grams,
        allotted,
    }));
    let entered_g = pool.entered_g.plus(grams).unwrap_or(pool.entered_g);
    state.put(Record::Pool(Pool { ranges: position + 1, entered_g, ..pool }));
    Ok(PoolPlace { vintage, position })
}

/// Puts what is left of a range that lost its eligibility at the end of its pool. Should it be eligible again it has its turn
/// there: it was completed anew after those that stand before it.
pub(super) fn set_back(state: &mut State<'_>, range: &PoolRange) -> Result<(), Stop> {
    let (Some(mut treatment), Some(pool)) =
        (state.treatment(range.treatment)?.cloned(), state.pool(&Pool::id_of(&range.site, &range.vintage))?.cloned())
    else {
        return Ok(());
    };
    let is_of = |place: &PoolPlace| place.vintage == range.vintage && place.position == range.position;
    let Some(line) = treatment.lines.iter_mut().find(|line| line.places.iter().any(is_of)) else { return Ok(()) };
    let rest = range.grams.minus(range.allotted).unwrap_or(Grams::ZERO);
    let entered_g = pool.entered_g.minus(rest).unwrap_or(pool.entered_g);
    state.put(Record::Pool(Pool { entered_g, ..pool }));
    state.put(Record::PoolRange(PoolRange { grams: range.allotted, ..range.clone() }));
    let from = range.from.plus(range.allotted).unwrap_or(range.from);
    let place = append(state, (range.site, &range.vintage), range.treatment, from, rest)?;
    line.places.retain(|place| !is_of(place));
    line.places.push(place);
    state.put(Record::Treatment(treatment));
    Ok(())
}

/// Takes lines of a treatment out of their pools again, because what they rest on was corrected. Grams on which units rest
/// stay where they are, and are covered anew by [`super::certified::cover_certified`]. A range keeps its place, empty, so that no other one moves.
pub(crate) fn withdraw(
    state: &mut State<'_>,
    entry: EntryIndex,
    is_concerned: impl Fn(&Line) -> bool,
) -> Result<(), Stop> {
    let Some(mut treatment) = state.treatment(entry)?.cloned() else { return Ok(()) };
    for line in treatment.lines.iter_mut().filter(|line| is_concerned(line)) {
        let Some(batch) = line.batch_in(state)?.cloned() else { continue };
        for range in ranges_of(state, line)? {
            let Some(pool) = state.pool(&Pool::id_of(&range.site, &range.vintage))?.cloned() else { continue };
            let rest = range.grams.minus(range.allotted).unwrap_or(Grams::ZERO);
            let entered_g = pool.entered_g.minus(rest).unwrap_or(pool.entered_g);
            state.put(Record::Pool(Pool { entered_g, ..pool }));
            state.put(Record::PoolRange(PoolRange { grams: range.allotted, ..range }));
        }
        let eligible_g = batch.eligible_g.minus(line.covered).unwrap_or(Grams::ZERO);
        state.put(Record::Batch(Batch { eligible_g, ..batch }));
        (line.places, line.covered, line.reopened) = (Vec::new(), Grams::ZERO, false);
    }
    state.put(Record::Treatment(treatment));
    Ok(())
}
