//! `loopledger witness`: a witness of ledgers and of any other log that follows C2SP.

use crate::cli::CommandError;
use crate::http::witness_service;
use crate::ledger::clock::Clock;
use crate::ledger::keyring;
use crate::ledger::witness::Witness;
use crate::proof::note::NoteVerifier;
use crate::proof::policy::Policy;
use clap::Args;
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Threads that answer requests.
const WORKERS: usize = 2;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct WitnessArguments {
    /// Folder of the witness's memory and, without --key, of its key. What it forgets it could cosign twice: never put a
    /// backup back.
    #[arg(long, env = "LOOPLEDGER_WITNESS_DATA", default_value = "./loopledger-witness", value_name = "DIR")]
    data: PathBuf,
    /// Address and port.
    #[arg(long, env = "LOOPLEDGER_WITNESS_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The key of a log, as its vkey; give it again for another log, or another key of the same.
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// A C2SP policy whose logs are witnessed.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The witness's name, such as a host it is reached at; by default loopledger-witness/ and 8 hex digits of its key.
    #[arg(long)]
    name: Option<String>,
    /// The witness's key, a file as keygen writes it; by default one in the data folder, which the first start makes.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Serves the witness until the process is told to end.
pub(super) fn run(arguments: &WitnessArguments) -> Result<ExitCode, CommandError> {
    let key = own_key(arguments)?;
    let name = arguments.name.clone().unwrap_or_else(|| default_name(&key));
    let witness = Witness::open(&arguments.data, &name, key, keys_of_logs(arguments)?, Clock::system())?;
    let listener = TcpListener::bind(&arguments.listen)?;
    println!("Witness key {}", witness.vkey());
    witness.origins().for_each(|origin| println!("Witnessing {origin}"));
    println!("Serving on http://{}", listener.local_addr()?);
    witness_service::serve_until_told_to_end(Arc::new(witness), listener, WORKERS)?;
    Ok(ExitCode::SUCCESS)
}

fn keys_of_logs(arguments: &WitnessArguments) -> Result<Vec<NoteVerifier>, CommandError> {
    let parse = |vkey: &String| NoteVerifier::parse(vkey).map_err(|problem| format!("--log {vkey}: {problem}").into());
    let mut keys = arguments.log.iter().map(parse).collect::<Result<Vec<_>, CommandError>>()?;
    if let Some(file) = &arguments.policy {
        let policy = Policy::parse(&fs::read(file)?).map_err(|problem| format!("{}: {problem}", file.display()))?;
        keys.extend(policy.logs.into_iter().map(|log| log.verifier));
    }
    Ok(keys)
}

/// The witness's own key. It is made at the first start and never again: a witness with a new key is another witness.
fn own_key(arguments: &WitnessArguments) -> Result<SigningKey, CommandError> {
    if let Some(file) = &arguments.key {
        return Ok(keyring::read_key(file)?);
    }
    let file = arguments.data.join("witness-key.json");
    if !file.exists() {
        if has_cosigned(&arguments.data)? {
            let (folder, file) = (arguments.data.display(), file.display());
            return Err(format!("{folder} holds checkpoints, but the key {file} is gone: put it back").into());
        }
        keyring::write_key(&file, &keyring::generate()?)?;
    }
    Ok(keyring::read_key(&file)?)
}

fn has_cosigned(folder: &Path) -> std::io::Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    let mut files = fs::read_dir(folder)?.filter_map(Result::ok);
    Ok(files.any(|file| file.path().extension().is_some_and(|ending| ending == "checkpoint")))
}

fn default_name(key: &SigningKey) -> String {
    format!("loopledger-witness/{}", HEXLOWER.encode(&key.verifying_key().as_bytes()[..4]))
}
