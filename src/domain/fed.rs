//! What was fed into a batch, class by class. Pure, so that whoever verifies a bundle adds up the same.

use crate::domain::codes::TableCode;
use crate::domain::fields::record;
use crate::domain::lacks::{Lack, joined};
use crate::domain::mass::Grams;
use crate::domain::rule_set::RuleSet;

record! {
    /// What went into a batch of one class.
    pub struct FedClass {
        /// The class.
        class: TableCode,
        /// How much, less what remained.
        grams: Grams,
        /// Parts that some of it came without.
        lacks: Vec<Lack>,
    }
}

/// More of a class is fed in, under a rule set.
pub(crate) fn add(rules: &RuleSet, fed: &mut Vec<FedClass>, class: &TableCode, (grams, lacks): (Grams, &[Lack])) {
    let Some(known) = fed.iter_mut().find(|known| known.class == *class) else {
        fed.push(FedClass { class: class.clone(), grams, lacks: lacks.to_vec() });
        return;
    };
    known.lacks = joined(rules, (&known.lacks, known.grams), (lacks, grams));
    known.grams = known.grams.plus(grams).unwrap_or(known.grams);
}

/// Some of a class remained; within the band more may remain than went in, and then nothing of it was dismantled. Gives what
/// it came without.
pub(crate) fn take_back(fed: &mut [FedClass], class: &TableCode, grams: Grams) -> Vec<Lack> {
    let Some(known) = fed.iter_mut().find(|known| known.class == *class) else { return Vec::new() };
    known.grams = known.grams.minus(grams).unwrap_or(Grams::ZERO);
    known.lacks.clone()
}
