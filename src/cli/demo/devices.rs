//! The devices of the demo: those of an Open Repair file as the file says, or a small made set of the same shape.

use crate::cli::CommandError;
use crate::cli::demo::plan::Plan;
use crate::domain::time::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const CATEGORIES: &str = include_str!("open_repair_categories.json");
/// Devices of the made set.
const MADE: u64 = 600;

/// What the repairers found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Fixed,
    Repairable,
    EndOfLife,
    Unknown,
}

/// A device that was brought to be repaired.
#[derive(Debug, Clone)]
pub(super) struct Device {
    /// Its product class.
    pub(super) class: String,
    pub(super) outcome: Outcome,
    /// The day.
    pub(super) day: Date,
}

#[derive(Deserialize)]
struct Categories {
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Category {
    id: u32,
    class: String,
}

/// The columns that are used; the others (brand, place, words about the problem) stay outside.
#[derive(Deserialize)]
struct Row {
    product_category_id: u32,
    repair_status: String,
    event_date: String,
}

/// Reads a file of the Open Repair Data Standard, version 0.3.
pub(super) fn read_open_repair(path: &Path) -> Result<Vec<Device>, CommandError> {
    let categories: Categories = serde_json::from_str(CATEGORIES)?;
    let classes: BTreeMap<u32, String> = categories.categories.into_iter().map(|c| (c.id, c.class)).collect();
    let named = |problem: String| format!("{}: {problem}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(|error| named(error.to_string()))?;
    let mut devices = Vec::new();
    for (number, row) in reader.deserialize::<Row>().enumerate() {
        let at = |problem: &str| named(format!("device {}: {problem}", number + 1));
        let row = row.map_err(|error| at(&error.to_string()))?;
        let class = classes.get(&row.product_category_id).ok_or_else(|| at("an unknown product category"))?;
        let outcome = match row.repair_status.as_str() {
            "Fixed" => Outcome::Fixed,
            "Repairable" => Outcome::Repairable,
            "End of life" => Outcome::EndOfLife,
            "Unknown" => Outcome::Unknown,
            _ => return Err(at("an unknown repair status").into()),
        };
        let day = Date::parse(&row.event_date).ok_or_else(|| at("an event date that is none"))?;
        devices.push(Device { class: class.clone(), outcome, day });
    }
    Ok(devices)
}

/// A made set: classes whose compositions are known, outcomes in the proportions of the real file.
pub(super) fn made(plan: &Plan) -> Vec<Device> {
    let classes = ["0302", "0303", "0303", "0303", "0304", "0306", "0309", "0408", "0204", "0203"];
    let device = |number: u64| {
        let outcome = match (number, plan.draw("outcome", number) % 1_000) {
            (0 | 1, _) => Outcome::Repairable,
            (_, 0..=655) => Outcome::Fixed,
            (_, 656..=959) => Outcome::EndOfLife,
            _ => Outcome::Unknown,
        };
        let class = usize::try_from(plan.draw("class", number) % 10).ok().and_then(|at| classes.get(at));
        let day = plan.day_before(1 + plan.draw("day", number) % 700);
        Some(Device { class: (*class?).to_owned(), outcome, day: day? })
    };
    (0..MADE).filter_map(device).collect()
}
