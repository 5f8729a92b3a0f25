//! A story that ends in a certificate: a centre, a smelter, an auditor and an issuer, each with a key of its own, and what
//! they say from the gate to the furnace.

use crate::client::Answer;
use crate::harness::{Party, TestApp, new_id};
use serde_json::{Value, json};

/// The month of the story.
pub const VINTAGE: &str = "2026-11";

/// Who takes part.
pub struct Story<'a> {
    pub app: &'a TestApp,
    /// Where all of them are.
    pub country: &'static str,
    pub centre: Party,
    pub centre_site: String,
    pub centre_scale: String,
    pub smelter: Party,
    pub smelter_site: String,
    pub smelter_scale: String,
    pub auditor: Party,
    pub issuer: Party,
}

fn permit(operations: &[&str]) -> Value {
    json!({
        "number": "XD/2026/17", "operations": operations,
        "waste_codes": ["16 02 13*", "19 12 02", "16 02 15*", "19 12 04"],
        "capacity_g_per_year": 5_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
    })
}

/// A site with a permit.
pub fn permitted_site(app: &TestApp, party: &Party, code: &str, operations: &[&str]) -> String {
    permitted_site_in(app, party, ("XD", code), operations)
}

fn permitted_site_in(app: &TestApp, party: &Party, named: (&str, &str), operations: &[&str]) -> String {
    let site = new_id();
    permit_site(app, party, &site, named, operations);
    site
}

/// The same for whoever chooses the site's id.
pub fn permit_site(app: &TestApp, party: &Party, site: &str, (country, code): (&str, &str), operations: &[&str]) {
    let fields = json!({
        "organisation": party.id, "new_site": site, "country": country, "code": code, "permit": permit(operations),
    });
    app.say(&app.operator, "site_registered", &fields).accepted();
}

pub fn audit_fields(site: &str, on: &str, outcome: &str) -> Value {
    json!({
        "audited_site": site, "on": on, "outcome": outcome,
        "document": {"sha256": "0".repeat(64), "blake3": "1".repeat(64)},
    })
}

impl<'a> Story<'a> {
    /// Everybody is there, and both sites are audited.
    pub fn begin(app: &'a TestApp) -> Self {
        Self::begin_in(app, "XD")
    }

    /// The same in another country.
    pub fn begin_in(app: &'a TestApp, country: &'static str) -> Self {
        let story = Self::unaudited_in(app, country);
        story.audit(&story.centre_site, "2026-10-01", "conforms").accepted();
        story.audit(&story.smelter_site, "2026-10-02", "conforms").accepted();
        story
    }

    /// Everybody is there, but no auditor was.
    pub fn unaudited(app: &'a TestApp) -> Self {
        Self::unaudited_in(app, "XD")
    }

    fn unaudited_in(app: &'a TestApp, country: &'static str) -> Self {
        let (centre, smelter) = (app.join_in(country, &["recycler"]), app.join_in(country, &["treater"]));
        let centre_site = permitted_site_in(app, &centre, (country, "CTR1"), &["R12", "R13"]);
        let smelter_site = permitted_site_in(app, &smelter, (country, "FURN"), &["R4", "R3", "D10"]);
        let (centre_scale, smelter_scale) = (app.scale(&centre_site), app.scale(&smelter_site));
        let (auditor, issuer) = (app.join(&["auditor"]), app.join(&["issuer"]));
        Self { app, country, centre, centre_site, centre_scale, smelter, smelter_site, smelter_scale, auditor, issuer }
    }

    /// The same people again, so that some of them can be others.
    pub fn beside(story: &Self) -> Self {
        Self {
            app: story.app,
            country: story.country,
            centre: story.centre.clone(),
            centre_site: story.centre_site.clone(),
            centre_scale: story.centre_scale.clone(),
            smelter: story.smelter.clone(),
            smelter_site: story.smelter_site.clone(),
            smelter_scale: story.smelter_scale.clone(),
            auditor: story.auditor.clone(),
            issuer: story.issuer.clone(),
        }
    }

