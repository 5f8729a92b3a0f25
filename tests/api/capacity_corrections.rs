//! What the sums of a site's year become when grams go back, when a year ends, and when something of it is corrected.

use crate::capacities::{NONE, limited, of_operation, over, permit, permitted};
use crate::client::Answer;
use crate::harness::{TestApp, both_databases, new_id};
use crate::signals::{DAY_MS, with};
use crate::story::Story;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// When most of a story happens, and days around the end of its year.
const NOVEMBER: &str = "2026-11-23T13:00:00+02:00";
const OLD_YEAR: &str = "2026-12-30T09:00:00+02:00";
const NEW_YEAR: &str = "2027-01-04T09:00:00+02:00";

/// A centre that may dismantle 10 kg a year.
fn small<'a>(story: &Story<'a>) -> Story<'a> {
    limited(story, &of_operation("R12", 10_000), &json!([]))
}

/// A centre at whose gate 10 kg a year may arrive.
fn small_gate<'a>(story: &Story<'a>) -> Story<'a> {
    let mut all = permit(&json!([]));
    all["capacity_g_per_year"] = json!(10_000);
    permitted(story, &all, &permit(&json!([])))
}

impl Story<'_> {
    fn at_centre_on(&self, day: &str, kind: &str, fields: Value) -> Answer {
        self.at_centre(kind, with(fields, &json!({"occurred_at": day})))
    }

    fn received_on(&self, day: &str, grams: i64) -> (String, Answer) {
        let lot = new_id();
        let answer = self.at_centre_on(day, "received", self.receipt(&lot, &self.weighed(grams)));
        answer.accepted();
        (lot, answer)
    }

    fn opened_on(&self, day: &str) -> String {
        let batch = new_id();
        self.at_centre_on(day, "batch_opened", json!({"batch": batch})).accepted();
        batch
    }

    fn fed_on(&self, day: &str, batch: &str, lot: &str) -> Answer {
        self.at_centre_on(day, "batch_fed", json!({"batch": batch, "items": [lot]}))
    }

    /// So many grams come in and are dismantled in a batch of their own; gives what feeding it answered.
    fn dismantles_on(&self, day: &str, grams: i64) -> Answer {
        self.fed_on(day, &self.opened_on(day), &self.received_on(day, grams).0)
    }

    /// How a batch ends of which so many grams remain as a lot.
    fn closing(&self, batch: &str, lot: &str, remaining: i64, loss: i64) -> Value {
        let rest = json!([{"lot": lot, "class": "0303", "weight": self.weighed(remaining)}]);
        json!({"batch": batch, "loss_g": loss, "out_of_scope_g": 0, "counted_elsewhere": "none", "remaining": rest})
    }

    /// The centre corrects what it said, and that is in force: what clears a flaw after an auditor's word.
    fn mends(&self, entry: u64, day: &str, kind: &str, right: Value) {
        let right = with(right, &json!({"type": kind, "occurred_at": day, "site": self.centre_site}));
        self.in_force(&json!({"entry": entry, "reason": "incorrect_data", "instead": right}));
    }

    fn takes_back(&self, entry: u64) {
        self.in_force(&json!({"entry": entry, "reason": "did_not_occur"}));
    }

    fn in_force(&self, fields: &Value) {
        let correction = self.app.say(&self.centre, "corrected", fields).accepted();
        let standing = || self.app.get(&format!("/v1/corrections/{correction}"), &self.app.operator.token).json();
        if standing()["status"] == "open" {
            self.app.say(&self.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        }
        assert_eq!(standing()["status"], "in_effect", "{}", standing());
    }

    /// All that is in a batch goes to the furnace as steel; gives the treatment.
    fn ended_on(&self, day: &str, batch: &str, grams: i64) -> u64 {
        let (steel, handover) = (new_id(), new_id());
        let fields = json!({"batch": batch, "lot": steel, "fraction": "FE", "weight": self.weighed(grams)});
        self.at_centre_on(day, "dismantled", fields).accepted();
        let fields = json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none"});
        self.at_centre_on(day, "batch_closed", fields).accepted();
        let lots = json!([{"lot": steel, "sent_g": grams}]);
        let offer = json!({"handover": handover, "to": self.smelter.id, "lots": lots});
        self.at_centre_on(day, "handover_offered", offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": self.smelter_scale});
        let lots = json!([{"weight": weight, "accepted_g": grams, "refused_g": 0}]);
        let melted = json!({"item": steel, "operation": "R4", "net_g": grams});
        let said = [("handover_accepted", json!({"handover": handover, "lots": lots})), ("treated_final", melted)];
        let entries = said.map(|(kind, fields)| {
            let fields = with(fields, &json!({"occurred_at": day, "site": self.smelter_site}));
            self.app.say(&self.smelter, kind, &fields).accepted()
        });
        entries[1]
    }

    /// Whether something on the way of a treatment had exceeded a capacity.
    fn is_beyond(&self, treatment: u64) -> bool {
        self.gaps(treatment).0.contains(&"over_capacity".to_owned())
    }
}

both_databases! {
    /// What went in before the new year and remains after it gives room back to the old year alone.
    fn what_remains_after_new_year(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        app.now_ms.fetch_add(43 * DAY_MS, Ordering::SeqCst);
        let batch = story.opened_on(OLD_YEAR);
        assert_eq!(over(&story.fed_on(OLD_YEAR, &batch, &story.received_on(OLD_YEAR, 9_000).0)), NONE);
        assert_eq!(over(&story.dismantles_on(NEW_YEAR, 10_000)), NONE);
        let rest = new_id();
        story.at_centre_on(NEW_YEAR, "batch_closed", story.closing(&batch, &rest, 9_000, 0)).accepted();
        assert_eq!(over(&story.fed_on(NEW_YEAR, &story.opened_on(NEW_YEAR), &rest)), ["/items"]);
        assert_eq!(over(&story.dismantles_on(OLD_YEAR, 10_000)), NONE);
        assert_eq!(over(&story.dismantles_on(OLD_YEAR, 1)), ["/items"]);
    }

    /// Of a batch that was fed in both years what went in last remains first.
    fn what_remains_of_two_years(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        app.now_ms.fetch_add(43 * DAY_MS, Ordering::SeqCst);
        let batch = story.opened_on(OLD_YEAR);
        for (day, grams) in [(OLD_YEAR, 9_000), (NEW_YEAR, 4_000)] {
            assert_eq!(over(&story.fed_on(day, &batch, &story.received_on(day, grams).0)), NONE);
        }
        story.at_centre_on(NEW_YEAR, "batch_closed", story.closing(&batch, &new_id(), 6_000, 7_000)).accepted();
        // Nothing of it counts in the new year, and 7 kg in the old one.
        for (day, left) in [(OLD_YEAR, 3_000), (NEW_YEAR, 10_000)] {
            assert_eq!(over(&story.dismantles_on(day, left)), NONE, "{day}");
            assert_eq!(over(&story.dismantles_on(day, 1)), ["/items"], "{day}");
        }
    }

    /// What was fed in before operations were counted was never counted, and is not taken back.
    fn what_remains_of_an_older_rule_set(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = small(&Story::begin(&app));
        let batch = story.opened_on(NOVEMBER);
        assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &story.received_on(NOVEMBER, 9_000).0)), NONE);
        app.adopt_rules("4");
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 10_000)), NONE);
        let rest = new_id();
        story.at_centre_on(NOVEMBER, "batch_closed", story.closing(&batch, &rest, 9_000, 0)).accepted();
        assert_eq!(over(&story.fed_on(NOVEMBER, &story.opened_on(NOVEMBER), &rest)), ["/items"]);
    }

    /// What remained is corrected: the sum follows to the gram.
    fn what_remained_was_less(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        let batch = story.opened_on(NOVEMBER);
        assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &story.received_on(NOVEMBER, 12_000).0)), ["/items"]);
        let rest = new_id();
        let closed = story.at_centre("batch_closed", story.closing(&batch, &rest, 8_000, 4_000)).accepted();
        story.mends(closed, NOVEMBER, "batch_closed", story.closing(&batch, &rest, 6_000, 6_000));
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 4_000)), NONE, "6 kg and 4");
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 1)), ["/items"]);
        story.mends(closed, NOVEMBER, "batch_closed", story.closing(&batch, &rest, 7_000, 5_000));
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 999)), NONE, "5 kg, 4, and a gram");
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 1)), ["/items"]);
    }

    /// A batch was not closed after all: all that was fed into it counts again.
    fn a_closing_that_never_was(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        let batch = story.opened_on(NOVEMBER);
        assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &story.received_on(NOVEMBER, 9_000).0)), NONE);
        let closed = story.at_centre("batch_closed", story.closing(&batch, &new_id(), 8_000, 1_000)).accepted();
        story.takes_back(closed);
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 1_000)), NONE);
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 1)), ["/items"]);
    }

    /// The only receipt of a year weighs more than was said.
    fn the_only_receipt_of_a_year(kind) {
        for (rules, is_measured) in [("4", true), ("3", false)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = small_gate(&Story::begin(&app));
            let (lot, receipt) = story.received_on(NOVEMBER, 8_000);
            assert_eq!(over(&receipt), NONE);
            story.mends(receipt.accepted(), NOVEMBER, "received", story.receipt(&lot, &story.weighed(12_000)));
            let batch = story.opened_on(NOVEMBER);
            story.fed_on(NOVEMBER, &batch, &lot).accepted();
            // Ledgers of older rule sets replay as they were.
            assert_eq!(story.is_beyond(story.ended_on(NOVEMBER, &batch, 12_000)), is_measured, "rule set {rules}");
        }
    }

    /// A receipt was dated in another year: that one's sum never held it.
    fn a_receipt_of_another_year(kind) {
        let app = TestApp::start(kind);
        let story = small_gate(&Story::begin(&app));
        app.now_ms.fetch_add(43 * DAY_MS, Ordering::SeqCst);
        let (lot, receipt) = story.received_on(OLD_YEAR, 8_000);
        story.received_on(NEW_YEAR, 2_000);
        assert_eq!(over(&story.received_on(NEW_YEAR, 3_000).1), NONE);
        story.mends(receipt.accepted(), NEW_YEAR, "received", story.receipt(&lot, &story.weighed(8_000)));
        let batch = story.opened_on(NEW_YEAR);
        story.fed_on(NEW_YEAR, &batch, &lot).accepted();
        assert!(story.is_beyond(story.ended_on(NEW_YEAR, &batch, 8_000)), "13 kg came in");
        // And the old year holds it no more.
        assert_eq!(over(&story.received_on(OLD_YEAR, 10_000).1), NONE);
    }

    /// A receipt weighs more than was said: so does what was fed in, which the operation cannot take.
    fn what_follows_is_measured_too(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        let (lot, receipt) = story.received_on(NOVEMBER, 1_000);
        let batch = story.opened_on(NOVEMBER);
        assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &lot)), NONE);
        story.mends(receipt.accepted(), NOVEMBER, "received", story.receipt(&lot, &story.weighed(50_000)));
        let treatment = story.ended_on(NOVEMBER, &batch, 50_000);
        story.lacks(treatment, "over_capacity");
    }

    /// What was corrected upwards is corrected again, and fits: what is measured is what counts now.
    fn what_fits_after_all(kind) {
        let app = TestApp::start(kind);
        let story = small(&Story::begin(&app));
        let (lot, receipt) = story.received_on(NOVEMBER, 1_000);
        let batch = story.opened_on(NOVEMBER);
        assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &lot)), NONE);
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 2_000)), NONE);
        for grams in [50_000, 8_000] {
            story.mends(receipt.accepted(), NOVEMBER, "received", story.receipt(&lot, &story.weighed(grams)));
        }
        story.is_eligible(story.ended_on(NOVEMBER, &batch, 8_000), 8_000);
        assert_eq!(over(&story.dismantles_on(NOVEMBER, 1)), ["/items"], "10 kg by now");
    }

    /// Room that a closing gave back is gone once the closing is: what was fed in since stays, and the batch backs nothing.
    fn room_that_was_given_back(kind) {
        for (rules, is_measured) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = small(&Story::begin(&app));
            let batch = story.opened_on(NOVEMBER);
            assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &story.received_on(NOVEMBER, 9_000).0)), NONE);
            let closed = story.at_centre("batch_closed", story.closing(&batch, &new_id(), 8_000, 1_000)).accepted();
            let other = story.opened_on(NOVEMBER);
            assert_eq!(over(&story.fed_on(NOVEMBER, &other, &story.received_on(NOVEMBER, 9_000).0)), NONE);
            story.takes_back(closed);
            assert_eq!(story.is_beyond(story.ended_on(NOVEMBER, &batch, 9_000)), is_measured, "18 kg, rule set {rules}");
            assert!(!story.is_beyond(story.ended_on(NOVEMBER, &other, 9_000)), "it had room on its day");
        }
    }

    /// The same by stating that less remained; and where the year has room for that, nothing is held back.
    fn less_remained_than_was_said(kind) {
        for (rules, others, is_beyond) in [("4", 9_000, false), ("5", 9_000, true), ("5", 1_000, false)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = small(&Story::begin(&app));
            let batch = story.opened_on(NOVEMBER);
            assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &story.received_on(NOVEMBER, 9_000).0)), NONE);
            let (steel, rest) = (story.fraction(&batch, "FE", 1_000), new_id());
            let closed = story.at_centre("batch_closed", story.closing(&batch, &rest, 8_000, 0)).accepted();
            assert_eq!(over(&story.dismantles_on(NOVEMBER, others)), NONE);
            story.mends(closed, NOVEMBER, "batch_closed", story.closing(&batch, &rest, 1_000, 7_000));
            story.send(&steel, 1_000, 1_000);
            let treatment = story.treat(&steel, 1_000);
            assert_eq!(story.is_beyond(treatment), is_beyond, "8 kg beside {others} g, rule set {rules}");
            // An auditor who finds it in order clears what the closing says.
            story.find(&json!({"entry": closed}), "cleared").accepted();
            assert!(!story.is_beyond(treatment));
        }
    }

    /// A correction that brings no more than what counts costs honest mass nothing, however full its year is by now.
    fn a_correction_that_brings_no_more(kind) {
        for (rules, is_spared) in [("4", false), ("5", true)] {
            for grams in [5_900, 6_000] {
                let app = TestApp::start(kind);
                app.adopt_rules(rules);
                let story = small_gate(&Story::begin(&app));
                let (lot, receipt) = story.received_on(NOVEMBER, 6_000);
                story.received_on(NOVEMBER, 4_000);
                assert_eq!(over(&story.received_on(NOVEMBER, 3_000).1), ["/weight"]);
                let right = with(story.receipt(&lot, &story.weighed(grams)), &json!({"number": format!("WB-{grams}")}));
                story.mends(receipt.accepted(), NOVEMBER, "received", right);
                let batch = story.opened_on(NOVEMBER);
                story.fed_on(NOVEMBER, &batch, &lot).accepted();
                assert_eq!(story.is_beyond(story.ended_on(NOVEMBER, &batch, grams)), !is_spared, "{grams}, {rules}");
            }
        }
    }

    /// What counts is what an earlier correction left of it: whoever states less and then as much as at first takes the room again.
    /// Once it is beyond, a little less does not make it fit.
    fn down_and_up_again(kind) {
        let app = TestApp::start(kind);
        let story = small_gate(&Story::begin(&app));
        let (lot, receipt) = story.received_on(NOVEMBER, 6_000);
        let said = |grams: i64| {
            story.mends(receipt.accepted(), NOVEMBER, "received", story.receipt(&lot, &story.weighed(grams)));
        };
        said(1_000);
        assert_eq!(over(&story.received_on(NOVEMBER, 9_000).1), NONE);
        let flaws = || {
            let item = app.get(&format!("/v1/items/{lot}"), &app.operator.token).json();
            item["evidence"]["flaws"].as_array().into_iter().flatten().filter(|flaw| flaw["code"] == "over_capacity").count()
        };
        assert_eq!(flaws(), 0);
        for (grams, marks) in [(6_000, 1), (5_900, 1), (1_000, 0)] {
            said(grams);
            assert_eq!(flaws(), marks, "{grams}");
        }
    }

    /// The same for what only follows from what was corrected: dismantling has its own capacity.
    fn what_follows_down_and_up_again(kind) {
        for (rules, is_measured) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = small(&Story::begin(&app));
            let (lot, receipt) = story.received_on(NOVEMBER, 9_000);
            let batch = story.opened_on(NOVEMBER);
            assert_eq!(over(&story.fed_on(NOVEMBER, &batch, &lot)), NONE);
            let said = |grams: i64| {
                story.mends(receipt.accepted(), NOVEMBER, "received", story.receipt(&lot, &story.weighed(grams)));
            };
            said(1_000);
            assert_eq!(over(&story.dismantles_on(NOVEMBER, 9_000)), NONE);
            said(9_000);
            assert_eq!(story.is_beyond(story.ended_on(NOVEMBER, &batch, 9_000)), is_measured, "18 kg, rule set {rules}");
        }
    }
}
