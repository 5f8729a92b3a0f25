//! What is found afterwards: documented counterparties and their review, disputes, suspensions, auditors' findings.

use crate::harness::{TestApp, both_databases, new_id};
use crate::story::{Story, audit_fields};
use serde_json::{Value, json};

pub fn paper() -> Value {
    json!({"sha256": "5".repeat(64), "blake3": "6".repeat(64)})
}

pub fn finding(change: &Value, outcome: &str) -> Value {
    let mut fields = json!({"severity": "minor", "outcome": outcome, "document": paper()});
    for (name, value) in change.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    fields
}

both_databases! {
    /// A furnace without a key: its paper counts once, and backs a certificate only after somebody else has reviewed it.
    fn a_documented_treatment_is_reviewed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let furnace = story.furnace();
        story.audit(&furnace, "2026-10-03", "conforms").accepted();
        let batch = story.batch(9_000);
        let (lot, other) = (story.fraction(&batch, "FE", 5_000), story.fraction(&batch, "FE", 4_000));
        story.close(&batch).accepted();
        let treat = |lot: &str, grams: i64, change: Value| {
            let mut fields = json!({"item": lot, "operation": "R4", "net_g": grams, "facility": furnace});
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            story.at_centre("treated_final", fields)
        };
        treat(&lot, 5_000, json!({})).refused(409, "proof_missing", "/number");
        treat(&lot, 5_000, json!({"facility": story.smelter_site})).refused(422, "unknown", "/facility");
        let treated = treat(&lot, 5_000, json!({"number": "C-1", "document": paper()}));
        let entry = treated.accepted();
        assert_eq!(treated.warnings(), ["documented"]);
        treat(&other, 4_000, json!({"number": "C-1", "document": paper()})).refused(409, "number_taken", "/number");
        assert_eq!(story.gaps(entry), (vec!["not_reviewed".to_owned()], 0));
        let review = |party, outcome: &str| app.say(party, "evidence_reviewed", &json!({"entry": entry, "outcome": outcome}));
        review(&story.centre, "accepted").refused(403, "role_missing", "/org");
        let nothing = json!({"entry": 0, "outcome": "accepted"});
        app.say(&story.auditor, "evidence_reviewed", &nothing).refused(409, "nothing_to_answer", "/entry");
        review(&story.auditor, "rejected").accepted();
        assert_eq!(story.gaps(entry).1, 0);
        let reviewed = review(&story.auditor, "accepted").accepted();
        assert_eq!(story.gaps(entry), (Vec::new(), 5_000));
        // Whoever posted the papers reads what came of them; others do not.
        let read = |party: &crate::harness::Party| app.get(&format!("/v1/entries/{reviewed}"), &party.token).status;
        assert_eq!((read(&story.centre), read(&story.smelter)), (200, 404));
        let path = app.get(&format!("/v1/items/{lot}/path"), &story.centre.token).json();
        let types: Vec<_> = path["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
        assert_eq!(types, ["dismantled", "treated_final", "evidence_reviewed", "evidence_reviewed"]);
        review(&story.auditor, "accepted").refused(409, "nothing_to_answer", "/entry");
        let balance = app.get("/v1/balance", &app.operator.token).json();
        assert_eq!((&balance["accounts_g"]["recovered:R4"], &balance["closes"]), (&json!(5_000), &json!(true)));
    }

    /// A handover to a plant without a key: the sender shows the receipt.
    fn a_documented_receipt(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let furnace = story.furnace();
        let batch = story.batch(9_000);
        let (lot, handover) = (story.fraction(&batch, "FE", 9_000), new_id());
        let lots = json!([{"lot": lot, "sent_g": 9_000}]);
        let both = json!({"handover": handover, "to": story.smelter.id, "to_facility": furnace, "lots": lots});
        story.at_centre("handover_offered", both).refused(422, "list_invalid", "/to");
        story.at_centre("handover_offered", json!({"handover": handover, "to_facility": furnace, "lots": lots})).accepted();
        let answer = json!([{"weight": {"basis": "estimated", "net_g": 9_000}, "accepted_g": 9_000, "refused_g": 0}]);
        story.at_centre("handover_accepted", json!({"handover": handover, "lots": answer})).refused(409, "proof_missing", "/number");
        let full = json!({"handover": handover, "lots": answer, "number": "R-1", "document": paper()});
        app.say(&story.smelter, "handover_accepted", &full).refused(403, "wrong_receiver", "/handover");
        story.at_centre("handover_accepted", full).accepted();
        let item = app.get(&format!("/v1/items/{lot}"), &story.centre.token).json();
        assert_eq!((&item["holder"], &item["site"]), (&json!(story.centre.id), &json!(furnace)));
    }

    /// Beyond the band it is in dispute until both agree, each with a statement of its own.
    fn both_agree_to_a_difference(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(50_000);
        let lot = story.fraction(&batch, "FE", 50_000);
        let handover = new_id();
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": lot, "sent_g": 50_000}]});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let agree = |party| app.say(party, "difference_agreed", &json!({"handover": handover}));
        agree(&story.centre).refused(409, "nothing_to_answer", "/handover");
        let weight = json!({"basis": "weighed", "gross_g": 40_000, "tare_g": 0, "scale": story.smelter_scale});
        let taken = json!({"handover": handover, "site": story.smelter_site, "lots": [
            {"weight": weight, "accepted_g": 40_000, "refused_g": 0},
        ]});
        let taken = app.say(&story.smelter, "handover_accepted", &taken);
        taken.accepted();
        assert_eq!(taken.warnings(), ["difference_beyond_band"]);
        let entry = story.treat(&lot, 40_000);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(entry).0, ["disputed"]);
        agree(&story.auditor).refused(403, "wrong_receiver", "/handover");
        agree(&story.smelter).accepted();
        agree(&story.smelter).refused(409, "nothing_to_answer", "/handover");
        assert_eq!(story.gaps(entry).0, ["disputed"]);
        agree(&story.centre).accepted();
        assert_eq!(story.gaps(entry), (Vec::new(), 40_000));
        agree(&story.centre).refused(409, "nothing_to_answer", "/handover");
    }

    /// What nobody offered is claimed, and stays with its sender until the offer names the claim.
    fn a_receipt_without_an_offer(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(9_000);
        let (lot, handover) = (story.fraction(&batch, "FE", 9_000), new_id());
        let claim = |change: Value| {
            let weight = json!({"basis": "weighed", "gross_g": 9_000, "tare_g": 0, "scale": story.smelter_scale});
            let mut fields = json!({
                "handover": handover, "site": story.smelter_site, "unoffered": {"from": story.centre.id, "lots": [lot]},
                "lots": [{"weight": weight, "accepted_g": 9_000, "refused_g": 0}],
            });
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            app.say(&story.smelter, "handover_accepted", &fields)
        };
        claim(json!({"unoffered": {"from": story.centre.id}})).refused(422, "list_invalid", "/unoffered");
        claim(json!({"unoffered": {"from": story.smelter.id, "lots": [lot]}})).refused(403, "wrong_receiver", "/unoffered/from");
        claim(json!({"unoffered": {"from": story.auditor.id, "lots": [lot]}})).refused(403, "not_the_holder", "/unoffered/lots/0");
        claim(json!({"unoffered": {"from": story.centre.id, "lots": [new_id()]}})).refused(422, "unknown", "/unoffered/lots/0");
        claim(json!({"lots": []})).refused(422, "list_invalid", "/lots");
        claim(json!({})).accepted();
        // The sender may reject what is claimed, and the receiver may claim again.
        app.say(&story.auditor, "handover_withdrawn", &json!({"handover": handover})).refused(403, "wrong_receiver", "/handover");
        app.say(&story.centre, "handover_withdrawn", &json!({"handover": handover})).accepted();
        let handover = new_id();
        let claimed = claim(json!({"handover": handover})).accepted();
        claim(json!({"handover": new_id()})).refused(409, "wrong_status", "/unoffered/lots/0");
        let item = app.get(&format!("/v1/items/{lot}"), &story.centre.token).json();
        assert_eq!((&item["holder"], &item["claimed"]), (&json!(story.centre.id), &json!(handover)));
        let offer = |change: Value| {
            let mut fields = json!({
                "handover": handover, "to": story.smelter.id, "lots": [{"lot": lot, "sent_g": 9_000}], "completes": claimed,
            });
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            app.say(&story.centre, "handover_offered", &fields)
        };
        offer(json!({"completes": 1})).refused(409, "nothing_to_answer", "/completes");
        offer(json!({"to": story.issuer.id})).refused(403, "wrong_receiver", "/to");
        offer(json!({})).accepted();
        offer(json!({})).refused(409, "nothing_to_answer", "/completes");
        let item = app.get(&format!("/v1/items/{lot}"), &story.smelter.token).json();
        assert_eq!((&item["holder"], &item["site"], &item["grams"]), (&json!(story.smelter.id), &json!(story.smelter_site), &json!(9_000)));
        let entry = story.treat(&lot, 9_000);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(entry), (Vec::new(), 9_000));
    }

    /// Nothing of a suspended site backs a new certificate until it is restored.
    fn a_suspended_site_issues_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let entry = story.whole_batch(9_000);
        let suspend = |party| app.say(party, "site_suspended", &json!({"suspended_site": story.centre_site, "reason": "statements"}));
        let restore = |party| app.say(party, "site_restored", &json!({"restored_site": story.centre_site}));
        restore(&story.auditor).refused(409, "nothing_to_answer", "/restored_site");
        suspend(&story.centre).refused(403, "role_missing", "/org");
        suspend(&story.auditor).accepted();
        suspend(&story.auditor).refused(409, "nothing_to_answer", "/suspended_site");
        assert_eq!(story.gaps(entry), (vec!["site_suspended".to_owned()], 0));
        story.draft(None).refused(422, "units_invalid", "/vintage");
        let late = story.whole_batch(4_000);
        assert_eq!(story.gaps(late).0, ["site_suspended"]);
        restore(&app.operator).accepted();
        assert_eq!(story.gaps(late), (Vec::new(), 4_000));
        story.issue(None);
    }

    /// A finding holds grams, and a later one sets them free; a shortfall is explained.
    fn findings_hold_and_clear(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let say = |change: Value, outcome: &str| app.say(&story.auditor, "audit_finding", &finding(&change, outcome));
        say(json!({}), "held").refused(422, "list_invalid", "");
        say(json!({"entry": 99_999}), "cleared").refused(422, "unknown", "/entry");
        say(json!({"entry": 1}), "held").refused(409, "nothing_to_answer", "/outcome");
        say(json!({"batch": new_id()}), "held").refused(422, "unknown", "/batch");
        say(json!({"treatment": 1}), "held").refused(422, "unknown", "/treatment");
        say(json!({"found_site": story.centre_site}), "held").refused(409, "nothing_to_answer", "/outcome");
        say(json!({"found_site": story.centre_site}), "noted").accepted();
        let by_centre = finding(&json!({"found_site": story.centre_site}), "noted");
        app.say(&story.centre, "audit_finding", &by_centre).refused(403, "role_missing", "/org");
        let entry = story.whole_batch(9_000);
        say(json!({"treatment": entry}), "held").accepted();
        assert_eq!(story.gaps(entry).0, ["held_by_finding"]);
        say(json!({"treatment": entry}), "cleared").accepted();
        assert_eq!(story.gaps(entry), (Vec::new(), 9_000));
        let batch = story.batch(50_000);
        let steel = story.fraction(&batch, "FE", 40_000);
        story.send(&steel, 40_000, 40_000);
        let short = story.treat(&steel, 40_000);
        assert_eq!(story.close(&batch).warnings(), ["batch_short"]);
        assert_eq!(story.gaps(short).0, ["batch_short"]);
        say(json!({"batch": batch}), "cleared").accepted();
        assert_eq!(story.gaps(short), (Vec::new(), 40_000));
    }

    fn files_are_bound_once(kind) {
        let app = TestApp::start(kind);
        let centre = app.join(&["recycler"]);
        let attach = |about: u64| {
            app.say(&centre, "evidence_attached", &json!({"about": about, "kind": "photograph", "document": paper()}))
        };
        attach(99_999).refused(422, "unknown", "/about");
        assert!(attach(1).warnings().is_empty());
        assert_eq!(attach(2).warnings(), ["document_seen"]);
    }

    fn a_site_has_further_permits(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let change = |fields: Value| app.say(&app.operator, "site_changed", &fields);
        change(json!({"changed_site": new_id()})).refused(422, "unknown", "/changed_site");
        change(json!({"changed_site": story.centre_site})).refused(422, "list_invalid", "");
        let work = json!({"year": "2026", "received_g": 4_999_999_000_i64});
        change(json!({"changed_site": story.centre_site, "outside_work": work})).accepted();
        let lot = json!({
            "item": new_id(), "class": "0303", "weight": story.weighed(2_000), "arising": {"country": "XD", "month": "2026-10"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)}, "number": "WB-2",
        });
        assert_eq!(story.at_centre("received", lot).warnings(), ["over_capacity"]);
        app.say(&story.auditor, "site_audited", &audit_fields(&story.centre_site, "2026-11-01", "conforms")).accepted();
    }

    fn a_closed_ledger_takes_nothing(kind) {
        let app = TestApp::start(kind);
        let centre = app.join(&["recycler"]);
        app.say(&centre, "ledger_closed", &json!({})).refused(403, "role_missing", "/org");
        app.say(&app.operator, "ledger_closed", &json!({"successor": "ledger.test/next"})).accepted();
        let fields = crate::harness::laptop_fields(&new_id());
        app.say(&centre, "registered", &fields).refused(409, "ledger_closed", "/ledger");
    }

    fn another_key_signs_checkpoints(kind) {
        let app = TestApp::start(kind);
        let vkey = |name: &str, seed: u8| {
            let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
            loopledger::proof::note::NoteVerifier::new(name, key).expect("a verifier").vkey()
        };
        let change = |vkey: String| app.say(&app.operator, "checkpoint_key_changed", &json!({"vkey": vkey}));
        change(vkey("ledger.test/other", 9)).refused(422, "wrong_ledger", "/vkey");
        change(vkey(crate::harness::ORIGIN, 3)).refused(409, "already_registered", "/vkey");
        change(vkey(crate::harness::ORIGIN, 1)).refused(409, "already_registered", "/vkey");
        change(vkey(crate::harness::ORIGIN, 9)).accepted();
        change(vkey(crate::harness::ORIGIN, 3)).refused(409, "already_registered", "/vkey");
        // The service still has the key before; it may sign until the new one is put in place.
        let again = TestApp::start_on(app.stop(), crate::harness::NOON_MS);
        again.wait_for_checkpoint();
    }
}
