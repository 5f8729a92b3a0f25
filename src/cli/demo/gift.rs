//! A gift beside the café: laptops of a donor in Belgium, for a school in the fictitious country XD.

use crate::cli::CommandError;
use crate::cli::demo::parties::{Parties, Party};
use crate::cli::demo::plan::Plan;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::Story;
use serde_json::{Value, json};

/// Laptops that are given. The first is broken and gives its drive to the second.
pub(super) const GIVEN: u64 = 24;
/// All others leave.
pub(super) const SHIPPED: u64 = GIVEN - 1;
/// What the school's software says for the school.
const SPOKEN: [&str; 6] = ["import_received", "unpacked", "put_in_use", "checked", "retired", "handover_offered"];

impl Story<'_, '_> {
    /// From the donor's desk to the school: given, wiped, repaired, packed, shipped, used. Gives the number of the
    /// registration that hides a serial number.
    pub(super) fn give(&mut self) -> Result<u64, CommandError> {
        self.let_software_speak()?;
        let registration = self.register_laptops()?;
        self.give_laptops()?;
        self.repair_with_a_part()?;
        self.ship_to_school()?;
        self.use_at_school()?;
        Ok(registration)
    }

    /// The id of a laptop of the gift.
    pub(super) fn laptop(&self, number: u64) -> String {
        self.plan.id("gift", number).to_string()
    }

    /// Laptops of the gift that left.
    pub(super) fn shipped_laptops(&self) -> Vec<String> {
        (GIVEN - SHIPPED..GIVEN).map(|number| self.laptop(number)).collect()
    }

    /// An hour of a day so many days before the demo.
    pub(super) fn ago(&self, days: u64, hour: u8) -> Result<String, CommandError> {
        let day = self.plan.day_before(days).ok_or("the clock is absurd")?;
        Ok(Plan::hour(&day, hour))
    }

    /// Somebody says something at its site on a day before the demo.
    pub(super) fn say_ago(
        &mut self,
        party: &Party,
        kind: &'static str,
        (days, hour): (u64, u8),
        fields: Value,
    ) -> Result<(), CommandError> {
        let at = self.ago(days, hour)?;
        self.poster.say(party, Saying::new(kind, &at, fields).at(party.site))
    }

    /// The same for what the school's software says.
    pub(super) fn say_for_school(
        &mut self,
        kind: &'static str,
        (days, hour): (u64, u8),
        fields: Value,
    ) -> Result<(), CommandError> {
        let Parties { beneficiary, vendor, .. } = self.parties.clone();
        let at = self.ago(days, hour)?;
        self.poster.say(&vendor, Saying::new(kind, &at, fields).on_behalf_of(&beneficiary).at(beneficiary.site))
    }

    /// The school lets its software's maker speak for it.
    fn let_software_speak(&mut self) -> Result<(), CommandError> {
        let Parties { beneficiary, vendor, .. } = self.parties.clone();
        let at = self.plan.moment(0)?;
        let until = self.plan.month()?.plus(12).ok_or("the clock is absurd")?;
        let fields = json!({"to": vendor.id.to_string(), "types": SPOKEN, "until": format!("{until}-01")});
        self.poster.say(&beneficiary, Saying::new("delegation_granted", &at, fields))
    }

    /// The first one with its serial number, as a commitment; gives the number of that statement.
    fn register_laptops(&mut self) -> Result<u64, CommandError> {
        let donor = self.parties.donor.clone();
        let at = self.ago(400, 9)?;
        let first = self.poster.next_number();
        for number in 0..GIVEN {
            let mut fields = json!({
                "item": self.laptop(number), "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "BE",
            });
            if number > 0 {
                self.poster.say(&donor, Saying::new("registered", &at, fields).at(donor.site))?;
                continue;
            }
            let (serial, opening) = self.hidden_serial()?;
            fields["serial"] = serial;
            let saying = Saying::new("registered", &at, fields).at(donor.site).opened(vec![opening]);
            self.poster.say_as(&donor, saying, first)?;
        }
        Ok(first)
    }

