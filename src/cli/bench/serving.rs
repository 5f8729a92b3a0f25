//! How fast a ledger takes statements here, beside what the disk and the processor could do at most.

use crate::cli::CommandError;
use crate::domain::codes::KeyUse;
use crate::domain::ids::{EntryIndex, OrganisationId, Origin, StatementId};
use crate::domain::time::LedgerTime;
use crate::http;
use crate::ledger::clock::Clock;
use crate::ledger::guard::{Guard, GuardUrl};
use crate::ledger::opening::{self, Founding, Settings, Sharing};
use crate::ledger::publisher::Publishing;
use crate::ledger::replay::checked::{Keys, check_all};
use crate::ledger::replay::{Keep, NotTaken, Replay};
use crate::ledger::tokens::{self, Scope};
use crate::ledger::{Ledger, keyring};
use crate::proof::statement::{prove_possession, sign};
use crate::store::head::Head;
use crate::store::workspace::Workspace;
use crate::store::{DatabaseUrl, Store, entries, measure};
use clap::Args;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Connections of the second measurement.
const CONNECTIONS: usize = 64;
/// Statements of one batch of the third.
const BATCH: usize = 1_000;
/// Bytes of a bare row: about those of an entry.
const BARE_BYTES: usize = 800;
/// Entries that are replayed at the end.
const REPLAYED: i64 = 20_000;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Serving {
    /// Also measure this PostgreSQL database, which must be empty; what is measured stays in it.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A new folder for the SQLite file, on the disk that is to be measured; it is removed at the end.
    #[arg(long, value_name = "DIR", default_value = "./loopledger-bench")]
    folder: PathBuf,
    /// How long each measurement runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Measures and prints; nothing is asserted.
pub(super) fn run(arguments: &Serving) -> Result<ExitCode, CommandError> {
    if arguments.folder.exists() {
        return Err(format!("{} exists; give a new folder with --folder", arguments.folder.display()).into());
    }
    fs::create_dir_all(&arguments.folder)?;
    let measured = measure_all(arguments);
    fs::remove_dir_all(&arguments.folder)?;
    measured?;
    Ok(ExitCode::SUCCESS)
}

fn measure_all(arguments: &Serving) -> Result<(), CommandError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{cores} cores for clients and service together, {} s each; every receipt is durable", arguments.seconds);
    let sqlite = DatabaseUrl::Sqlite(arguments.folder.join("ledger.sqlite"));
    measure_database("SQLite", &sqlite, arguments)?;
    if let Some(url) = &arguments.database_url {
        let url = DatabaseUrl::parse(url).filter(|url| matches!(url, DatabaseUrl::Postgres(_)));
        measure_database("PostgreSQL", &url.ok_or("expected postgres://…")?, arguments)?;
    }
    Ok(())
}

/// A ledger that serves, with an organisation that posts.
struct Target {
    ledger: Arc<Ledger>,
    url: String,
    token: String,
    poster: OrganisationId,
    key: SigningKey,
}

fn measure_database(name: &str, url: &DatabaseUrl, arguments: &Serving) -> Result<(), CommandError> {
    let span = Duration::from_secs(arguments.seconds);
    let store = Arc::new(Store::open(url, 8)?);
    if opening::ledger_in(&store)?.is_some() {
        return Err("this database holds a ledger; give an empty one".into());
    }
    println!("{name}");
    bare_inserts(&store, span)?;
    let target = open(&store, &arguments.folder)?;
    let before = written(&store)?;
    let (size, rows) = (size(&store)?, store.read(measure::rows)?);
    single_posts(&target, 1, span)?;
    single_posts(&target, CONNECTIONS, span)?;
    batches(&target, span)?;
    let events = self::size(&store)? - size;
    let (rows, bytes) = (store.read(measure::rows)? - rows, written(&store)?.zip(before).map(|(now, then)| now - then));
    memory_alone(&store)?;
    let log = if matches!(url, DatabaseUrl::Postgres(_)) { "of the server's log" } else { "written by this process" };
    let per_event = |amount: i64| amount.checked_div(events.max(1)).unwrap_or(0);
    let bytes = bytes.map_or_else(|| "unknown".to_owned(), |bytes| per_event(bytes).to_string());
    println!(
        "  per event                                  {}.{} rows added, {bytes} bytes {log}, over {events} events",
        per_event(rows),
        per_event(rows * 10) % 10
    );
    Ok(())
}

fn size(store: &Store) -> Result<i64, CommandError> {
    Ok(i64::try_from(store.read(crate::store::head::read)?.size())?)
}

