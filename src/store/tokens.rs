//! Bearer tokens, hashed at rest.

use crate::store::schema::tokens;
use crate::store::{Database, StoreResult};
use diesel::SelectableHelper;
use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable};

/// A token as it is stored: its secret only as SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = tokens)]
pub struct TokenRow {
    /// Public part, by which it is found and revoked.
    pub id: String,
    /// SHA-256 of the secret part.
    pub secret_sha256: Vec<u8>,
    /// For whom it posts and reads.
    pub organisation: String,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// When it was made.
    pub created_ms: i64,
    /// From when on it is void.
    pub expires_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// The one person who uses it, by an opaque id.
    pub person: Option<String>,
}

/// Stores a new token.
pub fn insert(database: &mut Database, token: &TokenRow) -> StoreResult<()> {
    diesel::insert_into(tokens::table).values(token).execute(database)?;
    Ok(())
}

/// The token of an id.
pub fn find(database: &mut Database, id: &str) -> StoreResult<Option<TokenRow>> {
    Ok(tokens::table.find(id).select(TokenRow::as_select()).first(database).optional()?)
}

/// A page of tokens in the order of their ids.
pub fn page(database: &mut Database, after: &str, count: i64) -> StoreResult<Vec<TokenRow>> {
    let query = tokens::table.filter(tokens::id.gt(after)).order(tokens::id.asc()).limit(count);
    Ok(query.select(TokenRow::as_select()).load(database)?)
}

/// Revokes a token; tells whether there was one in force.
pub fn revoke(database: &mut Database, id: &str, now_ms: i64) -> StoreResult<bool> {
    let in_force = tokens::table.find(id).filter(tokens::revoked_ms.is_null());
    let written = diesel::update(in_force).set(tokens::revoked_ms.eq(Some(now_ms))).execute(database)?;
    Ok(written == 1)
}
