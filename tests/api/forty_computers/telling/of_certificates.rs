//! Sentences about certificates.

use crate::forty_computers::telling::sentences::Listener;
use crate::forty_computers::telling::table::listed;
use crate::forty_computers::telling::text;
use serde_json::Value;

impl Listener<'_> {
    pub(super) fn of_certificate(&self, kind: &str, said: &Value) -> Option<String> {
        let serial = text(&said["certificate"]);
        Some(match kind {
            "certificate_issued" => {
                format!("issued {serial}, and {} for the buffer", text(&said["buffer"]))
            }
            "certificate_split" => {
                let parts = said["into"].as_array().into_iter().flatten().map(|part| text(part).to_owned());
                format!("split {serial} into {}", listed(parts.collect()))
            }
            "certificate_transferred" => format!("handed {serial} on to {}", self.name(&said["to"])),
            "certificate_retired" => {
                let (from, until) = (text(&said["period"]["from"]), text(&said["period"]["until"]));
                format!("retired {serial} for {from} to {until} ({})", text(&said["purpose_kind"]))
            }
            "certificate_withdrawn" => {
                let units = said.get("part").map_or(serial, text);
                format!("withdrew {units}: {}", text(&said["reason"]))
            }
            "certificate_replaced" => {
                let pairs = said["replacements"].as_array().into_iter().flatten();
                let pairs = pairs.map(|one| format!("{} by {}", text(&one["failed"]), text(&one["backing"])));
                format!("replaced {}", listed(pairs.collect()))
            }
            _ => return None,
        })
    }
}
