//! Hosted keys: the service signs the posted bytes for those who cannot keep a key.

use crate::harness::{TestApp, both_databases, jwk, kid, laptop_fields, new_id, payload};
use loopledger::proof::entry::Entry;
use serde_json::json;

both_databases! {
    fn the_posted_bytes_are_what_is_signed(kind) {
        let app = TestApp::start(kind);
        let school = app.register(&["collector"]);
        let created = app.post_json("/v1/hosted-keys", &app.operator.token, &json!({"organisation": school.id}));
        assert_eq!(created.status, 201, "{}", created.text);
        let statement = payload(&school.id, "registered", &laptop_fields(&new_id())).to_string().replace(',', " ,\t");
        let body = format!("{{\"statement\": \r\n {statement}  }}");
        let post = |token: &str| app.post_body("/v1/events", token, "application/json", body.as_bytes());
        post(&school.token).refused(422, "no_hosted_key", "/statement/org");
        app.say(&app.operator, "key_registered", &created.json()).accepted();
        let index = post(&school.token).accepted();
        let entry = app.get(&format!("/v1/entries/{index}"), &school.token).text;
        let entry = Entry::parse(entry.as_bytes()).expect("an entry");
        let signed = entry.statement.split('.').nth(1).expect("a payload");
        assert_eq!(data_encoding::BASE64URL_NOPAD.decode(signed.as_bytes()), Ok(statement.clone().into_bytes()));
        assert_eq!(post(&school.token).status, 200, "the same payload again is the same statement");
        post(&app.operator.token).refused(403, "token_of_another_organisation", "/org");
        assert_eq!(app.audit().hosted_statements, 1);
        let public = &created.json()["jwk"];
        let revoked = json!({"kid": loopledger_kid(public), "reason": "superseded"});
        app.say(&app.operator, "key_revoked", &revoked).accepted();
        let after = payload(&school.id, "registered", &laptop_fields(&new_id()));
        app.post_json("/v1/events", &school.token, &json!({"statement": after}))
            .refused(422, "no_hosted_key", "/statement/org");
        assert_eq!(post(&school.token).status, 200, "a retry gets its receipt, also after the key was revoked");
        post(&app.token(&school.id, &["relay"])).refused(403, "scope_missing", "");
    }

    fn a_payload_outside_the_profile_is_not_signed(kind) {
        let app = TestApp::start(kind);
        let post = |body: &str| app.post_body("/v1/events", &app.operator.token, "application/json", body.as_bytes());
        post(r#"{"statement":{"v":1.0}}"#).refused(400, "payload_not_strict", "");
        post(r#"{"statement":{"v":1,"v":1}}"#).refused(400, "payload_not_strict", "");
        post(r#"{"statement":{"v":1}}"#).refused(422, "field_invalid", "/ledger");
        post(r#"{"statement":[]}"#).refused(400, "json_invalid", "/statement");
        let own = payload(&app.operator.id, "rules_adopted", &json!({"rule_set": {"version": "1", "sha256": "0".repeat(64)}}));
        app.post_json("/v1/events", &app.operator.token, &json!({"statement": own}))
            .refused(422, "no_hosted_key", "/statement/org");
    }

    fn hosted_keys_are_made_by_administrators(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let post = |token: &str, body: serde_json::Value| app.post_json("/v1/hosted-keys", token, &body);
        post(&donor.token, json!({"organisation": donor.id})).refused(403, "scope_missing", "");
        post(&app.operator.token, json!({"organisation": "me"})).refused(400, "field_invalid", "/organisation");
        post(&app.operator.token, json!({})).refused(400, "json_invalid", "");
        assert_ne!(kid(&donor.key), loopledger_kid(&jwk(&app.operator.key)));
    }
}

pub fn loopledger_kid(jwk: &serde_json::Value) -> String {
    use loopledger::domain::event::Jwk;
    use loopledger::domain::fields::Field;
    let text = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":{}}}"#, jwk["x"]);
    let value = loopledger::proof::json::parse(text.as_bytes()).expect("JSON");
    Jwk::read(&value).expect("a JWK").thumbprint().to_string()
}
