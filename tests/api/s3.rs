//! A small bucket that speaks S3 over HTTP, as far as an object store needs it: PUT with `If-None-Match` and `If-Match`,
//! GET and HEAD, with faults on demand. The faults are those of real stores and lines.

use loopledger::ledger::objects::{Objects, ObjectsError, ObjectsUrl};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The bucket of every test.
pub const BUCKET: &str = "bucket";

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503, and nothing was done.
    Refuses,
    /// The connection breaks before anything was done.
    BreaksBefore,
    /// It was done, and the answer is lost.
    BreaksAfter,
    /// It was done, and the answer is 500.
    FailsAfter,
    /// 503 now; it is done all the same, right before the next PUT.
    ArrivesLate,
    /// A lock on the bucket refuses before any condition is looked at.
    Locked,
    /// The store ignores the conditions.
    IgnoresConditions,
}

/// A request's method, and what is to happen to it.
type Planned = (&'static str, Fault);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// What the last PUT of an object said of its kind and of caches.
    headers: BTreeMap<String, [String; 2]>,
    /// For requests of a method, first come first served.
    faults: VecDeque<Planned>,
    /// What happens to the GET behind each PUT that meets a fault.
    way_back: Option<Fault>,
    late: Option<Request>,
    /// Answers nothing but 503.
    is_down: bool,
    /// Every PUT that changed something: path and bytes.
    written: Vec<(String, Vec<u8>)>,
}

/// The server; it ends with the test's process.
#[derive(Clone)]
pub struct S3 {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl S3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One after the other: what a test asks for happens in its order.
                answer(stream, &shared);
            }
        });
        Self { address, state }
    }

    /// What whoever opens the bucket finds in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        let settings = [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    pub fn open(&self, url: &str) -> Objects {
        Objects::open(&ObjectsUrl::parse(url).expect("a URL"), self.environment()).expect("a bucket")
    }

    /// The next requests of a method meet these faults.
    pub fn plan(&self, method: &'static str, faults: &[Fault]) {
        self.state.lock().expect("the state").faults.extend(faults.iter().map(|fault| (method, *fault)));
    }

    /// Whoever reads after a faulty PUT meets this fault.
    pub fn plan_way_back(&self, fault: Option<Fault>) {
        self.state.lock().expect("the state").way_back = fault;
    }

    /// What was planned and has not happened is forgotten.
    pub fn plan_nothing(&self) {
        let mut state = self.state.lock().expect("the state");
        state.faults.clear();
        state.way_back = None;
    }

    /// Whether every planned fault has happened.
    pub fn has_happened(&self) -> bool {
        self.state.lock().expect("the state").faults.is_empty()
    }

    pub fn is_down(&self, is_down: bool) {
        self.state.lock().expect("the state").is_down = is_down;
    }

    /// The bytes of an object; the path is without the bucket.
    pub fn object(&self, path: &str) -> Option<Vec<u8>> {
        self.state.lock().expect("the state").objects.get(path).cloned()
    }

    /// The content type and cache headers with which an object was written.
    pub fn headers(&self, path: &str) -> Option<[String; 2]> {
        self.state.lock().expect("the state").headers.get(path).cloned()
    }

    /// Every path that was ever written.
    pub fn written(&self) -> BTreeSet<String> {
        self.state.lock().expect("the state").written.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Writes past every condition, as an administrator could.
    pub fn put(&self, path: &str, bytes: Option<&[u8]>) {
        let mut state = self.state.lock().expect("the state");
        match bytes {
            Some(bytes) => state.objects.insert(path.to_owned(), bytes.to_vec()),
            None => state.objects.remove(path),
        };
    }

    /// Every version that an object ever had.
    pub fn history(&self, path: &str) -> Vec<Vec<u8>> {
        let state = self.state.lock().expect("the state");
        state.written.iter().filter(|(written, _)| written == path).map(|(_, bytes)| bytes.clone()).collect()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(request) = read(&stream) else { return };
    let mut state = state.lock().expect("the state");
    let planned = state.faults.iter().position(|(method, _)| *method == request.method);
    let fault = planned.and_then(|place| state.faults.remove(place)).map(|(_, fault)| fault);
    if let (Some(_), "PUT", Some(back)) = (fault, request.method.as_str(), state.way_back) {
        state.faults.push_front(("GET", back));
    }
    if request.method == "PUT"
        && let Some(late) = state.late.take()
    {
        state.handle(&late, false);
    }
    let down = (503, String::new(), b"down".to_vec());
    let (status, headers, body) = match fault {
        _ if state.is_down => down,
        None => state.handle(&request, false),
        Some(Fault::IgnoresConditions) => state.handle(&request, true),
        Some(Fault::Refuses) => down,
        Some(Fault::BreaksBefore) => return,
        Some(Fault::Locked) => (403, String::new(), b"<Error><Code>ObjectLocked</Code></Error>".to_vec()),
        Some(Fault::ArrivesLate) => {
            state.late = Some(request.clone());
            down
        }
        Some(Fault::BreaksAfter) => {
            state.handle(&request, false);
            return;
        }
        Some(Fault::FailsAfter) => {
            state.handle(&request, false);
            (500, String::new(), b"failed".to_vec())
        }
    };
    drop(state);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} S3\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let body = if request.method == "HEAD" { Vec::new() } else { body };
    // Whoever has gone away meanwhile does not read it.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = path.strip_prefix(&format!("/{BUCKET}/"))?.split('?').next()?.to_owned();
    Some(Request { method, path, headers, body })
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}

