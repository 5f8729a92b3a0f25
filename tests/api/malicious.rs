//! A malicious service: whoever runs the ledger, holds its keys, and lies to whoever verifies. Each lie is found by `verify`.

use crate::bundles::{anchor, openings_of, small};
use crate::forging::{Workshop, sealed, vkey};
use crate::harness::{Kind, ORIGIN, OperatorKeys, TestApp, new_id, signed};
use crate::story::Story;
use crate::verifying::{
    Desk, SEEN_S, bundle_now, cosigned, cosigned_by, grow, policy_of, size_of, witness_key, witness_name, witness_vkey,
};
use loopledger::domain::ids::{EntryIndex, Origin};
use loopledger::proof::bundle::Bundle;
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::cosignature::cosign;
use loopledger::proof::entry::{ChainHash, Entry};
use loopledger::proof::note::{Note, NoteVerifier, sign_note};
use loopledger::proof::verify::history::{Agreement, compare, compare_entries};
use loopledger::proof::verify::{Rejection, verify};
use loopledger::store::entries;
use serde_json::{Value, json};

fn expect_invalid(bundle: &[u8], words: &str) {
    match verify(bundle, Some(&anchor())) {
        Err(Rejection::Invalid(problem)) => assert!(problem.contains(words), "{words:?} is not in {problem:?}"),
        other => panic!("{words:?}: {other:?}"),
    }
}

fn checkpoint_of(bundle: &[u8]) -> Checkpoint {
    let bundle = Bundle::parse(bundle).expect("a bundle");
    Checkpoint::open(&bundle.checkpoint, &anchor()).expect("signed")
}

/// The same number of entries, another history for somebody else: both verify alone.
#[test]
fn a_split_view() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let mut other = Workshop::of(&story, &serial, openings_of(&bundle));
    other.first("received")["number"] = json!("WB-2");
    let desk = Desk::new();
    desk.put("mine", &bundle);
    desk.put("yours", &other.bundle(|_| true));
    desk.expect("@yours --vkey @vkey", 0, &["VALID"]);
    desk.expect("@mine @yours --vkey @vkey", 1, &["NOT ONE HISTORY", "Keep both files"]);
    desk.expect("@mine @yours --vkey @vkey --state @state", 1, &["NOT ONE HISTORY", "Evidence kept"]);
    let evidence = desk.files("state", "fork-");
    let notes: Vec<String> = evidence.iter().map(|file| std::fs::read_to_string(file).expect("a note")).collect();
    assert_eq!(notes.len(), 2, "both notes");
    assert!(notes[0] != notes[1] && notes.iter().all(|note| Checkpoint::open(note, &anchor()).is_ok()));
    // Only entries that the two do not share are shown: the roots alone tell.
    let (one, two) = (checkpoint_of(&bundle), checkpoint_of(&other.bundle(|_| true)));
    assert!(compare(&one, &two, None).is_err_and(|found| found.to_string().contains("different roots")));
    assert_eq!(compare(&one, &one, None), Ok(Agreement::Same));
    // With a memory one bundle at a time suffices, and the same evidence is kept once.
    desk.expect("@mine --vkey @vkey --state @other", 0, &["the first of this ledger"]);
    for _ in 0..2 {
        desk.expect("@yours --vkey @vkey --state @other", 1, &["different roots", "Evidence kept"]);
    }
    assert_eq!(desk.files("other", "fork-").len(), 2);
    desk.expect("@mine --vkey @vkey --state @other", 0, &["Remembered before"]);
}

