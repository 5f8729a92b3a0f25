//! The README's pages for when things go wrong, run as they stand, and what whoever set a service up wrongly is told.

use crate::client::Answer;
use crate::guards::opened_by;
use crate::halts::Backup;
use crate::harness::{Kind, Party, TestDatabase, both_databases, kid, new_id, payload, postgres_is_here, sign_bytes};
use crate::process::{PROGRAM, Service, operator_of, run};
use crate::readme::{block, printed, shell};
use crate::s3::S3;
use ed25519_dalek::SigningKey;
use loopledger::domain::ids::Origin;
use loopledger::ledger::keyring;
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::note::NoteVerifier;
use loopledger::store::{DatabaseUrl, Store, halt};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A ledger that a process made, its folders, and whoever runs it.
struct Stage {
    database: TestDatabase,
    folder: tempfile::TempDir,
    service: Option<Service>,
    operator: Party,
    origin: String,
}

impl Stage {
    fn new(kind: Kind) -> Self {
        let (database, folder) = (TestDatabase::new(kind), tempfile::tempdir().expect("a folder"));
        let data = folder.path().join("data");
        let service = Service::start(&[], &data, Some(&url_of(&database)));
        let operator = operator_of(&service, &data);
        let origin = ready(&service).json()["ledger"].as_str().expect("an origin").to_owned();
        Self { database, folder, service: Some(service), operator, origin }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn key(&self, name: &str) -> PathBuf {
        self.data().join("keys").join(name)
    }

    fn guard(&self) -> PathBuf {
        self.folder.path().join("data.guard").join(self.origin.replace('/', "_"))
    }

    fn service(&self) -> &Service {
        self.service.as_ref().expect("it runs")
    }

    fn stop(&mut self) {
        self.service.take().expect("it runs").kill();
    }

    fn start(&mut self) {
        self.service = Some(Service::start(&[], &self.data(), Some(&url_of(&self.database))));
    }

    /// One more entry, signed by the operator's key of now.
    fn post(&self) -> Answer {
        let fields = json!({
            "ledger": self.origin, "organisation": new_id(), "roles": ["donor"], "country": "XD",
        });
        let payload = payload(&self.operator.id, "organisation_registered", &fields);
        let jws = sign_bytes(&self.operator.key, payload.to_string().as_bytes());
        self.service().client.post_jws(&self.operator.token, &jws).expect("an answer")
    }

    /// Waits until a checkpoint covers everything, and gives its note.
    fn checkpoint(&self) -> String {
        loop {
            let ready = ready(self.service());
            assert_eq!(ready.status, 200, "{}", ready.text);
            if ready.json()["size"] == ready.json()["checkpoint_size"] {
                return self.service().client.get("/log/checkpoint", "").expect("an answer").text;
            }
            std::thread::yield_now();
        }
    }

    /// The service is halted, says these words, and still serves what is proved.
    fn is_halted(&self, words: &str) {
        let answer = loop {
            let answer = ready(self.service());
            if answer.status != 200 {
                break answer;
            }
            std::thread::yield_now();
        };
        answer.refused(503, "not_ready", "");
        assert!(answer.text.contains(words), "{}", answer.text);
        let checkpoint = self.service().client.get("/log/checkpoint", "").expect("an answer");
        assert_eq!(checkpoint.status, 200);
    }

    /// Waits until the halt stands in the database: only then does it outlive this process.
    fn is_written_down(&self) {
        let store = Store::open_to_read(&self.database.url).expect("the database");
        while store.read(halt::reason).expect("readable").is_none() {
            std::thread::yield_now();
        }
    }

    /// Runs a block of the README.
    fn runs(&self, name: &str, variables: &[(&str, &str)]) -> Output {
        let program = Path::new(PROGRAM).parent().expect("a folder").display();
        let path = format!("{program}:{}", std::env::var("PATH").expect("a path"));
        let (data, database) = (self.data().display().to_string(), url_of(&self.database));
        let url = self.service.as_ref().map(|service| service.client.url.clone()).unwrap_or_default();
        let places = [
            ("PATH", path.as_str()),
            ("LOOPLEDGER_DATA", &data),
            ("LOOPLEDGER_DATABASE_URL", &database),
            ("URL", &url),
            ("TOKEN", &self.operator.token),
            ("ORIGIN", &self.origin),
            ("OPERATOR", &self.operator.id),
        ];
        shell(self.folder.path(), &block(name), &[&places, variables].concat())
    }

    fn command(&self, words: &[&str]) -> Output {
        let data = self.data().display().to_string();
        run(&[words, &["--data", &data, "--database-url", &url_of(&self.database)]].concat())
    }
}

/// A file of a ledger.
type PlaceOf = fn(&Stage) -> PathBuf;

fn url_of(database: &TestDatabase) -> String {
    match &database.url {
        DatabaseUrl::Postgres(url) => url.clone(),
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
    }
}

fn ready(service: &Service) -> Answer {
    service.client.get("/health/ready", "").expect("an answer")
}

fn size_of(note: &str) -> u64 {
    note.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size")
}

both_databases! {
    fn the_checkpoint_key_was_stolen(kind) {
        let mut stage = Stage::new(kind);
        let old: SigningKey = keyring::read_key(&stage.key("checkpoint.json")).expect("a key");
        stage.checkpoint();
        let told = printed(&stage.runs("change the checkpoint key", &[]));
        let new = NoteVerifier::parse(told.lines().last().expect("the vkey")).expect("a vkey");
        // The service knows the old key alone until it is started again; then both sign.
        let size = size_of(&stage.checkpoint());
        stage.stop();
        stage.start();
        assert_eq!(stage.post().status, 201);
        let note = stage.checkpoint();
        assert!(size_of(&note) > size);
        let old = NoteVerifier::new(&stage.origin, old.verifying_key()).expect("a name");
        assert!(Checkpoint::open(&note, &old).is_ok() && Checkpoint::open(&note, &new).is_ok(), "{note}");
        stage.stop();
        printed(&stage.runs("let go of the old checkpoint key", &[]));
        stage.start();
        assert_eq!(stage.post().status, 201);
        let note = stage.checkpoint();
        assert!(Checkpoint::open(&note, &old).is_err(), "whoever stole it signs nothing that the ledger shows");
        assert!(Checkpoint::open(&note, &new).is_ok());
        assert!(stage.command(&["audit"]).status.success());
    }

    fn the_operator_key_is_lost(kind) {
        let mut stage = Stage::new(kind);
        let lost = kid(&stage.operator.key);
        let recovery = stage.folder.path().join("safe.json");
        fs::rename(stage.key("recovery.json"), &recovery).expect("it was moved to a safe place");
        fs::remove_file(stage.key("operator.json")).expect("lost");
        let recovery = recovery.display().to_string();
        printed(&stage.runs("replace the operator key", &[("RECOVERY", &recovery), ("LOST", &lost)]));
        stage.post().refused(403, "key_revoked", "/kid");
        stage.operator.key = keyring::read_key(&stage.key("operator.json")).expect("the new key");
        assert_eq!(stage.post().status, 201);
    }

    fn the_guard_is_ahead_of_the_database(kind) {
        let mut stage = Stage::new(kind);
        stage.checkpoint();
        let older = Backup::take(&stage.database);
        assert_eq!(stage.post().status, 201);
        stage.checkpoint();
        stage.stop();
        let newer = Backup::take(&stage.database);
        older.put_back(&stage.database);
        stage.start();
        stage.is_halted("the guard was signed over 2");
        stage.is_halted("README, \\\"The guard is ahead of the database\\\"");
        stage.is_written_down();
        stage.stop();
        // Starting it again lifts nothing, and neither does asking for it.
        stage.start();
        stage.is_halted("the guard was signed over 2");
        stage.stop();
        let refused = stage.runs("lift a halt", &[]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stdout).contains("the guard was signed over 2"), "{refused:?}");
        newer.put_back(&stage.database);
        let told = printed(&stage.runs("the guard is ahead", &[]));
        assert!(told.contains("2 entries, 2 of them under a checkpoint") && told.contains("clean"), "{told}");
        stage.start();
        assert_eq!(stage.post().status, 201);
        assert_eq!(size_of(&stage.checkpoint()), 3);
    }

