//! The repair café: what the file says, and what is simulated from there to the school and to the lots of waste.

use crate::cli::CommandError;
use crate::cli::demo::devices::{Device, Outcome};
use crate::cli::demo::parties::Parties;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::{ITEMS_MAX, Lot, Story};
use serde_json::json;
use std::collections::BTreeMap;

impl Story<'_, '_> {
    /// What the file says: every device is registered, and tested as it was found; what was fixed is repaired.
    pub(super) fn register(&mut self, devices: &[Device]) -> Result<(), CommandError> {
        let collector = self.parties.collector.clone();
        for (number, device) in devices.iter().enumerate() {
            let item = self.item(number).to_string();
            let fields = json!({
                "item": item, "kind": "device", "class": device.class, "weight": {"basis": "class"}, "country": "XD",
            });
            let hour = |hour| Plan::hour(&device.day, hour);
            self.poster.say(&collector, Saying::new("registered", &hour(9), fields).at(collector.site))?;
            let result = match device.outcome {
                Outcome::Unknown => continue,
                Outcome::Fixed | Outcome::Repairable => "repairable",
                Outcome::EndOfLife => "waste",
            };
            let fields = json!({"item": item, "result": result});
            self.poster.say(&collector, Saying::new("tested", &hour(10), fields).at(collector.site))?;
            match device.outcome {
                Outcome::Fixed => {
                    let fields = json!({"item": item});
                    self.poster.say(&collector, Saying::new("repaired", &hour(11), fields).at(collector.site))?;
                }
                Outcome::EndOfLife => {
                    let month = device.day.month().ok_or("a day without a month")?;
                    let arising = json!({"country": "XD", "month": month.as_str()});
                    let fields = json!({"item": item, "arising": arising, "counted_elsewhere": "none"});
                    self.poster.say(&collector, Saying::new("retired", &hour(11), fields).at(collector.site))?;
                }
                Outcome::Repairable | Outcome::Unknown => {}
            }
        }
        Ok(())
    }

    /// Simulated from here: what was fixed is wiped, prepared, handed over, and put in use, as the school's software says.
    pub(super) fn reuse(&mut self, devices: &[Device]) -> Result<(), CommandError> {
        let Parties { collector, beneficiary, vendor, .. } = self.parties.clone();
        let (wiped, prepared) = (self.plan.moment(110)?, self.plan.moment(120)?);
        let (offered, accepted, used) = (self.plan.moment(150)?, self.plan.moment(160)?, self.plan.moment(200)?);
        let fixed: Vec<usize> =
            devices.iter().enumerate().filter(|(_, d)| d.outcome == Outcome::Fixed).map(|(number, _)| number).collect();
        for (handover, chunk) in fixed.chunks(ITEMS_MAX).enumerate() {
            for number in chunk {
                let item = self.item(*number).to_string();
                let class = devices.get(*number).and_then(|device| self.rules.class(&device.class));
                if class.is_none_or(|class| class.data_bearing) {
                    let fields = json!({"item": item, "method": "purge", "technique": "block_erase", "verified": true});
                    self.poster.say(&collector, Saying::new("data_sanitised", &wiped, fields).at(collector.site))?;
                }
                let fields = json!({"item": item});
                self.poster.say(&collector, Saying::new("prepared_for_reuse", &prepared, fields).at(collector.site))?;
            }
            let handover = self.plan.id("donation", u64::try_from(handover)?).to_string();
            let items: Vec<String> = chunk.iter().map(|number| self.item(*number).to_string()).collect();
            let offer = json!({"handover": handover, "to": beneficiary.id.to_string(), "items": items});
            self.poster.say(&collector, Saying::new("handover_offered", &offered, offer).at(collector.site))?;
            let answer = json!({"handover": handover});
            self.poster.say(&beneficiary, Saying::new("handover_accepted", &accepted, answer).at(beneficiary.site))?;
            for item in items {
                let fields = json!({"item": item, "country": "XD"});
                let saying = Saying::new("put_in_use", &used, fields).on_behalf_of(&beneficiary);
                self.poster.say(&vendor, saying.at(beneficiary.site))?;
            }
        }
        Ok(())
    }

    /// What reached its end is gathered in lots by class and weighed.
    pub(super) fn gather(&mut self, devices: &[Device]) -> Result<Vec<Lot>, CommandError> {
        let collector = self.parties.collector.clone();
        let (merged, weighed) = (self.plan.moment(250)?, self.plan.moment(260)?);
        let mut by_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, device) in devices.iter().enumerate().filter(|(_, d)| d.outcome == Outcome::EndOfLife) {
            by_class.entry(&device.class).or_default().push(number);
        }
        let mut lots = Vec::new();
        for (class, numbers) in by_class {
            let mean = self.rules.class(class).and_then(|class| class.mean_g).ok_or("a class without a mean")?;
            for chunk in numbers.chunks(ITEMS_MAX) {
                let expected = mean * i64::try_from(chunk.len())?;
                let grams = self.plan.around(expected, 150_000, "lot weight", self.lots);
                let lot = self.new_lot(class, grams);
                let inputs: Vec<String> = chunk.iter().map(|number| self.item(*number).to_string()).collect();
                let fields = json!({"inputs": inputs, "lot": lot.id.to_string()});
                self.poster.say(&collector, Saying::new("merged", &merged, fields).at(collector.site))?;
                let weight = self.weigh("collector", lot.grams)?;
                let fields = json!({"item": lot.id.to_string(), "weight": weight, "reason": "measured"});
                self.poster.say(&collector, Saying::new("reweighed", &weighed, fields).at(collector.site))?;
                lots.push(lot);
            }
        }
        Ok(lots)
    }
}
