//! Witnesses for tests: our own as a service on a real socket, a log that they watch, and servers that misbehave.

use crate::client::{Answer, RequestBuilder};
use crate::forging::vkey;
use crate::harness::{NOON_MS, OperatorKeys, given_clock};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use loopledger::http::witness_service;
use loopledger::ledger::witness::Witness;
use loopledger::ledger::witnessing::WitnessSettings;
use loopledger::proof::cosignature::Cosigner;
use loopledger::proof::merkle::{TreeHash, leaf_hash, root_of};
use loopledger::proof::note::{NoteVerifier, sign_note};
use loopledger::proof::policy::Policy;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

pub const LOG: &str = "log.example/17";

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The name of the witness whose key has this seed.
pub fn name_of(seed: u8) -> String {
    format!("witness.test/{seed}")
}

pub fn cosigner(seed: u8) -> Cosigner {
    Cosigner::new(&name_of(seed), key(seed).verifying_key()).expect("a name")
}

pub fn log_verifier(seed: u8) -> NoteVerifier {
    NoteVerifier::new(LOG, key(seed).verifying_key()).expect("a name")
}

/// A log of any kind: so many leaves, one history a letter.
pub struct TestLog {
    pub history: char,
    pub key: SigningKey,
}

impl TestLog {
    pub fn new() -> Self {
        Self { history: 'a', key: key(1) }
    }

    fn leaves(&self, size: u64) -> Vec<TreeHash> {
        (0..size).map(|index| leaf_hash(format!("{}{index}", self.history).as_bytes())).collect()
    }

    pub fn body(&self, size: u64) -> String {
        format!("{LOG}\n{size}\n{}\n", BASE64.encode(&root_of(&self.leaves(size)).0))
    }

    pub fn note(&self, size: u64) -> String {
        sign_note(LOG, &self.key, &self.body(size)).expect("a note")
    }

    /// RFC 6962 §2.1.2 as it is written, a line a hash.
    pub fn proof(&self, old: u64, new: u64) -> String {
        fn subproof(old: usize, leaves: &[TreeHash], whole: bool) -> Vec<TreeHash> {
            if old == leaves.len() {
                return if whole { Vec::new() } else { vec![root_of(leaves)] };
            }
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            let (mut path, last) = if old <= middle {
                (subproof(old, left, whole), root_of(right))
            } else {
                (subproof(old - middle, right, false), root_of(left))
            };
            path.push(last);
            path
        }
        if old == 0 || old == new {
            return String::new();
        }
        let path = subproof(usize::try_from(old).expect("small"), &self.leaves(new), true);
        path.iter().map(|hash| BASE64.encode(&hash.0) + "\n").collect()
    }

    /// A request as it should be.
    pub fn request(&self, old: u64, new: u64) -> String {
        format!("old {old}\n{}\n{}", self.proof(old, new), self.note(new))
    }
}

/// Our witness, serving; its memory outlives it.
pub struct TestWitness {
    pub folder: TempDir,
    pub seed: u8,
    pub now_ms: Arc<AtomicI64>,
    keys: Vec<NoteVerifier>,
    address: String,
    running: Option<(actix_web::dev::ServerHandle, JoinHandle<()>)>,
}

impl TestWitness {
    /// A witness of the ledger of every test.
    pub fn of_ledger(seed: u8) -> Self {
        Self::start(seed, vec![NoteVerifier::parse(&vkey(&OperatorKeys::fixed().checkpoint)).expect("a vkey")])
    }

    pub fn start(seed: u8, keys: Vec<NoteVerifier>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now_ms = Arc::new(AtomicI64::new(NOON_MS));
        let mut witness = Self { folder, seed, now_ms, keys, address: "127.0.0.1:0".to_owned(), running: None };
        witness.begin();
        witness
    }