/// Bytes written so far: by the server to its log, or by this process to the disk.
fn written(store: &Store) -> Result<Option<i64>, CommandError> {
    if let Some(bytes) = store.read(measure::log_position)? {
        return Ok(Some(bytes));
    }
    let counters = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = counters.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.and_then(|bytes| bytes.trim().parse().ok()))
}

/// Founds a ledger, registers an organisation with its key, and serves on loopback.
fn open(store: &Arc<Store>, folder: &Path) -> Result<Target, CommandError> {
    let (operator_key, recovery_key, checkpoint_key) =
        (keyring::generate()?, keyring::generate()?, keyring::generate()?);
    let origin = Origin::parse("bench.local/0badbe9c").ok_or("the origin is ill-formed")?;
    let (clock, operator) = (Clock::system(), OrganisationId(Uuid::now_v7()));
    let founding = Founding {
        origin: origin.clone(),
        test: true,
        operator,
        statement: StatementId(Uuid::now_v7()),
        operator_key: &operator_key,
        recovery_key: &recovery_key,
        checkpoint_key: &checkpoint_key,
    };
    opening::found(store, &clock, &founding)?;
    let guard = GuardUrl::File(folder.join(Uuid::now_v7().to_string()));
    let publishing = Some(Publishing { keys: vec![checkpoint_key], guard: Guard::open(&guard, &origin, [])? });
    let settings = Settings {
        clock,
        sealing_key: Zeroizing::new([0; 32]),
        publishing,
        sharing: Sharing::default(),
        witnesses: None,
        self_audit: None,
        second_signature: None,
    };
    let ledger = Arc::new(opening::open(Arc::clone(store), settings)?);
    let (poster, key) = (OrganisationId(Uuid::now_v7()), keyring::generate()?);
    let scopes = [Scope::Post, Scope::Relay].into();
    let token = tokens::create(store, &ledger.clock, operator, &scopes, 1)?.token;
    let url = serve(&ledger)?;
    let target = Target { ledger, url, token, poster, key };
    let joins = json!({"organisation": poster.to_string(), "roles": ["donor"], "country": "XD"});
    let jwk = keyring::public_jwk(&target.key)?;
    let proof = prove_possession(&target.key, &origin, poster, KeyUse::Statement).ok_or("a key proves nothing")?;
    let registers = json!({
        "organisation": poster.to_string(), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": jwk.x.as_str()},
        "custody": "own", "use": "statement", "proof": proof.as_str(),
    });
    for (kind, fields) in [("organisation_registered", joins), ("key_registered", registers)] {
        let jws = target.statement(&operator_key, operator, kind, fields)?;
        target.post("/v1/events", "application/jose", &jws, &agent())?;
    }
    Ok(target)
}

fn serve(ledger: &Arc<Ledger>) -> Result<String, CommandError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let ledger = Arc::clone(ledger);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // It ends with the process.
    std::thread::spawn(move || http::serve_until_told_to_end(ledger, listener, cores));
    Ok(url)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().max_idle_connections(CONNECTIONS * 2).build().new_agent()
}

impl Target {
    fn statement(
        &self,
        key: &SigningKey,
        org: OrganisationId,
        kind: &str,
        mut fields: Value,
    ) -> Result<String, CommandError> {
        let now = LedgerTime::from_ms(self.ledger.clock.now_ms()).ok_or("the clock is absurd")?;
        fields["v"] = json!(1);
        fields["ledger"] = json!(self.ledger.origin.as_str());
        fields["id"] = json!(Uuid::now_v7().to_string());
        fields["org"] = json!(org.to_string());
        fields["type"] = json!(kind);
        fields["occurred_at"] = json!(now.to_string());
        sign(key, fields.to_string().as_bytes()).ok_or_else(|| "a statement cannot be signed".into())
    }

    /// A device comes under the ledger: the most frequent statement.
    fn device(&self) -> Result<String, CommandError> {
        let fields = json!({
            "item": Uuid::now_v7().to_string(), "kind": "device", "class": "0303", "weight": {"basis": "class"},
            "country": "XD",
        });
        self.statement(&self.key, self.poster, "registered", fields)
    }

    fn devices(&self, count: usize) -> Result<Vec<String>, CommandError> {
        (0..count).map(|_| self.device()).collect()
    }

