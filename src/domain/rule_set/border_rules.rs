//! Rules of a rule set about borders: Basel entries, what is not let out, and within how many days what is due.

use serde::{Deserialize, Serialize};

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
    /// Whether what goes without a consent that holds for its route, day, plant and operation backs nothing until that is cured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub consents_bind: bool,
}
