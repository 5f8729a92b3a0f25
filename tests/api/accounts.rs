//! Accounts: who holds and held which certificates, what happened to them, and persons who sign for an organisation.

use crate::harness::{Party, TestApp, both_databases, new_id, signed};
use crate::register::units;
use crate::replacements::{Error, another_site};
use crate::story::Story;
use loopledger::domain::event::SecondSignature;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn account(app: &TestApp, party: &Party) -> Value {
    let answer = app.get("/v1/account", &party.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// What the feed told: index, change, block, units.
pub fn told(app: &TestApp, party: &Party, from: u64) -> Vec<(u64, String, String, Vec<String>)> {
    let body = app.get(&format!("/v1/account/changes?from={from}"), &party.token).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let read = |change: &Value| {
        let units = change["units"].as_array().expect("units").iter().map(text).collect();
        (change["index"].as_u64().expect("an index"), text(&change["change"]), text(&change["serial"]), units)
    };
    body["changes"].as_array().expect("changes").iter().map(read).collect()
}

fn whole(index: u64, change: &str, serial: &str) -> (u64, String, String, Vec<String>) {
    (index, change.to_owned(), serial.to_owned(), vec![serial.to_owned()])
}

both_databases! {
    fn a_company_sees_what_it_holds_and_held(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let all = story.issue(None);
        assert_eq!(all, units(1, 9));
        let say = |party: &Party, kind: &str, fields: Value| app.say(party, kind, &fields).accepted();
        let issued = account(&app, &story.centre)["holdings"][0]["since"].as_u64().expect("an index");
        let into = json!({"certificate": all, "into": [units(1, 4), units(5, 9)]});
        let split = say(&story.centre, "certificate_split", into);
        let sold = say(&story.centre, "certificate_transferred", json!({"certificate": units(1, 4), "to": buyer.id}));
        let on = say(&buyer, "certificate_transferred", json!({"certificate": units(1, 4), "to": other.id}));
        let back = say(&other, "certificate_transferred", json!({"certificate": units(1, 4), "to": buyer.id}));
        let standing = |status: &str| json!({"status": status, "expires": "2028-11-23"});
        let expected = json!([
            {"serial": units(1, 4), "units": 4, "since": sold, "until": on},
            {"serial": units(1, 4), "units": 4, "since": back, "now": standing("held")},
        ]);
        assert_eq!(account(&app, &buyer)["holdings"], expected);
        let expected = json!([
            {"serial": units(1, 9), "units": 9, "since": issued, "until": split},
            {"serial": units(1, 4), "units": 4, "since": split, "until": sold},
            {"serial": units(5, 9), "units": 5, "since": split, "now": standing("held")},
        ]);
        assert_eq!(account(&app, &story.centre)["holdings"], expected);
        assert_eq!(account(&app, &story.issuer)["holdings"], json!([]));
        let retired = story.retire(&units(5, 9)).accepted();
        let now = &account(&app, &story.centre)["holdings"][2]["now"];
        assert_eq!(*now, json!({"status": "retired", "retired": retired}));
        // An auditor says whose; nobody else reads another's.
        let audit = app.token(&story.auditor.id, &["audit"]);
        app.get("/v1/account", &audit).refused(400, "query_invalid", "/organisation");
        let path = format!("/v1/account?organisation={}", buyer.id);
        assert_eq!(app.get(&path, &audit).json(), account(&app, &buyer));
        app.get(&path, &other.token).refused(404, "not_found", "");
        app.get("/v1/account?after=7", &buyer.token).refused(400, "query_invalid", "/after");
        let after = format!("/v1/account?after={sold}/{}", units(1, 4));
        assert_eq!(app.get(&after, &buyer.token).json()["holdings"][0]["since"], back);
        // Where the block comes from is everybody's to see, by ids.
        let history = app.get(&format!("/v1/certificates/{}/history", units(1, 4)), "").json();
        assert_eq!(history["blocks"], json!([units(1, 9), units(1, 4)]));
        let holder = |party: &Party, serial: String, since: u64, until: Option<u64>| match until {
            Some(until) => json!({"organisation": party.id, "serial": serial, "since": since, "until": until}),
            None => json!({"organisation": party.id, "serial": serial, "since": since}),
        };
        let expected = json!([
            holder(&story.centre, units(1, 9), issued, Some(split)),
            holder(&story.centre, units(1, 4), split, Some(sold)),
            holder(&buyer, units(1, 4), sold, Some(on)),
            holder(&other, units(1, 4), on, Some(back)),
            holder(&buyer, units(1, 4), back, None),
        ]);
        assert_eq!(history["holders"], expected);
        let types = ["issued", "split", "transferred", "transferred", "transferred"].map(|kind| format!("certificate_{kind}"));
        let events = history["events"].as_array().expect("events").iter();
        assert_eq!(events.map(|event| event["type"].as_str().expect("a type")).collect::<Vec<_>>(), types);
        let later = app.get(&format!("/v1/certificates/{}/history?from={on}", units(1, 4)), "").json();
        assert_eq!((later["events"].as_array().map(Vec::len), later["holders"].as_array().map(Vec::len)), (Some(2), Some(2)));
    }

    /// Whoever holds or retired units learns what others' entries did to them, and not these entries.
    fn a_finding_is_told_to_whoever_holds(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (first, second) = (story.whole_batch(5_000), story.whole_batch(5_000));
        let buyer = app.join(&["buyer"]);
        let all = story.issue(None);
        let issued = account(&app, &story.centre)["holdings"][0]["since"].as_u64().expect("an index");
        let sold = app
            .say(&story.centre, "certificate_transferred", &json!({"certificate": all, "to": buyer.id}))
            .accepted();
        assert_eq!(told(&app, &story.centre, 0), [whole(issued, "issued", &all), whole(sold, "handed_on", &all)]);
        assert_eq!(told(&app, &buyer, 0), [whole(sold, "received", &all)]);
        let find = |treatment: u64, outcome: &str| {
            let paper = json!({"sha256": "0".repeat(64), "blake3": "1".repeat(64)});
            let fields = json!({"treatment": treatment, "severity": "major", "outcome": outcome, "document": paper});
            app.say(&story.auditor, "audit_finding", &fields).accepted()
        };
        let held = find(second, "held");
        let failing = (held, "failing".to_owned(), all.clone(), vec![units(6, 9)]);
        assert_eq!(told(&app, &buyer, sold + 1), std::slice::from_ref(&failing));
        app.get(&format!("/v1/entries/{held}"), &buyer.token).refused(404, "not_found", "");
        assert_eq!(told(&app, &story.centre, sold + 1), [], "it holds them no more");
        assert_eq!(account(&app, &buyer)["holdings"][0]["now"]["failing"], json!([units(6, 9)]));
        let also = find(first, "held");
        assert_eq!(told(&app, &buyer, held + 1), [(also, "failing".to_owned(), all.clone(), vec![units(1, 5)])]);
        let cleared = find(second, "cleared");
        assert_eq!(told(&app, &buyer, also + 1), [(cleared, "sound".to_owned(), all.clone(), vec![units(6, 9)])]);
        let freeze = json!({"certificate": all, "reason": "review"});
        let frozen = app.say(&story.issuer, "certificate_frozen", &freeze).accepted();
        let unfrozen = app.say(&story.issuer, "certificate_unfrozen", &json!({"certificate": all})).accepted();
        let expected = [whole(frozen, "frozen", &all), whole(unfrozen, "unfrozen", &all)];
        assert_eq!(told(&app, &buyer, cleared + 1), expected);
        let first_page = app.get("/v1/account/changes", &buyer.token);
        assert_eq!(first_page.link, "");
        assert!(!first_page.text.contains("audit_finding"), "{}", first_page.text);
        let body = first_page.json();
        assert_eq!((&body["changes"][1]["time"], &body["next"]), (&json!("2026-11-23T12:00:00.000Z"), &Value::Null));
    }

    /// A withdrawal that is taken back, fraud that is found behind an error, and grams of others: whoever holds or retired is told.
    fn what_the_issuer_says_later_is_told(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let (centre, stock, sold) = (&error.story.centre, units(101, 106), units(1, 100));
        let fields = json!({"certificate": stock, "reason": "not_eligible", "second": "organisation"});
        let waits = app.say(&error.story.issuer, "certificate_withdrawn", &fields).accepted();
        let back = app.say(&error.story.issuer, "certificate_unfrozen", &json!({"certificate": stock})).accepted();
        let expected = [whole(waits, "withdrawal_pending", &stock), whole(back, "withdrawal_taken_back", &stock)];
        assert_eq!(told(&app, centre, waits), expected);
        let annotated = error.withdraw(&sold, None, "not_eligible").accepted();
        assert_eq!(told(&app, &error.buyer, waits), [whole(annotated, "annotated", &sold)]);
        let fraud = error.withdraw(&sold, None, "fraud").accepted();
        let expected = [whole(fraud, "annotated", &sold), whole(fraud, "failing", &sold)];
        assert_eq!(told(&app, &error.buyer, fraud), expected);
        let other = another_site(&error.story, 7_000);
        let replaced = error.replace(&sold, &units(1, 6), &other, None).accepted();
        assert_eq!(told(&app, &error.buyer, replaced), [(replaced, "backed".to_owned(), sold, vec![units(1, 6)])]);
        assert_eq!(told(&app, centre, replaced), [whole(replaced, "withdrawn", &other)]);
    }

    /// What happens within one transaction is remembered step by step.
    fn from_hand_to_hand_in_one_transaction(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let buyer = app.join(&["buyer"]);
        let all = story.issue(None);
        let transfer = |from: &Party, serial: &str, to: &Party| {
            signed(from, "certificate_transferred", &json!({"certificate": serial, "to": to.id}))
        };
        let split = json!({"certificate": all, "into": [units(1, 4), units(5, 9)]});
        let steps = [
            transfer(&story.centre, &all, &buyer),
            transfer(&buyer, &all, &story.centre),
            transfer(&story.centre, &all, &buyer),
            signed(&buyer, "certificate_split", &split),
            transfer(&buyer, &units(1, 4), &story.centre),
            signed(&buyer, "certificate_cancelled", &json!({"certificate": units(5, 9)})),
        ];
        let posted = app.post_batch(&app.operator.token, "all", &steps).lines();
        let first = posted[0]["receipt"]["index"].as_u64().unwrap_or_else(|| panic!("not posted: {posted:?}"));
        let held = |party: &Party| {
            let body = account(&app, party);
            let read = |holding: &Value| {
                let serial = holding["serial"].as_str().expect("serial numbers").to_owned();
                (serial, holding["since"].as_u64(), holding["until"].as_u64())
            };
            body["holdings"].as_array().expect("holdings").iter().map(read).collect::<Vec<_>>()
        };
        let at = |step: u64| Some(first + step);
        let expected = [
            (all.clone(), at(0), at(1)),
            (all.clone(), at(2), at(3)),
            (units(1, 4), at(3), at(4)),
            (units(5, 9), at(3), at(5)),
        ];
        assert_eq!(held(&buyer), expected);
        let issued = held(&story.centre)[0].1;
        let expected = [(all.clone(), issued, at(0)), (all.clone(), at(1), at(2)), (units(1, 4), at(4), None)];
        assert_eq!(held(&story.centre), expected);
        let told: Vec<(u64, String)> = told(&app, &buyer, 0).into_iter().map(|change| (change.0 - first, change.1)).collect();
        let expected = [
            (0, "received"), (1, "handed_on"), (2, "received"), (3, "part"), (3, "split"), (3, "part"), (4, "handed_on"),
            (5, "cancelled"),
        ];
        assert_eq!(told, expected.map(|(step, change)| (step, change.to_owned())));
    }

    /// A feed of many changes comes in pages of whole entries.
    fn many_changes(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(260_000);
        let all = story.issue(None);
        let mut into: Vec<String> = (1..=249).map(|unit| units(unit, unit)).collect();
        into.push(units(250, 252));
        assert_eq!(all, units(1, 252));
        let split = app.say(&story.centre, "certificate_split", &json!({"certificate": all, "into": into})).accepted();
        let first = app.get("/v1/account/changes", &story.centre.token);
        let next = format!("/v1/account/changes?from={}", split + 1);
        assert_eq!(first.link, format!("<{next}>; rel=\"next\""));
        assert_eq!(first.json()["changes"].as_array().map(Vec::len), Some(252));
        assert_eq!(app.get(&next, &story.centre.token).json(), json!({"changes": []}));
        let page = app.get("/v1/account", &story.centre.token);
        let after = page.json()["next"].as_str().expect("a next page").to_owned();
        assert_eq!(page.link, format!("</v1/account?after={after}>; rel=\"next\""));
        let rest = app.get(&format!("/v1/account?after={after}"), &story.centre.token).json();
        let (first, rest) = (page.json()["holdings"].as_array().map(Vec::len), rest["holdings"].as_array().map(Vec::len));
        assert_eq!((first, rest), (Some(200), Some(51)));
    }

    /// Two persons of one issuer, each with a token of their own: what one issues, the other signs.
    fn two_persons_of_one_issuer(kind) {
        let app = TestApp::start_demanding(kind, SecondSignature::Person);
        let story = Story::begin(&app);
        story.whole_batch(40_000);
        let token = |person: &str, scopes: &[&str]| {
            let body = json!({"organisation": story.issuer.id, "scopes": scopes, "person": person});
            app.post_json("/v1/tokens", &app.operator.token, &body)
        };
        token("x", &["post"]).refused(400, "field_invalid", "/person");
        token(&new_id(), &["post", "relay"]).refused(400, "field_invalid", "/scopes");
        let ((one, of_one), (two, of_two)) = (app.person_of(&story.issuer), app.person_of(&story.issuer));
        let tokens = app.get("/v1/tokens", &app.operator.token).json();
        let persons: Vec<_> = tokens["tokens"].as_array().expect("tokens").iter().filter(|token| token["person"] == one).collect();
        assert_eq!(persons.len(), 1);
        let post = |token: &str, kind: &str, fields: &Value| app.post_jws(token, &signed(&story.issuer, kind, fields));
        let mut draft = story.draft(Some(20)).json();
        draft["actor"] = json!(one);
        post(&of_one, "certificate_issued", &draft).refused(403, "second_signature_needed", "/second");
        draft["second"] = json!("person");
        post(&of_two, "certificate_issued", &draft).refused(403, "actor_differs", "/actor");
        let issue = signed(&story.issuer, "certificate_issued", &draft);
        app.post_jws(&story.issuer.token, &issue).refused(403, "person_token_needed", "/actor");
        app.post_jws(&of_one, &issue).accepted();
        assert_eq!(app.post_jws(&of_one, &issue).status, 200, "the same again");
        assert_eq!(app.post_jws(&story.issuer.token, &issue).status, 200, "with whatever token: it stands there");
        let sign = |token: &str, actor: &str| {
            post(token, "certificate_countersigned", &json!({"certificate": units(1, 19), "actor": actor}))
        };
        post(&of_two, "certificate_countersigned", &json!({"certificate": units(1, 19)})).refused(403, "actor_differs", "/actor");
        sign(&of_one, &two).refused(403, "actor_differs", "/actor");
        sign(&story.issuer.token, &two).refused(403, "person_token_needed", "/actor");
        sign(&of_one, &one).refused(403, "wrong_receiver", "/org");
        sign(&of_two, &two).accepted();
        let withdraw = |second: Option<&str>| {
            let mut fields = json!({"certificate": units(1, 19), "reason": "issued_in_error", "actor": one});
            if let Some(second) = second {
                fields["second"] = json!(second);
            }
            post(&of_one, "certificate_withdrawn", &fields)
        };
        withdraw(None).refused(403, "second_signature_needed", "/second");
        let waits = withdraw(Some("organisation")).accepted();
        app.say(&story.auditor, "certificate_countersigned", &json!({"certificate": units(1, 19)})).accepted();
        // What the operator issues waits for another organisation in any case.
        app.say(&app.operator, "certificate_issued", &story.draft(Some(5)).json()).accepted();
        let told = told(&app, &story.centre, waits);
        assert_eq!(told[0], whole(waits, "withdrawal_pending", &units(1, 19)));
        assert_eq!(told[1], whole(waits + 1, "withdrawn", &units(1, 19)));
        assert_eq!(told[2].1, "issued");
    }

    /// Where another organisation must sign, another person does not suffice.
    fn another_organisation_signs(kind) {
        let app = TestApp::start_demanding(kind, SecondSignature::Organisation);
        let story = Story::begin(&app);
        story.whole_batch(20_000);
        let mut draft = story.draft(None).json();
        app.say(&story.issuer, "certificate_issued", &draft).refused(403, "second_signature_needed", "/second");
        let (person, of_person) = app.person_of(&story.issuer);
        draft["second"] = json!("person");
        draft["actor"] = json!(person);
        let issue = signed(&story.issuer, "certificate_issued", &draft);
        app.post_jws(&of_person, &issue).refused(403, "second_signature_needed", "/second");
        draft["second"] = json!("organisation");
        app.say(&story.issuer, "certificate_issued", &draft).accepted();
        assert_eq!(account(&app, &story.centre)["holdings"][0]["now"]["pending"], "issue");
        app.now_ms.fetch_add(1_000, Ordering::SeqCst);
        app.say(&story.auditor, "certificate_countersigned", &json!({"certificate": units(1, 19)})).accepted();
        let kinds: Vec<String> = told(&app, &story.centre, 0).into_iter().map(|change| change.1).collect();
        assert_eq!(kinds, ["issued", "countersigned"]);
    }
}
