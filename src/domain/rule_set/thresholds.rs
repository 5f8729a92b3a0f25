//! Thresholds of a rule set: bands of weighing, signals of fraud, and what is asked of permits.

use crate::domain::mass::Grams;
use crate::domain::parts_table::Holding;
use serde::{Deserialize, Serialize};

/// How far weighings may differ: the larger of a share in parts per million, some scale divisions, and a floor.
#[derive(Debug, Clone, Deserialize)]
pub struct Bands {
    /// Share of the mass between two parties, in parts per million.
    pub handover_ppm: i64,
    /// Share of a batch's input, in parts per million.
    pub batch_ppm: i64,
    /// Share of what a site received in a year, for the sum of its differences, in parts per million.
    #[serde(default)]
    pub site_year_ppm: i64,
    /// Floor, in grams.
    pub floor_g: i64,
    /// Floor, in divisions of the scale.
    pub floor_divisions: i64,
}

impl Bands {
    /// The band of a handover around a mass, in grams; at the boundary it still holds.
    pub fn handover_g(&self, mass: Grams, division: Grams) -> i64 {
        self.band_g(self.handover_ppm, mass, division)
    }

    /// The band of a batch around its input, in grams; at the boundary it still holds.
    pub fn batch_g(&self, input: Grams, division: Grams) -> i64 {
        self.band_g(self.batch_ppm, input, division)
    }

    fn band_g(&self, ppm: i64, mass: Grams, division: Grams) -> i64 {
        part_of(mass.get(), ppm).max(self.floor_divisions.saturating_mul(division.get())).max(self.floor_g)
    }
}

/// A share of a mass: so many parts per million of it, rounded down, in grams.
pub(crate) fn part_of(grams: i64, ppm: i64) -> i64 {
    let part = i128::from(grams) * i128::from(ppm) / 1_000_000;
    i64::try_from(part).unwrap_or(i64::MAX)
}

/// Thresholds of signals of fraud. A rule set without them raises none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signals {
    /// What a piece weighs at least, as a share of its class mean, over all pieces of a lot, in parts per million.
    pub piece_min_ppm: i64,
    /// What it weighs at most.
    pub piece_max_ppm: i64,
    /// Up to this mass of a class in a batch nothing follows from what it gave, in grams.
    pub yield_floor_g: i64,
    /// What classes hold; of a rule set with a table of parts, what that says.
    #[serde(default)]
    pub holdings: Vec<Holding>,
    /// Within so many days a ticket stands for one load.
    pub ticket_days: i64,
    /// Within so many days waste does not come back to whoever has handed it on.
    pub circular_days: i64,
    /// How many days' share of its yearly capacity a site may take apart or treat in one day.
    pub throughput_days: i64,
    /// So much may any site, in grams.
    pub throughput_floor_g: i64,
    /// Up to this sum nothing follows from the differences of a site's year, in grams.
    pub site_year_floor_g: i64,
    /// Whether a difference stays unexplained that was cleared with a key reported compromised by then.
    #[serde(default)]
    pub stolen_keys_explain_nothing: bool,
    /// Whether pieces that were counted without a part are left out of what a batch must have given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing_parts_give_nothing: bool,
}

/// What is asked of permits beyond day, operation and waste code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Permits {
    /// Whether what goes into an operation is measured against what the permit states for it.
    pub capacity_per_operation: bool,
    /// Whether what a correction makes more, or puts in another year, is measured against what the year holds beside it.
    pub corrections_measured: bool,
    /// Whether the measure has no gaps: what a reweighing adds and what is retired where it is treated comes in too, work outside
    /// the ledger counts whenever it is declared, a correction that brings no more is not measured, and what a correction gives
    /// back to a year is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_intake_counts: bool,
}
