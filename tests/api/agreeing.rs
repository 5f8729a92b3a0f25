//! What the ledger issues, the offline verifier calls valid, by the same rules; what a liar would have changed, it does not.

use crate::eligibility::Told;
use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{TestApp, both_databases, new_id};
use crate::long_ways::{bundle, valid};
use crate::story::Story;
use serde_json::{Value, json};

/// The first statement of a type about a thing that has a field of such a value.
fn said<'w>(workshop: &'w mut Workshop, kind: &str, (field, value): (&str, &Value)) -> &'w mut Value {
    let found = workshop.said.iter_mut().find(|(_, said)| said["type"] == kind && said[field] == *value);
    &mut found.unwrap_or_else(|| panic!("no {kind}")).1
}

both_databases! {
    /// A person may state another waste code than the tables': permits are asked for that one, at the gate, in the batch, after a
    /// merger and at the end, by the ledger and offline.
    fn waste_codes_that_a_person_stated(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let typed = |code: &str| json!({"code": code, "reason": "analysis"});
        let (lot, batch) = (new_id(), new_id());
        let mut receipt = story.receipt(&lot, &story.weighed(100_000));
        // Routers hold no battery by the tables; these do, and a permit for such equipment covers them.
        receipt["class"] = json!("0301");
        receipt["pieces"] = json!(200);
        receipt["missing"] = json!([{"part": "boards", "count": 200}]);
        receipt["waste_code"] = typed("16 02 13*");
        assert_eq!(story.at_centre("received", receipt).warnings(), Vec::<String>::new());
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        let fed = story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]}));
        assert_eq!(fed.warnings(), Vec::<String>::new());
        let steel = story.fraction(&batch, "FE", 60_000);
        let plastics: Vec<String> = (0..2).map(|_| {
            let lot = new_id();
            story.at_centre("dismantled", json!({
                "batch": batch, "lot": lot, "fraction": "PLAST_BFR", "weight": story.weighed(20_000),
                "waste_code": typed("19 12 04"),
            })).accepted();
            lot
        }).collect();
        let cage = new_id();
        story.at_centre("merged", json!({"inputs": plastics, "lot": cage})).accepted();
        story.send(&steel, 60_000, 60_000);
        story.send(&cage, 40_000, 40_000);
        story.treat(&steel, 60_000);
        let ended = story.treat_by(&cage, 40_000, "R3");
        assert_eq!(ended.warnings(), Vec::<String>::new());
        story.close(&batch).accepted();
        story.is_eligible(ended.accepted(), 40_000);
        let serial = story.issue(None);
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        assert_eq!((&page["net_kg"], &page["hazardous_g"]), (&json!(97), &json!(0)));
        let verdict = valid(&bundle(&story, &serial));
        let shares = &verdict.certificate.shares;
        assert_eq!((verdict.certificate.units, shares.iter().any(|share| share.hazardous)), (97, false));
        // Without the code that was stated, no permit covers it.
        let honest = Workshop::of(&story, &serial, Vec::new());
        let by_table = |said: &mut Value| drop(said.as_object_mut().expect("fields").remove("waste_code"));
        expect_lie(&honest, "no permit of the site to which it came covers", |workshop| by_table(workshop.first("received")));
        expect_lie(&honest, "no permit of the site to which it came covers", |workshop| {
            by_table(said(workshop, "dismantled", ("lot", &json!(plastics[0]))));
        });
        // A code of no list is none.
        expect_lie(&honest, "no permit of the site to which it came covers", |workshop| {
            said(workshop, "dismantled", ("lot", &json!(plastics[0])))["waste_code"]["code"] = json!("19 12 99");
        });
    }

    /// What was burnt of a batch under a rule set that set no share for that is counted in none, by the ledger and offline.
    fn a_share_that_was_not_set_yet(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("2");
        let story = Story::begin(&app);
        let ended = story.tell(&Told { boards_by: "D10", boards_g: 25_000, ..Told::rightly() });
        app.adopt_rules("4");
        story.is_eligible(ended.of_steel, 75_000);
        story.is_eligible(ended.of_boards.expect("boards"), 25_000);
        let serial = story.issue(None);
        assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 97);
        // Had the share been set by then, a fifth would be all.
        let honest = Workshop::of(&story, &serial, Vec::new());
        expect_lie(&honest, "at most the share of what went into a batch", |workshop| workshop.first("rules_adopted")["rule_set"] = rule_set("4"));
    }
}

/// How a ledger names a rule set that this software carries.
pub fn rule_set(version: &str) -> Value {
    let set = loopledger::domain::rule_set::all().iter().find(|set| set.version == version).expect("carried");
    json!({"version": set.version, "sha256": set.sha256})
}
