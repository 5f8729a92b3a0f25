//! Rule sets: code tables, bands and scheme as data files that a ledger adopts by version and SHA-256.
//!
//! Every version ever adopted stays in the binary and replays for ever; a shipped file is never edited.

use crate::domain::codes::{BaselCode, Country, WasteCode};
use crate::domain::event::RuleSetName;
use crate::domain::parts_table::PartRow;
use crate::domain::time::Date;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

mod border_rules;
mod code_tables;
mod scheme;
mod thresholds;

pub use border_rules::{BaselEntry, Borders, Control, ExportBan};
pub use code_tables::{Class, CodeRow, DatedCode, Factor, Fraction, Jurisdiction, Operation, WasteList, WeeeCategory};
pub use scheme::{Conditions, HazardousRule, Occasion, Registry, Residual, Scheme};
pub(crate) use thresholds::part_of;
pub use thresholds::{Bands, Permits, Signals};

use code_tables::{holds_on, known_jurisdictions};

/// The rule sets that this software carries, oldest first.
const FILES: &[&str] = &[
    include_str!("../rule_sets/1.json"),
    include_str!("../rule_sets/2.json"),
    include_str!("../rule_sets/3.json"),
    include_str!("../rule_sets/4.json"),
    include_str!("../rule_sets/5.json"),
];

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
    /// Rules of borders, where there are any.
    pub borders: Option<Borders>,
    /// What is asked of permits; without it, only the whole of a year is measured.
    pub permits: Option<Permits>,
    /// What classes of equipment hold; older rule sets say it with their conditions and signals.
    #[serde(default)]
    pub parts: Vec<PartRow>,
    /// Thresholds of signals, where there are any.
    pub signals: Option<Signals>,
    /// Lists of waste codes.
    #[serde(default)]
    pub waste_lists: Vec<WasteList>,
    /// Which list applies where: objects, or in rule sets without lists mere names.
    #[serde(default, deserialize_with = "known_jurisdictions")]
    pub jurisdictions: Vec<Jurisdiction>,
    /// Basel entries.
    #[serde(default)]
    pub basel_entries: Vec<BaselEntry>,
    /// HS subheadings.
    #[serde(default)]
    pub hs_headings: Vec<CodeRow>,
    /// Hazardous properties.
    #[serde(default)]
    pub hazard_properties: Vec<CodeRow>,
    /// UN numbers.
    #[serde(default)]
    pub un_numbers: Vec<CodeRow>,
    /// Packaging of movement documents.
    #[serde(default)]
    pub packaging: Vec<CodeRow>,
    /// Modes of transport.
    #[serde(default)]
    pub transport: Vec<CodeRow>,
    /// Physical characteristics.
    #[serde(default)]
    pub physical: Vec<CodeRow>,
    /// Categories of WEEE.
    #[serde(default)]
    pub weee_categories: Vec<WeeeCategory>,
    /// How devices are turned into kilograms of an order. A rule set without them has none.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// SHA-256 of the file, filled in when it is read.
    #[serde(skip)]
    pub sha256: String,
}

impl RuleSet {
    /// Whether a retirement may name the organisation that is its beneficiary.
    pub fn names_beneficiaries(&self) -> bool {
        self.scheme.registry.as_ref().is_some_and(|registry| registry.names_beneficiaries)
    }

    /// Whether units that others back may back none themselves.
    pub fn backed_back_none(&self) -> bool {
        self.scheme.registry.as_ref().is_some_and(|registry| registry.backed_back_none)
    }

    /// Whether an auditor clears only what it has nothing to do with.
    pub fn cures_by_strangers_alone(&self) -> bool {
        self.scheme.registry.as_ref().is_some_and(|registry| registry.cures_by_strangers_alone)
    }

    /// Whether what a correction held is let go by another auditor, once the key that decided it was reported compromised.
    pub fn lost_keys_hold_nothing(&self) -> bool {
        self.scheme.registry.as_ref().is_some_and(|registry| registry.lost_keys_hold_nothing)
    }

    fn read(file: &str) -> Result<Self, serde_json::Error> {
        let mut rule_set: Self = serde_json::from_str(file)?;
        rule_set.sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(file));
        rule_set.spread_parts();
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

    /// The waste code of a class or fraction in a country on a day; nobody types it.
    pub fn waste_code(&self, class: &str, country: &Country, day: &Date) -> Option<WasteCode> {
        if self.waste_lists.is_empty() {
            return self.undated_waste_code(class, country);
        }
        let list = &self.jurisdiction(country)?.list;
        let of_class = self.class(class).map(|class| &class.waste_codes);
        let rows = of_class.or_else(|| self.fraction(class).map(|fraction| &fraction.waste_codes))?;
        let row = rows.iter().find(|row| row.list.as_ref() == Some(list) && row.holds_on(day))?;
        WasteCode::parse(&row.code)
    }

