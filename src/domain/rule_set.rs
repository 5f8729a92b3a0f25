//! Rule sets: code tables, bands and scheme as data files that a ledger adopts by version and SHA-256.
//!
//! Every version ever adopted stays in the binary and replays for ever; a shipped file is never edited.

use crate::domain::codes::{Country, WasteCode};
use crate::domain::event::RuleSetName;
use crate::domain::mass::Grams;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The rule sets that this software carries, oldest first.
const FILES: &[&str] = &[include_str!("rule_sets/1.json")];

/// A product class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Class {
    /// The UNU-KEY.
    pub code: String,
    /// What belongs to it.
    pub name: String,
    /// Category of WEEE Directive, Annex III.
    pub weee_category: u8,
    /// Mean mass of a piece, in grams, where a source gives one.
    pub mean_g: Option<i64>,
    /// Where the mean is from.
    pub mean_source: Option<String>,
    /// Whether pieces carry data, so that reuse needs a wipe.
    pub data_bearing: bool,
    /// Waste code by jurisdiction.
    pub waste_code: BTreeMap<String, String>,
}

/// A fraction that leaves dismantling.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fraction {
    /// The fraction's code.
    pub code: String,
    /// What it is.
    pub name: String,
    /// Whether it is hazardous.
    pub hazardous: bool,
    /// Waste code by jurisdiction.
    pub waste_code: BTreeMap<String, String>,
}

/// A disposal or recovery operation (Basel Annex IV; Directive 2008/98/EC, Annexes I and II).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// D1 to D15, R1 to R13.
    pub code: String,
    /// `disposal` or `recovery`.
    pub kind: String,
    /// What is done.
    pub name: String,
    /// Whether mass ends there; interim operations never end it.
    pub r#final: bool,
}

/// How far weighings may differ: the larger of a share in parts per million, some scale divisions, and a floor.
#[derive(Debug, Clone, Deserialize)]
pub struct Bands {
    /// Share of the mass between two parties, in parts per million.
    pub handover_ppm: i64,
    /// Share of a batch's input, in parts per million.
    pub batch_ppm: i64,
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
        let share = i128::from(mass.get()) * i128::from(ppm) / 1_000_000;
        let share = i64::try_from(share).unwrap_or(i64::MAX);
        share.max(self.floor_divisions.saturating_mul(division.get())).max(self.floor_g)
    }
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
}

/// One rule set.
#[derive(Debug, Clone, Deserialize)]
pub struct RuleSet {
    /// Its version.
    pub version: String,
    /// The scheme of certificates.
    pub scheme: Scheme,
    /// Bands of weighing.
    pub bands: Bands,
    /// How far an event may lie before the item's last one, in days.
    pub offline_window_days: i64,
    /// How long a batch may stay open, in days.
    pub batch_days_max: i64,
    /// How far an event may lie in the future of the ledger's time before it earns a warning, in minutes.
    pub clock_ahead_minutes: i64,
    /// Product classes.
    pub classes: Vec<Class>,
    /// Fractions.
    pub fractions: Vec<Fraction>,
    /// Operations.
    pub operations: Vec<Operation>,
    /// SHA-256 of the file, filled in when it is read.
    #[serde(skip)]
    pub sha256: String,
}

impl RuleSet {
    fn read(file: &str) -> Result<Self, serde_json::Error> {
        let mut rule_set: Self = serde_json::from_str(file)?;
        rule_set.sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(file));
        Ok(rule_set)
    }

    /// The product class of that code.
    pub fn class(&self, code: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.code == code)
    }

    /// The fraction of that code.
    pub fn fraction(&self, code: &str) -> Option<&Fraction> {
        self.fractions.iter().find(|fraction| fraction.code == code)
    }

    /// The waste code of a class or fraction in a country; nobody types it.
    pub fn waste_code(&self, class: &str, country: &Country) -> Option<WasteCode> {
        let of_class = self.class(class).map(|class| &class.waste_code);
        let codes = of_class.or_else(|| self.fraction(class).map(|fraction| &fraction.waste_code))?;
        codes.get(country.jurisdiction()).and_then(|code| WasteCode::parse(code))
    }

    /// The operation of that code.
    pub fn operation(&self, code: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.code == code)
    }
}

/// All rule sets, oldest first.
pub fn all() -> &'static [RuleSet] {
    static ALL: OnceLock<Vec<RuleSet>> = OnceLock::new();
    // A file that cannot be read is missing from the list, which a unit test refuses.
    ALL.get_or_init(|| FILES.iter().filter_map(|file| RuleSet::read(file).ok()).collect())
}

/// The rule set of that name, if this software carries it with that very content.
pub fn find(name: &RuleSetName) -> Option<&'static RuleSet> {
    all().iter().find(|set| set.version == name.version.as_str() && set.sha256 == name.sha256.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_read_and_versions_differ() {
        assert_eq!(all().len(), FILES.len());
        let versions: BTreeSet<_> = all().iter().map(|set| &set.version).collect();
        assert_eq!(versions.len(), FILES.len());
    }

    #[test]
    fn tables_are_complete_and_well_formed() {
        for set in all() {
            let codes: BTreeSet<_> = set.classes.iter().map(|class| &class.code).collect();
            assert_eq!(codes.len(), set.classes.len(), "a class stands twice");
            assert_eq!(set.operations.len(), 28, "D1 to D15 and R1 to R13");
            let interim = set.operations.iter().filter(|op| !op.r#final).map(|op| op.code.as_str());
            assert_eq!(interim.collect::<BTreeSet<_>>(), BTreeSet::from(["D13", "D14", "D15", "R12", "R13"]));
            let of_classes = set.classes.iter().flat_map(|class| class.waste_code.values());
            let of_fractions = set.fractions.iter().flat_map(|fraction| fraction.waste_code.values());
            for code in of_classes.chain(of_fractions) {
                assert!(WasteCode::parse(code).is_some(), "{code}");
            }
            for class in &set.classes {
                assert_eq!(class.mean_g.is_some(), class.mean_source.is_some(), "{}", class.code);
                assert!((1..=6).contains(&class.weee_category), "{}", class.code);
            }
        }
    }
}
