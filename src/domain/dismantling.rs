//! Dismantling as an operation: what a batch counts into the years of its site, and what of it remained after all.

use crate::domain::apply::Context;
use crate::domain::batch::Batch;
use crate::domain::capacity;
use crate::domain::codes::CalendarYear;
use crate::domain::fields::record;
use crate::domain::mass::Grams;
use crate::domain::refusal::Warning;
use crate::domain::state::{State, Stop};

/// Dismantling is exchange of waste for further recovery (Directive 2008/98/EC, Annex II, R12).
pub(crate) const DISMANTLING: &str = "R12";

record! {
    /// What of a batch was counted into a year of its site.
    pub struct CountedInto {
        /// The year.
        year: CalendarYear,
        /// How much, less what remained.
        grams: Grams,
    }
}

/// Counts what was fed into a batch, where the rule set counts operations, and has the batch remember in which year.
pub(crate) fn count(
    state: &mut State<'_>,
    context: &Context<'_>,
    batch: Batch,
    grams: Grams,
) -> Result<(Batch, Option<Warning>), Stop> {
    let Some(year) = capacity::year_counted(state, context, DISMANTLING)? else { return Ok((batch, None)) };
    let warning = capacity::take_into(state, context, (batch.site, DISMANTLING), grams, "/items")?;
    let counted = Some(with(batch.counted.unwrap_or_default(), year, grams));
    Ok((Batch { counted, ..batch }, warning))
}

/// What was fed in and remained counts no more: from the years in which the batch counted it, the last first since what went in
/// last is what is left, and never more than was counted there.
pub(crate) fn take_back(state: &mut State<'_>, mut batch: Batch, grams: Grams) -> Result<Batch, Stop> {
    let mut left = grams;
    for known in batch.counted.iter_mut().flatten().rev() {
        let back = left.min(known.grams);
        capacity::take_back(state, (batch.site, DISMANTLING), &known.year, back)?;
        known.grams = known.grams.minus(back).unwrap_or(Grams::ZERO);
        left = left.minus(back).unwrap_or(Grams::ZERO);
    }
    Ok(batch)
}

/// A warning if a closing that is applied once more takes less back than it did, and a year has no room for that.
pub(crate) fn returned(state: &State<'_>, context: &Context<'_>, batch: &Batch) -> Result<Option<Warning>, Stop> {
    for known in batch.counted.iter().flatten() {
        let place = (batch.site, DISMANTLING);
        let warning = capacity::returned(state, context, place, &known.year, "/remaining")?;
        if warning.is_some() {
            return Ok(warning);
        }
    }
    Ok(None)
}

/// The list with some more in a year, in the order of the years.
fn with(mut counted: Vec<CountedInto>, year: CalendarYear, grams: Grams) -> Vec<CountedInto> {
    match counted.binary_search_by(|known| known.year.cmp(&year)) {
        Ok(at) => counted[at].grams = counted[at].grams.plus(grams).unwrap_or(counted[at].grams),
        Err(at) => counted.insert(at, CountedInto { year, grams }),
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_stand_in_order_whatever_comes_first() {
        let said = [("2027", 1), ("2026", 2), ("2027", 4)];
        let counted = said.iter().fold(Vec::new(), |counted, (year, grams)| {
            let year = CalendarYear::parse(year).expect("a year");
            with(counted, year, Grams::new(*grams).expect("grams"))
        });
        let found: Vec<_> = counted.iter().map(|known| (known.year.as_str(), known.grams.get())).collect();
        assert_eq!(found, [("2026", 2), ("2027", 5)]);
    }
}
