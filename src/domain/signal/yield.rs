//! What a batch gives of what its classes hold: boards that were taken out before, boards that never were in it, batteries that
//! never appear.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::batch::Batch;
use crate::domain::codes::{Part, TableCode};
use crate::domain::fed::FedClass;
use crate::domain::fields::record;
use crate::domain::lacks::{grams_that_may_hold, may_hold};
use crate::domain::mass::Grams;
use crate::domain::parts_table::Holding;
use crate::domain::refusal::Warning;
use crate::domain::rule_set::{RuleSet, Signals, part_of};
use crate::domain::signal::{Figures, SignalCode, raise};
use crate::domain::state::{RecordId, RecordKind, State, Stop};
use std::ops::RangeInclusive;

record! {
    /// What left a batch of one fraction.
    pub struct Gave {
        /// The fraction.
        fraction: TableCode,
        /// How much.
        grams: Grams,
    }
}

/// A batch after a fraction has left it; kept where the rule set looks at it.
pub(crate) fn with_output(rules: &RuleSet, mut batch: Batch, fraction: &TableCode, grams: Grams) -> Batch {
    // The lists are as long as the rule set's table of fractions: others are no part of what any class holds.
    if rules.fraction(fraction.as_str()).is_none() {
        return batch;
    }
    if rules.signals.is_none() {
        // Whatever is counted of it under a later rule set is not all.
        let uncounted = batch.uncounted.get_or_insert_default();
        if !uncounted.contains(fraction) {
            uncounted.push(fraction.clone());
        }
        return batch;
    }
    let gave = batch.gave.get_or_insert_default();
    match gave.iter_mut().find(|known| known.fraction == *fraction) {
        Some(known) => known.grams = known.grams.plus(grams).unwrap_or(known.grams),
        None => gave.push(Gave { fraction: fraction.clone(), grams }),
    }
    batch
}

/// What a batch gave of what some classes hold, and from the least to the most that they can give, in grams, if enough of them
/// went in to tell.
fn yield_of(signals: &Signals, holding: &Holding, batch: &Batch) -> Option<(i64, RangeInclusive<i64>)> {
    let (mut fed_g, mut least_g, mut most_g) = (0, 0, 0);
    for fed in &batch.fed {
        let grams = fed.grams.get();
        match holding.classes.iter().find(|class| class.code == fed.class.as_str()) {
            Some(class) => {
                fed_g += grams;
                least_g += part_of(grams_that_give(signals, holding, fed), class.min_ppm);
                most_g += part_of(grams, class.max_ppm);
            }
            // Of other classes nobody knows: all of it may be such.
            None => most_g += grams,
        }
    }
    let is_such = |gave: &&Gave| holding.fractions.iter().any(|code| code == gave.fraction.as_str());
    let found_g = batch.gave.iter().flatten().filter(is_such).map(|gave| gave.grams.get()).sum();
    let least_g = if is_counted(signals, holding, batch) { least_g } else { 0 };
    (fed_g > signals.yield_floor_g).then_some((found_g, least_g..=most_g))
}

/// Of how many grams of a class parts must come out: of pieces that were counted without them none need, and under rule sets that
/// look at it no further, of all grams unless it was so of every piece.
fn grams_that_give(signals: &Signals, holding: &Holding, fed: &FedClass) -> i64 {
    let Some(part) = Part::parse(&holding.name) else { return fed.grams.get() };
    if signals.missing_parts_give_nothing {
        grams_that_may_hold(fed.grams, &fed.lacks, part)
    } else if may_hold(&fed.lacks, part) {
        fed.grams.get()
    } else {
        0
    }
}

/// Whether all that came out of a part was counted, as far as the rule set minds: what came out under an older one was not, and how
/// much it was nobody knows.
fn is_counted(signals: &Signals, holding: &Holding, batch: &Batch) -> bool {
    let is_such = |code: &TableCode| holding.fractions.iter().any(|known| known == code.as_str());
    !signals.missing_parts_give_nothing || !batch.uncounted.iter().flatten().any(is_such)
}

/// The signals of a batch that is closed.
pub(crate) fn of_closing(state: &mut State<'_>, context: &Context<'_>, batch: &Batch) -> Result<Vec<Warning>, Stop> {
    let Some(signals) = rules_in_force(state)?.signals.as_ref() else { return Ok(Vec::new()) };
    let mut warnings = Vec::new();
    for holding in &signals.holdings {
        let Some((found_g, plausible)) = yield_of(signals, holding, batch) else { continue };
        if plausible.contains(&found_g) {
            continue;
        }
        let figures = Figures {
            part: TableCode::parse(&holding.name),
            site: Some(batch.site),
            found_g: Some(found_g),
            least_g: Grams::new(*plausible.start()),
            most_g: Grams::new(*plausible.end()),
            ..Figures::default()
        };
        let about = RecordId::new(RecordKind::Batch, &batch.id);
        warnings.extend(raise(state, context, SignalCode::CompositionImplausible, &about, figures, "/batch"));
    }
    Ok(warnings)
}
