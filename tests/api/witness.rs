//! Our witness: the cases of C2SP tlog-witness, and what must hold when it is killed, raced, misled by its clock or out of disk.

use crate::client::Answer;
use crate::harness::{NOON_MS, given_clock};
use crate::process::{PROGRAM, run};
use crate::witnesses::{LOG, TestLog, TestWitness, add_checkpoint, cosigner, key, log_verifier, memory_of};
use data_encoding::BASE64;
use loopledger::ledger::witness::Witness;
use loopledger::limits::NOTE_BYTES_MAX;
use loopledger::proof::add_checkpoint::origin_hash;
use loopledger::proof::merkle::leaf_hash;
use loopledger::proof::note::{Note, sign_note};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

const NOON_S: u64 = NOON_MS.unsigned_abs() / 1_000;

fn witness() -> TestWitness {
    TestWitness::start(21, vec![log_verifier(1), log_verifier(2)])
}

/// The time of the cosignature in an answer over a note; it must verify.
#[track_caller]
fn cosigned(answer: &Answer, note: &str) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let whole = format!("{note}{}", answer.text);
    cosigner(21).time_of(&Note::parse(&whole).expect("a note")).expect("cosigned")
}

#[track_caller]
fn conflict(answer: &Answer, size: u64) {
    let told = (answer.status, answer.content_type.as_str(), answer.text.as_str());
    assert_eq!(told, (409, "text/x.tlog.size", format!("{size}\n").as_str()));
}

/// Every way in which a request can be wrong has its status, and changes nothing.
#[test]
fn conformance() {
    let (log, witness) = (TestLog::new(), witness());
    cosigned(&witness.post(log.request(0, 3)), &log.note(3));
    let seen = witness.seen(LOG).text;
    let other = TestLog { history: 'b', ..TestLog::new() };
    let good = log.request(3, 8);
    let note = log.note(8);
    let signature = |seed| {
        let note = sign_note(LOG, &key(seed), &log.body(8)).expect("a note");
        note.lines().last().expect("a line").to_owned() + "\n"
    };
    let bad_line = other.note(8).lines().last().expect("a line").to_owned() + "\n";
    let hash = BASE64.encode(&leaf_hash(b"x").0);
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from:?}");
        good.replacen(from, to, 1)
    };
    let foreign = sign_note("other.example", &key(1), &log.body(8).replacen(LOG, "other.example", 1)).expect("a note");
    let signed = |body: &str| sign_note(LOG, &key(1), body).expect("a note");
    let first_hash = log.proof(3, 8).lines().next().expect("a hash").to_owned();
    let table: Vec<(&str, u16, String)> = vec![
        ("nothing", 400, String::new()),
        ("no checkpoint", 400, "old 3\n\n".into()),
        ("no old line", 400, replaced("old 3\n", "")),
        ("another word", 400, replaced("old 3", "new 3")),
        ("leading zero", 400, replaced("old 3", "old 03")),
        ("plus sign", 400, replaced("old 3", "old +3")),
        ("minus sign", 400, replaced("old 3", "old -3")),
        ("no number", 400, replaced("old 3", "old x")),
        ("two spaces", 400, replaced("old 3", "old  3")),
        ("carriage return", 400, replaced("old 3\n", "old 3\r\n")),
        ("too large a number", 400, replaced("old 3", "old 18446744073709551616")),
        ("missing empty line", 400, replaced(&format!("\n\n{LOG}"), &format!("\n{LOG}"))),
        ("bad base64", 400, replaced(&first_hash, "!!!!")),
        ("base64 without padding", 400, replaced(&first_hash, first_hash.trim_end_matches('='))),
        ("a hash of 31 bytes", 400, replaced(&first_hash, &BASE64.encode(&[0; 31]))),
        ("64 proof lines", 400, format!("old 3\n{}\n{note}", format!("{hash}\n").repeat(64))),
        ("63 proof lines", 422, format!("old 3\n{}\n{note}", format!("{hash}\n").repeat(63))),
        ("no signature", 400, format!("old 3\n{}\n{}\n", log.proof(3, 8), log.body(8))),
        ("size with a leading zero", 400, format!("old 3\n\n{}", signed(&log.body(8).replacen("\n8\n", "\n08\n", 1)))),
        ("root of 31 bytes", 400, format!("old 3\n\n{}", signed(&format!("{LOG}\n8\n{}\n", BASE64.encode(&[0; 31]))))),
        ("two lines", 400, format!("old 3\n\n{}", signed(&format!("{LOG}\n8\n")))),
        ("no final line feed", 400, good.trim_end().to_owned()),
        ("unknown origin", 404, format!("old 3\n\n{foreign}")),
        ("unknown key", 403, format!("old 3\n{}\n{}\n{}", log.proof(3, 8), log.body(8), signature(9))),
        ("bad signature", 403, format!("old 3\n{}\n{}\n{bad_line}", log.proof(3, 8), log.body(8))),
        ("a good and a bad signature of one key", 403, format!("{good}{bad_line}")),
        ("the old size is larger", 400, format!("old 9\n\n{note}")),
        ("the old size is wrong", 409, log.request(2, 8)),
        ("the old size is zero", 409, log.request(0, 8)),
        ("wrong proof", 422, replaced(&first_hash, &hash)),
        ("no proof", 422, format!("old 3\n\n{note}")),
        ("one hash too many", 422, format!("old 3\n{}{hash}\n\n{note}", log.proof(3, 8))),
        ("another history", 422, other.request(3, 8)),
        ("same size, other root", 422, other.request(3, 3)),
        ("same size, with a proof", 422, format!("old 3\n{hash}\n\n{}", log.note(3))),
    ];
    for (what, status, request) in table {
        let answer = witness.post(&request);
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        if status == 409 {
            conflict(&answer, 3);
        }
        assert_eq!(witness.seen(LOG).text, seen, "{what} changed something");
    }
    assert_eq!(witness.post(vec![b'a'; 100_000]).status, 413);
    assert_eq!(witness.post([0xff, 0xfe]).status, 400);
    cosigned(&witness.post(format!("{good}{}— unknown.example/x {}\n", signature(9), BASE64.encode(&[7; 80]))), &note);
}