/// The ledger is cut off behind the issue and grown otherwise: the retirement never was.
#[test]
fn a_truncated_tree() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let stored = app.ledger.store.read(|database| entries::page(database, EntryIndex(0), 10_000)).expect("readable");
    let mut all: Vec<Vec<u8>> = stored.into_iter().map(|entry| entry.bytes).collect();
    let retired = Entry::parse(&all.pop().expect("an entry")).expect("an entry");
    let last = all.len();
    for _ in 0..2 {
        let fields = json!({"organisation": new_id(), "roles": ["donor"], "country": "XD"});
        let statement = signed(&app.operator, "organisation_registered", &fields);
        let (index, prev) = (EntryIndex(all.len() as u64), ChainHash::of(all.last().expect("an entry")));
        all.push(Entry { index, prev, statement, ..retired.clone() }.to_bytes());
    }
    let cut = |shows: &dyn Fn(usize) -> bool| {
        sealed(&serial, &OperatorKeys::fixed().checkpoint, all.clone(), Vec::new(), shows)
    };
    let desk = Desk::new();
    desk.put("honest", &bundle);
    desk.put("cut", &cut(&|_| true));
    desk.expect("@cut --vkey @vkey", 0, &["VALID", "not retired in what is shown"]);
    desk.expect("@honest @cut --vkey @vkey", 1, &["NOT ONE HISTORY", "is not the same in both"]);
    // Where both show nothing that differs, the proof is missing or false.
    let (before, after) = (size_of(&bundle), size_of(&cut(&|_| true)));
    assert!(after > before, "{after} {before}");
    desk.put("few", &cut(&|index| index < last));
    desk.expect("@honest @few --vkey @vkey", 3, &["is not proved"]);
    grow(&app, 2);
    app.wait_for_checkpoint();
    let answer = app.get(&format!("/v1/proofs/consistency?from={before}"), "").json();
    let lie = json!({"from": before, "to": after, "hashes": answer["hashes"]});
    desk.put("lie", lie.to_string().as_bytes());
    desk.expect("@honest --vkey @vkey --state @state", 0, &["the first"]);
    desk.expect(
        "@few --vkey @vkey --state @state --consistency @lie",
        1,
        &["is not proved to extend", "Evidence kept"],
    );
    assert_eq!(desk.files("state", "fork-").len(), 2);
    // A proof of the tree as it was proves nothing in one that is shorter.
    let mut short = Bundle::parse(&bundle).expect("a bundle");
    let real = checkpoint_of(&bundle);
    short.checkpoint =
        Checkpoint { size: real.size - 1, ..real }.sign(&OperatorKeys::fixed().checkpoint).expect("signed");
    expect_invalid(&short.to_bytes(), "is not in the ledger of the checkpoint");
}

/// One entry in another's place.
#[test]
fn a_swapped_index() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let honest = Bundle::parse(&bundle).expect("a bundle");
    let swap = |change: fn(&mut Bundle)| {
        let mut swapped = honest.clone();
        change(&mut swapped);
        swapped.to_bytes()
    };
    let not_in = "is not in the ledger of the checkpoint";
    expect_invalid(&swap(|bundle| bundle.entries[3].index += 1), not_in);
    expect_invalid(
        &swap(|bundle| {
            let (one, two) = (bundle.entries[3].bytes.clone(), bundle.entries[4].bytes.clone());
            (bundle.entries[3].bytes, bundle.entries[4].bytes) = (two, one);
        }),
        not_in,
    );
    expect_invalid(&swap(|bundle| bundle.entries.swap(3, 4)), "does not come after");
    expect_invalid(&swap(|bundle| bundle.entries[4] = bundle.entries[3].clone()), "does not come after");
}

/// Yesterday's checkpoint, as if nothing had happened since.
#[test]
fn a_replayed_checkpoint() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    story.whole_batch(3_000);
    let serial = story.issue(None);
    let held = bundle_now(&app, &serial);
    story.retire(&serial).accepted();
    let desk = Desk::new();
    desk.put("held", &held);
    desk.put("retired", &bundle_now(&app, &serial));
    desk.expect("@retired --vkey @vkey --state @state", 0, &["the first"]);
    desk.expect("@held --vkey @vkey --state @state", 3, &["NOT REMEMBERED"]);
    // Under a policy, witnesses' times show how old it is.
    desk.put("old", &cosigned(&held, &[(witness_name(11), 11, SEEN_S), (witness_name(12), 12, SEEN_S)]));
    desk.expect("@old --policy @policy", 0, &["witnessed at 2026-11-23T12:00:10.000Z by W11, W12"]);
}

/// One witness is one, whatever names it goes by and however often it signs.
#[test]
fn one_witness_counted_twice() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let desk = Desk::new();
    let names = [witness_name(11), "another.example/name".to_owned()];
    desk.put("names", &cosigned(&bundle, &names.clone().map(|name| (name, 11, SEEN_S))));
    desk.expect("@names --policy @policy", 1, &["a key is listed twice"]);
    desk.put("lines", &cosigned(&bundle, &[(witness_name(11), 11, SEEN_S), (witness_name(11), 11, SEEN_S + 1)]));
    desk.expect("@lines --policy @policy", 1, &["a key is listed twice"]);
    desk.put("one", &cosigned_by(&bundle, &[11]));
    desk.expect("@one --policy @policy", 1, &["quorum is not met"]);
    let mut policy = format!("log {}\n", anchor().vkey());
    for (number, name) in names.iter().enumerate() {
        policy += &format!("witness W{number} {}\n", witness_vkey(name, 11));
    }
    desk.put("double", (policy + "group two all W0 W1\nquorum two\n").as_bytes());
    desk.expect("@one --policy @double", 2, &["one witness counts once"]);
    // The log's own key is no witness of itself.
    let text = Note::parse(&Bundle::parse(&bundle).expect("a bundle").checkpoint).expect("a note").text.to_owned();
    let mut itself = Bundle::parse(&bundle).expect("a bundle");
    let key = OperatorKeys::fixed().checkpoint;
    let cosigner = loopledger::proof::cosignature::Cosigner::new(ORIGIN, key.verifying_key()).expect("a name");
    itself.keys.push(cosigner.vkey());
    itself.checkpoint += &cosign(ORIGIN, &key, SEEN_S, &text).expect("cosigned");
    expect_invalid(&itself.to_bytes(), "a key is listed twice");
}

