//! The guard in its three forms, and what the publisher does when any of its steps fails: error and not done, error but
//! done, and the way back failing too. No two different roots for a size ever leave, receipts stay durable, and the guard
//! never holds more than the database.

use crate::harness::{
    Kind, NOON_MS, ORIGIN, OperatorKeys, TestApp, TestDatabase, both_databases, laptop_fields, new_id, publishing_on,
    signed,
};
use crate::s3::{Fault, S3};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::Origin;
use loopledger::ledger::guard::{Guard, GuardError, GuardUrl};
use loopledger::ledger::publisher::Publishing;
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::merkle::root_of;
use loopledger::proof::note::NoteVerifier;
use loopledger::store::DatabaseUrl;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The forms of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    File,
    Object,
    Row,
}

const FORMS: [Form; 3] = [Form::File, Form::Object, Form::Row];

/// A guard of one form, and what a test does to it.
pub struct TestGuard {
    pub url: GuardUrl,
    pub environment: Vec<(String, String)>,
    place: Place,
}

enum Place {
    File(PathBuf),
    Object(S3),
    Row(GuardDatabase),
}

/// Where the row lies.
enum GuardDatabase {
    Sqlite(PathBuf),
    Postgres { url: String, name: String },
}

const OBJECT: &str = "guards/ledger";

impl TestGuard {
    /// A guard for the ledger of a database; a row lies in a database of the same kind.
    pub fn new(form: Form, database: &TestDatabase) -> Self {
        match form {
            Form::File => {
                let file = database.folder.path().join("guard/file");
                Self { url: GuardUrl::File(file.clone()), environment: Vec::new(), place: Place::File(file) }
            }
            Form::Object => {
                let s3 = S3::start();
                let url = GuardUrl::parse(&format!("s3://bucket/{OBJECT}")).expect("a guard");
                Self { url, environment: s3.environment(), place: Place::Object(s3) }
            }
            Form::Row => {
                let row = GuardDatabase::beside(database);
                Self { url: GuardUrl::Row(row.url()), environment: Vec::new(), place: Place::Row(row) }
            }
        }
    }

    pub fn publishing(&self) -> Publishing {
        publishing_on(&self.url, self.environment.clone())
    }

    /// What it holds, read past the service.
    pub fn note(&self) -> Option<String> {
        match &self.place {
            Place::File(path) => std::fs::read_to_string(path).ok(),
            Place::Object(s3) => s3.object(OBJECT).map(|bytes| String::from_utf8(bytes).expect("text")),
            Place::Row(row) => row.note(),
        }
    }

    /// Writes past the service.
    pub fn set(&self, note: Option<&str>) {
        match (&self.place, note) {
            (Place::File(path), Some(note)) => std::fs::write(path, note).expect("writable"),
            (Place::File(path), None) => std::fs::remove_file(path).expect("removable"),
            (Place::Object(s3), note) => s3.put(OBJECT, note.map(str::as_bytes)),
            (Place::Row(row), Some(note)) => row.execute(&format!("UPDATE loopledger_guard SET note = '{note}'")),
            (Place::Row(row), None) => row.execute("DELETE FROM loopledger_guard"),
        }
    }

    /// Takes the guard away, or gives it back.
    pub fn take_away(&self, away: bool) {
        let (from, to) = if away { ("", ".away") } else { (".away", "") };
        let beside = |path: &PathBuf, ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
        match &self.place {
            Place::File(path) => {
                // A folder in its place cannot be read, and is not "no guard".
                if !away {
                    std::fs::remove_dir(path).expect("gone");
                }
                std::fs::rename(beside(path, from), beside(path, to)).expect("moved");
                if away {
                    std::fs::create_dir(path).expect("something that is no file");
                }
            }
            Place::Object(s3) => s3.is_down(away),
            Place::Row(row) if away => row.execute("ALTER TABLE loopledger_guard RENAME TO away"),
            Place::Row(row) => row.execute("ALTER TABLE away RENAME TO loopledger_guard"),
        }
    }
}

impl GuardDatabase {
    fn beside(database: &TestDatabase) -> Self {
        let DatabaseUrl::Postgres(url) = &database.url else {
            return Self::Sqlite(database.folder.path().join("guard/row.sqlite"));
        };
        let name = format!("guard_{}", uuid::Uuid::now_v7().simple());
        let server = url.split('?').next().and_then(|url| url.rsplit_once('/')).expect("a URL").0;
        database.tamper(&format!("CREATE DATABASE {name}")).expect("a database");
        Self::Postgres { url: format!("{server}/{name}"), name }
    }

    fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
            Self::Postgres { url, .. } => DatabaseUrl::Postgres(url.clone()),
        }
    }

    fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("the guard");
                connection.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
                connection.batch_execute(sql)
            }
            Self::Postgres { url, .. } => PgConnection::establish(url).expect("the guard").batch_execute(sql),
        }
        .expect("done");
    }

    fn note(&self) -> Option<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            note: String,
        }
        let query = diesel::sql_query("SELECT note FROM loopledger_guard");
        let rows: Vec<Row> = match self {
            Self::Sqlite(path) => {
                query.load(&mut SqliteConnection::establish(&path.to_string_lossy()).expect("the guard"))
            }
            Self::Postgres { url, .. } => query.load(&mut PgConnection::establish(url).expect("the guard")),
        }
        .expect("readable");
        rows.into_iter().next().map(|row| row.note)
    }
}

impl Drop for GuardDatabase {
    fn drop(&mut self) {
        if let Self::Postgres { url, name } = self {
            let admin = url.replace(name.as_str(), "postgres");
            // A test that failed has more to say than a database that could not be dropped.
            let _ = PgConnection::establish(&admin)
                .map(|mut admin| admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")));
        }
    }
}

/// The checkpoint of a note by the tests' key.
pub fn opened(note: &str) -> Checkpoint {
    opened_by(note, ORIGIN, &OperatorKeys::fixed().checkpoint)
}

/// The checkpoint of a note by a ledger's key.
pub fn opened_by(note: &str, origin: &str, key: &SigningKey) -> Checkpoint {
    let key = NoteVerifier::new(origin, key.verifying_key()).expect("a name");
    Checkpoint::open(note, &key).expect("a checkpoint")
}

/// Every checkpoint that ever left, by size: a second root for a size is a fork.
#[derive(Default)]
struct Outside(BTreeMap<u64, Checkpoint>);

impl Outside {
    fn sees(&mut self, note: &str) {
        let checkpoint = opened(note);
        let before = self.0.insert(checkpoint.size, checkpoint.clone());
        assert!(before.is_none_or(|before| before == checkpoint), "two roots left for one size");
    }

