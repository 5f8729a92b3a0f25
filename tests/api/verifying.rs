//! Verifying as somebody does it who comes back: under a policy with witnesses, two bundles beside one another, with a memory,
//! with files for other tools, and asking what was said since.

use crate::bundles::{anchor, small};
use crate::harness::{Kind, TestApp, both_databases, laptop_fields, new_id};
use crate::process::run;
use crate::story::Story;
use ed25519_dalek::SigningKey;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::cosignature::{Cosigner, cosign};
use loopledger::proof::merkle::leaf_hash;
use loopledger::proof::note::Note;
use loopledger::proof::tlog_proof::TlogProof;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 2026-11-23T12:00:10Z.
pub const SEEN_S: u64 = 1_795_435_210;

pub fn witness_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn witness_name(seed: u8) -> String {
    format!("witness.example/{seed}")
}

pub fn witness_vkey(name: &str, seed: u8) -> String {
    Cosigner::new(name, witness_key(seed).verifying_key()).expect("a name").vkey()
}

/// A bundle with cosignatures of witnesses: name, key, and when.
pub fn cosigned(bundle: &[u8], by: &[(String, u8, u64)]) -> Vec<u8> {
    let mut bundle = Bundle::parse(bundle).expect("a bundle");
    let text = Note::parse(&bundle.checkpoint).expect("a note").text.to_owned();
    for (name, seed, time) in by {
        bundle.keys.push(witness_vkey(name, *seed));
        bundle.checkpoint += &cosign(name, &witness_key(*seed), *time, &text).expect("cosigned");
    }
    bundle.to_bytes()
}

/// The same by witnesses under their own names, one second after the other.
pub fn cosigned_by(bundle: &[u8], seeds: &[u8]) -> Vec<u8> {
    let times = SEEN_S..;
    let by: Vec<_> = seeds.iter().zip(times).map(|(seed, time)| (witness_name(*seed), *seed, time)).collect();
    cosigned(bundle, &by)
}

/// Two of three witnesses, W11 to W13, for one log.
pub fn policy_of(log: &str) -> String {
    let mut policy = format!("log {log}\n");
    for seed in 11..=13 {
        policy += &format!("witness W{seed} {}\n", witness_vkey(&witness_name(seed), seed));
    }
    policy + "group two 2 W11 W12 W13\nquorum two\n"
}

/// A folder with a policy and the files that a test writes.
pub struct Desk(pub TempDir);

impl Desk {
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        desk.put("policy", policy_of(&anchor().vkey()).as_bytes());
        desk.put("vkey", anchor().vkey().as_bytes());
        desk
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.path().join(name), bytes).expect("written");
        self.path(name)
    }

    /// Runs `verify` with the given arguments, those in braces being files of the desk; gives exit code and words.
    pub fn verify(&self, arguments: &str) -> (i32, String) {
        let words = arguments.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        });
        let words: Vec<String> = ["verify".to_owned()].into_iter().chain(words).collect();
        let output = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().expect("a code"), String::from_utf8(said).expect("text"))
    }

    #[track_caller]
    pub fn expect(&self, arguments: &str, code: i32, words: &[&str]) -> String {
        let (found, said) = self.verify(arguments);
        assert_eq!(found, code, "{arguments}\n{said}");
        for expected in words {
            assert!(said.contains(expected), "{expected:?} is missing of {arguments}:\n{said}");
        }
        said
    }

    pub fn files(&self, folder: &str, part: &str) -> Vec<PathBuf> {
        let all =
            fs::read_dir(Path::new(&self.path(folder))).expect("a folder").map(|file| file.expect("a file").path());
        let mut found: Vec<PathBuf> = all.filter(|file| file.display().to_string().contains(part)).collect();
        found.sort();
        found
    }
}

