//! The auditor's sample: drawn with a nonce that came after the checkpoint, the same from the database and from an export.

use crate::bundles::anchor;
use crate::harness::{Kind, TestApp, both_databases, new_id};
use crate::process::{export, run};
use crate::story::Story;
use crate::verifying::{Desk, SEEN_S, grow, witness_key, witness_name};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::cosignature::cosign;
use loopledger::proof::note::Note;
use loopledger::proof::sample::{Candidate, Seed};
use serde_json::{Value, json};
use std::fs;

const NONCE: [u8; 32] = [0x5a; 32];

/// Runs `sample` on the desk; words that begin with @ are files there.
fn sample(desk: &Desk, arguments: &str) -> (i32, String, String) {
    let words = arguments.split(' ').map(|word| match word.strip_prefix('@') {
        Some(name) => desk.path(name),
        None => word.to_owned(),
    });
    let words: Vec<String> = ["sample".to_owned()].into_iter().chain(words).collect();
    let output = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

fn url_of(app: &TestApp) -> String {
    match &app.database.url {
        loopledger::store::DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        loopledger::store::DatabaseUrl::Postgres(url) => url.clone(),
    }
}

fn drawn(json: &Value) -> Vec<(u64, u64)> {
    let drawn = json["drawn"].as_array().expect("a list").iter();
    drawn.map(|one| (one["entry"].as_u64().expect("an entry"), one["hits"].as_u64().expect("hits"))).collect()
}

both_databases! {
    /// The same draw by everybody, with what stands behind each treatment.
    fn a_sample_is_drawn_again(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let mut candidates = Vec::new();
        for grams in [3_000, 500, 20_000, 1_200, 7_000] {
            let index = story.whole_batch(grams);
            candidates.push(Candidate { index, grams: u64::try_from(grams).expect("grams") });
        }
        let lot = |treatment: &Value| treatment["item"].as_str().expect("an item").to_owned();
        app.wait_for_checkpoint();
        let desk = Desk::new();
        let place = ["--database-url".to_owned(), url_of(&app)];
        export(desk.0.path(), &[&place[0], &place[1]]);
        let note = fs::read_to_string(desk.path("checkpoint")).expect("a checkpoint");
        let checkpoint = Checkpoint::open(&note, &anchor()).expect("signed");
        let nonce = data_encoding::HEXLOWER.encode(&NONCE);
        let seed = Seed::of(&NONCE, &checkpoint.root);
        let from_database = format!("--database-url {} --vkey @vkey --checkpoint @checkpoint --nonce {nonce}", place[1]);
        let from_export = format!("--entries @entries --vkey @vkey --checkpoint @checkpoint --nonce {nonce}");
        for (method, expected) in [
            ("", seed.draw_by_rank(&candidates, 3)),
            (" --by-mass", seed.draw_by_mass(&candidates, 3)),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|drawn| (drawn.candidate.index, drawn.hits)).collect();
            for source in [&from_database, &from_export] {
                let (code, out, err) = sample(&desk, &format!("{source} --count 3 --format json{method}"));
                assert_eq!(code, 0, "{out}{err}");
                let json: Value = serde_json::from_str(&out).expect("JSON");
                assert_eq!(drawn(&json), expected);
                let record = &json["record"];
                assert_eq!((&record["seed"], &record["nonce"]), (&json!(data_encoding::HEXLOWER.encode(&seed.0)), &json!(nonce)));
                assert_eq!((&record["treatments"], &record["grams"]), (&json!(5), &json!("31700")));
                assert_eq!(record["checkpoint"], json!(note));
            }
        }
        // All of them, with evidence: weighings, the receiver's acceptance, audits.
        let (_, out, _) = sample(&desk, &format!("{from_database} --count 9 --format json"));
        let json: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(json["drawn"].as_array().expect("a list").len(), 5);
        for one in json["drawn"].as_array().expect("a list") {
            let steps = one["steps"].as_array().expect("steps");
            let types: Vec<&str> = steps.iter().map(|step| step["type"].as_str().expect("a type")).collect();
            assert_eq!(types, ["dismantled", "handover_offered", "handover_accepted", "treated_final"]);
            assert_eq!((&steps[0]["scales"], &steps[2]["scales"]), (&json!([story.centre_scale]), &json!([story.smelter_scale])));
            assert_eq!(steps[0]["weighed_g"], json!([one["grams"]]));
            assert_eq!((&one["site"], &one["operation"], &one["class"]), (&json!("XD-FURN"), &json!("R4"), &json!("FE")));
            assert_eq!((one["audits"].as_array().expect("audits").len(), one["batches"].as_array().expect("one").len()), (1, 1));
            assert!(!lot(one).is_empty() && one["shortened"] == json!(false));
        }
        let (code, out, err) = sample(&desk, &format!("{from_database} --count 2 --format csv"));
        assert_eq!((code, out.lines().count()), (0, 3), "{out}");
        assert!(out.starts_with("entry,grams,hits,site,") && err.contains("RECORD OF THE DRAW"), "{out}{err}");
        let (code, out, _) = sample(&desk, &format!("{from_database} --count 2"));
        for words in ["RECORD OF THE DRAW", &nonce, "TREATMENT entry", "handover_accepted", "audit of the site on", "witnessed by   nobody"] {
            assert!(code == 0 && out.contains(words), "{words} is missing:\n{out}");
        }
    }
}