    /// Everybody gets a new token, for when time went by and the old ones have expired.
    pub fn renew_tokens(&mut self) {
        for party in [&mut self.centre, &mut self.smelter, &mut self.auditor, &mut self.issuer] {
            party.renew_token(self.app);
        }
    }

    pub fn audit(&self, site: &str, on: &str, outcome: &str) -> Answer {
        self.app.say(&self.auditor, "site_audited", &audit_fields(site, on, outcome))
    }

    /// What the centre says at its site.
    pub fn at_centre(&self, kind: &str, mut fields: Value) -> Answer {
        fields["site"] = json!(self.centre_site);
        self.app.say(&self.centre, kind, &fields)
    }

    pub fn weighed(&self, grams: i64) -> Value {
        json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": self.centre_scale})
    }

    /// What a gate receipt of laptops says. Batteries and boards were taken out before, and counted: what comes out of such
    /// laptops needs none.
    pub fn receipt(&self, lot: &str, weight: &Value) -> Value {
        let arising = json!({"country": self.country, "month": "2026-10"});
        // As many as such a weight has, by the mean of their class.
        let grams = |field: &str| weight[field].as_i64().unwrap_or(0);
        let pieces = ((grams("gross_g") - grams("tare_g") + grams("net_g")) / 3_000).max(1);
        json!({
            "item": lot, "class": "0303", "weight": weight, "arising": arising,
            "provenance": {"kind": "business", "counted_elsewhere": "none"},
            "supplier": {"c": "ab".repeat(32)}, "number": format!("WB-{lot}"),
            "pieces": pieces, "missing": [{"part": "batteries", "count": pieces}, {"part": "boards", "count": pieces}],
        })
    }

    /// Laptops at the gate.
    pub fn receive(&self, weight: &Value) -> String {
        let lot = new_id();
        self.at_centre("received", self.receipt(&lot, weight)).accepted();
        lot
    }

    /// An open batch with so many weighed grams of laptops in it.
    pub fn batch(&self, grams: i64) -> String {
        self.batch_of(&self.weighed(grams))
    }

    pub fn batch_of(&self, weight: &Value) -> String {
        let batch = new_id();
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        let lot = self.receive(weight);
        self.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        batch
    }

    /// A weighed fraction of a batch.
    pub fn fraction(&self, batch: &str, fraction: &str, grams: i64) -> String {
        let lot = new_id();
        let fields = json!({"batch": batch, "lot": lot, "fraction": fraction, "weight": self.weighed(grams)});
        self.at_centre("dismantled", fields).accepted();
        lot
    }

