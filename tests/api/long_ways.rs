//! Certificates whose grams went a long way verify offline: lots of several batches, borders, plants without a key, interim
//! treatment, disputes that ended. And without the statement that a way rests on, they do not.

use crate::bundles::anchor;
use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{TestApp, both_databases, new_id};
use crate::story::{Story, VINTAGE, audit_fields};
use loopledger::proof::bundle::Bundle;
use loopledger::proof::entry::Entry;
use loopledger::proof::statement::Unverified;
use loopledger::proof::verify::{Rejection, Verdict, verify};
use serde_json::{Value, json};

fn paper() -> Value {
    json!({"sha256": "5".repeat(64), "blake3": "6".repeat(64)})
}

/// The bundle of a certificate, as its holder gets it.
pub fn bundle(story: &Story<'_>, serial: &str) -> Bundle {
    let answer = story.app.get(&format!("/v1/certificates/{serial}/bundle"), &story.centre.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    Bundle::parse(answer.text.as_bytes()).expect("a bundle")
}

pub fn valid(bundle: &Bundle) -> Verdict {
    let verdict = verify(&bundle.to_bytes(), Some(&anchor()));
    verdict.unwrap_or_else(|problem| panic!("{problem}"))
}

/// The bundle without the statements of a type is refused, in these words.
fn needs(bundle: &Bundle, kind: &str, words: &str) {
    let is_of_kind = |bytes: &[u8]| {
        let entry = Entry::parse(bytes).expect("an entry");
        let statement = Unverified::read(&entry.statement).expect("a statement").statement;
        statement.event.type_name() == kind
    };
    let mut less = bundle.clone();
    less.entries.retain(|entry| !is_of_kind(&entry.bytes));
    assert!(less.entries.len() < bundle.entries.len(), "no {kind} is shown");
    match verify(&less.to_bytes(), Some(&anchor())) {
        Err(Rejection::Invalid(problem)) => assert!(problem.contains(words), "{kind}: {problem}"),
        other => panic!("without {kind}: {other:?}"),
    }
}

both_databases! {
    /// Cages that fill from several batches: each treated gram is of one batch, in the order of their ids.
    fn lots_of_several_batches(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batches = [story.batch(30_000), story.batch(20_000), story.batch(10_000)];
        let lots: Vec<String> = batches.iter().zip([29_000, 19_000, 9_000])
            .map(|(batch, grams)| story.fraction(batch, "FE", grams)).collect();
        let (cage, parts) = (new_id(), [new_id(), new_id()]);
        story.at_centre("merged", json!({"inputs": lots, "lot": cage})).accepted();
        story.at_centre("split", json!({"lot": cage, "parts": [
            {"lot": parts[0], "net_g": 40_000}, {"lot": parts[1], "net_g": 17_000},
        ]})).accepted();
        for (part, sent, received) in [(&parts[0], 40_000, 39_900), (&parts[1], 17_000, 17_000)] {
            story.send(part, sent, received);
            story.treat(part, received);
        }
        for batch in &batches {
            story.close(batch).accepted();
        }
        let serial = story.issue(None);
        let bundle = bundle(&story, &serial);
        let verdict = valid(&bundle);
        assert_eq!(verdict.certificate.units, 54);
        assert_eq!(verdict.not_shown, Vec::<String>::new());
        needs(&bundle, "merged", "is not shown");
        needs(&bundle, "batch_closed", "not shown to be closed");
    }

    /// What is wrong with one of the lots that were joined is wrong with the sum.
    fn joining_launders_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batches = [story.batch(30_000), story.batch(20_000)];
        let lots = [story.fraction(&batches[0], "FE", 29_000), story.fraction(&batches[1], "FE", 19_000)];
        for batch in &batches {
            story.close(batch).accepted();
        }
        let (parts, cage) = ([new_id(), new_id()], new_id());
        story.at_centre("split", json!({"lot": lots[1], "parts": [
            {"lot": parts[0], "net_g": 10_000}, {"lot": parts[1], "net_g": 9_000},
        ]})).accepted();
        story.at_centre("merged", json!({"inputs": [lots[0], parts[0], parts[1]], "lot": cage})).accepted();
        story.send(&cage, 48_000, 48_000);
        story.treat(&cage, 48_000);
        let serial = story.issue(None);
        let bundle = bundle(&story, &serial);
        assert_eq!(valid(&bundle).not_shown, Vec::<String>::new());
        let honest = Workshop::of(&story, &serial, Vec::new());
        expect_lie(&honest, "do not add up", |workshop| workshop.first("split")["parts"][1]["net_g"] = json!(8_999));
        // Stock that was never dismantled joins.
        expect_lie(&honest, "was never dismantled", |workshop| {
            let stock = new_id();
            workshop.first("batch_closed")["remaining"] = json!([{"lot": stock, "class": "FE", "weight": story.weighed(1_000)}]);
            workshop.first("merged")["inputs"].as_array_mut().expect("inputs").push(json!(stock));
        });
    }

    /// What came unoffered counts when its sender completes the claim.
    fn a_claim_that_was_completed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(9_000);
        let lot = story.fraction(&batch, "FE", 9_000);
        let handover = new_id();
        let weight = json!({"basis": "weighed", "gross_g": 9_000, "tare_g": 0, "scale": story.smelter_scale});
        let claimed = app.say(&story.smelter, "handover_accepted", &json!({
            "handover": handover, "site": story.smelter_site, "unoffered": {"from": story.centre.id, "lots": [lot]},
            "lots": [{"weight": weight, "accepted_g": 9_000, "refused_g": 0}],
        })).accepted();
        app.say(&story.centre, "handover_offered", &json!({
            "handover": handover, "to": story.smelter.id, "lots": [{"lot": lot, "sent_g": 9_000}], "completes": claimed,
        })).accepted();
        story.treat(&lot, 9_000);
        story.close(&batch).accepted();
        let serial = story.issue(None);
        let bundle = bundle(&story, &serial);
        assert_eq!(valid(&bundle).certificate.units, 8);
        needs(&bundle, "handover_accepted", "custody from hand to hand is not shown");
        let honest = Workshop::of(&story, &serial, Vec::new());
        expect_lie(&honest, "a claim of something else", |workshop| {
            workshop.first("handover_accepted")["unoffered"]["lots"] = json!([new_id()]);
        });
    }

    /// Interim treatment mixes what it takes in; its outputs are of the same batches.
    fn interim_treatment(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batches = [story.batch(30_000), story.batch(20_000)];
        let lots: Vec<String> = batches.iter().zip([30_000, 20_000])
            .map(|(batch, grams)| story.fraction(batch, "FE", grams)).collect();
        let (steel, rest) = (new_id(), new_id());
        let output = |lot: &str, grams: i64| json!({"lot": lot, "fraction": "FE", "weight": story.weighed(grams)});
        story.at_centre("treated_interim", json!({
            "inputs": lots, "operation": "R12", "outputs": [output(&steel, 40_000), output(&rest, 9_000)],
            "loss_g": 500, "out_of_scope_g": 0,
        })).accepted();
        for (lot, grams) in [(&steel, 40_000), (&rest, 9_000)] {
            story.send(lot, grams, grams);
            story.treat(lot, grams);
        }
        for batch in &batches {
            story.close(batch).accepted();
        }
        let serial = story.issue(None);
        let bundle = bundle(&story, &serial);
        assert_eq!(valid(&bundle).certificate.units, 47);
        needs(&bundle, "treated_interim", "is not shown");
    }

    /// Boards go to a refiner in Europe under a consent.
    fn over_a_border(kind) {
        let app = TestApp::start(kind);
        let centre = app.join_in("KE", &["recycler", "exporter"]);
        let refiner = app.join_in("BE", &["treater"]);
        let site = |party: &str, country: &str, code: &str| {
            let site = new_id();
            let permit = json!({
                "number": "P-1", "operations": ["R12", "R13", "R4"], "waste_codes": ["16 02 13*", "16 02 15*"],
                "capacity_g_per_year": 9_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
            });
            let fields = json!({"organisation": party, "new_site": site, "country": country, "code": code, "permit": permit});
            app.say(&app.operator, "site_registered", &fields).accepted();
            site
        };
        let (nairobi, hoboken) = (site(&centre.id, "KE", "NBO1"), site(&refiner.id, "BE", "HOB"));
        let (centre_scale, smelter_scale) = (app.scale(&nairobi), app.scale(&hoboken));
        let (auditor, issuer) = (app.join(&["auditor"]), app.join(&["issuer"]));
        let story = Story {
            app: &app, country: "KE", centre, centre_site: nairobi, centre_scale, smelter: refiner, smelter_site: hoboken, smelter_scale,
            auditor, issuer,
        };
        for site in [&story.centre_site, &story.smelter_site] {
            app.say(&story.auditor, "site_audited", &audit_fields(site, "2026-10-01", "conforms")).accepted();
        }
        let batch = story.batch(60_000);
        let boards = story.fraction(&batch, "PWB_HIGH", 50_000);
        let (consent, handover) = (new_id(), new_id());
        app.say(&story.centre, "export_consented", &json!({
            "consent": consent, "number": "KE-0001", "from_country": "KE", "to_country": "BE",
            "waste_codes": ["16 02 15*"], "basel_codes": ["A1181"], "operation": "R4", "quantity_g": 60_000, "shipments": 2,
            "valid_from": "2026-11-01", "valid_until": "2027-10-31", "guarantee": "G-77", "contract": paper(),
        })).accepted();
        story.at_centre("export_shipped", json!({
            "handover": handover, "to": story.smelter.id, "lots": [{"lot": boards, "sent_g": 50_000}], "to_country": "BE",
            "ground": "consent", "under": {"consent": consent, "sequence": 1}, "number": "MD-1", "document": paper(),
        })).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 49_500, "tare_g": 0, "scale": story.smelter_scale});
        app.say(&story.smelter, "import_received", &json!({"handover": handover, "site": story.smelter_site, "lots": [
            {"weight": weight, "accepted_g": 49_500, "refused_g": 0},
        ]})).accepted();
        let entry = story.treat(&boards, 49_500);
        let closed = json!({"batch": batch, "loss_g": 10_000, "out_of_scope_g": 0, "counted_elsewhere": "none"});
        story.at_centre("batch_closed", closed).accepted();
        assert_eq!(story.gaps(entry), (Vec::new(), 49_500));
        let serial = story.issue(None);
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        let treated = ["treated_in_europe_g", "treated_locally_g", "treated_elsewhere_g"].map(|name| page[name].as_i64());
        assert_eq!(treated, [47_000, 0, 0].map(Some));
        assert!(serial.starts_with(&format!("ERT-KE-NBO1-{}", VINTAGE.replace('-', ""))), "{serial}");
        let bundle = bundle(&story, &serial);
        let verdict = valid(&bundle);
        assert_eq!(verdict.certificate.units, 47);
        assert!(verdict.certificate.shares.iter().all(|share| share.site == "BE-HOB" && share.hazardous));
        needs(&bundle, "export_consented", "the consent of a shipment is not shown");
        needs(&bundle, "export_shipped", "its offer is not shown");
        needs(&bundle, "import_received", "it crossed a border, or ended behind it, without");
        let honest = Workshop::of(&story, &serial, Vec::new());
        expect_lie(&honest, "as used equipment", |workshop| {
            workshop.first("export_shipped")["ground"] = json!("non_waste_reuse");
        });
        expect_lie(&honest, "it crossed a border, or ended behind it, without", |workshop| {
            workshop.first("export_shipped")["to_country"] = json!("NL");
            workshop.first("export_consented")["to_country"] = json!("NL");
        });
        let other = |sequence: i64, grams: i64| json!({
            "handover": new_id(), "lots": [{"lot": new_id(), "sent_g": grams}], "under": {"consent": consent, "sequence": sequence},
        });
        for more in [other(1, 1_000), other(2, 20_000)] {
            expect_lie(&honest, "more, or more often, than its consent", |workshop| workshop.repeat("export_shipped", &more));
        }
    }

    /// A furnace without a key: its certificate, posted by whoever brought the steel, and reviewed by an auditor.
    fn a_plant_without_a_key(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let furnace = story.furnace();
        story.audit(&furnace, "2026-10-03", "conforms").accepted();
        let batch = story.batch(9_000);
        let lot = story.fraction(&batch, "FE", 9_000);
        story.close(&batch).accepted();
        let treated = story.at_centre("treated_final", json!({
            "item": lot, "operation": "R4", "net_g": 9_000, "facility": furnace, "number": "C-1", "document": paper(),
        })).accepted();
        app.say(&story.auditor, "evidence_reviewed", &json!({"entry": treated, "outcome": "accepted"})).accepted();
        let serial = story.issue(None);
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        assert_eq!((&page["documented_g"], &page["confirmed_g"]), (&json!(8_000), &json!(0)));
        let bundle = bundle(&story, &serial);
        assert_eq!(valid(&bundle).certificate.shares[0].site, "XD-FURNACE");
        needs(&bundle, "evidence_reviewed", "nobody is shown to have reviewed");
        let honest = Workshop::of(&story, &serial, Vec::new());
        expect_lie(&honest, "was used before", |workshop| workshop.repeat("treated_final", &json!({"item": new_id()})));
    }

    /// Beyond the band it was in dispute until both sides agreed.
    fn a_dispute_that_ended(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(50_000);
        let lot = story.fraction(&batch, "FE", 50_000);
        let handover = new_id();
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": lot, "sent_g": 50_000}]});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 40_000, "tare_g": 0, "scale": story.smelter_scale});
        app.say(&story.smelter, "handover_accepted", &json!({"handover": handover, "site": story.smelter_site, "lots": [
            {"weight": weight, "accepted_g": 40_000, "refused_g": 0},
        ]})).accepted();
        story.treat(&lot, 40_000);
        story.close(&batch).accepted();
        for party in [&story.centre, &story.smelter] {
            app.say(party, "difference_agreed", &json!({"handover": handover})).accepted();
        }
        let serial = story.issue(None);
        let bundle = bundle(&story, &serial);
        assert_eq!(valid(&bundle).certificate.units, 38);
        needs(&bundle, "difference_agreed", "weighed it differently beyond the band");
    }
}
