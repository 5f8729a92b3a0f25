//! How the tests speak: a real service on a real socket, over a database of its own.
//!
//! `both_databases!` runs a test body on SQLite and on PostgreSQL. `TestApp` owns the service; when it is dropped the
//! whole ledger is audited, so every test also proves that it left a clean one.

use crate::client::{Answer, RequestBuilder};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use ed25519_dalek::SigningKey;
use loopledger::domain::codes::KeyUse;
use loopledger::domain::event::SecondSignature;
use loopledger::domain::ids::{OrganisationId, Origin, StatementId};
use loopledger::http;
use loopledger::ledger::Ledger;
use loopledger::ledger::audit::audit;
use loopledger::ledger::audit::report::{Finding, Report};
use loopledger::ledger::clock::Clock;
use loopledger::ledger::guard::{Guard, GuardUrl};
use loopledger::ledger::keyring;
use loopledger::ledger::opening::{self, Founding, Settings, Sharing};
use loopledger::ledger::publisher::Publishing;
use loopledger::ledger::self_audit::SelfAuditing;
use loopledger::ledger::tokens::{self, Scope};
use loopledger::ledger::witnessing::WitnessSettings;
use loopledger::proof::keys::thumbprint;
use loopledger::proof::statement::{prove_possession, sign};
use loopledger::store::backend::sqlite_in;
use loopledger::store::{DatabaseUrl, Store};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

/// 2026-11-23T12:00:00Z, the time at which every test begins.
pub const NOON_MS: i64 = 1_795_435_200_000;
/// The ledger of the tests.
pub const ORIGIN: &str = "ledger.test/0badc0de";
/// Where the PostgreSQL of the test run listens; `tests/run` sets it.
const POSTGRES_VARIABLE: &str = "LOOPLEDGER_TEST_POSTGRES";

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// Runs test bodies on both databases: `both_databases! { fn name(kind) { … } }`.
macro_rules! both_databases {
    ($( $(#[$about:meta])* fn $name:ident($kind:ident) $body:block )*) => { $(
        $(#[$about])*
        mod $name {
            #[allow(unused_imports, reason = "not every body uses everything")]
            use super::*;

            fn body($kind: $crate::harness::Kind) $body

            #[test]
            fn sqlite() {
                body($crate::harness::Kind::Sqlite);
            }

            #[test]
            fn postgres() {
                if $crate::harness::postgres_is_here() {
                    body($crate::harness::Kind::Postgres);
                }
            }
        }
    )* };
}
pub(crate) use both_databases;

/// Whether there is a PostgreSQL; its absence is said aloud, and is a failure where everything must run.
pub fn postgres_is_here() -> bool {
    let here = std::env::var_os(POSTGRES_VARIABLE).is_some();
    if !here {
        assert!(std::env::var_os("CI").is_none(), "{POSTGRES_VARIABLE} is not set; start the tests with tests/run");
        eprintln!("SKIPPED: {POSTGRES_VARIABLE} is not set; tests/run starts a PostgreSQL and sets it");
    }
    here
}

/// A database of its own, gone with the test.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    pub folder: TempDir,
    schema: Option<String>,
}

impl TestDatabase {
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        match kind {
            Kind::Sqlite => Self { url: sqlite_in(folder.path()), folder, schema: None },
            Kind::Postgres => {
                let schema = format!("test_{}", Uuid::now_v7().simple());
                postgres_admin().batch_execute(&format!("CREATE SCHEMA {schema}")).expect("a schema");
                let url = format!("{}?options=-csearch_path%3D{schema}&application_name={schema}", postgres_url());
                let url = DatabaseUrl::parse(&url).expect("a URL");
                Self { url, folder, schema: Some(schema) }
            }
        }
    }

    pub fn guard(&self) -> PathBuf {
        self.folder.path().join("guard/ledger")
    }

    /// The fixed checkpoint key, and the guard as a file.
    pub fn publishing(&self) -> Publishing {
        publishing_on(&GuardUrl::File(self.guard()), Vec::new())
    }

    /// Cuts all connections to a PostgreSQL database, as a restart does; they are gone when this returns.
    pub fn cut_connections(&self) {
        let schema = self.schema.as_deref().expect("a PostgreSQL database");
        let cut = format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE application_name = '{schema}' AND pid <> pg_backend_pid()"
        );
        postgres_admin().batch_execute(&cut).expect("cut");
    }

    /// Puts something else before the version of the rule set in force, as if it were one that this software does not carry.
    pub fn rename_rules(&self, from: &str, to: &str) {
        let version = |prefix: &str| format!("\"version\":\"{prefix}");
        let (from, to) = (version(from), version(to));
        self.tamper(&format!("UPDATE records SET body = replace(body, '{from}', '{to}') WHERE kind = 'ledger'"))
            .expect("SQL");
    }

    /// Runs SQL as whoever owns the database could.
    pub fn tamper(&self, sql: &str) -> Result<(), String> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection =
                    diesel::SqliteConnection::establish(&path.to_string_lossy()).expect("the database");
                connection.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
                connection.batch_execute(sql).map_err(|error| error.to_string())
            }
            DatabaseUrl::Postgres(url) => {
                let mut connection = PgConnection::establish(url).expect("the database");
                connection.batch_execute(sql).map_err(|error| error.to_string())
            }
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(schema) = &self.schema {
            // A test that failed has more to say than a schema that could not be dropped.
            let _ = postgres_admin().batch_execute(&format!("DROP SCHEMA {schema} CASCADE"));
        }
    }
}

