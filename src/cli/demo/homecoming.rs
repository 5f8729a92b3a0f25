//! What the school's laptops leave behind: steel and aluminium end at a plant without a key, boards go back to Belgium.
//!
//! All of it is dismantled at another site of the centre than what the café gathered, so that it waits in a pool of its
//! own: the certificate of the demo rests on none of it.

use crate::cli::CommandError;
use crate::cli::demo::papers::permit;
use crate::cli::demo::parties::Party;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::{Lot, Story};
use serde_json::{Value, json};
use uuid::Uuid;

/// Laptops that die at the school; the last ones are in use when the demo ends.
pub(super) const DEAD: usize = 20;
/// What ends at the plant without a key.
const FOR_THE_FURNACE: [&str; 2] = ["FE", "AL"];
/// What is hazardous and ends in the country.
const FOR_THE_TREATER: [&str; 2] = ["BAT_LI", "PLAST_BFR"];
/// Whose weight turns out to have been typed wrong.
const TYPED_WRONG: &str = "FE";
/// What is refined in Belgium.
const BOARDS: &str = "PWB_HIGH";

/// A lot that came out of the batch.
struct Fraction {
    lot: Lot,
    /// The number of the statement that says so.
    said: u64,
}

fn file(number: u8) -> Value {
    json!({"sha256": format!("{number:064x}"), "blake3": format!("{number:064x}")})
}

impl Story<'_, '_> {
    /// From the school to the refinery; gives the grams of boards that came home.
    pub(super) fn come_home(&mut self) -> Result<i64, CommandError> {
        let south = self.open_south()?;
        let furnace = self.register_furnace()?;
        let lot = self.fetch_from_school(&south)?;
        let fractions = self.dismantle_at(&south, &lot)?;
        let (in_the_south, at_home) = (self.ago(49, 9)?, self.ago(30, 9)?);
        self.audit(south.site, &in_the_south)?;
        self.audit(Some(furnace), &in_the_south)?;
        self.audit(self.parties.refinery.site, &at_home)?;
        for metal in fractions.iter().filter(|out| FOR_THE_FURNACE.contains(&out.lot.class.as_str())) {
            self.treat_by_paper(&south, furnace, &metal.lot)?;
        }
        let of_class = |class: &str| fractions.iter().find(|out| out.lot.class == class);
        let boards = of_class(BOARDS).ok_or("no boards came out")?;
        let boards_g = self.ship_boards(&south, &boards.lot)?;
        for hazardous in fractions.iter().filter(|out| FOR_THE_TREATER.contains(&out.lot.class.as_str())) {
            self.treat_at_home(&south, &hazardous.lot)?;
        }
        let wrong = of_class(TYPED_WRONG).ok_or("no steel came out")?;
        self.poster.flush()?;
        self.correct_weight(&south, wrong.said)?;
        Ok(boards_g)
    }

    /// The centre's second site.
    fn open_south(&mut self) -> Result<Party, CommandError> {
        let site = self.plan.id("site", 11);
        let south = Party { name: "south", site: Some(site), ..self.parties.centre.clone() };
        let fields = json!({
            "organisation": south.id.to_string(), "new_site": site.to_string(), "country": "XD", "code": "SOUTH",
            "permit": permit(self.plan, self.rules, "south"),
        });
        let at = self.plan.moment(0)?;
        self.poster.say(&self.parties.operator, Saying::new("site_registered", &at, fields))?;
        self.register_scales(&south)?;
        self.register_scales(&self.parties.refinery.clone())?;
        Ok(south)
    }

    fn register_furnace(&mut self) -> Result<Uuid, CommandError> {
        let furnace = self.plan.id("site", 12);
        let fields = json!({
            "facility": furnace.to_string(), "country": "XD", "code": "FURNACE",
            "permit": permit(self.plan, self.rules, "furnace"),
        });
        let at = self.plan.moment(0)?;
        self.poster.say(&self.parties.operator, Saying::new("facility_registered", &at, fields))?;
        Ok(furnace)
    }

