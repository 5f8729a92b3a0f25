//! The real program as a process of its own, to be killed.

use crate::client::{Answer, RequestBuilder};
use crate::harness::Party;
use ed25519_dalek::SigningKey;
use loopledger::ledger::keyring;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_loopledger");

/// Whoever speaks to a service.
#[derive(Clone)]
pub struct Client {
    pub url: String,
}

impl Client {
    pub fn post_jws(&self, token: &str, jws: &str) -> Result<Answer, String> {
        let url = format!("{}/v1/events", self.url);
        RequestBuilder::new("POST", &url, token).header("Content-Type", "application/jose").send(jws)
    }

    pub fn get(&self, path: &str, token: &str) -> Result<Answer, String> {
        RequestBuilder::new("GET", &format!("{}{path}", self.url), token).send("")
    }
}

/// A running `loopledger serve`.
pub struct Service {
    child: Child,
    pub client: Client,
    pub operator: Option<(String, String)>,
    /// Kept open: a service whose output goes nowhere would end at its next line.
    _output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts it and waits until it says where it serves. `before` is put before the program, such as a tracer.
    pub fn start(before: &[&str], data: &Path, database_url: Option<&str>) -> Self {
        let mut words: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
        words.extend([PROGRAM, "serve", "--test-ledger", "--listen", "127.0.0.1:0", "--data"].map(str::to_owned));
        words.push(data.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(url) = database_url {
            command.args(["--database-url", url]);
        }
        let mut child = command.spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let (mut url, mut organisation, mut operator) = (None, None, None);
        let mut line = String::new();
        while url.is_none() {
            line.clear();
            let length = output.read_line(&mut line).expect("readable");
            assert!(length > 0, "the service ended before it served: {:?}", child.wait());
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["operator", "organisation", id] => organisation = Some((*id).to_owned()),
                ["operator", "token", token, ..] => {
                    operator = organisation.clone().map(|organisation| (organisation, (*token).to_owned()));
                }
                ["Serving", _, "on", address, ..] => url = Some((*address).to_owned()),
                _ => {}
            }
        }
        Self { child, client: Client { url: url.expect("an address") }, operator, _output: output }
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs").success());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Service {
    /// Ends the service; under a tracer it is the tracer's child and would outlive it.
    fn drop(&mut self) {
        let tracer = self.child.id().to_string();
        let _ = Command::new("pkill").args(["-9", "-P", &tracer]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The operator of a ledger that a process made.
pub fn operator_of(service: &Service, data: &Path) -> Party {
    let (id, token) = service.operator.clone().expect("the first start prints the operator");
    Party { id, key: operator_key(data), token }
}

pub fn operator_key(data: &Path) -> SigningKey {
    keyring::read_key(&data.join("keys/operator.json")).expect("a key")
}

/// Runs a command of the program.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("the program runs")
}

/// Python before one of the independent checkers; `None` where there is no Python for it.
pub fn run_script(name: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("LOOPLEDGER_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "LOOPLEDGER_TEST_PYTHON is not set; start the tests with tests/run");
        eprintln!("SKIPPED: LOOPLEDGER_TEST_PYTHON is not set; tests/run prepares it");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checker").join(name));
    Some(command)
}

/// Runs the independent checker over exported files.
pub fn run_checker(folder: &Path) -> Option<Output> {
    let mut command = run_script("check_ledger.py")?;
    for name in ["entries", "checkpoint", "vkey"] {
        command.arg(format!("--{name}")).arg(folder.join(name));
    }
    Some(command.output().expect("Python runs"))
}

/// Exports a ledger into a folder.
pub fn export(folder: &Path, place: &[&str]) {
    let file = |name: &str| folder.join(name).display().to_string();
    let (entries, checkpoint, vkey) = (file("entries"), file("checkpoint"), file("vkey"));
    let mut arguments = vec!["export", "--entries", &entries, "--checkpoint", &checkpoint, "--vkey", &vkey];
    arguments.extend(place);
    let output = run(&arguments);
    assert!(output.status.success(), "{output:?}");
}