fn postgres_url() -> String {
    std::env::var(POSTGRES_VARIABLE).expect("the test run's PostgreSQL")
}

fn postgres_admin() -> PgConnection {
    PgConnection::establish(&postgres_url()).expect("the test run's PostgreSQL")
}

/// The keys of the operator and of the checkpoints, the same in every test.
pub struct OperatorKeys {
    pub operator: SigningKey,
    pub recovery: SigningKey,
    pub checkpoint: SigningKey,
}

impl OperatorKeys {
    pub fn fixed() -> Self {
        let key = |seed| SigningKey::from_bytes(&[seed; 32]);
        Self { operator: key(1), recovery: key(2), checkpoint: key(3) }
    }
}

/// The fixed checkpoint key, and a guard anywhere.
pub fn publishing_on(guard: &GuardUrl, environment: Vec<(String, String)>) -> Publishing {
    let origin = Origin::parse(ORIGIN).expect("an origin");
    let guard = Guard::open(guard, &origin, environment).expect("a guard");
    Publishing { keys: vec![OperatorKeys::fixed().checkpoint], guard }
}

/// An organisation with its key and token.
#[derive(Clone)]
pub struct Party {
    pub id: String,
    pub key: SigningKey,
    pub token: String,
}

impl Party {
    /// A new token that posts and reads, as whoever runs the service makes one.
    pub fn renew_token(&mut self, app: &TestApp) {
        let id = OrganisationId::parse(&self.id).expect("an id");
        let (ledger, scopes) = (&app.ledger, [Scope::Post, Scope::Read].into());
        self.token = tokens::create(&ledger.store, &ledger.clock, id, &scopes, 730).expect("a token").token;
    }
}

/// A running service.
pub struct TestApp {
    pub ledger: Arc<Ledger>,
    pub database: TestDatabase,
    pub operator: Party,
    pub url: String,
    pub now_ms: Arc<AtomicI64>,
    server: Option<Running>,
    audit_at_end: bool,
}

struct Running {
    handle: actix_web::dev::ServerHandle,
    thread: std::thread::JoinHandle<()>,
}

/// Makes a ledger in a database, with the fixed keys.
pub fn found(store: &Store, clock: &Clock, operator: OrganisationId) {
    found_for(store, clock, operator, true);
}

