//! Pools: where eligible grams wait for a certificate, and in which order they are taken.
//!
//! A pool is the site of the batches and a vintage. Its ranges stand in the order of the entry that completed them, then
//! of the treatment, then of the gram (rules.md §7); issue takes from the front and nobody chooses.

mod certified;
mod entering;

pub use certified::{Certified, CertifiedStretch, GramSpan, Span, shared, without};

pub(crate) use certified::{backed_in, certified, certified_of, cover_certified, free};
pub(crate) use entering::{enter, withdraw};

use crate::domain::apply::rules_in_force;
use crate::domain::certificate::Certificate;
use crate::domain::codes::Month;
use crate::domain::eligibility;
use crate::domain::event::Allotment;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::mass::Grams;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::LedgerTime;
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
        /// Grams that entered it; what units issued in error set free enters anew and counts once more.
        entered_g: Grams,
        /// Grams that were ever taken by an issue, also what was set free again.
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
    /// Where grams of a treatment's line entered a pool.
    pub struct PoolPlace {
        /// The vintage of the pool.
        vintage: Month,
        /// The position of the range.
        position: i64,
    }
}

/// Whether two treatments have the same gram line.
pub(crate) fn same_lines(one: &Treatment, other: &Treatment) -> bool {
    let range = |line: &Line| (line.source.clone(), line.from, line.to);
    one.lines.iter().map(range).eq(other.lines.iter().map(range))
}

/// The ranges in which a line's grams entered pools.
pub(crate) fn ranges_of(state: &State<'_>, line: &Line) -> Result<Vec<PoolRange>, Stop> {
    let Some(batch) = line.batch_in(state)? else { return Ok(Vec::new()) };
    let id_of = |place: &PoolPlace| PoolRange::id_of(&batch.site, &place.vintage, place.position);
    let ids: Vec<String> = line.places.iter().map(id_of).collect();
    state.require_loaded(ids.iter().cloned())?;
    let mut ranges = Vec::with_capacity(ids.len());
    for id in &ids {
        ranges.extend(state.pool_range(id)?.cloned());
    }
    Ok(ranges)
}

/// What a pool can give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// Ranges in the pool's order, each with what is taken of it.
    pub taken: Vec<(PoolRange, Allotment)>,
    /// Ranges before the last of these that have lost their eligibility.
    pub passed: Vec<PoolRange>,
}

impl Available {
    /// How many grams are taken.
    pub fn grams(&self) -> i64 {
        self.taken.iter().map(|(_, taken)| taken.to.get() - taken.from.get()).sum()
    }
}

/// What a pool can give: ranges whose treatments still meet every rule and that have at least `smallest` grams left, in the
/// pool's order, until `wanted` grams or `count` ranges are found.
///
/// A range that lost its eligibility (a key turns out to be compromised, a later audit finds otherwise) is passed over.
pub fn available(
    state: &State<'_>,
    pool: &Pool,
    wanted: Grams,
    count: usize,
    smallest: Grams,
    now: LedgerTime,
) -> Result<Available, Stop> {
    let (mut found, mut passed) = (Available::default(), Vec::new());
    let (mut position, mut loaded, mut left) = (pool.first, RANGES_LOADED, wanted);
    while position < pool.ranges && left > Grams::ZERO && found.taken.len() < count {
        let end = (position + loaded).min(pool.ranges);
        for range in ranges_between(state, pool, position, end)? {
            if left == Grams::ZERO || found.taken.len() == count {
                break;
            }
            let rest = range.grams.minus(range.allotted).unwrap_or(Grams::ZERO);
            if rest == Grams::ZERO || rest < smallest {
                continue;
            }
            if !is_eligible(state, &range, now)? {
                passed.push(range);
                continue;
            }
            found.passed.append(&mut passed);
            let taken = rest.min(left);
            left = left.minus(taken).unwrap_or(Grams::ZERO);
            let from = range.from.plus(range.allotted).unwrap_or(range.from);
            let to = from.plus(taken).unwrap_or(from);
            let allotment = Allotment { treatment: range.treatment, from, to };
            found.taken.push((range, allotment));
        }
        (position, loaded) = (end, loaded * 2);
    }
    Ok(found)
}

fn is_eligible(state: &State<'_>, range: &PoolRange, now: LedgerTime) -> Result<bool, Stop> {
    let Some(treatment) = state.treatment(range.treatment)? else { return Ok(false) };
    let line = treatment.lines.iter().find(|line| line.from <= range.from && range.from < line.to);
    match line {
        Some(line) => Ok(eligibility::standing(state, rules_in_force(state)?, (treatment, line), now)?.gaps.is_empty()),
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

/// Takes allotments that [`available`] gave: units rest on these grams from now on.
pub(crate) fn take(
    state: &mut State<'_>,
    pool: Pool,
    available: &Available,
    roots: &[Certificate],
    units: i64,
) -> Result<(), Stop> {
    certified::certify(state, roots)?;
    let mut allotted_g = pool.allotted_g;
    for (range, allotment) in &available.taken {
        let grams = allotment.to.minus(allotment.from).unwrap_or(Grams::ZERO);
        allotted_g = allotted_g.plus(grams).unwrap_or(allotted_g);
        let allotted = range.allotted.plus(grams).unwrap_or(range.grams);
        state.put(Record::PoolRange(PoolRange { allotted, ..range.clone() }));
    }
    let (id, issued) = (pool.id(), pool.units + units);
    state.put(Record::Pool(Pool { allotted_g, units: issued, ..pool }));
    // A pool whose front is barred would else be read from there with every issue.
    let registry = rules_in_force(state)?.scheme.registry.as_ref();
    let most = registry.and_then(|registry| registry.set_back_max).unwrap_or(0);
    for range in available.passed.iter().take(most) {
        entering::set_back(state, range)?;
    }
    let Some(pool) = state.pool(&id)?.cloned() else { return Ok(()) };
    let first = first_with_grams(state, &pool)?;
    state.put(Record::Pool(Pool { first, ..pool }));
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
