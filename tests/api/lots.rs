//! Lots: how waste comes in, joins, parts, and changes hands by weight.

use crate::harness::{Party, TestApp, both_databases, new_id};
use loopledger::domain::balance::Account;
use loopledger::store::records;
use serde_json::{Value, json};

fn estimated(grams: i64) -> Value {
    json!({"basis": "estimated", "net_g": grams})
}

fn incoming(item: &str, weight: &Value) -> Value {
    json!({
        "item": item, "class": "0303", "weight": weight, "arising": {"country": "XD", "month": "2026-10"},
        "provenance": {"kind": "business", "counted_elsewhere": "none"},
    })
}

fn with(mut fields: Value, name: &str, value: Value) -> Value {
    fields[name] = value;
    fields
}

fn collect(app: &TestApp, holder: &Party, grams: i64) -> String {
    let item = new_id();
    let fields = with(incoming(&item, &estimated(grams)), "kind", json!("lot"));
    app.say(holder, "collected", &fields).accepted();
    item
}

/// A laptop that has been used up.
fn dead_laptop(app: &TestApp, holder: &Party) -> String {
    let item = app.laptop(holder);
    let fields = json!({"item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"});
    app.say(holder, "retired", &fields).accepted();
    item
}

fn grams_of(app: &TestApp, item: &str) -> i64 {
    app.get(&format!("/v1/items/{item}"), &app.operator.token).json()["grams"].as_i64().expect("grams")
}

/// A centre with a permit for laptops, 5 t a year.
fn centre(app: &TestApp) -> (Party, String) {
    let party = app.join(&["recycler"]);
    let site = new_id();
    let fields = json!({
        "organisation": party.id, "new_site": site, "country": "XD", "code": "NBO1",
        "permit": {
            "number": "XD/2026/17", "operations": ["R12"], "waste_codes": ["16 02 13*"],
            "capacity_g_per_year": 5_000_000, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
        },
    });
    app.say(&app.operator, "site_registered", &fields).accepted();
    (party, site)
}

