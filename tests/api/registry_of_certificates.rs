//! What happens to certificates between issue and end: hands, parts, second signatures, freezing, withdrawal.

use crate::client::Answer;
use crate::harness::{Party, TestApp, both_databases, new_id, signed};
use crate::story::Story;
use loopledger::domain::certificate::{Certificate, UnitNumbers};
use loopledger::store::records;
use serde_json::{Value, json};

fn say(app: &TestApp, party: &Party, kind: &str, fields: &Value) -> Answer {
    app.say(party, kind, fields)
}

fn status(app: &TestApp, serial: &str) -> String {
    let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
    page["status"].as_str().unwrap_or_else(|| panic!("no status: {page}")).to_owned()
}

/// A block by its numbers.
fn units(first: i64, last: i64) -> String {
    format!("ERT-XD-CTR1-202611-{first:07}-{last:07}")
}

fn transfer(story: &Story<'_>, from: &Party, serial: &str, to: &Party) -> Answer {
    say(story.app, from, "certificate_transferred", &json!({"certificate": serial, "to": to.id}))
}

both_databases! {
    /// What is cut out of a block stands in the list of its pieces, where whatever is found of its units looks for them.
    fn what_is_cut_out_is_listed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        assert_eq!(story.issue(None), units(1, 97));
        let fields = json!({"certificate": units(1, 97), "part": units(3, 4), "reason": "not_eligible"});
        say(&app, &story.issuer, "certificate_withdrawn", &fields).accepted();
        for piece in [units(1, 2), units(3, 4), units(5, 97)] {
            let found = app.ledger.store.snapshot(|database| records::find::<Certificate>(database, &piece));
            let listed = found.expect("readable").expect("a certificate").listed_in;
            assert_eq!(listed, Some(UnitNumbers { first: 1, last: 97 }), "{piece}");
        }
    }

    /// A centre sells parts of its block; each is in one account, and what was split is no certificate any more.
    fn from_account_to_account(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let (buyer, other) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let whole = story.issue(None);
        assert_eq!(whole, units(1, 97));
        let split = |serial: &str, into: &[String]| {
            say(&app, &story.centre, "certificate_split", &json!({"certificate": serial, "into": into}))
        };
        for (into, code, pointer) in [
            (vec![units(1, 97)], "list_invalid", "/into"),
            (vec![units(1, 40), units(41, 96)], "units_invalid", "/into"),
            (vec![units(1, 40), units(42, 97)], "units_invalid", "/into/1"),
            (vec![units(1, 40), units(40, 97)], "units_overlap", "/into/1"),
            (vec![units(1, 40), units(41, 98)], "units_invalid", "/into/1"),
            (vec![units(41, 97), units(1, 40)], "units_invalid", "/into/0"),
        ] {
            split(&whole, &into).refused(422, code, pointer);
        }
        split(&whole, &[units(1, 40), units(41, 97)]).accepted();
        transfer(&story, &story.centre, &whole, &buyer).refused(409, "certificate_split", "/certificate");
        transfer(&story, &buyer, &units(1, 40), &other).refused(403, "not_the_holder", "/certificate");
        transfer(&story, &story.centre, &units(1, 40), &story.centre).refused(403, "wrong_receiver", "/to");
        transfer(&story, &story.centre, &units(1, 40), &story.smelter).refused(403, "wrong_receiver", "/to");
        transfer(&story, &story.centre, &units(1, 40), &buyer).accepted();
        transfer(&story, &story.centre, &units(1, 40), &other).refused(403, "not_the_holder", "/certificate");
        transfer(&story, &buyer, &units(1, 40), &other).accepted();
        say(&app, &other, "certificate_cancelled", &json!({"certificate": units(1, 40)})).accepted();
        transfer(&story, &other, &units(1, 40), &buyer).refused(409, "certificate_not_held", "/certificate");
        assert_eq!((status(&app, &units(1, 40)), status(&app, &units(41, 97))), ("cancelled".into(), "held".into()));
        assert_eq!(status(&app, &whole), "split");
        let page = app.get(&format!("/v1/certificates/{}", units(41, 97)), "").json();
        assert_eq!((&page["net_kg"], &page["by_fraction_g"]), (&json!(57), &json!({"FE": 57_000})));
    }

    /// What the operator issues, or whoever asks for it, waits for a second signature; and so can a withdrawal.
    fn two_signatures(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let buyer = app.join(&["buyer"]);
        let sign = |party: &Party, serial: &str, actor: Option<&str>| {
            let mut fields = json!({"certificate": serial});
            if let Some(actor) = actor {
                fields["actor"] = json!(actor);
            }
            say(&app, party, "certificate_countersigned", &fields)
        };
        let draft = story.draft(Some(20)).json();
        say(&app, &app.operator, "certificate_issued", &draft).accepted();
        let serial = units(1, 19);
        assert_eq!((status(&app, &serial), status(&app, &units(20, 20))), ("pending".into(), "pending".into()));
        transfer(&story, &story.centre, &serial, &buyer).refused(409, "certificate_pending", "/certificate");
        sign(&app.operator, &serial, Some(&new_id())).refused(403, "person_token_needed", "/actor");
        sign(&app.operator, &serial, None).refused(403, "wrong_receiver", "/org");
        sign(&story.centre, &serial, None).refused(403, "role_missing", "/org");
        sign(&story.issuer, &serial, None).accepted();
        sign(&story.issuer, &serial, None).refused(409, "nothing_to_answer", "/certificate");
        assert_eq!((status(&app, &serial), status(&app, &units(20, 20))), ("held".into(), "buffer".into()));
        // Two persons of one issuer.
        let ((one, of_one), (two, of_two)) = (app.person_of(&story.issuer), app.person_of(&story.issuer));
        let mut draft = story.draft(Some(20)).json();
        draft["second"] = json!("person");
        draft["actor"] = json!(one);
        app.post_jws(&of_one, &signed(&story.issuer, "certificate_issued", &draft)).accepted();
        let sign_as = |token: &str, actor: &str| {
            let fields = json!({"certificate": units(21, 39), "actor": actor});
            app.post_jws(token, &signed(&story.issuer, "certificate_countersigned", &fields))
        };
        sign_as(&of_one, &one).refused(403, "wrong_receiver", "/org");
        sign(&story.issuer, &units(21, 39), None).refused(403, "wrong_receiver", "/org");
        sign_as(&of_two, &two).accepted();
        let withdrawal = json!({"certificate": units(21, 39), "reason": "issued_in_error", "second": "organisation"});
        say(&app, &story.issuer, "certificate_withdrawn", &withdrawal).accepted();
        assert_eq!(status(&app, &units(21, 39)), "held");
        transfer(&story, &story.centre, &units(21, 39), &buyer).refused(409, "certificate_pending", "/certificate");
        sign(&story.auditor, &units(21, 39), None).accepted();
        assert_eq!(status(&app, &units(21, 39)), "withdrawn");
    }

    /// Issued in error: the grams go back to the end of the pool, the numbers are never used again.
    fn issued_in_error(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (first, second) = (story.whole_batch(10_000), story.whole_batch(10_000));
        story.issue(Some(10));
        let withdraw = |certificate: String, part: Option<String>| {
            let mut fields = json!({"certificate": certificate, "reason": "issued_in_error"});
            fields["part"] = part.map_or(Value::Null, Value::String);
            if fields["part"].is_null() {
                fields.as_object_mut().expect("fields").remove("part");
            }
            say(&app, &story.issuer, "certificate_withdrawn", &fields)
        };
        withdraw(units(1, 9), Some(units(4, 10))).refused(422, "units_invalid", "/part");
        withdraw(units(1, 9), Some(units(4, 6))).accepted();
        assert_eq!(status(&app, &units(1, 9)), "split");
        assert_eq!(status(&app, &units(4, 6)), "withdrawn");
        let draft = story.draft(None).json();
        let taken = |treatment: u64, from: i64, to: i64| json!({"treatment": treatment, "from": from, "to": to});
        assert_eq!(draft["allotments"], json!([taken(second, 0, 10_000), taken(first, 3_000, 6_000)]));
        assert_eq!(draft["certificate"], units(11, 22));
        say(&app, &story.issuer, "certificate_issued", &draft).accepted();
        story.draft(None).refused(422, "units_invalid", "/vintage");
    }

    /// What somebody else froze is not withdrawn as an error, which would set its grams free; nor does the buffer shrink so. What
    /// waits for a second signature in vain is taken back.
    fn no_error_where_there_is_none(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let serial = story.issue(None);
        let withdraw = |serial: &str, reason: &str| {
            say(&app, &story.issuer, "certificate_withdrawn", &json!({"certificate": serial, "reason": reason}))
        };
        withdraw(&units(98, 100), "issued_in_error").refused(409, "nothing_to_answer", "/reason");
        let second = json!({"certificate": serial, "reason": "issued_in_error", "second": "organisation"});
        say(&app, &story.issuer, "certificate_withdrawn", &second).accepted();
        say(&app, &story.issuer, "certificate_unfrozen", &json!({"certificate": serial})).accepted();
        let fraud = json!({"certificate": serial, "reason": "fraud"});
        say(&app, &story.auditor, "certificate_frozen", &fraud).accepted();
        withdraw(&serial, "issued_in_error").refused(409, "certificate_frozen", "/reason");
        withdraw(&serial, "fraud").accepted();
        story.draft(None).refused(422, "units_invalid", "/vintage");
    }

    /// Its issuer or an auditor stops a block; what an auditor stopped, an auditor lets go.
    fn frozen_and_unfrozen(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(None);
        let freeze = |party: &Party| {
            say(&app, party, "certificate_frozen", &json!({"certificate": serial, "reason": "review"}))
        };
        let unfreeze = |party: &Party| say(&app, party, "certificate_unfrozen", &json!({"certificate": serial}));
        freeze(&story.centre).refused(403, "role_missing", "/org");
        unfreeze(&story.issuer).refused(409, "nothing_to_answer", "/certificate");
        freeze(&story.auditor).accepted();
        freeze(&story.issuer).refused(409, "nothing_to_answer", "/certificate");
        story.retire(&serial).refused(409, "certificate_frozen", "/certificate");
        unfreeze(&story.issuer).refused(403, "not_the_author", "/certificate");
        unfreeze(&story.auditor).accepted();
        story.retire(&serial).accepted();
        freeze(&story.issuer).refused(409, "certificate_not_held", "/certificate");
    }
}
