//! What comes in beside the gate, or is known only later: reweighed, retired where it is recycled, worked on outside the ledger.

use crate::capacities::{NONE, over, permit, permitted};
use crate::client::Answer;
use crate::harness::{Party, TestApp, both_databases, laptop_fields, new_id};
use crate::signals::with;
use crate::story::{Story, VINTAGE};
use serde_json::{Value, json};

/// A centre at whose gate so much may come in a year.
fn gate<'a>(story: &Story<'a>, capacity_g: i64) -> Story<'a> {
    let all = with(permit(&json!([])), &json!({"capacity_g_per_year": capacity_g}));
    permitted(story, &all, &permit(&json!([])))
}

impl Story<'_> {
    fn estimated(&self, grams: i64) -> String {
        self.receive(&json!({"basis": "estimated", "net_g": grams}))
    }

    fn reweighs(&self, lot: &str, grams: i64) -> Answer {
        self.at_centre("reweighed", json!({"item": lot, "weight": self.weighed(grams), "reason": "measured"}))
    }

    fn declares_outside(&self, work: &Value) -> Answer {
        let fields = json!({"changed_site": self.centre_site, "outside_work": work});
        self.app.say(&self.app.operator, "site_changed", &fields)
    }

    /// A laptop that the centre registers at its site dies there.
    fn laptop_dies(&self, by: &Party, site: Option<&str>) -> Answer {
        let item = new_id();
        let at = |fields: Value| site.map_or(fields.clone(), |site| with(fields, &json!({"site": site})));
        self.app.say(by, "registered", &at(laptop_fields(&item))).accepted();
        let arising = json!({"country": "XD", "month": "2026-11"});
        self.app.say(by, "retired", &at(json!({"item": item, "arising": arising, "counted_elsewhere": "none"})))
    }

    /// The site's pool of the month, as its centre reads it.
    fn pool(&self) -> Value {
        self.eligibility(&format!("site={}", self.centre_site))["pools"][0].clone()
    }
}

both_databases! {
    /// A gram at the gate and a tonne on the scale: what a reweighing adds comes in, and beyond the capacity it backs nothing.
    fn what_a_reweighing_adds(kind) {
        for (rules, is_measured) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = gate(&Story::begin(&app), 10_000);
            let (one, other) = (story.estimated(1), story.estimated(1));
            assert_eq!(over(&story.reweighs(&one, 6_000)), NONE);
            let beyond = over(&story.reweighs(&other, 6_000));
            assert_eq!(beyond.len(), usize::from(is_measured), "rule set {rules}: {beyond:?}");
            let batch = new_id();
            story.at_centre("batch_opened", json!({"batch": batch})).accepted();
            story.at_centre("batch_fed", json!({"batch": batch, "items": [other]})).accepted();
            let steel = story.fraction(&batch, "FE", 6_000);
            story.close(&batch).accepted();
            story.send(&steel, 6_000, 6_000);
            let gaps = story.gaps(story.treat(&steel, 6_000)).0;
            assert_eq!(gaps.contains(&"over_capacity".to_owned()), is_measured, "{gaps:?}");
        }
    }

    /// What came out of batches of the site came in as something else; and what is found lighter gives no room back.
    fn what_a_reweighing_does_not_add(kind) {
        let app = TestApp::start(kind);
        let story = gate(&Story::begin(&app), 10_000);
        let batch = story.batch(9_000);
        let steel = story.fraction(&batch, "FE", 8_000);
        assert_eq!(over(&story.reweighs(&steel, 9_000)), NONE);
        let last = story.receive(&story.weighed(1_000));
        assert_eq!(over(&story.reweighs(&last, 900)), NONE);
        assert_eq!(over(&story.reweighs(&last, 901)), ["/weight"]);
    }

    /// A device that dies where it is recycled comes in by that: the permit must cover it, and the capacity have room.
    fn what_is_retired_where_it_is_recycled(kind) {
        for (rules, is_measured) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = gate(&Story::begin(&app), 4_000);
            let dies = || story.laptop_dies(&story.centre, Some(&story.centre_site));
            assert_eq!(dies().warnings(), Vec::<String>::new(), "one has room");
            let warned = |code: &str| if is_measured { vec![code.to_owned()] } else { Vec::new() };
            assert_eq!(dies().warnings(), warned("over_capacity"));
            let bare = app.site(&story.centre.id);
            assert_eq!(story.laptop_dies(&story.centre, Some(&bare)).warnings(), warned("permit_not_valid"));
            // Where nobody works on waste it may die without a permit.
            assert_eq!(story.laptop_dies(&app.join(&["donor"]), None).warnings(), Vec::<String>::new());
            assert_eq!(story.laptop_dies(&story.centre, None).warnings(), Vec::<String>::new());
        }
    }

    /// Work outside the ledger that is declared when the year is over uses the capacity up all the same: no more is certified than
    /// what it leaves, and the site is told why.
    fn outside_work_that_is_declared_late(kind) {
        for (rules, is_bound) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = gate(&Story::begin(&app), 100_000);
            story.whole_batch(60_000);
            let before = story.draft(None).json();
            let declared = story.declares_outside(&json!({"year": "2026", "received_g": 90_000}));
            assert_eq!(declared.warnings().is_empty(), !is_bound);
            if !is_bound {
                app.say(&story.issuer, "certificate_issued", &before).accepted();
                continue;
            }
            let issued = app.say(&story.issuer, "certificate_issued", &before);
            issued.refused(422, "over_capacity", "/certificate");
            let pool = story.pool();
            assert_eq!((&pool["certifiable_g"], &pool["gaps"][0]["code"]), (&json!(10_000), &json!("over_capacity")));
            assert!(pool["gaps"][0]["reason"].as_str().is_some_and(|reason| reason.contains("outside")), "{pool}");
            // What a draft offers is what an issue may have.
            let draft = story.draft(Some(50)).json();
            assert_eq!(draft["allotments"][0]["to"], 10_000, "{draft}");
            app.say(&story.issuer, "certificate_issued", &draft).accepted();
            story.draft(None).refused(422, "over_capacity", "/certificate");
            assert_eq!(story.pool()["certifiable_g"], 0);
            // Stated again, the later holds.
            story.declares_outside(&json!({"year": "2026", "received_g": 30_000})).accepted();
            assert_eq!(story.draft(None).json()["allotments"][0]["to"], 60_000);
            let pool = story.pool();
            assert_eq!((&pool["vintage"], &pool["gaps"]), (&json!(VINTAGE), &Value::Null));
        }
    }

    /// The same for what a site dismantles elsewhere, where its permit states that operation.
    fn outside_dismantling_that_is_declared_late(kind) {
        let app = TestApp::start(kind);
        let story = crate::capacities::limited(
            &Story::begin(&app),
            &crate::capacities::of_operation("R12", 100_000),
            &json!([]),
        );
        story.whole_batch(60_000);
        let declared = story.declares_outside(&json!({"year": "2026", "received_g": 90_000, "operation": "R12"}));
        assert_eq!(declared.warnings(), ["over_capacity"]);
        assert_eq!(story.draft(None).json()["allotments"][0]["to"], 10_000);
    }
}
