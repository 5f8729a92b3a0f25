//! Bearer tokens: scoped, expiring, revocable, hashed at rest.
//!
//! A token is `llt_<id>_<secret>`. The id finds the row, the secret is compared as SHA-256 in constant time. A token
//! alone is worthless where an organisation signs with its own key.

use crate::domain::fields::codes;
use crate::domain::ids::{ActorId, OrganisationId};
use crate::domain::time::DAY_MS;
use crate::ledger::clock::Clock;
use crate::ledger::keyring;
use crate::store::tokens::{self, TokenRow};
use crate::store::{Store, StoreError};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;

const PREFIX: &str = "llt_";

codes! {
    /// What a token allows.
    pub enum Scope {
        /// Post statements of its own organisation.
        Post = "post",
        /// Post statements of any organisation, which must be signed already.
        Relay = "relay",
        /// Read what concerns its own organisation.
        Read = "read",
        /// Read every entry.
        Audit = "audit",
        /// Make and revoke tokens and hosted keys.
        Admin = "admin",
    }
}

/// Whoever calls, after the token was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For whom it speaks.
    pub organisation: OrganisationId,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// The one person who uses the token: what it posts names that actor.
    pub person: Option<ActorId>,
}

impl Caller {
    /// Whether a scope is there.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Why a token is not accepted; the caller learns no more than this.
#[derive(Debug, thiserror::Error)]
pub enum TokenProblem {
    /// Not of the form, unknown, expired or revoked.
    #[error("the token is unknown, expired or revoked")]
    Invalid,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A token that was just made: the only time that its secret is seen.
#[derive(Debug)]
pub struct NewToken {
    /// The whole token.
    pub token: String,
    /// Its row.
    pub row: TokenRow,
}

fn scopes_to_text(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Reads stored scopes.
pub fn scopes_of(row: &TokenRow) -> BTreeSet<Scope> {
    row.scopes.split(' ').filter_map(Scope::parse).collect()
}

/// Makes a token for whoever speaks for an organisation.
pub fn create(
    store: &Store,
    clock: &Clock,
    organisation: OrganisationId,
    scopes: &BTreeSet<Scope>,
    days: i64,
) -> Result<NewToken, StoreError> {
    create_for(store, clock, (organisation, None), scopes, days)
}

/// Makes a token; with a person it is that one's alone.
pub fn create_for(
    store: &Store,
    clock: &Clock,
    (organisation, person): (OrganisationId, Option<ActorId>),
    scopes: &BTreeSet<Scope>,
    days: i64,
) -> Result<NewToken, StoreError> {
    let no_randomness = |_| StoreError::damaged("no randomness for a token");
    let (id, secret) =
        (keyring::random_secret().map_err(no_randomness)?, keyring::random_secret().map_err(no_randomness)?);
    let (id, secret) = (HEXLOWER.encode(&id[..8]), BASE64URL_NOPAD.encode(&*secret));
    let now_ms = clock.now_ms();
    let row = TokenRow {
        id,
        secret_sha256: Sha256::digest(&secret).to_vec(),
        organisation: organisation.to_string(),
        scopes: scopes_to_text(scopes),
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add(days.saturating_mul(DAY_MS)),
        revoked_ms: None,
        person: person.map(|person| person.to_string()),
    };
    store.write(|database| tokens::insert(database, &row))?;
    Ok(NewToken { token: format!("{PREFIX}{}_{secret}", row.id), row })
}

/// Who calls with this token.
pub fn authenticate(store: &Store, clock: &Clock, token: &str) -> Result<Caller, TokenProblem> {
    let (id, secret) = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(TokenProblem::Invalid)?;
    let row = store.read(|database| tokens::find(database, id))?.ok_or(TokenProblem::Invalid)?;
    let same: bool = Sha256::digest(secret).as_slice().ct_eq(&row.secret_sha256).into();
    let in_force = row.revoked_ms.is_none() && clock.now_ms() < row.expires_ms;
    let organisation = OrganisationId::parse(&row.organisation).ok_or(TokenProblem::Invalid)?;
    let scopes = scopes_of(&row);
    // A person who cannot be read must not turn into nobody: such a token would post for anybody.
    let person = row.person.as_deref().map(|person| ActorId::parse(person).ok_or(TokenProblem::Invalid)).transpose()?;
    (same && in_force).then_some(Caller { organisation, scopes, person }).ok_or(TokenProblem::Invalid)
}