    fn give_laptops(&mut self) -> Result<(), CommandError> {
        let Parties { operator, donor, .. } = self.parties.clone();
        let project = self.plan.id("project", 1).to_string();
        let fields = json!({"project": project, "country": "XD"});
        self.say_ago(&operator, "project_registered", (400, 8), fields)?;
        let laptops: Vec<String> = (0..GIVEN).map(|number| self.laptop(number)).collect();
        let fields = json!({"donation": self.plan.id("gift of", 1).to_string(), "project": project, "items": laptops});
        self.say_ago(&donor, "donated", (400, 10), fields)?;
        for item in &laptops {
            let wiped = json!({"item": item, "method": "purge", "technique": "block_erase", "verified": true});
            self.say_ago(&donor, "data_sanitised", (399, 9), wiped)?;
        }
        for (number, item) in laptops.iter().enumerate() {
            let result = if number < 2 { "repairable" } else { "works" };
            self.say_ago(&donor, "tested", (398, 9), json!({"item": item, "result": result}))?;
        }
        Ok(())
    }

    /// The drive of the first laptop goes into the second, which is wiped and tested again.
    fn repair_with_a_part(&mut self) -> Result<(), CommandError> {
        let donor = self.parties.donor.clone();
        let (broken, repaired) = (self.laptop(0), self.laptop(1));
        let drive = self.plan.id("drive", 1).to_string();
        let weight = json!({"basis": "estimated", "net_g": 60});
        let fields =
            json!({"item": broken, "component": drive, "class": "SSD", "media_left": "none", "weight": weight});
        self.say_ago(&donor, "part_removed", (397, 9), fields)?;
        self.say_ago(&donor, "part_installed", (397, 10), json!({"item": repaired, "component": drive}))?;
        let wiped = json!({"item": repaired, "method": "purge", "technique": "block_erase", "verified": true});
        self.say_ago(&donor, "data_sanitised", (397, 11), wiped)?;
        self.say_ago(&donor, "tested", (397, 12), json!({"item": repaired, "result": "works"}))
    }

    /// All but the broken one leave as used equipment: tested, wiped, packed.
    fn ship_to_school(&mut self) -> Result<(), CommandError> {
        let Parties { donor, beneficiary, .. } = self.parties.clone();
        let laptops = self.shipped_laptops();
        for item in &laptops {
            self.say_ago(&donor, "prepared_for_reuse", (396, 9), json!({"item": item}))?;
        }
        let container = self.plan.id("container", 1).to_string();
        self.say_ago(&donor, "packed", (395, 9), json!({"container": container, "items": laptops, "seal": "DEMO-1"}))?;
        let items: Vec<String> = [container.clone()].into_iter().chain(laptops).collect();
        let handover = self.plan.id("shipment", 1).to_string();
        let fields = json!({
            "handover": handover, "to": beneficiary.id.to_string(), "items": items, "to_country": "XD",
            "ground": "non_waste_reuse", "carriers": [self.parties.carrier.id.to_string()],
        });
        self.say_ago(&donor, "export_shipped", (394, 9), fields)?;
        self.carry(&handover, ["BEANR", "XDHAR"], [393, 352])?;
        self.say_for_school("import_received", (350, 9), json!({"handover": handover}))?;
        self.say_for_school("unpacked", (350, 10), json!({"container": container}))
    }

    /// The carrier's leg by sea, between two days before the demo.
    pub(super) fn carry(&mut self, handover: &str, places: [&str; 2], days: [u64; 2]) -> Result<(), CommandError> {
        let carrier = self.parties.carrier.clone();
        let ([from, to], [departed, arrived]) = (places, days.map(|days| self.plan.day_before(days)));
        let (departed, arrived) = departed.zip(arrived).ok_or("the clock is absurd")?;
        let fields = json!({
            "handover": handover, "mode": "S", "from": from, "to": to,
            "departed": departed.as_str(), "arrived": arrived.as_str(),
        });
        self.say_ago(&carrier, "carried", (days[1], 18), fields)
    }

    fn use_at_school(&mut self) -> Result<(), CommandError> {
        let donor = self.parties.donor.clone();
        let project = self.plan.id("project", 1).to_string();
        let laptops = self.shipped_laptops();
        for item in &laptops {
            let fields = json!({"item": item, "country": "XD", "project": project});
            self.say_for_school("put_in_use", (349, 9), fields)?;
        }
        let days = [346, 344].map(|days| self.plan.day_before(days));
        let [Some(from), Some(until)] = days else { return Err("the clock is absurd".into()) };
        let fields = json!({
            "project": project, "donation": self.plan.id("gift of", 1).to_string(), "topic": "use",
            "participants": 23, "from": from.as_str(), "until": until.as_str(),
        });
        self.say_ago(&donor, "training_held", (344, 16), fields)?;
        for item in &laptops {
            self.say_for_school("checked", (180, 9), json!({"item": item, "finding": "in_use"}))?;
        }
        Ok(())
    }
}