    /// Most of the laptops die, and the centre fetches them: one lot, weighed.
    fn fetch_from_school(&mut self, south: &Party) -> Result<Lot, CommandError> {
        let dead: Vec<String> = self.shipped_laptops().into_iter().take(DEAD).collect();
        let month = self.plan.day_before(60).and_then(|day| day.month()).ok_or("the clock is absurd")?;
        for item in &dead {
            let arising = json!({"country": "XD", "month": month.as_str()});
            let fields = json!({"item": item, "arising": arising, "counted_elsewhere": "none"});
            self.say_for_school("retired", (60, 9), fields)?;
        }
        let handover = self.plan.id("return", 1).to_string();
        let offer = json!({"handover": handover, "to": south.id.to_string(), "items": dead});
        self.say_for_school("handover_offered", (58, 9), offer)?;
        self.say_ago(south, "handover_accepted", (57, 9), json!({"handover": handover}))?;
        let mean = self.rules.class("0303").and_then(|class| class.mean_g).ok_or("a class without a mean")?;
        let grams = self.plan.around(mean * i64::try_from(dead.len())?, 150_000, "gift weight", 1);
        let lot = self.new_lot("0303", grams);
        self.say_ago(south, "merged", (56, 9), json!({"inputs": dead, "lot": lot.id.to_string()}))?;
        let weight = self.weigh(south.name, grams)?;
        let fields = json!({"item": lot.id.to_string(), "weight": weight, "reason": "measured"});
        self.say_ago(south, "reweighed", (56, 10), fields)?;
        Ok(lot)
    }

    /// One batch; what does not end soon is stored.
    fn dismantle_at(&mut self, south: &Party, lot: &Lot) -> Result<Vec<Fraction>, CommandError> {
        let (batch, at) = (self.plan.id("batch at south", 1).to_string(), self.ago(50, 9)?);
        self.say_ago(south, "batch_opened", (55, 9), json!({"batch": batch}))?;
        self.say_ago(south, "batch_fed", (55, 10), json!({"batch": batch, "items": [lot.id.to_string()]}))?;
        let shares = self.compositions.of_class(&lot.class)?.clone();
        let mut fractions = Vec::with_capacity(shares.len());
        for (fraction, ppm) in shares {
            let grams = self.plan.around(lot.grams * ppm / 1_000_000, 10_000, "gift fraction", self.lots);
            let out = self.new_lot(&fraction, grams);
            let weight = self.weigh(south.name, grams)?;
            let fields = json!({"batch": batch, "lot": out.id.to_string(), "fraction": fraction, "weight": weight});
            let said = self.poster.next_number();
            self.poster.say_as(south, Saying::new("dismantled", &at, fields).at(south.site), said)?;
            fractions.push(Fraction { lot: out, said });
        }
        let fields = json!({
            "batch": batch, "loss_g": lot.grams * 4 / 1_000, "out_of_scope_g": 0, "counted_elsewhere": "none",
        });
        self.say_ago(south, "batch_closed", (50, 10), fields)?;
        let is_kept = |out: &&Fraction| !FOR_THE_FURNACE.contains(&out.lot.class.as_str());
        let kept: Vec<String> = fractions.iter().filter(is_kept).map(|out| out.lot.id.to_string()).collect();
        self.say_ago(south, "stored", (50, 11), json!({"items": kept, "operation": "R13"}))?;
        Ok(fractions)
    }

