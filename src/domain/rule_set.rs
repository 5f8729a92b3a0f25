//! Rule sets: code tables, bands and scheme as data files that a ledger adopts by version and SHA-256.
//!
//! Every version ever adopted stays in the binary and replays for ever; a shipped file is never edited.

use crate::domain::codes::{BaselCode, Country, WasteCode};
use crate::domain::event::RuleSetName;
use crate::domain::mass::Grams;
use crate::domain::parts_table::{Holding, PartRow};
pub use crate::domain::scheme::{Conditions, HazardousRule, Occasion, Permits, Registry, Residual, Scheme};
use crate::domain::time::Date;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The rule sets that this software carries, oldest first.
const FILES: &[&str] = &[
    include_str!("rule_sets/1.json"),
    include_str!("rule_sets/2.json"),
    include_str!("rule_sets/3.json"),
    include_str!("rule_sets/4.json"),
];

/// A code that is valid for some days, both included; without a first or last day, always before or after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatedCode {
    /// The list in which it stands, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The code, an asterisk included.
    pub code: String,
    /// First day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl DatedCode {
    /// Whether it is valid on a day.
    pub fn holds_on(&self, day: &Date) -> bool {
        holds_on(self.from.as_deref(), self.until.as_deref(), day)
    }
}

/// Dates of one form compare as their text does.
fn holds_on(from: Option<&str>, until: Option<&str>, day: &Date) -> bool {
    from.is_none_or(|from| from <= day.as_str()) && until.is_none_or(|until| day.as_str() <= until)
}

/// A row of a code table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CodeRow {
    /// The code.
    pub code: String,
    /// What it means.
    pub name: String,
    /// First day on which it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The act or standard from which it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl CodeRow {
    /// Whether it is valid on a day.
    pub fn holds_on(&self, day: &Date) -> bool {
        holds_on(self.from.as_deref(), self.until.as_deref(), day)
    }
}

/// A list of waste codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WasteList {
    /// Its name here.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Its codes.
    pub codes: Vec<CodeRow>,
}

/// Countries that share one list of waste codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jurisdiction {
    /// Its name: a country's code, or `EU`.
    pub code: String,
    /// Its countries.
    pub countries: Vec<String>,
    /// The list that applies there.
    pub list: String,
    /// Why.
    pub source: String,
}

/// How waste of a Basel entry may cross borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// With prior informed consent.
    Consent,
    /// With the document of Annex VII.
    AnnexVii,
}

/// An entry of the Basel Convention.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaselEntry {
    /// The entry.
    pub code: String,
    /// What it is.
    pub name: String,
    /// The annex in which it stands.
    pub annex: String,
    /// What it takes to cross a border.
    pub control: Control,
    /// First day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// A jurisdiction within which Annex VII suffices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annex_vii_within: Option<String>,
    /// The last day on which it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annex_vii_until: Option<String>,
    /// The act from which it is taken.
    pub source: String,
}

/// What a jurisdiction does not let out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportBan {
    /// The jurisdiction of dispatch.
    pub from_jurisdiction: String,
    /// The Basel entries that it keeps from countries outside the OECD.
    pub basel: Vec<String>,
    /// The act.
    pub source: String,
}

/// Rules of shipments over borders. A rule set without them has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Borders {
    /// How long a shipment may be on its way before it counts as overdue, in days.
    pub transit_days: i64,
    /// How soon after its arrival a shipment's receipt is due, in days.
    pub receipt_days: i64,
    /// How long after receipt the final treatment may take, in days.
    pub completion_days: i64,
    /// How long waste may be stored pending treatment, in days.
    pub storage_days_max: i64,
    /// Members of the OECD.
    pub oecd: Vec<String>,
    /// What must not leave for other countries.
    pub export_ban: ExportBan,
}

/// A category of WEEE (Directive 2012/19/EU, Annexes III and V).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WeeeCategory {
    /// 1 to 6.
    pub code: String,
    /// What belongs to it.
    pub name: String,
    /// Least recovery, in percent, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_percent: Option<u8>,
    /// Least preparation for reuse and recycling, in percent.
    pub recycling_percent: u8,
}

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
    /// Waste code by jurisdiction, in rule sets without dated codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waste_code: BTreeMap<String, String>,
    /// Waste codes by list and day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waste_codes: Vec<DatedCode>,
    /// Basel entries by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub basel: Vec<DatedCode>,
    /// HS subheadings by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hs: Vec<DatedCode>,
}

/// A fraction that leaves dismantling.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fraction {
    /// The fraction's code.
    pub code: String,
    /// What it is.
    pub name: String,
    /// Whether it is hazardous, in rule sets without dated codes; elsewhere the asterisk of the code says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hazardous: Option<bool>,
    /// Waste code by jurisdiction, in rule sets without dated codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waste_code: BTreeMap<String, String>,
    /// Waste codes by list and day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waste_codes: Vec<DatedCode>,
    /// Basel entries by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub basel: Vec<DatedCode>,
    /// HS subheadings by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hs: Vec<DatedCode>,
    /// Properties that usually make it hazardous, for export papers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hazard_properties: Vec<String>,
    /// UN numbers under which it usually travels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub un_numbers: Vec<String>,
    /// Whether it is a data medium.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drive: bool,
    /// The act by whose criteria it may cease to be waste.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_of_waste: Option<String>,
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
}

/// How many grams a device counts for in an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Factor {
    /// Its name.
    pub name: String,
    /// Its version; other grams have another one.
    pub version: String,
    /// What it says.
    pub title: String,
    /// The product classes for which it holds; every class if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Grams of a device; the mean of its class if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grams_per_device: Option<i64>,
    /// Who says so.
    pub source: String,
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

/// Jurisdictions with their lists; the first rule set names them without.
fn known_jurisdictions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Jurisdiction>, D::Error> {
    let rows = Vec::<serde_json::Value>::deserialize(from)?;
    let with_list = rows.into_iter().filter(serde_json::Value::is_object);
    with_list.map(|row| serde_json::from_value(row).map_err(serde::de::Error::custom)).collect()
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
        assert_eq!(found.len(), 2, "e-resource/0 has none");
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
