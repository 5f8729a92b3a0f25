//! `POST /v1/events/batch`.

use crate::harness::{TestApp, both_databases, laptop_fields, new_id, signed};
use serde_json::{Value, json};

fn codes(lines: &[Value]) -> Vec<String> {
    let code = |line: &Value| line["problem"]["code"].as_str().unwrap_or("in").to_owned();
    lines.iter().map(code).collect()
}

both_databases! {
    fn each_line_stands_for_itself(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let good = || signed(&donor, "registered", &laptop_fields(&new_id()));
        let mut wrong = laptop_fields(&new_id());
        wrong["class"] = json!("9999");
        let batch = [good(), signed(&donor, "registered", &wrong), "a.b".into(), good()];
        let lines = app.post_batch(&donor.token, "each", &batch).lines();
        assert_eq!(codes(&lines), ["in", "no_class_mean", "jws_malformed", "in"]);
        let first = lines[0]["receipt"]["index"].as_u64().expect("an index");
        assert_eq!(lines[3]["receipt"]["index"], first + 1);
        assert_eq!(lines.iter().map(|line| line["line"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3), Some(4)]);
    }

    fn all_or_nothing(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let register = signed(&donor, "registered", &laptop_fields(&item));
        let test = |item: &str| signed(&donor, "tested", &json!({"item": item, "result": "works"}));
        let size = app.ledger.readiness().expect("ready");
        let refused = app.post_batch(&donor.token, "all", &[register.clone(), test(&item), test(&new_id())]).lines();
        assert_eq!(codes(&refused), ["not_posted", "not_posted", "unknown"]);
        let unreadable = app.post_batch(&donor.token, "all", &[register.clone(), "x".into()]).lines();
        assert_eq!(codes(&unreadable), ["not_posted", "jws_malformed"]);
        assert_eq!(app.ledger.readiness(), Ok(size), "nothing was written");
        app.post_jws(&donor.token, &test(&item)).refused(422, "unknown", "/item");
        let accepted = app.post_batch(&donor.token, "all", &[register, test(&item), test(&item)]).lines();
        assert_eq!(codes(&accepted), ["in", "in", "in"]);
        let index = |line: &Value| line["receipt"]["index"].as_u64().expect("an index");
        assert_eq!(accepted.iter().map(index).collect::<Vec<_>>(), [size, size + 1, size + 2]);
    }

    /// A line that repeats another line of a request that comes to nothing has no receipt either.
    fn a_repeated_line_of_a_request_that_comes_to_nothing(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let id = new_id();
        let mut fields = laptop_fields(&new_id());
        fields["id"] = json!(id);
        let line = signed(&donor, "registered", &fields);
        fields["item"] = json!(new_id());
        let other = signed(&donor, "registered", &fields);
        let before = signed(&donor, "registered", &laptop_fields(&new_id()));
        app.post_jws(&donor.token, &before).accepted();
        let bad = signed(&donor, "tested", &json!({"item": new_id(), "result": "works"}));
        let lines = app.post_batch(&donor.token, "all", &[before, line.clone(), line, other, bad]).lines();
        assert_eq!(codes(&lines), ["in", "not_posted", "not_posted", "id_taken", "unknown"]);
    }

    fn a_thousand_lines_and_not_one_more(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let laptops = |count| -> Vec<String> {
            (0..count).map(|_| signed(&donor, "registered", &laptop_fields(&new_id()))).collect()
        };
        let thousand = laptops(1_000);
        let lines = app.post_batch(&donor.token, "all", &thousand).lines();
        assert_eq!(lines.len(), 1_000);
        assert!(lines.iter().all(|line| line["status"] == 201));
        let again = app.post_batch(&donor.token, "each", &thousand).lines();
        assert!(again.iter().zip(&lines).all(|(b, a)| b["status"] == 200 && b["receipt"] == a["receipt"]));
        app.post_batch(&donor.token, "each", &laptops(1_001)).refused(413, "body_too_large", "");
    }

    fn a_batch_that_is_no_batch_is_refused(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let post = |path: &str, content_type: &str, body: &[u8]| app.post_body(path, &donor.token, content_type, body);
        let path = "/v1/events/batch";
        post(path, "application/json", b"{}").refused(415, "content_type_unsupported", "");
        post(path, "application/x-ndjson", b"").refused(400, "json_invalid", "");
        post("/v1/events/batch?mode=some", "application/x-ndjson", b"{}").refused(400, "query_invalid", "");
        let lines = post(path, "application/x-ndjson", b"{}\n\n{\"statement\":7}\n{\"statement\":\"a\",\"x\":1}").lines();
        assert_eq!(codes(&lines), ["json_invalid"; 4]);
        let long = format!("{{\"statement\":\"{}\"}}", "a".repeat(130 * 1024));
        assert_eq!(codes(&post(path, "application/x-ndjson", long.as_bytes()).lines()), ["body_too_large"]);
    }
}
