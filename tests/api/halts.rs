//! Whenever what is found contradicts what was signed, the ledger halts: read-only, proofs still served, the reason in
//! words.

use crate::harness::{
    Kind, NOON_MS, OperatorKeys, TestApp, TestDatabase, both_databases, given_clock, laptop_fields, new_id, signed,
};
use ed25519_dalek::SigningKey;
use loopledger::ledger::opening::{self, Settings};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::store::{DatabaseUrl, Store};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use zeroize::Zeroizing;

/// It appends nothing, says why, and still serves proofs.
pub fn is_halted(app: &TestApp, words: &str) {
    let jws = signed(&app.operator, "registered", &laptop_fields(&new_id()));
    app.post_jws(&app.operator.token, &jws).refused(503, "ledger_halted", "");
    let ready = app.get("/health/ready", "");
    ready.refused(503, "not_ready", "");
    assert!(ready.text.contains(words), "{}", ready.text);
    assert_eq!(app.get("/health/live", "").status, 200);
    assert_eq!(app.get("/v1/entries/0", &app.operator.token).status, 200);
}

both_databases! {
    /// A backup of yesterday is put back: the guard has seen more.
    fn a_database_behind_the_guard(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = app.wait_for_checkpoint();
        let backup = Backup::take(&app);
        app.laptop(&donor);
        app.wait_for_checkpoint();
        let database = app.stop();
        backup.put_back(&database);
        let mut app = TestApp::start_on(database, NOON_MS);
        app.expect_damage();
        is_halted(&app, "a backup was put back");
        assert_eq!(app.get(&format!("/v1/proofs/inclusion?index=0&size={size}"), "").status, 200);
    }

    /// The database is put back while the service runs.
    fn a_database_that_goes_back_under_a_running_service(kind) {
        let mut app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        app.wait_for_checkpoint();
        let backup = Backup::take(&app);
        app.laptop(&donor);
        app.wait_for_checkpoint();
        backup.put_back(&app.database);
        let jws = signed(&donor, "registered", &laptop_fields(&new_id()));
        app.post_jws(&donor.token, &jws).refused(503, "ledger_halted", "");
        app.expect_damage();
    }

    /// The keys of a test ledger and of a production ledger are swapped.
    fn a_checkpoint_key_of_another_ledger(kind) {
        let app = TestApp::start(kind);
        app.wait_for_checkpoint();
        let database = app.stop();
        let guard = database.guard();
        let store = Arc::new(Store::open(&database.url, 2).expect("the database opens"));
        let settings = Settings {
            clock: given_clock(&Arc::new(AtomicI64::new(NOON_MS))),
            sealing_key: Zeroizing::new([9; 32]),
            publishing: Some((SigningKey::from_bytes(&[77; 32]), guard)),
            witnesses: None,
        };
        let ledger = opening::open(store, settings).expect("it opens to serve proofs");
        assert!(ledger.health.halted().is_some_and(|reason| reason.contains("swapped")));
    }

    /// The guard holds a checkpoint that is not signed by this ledger's key.
    fn a_foreign_guard(kind) {
        let app = TestApp::start(kind);
        app.wait_for_checkpoint();
        let database = app.stop();
        let note = fs::read_to_string(database.guard()).expect("a guard");
        let size_and_root = Checkpoint::parse(note.split("\n\n").next().map(|text| format!("{text}\n")).expect("text").as_str());
        let foreign = size_and_root.expect("a checkpoint").sign(&SigningKey::from_bytes(&[5; 32])).expect("signed");
        fs::write(database.guard(), foreign).expect("writable");
        let mut app = TestApp::start_on(database, NOON_MS);
        app.expect_damage();
        is_halted(&app, "not this ledger's");
    }

    /// The guard is gone although checkpoints were signed.
    fn a_lost_guard(kind) {
        let app = TestApp::start(kind);
        app.wait_for_checkpoint();
        let database = app.stop();
        let note = fs::read(database.guard()).expect("a guard");
        fs::remove_file(database.guard()).expect("removable");
        let mut app = TestApp::start_on(database, NOON_MS);
        app.expect_damage();
        is_halted(&app, "put the last checkpoint that you trust there");
        let database = app.stop();
        fs::write(database.guard(), note).expect("writable");
        let app = TestApp::start_on(database, NOON_MS);
        app.join(&["donor"]);
    }

    /// We crashed after a checkpoint was stored and before the guard moved: the next start goes on from it.
    fn a_guard_that_lags_behind(kind) {
        let app = TestApp::start(kind);
        app.join(&["donor"]);
        let size = app.wait_for_checkpoint();
        let database = app.stop();
        let nothing = Checkpoint {
            origin: loopledger::domain::ids::Origin::parse(crate::harness::ORIGIN).expect("an origin"),
            size: 0,
            root: loopledger::proof::merkle::empty_root(),
        };
        let note = nothing.sign(&OperatorKeys::fixed().checkpoint).expect("signed");
        fs::write(database.guard(), note).expect("writable");
        database.tamper("UPDATE shown SET size = 0").expect("no trigger guards it");
        let app = TestApp::start_on(database, NOON_MS);
        assert_eq!(app.wait_for_checkpoint(), size);
        app.join(&["donor"]);
        assert!(app.wait_for_checkpoint() > size);
    }

    /// A guard that cannot be read for a while is no contradiction: appending goes on, and signing when it is back.
    fn a_guard_that_cannot_be_read_for_a_while(kind) {
        let app = TestApp::start(kind);
        let size = app.wait_for_checkpoint();
        let (guard, aside) = (app.database.guard(), app.database.folder.path().join("aside"));
        fs::rename(&guard, &aside).expect("moved");
        fs::create_dir(&guard).expect("something that is no file");
        let donor = app.join(&["donor"]);
        fs::remove_dir(&guard).expect("gone");
        fs::rename(&aside, &guard).expect("back");
        app.laptop(&donor);
        assert!(app.wait_for_checkpoint() > size);
    }

    /// A checkpoint row that the checkpoint key did not sign is never shown.
    fn a_planted_checkpoint(kind) {
        let app = TestApp::start(kind);
        app.wait_for_checkpoint();
        let database = app.stop();
        let unhook = match kind {
            Kind::Sqlite => "DROP TRIGGER checkpoints_refuse_update;",
            Kind::Postgres => "ALTER TABLE checkpoints DISABLE TRIGGER ALL;",
        };
        database.tamper(&format!("{unhook} UPDATE checkpoints SET note = 'x'")).expect("an administrator can");
        let mut app = TestApp::start_on(database, NOON_MS);
        app.expect_damage();
        is_halted(&app, "is not signed by the checkpoint key");
    }

    /// Somebody else moves the guard while the service runs: a second publisher.
    fn a_guard_that_moves_by_itself(kind) {
        let mut app = TestApp::start(kind);
        app.wait_for_checkpoint();
        fs::write(app.database.guard(), "another\n").expect("writable");
        while app.ledger.health.halted().is_none() {
            std::thread::yield_now();
        }
        app.expect_damage();
        is_halted(&app, "moved by somebody else");
    }

    /// The end of the stored ledger does not hash to its head.
    fn a_head_that_does_not_fit(kind) {
        let app = TestApp::start(kind);
        app.join(&["donor"]);
        let database = app.stop();
        let flipped = match kind {
            Kind::Sqlite => "UPDATE head SET chain_hash = zeroblob(32)",
            Kind::Postgres => "UPDATE head SET chain_hash = decode(repeat('00', 32), 'hex')",
        };
        database.tamper(flipped).expect("no trigger guards the head");
        let store = Arc::new(Store::open(&database.url, 2).expect("the database opens"));
        let settings = Settings {
            clock: given_clock(&Arc::new(AtomicI64::new(NOON_MS))),
            sealing_key: Zeroizing::new([9; 32]),
            publishing: Some((OperatorKeys::fixed().checkpoint, database.guard())),
            witnesses: None,
        };
        assert!(opening::open(store, settings).is_err());
    }

    /// A clock far behind the ledger refuses instead of lying; when it is right again, so is the service.
    fn a_clock_that_is_behind(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let jws = || signed(&donor, "registered", &laptop_fields(&new_id()));
        app.now_ms.store(NOON_MS - 5_000, Ordering::SeqCst);
        let receipt = app.post_jws(&donor.token, &jws());
        receipt.accepted();
        assert_eq!(receipt.json()["time"], "2026-11-23T12:00:00.000Z", "ledger time never goes back");
        app.now_ms.store(NOON_MS - 5_001, Ordering::SeqCst);
        app.post_jws(&donor.token, &jws()).refused(503, "clock_off", "");
        app.get("/health/ready", "").refused(503, "not_ready", "");
        app.now_ms.store(NOON_MS + 1, Ordering::SeqCst);
        app.post_jws(&donor.token, &jws()).accepted();
        assert_eq!(app.get("/health/ready", "").status, 200);
    }
}

