//! Batches whose hazardous grams are on their way: what waits for them, and where a site sees it.

use crate::client::Answer;
use crate::eligibility::Told;
use crate::harness::{TestApp, both_databases, new_id};
use crate::story::Story;
use loopledger::domain::eligibility::Gap;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn later(app: &TestApp, days: i64) {
    app.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst);
}

impl Story<'_> {
    /// What lies between the site's gate and its certificates.
    pub fn work(&self) -> Value {
        self.eligibility(&format!("site={}", self.centre_site))["work"].clone()
    }

    /// The lot is burnt where no permit covers that.
    fn send_to_nobody(&self, lot: &str) -> Answer {
        let end = json!({"item": lot, "operation": "D10", "net_g": 20_000});
        let answer = self.at_centre("treated_final", end);
        answer.accepted();
        assert_eq!(answer.warnings(), ["permit_not_valid"]);
        answer
    }
}

both_databases! {
    /// Until the smelter has the boards, nothing of their batch counts; then all of it does, with that month as its vintage.
    fn the_steel_waits_for_the_boards(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ended = story.tell(&Told { are_boards_sent: false, ..Told::rightly() });
        story.lacks(ended.of_steel, "batch_incomplete");
        story.draft(None).refused(422, "units_invalid", "/vintage");
        let work = story.work();
        let totals = &work["totals"];
        assert_eq!((&work["live_g"], &totals["untreated_g"], &totals["treated_g"]), (&json!(20_000), &json!(20_000), &json!(80_000)));
        assert_eq!((&totals["free_g"], &totals["waiting_g"]), (&json!(0), &json!(80_000)));
        let lacking = &totals["lacking"][0];
        assert_eq!((&lacking["code"], &lacking["grams_g"]), (&json!("batch_incomplete"), &json!(80_000)));
        assert_eq!(lacking["todo"], Gap::BatchIncomplete.todo());

        later(&app, 14);
        let handover = new_id();
        let dated = |mut fields: Value| {
            fields["occurred_at"] = json!("2026-12-05T10:00:00+02:00");
            fields
        };
        let sent = json!([{"lot": ended.boards, "sent_g": 20_000}]);
        let offer = dated(json!({"handover": handover, "to": story.smelter.id, "lots": sent}));
        app.say(&story.centre, "handover_offered", &offer).accepted();
        story.lacks(ended.of_steel, "batch_incomplete");
        // The smelter's scale shows less, within the band; what was sent is what was owed.
        let weight = json!({"basis": "weighed", "gross_g": 19_700, "tare_g": 0, "scale": story.smelter_scale});
        let answers = json!([{"weight": weight, "accepted_g": 19_700, "refused_g": 0}]);
        let taken = dated(json!({"handover": handover, "site": story.smelter_site, "lots": answers}));
        app.say(&story.smelter, "handover_accepted", &taken).accepted();
        story.is_eligible(ended.of_steel, 80_000);
        let pools = story.eligibility(&format!("site={}", story.centre_site))["pools"].clone();
        assert_eq!(pools, json!([{"vintage": "2026-12", "entered_g": 80_000, "allotted_g": 0, "units": 0}]));
        assert_eq!(story.work()["totals"]["free_g"], 80_000);
        // By whatever word it is asked for.
        let path = |query: &str| format!("/v1/eligibility?{query}={}", ended.boards);
        let by = |query: &str| app.get(&path(query), &story.smelter.token).json();
        assert_eq!(by("lot"), by("item"));
        assert_eq!((&by("lot")["treatments"], &by("lot")["untreated"][0]["grams_g"]), (&json!([]), &json!(19_700)));
        app.get(&format!("/v1/eligibility?lot={0}&item={0}", ended.boards), &story.centre.token).refused(400, "query_invalid", "");
    }

    /// What hazardous lots owe goes with them, joined and parted, and a twentieth may stay in store: but not be lost.
    fn what_is_owed_goes_with_the_lots(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let unsent = || story.tell(&Told { are_boards_sent: false, ..Told::rightly() });
        let (first, second) = (unsent(), unsent());
        let cage = new_id();
        story.at_centre("merged", json!({"inputs": [first.boards, second.boards], "lot": cage})).accepted();
        let (most, rest) = (new_id(), new_id());
        let parts = json!([{"lot": most, "net_g": 37_990}, {"lot": rest, "net_g": 2_010}]);
        story.at_centre("split", json!({"lot": cage, "parts": parts})).accepted();
        story.send(&most, 37_990, 37_990);
        story.lacks(first.of_steel, "batch_incomplete");
        let (little, last) = (new_id(), new_id());
        let parts = json!([{"lot": little, "net_g": 10}, {"lot": last, "net_g": 2_000}]);
        story.at_centre("split", json!({"lot": rest, "parts": parts})).accepted();
        story.send(&little, 10, 10);
        story.is_eligible(first.of_steel, 80_000);
        story.is_eligible(second.of_steel, 80_000);
        story.at_centre("lost", json!({"item": last, "cause": "stolen"})).accepted();
        story.lacks(first.of_steel, "batch_incomplete");
        story.draft(None).refused(422, "units_invalid", "/vintage");
        story.at_centre("found", json!({"item": last})).accepted();
        story.is_eligible(second.of_steel, 80_000);
        // Estimated anew, it is not known to be all there.
        let guess = json!({"item": last, "weight": {"basis": "estimated", "net_g": 2_000}, "reason": "measured"});
        story.at_centre("reweighed", guess).accepted();
        story.lacks(second.of_steel, "batch_incomplete");
        let weight = json!({"item": last, "weight": story.weighed(2_000), "reason": "measured"});
        story.at_centre("reweighed", weight).accepted();
        story.is_eligible(second.of_steel, 80_000);
        // Not every end is one: a furnace whose permit does not name the operation has not taken care of it.
        let third = unsent();
        story.send_to_nobody(&third.boards);
        story.lacks(third.of_steel, "batch_incomplete");
    }

    /// What ends at a plant without a key is taken care of when somebody else has read its papers.
    fn boards_that_end_by_paper(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ended = story.tell(&Told { are_boards_sent: false, ..Told::rightly() });
        let plant = new_id();
        let permit = json!({
            "number": "F-9", "operations": ["R4"], "waste_codes": ["16 02 15*"], "capacity_g_per_year": 1_000_000_000,
            "valid_from": "2026-01-01", "valid_until": "2026-12-31",
        });
        let fields = json!({"facility": plant, "country": "XD", "code": "PLANT", "permit": permit});
        app.say(&app.operator, "facility_registered", &fields).accepted();
        let end = json!({
            "item": ended.boards, "operation": "R4", "net_g": 20_000, "facility": plant, "number": "P-1",
            "document": {"sha256": "0".repeat(64), "blake3": "1".repeat(64)},
        });
        let entry = story.at_centre("treated_final", end).json()["index"].as_u64().expect("an index");
        story.lacks(ended.of_steel, "not_reviewed");
        app.say(&story.auditor, "evidence_reviewed", &json!({"entry": entry, "outcome": "accepted"})).accepted();
        story.is_eligible(ended.of_steel, 80_000);
        story.lacks(entry, "treatment_site_not_audited");
    }

    /// A declaration that was forgotten is said by a correction; grams that waited for nothing else enter the pool.
    fn what_was_forgotten_is_corrected(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ended = story.tell(&Told { closed: json!({"counted_elsewhere": null}), ..Told::rightly() });
        story.lacks(ended.of_steel, "centre_not_declared");
        let events = app.get(&format!("/v1/events?batch={}", ended.batch), &story.centre.token).json();
        let closed = events["events"].as_array().expect("events").iter().find(|event| event["type"] == "batch_closed").expect("closed").clone();
        let instead = json!({
            "type": "batch_closed", "occurred_at": closed["payload"]["occurred_at"], "site": closed["payload"]["site"],
            "batch": ended.batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none",
        });
        let fields = json!({"entry": closed["index"], "reason": "incorrect_data", "instead": instead});
        app.say(&story.centre, "corrected", &fields).accepted();
        story.is_eligible(ended.of_steel, 80_000);
        story.issue(Some(20));
        let work = story.work();
        assert_eq!((&work["totals"]["allotted_g"], &work["totals"]["free_g"]), (&json!(20_000), &json!(80_000)));
    }

    /// The smelter had accepted a tenth of the boards, and finds out when the steel is sold: its batch is not complete after all.
    fn an_acceptance_that_is_corrected_after_the_issue(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ended = story.tell(&Told { are_boards_sent: false, ..Told::rightly() });
        let accepted = story.send(&ended.boards, 20_000, 20_000).accepted();
        story.is_eligible(ended.of_steel, 80_000);
        let serial = story.issue(Some(50));
        let said = app.get(&format!("/v1/events?from={accepted}"), &story.smelter.token).json()["events"][0]["payload"].clone();
        let right = json!({
            "type": "handover_accepted", "occurred_at": said["occurred_at"], "site": said["site"], "handover": said["handover"],
            "lots": [{"weight": said["lots"][0]["weight"], "accepted_g": 2_000, "refused_g": 18_000, "reason": "damaged", "refused_as": new_id()}],
        });
        let wrong = json!({"entry": accepted, "reason": "incorrect_data", "instead": right});
        let correction = app.say(&story.smelter, "corrected", &wrong);
        let corrected = correction.accepted();
        story.draft(None).refused(422, "units_invalid", "/vintage");
        // The other side agrees; and since units rest on it, so must an auditor.
        for party in [&story.centre, &story.auditor] {
            story.lacks(ended.of_steel, "correction_undecided");
            app.say(party, "correction_confirmed", &json!({"correction": corrected})).accepted();
        }
        story.lacks(ended.of_steel, "batch_incomplete");
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        assert_eq!(page["failing"][0]["units"], json!([1, 48]));
        story.draft(None).refused(409, "site_in_deficit", "/pool_site");
    }

    /// A site's work is paged over its batches, and others do not see it.
    fn a_sites_work_has_pages(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let mut batches: Vec<String> = (0..3).map(|_| story.batch(10_000)).collect();
        batches.sort();
        let ids = |body: &Value| {
            let rows = body["work"]["batches"].as_array().expect("batches").clone();
            rows.iter().map(|row| row["batch"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        let page = story.eligibility(&format!("site={}", story.centre_site));
        assert_eq!((ids(&page), page.get("next")), (batches.clone(), None));
        assert_eq!(page["work"]["totals"]["in_batch_g"], 30_000);
        assert_eq!(page["work"]["live_g"], 30_000);
        let page = story.eligibility(&format!("site={}&after={}", story.centre_site, batches[0]));
        assert_eq!(ids(&page), batches[1..]);
        let ask = |query: &str, token: &str| app.get(&format!("/v1/eligibility?{query}"), token);
        let of_site = format!("site={}", story.centre_site);
        ask(&of_site, &story.smelter.token).refused(404, "not_found", "");
        ask(&format!("{of_site}&after=x"), &story.centre.token).refused(400, "query_invalid", "/after");
        ask(&format!("batch={}&after={}", batches[0], batches[0]), &story.centre.token).refused(400, "query_invalid", "/after");
        assert_eq!(ask(&of_site, &app.operator.token).status, 200);
    }
}
