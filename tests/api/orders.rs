//! Orders: a company orders, pays, and gets its kilograms once; who pays first is served first.

use crate::client::Answer;
use crate::harness::{Party, TestApp, both_databases, laptop_fields, new_id, signed};
use crate::story::{Story, changed_retirement, permitted_site};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const HOUR_MS: i64 = 3_600_000;

/// An order of some kilograms for the buyer's account, changed and completed.
pub fn order_of(kg: i64, change: &Value) -> Value {
    let mut body = json!({"id": new_id(), "kg": kg, "deliver": {"how": "transfer"}});
    for (name, value) in change.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

pub fn retire(period: (&str, &str)) -> Value {
    json!({
        "how": "retire", "period": {"from": period.0, "until": period.1}, "purpose_kind": "annual_footprint",
        "beneficiary": "Example Textiles Ltd", "beneficiary_number": "XD 0123.456.789",
        "purpose": "The e-waste of our offices in 2026, by weight",
    })
}

pub fn place(app: &TestApp, buyer: &Party, body: &Value) -> Answer {
    app.post_json("/v1/orders", &buyer.token, body)
}

/// Places an order that is taken; gives its id.
#[track_caller]
pub fn placed(app: &TestApp, buyer: &Party, body: &Value) -> String {
    let answer = place(app, buyer, body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    body["id"].as_str().expect("an id").to_owned()
}

pub fn pay(app: &TestApp, by: &Party, id: &str, reference: &str) -> Answer {
    app.post_json(&format!("/v1/orders/{id}/payment"), &by.token, &json!({"reference": reference}))
}

pub fn read(app: &TestApp, by: &Party, id: &str) -> Value {
    app.get(&format!("/v1/orders/{id}"), &by.token).json()
}

pub fn status(app: &TestApp, by: &Party, id: &str) -> String {
    let order = read(app, by, id);
    order["status"].as_str().unwrap_or_else(|| panic!("no status: {order}")).to_owned()
}

/// The kilograms of stretches, reserved or delivered.
pub fn kg(stretches: &Value) -> i64 {
    stretches.as_array().expect("stretches").iter().map(|stretch| stretch["kg"].as_i64().expect("kg")).sum()
}

pub fn units(stretches: &Value) -> Vec<String> {
    let stretches = stretches.as_array().expect("stretches").iter();
    stretches.map(|stretch| stretch["units"].as_str().expect("units").to_owned()).collect()
}

/// A block of the story's pool.
pub fn block(first: i64, last: i64) -> String {
    format!("ERT-XD-CTR1-202611-{first:07}-{last:07}")
}

/// The draft of a delivery, as types, fields and openings.
pub fn draft(app: &TestApp, seller: &Party, id: &str) -> Vec<Value> {
    let body = app.get(&format!("/v1/orders/{id}/delivery"), &seller.token).json();
    body["statements"].as_array().unwrap_or_else(|| panic!("no draft: {body}")).clone()
}

/// The lines of a batch that say what a draft proposes.
pub fn lines(seller: &Party, statements: &[Value]) -> String {
    let line = |statement: &Value| {
        let jws = signed(seller, statement["type"].as_str().expect("a type"), &statement["fields"]);
        let mut line = json!({"statement": jws});
        if statement["open"].is_object() {
            line["open"] = statement["open"].clone();
        }
        format!("{line}\n")
    };
    statements.iter().map(line).collect()
}

/// Signs and posts what the draft says, all or nothing.
pub fn deliver(app: &TestApp, seller: &Party, id: &str) -> Answer {
    let body = lines(seller, &draft(app, seller, id));
    app.post_body("/v1/events/batch?mode=all", &seller.token, "application/x-ndjson", body.as_bytes())
}

#[track_caller]
pub fn delivered(app: &TestApp, seller: &Party, id: &str) {
    let answer = deliver(app, seller, id);
    assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
}

pub fn certificate(app: &TestApp, serial: &str) -> Value {
    app.get(&format!("/v1/certificates/{serial}"), "").json()
}

both_databases! {
    /// A company orders, pays, and holds its kilograms; another has the centre retire them at once.
    fn from_order_to_delivery(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let body = order_of(20, &json!({}));
        let first = placed(&app, &one, &body);
        let again = place(&app, &one, &body);
        assert_eq!((again.status, again.json()["status"].as_str()), (200, Some("reserved")));
        let order = read(&app, &one, &first);
        assert_eq!((&order["seller"], &order["kg"], &order["until"]), (&json!(story.centre.id), &json!(20), &json!("2026-11-26T12:00:00.000Z")));
        assert_eq!(units(&order["reserved"]), [block(1, 20)]);
        let second = placed(&app, &two, &order_of(30, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))})));
        // Nothing is delivered before it is paid.
        let unpaid = app.get(&format!("/v1/orders/{first}/delivery"), &story.centre.token);
        unpaid.refused(409, "order_not_ready", "");
        assert_eq!(pay(&app, &story.centre, &first, "RF18 5390").json()["status"], "paid");
        assert_eq!(pay(&app, &story.centre, &first, "RF18 5390").status, 200);
        pay(&app, &story.centre, &first, "RF18 5391").refused(409, "payment_differs", "/reference");
        assert_eq!(pay(&app, &app.operator, &second, "INV-7").status, 200);
        app.delete(&format!("/v1/orders/{first}"), &one.token).refused(409, "order_paid", "");
        // Paid orders do not lapse.
        app.now_ms.fetch_add(100 * HOUR_MS, Ordering::SeqCst);
        let types: Vec<_> = draft(&app, &story.centre, &second).iter().map(|draft| draft["type"].clone()).collect();
        assert_eq!(types, ["certificate_split", "certificate_retired"]);
        delivered(&app, &story.centre, &second);
        delivered(&app, &story.centre, &first);
        let order = read(&app, &one, &first);
        assert_eq!((order["status"].as_str(), units(&order["delivered"])), (Some("delivered"), vec![block(1, 20)]));
        assert_eq!(order["reserved"], json!([]));
        app.say(&one, "certificate_cancelled", &json!({"certificate": block(1, 20)})).accepted();
        let page = certificate(&app, &block(21, 50));
        assert_eq!(page["status"], "retired");
        assert!(page.to_string().contains("Example Textiles Ltd"), "{page}");
        // A retry after the delivery, when what is personal is gone, is the same order still.
        assert_eq!(place(&app, &one, &body).status, 200);
        let listed = |by: &Party| app.get("/v1/orders", &by.token).json()["orders"].as_array().expect("orders").len();
        assert_eq!((listed(&one), listed(&two), listed(&story.centre), listed(&app.operator)), (1, 1, 2, 2));
        let stranger = app.join(&["buyer"]);
        assert_eq!(listed(&stranger), 0);
        app.get(&format!("/v1/orders/{first}"), &stranger.token).refused(404, "not_found", "");
        app.get(&format!("/v1/orders/{second}/delivery"), &two.token).refused(404, "not_found", "");
    }

    /// Devices are turned into kilograms by a factor that has a name and a version.
    fn devices_by_a_factor(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(200_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let factors = app.get("/v1/reference/factors", "").json();
        assert_eq!(factors["factors"][0]["grams_per_device"], 20_000);
        let devices = |class: &str, count: i64, factor: &str, version: &str| {
            let mut body = order_of(0, &json!({
                "devices": [{"class": class, "count": count}], "factor": {"name": factor, "version": version},
            }));
            body.as_object_mut().expect("fields").remove("kg");
            body
        };
        let id = placed(&app, &buyer, &devices("0303", 3, "close-the-gap-computer", "1"));
        let order = read(&app, &buyer, &id);
        assert_eq!((&order["kg"], &order["for"]["devices"][0]["count"]), (&json!(60), &json!(3)));
        let id = placed(&app, &buyer, &devices("0306", 11, "class-mean", "1"));
        assert_eq!(read(&app, &buyer, &id)["kg"], 2, "1,100 g are two units");
        for (class, factor, version, code, pointer) in [
            ("0306", "close-the-gap-computer", "1", "class_unknown", "/devices/0/class"),
            ("9999", "class-mean", "1", "class_unknown", "/devices/0/class"),
            ("0303", "close-the-gap-computer", "2", "factor_unknown", "/factor"),
        ] {
            place(&app, &buyer, &devices(class, 3, factor, version)).refused(422, code, pointer);
        }
        place(&app, &buyer, &devices("0303", 0, "class-mean", "1")).refused(422, "amount_invalid", "/devices");
    }

    /// What nobody pays lapses after 72 hours, and what is given up is free at once.
    fn lapse_and_cancellation(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let body = order_of(97, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))}));
        let first = placed(&app, &one, &body);
        let answer = place(&app, &two, &order_of(1, &json!({})));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("; 0 kg that match are free"), "{}", answer.text);
        app.now_ms.fetch_add(72 * HOUR_MS - 1, Ordering::SeqCst);
        place(&app, &two, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
        app.now_ms.fetch_add(1, Ordering::SeqCst);
        assert_eq!(status(&app, &one, &first), "lapsed");
        let second = placed(&app, &two, &order_of(97, &json!({})));
        pay(&app, &story.centre, &first, "late").refused(409, "order_closed", "");
        assert_eq!(status(&app, &one, &first), "lapsed");
        app.delete(&format!("/v1/orders/{second}"), &one.token).refused(404, "not_found", "");
        // Its buyer, its seller and the operator give it up, as long as nobody has paid.
        for token in [&two.token, &story.centre.token, &app.operator.token] {
            assert_eq!(app.delete(&format!("/v1/orders/{second}"), token).status, 204);
        }
        assert_eq!(status(&app, &two, &second), "cancelled");
        // Also an append lets go of what is due, so that the centre is free to use it.
        let third = placed(&app, &one, &order_of(97, &json!({})));
        let cancel = json!({"certificate": block(1, 97)});
        app.say(&story.centre, "certificate_cancelled", &cancel).refused(409, "units_reserved", "/certificate");
        app.now_ms.fetch_add(72 * HOUR_MS, Ordering::SeqCst);
        app.say(&story.centre, "certificate_cancelled", &cancel).accepted();
        assert_eq!(status(&app, &one, &third), "lapsed");
    }

    /// What is personal of an order is gone from the database with its end.
    fn what_is_personal_goes(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let wish = || json!({"deliver": retire(("2026-01-01", "2026-12-31"))});
        let lapses = placed(&app, &buyer, &order_of(10, &wish()));
        let cancelled = placed(&app, &buyer, &order_of(10, &wish()));
        let is_kept = |id: &str| {
            let query = format!("UPDATE order_values SET value = value WHERE order_id = '{id}'");
            let check = format!("INSERT INTO order_values (order_id, pointer, value) VALUES ('{id}', '/purpose', 'x')");
            app.database.tamper(&query).expect("SQL");
            // The row's key refuses a second value as long as the first one is there.
            app.database.tamper(&check).is_err()
        };
        assert!(is_kept(&lapses) && is_kept(&cancelled));
        assert_eq!(app.delete(&format!("/v1/orders/{cancelled}"), &buyer.token).status, 204);
        app.now_ms.fetch_add(73 * HOUR_MS, Ordering::SeqCst);
        app.join(&["donor"]);
        assert!(!is_kept(&lapses) && !is_kept(&cancelled));
    }

    /// Country, centre and vintage; and units that fit the period of the retirement.
    fn preferences(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let buyer = app.join(&["buyer"]);
        let nobody = new_id();
        for prefer in [
            json!({"country": "KE"}), json!({"centre": nobody}), json!({"vintage": {"from": "2026-12"}}),
            json!({"vintage": {"until": "2026-10"}}),
        ] {
            place(&app, &buyer, &order_of(1, &json!({"prefer": prefer}))).refused(409, "not_in_stock", "");
        }
        let years_ago = json!({"deliver": retire(("2024-01-01", "2024-12-31"))});
        place(&app, &buyer, &order_of(1, &years_ago)).refused(409, "not_in_stock", "");
        let prefer = json!({"prefer": {
            "country": "XD", "centre": story.centre.id, "vintage": {"from": "2026-11", "until": "2026-11"},
        }});
        let id = placed(&app, &buyer, &order_of(1, &prefer));
        assert_eq!(read(&app, &buyer, &id)["prefer"], prefer["prefer"]);
        // Whoever is related to the issuer can hold nothing of it, so nothing is reserved for it.
        let relative = app.join(&["buyer"]);
        app.say(&relative, "relation_declared", &json!({"other": story.issuer.id, "kind": "ownership"})).accepted();
        place(&app, &relative, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
    }

    /// An order is filled by one centre: what another one has does not help, and the buyer is told.
    fn one_order_has_one_seller(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let centre = app.join(&["recycler"]);
        let centre_site = permitted_site(&app, &centre, "AAA1", &["R12", "R13"]);
        let centre_scale = app.scale(&centre_site);
        let other = Story { centre, centre_site, centre_scale, ..Story::beside(&story) };
        other.audit(&other.centre_site, "2026-10-01", "conforms").accepted();
        other.whole_batch(50_000);
        other.issue(None);
        let buyer = app.join(&["buyer"]);
        let answer = place(&app, &buyer, &order_of(120, &json!({})));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("145 kg that match are free, 97 kg of them from one centre"), "{}", answer.text);
        let id = placed(&app, &buyer, &order_of(90, &json!({})));
        assert_eq!(units(&read(&app, &buyer, &id)["reserved"]), [block(1, 90)]);
        let id = placed(&app, &buyer, &order_of(40, &json!({})));
        assert_eq!(units(&read(&app, &buyer, &id)["reserved"]), ["ERT-XD-AAA1-202611-0000001-0000040"]);
    }

    /// Paid in advance against grams that are yet to come; the first who paid is the first who is served.
    fn advance_before_treatment_and_issue(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (one, two, three) = (app.join(&["buyer"]), app.join(&["buyer"]), app.join(&["buyer"]));
        let wait = json!({"advance": true});
        place(&app, &one, &order_of(1, &wait)).refused(409, "not_in_stock", "");
        let batch = story.batch(100_000);
        place(&app, &one, &order_of(10, &json!({}))).refused(409, "not_in_stock", "");
        let answer = place(&app, &one, &order_of(98, &wait));
        answer.refused(409, "not_in_stock", "");
        assert!(answer.text.contains("at most 97 kg may be waited for"), "{}", answer.text);
        let first = placed(&app, &one, &order_of(60, &wait));
        let second = placed(&app, &two, &order_of(30, &wait));
        place(&app, &three, &order_of(8, &wait)).refused(409, "not_in_stock", "");
        assert_eq!(status(&app, &one, &first), "reserved");
        // The second one pays first.
        assert_eq!(pay(&app, &story.centre, &second, "B").json()["status"], "waiting");
        assert_eq!(pay(&app, &story.centre, &first, "A").json()["status"], "waiting");
        let unready = app.get(&format!("/v1/orders/{first}/delivery"), &story.centre.token);
        unready.refused(409, "order_not_ready", "");
        let steel = story.fraction(&batch, "FE", 100_000);
        story.send(&steel, 100_000, 100_000);
        story.treat(&steel, 100_000);
        story.close(&batch).accepted();
        story.issue(Some(42));
        assert_eq!((status(&app, &two, &second).as_str(), status(&app, &one, &first).as_str()), ("paid", "waiting"));
        assert_eq!(units(&read(&app, &two, &second)["reserved"]), [block(1, 30)]);
        assert_eq!(units(&read(&app, &one, &first)["reserved"]), [block(31, 40)]);
        place(&app, &three, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
        story.issue(None);
        assert_eq!(status(&app, &one, &first), "paid");
        assert_eq!(kg(&read(&app, &one, &first)["reserved"]), 60);
        delivered(&app, &story.centre, &first);
        delivered(&app, &story.centre, &second);
        assert_eq!((status(&app, &two, &second).as_str(), status(&app, &one, &first).as_str()), ("delivered", "delivered"));
        // What is left is for whoever comes.
        placed(&app, &three, &order_of(6, &wait));
        place(&app, &three, &order_of(1, &json!({}))).refused(409, "not_in_stock", "");
    }

    /// Who holds reserved units uses them for that order alone, and as it says.
    fn reserved_units_serve_their_order(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let whole = story.issue(None);
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let first = placed(&app, &one, &order_of(20, &json!({})));
        let second = placed(&app, &two, &order_of(30, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))})));
        let centre = &story.centre;
        let transfer = |serial: &str, to: &Party, order: Option<&str>| {
            let mut fields = json!({"certificate": serial, "to": to.id});
            if let Some(order) = order {
                fields["order"] = json!(order);
            }
            app.say(centre, "certificate_transferred", &fields)
        };
        transfer(&whole, &two, None).refused(409, "units_reserved", "/certificate");
        // Refused behind something that is accepted, it leaves nothing behind either: the next entry is nobody else's.
        let laptop = signed(centre, "registered", &laptop_fields(&new_id()));
        let sale = signed(centre, "certificate_transferred", &json!({"certificate": whole, "to": two.id}));
        let told = app.post_batch(&centre.token, "each", &[laptop, sale]).lines();
        assert_eq!((&told[0]["status"], &told[1]["problem"]["code"]), (&json!(201), &json!("units_reserved")), "{told:?}");
        let next = app.say(centre, "registered", &laptop_fields(&new_id())).accepted();
        assert_eq!(app.get(&format!("/v1/entries/{next}"), &two.token).status, 404);
        // Splitting moves no unit.
        let into = [block(1, 20), block(21, 40), block(41, 50), block(51, 97)];
        app.say(centre, "certificate_split", &json!({"certificate": whole, "into": into})).accepted();
        transfer(&block(21, 40), &two, None).refused(409, "units_reserved", "/certificate");
        let retired = |serial: &str, change: &Value| {
            let (statement, open) = changed_retirement(centre, serial, change);
            app.post_json("/v1/events", &centre.token, &json!({"statement": statement, "open": open}))
        };
        retired(&block(1, 20), &json!({})).refused(409, "units_reserved", "/certificate");
        let both = json!({"further": [block(21, 40)]});
        retired(&block(51, 97), &both).refused(409, "units_reserved", "/further/0");
        transfer(&block(1, 20), &one, Some(&first)).refused(409, "order_differs", "/order");
        assert_eq!(pay(&app, centre, &first, "A").status, 200);
        assert_eq!(pay(&app, centre, &second, "B").status, 200);
        transfer(&block(1, 20), &one, Some(&new_id())).refused(409, "order_unknown", "/order");
        transfer(&block(1, 20), &two, Some(&first)).refused(409, "order_differs", "/to");
        transfer(&block(21, 40), &one, Some(&first)).refused(409, "order_differs", "/certificate");
        transfer(&block(51, 97), &one, Some(&first)).refused(409, "order_differs", "/certificate");
        transfer(&block(21, 40), &two, Some(&second)).refused(409, "order_differs", "/order");
        retired(&block(1, 20), &json!({"order": first})).refused(409, "order_differs", "/order");
        let year = json!({"order": second, "period": {"from": "2026-01-01", "until": "2026-06-30"}});
        retired(&block(21, 40), &year).refused(409, "order_differs", "/period");
        let kind = json!({"order": second, "purpose_kind": "other"});
        retired(&block(21, 40), &kind).refused(409, "order_differs", "/purpose_kind");
        transfer(&block(51, 97), &two, None).accepted();
        app.say(&two, "certificate_transferred", &json!({"certificate": block(51, 97), "to": one.id, "order": first}))
            .refused(409, "order_unknown", "/order");
        // Delivered in two parts.
        retired(&block(21, 40), &json!({"order": second})).accepted();
        assert_eq!((status(&app, &two, &second).as_str(), kg(&read(&app, &two, &second)["reserved"])), ("paid", 10));
        retired(&block(41, 50), &json!({"order": second})).accepted();
        assert_eq!(status(&app, &two, &second), "delivered");
        // Both in one transaction: the second finds that the units are gone.
        let twice = [transfer_of(centre, &block(1, 20), &one, &first), transfer_of(centre, &block(1, 20), &one, &first)];
        let answer = app.post_batch(&centre.token, "each", &twice);
        let statuses: Vec<_> = answer.lines().iter().map(|line| line["status"].clone()).collect();
        assert_eq!(statuses, [201, 403]);
        assert_eq!(status(&app, &one, &first), "delivered");
        // Once delivered the units are whoever's they are: they come back, and are sold again.
        app.say(&one, "certificate_transferred", &json!({"certificate": block(1, 20), "to": centre.id})).accepted();
        transfer(&block(1, 20), &one, Some(&first)).refused(409, "order_differs", "/order");
        transfer(&block(1, 20), &two, None).accepted();
    }

    /// Units that leave the stock otherwise are replaced, where there are others; who has paid waits for them.
    fn units_that_are_lost(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(Some(31));
        let (one, two) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let paid = placed(&app, &one, &order_of(20, &json!({})));
        assert_eq!(pay(&app, &story.centre, &paid, "A").status, 200);
        let unpaid = placed(&app, &two, &order_of(10, &json!({})));
        app.say(&story.issuer, "certificate_frozen", &json!({"certificate": block(1, 30), "reason": "review"})).accepted();
        assert_eq!((status(&app, &one, &paid).as_str(), status(&app, &two, &unpaid).as_str()), ("waiting", "lapsed"));
        story.issue(Some(12));
        assert_eq!(units(&read(&app, &one, &paid)["reserved"]), [block(32, 42)]);
        app.say(&story.issuer, "certificate_unfrozen", &json!({"certificate": block(1, 30)})).accepted();
        assert_eq!(units(&read(&app, &one, &paid)["reserved"]), [block(1, 9), block(32, 42)]);
        let types: Vec<_> = draft(&app, &story.centre, &paid).iter().map(|draft| draft["type"].clone()).collect();
        assert_eq!(types, ["certificate_split", "certificate_transferred", "certificate_transferred"]);
        delivered(&app, &story.centre, &paid);
        assert_eq!(status(&app, &one, &paid), "delivered");
    }

    /// A buyer sends units of an order back that waits for others: they are stock, and may be the very units that it gets.
    fn units_that_come_back(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let whole = story.issue(Some(31));
        let buyer = app.join(&["buyer"]);
        let id = placed(&app, &buyer, &order_of(20, &json!({})));
        assert_eq!(pay(&app, &story.centre, &id, "A").status, 200);
        let say = |party: &Party, kind: &str, fields: &Value| _ = app.say(party, kind, fields).accepted();
        let into = [block(1, 10), block(11, 30)];
        say(&story.centre, "certificate_split", &json!({"certificate": whole, "into": into}));
        let first_part = json!({"certificate": block(1, 10), "to": buyer.id, "order": id});
        say(&story.centre, "certificate_transferred", &first_part);
        say(&story.issuer, "certificate_frozen", &json!({"certificate": block(11, 30), "reason": "review"}));
        assert_eq!(status(&app, &buyer, &id), "waiting");
        say(&buyer, "certificate_transferred", &json!({"certificate": block(1, 10), "to": story.centre.id}));
        let order = read(&app, &buyer, &id);
        assert_eq!(order["status"], "paid", "{order}");
        assert_eq!((units(&order["reserved"]), units(&order["delivered"])), (vec![block(1, 10)], vec![block(1, 10)]));
        delivered(&app, &story.centre, &id);
        assert_eq!(status(&app, &buyer, &id), "delivered");
    }

    /// The audit compares the stock with what the entries give.
    fn the_audit_looks_at_the_stock(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let serial = story.issue(None);
        for (damage, repair) in [
            ("UPDATE stock SET last_unit = 98", "UPDATE stock SET last_unit = 97"),
            ("UPDATE stock SET serial = 'x'", &format!("UPDATE stock SET serial = '{serial}'")),
        ] {
            app.database.tamper(damage).expect("an administrator can");
            assert!(!app.audit().faults().is_empty(), "not found: {damage}");
            app.database.tamper(repair).expect("put back");
        }
    }

    /// What an order must be.
    fn refused_orders(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (buyer, donor) = (app.join(&["buyer"]), app.join(&["donor"]));
        place(&app, &donor, &order_of(1, &json!({}))).refused(403, "role_missing", "");
        let reading = Party { token: app.token(&buyer.id, &["read"]), ..buyer.clone() };
        place(&app, &reading, &order_of(1, &json!({}))).refused(403, "scope_missing", "");
        let taken = order_of(5, &json!({}));
        let id = placed(&app, &buyer, &taken);
        let other = order_of(6, &json!({"id": id}));
        place(&app, &buyer, &other).refused(409, "id_taken", "/id");
        place(&app, &app.join(&["buyer"]), &taken).refused(409, "id_taken", "/id");
        let wish = order_of(5, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))}));
        placed(&app, &buyer, &wish);
        let mut other_name = wish.clone();
        other_name["deliver"]["beneficiary"] = json!("Another Ltd");
        place(&app, &buyer, &other_name).refused(409, "id_taken", "/id");
        for (change, status, code, pointer) in [
            (json!({"id": "x"}), 400, "field_invalid", "/id"),
            (json!({"kg": 0}), 422, "amount_invalid", "/kg"),
            (json!({"kg": 1_000_001}), 422, "amount_invalid", "/kg"),
            (json!({"kg": 1.5}), 400, "json_invalid", ""),
            (json!({"devices": [{"class": "0303", "count": 1}]}), 400, "field_invalid", "/kg"),
            (json!({"colour": "green"}), 400, "json_invalid", ""),
            (json!({"deliver": {"how": "post"}}), 400, "json_invalid", ""),
            (json!({"deliver": {"how": "transfer", "to": "x"}}), 400, "json_invalid", ""),
            (json!({"deliver": retire(("2026-12-31", "2026-01-01"))}), 400, "field_invalid", "/deliver/period/until"),
            (json!({"prefer": {"country": "Kenya"}}), 400, "field_invalid", "/prefer/country"),
            (json!({"prefer": {"vintage": {"from": "2026"}}}), 400, "field_invalid", "/prefer/vintage/from"),
        ] {
            place(&app, &buyer, &order_of(1, &change)).refused(status, code, pointer);
        }
        let mut empty = order_of(1, &json!({"deliver": retire(("2026-01-01", "2026-12-31"))}));
        empty["deliver"]["purpose"] = json!("");
        place(&app, &buyer, &empty).refused(400, "field_invalid", "/deliver/purpose");
        empty["deliver"]["purpose"] = json!(" \u{a0}");
        place(&app, &buyer, &empty).refused(400, "field_invalid", "/deliver/purpose");
        pay(&app, &buyer, &id, "A").refused(403, "not_the_seller", "");
        pay(&app, &donor, &id, "A").refused(404, "not_found", "");
        pay(&app, &story.centre, &id, " ").refused(400, "field_invalid", "/reference");
        for _ in 0..48 {
            placed(&app, &buyer, &order_of(1, &json!({})));
        }
        place(&app, &buyer, &order_of(1, &json!({}))).refused(409, "too_many_orders", "");
    }
}

fn transfer_of(from: &Party, serial: &str, to: &Party, order: &str) -> String {
    signed(from, "certificate_transferred", &json!({"certificate": serial, "to": to.id, "order": order}))
}
