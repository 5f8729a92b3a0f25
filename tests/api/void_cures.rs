//! What was reviewed, cleared or explained with a key that was reported compromised: the grams back nothing new, those whom it concerns
//! are told, and somebody else may do it again. Under rule sets before the fourth it stands as done for ever.

use crate::certificate_lives::proved;
use crate::doubts::{doubted, told};
use crate::findings::finding;
use crate::harness::{Party, TestApp, both_databases, kid};
use crate::judging::certified_by_papers;
use crate::replacements::{is, standing, units};
use crate::story::Story;
use serde_json::{Value, json};

/// Somebody had the auditor's key from an entry on.
fn lose_key(app: &TestApp, auditor: &Party, since: u64) {
    let lost = json!({"kid": kid(&auditor.key), "reason": "compromised", "since_index": since});
    app.say(&app.operator, "key_revoked", &lost).accepted();
}

both_databases! {
    fn papers_that_were_reviewed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (treated, _) = certified_by_papers(&story);
        let other = app.join(&["auditor"]);
        let review = || app.say(&other, "evidence_reviewed", &json!({"entry": treated, "outcome": "accepted"}));
        review().refused(409, "nothing_to_answer", "/entry");
        lose_key(&app, &story.auditor, treated + 1);
        assert_eq!(story.gaps(treated).0, ["not_reviewed"]);
        // No unit fails for it yet; the page says what is in doubt, and auditors are told of which units.
        assert_eq!(standing(&app, &units(1, 9)), is("held", json!([])));
        assert_eq!(doubted(&app, &units(1, 9)), ["not_reviewed"]);
        let blocks = json!([[units(1, 9), "held", [units(1, 9)]], [units(10, 10), "buffer", [units(10, 10)]]]);
        assert_eq!(told(&app, &app.operator.token), [json!([treated, 10_000, ["not_reviewed"], blocks])]);
        review().accepted();
        assert_eq!(story.gaps(treated).0, Vec::<String>::new());
        assert_eq!(doubted(&app, &units(1, 9)), Vec::<String>::new());
        assert_eq!(told(&app, &app.operator.token), Vec::<Value>::new());
        assert_eq!(proved(&app, &units(1, 9)).certificate.units, 9);
        review().refused(409, "nothing_to_answer", "/entry");
    }

    fn reviewed_under_the_rules_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let (treated, _) = certified_by_papers(&story);
        lose_key(&app, &story.auditor, treated + 1);
        let other = app.join(&["auditor"]);
        let again = app.say(&other, "evidence_reviewed", &json!({"entry": treated, "outcome": "accepted"}));
        again.refused(409, "nothing_to_answer", "/entry");
        assert_eq!(doubted(&app, &units(1, 9)), ["not_reviewed"]);
    }

    fn a_finding_that_was_cleared(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let treatment = story.whole_batch(10_000);
        let [first, other] = [app.join(&["auditor"]), app.join(&["auditor"])];
        let held = app.say(&first, "audit_finding", &finding(&json!({"treatment": treatment}), "held")).accepted();
        let clear = |by: &Party| app.say(by, "audit_finding", &finding(&json!({"entry": held}), "cleared")).accepted();
        let cleared = clear(&story.auditor);
        assert_eq!(story.gaps(treatment), (Vec::new(), 10_000));
        lose_key(&app, &story.auditor, cleared);
        assert_eq!(story.gaps(treatment).0, ["held_by_finding"]);
        clear(&other);
        assert_eq!(story.gaps(treatment), (Vec::new(), 10_000));
    }

    fn a_short_batch_that_was_explained(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(50_000);
        let steel = story.fraction(&batch, "FE", 40_000);
        story.send(&steel, 40_000, 40_000);
        let treatment = story.treat(&steel, 40_000);
        assert_eq!(story.close(&batch).warnings(), ["batch_short"]);
        let clear = |by: &Party| app.say(by, "audit_finding", &finding(&json!({"batch": batch}), "cleared")).accepted();
        let cleared = clear(&story.auditor);
        assert_eq!(story.gaps(treatment), (Vec::new(), 40_000));
        lose_key(&app, &story.auditor, cleared);
        assert_eq!(story.gaps(treatment).0, ["batch_short"]);
        clear(&app.join(&["auditor"]));
        assert_eq!(story.gaps(treatment), (Vec::new(), 40_000));
    }

    /// A correction is decided once; what a stolen key decided of it another auditor lets go.
    fn a_correction_that_was_rejected(kind) {
        for version in ["4", "5"] {
            let app = TestApp::start(kind);
            app.adopt_rules(version);
            let story = Story::begin(&app);
            let batch = story.batch(40_000);
            let steel = story.fraction(&batch, "FE", 40_000);
            story.close(&batch).accepted();
            let taken = story.send(&steel, 40_000, 40_000).accepted();
            let never = json!({"entry": taken, "reason": "did_not_occur"});
            let correction = app.say(&story.smelter, "corrected", &never).accepted();
            let treatment = story.treat(&steel, 40_000);
            assert_eq!(story.gaps(treatment).0, ["correction_undecided"]);
            let dispute = |by: &Party| app.say(by, "correction_disputed", &json!({"correction": correction}));
            dispute(&story.centre).accepted();
            let rejected = dispute(&story.auditor).accepted();
            assert_eq!(story.gaps(treatment), (Vec::new(), 40_000));
            lose_key(&app, &story.auditor, rejected);
            // The audits before are honest: the key was lost after them.
            assert_eq!(story.gaps(treatment).0, ["correction_undecided"]);
            let other = app.join(&["auditor"]);
            dispute(&other).refused(409, "nothing_to_answer", "/correction");
            let clear = |by: &Party| app.say(by, "audit_finding", &finding(&json!({"entry": correction}), "cleared"));
            let related = app.join(&["auditor"]);
            let declared = json!({"other": story.centre.id, "kind": "control"});
            app.say(&related, "relation_declared", &declared).accepted();
            if version == "4" {
                clear(&other).accepted();
                assert_eq!(story.gaps(treatment).0, ["correction_undecided"], "for ever");
                continue;
            }
            clear(&related).refused(403, "related_parties", "/org");
            clear(&other).accepted();
            assert_eq!(story.gaps(treatment), (Vec::new(), 40_000));
        }
    }
}
