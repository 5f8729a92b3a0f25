//! An auditor clears only what it has nothing to do with: neither side of a handover, nobody whose entry is cleared along with
//! something else, and nothing that comes up after it has looked. Under rule sets before the fifth it did.

use crate::agreeing::rule_set;
use crate::capacities::{NONE, limited, of_operation, over};
use crate::corrections::instead;
use crate::findings::finding;
use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::judging::failing_units;
use crate::long_ways::{bundle, valid};
use crate::story::{Story, permitted_site};
use serde_json::{Value, json};

fn related(app: &TestApp, one: &Party, other: &Party) {
    app.say(one, "relation_declared", &json!({"other": other.id, "kind": "control"})).accepted();
}

/// An auditor of the centre's house, and steel that a related furnace took from the centre: entries of receipt and end.
fn in_one_house(story: &Story<'_>) -> (Party, u64, u64) {
    let app = story.app;
    let auditor = app.join(&["auditor"]);
    related(app, &auditor, &story.centre);
    related(app, &story.smelter, &story.centre);
    let steel = story.steel(10_000);
    let taken = story.send(&steel, 10_000, 10_000).accepted();
    (auditor, taken, story.treat(&steel, 10_000))
}

/// Steel of a centre that a furnace melts without a permit for it, and an auditor of the centre's house: the entry of the end.
fn melted_without_a_permit(story: &Story<'_>) -> (Party, u64) {
    let auditor = story.app.join(&["auditor"]);
    related(story.app, &auditor, &story.centre);
    let steel = story.steel(10_000);
    story.send(&steel, 10_000, 10_000);
    let treatment = story.treat_by(&steel, 10_000, "R5").accepted();
    story.lacks(treatment, "permit_not_valid");
    (auditor, treatment)
}

/// Two lots of 20 kg that a collector brings at once, the first of which weighs 16 kg at the gate.
struct Delivery {
    collector: Party,
    lots: [String; 2],
    /// How the second was collected.
    collected: (u64, Value),
    /// The entry of the receipt.
    taken: u64,
}

impl Delivery {
    fn to(story: &Story<'_>) -> Self {
        let app = story.app;
        let (collector, lots, handover) = (app.join(&["collector"]), [new_id(), new_id()], new_id());
        let yard = permitted_site(app, &collector, "YARD", &["R13"]);
        let scale = app.scale(&yard);
        let collect = |lot: &String| {
            let weight = json!({"basis": "weighed", "gross_g": 20_000, "tare_g": 0, "scale": scale});
            let mut fields = story.receipt(lot, &weight);
            for field in ["supplier", "number"] {
                fields.as_object_mut().expect("fields").remove(field);
            }
            fields["kind"] = json!("lot");
            fields["site"] = json!(yard);
            (app.say(&collector, "collected", &fields).accepted(), fields)
        };
        let [_, collected] = lots.each_ref().map(collect);
        let offered: Vec<Value> = lots.iter().map(|lot| json!({"lot": lot, "sent_g": 20_000})).collect();
        let offer = json!({"handover": handover, "to": story.centre.id, "lots": offered});
        app.say(&collector, "handover_offered", &offer).accepted();
        let answer = |grams: i64| json!({"weight": story.weighed(grams), "accepted_g": grams, "refused_g": 0});
        let answers = json!({"handover": handover, "lots": [answer(16_000), answer(20_000)]});
        let taken = story.at_centre("handover_accepted", answers).accepted();
        Self { collector, lots, collected, taken }
    }

    /// Some of it is taken apart, and its steel melted.
    fn melted(story: &Story<'_>, lots: &[String], grams: i64) -> u64 {
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": lots})).accepted();
        let steel = story.fraction(&batch, "FE", grams);
        story.send(&steel, grams, grams);
        let treatment = story.treat(&steel, grams);
        story.close(&batch).accepted();
        treatment
    }

