//! Keys: registered, revoked, weak, foreign; in force from the next entry on, also within one batch.

use crate::harness::{
    Kind, Party, TestApp, both_databases, jwk, key_fields, key_fields_for, kid, laptop_fields, new_id, payload,
    sign_bytes, signed,
};
use ed25519_dalek::SigningKey;
use loopledger::domain::codes::KeyUse;
use loopledger::ledger::keyring;
use serde_json::{Value, json};

fn fresh_key() -> SigningKey {
    keyring::generate().expect("randomness")
}

fn laptop(party: &Party) -> String {
    signed(party, "registered", &laptop_fields(&new_id()))
}

both_databases! {
    fn a_further_key_is_registered_by_the_organisation_itself(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let second = Party { key: fresh_key(), ..donor.clone() };
        app.post_jws(&donor.token, &laptop(&second)).refused(422, "key_unknown", "/kid");
        app.say(&donor, "key_registered", &key_fields(&donor.id, &second.key)).accepted();
        app.post_jws(&donor.token, &laptop(&second)).accepted();
        app.post_jws(&donor.token, &laptop(&donor)).accepted();
    }

    fn a_revoked_key_signs_nothing_more(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let before = laptop(&donor);
        let index = app.post_jws(&donor.token, &before).accepted();
        let fields = json!({"kid": kid(&donor.key), "reason": "compromised", "since_index": index});
        app.say(&donor, "key_revoked", &fields).accepted();
        app.post_jws(&donor.token, &laptop(&donor)).refused(403, "key_revoked", "/kid");
        let again = app.post_jws(&donor.token, &before);
        assert_eq!((again.status, again.json()["index"].as_u64()), (200, Some(index)), "what was said stays said");
    }

    fn key_registered_is_refused(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let key = fresh_key();
        let good = key_fields(&donor.id, &key);
        let with = |name: &str, value: Value| {
            let mut fields = good.clone();
            fields[name] = value;
            fields
        };
        let mut identity = [0_u8; 32];
        identity[0] = 1;
        let weak = json!({"kty": "OKP", "crv": "Ed25519", "x": data_encoding::BASE64URL_NOPAD.encode(&identity)});
        let mut no_point = [0_u8; 32];
        no_point[0] = 2;
        let no_point = json!({"kty": "OKP", "crv": "Ed25519", "x": data_encoding::BASE64URL_NOPAD.encode(&no_point)});
        let checkpoint_key = SigningKey::from_bytes(&[3; 32]);
        let table = [
            (with("jwk", weak), 422, "key_weak", "/jwk"),
            (with("jwk", no_point), 422, "key_invalid", "/jwk"),
            (with("jwk", jwk(&fresh_key())), 422, "key_proof_invalid", "/proof"),
            (with("use", json!("credential")), 422, "key_proof_invalid", "/proof"),
            (with("proof", key_fields(&other.id, &key)["proof"].clone()), 422, "key_proof_invalid", "/proof"),
            (with("proof", json!("no.proof")), 422, "field_invalid", "/proof"),
            (with("custody", json!("shared")), 422, "field_invalid", "/custody"),
            (with("jwk", json!({"kty": "RSA", "crv": "Ed25519", "x": "AA"})), 422, "field_invalid", "/jwk/kty"),
            (key_fields(&donor.id, &donor.key), 409, "already_registered", "/jwk"),
            (key_fields(&donor.id, &other.key), 409, "already_registered", "/jwk"),
            (key_fields(&donor.id, &checkpoint_key), 409, "already_registered", "/jwk"),
            (key_fields(&new_id(), &key), 422, "unknown", "/organisation"),
        ];
        for (fields, status, code, pointer) in table {
            app.say(&app.operator, "key_registered", &fields).refused(status, code, pointer);
        }
        app.say(&other, "key_registered", &good).refused(403, "role_missing", "/org");
        app.say(&donor, "key_registered", &good).accepted();
    }

    fn key_revoked_is_refused(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let fields = |key: &SigningKey, reason: &str| json!({"kid": kid(key), "reason": reason});
        app.say(&other, "key_revoked", &fields(&donor.key, "superseded")).refused(403, "role_missing", "/org");
        app.say(&donor, "key_revoked", &fields(&fresh_key(), "superseded")).refused(422, "unknown", "/kid");
        let mut since = fields(&donor.key, "superseded");
        since["since_index"] = json!(1);
        app.say(&app.operator, "key_revoked", &since).refused(422, "time_invalid", "/since_index");
        let mut future = fields(&donor.key, "compromised");
        future["since_index"] = json!(1_000);
        app.say(&app.operator, "key_revoked", &future).refused(422, "time_invalid", "/since_index");
        app.say(&app.operator, "key_revoked", &fields(&donor.key, "superseded")).accepted();
        app.say(&app.operator, "key_revoked", &fields(&donor.key, "superseded")).refused(403, "key_revoked", "/kid");
        app.say(&app.operator, "key_revoked", &fields(&donor.key, "compromised")).accepted();
    }

    fn a_key_for_credentials_signs_no_statement(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let credential = Party { key: fresh_key(), ..donor.clone() };
        let fields = key_fields_for(&donor.id, &credential.key, KeyUse::Credential);
        app.say(&donor, "key_registered", &fields).accepted();
        app.post_jws(&donor.token, &laptop(&credential)).refused(403, "key_not_for_statements", "/kid");
    }

    fn a_key_speaks_for_its_own_organisation_alone(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let forged = Party { key: other.key.clone(), ..donor.clone() };
        app.post_jws(&app.operator.token, &laptop(&forged)).refused(403, "key_of_another_organisation", "/org");
        let said = payload(&donor.id, "registered", &laptop_fields(&new_id())).to_string();
        app.post_jws(&donor.token, &sign_bytes(&donor.key, said.as_bytes())).accepted();
        let by_another = sign_bytes(&other.key, said.as_bytes());
        app.post_jws(&app.operator.token, &by_another).refused(403, "key_of_another_organisation", "/org");
    }

    /// Registered and used in one batch: whether a key is in force is decided entry by entry, in order.
    fn register_then_use_in_one_batch(kind) {
        let app = TestApp::start(kind);
        for mode in ["each", "all"] {
            let donor = app.register(&["donor"]);
            let batch = [
                signed(&app.operator, "key_registered", &key_fields(&donor.id, &donor.key)),
                laptop(&donor),
            ];
            let statuses: Vec<_> = statuses(&app, mode, &batch);
            assert_eq!(statuses, [201, 201], "{mode}");
        }
    }

    fn use_then_register_in_one_batch(kind) {
        let app = TestApp::start(kind);
        let donor = app.register(&["donor"]);
        let batch = [laptop(&donor), signed(&app.operator, "key_registered", &key_fields(&donor.id, &donor.key))];
        assert_eq!(statuses(&app, "each", &batch), [422, 201]);
    }

    fn revoke_then_use_in_one_batch(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let revoked = json!({"kid": kid(&donor.key), "reason": "superseded"});
        let batch = [laptop(&donor), signed(&donor, "key_revoked", &revoked), laptop(&donor)];
        assert_eq!(statuses(&app, "each", &batch), [201, 201, 403]);
    }
}

fn statuses(app: &TestApp, mode: &str, batch: &[String]) -> Vec<u64> {
    let answer = app.post_batch(&app.operator.token, mode, batch);
    answer.lines().iter().map(|line| line["status"].as_u64().expect("a status")).collect()
}

/// Two nodes on one PostgreSQL: what one node's entry puts in force or out of force holds on the other at once.
#[test]
fn revoke_and_register_across_two_nodes() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let second = app.second_node();
    let donor = app.join(&["donor"]);
    second.post_jws(&donor.token, &laptop(&donor)).accepted();
    app.say(&donor, "key_revoked", &json!({"kid": kid(&donor.key), "reason": "superseded"})).accepted();
    second.post_jws(&donor.token, &laptop(&donor)).refused(403, "key_revoked", "/kid");
    let late = app.register(&["donor"]);
    second.post_jws(&late.token, &laptop(&late)).refused(422, "key_unknown", "/kid");
    app.say(&app.operator, "key_registered", &key_fields(&late.id, &late.key)).accepted();
    second.post_jws(&late.token, &laptop(&late)).accepted();
    app.post_jws(&late.token, &laptop(&late)).accepted();
}
