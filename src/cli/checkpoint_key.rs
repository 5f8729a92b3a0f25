//! `loopledger checkpoint-key`: the key that is to take the checkpoint key's place.

use crate::cli::CommandError;
use crate::cli::ledger_folder::KeyFiles;
use crate::config::Place;
use crate::domain::event::{CheckpointKeyChanged, Common, Event, Statement, TypeName, Version, Vkey};
use crate::domain::ids::StatementId;
use crate::domain::time::{LedgerTime, OccurredAt};
use crate::ledger::clock::Clock;
use crate::ledger::keyring;
use crate::ledger::opening::ledger_in;
use crate::proof::note::NoteVerifier;
use crate::store::Store;
use clap::Args;
use ed25519_dalek::SigningKey;
use std::process::ExitCode;
use uuid::Uuid;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct CheckpointKey {
    #[command(flatten)]
    place: Place,
}

/// Makes the key where it is not made yet, beside the one in force, and prints the payload that puts it in force.
///
/// The publisher signs with both keys as long as it has both and the ledger names both.
pub(super) fn run(arguments: &CheckpointKey) -> Result<ExitCode, CommandError> {
    let store = Store::open_to_read(&arguments.place.database())?;
    let ledger = ledger_in(&store)?.ok_or("this database holds no ledger")?;
    let key = next_key(&KeyFiles::of(&arguments.place.data))?;
    let vkey = NoteVerifier::new(ledger.origin.as_str(), key.verifying_key()).ok_or("the origin cannot name a key")?;
    let now = LedgerTime::from_ms(Clock::system().now_ms()).ok_or("this machine's clock is absurd")?;
    let ill_formed = "the statement cannot be made";
    let common = Common {
        v: Version::ONE,
        ledger: ledger.origin,
        id: StatementId(Uuid::now_v7()),
        org: ledger.operator,
        on_behalf_of: None,
        actor: None,
        site: None,
        r#type: TypeName::parse("checkpoint_key_changed").ok_or(ill_formed)?,
        occurred_at: OccurredAt::parse(&now.to_string()).ok_or(ill_formed)?,
    };
    let event = CheckpointKeyChanged { vkey: Vkey::parse(&vkey.vkey()).ok_or(ill_formed)? };
    println!("{}", Statement { common, event: Event::CheckpointKeyChanged(event) }.to_payload());
    Ok(ExitCode::SUCCESS)
}

/// Made once: the same again prints the same key.
fn next_key(keys: &KeyFiles) -> Result<SigningKey, CommandError> {
    let file = keys.next_checkpoint();
    if file.exists() {
        return Ok(keyring::read_key(&file)?);
    }
    let key = keyring::generate()?;
    keyring::write_key(&file, &key)?;
    Ok(key)
}