/// The bundle of a certificate under the newest checkpoint.
pub fn bundle_now(app: &TestApp, serial: &str) -> Vec<u8> {
    app.wait_for_checkpoint();
    let answer = app.get(&format!("/v1/certificates/{serial}/bundle"), &app.operator.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.into_bytes()
}

/// The ledger grows by some devices of somebody.
pub fn grow(app: &TestApp, count: usize) {
    let donor = app.join(&["donor"]);
    for _ in 0..count {
        app.say(&donor, "registered", &laptop_fields(&new_id())).accepted();
    }
}

/// A policy demands witnesses; the verdict says who saw it and when, or that nobody did.
#[test]
fn a_policy_demands_witnesses() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let desk = Desk::new();
    desk.put("plain", &bundle);
    desk.put("seen", &cosigned_by(&bundle, &[11, 12]));
    desk.put("once", &cosigned_by(&bundle, &[13]));
    let said = desk.expect("@seen --policy @policy", 0, &["VALID"]);
    let freshness = "entries, witnessed between 2026-11-23T12:00:10.000Z and 2026-11-23T12:00:11.000Z by W11, W12";
    assert!(said.contains(freshness), "{said}");
    desk.expect(
        "@once --policy @policy",
        1,
        &["quorum is not met: W13 cosigned", "missing of its witnesses: W11, W12"],
    );
    desk.expect("@plain --policy @policy", 1, &["nobody cosigned", "W11, W12, W13"]);
    let unwitnessed = "nobody witnessed it: whoever runs the ledger may have withheld";
    desk.expect("@plain --vkey @vkey", 0, &[unwitnessed, "who did it last is not known"]);
    desk.expect("@seen --vkey @vkey", 0, &[unwitnessed, "2 cosignatures are of witnesses that you have not named"]);
    desk.expect("@seen", 3, &["TRUSTED BY NOBODY"]);
    desk.expect("@plain --policy @policy --vkey @vkey", 2, &["cannot be used with"]);
    desk.put("broken", b"witness W1\n");
    desk.expect("@plain --policy @broken", 2, &["--policy: line 1"]);
    // A policy without a quorum is believed without witnesses.
    desk.put("lenient", policy_of(&anchor().vkey()).replace("quorum two", "quorum none").as_bytes());
    desk.expect("@plain --policy @lenient", 0, &["nobody witnessed it"]);
    desk.expect("@once --policy @lenient", 0, &["witnessed at 2026-11-23T12:00:10.000Z by W13"]);
}

/// Two bundles are of one history: proved by a service, by a saved answer, or not at all.
#[test]
fn two_bundles_are_of_one_history() {
    let app = TestApp::start(Kind::Sqlite);
    let (serial, old) = small(&Story::begin(&app));
    grow(&app, 3);
    let new = bundle_now(&app, &serial);
    let desk = Desk::new();
    desk.put("old", &old);
    desk.put("new", &new);
    desk.expect("@old @old --vkey @vkey", 0, &["ONE HISTORY: both stand under the same"]);
    desk.expect("@old @new --vkey @vkey", 3, &["CONSISTENT AS FAR AS BOTH SHOW", "give --url or --tiles DIR"]);
    let by_service = format!("@new @old --vkey @vkey --url {}", app.url);
    desk.expect(&by_service, 0, &["ONE HISTORY", "one proved to extend the other"]);
    let sizes = [&old, &new].map(|bundle| size_of(bundle));
    let answer = app.get(&format!("/v1/proofs/consistency?from={}&to={}", sizes[0], sizes[1]), "").text;
    desk.put("proof", answer.as_bytes());
    desk.expect("@old @new --vkey @vkey --consistency @proof", 0, &["one proved to extend the other"]);
    let other = answer.replacen(&format!("\"from\":{}", sizes[0]), "\"from\":1", 1);
    desk.put("other", other.as_bytes());
    desk.expect("@old @new --vkey @vkey --consistency @other", 3, &["the proof is from 1 to"]);
    desk.put("nonsense", b"nonsense");
    desk.expect("@old @new --vkey @vkey --consistency @nonsense", 2, &["not a consistency proof"]);
    desk.expect("@old @new --vkey @vkey --url http://127.0.0.1:1", 2, &["127.0.0.1:1"]);
    // The tiles of the larger tree, as C2SP tlog-tiles has them.
    let leaves: Vec<u8> = app
        .ledger
        .store
        .read(|database| loopledger::store::entries::leaf_hashes(database, 0, sizes[1]))
        .expect("readable")
        .iter()
        .flat_map(|leaf| leaf.0)
        .collect();
    fs::create_dir_all(desk.path("tiles/tile/0/000.p")).expect("a folder");
    desk.put(&format!("tiles/tile/0/000.p/{}", sizes[1]), &leaves);
    desk.expect("@old @new --vkey @vkey --tiles @tiles", 0, &["one proved to extend the other"]);
    desk.expect("@old @new --vkey @vkey --tiles @nowhere", 2, &["--tiles"]);
}

