//! A ledger and its witnesses: checkpoints are cosigned, a dead or lying witness stops nothing, one that remembers more than the
//! database halts the ledger, and certificates can wait for the quorum.

use crate::bundles::anchor;
use crate::forging::vkey;
use crate::halts::{Backup, is_halted};
use crate::harness::{
    Kind, NOON_MS, ORIGIN, OperatorKeys, TestApp, TestDatabase, both_databases, laptop_fields, new_id,
    postgres_is_here, signed,
};
use crate::process::{Service, export, run};
use crate::story::{Story, VINTAGE};
use crate::witnesses::{Misbehaving, Misbehaviour, TestWitness, cosigner, key, name_of, nobody, policy, settings};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::EntryIndex;
use loopledger::ledger::cosigned::Witnessed;
use loopledger::ledger::export::tree_of_last_checkpoint;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::cosignature::cosign;
use loopledger::proof::note::{Note, NoteVerifier, sign_note};
use loopledger::proof::policy::Policy;
use loopledger::proof::tlog_proof::TlogProof;
use loopledger::proof::verify::{Rejection, verify};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NOON_S: u64 = NOON_MS.unsigned_abs() / 1_000;

/// Waits until a quorum has cosigned everything that is in the ledger.
fn wait_for_quorum(app: &TestApp) -> Witnessed {
    let last = EntryIndex(app.ledger.readiness().expect("ready") - 1);
    let waited = app.ledger.witnessed_over(last, Duration::from_mins(1));
    actix_web::rt::System::new().block_on(waited).expect("a quorum")
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

/// A ledger that was put back to before its last entries, with its guard: nothing but a witness remembers them.
fn forgetful(kind: Kind, witness: &TestWitness) -> TestDatabase {
    let settings = settings(policy(&[(witness.seed, witness.url())], 1));
    let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings));
    let donor = app.join(&["donor"]);
    app.wait_for_checkpoint();
    wait_for_quorum(&app);
    let (backup, guard) = (Backup::take(&app.database), fs::read(app.database.guard()).expect("a guard"));
    app.laptop(&donor);
    app.laptop(&donor);
    wait_for_quorum(&app);
    let database = app.stop();
    backup.put_back(&database);
    fs::write(database.guard(), guard).expect("written");
    database
}

/// The text of the checkpoint that a request to a witness carries.
fn text_of(request: &str) -> String {
    let note = request.split_once("\n\n").map(|(_, note)| note).unwrap_or_default();
    Note::parse(note).map(|note| note.text.to_owned()).unwrap_or_default()
}

