//! What a correction carries along: holds behind a barrier, reviews and findings, numbers, and the checks of any statement.

use crate::corrections::instead;
use crate::harness::{TestApp, both_databases, new_id};
use crate::story::Story;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn paper(name: char) -> Value {
    json!({"sha256": name.to_string().repeat(64), "blake3": "1".repeat(64)})
}

fn standing(app: &TestApp, correction: u64) -> Value {
    app.get(&format!("/v1/corrections/{correction}"), &app.operator.token).json()
}

fn later(app: &TestApp, days: i64) {
    app.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst);
}

both_databases! {
    /// What a blocked correction cannot run again it holds all the same: nothing behind it becomes a certificate meanwhile.
    fn what_lies_behind_a_barrier_is_held(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(40_000);
        let (one, other, batch) = (new_id(), new_id(), new_id());
        let parts = json!([{"lot": one, "net_g": 20_000}, {"lot": other, "net_g": 20_000}]);
        story.at_centre("split", json!({"lot": lot, "parts": parts})).accepted();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [one, other]})).accepted();
        let steel = story.fraction(&batch, "FE", 40_000);
        story.send(&steel, 40_000, 40_000);
        let treatment = story.treat(&steel, 40_000);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(treatment).0, Vec::<String>::new());
        let never = json!({"entry": entry, "reason": "did_not_occur"});
        let correction = app.say(&story.centre, "corrected", &never).accepted();
        assert_eq!(standing(&app, correction)["status"], "review");
        assert_eq!(story.gaps(treatment).0, ["correction_undecided"]);
        story.draft(None).refused(422, "units_invalid", "/vintage");
        app.say(&story.centre, "correction_disputed", &json!({"correction": correction})).accepted();
        assert_eq!(story.gaps(treatment), (Vec::new(), 40_000));
    }

    /// Corrections that were taken back leave no trace in what grams can bear.
    fn decided_corrections_leave_no_flaw(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(40_000);
        story.send(&lot, 40_000, 40_000);
        for grams in 0..32 {
            let right = instead(entry, "received", &story.received_fields(&lot, 39_000 + grams));
            let correction = app.say(&story.centre, "corrected", &right).accepted();
            app.say(&story.centre, "correction_disputed", &json!({"correction": correction})).accepted();
        }
        let item = app.get(&format!("/v1/items/{lot}"), &app.operator.token).json();
        assert_eq!(item["evidence"]["flaws"], json!([]));
        let right = instead(entry, "received", &story.received_fields(&lot, 38_000));
        app.say(&story.centre, "corrected", &right).refused(422, "list_invalid", "/entry");
    }

    /// An auditor's word about an entry of the lineage is no obstacle.
    fn a_finding_in_the_lineage(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry, batch) = story.gate_to_batch(40_000);
        let steel = story.fraction(&batch, "FE", 40_000);
        story.close(&batch).accepted();
        story.send(&steel, 40_000, 40_000);
        let treatment = story.treat_by(&steel, 40_000, "R5").accepted();
        assert_eq!(story.gaps(treatment).0, ["permit_not_valid"]);
        let finding = |subject: Value, outcome: &str| {
            let mut fields = json!({"severity": "minor", "outcome": outcome, "document": paper('5')});
            for (name, value) in subject.as_object().expect("a subject") {
                fields[name] = value.clone();
            }
            app.say(&story.auditor, "audit_finding", &fields).accepted();
        };
        finding(json!({"entry": treatment}), "cleared");
        finding(json!({"batch": batch}), "held");
        finding(json!({"treatment": treatment}), "held");
        finding(json!({"batch": batch}), "cleared");
        let right = instead(entry, "received", &story.received_fields(&lot, 39_900));
        let correction = app.say(&story.centre, "corrected", &right).accepted();
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(standing(&app, correction)["status"], "in_effect");
        assert_eq!(story.gaps(treatment).0, ["held_by_finding"], "the treatment is held as before");
    }

    /// The most ordinary correction: both had agreed to a difference that it explains.
    fn a_difference_that_was_agreed_is_explained(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(100_000);
        let (steel, handover) = (new_id(), new_id());
        let fields = |grams| {
            let weight = story.weighed(grams);
            json!({"batch": batch, "lot": steel, "fraction": "FE", "weight": weight, "site": story.centre_site})
        };
        let out = app.say(&story.centre, "dismantled", &fields(99_000)).accepted();
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": steel, "sent_g": 99_000}]});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 90_000, "tare_g": 0, "scale": story.smelter_scale});
        let lots = json!([{"weight": weight, "accepted_g": 90_000, "refused_g": 0}]);
        let taken = json!({"handover": handover, "site": story.smelter_site, "lots": lots});
        app.say(&story.smelter, "handover_accepted", &taken).accepted();
        for side in [&story.centre, &story.smelter] {
            app.say(side, "difference_agreed", &json!({"handover": handover})).accepted();
        }
        let correction = app.say(&story.centre, "corrected", &instead(out, "dismantled", &fields(90_000))).accepted();
        assert_eq!(standing(&app, correction)["status"], "open");
        app.say(&story.smelter, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(standing(&app, correction)["status"], "in_effect");
    }

    /// What should have been said is checked like anything that is said.
    fn a_right_statement_is_checked_like_any(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, _) = story.gate(9_000);
        let (one, other) = (new_id(), new_id());
        let split = |first: i64, second: i64| json!({"lot": lot, "site": story.centre_site, "parts": [
            {"lot": one, "net_g": first}, {"lot": other, "net_g": second},
        ]});
        let entry = story.at_centre("split", split(3_000, 6_000)).accepted();
        let wrong = instead(entry, "split", &split(4_000, 500));
        app.say(&story.centre, "corrected", &wrong).refused(422, "sum_differs", "/instead/parts");
        app.say(&story.centre, "corrected", &instead(entry, "split", &split(4_000, 5_000))).accepted();
        let end = |grams: i64| json!({"item": other, "operation": "R4", "net_g": grams, "site": story.centre_site});
        let ended = story.at_centre("treated_final", end(5_000)).accepted();
        let wrong = instead(ended, "treated_final", &end(7));
        app.say(&story.centre, "corrected", &wrong).refused(422, "sum_differs", "/instead/net_g");
        // The year's capacity of 5,000 t is no other for what is corrected.
        (0..5).for_each(|_| _ = story.gate(999_000_000));
        let (small, entry) = story.gate(4_000);
        let right = instead(entry, "received", &story.received_fields(&small, 900_000_000));
        app.say(&story.centre, "corrected", &right).accepted();
        let item = app.get(&format!("/v1/items/{small}"), &app.operator.token).json();
        assert_eq!(item["evidence"]["flaws"][0]["code"], "over_capacity");
    }

    /// What held grams back does not go away on its author's word alone, whenever that is.
    fn a_flaw_goes_by_an_auditors_word(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        later(&app, 42);
        let (lot, entry) = story.gate(8_000);
        let late = json!({"occurred_at": "2027-01-04T11:00:00Z"});
        let mut fields = story.received_fields(&lot, 8_000);
        (fields["item"], fields["number"]) = (json!(new_id()), json!("WB-2"));
        fields["occurred_at"] = late["occurred_at"].clone();
        let received = app.say(&story.centre, "received", &fields);
        received.accepted();
        assert_eq!(received.warnings(), ["permit_not_valid"]);
        let mut right = instead(received.json()["index"].as_u64().expect("an index"), "received", &fields);
        right["instead"]["occurred_at"] = json!("2026-12-29T11:00:00Z");
        let correction = app.say(&story.centre, "corrected", &right).accepted();
        assert_eq!(standing(&app, correction)["status"], "open");
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert!(entry > 0);
    }

    /// Reviews of the first statement's papers say nothing of the right one's, a number serves once, and one that was not used
    /// is free.
    fn papers_of_what_is_corrected(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let furnace = story.furnace();
        story.audit(&furnace, "2026-10-03", "conforms").accepted();
        let batch = story.batch(9_000);
        let (lot, other) = (story.fraction(&batch, "FE", 5_000), story.fraction(&batch, "FE", 4_000));
        story.close(&batch).accepted();
        let ended = |lot: &str, grams: i64, number: &str, name: char| json!({
            "item": lot, "operation": "R4", "net_g": grams, "facility": furnace, "number": number,
            "document": paper(name), "site": story.centre_site,
        });
        let first = app.say(&story.centre, "treated_final", &ended(&lot, 5_000, "A", 'a')).accepted();
        let second = app.say(&story.centre, "treated_final", &ended(&other, 4_000, "B", 'b')).accepted();
        let review = json!({"entry": first, "outcome": "accepted"});
        app.say(&story.auditor, "evidence_reviewed", &review).accepted();
        assert_eq!(story.gaps(first), (Vec::new(), 5_000));
        let taken = instead(first, "treated_final", &ended(&lot, 5_000, "B", 'c'));
        app.say(&story.centre, "corrected", &taken).refused(409, "number_taken", "/instead/number");
        app.say(&story.centre, "corrected", &instead(first, "treated_final", &ended(&lot, 5_000, "C", 'c'))).accepted();
        assert_eq!(story.gaps(first).0, ["not_reviewed"], "nobody has seen the right paper");
        app.say(&story.auditor, "evidence_reviewed", &review).accepted();
        assert_eq!(story.gaps(first), (Vec::new(), 5_000));
        // The second never was: its lot is there again, and its number too.
        let never = json!({"entry": second, "reason": "did_not_occur"});
        let correction = app.say(&story.centre, "corrected", &never).accepted();
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        let again = app.say(&story.centre, "treated_final", &ended(&other, 4_000, "B", 'b'));
        again.accepted();
        assert_eq!(again.warnings(), ["documented"]);
    }

    /// Whoever comes to rest on it before an auditor decides is asked first.
    fn an_auditor_passes_nobody_by(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(50_000);
        later(&app, 4);
        let right = instead(entry, "received", &story.received_fields(&lot, 30_000));
        let correction = app.say(&story.centre, "corrected", &right).accepted();
        assert_eq!(standing(&app, correction)["counterparties"], json!([]));
        story.send(&lot, 50_000, 50_000);
        let word = json!({"correction": correction});
        app.say(&story.auditor, "correction_confirmed", &word).accepted();
        let known = standing(&app, correction);
        assert_eq!((&known["status"], &known["counterparties"]), (&json!("open"), &json!([story.smelter.id])));
        app.say(&story.auditor, "correction_confirmed", &word).refused(403, "counterparty_first", "/correction");
        // What others did with it is not shown to whoever corrects.
        let (one, other) = (new_id(), new_id());
        let parts = json!([{"lot": one, "net_g": 20_000}, {"lot": other, "net_g": 30_000}]);
        let split = json!({"lot": lot, "site": story.smelter_site, "parts": parts});
        app.say(&story.smelter, "split", &split).accepted();
        app.say(&story.smelter, "correction_confirmed", &word).accepted();
        assert_eq!(standing(&app, correction)["status"], "in_effect");
        let seen = app.get(&format!("/v1/items/{one}"), &story.centre.token);
        assert!(seen.status == 404 || seen.json().get("grams").is_none(), "{}", seen.text);
    }
}