    fn the_guard_is_lost(kind) {
        let mut stage = Stage::new(kind);
        let early = stage.folder.path().join("early");
        fs::write(&early, stage.checkpoint()).expect("somebody outside keeps it");
        assert_eq!(stage.post().status, 201);
        let outside = stage.folder.path().join("outside");
        fs::write(&outside, stage.checkpoint()).expect("somebody outside keeps it");
        stage.stop();
        fs::remove_file(stage.guard()).expect("lost");
        stage.start();
        stage.is_halted("is gone");
        stage.is_halted("loopledger guard put");
        stage.stop();
        let foreign = stage.folder.path().join("foreign");
        let forged = fs::read_to_string(&outside).expect("a note").replacen("\n2\n", "\n3\n", 1);
        fs::write(&foreign, forged).expect("written");
        let refused = stage.runs("the guard is lost", &[("CHECKPOINT", &foreign.display().to_string())]);
        assert!(!refused.status.success() && !stage.guard().exists(), "{refused:?}");
        printed(&stage.runs("the guard is lost", &[("CHECKPOINT", &outside.display().to_string())]));
        let back = stage.runs("the guard is lost", &[("CHECKPOINT", &early.display().to_string())]);
        assert!(String::from_utf8_lossy(&back.stdout).contains("never goes back"), "{back:?}");
        // What the guard holds does not give way, also where this database does not name the key that signed it.
        let held = fs::read_to_string(stage.guard()).expect("a guard");
        let (ours, other) = (keyring::read_key(&stage.key("checkpoint.json")).expect("a key"), SigningKey::from_bytes(&[7; 32]));
        let right = opened_by(&held, &stage.origin, &ours);
        let later = Checkpoint { size: 9, ..right.clone() }.sign(&other).expect("signed");
        let root = loopledger::proof::merkle::leaf_hash(b"another history");
        let contradicting = Checkpoint { root, ..right.clone() }.sign(&other).expect("signed");
        let origin = Origin::parse("another.test/0badc0de").expect("an origin");
        let swapped = Checkpoint { origin, ..right }.sign(&other).expect("signed");
        let cases = [
            (swapped, "of another ledger"),
            (later, "never goes back"),
            (contradicting, "contradict each other"),
            ("scribbled\n".to_owned(), "no checkpoint"),
        ];
        for (there, words) in cases {
            fs::write(stage.guard(), &there).expect("written");
            let refused = stage.runs("the guard is lost", &[("CHECKPOINT", &outside.display().to_string())]);
            assert!(String::from_utf8_lossy(&refused.stdout).contains(words), "{refused:?}");
            assert_eq!(fs::read_to_string(stage.guard()).expect("a guard"), there);
        }
        fs::write(stage.guard(), held).expect("put back");
        // This halt was this node's alone: the right guard is all it takes.
        stage.start();
        assert_eq!(stage.post().status, 201);
        assert_eq!(size_of(&stage.checkpoint()), 3);
    }

