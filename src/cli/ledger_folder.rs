//! The folder of a ledger: its keys, what lies beside it, and the making of a new one.

use crate::cli::CommandError;
use crate::config::Serving;
use crate::domain::ids::{OrganisationId, Origin, StatementId};
use crate::ledger::clock::Clock;
use crate::ledger::keyring;
use crate::ledger::opening::{self, Founding};
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
    let (operator_key, recovery_key, checkpoint_key) =
        (keyring::generate()?, keyring::generate()?, keyring::generate()?);
    keyring::write_key(&keys.operator(), &operator_key)?;
    keyring::write_key(&keys.recovery(), &recovery_key)?;
    keyring::write_key(&keys.checkpoint(), &checkpoint_key)?;
    let origin = match &serving.origin {
        Some(origin) => origin.clone(),
        None => random_origin()?,
    };
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
        for file in [keys.operator(), keys.recovery(), keys.checkpoint()] {
            fs::remove_file(file)?;
        }
        return Err(error.into());
    }
    Ok((origin, operator))
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

/// The node that has the checkpoint key publishes; every other one follows.
pub(super) fn publishing(
    serving: &Serving,
    keys: &KeyFiles,
    origin: &Origin,
) -> Result<Option<(SigningKey, PathBuf)>, CommandError> {
    if !keys.checkpoint().exists() {
        return Ok(None);
    }
    let key = keyring::read_key(&keys.checkpoint())?;
    let guard = serving.guard.clone().unwrap_or_else(|| outside(&serving.place.data, origin, ""));
    Ok(Some((key, guard)))
}

/// A file beside the data folder, never in it, so that no backup of the one has the other; named after the ledger, so
/// that a new ledger never meets an old one's.
fn outside(data: &Path, origin: &Origin, ending: &str) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = origin.as_str().replace(['/', ':'], "_");
    absolute.with_file_name(format!("{name}.guard")).join(file + ending)
}