both_databases! {
    /// Two of three: one is dead and comes later; what is served opens under the policy.
    fn two_of_three(kind) {
        let (one, two, mut three) = (TestWitness::of_ledger(31), TestWitness::of_ledger(32), TestWitness::of_ledger(33));
        three.end();
        let policy = policy(&[(31, one.url()), (32, two.url()), (33, three.url())], 2);
        let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings(policy.clone())));
        let donor = app.join(&["donor"]);
        let size = app.ledger.readiness().expect("ready");
        let witnessed = wait_for_quorum(&app);
        assert_eq!((witnessed.size(), witnessed.time), (size, NOON_S));
        let served = app.get("/log/witnessed-checkpoint", "");
        assert_eq!((served.status, served.content_type.as_str()), (200, "text/plain; charset=utf-8"));
        for path in ["/log/witnessed-checkpoint", "/log/checkpoint"] {
            let opened = policy.open(&app.get(path, "").text).expect("believed");
            assert_eq!((opened.checkpoint.size, opened.quorum_met), (size, true), "{path}");
            assert_eq!(opened.cosigned, [("w31".to_owned(), NOON_S), ("w32".to_owned(), NOON_S)]);
        }
        let ready = app.get("/health/ready", "").json();
        assert_eq!((&ready["witnessed_size"], &ready["witnessed_time"]), (&size.into(), &NOON_S.into()));

        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        let answer = app.post_body("/v1/events?wait=witnessed", &donor.token, "application/jose", jws.as_bytes());
        let index = answer.accepted();
        assert_eq!((answer.json()["witnessed"].as_bool(), answer.warnings()), (Some(true), Vec::new()));
        let proof = answer.json()["proof"].as_str().expect("a proof").to_owned();
        let proof = TlogProof::parse(&proof).expect("a proof");
        assert_eq!((proof.index, policy.open(proof.checkpoint).map(|opened| opened.quorum_met)), (index, Ok(true)));
        let inclusion = app.get(&format!("/v1/proofs/inclusion?index={index}"), "").json();
        assert_eq!(inclusion["witnessed"], true);

        three.begin();
        wait_until(|| policy.open(&app.get("/log/checkpoint", "").text).expect("believed").cosigned.len() == 3);
    }

    /// Without its quorum the ledger goes on, and every receipt and proof says what it is not.
    fn receipts_fail_open(kind) {
        let policy = policy(&[(31, nobody()), (32, nobody())], 1);
        let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings(policy.clone())));
        let donor = app.join(&["donor"]);
        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        let answer = app.post_body("/v1/events?wait=proof", &donor.token, "application/jose", jws.as_bytes());
        let index = answer.accepted();
        assert_eq!((answer.json()["witnessed"].as_bool(), answer.warnings()), (Some(false), vec!["not_witnessed".to_owned()]));
        let proof = answer.json()["proof"].as_str().expect("a proof").to_owned();
        let opened = policy.open(TlogProof::parse(&proof).expect("a proof").checkpoint).expect("signed by the ledger");
        assert!(!opened.quorum_met);
        assert_eq!(app.get(&format!("/v1/proofs/inclusion?index={index}"), "").json()["witnessed"], false);
        let missing = app.get("/log/witnessed-checkpoint", "");
        missing.refused(404, "not_found", "");
        assert!(missing.text.contains("no quorum"), "{}", missing.text);
        assert!(app.get("/health/ready", "").json().get("witnessed_size").is_none());
    }

    /// Without a policy nobody is waited for, and the service says so.
    fn no_witnesses(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        let post = |wait: &str| {
            app.post_body(&format!("/v1/events?wait={wait}"), &donor.token, "application/jose", jws.as_bytes())
        };
        post("witnessed").refused(400, "query_invalid", "/wait");
        let answer = post("proof");
        answer.accepted();
        assert_eq!((answer.json()["witnessed"].as_bool(), answer.warnings()), (Some(false), Vec::new()));
    }

    /// Witnesses that answer wrongly, late or never: the good one's cosignature is served, and nothing of theirs.
    fn misbehaving_witnesses(kind) {
        let good = TestWitness::of_ledger(31);
        let bad = [
            Misbehaving::start(|_, _| Some((200, "text/plain", "garbage\n".into()))),
            Misbehaving::start(|_, body| cosign(&name_of(42), &key(99), NOON_S, &text_of(body)).map(|line| (200, "text/plain", line))),
            Misbehaving::start(|_, _| cosign(&name_of(43), &key(43), NOON_S, "other\n1\nroot\n").map(|line| (200, "text/plain", line))),
            Misbehaving::start(|_, _| Some((500, "text/plain", "down\n".into()))),
            Misbehaving::start(|_, _| None),
            Misbehaving::start(|_, _| Some((200, "text/plain", "x".repeat(1_000_000)))),
            Misbehaving::start(|_, _| Some((409, "text/plain", "999999\n".into()))),
            Misbehaving::start(|first, _| Some((if first.starts_with("GET") { 404 } else { 422 }, "text/plain", String::new()))),
            // It shows what it says that our ledger signed; but that is another's key.
            Misbehaving::start(|_, _| {
                let body = format!("{ORIGIN}\n999999\n{}\n", BASE64.encode(&[1; 32]));
                sign_note(ORIGIN, &key(98), &body).map(|note| (200, "text/plain", note))
            }),
        ];
        let mut witnesses = vec![(31, good.url())];
        witnesses.extend((41..).zip(bad.iter().map(|bad| bad.url.clone())));
        let policy = policy(&witnesses, 1);
        let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings(policy.clone())));
        let donor = app.join(&["donor"]);
        for _ in 0..5 {
            app.laptop(&donor);
            wait_for_quorum(&app);
        }
        let opened = policy.open(&app.get("/log/checkpoint", "").text).expect("believed");
        assert_eq!(opened.cosigned, [("w31".to_owned(), NOON_S)]);
        assert_eq!(app.ledger.health.halted(), None);
    }

    /// A witness that says that it cosigned more than was ever signed, and cannot show it: a person decides.
    fn a_size_beyond_all_that_was_signed(kind) {
        let liar = Misbehaving::start(|first, _| {
            let is_look = first.starts_with("GET");
            Some(if is_look { (404, "text/plain", String::new()) } else { (409, "text/x.tlog.size", "999999\n".into()) })
        });
        let settings = settings(policy(&[(31, liar.url.clone())], 1));
        let mut app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings));
        app.expect_damage();
        wait_until(|| app.ledger.health.halted().is_some());
        is_halted(&app, "witness w31 cosigned 999999 entries");
        is_halted(&app, "it does not show them");
    }

    /// A backup was put back together with its guard. The witness is asked before the first signature.
    fn a_witness_that_saw_more(kind) {
        let witness = TestWitness::of_ledger(31);
        let database = forgetful(kind, &witness);
        let settings = settings(policy(&[(31, witness.url())], 1));
        let mut app = TestApp::start_witnessed(database, NOON_MS, Some(settings));
        app.expect_damage();
        assert!(app.ledger.health.halted().is_some(), "before anything is signed");
        is_halted(&app, "but this database knows of no checkpoint beyond");
        is_halted(&app, "restore the newer database");
        assert_eq!(app.get("/v1/proofs/inclusion?index=0", "").status, 200);
    }

    /// The same, but the witness cannot be reached at first: that stops nothing, until it answers.
    fn a_witness_that_saw_more_and_comes_later(kind) {
        let mut witness = TestWitness::of_ledger(31);
        let database = forgetful(kind, &witness);
        witness.end();
        let settings = settings(policy(&[(31, witness.url())], 1));
        let mut app = TestApp::start_witnessed(database, NOON_MS, Some(settings));
        app.expect_damage();
        app.join(&["donor"]);
        app.wait_for_checkpoint();
        witness.begin();
        wait_until(|| app.ledger.health.halted().is_some());
        is_halted(&app, "witness w31 cosigned");
    }

    /// The same, and by now another history is as long as the one that was lost.
    fn a_witness_that_saw_another_history(kind) {
        let witness = TestWitness::of_ledger(31);
        let database = forgetful(kind, &witness);
        let app = TestApp::start_on(database, NOON_MS);
        let donor = app.join(&["donor"]);
        (0..5).for_each(|_| drop(app.laptop(&donor)));
        app.wait_for_checkpoint();
        let database = app.stop();
        let settings = settings(policy(&[(31, witness.url())], 1));
        let mut app = TestApp::start_witnessed(database, NOON_MS, Some(settings));
        app.expect_damage();
        is_halted(&app, "cosigned other entries than the first");
    }

    /// While nothing is appended the newest checkpoint is cosigned again, so that it is known to be the newest.
    fn an_idle_ledger_stays_fresh(kind) {
        let witness = TestWitness::of_ledger(31);
        let mut settings = settings(policy(&[(31, witness.url())], 1));
        settings.refresh = Duration::from_millis(1);
        let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings));
        let size = wait_for_quorum(&app).size();
        witness.now_ms.store(NOON_MS + 3_600_000, Ordering::SeqCst);
        wait_until(|| app.ledger.witnessed().is_some_and(|witnessed| witnessed.time == NOON_S + 3_600));
        let ready = app.get("/health/ready", "").json();
        assert_eq!((&ready["witnessed_size"], &ready["size"]), (&size.into(), &size.into()));
    }

    /// What a quorum saw is known again after a restart, also where no witness answers any more.
    fn a_quorum_outlives_a_restart(kind) {
        let mut witness = TestWitness::of_ledger(31);
        let policy = policy(&[(31, witness.url())], 1);
        let app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings(policy.clone())));
        app.join(&["donor"]);
        let before = wait_for_quorum(&app);
        let database = app.stop();
        witness.end();
        let app = TestApp::start_witnessed(database, NOON_MS, Some(settings(policy)));
        assert_eq!(wait_for_quorum(&app), before);
    }

    /// A stored line that somebody touched is not served: it would spoil the whole note.
    fn a_touched_line(kind) {
        let witness = TestWitness::of_ledger(31);
        let policy = policy(&[(31, witness.url())], 1);
        let mut app = TestApp::start_witnessed(TestDatabase::new(kind), NOON_MS, Some(settings(policy.clone())));
        wait_for_quorum(&app);
        let forged = cosign(&name_of(31), &key(31), NOON_S, "other\n1\nroot\n").expect("a line");
        app.database.tamper(&format!("UPDATE cosignatures SET line = '{forged}'")).expect("no trigger guards it");
        let opened = policy.open(&app.get("/log/checkpoint", "").text).expect("believed");
        assert!(!opened.quorum_met && opened.cosigned.is_empty());
        app.expect_damage();
    }

    /// With the setting, drafts and issues wait for the quorum; the bundle carries its cosignatures.
    fn certificates_fail_closed(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(3_000);
        let draft = story.draft(None).json();
        let (issuer, site) = (story.issuer.clone(), story.centre_site.clone());
        let database = app.stop();

        let mut witness = TestWitness::of_ledger(31);
        witness.end();
        let policy = policy(&[(31, witness.url())], 1);
        let mut settings = settings(policy.clone());
        settings.certificates_need_quorum = true;
        let app = TestApp::start_witnessed(database, NOON_MS, Some(settings));
        let ask = || app.get(&format!("/v1/certificates/draft?site={site}&vintage={VINTAGE}"), &issuer.token);
        let refused = ask();
        refused.refused(503, "not_witnessed", "/allotments");
        assert_eq!(refused.retry_after, "1");
        let statement = signed(&issuer, "certificate_issued", &draft);
        app.post_jws(&issuer.token, &statement).refused(503, "not_witnessed", "/allotments");
        let lines = app.post_batch(&issuer.token, "each", std::slice::from_ref(&statement)).lines();
        assert_eq!(lines[0]["status"], 503);

        witness.begin();
        wait_for_quorum(&app);
        assert_eq!(ask().json(), draft);
        app.post_jws(&issuer.token, &statement).accepted();
        assert_eq!(app.post_jws(&issuer.token, &statement).status, 200, "the same again gets the first receipt");

        let serial = draft["certificate"].as_str().expect("serial numbers");
        let answer = app.get(&format!("/v1/certificates/{serial}/bundle"), &app.operator.token);
        assert_eq!(answer.status, 200, "{}", answer.text);
        verify(answer.text.as_bytes(), Some(&anchor())).expect("valid");
        let bundle = Bundle::parse(answer.text.as_bytes()).expect("a bundle");
        assert_eq!(bundle.keys, [anchor().vkey(), cosigner(31).vkey()]);
        assert!(policy.open(&bundle.checkpoint).expect("believed").quorum_met);
        other_bundles_are_invalid(&bundle);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bundle.json");
        fs::write(&file, answer.text).expect("written");
        let output = run(&["verify", &file.display().to_string(), "--vkey", &anchor().vkey()]);
        assert!(output.status.success(), "{output:?}");
        believed_under_a_policy(&app, folder.path(), &file.display().to_string());
    }
}

