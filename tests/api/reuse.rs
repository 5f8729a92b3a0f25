//! From donor to school: each event, each refusal.

use crate::harness::{Party, TestApp, both_databases, laptop_fields, new_id};
use serde_json::{Value, json};

/// A device of a class that bears no data.
fn kettle(app: &TestApp, holder: &Party) -> String {
    let item = new_id();
    let mut fields = laptop_fields(&item);
    fields["class"] = json!("0203");
    app.say(holder, "registered", &fields).accepted();
    item
}

fn about(item: &str) -> Value {
    json!({"item": item})
}

fn tested(item: &str, result: &str) -> Value {
    json!({"item": item, "result": result})
}

fn wiped(item: &str, method: &str, technique: &str, verified: bool) -> Value {
    json!({"item": item, "method": method, "technique": technique, "verified": verified})
}

fn retired(item: &str) -> Value {
    json!({"item": item, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none"})
}

/// Hands one item over.
fn hand_over(app: &TestApp, from: &Party, to: &Party, item: &str) {
    let handover = new_id();
    app.say(from, "handover_offered", &json!({"handover": handover, "to": to.id, "items": [item]})).accepted();
    app.say(to, "handover_accepted", &json!({"handover": handover})).accepted();
}

both_databases! {
    /// The whole life of a laptop as a product, and its end.
    fn a_laptop_from_donor_to_school(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop, school) = (app.join(&["donor"]), app.join(&["refurbisher"]), app.join(&["beneficiary"]));
        let item = app.laptop(&donor);
        hand_over(&app, &donor, &workshop, &item);
        app.say(&workshop, "tested", &tested(&item, "repairable")).accepted();
        app.say(&workshop, "repaired", &about(&item)).accepted();
        app.say(&workshop, "data_sanitised", &wiped(&item, "purge", "crypto_erase", true)).accepted();
        app.say(&workshop, "prepared_for_reuse", &about(&item)).accepted();
        hand_over(&app, &workshop, &school, &item);
        let used = json!({"item": item, "country": "XD"});
        app.say(&school, "put_in_use", &used).accepted();
        app.say(&school, "put_in_use", &used).refused(409, "wrong_status", "/item");
        app.say(&school, "tested", &tested(&item, "works")).refused(409, "wrong_status", "/item");
        app.say(&school, "retired", &retired(&item)).accepted();
        app.say(&school, "retired", &retired(&item)).refused(409, "wrong_condition", "/item");
        app.say(&school, "tested", &tested(&item, "works")).refused(409, "wrong_condition", "/item");
        app.say(&school, "repaired", &about(&item)).refused(409, "wrong_condition", "/item");
        app.say(&school, "released", &json!({"item": item, "reason": "reuse_sale"}))
            .refused(409, "wrong_condition", "/reason");
        app.say(&school, "released", &json!({"item": item, "reason": "returned_to_supplier"})).accepted();
        app.say(&school, "retired", &retired(&item)).refused(409, "item_ended", "/item");
        app.say(&school, "lost", &json!({"item": item, "cause": "stolen"})).refused(409, "item_ended", "/item");
    }

    fn only_what_works_and_is_wiped_is_prepared(kind) {
        let app = TestApp::start(kind);
        let workshop = app.join(&["refurbisher"]);
        let (laptop, kettle) = (app.laptop(&workshop), kettle(&app, &workshop));
        let prepare = |item: &str| app.say(&workshop, "prepared_for_reuse", &about(item));
        prepare(&kettle).refused(409, "wrong_condition", "/item");
        app.say(&workshop, "tested", &tested(&kettle, "works")).accepted();
        prepare(&kettle).accepted();
        app.say(&workshop, "tested", &tested(&laptop, "works")).accepted();
        prepare(&laptop).refused(409, "not_sanitised", "/item");
        app.say(&workshop, "data_sanitised", &wiped(&laptop, "clear", "overwrite", false)).accepted();
        prepare(&laptop).refused(409, "not_sanitised", "/item");
        app.say(&workshop, "data_sanitised", &wiped(&laptop, "clear", "overwrite", true)).accepted();
        prepare(&laptop).accepted();
        app.say(&workshop, "tested", &tested(&laptop, "waste")).accepted();
        prepare(&laptop).refused(409, "wrong_condition", "/item");
    }

    /// NIST SP 800-88 r2: an overwrite does not purge, degaussing does not destroy.
    fn a_technique_reaches_no_further_than_it_does(kind) {
        let app = TestApp::start(kind);
        let workshop = app.join(&["refurbisher"]);
        let item = app.laptop(&workshop);
        let table = [
            ("clear", "overwrite", true), ("purge", "overwrite", false), ("clear", "factory_reset", true),
            ("purge", "block_erase", true), ("destroy", "crypto_erase", false), ("purge", "degauss", true),
            ("destroy", "degauss", false), ("destroy", "shred", true), ("clear", "shred", true),
        ];
        for (method, technique, reaches) in table {
            let answer = app.say(&workshop, "data_sanitised", &wiped(&item, method, technique, true));
            if reaches {
                answer.accepted();
            } else {
                answer.refused(422, "method_not_reached", "/method");
            }
        }
    }

    fn an_item_is_used_only_by_a_beneficiary_to_whom_it_was_handed_over(kind) {
        let app = TestApp::start(kind);
        let (workshop, school) = (app.join(&["refurbisher", "beneficiary"]), app.join(&["beneficiary"]));
        let item = kettle(&app, &workshop);
        let used = json!({"item": item, "country": "XD"});
        app.say(&workshop, "put_in_use", &used).refused(409, "wrong_condition", "/item");
        app.say(&workshop, "tested", &tested(&item, "works")).accepted();
        app.say(&workshop, "prepared_for_reuse", &about(&item)).accepted();
        app.say(&workshop, "put_in_use", &used).refused(409, "not_handed_over", "/item");
        app.say(&school, "put_in_use", &used).refused(403, "not_the_holder", "/item");
        hand_over(&app, &workshop, &school, &item);
        let donor = app.join(&["donor"]);
        app.say(&donor, "put_in_use", &used).refused(403, "role_missing", "/org");
        app.say(&school, "put_in_use", &used).accepted();
    }

    /// What a later weighing finds more or less is booked, and the accounts close.
    fn an_item_is_weighed_again(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let scale = app.scale(&app.site(&recycler.id));
        let item = app.laptop(&recycler);
        let weigh = |weight: Value| {
            app.say(&recycler, "reweighed", &json!({"item": item, "weight": weight, "reason": "measured"}))
        };
        weigh(json!({"basis": "weighed", "gross_g": 3_500, "tare_g": 1_000, "scale": scale})).accepted();
        weigh(json!({"basis": "estimated", "net_g": 2_000})).accepted();
        weigh(json!({"basis": "class"})).refused(422, "weight_invalid", "/weight/basis");
        weigh(json!({"basis": "weighed", "gross_g": 1, "tare_g": 1, "scale": scale}))
            .refused(422, "weight_invalid", "/weight");
        let overloaded = weigh(json!({"basis": "weighed", "gross_g": 2_000_000, "tare_g": 0, "scale": scale}));
        overloaded.accepted();
        assert_eq!(overloaded.warnings(), ["scale_overloaded"]);
        app.say(&recycler, "lost", &json!({"item": item, "cause": "missing"})).accepted();
    }
}
