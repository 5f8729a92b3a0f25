//! What adds up at a site: what it takes apart or treats in a day, and what its scales cannot explain in a year. Each is
//! counted on the day as written, so that a week without a line, posted at once, is still seven days.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::capacity::SiteYear;
use crate::domain::eligibility::is_compromised;
use crate::domain::evidence::FlawCode;
use crate::domain::fields::{codes, record, text_field};
use crate::domain::finding::cure_of;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::mass::{Grams, SignedGrams, WeightBasis};
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::rule_set::{RuleSet, Signals, part_of};
use crate::domain::signal::{Figures, SignalCode, raise};
use crate::domain::state::{Record, RecordId, State, Stop};

codes! {
    /// What is counted.
    pub enum TallyKind {
        /// What left batches of the site, on a day.
        Dismantled = "dismantled",
        /// What was finally treated at the site, on a day.
        Treated = "treated",
        /// What was found more or less than the ledger had, in a year.
        Difference = "difference",
    }
}

fn is_period(text: &str) -> bool {
    matches!(text.len(), 4 | 10) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

text_field!(
    /// A day or a year, as written.
    Period, Time, "a day or a year", is_period
);

record! {
    /// What adds up at a site.
    pub struct Tally {
        /// What is counted.
        kind: TallyKind,
        /// Where.
        site: SiteId,
        /// When.
        period: Period,
        /// How much by now.
        sum_g: SignedGrams,
        /// Of a year: the last entry that raised a signal.
        raised: Option<EntryIndex>,
        /// What it had come to then: if an auditor has cleared that, it is explained.
        raised_g: Option<SignedGrams>,
    }
}

impl Tally {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.kind, &self.site, self.period.as_str())
    }

    /// The id of what adds up at a site in a day or year.
    fn id_of(kind: TallyKind, site: &SiteId, period: &str) -> String {
        format!("tally/{kind}/{site}/{period}")
    }
}

/// What adds up, one entry further.
fn counted(state: &State<'_>, kind: TallyKind, site: SiteId, period: &str, grams: i64) -> Result<Option<Tally>, Stop> {
    let Some(period) = Period::parse(period) else { return Ok(None) };
    let new = Tally { kind, site, period, sum_g: SignedGrams(0), raised: None, raised_g: None };
    let known = state.tally(&new.id())?.cloned().unwrap_or(new);
    Ok(Some(Tally { sum_g: SignedGrams(known.sum_g.0.saturating_add(grams)), ..known }))
}

/// What a site of a yearly capacity takes apart or treats in one day at most, in grams. What leaves a batch is weighed when its
/// cage is full, so one day may bring what the whole of a batch's time has filled; and a few pairs of hands need no plant.
pub fn day_limit_g(signals: &Signals, capacity: Grams) -> i64 {
    let days = i128::from(capacity.get()) * i128::from(signals.throughput_days) / 365;
    i64::try_from(days).unwrap_or(i64::MAX).max(signals.throughput_floor_g)
}

/// The signal of a site that does more in a day than it can. The grams that go beyond are in doubt, and all that follow on
/// that day.
pub(crate) fn of_throughput(
    state: &mut State<'_>,
    context: &Context<'_>,
    (kind, site): (TallyKind, SiteId),
    grams: Grams,
    about: &RecordId,
) -> Result<Option<Warning>, Stop> {
    let (Some(signals), Some(day)) = (rules_in_force(state)?.signals.as_ref(), context.day()) else { return Ok(None) };
    let Some(tally) = counted(state, kind, site, day.as_str(), grams.get())? else { return Ok(None) };
    let capacity = state.site(&site)?.and_then(|site| site.capacity_on(&day)).unwrap_or(Grams::ZERO);
    let (sum_g, most_g) = (tally.sum_g.0, day_limit_g(signals, capacity));
    state.put(Record::Tally(tally));
    if sum_g <= most_g {
        return Ok(None);
    }
    let (found_g, most_g) = (Some(sum_g), Grams::new(most_g));
    let figures = Figures { site: Some(site), found_g, most_g, ..Figures::default() };
    Ok(raise(state, context, SignalCode::ThroughputImplausible, about, figures, "/occurred_at"))
}

/// How far the differences of a site's year may add up, in grams, around what it received.
pub fn year_band_g(rules: &RuleSet, signals: &Signals, received: Grams) -> i64 {
    part_of(received.get(), rules.bands.site_year_ppm).max(signals.site_year_floor_g)
}

