//! Bundles: one file proves a certificate to somebody who has nothing but the ledger's key.

use crate::forging::vkey;
use crate::harness::{Kind, NOON_MS, OperatorKeys, TestApp, TestDatabase, both_databases};
use crate::process::run;
use crate::story::Story;
use loopledger::proof::bundle::{Bundle, BundledOpening};
use loopledger::proof::note::NoteVerifier;
use loopledger::proof::verify::{Rejection, verify};
use serde_json::{Value, json};
use std::fs;

pub fn anchor() -> NoteVerifier {
    NoteVerifier::parse(&vkey(&OperatorKeys::fixed().checkpoint)).expect("a vkey")
}

/// A certificate of one lot, one batch and one treatment, retired; its serial numbers and its bundle.
pub fn small(story: &Story<'_>) -> (String, Vec<u8>) {
    story.whole_batch(3_000);
    let serial = story.issue(None);
    story.retire(&serial).accepted();
    let answer = story.app.get(&format!("/v1/certificates/{serial}/bundle"), &story.centre.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    (serial, answer.text.into_bytes())
}

pub fn openings_of(bundle: &[u8]) -> Vec<BundledOpening> {
    Bundle::parse(bundle).expect("a bundle").openings
}

both_databases! {
    /// Moved elsewhere, it verifies with the key; without it, it agrees with itself and no more.
    fn a_bundle_travels(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (serial, bundle) = small(&story);
        let folder = tempfile::tempdir().expect("a folder");
        let (file, key) = (folder.path().join("b.json"), folder.path().join("vkey"));
        fs::write(&file, &bundle).expect("written");
        fs::write(&key, anchor().vkey() + "\n").expect("written");
        let file = file.display().to_string();
        let verified = run(&["verify", &file, "--vkey", &key.display().to_string()]);
        let words = String::from_utf8(verified.stdout).expect("text");
        assert_eq!(verified.status.code(), Some(0), "{words}");
        for expected in
            ["VALID", &serial, "TEST LEDGER", "R4", "Example Textiles Ltd", "arose in               XD", "Not checked", "0 of"]
        {
            assert!(words.contains(expected), "{expected:?} is missing:\n{words}");
        }
        assert_eq!(run(&["verify", &file, "--vkey", &anchor().vkey()]).status.code(), Some(0));
        let alone = run(&["verify", &file]);
        assert_eq!(alone.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&alone.stdout).contains("TRUSTED BY NOBODY"));
        let other = vkey(&ed25519_dalek::SigningKey::from_bytes(&[99; 32]));
        assert_eq!(run(&["verify", &file, "--vkey", &other]).status.code(), Some(1));
        assert_eq!(run(&["verify", &file, "--vkey", "nonsense"]).status.code(), Some(2));
        assert_eq!(run(&["verify", "/nowhere"]).status.code(), Some(2));
        fs::write(folder.path().join("c.json"), "{}").expect("written");
        assert_eq!(run(&["verify", &folder.path().join("c.json").display().to_string()]).status.code(), Some(2));

        let verdict = verify(&bundle, Some(&anchor())).expect("valid");
        assert_eq!(verdict.certificate.units, 2);
        assert_eq!((verdict.hosted, verdict.openings.len()), (0, 3));
        assert_eq!(verdict.not_shown, Vec::<String>::new(), "a small lineage is shown whole");
        assert!(!String::from_utf8_lossy(&bundle).contains(&story.centre.token));
        let auditors = app.get(&format!("/v1/certificates/{serial}/bundle"), &app.operator.token);
        assert_eq!(auditors.text.as_bytes(), bundle, "the same bytes for whoever may have it");
    }

    /// While one checkpoint key takes the place of another, whoever knows either verifies.
    fn a_bundle_under_two_checkpoint_keys(kind) {
        let database = TestDatabase::new(kind);
        let next = ed25519_dalek::SigningKey::from_bytes(&[44; 32]);
        let mut publishing = database.publishing();
        publishing.keys.push(next.clone());
        let app = TestApp::start_publishing(database, NOON_MS, publishing);
        app.say(&app.operator, "checkpoint_key_changed", &json!({"vkey": vkey(&next)})).accepted();
        let (_, bundle) = small(&Story::begin(&app));
        for key in [&next, &OperatorKeys::fixed().checkpoint] {
            verify(&bundle, Some(&NoteVerifier::parse(&vkey(key)).expect("a vkey"))).expect("valid");
        }
        assert_eq!(Bundle::parse(&bundle).expect("a bundle").keys, [vkey(&next), anchor().vkey()]);
    }

    /// What went into the lot is shown too, from hand to hand.
    fn a_long_way_is_shown(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let collector = app.join(&["collector"]);
        let laptops: Vec<String> = (0..3)
            .map(|_| {
                let laptop = app.laptop(&collector);
                let retired = json!({
                    "item": laptop, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none",
                    "missing": [{"part": "batteries", "count": 1}, {"part": "boards", "count": 1}],
                });
                app.say(&collector, "retired", &retired).accepted();
                laptop
            })
            .collect();
        let (lot, batch) = (crate::harness::new_id(), crate::harness::new_id());
        app.say(&collector, "merged", &json!({"inputs": laptops, "lot": lot})).accepted();
        let handover = crate::harness::new_id();
        let offer = json!({"handover": handover, "to": story.centre.id, "lots": [{"lot": lot, "sent_g": 9_000}]});
        app.say(&collector, "handover_offered", &offer).accepted();
        let answer = json!({"weight": story.weighed(9_000), "accepted_g": 9_000, "refused_g": 0});
        story.at_centre("handover_accepted", json!({"handover": handover, "lots": [answer]})).accepted();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let pieces: Vec<String> = [4_000, 5_000].iter().map(|grams| story.fraction(&batch, "FE", *grams)).collect();
        let cage = crate::harness::new_id();
        story.at_centre("merged", json!({"inputs": pieces, "lot": cage})).accepted();
        let parts: Vec<String> = (0..2).map(|_| crate::harness::new_id()).collect();
        let split = json!({"lot": cage, "parts": [{"lot": parts[0], "net_g": 6_000}, {"lot": parts[1], "net_g": 3_000}]});
        story.at_centre("split", split).accepted();
        for (part, grams) in [(&parts[0], 6_000), (&parts[1], 3_000)] {
            story.send(part, grams, grams);
            story.treat(part, grams);
        }
        story.close(&batch).accepted();
        let serial = story.issue(None);
        let bundle = app.get(&format!("/v1/certificates/{serial}/bundle"), &story.centre.token).text;
        let verdict = verify(bundle.as_bytes(), Some(&anchor())).expect("valid");
        assert_eq!((verdict.certificate.units, verdict.certificate.arising.clone()), (8, vec!["XD".to_owned()]));
        assert_eq!(verdict.not_shown, Vec::<String>::new());
        let shown = Bundle::parse(bundle.as_bytes()).expect("a bundle").entries;
        let has = |kind: &str| shown.iter().any(|entry| {
            let entry = loopledger::proof::entry::Entry::parse(&entry.bytes).expect("an entry");
            let read = loopledger::proof::statement::Unverified::read(&entry.statement).expect("a statement");
            read.statement.event.type_name() == kind
        });
        for kind in ["registered", "retired", "merged", "split", "handover_offered", "site_audited", "key_registered"] {
            assert!(has(kind), "{kind} is not shown");
        }
        // The same lineage, up and down, in the API.
        let path = |query: &str| app.get(&format!("/v1/items/{query}"), &app.operator.token).json();
        let up = path(&format!("{}/path?lineage=up", parts[0]));
        let ids = |nodes: &Value| -> Vec<String> {
            let nodes = nodes.as_array().expect("nodes");
            nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
        };
        assert_eq!(ids(&up["up"]), [vec![cage.clone()], pieces.clone(), vec![batch.clone(), lot], laptops.clone()].concat());
        assert_eq!((&up["lineage_complete"], ids(&up["down"]).len()), (&json!(true), 0));
        let down = path(&format!("{}/path?lineage=down", laptops[0]));
        assert_eq!(ids(&down["down"]).len(), 7);
        let last = down["events"].as_array().expect("events").last().expect("one")["type"].clone();
        assert_eq!(last, "batch_closed");
        path(&format!("{}/path?lineage=sideways", laptops[0]))["code"].as_str().expect("refused");
        let theirs = app.get(&format!("/v1/items/{}/path?lineage=down", laptops[0]), &collector.token).json();
        assert_eq!(ids(&theirs["down"]).len(), 1, "the collector sees as far as it was a party");
    }
}

