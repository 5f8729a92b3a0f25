//! Erased values: by whom, that they are gone for good, and what stands in their place.

use crate::bundles::{anchor, openings_of};
use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp, both_databases, laptop_fields, new_id, signed};
use crate::process::run;
use crate::story::Story;
use data_encoding::HEXLOWER;
use loopledger::domain::ids::EntryIndex;
use loopledger::proof::commitment::commit;
use loopledger::proof::verify::{ErasedFacts, verify};
use loopledger::store::backend::sqlite_in;
use loopledger::store::{DatabaseUrl, Store, StoreError, openings};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const SALT: [u8; 32] = [7; 32];
/// Values that stand nowhere else in a database.
const SERIAL: &str = "C02-ERASE-ME-4711";
const MODEL: &str = "Modèle du réfectoire";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn committed(pointer: &str, value: &str) -> Value {
    json!({"c": commit(pointer, &SALT, value).expect("short")})
}

fn opened(pointer: &str, value: &str) -> Value {
    json!({pointer: {"salt": HEXLOWER.encode(&SALT), "value": value}})
}

/// A laptop whose serial number and model are commitments: what is posted.
fn posting(party: &Party, change: &Value) -> Value {
    let mut fields = laptop_fields(&new_id());
    (fields["serial"], fields["model"]) = (committed("/serial", SERIAL), committed("/model", MODEL));
    for (name, value) in change.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    let mut open = opened("/serial", SERIAL);
    open["/model"] = opened("/model", MODEL)["/model"].clone();
    json!({"statement": signed(party, "registered", &fields), "open": open})
}

fn post(app: &TestApp, party: &Party, body: &Value) -> Answer {
    app.post_json("/v1/events", &party.token, body)
}

fn erasure(entry: u64, pointers: &[&str]) -> Value {
    json!({"entry": entry, "pointers": pointers, "reason": "person_asked"})
}

fn erase(app: &TestApp, party: &Party, entry: u64, pointers: &[&str]) -> Answer {
    app.say(party, "value_erased", &erasure(entry, pointers))
}

/// The pointers of the openings that an entry still has.
fn kept(app: &TestApp, entry: u64) -> Vec<String> {
    let read = app.ledger.store.read(|database| openings::of_entry(database, EntryIndex(entry)));
    read.expect("readable").into_iter().map(|opening| opening.pointer).collect()
}

/// Whether SQLite's files hold a text; of PostgreSQL nothing is said.
fn is_on_disk(app: &TestApp, text: &str) -> bool {
    files_hold(&app.database.url, text)
}

pub fn files_hold(database: &DatabaseUrl, text: &str) -> bool {
    let DatabaseUrl::Sqlite(path) = database else { return false };
    let files = [path.clone(), path.with_extension("sqlite-wal")];
    let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    files.iter().filter_map(|file| std::fs::read(file).ok()).any(holds)
}

