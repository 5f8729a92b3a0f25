//! What comes out of dismantling, by class: simulated, for the demo alone.

use crate::cli::CommandError;
use crate::domain::rule_set::RuleSet;
use serde::Deserialize;
use std::collections::BTreeMap;

const FILE: &str = include_str!("compositions.json");
/// The permit operations of the demo's treater.
pub(super) const OPERATIONS: &[&str] = &["R1", "R3", "R4", "R5", "R9", "D10"];

#[derive(Deserialize)]
struct Composition {
    classes: Vec<String>,
    fractions: BTreeMap<String, i64>,
}

/// Fractions by class, and what becomes of each.
#[derive(Deserialize)]
pub(super) struct Compositions {
    compositions: Vec<Composition>,
    operations: BTreeMap<String, String>,
}

impl Compositions {
    /// Reads the table that the program carries.
    pub(super) fn read() -> Result<Self, CommandError> {
        Ok(serde_json::from_str(FILE)?)
    }

    /// Shares of a class by fraction, in parts per million; a class without its own has those of small equipment.
    pub(super) fn of_class(&self, class: &str) -> Result<&BTreeMap<String, i64>, CommandError> {
        let own = self.compositions.iter().find(|composition| composition.classes.iter().any(|own| own == class));
        let found = own.or_else(|| self.compositions.iter().find(|composition| composition.classes.is_empty()));
        found.map(|composition| &composition.fractions).ok_or_else(|| "the table of compositions is incomplete".into())
    }

    /// The final operation of a fraction.
    pub(super) fn operation_of(&self, fraction: &str) -> Result<&str, CommandError> {
        let operation = self.operations.get(fraction).map(String::as_str);
        operation.ok_or_else(|| format!("the table of compositions has no operation for {fraction}").into())
    }
}

/// Every waste code of the rule set in the fictitious country: what the demo's permits cover.
pub(super) fn waste_codes(rules: &RuleSet) -> Vec<String> {
    let list = rules.jurisdictions.iter().find(|known| known.code == "XD").map(|known| known.list.as_str());
    let rows = rules.classes.iter().flat_map(|class| &class.waste_codes);
    let rows = rows.chain(rules.fractions.iter().flat_map(|fraction| &fraction.waste_codes));
    let codes = rows.filter(|row| row.list.as_deref() == list).map(|row| row.code.clone());
    codes.collect::<std::collections::BTreeSet<String>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule_set;

    #[test]
    fn every_fraction_is_known_and_no_class_gives_more_than_it_weighs() {
        let table = Compositions::read().expect("a table");
        let rules = rule_set::all().last().expect("a rule set");
        for composition in &table.compositions {
            let sum: i64 = composition.fractions.values().sum();
            assert!((990_000..=1_000_000).contains(&sum), "{:?}: {sum}", composition.classes);
            for fraction in composition.fractions.keys() {
                assert!(rules.fraction(fraction).is_some(), "{fraction}");
                let operation = table.operation_of(fraction).expect("an operation");
                assert!(rules.operation(operation).is_some_and(|operation| operation.r#final), "{operation}");
                assert!(OPERATIONS.contains(&operation), "{operation}");
            }
        }
    }
}
