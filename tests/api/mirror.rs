//! The mirror: whatever fails on the way, what lies there is what is served, a checkpoint covers nothing that is not there,
//! and the ledger is never held up.

use crate::harness::{Kind, NOON_MS, ORIGIN, OperatorKeys, Party, TestApp, TestDatabase, both_databases};
use crate::s3::{Fault, S3};
use crate::tiles::{Expected, grow};
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::Origin;
use loopledger::ledger::mirror::Mirroring;
use loopledger::ledger::objects::{Objects, ObjectsUrl};
use loopledger::ledger::opening::Sharing;
use loopledger::ledger::tree::EntriesFor;
use loopledger::ledger::tree_copy::{Extent, TreeCopy};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::merkle::leaf_hash;
use loopledger::proof::note::NoteVerifier;
use loopledger::store::{Store, halt};
use std::fs;
use std::path::Path;
use std::time::Duration;

const BUCKET: &str = "s3://bucket/log";

fn to(objects: Objects, entries_for: EntriesFor) -> Sharing {
    Sharing { entries_for, mirror: Some(Mirroring { objects, pause: Duration::from_millis(20) }) }
}

fn folder(place: &Path) -> Objects {
    Objects::open(&ObjectsUrl::Folder(place.to_owned()), []).expect("a folder")
}

fn mirrored(kind: Kind, objects: Objects) -> (TestApp, Party) {
    let app = TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, to(objects, EntriesFor::Public));
    let donor = app.join(&["donor"]);
    (app, donor)
}

/// What the service says of its mirror.
fn covers(app: &TestApp) -> u64 {
    let ready = app.get("/health/ready", "");
    assert_eq!(ready.status, 200, "{}", ready.text);
    ready.json()["mirror_size"].as_u64().expect("a node that keeps a mirror says how far it is")
}

fn wait_for_mirror(app: &TestApp, size: u64) {
    while covers(app) != size {
        std::thread::yield_now();
    }
}

fn wait_for_halt(app: &mut TestApp, words: &str) {
    app.expect_damage();
    loop {
        if let Some(reason) = app.ledger.health.halted() {
            assert!(reason.contains(words), "{reason}");
            return;
        }
        std::thread::yield_now();
    }
}

fn checkpoint(note: &[u8]) -> Checkpoint {
    let verifier = NoteVerifier::new(ORIGIN, OperatorKeys::fixed().checkpoint.verifying_key()).expect("a name");
    Checkpoint::open(std::str::from_utf8(note).expect("text"), &verifier).expect("signed")
}

/// Every tile and bundle of the newest checkpoint lies there, and the checkpoint is the one that is served.
fn is_whole(app: &TestApp, read: impl Fn(&str) -> Option<Vec<u8>>) {
    let note = read("checkpoint").expect("a checkpoint");
    assert!(note == app.get("/log/checkpoint", "").bytes);
    let size = checkpoint(&note).size;
    let expected = Expected::read(app, size);
    assert_eq!(checkpoint(&note).root.0, expected.root());
    for (path, bytes) in expected.tiles().into_iter().chain(expected.bundles()) {
        assert!(read(&path).as_deref() == Some(&bytes), "{path} of {size}");
    }
}

/// In a bucket, no object but the checkpoint ever had two contents, and the checkpoint never went back.
fn only_went_forward(s3: &S3) {
    for path in s3.written() {
        let history = s3.history(&path);
        if path == "log/checkpoint" {
            let sizes: Vec<_> = history.iter().map(|note| checkpoint(note).size).collect();
            assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
        } else {
            assert_eq!(history.len(), 1, "{path} was written twice");
        }
    }
}