    /// What anybody can see now; it fits the entries, and the guard holds no more than the database.
    fn looks(&mut self, app: &TestApp, guard: &TestGuard) {
        let shown = app.get("/log/checkpoint", "");
        if shown.status == 200 {
            self.sees(&shown.text);
        }
        let held = opened(&guard.note().expect("a guard"));
        assert!(held.size >= self.0.keys().next_back().copied().unwrap_or(0), "shown before the guard moved");
        let leaves: Vec<_> = (0..held.size)
            .map(|index| app.ledger.entry(loopledger::domain::ids::EntryIndex(index)).expect("readable"))
            .map(|entry| entry.expect("the guard holds more than the database").leaf_hash)
            .collect();
        assert_eq!(root_of(&leaves), held.root);
    }
}

both_databases! {
    /// Publishing, stopping, starting again, under each form of the guard.
    fn each_form_guards(kind) {
        for form in FORMS {
            let database = TestDatabase::new(kind);
            let guard = TestGuard::new(form, &database);
            let app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
            app.join(&["donor"]);
            let size = app.wait_for_checkpoint();
            assert_eq!(opened(&guard.note().expect("a guard")).size, size);
            let app = TestApp::start_publishing(app.stop(), NOON_MS, guard.publishing());
            app.join(&["donor"]);
            assert_eq!(app.wait_for_checkpoint(), size + 2);
        }
    }

    /// A guard that cannot be reached for a while is no contradiction: appending goes on, and signing when it is back.
    fn each_form_may_be_away_for_a_while(kind) {
        for form in FORMS {
            let database = TestDatabase::new(kind);
            let guard = TestGuard::new(form, &database);
            let app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
            let size = app.wait_for_checkpoint();
            guard.take_away(true);
            app.join(&["donor"]);
            assert_eq!(app.ledger.checkpoint().expect("shown").size, size);
            guard.take_away(false);
            assert_eq!(app.wait_for_checkpoint(), size + 2, "{form:?}");
        }
    }

    /// A second publisher on the same guard and database is found before it shows anything of its own: it steps back alone.
    fn two_publishers_on_one_guard(kind) {
        // SQLite knows one process; there the second one is a frozen one that comes back.
        if kind == Kind::Sqlite {
            return;
        }
        for form in [Form::Object, Form::Row] {
            let database = TestDatabase::new(kind);
            let guard = TestGuard::new(form, &database);
            let first = TestApp::start_publishing(database, NOON_MS, guard.publishing());
            first.wait_for_checkpoint();
            let mut second = first.second_publisher(guard.publishing());
            let donor = first.join(&["donor"]);
            let jws = || signed(&donor, "registered", &laptop_fields(&new_id()));
            while first.ledger.health.halted().is_none() && second.ledger.health.halted().is_none() {
                // As long as both sign the same sizes they sign the same bytes; one gets ahead.
                first.post_jws(&donor.token, &jws());
            }
            let (on, back) = match first.ledger.health.halted() {
                None => (&first, &second),
                Some(_) => (&second, &first),
            };
            let reason = back.ledger.health.halted().expect("one stepped back");
            assert!(reason.contains("another node publishes this ledger"), "{reason}");
            back.post_jws(&donor.token, &jws()).refused(503, "ledger_halted", "");
            on.post_jws(&donor.token, &jws()).accepted();
            let size = on.wait_for_checkpoint();
            assert_eq!(on.ledger.health.halted(), None, "the ledger goes on");
            assert_eq!(opened(&guard.note().expect("a guard")).size, size);
            second.expect_damage();
        }
    }

    /// The guard went on under another database, a copy of this one: a second history, found before anything is signed.
    fn a_guard_that_went_on_with_another_history(kind) {
        for form in FORMS {
            let database = TestDatabase::new(kind);
            let guard = TestGuard::new(form, &database);
            let mut app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
            let donor = app.join(&["donor"]);
            let size = app.wait_for_checkpoint();
            let elsewhere = Checkpoint {
                origin: Origin::parse(ORIGIN).expect("an origin"),
                size: size + 1,
                root: loopledger::proof::merkle::leaf_hash(b"another history"),
            };
            guard.set(Some(&elsewhere.sign(&OperatorKeys::fixed().checkpoint).expect("signed")));
            app.laptop(&donor);
            while app.ledger.health.halted().is_none() {
                std::thread::yield_now();
            }
            app.expect_damage();
            crate::halts::is_halted(&app, "moved by somebody else");
        }
    }

    /// A guard's database that holds a ledger would go back with it.
    fn the_ledgers_own_database_is_no_guard(kind) {
        let app = TestApp::start(kind);
        let url = match &app.database.url {
            // By another path, and in another schema.
            DatabaseUrl::Sqlite(path) => {
                let other = path.with_file_name("other.sqlite");
                std::os::unix::fs::symlink(path, &other).expect("a link");
                DatabaseUrl::Sqlite(other)
            }
            DatabaseUrl::Postgres(url) => DatabaseUrl::Postgres(url.split('?').next().expect("a URL").to_owned()),
        };
        let refused = Guard::open(&GuardUrl::Row(url), &Origin::parse(ORIGIN).expect("an origin"), []);
        assert!(refused.expect_err("refused").to_string().contains("holds a ledger"));
    }

    /// Every fault of a bucket at every step of publishing, alone and twice, with the way back failing too.
    fn a_bucket_that_fails_under_the_publisher(kind) {
        use Fault::{ArrivesLate, BreaksAfter, BreaksBefore, FailsAfter, Locked, Refuses};
        let database = TestDatabase::new(kind);
        let guard = TestGuard::new(Form::Object, &database);
        let Place::Object(s3) = &guard.place else { unreachable!("the second form") };
        let mut app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
        let (donor, mut outside) = (app.join(&["donor"]), Outside::default());
        app.wait_for_checkpoint();
        outside.looks(&app, &guard);
        for put in [Refuses, BreaksBefore, BreaksAfter, FailsAfter, ArrivesLate, Locked] {
            for (times, get) in [(2, None), (1, Some(Refuses)), (1, Some(BreaksBefore))] {
                let before = app.ledger.checkpoint().expect("shown").size;
                s3.plan_way_back(get);
                s3.plan("PUT", &vec![put; times]);
                app.laptop(&donor);
                while app.ledger.checkpoint().expect("shown").size == before {
                    assert_eq!(app.ledger.health.halted(), None, "{put:?} {get:?}");
                    outside.looks(&app, &guard);
                }
                s3.plan_nothing();
                app.wait_for_checkpoint();
                outside.looks(&app, &guard);
            }
            // And a start between the fault and the next try.
            s3.plan("PUT", &[put]);
            app.laptop(&donor);
            while !s3.has_happened() {
                std::thread::yield_now();
            }
            app = TestApp::start_publishing(app.stop(), NOON_MS, guard.publishing());
            app.wait_for_checkpoint();
            outside.looks(&app, &guard);
        }
        for note in s3.history(OBJECT) {
            outside.sees(std::str::from_utf8(&note).expect("text"));
        }
    }

    /// The database refuses each step in turn: to store the checkpoint, to show it.
    fn a_database_that_fails_under_the_publisher(kind) {
        for form in FORMS {
            let database = TestDatabase::new(kind);
            let guard = TestGuard::new(form, &database);
            let mut app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
            let (donor, mut outside) = (app.join(&["donor"]), Outside::default());
            for (table, when) in [("checkpoints", "INSERT"), ("shown", "UPDATE")] {
                let size = app.wait_for_checkpoint();
                outside.looks(&app, &guard);
                raise(&app.database, kind, table, when);
                app.laptop(&donor);
                let moved = table == "shown";
                while moved && opened(&guard.note().expect("a guard")).size == size {
                    std::thread::yield_now();
                }
                outside.looks(&app, &guard);
                assert_eq!(app.ledger.checkpoint().expect("shown").size, size, "not shown");
                assert_eq!(opened(&guard.note().expect("a guard")).size, size + u64::from(moved));
                if moved {
                    // The next start finds a guard that has moved and a checkpoint that was never shown.
                    let database = app.stop();
                    calm(&database, kind, table);
                    app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
                } else {
                    calm(&app.database, kind, table);
                }
                assert_eq!(app.wait_for_checkpoint(), size + 1);
                outside.looks(&app, &guard);
            }
        }
    }

    /// What was a guard once and answers badly now is asked again; it halts nobody.
    fn a_guard_row_that_answers_badly_is_out_of_reach(kind) {
        let database = TestDatabase::new(kind);
        let place = TestGuard::new(Form::Row, &database);
        let guard = Guard::open(&place.url, &Origin::parse(ORIGIN).expect("an origin"), []).expect("a guard");
        guard.swap(None, "a").expect("first");
        place.take_away(true);
        assert!(matches!(guard.read(), Err(GuardError::Unreachable(_))));
        assert!(matches!(guard.swap(Some("a"), "b"), Err(GuardError::Unreachable(_))));
        place.take_away(false);
        guard.swap(Some("a"), "b").expect("it is back");
    }

    /// A guard's row that cannot be moved, then can; and one that was moved although the answer was lost.
    fn a_guard_row_that_fails_under_the_publisher(kind) {
        let database = TestDatabase::new(kind);
        let guard = TestGuard::new(Form::Row, &database);
        let Place::Row(row) = &guard.place else { unreachable!("the third form") };
        let app = TestApp::start_publishing(database, NOON_MS, guard.publishing());
        let (donor, mut outside) = (app.join(&["donor"]), Outside::default());
        let size = app.wait_for_checkpoint();
        guard.take_away(true);
        app.laptop(&donor);
        guard.take_away(false);
        assert_eq!(app.wait_for_checkpoint(), size + 1);
        outside.looks(&app, &guard);
        if let GuardDatabase::Postgres { url, name } = row {
            // Its connections are cut: whatever it was doing, it finds out and goes on.
            let mut admin = PgConnection::establish(url).expect("the guard");
            for round in 2..6 {
                app.laptop(&donor);
                admin
                    .batch_execute(&format!(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                    ))
                    .expect("cut");
                assert_eq!(app.wait_for_checkpoint(), size + round);
                outside.looks(&app, &guard);
            }
        }
    }
}

/// From now on a statement on a table fails.
fn raise(database: &TestDatabase, kind: Kind, table: &str, when: &str) {
    let sql = match kind {
        Kind::Sqlite => {
            format!("CREATE TRIGGER fault BEFORE {when} ON {table} BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END")
        }
        Kind::Postgres => format!(
            "CREATE FUNCTION fault() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'disk I/O error'; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER fault BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
        ),
    };
    database.tamper(&sql).expect("a trigger");
}

fn calm(database: &TestDatabase, kind: Kind, table: &str) {
    let sql = match kind {
        Kind::Sqlite => "DROP TRIGGER fault".to_owned(),
        Kind::Postgres => format!("DROP TRIGGER fault ON {table}; DROP FUNCTION fault()"),
    };
    database.tamper(&sql).expect("no trigger");
}