/// What may be: the same again, several keys, a second log, extension lines, the empty tree.
#[test]
fn what_is_cosigned() {
    let (log, witness) = (TestLog::new(), witness());
    assert_eq!(witness.seen(LOG).status, 404, "nothing is cosigned yet");
    assert_eq!(witness.seen("other.example").status, 404);
    let wrong_empty = sign_note(LOG, &key(1), &format!("{LOG}\n0\n{}\n", BASE64.encode(&leaf_hash(b"x").0)));
    assert_eq!(witness.post(format!("old 0\n\n{}", wrong_empty.expect("a note"))).status, 422);
    let proof_from_nothing = log.request(0, 5).replacen("old 0\n", &format!("old 0\n{}", log.proof(2, 5)), 1);
    assert_eq!(witness.post(proof_from_nothing).status, 422);
    cosigned(&witness.post(log.request(0, 0)), &log.note(0));
    for (old, new) in [(0, 1), (1, 1), (1, 2), (2, 7), (7, 8), (8, 300)] {
        assert_eq!(cosigned(&witness.post(log.request(old, new)), &log.note(new)), NOON_S);
    }
    // The second key of the log alone, with extension lines: they are cosigned and kept with the rest.
    let extended = sign_note(LOG, &key(2), &format!("{}extension\n", log.body(301))).expect("a note");
    cosigned(&witness.post(format!("old 300\n{}\n{extended}", log.proof(300, 301))), &extended);
    let seen = witness.seen(LOG);
    assert_eq!((seen.status, seen.content_type.as_str()), (200, "text/plain; charset=utf-8"));
    assert!(seen.text.starts_with(&extended), "{}", seen.text);
    assert_eq!(log_verifier(2).open(&seen.text), Ok(format!("{}extension\n", log.body(301)).as_str()));
    assert_eq!(cosigner(21).time_of(&Note::parse(&seen.text).expect("a note")), Ok(NOON_S));
    // Both keys at once.
    let both =
        log.note(302) + sign_note(LOG, &key(2), &log.body(302)).expect("a note").lines().last().expect("a line") + "\n";
    cosigned(&witness.post(format!("old 301\n{}\n{both}", log.proof(301, 302))), &both);
    assert!(witness.seen(LOG).text.starts_with(&both));
}

