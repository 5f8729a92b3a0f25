//! Where grams come from: sources over mergers, splits, handovers in parts, interim treatment and the end.

use crate::harness::{TestApp, both_databases, new_id};
use crate::story::Story;
use serde_json::{Value, json};

fn sources(app: &TestApp, token: &str, item: &str) -> Vec<(String, i64)> {
    let body = app.get(&format!("/v1/items/{item}"), token).json();
    let shares = body["sources"].as_array().unwrap_or_else(|| panic!("no sources: {body}"));
    let share = |share: &Value| {
        (share["source"].as_str().expect("a source").to_owned(), share["grams"].as_i64().expect("grams"))
    };
    shares.iter().map(share).collect()
}

fn sorted(mut shares: Vec<(String, i64)>) -> Vec<(String, i64)> {
    shares.sort();
    shares
}

both_databases! {
    /// Steel of two batches in one cage: every part of it is of both, pro rata, and each treated gram is of one.
    fn a_cage_of_two_batches_is_parted_pro_rata(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (one, other) = (story.batch(7_000), story.batch(3_000));
        let (lots, cage) = ([story.fraction(&one, "FE", 7_000), story.fraction(&other, "FE", 3_000)], new_id());
        story.at_centre("merged", json!({"inputs": lots, "lot": cage})).accepted();
        let whole = sorted(vec![(one.clone(), 7_000), (other.clone(), 3_000)]);
        assert_eq!(sources(&app, &story.centre.token, &cage), whole);
        let (small, rest) = (new_id(), new_id());
        let parts = json!([{"lot": small, "net_g": 1_001}, {"lot": rest, "net_g": 8_999}]);
        story.at_centre("split", json!({"lot": cage, "parts": parts})).accepted();
        assert_eq!(sources(&app, &story.centre.token, &small), sorted(vec![(one.clone(), 701), (other.clone(), 300)]));
        assert_eq!(sources(&app, &story.centre.token, &rest), sorted(vec![(one.clone(), 6_299), (other.clone(), 2_700)]));
        // The furnace weighs a little less: every source gives of it.
        story.send(&rest, 8_999, 8_990);
        let treatment = story.treat(&rest, 8_990);
        for batch in [&one, &other] {
            story.close(batch).accepted();
        }
        let body = story.eligibility(&format!("treatment={treatment}"));
        let lines = body["treatments"].as_array().expect("lines");
        let grams: Vec<i64> = lines.iter().map(|line| line["grams_g"].as_i64().expect("grams")).collect();
        assert_eq!((lines.len(), grams.iter().sum::<i64>()), (2, 8_990));
        assert_eq!(lines[0]["from_g"], 0);
        assert_eq!(lines[1]["from_g"], lines[0]["grams_g"]);
        assert!(lines.iter().all(|line| line["gaps"] == json!([]) && line["eligible_g"] == line["grams_g"]), "{body}");
        assert_eq!(story.draft(None).json()["allotments"].as_array().expect("allotments").len(), 2);
        story.issue(None);
    }

    /// What a receiver refuses keeps its share of every source, and so does what it takes.
    fn a_refused_part_has_its_share(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (one, other) = (story.batch(6_000), story.batch(4_000));
        let (lots, cage) = ([story.fraction(&one, "FE", 6_000), story.fraction(&other, "FE", 4_000)], new_id());
        story.at_centre("merged", json!({"inputs": lots, "lot": cage})).accepted();
        let (handover, back) = (new_id(), new_id());
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": cage, "sent_g": 10_000}]});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 10_000, "tare_g": 0, "scale": story.smelter_scale});
        let answer = json!({"weight": weight, "accepted_g": 7_500, "refused_g": 2_500, "refused_as": back, "reason": "damaged"});
        let taken = json!({"handover": handover, "site": story.smelter_site, "lots": [answer]});
        app.say(&story.smelter, "handover_accepted", &taken).accepted();
        assert_eq!(sources(&app, &story.smelter.token, &cage), sorted(vec![(one.clone(), 4_500), (other.clone(), 3_000)]));
        assert_eq!(sources(&app, &story.centre.token, &back), sorted(vec![(one, 1_500), (other, 1_000)]));
    }

    /// Before dismantling a source is country, class and flags; the flag of the weight is that of the last weighing.
    fn waste_has_sources_before_it_is_dismantled(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (weighed, guessed) = (story.receive(&story.weighed(5_000)), story.receive(&json!({"basis": "estimated", "net_g": 2_000})));
        let cage = new_id();
        story.at_centre("merged", json!({"inputs": [weighed, guessed], "lot": cage})).accepted();
        let expected = vec![("XD/0303/estimated.business.none".to_owned(), 2_000), ("XD/0303/weighed.business.none".to_owned(), 5_000)];
        assert_eq!(sources(&app, &story.centre.token, &cage), expected);
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [cage]})).refused(422, "sources_differ", "/items/0");
        let again = json!({"item": cage, "weight": story.weighed(7_100), "reason": "measured"});
        story.at_centre("reweighed", again).accepted();
        let expected = vec![("XD/0303/weighed.business.none".to_owned(), 7_100)];
        assert_eq!(sources(&app, &story.centre.token, &cage), expected);
        story.at_centre("batch_fed", json!({"batch": batch, "items": [cage]})).accepted();
    }

    /// Interim treatment ends no mass: what comes out is of the same batches, what is missing is difference.
    fn interim_treatment_keeps_sources(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (one, other) = (story.batch(60_000), story.batch(40_000));
        let inputs = [story.fraction(&one, "FE", 60_000), story.fraction(&other, "FE", 40_000)];
        let treat = |operation: &str, inputs: &[String], outputs: Value, loss: i64| {
            let fields = json!({"inputs": inputs, "operation": operation, "outputs": outputs, "loss_g": loss, "out_of_scope_g": 0});
            story.at_centre("treated_interim", fields)
        };
        let output = |lot: &str, fraction: &str, grams: i64| json!({"lot": lot, "fraction": fraction, "weight": story.weighed(grams)});
        let (steel, copper) = (new_id(), new_id());
        let out = json!([output(&steel, "FE", 90_000), output(&copper, "AL", 8_500)]);
        treat("R4", &inputs, out.clone(), 500).refused(422, "code_unknown", "/operation");
        treat("R12", &[], out.clone(), 500).refused(422, "list_invalid", "/inputs");
        treat("R12", &inputs, json!([]), 500).refused(422, "list_invalid", "/outputs");
        let much = json!([output(&new_id(), "FE", 102_001)]);
        treat("R12", &inputs, much, 0).refused(422, "outputs_exceed_inputs", "/outputs");
        app.say(&story.smelter, "treated_interim", &json!({
            "inputs": inputs, "operation": "R12", "outputs": out, "loss_g": 0, "out_of_scope_g": 0, "site": story.smelter_site,
        })).refused(403, "not_the_holder", "/inputs/0");
        treat("R12", &inputs, out, 500).accepted();
        assert_eq!(sources(&app, &story.centre.token, &steel), sorted(vec![(one.clone(), 54_000), (other.clone(), 36_000)]));
        assert_eq!(sources(&app, &story.centre.token, &copper), sorted(vec![(one, 5_100), (other, 3_400)]));
        treat("R12", &inputs, json!([output(&new_id(), "FE", 1)]), 0).refused(409, "item_ended", "/inputs/0");
        let balance = app.get(&format!("/v1/balance?site={}", story.centre_site), &story.centre.token).json();
        assert_eq!((&balance["accounts_g"]["loss"], &balance["accounts_g"]["difference"]), (&json!(500), &json!(-1_000)));
        assert_eq!(balance["closes"], true);
        // Short beyond the band: accepted, and nothing of it backs a certificate.
        let short = treat("R12", std::slice::from_ref(&steel), json!([output(&new_id(), "FE", 50_000)]), 0);
        short.accepted();
        assert!(short.warnings().contains(&"interim_short".to_owned()));
    }

    /// The code of a class goes by place and day: on 9 December 2026 the EU's list changes.
    fn codes_change_with_the_day(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        app.now_ms.fetch_add(20 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        let lot = story.receive(&story.weighed(9_000));
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        for (day, code) in [("2026-12-08T23:59:59-03:00", "16 06 04"), ("2026-12-09T00:00:00+03:00", "16 06 04*")] {
            let cells = new_id();
            let fields = json!({
                "batch": batch, "lot": cells, "fraction": "BAT_ALK", "weight": story.weighed(100), "occurred_at": day,
            });
            story.at_centre("dismantled", fields).accepted();
            let body = app.get(&format!("/v1/items/{cells}"), &story.centre.token).json();
            assert_eq!(body["waste_code"], code, "{day}");
        }
        let override_by = |code: &str| {
            let waste_code = json!({"code": code, "reason": "analysis"});
            let fields = json!({
                "batch": batch, "lot": new_id(), "fraction": "FE", "weight": story.weighed(100), "waste_code": waste_code,
            });
            story.at_centre("dismantled", fields)
        };
        override_by("99 99 99").refused(422, "code_unknown", "/waste_code/code");
        override_by("19 12 11*").accepted();
    }
}
