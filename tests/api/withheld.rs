//! Grams that one rule alone keeps back, and how that is shown: the endpoint names the rule with its words, an issue of these
//! very grams is refused, and where a later statement closes the gap, the same issue is accepted.

use crate::harness::{Party, TestApp, new_id, payload};
use crate::long_ways::{bundle, valid};
use crate::signals::paper;
use crate::story::{Story, VINTAGE};
use loopledger::domain::eligibility::Gap;
use serde_json::{Value, json};

/// Grams that one rule keeps back.
pub struct Withheld<'a> {
    pub story: Story<'a>,
    pub treatment: u64,
    /// Where they lie on the treatment's gram line.
    pub range: (i64, i64),
    /// Whole units that others' grams give, or those before them of the same treatment.
    pub others: i64,
    pub closing: Option<Closing<'a>>,
}

/// What is said to close the gap.
pub type Closing<'a> = Box<dyn FnOnce(&Story<'a>) + 'a>;

impl<'a> Withheld<'a> {
    /// All grams of a treatment, and no others that are eligible.
    pub fn all_of(story: Story<'a>, treatment: u64, grams: i64) -> Self {
        Self { story, treatment, range: (0, grams), others: 0, closing: None }
    }

    /// Where a treatment of that batch or others are eligible.
    pub fn beside(self, others: i64) -> Self {
        Self { others, ..self }
    }

    pub fn until(self, closing: impl FnOnce(&Story<'a>) + 'a) -> Self {
        Self { closing: Some(Box::new(closing)), ..self }
    }

    /// Until an auditor clears what an entry says.
    pub fn until_cleared(self, entry: u64) -> Self {
        self.until(move |story| _ = story.find(&json!({"entry": entry}), "cleared").accepted())
    }

    /// The case, told to its end.
    pub fn show(self, gap: Gap) {
        let Self { story, treatment, range, others, closing } = self;
        story.lacks_beyond(treatment, gap.as_str(), range.0);
        if others > 0 {
            let issued = story.issue(None);
            assert!(
                issued.ends_with(&format!("-{:07}", others - buffer_of(others))),
                "{issued}: none of what is kept back"
            );
        }
        story.draft(None).refused(422, "units_invalid", "/vintage");
        let issue = issue_of(&story, treatment, range, others);
        let issued = || story.app.say(&story.issuer, "certificate_issued", &issue);
        issued().refused(422, "units_invalid", "/vintage");
        if let Some(closing) = closing {
            closing(&story);
            story.is_eligible(treatment, range.1);
            issued().accepted();
            // Whoever closed the gap as the endpoint says has a certificate that everybody can verify.
            valid(&bundle(&story, issue["certificate"].as_str().expect("serial numbers")));
        }
    }
}

/// Three in a hundred, rounded up.
const fn buffer_of(units: i64) -> i64 {
    (units * 3 + 99) / 100
}

/// What an issuer would sign who takes these grams, behind so many units of the pool.
fn issue_of(story: &Story<'_>, treatment: u64, (from, to): (i64, i64), before: i64) -> Value {
    let units = (to - from) / 1_000;
    let held = units - buffer_of(units);
    let block =
        |first: i64, last: i64| format!("ERT-{}-CTR1-{}-{first:07}-{last:07}", story.country, VINTAGE.replace('-', ""));
    json!({
        "certificate": block(before + 1, before + held), "buffer": block(before + held + 1, before + units),
        "holder": story.centre.id, "pool_site": story.centre_site, "vintage": VINTAGE, "scheme": "e-resource/1",
        "allotments": [{"treatment": treatment, "from": from, "to": from + units * 1_000}],
    })
}

impl Story<'_> {
    /// So many grams of steel out of a batch that is closed, at the centre.
    pub fn steel(&self, grams: i64) -> String {
        let batch = self.batch(grams);
        let steel = self.fraction(&batch, "FE", grams);
        self.close(&batch).accepted();
        steel
    }

    /// An open batch of laptops, of which so much went through the furnace as steel.
    pub fn treated_of(&self, fed: i64, grams: i64) -> (String, u64) {
        let batch = self.batch(fed);
        let steel = self.fraction(&batch, "FE", grams);
        self.send(&steel, grams, grams);
        let treatment = self.treat(&steel, grams);
        (batch, treatment)
    }

    /// A plant somewhere, audited, which may melt steel and boards.
    pub fn plant(&self, party: &Party, country: &str, capacity_g: i64) -> (String, String) {
        let site = new_id();
        let permit = json!({
            "number": "P-1", "operations": ["R4"], "waste_codes": ["16 02 15*", "19 12 02"],
            "capacity_g_per_year": capacity_g, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
        });
        let fields =
            json!({"organisation": party.id, "new_site": site, "country": country, "code": "PLANT", "permit": permit});
        self.app.say(&self.app.operator, "site_registered", &fields).accepted();
        self.audit(&site, "2026-10-01", "conforms").accepted();
        let scale = self.app.scale(&site);
        (site, scale)
    }

    /// A lot ends at another plant.
    pub fn melted(&self, party: &Party, site: &str, lot: &str, grams: i64) -> u64 {
        let end = json!({"item": lot, "operation": "R4", "net_g": grams, "site": site});
        self.app.say(party, "treated_final", &end).accepted()
    }

    /// Whoever exports ships a lot under a consent of its own, and the other side receives it.
    pub fn ship(
        &self,
        from: (&Party, &str, &str),
        to: (&Party, &str, &str, &str),
        lot: &str,
        grams: i64,
    ) -> Vec<String> {
        let ((exporter, from_country, from_site), (receiver, to_country, to_site, scale)) = (from, to);
        let (consent, handover) = (new_id(), new_id());
        self.app.say(exporter, "export_consented", &json!({
            "consent": consent, "number": format!("{from_country}-1"), "from_country": from_country, "to_country": to_country,
            "waste_codes": ["16 02 15*"], "basel_codes": ["A1181"], "operation": "R4", "quantity_g": 60_000, "shipments": 1,
            "valid_from": "2026-11-01", "valid_until": "2027-10-31", "guarantee": "G-1", "contract": paper('0'),
        })).accepted();
        let shipped = self.app.say(exporter, "export_shipped", &json!({
            "handover": handover, "to": receiver.id, "lots": [{"lot": lot, "sent_g": grams}], "to_country": to_country,
            "ground": "consent", "under": {"consent": consent, "sequence": 1}, "number": format!("MD-{from_country}"),
            "document": paper('0'), "site": from_site,
        }));
        shipped.accepted();
        let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": scale});
        let lots = json!([{"weight": weight, "accepted_g": grams, "refused_g": 0}]);
        let answer =
            self.app.say(receiver, "import_received", &json!({"handover": handover, "site": to_site, "lots": lots}));
        answer.accepted();
        shipped.warnings().into_iter().chain(answer.warnings()).collect()
    }
}

/// A party speaks through a key that the operator holds for it.
pub fn hosted(app: &TestApp, party: &Party) {
    let key = app.post_json("/v1/hosted-keys", &app.operator.token, &json!({"organisation": party.id}));
    assert_eq!(key.status, 201, "{}", key.text);
    app.say(&app.operator, "key_registered", &key.json()).accepted();
}

pub fn say_hosted(app: &TestApp, party: &Party, kind: &str, fields: &Value) -> u64 {
    let statement = payload(&party.id, kind, fields);
    app.post_json("/v1/events", &party.token, &json!({"statement": statement})).accepted()
}
