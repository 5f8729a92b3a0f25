//! Sentences about what changes hands, on the way and at its end.

use crate::forty_computers::telling::sentences::{Listener, Offer, THINGS};
use crate::forty_computers::telling::table::kilograms;
use crate::forty_computers::telling::text;
use serde_json::Value;

impl Listener<'_> {
    pub(super) fn of_handover(&mut self, kind: &str, said: &Value) -> String {
        let id = text(&said["handover"]).to_owned();
        if matches!(kind, "handover_offered" | "export_shipped") {
            let lot = |lot: &Value| (self.name(&lot["lot"]).to_owned(), lot["sent_g"].as_i64().unwrap_or(0));
            let lots = said["lots"].as_array().into_iter().flatten().map(lot).collect();
            let offer = Offer { from: self.name(&said["org"]).to_owned(), items: self.names(&said["items"]), lots };
            self.offers.insert(id.clone(), offer);
        }
        let Offer { from, items, lots } = self.offers.get(&id).expect("an offer before its answer");
        let things = if items.is_empty() { sent(lots) } else { THINGS.to_owned() };
        let name = self.tale.name(&id);
        let whole = if name.starts_with("shipment") { format!("the {name}") } else { things.clone() };
        match kind {
            "handover_offered" => {
                let carrier =
                    said.get("carrier").map(|carrier| format!(", by {}", self.name(carrier))).unwrap_or_default();
                format!("offered {things} to {}{carrier}", self.name(&said["to"]))
            }
            "export_shipped" => format!(
                "sent off the {name}: {things} to {} in {}, {}, paper {}, by {}",
                self.name(&said["to"]),
                text(&said["to_country"]),
                self.ground(said),
                text(&said["number"]),
                self.names(&said["carriers"]).join(" and ")
            ),
            "carried" => {
                let mode = self.rules.transport.iter().find(|mode| mode.code == text(&said["mode"])).expect("a mode");
                format!(
                    "carried {whole} by {}, {} {} to {} {}",
                    mode.name.to_lowercase(),
                    text(&said["from"]),
                    text(&said["departed"]),
                    text(&said["to"]),
                    text(&said["arrived"])
                )
            }
            _ if items.is_empty() => format!("took from {from} {}", received(lots, &said["lots"])),
            _ => format!("took {whole} from {from}"),
        }
    }

    fn ground(&self, said: &Value) -> String {
        match text(&said["ground"]) {
            "consent" => {
                format!("as shipment {} under the {}", said["under"]["sequence"], self.name(&said["under"]["consent"]))
            }
            "non_waste_reuse" => "as used equipment: tested, wiped, packed".to_owned(),
            other => other.replace('_', " "),
        }
    }
}

fn sent(lots: &[(String, i64)]) -> String {
    lots.iter().map(|(name, grams)| format!("{name} ({})", kilograms(*grams))).collect::<Vec<_>>().join(", ")
}

fn received(lots: &[(String, i64)], answers: &Value) -> String {
    let answers = answers.as_array().into_iter().flatten();
    let one = |((name, sent), answer): (&(String, i64), &Value)| {
        let accepted = answer["accepted_g"].as_i64().unwrap_or(0);
        format!("{name} ({} weighed, {} sent)", kilograms(accepted), kilograms(*sent))
    };
    lots.iter().zip(answers).map(one).collect::<Vec<_>>().join(", ")
}