/// The time never goes back, is never 0, and a clock that cannot be right stops it.
#[test]
fn clocks() {
    let (log, mut witness) = (TestLog::new(), witness());
    let mut size = 0;
    let mut ask = |witness: &TestWitness| {
        let answer = witness.post(log.request(size, size + 1));
        if answer.status != 200 {
            return Err(answer.status);
        }
        size += 1;
        Ok(cosigned(&answer, &log.note(size)))
    };
    let at = |witness: &TestWitness, seconds: i64| witness.now_ms.store(NOON_MS + seconds * 1_000, Ordering::SeqCst);
    assert_eq!(ask(&witness), Ok(NOON_S));
    assert_eq!(ask(&witness), Ok(NOON_S), "a clock that stands still");
    at(&witness, 60);
    assert_eq!(ask(&witness), Ok(NOON_S + 60));
    at(&witness, -3_600);
    assert_eq!(ask(&witness), Ok(NOON_S + 60), "a clock that went back repeats the last time");
    witness.end();
    witness.begin();
    assert_eq!(ask(&witness), Ok(NOON_S + 60), "also after a restart");
    for absurd in [-200_000, -(NOON_S.cast_signed()), -3 * NOON_S.cast_signed(), 4_000_000_000] {
        at(&witness, absurd);
        assert_eq!(ask(&witness), Err(500), "{absurd}");
    }
    at(&witness, 61);
    assert_eq!(ask(&witness), Ok(NOON_S + 61), "what was refused left no trace");
}

/// Many requests at once from the same size: one goes through, and nothing is ever rolled back.
#[test]
fn races() {
    let (log, witness) = (TestLog::new(), witness());
    cosigned(&witness.post(log.request(0, 4)), &log.note(4));
    let other = TestLog { history: 'b', ..TestLog::new() };
    for size in 4..24 {
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let ask = |by: u64| {
                let (log, witness) = (&log, &witness);
                scope.spawn(move || witness.post(log.request(size, size + by)).status)
            };
            let forked = scope.spawn(|| witness.post(other.request(size, size + 1)).status);
            let asked: Vec<_> = [1, 1, 1, 1].into_iter().map(ask).collect();
            let mut answers: Vec<u16> = asked.into_iter().map(|thread| thread.join().expect("answered")).collect();
            answers.push(forked.join().expect("answered"));
            answers
        });
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        assert!(answers[4] != 200, "another history was cosigned");
        conflict(&witness.post(log.request(0, size + 2)), size + 1);
    }
}

/// Two witnesses on one folder, a damaged memory, and a key that is a log's.
#[test]
fn what_does_not_start() {
    let (log, mut witness) = (TestLog::new(), witness());
    let refused = witness.open_again().err().expect("one is there");
    assert!(refused.contains("another witness works in"), "{refused}");
    cosigned(&witness.post(log.request(0, 4)), &log.note(4));
    witness.end();
    let file = memory_of(witness.folder.path(), LOG);
    let good = fs::read_to_string(&file).expect("a checkpoint");
    for damaged in [String::new(), good.replacen("\n4\n", "\n3\n", 1), log.note(4), good[..good.len() - 2].to_owned()] {
        fs::write(&file, damaged).expect("written");
        let refused = witness.open_again().err().expect("a damaged memory");
        assert!(refused.contains("no checkpoint that this witness cosigned"), "{refused}");
    }
    fs::write(&file, good).expect("written");
    assert!(witness.open_again().is_ok());
    let folder = tempfile::tempdir().expect("a folder");
    let clock = given_clock(&witness.now_ms);
    let refused = Witness::open(folder.path(), "witness.test/1", key(1), vec![log_verifier(1)], clock)
        .err()
        .expect("a log's key");
    assert!(refused.to_string().contains("the witness's key is a log's"), "{refused}");
}