/// The same, for tests or in earnest.
fn found_for(store: &Store, clock: &Clock, operator: OrganisationId, test: bool) {
    let keys = OperatorKeys::fixed();
    let founding = Founding {
        origin: Origin::parse(ORIGIN).expect("an origin"),
        test,
        operator,
        statement: StatementId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001)),
        operator_key: &keys.operator,
        recovery_key: &keys.recovery,
        checkpoint_key: &keys.checkpoint,
    };
    opening::found(store, clock, &founding).expect("a new ledger");
}

/// The operator of every test.
pub fn operator_id() -> OrganisationId {
    OrganisationId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000))
}

pub fn given_clock(now_ms: &Arc<AtomicI64>) -> Clock {
    let now_ms = Arc::clone(now_ms);
    Clock::given(move || now_ms.load(Ordering::SeqCst))
}

impl TestApp {
    /// A new ledger and its service.
    pub fn start(kind: Kind) -> Self {
        Self::start_on(TestDatabase::new(kind), NOON_MS)
    }

    /// The same, but the ledger was opened in earnest.
    pub fn start_in_earnest(kind: Kind) -> Self {
        let database = TestDatabase::new(kind);
        let store = Store::open(&database.url, 1).expect("the database opens");
        found_for(&store, &given_clock(&Arc::new(AtomicI64::new(NOON_MS))), operator_id(), false);
        drop(store);
        Self::start_on(database, NOON_MS)
    }

    /// A service over a database that may hold a ledger already.
    pub fn start_on(database: TestDatabase, now_ms: i64) -> Self {
        Self::start_sharing(database, now_ms, Sharing::default())
    }

    /// The same, which gives its tree to others in a way of its own.
    pub fn start_sharing(database: TestDatabase, now_ms: i64, sharing: Sharing) -> Self {
        let publishing = database.publishing();
        Self::start_with(database, now_ms, publishing, sharing, None, None)
    }

    /// The same, with witnesses.
    pub fn start_witnessed(database: TestDatabase, now_ms: i64, witnesses: Option<WitnessSettings>) -> Self {
        let publishing = database.publishing();
        Self::start_with(database, now_ms, publishing, Sharing::default(), witnesses, None)
    }

    /// The same, which audits itself.
    pub fn start_auditing_itself(database: TestDatabase, now_ms: i64, entries_per_s: u32) -> Self {
        let (folder, pause) = (database.folder.path().join("self-audit"), std::time::Duration::ZERO);
        let self_audit = Some(SelfAuditing { folder, entries_per_s, pause });
        let publishing = database.publishing();
        Self::start_with(database, now_ms, publishing, Sharing::default(), None, self_audit)
    }

    /// The same with keys and a guard of one's own.
    pub fn start_publishing(database: TestDatabase, now_ms: i64, publishing: Publishing) -> Self {
        Self::start_with(database, now_ms, publishing, Sharing::default(), None, None)
    }

    fn start_with(
        database: TestDatabase,
        now_ms: i64,
        publishing: Publishing,
        sharing: Sharing,
        witnesses: Option<WitnessSettings>,
        self_audit: Option<SelfAuditing>,
    ) -> Self {
        Self::start_as(database, now_ms, publishing, sharing, witnesses, (self_audit, None))
    }

    /// A new ledger that issues and withdraws under a second signature.
    pub fn start_demanding(kind: Kind, second: SecondSignature) -> Self {
        let database = TestDatabase::new(kind);
        let publishing = database.publishing();
        Self::start_as(database, NOON_MS, publishing, Sharing::default(), None, (None, Some(second)))
    }

