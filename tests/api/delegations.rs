//! Speaking for another, and being related to another.

use crate::harness::{TestApp, both_databases, new_id};
use serde_json::json;

both_databases! {
    /// A vendor's software speaks for a centre: for what was granted, where, and until when; never with the centre's key.
    fn a_vendor_speaks_for_a_centre(kind) {
        let app = TestApp::start(kind);
        let (centre, vendor, other) = (app.join(&["recycler"]), app.join(&["carrier"]), app.join(&["carrier"]));
        let (site, elsewhere) = (app.site(&centre.id), app.site(&centre.id));
        let lot = |party, for_whom: &str, site: &str| {
            let fields = json!({
                "on_behalf_of": for_whom, "item": new_id(), "kind": "lot", "class": "0303", "site": site,
                "weight": {"basis": "estimated", "net_g": 1_000}, "arising": {"country": "XD", "month": "2026-10"},
                "provenance": {"kind": "business", "counted_elsewhere": "none"},
            });
            app.say(party, "collected", &fields)
        };
        let grant = |party, change: serde_json::Value| {
            let mut fields = json!({"to": vendor.id, "types": ["collected"], "sites": [site], "until": "2026-11-30"});
            for (name, value) in change.as_object().expect("fields") {
                fields[name] = value.clone();
            }
            app.say(party, "delegation_granted", &fields)
        };
        lot(&vendor, &centre.id, &site).refused(403, "delegation_missing", "/on_behalf_of");
        let table = [
            (json!({"to": centre.id}), 403, "wrong_receiver", "/to"),
            (json!({"to": new_id()}), 422, "unknown", "/to"),
            (json!({"types": []}), 422, "list_invalid", "/types"),
            (json!({"types": ["collected", "collected"]}), 422, "list_invalid", "/types"),
            (json!({"types": ["collected", "key_registered"]}), 403, "not_delegable", "/types/1"),
            (json!({"types": ["certificate_retired"]}), 403, "not_delegable", "/types/0"),
            (json!({"sites": [new_id()]}), 403, "site_of_another_organisation", "/sites/0"),
            (json!({"until": "2026-11-22"}), 422, "time_invalid", "/until"),
        ];
        for (change, status, code, pointer) in table {
            grant(&centre, change).refused(status, code, pointer);
        }
        grant(&centre, json!({})).accepted();
        lot(&vendor, &centre.id, &site).accepted();
        lot(&vendor, &centre.id, &elsewhere).refused(403, "delegation_missing", "/on_behalf_of");
        lot(&other, &centre.id, &site).refused(403, "delegation_missing", "/on_behalf_of");
        lot(&vendor, &vendor.id, &site).refused(403, "delegation_missing", "/on_behalf_of");
        let retire = json!({"on_behalf_of": centre.id, "to": other.id, "types": ["collected"], "until": "2026-11-30"});
        app.say(&vendor, "delegation_granted", &retire).refused(403, "not_delegable", "/type");
        // Both see the entry, which shows who spoke for whom.
        let page = app.get("/v1/events", &centre.token).json();
        let last = page["events"].as_array().and_then(|events| events.last()).expect("an entry").to_string();
        assert!(last.contains(&vendor.id) && last.contains(&centre.id), "{last}");
        app.now_ms.fetch_add(8 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
        lot(&vendor, &centre.id, &site).refused(403, "delegation_missing", "/on_behalf_of");
        grant(&centre, json!({"until": "2026-12-31"})).accepted();
        lot(&vendor, &centre.id, &site).accepted();
        let end = json!({"from": centre.id, "to": vendor.id});
        app.say(&other, "delegation_ended", &end).refused(403, "role_missing", "/org");
        app.say(&centre, "delegation_ended", &end).accepted();
        app.say(&centre, "delegation_ended", &end).refused(409, "nothing_to_answer", "/to");
        lot(&vendor, &centre.id, &site).refused(403, "delegation_missing", "/on_behalf_of");
    }

    fn relations_are_declared_once_and_bar_audits(kind) {
        let app = TestApp::start(kind);
        let (centre, auditor) = (app.join(&["recycler"]), app.join(&["auditor"]));
        let site = app.site(&centre.id);
        let declare = |party, other: &str| app.say(party, "relation_declared", &json!({"other": other, "kind": "ownership"}));
        declare(&centre, &centre.id).refused(403, "wrong_receiver", "/other");
        declare(&centre, &new_id()).refused(422, "unknown", "/other");
        declare(&centre, &site).refused(422, "unknown", "/other");
        declare(&auditor, &centre.id).accepted();
        declare(&centre, &auditor.id).refused(409, "already_registered", "/other");
        let audit = crate::story::audit_fields(&site, "2026-11-01", "conforms");
        app.say(&auditor, "site_audited", &audit).refused(403, "related_parties", "/org");
    }
}