both_databases! {
    fn devices_join_a_lot_and_it_is_weighed(kind) {
        let app = TestApp::start(kind);
        let collector = app.join(&["collector"]);
        let devices: Vec<String> = (0..5).map(|_| dead_laptop(&app, &collector)).collect();
        let lot = new_id();
        app.say(&collector, "merged", &json!({"inputs": devices, "lot": lot})).accepted();
        assert_eq!(grams_of(&app, &lot), 15_000);
        let joined = app.get(&format!("/v1/items/{}", devices[0]), &collector.token).json();
        assert_eq!((&joined["status"], &joined["joined"], &joined["grams"]), (&json!("ended"), &json!(lot), &json!(0)));
        let whole = app.get(&format!("/v1/items/{lot}"), &collector.token).json();
        assert_eq!((&whole["waste_code"], &whole["condition"]), (&json!("16 02 13*"), &json!("waste")));
        let weighing = json!({"item": lot, "weight": estimated(14_200), "reason": "measured"});
        app.say(&collector, "reweighed", &weighing).accepted();
        let (a, b) = (new_id(), new_id());
        let parts = |one: i64, two: i64| json!({"lot": lot, "parts": [{"lot": a, "net_g": one}, {"lot": b, "net_g": two}]});
        app.say(&collector, "split", &parts(14_000, 199)).refused(422, "sum_differs", "/parts");
        app.say(&collector, "split", &parts(14_000, 201)).refused(422, "sum_differs", "/parts/1/net_g");
        app.say(&collector, "split", &parts(0, 14_200)).refused(422, "sum_differs", "/parts/0/net_g");
        app.say(&collector, "split", &json!({"lot": lot, "parts": [{"lot": a, "net_g": 14_200}]}))
            .refused(422, "list_invalid", "/parts");
        app.say(&collector, "split", &parts(14_000, 200)).accepted();
        assert_eq!((grams_of(&app, &a), grams_of(&app, &b), grams_of(&app, &lot)), (14_000, 200, 0));
        app.say(&collector, "split", &parts(14_000, 200)).refused(409, "item_ended", "/lot");
        app.say(&collector, "tested", &json!({"item": a, "result": "works"})).refused(409, "wrong_kind", "/item");
        app.say(&collector, "retired", &json!({"item": a, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"}))
            .refused(409, "wrong_condition", "/item");
    }

    fn a_merger_that_cannot_be(kind) {
        let app = TestApp::start(kind);
        let (collector, other) = (app.join(&["collector"]), app.join(&["collector"]));
        let (device, alive) = (dead_laptop(&app, &collector), app.laptop(&collector));
        let foreign = dead_laptop(&app, &other);
        let kettle = new_id();
        let fields = with(with(incoming(&kettle, &estimated(900)), "kind", json!("device")), "class", json!("0203"));
        app.say(&collector, "collected", &fields).accepted();
        let bought = collect(&app, &collector, 10_000);
        let table = [
            (json!([]), 422, "list_invalid", "/inputs"),
            (json!([device, device]), 422, "list_invalid", "/inputs"),
            (json!([device, alive]), 409, "wrong_condition", "/inputs/1"),
            (json!([device, foreign]), 403, "not_the_holder", "/inputs/1"),
            (json!([device, new_id()]), 422, "unknown", "/inputs/1"),
            (json!([device, kettle]), 422, "classes_differ", "/inputs/1"),
        ];
        for (inputs, status, code, pointer) in table {
            let fields = json!({"inputs": inputs, "lot": new_id()});
            app.say(&collector, "merged", &fields).refused(status, code, pointer);
        }
        app.say(&collector, "merged", &json!({"inputs": [device], "lot": bought}))
            .refused(409, "already_registered", "/lot");
    }

    fn what_comes_in_from_outside(kind) {
        let app = TestApp::start(kind);
        let (recycler, site) = centre(&app);
        let donor = app.join(&["donor"]);
        let receipt = |item: &str, grams: i64| {
            let fields = with(incoming(item, &estimated(grams)), "supplier", json!({"c": "ab".repeat(32)}));
            with(with(fields, "number", json!(format!("WB-{item}"))), "site", json!(site))
        };
        let lot = new_id();
        let answer = app.say(&recycler, "received", &receipt(&lot, 3_000_000));
        answer.accepted();
        assert!(answer.warnings().is_empty());
        let over = app.say(&recycler, "received", &receipt(&new_id(), 2_000_001));
        over.accepted();
        assert_eq!(over.warnings(), ["over_capacity"]);
        let next_year = with(receipt(&new_id(), 1_000), "occurred_at", json!("2025-12-31T12:00:00Z"));
        let before = app.say(&recycler, "received", &next_year);
        before.accepted();
        assert_eq!(before.warnings(), ["late", "permit_not_valid"]);
        let fridge = with(receipt(&new_id(), 1_000), "class", json!("0108"));
        let answer = app.say(&recycler, "received", &fridge);
        answer.accepted();
        assert_eq!(answer.warnings(), ["permit_not_valid", "over_capacity"]);
        app.say(&recycler, "received", &receipt(&lot, 1_000)).refused(409, "already_registered", "/item");
        let mut nowhere = receipt(&new_id(), 1_000);
        nowhere.as_object_mut().expect("an object").remove("site");
        app.say(&recycler, "received", &nowhere).refused(422, "unknown", "/site");
        app.say(&donor, "received", &nowhere).refused(403, "role_missing", "/org");
        let by_class = with(receipt(&new_id(), 1_000), "weight", json!({"basis": "class"}));
        app.say(&recycler, "received", &by_class).refused(422, "weight_invalid", "/weight/basis");
        let collected = with(incoming(&new_id(), &estimated(1)), "kind", json!("lot"));
        app.say(&donor, "collected", &collected).refused(403, "role_missing", "/org");
        let device = with(with(collected, "kind", json!("device")), "weight", json!({"basis": "class"}));
        app.say(&recycler, "collected", &with(device, "item", json!(new_id()))).accepted();
    }

    /// The receiver's scale counts; what is refused goes back; the rest is difference, and every account closes.
    fn a_lot_changes_hands_by_weight(kind) {
        let app = TestApp::start(kind);
        let collector = app.join(&["collector"]);
        let (recycler, site) = centre(&app);
        let scale = app.scale(&site);
        let weighed = |grams: i64| json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": scale});
        // sent, received, accepted, refused; what is in dispute.
        let table = [
            (100_000, 100_000, 100_000, 0, false),
            (100_000, 98_000, 98_000, 0, false),
            (100_000, 97_999, 97_999, 0, true),
            (100_000, 102_001, 102_001, 0, true),
            (100_000, 100_000, 60_000, 40_000, false),
            (100_000, 250_000, 20_000, 230_000, true),
            (10_000, 9_000, 9_000, 0, false),
            (10_000, 8_999, 8_999, 0, true),
        ];
        for (sent, received, accepted, refused, disputed) in table {
            let lot = collect(&app, &collector, sent);
            let (handover, back) = (new_id(), new_id());
            let offered = json!({"handover": handover, "to": recycler.id, "lots": [{"lot": lot, "sent_g": sent}]});
            app.say(&collector, "handover_offered", &offered).accepted();
            let mut answer = json!({"weight": weighed(received), "accepted_g": accepted, "refused_g": refused});
            if refused > 0 {
                answer["refused_as"] = json!(back);
                answer["reason"] = json!("damaged");
            }
            let accept = json!({"handover": handover, "site": site, "lots": [answer]});
            let receipt = app.say(&recycler, "handover_accepted", &accept);
            receipt.accepted();
            assert_eq!(receipt.warnings().contains(&"difference_beyond_band".to_owned()), disputed, "{sent} {received}");
            let taken = app.get(&format!("/v1/items/{lot}"), &recycler.token).json();
            assert_eq!((&taken["grams"], &taken["basis"]), (&json!(accepted), &json!("weighed")));
            assert_eq!(taken["evidence"]["flaws"][0]["code"] == "disputed", disputed);
            if refused > 0 {
                let returned = app.get(&format!("/v1/items/{back}"), &collector.token).json();
                assert_eq!((&returned["grams"], &returned["holder"]), (&json!(refused), &json!(collector.id)));
                assert_eq!(returned["evidence"]["flaws"][0]["code"] == "disputed", disputed);
                assert_eq!(returned["basis"], "weighed", "the receiver's weighing");
            }
        }
        let accounts = app.ledger.store.read(records::accounts).expect("readable");
        let total = |wanted: Account| -> i64 {
            accounts.iter().filter(|(account, _)| account.account == wanted).map(|(_, grams)| grams).sum()
        };
        let sent: i64 = table.iter().map(|row| row.0).sum();
        let received: i64 = table.iter().map(|row| row.1).sum();
        assert_eq!((total(Account::Inflow), total(Account::Live)), (sent, received));
        assert_eq!(total(Account::Difference), received - sent);
    }

    /// A lot that never came is said to be so, without a weight; it stays the sender's.
    fn a_lot_that_never_came(kind) {
        let app = TestApp::start(kind);
        let (collector, recycler) = (app.join(&["collector"]), app.join(&["recycler"]));
        let (lost, heavy) = (collect(&app, &collector, 5_000), collect(&app, &collector, 5_000));
        let offer = |lots: Value| {
            let handover = new_id();
            app.say(&collector, "handover_offered", &json!({"handover": handover, "to": recycler.id, "lots": lots}))
                .accepted();
            handover
        };
        let lots = json!([{"lot": lost, "sent_g": 4_999}]);
        let fields = json!({"handover": new_id(), "to": recycler.id, "lots": lots});
        app.say(&collector, "handover_offered", &fields).refused(422, "sum_differs", "/lots/0/sent_g");
        let handover = offer(json!([{"lot": lost, "sent_g": 5_000}, {"lot": heavy, "sent_g": 5_000}]));
        let answer = |first: Value| {
            let second = json!({"weight": estimated(9_000), "accepted_g": 0, "refused_g": 9_000, "reason": "damaged"});
            app.say(&recycler, "handover_accepted", &json!({"handover": handover, "lots": [first, second]}))
        };
        let nothing = json!({"accepted_g": 0, "refused_g": 0, "reason": "not_received"});
        let mut weighed = nothing.clone();
        weighed["weight"] = estimated(1);
        answer(weighed).refused(422, "weight_invalid", "/lots/0/weight");
        answer(json!({"accepted_g": 0, "refused_g": 0})).refused(422, "list_invalid", "/lots/0/reason");
        let answered = answer(nothing);
        answered.accepted();
        assert_eq!(answered.warnings(), ["difference_beyond_band"], "the second came back heavier than it went");
        let item = |lot: &str| app.get(&format!("/v1/items/{lot}"), &app.operator.token).json();
        assert_eq!((&item(&lost)["grams"], &item(&lost)["holder"]), (&json!(5_000), &json!(collector.id)));
        assert_eq!((&item(&heavy)["grams"], &item(&heavy)["holder"]), (&json!(9_000), &json!(collector.id)));
        assert_eq!(item(&heavy)["evidence"]["flaws"][0]["code"], "disputed");
    }

    /// A merger joins what lies in one jurisdiction, makes no weighed mass of estimates, and keeps the order of time.
    fn a_merger_improves_nothing(kind) {
        let app = TestApp::start(kind);
        let story = crate::story::Story::begin(&app);
        let batch = story.batch(10_000);
        let weighed = story.fraction(&batch, "FE", 1_000);
        let guessed = new_id();
        let fields = json!({"batch": batch, "lot": guessed, "fraction": "FE", "weight": estimated(9_000)});
        story.at_centre("dismantled", fields).accepted();
        let joined = new_id();
        story.at_centre("merged", json!({"inputs": [weighed, guessed], "lot": joined})).accepted();
        let item = app.get(&format!("/v1/items/{joined}"), &app.operator.token).json();
        assert_eq!((&item["basis"], &item["grams"]), (&json!("estimated"), &json!(10_000)));
        let backdated = json!({
            "item": joined, "weight": estimated(9_000), "reason": "measured", "occurred_at": "2026-10-20T10:00:00Z",
        });
        story.at_centre("reweighed", backdated).refused(422, "before_last_event", "/occurred_at");
        let abroad = new_id();
        let fields = json!({"organisation": story.centre.id, "new_site": abroad, "country": "DE", "code": "HAM1"});
        app.say(&app.operator, "site_registered", &fields).accepted();
        let (here, there) = (story.receive(&story.weighed(1_000)), story.receive(&story.weighed(1_000)));
        let fields = json!({"inputs": [here, there], "lot": new_id(), "site": abroad});
        app.say(&story.centre, "merged", &fields).refused(422, "jurisdictions_differ", "/inputs/0");
    }

    fn a_lot_that_cannot_be_taken_so(kind) {
        let app = TestApp::start(kind);
        let (collector, recycler) = (app.join(&["collector"]), app.join(&["recycler"]));
        let (lot, device) = (collect(&app, &collector, 5_000), dead_laptop(&app, &collector));
        let offer = |name: &str, value: Value| {
            app.say(&collector, "handover_offered", &json!({"handover": new_id(), "to": recycler.id, name: value}))
        };
        offer("items", json!([lot])).refused(409, "wrong_kind", "/items/0");
        offer("lots", json!([{"lot": device, "sent_g": 1}])).refused(409, "wrong_kind", "/lots/0/lot");
        let handover = new_id();
        let fields = json!({
            "handover": handover, "to": recycler.id, "items": [device], "lots": [{"lot": lot, "sent_g": 5_000}],
        });
        app.say(&collector, "handover_offered", &fields).accepted();
        let answer = |accepted: i64, refused: i64, part: Option<&String>, reason: bool| {
            let mut lot = json!({"weight": estimated(5_000), "accepted_g": accepted, "refused_g": refused});
            if let Some(part) = part {
                lot["refused_as"] = json!(part);
            }
            if reason {
                lot["reason"] = json!("damaged");
            }
            app.say(&recycler, "handover_accepted", &json!({"handover": handover, "lots": [lot]}))
        };
        let part = new_id();
        answer(4_000, 999, Some(&part), true).refused(422, "sum_differs", "/lots/0/accepted_g");
        answer(4_000, 1_000, None, true).refused(422, "list_invalid", "/lots/0/refused_as");
        answer(4_000, 1_000, Some(&part), false).refused(422, "list_invalid", "/lots/0/reason");
        answer(5_000, 0, Some(&part), false).refused(422, "list_invalid", "/lots/0/refused_as");
        answer(4_000, 1_000, Some(&lot), true).refused(409, "already_registered", "/lots/0/refused_as");
        app.say(&recycler, "handover_accepted", &json!({"handover": handover})).refused(422, "list_invalid", "/lots");
        answer(0, 5_000, None, true).accepted();
        let back = app.get(&format!("/v1/items/{lot}"), &collector.token).json();
        assert_eq!((&back["holder"], &back["status"]), (&json!(collector.id), &json!("held")));
        let taken = app.get(&format!("/v1/items/{device}"), &recycler.token).json();
        assert_eq!(taken["holder"], json!(recycler.id));
    }
}