/// Two are needed: one, one of them twice, and one with a forged second are too few.
#[test]
fn a_quorum_short_by_one() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let desk = Desk::new();
    for seed in 11..=13 {
        desk.put("short", &cosigned_by(&bundle, &[seed]));
        desk.expect("@short --policy @policy", 1, &["quorum is not met"]);
    }
    desk.put("stranger", &cosigned_by(&bundle, &[11, 99]));
    desk.expect("@stranger --policy @policy", 1, &["quorum is not met: W11 cosigned"]);
    // A known witness's cosignature of something else refuses the note, also where the quorum is met without it.
    let mut forged = Bundle::parse(&cosigned_by(&bundle, &[11, 12])).expect("a bundle");
    forged.keys.push(witness_vkey(&witness_name(13), 13));
    forged.checkpoint += &cosign(&witness_name(13), &witness_key(13), SEEN_S, "another\n1\ntext\n").expect("cosigned");
    desk.put("forged", &forged.to_bytes());
    desk.expect("@forged --policy @policy", 1, &["does not verify"]);
}

/// Another ledger's checkpoint, entries, policy.
#[test]
fn another_ledger() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let honest = Bundle::parse(&bundle).expect("a bundle");
    let key = OperatorKeys::fixed().checkpoint;
    let other_name = "other.example/1a2b3c4d";
    let other = NoteVerifier::new(other_name, key.verifying_key()).expect("a name");
    // The same tree under another name: its entries say whose they are.
    let mut renamed = honest.clone();
    let real = checkpoint_of(&bundle);
    let origin = Origin::parse(other_name).expect("an origin");
    renamed.checkpoint = Checkpoint { origin, ..real.clone() }.sign(&key).expect("signed");
    renamed.keys = vec![other.vkey()];
    match verify(&renamed.to_bytes(), Some(&other)) {
        Err(Rejection::Invalid(problem)) => assert!(problem.contains("says that it is entry 0 of"), "{problem}"),
        found => panic!("{found:?}"),
    }
    expect_invalid(&renamed.to_bytes(), "not signed by the key that you trust");
    // A note of the one ledger under the other's name, both by the same key.
    let mut both = honest.clone();
    both.checkpoint = sign_note(other_name, &key, &real.body()).expect("signed");
    both.keys = vec![other.vkey()];
    expect_invalid(&both.to_bytes(), "origin is not the name of the key");
    // Signed by the ledger's key; the verifier believes another log.
    let desk = Desk::new();
    desk.put("bundle", &cosigned_by(&bundle, &[11, 12]));
    desk.put("foreign", policy_of(&vkey(&witness_key(77))).as_bytes());
    desk.expect("@bundle --policy @foreign", 1, &["no log of the policy signed it"]);
    assert!(
        compare(&real, &Checkpoint { origin: Origin::parse(other_name).expect("one"), ..real.clone() }, None).is_err()
    );
}

/// Entries that are each in the tree, but do not name one another.
#[test]
fn a_middle_that_was_swapped() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let (serial, bundle) = small(&story);
    let mut workshop = Workshop::of(&story, &serial, openings_of(&bundle));
    let middle = workshop.position("treated_final");
    workshop.unchained = Some(middle);
    let broken = workshop.bundle(|_| true);
    expect_invalid(&broken, &format!("entry {middle} does not name the hash of entry {}", middle - 1));
    // Neither of two bundles shows both neighbours; together they do.
    let parts = [workshop.bundle(|index| index != middle), workshop.bundle(|index| index + 1 != middle)];
    let parts = parts.map(|part| Bundle::parse(&part).expect("a bundle"));
    let found = compare_entries(&parts[0], &parts[1]);
    assert!(found.is_err_and(|found| found.to_string().contains("of one does not name the hash")));
}

