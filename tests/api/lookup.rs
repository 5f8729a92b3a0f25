//! Looking things up: each sees what concerns it, auditors see all.

use crate::harness::{Party, TestApp, both_databases, laptop_fields, new_id, signed};
use serde_json::{Value, json};

fn types(body: &Value) -> Vec<&str> {
    let events = body["events"].as_array().expect("events");
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

fn hand_over(app: &TestApp, from: &Party, to: &Party, item: &str) {
    let handover = new_id();
    app.say(from, "handover_offered", &json!({"handover": handover, "to": to.id, "items": [item]})).accepted();
    app.say(to, "handover_accepted", &json!({"handover": handover})).accepted();
}

both_databases! {
    fn an_item_and_its_path(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop, other) = (app.join(&["donor"]), app.join(&["refurbisher"]), app.join(&["donor"]));
        let item = app.laptop(&donor);
        hand_over(&app, &donor, &workshop, &item);
        app.say(&workshop, "tested", &json!({"item": item, "result": "works"})).accepted();
        let path = format!("/v1/items/{item}/path");
        let whole = ["registered", "handover_offered", "handover_accepted", "tested"];
        assert_eq!(types(&app.get(&path, &app.operator.token).json()), whole);
        assert_eq!(types(&app.get(&path, &donor.token).json()), whole[..3], "what came after it does not concern it");
        assert_eq!(types(&app.get(&path, &workshop.token).json()), whole[1..]);
        app.get(&path, &other.token).refused(404, "not_found", "");
        let seen = app.get(&format!("/v1/items/{item}"), &donor.token).json();
        assert_eq!(seen, json!({"id": item, "kind": "device", "status": "held"}), "it gave it away");
        let now = app.get(&format!("/v1/items/{item}"), &workshop.token).json();
        assert_eq!((&now["holder"], &now["condition"], &now["grams"]), (&json!(workshop.id), &json!("works"), &json!(3_000)));
        app.get(&format!("/v1/items/{item}"), &other.token).refused(404, "not_found", "");
        app.get(&format!("/v1/items/{item}"), &app.token(&donor.id, &["post"])).refused(403, "scope_missing", "");
    }

    /// Whoever chooses an item's id chooses no organisation's: an item named like its maker shows it nothing of others.
    fn an_id_of_one_kind_is_none_of_another(kind) {
        let app = TestApp::start(kind);
        let (spy, victim) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        app.say(&spy, "registered", &laptop_fields(&spy.id)).accepted();
        hand_over(&app, &spy, &victim, &spy.id);
        app.say(&victim, "tested", &json!({"item": spy.id, "result": "works"})).accepted();
        let page = app.get("/v1/events", &spy.token).json();
        let seen = types(&page);
        let own = ["organisation_registered", "key_registered", "registered", "handover_offered", "handover_accepted"];
        assert_eq!(seen, own);
        app.get("/v1/events?from=18446744073709551615", &app.operator.token).json();
        app.get("/v1/entries/18446744073709551615", &app.operator.token).refused(404, "not_found", "");
    }

    fn events_by_subject_type_and_page(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let site = app.site(&donor.id);
        let batch: Vec<String> = (0..250)
            .map(|_| {
                let mut fields = laptop_fields(&new_id());
                fields["site"] = json!(site);
                signed(&donor, "registered", &fields)
            })
            .collect();
        app.post_batch(&donor.token, "all", &batch);
        let mut path = "/v1/events".to_owned();
        let mut seen = Vec::new();
        loop {
            let answer = app.get(&path, &donor.token);
            let body = answer.json();
            seen.extend(body["events"].as_array().expect("events").iter().map(|event| event["index"].as_u64()));
            let Some(next) = body["next"].as_u64() else { break };
            path = format!("/v1/events?from={next}");
        }
        // organisation, key and site, then the laptops.
        assert_eq!(seen.len(), 3 + 250);
        assert!(seen.is_sorted());
        let get = |query: &str, party: &Party| app.get(&format!("/v1/events?{query}"), &party.token);
        assert_eq!(types(&get(&format!("site={site}&type=site_registered"), &donor).json()), ["site_registered"]);
        assert_eq!(types(&get(&format!("org={}&type=key_registered", donor.id), &app.operator).json()), ["key_registered"]);
        assert_eq!(types(&get("type=ledger_opened", &app.operator).json()), ["ledger_opened"]);
        let stranger = app.join(&["donor"]);
        assert!(types(&get(&format!("site={site}"), &stranger).json()).is_empty());
        let page = get("", &donor).json();
        assert_eq!(page["events"][3]["payload"]["site"], json!(site));
        get("item=x", &donor).refused(400, "query_invalid", "/item");
        get("type=A%26B", &donor).refused(400, "query_invalid", "/type");
        get(&format!("item={}&site={site}", new_id()), &donor).refused(400, "query_invalid", "");
        get("size=1", &donor).refused(400, "query_invalid", "");
    }

    fn the_balance_of_a_site_and_of_the_whole(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let site = app.site(&workshop.id);
        let item = app.laptop(&donor);
        let handover = new_id();
        let offered = json!({"handover": handover, "to": workshop.id, "items": [item]});
        app.say(&donor, "handover_offered", &offered).accepted();
        app.say(&workshop, "handover_accepted", &json!({"handover": handover, "site": site})).accepted();
        app.say(&workshop, "lost", &json!({"item": item, "cause": "stolen"})).accepted();
        let of_site = format!("/v1/balance?site={site}");
        let here = app.get(&of_site, &workshop.token).json();
        assert_eq!(here, json!({"accounts_g": {"arrived": 3_000, "live": 0, "lost": 3_000}, "closes": true}));
        let whole = app.get("/v1/balance", &app.operator.token).json();
        let expected = json!({"arrived": 3_000, "departed": 3_000, "inflow": 3_000, "live": 0, "lost": 3_000});
        assert_eq!(whole, json!({"accounts_g": expected, "closes": true}));
        app.get(&of_site, &donor.token).refused(404, "not_found", "");
        app.get("/v1/balance", &workshop.token).refused(403, "scope_missing", "/site");
        app.get("/v1/balance?site=x", &workshop.token).refused(404, "not_found", "");
    }

    fn the_registry_is_read_by_every_token(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor", "collector"]);
        let site = app.site(&donor.id);
        let scale = app.scale(&site);
        let kid = crate::harness::kid(&donor.key);
        let table = [
            ("organisations", &donor.id, "roles", json!(["donor", "collector"])),
            ("sites", &site, "country", json!("XD")),
            ("scales", &scale, "division_g", json!(500)),
            ("keys", &kid, "custody", json!("own")),
        ];
        for (name, id, field, value) in table {
            let one = app.get(&format!("/v1/{name}/{id}"), &donor.token).json();
            assert_eq!(one[field], value, "{name}");
            let all = app.get(&format!("/v1/{name}"), &donor.token).json();
            assert!(all["records"].as_array().expect("records").contains(&one), "{name}");
        }
        for _ in 0..200 {
            app.say(&app.operator, "organisation_registered",
                &json!({"organisation": new_id(), "roles": ["buyer"], "country": "XD"})).accepted();
        }
        let first = app.get("/v1/organisations", &donor.token).json();
        let next = first["next"].as_str().expect("a second page");
        let second = app.get(&format!("/v1/organisations?after={next}"), &donor.token).json();
        let count = |page: &Value| page["records"].as_array().map(Vec::len);
        assert_eq!((count(&first), count(&second)), (Some(200), Some(2)));
    }

    fn code_tables_are_public(kind) {
        let app = TestApp::start(kind);
        let get = |table: &str| app.get(&format!("/v1/reference/{table}"), "").json();
        let classes = get("classes");
        assert_eq!(classes["classes"].as_array().map(Vec::len), Some(54));
        assert_eq!(classes["rule_set"]["version"], "5");
        assert_eq!(get("operations")["operations"].as_array().map(Vec::len), Some(28));
        assert_eq!(get("fractions")["fractions"].as_array().map(Vec::len), Some(40));
        let lists = |on: &str| get(&format!("waste_lists?on={on}"))["waste_lists"][0]["codes"].to_string();
        assert!(lists("2026-12-08").contains("\"16 06 04\"") && !lists("2026-12-08").contains("\"16 06 04*\""));
        assert!(lists("2026-12-09").contains("\"16 06 04*\"") && !lists("2026-12-09").contains("20 01 33*"));
        assert!(get("basel_entries?on=2024-12-31").to_string().contains("A1180"));
        assert!(!get("basel_entries?on=2025-01-01").to_string().contains("A1180"));
        app.get("/v1/reference/classes?on=yesterday", "").refused(400, "query_invalid", "/on");
        assert!(get("events")["events"]["types"].as_array().is_some_and(|types| types.len() > 20));
    }

    /// Another rule set comes into force in the middle of a ledger, and goes again: codes follow it from the next entry on.
    fn a_rule_set_is_adopted_in_mid_ledger(kind) {
        let app = TestApp::start(kind);
        let story = crate::story::Story::begin(&app);
        app.now_ms.fetch_add(17 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
        let batch = story.batch(5_000);
        let code = || {
            let cells = new_id();
            let fields = json!({
                "batch": batch, "lot": cells, "fraction": "BAT_ALK", "weight": story.weighed(100),
                "occurred_at": "2026-12-09T10:00:00Z",
            });
            story.at_centre("dismantled", fields).accepted();
            app.get(&format!("/v1/items/{cells}"), &story.centre.token).json()["waste_code"].clone()
        };
        assert_eq!(code(), "16 06 04*");
        for (version, expected) in [("1", "16 06 04"), ("2", "16 06 04*")] {
            app.adopt_rules(version);
            assert_eq!(code(), expected);
        }
        app.say(&app.operator, "rules_adopted", &json!({"rule_set": {"version": "2", "sha256": "0".repeat(64)}}))
            .refused(422, "rule_set_unknown", "/rule_set");
    }

    /// Software that keeps derived state in another form writes it anew from the entries when it opens the ledger.
    fn derived_state_is_written_anew(kind) {
        let app = TestApp::start(kind);
        let story = crate::story::Story::begin(&app);
        story.whole_batch(9_000);
        let serial = story.issue(None);
        let before = app.audit().state_digest;
        let database = app.stop();
        let damage = "UPDATE derived SET form = 1; DELETE FROM mentions; DELETE FROM accounts; DELETE FROM stock; \
                      UPDATE records SET body = '{}' WHERE kind <> 'ledger'";
        database.tamper(damage).expect("derived state may be changed");
        let again = TestApp::start_on(database, crate::harness::NOON_MS);
        assert_eq!(again.audit().state_digest, before);
        assert_eq!(again.get(&format!("/v1/certificates/{serial}"), "").status, 200);
    }

    /// Carriers state legs, in whatever order they hear of it; the path of what they carried shows them.
    fn carriers_state_their_legs(kind) {
        let app = TestApp::start(kind);
        let (shop, school, carrier) = (app.join(&["refurbisher"]), app.join(&["beneficiary"]), app.join(&["carrier"]));
        let (laptop, handover) = (app.laptop(&shop), new_id());
        let offer = json!({"handover": handover, "to": school.id, "items": [laptop], "carrier": carrier.id});
        app.say(&shop, "handover_offered", &offer).accepted();
        let leg = |party, change: serde_json::Value| {
            let mut fields = json!({
                "handover": handover, "mode": "S", "from": "BEANR", "to": "KEMBA", "departed": "2026-10-01", "arrived": "2026-11-02",
            });
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            app.say(party, "carried", &fields)
        };
        leg(&shop, json!({})).refused(403, "role_missing", "/org");
        let another = app.join(&["carrier"]);
        leg(&another, json!({})).refused(403, "wrong_receiver", "/handover");
        leg(&carrier, json!({"handover": new_id()})).refused(422, "unknown", "/handover");
        leg(&carrier, json!({"mode": "Q"})).refused(422, "code_unknown", "/mode");
        leg(&carrier, json!({"mode": "R"})).refused(409, "proof_missing", "/vehicle");
        leg(&carrier, json!({"arrived": "2026-09-30"})).refused(422, "time_invalid", "/arrived");
        leg(&carrier, json!({"from": "Antwerp"})).refused(422, "field_invalid", "/from");
        leg(&carrier, json!({})).accepted();
        app.say(&school, "handover_accepted", &json!({"handover": handover})).accepted();
        leg(&carrier, json!({"mode": "R", "vehicle": {"c": "ab".repeat(32)}, "from": "KEMBA", "to": "KENBO"})).accepted();
        let path = app.get(&format!("/v1/items/{laptop}/path"), &shop.token).text;
        assert_eq!(path.matches("\"type\":\"carried\",\"org\"").count(), 2, "{path}");
    }

    fn waste_is_stored(kind) {
        let app = TestApp::start(kind);
        let story = crate::story::Story::begin(&app);
        let lot = story.receive(&story.weighed(5_000));
        let keep = |items: serde_json::Value, operation: &str| {
            let fields = json!({"items": items, "operation": operation, "occurred_at": "2026-10-26T10:00:00Z"});
            story.at_centre("stored", fields)
        };
        keep(json!([lot]), "R12").refused(422, "code_unknown", "/operation");
        keep(json!([]), "R13").refused(422, "list_invalid", "/items");
        let laptop = app.laptop(&story.centre);
        keep(json!([laptop]), "R13").refused(409, "wrong_condition", "/items/0");
        assert!(keep(json!([lot]), "R13").warnings().is_empty());
        assert_eq!(keep(json!([lot]), "D15").warnings(), ["permit_not_valid"]);
        app.now_ms.fetch_add(345 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
        let batch = new_id();
        let late = json!("2027-11-02T10:00:00Z");
        story.at_centre("batch_opened", json!({"batch": batch, "occurred_at": late})).accepted();
        let fed = story.at_centre("batch_fed", json!({"batch": batch, "items": [lot], "occurred_at": late}));
        assert!(fed.warnings().contains(&"storage_overdue".to_owned()), "{}", fed.text);
    }
}
