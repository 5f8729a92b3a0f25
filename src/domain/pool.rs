//! Pools: where eligible grams wait for a certificate, and in which order they are taken.
//!
//! A pool is the site of the batches and a vintage. Its ranges stand in the order of the entry that completed them, then
//! of the treatment, then of the gram (rules.md §7); issue takes from the front and nobody chooses.

use crate::domain::batch::Batch;
use crate::domain::codes::Month;
use crate::domain::eligibility;
use crate::domain::event::Allotment;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::mass::Grams;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::{LedgerTime, OccurredAt};
use crate::domain::treatment::{Line, Treatment};

/// Ranges that are loaded at first when grams are taken; twice as many each time that they do not suffice.
const RANGES_LOADED: i64 = 256;

record! {
    /// A pool.
    pub struct Pool {
        /// The site of the batches.
        site: SiteId,
        /// The month.
        vintage: Month,
        /// Ranges that ever entered it.
        ranges: i64,
        /// The position of the first range that has grams left.
        first: i64,
        /// Grams that ever entered it.
        entered_g: Grams,
        /// Grams on which units rest.
        allotted_g: Grams,
        /// Units that were ever issued: the last serial number.
        units: i64,
    }
}

impl Pool {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.vintage)
    }

    /// The id of a site's month.
    pub fn id_of(site: &SiteId, vintage: &Month) -> String {
        format!("{}{vintage}", Self::prefix_of(site))
    }

    /// How the ids of a site's pools begin.
    pub fn prefix_of(site: &SiteId) -> String {
        format!("pool/{site}/")
    }
}

record! {
    /// Grams of one line of a treatment in a pool: always its first ones, up to what its batch may still back.
    pub struct PoolRange {
        /// The pool's site.
        site: SiteId,
        /// The pool's month.
        vintage: Month,
        /// Its place in the pool, from 0.
        position: i64,
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// The first gram of the line on the treatment's gram line.
        from: Grams,
        /// Grams of the line that are eligible.
        grams: Grams,
        /// Of these, from the first on, units rest on so many.
        allotted: Grams,
    }
}

impl PoolRange {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.vintage, self.position)
    }

    fn id_of(site: &SiteId, vintage: &Month, position: i64) -> String {
        format!("range/{site}/{vintage}/{position}")
    }
}

record! {
    /// Where the grams of a treatment's line stand.
    pub struct PoolPlace {
        /// The vintage of the pool.
        vintage: Month,
        /// The position of the range.
        position: i64,
        /// Grams that entered it; the rest lies beyond the batch's input.
        grams: Grams,
    }
}

/// The grams of a line that meets every rule enter the pool of the vintage, as far as the batch's input reaches: the
/// excess falls on whoever comes last.
pub(crate) fn enter(
    state: &mut State<'_>,
    mut treatment: Treatment,
    position_of_line: usize,
    latest: &OccurredAt,
) -> Result<Treatment, Stop> {
    let Some(line) = treatment.lines.get_mut(position_of_line) else { return Ok(treatment) };
    let (Some(mut batch), Some(vintage)) = (line.batch_in(state)?.cloned(), latest.month()) else {
        return Ok(treatment);
    };
    let left = batch.input_g.minus(batch.eligible_g).unwrap_or(Grams::ZERO);
    let grams = line.grams().min(left);
    if grams == Grams::ZERO {
        return Ok(treatment);
    }
    batch.eligible_g = batch.eligible_g.plus(grams).unwrap_or(batch.eligible_g);
    let id = Pool::id_of(&batch.site, &vintage);
    let pool = state.pool(&id)?.cloned().unwrap_or(Pool {
        site: batch.site,
        vintage: vintage.clone(),
        ranges: 0,
        first: 0,
        entered_g: Grams::ZERO,
        allotted_g: Grams::ZERO,
        units: 0,
    });
    let (site, position) = (batch.site, pool.ranges);
    line.pool = Some(PoolPlace { vintage: vintage.clone(), position, grams });
    let from = line.from;
    state.put(Record::Batch(batch));
    state.put(Record::PoolRange(PoolRange {
        site,
        vintage,
        position,
        treatment: treatment.entry,
        from,
        grams,
        allotted: Grams::ZERO,
    }));
    let entered_g = pool.entered_g.plus(grams).unwrap_or(pool.entered_g);
    state.put(Record::Pool(Pool { ranges: position + 1, entered_g, ..pool }));
    Ok(treatment)
}

/// The range in which a line's grams are, if they are in a pool.
pub(crate) fn range_of<'s>(state: &'s State<'_>, line: &Line) -> Result<Option<&'s PoolRange>, Stop> {
    let (Some(place), Some(batch)) = (&line.pool, line.batch_in(state)?) else { return Ok(None) };
    state.pool_range(&PoolRange::id_of(&batch.site, &place.vintage, place.position))
}

/// Whether two treatments have the same gram line.
pub(crate) fn same_lines(one: &Treatment, other: &Treatment) -> bool {
    let range = |line: &Line| (line.source.clone(), line.from, line.to);
    one.lines.iter().map(range).eq(other.lines.iter().map(range))
}

