//! Secrets of hosted keys, sealed: the key that opens them is never in the database.

use crate::store::schema::hosted_keys;
use crate::store::{Database, StoreResult};
use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper};

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = hosted_keys)]
pub struct HostedKeyRow {
    /// Thumbprint of the key.
    pub kid: String,
    /// Whose it is.
    pub organisation: String,
    /// What it may sign.
    pub purpose: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_ms: i64,
}

/// Stores a sealed secret.
pub fn insert(database: &mut Database, key: &HostedKeyRow) -> StoreResult<()> {
    diesel::insert_into(hosted_keys::table).values(key).execute(database)?;
    Ok(())
}

/// The sealed secrets of an organisation, newest first.
pub fn of_organisation(database: &mut Database, organisation: &str) -> StoreResult<Vec<HostedKeyRow>> {
    let query = hosted_keys::table
        .filter(hosted_keys::organisation.eq(organisation))
        .order((hosted_keys::created_ms.desc(), hosted_keys::kid.asc()));
    Ok(query.select(HostedKeyRow::as_select()).load(database)?)
}
