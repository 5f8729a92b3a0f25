//! Orders that would wait for ever are not taken, and those that wait say why.

use crate::harness::{Kind, Party, TestApp, both_databases, new_id, signed};
use crate::orders::{order_of, pay, place, placed, read, retire};
use crate::story::Story;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 86_400_000;

fn advance(kg: i64, change: &Value) -> Value {
    let mut body = order_of(kg, change);
    body["advance"] = json!(true);
    body
}

/// Vintage 2026-11 and no other.
fn november() -> Value {
    json!({"prefer": {"vintage": {"from": "2026-11", "until": "2026-11"}}})
}

fn related(app: &TestApp, one: &Party, other: &Party) {
    app.say(one, "relation_declared", &json!({"other": other.id, "kind": "ownership"})).accepted();
}

/// Why an order waits, as its buyer and its seller see it, alone and in the list.
#[track_caller]
fn waits_because(app: &TestApp, by: [&Party; 2], id: &str, code: &str) {
    for reader in by {
        assert_eq!(read(app, reader, id)["waits_because"], code);
        let list = app.get("/v1/orders", &reader.token).json();
        let listed = list["orders"].as_array().expect("orders").iter().find(|order| order["id"] == id);
        assert_eq!(listed.expect("listed")["waits_because"], code);
    }
}

