//! What an issue, a transfer and a retirement are refused for, whatever the grams are.

use crate::harness::{TestApp, both_databases, signed};
use crate::story::Story;
use serde_json::{Value, json};

/// What an issuer might sign on a ledger of that prefix.
fn any_issue(story: &Story<'_>, prefix: &str) -> Value {
    json!({
        "certificate": format!("{prefix}-XD-CTR1-202611-0000001-0000009"), "buffer": format!("{prefix}-XD-CTR1-202611-0000010-0000010"),
        "holder": story.centre.id, "pool_site": story.centre_site, "vintage": "2026-11", "scheme": "e-resource/0",
        "allotments": [{"treatment": 1, "from": 0, "to": 10_000}],
    })
}

both_databases! {
    /// Nobody issues for a centre that it is related to, and nobody whom its issuer is related to gets the units.
    fn an_issuer_is_a_stranger(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(Some(5));
        let (kin, heir) = (app.join(&["issuer"]), app.join(&["buyer"]));
        let related = |other: &str| json!({"other": other, "kind": "ownership"});
        app.say(&kin, "relation_declared", &related(&story.centre.id)).accepted();
        app.say(&heir, "relation_declared", &related(&story.issuer.id)).accepted();
        let draft = story.draft(None).json();
        app.say(&kin, "certificate_issued", &draft).refused(403, "issuer_related", "/org");
        app.say(&story.issuer, "certificate_issued", &draft).accepted();
        let sale = json!({"certificate": serial, "to": heir.id});
        app.say(&story.centre, "certificate_transferred", &sale).refused(403, "issuer_related", "/to");
    }

    /// A second person signs only where the first is known: who asks for one posts with a token of their own, and is named.
    fn a_second_person_needs_a_first(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let mut draft = story.draft(Some(5)).json();
        draft["second"] = json!("person");
        let (person, token) = app.person_of(&story.issuer);
        let issue = |draft: &Value| app.post_jws(&token, &signed(&story.issuer, "certificate_issued", draft));
        app.say(&story.issuer, "certificate_issued", &draft).refused(403, "person_token_needed", "/actor");
        issue(&draft).refused(403, "actor_differs", "/actor");
        draft["actor"] = json!(person);
        issue(&draft).accepted();
    }

    /// The first schemes are for tests: on a ledger that was opened in earnest they issue nothing.
    fn a_scheme_for_tests_alone(kind) {
        let app = TestApp::start_in_earnest(kind);
        app.adopt_rules("2");
        let story = Story::begin(&app);
        let issued = app.say(&story.issuer, "certificate_issued", &any_issue(&story, "ER"));
        issued.refused(403, "scheme_test_only", "/scheme");
    }

    /// Whose claim it is stands in the register: nothing, and what is only white space, is no name.
    fn a_claim_has_a_name(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(None);
        for name in ["", " ", "\u{a0} \u{2003}"] {
            let salt = [7; 32];
            let hash = loopledger::proof::commitment::commit("/beneficiary", &salt, name).expect("a commitment");
            let change = json!({"beneficiary": {"c": hash}});
            let (statement, mut open) = crate::story::changed_retirement(&story.centre, &serial, &change);
            open["/beneficiary"] = json!({"salt": data_encoding::HEXLOWER.encode(&salt), "value": name});
            let posted = json!({"statement": statement, "open": open});
            let answer = app.post_json("/v1/events", &story.centre.token, &posted);
            answer.refused(422, "opening_required", "/beneficiary");
        }
        story.retire(&serial).accepted();
    }
}