pub fn size_of(bundle: &[u8]) -> u64 {
    let bundle = Bundle::parse(bundle).expect("a bundle");
    Checkpoint::open(&bundle.checkpoint, &anchor()).expect("signed").size
}

/// The memory takes what extends it, keeps what is newer, and never goes back.
#[test]
fn a_memory_never_goes_back() {
    let app = TestApp::start(Kind::Sqlite);
    let (serial, old) = small(&Story::begin(&app));
    grow(&app, 3);
    let new = bundle_now(&app, &serial);
    let desk = Desk::new();
    desk.put("old", &old);
    desk.put("new", &new);
    let (small, large) = (size_of(&old), size_of(&new));
    let url = &app.url;
    desk.expect("@old --state @state", 2, &["--state needs --vkey or --policy"]);
    desk.expect("@old --vkey @vkey --state @state", 0, &[&format!("Remembered: {small} entries, the first")]);
    desk.expect("@old --vkey @vkey --state @state", 0, &["Remembered before"]);
    desk.expect("@new --vkey @vkey --state @state", 3, &["NOT REMEMBERED", "is not proved"]);
    desk.expect(&format!("@new --vkey @vkey --state @state --url {url}"), 0, &["proved to extend", "Remembered:"]);
    desk.expect("@old --vkey @vkey --state @state", 3, &["NOT REMEMBERED"]);
    let older = format!("Still remembered: {large} entries; these {small} are proved to be their beginning");
    desk.expect(&format!("@old --vkey @vkey --state @state --url {url}"), 0, &["Remembered"]);
    let remembered = desk.files("state", ".checkpoint").into_iter().next().expect("one is remembered");
    assert!(!fs::read_to_string(&remembered).expect("readable").contains(&format!("\n{small}\n")), "it went back");
    let proof = app.get(&format!("/v1/proofs/consistency?from={small}&to={large}"), "").text;
    desk.put("proof", proof.as_bytes());
    fs::remove_dir_all(desk.path("state")).expect("removed");
    desk.expect("@new --vkey @vkey --state @state", 0, &["the first of this ledger"]);
    desk.expect("@old --vkey @vkey --state @state --consistency @proof", 0, &[&older]);
    let remembered = desk.files("state", ".checkpoint").into_iter().next().expect("one is remembered");
    assert!(fs::read_to_string(&remembered).expect("readable").contains(&format!("\n{large}\n")), "it went back");
    // Two bundles at once, in whatever order: the larger one is remembered.
    fs::remove_dir_all(desk.path("state")).expect("removed");
    let said = desk.expect("@new @old --vkey @vkey --state @state --consistency @proof", 0, &["proved to extend"]);
    assert!(said.contains(&format!("Remembered: {large} entries")), "{said}");
    fs::write(&remembered, "rubbish").expect("written");
    desk.expect("@new --vkey @vkey --state @state", 2, &["holds no checkpoint"]);
}

/// Every entry leaves the bundle as files that any C2SP tool takes; nothing is overwritten.
#[test]
fn entries_leave_as_proof_files() {
    let app = TestApp::start(Kind::Sqlite);
    let (_, bundle) = small(&Story::begin(&app));
    let desk = Desk::new();
    desk.put("bundle", &bundle);
    let bundle = Bundle::parse(&bundle).expect("a bundle");
    let count = bundle.entries.len();
    desk.expect("@bundle --vkey @vkey --extract @out", 0, &[&format!("{count} entries, a .tlog-proof each")]);
    assert_eq!(desk.files("out", "").len(), 2 * count);
    for entry in &bundle.entries {
        let read = |ending: &str| fs::read(desk.path(&format!("out/{}.{ending}", entry.index))).expect("a file");
        let (bytes, text) = (read("entry"), String::from_utf8(read("tlog-proof")).expect("text"));
        let proof = TlogProof::parse(&text).expect("a proof");
        assert_eq!((proof.index, &bytes), (entry.index, &entry.bytes));
        assert_eq!(proof.check(&leaf_hash(&bytes)), Ok(()));
        let size = Checkpoint::open(proof.checkpoint, &anchor()).expect("signed").size;
        let of_service = app.get(&format!("/v1/proofs/inclusion?index={}&size={size}", entry.index), "").json();
        assert_eq!(of_service["tlog_proof"], text, "the service gives the same text");
    }
    desk.expect("@bundle --vkey @vkey --extract @out", 2, &["0.entry"]);
    desk.expect("@bundle @bundle --vkey @vkey --extract @other", 2, &["take one bundle"]);
}

