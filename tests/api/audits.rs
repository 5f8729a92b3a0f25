//! The audit of a ledger by somebody else: from tiles in a directory or behind HTTP, with no trust in whoever serves them.

use crate::harness::{Kind, OperatorKeys, TestApp, laptop_fields, new_id, signed};
use crate::process::{PROGRAM, run};
use crate::story::Story;
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::{EntryIndex, Origin};
use loopledger::ledger::audit::anchor::Anchor;
use loopledger::ledger::audit::report::{Report, Severity, Trust};
use loopledger::ledger::audit::seen::Seen;
use loopledger::ledger::audit::source::Source;
use loopledger::ledger::audit::{Audit, AuditError, directory, remote};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::entry::{ChainHash, Entry};
use loopledger::proof::merkle::{TreeHash, leaf_hash, root_of};
use loopledger::proof::note::NoteVerifier;
use loopledger::store::entries;
use loopledger::store::workspace::Workspace;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Entries of the ledger that most tests audit: more than a tile.
const ENTRIES: usize = 300;

/// A ledger of so many entries; every one behind the first is a device that a donor registers.
fn ledger() -> Vec<Vec<u8>> {
    let app = TestApp::start(Kind::Sqlite);
    let donor = app.join(&["donor"]);
    let devices: Vec<_> = (0..ENTRIES - 3).map(|_| signed(&donor, "registered", &laptop_fields(&new_id()))).collect();
    app.post_batch(&donor.token, "all", &devices);
    entries_of(&app)
}

fn entries_of(app: &TestApp) -> Vec<Vec<u8>> {
    let all = app.ledger.store.read(|database| entries::page(database, EntryIndex(0), 100_000)).expect("readable");
    all.into_iter().map(|entry| entry.bytes).collect()
}

/// The same statements framed anew, as whoever runs a service could.
fn framed(entries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut prev, mut all) = (ChainHash::START, Vec::new());
    for (index, bytes) in (0..).zip(entries) {
        let entry = Entry::parse(bytes).expect("an entry");
        let bytes = Entry { index: EntryIndex(index), prev, ..entry }.to_bytes();
        prev = ChainHash::of(&bytes);
        all.push(bytes);
    }
    all
}

fn checkpoint_key() -> SigningKey {
    OperatorKeys::fixed().checkpoint
}

fn vkey() -> NoteVerifier {
    NoteVerifier::new(crate::harness::ORIGIN, checkpoint_key().verifying_key()).expect("a name")
}

fn note(size: usize, root: TreeHash, key: &SigningKey) -> String {
    let origin = Origin::parse(crate::harness::ORIGIN).expect("an origin");
    let size = u64::try_from(size).expect("small");
    Checkpoint { origin, size, root }.sign(key).expect("a note")
}

/// Tiles written by hand, the slow and plain way, in a folder of their own.
struct Tiles(TempDir);

impl Tiles {
    fn of(entries: &[Vec<u8>]) -> Self {
        let tiles = Self(tempfile::tempdir().expect("a folder"));
        tiles.put("checkpoint", note(entries.len(), root(entries), &checkpoint_key()).as_bytes());
        let mut hashes: Vec<TreeHash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let bundles = entries.chunks(256).map(|chunk| {
            let length = |entry: &Vec<u8>| u16::try_from(entry.len()).expect("an entry").to_be_bytes();
            chunk.iter().flat_map(|entry| [&length(entry)[..], entry].concat()).collect::<Vec<u8>>()
        });
        for (n, (bundle, chunk)) in bundles.zip(entries.chunks(256)).enumerate() {
            tiles.put(&place("entries", n, chunk.len()), &bundle);
        }
        for level in 0.. {
            for (n, chunk) in hashes.chunks(256).enumerate() {
                let bytes: Vec<u8> = chunk.iter().flat_map(|hash| hash.0).collect();
                tiles.put(&place(&level.to_string(), n, chunk.len()), &bytes);
            }
            hashes = hashes.chunks_exact(256).map(root_of).collect();
            if hashes.is_empty() {
                break;
            }
        }
        tiles
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, place: &str, bytes: &[u8]) {
        let file = self.path().join(place);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, bytes).expect("written");
    }

    /// Changes a file; gives it back afterwards.
    fn with(&self, place: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Report {
        let file = self.path().join(place);
        let before = fs::read(&file).expect("a file");
        fs::write(&file, change(before.clone())).expect("written");
        let report = audited(self.path());
        fs::write(&file, before).expect("written");
        report
    }
}