    fn post(&self, path: &str, kind: &str, body: &str, agent: &ureq::Agent) -> Result<String, CommandError> {
        let request =
            agent.post(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {}", self.token));
        let mut response = request.content_type(kind).send(body)?;
        Ok(response.body_mut().read_to_string()?)
    }
}

/// Prints rate and latency; `weight` statements a measured call.
fn print(what: &str, calls: &mut [Duration], weight: usize, elapsed: Duration) {
    calls.sort_unstable();
    let at = |percent: usize| calls.get((calls.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default();
    let count = u32::try_from(calls.len() * weight).unwrap_or(u32::MAX);
    let rate = f64::from(count) / elapsed.as_secs_f64();
    println!("  {what:<42} {rate:>9.0} /s   p50 {:>9.3?}   p99 {:>9.3?}", at(50), at(99));
}

/// One row a commit: what the disk allows.
fn bare_inserts(store: &Store, span: Duration) -> Result<(), CommandError> {
    store.write(measure::make_bare_table)?;
    let (row, mut calls, begun) = (vec![7; BARE_BYTES], Vec::new(), Instant::now());
    while begun.elapsed() < span {
        let call = Instant::now();
        let number = i64::try_from(calls.len())?;
        store.write(|database| measure::bare_insert(database, number, &row))?;
        calls.push(call.elapsed());
    }
    print("bare durable insert", &mut calls, 1, begun.elapsed());
    Ok(store.write(measure::drop_bare_table)?)
}

/// Signed statements one by one, on so many connections at once; they are signed beforehand.
fn single_posts(target: &Target, connections: usize, span: Duration) -> Result<(), CommandError> {
    // More than any machine takes in the time, at a few microseconds each.
    let per_second = if connections == 1 { 3_000 } else { 12_000 };
    let statements = target.devices(usize::try_from(span.as_secs())? * per_second)?;
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let agent = agent();
    let begun = Instant::now();
    let mut calls: Vec<Duration> = std::thread::scope(|scope| {
        let work = || {
            let mut calls = Vec::new();
            while begun.elapsed() < span {
                let Some(jws) = statements.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let call = Instant::now();
                if target.post("/v1/events", "application/jose", jws, &agent).is_err() {
                    failed.store(true, Ordering::Relaxed);
                    break;
                }
                calls.push(call.elapsed());
            }
            calls
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    if failed.into_inner() {
        return Err("a post failed; the log says why".into());
    }
    let what = if connections == 1 {
        "1 connection, single posts".into()
    } else {
        format!("{connections} connections, single posts")
    };
    print(&what, &mut calls, 1, begun.elapsed());
    Ok(())
}

/// Batches of 1,000, one after the other.
fn batches(target: &Target, span: Duration) -> Result<(), CommandError> {
    let (agent, mut calls, mut busy) = (agent(), Vec::new(), Duration::ZERO);
    while busy < span {
        let lines: String = target
            .devices(BATCH)?
            .iter()
            .map(|jws| format!("{{\"statement\":\"{jws}\"}}\n"))
            .collect::<Vec<_>>()
            .concat();
        let call = Instant::now();
        let answer = target.post("/v1/events/batch?mode=each", "application/x-ndjson", &lines, &agent)?;
        busy += call.elapsed();
        calls.push(call.elapsed());
        if answer.lines().filter(|line| line.contains("\"receipt\"")).count() != BATCH {
            return Err("a statement of a batch was refused".into());
        }
    }
    print("batches of 1,000", &mut calls, BATCH, busy);
    Ok(())
}

/// Everything that the ledger does, over a database that waits for no disk: signature, rules, chain and tree, on one core. What
/// the processor allows.
fn memory_alone(store: &Store) -> Result<(), CommandError> {
    let stored = store.read(|database| entries::page(database, EntryIndex(0), REPLAYED))?;
    let origin = Origin::parse("bench.local/0badbe9c").ok_or("the origin is ill-formed")?;
    let (mut workspace, keys) = (Workspace::temporary()?, Keys::default());
    let mut replay = Replay::behind(origin, Keep::Entries, Head::start());
    let (mut calls, begun) = (Vec::new(), Instant::now());
    for batch in stored.chunks_exact(BATCH) {
        let call = Instant::now();
        let batch = check_all(batch.iter().map(|stored| stored.bytes.clone()).collect(), &keys, 1);
        workspace.transaction(|database| {
            replay.prepare(database, &batch)?;
            for checked in batch {
                replay.take(database, &keys, checked)?;
            }
            replay.write(database)?;
            Ok::<_, NotTaken>(())
        })?;
        calls.push(call.elapsed());
    }
    print("replayed on one core, batches of 1,000", &mut calls, BATCH, begun.elapsed());
    Ok(())
}
