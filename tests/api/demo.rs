//! `loopledger demo`, as a newcomer runs it.

use crate::process::{PROGRAM, run};
use loopledger::proof::note::NoteVerifier;
use loopledger::proof::verify::verify;
use loopledger::store::{Store, head};
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
            "6 attempts",
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

    let (code, again) = demo(&data, &["--exit"]);
    assert_eq!((code, entries(&data)), (Some(0), lines), "{again}");
    assert!(!again.contains("VALID"), "a finished demo does nothing again");
    seeded_places(&data);
    serves(&data);
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
    let mut token = String::new();
    let mut url = String::new();
    // Kept open: a service whose output goes nowhere would end at its next line.
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    for line in output.by_ref().lines() {
        let line = line.expect("readable");
        if let ["auditor", _, found] = line.split_whitespace().collect::<Vec<_>>()[..] {
            found.clone_into(&mut token);
        }
        if let ["Serving", _, "on", found, ..] = line.split_whitespace().collect::<Vec<_>>()[..] {
            found.clone_into(&mut url);
            break;
        }
    }
    let client = crate::process::Client { url };
    let balance = client.get("/v1/balance", &token).expect("an answer").json();
    assert_eq!(balance["closes"], true);
    child.kill().expect("killed");
    child.wait().expect("gone");
    drop(output);
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