both_databases! {
    fn a_folder_follows_over_restarts(kind) {
        let place = tempfile::tempdir().expect("a folder");
        let read = |path: &str| fs::read(place.path().join(path)).ok();
        let (app, donor) = mirrored(kind, folder(place.path()));
        wait_for_mirror(&app, grow(&app, &donor, 300));
        is_whole(&app, read);
        let database = app.stop();
        let app = TestApp::start_sharing(database, NOON_MS, to(folder(place.path()), EntriesFor::Public));
        let size = grow(&app, &donor, 230);
        wait_for_mirror(&app, size);
        is_whole(&app, read);
        // A service that is stopped leaves its last checkpoint there.
        app.laptop(&donor);
        drop(app.stop());
        assert_eq!(checkpoint(&read("checkpoint").expect("a checkpoint")).size, size + 1);
    }

    fn a_bucket_follows_through_every_fault(kind) {
        use Fault::{ArrivesLate, BreaksAfter, BreaksBefore, FailsAfter, Locked, Refuses};
        let s3 = S3::start();
        let read = |path: &str| s3.object(&format!("log/{path}"));
        let (app, donor) = mirrored(kind, s3.open(BUCKET));
        wait_for_mirror(&app, app.wait_for_checkpoint());
        for fault in [Refuses, BreaksBefore, BreaksAfter, FailsAfter, ArrivesLate, Locked] {
            // Tile, bundle and checkpoint in turn, then several in a row, and the reading back too.
            for faults in [vec![fault], vec![fault; 3]] {
                s3.plan("PUT", &faults);
                s3.plan("GET", &[Refuses, BreaksBefore]);
                wait_for_mirror(&app, grow(&app, &donor, 25));
                assert!(s3.has_happened(), "{fault:?}");
                is_whole(&app, read);
            }
        }
        only_went_forward(&s3);
        let never = ["application/octet-stream", "public, max-age=31536000, immutable"].map(str::to_owned);
        assert_eq!(s3.headers("log/tile/0/000"), Some(never));
        let soon = ["text/plain; charset=utf-8", "no-cache"].map(str::to_owned);
        assert_eq!(s3.headers("log/checkpoint"), Some(soon));
    }

    /// A bucket that does not answer holds nothing up: posting, signing and serving go on, and how far it lags can be read.
    fn a_bucket_that_is_down(kind) {
        let s3 = S3::start();
        let (app, donor) = mirrored(kind, s3.open(BUCKET));
        let before = app.wait_for_checkpoint();
        wait_for_mirror(&app, before);
        s3.is_down(true);
        let size = grow(&app, &donor, 300);
        assert_eq!(covers(&app), before);
        assert_eq!(app.get("/log/tile/0/000", "").status, 200);
        s3.is_down(false);
        wait_for_mirror(&app, size);
        is_whole(&app, |path| s3.object(&format!("log/{path}")));
        only_went_forward(&s3);
    }

    /// Nothing is remembered but what lies there: a checkpoint that is lost or put back is written anew.
    fn a_checkpoint_that_was_put_back(kind) {
        let s3 = S3::start();
        let (app, donor) = mirrored(kind, s3.open(BUCKET));
        wait_for_mirror(&app, grow(&app, &donor, 10));
        let old = s3.object("log/checkpoint").expect("a checkpoint");
        wait_for_mirror(&app, grow(&app, &donor, 10));
        s3.put("log/checkpoint", Some(&old));
        wait_for_mirror(&app, grow(&app, &donor, 10));
        is_whole(&app, |path| s3.object(&format!("log/{path}")));
        let database = app.stop();
        s3.put("log/checkpoint", None);
        let app = TestApp::start_sharing(database, NOON_MS, to(s3.open(BUCKET), EntriesFor::Public));
        wait_for_mirror(&app, app.wait_for_checkpoint());
        is_whole(&app, |path| s3.object(&format!("log/{path}")));
    }

    /// What is for auditors alone is not copied; when it becomes public, all of it is.
    fn entries_are_copied_if_they_are_public(kind) {
        let s3 = S3::start();
        let app = TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, to(s3.open(BUCKET), EntriesFor::Auditors));
        let donor = app.join(&["donor"]);
        wait_for_mirror(&app, grow(&app, &donor, 300));
        assert!(s3.written().iter().all(|path| !path.contains("entries")));
        assert!(s3.object("log/tile/0/000").is_some());
        let database = app.stop();
        let app = TestApp::start_sharing(database, NOON_MS, to(s3.open(BUCKET), EntriesFor::Public));
        wait_for_mirror(&app, grow(&app, &donor, 1));
        is_whole(&app, |path| s3.object(&format!("log/{path}")));
    }

    /// Another publisher of this ledger copied more than is shown here yet: that stays, and contradicts nothing.
    fn a_copy_that_is_ahead_of_what_is_shown(kind) {
        let s3 = S3::start();
        let (app, donor) = mirrored(kind, s3.open(BUCKET));
        app.wait_for_checkpoint();
        let older = app.ledger.checkpoint().expect("shown");
        wait_for_mirror(&app, grow(&app, &donor, 10));
        let objects = s3.open(BUCKET);
        let copy = TreeCopy { store: &app.ledger.store, objects: &objects, with_entries: true };
        for extent in [Extent::Missing, Extent::Everything] {
            copy.bring_to(&older, extent, &|| true).expect("one history");
        }
        is_whole(&app, |path| s3.object(&format!("log/{path}")));
        only_went_forward(&s3);
    }

    /// Another ledger's tree, another history, one that is ahead, a tile that was replaced: each halts and says why; the first
    /// this node alone, which was given the wrong place.
    fn what_contradicts_halts(kind) {
        let key = OperatorKeys::fixed().checkpoint;
        let signed = |size, key: &SigningKey| {
            let (origin, root) = (Origin::parse(ORIGIN).expect("an origin"), leaf_hash(b"another history"));
            Checkpoint { origin, size, root }.sign(key).expect("signed").into_bytes()
        };
        let cases = [
            ("checkpoint", signed(3, &SigningKey::from_bytes(&[77; 32])), "signed by none of this ledger's keys"),
            ("checkpoint", b"nonsense".to_vec(), "signed by none of this ledger's keys"),
            ("checkpoint", signed(3, &key), "signs another history"),
            ("checkpoint", signed(1_000, &key), "was a backup put back?"),
            ("tile/0/000.p/4", b"planted".to_vec(), "two histories"),
            ("tile/entries/000.p/4", b"planted".to_vec(), "two histories"),
        ];
        for (path, bytes, words) in cases {
            let s3 = S3::start();
            let (mut app, donor) = mirrored(kind, s3.open(BUCKET));
            wait_for_mirror(&app, 3);
            let path = format!("log/{path}");
            s3.put(&path, Some(&bytes));
            app.laptop(&donor);
            wait_for_halt(&mut app, words);
            assert_eq!(s3.object(&path), Some(bytes), "what lies there is not touched");
            assert_eq!(app.get("/log/tile/0/000.p/4", "").status, 200);
            let is_of_this_node = words.contains("none of this ledger's keys");
            let database = app.stop();
            let store = Store::open_to_read(&database.url).expect("the database");
            assert_eq!(store.read(halt::reason).expect("readable").is_none(), is_of_this_node, "{words}");
        }
    }
}