/// Takes lines of a treatment out of their pools again, because what they rest on was corrected; no units rest on them. The
/// range keeps its place, empty, so that no other one moves.
pub(crate) fn withdraw(
    state: &mut State<'_>,
    entry: EntryIndex,
    is_concerned: impl Fn(&Line) -> bool,
) -> Result<(), Stop> {
    let Some(mut treatment) = state.treatment(entry)?.cloned() else { return Ok(()) };
    for line in treatment.lines.iter_mut().filter(|line| is_concerned(line)) {
        let (Some(range), Some(batch)) = (range_of(state, line)?.cloned(), line.batch_in(state)?.cloned()) else {
            continue;
        };
        let Some(pool) = state.pool(&Pool::id_of(&range.site, &range.vintage))?.cloned() else { continue };
        let grams = range.grams.minus(range.allotted).unwrap_or(Grams::ZERO);
        let less = |sum: Grams| sum.minus(grams).unwrap_or(Grams::ZERO);
        state.put(Record::Batch(Batch { eligible_g: less(batch.eligible_g), ..batch }));
        state.put(Record::Pool(Pool { entered_g: less(pool.entered_g), ..pool }));
        state.put(Record::PoolRange(PoolRange { grams: range.allotted, ..range }));
        line.pool = None;
    }
    state.put(Record::Treatment(treatment));
    Ok(())
}

/// What a pool can give: ranges whose treatments still meet every rule and that have at least `smallest` grams left, in the
/// pool's order, until `wanted` grams or `count` ranges are found.
///
/// A range that lost its eligibility (a key turns out to be compromised, a later audit finds otherwise) is passed over
/// and stays where it is.
pub fn available(
    state: &State<'_>,
    pool: &Pool,
    wanted: Grams,
    count: usize,
    smallest: Grams,
    now: LedgerTime,
) -> Result<Vec<(PoolRange, Allotment)>, Stop> {
    let mut found: Vec<(PoolRange, Allotment)> = Vec::new();
    let (mut position, mut loaded, mut left) = (pool.first, RANGES_LOADED, wanted);
    while position < pool.ranges && left > Grams::ZERO && found.len() < count {
        let end = (position + loaded).min(pool.ranges);
        for range in ranges_between(state, pool, position, end)? {
            if left == Grams::ZERO || found.len() == count {
                break;
            }
            let rest = range.grams.minus(range.allotted).unwrap_or(Grams::ZERO);
            if rest == Grams::ZERO || rest < smallest || !is_eligible(state, &range, now)? {
                continue;
            }
            let taken = rest.min(left);
            left = left.minus(taken).unwrap_or(Grams::ZERO);
            let from = range.from.plus(range.allotted).unwrap_or(range.from);
            let to = from.plus(taken).unwrap_or(from);
            let allotment = Allotment { treatment: range.treatment, from, to };
            found.push((range, allotment));
        }
        (position, loaded) = (end, loaded * 2);
    }
    Ok(found)
}

fn is_eligible(state: &State<'_>, range: &PoolRange, now: LedgerTime) -> Result<bool, Stop> {
    let Some(treatment) = state.treatment(range.treatment)? else { return Ok(false) };
    let line = treatment.lines.iter().find(|line| line.from == range.from);
    match line {
        Some(line) => Ok(eligibility::standing(state, treatment, line, now)?.gaps.is_empty()),
        None => Ok(false),
    }
}

fn stored_ranges(state: &State<'_>, pool: &Pool, from: i64, to: i64) -> Result<Vec<PoolRange>, Stop> {
    let ids: Vec<String> = (from..to).map(|position| PoolRange::id_of(&pool.site, &pool.vintage, position)).collect();
    state.require_loaded(ids.iter().cloned())?;
    let mut ranges = Vec::with_capacity(ids.len());
    for id in &ids {
        ranges.extend(state.pool_range(id)?.cloned());
    }
    Ok(ranges)
}

/// Ranges of a pool, with everything that tells whether they are eligible.
fn ranges_between(state: &State<'_>, pool: &Pool, from: i64, to: i64) -> Result<Vec<PoolRange>, Stop> {
    let ranges = stored_ranges(state, pool, from, to)?;
    let treatments: Vec<EntryIndex> = ranges.iter().map(|range| range.treatment).collect();
    eligibility::require_loaded(state, &treatments)?;
    Ok(ranges)
}

/// Takes allotments that [`available`] gave: units rest on these grams for ever.
pub(crate) fn take(
    state: &mut State<'_>,
    pool: Pool,
    taken: &[(PoolRange, Allotment)],
    units: i64,
) -> Result<(), Stop> {
    let mut allotted_g = pool.allotted_g;
    for (range, allotment) in taken {
        let grams = allotment.to.minus(allotment.from).unwrap_or(Grams::ZERO);
        allotted_g = allotted_g.plus(grams).unwrap_or(allotted_g);
        let allotted = range.allotted.plus(grams).unwrap_or(range.grams);
        state.put(Record::PoolRange(PoolRange { allotted, ..range.clone() }));
    }
    let first = first_with_grams(state, &pool)?;
    let issued = pool.units + units;
    state.put(Record::Pool(Pool { first, allotted_g, units: issued, ..pool }));
    Ok(())
}

/// The first range from the pool's first on that has grams left, or the end.
fn first_with_grams(state: &State<'_>, pool: &Pool) -> Result<i64, Stop> {
    let (mut position, mut loaded) = (pool.first, RANGES_LOADED);
    while position < pool.ranges {
        let end = (position + loaded).min(pool.ranges);
        let ranges = stored_ranges(state, pool, position, end)?;
        if let Some(range) = ranges.iter().find(|range| range.allotted < range.grams) {
            return Ok(range.position);
        }
        (position, loaded) = (end, loaded * 2);
    }
    Ok(pool.ranges)
}
