//! Paid orders that end because their payment goes back.

use crate::client::Answer;
use crate::harness::{Party, TestApp, both_databases};
use crate::orders::{block, delivered, kg, order_of, pay, place, placed, read, retire, status, units};
use crate::story::Story;
use serde_json::{Value, json};

fn refund(app: &TestApp, by: &Party, id: &str, reference: &str) -> Answer {
    app.post_json(&format!("/v1/orders/{id}/refund"), &by.token, &json!({"reference": reference}))
}

fn ask(app: &TestApp, by: &Party, id: &str) -> Answer {
    app.post_body(&format!("/v1/orders/{id}/refund-request"), &by.token, "application/json", b"")
}

fn end_request(app: &TestApp, by: &Party, id: &str) -> Answer {
    app.delete(&format!("/v1/orders/{id}/refund-request"), &by.token)
}

both_databases! {
    /// What nobody was delivered goes to whoever waits, then to whoever comes.
    fn a_paid_order_and_one_that_waits(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        story.batch(100_000);
        let (one, two, three) = (app.join(&["buyer"]), app.join(&["buyer"]), app.join(&["buyer"]));
        let paid = placed(&app, &one, &order_of(97, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))})));
        assert_eq!(pay(&app, &story.centre, &paid, "A").json()["status"], "paid");
        let wait = |kg: i64| order_of(kg, &json!({"advance": true}));
        let (first, second) = (placed(&app, &two, &wait(60)), placed(&app, &three, &wait(30)));
        for (id, reference) in [(&first, "B"), (&second, "C")] {
            assert_eq!(pay(&app, &story.centre, id, reference).json()["status"], "waiting");
        }
        // One that waits ends too, and has nothing to give.
        let ended = refund(&app, &app.operator, &first, "B-back").json();
        assert_eq!((&ended["status"], &ended["reserved"], &ended["payment"]["reference"]), (&json!("refunded"), &json!([]), &json!("B")));
        assert_eq!(ended["refund"], json!({"recorded": "2026-11-23T12:00:00.000Z", "reference": "B-back"}));
        assert_eq!(ended["until"], "2026-11-23T12:00:00.000Z");
        assert_eq!(status(&app, &three, &second), "waiting");
        let back = refund(&app, &story.centre, &paid, "A-back").json();
        assert_eq!((&back["status"], &back["reserved"]), (&json!("refunded"), &json!([])));
        assert_eq!(units(&read(&app, &three, &second)["reserved"]), [block(1, 30)]);
        let next = placed(&app, &two, &order_of(67, &json!({})));
        assert_eq!(units(&read(&app, &two, &next)["reserved"]), [block(31, 97)]);
        // Said twice it is the same; said otherwise it is refused.
        assert_eq!(refund(&app, &story.centre, &paid, "A-back").json(), back);
        refund(&app, &story.centre, &paid, "A-again").refused(409, "refund_differs", "/reference");
        pay(&app, &story.centre, &paid, "A").refused(409, "order_closed", "");
        ask(&app, &one, &paid).refused(409, "order_closed", "");
        app.delete(&format!("/v1/orders/{paid}"), &one.token).refused(409, "order_closed", "");
        app.get(&format!("/v1/orders/{paid}/delivery"), &story.centre.token).refused(409, "order_not_ready", "");
        // In whose name it was to be retired is kept no longer: the row's key refuses no second value.
        let check = format!("INSERT INTO order_values (order_id, pointer, value) VALUES ('{paid}', '/purpose', 'x')");
        app.database.tamper(&check).expect("nothing personal is left");
    }

    /// Of an order that was delivered in part its buyer keeps that part.
    fn a_part_that_was_delivered_stays(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let whole = story.issue(None);
        let buyer = app.join(&["buyer"]);
        let id = placed(&app, &buyer, &order_of(30, &json!({})));
        assert_eq!(pay(&app, &story.centre, &id, "A").status, 200);
        let into = [block(1, 10), block(11, 30), block(31, 97)];
        app.say(&story.centre, "certificate_split", &json!({"certificate": whole, "into": into})).accepted();
        let part = |serial: &str| json!({"certificate": serial, "to": buyer.id, "order": id});
        app.say(&story.centre, "certificate_transferred", &part(&block(1, 10))).accepted();
        assert_eq!(refund(&app, &story.centre, &id, "two thirds").status, 200);
        let order = read(&app, &buyer, &id);
        assert_eq!((order["status"].as_str(), units(&order["delivered"])), (Some("refunded"), vec![block(1, 10)]));
        assert_eq!(kg(&order["reserved"]), 0);
        app.say(&story.centre, "certificate_transferred", &part(&block(11, 30))).refused(409, "order_differs", "/order");
        app.say(&buyer, "certificate_cancelled", &json!({"certificate": block(1, 10)})).accepted();
        let other = placed(&app, &buyer, &order_of(20, &json!({})));
        assert_eq!(units(&read(&app, &buyer, &other)["reserved"]), [block(11, 30)]);
    }

    /// The buyer asks, and the order shows that until somebody answers.
    fn a_request_and_its_answers(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (buyer, stranger) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let id = placed(&app, &buyer, &order_of(10, &json!({})));
        ask(&app, &buyer, &id).refused(409, "order_not_paid", "");
        refund(&app, &story.centre, &id, "A").refused(409, "order_not_paid", "");
        assert_eq!(pay(&app, &story.centre, &id, "A").status, 200);
        ask(&app, &story.centre, &id).refused(403, "not_the_buyer", "");
        ask(&app, &stranger, &id).refused(404, "not_found", "");
        end_request(&app, &stranger, &id).refused(404, "not_found", "");
        end_request(&app, &story.centre, &id).refused(409, "refund_not_asked", "");
        let asked = json!({"asked": "2026-11-23T12:00:00.000Z"});
        assert_eq!(ask(&app, &buyer, &id).json()["refund"], asked);
        app.now_ms.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(ask(&app, &buyer, &id).json()["refund"], asked, "asking again changes nothing");
        for reader in [&buyer, &story.centre, &app.operator] {
            assert_eq!(read(&app, reader, &id)["refund"], asked);
        }
        assert_eq!(end_request(&app, &buyer, &id).status, 204);
        assert_eq!(read(&app, &buyer, &id)["refund"], Value::Null);
        assert_eq!(ask(&app, &buyer, &id).status, 200);
        for _ in 0..2 {
            assert_eq!(end_request(&app, &story.centre, &id).status, 204);
        }
        let declined = json!({"asked": "2026-11-23T12:01:00.000Z", "declined": "2026-11-23T12:01:00.000Z"});
        assert_eq!(read(&app, &buyer, &id)["refund"], declined);
        refund(&app, &buyer, &id, "A").refused(403, "not_the_seller", "");
        refund(&app, &stranger, &id, "A").refused(404, "not_found", "");
        refund(&app, &story.centre, &id, " A").refused(400, "field_invalid", "/reference");
        let reading = Party { token: app.token(&story.centre.id, &["read"]), ..story.centre.clone() };
        refund(&app, &reading, &id, "A").refused(403, "scope_missing", "");
        // The seller delivers all the same; then there is nothing to give back.
        delivered(&app, &story.centre, &id);
        refund(&app, &story.centre, &id, "A").refused(409, "order_delivered", "");
        ask(&app, &buyer, &id).refused(409, "order_delivered", "");
        place(&app, &buyer, &order_of(88, &json!({}))).refused(409, "not_in_stock", "");
    }
}
