//! `loopledger post`: statements from a file to the service, over slow and breaking lines.
//!
//! Whatever breaks, it sends again: a statement that is in the ledger gets its first receipt.

use crate::cli::{CommandError, EXIT_REFUSED, EXIT_UNREADABLE, read_input};
use crate::ledger::keyring;
use crate::limits::{BATCH_BYTES_MAX, BATCH_LINES_MAX};
use crate::proof::statement;
use clap::Args;
use ed25519_dalek::SigningKey;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Post {
    /// The service's address.
    #[arg(long, env = "LOOPLEDGER_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The token; better given by the environment than seen in a list of processes.
    #[arg(long, env = "LOOPLEDGER_TOKEN", hide_env_values = true)]
    token: String,
    /// Sign each line, a payload, with this key before it is sent.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What one refused line does to the others of its 1,000: each or all.
    #[arg(long, default_value = "each", value_parser = ["each", "all"])]
    mode: String,
    /// Let what names something that nobody has said yet wait for it outside the ledger; with --mode each.
    #[arg(long, value_name = "WHAT", value_parser = ["items"])]
    wait_for: Option<String>,
    /// How often a request is sent again before giving up.
    #[arg(long, default_value_t = 8)]
    tries: u32,
    /// One statement a line: a compact JWS, {"statement":…,"open":…}, or with --key a payload; - reads standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// Posts every line, prints a result a line; exits 0 if all are in the ledger or wait, 1 if some are refused, 2 if the service
/// cannot be reached.
pub(super) fn run(arguments: &Post) -> Result<ExitCode, CommandError> {
    let key = arguments.key.as_deref().map(keyring::read_key).transpose()?;
    let input = String::from_utf8(read_input(&arguments.file)?).map_err(|_| "the input is not UTF-8")?;
    let lines: Vec<&str> = input.lines().filter(|line| !line.trim().is_empty()).collect();
    let lines = lines.into_iter().map(|line| to_batch_line(line, key.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let mut counted = Counted::default();
    for body in bodies(&lines) {
        let answer = match send(arguments, &body) {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("loopledger: {error}; run the same command again, nothing is posted twice");
                return Ok(ExitCode::from(EXIT_UNREADABLE));
            }
        };
        print!("{answer}");
        answer.lines().for_each(|line| counted.count(line));
    }
    counted.print(lines.len());
    let is_any_refused = counted.in_ledger + counted.waiting < lines.len();
    Ok(if is_any_refused { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// What became of the lines that were not refused.
#[derive(Default)]
struct Counted {
    in_ledger: usize,
    waiting: usize,
}

impl Counted {
    fn count(&mut self, result: &str) {
        let result: Option<serde_json::Value> = serde_json::from_str(result).ok();
        let has = |name| result.as_ref().is_some_and(|result| result.get(name).is_some());
        self.in_ledger += usize::from(has("receipt"));
        self.waiting += usize::from(has("waiting"));
    }

    fn print(&self, all: usize) {
        eprintln!("{} of {all} statements are in the ledger", self.in_ledger);
        if self.waiting > 0 {
            eprintln!("{} wait for what nobody has said yet; GET /v1/waiting lists them", self.waiting);
        }
    }
}

/// Joins lines to bodies, none longer than a batch may be.
fn bodies(lines: &[String]) -> Vec<String> {
    let mut bodies: Vec<(usize, String)> = Vec::new();
    for line in lines {
        match bodies.last_mut() {
            Some((count, body)) if *count < BATCH_LINES_MAX && body.len() + line.len() <= BATCH_BYTES_MAX => {
                *count += 1;
                body.push_str(line);
            }
            _ => bodies.push((1, line.clone())),
        }
    }
    bodies.into_iter().map(|(_, body)| body).collect()
}

fn to_batch_line(line: &str, key: Option<&SigningKey>) -> Result<String, CommandError> {
    let line = line.trim();
    if let Some(key) = key {
        let jws = statement::sign(key, line.as_bytes()).ok_or("a line cannot be signed")?;
        return Ok(format!("{{\"statement\":\"{jws}\"}}\n"));
    }
    Ok(if line.starts_with('{') { format!("{line}\n") } else { format!("{{\"statement\":\"{line}\"}}\n") })
}

/// Why a request was not answered with results.
enum Failure {
    /// Sending again may help.
    Passing(String),
    /// It will not.
    Final(String),
}

fn send(arguments: &Post, body: &str) -> Result<String, String> {
    let mut pause = Duration::from_millis(500);
    let mut last = String::new();
    for _ in 0..arguments.tries.max(1) {
        match send_once(arguments, body) {
            Ok(answer) => return Ok(answer),
            Err(Failure::Final(reason)) => return Err(reason),
            Err(Failure::Passing(reason)) => {
                eprintln!("loopledger: {reason}; sending again in {} ms", pause.as_millis());
                last = reason;
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(30));
            }
        }
    }
    Err(last)
}

fn send_once(arguments: &Post, body: &str) -> Result<String, Failure> {
    let wait_for = arguments.wait_for.as_ref().map(|what| format!("&wait_for={what}")).unwrap_or_default();
    let url = format!("{}/v1/events/batch?mode={}{wait_for}", arguments.url.trim_end_matches('/'), arguments.mode);
    let request = ureq::post(&url)
        .config()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_mins(2)))
        .build()
        .header("Authorization", format!("Bearer {}", arguments.token))
        .content_type("application/x-ndjson");
    let mut response = request.send(body).map_err(|error| Failure::Passing(error.to_string()))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().map_err(|error| Failure::Passing(error.to_string()))?;
    match status {
        200 => Ok(text),
        429 | 500..=599 => Err(Failure::Passing(format!("the service answered {status}: {text}"))),
        _ => Err(Failure::Final(format!("the service answered {status}: {text}"))),
    }
}
