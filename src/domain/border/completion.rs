//! Completion: by what operation, and until when, what a shipment brought must have ended.
//!
//! It goes with the grams, into parts of a lot and into what a lot joins. What is sorted into other lots is other waste: of it
//! only the day is asked, and of what is dismantled nothing. Pure, so that whoever verifies asks the same.

use crate::domain::codes::TableCode;
use crate::domain::fields::record;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Date;
use std::collections::BTreeMap;

record! {
    /// What is asked of the end of what a shipment brought.
    pub struct Completion {
        /// The operation to which the authorities consented, where it is one that ends mass.
        operation: Option<TableCode>,
        /// The last day on which it is in time.
        until: Date,
    }
}

impl Completion {
    /// That of what was received on a day, where the rule set asks for it.
    pub(crate) fn of(rules: &RuleSet, consented: Option<&TableCode>, received: &Date) -> Option<Self> {
        let days = rules.borders.as_ref().filter(|borders| borders.consents_bind)?.completion_days;
        let is_final = |code: &&TableCode| rules.operation(code.as_str()).is_some_and(|known| known.r#final);
        let until = received.plus_days(u64::try_from(days).ok()?)?;
        Some(Self { operation: consented.filter(is_final).cloned(), until })
    }
}

/// Of several that become one: for each operation the earliest day.
pub(crate) fn joined<'c>(all: impl IntoIterator<Item = &'c Completion>) -> Option<Vec<Completion>> {
    let mut earliest: BTreeMap<Option<TableCode>, Date> = BTreeMap::new();
    for one in all {
        let until = earliest.entry(one.operation.clone()).or_insert_with(|| one.until.clone());
        if one.until < *until {
            until.clone_from(&one.until);
        }
    }
    let all: Vec<_> = earliest.into_iter().map(|(operation, until)| Completion { operation, until }).collect();
    Some(all).filter(|all| !all.is_empty())
}

/// Those of what came out of sorting.
pub(crate) fn of_other_waste(all: &[Completion]) -> Option<Vec<Completion>> {
    let days: Vec<_> = all.iter().map(|one| Completion { operation: None, until: one.until.clone() }).collect();
    joined(&days)
}

/// Whether an end is another than the authorities consented to.
pub(crate) fn ends_otherwise(all: &[Completion], operation: &TableCode) -> bool {
    all.iter().filter_map(|one| one.operation.as_ref()).any(|consented| consented != operation)
}

/// Whether an end comes too late.
pub(crate) fn ends_late(all: &[Completion], day: &Date) -> bool {
    all.iter().any(|one| one.until < *day)
}
