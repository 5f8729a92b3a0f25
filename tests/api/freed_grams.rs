//! Grams of units that were issued in error: what fails of their batch has them first.

use crate::corrections::instead;
use crate::harness::{TestApp, both_databases};
use crate::replacements::{is, standing, units};
use crate::story::Story;
use serde_json::{Value, json};

/// Two treatments of one batch of 600 kg, each issued for itself: the first is unsold, the second a buyer has. Then only 589 kg came
/// in, and what was certified last fails.
fn after_error(app: &TestApp) -> Story<'_> {
    let story = Story::begin(app);
    let (lot, receipt, batch) = story.gate_to_batch(600_000);
    let steel = [0, 1].map(|_| story.fraction(&batch, "FE", 300_000));
    story.close(&batch).accepted();
    for lot in &steel {
        story.send(lot, 300_000, 300_000);
        story.treat(lot, 300_000);
        story.issue(None);
    }
    let sale = json!({"certificate": units(301, 591), "to": app.join(&["buyer"]).id});
    app.say(&story.centre, "certificate_transferred", &sale).accepted();
    let right = instead(receipt, "received", &story.received_fields(&lot, 589_000));
    let correction = app.say(&story.centre, "corrected", &right).accepted();
    app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
    assert_eq!(standing(app, &units(301, 591)), is("held", json!([[590, 591]])));
    assert_eq!(standing(app, &units(592, 600)), is("buffer", json!([[592, 600]])));
    story
}

fn site_of(app: &TestApp) -> Value {
    app.get("/v1/register/pools", "").json()["sites"][0].clone()
}

both_databases! {
    /// Eleven unsold units were an error: the eleven that failed hold on their grams, and nothing waits behind a deficit.
    fn cover_what_fails(kind) {
        for (rules, holds) in [("4", false), ("5", true)] {
            let app = TestApp::start(kind);
            app.adopt_rules(rules);
            let story = after_error(&app);
            let fields = json!({"certificate": units(1, 291), "part": units(281, 291), "reason": "issued_in_error"});
            app.say(&story.issuer, "certificate_withdrawn", &fields).accepted();
            let (sold, buffer) = (standing(&app, &units(301, 591)), standing(&app, &units(592, 600)));
            if holds {
                assert_eq!((sold, buffer), (is("held", json!([])), is("buffer", json!([]))));
                assert_eq!((&site_of(&app)["failing"], &site_of(&app)["deficit"]), (&json!(0), &json!(0)));
                story.draft(None).refused(422, "units_invalid", "/vintage");
            } else {
                assert_eq!(sold, is("held", json!([[590, 591]])));
                story.draft(None).refused(409, "site_in_deficit", "/pool_site");
            }
        }
    }

    /// Those that were issued first have the grams first, and what is left over may be issued anew.
    fn in_the_order_of_issue(kind) {
        let app = TestApp::start(kind);
        let story = after_error(&app);
        let withdraw = |whole: &str, part: &str| {
            let fields = json!({"certificate": whole, "part": part, "reason": "issued_in_error"});
            app.say(&story.issuer, "certificate_withdrawn", &fields).accepted();
        };
        withdraw(&units(1, 291), &units(287, 291));
        assert_eq!(standing(&app, &units(301, 591)), is("held", json!([])));
        assert_eq!(standing(&app, &units(592, 600)), is("buffer", json!([[595, 600]])));
        withdraw(&units(1, 286), &units(277, 286));
        assert_eq!(standing(&app, &units(592, 600)), is("buffer", json!([])));
        let draft = story.draft(None).json();
        let grams = |of: &Value| of["to"].as_i64().zip(of["from"].as_i64()).map(|(to, from)| to - from);
        assert_eq!(draft["allotments"].as_array().map(|all| all.iter().filter_map(grams).sum::<i64>()), Some(4_000));
    }
}
