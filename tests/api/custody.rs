//! Handovers: two parties, two statements; nothing doubles however it ends.

use crate::harness::{Party, TestApp, both_databases, new_id};
use loopledger::domain::balance::{Account, SiteAccount};
use loopledger::domain::ids::SiteId;
use loopledger::store::records;
use serde_json::{Value, json};

fn offer(app: &TestApp, from: &Party, to: &Party, items: &[&String]) -> String {
    let handover = new_id();
    let fields = json!({"handover": handover, "to": to.id, "items": items});
    app.say(from, "handover_offered", &fields).accepted();
    handover
}

fn answer(handover: &str) -> Value {
    json!({"handover": handover})
}

both_databases! {
    fn until_the_receiver_answers_it_stays_with_the_sender(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let item = app.laptop(&donor);
        let test = json!({"item": item, "result": "works"});
        let handover = offer(&app, &donor, &workshop, &[&item]);
        app.say(&donor, "tested", &test).refused(409, "wrong_status", "/item");
        app.say(&workshop, "tested", &test).refused(403, "not_the_holder", "/item");
        app.say(&workshop, "handover_accepted", &answer(&handover)).accepted();
        app.say(&donor, "tested", &test).refused(403, "not_the_holder", "/item");
        app.say(&workshop, "tested", &test).accepted();
    }

    fn a_handover_is_answered_once(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let item = app.laptop(&donor);
        let refusal = |handover: &str| json!({"handover": handover, "reason": "no_capacity"});
        let first = offer(&app, &donor, &workshop, &[&item]);
        app.say(&workshop, "handover_refused", &refusal(&first)).accepted();
        let second = offer(&app, &donor, &workshop, &[&item]);
        app.say(&donor, "handover_withdrawn", &answer(&second)).accepted();
        let third = offer(&app, &donor, &workshop, &[&item]);
        app.say(&workshop, "handover_accepted", &answer(&third)).accepted();
        for handover in [first, second, third] {
            app.say(&workshop, "handover_accepted", &answer(&handover)).refused(409, "handover_answered", "/handover");
            app.say(&workshop, "handover_refused", &refusal(&handover)).refused(409, "handover_answered", "/handover");
            app.say(&donor, "handover_withdrawn", &answer(&handover)).refused(409, "handover_answered", "/handover");
        }
        app.say(&workshop, "handover_accepted", &answer(&new_id())).refused(422, "unknown", "/handover");
    }

    fn only_sender_and_named_receiver_speak(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop, other) = (app.join(&["donor"]), app.join(&["refurbisher"]), app.join(&["refurbisher"]));
        let handover = offer(&app, &donor, &workshop, &[&app.laptop(&donor)]);
        for (party, kind) in [
            (&other, "handover_accepted"), (&donor, "handover_accepted"), (&workshop, "handover_withdrawn"),
        ] {
            app.say(party, kind, &answer(&handover)).refused(403, "wrong_receiver", "/handover");
        }
        let index = app.say(&workshop, "handover_accepted", &answer(&handover)).accepted();
        let entry = format!("/v1/entries/{index}");
        assert_eq!(app.get(&entry, &donor.token).status, 200, "both parties read the answer");
        app.get(&entry, &other.token).refused(404, "not_found", "");
    }

    fn an_offer_that_cannot_be(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let carrier = app.join(&["carrier"]);
        let (item, foreign, offered) = (app.laptop(&donor), app.laptop(&workshop), app.laptop(&donor));
        let known = offer(&app, &donor, &workshop, &[&offered]);
        let good = json!({"handover": new_id(), "to": workshop.id, "items": [item]});
        let with = |name: &str, value: Value| {
            let mut fields = good.clone();
            fields[name] = value;
            fields
        };
        let table = [
            (with("to", json!(donor.id)), 403, "wrong_receiver", "/to"),
            (with("to", json!(new_id())), 422, "unknown", "/to"),
            (with("items", json!([])), 422, "list_invalid", "/items"),
            (with("items", json!([item, item])), 422, "list_invalid", "/items"),
            (with("items", json!([item, foreign])), 403, "not_the_holder", "/items/1"),
            (with("items", json!([item, offered])), 409, "wrong_status", "/items/1"),
            (with("items", json!([item, new_id()])), 422, "unknown", "/items/1"),
            (with("handover", json!(known)), 409, "already_registered", "/handover"),
            (with("carrier", json!(workshop.id)), 403, "role_missing", "/carrier"),
            (with("carrier", json!(new_id())), 422, "unknown", "/carrier"),
        ];
        for (fields, status, code, pointer) in table {
            app.say(&donor, "handover_offered", &fields).refused(status, code, pointer);
        }
        app.say(&donor, "handover_offered", &with("carrier", json!(carrier.id))).accepted();
    }

    /// Devices are refused one by one; what is refused never left, what is taken is at the receiver's site.
    fn a_part_is_accepted(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let site = app.site(&workshop.id);
        let items: Vec<String> = (0..3).map(|_| app.laptop(&donor)).collect();
        let handover = offer(&app, &donor, &workshop, &items.iter().collect::<Vec<_>>());
        let accept = |refused: Value| {
            let fields = json!({"handover": handover, "refused": refused, "site": site});
            app.say(&workshop, "handover_accepted", &fields)
        };
        let refused = |item: &String| json!({"item": item, "reason": "damaged"});
        accept(json!([refused(&new_id())])).refused(422, "list_invalid", "/refused/0/item");
        accept(json!([refused(&items[0]), refused(&items[0])])).refused(422, "list_invalid", "/refused/1/item");
        accept(items.iter().map(refused).collect()).refused(422, "list_invalid", "/refused");
        accept(json!([refused(&items[1])])).accepted();
        for (item, holder) in items.iter().zip([&workshop, &donor, &workshop]) {
            app.say(holder, "tested", &json!({"item": item, "result": "works"})).accepted();
        }
        let accounts = app.ledger.store.read(records::accounts).expect("readable");
        let grams = |account, site| accounts.get(&SiteAccount { account, site }).copied().unwrap_or_default();
        let here = SiteId::parse(&site);
        assert_eq!((grams(Account::Live, here), grams(Account::Arrived, here)), (6_000, 6_000));
        assert_eq!((grams(Account::Live, None), grams(Account::Departed, None)), (3_000, 6_000));
        assert_eq!(grams(Account::Inflow, None), 9_000);
    }

    /// 256 items in one offer: the answer names none of them and still finds them all.
    fn a_large_handover(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let items: Vec<String> = (0..256).map(|_| new_id()).collect();
        let register = |item: &String| {
            crate::harness::signed(&donor, "registered", &crate::harness::laptop_fields(item))
        };
        let registered = app.post_batch(&donor.token, "all", &items.iter().map(register).collect::<Vec<_>>());
        assert_eq!(registered.lines().len(), 256);
        let handover = offer(&app, &donor, &workshop, &items.iter().collect::<Vec<_>>());
        app.say(&workshop, "handover_accepted", &answer(&handover)).accepted();
        app.say(&workshop, "tested", &json!({"item": items[255], "result": "works"})).accepted();
    }
}