/// What was said later changes nothing of a draw; what is not the checkpoint's ledger gives none.
#[test]
fn a_sample_stands_on_its_checkpoint() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    for grams in [3_000, 4_000, 5_000] {
        story.whole_batch(grams);
    }
    app.wait_for_checkpoint();
    let desk = Desk::new();
    let url = url_of(&app);
    export(desk.0.path(), &["--database-url", &url]);
    let note = fs::read_to_string(desk.path("checkpoint")).expect("a checkpoint");
    let nonce = "7".repeat(64);
    let ask = |anchor: &str, checkpoint: &str| {
        let arguments =
            format!("--database-url {url} {anchor} --checkpoint {checkpoint} --nonce {nonce} --count 2 --format json");
        sample(&desk, &arguments)
    };
    let (code, before, _) = ask("--vkey @vkey", "@checkpoint");
    assert_eq!(code, 0);
    // The photograph names the item and comes later: neither it nor the new treatment is seen under this checkpoint.
    let item = serde_json::from_str::<Value>(&before).expect("JSON")["drawn"][0]["item"].clone();
    let later = json!({
        "about": 1, "item": item, "kind": "photograph", "document": {"sha256": "a".repeat(64), "blake3": "b".repeat(64)},
    });
    app.say(&story.smelter, "evidence_attached", &later).accepted();
    story.whole_batch(9_000);
    grow(&app, 1);
    assert_eq!(ask("--vkey @vkey", "@checkpoint").1, before);
    app.wait_for_checkpoint();
    desk.put("newer", app.get("/log/checkpoint", "").text.as_bytes());
    let (_, newer, _) = ask("--vkey @vkey", "@newer");
    assert!(newer.contains("\"treatments\": 4"), "{newer}");
    let all = format!("--database-url {url} --vkey @vkey --checkpoint @newer --count 4 --format json");
    assert!(sample(&desk, &all).1.contains("\"evidence\": \"photograph\""), "what was attached to the item is listed");

    // Nobody's, another ledger's, a larger one, an unwitnessed one.
    assert_eq!(ask("", "@checkpoint").0, 2);
    assert_eq!(ask("--vkey @vkey", "@nowhere").0, 2);
    let real = Checkpoint::open(&note, &anchor()).expect("signed");
    let key = crate::harness::OperatorKeys::fixed().checkpoint;
    let other_root = Checkpoint { root: loopledger::proof::merkle::leaf_hash(b""), ..real.clone() };
    let larger = Checkpoint { size: 100_000, ..real.clone() };
    for (forged, words) in [(other_root, "the checkpoint's is"), (larger, "the checkpoint covers 100000")] {
        desk.put("forged", forged.sign(&key).expect("signed").as_bytes());
        for source in [format!("--database-url {url}"), "--entries @entries".to_owned()] {
            let (code, out, _) =
                sample(&desk, &format!("{source} --vkey @vkey --checkpoint @forged --nonce {nonce} --count 2"));
            assert!(code == 1 && out.contains(words), "{out}");
        }
    }
    let (code, out, _) = ask("--policy @policy", "@checkpoint");
    assert!(code == 1 && out.contains("quorum"), "{out}");
    let text = Note::parse(&note).expect("a note").text.to_owned();
    let mut cosigned = note.clone();
    for seed in [11, 12] {
        cosigned += &cosign(&witness_name(seed), &witness_key(seed), SEEN_S, &text).expect("cosigned");
    }
    desk.put("cosigned", cosigned.as_bytes());
    let (code, out, _) = ask("--policy @policy", "@cosigned");
    assert_eq!(code, 0, "{out}");
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["record"]["witnesses"], json!(["W11", "W12"]));
    // Without a nonce one is drawn, each time another.
    let drawn = || {
        sample(&desk, &format!("--database-url {url} --vkey @vkey --checkpoint @checkpoint --count 1 --format json")).1
    };
    let nonces: Vec<Value> =
        (0..2).map(|_| serde_json::from_str::<Value>(&drawn()).expect("JSON")["record"]["nonce"].clone()).collect();
    assert!(nonces[0] != nonces[1] && nonces[0].as_str().is_some_and(|nonce| nonce.len() == 64));
    let bad = format!("--database-url {url} --vkey @vkey --checkpoint @checkpoint --count 1 --nonce {}", new_id());
    assert_eq!(sample(&desk, &bad).0, 2);
}
