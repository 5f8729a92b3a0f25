//! Bad input: every refusal is a problem with a stable code, nothing is written, and the next request works.

use crate::harness::{Party, TestApp, both_databases, kid, laptop_fields, new_id, payload, sign_bytes, signed};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::Signer;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

fn jws(party: &Party, header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload));
    let signature = party.key.sign(input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

/// A JWS whose last character of a part has its lowest bit set: other text, the same bytes for a lenient decoder.
fn with_trailing_bits(part: &str) -> String {
    let (head, last) = part.split_at(part.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let position = alphabet.find(last).expect("base64url");
    format!("{head}{}", &alphabet[position + 1..position + 2])
}

both_databases! {
    /// Everything that can be wrong with the bytes of a statement.
    fn malformed_statements(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = app.ledger.readiness();
        let good = payload(&donor.id, "registered", &laptop_fields(&new_id())).to_string();
        let kid = kid(&donor.key);
        let header = |alg: &str, kid: &str, rest: &str| {
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"loopledger-statement+json"{rest}}}"#)
        };
        let right = header("Ed25519", &kid, "");
        let with_header = |header: &str| jws(&donor, header, good.as_bytes());
        let with_payload = |payload: &str| jws(&donor, &right, payload.as_bytes());
        let parts: Vec<String> = with_header(&right).split('.').map(str::to_owned).collect();
        let joined = |a: &str, b: &str, c: &str| format!("{a}.{b}.{c}");
        let other_signature = with_payload(&good.replace("0303", "0302"));
        let (_, other_signature) = other_signature.rsplit_once('.').expect("a signature");
        let in_place = |from: &str, to: &str| with_payload(&good.replacen(from, to, 1));
        let deep = format!("{}1{}", r#"{"a":"#.repeat(9), "}".repeat(9));
        let many = format!("[{}]", vec!["1"; 257].join(","));
        let table: Vec<(String, u16, &str, &str)> = vec![
            (String::new(), 400, "jws_malformed", ""),
            ("a.b.c.d".into(), 400, "jws_malformed", ""),
            (joined(&parts[0], &parts[1], ""), 400, "jws_malformed", ""),
            (joined(&format!("{}=", parts[0]), &parts[1], &parts[2]), 400, "jws_malformed", ""),
            (joined(&parts[0], &parts[1], &with_trailing_bits(&parts[2])), 400, "jws_malformed", ""),
            (joined(&parts[0], &format!("{}\n", parts[1]), &parts[2]), 400, "jws_malformed", ""),
            (joined(&parts[0], &parts[1], other_signature), 422, "signature_invalid", ""),
            (with_header(&header("none", &kid, "")), 400, "algorithm_not_allowed", ""),
            (with_header(&header("HS256", &kid, "")), 400, "algorithm_not_allowed", ""),
            (with_header(&header("ES256", &kid, "")), 400, "algorithm_not_allowed", ""),
            (with_header(&header("Ed25519", "me", "")), 400, "header_malformed", ""),
            (with_header(&header("Ed25519", &kid, r#","b64":false"#)), 400, "header_malformed", ""),
            (with_header(&header("Ed25519", &kid, r#","crit":["b64"]"#)), 400, "header_malformed", ""),
            (with_header(&header("Ed25519", &kid, r#","alg":"Ed25519""#)), 400, "header_malformed", ""),
            (with_header(&right.replace("statement", "key-proof")), 400, "header_malformed", ""),
            (with_header(r#"{"alg":"Ed25519"}"#), 400, "header_malformed", ""),
            (with_header(&header("Ed25519", &kid, &" ".repeat(512))), 400, "header_malformed", ""),
            (with_payload("{}"), 422, "field_invalid", "/v"),
            (with_payload("[]"), 422, "field_invalid", ""),
            (with_payload(""), 400, "payload_not_strict", ""),
            (in_place("{", r#"{"v":1,"#), 400, "payload_not_strict", ""),
            (in_place("laptop", "laptop"), 201, "", ""),
            (in_place("0303", "03\\u0030\\u0033"), 400, "payload_not_strict", ""),
            (in_place("0303", "03é3"), 400, "payload_not_strict", ""),
            (in_place(r#""v":1"#, r#""v":1.0"#), 400, "payload_not_strict", ""),
            (in_place(r#""v":1"#, r#""v":9007199254740992"#), 400, "payload_not_strict", ""),
            (in_place(r#""v":1"#, r#""v":null"#), 400, "payload_not_strict", ""),
            (with_payload(&format!("\u{feff}{good}")), 400, "payload_not_strict", ""),
            (with_payload(&deep), 400, "payload_not_strict", ""),
            (with_payload(&many), 400, "payload_not_strict", ""),
            (with_payload(&format!("{good}{}", " ".repeat(16 * 1024 + 1 - good.len()))), 400, "payload_not_strict", ""),
        ];
        for (statement, status, code, pointer) in table {
            let answer = app.post_jws(&donor.token, &statement);
            if status == 201 {
                answer.accepted();
            } else {
                answer.refused(status, code, pointer);
            }
        }
        let at_the_limit = format!(
            "{}{}",
            payload(&donor.id, "registered", &laptop_fields(&new_id())),
            " ".repeat(16 * 1024 - good.len())
        );
        app.post_jws(&donor.token, &jws(&donor, &right, at_the_limit.as_bytes())).accepted();
        app.post_jws(&donor.token, &"a".repeat(30_000)).refused(413, "statement_too_large", "");
        assert_eq!(app.ledger.readiness(), size.map(|size| size + 2), "only the two good ones were written");
    }

    /// Everything that can be wrong around a statement.
    fn malformed_requests(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let good = signed(&donor, "registered", &laptop_fields(&new_id()));
        let post = |content_type: &str, body: &str| {
            app.post_body("/v1/events", &donor.token, content_type, body.as_bytes())
        };
        post("text/plain", &good).refused(415, "content_type_unsupported", "");
        post("", &good).refused(415, "content_type_unsupported", "");
        post("application/json", &good).refused(400, "json_invalid", "");
        post("application/json", "{\"statement\"").refused(400, "json_invalid", "");
        post("application/json", &format!("{{\"statement\":\"{good}\",\"statement\":\"{good}\"}}"))
            .refused(400, "json_invalid", "");
        post("application/json", &"x".repeat(129 * 1024)).refused(413, "body_too_large", "");
        post("application/json; charset=utf-8", &json!({"statement": good}).to_string()).accepted();
    }

    /// An upload that breaks off is refused as a whole; whatever had arrived is not posted.
    fn a_truncated_upload(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = app.ledger.readiness();
        let line = json!({"statement": signed(&donor, "registered", &laptop_fields(&new_id()))}).to_string();
        let address = app.url.strip_prefix("http://").expect("a URL");
        let mut stream = TcpStream::connect(address).expect("a connection");
        let head = format!(
            "POST /v1/events/batch HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
            donor.token,
            line.len() * 2
        );
        stream.write_all(format!("{head}{line}\n").as_bytes()).expect("half an upload");
        stream.shutdown(std::net::Shutdown::Write).expect("broken off");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer or an end");
        assert!(answer.is_empty() || answer.contains("upload_truncated"), "{answer}");
        assert_eq!(app.ledger.readiness(), size);
        app.laptop(&donor);
    }

    /// One refusal of every endpoint that can refuse; the table is checked against the OpenAPI document.
    fn every_endpoint_refuses(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let jws = sign_bytes(&donor.key, b"{}");
        let admin = &app.operator.token;
        let posting = app.token(&donor.id, &["post"]);
        let table = [
            ("post", "/v1/events", app.post_jws("", &jws), 401, "token_invalid"),
            ("post", "/v1/events/batch", app.post_batch("", "each", &[jws]), 401, "token_invalid"),
            ("get", "/v1/events", app.get("/v1/events", ""), 401, "token_invalid"),
            ("get", "/v1/waiting", app.get("/v1/waiting", ""), 401, "token_invalid"),
            ("delete", "/v1/waiting/{id}", app.delete("/v1/waiting/x", &donor.token), 404, "not_found"),
            ("get", "/v1/items/{id}", app.get(&format!("/v1/items/{}", new_id()), &donor.token), 404, "not_found"),
            ("get", "/v1/items/{id}/path", app.get("/v1/items/x/path", &donor.token), 404, "not_found"),
            ("get", "/v1/corrections/{entry}", app.get("/v1/corrections/1", &donor.token), 404, "not_found"),
            ("get", "/v1/eligibility", app.get("/v1/eligibility?treatment=1", &donor.token), 404, "not_found"),
            ("get", "/v1/certificates/draft", app.get("/v1/certificates/draft?site=x&vintage=2026-11", &donor.token), 404, "not_found"),
            ("get", "/v1/certificates/{serial}", app.get("/v1/certificates/x", ""), 404, "not_found"),
            ("get", "/v1/certificates/{serial}/status", app.get("/v1/certificates/x/status", ""), 404, "not_found"),
            ("get", "/v1/certificates/{serial}/bundle", app.get("/v1/certificates/x/bundle", ""), 401, "token_invalid"),
            ("post", "/v1/orders", app.post_json("/v1/orders", "", &json!({})), 401, "token_invalid"),
            ("get", "/v1/orders", app.get("/v1/orders", &posting), 403, "scope_missing"),
            ("get", "/v1/orders/{id}", app.get("/v1/orders/x", &donor.token), 404, "not_found"),
            ("delete", "/v1/orders/{id}", app.delete(&format!("/v1/orders/{}", new_id()), &donor.token), 404, "not_found"),
            ("post", "/v1/orders/{id}/payment", app.post_json("/v1/orders/x/payment", &donor.token, &json!({})), 404, "not_found"),
            ("post", "/v1/orders/{id}/refund", app.post_json("/v1/orders/x/refund", &donor.token, &json!({})), 404, "not_found"),
            ("post", "/v1/orders/{id}/refund-request", app.post_json(&format!("/v1/orders/{}/refund-request", new_id()), &donor.token, &json!({})), 404, "not_found"),
            ("delete", "/v1/orders/{id}/refund-request", app.delete(&format!("/v1/orders/{}/refund-request", new_id()), &donor.token), 404, "not_found"),
            ("get", "/v1/orders/{id}/delivery", app.get(&format!("/v1/orders/{}/delivery", new_id()), &donor.token), 404, "not_found"),
            ("get", "/v1/certificates/{serial}/history", app.get("/v1/certificates/x/history", ""), 404, "not_found"),
            ("get", "/v1/register", app.get("/v1/register?before=x", ""), 400, "query_invalid"),
            ("get", "/v1/register/pools", app.get("/v1/register/pools?before=x", ""), 400, "query_invalid"),
            ("get", "/v1/register/entries", app.get("/v1/register/entries?from=-1", ""), 400, "query_invalid"),
            ("get", "/v1/account", app.get("/v1/account", ""), 401, "token_invalid"),
            ("get", "/v1/account/changes", app.get("/v1/account/changes", &posting), 403, "scope_missing"),
            ("get", "/v1/organisations/{id}/statement", app.get("/v1/organisations/x/statement?year=2026", &donor.token), 404, "not_found"),
            ("get", "/v1/balance", app.get("/v1/balance", ""), 401, "token_invalid"),
            ("get", "/v1/donations/{id}/report", app.get(&format!("/v1/donations/{}/report", new_id()), &donor.token), 404, "not_found"),
            ("get", "/v1/overdue", app.get("/v1/overdue", ""), 401, "token_invalid"),
            ("get", "/v1/doubts", app.get("/v1/doubts", ""), 401, "token_invalid"),
            ("get", "/v1/signals", app.get("/v1/signals", ""), 401, "token_invalid"),
            ("get", "/v1/organisations", app.get("/v1/organisations", ""), 401, "token_invalid"),
            ("get", "/v1/organisations/{id}", app.get("/v1/organisations/x", &donor.token), 404, "not_found"),
            ("get", "/v1/sites", app.get("/v1/sites", &posting), 403, "scope_missing"),
            ("get", "/v1/sites/{id}", app.get("/v1/sites/x", &donor.token), 404, "not_found"),
            ("get", "/v1/scales", app.get("/v1/scales", &posting), 403, "scope_missing"),
            ("get", "/v1/scales/{id}", app.get("/v1/scales/x", &donor.token), 404, "not_found"),
            ("get", "/v1/keys", app.get("/v1/keys", &posting), 403, "scope_missing"),
            ("get", "/v1/keys/{id}", app.get("/v1/keys/x", &donor.token), 404, "not_found"),
            ("get", "/v1/reference/{table}", app.get("/v1/reference/x", ""), 404, "not_found"),
            ("get", "/v1/entries/{index}", app.get("/v1/entries/0", &donor.token), 404, "not_found"),
            ("get", "/log/checkpoint", before_the_first_checkpoint(kind), 404, "not_found"),
            ("get", "/log/tile/{level}/{n}", app.get("/log/tile/0/999", ""), 404, "not_found"),
            ("get", "/log/tile/entries/{n}", app.get("/log/tile/entries/000.p/1", ""), 401, "token_invalid"),
            ("get", "/log/witnessed-checkpoint", app.get("/log/witnessed-checkpoint", ""), 404, "not_found"),
            ("get", "/v1/proofs/inclusion", app.get("/v1/proofs/inclusion?index=99", ""), 404, "not_found"),
            ("get", "/v1/proofs/consistency", app.get("/v1/proofs/consistency?from=98&to=99", ""), 404, "not_found"),
            ("post", "/v1/tokens", app.post_json("/v1/tokens", &donor.token, &json!({})), 403, "scope_missing"),
            ("get", "/v1/tokens", app.get("/v1/tokens", &donor.token), 403, "scope_missing"),
            ("delete", "/v1/tokens/{id}", app.delete("/v1/tokens/none", admin), 404, "not_found"),
            ("post", "/v1/hosted-keys", app.post_json("/v1/hosted-keys", "", &json!({})), 401, "token_invalid"),
        ];
        let document = serde_json::to_value(loopledger::http::openapi_document()).expect("a document");
        let paths = document["paths"].as_object().expect("paths");
        let mut refusing: Vec<(String, String)> = Vec::new();
        // What tells how a node is never refuses.
        let may_refuse = |path: &String| !path.starts_with("/health") && path != "/metrics";
        for (path, operations) in paths.iter().filter(|(path, _)| may_refuse(path)) {
            refusing.extend(operations.as_object().expect("operations").keys().map(|verb| (verb.clone(), path.clone())));
        }
        refusing.sort();
        let mut tested: Vec<_> = table.iter().map(|(verb, path, ..)| ((*verb).to_owned(), (*path).to_owned())).collect();
        tested.sort();
        assert_eq!(tested, refusing, "an endpoint has no refusal test, or is not documented");
        for (_, _, answer, status, code) in table {
            answer.refused(status, code, "");
        }
    }
}

/// A node that follows shows nothing before its publisher has signed.
fn before_the_first_checkpoint(kind: crate::harness::Kind) -> crate::client::Answer {
    let app = TestApp::unpublished(kind);
    app.get("/log/checkpoint", "")
}