fn place(kind: &str, n: usize, width: usize) -> String {
    let part = if width < 256 { format!(".p/{width}") } else { String::new() };
    format!("tile/{kind}/{n:03}{part}")
}

fn root(entries: &[Vec<u8>]) -> TreeHash {
    root_of(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>())
}

/// Audits what a source gives, in steps of so many entries, going on in a workspace.
fn audit(source: &mut dyn Source, work: &Path, batch: u64) -> Result<Report, AuditError> {
    let mut workspace = Workspace::open(&work.join("tiles.sqlite")).expect("a workspace");
    let seen = Seen::in_folder(work).expect("a folder");
    let anchor = Anchor::Key(Box::new(vkey()));
    let (threads, mut tell) = (2, |_, _| {});
    Audit { workspace: &mut workspace, seen: &seen, anchor, threads, batch, tell: &mut tell }.run(source)
}

fn audited(tiles: &Path) -> Report {
    let work = tempfile::tempdir().expect("a folder");
    audit(&mut directory::open(tiles), work.path(), 100).expect("an audit")
}

/// Whether a report names something as broken, at an entry or in words.
#[track_caller]
fn names(report: &Report, index: Option<u64>, words: &str) {
    let fits = report.findings.iter().any(|finding| {
        finding.severity == Severity::Broken
            && finding.problem.contains(words)
            && (index.is_none() || finding.index == index.map(EntryIndex))
    });
    assert!(fits, "{words}: {:?}", report.findings);
}

#[test]
fn tiles_are_audited_without_whoever_serves_them() {
    let entries = ledger();
    let tiles = Tiles::of(&entries);
    let report = audited(tiles.path());
    assert_eq!(report.findings, Vec::new());
    assert_eq!((report.entries, report.covered, report.trust), (300, 300, Trust::Anchor));
    // One full tile and the right edge of two levels.
    assert_eq!(report.tiles, 3);
    assert_eq!(report.root, root(&entries).to_string());
}

/// One change in each file, in turn.
#[test]
fn the_audit_names_what_was_changed() {
    let tiles = Tiles::of(&ledger());
    let flip = |at: usize| {
        move |mut bytes: Vec<u8>| {
            bytes[at] ^= 1;
            bytes
        }
    };
    names(&tiles.with("tile/0/000", flip(9)), None, "tile 0/0 is not the hashes of its entries");
    names(&tiles.with("tile/0/001.p/44", flip(9)), None, "tile 0/1 is not the hashes of its entries");
    names(&tiles.with("tile/1/000.p/1", flip(9)), None, "tile 1/0 is not the hashes of its entries");
    names(&tiles.with("tile/0/000", |bytes| bytes[..8_000].to_vec()), None, "tile 0/0 is not the hashes");
    // In a statement of the first bundle, and in its time.
    names(&tiles.with("tile/entries/000", flip(20_000)), None, "");
    names(&tiles.with("tile/entries/001.p/44", flip(0)), Some(256), "entry bundle 1");
    names(&tiles.with("tile/entries/001.p/44", |bytes| [bytes, vec![0, 1, 7]].concat()), Some(256), "entry bundle 1");
    names(&tiles.with("checkpoint", flip(3)), None, "");
    assert_eq!(audited(tiles.path()).findings, Vec::new(), "all is put back");
    for file in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"] {
        let away = tiles.path().join("away");
        fs::rename(tiles.path().join(file), &away).expect("moved");
        names(&audited(tiles.path()), None, "is missing");
        fs::rename(away, tiles.path().join(file)).expect("moved");
    }
}

