//! Tokens: scopes, expiry, revocation.

use crate::harness::{TestApp, both_databases, laptop_fields, new_id, signed};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

both_databases! {
    fn a_token_does_what_its_scopes_say(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let jws = || signed(&donor, "registered", &laptop_fields(&new_id()));
        let index = app.post_jws(&donor.token, &jws()).accepted();
        let entry = format!("/v1/entries/{index}");
        let table: [(&str, &[&str], u16, u16); 5] = [
            (&donor.id, &["read"], 403, 200),
            (&donor.id, &["post"], 201, 404),
            (&other.id, &["post", "read"], 403, 404),
            (&other.id, &["relay"], 201, 404),
            (&other.id, &["audit"], 403, 200),
        ];
        for (organisation, scopes, posting, reading) in table {
            let token = app.token(organisation, scopes);
            assert_eq!(app.post_jws(&token, &jws()).status, posting, "{scopes:?} posts");
            assert_eq!(app.get(&entry, &token).status, reading, "{scopes:?} reads");
            app.get("/v1/tokens", &token).refused(403, "scope_missing", "");
        }
    }

    /// Whoever administrates can make any token, so only the operator's own tokens do.
    fn only_the_operator_administrates(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let body = json!({"organisation": donor.id, "scopes": ["admin"]});
        app.post_json("/v1/tokens", &app.operator.token, &body).refused(400, "field_invalid", "/scopes");
    }

    /// An entry is read by those whom it concerns, not by whoever's id happens to stand in it.
    fn an_entry_is_read_by_those_whom_it_concerns(kind) {
        let app = TestApp::start(kind);
        let (recycler, other) = (app.join(&["recycler"]), app.join(&["donor"]));
        let site = app.site(&recycler.id);
        let scale = json!({
            "new_scale": new_id(), "at_site": site, "division_g": 500, "capacity_g": 1_500_000,
            "verified_on": "2026-11-01", "verified_until": "2027-10-31",
        });
        let of_scale = app.say(&app.operator, "scale_registered", &scale).accepted();
        let revoked = json!({"kid": crate::harness::kid(&recycler.key), "reason": "superseded"});
        let mut fields = laptop_fields(&new_id());
        fields["actor"] = json!(other.id);
        let with_actor = app.say(&recycler, "registered", &fields).accepted();
        let of_key = app.say(&app.operator, "key_revoked", &revoked).accepted();
        for index in [of_scale, of_key, with_actor] {
            assert_eq!(app.get(&format!("/v1/entries/{index}"), &recycler.token).status, 200);
            app.get(&format!("/v1/entries/{index}"), &other.token).refused(404, "not_found", "");
        }
    }

    /// What a person's token has a hosted key sign names that person.
    fn a_persons_token_and_a_hosted_key(kind) {
        let app = TestApp::start(kind);
        let donor = app.register(&["donor"]);
        let key = app.post_json("/v1/hosted-keys", &app.operator.token, &json!({"organisation": donor.id}));
        app.say(&app.operator, "key_registered", &key.json()).accepted();
        let person = new_id();
        let body = json!({"organisation": donor.id, "scopes": ["post"], "person": person});
        let made = app.post_json("/v1/tokens", &app.operator.token, &body).json();
        let token = made["token"].as_str().expect("a token");
        let post = |actor: Option<&str>| {
            let mut fields = laptop_fields(&new_id());
            if let Some(actor) = actor {
                fields["actor"] = json!(actor);
            }
            let statement = crate::harness::payload(&donor.id, "registered", &fields);
            app.post_json("/v1/events", token, &json!({"statement": statement}))
        };
        post(None).refused(403, "actor_differs", "/actor");
        post(Some(&new_id())).refused(403, "actor_differs", "/actor");
        post(Some(&person)).accepted();
    }

    fn a_token_ends(kind) {
        let app = TestApp::start(kind);
        let made = app.post_json("/v1/tokens", &app.operator.token,
            &json!({"organisation": app.operator.id, "scopes": ["audit"], "days": 1})).json();
        let token = made["token"].as_str().expect("a token");
        assert_eq!(app.get("/v1/entries/0", token).status, 200);
        let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
        app.delete(&path, token).refused(403, "scope_missing", "");
        assert_eq!(app.delete(&path, &app.operator.token).status, 204);
        app.delete(&path, &app.operator.token).refused(404, "not_found", "");
        app.get("/v1/entries/0", token).refused(401, "token_invalid", "");
        let short = app.post_json("/v1/tokens", &app.operator.token,
            &json!({"organisation": app.operator.id, "scopes": ["audit"], "days": 1})).json();
        let short = short["token"].as_str().expect("a token");
        app.now_ms.fetch_add(24 * 60 * 60 * 1_000, Ordering::SeqCst);
        app.get("/v1/entries/0", short).refused(401, "token_invalid", "");
    }

    fn tokens_are_listed_without_their_secrets(kind) {
        let app = TestApp::start(kind);
        for _ in 0..201 {
            app.token(&app.operator.id, &["read"]);
        }
        let first = app.get("/v1/tokens", &app.operator.token);
        let page = first.json();
        assert_eq!(page["tokens"].as_array().map(Vec::len), Some(200));
        assert!(!first.text.contains("secret") && !first.text.contains("llt_"));
        let next = page["next"].as_str().expect("a second page");
        let second = app.get(&format!("/v1/tokens?after={next}"), &app.operator.token).json();
        assert_eq!((second["tokens"].as_array().map(Vec::len), &second["next"]), (Some(2), &Value::Null));
        app.get("/v1/tokens?before=1", &app.operator.token).refused(400, "query_invalid", "");
    }

    fn tokens_that_cannot_be_made(kind) {
        let app = TestApp::start(kind);
        let post = |body: Value| app.post_json("/v1/tokens", &app.operator.token, &body);
        let id = &app.operator.id;
        post(json!({"organisation": "x", "scopes": ["read"]})).refused(400, "field_invalid", "/organisation");
        post(json!({"organisation": id, "scopes": []})).refused(400, "field_invalid", "/scopes");
        post(json!({"organisation": id, "scopes": ["root"]})).refused(400, "field_invalid", "/scopes");
        post(json!({"organisation": id, "scopes": ["read"], "days": 0})).refused(400, "field_invalid", "/days");
        post(json!({"organisation": id, "scopes": ["read"], "days": 731})).refused(400, "field_invalid", "/days");
        post(json!({"organisation": id})).refused(400, "json_invalid", "");
    }

    fn what_is_no_token_opens_nothing(kind) {
        let app = TestApp::start(kind);
        let good = &app.operator.token;
        let (head, secret) = good.rsplit_once('_').map_or(("", ""), |(head, secret)| (head, secret));
        let others = ["", "x", "llt_", "llt_a_b", head, &good[..good.len() - 1], &format!("{head}_{secret}x"),
            &format!("llt_0000000000000000_{secret}")].map(str::to_owned);
        for token in others {
            app.get("/v1/entries/0", &token).refused(401, "token_invalid", "");
        }
    }
}