both_databases! {
    fn refusals_in_their_order(kind) {
        let app = TestApp::start(kind);
        let (donor, other) = (app.join(&["donor"]), app.join(&["donor"]));
        let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
        let later = entry + 100;
        erase(&app, &other, later, &[]).refused(422, "unknown", "/entry");
        erase(&app, &app.operator, later, &["/serial"]).refused(422, "unknown", "/entry");
        erase(&app, &donor, entry + 1, &["/serial"]).refused(422, "unknown", "/entry");
        erase(&app, &other, entry, &["/class"]).refused(403, "not_the_author", "/entry");
        for pointer in ["/class", "/weight", "/weight/basis", "/serial/c", "/nothing", "/0"] {
            erase(&app, &donor, entry, &["/serial", pointer]).refused(422, "no_commitment", "/pointers/1");
        }
        erase(&app, &donor, entry, &["/serial", "/serial"]).refused(422, "list_invalid", "/pointers");
        erase(&app, &donor, entry, &[]).refused(422, "list_invalid", "/pointers");
        for pointer in ["", "serial", "/", "/serial/", "/Serial", "/a b", "/serial~0"] {
            erase(&app, &donor, entry, &[pointer]).refused(422, "field_invalid", "/pointers/0");
        }
        assert_eq!(kept(&app, entry), ["/model", "/serial"], "what is refused erases nothing");
        erase(&app, &donor, entry, &["/serial"]).accepted();
        erase(&app, &donor, entry, &["/serial", "/class"]).refused(422, "no_commitment", "/pointers/1");
        erase(&app, &donor, entry, &["/model", "/model", "/serial"]).refused(409, "erased_before", "/pointers/2");
        erase(&app, &app.operator, entry, &["/serial"]).refused(409, "erased_before", "/pointers/0");
        assert_eq!(kept(&app, entry), ["/model"]);
        let mut unknown = erasure(entry, &["/model"]);
        unknown["reason"] = json!("because");
        app.say(&donor, "value_erased", &unknown).refused(422, "field_invalid", "/reason");
    }

    /// Its author, the operator, nobody else; and whoever spoke under a delegation is not the author.
    fn who_erases(kind) {
        let app = TestApp::start(kind);
        let (donor, workshop) = (app.join(&["donor"]), app.join(&["refurbisher"]));
        let granted = json!({"to": workshop.id, "types": ["registered"], "until": "2026-12-31"});
        app.say(&donor, "delegation_granted", &granted).accepted();
        let body = posting(&workshop, &json!({"on_behalf_of": donor.id}));
        let entry = post(&app, &workshop, &body).accepted();
        erase(&app, &workshop, entry, &["/serial"]).refused(403, "not_the_author", "/entry");
        let mut for_another = erasure(entry, &["/serial"]);
        for_another["on_behalf_of"] = json!(donor.id);
        app.say(&workshop, "value_erased", &for_another).refused(403, "not_delegable", "/type");
        let barred = json!({"to": workshop.id, "types": ["value_erased"], "until": "2026-12-31"});
        app.say(&donor, "delegation_granted", &barred).refused(403, "not_delegable", "/types/0");
        erase(&app, &donor, entry, &["/serial"]).accepted();
        let by_operator = erase(&app, &app.operator, entry, &["/model"]).accepted();
        assert_eq!(kept(&app, entry), Vec::<String>::new());
        // Author and delegate learn what the operator erased.
        for party in [&donor, &workshop] {
            let events = app.get(&format!("/v1/events?from={by_operator}"), &party.token).json();
            assert_eq!(events["events"][0]["type"], "value_erased");
        }
    }

    /// Gone from the table and, on SQLite, from the bytes of the file and of its log.
    fn what_is_erased_is_gone(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let body = posting(&donor, &json!({}));
        let first = post(&app, &donor, &body);
        let entry = first.accepted();
        assert_eq!(is_on_disk(&app, SERIAL), kind == Kind::Sqlite);
        let size = app.wait_for_checkpoint();
        let proof = || app.get(&format!("/v1/proofs/inclusion?index={entry}&size={size}"), "").json();
        let proved = proof();
        assert!(proved["tlog_proof"].is_string(), "{proved}");
        app.now_ms.fetch_add(DAY_MS, Ordering::SeqCst);
        let erasing = erase(&app, &donor, entry, &["/serial"]).accepted();
        assert_eq!(kept(&app, entry), ["/model"]);
        assert!(!is_on_disk(&app, SERIAL), "its bytes are still there");
        // The same statement again, with its opening: the first receipt, and nothing comes back.
        let again = post(&app, &donor, &body);
        assert_eq!((again.status, again.json()), (200, first.json()));
        let other = format!("{{\"statement\":{},\"open\":{}}}\n", body["statement"], body["open"]);
        app.post_body("/v1/events/batch?mode=all", &donor.token, "application/x-ndjson", other.as_bytes());
        app.laptop(&donor);
        assert_eq!(kept(&app, entry), ["/model"]);
        assert!(!is_on_disk(&app, SERIAL), "it came back");
        // Entry and lists say so in its place.
        let listed = app.get(&format!("/v1/events?from={entry}"), &donor.token).json();
        let said = json!([{"pointer": "/serial", "on": "2026-11-24", "by": erasing, "reason": "person_asked"}]);
        assert_eq!(listed["events"][0]["erased"], said);
        assert_eq!(listed["events"][1]["erased"], Value::Null);
        let item = listed["events"][0]["payload"]["item"].as_str().expect("an id").to_owned();
        let path = app.get(&format!("/v1/items/{item}/path"), &donor.token).json();
        assert_eq!(path["events"][0]["erased"], said);
        let shown = app.get(&format!("/v1/entries/{entry}"), &donor.token);
        assert_eq!(shown.erased, format!("/serial on 2026-11-24 by {erasing}"));
        assert_eq!(app.get(&format!("/v1/entries/{erasing}"), &donor.token).erased, "");
        app.get(&format!("/v1/entries/{erasing}"), "").refused(401, "token_invalid", "");
        // What was proved before is proved still.
        app.wait_for_checkpoint();
        assert_eq!(proof(), proved);
        assert_eq!(app.audit().findings, Vec::new());
    }

    /// Posted and erased in one request: it never reaches the table.
    fn erased_in_the_same_batch(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let entry = app.ledger.readiness().expect("ready");
        let body = posting(&donor, &json!({}));
        let erasing = signed(&donor, "value_erased", &erasure(entry, &["/serial"]));
        for mode in ["all", "each"] {
            let at = app.ledger.readiness().expect("ready");
            let (body, erasing) = if mode == "all" { (body.clone(), erasing.clone()) } else {
                (posting(&donor, &json!({})), signed(&donor, "value_erased", &erasure(at, &["/serial"])))
            };
            let lines = format!("{body}\n{}\n", json!({"statement": erasing}));
            let path = format!("/v1/events/batch?mode={mode}");
            let answer = app.post_body(&path, &donor.token, "application/x-ndjson", lines.as_bytes());
            assert!(answer.lines().iter().all(|line| line["status"] == 201), "{}", answer.text);
            assert_eq!(kept(&app, at), ["/model"]);
            assert!(!is_on_disk(&app, SERIAL));
        }
    }

    /// What stands in place of a corrected statement has commitments of its own.
    fn inside_a_correction(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let item = new_id();
        let entry = post(&app, &donor, &posting(&donor, &json!({"item": item}))).accepted();
        let mut instead = laptop_fields(&item);
        (instead["type"], instead["occurred_at"]) = (json!("registered"), json!("2026-11-23T13:00:00+02:00"));
        (instead["class"], instead["serial"]) = (json!("0302"), committed("/instead/serial", "PC-0815"));
        let fields = json!({"entry": entry, "reason": "incorrect_data", "instead": instead});
        let statement = signed(&donor, "corrected", &fields);
        let body = json!({"statement": statement, "open": opened("/instead/serial", "PC-0815")});
        let correcting = post(&app, &donor, &body).accepted();
        assert_eq!(kept(&app, correcting), ["/instead/serial"]);
        erase(&app, &donor, correcting, &["/serial"]).refused(422, "no_commitment", "/pointers/0");
        erase(&app, &donor, correcting, &["/instead/serial"]).accepted();
        assert_eq!((kept(&app, correcting), kept(&app, entry).len()), (Vec::new(), 2));
        assert!(!is_on_disk(&app, "PC-0815"));
        let last = erase(&app, &donor, entry, &["/serial", "/model"]).accepted();
        app.say(&donor, "corrected", &json!({"entry": last, "reason": "did_not_occur"})).refused(422, "not_correctable", "/entry");
    }

    /// An opening that is there again, by a backup or by hand, is found.
    fn the_audit_finds_what_came_back(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        let donor = app.join(&["donor"]);
        let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
        let erasing = erase(&app, &donor, entry, &["/model", "/serial"]).accepted();
        assert_eq!(app.audit().findings, Vec::new());
        let salt = match kind {
            Kind::Sqlite => format!("x'{}'", HEXLOWER.encode(&SALT)),
            Kind::Postgres => format!("decode('{}', 'hex')", HEXLOWER.encode(&SALT)),
        };
        let row = format!("INSERT INTO openings (idx, pointer, salt, value) VALUES ({entry}, '/serial', {salt}, '{SERIAL}')");
        app.database.tamper(&row).expect("an administrator can");
        let findings = app.audit().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].index, Some(EntryIndex(entry)));
        assert_eq!(findings[0].problem, format!("the value at /serial is still there, entry {erasing} erased it"));
    }

    /// A claim is never erased: a retirement keeps its values but where the person asked or an authority ordered it.
    fn a_claim_is_not_erased(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(3_000);
        let serial = story.issue(None);
        let entry = story.retire(&serial).accepted();
        let page = || app.get(&format!("/v1/certificates/{serial}"), "").json()["retired"].clone();
        let before = page();
        let said = |reason: &str, pointer: &str| json!({"entry": entry, "pointers": [pointer], "reason": reason});
        for reason in ["posted_in_error", "retention_over"] {
            for party in [&story.centre, &app.operator] {
                app.say(party, "value_erased", &said(reason, "/beneficiary")).refused(422, "claim_kept", "/reason");
            }
            app.say(&story.smelter, "value_erased", &said(reason, "/beneficiary")).refused(403, "not_the_author", "/entry");
        }
        assert_eq!((page(), kept(&app, entry).len()), (before, 3));
        app.say(&app.operator, "value_erased", &said("ordered", "/beneficiary")).accepted();
        app.say(&story.centre, "value_erased", &said("person_asked", "/purpose")).accepted();
        assert_eq!((page()["erased"].as_array().map(Vec::len), kept(&app, entry).len()), (Some(2), 1));
        // What is no claim may go for every reason.
        let donor = app.join(&["donor"]);
        let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
        for (reason, pointer) in [("posted_in_error", "/serial"), ("retention_over", "/model")] {
            let fields = json!({"entry": entry, "pointers": [pointer], "reason": reason});
            app.say(&donor, "value_erased", &fields).accepted();
        }
        assert_eq!(kept(&app, entry), Vec::<String>::new());
    }

    /// The register, the bundle and its verdict say when a retirement's values were erased, instead of the values.
    fn a_retirement_loses_its_names(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(3_000);
        let serial = story.issue(None);
        let entry = story.retire(&serial).accepted();
        let page = || app.get(&format!("/v1/certificates/{serial}"), "").json();
        let bundle = || app.get(&format!("/v1/certificates/{serial}/bundle"), &story.centre.token).text.into_bytes();
        let (before, old) = (page(), bundle());
        assert_eq!(before["retired"]["erased"], Value::Null);
        erase(&app, &story.smelter, entry, &["/beneficiary"]).refused(403, "not_the_author", "/entry");
        app.now_ms.fetch_add(DAY_MS, Ordering::SeqCst);
        let by_centre = erase(&app, &story.centre, entry, &["/beneficiary", "/beneficiary_number"]).accepted();
        let after = page();
        let said = |pointer: &str, by: u64, on: &str| json!({"pointer": pointer, "on": on, "by": by, "reason": "person_asked"});
        let erased = [said("/beneficiary", by_centre, "2026-11-24"), said("/beneficiary_number", by_centre, "2026-11-24")];
        assert_eq!(after["retired"]["erased"], json!(erased));
        assert_eq!((&after["status"], &after["retired"]["beneficiary"]), (&json!("retired"), &Value::Null));
        assert_eq!(after["retired"]["purpose"], before["retired"]["purpose"]);
        assert!(!after.to_string().contains("Example Textiles"), "{after}");
        assert_eq!(after["statements"].as_u64(), before["statements"].as_u64().map(|count| count + 1));
        assert!(app.get(&format!("/v1/entries/{entry}"), "").erased.starts_with("/beneficiary on 2026-11-24"));
        assert_eq!(app.get(&format!("/v1/entries/{by_centre}"), "").status, 200, "as public as what it erases");

        let new = bundle();
        assert!(!String::from_utf8_lossy(&new).contains("Example Textiles"));
        assert_eq!((openings_of(&old).len(), openings_of(&new).len()), (3, 1));
        let verdict = verify(&new, Some(&anchor())).expect("valid");
        let facts = |pointer: &str| ErasedFacts { pointer: pointer.into(), on: "2026-11-24".into(), by: by_centre };
        assert_eq!(verdict.erased, [facts("/beneficiary"), facts("/beneficiary_number")]);
        assert_eq!((verdict.shown as u64, verdict.not_shown), (after["statements"].as_u64().expect("a number"), Vec::new()));
        verify(&old, Some(&anchor())).expect("what was made before stays valid");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("b.json");
        std::fs::write(&file, &new).expect("written");
        let verified = run(&["verify", &file.display().to_string(), "--vkey", &anchor().vkey()]);
        let words = String::from_utf8(verified.stdout).expect("text");
        assert_eq!(verified.status.code(), Some(0), "{words}");
        assert!(words.contains(&format!("erased on 2026-11-24 by entry {by_centre}")), "{words}");

        erase(&app, &app.operator, entry, &["/purpose"]).accepted();
        let verdict = verify(&bundle(), Some(&anchor())).expect("valid without any opening");
        assert_eq!((verdict.openings.len(), verdict.erased.len()), (0, 3));
        assert_eq!(page()["retired"]["erased"].as_array().map(Vec::len), Some(3));
    }
}

