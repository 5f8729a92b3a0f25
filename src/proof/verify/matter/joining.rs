//! Lots that become one, added up as far as they are shown.

use crate::domain::border::completion;
use crate::domain::item::Overridden;
use crate::domain::lacks::joined;
use crate::domain::rule_set::RuleSet;
use crate::proof::verify::matter::Lot;
use std::collections::BTreeSet;

/// What joins, added up.
pub(super) struct Joined {
    pub(super) lot: Lot,
    /// Classes and typed codes of what is known.
    pub(super) kinds: Vec<(String, Option<Overridden>)>,
    /// What does not follow of all but the first.
    pub(super) gaps_of_others: BTreeSet<String>,
}

impl Joined {
    pub(super) fn add_unknown(&mut self) {
        self.lot.grams = None;
        self.lot.lacks = None;
        self.lot.weighed = self.lot.weighed.filter(|weighed| !weighed);
    }

    pub(super) fn add(&mut self, rules: &RuleSet, input: Lot, is_first: bool) {
        let lot = &mut self.lot;
        lot.lacks = match (lot.lacks.take(), input.lacks, lot.grams.zip(input.grams)) {
            (_, lacks, _) if is_first => lacks,
            (Some(one), Some(other), Some((one_g, other_g))) => Some(joined(rules, (&one, one_g), (&other, other_g))),
            // Of a mass that is not shown it follows only where all lacks the same.
            (Some(one), Some(other), None) => Some(one).filter(|one| *one == other),
            _ => None,
        };
        lot.grams = lot.grams.zip(input.grams).and_then(|(sum, more)| sum.plus(more));
        lot.weighed = match (lot.weighed, input.weighed) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        lot.arising.extend(input.arising);
        lot.declared.extend(input.declared);
        lot.flaws.extend(input.flaws);
        lot.completions = completion::joined(lot.completions.iter().chain(&input.completions)).unwrap_or_default();
        lot.unshown |= input.unshown;
        if is_first {
            lot.overridden.clone_from(&input.overridden);
            lot.gaps.extend(input.gaps);
        } else {
            self.gaps_of_others.extend(input.gaps);
        }
        lot.latest = lot.latest.clone().later(&input.latest);
        lot.otherwise = match (lot.otherwise.take(), input.otherwise) {
            (Some(one), Some(other)) => Some(one.later(&other)),
            (one, other) => one.or(other),
        };
        lot.lies_in = lot.lies_in.take().or(input.lies_in);
        self.kinds.extend(input.class.map(|class| (class, input.overridden)));
    }

    /// A bundle shows the whole way back of the first of what was joined, and of all if they left several batches: there a
    /// gap is one. Of other lots of the same batch a step may be left out.
    pub(super) fn settle_gaps(&mut self) {
        if self.lot.sources.is_of_several() {
            self.lot.gaps.append(&mut self.gaps_of_others);
        }
        self.lot.unshown |= !self.gaps_of_others.is_empty();
    }
}