    fn start_as(
        database: TestDatabase,
        now_ms: i64,
        publishing: Publishing,
        sharing: Sharing,
        witnesses: Option<WitnessSettings>,
        (self_audit, second): (Option<SelfAuditing>, Option<SecondSignature>),
    ) -> Self {
        let now_ms = Arc::new(AtomicI64::new(now_ms));
        let clock = given_clock(&now_ms);
        let store = Arc::new(Store::open(&database.url, 4).expect("the database opens"));
        if opening::ledger_in(&store).expect("readable").is_none() {
            found(&store, &clock, operator_id());
        }
        let scopes = Scope::ALL.iter().copied().collect();
        let token = tokens::create(&store, &clock, operator_id(), &scopes, 365).expect("a token").token;
        let keys = OperatorKeys::fixed();
        let (sealing_key, publishing) = (Zeroizing::new([9; 32]), Some(publishing));
        let settings =
            Settings { clock, sealing_key, publishing, sharing, witnesses, self_audit, second_signature: second };
        let ledger = Arc::new(opening::open(store, settings).expect("the ledger opens"));
        let (url, server) = serve(&ledger);
        let operator = Party { id: operator_id().to_string(), key: keys.operator, token };
        Self { ledger, database, operator, url, now_ms, server: Some(server), audit_at_end: true }
    }

    /// Stops the service and gives its database back.
    pub fn stop(mut self) -> TestDatabase {
        self.shut_down();
        self.audit_at_end = false;
        let empty = TestDatabase {
            url: self.database.url.clone(),
            folder: tempfile::tempdir().expect("a folder"),
            schema: None,
        };
        std::mem::replace(&mut self.database, empty)
    }

    /// For tests that damage their ledger on purpose.
    pub fn expect_damage(&mut self) {
        self.audit_at_end = false;
    }

    fn shut_down(&mut self) {
        if let Some(server) = self.server.take() {
            actix_web::rt::System::new().block_on(server.handle.stop(true));
            server.thread.join().expect("the server ends");
            // The server's workers let go of the ledger a moment after it ends.
            while Arc::strong_count(&self.ledger) > 1 {
                std::thread::yield_now();
            }
        }
    }

    /// A new ledger whose only node does not publish.
    pub fn unpublished(kind: Kind) -> Self {
        let database = TestDatabase::new(kind);
        let now_ms = Arc::new(AtomicI64::new(NOON_MS));
        let store = Store::open(&database.url, 1).expect("the database opens");
        found(&store, &given_clock(&now_ms), operator_id());
        drop(store);
        Self::follower_of(database, now_ms, String::new())
    }

    /// A node without the checkpoint key.
    pub fn follower_of(database: TestDatabase, now_ms: Arc<AtomicI64>, token: String) -> Self {
        Self::node_of(database, now_ms, token, None, None)
    }

    /// A second node on the same database, which does not publish.
    pub fn second_node(&self) -> Self {
        self.another_node(None, None)
    }

    /// The same, with witnesses, which it does not ask.
    pub fn second_node_witnessed(&self, witnesses: Option<WitnessSettings>) -> Self {
        self.another_node(None, witnesses)
    }

    /// A second node on the same database, which publishes too.
    pub fn second_publisher(&self, publishing: Publishing) -> Self {
        self.another_node(Some(publishing), None)
    }

    fn another_node(&self, publishing: Option<Publishing>, witnesses: Option<WitnessSettings>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = TestDatabase { url: self.database.url.clone(), folder, schema: None };
        Self::node_of(database, Arc::clone(&self.now_ms), self.operator.token.clone(), publishing, witnesses)
    }

    fn node_of(
        database: TestDatabase,
        now_ms: Arc<AtomicI64>,
        token: String,
        publishing: Option<Publishing>,
        witnesses: Option<WitnessSettings>,
    ) -> Self {
        let store = Arc::new(Store::open(&database.url, 4).expect("the database opens"));
        let sealing_key = Zeroizing::new([9; 32]);
        let sharing = Sharing::default();
        let clock = given_clock(&now_ms);
        let (self_audit, second_signature) = (None, None);
        let settings = Settings { clock, sealing_key, publishing, sharing, witnesses, self_audit, second_signature };
        let ledger = Arc::new(opening::open(store, settings).expect("the ledger opens"));
        let (url, server) = serve(&ledger);
        let operator = Party { id: operator_id().to_string(), key: OperatorKeys::fixed().operator, token };
        Self { ledger, database, operator, url, now_ms, server: Some(server), audit_at_end: true }
    }