    fn two_checkpoints_contradict_each_other(kind) {
        let mut stage = Stage::new(kind);
        let ours = stage.checkpoint();
        stage.stop();
        let key = keyring::read_key(&stage.key("checkpoint.json")).expect("a key");
        let held = opened_by(&ours, &stage.origin, &key);
        let other = Checkpoint { root: loopledger::proof::merkle::leaf_hash(b"another history"), ..held };
        fs::write(stage.guard(), other.sign(&key).expect("signed")).expect("written");
        stage.start();
        stage.is_halted("are not those that were signed");
        stage.is_written_down();
        printed(&stage.runs("keep the evidence", &[]));
        let kept = |name: &str| fs::read_to_string(stage.folder.path().join(name)).expect("kept");
        assert_eq!(kept("shown.checkpoint"), ours);
        assert!(kept("guard.txt").contains("a checkpoint over 1 entries, root"), "{}", kept("guard.txt"));
        assert!(kept("audit.txt").contains("clean"), "the entries are whole; another history was signed elsewhere");
        stage.stop();
        assert_eq!(stage.runs("lift a halt", &[]).status.code(), Some(1));
    }

    /// A halt whose cause is gone is lifted, after everything was looked at again; one ledger ends in order.
    fn a_halt_is_lifted_and_a_ledger_closed(kind) {
        let mut stage = Stage::new(kind);
        let note = stage.checkpoint();
        let guard = fs::read_to_string(stage.guard()).expect("a guard");
        assert_eq!(guard, note);
        fs::write(stage.guard(), "another\n").expect("somebody scribbles on it");
        assert_eq!(stage.post().status, 201);
        stage.is_halted("moved by somebody else");
        stage.is_written_down();
        stage.stop();
        fs::write(stage.guard(), &guard).expect("put back");
        stage.start();
        stage.is_halted("moved by somebody else");
        stage.post().refused(503, "ledger_halted", "");
        stage.stop();
        assert_eq!(stage.command(&["resume", "--because", "x"]).status.code(), Some(0));
        assert_eq!(stage.runs("lift a halt", &[]).status.code(), Some(1), "there is none any more");
        stage.start();
        assert_eq!(stage.post().status, 201);
        printed(&stage.runs("close the ledger", &[("SUCCESSOR", "ledger.example/2")]));
        stage.post().refused(409, "ledger_closed", "/ledger");
        assert_eq!(size_of(&stage.checkpoint()), 4);
    }

