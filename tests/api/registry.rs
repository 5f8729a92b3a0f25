//! Organisations, sites, scales, rule sets: who may register what, and each refusal.

use crate::harness::{TestApp, both_databases, new_id};
use serde_json::json;

both_databases! {
    fn organisations_are_registered_by_the_operator(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor", "refurbisher"]);
        let fields = |roles: &[&str]| json!({"organisation": new_id(), "roles": roles, "country": "XD"});
        app.say(&donor, "organisation_registered", &fields(&["buyer"])).refused(403, "role_missing", "/org");
        let taken = json!({"organisation": donor.id, "roles": ["buyer"], "country": "XD"});
        app.say(&app.operator, "organisation_registered", &taken).refused(409, "already_registered", "/organisation");
        let refused: [(&[&str], &str); 7] = [
            (&[], "list_invalid"),
            (&["donor", "donor"], "list_invalid"),
            (&["operator"], "roles_exclude"),
            (&["auditor", "buyer"], "roles_exclude"),
            (&["issuer", "recycler"], "roles_exclude"),
            (&["issuer", "treater"], "roles_exclude"),
            (&["issuer", "buyer"], "roles_exclude"),
        ];
        for (roles, code) in refused {
            app.say(&app.operator, "organisation_registered", &fields(roles)).refused(422, code, "/roles");
        }
        app.say(&app.operator, "organisation_registered", &fields(&["issuer", "collector"])).accepted();
        app.say(&app.operator, "organisation_registered", &fields(&["king"])).refused(422, "field_invalid", "/roles/0");
    }

    fn sites_have_a_code_of_their_own_in_their_country(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let site = |country: &str, code: &str| {
            json!({"organisation": recycler.id, "new_site": new_id(), "country": country, "code": code})
        };
        let first = site("XD", "NBO1");
        app.say(&app.operator, "site_registered", &first).accepted();
        app.say(&app.operator, "site_registered", &site("XD", "NBO1")).refused(409, "already_registered", "/code");
        app.say(&app.operator, "site_registered", &site("KE", "NBO1")).accepted();
        app.say(&app.operator, "site_registered", &site("XD", "nbo")).refused(422, "field_invalid", "/code");
        let mut same_id = site("XD", "NBO2");
        same_id["new_site"] = first["new_site"].clone();
        app.say(&app.operator, "site_registered", &same_id).refused(409, "already_registered", "/new_site");
        let mut nobodys = site("XD", "NBO3");
        nobodys["organisation"] = json!(new_id());
        app.say(&app.operator, "site_registered", &nobodys).refused(422, "unknown", "/organisation");
        app.say(&recycler, "site_registered", &site("XD", "NBO4")).refused(403, "role_missing", "/org");
    }

    fn a_permit_names_known_operations_and_a_sound_period(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let with_permit = |operation: &str, until: &str, code: &str| json!({
            "organisation": recycler.id, "new_site": new_id(), "country": "XD", "code": code,
            "permit": {
                "number": "XD/2026/17", "operations": ["R12", operation], "waste_codes": ["16 02 14", "16 02 13*"],
                "capacity_g_per_year": 1_000_000_000, "valid_from": "2026-01-01", "valid_until": until,
            },
        });
        app.say(&app.operator, "site_registered", &with_permit("R4", "2027-12-31", "AA1")).accepted();
        let table = [
            ("R14", "2027-12-31", "code_unknown", "/permit/operations/1"),
            ("R4", "2025-12-31", "time_invalid", "/permit/valid_until"),
            ("R4", "2026-02-30", "field_invalid", "/permit/valid_until"),
        ];
        for (operation, until, code, pointer) in table {
            app.say(&app.operator, "site_registered", &with_permit(operation, until, "AA2")).refused(422, code, pointer);
        }
    }

    fn a_scale_is_verified_again_under_its_id(kind) {
        let app = TestApp::start(kind);
        let recycler = app.join(&["recycler"]);
        let (site, other) = (app.site(&recycler.id), app.site(&recycler.id));
        let scale = new_id();
        let fields = |site: &str, division: u64, on: &str, until: &str| json!({
            "new_scale": scale, "at_site": site, "division_g": division, "capacity_g": 100_000,
            "verified_on": on, "verified_until": until,
        });
        let say = |fields| app.say(&app.operator, "scale_registered", &fields);
        say(fields(&site, 500, "2026-05-01", "2027-04-30")).accepted();
        say(fields(&site, 500, "2026-11-01", "2027-10-31")).accepted();
        say(fields(&site, 500, "2026-06-01", "2027-05-31")).refused(422, "time_invalid", "/verified_on");
        say(fields(&other, 500, "2026-11-02", "2027-10-31")).refused(409, "already_registered", "/new_scale");
        say(fields(&site, 200, "2026-11-02", "2027-10-31")).refused(409, "already_registered", "/new_scale");
        say(fields(&new_id(), 500, "2026-11-02", "2027-10-31")).refused(422, "unknown", "/at_site");
        say(fields(&site, 500, "2027-11-02", "2027-10-31")).refused(422, "time_invalid", "/verified_until");
        let mut nothing = fields(&site, 0, "2026-11-02", "2027-10-31");
        nothing["new_scale"] = json!(new_id());
        say(nothing).refused(422, "weight_invalid", "/division_g");
        app.say(&recycler, "scale_registered", &fields(&site, 500, "2026-11-02", "2027-10-31"))
            .refused(403, "role_missing", "/org");
    }

    fn rule_sets_are_adopted_by_hash(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let newest = loopledger::domain::registry::newest_rule_set().expect("a rule set");
        let fields = |version: &str, sha256: &str| json!({"rule_set": {"version": version, "sha256": sha256}});
        let (version, sha256) = (newest.version.to_string(), newest.sha256.to_string());
        app.say(&app.operator, "rules_adopted", &fields(&version, &sha256)).accepted();
        app.say(&app.operator, "rules_adopted", &fields("999", &sha256)).refused(422, "rule_set_unknown", "/rule_set");
        app.say(&app.operator, "rules_adopted", &fields(&version, &"0".repeat(64)))
            .refused(422, "rule_set_unknown", "/rule_set");
        app.say(&donor, "rules_adopted", &fields(&version, &sha256)).refused(403, "role_missing", "/org");
    }

    fn a_ledger_opens_once(kind) {
        let app = TestApp::start(kind);
        let first = app.get("/v1/entries/0", &app.operator.token).json();
        let jws = first["statement"].as_str().expect("a statement").to_owned();
        assert_eq!(app.post_jws(&app.operator.token, &jws).status, 200, "the same statement again is its receipt");
        let payload = jws.split('.').nth(1).expect("a payload");
        let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64url");
        let mut payload: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        payload["id"] = json!(new_id());
        let again = crate::harness::sign_bytes(&app.operator.key, payload.to_string().as_bytes());
        app.post_jws(&app.operator.token, &again).refused(409, "ledger_already_open", "/type");
    }
}
