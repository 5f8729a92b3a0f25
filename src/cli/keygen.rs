//! `loopledger keygen`: a key of one's own.

use crate::cli::CommandError;
use crate::domain::codes::KeyUse;
use crate::domain::fields::Field;
use crate::domain::ids::{OrganisationId, Origin};
use crate::ledger::keyring;
use crate::proof::statement::prove_possession;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// The new file for the secret; only its owner may read it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also print a proof of possession for this ledger; needs --organisation.
    #[arg(long, requires = "organisation")]
    ledger: Option<String>,
    /// Also print a proof of possession for this organisation; needs --ledger.
    #[arg(long, requires = "ledger")]
    organisation: Option<String>,
    /// What the key may sign: statement or credential.
    #[arg(long, default_value = "statement")]
    r#use: String,
}

/// Makes a key, keeps the secret in the file and prints what `key_registered` needs, as JSON.
pub(super) fn run(arguments: &Keygen) -> Result<ExitCode, CommandError> {
    let r#use = KeyUse::parse(&arguments.r#use).ok_or("--use takes statement or credential")?;
    let key = keyring::generate()?;
    let jwk = keyring::public_jwk(&key)?;
    let kid = jwk.thumbprint();
    let jwk_json = jwk.write().map(|value| value.to_string()).unwrap_or_default();
    let mut printed = format!(r#"{{"kid":"{kid}","jwk":{jwk_json},"custody":"own","use":"{}""#, arguments.r#use);
    if let (Some(ledger), Some(organisation)) = (&arguments.ledger, &arguments.organisation) {
        let ledger = Origin::parse(ledger).ok_or("--ledger takes an origin such as ledger.example/1a2b3c4d")?;
        let organisation = OrganisationId::parse(organisation).ok_or("--organisation takes a UUID in lower case")?;
        let proof = prove_possession(&key, &ledger, organisation, r#use).ok_or("the proof cannot be made")?;
        write!(printed, r#","organisation":"{organisation}","proof":"{proof}""#)?;
    }
    keyring::write_key(&arguments.out, &key)?;
    println!("{printed}}}");
    Ok(ExitCode::SUCCESS)
}
