//! The same statement again gets the first receipt; other content under its id is a conflict.

use crate::harness::{TestApp, both_databases, laptop_fields, new_id, payload, sign_bytes, signed};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

both_databases! {
    fn a_retry_gets_the_first_receipt(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let late = json!({"occurred_at": "2026-01-01T00:00:00Z"});
        let mut fields = laptop_fields(&new_id());
        fields["occurred_at"] = late["occurred_at"].clone();
        let jws = signed(&donor, "registered", &fields);
        let first = app.post_jws(&donor.token, &jws);
        first.accepted();
        assert_eq!(first.warnings(), ["late"]);
        app.now_ms.fetch_add(60_000, std::sync::atomic::Ordering::SeqCst);
        app.laptop(&donor);
        let again = app.post_jws(&donor.token, &jws);
        assert_eq!((again.status, again.json()), (200, first.json()));
    }

    /// Some browsers sign with randomness: equality is that of the payload, not of the signature or its header.
    fn another_signature_over_the_same_payload_is_the_same_statement(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let payload = payload(&donor.id, "registered", &laptop_fields(&new_id())).to_string();
        let jws = sign_bytes(&donor.key, payload.as_bytes());
        let index = app.post_jws(&donor.token, &jws).accepted();
        let header = format!(
            r#"{{"typ":"loopledger-statement+json","kid":"{}","alg":"EdDSA"}}"#, crate::harness::kid(&donor.key)
        );
        let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload.as_bytes()));
        let signature = ed25519_dalek::Signer::sign(&donor.key, input.as_bytes());
        let other = format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()));
        let again = app.post_jws(&donor.token, &other);
        assert_eq!((again.status, again.json()["index"].as_u64()), (200, Some(index)));
    }

    fn other_content_under_the_same_id_is_a_conflict(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let id = new_id();
        let fields = |item: &str| {
            let mut fields = laptop_fields(item);
            fields["id"] = json!(id);
            fields
        };
        app.say(&donor, "registered", &fields(&new_id())).accepted();
        app.say(&donor, "registered", &fields(&new_id())).refused(409, "id_taken", "/id");
        app.say(&other, "registered", &fields(&new_id())).accepted();
    }

    fn within_one_batch_too(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let id = new_id();
        let say = |item: &str| {
            let mut fields = laptop_fields(item);
            fields["id"] = json!(id);
            signed(&donor, "registered", &fields)
        };
        let first = say(&new_id());
        for mode in ["each", "all"] {
            let answer = app.post_batch(&donor.token, mode, &[first.clone(), first.clone()]);
            let lines = answer.lines();
            assert_eq!(lines[1]["status"], 200, "{mode}");
            assert_eq!(lines[0]["receipt"], lines[1]["receipt"], "{mode}");
        }
        let answer = app.post_batch(&donor.token, "each", &[first, say(&new_id())]);
        assert_eq!(answer.lines()[1]["problem"]["code"], "id_taken");
    }

    /// A refusal leaves no trace: the same id may be used again once the cause is gone.
    fn refusals_are_not_remembered(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let id = new_id();
        let mut wrong = laptop_fields(&new_id());
        wrong["id"] = json!(id);
        wrong["class"] = json!("9999");
        app.say(&donor, "registered", &wrong).refused(422, "no_class_mean", "/weight/basis");
        let mut right = laptop_fields(&new_id());
        right["id"] = json!(id);
        app.say(&donor, "registered", &right).accepted();
    }

    /// The same statement from many at once is one entry.
    fn a_hundred_at_once_are_one_entry(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let posts: Vec<_> = (0..100).map(|_| scope.spawn(|| app.post_jws(&donor.token, &jws))).collect();
            posts.into_iter().map(|post| post.join().expect("an answer")).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        let first = answers[0].json();
        assert!(answers.iter().all(|answer| answer.json() == first));
    }
}
