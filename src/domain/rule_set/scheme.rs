//! The scheme of certificates as a rule set has it: its numbers and lists. The rules that ask for them stand in `eligibility`, and
//! those of the registry in `certificate`.

use crate::domain::parts_table::ExpectedRule;
use serde::{Deserialize, Serialize};

/// Operations that are admitted for some outputs alone, and up to a share of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Residual {
    /// The operations.
    pub operations: Vec<String>,
    /// Fractions that are residues; what carries an asterisk where it is treated need not stand here.
    pub fractions: Vec<String>,
    /// The most that they may end of a batch's input, in parts per million.
    pub share_ppm: i64,
}

/// What must have become of a batch's hazardous grams.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct HazardousRule {
    /// The share that a permitted site must have accepted, in parts per million.
    pub accepted_ppm: i64,
    /// How old the rest may grow in store, in months.
    pub storage_months: u32,
    /// Whether an entry by which a batch lacks less looks at those of its treatments alone that wait for something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settles_waiting_alone: bool,
}

/// The numbers and lists of the scheme `e-resource/1`; its rules stand in `domain::eligibility::e_resource_1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conditions {
    /// Countries where waste may have arisen.
    pub arising: Vec<String>,
    /// Further ones, on ledgers that were opened for tests alone.
    pub arising_in_tests: Vec<String>,
    /// Operations that are admitted for every fraction.
    pub recovery: Vec<String>,
    /// Those that are not.
    pub residual: Residual,
    /// What must have become of hazardous grams.
    pub hazardous: HazardousRule,
    /// What classes should hold; of a rule set with a table of parts, what that says.
    #[serde(default)]
    pub expected: Vec<ExpectedRule>,
}

/// The numbers of a scheme of certificates; its rules stand in `domain::eligibility`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scheme {
    /// Its name and version.
    pub name: String,
    /// Whether only ledgers that were opened for tests may issue under it.
    pub test_only: bool,
    /// How far an audit may lie before or after the day of treatment, in months.
    pub audit_months: u32,
    /// The buffer's share of every issue, in parts per million, rounded up to whole units.
    pub buffer_ppm: i64,
    /// How long after its issue a certificate may be retired, in months.
    pub valid_months: u32,
    /// How far the period of a retirement may reach from the vintage, in months.
    pub period_months: i64,
    /// The rules of the registry: second signatures, failing units, replacement. A rule set without them has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// What `e-resource/1` demands beyond the rules of its predecessor, which has none of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// Numbers of the registry of certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a line of a rule set's file, by its name")]
pub struct Registry {
    /// How long after fraud was found units are to be replaced before they are listed as unbacked, in months.
    pub replacement_months: u32,
    /// After what certified grams are judged anew, beside a correction, a finding about their batch or treatment and a
    /// withdrawal. Nothing else where it is absent: so older ledgers replay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judged_after: Vec<Occasion>,
    /// How many ranges that lost their eligibility one issue puts from before the grams that it takes to the end of their pool, at
    /// most. Where it is absent they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_back_max: Option<usize>,
    /// Whether units that others back may back none themselves. Where they may, chains of such units arise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backed_back_none: bool,
    /// Whether what was settled with a key that was reported compromised by then is open again, for somebody else to settle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stolen_keys_cure_nothing: bool,
    /// Whether an auditor clears only what it has nothing to do with: neither side of a handover, nobody whose entry is cleared
    /// along with a batch, an item or a treatment, and nothing that comes up after it has looked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cures_by_strangers_alone: bool,
    /// Whether another auditor lets go what a correction held, once the key that decided it was reported compromised.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost_keys_hold_nothing: bool,
    /// Whether a retirement may name the organisation that is its beneficiary.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_beneficiaries: bool,
}

/// An event after which units may fail, or hold again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A flaw behind their grams was settled: by a review, an agreement, or a finding about its entry or an item.
    Cure,
    /// Hazardous grams of their batch were lost, found, accepted, or are known by another weight.
    HazardousMoved,
}