both_databases! {
    /// Roads that are crooked and honest: a part that was refused, a lot that was weighed late, a key that was replaced.
    fn honest_bundles_verify(kind) {
        let app = TestApp::start(kind);
        let mut story = Story::begin(&app);
        let batch = story.batch(10_000);
        // The smelter takes a part; the rest goes back, and comes again.
        let steel = story.fraction(&batch, "FE", 4_000);
        let (handover, rest) = (crate::harness::new_id(), crate::harness::new_id());
        let offer = json!({"handover": handover, "to": story.smelter.id, "lots": [{"lot": steel, "sent_g": 4_000}]});
        app.say(&story.centre, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "weighed", "gross_g": 4_000, "tare_g": 0, "scale": story.smelter_scale});
        let answer = json!({
            "weight": weight, "accepted_g": 2_500, "refused_g": 1_500, "refused_as": rest, "reason": "damaged",
        });
        let accept = json!({"handover": handover, "site": story.smelter_site, "lots": [answer]});
        app.say(&story.smelter, "handover_accepted", &accept).accepted();
        story.treat(&steel, 2_500);
        story.send(&rest, 1_500, 1_500);
        story.treat(&rest, 1_500);
        // Estimated when it left the batch, weighed by whoever received it.
        let late = crate::harness::new_id();
        let estimated = json!({"basis": "estimated", "net_g": 3_000});
        let fields = json!({"batch": batch, "lot": late, "fraction": "FE", "weight": estimated});
        story.at_centre("dismantled", fields).accepted();
        story.send(&late, 3_000, 3_010);
        story.treat(&late, 3_010);
        // The centre replaces its key.
        let fresh = loopledger::ledger::keyring::generate().expect("randomness");
        let fields = crate::harness::key_fields(&story.centre.id, &fresh);
        app.say(&story.centre, "key_registered", &fields).accepted();
        let old = json!({"kid": crate::harness::kid(&story.centre.key), "reason": "superseded"});
        story.centre.key = fresh;
        app.say(&story.centre, "key_revoked", &old).accepted();
        let last = story.fraction(&batch, "FE", 2_900);
        story.send(&last, 2_900, 2_900);
        story.treat(&last, 2_900);
        story.close(&batch).accepted();
        let serial = story.issue(None);
        let bundle = |serial: &str| app.get(&format!("/v1/certificates/{serial}/bundle"), &app.operator.token).text;
        let verdict = verify(bundle(&serial).as_bytes(), Some(&anchor())).expect("valid");
        assert_eq!((verdict.certificate.units, verdict.not_shown.len()), (8, 0), "{:?}", verdict.not_shown);
        let buffer = "ERT-XD-CTR1-202611-0000009-0000009";
        let verdict = verify(bundle(buffer).as_bytes(), Some(&anchor())).expect("valid");
        assert!(verdict.certificate.is_buffer);
    }
}