#[test]
fn a_history_that_was_written_anew_is_named() {
    let entries = ledger();
    // Two entries in each other's place.
    let mut swapped = entries.clone();
    swapped.swap(20, 21);
    let report = audited(Tiles::of(&swapped).path());
    names(&report, Some(20), "stands at 21");
    assert_eq!(report.entries, 20);
    // The chain's middle from another history, everything around it hashed anew.
    let mut chain = entries.clone();
    chain[100] = framed(&[&entries[..100], &entries[101..102]].concat()).pop().expect("an entry");
    names(&audited(Tiles::of(&chain).path()), Some(101), "prev is not the hash of the entry before");
    // A statement left out: all hashes fit, and no rule is broken. Nothing but another checkpoint contradicts it.
    let without = framed(&[&entries[..200], &entries[201..]].concat());
    assert!(audited(Tiles::of(&without).path()).is_clean());
    // A statement said twice.
    let twice = framed(&[&entries[..200], &entries[199..]].concat());
    names(&audited(Tiles::of(&twice).path()), Some(200), "used this statement's id before");
}

#[test]
fn a_checkpoint_counts_under_the_keys_alone() {
    let entries = ledger();
    let tiles = Tiles::of(&entries);
    let other = SigningKey::from_bytes(&[99; 32]);
    tiles.put("checkpoint", note(300, root(&entries), &other).as_bytes());
    names(&audited(tiles.path()), None, "the newest checkpoint is not signed");
    tiles.put("checkpoint", note(300, root(&entries[..299]), &checkpoint_key()).as_bytes());
    names(&audited(tiles.path()), None, "the checkpoint over 300 entries has another root");
    // A key of another ledger, and a checkpoint of another.
    let elsewhere = NoteVerifier::new("ledger.test/other", checkpoint_key().verifying_key()).expect("a name");
    let good = Tiles::of(&entries);
    let output = audit_command(&["--tiles", &text(good.path()), "--vkey", &elsewhere.vkey()]);
    assert_eq!(output.0, Some(1), "{}", output.1);
    assert!(output.1.contains("is that of ledger.test/other"), "{}", output.1);
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn audit_command(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(&[&["audit"], arguments].concat());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_exit_code_and_the_json_say_it() {
    let tiles = Tiles::of(&ledger());
    let (folder, vkey) = (text(tiles.path()), vkey().vkey());
    let (code, words) = audit_command(&["--tiles", &folder]);
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("trusted by nobody"), "{words}");
    let (code, json) = audit_command(&["--tiles", &folder, "--vkey", &vkey, "--json", "-"]);
    assert_eq!(code, Some(0), "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["clean"], &json["trust"], &json["findings"]), (&json!(true), &json!("anchor"), &json!([])));
    tiles.put("tile/1/000.p/1", &[0; 32]);
    let (code, json) = audit_command(&["--tiles", &folder, "--vkey", &vkey, "--json", "-"]);
    assert_eq!(code, Some(1), "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["findings"][0]["severity"], "broken");
    for unreadable in [vec!["--tiles", "/nowhere"], vec!["--url", "http://127.0.0.1:1"]] {
        let (code, words) = audit_command(&unreadable);
        assert_eq!(code, Some(2), "{words}");
    }
}

/// An auditor who has seen a checkpoint is never told another history, or less of this one.
#[test]
fn what_was_seen_is_not_forgotten() {
    let entries = ledger();
    let work = tempfile::tempdir().expect("a folder");
    let look = |entries: &[Vec<u8>]| {
        let tiles = Tiles::of(entries);
        audit(&mut directory::open(tiles.path()), work.path(), 100).expect("an audit")
    };
    let report = look(&entries[..280]);
    assert_eq!((report.findings.len(), report.replayed_before), (0, 0));
    // The ledger grows; only what is new is taken.
    let report = look(&entries);
    assert_eq!((report.findings.len(), report.replayed_before, report.remembered), (0, 280, 1));
    assert_eq!(look(&entries).remembered, 2);
    // It shrinks: an older tree is shown.
    let report = look(&entries[..280]);
    names(&report, None, "history was taken away");
    names(&report, None, "this auditor has seen a checkpoint over 300");
    // Another one is shown, of the same length, under the same key.
    let mut other = framed(&[&entries[..290], &entries[291..]].concat());
    other.push(framed(&[&other[..], &entries[290..291]].concat()).pop().expect("an entry"));
    let report = look(&other);
    names(&report, Some(290), "two histories");
    let mut kept =
        fs::read_dir(work.path().join("evidence")).expect("evidence").map(|file| file.expect("a file").path());
    let kept = kept.find(|path| path.to_string_lossy().contains("entry-290-")).expect("evidence");
    let evidence = fs::read_to_string(kept).expect("evidence");
    assert_eq!(evidence.lines().count(), 2);
    // Also to an auditor who replays it from the start: by itself it is clean.
    fs::remove_file(work.path().join("tiles.sqlite")).expect("removed");
    let report = look(&other);
    names(&report, None, "another root; both notes are in");
    let notes: Vec<_> = fs::read_dir(work.path().join("evidence")).expect("evidence").collect();
    assert!(notes.len() >= 2);
    // The folder of one ledger is not taken for another's.
    let mut foreign = Entry::parse(&entries[0]).expect("an entry");
    foreign.ledger = Origin::parse("ledger.test/other").expect("an origin");
    let tiles = Tiles::of(&[foreign.to_bytes()]);
    let refused = audit(&mut directory::open(tiles.path()), work.path(), 100).expect_err("refused");
    assert!(matches!(refused, AuditError::OtherLedger(_)), "{refused}");
}

/// Files behind HTTP: `busy` of the first answers to each file are 503, and after `enough` answers there are no others.
struct FileServer {
    url: String,
    answered: Arc<AtomicUsize>,
}

impl FileServer {
    fn start(root: PathBuf, prefix: &'static str, busy: usize, enough: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answered = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&answered);
        std::thread::spawn(move || {
            let mut asked = std::collections::BTreeMap::<String, usize>::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = BufReader::new(&stream).lines().map_while(Result::ok);
                let path = request.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
                while request.next().is_some_and(|line| !line.is_empty()) {}
                drop(request);
                let times = asked.entry(path.clone()).or_default();
                *times += 1;
                let file = path.strip_prefix(prefix).map(|place| root.join(place)).and_then(|file| fs::read(file).ok());
                let (status, body) = match file {
                    _ if *times <= busy || counted.load(Ordering::SeqCst) >= enough => {
                        ("503 Busy\r\nRetry-After: 0", Vec::new())
                    }
                    Some(bytes) => ("200 OK", bytes),
                    None => ("404 Not Found", Vec::new()),
                };
                counted.fetch_add(usize::from(status == "200 OK"), Ordering::SeqCst);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // Whoever asked may have gone.
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Self { url, answered }
    }

    fn source(&self) -> impl Source {
        remote::open(&self.url, None, false).expect("a source")
    }
}

/// At the address of a service or of the tiles themselves, and where each file is busy at first.
#[test]
fn a_url_is_audited() {
    let tiles = Tiles::of(&ledger());
    for (prefix, busy) in [("/log/", 0), ("/", 0), ("/log/", 2)] {
        let server = FileServer::start(tiles.path().to_owned(), prefix, busy, usize::MAX);
        let work = tempfile::tempdir().expect("a folder");
        let report = audit(&mut server.source(), work.path(), 100).expect("an audit");
        assert_eq!((report.findings.len(), report.entries), (0, 300), "{prefix} {busy}");
    }
}

/// The source breaks off at every place in turn; each run goes on where the one before stopped, and what comes out is the same.
#[test]
fn an_audit_that_breaks_off_goes_on() {
    let tiles = Tiles::of(&ledger());
    let whole = audited(tiles.path());
    let work = tempfile::tempdir().expect("a folder");
    let (mut runs, mut before) = (0, 0);
    let report = loop {
        runs += 1;
        let server = FileServer::start(tiles.path().to_owned(), "/log/", 0, 4 + runs);
        match audit(&mut server.source(), work.path(), 50) {
            Ok(report) => break report,
            Err(AuditError::Unreachable(_)) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(server.answered.load(Ordering::SeqCst) >= 4 + runs);
        assert!(runs < 100, "it does not get on");
        let mut workspace = Workspace::open(&work.path().join("tiles.sqlite")).expect("a workspace");
        let size = loopledger::store::head::read(workspace.database()).expect("readable").size();
        assert!(size >= before, "it forgets");
        before = size;
    };
    assert!(runs > 2 && before > 0, "it never broke off in the middle");
    assert_eq!((report.root, report.state_digest), (whole.root, whole.state_digest));
    assert_eq!((report.findings, report.tiles), (whole.findings, whole.tiles));
    assert!(report.replayed_before > 0);
}

/// The program is killed again and again while it audits a larger ledger; memory stays far below what the ledger has.
#[test]
fn an_audit_that_is_killed_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = run(&["bench", "audit", "--entries", "12000", "--keep", "--folder", &text(folder.path())]);
    let printed = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "{printed} {}", String::from_utf8_lossy(&made.stderr));
    let peak = printed.lines().find_map(|line| line.trim().strip_prefix("peak memory")?.trim().strip_suffix(" MiB"));
    let peak: u64 = peak.and_then(|peak| peak.trim().parse().ok()).expect("a peak");
    assert!(peak < 512, "{peak} MiB");
    let (tiles, work) = (text(&folder.path().join("ledger-12000")), text(&folder.path().join("again")));
    let place = Path::new(&work).join("tiles.sqlite");
    let command = ["audit", "--tiles", &tiles, "--work", &work, "--json", "-"];
    let mut sizes = Vec::new();
    // Each time it is killed as soon as the file has grown, in the middle of a batch or of its commit.
    for _ in 0..6 {
        let grown = |before: u64| fs::metadata(&place).is_ok_and(|file| file.len() > before);
        let before = fs::metadata(&place).map_or(0, |file| file.len());
        let mut child =
            Command::new(PROGRAM).args(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        while !grown(before) && child.try_wait().expect("its state").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        sizes.push(fs::metadata(&place).map_or(0, |file| file.len()));
    }
    let resumed = run(&command);
    let plain = run(&["audit", "--tiles", &tiles, "--json", "-"]);
    assert_eq!((resumed.status.code(), plain.status.code()), (Some(3), Some(3)), "{sizes:?} {resumed:?}");
    let [resumed, plain]: [Value; 2] =
        [resumed, plain].map(|output| serde_json::from_slice(&output.stdout).expect("JSON"));
    for member in ["entries_replayed", "root", "chain_hash", "tiles", "records", "state_digest", "findings"] {
        assert_eq!(resumed[member], plain[member], "{member}");
    }
}

/// One file behind two entries is worth a look, and no more: it may be the paper of two loads.
#[test]
fn a_file_that_is_bound_twice_is_noticed() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let treatment = story.whole_batch(9_000);
    let document = json!({"sha256": "ab".repeat(32), "blake3": "cd".repeat(32)});
    let attach = || {
        let fields = json!({"about": treatment, "kind": "photograph", "document": document});
        app.say(&story.centre, "evidence_attached", &fields).accepted()
    };
    let (first, second) = (attach(), attach());
    for report in [app.audit(), audited(Tiles::of(&entries_of(&app)).path())] {
        assert!(report.is_clean(), "{:?}", report.findings);
        let words = format!("{}, which entry {first} binds too", "ab".repeat(32));
        let found = report.findings.iter().find(|finding| finding.problem.contains(&words));
        let found = found.unwrap_or_else(|| panic!("{:?}", report.findings));
        assert_eq!((found.severity, found.index), (Severity::Notice, Some(EntryIndex(second))));
    }
}