    /// Waits until the newest checkpoint covers every entry, and gives its size.
    pub fn wait_for_checkpoint(&self) -> u64 {
        let size = self.ledger.readiness().expect("ready");
        let last = loopledger::domain::ids::EntryIndex(size - 1);
        let patience = std::time::Duration::from_mins(1);
        let shown = actix_web::rt::System::new().block_on(self.ledger.checkpoint_over(last, patience));
        shown.expect("a checkpoint").size
    }

    pub fn audit(&self) -> Report {
        self.ledger.store.long_snapshot(|database| audit(database, |_, _| {})).expect("readable")
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        answer(self.request("GET", path, token).send(""))
    }

    pub fn delete(&self, path: &str, token: &str) -> Answer {
        answer(self.request("DELETE", path, token).send(""))
    }

    pub fn post_body(&self, path: &str, token: &str, content_type: &str, body: &[u8]) -> Answer {
        answer(self.request("POST", path, token).header("Content-Type", content_type).send(body))
    }

    pub fn post_json(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.post_body(path, token, "application/json", body.to_string().as_bytes())
    }

    fn request(&self, method: &str, path: &str, token: &str) -> RequestBuilder {
        RequestBuilder::new(method, &format!("{}{path}", self.url), token)
    }

    /// Posts a compact JWS.
    pub fn post_jws(&self, token: &str, jws: &str) -> Answer {
        self.post_body("/v1/events", token, "application/jose", jws.as_bytes())
    }

    /// Signs and posts a statement.
    pub fn say(&self, party: &Party, kind: &str, fields: &Value) -> Answer {
        self.post_jws(&party.token, &signed(party, kind, fields))
    }

    /// Posts lines as a batch.
    pub fn post_batch(&self, token: &str, mode: &str, statements: &[String]) -> Answer {
        let lines: String = statements.iter().map(|jws| format!("{{\"statement\":\"{jws}\"}}\n")).collect();
        self.post_body(&format!("/v1/events/batch?mode={mode}"), token, "application/x-ndjson", lines.as_bytes())
    }

    /// The operator puts a rule set in force that this software carries.
    pub fn adopt_rules(&self, version: &str) {
        let set = loopledger::domain::rule_set::all().iter().find(|set| set.version == version).expect("carried");
        let name = json!({"version": set.version, "sha256": set.sha256});
        self.say(&self.operator, "rules_adopted", &json!({"rule_set": name})).accepted();
    }

    /// A person of an organisation: their id, and a token that is theirs alone.
    pub fn person_of(&self, party: &Party) -> (String, String) {
        let id = new_id();
        let wanted = json!({"organisation": party.id, "scopes": ["post"], "person": id});
        let created = self.post_json("/v1/tokens", &self.operator.token, &wanted).json();
        assert_eq!(created["person"], json!(id));
        (id, created["token"].as_str().expect("a token").to_owned())
    }

    /// A new organisation with a key of its own and a token that posts and reads.
    pub fn join(&self, roles: &[&str]) -> Party {
        self.join_in("XD", roles)
    }

    /// The same in another country.
    pub fn join_in(&self, country: &str, roles: &[&str]) -> Party {
        let party = self.register_in(country, roles);
        self.say(&self.operator, "key_registered", &key_fields(&party.id, &party.key)).accepted();
        party
    }

    /// A new organisation whose key is not registered yet.
    pub fn register(&self, roles: &[&str]) -> Party {
        self.register_in("XD", roles)
    }

    fn register_in(&self, country: &str, roles: &[&str]) -> Party {
        let id = new_id();
        let fields = json!({"organisation": id, "roles": roles, "country": country});
        self.say(&self.operator, "organisation_registered", &fields).accepted();
        let key = keyring::generate().expect("randomness");
        Party { token: self.token(&id, &["post", "read"]), id, key }
    }