both_databases! {
    /// What nothing that may come can meet is refused, with the field to blame.
    fn what_can_never_be_met(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.batch(100_000);
        let buyer = app.join(&["buyer"]);
        let until = |month: &str| json!({"prefer": {"vintage": {"until": month}}});
        for (change, pointer, code) in [
            // Whatever is uploaded late is uploaded within thirty days of the 23rd of November.
            (until("2026-09"), "/prefer/vintage", "vintage_passed"),
            (json!({"deliver": retire(("2024-01-01", "2024-12-31"))}), "/deliver/period", "period_passed"),
            (json!({"deliver": retire(("2026-01-01", "2029-12-31"))}), "/deliver/period", "period_passed"),
            (json!({"prefer": {"country": "KE"}}), "/prefer", "no_site"),
            (json!({"prefer": {"centre": new_id()}}), "/prefer", "no_site"),
            (json!({"prefer": {"centre": story.centre.id, "country": "KE"}}), "/prefer", "no_site"),
        ] {
            let answer = place(&app, &buyer, &advance(1, &change));
            answer.refused(409, "never_met", pointer);
            assert!(answer.text.contains(code), "{}", answer.text);
        }
        placed(&app, &buyer, &advance(1, &until("2026-10")));
        placed(&app, &buyer, &advance(1, &json!({"deliver": retire(("2025-10-01", "2025-12-31"))})));
        placed(&app, &buyer, &advance(1, &json!({"prefer": {"centre": story.centre.id, "country": "XD"}})));
        // Whoever is related to the one issuer holds nothing of it; a retirement names it all the same.
        let relative = app.join(&["buyer"]);
        related(&app, &relative, &story.issuer);
        place(&app, &relative, &advance(1, &json!({}))).refused(409, "never_met", "");
        placed(&app, &relative, &advance(1, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))})));
        let second = app.join(&["issuer"]);
        placed(&app, &relative, &advance(1, &json!({})));
        // The second one may not issue for a centre to which it is related.
        related(&app, &second, &story.centre);
        place(&app, &relative, &advance(1, &json!({}))).refused(409, "never_met", "");
    }

    /// A vintage that is over may be ordered as long as its grams wait for their issue.
    fn grams_of_a_month_that_is_over(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        app.now_ms.fetch_add(120 * DAY_MS, Ordering::SeqCst);
        let buyer = app.join(&["buyer"]);
        let november = november();
        let answer = place(&app, &buyer, &advance(98, &november));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("at most 97 kg may be waited for"), "{}", answer.text);
        let first = placed(&app, &buyer, &advance(50, &november));
        story.issue(None);
        // Now they are in stock, and nothing more of that month will come.
        placed(&app, &buyer, &advance(47, &november));
        place(&app, &buyer, &advance(90, &november)).refused(409, "never_met", "/prefer/vintage");
        // What was ordered before lies free: its payment brings it.
        assert_eq!(pay(&app, &story.centre, &first, "A").json()["status"], "paid");
    }

    /// What somebody holds who has not paid may still come; what is paid for comes to nobody else.
    fn units_that_others_hold(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        app.now_ms.fetch_add(120 * DAY_MS, Ordering::SeqCst);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let waiting = placed(&app, &one, &advance(40, &november()));
        let late = placed(&app, &one, &advance(40, &november()));
        story.issue(None);
        let unpaid = placed(&app, &two, &order_of(50, &json!({})));
        let held = placed(&app, &two, &order_of(47, &json!({})));
        assert_eq!(pay(&app, &story.centre, &waiting, "A").json()["status"], "waiting");
        waits_because(&app, [&one, &story.centre], &waiting, "no_stock_yet");
        // 47 kg are still held by who has not paid: enough for 40.
        assert_eq!(pay(&app, &story.centre, &unpaid, "B").json()["status"], "paid");
        waits_because(&app, [&one, &story.centre], &waiting, "no_stock_yet");
        assert_eq!(pay(&app, &story.centre, &held, "C").json()["status"], "paid");
        waits_because(&app, [&one, &story.centre], &waiting, "vintage_passed");
        let answer = pay(&app, &story.centre, &late, "D");
        answer.refused(409, "never_met", "");
        assert!(answer.text.contains("vintage_passed"), "{}", answer.text);
    }

    /// Where there are more sites than are looked at, nobody says that there is none; a centre that is named is found.
    fn more_sites_than_are_looked_at(kind) {
        let app = TestApp::start(kind);
        let other = app.join(&["recycler"]);
        for run in 0..6 {
            let site = |number: usize| {
                let code = format!("Q{:03}", 200 * run + number);
                let fields = json!({"organisation": other.id, "new_site": new_id(), "country": "XD", "code": code});
                signed(&app.operator, "site_registered", &fields)
            };
            let sites: Vec<String> = (0..200).map(site).collect();
            let answer = app.post_batch(&app.operator.token, "all", &sites);
            assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
        }
        // Ids are younger the higher they are: this site comes last.
        let story = Story::begin(&app);
        story.batch(100_000);
        let (buyer, relative) = (app.join(&["buyer"]), app.join(&["buyer"]));
        related(&app, &relative, &story.issuer);
        let answer = place(&app, &buyer, &advance(10, &json!({"prefer": {"country": "KE"}})));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("name the centre"), "{}", answer.text);
        // What was not read may have grams of a month that is over, and be issued by others than whom the buyer is related to.
        for change in [json!({"prefer": {"vintage": {"until": "2026-09"}}}), json!({})] {
            place(&app, &relative, &advance(10, &change)).refused(409, "not_in_stock", "");
        }
        let named = json!({"prefer": {"centre": story.centre.id}});
        let id = placed(&app, &buyer, &advance(10, &named));
        place(&app, &buyer, &advance(1, &json!({"prefer": {"centre": new_id()}}))).refused(409, "never_met", "/prefer");
        assert_eq!(pay(&app, &story.centre, &id, "A").json()["waits_because"], "no_stock_yet");
    }

    /// Stock that can be sold no more backs nothing.
    fn what_is_over_backs_no_unpaid_order(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        for _ in 0..4 {
            story.whole_batch(1_031_000);
        }
        story.issue(Some(1_600));
        let mut buyer = app.join(&["buyer"]);
        app.now_ms.fetch_add(120 * DAY_MS, Ordering::SeqCst);
        story.issue(None);
        // The first units end on the 23rd of November 2028; units are reserved for three days, which end behind it.
        app.now_ms.fetch_add(609 * DAY_MS, Ordering::SeqCst);
        buyer.renew_token(&app);
        let answer = place(&app, &buyer, &order_of(1_500, &json!({})));
        answer.refused(409, "too_much_unpaid", "");
        assert!(answer.text.contains("at most 1224 kg"), "{}", answer.text);
        placed(&app, &buyer, &order_of(1_224, &json!({})));
    }

    /// Nobody holds back more than half of what a centre has, or will have, before it has paid.
    fn one_buyer_does_not_empty_the_stock_for_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        // What a scale does not weigh at once is estimated, and backs nothing.
        for _ in 0..4 {
            story.whole_batch(1_031_000);
        }
        story.issue(None);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let answer = place(&app, &one, &order_of(2_001, &json!({})));
        answer.refused(409, "too_much_unpaid", "");
        assert!(answer.text.contains("at most 2000 kg"), "{}", answer.text);
        let first = placed(&app, &one, &order_of(1_500, &json!({})));
        place(&app, &one, &order_of(501, &json!({}))).refused(409, "too_much_unpaid", "");
        let second = placed(&app, &one, &order_of(500, &json!({})));
        // Another buyer has a half of its own.
        placed(&app, &two, &order_of(1_000, &json!({})));
        assert_eq!(app.delete(&format!("/v1/orders/{second}"), &one.token).status, 204);
        assert_eq!(pay(&app, &story.centre, &first, "A").status, 200);
        placed(&app, &one, &order_of(1_500, &json!({})));
        place(&app, &two, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
        // Of what waits, half of all there is and is to come: 10,000 kg, after the buffer's share.
        story.batch(10_310_000);
        place(&app, &two, &advance(7_001, &json!({}))).refused(409, "too_much_unpaid", "");
        placed(&app, &two, &advance(7_000, &json!({})));
    }

    /// What holds stock is measured against the stock, whatever waits beside it: it does not matter which of two is ordered first.
    fn what_waits_holds_no_stock(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(1_031_000);
        story.issue(None);
        story.batch(10_310_000);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let (waits, from_stock) = (|| advance(5_500, &json!({})), || order_of(900, &json!({})));
        let ids = [placed(&app, &one, &waits()), placed(&app, &one, &from_stock())];
        for id in ids {
            assert_eq!(app.delete(&format!("/v1/orders/{id}"), &one.token).status, 204);
        }
        placed(&app, &two, &from_stock());
        placed(&app, &two, &waits());
        let answer = place(&app, &two, &advance(1_000, &json!({})));
        answer.refused(409, "too_much_unpaid", "");
        assert!(answer.text.contains("at most 5500 kg") && answer.text.contains("5500 kg are"), "{}", answer.text);
    }

    /// What changes while an order waits is seen on it.
    fn why_an_order_waits(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.batch(100_000);
        let (one, two, three) = (app.join(&["buyer"]), app.join(&["buyer"]), app.join(&["buyer"]));
        let this_year = json!({"deliver": retire(("2026-01-01", "2026-12-31"))});
        let orders = [
            (&one, placed(&app, &one, &advance(10, &json!({}))), "no_stock_yet"),
            (&two, placed(&app, &two, &advance(10, &json!({"prefer": {"vintage": {"until": "2026-12"}}}))), "vintage_passed"),
            (&two, placed(&app, &two, &advance(10, &this_year)), "period_passed"),
            (&three, placed(&app, &three, &advance(10, &json!({}))), "buyer_related"),
        ];
        let unpaid = placed(&app, &three, &advance(10, &json!({})));
        for (buyer, id, _) in &orders {
            assert_eq!(read(&app, buyer, id)["waits_because"], Value::Null);
            assert_eq!(pay(&app, &story.centre, id, "A").json()["waits_because"], "no_stock_yet");
        }
        related(&app, &three, &story.issuer);
        let answer = pay(&app, &story.centre, &unpaid, "A");
        answer.refused(409, "never_met", "");
        for words in ["buyer_related: its buyer is related", "send back what was paid"] {
            assert!(answer.text.contains(words), "{}", answer.text);
        }
        app.now_ms.fetch_add(120 * DAY_MS, Ordering::SeqCst);
        for (buyer, id, code) in &orders {
            waits_because(&app, [buyer, &story.centre], id, code);
        }
    }
}

/// A closed ledger delivers nothing, and what was paid can still go back.
#[test]
fn orders_on_a_closed_ledger() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    story.batch(100_000);
    let buyer = app.join(&["buyer"]);
    let id = placed(&app, &buyer, &advance(10, &json!({})));
    assert_eq!(pay(&app, &story.centre, &id, "A").status, 200);
    app.say(&app.operator, "ledger_closed", &json!({})).accepted();
    waits_because(&app, [&buyer, &story.centre], &id, "ledger_closed");
    place(&app, &buyer, &advance(10, &json!({}))).refused(409, "ledger_closed", "");
    let refund = app.post_json(&format!("/v1/orders/{id}/refund"), &story.centre.token, &json!({"reference": "A"}));
    assert_eq!(refund.json()["status"], "refunded");
}
