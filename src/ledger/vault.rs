//! Hosted keys: the service signs for those who cannot keep a key.
//!
//! Secrets are sealed (XChaCha20-Poly1305) under a key from the configuration, so neither the database nor a backup of
//! it can sign. The thumbprint is bound as associated data: a sealed secret moved to another row does not open.

use crate::domain::codes::{KeyCustody, KeyUse};
use crate::domain::event::{Jwk, KeyProof};
use crate::domain::ids::{OrganisationId, Origin};
use crate::domain::state::Record;
use crate::ledger::keyring;
use crate::proof::statement;
use crate::store::hosted_keys::{self, HostedKeyRow};
use crate::store::{Store, StoreError, records};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// What a new hosted key needs to be registered by a `key_registered` statement.
#[derive(Debug, Clone)]
pub struct HostedKey {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// The public key.
    pub jwk: Jwk,
    /// What it may sign.
    pub r#use: KeyUse,
    /// Proof that the service holds its secret.
    pub proof: KeyProof,
}

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The organisation has no hosted key in force.
    #[error("this organisation has no hosted key in force; sign with its own key, or have a hosted one registered")]
    NoHostedKey,
    /// A secret does not open, or randomness failed.
    #[error("a hosted key cannot be used: {0}")]
    Broken(&'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The sealed secrets and the key that opens them.
pub struct Vault {
    store: Arc<Store>,
    sealing_key: Zeroizing<[u8; 32]>,
}

impl Vault {
    /// A vault over a database.
    pub const fn new(store: Arc<Store>, sealing_key: Zeroizing<[u8; 32]>) -> Self {
        Self { store, sealing_key }
    }

    /// Makes a key for an organisation and stores its secret sealed. It signs once it is registered on the ledger.
    pub fn create(
        &self,
        ledger: &Origin,
        organisation: OrganisationId,
        r#use: KeyUse,
        now_ms: i64,
    ) -> Result<HostedKey, VaultError> {
        let key = keyring::generate().map_err(|_| VaultError::Broken("no randomness"))?;
        let jwk = keyring::public_jwk(&key).map_err(|_| VaultError::Broken("no JWK"))?;
        let kid = jwk.thumbprint().to_string();
        let proof = statement::prove_possession(&key, ledger, organisation, r#use);
        let row = HostedKeyRow {
            sealed: self.seal(&kid, &key)?,
            kid,
            organisation: organisation.to_string(),
            purpose: r#use.to_string(),
            created_ms: now_ms,
        };
        self.store.write(|database| hosted_keys::insert(database, &row))?;
        let proof = proof.ok_or(VaultError::Broken("no proof of possession"))?;
        Ok(HostedKey { organisation, jwk, r#use, proof })
    }

    /// Signs a payload's bytes, as posted, with the organisation's newest hosted key in force.
    pub fn sign(&self, organisation: OrganisationId, payload: &[u8]) -> Result<String, VaultError> {
        let rows = self.store.read(|database| {
            let rows = hosted_keys::of_organisation(database, &organisation.to_string())?;
            let ids: Vec<String> = rows.iter().map(|row| row.kid.clone()).collect();
            let known = records::load(database, &ids)?;
            Ok::<_, StoreError>(
                rows.into_iter().filter(|row| known.iter().any(|record| in_force(record, row))).collect(),
            )
        });
        let rows: Vec<HostedKeyRow> = rows?;
        let newest = rows.first().ok_or(VaultError::NoHostedKey)?;
        let key = self.open(newest)?;
        statement::sign(&key, payload).ok_or(VaultError::Broken("no signature"))
    }

    fn seal(&self, kid: &str, key: &SigningKey) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::Broken("no randomness"))?;
        let payload = Payload { msg: key.as_bytes(), aad: kid.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| VaultError::Broken("the secret cannot be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, row: &HostedKeyRow) -> Result<SigningKey, VaultError> {
        let broken = VaultError::Broken("the secret does not open under the configured sealing key");
        let Some((nonce, sealed)) = row.sealed.split_first_chunk::<NONCE_BYTES>() else { return Err(broken) };
        let payload = Payload { msg: sealed, aad: row.kid.as_bytes() };
        let Ok(secret) = self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new) else {
            return Err(broken);
        };
        secret.as_slice().try_into().map(SigningKey::from_bytes).map_err(|_| broken)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.sealing_key).into())
    }
}

fn in_force(record: &Record, row: &HostedKeyRow) -> bool {
    let Record::Key(key) = record else { return false };
    key.kid.to_string() == row.kid
        && key.revoked.is_none()
        && key.custody == KeyCustody::Hosted
        && key.r#use == KeyUse::Statement
}
