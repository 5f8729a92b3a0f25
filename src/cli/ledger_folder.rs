//! The folder of a ledger: its keys, what lies beside it, and the making of a new one.

use crate::cli::CommandError;
use crate::config::{GuardPlace, Place, Serving, object_store_environment};
use crate::domain::ids::{OrganisationId, Origin, StatementId};
use crate::ledger::clock::Clock;
use crate::ledger::guard::{Guard, GuardUrl};
use crate::ledger::keyring;
use crate::ledger::opening::{self, Founding};
use crate::ledger::publisher::Publishing;
use crate::ledger::tokens::Scope;
use crate::store::Store;
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The files of a data folder.
pub(super) struct KeyFiles(PathBuf);

impl KeyFiles {
    pub(super) fn of(data: &Path) -> Self {
        Self(data.join("keys"))
    }

    pub(super) fn operator(&self) -> PathBuf {
        self.0.join("operator.json")
    }

    pub(super) fn recovery(&self) -> PathBuf {
        self.0.join("recovery.json")
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.json")
    }

    /// The key that is to take the checkpoint key's place; both sign while the ledger names both.
    pub(super) fn next_checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint-next.json")
    }
}

/// Makes the ledger: keys first, then index 0; gives its name and its operator.
///
/// If it fails the keys go again. If we crash after the keys, the next start finds keys and no ledger and says so;
/// nothing was acknowledged.
pub(super) fn found(
    store: &Store,
    clock: &Clock,
    serving: &Serving,
    keys: &KeyFiles,
) -> Result<(Origin, OrganisationId), CommandError> {
    if keys.operator().exists() || keys.checkpoint().exists() {
        let folder = keys.0.display();
        let cure = "put the database back; or, if nothing was ever posted to it, move the keys away to begin anew";
        return Err(format!("{folder} holds the keys of a ledger, but the database is empty: {cure}").into());
    }
    let origin = match &serving.origin {
        Some(origin) => origin.clone(),
        None => random_origin()?,
    };
    require_unused_guard(serving, &origin)?;
    let (operator_key, recovery_key, checkpoint_key) =
        (keyring::generate()?, keyring::generate()?, keyring::generate()?);
    keyring::write_key(&keys.operator(), &operator_key)?;
    keyring::write_key(&keys.recovery(), &recovery_key)?;
    keyring::write_key(&keys.checkpoint(), &checkpoint_key)?;
    let operator = OrganisationId(Uuid::now_v7());
    let founding = Founding {
        origin: origin.clone(),
        test: serving.test_ledger,
        operator,
        statement: StatementId(Uuid::now_v7()),
        operator_key: &operator_key,
        recovery_key: &recovery_key,
        checkpoint_key: &checkpoint_key,
    };
    if let Err(error) = opening::found(store, clock, &founding) {
        // A commit whose outcome is unknown may have happened: then these are the ledger's keys.
        if opening::ledger_in(store)?.is_some_and(|ledger| ledger.operator == operator) {
            return Ok((origin, operator));
        }
        for file in [keys.operator(), keys.recovery(), keys.checkpoint()] {
            fs::remove_file(file)?;
        }
        return Err(error.into());
    }
    Ok((origin, operator))
}

/// A guard that holds a checkpoint while the database is empty: the database was deleted, or the guard is another ledger's.
fn require_unused_guard(serving: &Serving, origin: &Origin) -> Result<(), CommandError> {
    let guard = open_guard(&serving.place, &serving.guard, origin)?;
    let Some(note) = guard.read()? else { return Ok(()) };
    let held: Vec<&str> = note.lines().take(2).collect();
    let what =
        format!("the database is empty, but the guard {} holds a checkpoint of {}", guard.url(), held.join(", size "));
    let cure = "put the database back (README, \"The guard is ahead of the database\"), or give a new ledger a guard of its own";
    Err(format!("{what}: {cure}").into())
}

/// Everything that a token of the operator may do.
pub(super) fn operator_scopes() -> BTreeSet<Scope> {
    [Scope::Post, Scope::Relay, Scope::Read, Scope::Audit, Scope::Admin].into()
}

fn random_origin() -> Result<Origin, CommandError> {
    let secret = keyring::random_secret()?;
    let origin = format!("loopledger.local/{}", HEXLOWER.encode(&secret[..4]));
    Origin::parse(&origin).ok_or_else(|| "the origin is ill-formed".into())
}

/// From the configuration, else from a file beside the data folder, which the first start makes. It is never made anew
/// for a ledger that exists: the keys that it sealed would be lost.
pub(super) fn sealing_key(
    serving: &Serving,
    origin: &Origin,
    is_new: bool,
) -> Result<Zeroizing<[u8; 32]>, CommandError> {
    let file = outside(&serving.place.data, origin, ".sealing-key");
    let hex = match &serving.sealing_key {
        Some(hex) => Zeroizing::new(hex.clone()),
        None if file.exists() => Zeroizing::new(fs::read_to_string(&file)?),
        None if is_new => {
            let hex = Zeroizing::new(HEXLOWER.encode(&*keyring::random_secret()?) + "\n");
            keyring::write_private(&file, &hex)?;
            hex
        }
        None => {
            let file = file.display();
            let cure = "give it with --sealing-key, the same on every node, or put the file back";
            return Err(format!("the sealing key {file} is missing: {cure}").into());
        }
    };
    let bytes = HEXLOWER.decode(hex.trim().as_bytes()).ok().map(Zeroizing::new);
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
    bytes.map(Zeroizing::new).ok_or_else(|| "the sealing key must be 64 hex digits".into())
}

/// The node that has a checkpoint key publishes; every other one follows.
pub(super) fn publishing(
    serving: &Serving,
    keys: &KeyFiles,
    origin: &Origin,
) -> Result<Option<Publishing>, CommandError> {
    let files = [keys.checkpoint(), keys.next_checkpoint()];
    let keys: Vec<SigningKey> =
        files.iter().filter(|file| file.exists()).map(|file| keyring::read_key(file)).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Ok(None);
    }
    Ok(Some(Publishing { keys, guard: open_guard(&serving.place, &serving.guard, origin)? }))
}

/// The guard that is told, or the file beside the data folder.
pub(super) fn open_guard(place: &Place, told: &GuardPlace, origin: &Origin) -> Result<Guard, CommandError> {
    let url = told.guard.clone().unwrap_or_else(|| GuardUrl::File(outside(&place.data, origin, "")));
    Ok(Guard::open(&url, origin, object_store_environment())?)
}

/// A file beside the data folder, never in it, so that no backup of the one has the other; named after the ledger, so
/// that a new ledger never meets an old one's.
fn outside(data: &Path, origin: &Origin, ending: &str) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = origin.as_str().replace(['/', ':'], "_");
    absolute.with_file_name(format!("{name}.guard")).join(file + ending)
}