    /// A new token.
    pub fn token(&self, organisation: &str, scopes: &[&str]) -> String {
        let body = json!({"organisation": organisation, "scopes": scopes});
        let created = self.post_json("/v1/tokens", &self.operator.token, &body);
        assert_eq!(created.status, 201, "{}", created.text);
        created.json()["token"].as_str().expect("a token").to_owned()
    }

    /// A new site of an organisation, with a code of its own.
    pub fn site(&self, organisation: &str) -> String {
        let site = new_id();
        let code = Uuid::now_v7().simple().to_string().to_uppercase()[24..].to_owned();
        let fields = json!({"organisation": organisation, "new_site": site, "country": "XD", "code": code});
        self.say(&self.operator, "site_registered", &fields).accepted();
        site
    }

    /// A new scale at a site, verified in November 2026.
    pub fn scale(&self, site: &str) -> String {
        let scale = new_id();
        let fields = json!({
            "new_scale": scale, "at_site": site, "division_g": 500, "capacity_g": 1_500_000,
            "verified_on": "2026-11-01", "verified_until": "2027-10-31",
        });
        self.say(&self.operator, "scale_registered", &fields).accepted();
        scale
    }

    /// A laptop under the ledger.
    pub fn laptop(&self, holder: &Party) -> String {
        let item = new_id();
        self.say(holder, "registered", &laptop_fields(&item)).accepted();
        item
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shut_down();
        if !std::thread::panicking() && self.audit_at_end && self.ledger.health.halted().is_none() {
            let report = self.audit();
            assert_eq!(report.faults(), Vec::<&Finding>::new(), "the test left a ledger that is not clean");
        }
    }
}

fn serve(ledger: &Arc<Ledger>) -> (String, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let ledger = Arc::clone(ledger);
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = http::serve(ledger, listener, 2).expect("a server");
            tell.send(server.handle()).expect("the test waits");
            server.await.expect("the server ends well");
        });
    });
    (url, Running { handle: told.recv().expect("the server starts"), thread })
}

#[track_caller]
fn answer(result: Result<Answer, String>) -> Answer {
    result.expect("the service answers")
}

/// A new UUIDv7 as text.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// The fields that put a party's key in force.
pub fn key_fields(organisation: &str, key: &SigningKey) -> Value {
    key_fields_for(organisation, key, KeyUse::Statement)
}

pub fn key_fields_for(organisation: &str, key: &SigningKey, r#use: KeyUse) -> Value {
    let origin = Origin::parse(ORIGIN).expect("an origin");
    let id = OrganisationId::parse(organisation).expect("an id");
    let proof = prove_possession(key, &origin, id, r#use).expect("a proof").to_string();
    json!({
        "organisation": organisation, "jwk": jwk(key), "custody": "own", "use": r#use.as_str(), "proof": proof,
    })
}

pub fn jwk(key: &SigningKey) -> Value {
    let jwk = keyring::public_jwk(key).expect("a JWK");
    json!({"kty": "OKP", "crv": "Ed25519", "x": jwk.x.as_str()})
}

pub fn kid(key: &SigningKey) -> String {
    thumbprint(&key.verifying_key()).expect("a thumbprint").to_string()
}

/// A payload: the common part, overridden and completed by the fields given.
pub fn payload(organisation: &str, kind: &str, fields: &Value) -> Value {
    let mut payload = json!({
        "v": 1, "ledger": ORIGIN, "id": new_id(), "org": organisation, "type": kind,
        "occurred_at": "2026-11-23T13:00:00+02:00",
    });
    for (name, value) in fields.as_object().expect("fields") {
        payload[name] = value.clone();
    }
    payload
}

pub fn signed(party: &Party, kind: &str, fields: &Value) -> String {
    sign_bytes(&party.key, payload(&party.id, kind, fields).to_string().as_bytes())
}

pub fn sign_bytes(key: &SigningKey, payload: &[u8]) -> String {
    sign(key, payload).expect("a signature")
}

pub fn laptop_fields(item: &str) -> Value {
    json!({"item": item, "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "XD"})
}