/// Every single bit and byte: nothing that differs is valid.
#[test]
fn no_other_byte_is_valid() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let anchor = anchor();
    assert!(verify(&bundle, Some(&anchor)).is_ok());
    let refuse = |bytes: &[u8], what: &str| assert!(verify(bytes, Some(&anchor)).is_err(), "{what} is valid");
    let half = bundle.len() / 2;
    std::thread::scope(|scope| {
        for range in [0..half, half..bundle.len()] {
            let (bundle, refuse) = (&bundle, &refuse);
            scope.spawn(move || {
                let mut changed = bundle.clone();
                for at in range {
                    for bit in 0..8 {
                        changed[at] ^= 1 << bit;
                        refuse(&changed, &format!("bit {bit} of byte {at} flipped"));
                        changed[at] = bundle[at];
                    }
                    changed[at] = !bundle[at];
                    refuse(&changed, &format!("byte {at} inverted"));
                    changed[at] = bundle[at];
                }
            });
        }
    });
    for at in (0..bundle.len()).step_by(7) {
        let without = [&bundle[..at], &bundle[at + 1..]].concat();
        refuse(&without, &format!("byte {at} left out"));
        let twice = [&bundle[..at], &bundle[at..=at], &bundle[at..]].concat();
        refuse(&twice, &format!("byte {at} twice"));
    }
    refuse(&[&bundle[..], b"\n"].concat(), "a newline appended");
    refuse(&[b" ", &bundle[..]].concat(), "a space before");
}