    /// The lot goes to the smelter, who weighs it.
    pub fn send(&self, lot: &str, sent: i64, received: i64) -> Answer {
        let handover = new_id();
        let offer = json!({"handover": handover, "to": self.smelter.id, "lots": [{"lot": lot, "sent_g": sent}]});
        self.app.say(&self.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": received, "tare_g": 0, "scale": self.smelter_scale});
        let taken = json!({"handover": handover, "site": self.smelter_site, "lots": [
            {"weight": weight, "accepted_g": received, "refused_g": 0},
        ]});
        let answer = self.app.say(&self.smelter, "handover_accepted", &taken);
        answer.accepted();
        answer
    }

    /// The lot ends in the furnace; gives the entry.
    pub fn treat(&self, lot: &str, grams: i64) -> u64 {
        self.treat_by(lot, grams, "R4").accepted()
    }

    pub fn treat_by(&self, lot: &str, grams: i64, operation: &str) -> Answer {
        let end = json!({"item": lot, "operation": operation, "net_g": grams, "site": self.smelter_site});
        self.app.say(&self.smelter, "treated_final", &end)
    }

    pub fn close(&self, batch: &str) -> Answer {
        let fields = json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none"});
        self.at_centre("batch_closed", fields)
    }

    /// A batch of so many grams that went through the furnace as steel, and is closed; gives the treatment's entry.
    pub fn whole_batch(&self, grams: i64) -> u64 {
        let batch = self.batch(grams);
        let steel = self.fraction(&batch, "FE", grams);
        self.send(&steel, grams, grams);
        let treatment = self.treat(&steel, grams);
        self.close(&batch).accepted();
        treatment
    }

    /// A furnace without a key, with a permit for steel.
    pub fn furnace(&self) -> String {
        let furnace = new_id();
        let permit = json!({
            "number": "F-9", "operations": ["R4"], "waste_codes": ["19 12 02"], "capacity_g_per_year": 1_000_000_000,
            "valid_from": "2026-01-01", "valid_until": "2026-12-31",
        });
        let fields = json!({"facility": furnace, "country": "XD", "code": "FURNACE", "permit": permit});
        self.app.say(&self.app.operator, "facility_registered", &fields).accepted();
        furnace
    }

    pub fn draft(&self, units: Option<i64>) -> Answer {
        let units = units.map(|units| format!("&units={units}")).unwrap_or_default();
        let path = format!("/v1/certificates/draft?site={}&vintage={VINTAGE}{units}", self.centre_site);
        self.app.get(&path, &self.issuer.token)
    }

    /// Issues what the draft proposes; gives the holder's serial numbers.
    pub fn issue(&self, units: Option<i64>) -> String {
        let draft = self.draft(units).json();
        self.app.say(&self.issuer, "certificate_issued", &draft).accepted();
        draft["certificate"].as_str().expect("serial numbers").to_owned()
    }

    /// The centre retires its whole block for a company.
    pub fn retire(&self, serial: &str) -> Answer {
        let (statement, open) = self.retirement(serial);
        self.app.post_json("/v1/events", &self.centre.token, &json!({"statement": statement, "open": open}))
    }

    /// A retirement, signed, and its openings.
    pub fn retirement(&self, serial: &str) -> (String, Value) {
        changed_retirement(&self.centre, serial, &json!({}))
    }

    pub fn eligibility(&self, query: &str) -> Value {
        self.app.get(&format!("/v1/eligibility?{query}"), &self.centre.token).json()
    }

    /// Codes of what a treatment lacks, and its eligible grams.
    pub fn gaps(&self, treatment: u64) -> (Vec<String>, i64) {
        let body = self.eligibility(&format!("treatment={treatment}"));
        let found = &body["treatments"][0];
        let gaps = found["gaps"].as_array().unwrap_or_else(|| panic!("no gaps: {body}"));
        let codes = gaps.iter().map(|gap| gap["code"].as_str().expect("a code").to_owned()).collect();
        (codes, found["eligible_g"].as_i64().expect("grams"))
    }
}

/// A retirement that somebody signs, with some fields changed.
pub fn changed_retirement(party: &Party, serial: &str, change: &Value) -> (String, Value) {
    let mut fields = json!({
        "certificate": serial, "period": {"from": "2026-01-01", "until": "2026-12-31"},
        "purpose_kind": "annual_footprint",
    });
    let mut open = json!({});
    for (name, value) in [
        ("beneficiary", "Example Textiles Ltd"),
        ("beneficiary_number", "XD 0123.456.789"),
        ("purpose", "The e-waste of our offices in 2026, by weight"),
    ] {
        let (pointer, salt) = (format!("/{name}"), [7; 32]);
        let hash = loopledger::proof::commitment::commit(&pointer, &salt, value).expect("a commitment");
        fields[name] = json!({"c": hash});
        open[pointer] = json!({"salt": data_encoding::HEXLOWER.encode(&salt), "value": value});
    }
    for (name, value) in change.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    (crate::harness::signed(party, "certificate_retired", &fields), open)
}
