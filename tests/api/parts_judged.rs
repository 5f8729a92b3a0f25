//! What classes should hold, after the fact: corrections of what came out, and rule sets that follow one another.

use crate::client::Answer;
use crate::corrections::instead;
use crate::harness::{TestApp, both_databases, new_id};
use crate::long_ways::{bundle, valid};
use crate::signals::with;
use crate::story::Story;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Laptops that were taken apart, with what is corrected of it.
struct Apart {
    batch: String,
    /// The lot of batteries, and the entry that took it out.
    batteries: (String, u64),
    /// The treatment of the steel.
    treatment: u64,
}

impl Story<'_> {
    fn batteries_fields(&self, batch: &str, lot: &str, grams: i64) -> Value {
        let weight = self.weighed(grams);
        json!({"batch": batch, "lot": lot, "fraction": "BAT_LI", "weight": weight, "site": self.centre_site})
    }

    /// A hundred kilograms of laptops, of which 90 end as steel; the batch is closed.
    fn apart(&self, batteries_g: i64) -> Apart {
        let (batch, lot) = (new_id(), new_id());
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": [self.laptops(100_000, 40, 0)]})).accepted();
        let entry =
            self.app.say(&self.centre, "dismantled", &self.batteries_fields(&batch, &lot, batteries_g)).accepted();
        let treatment = self.end(&batch);
        Apart { batch, batteries: (lot, entry), treatment }
    }

    /// Boards and 90 kg of steel leave a batch of laptops, the steel ends, and the batch is closed.
    fn end(&self, batch: &str) -> u64 {
        let (steel, boards) = (self.fraction(batch, "FE", 90_000), self.fraction(batch, "PWB_HIGH", 9_500));
        self.send(&boards, 9_500, 9_500);
        self.send(&steel, 90_000, 90_000);
        let treatment = self.treat(&steel, 90_000);
        self.close(batch).accepted();
        treatment
    }

    /// The batteries weighed otherwise.
    fn batteries_correct(&self, apart: &Apart, grams: i64) -> Answer {
        let (lot, entry) = &apart.batteries;
        let right = self.batteries_fields(&apart.batch, lot, grams);
        self.app.say(&self.centre, "corrected", &instead(*entry, "dismantled", &right))
    }

    fn failing_units(&self, serial: &str) -> Vec<Value> {
        let page = self.app.get(&format!("/v1/certificates/{serial}"), "").json();
        page["failing"].as_array().into_iter().flatten().map(|failing| failing["units"].clone()).collect()
    }

    fn is_decided(&self, correction: u64) -> Value {
        self.app.get(&format!("/v1/corrections/{correction}"), &self.app.operator.token).json()["status"].clone()
    }

    fn pools(&self) -> Value {
        self.eligibility(&format!("site={}", self.centre_site))["pools"].clone()
    }
}

