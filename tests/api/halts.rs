//! Whenever what is found contradicts what was signed, the ledger halts: read-only, proofs still served, the reason in
//! words.

use crate::harness::{
    Kind, NOON_MS, ORIGIN, OperatorKeys, TestApp, TestDatabase, both_databases, given_clock, laptop_fields, new_id,
    signed,
};
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::Origin;
use loopledger::ledger::guard::{Guard, GuardUrl};
use loopledger::ledger::health::Health;
use loopledger::ledger::opening::{self, Settings, Sharing};
use loopledger::ledger::publisher::Publishing;
use loopledger::ledger::resume::{ResumeError, resume};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::store::{DatabaseUrl, Store, halt};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use zeroize::Zeroizing;

/// It appends nothing, says why, and still serves proofs.
pub fn is_halted(app: &TestApp, words: &str) {
    is_halted_for(app, words, &app.operator.token);
}

fn is_halted_for(app: &TestApp, words: &str, token: &str) {
    let jws = signed(&app.operator, "registered", &laptop_fields(&new_id()));
    app.post_jws(token, &jws).refused(503, "ledger_halted", "");
    let ready = app.get("/health/ready", "");
    ready.refused(503, "not_ready", "");
    assert!(ready.text.contains(words), "{}", ready.text);
    assert_eq!(app.get("/health/live", "").status, 200);
    assert_eq!(app.get("/v1/entries/0", token).status, 200);
}

both_databases! {
    /// A backup of yesterday is put back: the guard has seen more.
    fn a_database_behind_the_guard(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = app.wait_for_checkpoint();
        let backup = Backup::take(&app.database);
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
        let backup = Backup::take(&app.database);
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
        let store = Arc::new(Store::open(&database.url, 2).expect("the database opens"));
        let settings = Settings {
            clock: given_clock(&Arc::new(AtomicI64::new(NOON_MS))),
            sealing_key: Zeroizing::new([9; 32]),
            publishing: Some(Publishing { keys: vec![SigningKey::from_bytes(&[77; 32])], ..database.publishing() }),
            sharing: Sharing::default(),
            witnesses: None, self_audit: None, second_signature: None,
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
        is_halted(&app, "holds no checkpoint of this ledger");
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
        let donor = app.join(&["donor"]);
        app.wait_for_checkpoint();
        fs::write(app.database.guard(), "another\n").expect("writable");
        app.laptop(&donor);
        while app.ledger.health.halted().is_none() {
            std::thread::yield_now();
        }
        app.expect_damage();
        is_halted(&app, "moved by somebody else");
    }

    /// The guard is taken away while the service runs: this node alone halts, lets go of the guard, and goes on once it is back.
    fn a_guard_that_is_lost_under_a_running_service(kind) {
        let mut app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        app.wait_for_checkpoint();
        let note = fs::read(app.database.guard()).expect("a guard");
        fs::remove_file(app.database.guard()).expect("removable");
        app.laptop(&donor);
        while app.ledger.health.halted().is_none() {
            std::thread::yield_now();
        }
        app.expect_damage();
        is_halted(&app, "put the last checkpoint that you trust there");
        let (url, origin) = (GuardUrl::File(app.database.guard()), Origin::parse(ORIGIN).expect("an origin"));
        while Guard::open(&url, &origin, []).is_err() {
            std::thread::yield_now();
        }
        let database = app.stop();
        fs::write(database.guard(), note).expect("writable");
        let app = TestApp::start_on(database, NOON_MS);
        app.laptop(&donor);
        app.wait_for_checkpoint();
    }

    /// The head's row is damaged while nobody appends: the publisher finds it.
    fn a_head_that_cannot_be_read(kind) {
        let mut app = TestApp::start(kind);
        app.wait_for_checkpoint();
        let damaged = match kind {
            Kind::Sqlite => "UPDATE head SET frontier = x'00'",
            Kind::Postgres => "UPDATE head SET frontier = decode('00', 'hex')",
        };
        app.database.tamper(damaged).expect("no trigger guards the head");
        while app.ledger.health.halted().is_none() {
            std::thread::yield_now();
        }
        app.expect_damage();
        is_halted(&app, "the head row cannot be read");
    }

    /// What a thread finds after the publisher has ended is told to the other nodes all the same.
    fn a_halt_at_the_very_end(kind) {
        let database = TestApp::start(kind).stop();
        let store = Arc::new(Store::open(&database.url, 2).expect("the database opens"));
        let health = Health::new(Arc::clone(&store), given_clock(&Arc::new(AtomicI64::new(NOON_MS))));
        health.halt("found late");
        assert_eq!(store.read(halt::reason).expect("readable"), None);
        drop(health);
        assert_eq!(store.read(halt::reason).expect("readable").as_deref(), Some("found late"));
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
            publishing: Some(database.publishing()),
            sharing: Sharing::default(),
            witnesses: None, self_audit: None, second_signature: None,
        };
        let ledger = opening::open(store, settings).expect("it opens to serve proofs");
        assert!(ledger.health.halted().is_some_and(|reason| reason.contains("does not hash to the head")));
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
        for behind_ms in [5_001, 3_600_000] {
            app.now_ms.store(NOON_MS - behind_ms, Ordering::SeqCst);
            app.post_jws(&donor.token, &jws()).refused(503, "clock_off", "");
            let ready = app.get("/health/ready", "");
            ready.refused(503, "not_ready", "");
            assert!(ready.text.contains(&format!("{behind_ms} ms behind")), "{}", ready.text);
        }
        app.now_ms.store(NOON_MS + 1, Ordering::SeqCst);
        app.post_jws(&donor.token, &jws()).accepted();
        assert_eq!(app.get("/health/ready", "").status, 200);
    }
}

