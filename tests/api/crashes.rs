//! Killed at random moments under load: every receipt that a client got is in the ledger, nothing is there twice.

use crate::harness::{Party, new_id, payload, postgres_is_here, sign_bytes};
use crate::process::{Client, Service, export, operator_of, run, run_checker};
use loopledger::proof::entry::{ChainHash, Entry};
use loopledger::proof::merkle::leaf_hash;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clients that post at the same time.
const CLIENTS: usize = 4;

/// Receipts by statement id.
type Receipts = Mutex<BTreeMap<String, Value>>;

fn join_statement(operator: &Party, origin: &str) -> (String, String) {
    let id = new_id();
    let fields = json!({
        "id": id, "ledger": origin, "organisation": new_id(), "roles": ["donor"], "country": "XD",
    });
    let payload = payload(&operator.id, "organisation_registered", &fields);
    (id, sign_bytes(&operator.key, payload.to_string().as_bytes()))
}

/// A small generator with a fixed seed: when to kill.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Posts from several clients until `enough` receipts have come, then calls `strike`; gives the statements that got no
/// answer, which are sent again later.
fn load(
    service: &Client,
    operator: &Party,
    origin: &str,
    receipts: &Receipts,
    enough: usize,
    strike: impl FnOnce() + Send,
) -> Vec<(String, String)> {
    let (got, struck) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let unanswered = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while struck.load(Ordering::SeqCst) == 0 {
                    let (id, jws) = join_statement(operator, origin);
                    match service.post_jws(&operator.token, &jws) {
                        Ok(answer) if answer.status == 201 => {
                            receipts.lock().expect("receipts").insert(id, answer.json());
                            got.fetch_add(1, Ordering::SeqCst);
                        }
                        _ => unanswered.lock().expect("list").push((id, jws)),
                    }
                }
            });
        }
        while got.load(Ordering::SeqCst) < enough {
            std::thread::yield_now();
        }
        strike();
        struck.store(1, Ordering::SeqCst);
    });
    unanswered.into_inner().expect("list")
}

/// What got no answer is sent again: it is written now, or it was before; either way its receipt comes.
fn send_again(service: &Client, operator: &Party, receipts: &Receipts, unanswered: Vec<(String, String)>) {
    for (id, jws) in unanswered {
        let mut answer = service.post_jws(&operator.token, &jws).expect("an answer");
        while answer.status == 503 {
            answer = service.post_jws(&operator.token, &jws).expect("an answer");
        }
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        receipts.lock().expect("receipts").insert(id, answer.json());
    }
}

fn wait_for_last_checkpoint(service: &Client) {
    loop {
        let ready = service.get("/health/ready", "").expect("an answer").json();
        if ready["size"].is_u64() && ready["size"] == ready["checkpoint_size"] {
            return;
        }
        std::thread::yield_now();
    }
}

