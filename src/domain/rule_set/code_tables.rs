//! Code tables of a rule set: waste codes by list and day, product classes, fractions, operations, factors.

use crate::domain::time::Date;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

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
pub(super) fn holds_on(from: Option<&str>, until: Option<&str>, day: &Date) -> bool {
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

/// Jurisdictions with their lists; the first rule set names them without.
pub(super) fn known_jurisdictions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Jurisdiction>, D::Error> {
    let rows = Vec::<serde_json::Value>::deserialize(from)?;
    let with_list = rows.into_iter().filter(serde_json::Value::is_object);
    with_list.map(|row| serde_json::from_value(row).map_err(serde::de::Error::custom)).collect()
}