both_databases! {
    /// A halt is not lifted while guard, checkpoints or entries do not agree, and then it is.
    fn a_halt_that_does_not_lift(kind) {
        let app = TestApp::start(kind);
        app.join(&["donor"]);
        app.wait_for_checkpoint();
        app.ledger.health.halt("somebody saw something");
        app.ledger.health.look();
        let database = app.stop();
        let guard = || Guard::open(&GuardUrl::File(database.guard()), &Origin::parse(ORIGIN).expect("an origin"), []);
        let resumed = || {
            let store = Store::open(&database.url, 1).expect("the database opens");
            let clock = given_clock(&Arc::new(AtomicI64::new(NOON_MS)));
            resume(&store, &guard().expect("a guard"), &clock, "it was nothing", |_, _| {})
        };
        let note = fs::read(database.guard()).expect("a guard");
        fs::remove_file(database.guard()).expect("removable");
        assert!(matches!(resumed(), Err(ResumeError::Signed(_))));
        fs::write(database.guard(), note).expect("writable");
        database.tamper("INSERT INTO accounts (account, site, grams) VALUES ('x', '', 1)").expect("no trigger guards it");
        assert!(matches!(resumed(), Err(ResumeError::Findings(_))));
        database.tamper("DELETE FROM accounts WHERE account = 'x'").expect("no trigger guards it");
        assert_eq!(resumed().expect("everything agrees"), "somebody saw something");
        assert!(matches!(resumed(), Err(ResumeError::NotHalted)));
        let app = TestApp::start_on(database, NOON_MS);
        app.join(&["donor"]);
    }
}

/// A halt on one node is every node's: what is written down stops the others at once, and they learn why.
#[test]
fn a_halt_reaches_every_node() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let mut app = TestApp::start(Kind::Postgres);
    let (second, donor) = (app.second_node(), app.join(&["donor"]));
    app.wait_for_checkpoint();
    let jws = || signed(&donor, "registered", &laptop_fields(&new_id()));
    second.post_jws(&donor.token, &jws()).accepted();
    let size = app.ledger.readiness().expect("ready");
    app.ledger.health.halt("somebody saw something");
    app.ledger.health.look();
    // Not a moment later: the head's row says so.
    let refused = second.post_jws(&donor.token, &jws());
    refused.refused(503, "ledger_halted", "");
    assert!(refused.text.contains("somebody saw something"), "{}", refused.text);
    is_halted(&second, "somebody saw something");
    assert_eq!(app.ledger.store.read(loopledger::store::head::read).expect("readable").size(), size);
    // A node that starts now learns it too, whether it publishes or not.
    let third = app.second_node();
    is_halted(&third, "somebody saw something");
    app.expect_damage();
}

