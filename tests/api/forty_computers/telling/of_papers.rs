//! Sentences about who may do what: organisations, keys, permits, scales, audits, reviews, consents.

use crate::forty_computers::telling::sentences::{Listener, mass, words};
use crate::forty_computers::telling::table::{listed, tonnes};
use crate::forty_computers::telling::text;
use serde_json::Value;

impl Listener<'_> {
    /// What stands in place of an earlier statement.
    fn instead(&self, said: &Value) -> String {
        if said["type"] == "import_received" {
            let lots = said["lots"].as_array().into_iter().flatten();
            let lots = lots.map(|lot| mass(&lot["accepted_g"]));
            return format!("received {} of the {}", listed(lots.collect()), self.name(&said["handover"]));
        }
        self.of_waste(text(&said["type"]), said).expect("words")
    }

    pub(super) fn of_registry(&self, kind: &str, said: &Value) -> Option<String> {
        Some(match kind {
            "ledger_opened" => {
                format!("opened the ledger, a ledger for tests, with rule set {}", text(&said["rule_set"]["version"]))
            }
            "organisation_registered" => {
                format!(
                    "registered {}, {}, in {}",
                    self.name(&said["organisation"]),
                    words(&said["roles"]),
                    text(&said["country"])
                )
            }
            "key_registered" => {
                let holder = if said["custody"] == "own" { "it alone holds" } else { "the service holds for it" };
                format!("put a key of {} in force, which {holder}", self.name(&said["organisation"]))
            }
            "key_revoked" => format!("took {} out of force: {}", self.name(&said["kid"]), text(&said["reason"])),
            "site_registered" => {
                format!(
                    "registered the {}, {}-{}",
                    self.name(&said["new_site"]),
                    text(&said["country"]),
                    text(&said["code"])
                )
            }
            "site_changed" => {
                format!("recorded for the {} {}", self.name(&said["changed_site"]), permit(&said["permit"]))
            }
            "facility_registered" => format!(
                "registered the {}, {}-{}, a plant without a key, with {}",
                self.name(&said["facility"]),
                text(&said["country"]),
                text(&said["code"]),
                permit(&said["permit"])
            ),
            "scale_registered" => {
                let (on, until) = (text(&said["verified_on"]), text(&said["verified_until"]));
                format!("recorded that the {} was verified on {on}, until {until}", self.name(&said["new_scale"]))
            }
            "site_audited" => {
                let (site, on, outcome) = (self.name(&said["audited_site"]), text(&said["on"]), text(&said["outcome"]));
                format!("audited the {site} on {on}: {outcome}")
            }
            "project_registered" => format!(
                "registered the project {} in {}, run by {}",
                self.name(&said["project"]),
                text(&said["country"]),
                self.name(&said["organisation"])
            ),
            "evidence_reviewed" => {
                format!("reviewed the papers behind entry {}: {}", said["entry"], text(&said["outcome"]))
            }
            "corrected" => {
                format!("says that entry {} was wrong; it {}", said["entry"], self.instead(&said["instead"]))
            }
            "correction_confirmed" => format!("decided for the correction in entry {}", said["correction"]),
            "export_consented" => format!(
                "has the consents to export {} ({}) from {} to {} for {}: {} in {} shipments, {} to {}, number {}",
                words(&said["waste_codes"]),
                words(&said["basel_codes"]),
                text(&said["from_country"]),
                text(&said["to_country"]),
                text(&said["operation"]),
                tonnes(said["quantity_g"].as_i64().expect("grams")),
                said["shipments"],
                text(&said["valid_from"]),
                text(&said["valid_until"]),
                text(&said["number"])
            ),
            _ => return None,
        })
    }
}

fn permit(permit: &Value) -> String {
    let days = (text(&permit["valid_from"]), text(&permit["valid_until"]));
    let (operations, codes) = (words(&permit["operations"]), words(&permit["waste_codes"]));
    let yearly = tonnes(permit["capacity_g_per_year"].as_i64().expect("grams"));
    format!(
        "the permit {}: {operations} of {codes}, {yearly} a year, {} to {}",
        text(&permit["number"]),
        days.0,
        days.1
    )
}
