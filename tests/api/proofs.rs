//! Checkpoints and proofs: signed within a second of growth, verified with nothing but the vkey.

use crate::harness::{ORIGIN, OperatorKeys, TestApp, both_databases, laptop_fields, new_id, signed};
use data_encoding::{BASE64, HEXLOWER};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::merkle::{TreeHash, check_consistency, check_inclusion, leaf_hash};
use loopledger::proof::note::NoteVerifier;

fn verifier() -> NoteVerifier {
    let key = OperatorKeys::fixed().checkpoint.verifying_key();
    NoteVerifier::new(ORIGIN, key).expect("a name")
}

fn hashes(list: &serde_json::Value) -> Vec<TreeHash> {
    let hash = |value: &serde_json::Value| {
        let bytes = HEXLOWER.decode(value.as_str().expect("hex").as_bytes()).expect("hex");
        TreeHash::from_slice(&bytes).expect("32 bytes")
    };
    list.as_array().expect("a list").iter().map(hash).collect()
}

/// Checks a tlog-proof as an outsider would: index, hashes, checkpoint, each line in its place.
fn check_tlog_proof(text: &str, entry: &[u8]) -> (u64, Checkpoint) {
    let (proof, note) = text.split_once("\n\n").expect("an empty line");
    let mut lines = proof.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    let index = lines.next().and_then(|line| line.strip_prefix("index ")).expect("an index");
    let index: u64 = index.parse().expect("a number");
    let hash = |line: &str| TreeHash::from_slice(&BASE64.decode(line.as_bytes()).expect("base64")).expect("32 bytes");
    let path: Vec<_> = lines.map(hash).collect();
    let checkpoint = Checkpoint::open(note, &verifier()).expect("signed");
    check_inclusion(&leaf_hash(entry), index, checkpoint.size, &path, &checkpoint.root).expect("included");
    (index, checkpoint)
}

both_databases! {
    fn waiting_for_the_proof_gives_one(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        let answer = app.post_body("/v1/events?wait=proof", &donor.token, "application/jose", jws.as_bytes());
        let index = answer.accepted();
        let entry = app.get(&format!("/v1/entries/{index}"), &donor.token).text;
        let (proved, checkpoint) = check_tlog_proof(answer.json()["proof"].as_str().expect("a proof"), entry.as_bytes());
        assert_eq!((proved, checkpoint.origin.as_str()), (index, ORIGIN));
        app.post_body("/v1/events?wait=rain", &donor.token, "application/jose", b"").refused(400, "query_invalid", "");
    }

    fn every_entry_is_proved_and_every_checkpoint_extends_the_one_before(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let mut sizes = vec![app.wait_for_checkpoint()];
        // Past the first full tile, and past the second.
        for count in [1, 2, 300, 210] {
            let batch: Vec<_> = (0..count).map(|_| signed(&donor, "registered", &laptop_fields(&new_id()))).collect();
            assert_eq!(app.post_batch(&donor.token, "all", &batch).status, 200);
            sizes.push(app.wait_for_checkpoint());
        }
        let last = *sizes.last().expect("a size");
        assert!(last > 512);
        for index in (0..last).step_by(37).chain([0, 254, 255, 256, 257, 511, 512, last - 1]) {
            let proof = app.get(&format!("/v1/proofs/inclusion?index={index}"), "").json();
            let entry = app.get(&format!("/v1/entries/{index}"), &app.operator.token).text;
            let (proved, checkpoint) = check_tlog_proof(proof["tlog_proof"].as_str().expect("a proof"), entry.as_bytes());
            assert_eq!((proved, checkpoint.size), (index, last));
            let path = hashes(&proof["hashes"]);
            check_inclusion(&leaf_hash(entry.as_bytes()), index, last, &path, &checkpoint.root).expect("included");
        }
        for (from, to) in sizes.iter().zip(&sizes[1..]).chain([(&sizes[0], &last)]) {
            let proof = app.get(&format!("/v1/proofs/consistency?from={from}&to={to}"), "").json();
            let open = |name: &str| Checkpoint::open(proof[name].as_str().expect("a note"), &verifier()).expect("signed");
            let (first, second) = (open("from_checkpoint"), open("to_checkpoint"));
            let path = hashes(&proof["hashes"]);
            check_consistency((first.size, &first.root), (second.size, &second.root), &path).expect("consistent");
        }
        let note = app.get("/log/checkpoint", "");
        assert_eq!((note.status, note.content_type.as_str()), (200, "text/plain; charset=utf-8"));
        assert_eq!(Checkpoint::open(&note.text, &verifier()).map(|checkpoint| checkpoint.size), Ok(last));
    }

    fn proofs_that_do_not_exist(kind) {
        let app = TestApp::start(kind);
        app.join(&["donor"]);
        let size = app.wait_for_checkpoint();
        let get = |path: &str| app.get(path, "");
        get(&format!("/v1/proofs/inclusion?index={size}")).refused(404, "not_found", "");
        get("/v1/proofs/inclusion?index=0&size=999999").refused(404, "not_found", "");
        get("/v1/proofs/inclusion?index=18446744073709551615&size=1").refused(404, "not_found", "");
        get("/v1/proofs/inclusion?index=-1").refused(400, "query_invalid", "");
        get("/v1/proofs/inclusion").refused(400, "query_invalid", "");
        get("/v1/proofs/consistency?from=999999").refused(400, "query_invalid", "/from");
        get("/v1/proofs/consistency?from=999999&to=9999999").refused(404, "not_found", "");
        get("/v1/proofs/consistency").refused(400, "query_invalid", "");
        get("/v1/entries/0").refused(401, "token_invalid", "");
        app.get("/v1/entries/x", &app.operator.token).refused(404, "not_found", "");
        app.get("/v1/entries/999999", &app.operator.token).refused(404, "not_found", "");
        get("/v2").refused(404, "not_found", "");
    }
}
