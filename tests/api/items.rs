//! `registered` and `tested`: what they do, and each refusal.

use crate::harness::{TestApp, both_databases, laptop_fields, new_id};
use serde_json::{Value, json};

fn with(mut fields: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("changes") {
        if value.is_null() {
            fields.as_object_mut().expect("an object").remove(name);
        } else {
            fields[name] = value.clone();
        }
    }
    fields
}

both_databases! {
    /// A device comes under the ledger with the mean mass of its class, and a test says what it is.
    fn a_device_is_registered_and_tested(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = app.laptop(&donor);
        let tested = app.say(&donor, "tested", &json!({"item": item, "result": "works"}));
        let index = tested.accepted();
        let entry = app.get(&format!("/v1/entries/{index}"), &donor.token);
        assert_eq!(entry.status, 200);
        assert_eq!(entry.json()["index"], index);
        assert_eq!(tested.json()["time"], "2026-11-23T12:00:00.000Z");
        assert_eq!(tested.json()["ledger"], app.ledger.origin.as_str());
        assert!(tested.warnings().is_empty());
    }

    /// Each refusal of `registered`.
    fn registered_is_refused(kind) {
        let app = TestApp::start(kind);
        let (donor, school, other) = (app.join(&["donor"]), app.join(&["beneficiary"]), app.join(&["refurbisher"]));
        let (own_site, foreign_site) = (app.site(&donor.id), app.site(&other.id));
        let foreign_scale = app.scale(&foreign_site);
        let own_scale = app.scale(&own_site);
        let known = app.laptop(&donor);
        let weighed = |gross: u64, tare: u64, scale: &str| {
            json!({"weight": {"basis": "weighed", "gross_g": gross, "tare_g": tare, "scale": scale}})
        };
        let table: Vec<(Value, u16, &str, &str)> = vec![
            (json!({"item": known}), 409, "already_registered", "/item"),
            (json!({"class": "9999"}), 422, "no_class_mean", "/weight/basis"),
            (json!({"weight": {"basis": "estimated", "net_g": 1_000_000_001}}), 422, "weight_invalid", "/weight"),
            (json!({"site": foreign_site}), 403, "site_of_another_organisation", "/site"),
            (json!({"site": new_id()}), 422, "unknown", "/site"),
            (weighed(1_000, 2_000, &own_scale), 422, "weight_invalid", "/weight"),
            (weighed(1_000, 1_000, &own_scale), 422, "weight_invalid", "/weight"),
            (weighed(3_000, 0, &foreign_scale), 403, "scale_of_another_organisation", "/weight/scale"),
            (weighed(3_000, 0, &new_id()), 422, "unknown", "/weight/scale"),
            (json!({"weight": {"basis": "class", "net_g": 3}}), 422, "weight_invalid", "/weight"),
            (json!({"weight": {"basis": "estimated"}}), 422, "weight_invalid", "/weight"),
            (json!({"weight": {"basis": "estimated", "net_g": 0}}), 422, "weight_invalid", "/weight"),
            (json!({"weight": {"basis": "guessed"}}), 422, "field_invalid", "/weight/basis"),
            (json!({"weight": {"basis": "estimated", "net_g": -1}}), 422, "field_invalid", "/weight/net_g"),
            (json!({"weight": null}), 422, "field_invalid", "/weight"),
            (json!({"kind": "lot"}), 422, "field_invalid", "/kind"),
            (json!({"country": "Kenya"}), 422, "field_invalid", "/country"),
            (json!({"item": "laptop 7"}), 422, "field_invalid", "/item"),
            (json!({"year": 1949}), 422, "field_invalid", "/year"),
            (json!({"serial": "C02XK1"}), 422, "field_invalid", "/serial"),
            (json!({"colour": "blue"}), 422, "field_invalid", "/colour"),
            (json!({"occurred_at": "2026-11-23"}), 422, "field_invalid", "/occurred_at"),
            (json!({"v": 2}), 422, "field_invalid", "/v"),
            (json!({"type": "teleported"}), 422, "field_invalid", "/type"),
            (json!({"on_behalf_of": donor.id}), 403, "delegation_missing", "/on_behalf_of"),
            (json!({"ledger": "ledger.test/other"}), 422, "wrong_ledger", "/ledger"),
        ];
        for (changes, status, code, pointer) in table {
            let fields = with(laptop_fields(&new_id()), &changes);
            app.say(&donor, "registered", &fields).refused(status, code, pointer);
        }
        app.say(&school, "registered", &laptop_fields(&new_id())).refused(403, "role_missing", "/org");
        app.laptop(&donor);
    }

    /// Each refusal of `tested`.
    fn tested_is_refused(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let item = app.laptop(&donor);
        let fields = |item: &str| json!({"item": item, "result": "works"});
        app.say(&donor, "tested", &fields(&new_id())).refused(422, "unknown", "/item");
        app.say(&other, "tested", &fields(&item)).refused(403, "not_the_holder", "/item");
        let early = with(fields(&item), &json!({"occurred_at": "2026-10-24T10:59:59Z"}));
        app.say(&donor, "tested", &early).refused(422, "before_last_event", "/occurred_at");
        let within = with(fields(&item), &json!({"occurred_at": "2026-10-24T11:00:00Z"}));
        app.say(&donor, "tested", &within).accepted();
    }

    /// A device whose clock runs ahead does not bar what truly happens to an item after it.
    fn a_clock_that_runs_ahead_bars_nothing(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = app.laptop(&donor);
        let ahead = json!({"item": item, "result": "works", "occurred_at": "2036-01-01T00:00:00Z"});
        let answer = app.say(&donor, "tested", &ahead);
        answer.accepted();
        assert_eq!(answer.warnings(), ["clock_ahead"]);
        app.say(&donor, "tested", &json!({"item": item, "result": "waste"})).accepted();
    }

    /// A weighing that is posted late counts by the verification of its own day.
    fn an_earlier_verification_still_counts(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let site = app.site(&recycler.id);
        let scale = app.scale(&site);
        let again = json!({
            "new_scale": scale, "at_site": site, "division_g": 500, "capacity_g": 1_500_000,
            "verified_on": "2026-11-20", "verified_until": "2027-11-19",
        });
        app.say(&app.operator, "scale_registered", &again).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 3_000, "tare_g": 0, "scale": scale});
        let fields = with(laptop_fields(&new_id()), &json!({"weight": weight, "occurred_at": "2026-11-10T09:00:00Z"}));
        let answer = app.say(&recycler, "registered", &fields);
        answer.accepted();
        assert!(answer.warnings().is_empty());
    }

    /// Facts that should not be are accepted with a warning: clocks, age, scales.
    fn doubtful_facts_are_accepted_with_a_warning(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let site = app.site(&recycler.id);
        let scale = app.scale(&site);
        let weighed = |gross: u64| json!({"basis": "weighed", "gross_g": gross, "tare_g": 0, "scale": scale});
        let unknown = json!({"class": "9999", "weight": weighed(1_500_001)});
        let table: [(Value, &[&str]); 9] = [
            (unknown, &["class_unknown", "scale_overloaded"]),
            (json!({"weight": {"basis": "estimated", "net_g": 1_000_000_000}}), &[]),
            (json!({"weight": weighed(3_000)}), &[]),
            (json!({"weight": weighed(1_500_000)}), &[]),
            (json!({"weight": weighed(1_500_001)}), &["scale_overloaded"]),
            (json!({"weight": weighed(3_000), "occurred_at": "2026-10-31T23:00:00Z"}), &["scale_overdue"]),
            (json!({"occurred_at": "2026-11-23T12:05:00Z"}), &[]),
            (json!({"occurred_at": "2026-11-23T12:05:01Z"}), &["clock_ahead"]),
            (json!({"occurred_at": "2026-10-24T11:59:59Z"}), &["late"]),
        ];
        for (changes, warnings) in table {
            let fields = with(laptop_fields(&new_id()), &changes);
            let answer = app.say(&recycler, "registered", &fields);
            answer.accepted();
            assert_eq!(answer.warnings(), warnings, "{changes}");
        }
    }
}