both_databases! {
    /// What was said since, with proofs: an old bundle is asked about.
    fn an_old_bundle_is_asked_about(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        // The centre's first word about what is treated: the lot at its gate, two entries behind the opening of the batch.
        let treatment = story.whole_batch(3_000);
        let received = treatment - 5;
        let serial = story.issue(None);
        let held = bundle_now(&app, &serial);
        let desk = Desk::new();
        desk.put("held", &held);
        let status = || app.get(&format!("/v1/certificates/{serial}/status"), "");
        let ask = format!("@held --vkey @vkey --url {}", app.url);
        desk.expect(&ask, 0, &["not retired in what is shown", "nothing is told that changes"]);
        let body = status().json();
        assert_eq!((&body["status"], &body["complete"]), (&"held".into(), &true.into()));
        assert_eq!(body["events"].as_array().expect("events").len(), 0);
        desk.put("early", status().text.as_bytes());

        story.retire(&serial).accepted();
        let revoked = serde_json::json!({"kid": crate::harness::kid(&story.smelter.key), "reason": "compromised"});
        app.say(&app.operator, "key_revoked", &revoked).accepted();
        let suspended = serde_json::json!({"suspended_site": story.smelter_site, "reason": "permit"});
        app.say(&story.auditor, "site_suspended", &suspended).accepted();
        story.audit(&story.smelter_site, "2026-11-20", "does_not_conform").accepted();
        let finding = serde_json::json!({
            "treatment": treatment, "severity": "major", "outcome": "held",
            "document": {"sha256": "2".repeat(64), "blake3": "3".repeat(64)},
        });
        app.say(&story.auditor, "audit_finding", &finding).accepted();
        let never = serde_json::json!({"entry": received, "reason": "did_not_occur"});
        app.say(&story.centre, "corrected", &never).accepted();
        app.wait_for_checkpoint();
        let body = status().json();
        let events = body["events"].as_array().expect("events");
        let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        let expected =
            ["certificate_retired", "key_revoked", "site_suspended", "site_audited", "audit_finding", "corrected"];
        assert_eq!(types, expected, "{body:#}");
        assert!(events[0]["entry"].is_string() && events[1]["entry"].is_null(), "only what is everybody's is shown");
        let said = desk.expect(&ask, 0, &["RETIRED, for 2026-01-01 to 2026-12-31", "was reported compromised", "is suspended", "does not conform"]);
        assert!(said.contains(&format!("about the treatment of entry {treatment}")) && said.contains("SINCE: as of"), "{said}");
        // The same from a file, with and without a proof that it is the same history.
        desk.put("status", status().text.as_bytes());
        desk.expect("@held --vkey @vkey --status @status", 3, &["Not proved: that the", "RETIRED"]);
        // The newest checkpoint has no witnesses: under a policy it is told, and not believed.
        desk.put("seen", &cosigned_by(&held, &[11, 12]));
        let ask = format!("@seen --policy @policy --url {}", app.url);
        desk.expect(&ask, 3, &["Not proved: your policy's quorum is not met", "RETIRED"]);
        // What the bundle shows already changes nothing.
        desk.put("retired", &bundle_now(&app, &serial));
        desk.expect("@retired --vkey @vkey --status @status", 0, &["Known: entry", "the bundle shows it too"]);
        // An old answer, or a part of one, does not say what was said since; what a terminal would obey is not printed.
        let early = format!("@retired --vkey @vkey --status @early --url {}", app.url);
        desk.expect(&early, 3, &["this answer is older than the bundle"]);
        desk.put("part", status().text.replace("\"complete\":true", "\"complete\":false").as_bytes());
        desk.expect("@retired --vkey @vkey --status @part", 3, &["Not proved: that this is all"]);
        desk.put("escape", status().text.replace("\"site_suspended\"", "\"\\u001b[2J\"").as_bytes());
        desk.expect("@retired --vkey @vkey --status @escape", 1, &["no printable ASCII"]);
    }
}