    /// The plant has no key: the centre shows its certificate, and the auditor reviews it.
    fn treat_by_paper(&mut self, south: &Party, furnace: Uuid, lot: &Lot) -> Result<(), CommandError> {
        let mut fields = self.end_of(lot)?;
        fields["facility"] = json!(furnace.to_string());
        fields["number"] = json!(format!("FURNACE-{}", lot.class));
        fields["document"] = file(1);
        let (number, at) = (self.poster.next_number(), self.ago(45, 9)?);
        self.poster.say_as(south, Saying::new("treated_final", &at, fields).at(south.site), number)?;
        self.poster.flush()?;
        let entry = self.index_of(south.id, number)?;
        let review = json!({"entry": entry.0, "outcome": "accepted"});
        self.say_ago(&self.parties.auditor.clone(), "evidence_reviewed", (44, 9), review)
    }

    /// The boards go to Belgium under a consent and end there.
    fn ship_boards(&mut self, south: &Party, boards: &Lot) -> Result<i64, CommandError> {
        let refinery = self.parties.refinery.clone();
        let consent = self.consent(south)?;
        let handover = self.plan.id("shipment", 2).to_string();
        let fields = json!({
            "handover": handover, "to": refinery.id.to_string(), "to_country": "BE", "ground": "consent",
            "lots": [{"lot": boards.id.to_string(), "sent_g": boards.grams}],
            "under": {"consent": consent, "sequence": 1}, "carriers": [self.parties.carrier.id.to_string()],
            "number": "XD-BE-1", "document": file(2),
        });
        self.say_ago(south, "export_shipped", (40, 9), fields)?;
        self.carry(&handover, ["XDHAR", "BEANR"], [39, 8])?;
        let grams = self.plan.around(boards.grams, 4_000, "boards at home", 1);
        let weight = self.weigh(refinery.name, grams)?;
        let answer = json!({"weight": weight, "accepted_g": grams, "refused_g": 0});
        let receipt = json!({"handover": handover, "lots": [answer], "number": "R-1", "document": file(3)});
        self.say_ago(&refinery, "import_received", (6, 9), receipt)?;
        let fields = self.end_of(&Lot { grams, ..boards.clone() })?;
        self.say_ago(&refinery, "treated_final", (4, 9), fields)?;
        Ok(grams)
    }

    /// What is hazardous goes to the treater in the country: until it has accepted it, nothing of the batch counts.
    fn treat_at_home(&mut self, south: &Party, lot: &Lot) -> Result<(), CommandError> {
        let treater = self.parties.treater.clone();
        let handover = self.plan.id("home treatment", lot.id.as_u64_pair().1).to_string();
        let sent = json!([{"lot": lot.id.to_string(), "sent_g": lot.grams}]);
        let offer = json!({"handover": handover, "to": treater.id.to_string(), "lots": sent});
        self.say_ago(south, "handover_offered", (6, 10), offer)?;
        let answer = json!({"weight": self.weigh(treater.name, lot.grams)?, "accepted_g": lot.grams, "refused_g": 0});
        self.say_ago(&treater, "handover_accepted", (5, 10), json!({"handover": handover, "lots": [answer]}))?;
        let fields = self.end_of(lot)?;
        self.say_ago(&treater, "treated_final", (4, 10), fields)
    }

    fn consent(&mut self, south: &Party) -> Result<String, CommandError> {
        let fields = self.consent_fields(1)?;
        self.say_ago(south, "export_consented", (48, 9), fields)?;
        Ok(self.plan.id("consent", 1).to_string())
    }

    /// The consent of the demo: its number serves once.
    pub(super) fn consent_fields(&self, id: u64) -> Result<Value, CommandError> {
        let days = [48, 2].map(|days| self.plan.day_before(days));
        let [Some(from), Some(until)] = days else { return Err("the clock is absurd".into()) };
        Ok(json!({
            "consent": self.plan.id("consent", id).to_string(), "number": "XD-BE", "from_country": "XD", "to_country": "BE",
            "waste_codes": ["16 02 15*"], "basel_codes": ["A1181"], "operation": "R4", "quantity_g": 100_000,
            "shipments": 1, "valid_from": from.as_str(), "valid_until": until.as_str(), "guarantee": "G-1",
            "contract": file(4),
        }))
    }
}