/// Two services on one data folder: the second refuses to start.
#[test]
fn a_second_process_on_one_sqlite_file() {
    let database = TestDatabase::new(Kind::Sqlite);
    let _first = Store::open(&database.url, 1).expect("the database opens");
    let second = Store::open(&database.url, 1).err().expect("it is locked");
    assert!(second.message.contains("another process serves this ledger"), "{second}");
}

/// A copy of the whole database, put back later.
pub enum Backup {
    Sqlite(tempfile::TempDir),
    Postgres { schema: String },
}

impl Backup {
    pub fn take(app: &TestApp) -> Self {
        match &app.database.url {
            DatabaseUrl::Sqlite(_) => {
                let folder = tempfile::tempdir().expect("a folder");
                let file = folder.path().join("backup.sqlite");
                app.database.tamper(&format!("VACUUM INTO '{}'", file.display())).expect("a backup");
                Self::Sqlite(folder)
            }
            DatabaseUrl::Postgres(_) => {
                let schema = format!("backup_{}", uuid::Uuid::now_v7().simple());
                let copies: String = TABLES
                    .iter()
                    .map(|table| format!("CREATE TABLE {schema}.{table} AS SELECT * FROM {table};"))
                    .collect();
                app.database.tamper(&format!("CREATE SCHEMA {schema}; {copies}")).expect("a backup");
                Self::Postgres { schema }
            }
        }
    }

    /// What an administrator can do in spite of every trigger.
    pub fn put_back(&self, database: &TestDatabase) {
        let (before, source, after) = match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join("backup.sqlite");
                let drop: String = GUARDED.iter().map(|table| format!("DROP TRIGGER {table}_refuse_delete;")).collect();
                (format!("ATTACH '{}' AS backup; {drop}", file.display()), "backup".to_owned(), String::new())
            }
            Self::Postgres { schema } => {
                let off: String =
                    GUARDED.iter().map(|table| format!("ALTER TABLE {table} DISABLE TRIGGER ALL;")).collect();
                (off, schema.clone(), format!("DROP SCHEMA {schema} CASCADE"))
            }
        };
        let copies: String = TABLES
            .iter()
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {source}.{table};"))
            .collect();
        database.tamper(&format!("{before} BEGIN; {copies} COMMIT; {after}")).expect("put back");
    }
}

const GUARDED: &[&str] = &["entries", "tiles", "checkpoints"];
const TABLES: &[&str] = &[
    "entries",
    "tiles",
    "checkpoints",
    "cosignatures",
    "shown",
    "head",
    "openings",
    "records",
    "past",
    "bookings",
    "mentions",
    "accounts",
];
