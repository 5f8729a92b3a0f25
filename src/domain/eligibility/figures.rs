//! Where a rule counts grams: how many were found and how many it asks for, so that whoever is short knows by how much.

use crate::domain::batch::Batch;
use crate::domain::eligibility::e_resource_1::ended_by_residual;
use crate::domain::eligibility::expected::{CameOut, short_of};
use crate::domain::eligibility::gap::Gap;
use crate::domain::hazardous::Hazardous;
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::rule_set::{Conditions, part_of};
use std::collections::BTreeSet;

/// What a rule found and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The rule.
    pub gap: Gap,
    /// What is counted: a part, or what the rule is about.
    pub of: &'static str,
    /// Grams that were found.
    pub found_g: i64,
    /// Grams that there must be at least; of what residual operations may end, at most.
    pub asked_g: i64,
}

/// How many hazardous grams are accepted of how many. Where enough are, the rest is gone, unweighed or in store for too long, and
/// only all of them will do.
fn of_hazardous(conditions: &Conditions, hazardous: &Hazardous) -> Figure {
    let (total_g, found_g) = (hazardous.total_g.get(), hazardous.accepted_g.get());
    let figure = |of, asked_g| Figure { gap: Gap::BatchIncomplete, of, found_g, asked_g };
    if hazardous.is_accepted(conditions.hazardous.accepted_ppm) {
        return figure(
            "hazardous, accepted by a permitted site; the rest is gone, unweighed or in store for too long",
            total_g,
        );
    }
    // The share rounds up: one gram less would not do.
    let asked_g = total_g - part_of(total_g, 1_000_000 - conditions.hazardous.accepted_ppm);
    figure("hazardous, accepted by a permitted site", asked_g)
}

/// The figures of those gaps of a batch that have some; of what residual operations ended, as it was with a treatment.
pub(crate) fn figures(
    conditions: &Conditions,
    batch: &Batch,
    treatment: Option<EntryIndex>,
    gaps: &BTreeSet<Gap>,
) -> Vec<Figure> {
    let mut figures = Vec::new();
    if gaps.contains(&Gap::PartsNotAccountedFor) {
        let short = short_of(conditions, &batch.fed, &CameOut::of(batch)).into_iter();
        figures.extend(short.map(|short| Figure {
            gap: Gap::PartsNotAccountedFor,
            of: short.part.as_str(),
            found_g: short.found_g,
            asked_g: short.least_g,
        }));
    }
    if gaps.contains(&Gap::BatchIncomplete) {
        figures.push(of_hazardous(conditions, &batch.hazardous));
    }
    let ended = treatment.and_then(|treatment| ended_by_residual(batch, treatment));
    figures.extend(ended.filter(|_| gaps.contains(&Gap::ResidualShareExceeded)).map(|ended: Grams| Figure {
        gap: Gap::ResidualShareExceeded,
        of: "ended by residual operations",
        found_g: ended.get(),
        asked_g: part_of(batch.input_g.get(), conditions.residual.share_ppm),
    }));
    figures
}