    /// The keys of two ledgers are swapped, then their guards: neither signs, each says what is wrong, and nothing has to be
    /// lifted once they have their own again.
    fn keys_and_guards_of_two_ledgers_are_swapped(kind) {
        let (mut test, mut production) = (Stage::new(kind), Stage::new(kind));
        let swap = |one: &Path, other: &Path| {
            let aside = one.with_extension("aside");
            fs::rename(one, &aside).expect("moved");
            fs::rename(other, one).expect("moved");
            fs::rename(&aside, other).expect("moved");
        };
        let swaps: [(PlaceOf, &str); 2] = [
            (|stage| stage.key("checkpoint.json"), "checkpoint key of this node is not this ledger's"),
            (Stage::guard, "holds no checkpoint of this ledger"),
        ];
        for (place, words) in swaps {
            let held = [&test, &production].map(Stage::checkpoint);
            test.stop();
            production.stop();
            swap(&place(&test), &place(&production));
            for stage in [&mut test, &mut production] {
                stage.start();
                stage.is_halted(words);
                stage.is_halted("swapped");
                stage.stop();
            }
            swap(&place(&test), &place(&production));
            for (stage, held) in [&mut test, &mut production].into_iter().zip(held) {
                stage.start();
                assert_eq!(stage.checkpoint(), held, "nothing was signed meanwhile");
                assert_eq!(stage.post().status, 201);
            }
        }
    }

    /// Two services on one data folder: the second one does not start.
    fn two_services_on_one_data_folder(kind) {
        let stage = Stage::new(kind);
        let second = stage.command(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(second.status.code(), Some(2));
        let words = match kind {
            Kind::Sqlite => "another process serves this ledger",
            Kind::Postgres => "another publisher holds the guard",
        };
        assert!(String::from_utf8_lossy(&second.stderr).contains(words), "{second:?}");
        assert_eq!(stage.post().status, 201);
    }

    /// The database is deleted: with the keys there the service does not start, and without them the guard speaks.
    fn a_deleted_database(kind) {
        let mut stage = Stage::new(kind);
        stage.checkpoint();
        stage.stop();
        match &stage.database.url {
            DatabaseUrl::Sqlite(path) => {
                for ending in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(format!("{}{ending}", path.display()));
                }
            }
            DatabaseUrl::Postgres(_) => stage
                .database
                .tamper("DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema() || ' CASCADE; CREATE SCHEMA ' || current_schema(); END $$")
                .expect("an administrator can"),
        }
        let serve = ["serve", "--listen", "127.0.0.1:0", "--origin", &stage.origin.clone()];
        let refused = stage.command(&serve);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("put the database back"), "{refused:?}");
        fs::remove_dir_all(stage.data().join("keys")).expect("removable");
        let refused = stage.command(&serve);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(told.contains("the database is empty, but the guard"), "{refused:?}");
        assert!(told.contains("The guard is ahead of the database"), "{refused:?}");
    }
}

/// A publisher that is frozen while another one publishes, and comes back: it finds the guard moved and shows nothing more.
#[test]
fn a_frozen_publisher_comes_back() {
    if !postgres_is_here() {
        return;
    }
    let (database, folder, s3) =
        (TestDatabase::new(Kind::Postgres), tempfile::tempdir().expect("a folder"), S3::start());
    let mut before = vec!["env".to_owned(), "LOOPLEDGER_GUARD=s3://bucket/guard".to_owned()];
    before.push(format!("LOOPLEDGER_SEALING_KEY={}", "09".repeat(32)));
    before.extend(s3.environment().into_iter().map(|(name, value)| format!("{name}={value}")));
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let first = Service::start(&before, &one, Some(&url_of(&database)));
    let operator = operator_of(&first, &one);
    let origin = ready(&first).json()["ledger"].as_str().expect("an origin").to_owned();
    let post = |service: &Service| {
        let fields = json!({"ledger": origin, "organisation": new_id(), "roles": ["donor"], "country": "XD"});
        let payload = payload(&operator.id, "organisation_registered", &fields);
        let jws = sign_bytes(&operator.key, payload.to_string().as_bytes());
        service.client.post_jws(&operator.token, &jws).expect("an answer")
    };
    assert_eq!(post(&first).status, 201);
    first.signal("STOP");
    fs::create_dir_all(other.join("keys")).expect("a folder");
    fs::copy(one.join("keys/checkpoint.json"), other.join("keys/checkpoint.json")).expect("a copy");
    let second = Service::start(&before, &other, Some(&url_of(&database)));
    while post(&second).status != 201 {
        // The frozen one may hold the head; the database lets go of it.
    }
    while ready(&second).json()["size"] != ready(&second).json()["checkpoint_size"] {
        std::thread::yield_now();
    }
    first.signal("CONT");
    let told = loop {
        let answer = ready(&first);
        if answer.status != 200 {
            break answer.text;
        }
        std::thread::yield_now();
    };
    assert!(told.contains("another node publishes this ledger"), "{told}");
    assert_eq!(post(&second).status, 201, "the ledger goes on");
    let sizes: Vec<u64> =
        s3.history("guard").iter().map(|note| size_of(std::str::from_utf8(note).expect("text"))).collect();
    assert!(sizes.is_sorted(), "the guard never went back: {sizes:?}");
}