    /// Opens the folder once more, as a second process would.
    pub fn open_again(&self) -> Result<Witness, String> {
        let (folder, name, clock) = (self.folder.path(), name_of(self.seed), given_clock(&self.now_ms));
        Witness::open(folder, &name, key(self.seed), self.keys.clone(), clock).map_err(|error| error.to_string())
    }

    /// Serves again, where it served before.
    pub fn begin(&mut self) {
        let witness = Arc::new(self.open_again().expect("a witness"));
        let listener = TcpListener::bind(&self.address).expect("the port");
        self.address = listener.local_addr().expect("an address").to_string();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let weak = Arc::downgrade(&witness);
                let server = witness_service::serve(witness, listener, 2).expect("a server");
                tell.send(server.handle()).expect("the test waits");
                server.await.expect("the server ends well");
                // Its workers let go of the folder a moment after it ends.
                while weak.strong_count() > 0 {
                    std::thread::yield_now();
                }
            });
        });
        self.running = Some((told.recv().expect("it starts"), thread));
    }

    pub fn end(&mut self) {
        if let Some((handle, thread)) = self.running.take() {
            actix_web::rt::System::new().block_on(handle.stop(true));
            thread.join().expect("it ends");
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        add_checkpoint(&self.url(), body).expect("an answer")
    }

    pub fn seen(&self, origin: &str) -> Answer {
        let hash = loopledger::proof::add_checkpoint::origin_hash(origin);
        RequestBuilder::new("GET", &format!("{}/{hash}/checkpoint", self.url()), "").send("").expect("an answer")
    }
}

impl Drop for TestWitness {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn add_checkpoint(url: &str, body: impl AsRef<[u8]>) -> Result<Answer, String> {
    RequestBuilder::new("POST", &format!("{url}/add-checkpoint"), "").send(body)
}

/// A policy over witnesses by seed and address, so many of which are a quorum.
pub fn policy(witnesses: &[(u8, String)], quorum: usize) -> Policy {
    let mut text = format!("log {}\n", vkey(&OperatorKeys::fixed().checkpoint));
    let mut names = String::new();
    for (seed, url) in witnesses {
        writeln!(text, "witness w{seed} {} {url}", cosigner(*seed).vkey()).expect("memory");
        write!(names, " w{seed}").expect("memory");
    }
    writeln!(text, "group all-of-them {quorum}{names}\nquorum all-of-them").expect("memory");
    Policy::parse(text.as_bytes()).expect("a policy")
}

/// Settings that ask often and wait shortly.
pub fn settings(policy: Policy) -> WitnessSettings {
    WitnessSettings {
        policy,
        pause: Duration::from_millis(20),
        refresh: Duration::from_hours(1),
        timeout: Duration::from_secs(2),
        certificates_need_quorum: false,
    }
}

/// An address where nobody listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// What a server that misbehaves does with a request, given its first line and body.
pub type Misbehaviour = fn(&str, &str) -> Option<(u16, &'static str, String)>;

/// A server that answers whatever it likes; `None` never answers.
pub struct Misbehaving {
    pub url: String,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Misbehaving {
    pub fn start(behaviour: Misbehaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever hangs up on us is no failure of the test.
                if let Ok(stream) = stream {
                    hanging.extend(misbehave(stream, behaviour).ok().flatten());
                }
            }
        });
        Self { url, ended, thread: Some(thread) }
    }
}

fn misbehave(stream: TcpStream, behaviour: Misbehaviour) -> std::io::Result<Option<TcpStream>> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut line) = (String::new(), 0, String::new());
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut stream = reader.into_inner();
    let Some((status, kind, text)) = behaviour(&first, &String::from_utf8_lossy(&body)) else {
        return Ok(Some(stream));
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes())?;
    Ok(None)
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes it, so that it sees that it has ended.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The file in which a witness keeps what it cosigned of a log.
pub fn memory_of(folder: &Path, origin: &str) -> std::path::PathBuf {
    folder.join(format!("{}.checkpoint", loopledger::proof::add_checkpoint::origin_hash(origin)))
}