/// What was said since, the service's tiles and a copy of them are all believed under the policy, and not under one that asks for
/// somebody who never saw the ledger.
fn believed_under_a_policy(app: &TestApp, folder: &Path, bundle: &str) {
    wait_for_quorum(app);
    let text = |name: &str| folder.join(name).display().to_string();
    let policy = |seed: u8| format!("log {}\nwitness w {}\nquorum w\n", anchor().vkey(), cosigner(seed).vkey());
    fs::write(folder.join("policy"), policy(31)).expect("written");
    fs::write(folder.join("strangers"), policy(32)).expect("written");
    fs::write(folder.join("token"), &app.operator.token).expect("written");
    tree_of_last_checkpoint(&app.ledger.store, &folder.join("tree"), true).expect("exported");
    let (tree, token) = (text("tree"), text("token"));
    let code = |arguments: &[&str]| {
        let output = run(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (policy, expected) in [(text("policy"), Some(0)), (text("strangers"), Some(3))] {
        let audits: [&[&str]; 2] = [
            &["audit", "--url", &app.url, "--token-file", &token, "--policy", &policy],
            &["audit", "--tiles", &tree, "--policy", &policy],
        ];
        for audit in audits {
            let (exit, words) = code(audit);
            assert_eq!(exit, expected, "{audit:?}\n{words}");
        }
    }
    let (exit, words) = code(&["verify", bundle, "--policy", &text("policy"), "--url", &app.url]);
    assert_eq!(exit, Some(0), "{words}");
    assert_eq!(code(&["verify", bundle, "--policy", &text("strangers")]).0, Some(1));
}

/// Keys and signature lines agree one by one, in order, and nobody signs twice.
fn other_bundles_are_invalid(bundle: &Bundle) {
    let note = Note::parse(&bundle.checkpoint).expect("a note");
    let lines: Vec<&str> = note.signatures.iter().map(|line| line.line).collect();
    let (log, witness) = (bundle.keys[0].as_str(), bundle.keys[1].as_str());
    let renamed = NoteVerifier::new("other", key(31).verifying_key()).expect("a name").vkey();
    let twice = cosign("witness.test/again", &key(31), NOON_S, note.text).expect("a line");
    let again = loopledger::proof::cosignature::Cosigner::new("witness.test/again", key(31).verifying_key())
        .expect("a name")
        .vkey();
    let foreign = cosign(&name_of(31), &key(31), NOON_S, "other\n1\nroot\n").expect("a line");
    let cases: [(&[&str], &[&str], &str); 9] = [
        (&[log], &lines, "other signature lines than"),
        (&[log, witness], &lines[..1], "other signature lines than"),
        (&[witness, log], &lines, "is not signed by"),
        (&[log, witness], &[lines[1], lines[0]], "is not signed by"),
        (&[log, log], &[lines[0], lines[0]], "listed twice"),
        (&[log, witness, &again], &[lines[0], lines[1], twice.trim_end()], "listed twice"),
        (&[witness], &lines[1..], "no key of a log"),
        (&[log, witness], &[lines[0], foreign.trim_end()], "is not signed by"),
        (&[log, &renamed], &lines, "is not signed by"),
    ];
    for (keys, lines, words) in cases {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        let other = Bundle { keys, checkpoint: format!("{}\n{text}", note.text), ..bundle.clone() };
        match verify(&other.to_bytes(), Some(&anchor())) {
            Err(Rejection::Invalid(problem)) => assert!(problem.contains(words), "{problem}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

/// The node that does not publish asks nobody, and serves what the other one got.
#[test]
fn two_nodes() {
    if !postgres_is_here() {
        return;
    }
    let witness = TestWitness::of_ledger(31);
    let policy = policy(&[(31, witness.url())], 1);
    let first = TestApp::start_witnessed(TestDatabase::new(Kind::Postgres), NOON_MS, Some(settings(policy.clone())));
    let second = first.second_node_witnessed(Some(settings(policy.clone())));
    let without_policy = first.second_node();
    first.join(&["donor"]);
    let size = wait_for_quorum(&first).size();
    assert_eq!(wait_for_quorum(&second).size(), size);
    for node in [&first, &second, &without_policy] {
        wait_until(|| node.ledger.checkpoint().is_some_and(|shown| shown.size == size));
        assert!(policy.open(&node.get("/log/checkpoint", "").text).expect("believed").quorum_met);
    }
    let notes = [&first, &second].map(|node| node.get("/log/witnessed-checkpoint", "").text);
    assert_eq!(notes[0], notes[1]);
    without_policy.get("/log/witnessed-checkpoint", "").refused(404, "not_found", "");
}

/// The real program with a policy file; a policy for another ledger is refused.
#[test]
fn serve_with_a_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("policy"));
    let variable = format!("LOOPLEDGER_POLICY={}", file.display());
    let mut service = Service::start(&[], &data, None);
    wait_until(|| service.client.get("/log/checkpoint", "").expect("an answer").status == 200);
    export(folder.path(), &["--data", &data.display().to_string()]);
    service.kill();
    let log = fs::read_to_string(folder.path().join("vkey")).expect("a vkey");
    let witness = TestWitness::start(31, vec![NoteVerifier::parse(log.trim()).expect("a vkey")]);
    let text = format!("log {}\nwitness w {} {}\nquorum w\n", log.trim(), cosigner(31).vkey(), witness.url());
    fs::write(&file, &text).expect("written");
    let service = Service::start(&["env", &variable], &data, None);
    wait_until(|| service.client.get("/log/witnessed-checkpoint", "").expect("an answer").status == 200);
    let policy = Policy::parse(text.as_bytes()).expect("a policy");
    let note = service.client.get("/log/witnessed-checkpoint", "").expect("an answer").text;
    assert!(policy.open(&note).expect("believed").quorum_met);
    drop(service);
    let data = data.display().to_string();
    let start = |policy: &str, more: &[&str]| {
        fs::write(&file, policy).expect("written");
        let given = file.display().to_string();
        let output = run(&[&["serve", "--data", &data, "--listen", "127.0.0.1:0", "--policy", &given], more].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let other = vkey(&SigningKey::from_bytes(&[77; 32]));
    assert!(start(&text.replace(log.trim(), &other), &[]).contains("not this ledger"));
    assert!(start("nonsense", &[]).contains("line 1 of the policy"));
    assert!(start(&text.replace("http://", "ftp://"), &[]).contains("neither https:// nor http://"));
    assert!(start("quorum none", &["--certificates-need-quorum"]).contains("the policy has none"));
}

/// Whether each witness below was asked to cosign already.
static WAS_ASKED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// Knows nothing at first; asked to cosign it answers 409, and then it shows another history under the ledger's own key.
fn shows_another_history<const WITNESS: usize>(first: &str, body: &str) -> Option<(u16, &'static str, String)> {
    if first.starts_with("GET") {
        let body = format!("{ORIGIN}\n1\n{}\n", BASE64.encode(&[1; 32]));
        let note = sign_note(ORIGIN, &OperatorKeys::fixed().checkpoint, &body)?;
        let was_asked = WAS_ASKED[WITNESS].load(Ordering::SeqCst);
        return Some(if was_asked { (200, "text/plain", note) } else { (404, "text/plain", String::new()) });
    }
    WAS_ASKED[WITNESS].store(true, Ordering::SeqCst);
    let (old, new) = (body.lines().next()?.strip_prefix("old ")?, text_of(body));
    Some(match WITNESS {
        0 => (409, "text/x.tlog.size", format!("{old}\n")),
        1 => (409, "text/x.tlog.size", format!("{}\n", new.lines().nth(1)?)),
        _ => (409, "text/plain", "another root\n".to_owned()),
    })
}

/// A witness may say by 409, too, that it holds another root: whatever size it names, what it saw is compared.
#[test]
fn a_conflict_may_be_another_history() {
    let behaviours: [Misbehaviour; 3] =
        [shows_another_history::<0>, shows_another_history::<1>, shows_another_history::<2>];
    for behaviour in behaviours {
        let witness = Misbehaving::start(behaviour);
        let settings = settings(policy(&[(31, witness.url.clone())], 1));
        let mut app = TestApp::start_witnessed(TestDatabase::new(Kind::Sqlite), NOON_MS, Some(settings));
        app.expect_damage();
        wait_until(|| app.ledger.health.halted().is_some());
        is_halted(&app, "witness w31 cosigned other entries than the first 1 of this database");
    }
}