/// Where the differences of a year are blamed.
const SITE: &str = "/site";

/// The signal of a weighing that carries the differences of its site's year further beyond the band: what was weighed is in
/// doubt. What goes back towards nothing raises none, nor does what an auditor has explained so far. A weight that takes the place of
/// an estimate or a class mean is no difference between scales: of `bases`, which met, all are weighed, or it does not count.
pub(crate) fn of_difference(
    state: &mut State<'_>,
    context: &Context<'_>,
    site: Option<SiteId>,
    change: i64,
    bases: &[WeightBasis],
    about: &RecordId,
) -> Result<Option<Warning>, Stop> {
    let rules = rules_in_force(state)?;
    let year = context.day().and_then(|day| day.year());
    let (Some(signals), Some(site), Some(year)) = (rules.signals.as_ref(), site, year) else { return Ok(None) };
    if change == 0 || bases.iter().any(|basis| *basis != WeightBasis::Weighed) {
        return Ok(None);
    }
    let of_year = SiteYear::id_of(&site, &year, None);
    state.require_loaded([Tally::id_of(TallyKind::Difference, &site, year.as_str()), of_year.clone()])?;
    let Some(mut tally) = counted(state, TallyKind::Difference, site, year.as_str(), change)? else { return Ok(None) };
    let received = state.site_year(&of_year)?.map_or(Grams::ZERO, |known| known.received_g);
    let band = year_band_g(rules, signals, received);
    let explained = explained_g(state, signals, &tally)?;
    let (now, before) = (tally.sum_g.0 - explained, tally.sum_g.0 - change - explained);
    let beyond = now.abs() > band && now.abs() > before.abs();
    // What was received by then is known by now otherwise: a statement that is applied once more keeps what its day found.
    let beyond = match context.again {
        Some(again) if !again.is_corrected => was_told(again.warnings, SITE),
        _ => beyond,
    };
    if beyond {
        (tally.raised, tally.raised_g) = (Some(context.index), Some(tally.sum_g));
    }
    let found_g = Some(tally.sum_g.0);
    state.put(Record::Tally(tally));
    if !beyond {
        return Ok(None);
    }
    let whose = state.site(&site)?.and_then(|site| site.organisation);
    let figures = Figures { whose, site: Some(site), found_g, most_g: Grams::new(band), ..Figures::default() };
    Ok(raise(state, context, SignalCode::DifferenceOfYear, about, figures, SITE))
}

/// What of a year's difference an auditor has explained, in grams. What a stolen key signed explains nothing.
fn explained_g(state: &State<'_>, signals: &Signals, tally: &Tally) -> Result<i64, Stop> {
    let (Some(raised), Some(SignedGrams(grams))) = (tally.raised, tally.raised_g) else { return Ok(0) };
    let Some(cured) = cure_of(state, FlawCode::Signal, raised)? else { return Ok(0) };
    let is_void = signals.stolen_keys_explain_nothing && is_compromised(state, &cured.signer, cured.by)?;
    Ok(if is_void { 0 } else { grams })
}

/// Whether a statement was told of such a signal when it was posted.
fn was_told(warnings: &[Warning], pointer: &str) -> bool {
    warnings.iter().any(|known| known.code == WarningCode::SignalRaised && known.pointer.as_str() == pointer)
}

/// A tally after a correction: so much more or less.
pub(crate) fn recount(state: &mut State<'_>, tally: &Tally, grams: i64) -> Result<(), Stop> {
    if let Some(tally) = counted(state, tally.kind, tally.site, tally.period.as_str(), grams)? {
        state.put(Record::Tally(tally));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule_set;

    #[test]
    fn limits_have_floors() {
        let rules = rule_set::all().last().expect("rule sets");
        let signals = rules.signals.as_ref().expect("thresholds");
        let grams = |grams| Grams::new(grams).expect("grams");
        for (capacity, limit) in [
            (0, 500_000),
            (5_887_096, 500_000),
            (5_887_097, 500_000),
            (5_899_000, 501_010),
            (12_000_000, 1_019_178),
            (5_000_000_000, 424_657_534),
        ] {
            assert_eq!(day_limit_g(signals, grams(capacity)), limit, "{capacity}");
        }
        for (received, band) in [(0, 100_000), (20_000_000, 100_000), (20_000_200, 100_001), (1_000_000_000, 5_000_000)]
        {
            assert_eq!(year_band_g(rules, signals, grams(received)), band, "{received}");
        }
    }
}