    fn undated_waste_code(&self, class: &str, country: &Country) -> Option<WasteCode> {
        let of_class = self.class(class).map(|class| &class.waste_code);
        let codes = of_class.or_else(|| self.fraction(class).map(|fraction| &fraction.waste_code))?;
        codes.get(country.jurisdiction()).and_then(|code| WasteCode::parse(code))
    }

    /// The jurisdiction of a country, where the rule set has lists.
    pub fn jurisdiction(&self, country: &Country) -> Option<&Jurisdiction> {
        self.jurisdictions.iter().find(|row| row.countries.iter().any(|known| known == country.as_str()))
    }

    /// Whether a code stands in the list of a country on a day; where there are no lists, every code does.
    pub fn lists_waste_code(&self, code: &WasteCode, country: &Country, day: &Date) -> bool {
        if self.waste_lists.is_empty() {
            return true;
        }
        let list = self.jurisdiction(country).map(|jurisdiction| &jurisdiction.list);
        let list = self.waste_lists.iter().find(|known| Some(&known.name) == list);
        list.is_some_and(|list| list.codes.iter().any(|row| row.code == code.as_str() && row.holds_on(day)))
    }

    /// The Basel entry of a class or fraction on a day.
    pub fn basel_entry(&self, class: &str, day: &Date) -> Option<&BaselEntry> {
        let of_class = self.class(class).map(|class| &class.basel);
        let rows = of_class.or_else(|| self.fraction(class).map(|fraction| &fraction.basel))?;
        let code = rows.iter().find(|row| row.holds_on(day)).and_then(|row| BaselCode::parse(&row.code))?;
        self.basel(&code, day)
    }

    /// A Basel entry that is valid on a day.
    pub fn basel(&self, code: &BaselCode, day: &Date) -> Option<&BaselEntry> {
        let holds = |row: &&BaselEntry| holds_on(row.from.as_deref(), row.until.as_deref(), day);
        self.basel_entries.iter().filter(|row| row.code == code.as_str()).find(holds)
    }

    /// The factor of that name and version.
    pub fn factor(&self, name: &str, version: &str) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.name == name && factor.version == version)
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
    use crate::domain::codes::Part;
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
            for holding in set.signals.iter().flat_map(|signals| &signals.holdings) {
                assert!(holding.fractions.iter().all(|code| set.fraction(code).is_some()), "{}", holding.name);
                for class in &holding.classes {
                    assert!(set.class(&class.code).is_some() && class.min_ppm < class.max_ppm, "{}", class.code);
                }
            }
            for class in &set.classes {
                assert_eq!(class.mean_g.is_some(), class.mean_source.is_some(), "{}", class.code);
                assert!((1..=6).contains(&class.weee_category), "{}", class.code);
            }
            for class in set.factors.iter().flat_map(|factor| factor.classes.iter().flatten()) {
                assert!(codes.contains(class), "a factor names {class}");
            }
        }
    }

    #[test]
    fn the_conditions_of_a_scheme_name_what_the_tables_have() {
        let conditions = |set: &'static RuleSet| Some((set, set.scheme.conditions.as_ref()?));
        let found: Vec<_> = all().iter().filter_map(conditions).collect();
        assert_eq!(found.len(), 3, "e-resource/0 has none");
        for (set, conditions) in found {
            assert_eq!(conditions.arising.iter().collect::<BTreeSet<_>>().len(), 55, "54 in Africa, and Chile");
            for country in conditions.arising.iter().chain(&conditions.arising_in_tests) {
                let country = Country::parse(country).expect("a country");
                assert!(set.jurisdiction(&country).is_some(), "{country} has no waste codes");
            }
            for operation in conditions.recovery.iter().chain(&conditions.residual.operations) {
                assert!(set.operation(operation).is_some_and(|known| known.r#final), "{operation}");
            }
            let parts: BTreeSet<Part> = conditions.expected.iter().map(|rule| rule.part).collect();
            assert_eq!(parts.into_iter().collect::<Vec<_>>(), Part::ALL);
            for rule in &conditions.expected {
                assert!(rule.classes.iter().all(|class| set.class(class).is_some()), "{}", rule.part);
                assert!(rule.fractions.iter().all(|fraction| set.fraction(fraction).is_some()), "{}", rule.part);
            }
            assert!(conditions.residual.fractions.iter().all(|fraction| set.fraction(fraction).is_some()));
        }
    }
}
