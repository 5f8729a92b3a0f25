//! `loopledger sign`: a payload becomes a statement.

use crate::cli::{CommandError, EXIT_REFUSED, read_input};
use crate::ledger::keyring;
use crate::proof::statement;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The file of the secret, as keygen wrote it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The payload; - reads standard input.
    #[arg(default_value = "-")]
    payload: PathBuf,
}

/// Checks the payload as the service would, signs its bytes as they are and prints the compact JWS.
pub(super) fn run(arguments: &Sign) -> Result<ExitCode, CommandError> {
    let key = keyring::read_key(&arguments.key)?;
    let input = read_input(&arguments.payload)?;
    let payload = input.trim_ascii();
    if let Err(refused) = statement::read_payload(payload) {
        eprintln!("loopledger: {refused}");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    println!("{}", statement::sign(&key, payload).ok_or("the payload cannot be signed")?);
    Ok(ExitCode::SUCCESS)
}
