//! Entries: inserted once, read by index or by the identity of their statement.

use crate::domain::ids::{EntryIndex, OrganisationId, StatementId};
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::merkle::TreeHash;
use crate::store::backend::{self, EntryRow};
use crate::store::schema::entries;
use crate::store::{Database, StoreError, StoreResult};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::BTreeMap;

/// The key of idempotency.
pub type Identity = (OrganisationId, StatementId);

/// An entry to be stored.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its place.
    pub index: EntryIndex,
    /// Its one byte form.
    pub bytes: Vec<u8>,
    /// Its hash in the tree.
    pub leaf_hash: TreeHash,
    /// Who said it, and its id.
    pub identity: Identity,
    /// SHA-256 of the payload.
    pub payload_sha256: [u8; 32],
    /// Warnings as a JSON list.
    pub warnings: String,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place.
    pub index: EntryIndex,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its hash in the tree, as stored.
    pub leaf_hash: TreeHash,
    /// SHA-256 of the payload, as stored.
    pub payload_sha256: Vec<u8>,
    /// Warnings as a JSON list.
    pub warnings: String,
}

fn database_index(index: u64) -> StoreResult<i64> {
    i64::try_from(index).map_err(|_| StoreError::damaged("an index beyond the database's range"))
}

/// Stores entries; the primary key and the identity's index refuse a second one.
pub fn insert(connection: &mut Database, new: &[NewEntry]) -> StoreResult<()> {
    let row = |entry: &NewEntry| {
        Ok(EntryRow {
            idx: database_index(entry.index.0)?,
            bytes: entry.bytes.clone(),
            leaf_hash: entry.leaf_hash.0.to_vec(),
            organisation: entry.identity.0.0.as_bytes().to_vec(),
            statement_id: entry.identity.1.0.as_bytes().to_vec(),
            payload_sha256: entry.payload_sha256.to_vec(),
            warnings: entry.warnings.clone(),
        })
    };
    let rows: Vec<EntryRow> = new.iter().map(row).collect::<StoreResult<_>>()?;
    backend::insert_entries(connection, &rows)
}

type Row = (i64, Vec<u8>, Vec<u8>, Vec<u8>, String);
type Columns = (entries::idx, entries::bytes, entries::leaf_hash, entries::payload_sha256, entries::warnings);

const COLUMNS: Columns = (entries::idx, entries::bytes, entries::leaf_hash, entries::payload_sha256, entries::warnings);

fn read_row((idx, bytes, leaf_hash, payload_sha256, warnings): Row) -> StoreResult<StoredEntry> {
    let damaged = || StoreError::damaged(format!("entry {idx} cannot be read"));
    let index = EntryIndex(u64::try_from(idx).map_err(|_| damaged())?);
    let leaf_hash = TreeHash::from_slice(&leaf_hash).ok_or_else(damaged)?;
    Ok(StoredEntry { index, bytes, leaf_hash, payload_sha256, warnings })
}

/// The entry of an index.
pub fn find(connection: &mut Database, index: EntryIndex) -> StoreResult<Option<StoredEntry>> {
    let row = entries::table.find(database_index(index.0)?).select(COLUMNS).first::<Row>(connection).optional()?;
    row.map(read_row).transpose()
}

/// Up to `count` entries from an index on, in order.
pub fn page(connection: &mut Database, from: EntryIndex, count: i64) -> StoreResult<Vec<StoredEntry>> {
    let query = entries::table.filter(entries::idx.ge(database_index(from.0)?)).order(entries::idx.asc()).limit(count);
    query.select(COLUMNS).load::<Row>(connection)?.into_iter().map(read_row).collect()
}

/// The leaf hashes of `from..to`, in order.
pub fn leaf_hashes(connection: &mut Database, from: u64, to: u64) -> StoreResult<Vec<TreeHash>> {
    let query = entries::table
        .filter(entries::idx.ge(database_index(from)?))
        .filter(entries::idx.lt(database_index(to)?))
        .order(entries::idx.asc());
    let rows: Vec<Vec<u8>> = query.select(entries::leaf_hash).load(connection)?;
    let hashes: Option<Vec<_>> = rows.iter().map(|row| TreeHash::from_slice(row)).collect();
    hashes.ok_or_else(|| StoreError::damaged("a leaf hash has not 32 bytes"))
}

/// The stored entries of these identities.
pub fn find_by_identity(
    connection: &mut Database,
    identities: &[Identity],
) -> StoreResult<BTreeMap<Identity, StoredEntry>> {
    let mut found = BTreeMap::new();
    for chunk in identities.chunks(QUERY_BINDS_MAX) {
        let ids: Vec<&[u8]> = chunk.iter().map(|(_, statement)| statement.0.as_bytes().as_slice()).collect();
        let rows: Vec<(Vec<u8>, Vec<u8>, Row)> = entries::table
            .filter(entries::statement_id.eq_any(ids))
            .select((entries::organisation, entries::statement_id, COLUMNS))
            .load(connection)?;
        for (organisation, statement, row) in rows {
            let ids = (uuid::Uuid::from_slice(&organisation), uuid::Uuid::from_slice(&statement));
            let (Ok(organisation), Ok(statement)) = ids else {
                return Err(StoreError::damaged(format!("entry {} has ill-formed ids", row.0)));
            };
            found.insert((OrganisationId(organisation), StatementId(statement)), read_row(row)?);
        }
    }
    Ok(found)
}
