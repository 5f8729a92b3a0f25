//! What classes of equipment hold, and the fractions as which it leaves them: one table of the rule set, for what a scheme
//! demands of a batch and for what looks implausible of one.

use crate::domain::codes::Part;
use crate::domain::rule_set::RuleSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part of equipment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartRow {
    /// The part.
    pub part: Part,
    /// The fractions as which it leaves a batch.
    pub fractions: Vec<String>,
    /// The classes nearly every product of which holds it.
    pub classes: Vec<PartIn>,
}

/// How much of a class a part is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartIn {
    /// The class.
    pub code: String,
    /// Below this share of what was fed in a batch backs nothing, in parts per million.
    pub least_ppm: i64,
    /// Outside these two shares a batch is implausible, in parts per million; without them nobody knows.
    #[serde(flatten)]
    pub plausible: Option<Plausible>,
}

/// The shares between which a part is plausible, in parts per million.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Plausible {
    /// At least.
    pub min_ppm: i64,
    /// At most.
    pub max_ppm: i64,
}

/// What a class holds of something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldIn {
    /// The class.
    pub code: String,
    /// At least, as a share of its mass, in parts per million.
    pub min_ppm: i64,
    /// At most.
    pub max_ppm: i64,
}

/// Something that classes hold, and that dismantling must bring to light.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holding {
    /// What it is.
    pub name: String,
    /// The fractions as which it leaves a batch.
    pub fractions: Vec<String>,
    /// The classes that hold it.
    pub classes: Vec<HeldIn>,
}

/// What classes should hold, and the fractions any one of which shows that it came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpectedRule {
    /// The part.
    pub part: Part,
    /// The classes.
    pub classes: Vec<String>,
    /// The fractions.
    pub fractions: Vec<String>,
    /// What came out weighs at least this share of what may hold it, in parts per million, by class; without shares any fraction of
    /// it is enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub least_ppm: BTreeMap<String, i64>,
}

impl PartRow {
    fn expected(&self) -> ExpectedRule {
        ExpectedRule {
            part: self.part,
            classes: self.classes.iter().map(|class| class.code.clone()).collect(),
            fractions: self.fractions.clone(),
            least_ppm: self.classes.iter().map(|class| (class.code.clone(), class.least_ppm)).collect(),
        }
    }

    fn holding(&self) -> Option<Holding> {
        let held = |class: &PartIn| {
            let Plausible { min_ppm, max_ppm } = class.plausible?;
            Some(HeldIn { code: class.code.clone(), min_ppm, max_ppm })
        };
        let classes: Vec<HeldIn> = self.classes.iter().filter_map(held).collect();
        let holding = Holding { name: self.part.to_string(), fractions: self.fractions.clone(), classes };
        (!holding.classes.is_empty()).then_some(holding)
    }
}

impl RuleSet {
    /// Whether it has a table of parts: then amounts of what came out and of what was missing decide, before only whether there
    /// was any, and whether all of it was missing. Ledgers of older rule sets replay as they were written.
    pub(crate) fn weighs_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Gives the conditions of the scheme and the signals what the table says; rule sets without one have it there already.
    pub(crate) fn spread_parts(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        if let Some(conditions) = &mut self.scheme.conditions {
            conditions.expected = self.parts.iter().map(PartRow::expected).collect();
        }
        if let Some(signals) = &mut self.signals {
            signals.holdings = self.parts.iter().filter_map(PartRow::holding).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule_set;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_names_what_the_others_have() {
        for set in rule_set::all().iter().filter(|set| !set.parts.is_empty()) {
            let named: BTreeSet<Part> = set.parts.iter().map(|row| row.part).collect();
            assert_eq!((named.len(), set.parts.len()), (Part::ALL.len(), Part::ALL.len()), "each part once");
            for row in &set.parts {
                let codes: BTreeSet<&String> = row.classes.iter().map(|class| &class.code).collect();
                assert_eq!(codes.len(), row.classes.len(), "{}: a class stands twice", row.part);
                for class in &row.classes {
                    let least = class.plausible.map_or(i64::MAX, |plausible| plausible.min_ppm);
                    assert!(0 < class.least_ppm && class.least_ppm <= least, "{} of {}", row.part, class.code);
                }
            }
            assert_eq!(
                set.scheme.conditions.as_ref().map(|conditions| conditions.expected.len()),
                Some(Part::ALL.len())
            );
            assert_eq!(set.signals.as_ref().map(|signals| signals.holdings.len()), Some(2), "boards and batteries");
        }
    }
}