both_databases! {
    /// Where the amount decides, its correction is an auditor's to decide once units rest on the batch; and then they fail.
    fn batteries_that_weigh_less_after_the_issue(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let apart = story.apart(500);
        story.is_eligible(apart.treatment, 90_000);
        let serial = story.issue(Some(50));
        let answer = story.batteries_correct(&apart, 5);
        assert_eq!(answer.warnings(), ["correction_undecided"]);
        let correction = answer.accepted();
        story.lacks(apart.treatment, "correction_undecided");
        assert_eq!(story.failing_units(&serial), Vec::<Value>::new());
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(story.is_decided(correction), "in_effect");
        story.lacks(apart.treatment, "parts_not_accounted_for");
        assert_eq!(story.failing_units(&serial), [json!([1, 48])]);
        // Found after all, they back the units again.
        let again = story.batteries_correct(&apart, 501).accepted();
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": again})).accepted();
        story.is_eligible(apart.treatment, 90_000);
        assert_eq!(story.failing_units(&serial), Vec::<Value>::new());
    }

    /// Under the rule set before, any gram was enough: then the same correction leaves the units as they are.
    fn batteries_that_weigh_less_where_a_gram_was_enough(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let apart = story.apart(500);
        let serial = story.issue(Some(50));
        let correction = story.batteries_correct(&apart, 5).accepted();
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(story.is_decided(correction), "in_effect");
        story.is_eligible(apart.treatment, 90_000);
        assert_eq!(story.failing_units(&serial), Vec::<Value>::new());
    }

    /// Under the rule set before, what only some pieces came without changes nothing: its correction counts at once, whoever rests
    /// on it, and no pool is looked at again.
    fn a_count_of_some_pieces_that_changes_nothing(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let receipt = |lot: &str, without: i64| {
            let counted = json!({"pieces": 20, "missing": [{"part": "batteries", "count": without}], "site": story.centre_site});
            with(story.receipt(lot, &story.weighed(33_000)), &counted)
        };
        let received = |without: i64| {
            let lot = new_id();
            let entry = story.app.say(&story.centre, "received", &receipt(&lot, without)).accepted();
            (lot, entry)
        };
        let (some, robbed, whole) = (received(19), received(20), received(1));
        let (cage, batch) = (new_id(), new_id());
        story.at_centre("merged", json!({"inputs": [robbed.0, whole.0], "lot": cage})).accepted();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [some.0, cage]})).accepted();
        story.fraction(&batch, "BAT_LI", 1);
        let treatment = story.end(&batch);
        story.is_eligible(treatment, 90_000);
        story.issue(Some(50));
        let before = story.pools();
        for ((lot, entry), without) in [(&some, 18), (&robbed, 19), (&whole, 2)] {
            let right = instead(*entry, "received", &receipt(lot, without));
            let answer = app.say(&story.centre, "corrected", &right);
            assert_eq!(answer.warnings(), Vec::<String>::new(), "{without}");
            assert_eq!(story.is_decided(answer.accepted()), "in_effect", "{without}");
            assert_eq!(story.pools(), before, "{without}");
        }
        story.is_eligible(treatment, 90_000);
    }

    /// A new rule set says nothing of units that were issued before: what was held and cleared is as good as it was, though no
    /// other unit is issued on it.
    fn certificates_keep_the_shares_of_their_rule_set(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let apart = story.apart(2);
        let serial = story.issue(Some(50));
        app.adopt_rules("4");
        story.lacks(apart.treatment, "parts_not_accounted_for");
        assert_eq!(story.failing_units(&serial), Vec::<Value>::new());
        // They back nothing new, and the units on them stand.
        let line = story.eligibility(&format!("treatment={}", apart.treatment))["treatments"][0].clone();
        assert_eq!((&line["eligible_g"], &line["certified_g"]), (&json!(0), &json!(50_000)));
        assert_eq!(line["figures"], json!([{"code": "parts_not_accounted_for", "of": "batteries", "found_g": 2, "asked_g": 500}]));
        let about = json!({"batch": apart.batch});
        story.find(&about, "held").accepted();
        assert_eq!(story.failing_units(&serial), [json!([1, 48])]);
        story.find(&about, "cleared").accepted();
        assert_eq!(story.failing_units(&serial), Vec::<Value>::new());
        // A correction that leaves a gram leaves the units too; without any they fail.
        let judged = |grams: i64| {
            let correction = story.batteries_correct(&apart, grams).accepted();
            app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
            story.failing_units(&serial)
        };
        assert_eq!(judged(1), Vec::<Value>::new());
        let never = json!({"entry": apart.batteries.1, "reason": "did_not_occur"});
        let correction = app.say(&story.centre, "corrected", &never).accepted();
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(story.failing_units(&serial), [json!([1, 48])]);
        assert_eq!(judged(1), Vec::<Value>::new());
    }

    /// What came out before anybody counted is enough, whatever it was and whatever is counted of it later; offline too.
    fn batteries_that_nobody_counted(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("2");
        let story = Story::begin(&app);
        let uncounted = story.apart(400).treatment;
        // Another batch lasts from one rule set into the next: of its batteries the first were not counted.
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [story.laptops(100_000, 40, 0)]})).accepted();
        story.fraction(&batch, "BAT_LI", 300);
        app.adopt_rules("3");
        story.fraction(&batch, "BAT_LI", 100);
        app.adopt_rules("4");
        story.fraction(&batch, "BAT_LI", 50);
        let straddling = story.end(&batch);
        story.is_eligible(uncounted, 90_000);
        story.is_eligible(straddling, 90_000);
        // Whoever dismantles from the new rule set on is counted.
        story.lacks(story.apart(400).treatment, "parts_not_accounted_for");
        app.now_ms.fetch_add(1_000, Ordering::SeqCst);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 174);
    }
}