impl State {
    fn handle(&mut self, request: &Request, ignores_conditions: bool) -> (u16, String, Vec<u8>) {
        let there = self.objects.get(&request.path).cloned();
        let header =
            |bytes: &[u8]| format!("ETag: {}\r\nLast-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\n", etag(bytes));
        match (request.method.as_str(), there) {
            ("GET" | "HEAD", Some(bytes)) => (200, header(&bytes), bytes),
            ("GET" | "HEAD", None) => (404, String::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            ("PUT", there) => {
                let is_new = request.headers.contains_key("if-none-match");
                let expected = request.headers.get("if-match");
                let fits = match (&there, expected) {
                    (Some(_), _) if is_new => false,
                    (there, Some(expected)) => there.as_ref().is_some_and(|there| etag(there) == *expected),
                    _ => true,
                };
                if !fits && !ignores_conditions {
                    return (412, String::new(), b"<Error><Code>PreconditionFailed</Code></Error>".to_vec());
                }
                self.objects.insert(request.path.clone(), request.body.clone());
                let sent = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
                self.headers.insert(request.path.clone(), [sent("content-type"), sent("cache-control")]);
                self.written.push((request.path.clone(), request.body.clone()));
                (200, header(&request.body), Vec::new())
            }
            _ => (405, String::new(), Vec::new()),
        }
    }
}

/// A bucket and a folder; both are to behave alike.
fn places() -> (S3, tempfile::TempDir, [Objects; 2]) {
    let (s3, folder) = (S3::start(), tempfile::tempdir().expect("a folder"));
    let bucket = s3.open("s3://bucket/a/b");
    let files = s3.open(&folder.path().join("a").display().to_string());
    (s3, folder, [bucket, files])
}

#[test]
fn what_never_changes_is_written_once() {
    let (_s3, _folder, places) = places();
    for objects in places {
        assert_eq!(objects.get("tile/0/000").expect("readable"), None);
        objects.create("tile/0/000", b"one").expect("new");
        objects.create("tile/0/000", b"one").expect("the same again");
        let other = objects.create("tile/0/000", b"two").expect_err("other bytes");
        assert!(matches!(&other, ObjectsError::Differs(name) if name.ends_with("tile/0/000")), "{other}");
        let object = objects.get("tile/0/000").expect("readable").expect("there");
        assert_eq!(object.bytes, b"one");
        objects.create("tile/0/000.p/3", b"part").expect("a name with dots, a folder deeper");
        assert!(objects.create("tile//x", b"").is_err());
    }
}

#[test]
fn what_moves_moves_by_compare_and_swap() {
    let (_s3, _folder, places) = places();
    for objects in places {
        let first = objects.swap("checkpoint", None, b"1").expect("new");
        assert_eq!(objects.swap("checkpoint", None, b"1").expect("the same again"), first);
        assert!(matches!(objects.swap("checkpoint", None, b"2"), Err(ObjectsError::Moved(_))));
        let second = objects.swap("checkpoint", Some(&first), b"2").expect("moved");
        assert_eq!(objects.swap("checkpoint", Some(&first), b"2").expect("the same again"), second);
        assert!(matches!(objects.swap("checkpoint", Some(&first), b"3"), Err(ObjectsError::Moved(_))));
        let object = objects.get("checkpoint").expect("readable").expect("there");
        assert_eq!((object.bytes.as_slice(), &object.version), (b"2".as_slice(), &second));
        objects.require_conditions("checkpoint", &object).expect("conditions are kept");
    }
}

/// Errors of a bucket, done and not done: what lies there afterwards decides.
#[test]
fn a_bucket_that_fails() {
    use Fault::{ArrivesLate, BreaksAfter, BreaksBefore, FailsAfter, Locked, Refuses};
    let s3 = S3::start();
    let objects = s3.open("s3://bucket/log");
    for (number, fault) in [Refuses, BreaksBefore, ArrivesLate, Locked].into_iter().enumerate() {
        let path = number.to_string();
        s3.plan("PUT", &[fault]);
        assert!(matches!(objects.create(&path, b"one"), Err(ObjectsError::Failed(_))), "{fault:?}");
        objects.create(&path, b"one").expect("the next try");
        s3.plan("PUT", &[fault]);
        let version = objects.get(&path).expect("readable").expect("there").version;
        assert!(matches!(objects.swap(&path, Some(&version), b"two"), Err(ObjectsError::Failed(_))), "{fault:?}");
        objects.swap(&path, Some(&version), b"two").expect("the next try");
    }
    for (number, fault) in [BreaksAfter, FailsAfter].into_iter().enumerate() {
        let path = format!("done/{number}");
        s3.plan("PUT", &[fault, fault]);
        objects.create(&path, b"one").expect("it was done");
        let version = objects.get(&path).expect("readable").expect("there").version;
        objects.swap(&path, Some(&version), b"two").expect("it was done");
    }
    // A lock on the bucket refuses what is there already.
    s3.plan("PUT", &[Locked, Locked]);
    objects.create("done/0", b"two").expect("the same bytes");
    assert!(matches!(objects.create("done/0", b"three"), Err(ObjectsError::Differs(_))));
    // And the way back may fail too.
    s3.plan("PUT", &[Refuses]);
    s3.plan("GET", &[BreaksBefore]);
    assert!(matches!(objects.create("again", b"one"), Err(ObjectsError::Failed(_))));
    assert!(s3.has_happened());
}

/// Old bytes that arrive late never lie over new ones.
#[test]
fn a_write_that_arrives_late() {
    let s3 = S3::start();
    let objects = s3.open("s3://bucket");
    let first = objects.swap("checkpoint", None, b"1").expect("new");
    s3.plan("PUT", &[Fault::ArrivesLate]);
    assert!(objects.swap("checkpoint", Some(&first), b"2").is_err());
    let second = objects.swap("checkpoint", Some(&first), b"2").expect("it has arrived meanwhile");
    s3.plan("PUT", &[Fault::ArrivesLate]);
    assert!(objects.swap("checkpoint", Some(&second), b"3").is_err());
    s3.put("checkpoint", Some(b"somebody else"));
    assert!(matches!(objects.swap("checkpoint", Some(&second), b"3"), Err(ObjectsError::Moved(_))));
    assert_eq!(s3.object("checkpoint").expect("there"), b"somebody else");
}

/// Some that speak S3 ignore conditions: a compare-and-swap there would compare nothing.
#[test]
fn a_bucket_that_ignores_conditions() {
    let s3 = S3::start();
    let objects = s3.open("s3://bucket");
    objects.create("checkpoint", b"1").expect("new");
    let object = objects.get("checkpoint").expect("readable").expect("there");
    for faults in [vec![Fault::IgnoresConditions], vec![Fault::Locked, Fault::IgnoresConditions]] {
        s3.plan("PUT", &faults);
        assert!(objects.require_conditions("checkpoint", &object).is_err());
        s3.plan_nothing();
    }
}