/// A node that is idle learns of a halt by looking.
#[test]
fn an_idle_node_learns_of_a_halt() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let (second, mut third) = (app.second_node(), app.second_node());
    second.ledger.health.halt("somebody saw something");
    for node in [&app, &third] {
        while node.ledger.health.halted().is_none() {
            std::thread::yield_now();
        }
        is_halted(node, "somebody saw something");
    }
    third.expect_damage();
}

/// What is wrong with one node stops that node alone.
#[test]
fn a_node_with_a_foreign_key_stops_alone() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let app = TestApp::start(Kind::Postgres);
    let mut publishing = app.second_node().database.publishing();
    publishing.keys = vec![SigningKey::from_bytes(&[77; 32])];
    let second = app.second_publisher(publishing);
    is_halted(&second, "is not this ledger's");
    let donor = app.join(&["donor"]);
    app.laptop(&donor);
    app.wait_for_checkpoint();
    assert_eq!(second.ledger.checkpoint().map(|_| ()), Some(()), "and it still follows");
}

/// An asynchronous standby that lacks the last commits is promoted: a node that has seen them halts every node.
#[test]
fn a_standby_that_lacks_the_last_commits() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let mut app = TestApp::unpublished(Kind::Postgres);
    let second = app.second_node();
    let scopes = loopledger::ledger::tokens::Scope::ALL.iter().copied().collect();
    let operator = crate::harness::operator_id();
    app.operator.token = loopledger::ledger::tokens::create(&app.ledger.store, &app.ledger.clock, operator, &scopes, 1)
        .expect("a token")
        .token;
    let standby = Backup::take(&app.database);
    let join = || {
        let fields = serde_json::json!({"organisation": new_id(), "roles": ["donor"], "country": "XD"});
        signed(&app.operator, "organisation_registered", &fields)
    };
    app.post_jws(&app.operator.token, &join()).accepted();
    standby.put_back(&app.database);
    app.post_jws(&app.operator.token, &join()).refused(503, "ledger_halted", "");
    is_halted(&app, "the database went back: it has 1 entries, this node has seen 2");
    while second.ledger.health.halted().is_none() {
        std::thread::yield_now();
    }
    is_halted_for(&second, "the database went back", &app.operator.token);
    app.expect_damage();
}

/// Nodes that start at once on an empty PostgreSQL bring its schema up to date once.
#[test]
fn nodes_that_start_at_once_on_an_empty_database() {
    if !crate::harness::postgres_is_here() {
        return;
    }
    let database = TestDatabase::new(Kind::Postgres);
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..6).map(|_| scope.spawn(|| Store::open(&database.url, 1).map(|_| ()))).collect();
        for opened in opened {
            opened.join().expect("it ends").expect("it opens");
        }
    });
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
    pub fn take(database: &TestDatabase) -> Self {
        match &database.url {
            DatabaseUrl::Sqlite(_) => {
                let folder = tempfile::tempdir().expect("a folder");
                let file = folder.path().join("backup.sqlite");
                database.tamper(&format!("VACUUM INTO '{}'", file.display())).expect("a backup");
                Self::Sqlite(folder)
            }
            DatabaseUrl::Postgres(_) => {
                let schema = format!("backup_{}", uuid::Uuid::now_v7().simple());
                let copies: String = TABLES
                    .iter()
                    .map(|table| format!("CREATE TABLE {schema}.{table} AS SELECT * FROM {table};"))
                    .collect();
                database.tamper(&format!("CREATE SCHEMA {schema}; {copies}")).expect("a backup");
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
    "halts",
    "openings",
    "records",
    "past",
    "bookings",
    "mentions",
    "accounts",
];
