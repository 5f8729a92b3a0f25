//! In which order a pool gives its grams when some at its front have lost their eligibility.

use crate::corrections::instead;
use crate::findings::finding;
use crate::harness::{TestApp, both_databases};
use crate::story::Story;
use serde_json::{Value, json};

fn find(story: &Story<'_>, treatment: u64, outcome: &str) {
    let fields = finding(&json!({"treatment": treatment}), outcome);
    story.app.say(&story.auditor, "audit_finding", &fields).accepted();
}

/// What the pool would give now, as treatment and grams.
fn given(story: &Story<'_>) -> Vec<(u64, i64, i64)> {
    let draft = story.draft(None).json();
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{draft}"));
    let taken = draft["allotments"].as_array().unwrap_or_else(|| panic!("{draft}")).iter();
    taken
        .map(|taken| (taken["treatment"].as_u64().expect("an entry"), number(&taken["from"]), number(&taken["to"])))
        .collect()
}

both_databases! {
    /// An issue that passes grams over puts them at the end: cleared, they have their turn there. A draft moves nothing.
    fn what_is_passed_over_stands_at_the_end(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, receipt, batch) = story.gate_to_batch(10_000);
        let steel = story.fraction(&batch, "FE", 10_000);
        story.send(&steel, 10_000, 10_000);
        let first = story.treat(&steel, 10_000);
        story.close(&batch).accepted();
        let (second, third) = (story.whole_batch(10_000), story.whole_batch(10_000));
        story.issue(Some(4));
        let right = instead(receipt, "received", &story.received_fields(&lot, 9_000));
        let correct = || app.say(&story.centre, "corrected", &right).accepted();
        let decide = |how: &str, correction: u64| {
            app.say(&story.auditor, how, &json!({"correction": correction})).accepted();
        };
        // What is not decided backs nothing new.
        let correction = correct();
        assert_eq!(given(&story), [(second, 0, 10_000), (third, 0, 10_000)]);
        decide("correction_disputed", correction);
        assert_eq!(given(&story), [(first, 4_000, 10_000), (second, 0, 10_000), (third, 0, 10_000)]);
        // Once more: now an issue passes it over.
        let correction = correct();
        story.issue(Some(3));
        decide("correction_disputed", correction);
        assert_eq!(given(&story), [(second, 3_000, 10_000), (third, 0, 10_000), (first, 4_000, 10_000)]);
        // Corrected, what is left of it enters anew; what is certified is certified still.
        decide("correction_confirmed", correct());
        assert_eq!(given(&story), [(second, 3_000, 10_000), (third, 0, 10_000), (first, 4_000, 9_000)]);
        story.issue(None);
    }

    /// Under the rule set before, they kept their place.
    fn what_is_passed_over_stays_under_the_rules_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let (first, second) = (story.whole_batch(10_000), story.whole_batch(10_000));
        find(&story, first, "held");
        story.issue(Some(3));
        find(&story, first, "cleared");
        assert_eq!(given(&story), [(first, 0, 10_000), (second, 3_000, 10_000)]);
    }
}