/// Every receipt against the exported entries; then the audit and the independent checker over everything.
fn check(folder: &Path, place: &[&str], receipts: &BTreeMap<String, Value>) {
    export(folder, place);
    let exported = fs::read(folder.join("entries")).expect("entries");
    let entries: Vec<&[u8]> = exported.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    for (id, receipt) in receipts {
        let index = usize::try_from(receipt["index"].as_u64().expect("an index")).expect("small");
        let entry = entries[index];
        assert_eq!(receipt["leaf_hash"], leaf_hash(entry).to_string(), "the receipt of {id}");
        assert_eq!(receipt["chain_hash"], ChainHash::of(entry).to_string(), "the receipt of {id}");
        assert_eq!(receipt["time"], Entry::parse(entry).expect("an entry").time.to_string());
    }
    let audit = run(&[&["audit"], place].concat());
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    if let Some(checked) = run_checker(folder) {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

fn origin_of(service: &Client) -> String {
    let ready = service.get("/health/ready", "").expect("an answer").json();
    ready["ledger"].as_str().expect("an origin").to_owned()
}

#[test]
fn the_service_is_killed_twenty_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut service = Service::start(&[], &data, None);
    let operator = operator_of(&service, &data);
    let origin = origin_of(&service.client);
    let receipts = Receipts::default();
    let mut seed = 20_261_123;
    for round in 0..20 {
        let enough = usize::try_from(next_random(&mut seed) % 40).expect("small");
        let client = service.client.clone();
        let unanswered = load(&client, &operator, &origin, &receipts, enough, || service.kill());
        service = Service::start(&[], &data, None);
        assert!(service.operator.is_none(), "round {round}: the ledger went on, it was not made again");
        send_again(&service.client, &operator, &receipts, unanswered);
    }
    wait_for_last_checkpoint(&service.client);
    let receipts = receipts.into_inner().expect("receipts");
    assert!(receipts.len() > 100);
    check(folder.path(), &["--data", &data.display().to_string()], &receipts);
}

/// A PostgreSQL cluster of this test's own.
struct Cluster {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    is_root: bool,
}

impl Cluster {
    fn start() -> Self {
        let bin = PathBuf::from(std::env::var_os("LOOPLEDGER_TEST_POSTGRES_BIN").expect("set by tests/run"));
        let folder = tempfile::Builder::new().prefix("cluster").tempdir_in("/tmp").expect("a folder");
        // Below the range from which the kernel gives ports to others while the server is down.
        let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("small");
        let port = (first..32_000).find(is_free).expect("a port");
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let cluster = Self { bin, folder, port, is_root };
        if is_root {
            assert!(
                Command::new("chown").arg("postgres:").arg(cluster.folder.path()).status().expect("chown").success()
            );
        }
        let data = cluster.data();
        cluster.call("initdb", &["-D", &data, "-U", "loopledger", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        cluster.boot();
        cluster
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        assert!(self.try_call(program, arguments), "{program} {arguments:?}");
    }

    fn try_call(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(self.bin.join(program));
            command
        } else {
            Command::new(self.bin.join(program))
        };
        command.args(arguments).current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("it runs").success()
    }

    /// A child that was born while its postmaster was killed may hold the shared memory for a moment; then once more.
    fn boot(&self) {
        let options = format!("-c listen_addresses=127.0.0.1 -p {} -k ''", self.port);
        let log = self.folder.path().join("data/log").display().to_string();
        let data = self.data();
        let start = ["-D", &data, "-l", &log, "-w", "-s", "-t", "120", "-o", &options, "start"];
        let started = (0..20).any(|_| self.try_call("pg_ctl", &start));
        assert!(started, "{}", fs::read_to_string(&log).unwrap_or_default());
    }

    fn url(&self) -> String {
        format!("postgres://loopledger@127.0.0.1:{}/postgres", self.port)
    }

    /// `kill -9` of the postmaster and every child.
    fn kill(&self) {
        let pid_file = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).expect("it runs");
        let postmaster = pid_file.lines().next().expect("a process id").to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output().expect("ps");
        let mut all = vec![postmaster];
        all.extend(String::from_utf8_lossy(&children.stdout).split_whitespace().map(str::to_owned));
        Command::new("kill").arg("-9").args(&all).stderr(Stdio::null()).status().expect("kill");
        while all.iter().any(|pid| is_alive(pid)) {
            std::thread::yield_now();
        }
    }
}

/// Whether a process still runs; a zombie that nobody has collected does not.
fn is_alive(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.kill();
        }
    }
}

#[test]
fn postgresql_is_killed_under_the_service() {
    if !postgres_is_here() {
        return;
    }
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let service = Service::start(&[], &data, Some(&cluster.url()));
    let operator = operator_of(&service, &data);
    let origin = origin_of(&service.client);
    let receipts = Receipts::default();
    let mut seed = 42;
    for _ in 0..20 {
        let enough = 1 + usize::try_from(next_random(&mut seed) % 40).expect("small");
        let unanswered = load(&service.client, &operator, &origin, &receipts, enough, || cluster.kill());
        cluster.boot();
        while service.client.get("/health/ready", "").expect("an answer").status != 200 {
            std::thread::yield_now();
        }
        send_again(&service.client, &operator, &receipts, unanswered);
    }
    wait_for_last_checkpoint(&service.client);
    let receipts = receipts.into_inner().expect("receipts");
    check(folder.path(), &["--database-url", &cluster.url()], &receipts);
}

/// On SQLite a receipt leaves only after the write-ahead log is on disk.
#[test]
fn fdatasync_comes_before_each_receipt() {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace is missing, or this machine forbids tracing");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let trace = folder.path().join("trace").display().to_string();
    let tracer = ["strace", "-f", "-qq", "-s", "40", "-e", "trace=fdatasync,fsync,sendto,write,writev", "-o", &trace];
    let service = Service::start(&tracer, &data, None);
    let operator = operator_of(&service, &data);
    let origin = origin_of(&service.client);
    for _ in 0..20 {
        let (_, jws) = join_statement(&operator, &origin);
        assert_eq!(service.client.post_jws(&operator.token, &jws).expect("an answer").status, 201);
    }
    drop(service);
    let (mut receipts, mut synced) = (0, false);
    for line in fs::read_to_string(&trace).expect("a trace").lines() {
        if line.contains("fdatasync(") || line.contains("fsync(") {
            synced = true;
        } else if line.contains("HTTP/1.1 201") {
            assert!(synced, "receipt {receipts} left before anything was on disk");
            (receipts, synced) = (receipts + 1, false);
        }
    }
    assert_eq!(receipts, 20);
}