    /// The second lot weighed more at the yard than the receipt found, and arose later.
    fn put_right(&self, story: &Story<'_>) {
        let (app, (entry, fields)) = (story.app, &self.collected);
        let mut right = fields.clone();
        right["weight"]["gross_g"] = json!(26_000);
        right["arising"]["month"] = json!("2026-11");
        let correction = app.say(&self.collector, "corrected", &instead(*entry, "collected", &right)).accepted();
        for party in [&story.centre, &story.smelter] {
            app.say(party, "correction_confirmed", &json!({"correction": correction}));
        }
        let standing = app.get(&format!("/v1/corrections/{correction}"), &app.operator.token).json();
        assert_eq!(standing["status"], "in_effect", "{standing}");
    }
}

both_databases! {
    /// Whose grams a furnace ended has to do with that end as well.
    fn nor_the_centre_whose_grams_ended(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (auditor, treatment) = melted_without_a_permit(&story);
        for subject in ["entry", "treatment"] {
            let found = finding(&json!({subject: treatment}), "cleared");
            app.say(&auditor, "audit_finding", &found).refused(403, "related_parties", "/org");
        }
        story.lacks(treatment, "permit_not_valid");
        story.find(&json!({"entry": treatment}), "cleared").accepted();
        story.is_eligible(treatment, 10_000);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 9);
    }

    fn the_centre_whose_grams_ended_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("4");
        let story = Story::begin(&app);
        let (auditor, treatment) = melted_without_a_permit(&story);
        app.say(&auditor, "audit_finding", &finding(&json!({"treatment": treatment}), "cleared")).accepted();
        app.say(&auditor, "audit_finding", &finding(&json!({"entry": treatment}), "cleared")).accepted();
        story.is_eligible(treatment, 10_000);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 9);
        let mut honest = Workshop::of(&story, &serial, Vec::new());
        honest.knows([&auditor]);
        expect_lie(&honest, "no permit of its site covers operation", |workshop| {
            workshop.first("rules_adopted")["rule_set"] = rule_set("5");
        });
    }

    /// What was cleared of one lot says nothing of another that a correction puts in doubt, though both are in one batch by then.
    fn nothing_that_comes_up_of_another_lot(kind) {
        for version in ["4", "5"] {
            let app = TestApp::start(kind);
            app.adopt_rules(version);
            let story = Story::begin(&app);
            let delivery = Delivery::to(&story);
            let clear = || story.find(&json!({"entry": delivery.taken}), "cleared").accepted();
            clear();
            let treatment = Delivery::melted(&story, &delivery.lots, 36_000);
            story.is_eligible(treatment, 36_000);
            delivery.put_right(&story);
            if version == "5" {
                story.lacks(treatment, "disputed");
                clear();
            }
            story.is_eligible(treatment, 36_000);
        }
    }

    /// What is open again is so for all that the entry brought: units that rest on it fail until an auditor has looked again.
    fn units_rest_on_what_is_open_again(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let delivery = Delivery::to(&story);
        let treatment = Delivery::melted(&story, &delivery.lots[..1], 16_000);
        story.lacks(treatment, "disputed");
        let clear = || story.find(&json!({"entry": delivery.taken}), "cleared").accepted();
        clear();
        story.issue(None);
        assert_eq!(failing_units(&app), (0, 0));
        delivery.put_right(&story);
        assert_eq!(failing_units(&app), (16, 16));
        clear();
        assert_eq!(failing_units(&app), (0, 0));
    }

    fn neither_side_of_a_handover(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (auditor, taken, treatment) = in_one_house(&story);
        story.lacks(treatment, "related_parties");
        let clear = |by: &Party| app.say(by, "audit_finding", &finding(&json!({"entry": taken}), "cleared"));
        clear(&auditor).refused(403, "related_parties", "/org");
        story.lacks(treatment, "related_parties");
        clear(&story.auditor).accepted();
        story.is_eligible(treatment, 10_000);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 9);
    }

    fn one_side_of_a_handover_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("4");
        let story = Story::begin(&app);
        let (auditor, taken, treatment) = in_one_house(&story);
        app.say(&auditor, "audit_finding", &finding(&json!({"entry": taken}), "cleared")).accepted();
        story.is_eligible(treatment, 10_000);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 9);
        let mut honest = Workshop::of(&story, &serial, Vec::new());
        honest.knows([&auditor]);
        expect_lie(&honest, "between related parties", |workshop| {
            workshop.first("rules_adopted")["rule_set"] = rule_set("5");
        });
    }

    /// What is implausible in what a relation said is not cleared along with a batch.
    fn nobody_of_ones_own_house_along_with_a_batch(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (collector, auditor) = (app.join(&["collector"]), app.join(&["auditor"]));
        related(&app, &auditor, &collector);
        let (lot, handover, batch) = (new_id(), new_id(), new_id());
        let yard = permitted_site(&app, &collector, "YARD", &["R13"]);
        let weight = json!({"basis": "weighed", "gross_g": 30_000, "tare_g": 0, "scale": app.scale(&yard)});
        let mut collected = story.receipt(&lot, &weight);
        for field in ["supplier", "number"] {
            collected.as_object_mut().expect("fields").remove(field);
        }
        collected["kind"] = json!("lot");
        collected["site"] = json!(yard);
        collected["pieces"] = json!(1);
        collected["missing"] = json!([{"part": "batteries", "count": 1}, {"part": "boards", "count": 1}]);
        assert_eq!(app.say(&collector, "collected", &collected).warnings(), ["signal_raised"]);
        let offer = json!({"handover": handover, "to": story.centre.id, "lots": [{"lot": lot, "sent_g": 30_000}]});
        app.say(&collector, "handover_offered", &offer).accepted();
        let answer = json!({"weight": story.weighed(30_000), "accepted_g": 30_000, "refused_g": 0});
        story.at_centre("handover_accepted", json!({"handover": handover, "lots": [answer]})).accepted();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel = story.fraction(&batch, "FE", 30_000);
        story.send(&steel, 30_000, 30_000);
        let treatment = story.treat(&steel, 30_000);
        story.close(&batch).accepted();
        let clear = |by: &Party| app.say(by, "audit_finding", &finding(&json!({"batch": batch}), "cleared")).accepted();
        clear(&auditor);
        story.lacks(treatment, "signal_raised");
        clear(&story.auditor);
        story.is_eligible(treatment, 30_000);
    }

    /// What a correction brings up nobody has looked at, whatever was cleared of that entry before.
    fn nothing_that_comes_up_afterwards(kind) {
        for (version, gaps) in [("4", vec![]), ("5", vec!["over_capacity".to_owned()])] {
            let app = TestApp::start(kind);
            app.adopt_rules(version);
            let story = limited(&Story::begin(&app), &of_operation("R12", 20_000), &json!([]));
            let (lot, batch) = (new_id(), new_id());
            let received = story.at_centre("received", story.receipt(&lot, &story.weighed(10_000))).accepted();
            story.at_centre("batch_opened", json!({"batch": batch})).accepted();
            let fed = story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]}));
            assert_eq!(over(&fed), NONE);
            story.find(&json!({"entry": fed.accepted()}), "cleared").accepted();
            let mut right = story.receipt(&lot, &story.weighed(50_000));
            right["site"] = json!(story.centre_site);
            let correction = app.say(&story.centre, "corrected", &instead(received, "received", &right)).accepted();
            let standing = app.get(&format!("/v1/corrections/{correction}"), &app.operator.token).json();
            assert_eq!(standing["status"], "in_effect", "on the centre's word alone");
            let steel = story.fraction(&batch, "FE", 50_000);
            story.send(&steel, 50_000, 50_000);
            let treatment = story.treat(&steel, 50_000);
            story.close(&batch).accepted();
            assert_eq!(story.gaps(treatment).0, gaps, "rule set {version}");
            if version == "5" {
                story.find(&json!({"entry": fed.accepted()}), "cleared").accepted();
                story.is_eligible(treatment, 50_000);
            }
        }
    }
}
