//! Units that others back and that are given in turn: what a certificate then rests on, two steps away. Rule set 4 lets no such chain
//! begin.

use crate::certificate_lives::{proved, sell};
use crate::client::Answer;
use crate::harness::{TestApp, both_databases};
use crate::replacements::{Error, is, standing, units};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Two units that lost their grams: 101, which a unit that rests on plastics backs, and 100, which is retired.
struct Chain<'a> {
    error: Error<'a>,
    /// The batch of the plastics.
    plastics: String,
}

impl<'a> Chain<'a> {
    fn begin(app: &'a TestApp) -> Self {
        let error = Error::after_issue(app);
        let story = &error.story;
        let plastics = story.batch(5_000);
        let lot = story.fraction(&plastics, "PLAST_CLEAN", 5_000);
        story.send(&lot, 5_000, 5_000);
        story.treat_by(&lot, 5_000, "R3").accepted();
        story.close(&plastics).accepted();
        assert_eq!(story.issue(None), units(111, 114));
        let closed = app.get("/v1/events?type=batch_closed", &story.centre.token).json();
        error.find(&json!({"batch": closed["events"][1]["payload"]["batch"], "outcome": "held"}));
        error.replace(&units(101, 106), &units(101, 101), &units(111, 111), Some(&units(111, 114))).accepted();
        error.correct_to(99_000);
        assert_eq!(standing(app, &units(1, 100)), is("retired", json!([[100, 100]])));
        assert_eq!(standing(app, &units(101, 106)), is("held", json!([[102, 106]])));
        Self { error, plastics }
    }

    /// The backed unit is given for the retired one.
    fn go_on(&self) -> Answer {
        self.error.replace(&units(1, 100), &units(100, 100), &units(101, 101), Some(&units(101, 106)))
    }
}

both_databases! {
    /// On older ledgers the page, the year's statement, the bundle and what is told later follow it to its end.
    fn two_steps_under_the_rules_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let chain = Chain::begin(&app);
        chain.go_on().accepted();
        let (sold, mixed) = (units(1, 100), json!({"FE": 99_000, "PLAST_CLEAN": 1_000}));
        let page = app.get(&format!("/v1/certificates/{sold}"), "").json();
        assert_eq!(page["by_fraction_g"], mixed);
        assert_eq!(standing(&app, &sold), is("retired", json!([])));
        let buyer = &chain.error.buyer;
        let statement = app.get(&format!("/v1/organisations/{}/statement?year=2026", buyer.id), &buyer.token).json();
        assert_eq!(statement["sums"]["by_fraction_g"], mixed, "{statement}");
        let mut shown: BTreeMap<String, i64> = BTreeMap::new();
        for share in proved(&app, &sold).certificate.shares {
            *shown.entry(share.fraction).or_default() += share.grams;
        }
        assert_eq!(json!(shown), mixed);
        // What is found of the last grams concerns the first certificate.
        chain.error.find(&json!({"batch": chain.plastics, "outcome": "held"}));
        assert_eq!(standing(&app, &sold), is("retired", json!([[100, 100]])));
        app.wait_for_checkpoint();
        let status = app.get(&format!("/v1/certificates/{sold}/status"), "").json();
        let last = status["events"].as_array().and_then(|events| events.last()).expect("an event");
        let concerns: Vec<&Value> =
            last["concerns"].as_array().expect("concerns").iter().map(|concern| &concern["kind"]).collect();
        assert_eq!((&last["type"], concerns), (&json!("audit_finding"), vec![&json!("certificate"), &json!("treatment")]));
    }

    /// What others back is given for nothing, and keeps the buffer from its turn no longer.
    fn what_is_backed_backs_nothing(kind) {
        let app = TestApp::start(kind);
        let chain = Chain::begin(&app);
        chain.go_on().refused(409, "units_backed", "/replacements/0/backing");
        let from_buffer = || chain.error.replace(&units(1, 100), &units(100, 100), &units(115, 115), None);
        from_buffer().refused(409, "backing_out_of_turn", "/replacements/0/backing");
        sell(&app, &chain.error.story.centre, &units(112, 114), &chain.error.buyer);
        let cover = app.get("/v1/register/pools", "").json()["sites"][0].clone();
        let counts = ["stock", "backed", "buffer", "failing", "deficit"].map(|name| cover[name].as_i64());
        assert_eq!(counts, [1, 1, 1, 10, 9].map(Some), "10 that fail, less nothing of the stock, less 1 of the buffer");
        from_buffer().accepted();
        assert_eq!(standing(&app, &units(1, 100)), is("retired", json!([])));
    }
}