/// A reader in the middle of a snapshot keeps SQLite's log from being emptied; the next commit does it.
#[test]
fn a_reader_delays_the_last_bytes() {
    let app = TestApp::start(Kind::Sqlite);
    let donor = app.join(&["donor"]);
    let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
    let held = app.ledger.store.snapshot(|database| {
        openings::of_entry(database, EntryIndex(entry))?;
        erase(&app, &donor, entry, &["/serial"]).accepted();
        assert!(is_on_disk(&app, SERIAL), "the snapshot still reads it");
        Ok::<_, StoreError>(openings::of_entry(database, EntryIndex(entry))?.len())
    });
    assert_eq!((held.expect("readable"), kept(&app, entry).len()), (2, 1));
    app.laptop(&donor);
    assert!(!is_on_disk(&app, SERIAL));
}

/// It happens by itself where nothing is committed any more.
#[test]
fn a_quiet_ledger_empties_its_log_too() {
    let app = TestApp::start(Kind::Sqlite);
    let donor = app.join(&["donor"]);
    let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
    app.wait_for_checkpoint();
    let held = app.ledger.store.snapshot(|database| {
        openings::of_entry(database, EntryIndex(entry))?;
        erase(&app, &donor, entry, &["/serial"]).accepted();
        app.wait_for_checkpoint();
        Ok::<_, StoreError>(is_on_disk(&app, SERIAL))
    });
    assert!(held.expect("readable"), "the snapshot still reads it");
    while is_on_disk(&app, SERIAL) {
        std::thread::yield_now();
    }
}

/// What a crash in the moment after the commit leaves in the log is gone when the store has opened.
#[test]
fn opening_the_store_empties_the_log() {
    let app = TestApp::start(Kind::Sqlite);
    let donor = app.join(&["donor"]);
    let entry = post(&app, &donor, &posting(&donor, &json!({}))).accepted();
    let gone = format!("DELETE FROM openings WHERE idx = {entry}");
    app.database.tamper(&format!("PRAGMA secure_delete = ON; {gone}")).expect("an administrator can");
    let folder = tempfile::tempdir().expect("a folder");
    let crashed = sqlite_in(folder.path());
    let DatabaseUrl::Sqlite(path) = &app.database.url else { unreachable!("made as SQLite") };
    for ending in ["sqlite", "sqlite-wal"] {
        std::fs::copy(path.with_extension(ending), folder.path().join("ledger").with_extension(ending))
            .expect("copied");
    }
    assert!(files_hold(&crashed, SERIAL), "the log holds the page as it was");
    let _open = Store::open(&crashed, 1).expect("it opens");
    assert!(!files_hold(&crashed, SERIAL));
}
