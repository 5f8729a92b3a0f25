//! `?as_of`: what the ledger said at an earlier place, for whoever had a part in it by then.

use crate::harness::{Party, TestApp, both_databases, laptop_fields, new_id};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// Hands an item over; gives the entries of the offer and of the answer.
fn hand_over(app: &TestApp, from: &Party, to: &Party, item: &str) -> (u64, u64) {
    let handover = new_id();
    let offer = json!({"handover": handover, "to": to.id, "items": [item]});
    let offered = app.say(from, "handover_offered", &offer).accepted();
    (offered, app.say(to, "handover_accepted", &json!({"handover": handover})).accepted())
}

fn test(app: &TestApp, party: &Party, item: &str, result: &str) -> u64 {
    app.say(party, "tested", &json!({"item": item, "result": result})).accepted()
}

fn device_at(app: &TestApp, holder: &Party, site: &str, grams: i64) -> u64 {
    let mut fields = laptop_fields(&new_id());
    (fields["site"], fields["weight"]) = (json!(site), json!({"basis": "estimated", "net_g": grams}));
    app.say(holder, "registered", &fields).accepted()
}

both_databases! {
    /// Whoever held it sees what it was then; whoever came later sees nothing of the time before.
    fn an_item_is_seen_by_those_who_had_met_it(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let (last, stranger) = (app.join(&["refurbisher"]), app.join(&["donor"]));
        let item = app.laptop(&donor);
        let works = test(&app, &donor, &item, "works");
        let (offered, _) = hand_over(&app, &donor, &workshop, &item);
        let repairable = test(&app, &workshop, &item, "repairable");
        hand_over(&app, &workshop, &last, &item);
        let at = |party: &Party, entry: u64| app.get(&format!("/v1/items/{item}?as_of={entry}"), &party.token);

        // The donor: whole while it held it; of later times where it stands, as everybody who had it once.
        let then = at(&donor, works);
        assert_eq!((&then.json()["condition"], &then.json()["holder"]), (&json!("works"), &json!(donor.id)));
        assert_eq!(then.as_of, works.to_string());
        let outside = at(&donor, repairable);
        assert_eq!(outside.json(), json!({"id": item, "kind": "device", "status": "held"}));
        assert_eq!(outside.as_of, repairable.to_string());
        let now = app.get(&format!("/v1/items/{item}"), &donor.token);
        assert_eq!((now.status, now.as_of.as_str()), (200, ""));

        // The workshop met it with the offer, the last one after the second test.
        at(&workshop, works).refused(404, "not_found", "");
        assert_eq!(at(&workshop, offered).json()["status"], "offered");
        assert_eq!(at(&workshop, repairable).json()["condition"], "repairable");
        for entry in [works, offered, repairable] {
            at(&last, entry).refused(404, "not_found", "");
            at(&stranger, entry).refused(404, "not_found", "");
            assert_eq!(at(&app.operator, entry).status, 200, "an auditor sees all");
        }
        assert_eq!(app.get(&format!("/v1/items/{item}"), &last.token).json()["holder"], last.id);
    }

    /// A site's balance is its own, whatever others booked since.
    fn a_site_is_read_as_it_was(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let (own, second, foreign) = (app.site(&donor.id), app.site(&donor.id), app.site(&other.id));
        let first = device_at(&app, &donor, &own, 2_000);
        device_at(&app, &other, &foreign, 5_000);
        let last = device_at(&app, &donor, &own, 300);
        device_at(&app, &donor, &second, 7_000);
        let read = |path: &str, party: &Party| app.get(&format!("/v1/balance?{path}"), &party.token);
        let expected = |grams: i64, at: u64| json!({"accounts_g": {"inflow": grams, "live": grams}, "closes": true, "as_of_entry": at});
        assert_eq!(read(&format!("site={own}&as_of={first}"), &donor).json(), expected(2_000, first));
        assert_eq!(read(&format!("site={own}&as_of={last}"), &donor).json(), expected(2_300, last));
        assert_eq!(read(&format!("as_of={last}"), &app.operator).json(), expected(7_300, last));
        assert_eq!(read(&format!("site={own}"), &donor).json().get("as_of_entry"), None);
        read(&format!("site={foreign}&as_of={last}"), &donor).refused(404, "not_found", "");
        read(&format!("site={own}&as_of={first}"), &other).refused(404, "not_found", "");
        read(&format!("as_of={first}"), &donor).refused(403, "scope_missing", "/site");
    }

    /// Of what is yet to come the ledger says nothing, however near it is.
    fn the_future_is_refused(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = app.laptop(&donor);
        let entry = app.ledger.readiness().expect("ready") - 1;
        let ask = |place: &str| {
            let answers = [format!("/v1/items/{item}?as_of={place}"), format!("/v1/balance?as_of={place}")];
            answers.map(|path| app.get(&path, &app.operator.token))
        };
        let refused = |place: &str, words: &str| for answer in ask(place) {
            answer.refused(400, "query_invalid", "/as_of");
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{}", answer.text);
        };
        let stands_for = |place: &str, entry: u64| {
            let [item, balance] = ask(place);
            assert_eq!((item.as_of.as_str(), &balance.json()["as_of_entry"]), (entry.to_string().as_str(), &Value::from(entry)));
        };
        stands_for("2026-11-23T12:00:00Z", entry);
        stands_for("2026-11-23T14:00:00%2B02:00", entry);
        refused("2026-11-23T12:00:00.001Z", "has not come so far");
        refused(&(entry + 1).to_string(), "has not come so far");
        refused("2020-01-01T00:00:00Z", "had no entry yet");
        // A day on nothing more was said: of this very moment nobody knows yet, of the hours before everybody does.
        app.now_ms.fetch_add(DAY_MS, Ordering::SeqCst);
        refused("2026-11-24T12:00:00Z", "has not come so far");
        stands_for("2026-11-24T11:00:00Z", entry);
        let next = test(&app, &donor, &item, "works");
        stands_for("2026-11-24T12:00:00Z", next);
        stands_for("2026-11-24T11:59:59.999Z", entry);
    }
}