/// Signature lines without end.
#[test]
fn a_flood_of_unknown_keys() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let desk = Desk::new();
    let strangers: Vec<u8> = (100..160).collect();
    desk.put("sixty", &cosigned_by(&bundle, &[vec![11, 12], strangers.clone()].concat()));
    desk.expect("@sixty --policy @policy", 0, &["by W11, W12", "VALID"]);
    desk.put("alone", &cosigned_by(&bundle, &strangers));
    desk.expect("@alone --policy @policy", 1, &["quorum is not met: nobody cosigned"]);
    desk.put("flood", &cosigned_by(&bundle, &[vec![11, 12], (100..170).collect()].concat()));
    desk.expect("@flood --policy @policy", 1, &["more signature lines than are read"]);
    // A line whose key the bundle does not list has no place in it.
    let mut unlisted = Bundle::parse(&cosigned_by(&bundle, &[11, 12, 100])).expect("a bundle");
    unlisted.keys.pop();
    desk.put("unlisted", &unlisted.to_bytes());
    desk.expect("@unlisted --policy @policy", 1, &["other signature lines than the bundle has keys"]);
    let mut turned = Bundle::parse(&cosigned_by(&bundle, &[11, 12])).expect("a bundle");
    turned.keys.swap(1, 2);
    desk.put("turned", &turned.to_bytes());
    desk.expect("@turned --policy @policy", 1, &["no signature by this key"]);
}

/// A checkpoint that says more than origin, size and root: what more it says, no monitor sees.
#[test]
fn extension_lines() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let mut extended = Bundle::parse(&bundle).expect("a bundle");
    let text = checkpoint_of(&bundle).body() + "and more\n";
    extended.checkpoint = sign_note(ORIGIN, &OperatorKeys::fixed().checkpoint, &text).expect("signed");
    expect_invalid(&extended.to_bytes(), "not origin, size and root");
    let desk = Desk::new();
    desk.put("extended", &cosigned_by(&extended.to_bytes(), &[11, 12]));
    desk.expect("@extended --policy @policy", 1, &["INVALID"]);
}

/// What would be found, the exit code, and how the service lies.
type Lie<'a> = (&'a str, i32, Box<dyn Fn(&mut Value) + 'a>);

/// A service that lies about what was said since.
#[test]
fn a_status_that_lies() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    story.whole_batch(3_000);
    let serial = story.issue(None);
    let held = bundle_now(&app, &serial);
    story.retire(&serial).accepted();
    app.wait_for_checkpoint();
    let honest = app.get(&format!("/v1/certificates/{serial}/status"), "").json();
    let desk = Desk::new();
    desk.put("held", &held);
    let lies: Vec<Lie<'_>> = vec![
        ("is not in the ledger of its checkpoint", 1, Box::new(|status| status["events"][0]["index"] = json!(3))),
        ("is not in the ledger of its checkpoint", 1, Box::new(|status| status["events"][0]["hashes"] = json!([]))),
        ("not 64 hex digits", 1, Box::new(|status| status["events"][0]["hashes"][0] = json!("ab"))),
        ("does not have the bytes", 1, Box::new(|status| status["events"][0]["entry"] = json!("{}"))),
        (
            "another entry than the status says",
            1,
            Box::new(|status| status["events"][0]["type"] = json!("value_erased")),
        ),
        (
            "of another certificate",
            1,
            Box::new(|status| status["serial"] = json!("ERT-XD-CTR1-202611-0000001-0000009")),
        ),
        (
            "not in the order",
            1,
            Box::new(|status| {
                let again = status["events"][0].clone();
                status["events"].as_array_mut().expect("events").push(again);
            }),
        ),
        ("is not signed by", 1, Box::new(|status| status["checkpoint"] = json!("rubbish"))),
        (
            "is not signed by",
            1,
            Box::new(|status| {
                let checkpoint = checkpoint_of(&held);
                status["checkpoint"] = json!(checkpoint.sign(&witness_key(5)).expect("signed"));
            }),
        ),
        ("cannot be read", 2, Box::new(|status| status["events"] = json!("none"))),
    ];
    for (words, code, lie) in lies {
        let mut status = honest.clone();
        lie(&mut status);
        desk.put("status", status.to_string().as_bytes());
        desk.expect("@held --vkey @vkey --status @status", code, &[words]);
    }
    // The retirement left out: nothing in the answer can show that, and the words say so.
    let mut silent = honest.clone();
    silent["events"] = json!([]);
    desk.put("status", silent.to_string().as_bytes());
    desk.expect("@held --vkey @vkey --status @status", 3, &["only whoever replays everything can tell"]);
    // Another history since: same key, other entries.
    let mut other = Workshop::of(&story, &serial, Vec::new());
    other.first("received")["number"] = json!("WB-2");
    let forked = Bundle::parse(&other.bundle(|_| true)).expect("a bundle").checkpoint;
    let real = size_of(&bundle_now(&app, &serial));
    let mut forking = silent;
    forking["checkpoint"] = json!(forked);
    desk.put("status", forking.to_string().as_bytes());
    let proof = app.get(&format!("/v1/proofs/consistency?from={}&to={real}", size_of(&held)), "").text;
    desk.put("proof", proof.as_bytes());
    let arguments = "@held --vkey @vkey --status @status --consistency @proof --state @state";
    desk.expect(arguments, 1, &["NOT ONE HISTORY", "Evidence kept"]);
}