/// A line that a request repeats is kept once, and what could not be read again is not kept at all: it starts again.
#[test]
fn what_is_kept_can_be_read_again() {
    let (log, mut witness) = (TestLog::new(), witness());
    let line = log.note(4).lines().last().expect("a line").to_owned() + "\n";
    cosigned(&witness.post(log.request(0, 4) + &line.repeat(63)), &log.note(4));
    assert_eq!(witness.seen(LOG).text.matches(&line).count(), 1);
    let seen = witness.seen(LOG).text;
    let mut extension = "x".repeat(NOTE_BYTES_MAX - log.note(5).len() - 1);
    let longest = |extension: &str| sign_note(LOG, &log.key, &format!("{}{extension}\n", log.body(5))).expect("a note");
    assert_eq!(longest(&extension).len(), NOTE_BYTES_MAX);
    let request = |note: &str| format!("old 4\n{}\n{note}", log.proof(4, 5));
    assert_eq!(witness.post(request(&longest(&extension))).status, 400);
    assert_eq!(witness.seen(LOG).text, seen);
    witness.end();
    witness.begin();
    extension.truncate(NOTE_BYTES_MAX / 2);
    cosigned(&witness.post(request(&longest(&extension))), &longest(&extension));
}

/// Nothing can be written: 500, nothing is cosigned or forgotten, and it goes on when there is room again.
#[test]
fn a_full_disk() {
    let (log, witness) = (TestLog::new(), witness());
    cosigned(&witness.post(log.request(0, 4)), &log.note(4));
    let seen = witness.seen(LOG).text;
    let draft = memory_of(witness.folder.path(), LOG).with_extension("checkpoint.new");
    fs::create_dir(&draft).expect("something that is no file");
    assert_eq!(witness.post(log.request(4, 5)).status, 500);
    assert_eq!(witness.seen(LOG).text, seen);
    fs::remove_dir(&draft).expect("gone");
    cosigned(&witness.post(log.request(4, 6)), &log.note(6));
}

/// The real program, killed by a tracer at one of its calls to put something on disk.
struct Process {
    child: Child,
    url: String,
    vkey: String,
}

impl Process {
    fn start(before: &[&str], folder: &Path) -> Self {
        let mut words: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
        let log = log_verifier(1).vkey();
        words.extend(
            [PROGRAM, "witness", "--listen", "127.0.0.1:0", "--log", &log, "--name", "witness.test/21"]
                .map(str::to_owned),
        );
        words.extend(["--data".to_owned(), folder.display().to_string()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut url, mut vkey) = (None, None);
        for line in lines {
            let line = line.expect("readable");
            vkey = vkey.or_else(|| line.strip_prefix("Witness key ").map(str::to_owned));
            url = line.strip_prefix("Serving on ").map(str::to_owned);
            if url.is_some() {
                break;
            }
        }
        Self { child, url: url.expect("it serves"), vkey: vkey.expect("it tells its key") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let tracer = self.child.id().to_string();
        let _ = Command::new("pkill").args(["-9", "-P", &tracer]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Killed before the file is in its place, or after that and before the answer: the same request again is answered, and what
/// was cosigned is never cosigned otherwise.
#[test]
fn killed_between_disk_and_answer() {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace is missing, or this machine forbids tracing");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (log, other) = (TestLog::new(), TestLog { history: 'b', ..TestLog::new() });
    let first = Process::start(&[], folder.path());
    let vkey = first.vkey.clone();
    assert_eq!(add_checkpoint(&first.url, log.request(0, 4)).expect("an answer").status, 200);
    drop(first);
    // The file's own, and the folder's after the rename.
    for (call, size, kept) in [(1, 4, 4), (2, 4, 5)] {
        let inject = format!("inject=fsync:signal=KILL:when={call}");
        let traced = Process::start(
            &["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", &inject],
            folder.path(),
        );
        assert!(add_checkpoint(&traced.url, log.request(size, size + 1)).is_err(), "it was killed at call {call}");
        drop(traced);
        let again = Process::start(&[], folder.path());
        assert_eq!(again.vkey, vkey, "the same witness");
        conflict(&add_checkpoint(&again.url, log.request(0, 9)).expect("an answer"), kept);
        assert_ne!(add_checkpoint(&again.url, other.request(kept, 5)).expect("an answer").status, 200);
        if kept == 5 {
            assert_eq!(add_checkpoint(&again.url, log.request(5, 5)).expect("an answer").status, 200);
        }
    }
    let output = run(&["witness", "--data", &folder.path().display().to_string(), "--log", "nonsense"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    fs::remove_file(folder.path().join("witness-key.json")).expect("removable");
    let output = run(&["witness", "--data", &folder.path().display().to_string(), "--log", &log_verifier(1).vkey()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("put it back"), "{output:?}");
    assert!(memory_of(folder.path(), LOG).exists(), "{}", origin_hash(LOG));
}