/// The same meaning in other bytes.
#[test]
fn no_other_spelling_is_valid() {
    let app = TestApp::start(Kind::Sqlite);
    let (serial, bundle) = small(&Story::begin(&app));
    let text = String::from_utf8(bundle.clone()).expect("UTF-8");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let salt = json["openings"][0]["salt"].as_str().expect("a salt");
    let hash = json["entries"][1]["path"][0].as_str().expect("a hash");
    let padded = |entry: &&Value| entry["entry"].as_str().is_some_and(|text| text.ends_with('='));
    let entry = json["entries"].as_array().expect("entries").iter().find(padded).expect("one is padded");
    let entry = entry["entry"].as_str().expect("an entry");
    // The last character before padding carries bits that a lenient decoder drops.
    let tail = |base64: &str| {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let body = base64.trim_end_matches('=');
        let (head, last) = body.split_at(body.len() - 1);
        let next = alphabet.find(last).expect("base64") + 1;
        base64.replacen(body, &format!("{head}{}", &alphabet[next..=next]), 1)
    };
    let company = "Example Textiles Ltd";
    let others = [
        text.replacen(salt, &salt.replace("07", "0７"), 1),
        text.replacen(salt, &salt.to_uppercase().replace('0', "O"), 1),
        text.replacen(hash, &tail(hash), 1),
        text.replacen(hash, hash.trim_end_matches('='), 1),
        text.replacen(entry, &tail(entry), 1),
        serde_json::to_string_pretty(&json).expect("JSON"),
        text.replacen("\"v\":1", "\"v\":1.0", 1),
        text.replacen("\"v\":1", "\"v\":01", 1),
        text.replacen("\"v\":1,", "", 1),
        text.replacen("\"v\":1,", "\"v\":1,\"v\":1,", 1),
        text.replacen("\"v\":1,", "\"v\":1,\"more\":1,", 1),
        text.replacen(company, "Example Textile\\u0073 Ltd", 1),
        text.replacen(company, "Example Textiles Ltd.", 1),
        text.replacen(&serial, &serial.to_lowercase(), 1),
        text.replacen("\\n", "\\r\\n", 1),
    ];
    for other in others {
        assert!(other != text, "the spelling was not changed");
        assert!(verify(other.as_bytes(), Some(&anchor())).is_err(), "{}", &other[..200]);
    }
    let mut bundle = Bundle::parse(&bundle).expect("a bundle");
    bundle.openings[0].salt = [0xab; 32];
    let lower = String::from_utf8(bundle.to_bytes()).expect("UTF-8");
    let shouted = lower.replacen(&"ab".repeat(32), &"AB".repeat(32), 1);
    assert!(
        matches!(verify(shouted.as_bytes(), Some(&anchor())), Err(Rejection::Invalid(problem)) if problem.contains("one form"))
    );
}
