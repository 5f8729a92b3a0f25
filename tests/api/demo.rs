//! `loopledger demo`, as a newcomer runs it.

use crate::process::{PROGRAM, run};
use loopledger::proof::note::NoteVerifier;
use loopledger::proof::verify::verify;
use loopledger::store::{Store, head};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn demo(data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let data = data.display().to_string();
    let mut arguments = vec!["demo", "--data", &data];
    arguments.extend(more);
    let output = run(&arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

fn entries(data: &Path) -> u64 {
    let Ok(store) = Store::open_to_read(&loopledger::store::backend::sqlite_in(data)) else { return 0 };
    store.read(head::read).map_or(0, |head| head.size())
}

fn require_clean(data: &Path) {
    let audit = run(&["audit", "--data", &data.display().to_string()]);
    assert_eq!(audit.status.code(), Some(0), "{}", String::from_utf8_lossy(&audit.stdout));
}

fn contains(text: &str, expected: &[&str]) {
    for words in expected {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
}

/// Without a file: a made set, a certificate that verifies elsewhere, and a finished folder that is only served.
#[test]
fn the_made_demo() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (code, text) = demo(&data, &["--exit"]);
    assert_eq!(code, Some(0), "{text}");
    contains(
        &text,
        &[
            "DEMO DATA",
            "seed 20261123",
            "600 devices in =",
            "closes to the gram",
            "VALID",
            "split from",
            "the 2 accounts it has been in",
            "9 attempts",
            "not_the_author 1",
            "72.000 kg given",
            "24 laptops given in Belgium, 23 shipped to a school in XD, 20 died there",
            "made from the seed",
        ],
    );
    require_clean(&data);
    let moved = folder.path().join("elsewhere.json");
    fs::copy(data.join("demo/bundle.json"), &moved).expect("copied");
    let vkey = data.join("demo/vkey.txt").display().to_string();
    let moved = moved.display().to_string();
    assert_eq!(run(&["verify", &moved, "--vkey", &vkey]).status.code(), Some(0));
    assert_eq!(run(&["verify", &moved]).status.code(), Some(3));
    let lines = fs::read_to_string(data.join("demo/entries.jsonl")).expect("readable").lines().count() as u64;
    assert_eq!(lines, entries(&data));
    says_what_it_should(&data);

    let (code, again) = demo(&data, &["--exit"]);
    assert_eq!((code, entries(&data)), (Some(0), lines), "{again}");
    assert!(!again.contains("VALID"), "a finished demo does nothing again");
    seeded_places(&data);
    serves(&data);
}

/// What every statement that the demo left says.
fn statements(data: &Path) -> Vec<Value> {
    let payload = |line: &str| {
        let entry: Value = serde_json::from_str(line).expect("JSON");
        let statement = entry["statement"].as_str().expect("a statement");
        let payload = statement.split('.').nth(1).expect("a payload").as_bytes();
        let payload = data_encoding::BASE64URL_NOPAD.decode(payload).expect("base64url");
        serde_json::from_slice(&payload).expect("JSON")
    };
    fs::read_to_string(data.join("demo/entries.jsonl")).expect("readable").lines().map(payload).collect()
}

/// The gift beside the café: to a school and home again, with all that belongs to it.
fn says_what_it_should(data: &Path) {
    let statements = statements(data);
    let count = |kind: &str| statements.iter().filter(|said| said["type"] == kind).count();
    let table = [
        ("project_registered", 1),
        ("facility_registered", 1),
        ("delegation_granted", 1),
        ("donated", 1),
        ("part_removed", 1),
        ("part_installed", 1),
        ("packed", 1),
        ("unpacked", 1),
        ("export_consented", 1),
        ("export_shipped", 2),
        ("carried", 2),
        ("import_received", 2),
        ("training_held", 1),
        ("checked", 23),
        ("stored", 1),
        ("evidence_reviewed", 2),
        ("corrected", 1),
        ("correction_confirmed", 1),
        ("value_erased", 1),
        ("certificate_split", 1),
        ("certificate_transferred", 1),
        ("certificate_retired", 1),
    ];
    for (kind, times) in table {
        assert_eq!(count(kind), times, "{kind}");
    }
    // The school's software speaks for the school, and for nobody else.
    let spoken: Vec<&Value> = statements.iter().filter(|said| said.get("on_behalf_of").is_some()).collect();
    let sides = spoken.iter().map(|said| (said["org"].to_string(), said["on_behalf_of"].to_string()));
    assert_eq!(sides.collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(spoken.iter().filter(|said| said["type"] == "put_in_use").count(), count("put_in_use"));
}

/// Two thousand places of the demo's bundle, drawn: nothing that differs is valid.
fn seeded_places(data: &Path) {
    let bundle = fs::read(data.join("demo/bundle.json")).expect("readable");
    let vkey = fs::read_to_string(data.join("demo/vkey.txt")).expect("readable");
    let anchor = NoteVerifier::parse(vkey.trim()).expect("a vkey");
    assert!(verify(&bundle, Some(&anchor)).is_ok());
    std::thread::scope(|scope| {
        for half in 0..2_u64 {
            let (bundle, anchor) = (&bundle, &anchor);
            scope.spawn(move || {
                let mut changed = bundle.clone();
                let mut state = 0x1234_5678 + half;
                for _ in 0..1_000 {
                    // The multiplier is Knuth's for MMIX; any spread over the file will do.
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let place = usize::try_from((state >> 16) % bundle.len() as u64).expect("small");
                    changed[place] ^= 1 << (state >> 61);
                    assert!(verify(&changed, Some(anchor)).is_err(), "a change of byte {place} is valid");
                    changed[place] = bundle[place];
                }
            });
        }
    });
}

/// A finished demo serves: tokens are printed and work.
fn serves(data: &Path) {
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut tokens = BTreeMap::new();
    let (mut url, mut report) = (String::new(), String::new());
    // Kept open: a service whose output goes nowhere would end at its next line.
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    for line in output.by_ref().lines() {
        let line = line.expect("readable");
        if let [name, _, token] = line.split_whitespace().collect::<Vec<_>>()[..] {
            tokens.insert(name.to_owned(), token.to_owned());
        }
        if let Some(path) = line.strip_prefix("DEMO DATA: the donor's token reads ") {
            path.split(',').next().expect("a path").clone_into(&mut report);
        }
        if let ["Serving", _, "on", found, ..] = line.split_whitespace().collect::<Vec<_>>()[..] {
            found.clone_into(&mut url);
            break;
        }
    }
    let client = crate::process::Client { url };
    let token = &tokens["auditor"];
    let balance = client.get("/v1/balance", token).expect("an answer").json();
    assert_eq!(balance["closes"], true);
    let signals = client.get("/v1/signals", token).expect("an answer").json();
    assert_eq!(signals["signals"], serde_json::json!([]), "the demo is honest work");
    what_came_home_waits(&client, token);
    the_donor_reads_its_report(&client, &report, &tokens["donor"]);
    child.kill().expect("killed");
    child.wait().expect("gone");
    drop(output);
}

/// What came home is eligible, and waits in the pool of the site where it was dismantled.
fn what_came_home_waits(client: &crate::process::Client, token: &str) {
    let sites = client.get("/v1/sites", token).expect("an answer").json();
    let south =
        sites["records"].as_array().expect("sites").iter().find(|site| site["code"] == "SOUTH").expect("a site");
    let path = format!("/v1/eligibility?site={}", south["id"].as_str().expect("an id"));
    let pools = client.get(&path, token).expect("an answer").json();
    let pools = pools["pools"].as_array().expect("pools");
    assert!(pools.iter().any(|pool| pool["entered_g"].as_i64() > Some(5_000)), "{pools:?}");
    assert!(pools.iter().all(|pool| pool["units"] == 0), "{pools:?}");
}

/// All of the gift, to the gram, under the path and with the token that were printed.
fn the_donor_reads_its_report(client: &crate::process::Client, path: &str, token: &str) {
    let report = client.get(path, token).expect("an answer").json();
    let totals = &report["totals"];
    let grams = |field: &str| totals[field].as_i64().expect("grams");
    let places = totals["whereabouts"].as_array().expect("places");
    let everywhere: i64 = places.iter().map(|place| place["grams_g"].as_i64().expect("grams")).sum();
    assert_eq!((grams("brought_g"), grams("brought_g") + grams("changed_g")), (72_000, everywhere), "{totals}");
    assert_eq!(report["devices"].as_array().expect("things").len(), 24 + 1, "laptops, and the drive of the first");
}

fn made_file(folder: &Path, devices: u32) -> PathBuf {
    let mut text = "id,product_category,product_category_id,repair_status,event_date\n".to_owned();
    for number in 0..devices {
        let status = ["Fixed", "End of life", "Unknown", "End of life", "Repairable"][number as usize % 5];
        let category = [4, 16, 8, 34][number as usize % 4];
        writeln!(text, "{number},any,{category},{status},2025-0{}-11", 1 + number % 7).expect("a string");
    }
    let file = folder.join("devices.csv");
    fs::write(&file, text).expect("written");
    file
}

/// Killed wherever it happens to be, again and again, it goes on, says nothing twice and ends well.
#[test]
fn an_interrupted_demo_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let file = made_file(folder.path(), 1_500).display().to_string();
    for until in [1, 20, 1_500, 4_000] {
        let mut command = Command::new(PROGRAM);
        command.args(["demo", "--exit", "--open-repair", &file, "--data"]).arg(&data);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        while entries(&data) < until && child.try_wait().expect("known").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    let (code, text) = demo(&data, &["--exit", "--open-repair", &file, "--seed", "7"]);
    assert_eq!(code, Some(2), "{text}");
    contains(&text, &["interrupted demo", "20261123"]);
    let (code, text) = demo(&data, &["--exit", "--open-repair", &file]);
    assert_eq!(code, Some(0), "{text}");
    contains(&text, &["1,500 devices in = 300 fixed + 300 repairable + 600 end of life + 300 unknown", "VALID"]);
    require_clean(&data);
}

#[test]
fn a_demo_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    drop(crate::process::Service::start(&[], &data, None));
    let (code, text) = demo(&data, &["--exit"]);
    assert_eq!(code, Some(2));
    contains(&text, &["holds another ledger"]);
    let empty = folder.path().join("empty");
    let (code, text) = demo(&empty, &["--exit", "--open-repair", "/nowhere.csv"]);
    assert_eq!(code, Some(2));
    contains(&text, &["/nowhere.csv"]);
    let file = folder.path().join("bad.csv");
    fs::write(&file, "product_category_id,repair_status,event_date\n4,Melted,2025-01-01\n").expect("written");
    let (code, text) = demo(&empty, &["--exit", "--open-repair", &file.display().to_string()]);
    assert_eq!(code, Some(2));
    contains(&text, &["device 1", "unknown repair status"]);
}

/// The 29,929 real devices, where the file is at hand.
#[test]
fn the_open_repair_demo() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/open-repair-denmark-202507.csv");
    if !file.exists() {
        eprintln!("SKIPPED: {} is not here", file.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (code, text) = demo(&data, &["--exit", "--open-repair", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{text}");
    let devices = "29,929 devices in = 19,638 fixed + 2 repairable + 9,096 end of life + 1,193 unknown";
    contains(&text, &[devices, "closes to the gram", "VALID", "CC BY-SA 4.0"]);
}
