//! Donations, projects, parts and containers.

use crate::harness::{Party, TestApp, both_databases, new_id};
use serde_json::json;

fn project(app: &TestApp) -> String {
    let project = new_id();
    app.say(&app.operator, "project_registered", &json!({"project": project, "country": "XD"})).accepted();
    project
}

fn ready(app: &TestApp, holder: &Party) -> String {
    let item = app.laptop(holder);
    app.say(holder, "tested", &json!({"item": item, "result": "works"})).accepted();
    let wiped = json!({"item": item, "method": "purge", "technique": "crypto_erase", "verified": true});
    app.say(holder, "data_sanitised", &wiped).accepted();
    app.say(holder, "prepared_for_reuse", &json!({"item": item})).accepted();
    item
}

both_databases! {
    fn a_donation_is_bound_to_its_project(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let (school, clinic) = (project(&app), project(&app));
        let again = json!({"project": school, "country": "XD"});
        app.say(&app.operator, "project_registered", &again).refused(409, "already_registered", "/project");
        app.say(&donor, "project_registered", &json!({"project": new_id(), "country": "XD"})).refused(403, "role_missing", "/org");
        let (one, two, waste) = (app.laptop(&donor), app.laptop(&donor), app.laptop(&donor));
        app.say(&donor, "tested", &json!({"item": waste, "result": "waste"})).accepted();
        let donation = new_id();
        let give = |party: &Party, project: &str, items: &[&String]| {
            app.say(party, "donated", &json!({"donation": donation, "project": project, "items": items}))
        };
        give(&donor, &new_id(), &[&one]).refused(422, "unknown", "/project");
        give(&donor, &school, &[]).refused(422, "list_invalid", "/items");
        give(&donor, &school, &[&one, &one]).refused(422, "list_invalid", "/items");
        give(&other, &school, &[&one]).refused(403, "not_the_holder", "/items/0");
        give(&donor, &school, &[&waste]).refused(409, "wrong_condition", "/items/0");
        give(&donor, &school, &[&one]).accepted();
        give(&donor, &school, &[&one]).refused(409, "wrong_condition", "/items/0");
        give(&donor, &clinic, &[&two]).refused(422, "sum_differs", "/project");
        give(&other, &school, &[&two]).refused(409, "already_registered", "/donation");
        give(&donor, &school, &[&two]).accepted();
        let train = |change: serde_json::Value| {
            let mut fields = json!({
                "project": school, "donation": donation, "topic": "use", "participants": 24,
                "from": "2026-11-01", "until": "2026-11-02",
            });
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            app.say(&donor, "training_held", &fields)
        };
        train(json!({"project": new_id()})).refused(422, "unknown", "/project");
        train(json!({"donation": new_id()})).refused(422, "unknown", "/donation");
        train(json!({"project": clinic})).refused(422, "sum_differs", "/donation");
        train(json!({"until": "2026-10-31"})).refused(422, "time_invalid", "/until");
        train(json!({})).accepted();
    }

    /// What was given is followed through waste: the lots that it becomes know how much of them was given.
    fn donated_grams_are_known_in_lots(kind) {
        let app = TestApp::start(kind);
        let centre = app.join(&["recycler", "donor", "beneficiary"]);
        let (given, own, donation) = (app.laptop(&centre), app.laptop(&centre), new_id());
        let fields = json!({"donation": donation, "project": project(&app), "items": [given]});
        app.say(&centre, "donated", &fields).accepted();
        for item in [&given, &own] {
            let fields = json!({"item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"});
            app.say(&centre, "retired", &fields).accepted();
        }
        let lot = new_id();
        app.say(&centre, "merged", &json!({"inputs": [given, own], "lot": lot})).accepted();
        let weight = json!({"basis": "estimated", "net_g": 5_001});
        app.say(&centre, "reweighed", &json!({"item": lot, "weight": weight, "reason": "measured"})).accepted();
        let body = app.get(&format!("/v1/items/{lot}"), &centre.token).json();
        assert_eq!(body["given"], json!([{"source": "-", "grams": 2_501}, {"source": donation, "grams": 2_500}]));
    }

    /// A part takes its grams along, and the device must be tested again.
    fn parts_leave_and_join(kind) {
        let app = TestApp::start(kind);
        let (shop, other) = (app.join(&["refurbisher"]), app.join(&["refurbisher"]));
        let device = ready(&app, &shop);
        let before = app.get(&format!("/v1/items/{device}"), &shop.token).json()["grams"].as_i64().expect("grams");
        let remove = |party: &Party, component: &str, grams: i64| {
            let fields = json!({
                "item": device, "component": component, "class": "HDD", "media_left": "none",
                "weight": {"basis": "estimated", "net_g": grams},
            });
            app.say(party, "part_removed", &fields)
        };
        let drive = new_id();
        remove(&other, &drive, 100).refused(403, "not_the_holder", "/item");
        remove(&shop, &device, 100).refused(409, "already_registered", "/component");
        remove(&shop, &drive, before + 1).refused(422, "outputs_exceed_inputs", "/weight");
        remove(&shop, &drive, 100).accepted();
        let body = app.get(&format!("/v1/items/{device}"), &shop.token).json();
        assert_eq!((&body["grams"], &body["condition"], &body["media_free"]), (&json!(before - 100), &json!("untested"), &json!(true)));
        let install = |device: &str, component: &str| {
            app.say(&shop, "part_installed", &json!({"item": device, "component": component}))
        };
        let host = ready(&app, &shop);
        install(&drive, &host).refused(409, "wrong_kind", "/item");
        install(&host, &device).refused(409, "wrong_kind", "/component");
        install(&host, &drive).accepted();
        install(&host, &drive).refused(409, "item_ended", "/component");
        let body = app.get(&format!("/v1/items/{host}"), &shop.token).json();
        assert_eq!((&body["grams"], &body["condition"]), (&json!(before + 100), &json!("untested")));
        // The drive was never wiped: the device that holds it now is not either.
        app.say(&shop, "tested", &json!({"item": host, "result": "works"})).accepted();
        app.say(&shop, "prepared_for_reuse", &json!({"item": host})).refused(409, "not_sanitised", "/item");
    }

    /// What is packed moves with its container alone.
    fn containers_move_as_a_whole(kind) {
        let app = TestApp::start(kind);
        let (shop, school) = (app.join(&["refurbisher"]), app.join(&["beneficiary"]));
        let (one, two, loose) = (ready(&app, &shop), ready(&app, &shop), ready(&app, &shop));
        let crate_id = new_id();
        let pack = |container: &str, items: &[&String]| app.say(&shop, "packed", &json!({"container": container, "items": items}));
        pack(&crate_id, &[]).refused(422, "list_invalid", "/items");
        pack(&loose, &[&one]).refused(409, "wrong_kind", "/container");
        pack(&crate_id, &[&one, &two]).accepted();
        pack(&new_id(), &[&one]).refused(409, "packed", "/items/0");
        pack(&new_id(), &[&crate_id]).refused(409, "wrong_kind", "/items/0");
        app.say(&shop, "tested", &json!({"item": one, "result": "works"})).refused(409, "packed", "/item");
        app.say(&shop, "lost", &json!({"item": crate_id, "cause": "missing"})).refused(409, "packed", "/item");
        let offer = |handover: &str, items: &[&String]| {
            app.say(&shop, "handover_offered", &json!({"handover": handover, "to": school.id, "items": items}))
        };
        offer(&new_id(), &[&one]).refused(409, "packed", "/items");
        offer(&new_id(), &[&crate_id, &one]).refused(409, "packed", "/items");
        let handover = new_id();
        offer(&handover, &[&crate_id, &one, &two]).accepted();
        let accept = json!({"handover": handover, "refused": [{"item": two, "reason": "damaged"}]});
        app.say(&school, "handover_accepted", &accept).accepted();
        // What was refused is back on the shelf, out of the container.
        app.say(&shop, "tested", &json!({"item": two, "result": "works"})).accepted();
        let unpack = |items: serde_json::Value| app.say(&school, "unpacked", &items);
        unpack(json!({"container": crate_id, "items": [two]})).refused(422, "list_invalid", "/items/0");
        unpack(json!({"container": crate_id})).accepted();
        unpack(json!({"container": crate_id})).refused(422, "list_invalid", "/items");
        app.say(&school, "put_in_use", &json!({"item": one, "country": "XD"})).accepted();
        let check = json!({"item": one, "finding": "in_use"});
        app.say(&shop, "checked", &check).refused(403, "role_missing", "/org");
        app.say(&school, "checked", &check).accepted();
    }

    fn what_was_lost_is_found(kind) {
        let app = TestApp::start(kind);
        let (shop, other) = (app.join(&["refurbisher"]), app.join(&["refurbisher"]));
        let item = app.laptop(&shop);
        let find = |party| app.say(party, "found", &json!({"item": item}));
        find(&shop).refused(409, "wrong_status", "/item");
        app.say(&shop, "lost", &json!({"item": item, "cause": "stolen"})).accepted();
        find(&other).refused(403, "not_the_holder", "/item");
        find(&shop).accepted();
        find(&shop).refused(409, "wrong_status", "/item");
        app.say(&shop, "tested", &json!({"item": item, "result": "works"})).accepted();
        let balance = app.get("/v1/balance", &app.operator.token).json();
        assert_eq!((&balance["accounts_g"]["lost"], &balance["closes"]), (&json!(0), &json!(true)));
    }
}
