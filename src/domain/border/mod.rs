//! Borders: consents, shipments and their receipt (Basel Convention; Regulation (EU) 2024/1157).
//!
//! A consent gives each shipment its number and its mass, and never more. What crosses without the paper that it needs
//! crosses all the same: it is recorded with a warning, and its grams back nothing until cured. `crossing` asks the law and
//! changes nothing; the other modules are what exporter and receiver say.

pub(crate) mod completion;
mod consent;
mod crossing;
mod receipt;
mod shipping;

pub use completion::Completion;
pub use consent::{Consent, export_consented};
pub use receipt::import_received;
pub use shipping::{Shipment, export_shipped};

pub(crate) use consent::Allowed;
pub(crate) use crossing::{Crossing, is_named};

use crate::domain::apply::refuse;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::{Borders, RuleSet};
use crate::domain::state::Stop;

/// The rules of borders in force.
fn borders(rules: &RuleSet) -> Result<&Borders, Stop> {
    match &rules.borders {
        Some(borders) => Ok(borders),
        None => refuse(RefusalCode::RuleSetUnknown, "/type", "the rule set in force has no rules of borders"),
    }
}

fn warning(code: WarningCode, pointer: &str) -> Vec<Warning> {
    Warning::new(code, pointer).into_iter().collect()
}
