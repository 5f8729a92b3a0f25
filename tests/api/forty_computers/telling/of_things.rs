//! Sentences about devices and what becomes of them.

use crate::forty_computers::telling::sentences::{Listener, THINGS, mass};
use crate::forty_computers::telling::text;
use serde_json::Value;

impl Listener<'_> {
    pub(super) fn of_device(&self, kind: &str, said: &Value) -> Option<String> {
        Some(match kind {
            "registered" => format!("registered {THINGS} as {}, {}", self.class(&said["class"]), self.weight(said)),
            "donated" => {
                format!("gave {THINGS} for {}: {}", self.name(&said["project"]), self.name(&said["donation"]))
            }
            "data_sanitised" => {
                let verified = if said["verified"] == true { "verified" } else { "not verified" };
                format!(
                    "wiped {THINGS}: {} by {}, {verified}",
                    text(&said["method"]),
                    text(&said["technique"]).replace('_', " ")
                )
            }
            "tested" => format!("tested {THINGS}: {}", text(&said["result"])),
            "repaired" => format!("repaired {THINGS}"),
            "prepared_for_reuse" => format!("made {THINGS} ready for reuse"),
            "packed" => {
                format!("packed {THINGS} into the {}, seal {}", self.name(&said["container"]), text(&said["seal"]))
            }
            "unpacked" => format!("unpacked the {}", self.name(&said["container"])),
            "training_held" => format!(
                "trained {} people in {}, {} to {}, for {} with {}",
                said["participants"],
                text(&said["topic"]),
                text(&said["from"]),
                text(&said["until"]),
                self.name(&said["project"]),
                self.name(&said["donation"])
            ),
            "put_in_use" => {
                format!("put {THINGS} in use in {} for {}", text(&said["country"]), self.name(&said["project"]))
            }
            "checked" => format!("looked for {THINGS}: {}", text(&said["finding"]).replace('_', " ")),
            "lost" => format!("lost {THINGS}: {}", text(&said["cause"])),
            "retired" => format!(
                "declared {THINGS} waste, arisen in {} in {}, counted elsewhere: {}",
                text(&said["arising"]["country"]),
                text(&said["arising"]["month"]),
                text(&said["counted_elsewhere"])
            ),
            _ => return None,
        })
    }

    pub(super) fn of_waste(&self, kind: &str, said: &Value) -> Option<String> {
        Some(match kind {
            "merged" => format!("joined {THINGS} to one lot, the {}", self.name(&said["lot"])),
            "reweighed" => format!("weighed the {}: {}", self.name(&said["item"]), self.weight(said)),
            "batch_opened" => format!("opened {}", self.name(&said["batch"])),
            "batch_fed" => format!("fed {THINGS} into {}", self.name(&said["batch"])),
            "dismantled" => format!(
                "took the {} out: {}, {}",
                self.name(&said["lot"]),
                self.class(&said["fraction"]),
                self.weight(said)
            ),
            "batch_closed" => format!(
                "closed {}: {} of dust, {} out of scope",
                self.name(&said["batch"]),
                mass(&said["loss_g"]),
                mass(&said["out_of_scope_g"])
            ),
            "stored" => format!("stored {THINGS} pending treatment ({})", text(&said["operation"])),
            "treated_final" => {
                let operation = self.rules.operation(text(&said["operation"])).expect("an operation");
                let paper = |facility: &Value| {
                    format!(", at the {} by its certificate {}", self.name(facility), text(&said["number"]))
                };
                let place = said.get("facility").map(paper).unwrap_or_default();
                let (item, mass) = (self.name(&said["item"]), mass(&said["net_g"]));
                format!("ended the {item}, {mass}: {} {}{place}", operation.code, operation.name.to_lowercase())
            }
            _ => return None,
        })
    }
}
