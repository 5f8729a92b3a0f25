//! Why what is not treated backs nothing yet: of lots, of what is at the gate, and of batches.

use crate::eligibility::Told;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::story::Story;
use serde_json::{Value, json};

impl Story<'_> {
    /// What somebody is told of what is not treated: place, grams and codes.
    fn untreated(&self, party: &Party, query: &str) -> Value {
        let body = self.app.get(&format!("/v1/eligibility?{query}"), &party.token).json();
        let brief = |found: &Value| {
            let codes: Vec<&Value> = found["gaps"].as_array().expect("gaps").iter().map(|gap| &gap["code"]).collect();
            let place = if found["batch"].is_null() { "item" } else { "batch" };
            assert!(found["reason"].as_str().is_some_and(|reason| reason.len() > 20), "{found}");
            json!([found[place], found["grams_g"], codes])
        };
        assert!(body["treatments"].is_array(), "{body}");
        body["untreated"].as_array().into_iter().flatten().map(brief).collect()
    }
}

both_databases! {
    /// From the gate to the furnace: each time what is missing next.
    fn a_lot_on_its_way(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (batch, centre) = (new_id(), &story.centre);
        let lot = story.receive(&story.weighed(100_000));
        let of_lot = format!("lot={lot}");
        assert_eq!(story.untreated(centre, &of_lot), json!([[lot, 100_000, ["not_from_batch"]]]));
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let of_batch = format!("batch={batch}");
        let open = json!([[batch, 100_000, ["batch_open"]]]);
        assert_eq!((story.untreated(centre, &of_lot), story.untreated(centre, &of_batch)), (open.clone(), open));
        let steel = story.fraction(&batch, "FE", 60_000);
        let of_steel = format!("lot={steel}");
        assert_eq!(story.untreated(centre, &of_steel), json!([[steel, 60_000, ["batch_open"]]]));
        story.send(&steel, 60_000, 60_000);
        // It is the smelter's now: the centre is told of its batch alone.
        app.get(&format!("/v1/eligibility?{of_steel}"), &centre.token).refused(404, "not_found", "");
        story.treat(&steel, 60_000);
        assert_eq!(story.untreated(&story.smelter, &of_steel), json!([]));
        assert_eq!(story.untreated(centre, &of_batch), json!([[batch, 40_000, ["batch_open"]]]));
        let rest = story.fraction(&batch, "FE", 40_000);
        story.close(&batch).accepted();
        assert_eq!(story.untreated(centre, &of_batch), json!([[batch, 40_000, []]]));
        let cage = new_id();
        let other = story.fraction(&story.batch(5_000), "FE", 5_000);
        story.at_centre("merged", json!({"inputs": [rest, other], "lot": cage})).accepted();
        assert_eq!(story.untreated(centre, &format!("lot={rest}")), json!([[rest, 0, []]]));
        let body = story.app.get(&format!("/v1/eligibility?lot={rest}"), &centre.token).json();
        assert_eq!(body["untreated"][0]["joined"], cage);
        assert_eq!(story.untreated(centre, &format!("lot={cage}")), json!([[cage, 45_000, ["batch_open"]]]));
    }

    /// What was declared at the gate is held against it before anybody takes it apart.
    fn what_a_receipt_says_already(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let lot = new_id();
        let mut receipt = story.receipt(&lot, &json!({"basis": "estimated", "net_g": 9_000}));
        receipt["provenance"]["counted_elsewhere"] = json!("epr");
        story.at_centre("received", receipt).accepted();
        let gaps = json!(["not_from_batch", "not_weighed", "counted_elsewhere"]);
        assert_eq!(story.untreated(&story.centre, &format!("lot={lot}")), json!([[lot, 9_000, gaps]]));
    }

    /// What is short is told by grams, to whoever has the batch; a buyer of its boards hears of the rule alone.
    fn what_is_short_and_by_how_much(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let unsent = Told { receipt: json!({"missing": []}), are_boards_sent: false, ..Told::rightly() };
        let ended = story.tell(&unsent);
        let gaps = ["batch_incomplete", "parts_not_accounted_for"];
        let figures = json!([
            {"code": "parts_not_accounted_for", "of": "batteries", "found_g": 0, "asked_g": 500},
            {"code": "batch_incomplete", "of": "hazardous, accepted by a permitted site", "found_g": 0, "asked_g": 19_000},
        ]);
        let of_batch = story.eligibility(&format!("batch={}", ended.batch));
        assert_eq!(story.untreated(&story.centre, &format!("batch={}", ended.batch)), json!([[ended.batch, 20_000, gaps]]));
        assert_eq!((&of_batch["untreated"][0]["figures"], &of_batch["treatments"][0]["figures"]), (&figures, &figures));
        let work = story.work()["batches"][0].clone();
        let codes: Vec<&Value> = work["lacks"].as_array().expect("gaps").iter().map(|gap| &gap["code"]).collect();
        assert_eq!((json!(codes), &work["figures"]), (json!(gaps), &figures));
        story.send(&ended.boards, 20_000, 20_000);
        let of_boards = app.get(&format!("/v1/eligibility?lot={}", ended.boards), &story.smelter.token).json();
        assert_eq!(story.untreated(&story.smelter, &format!("lot={}", ended.boards)), json!([[ended.boards, 20_000, ["parts_not_accounted_for"]]]));
        assert_eq!(of_boards["untreated"][0]["figures"], Value::Null);
    }
}
