//! Entries: inserted once, read by index or by the identity of their statement.

use crate::domain::ids::{EntryIndex, OrganisationId, StatementId};
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::merkle::TreeHash;
use crate::store::bulk::{self, EntryRow};
use crate::store::schema::entries;
use crate::store::{Database, StoreError, StoreResult, database_number};
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
    /// Who said it, and its id, as stored.
    pub identity: Identity,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its hash in the tree, as stored.
    pub leaf_hash: TreeHash,
    /// SHA-256 of the payload, as stored.
    pub payload_sha256: Vec<u8>,
    /// Warnings as a JSON list.
    pub warnings: String,
}

/// Stores entries; the primary key and the identity's index refuse a second one.
pub fn insert(database: &mut Database, new: &[NewEntry]) -> StoreResult<()> {
    let row = |entry: &NewEntry| {
        Ok(EntryRow {
            idx: database_number(entry.index.0)?,
            bytes: entry.bytes.clone(),
            leaf_hash: entry.leaf_hash.0.to_vec(),
            organisation: entry.identity.0.0.as_bytes().to_vec(),
            statement_id: entry.identity.1.0.as_bytes().to_vec(),
            payload_sha256: entry.payload_sha256.to_vec(),
            warnings: entry.warnings.clone(),
        })
    };
    let rows: Vec<EntryRow> = new.iter().map(row).collect::<StoreResult<_>>()?;
    bulk::insert_entries(database, &rows)
}

type Row = (i64, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, String);

fn read_row(
    (idx, bytes, leaf_hash, organisation, statement, payload_sha256, warnings): Row,
) -> StoreResult<StoredEntry> {
    let damaged = || StoreError::damaged(format!("entry {idx} cannot be read"));
    let uuid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).map_err(|_| damaged());
    Ok(StoredEntry {
        index: EntryIndex(u64::try_from(idx).map_err(|_| damaged())?),
        identity: (OrganisationId(uuid(&organisation)?), StatementId(uuid(&statement)?)),
        bytes,
        leaf_hash: TreeHash::from_slice(&leaf_hash).ok_or_else(damaged)?,
        payload_sha256,
        warnings,
    })
}

/// The entry of an index.
pub fn find(database: &mut Database, index: EntryIndex) -> StoreResult<Option<StoredEntry>> {
    // No entry can stand beyond the database's range.
    let Ok(index) = i64::try_from(index.0) else { return Ok(None) };
    let row = entries::table.find(index).first::<Row>(database).optional()?;
    row.map(read_row).transpose()
}

/// The entries of these indexes, in order.
pub fn find_many(database: &mut Database, indexes: &[EntryIndex]) -> StoreResult<Vec<StoredEntry>> {
    let mut found = Vec::with_capacity(indexes.len());
    for chunk in indexes.chunks(QUERY_BINDS_MAX) {
        let ids = chunk.iter().map(|index| database_number(index.0)).collect::<StoreResult<Vec<_>>>()?;
        let rows = entries::table.filter(entries::idx.eq_any(ids)).order(entries::idx.asc()).load::<Row>(database)?;
        found.extend(rows.into_iter().map(read_row).collect::<StoreResult<Vec<_>>>()?);
    }
    Ok(found)
}

/// Up to `count` entries from an index on, in order.
pub fn page(database: &mut Database, from: EntryIndex, count: i64) -> StoreResult<Vec<StoredEntry>> {
    let Ok(from) = i64::try_from(from.0) else { return Ok(Vec::new()) };
    let query = entries::table.filter(entries::idx.ge(from)).order(entries::idx.asc()).limit(count);
    query.load::<Row>(database)?.into_iter().map(read_row).collect()
}

/// The leaf hashes of `from..to`, in order.
pub fn leaf_hashes(database: &mut Database, from: u64, to: u64) -> StoreResult<Vec<TreeHash>> {
    let query = entries::table
        .filter(entries::idx.ge(database_number(from)?))
        .filter(entries::idx.lt(database_number(to)?))
        .order(entries::idx.asc());
    let rows: Vec<Vec<u8>> = query.select(entries::leaf_hash).load(database)?;
    let hashes: Option<Vec<_>> = rows.iter().map(|row| TreeHash::from_slice(row)).collect();
    hashes.ok_or_else(|| StoreError::damaged("a leaf hash has not 32 bytes"))
}

/// The stored entries of these identities.
pub fn find_by_identity(
    database: &mut Database,
    identities: &[Identity],
) -> StoreResult<BTreeMap<Identity, StoredEntry>> {
    let mut found = BTreeMap::new();
    for chunk in identities.chunks(QUERY_BINDS_MAX) {
        let ids: Vec<&[u8]> = chunk.iter().map(|(_, statement)| statement.0.as_bytes().as_slice()).collect();
        let query = entries::table.filter(entries::statement_id.eq_any(ids));
        for row in query.load::<Row>(database)? {
            let stored = read_row(row)?;
            found.insert(stored.identity, stored);
        }
    }
    Ok(found)
}

/// The indexes at which these identities stand, of those that stand anywhere.
pub fn indexes_of(database: &mut Database, identities: &[Identity]) -> StoreResult<BTreeMap<Identity, EntryIndex>> {
    let mut found = BTreeMap::new();
    for chunk in identities.chunks(QUERY_BINDS_MAX) {
        let ids: Vec<&[u8]> = chunk.iter().map(|(_, statement)| statement.0.as_bytes().as_slice()).collect();
        let query = entries::table.filter(entries::statement_id.eq_any(ids));
        let columns = (entries::organisation, entries::statement_id, entries::idx);
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = query.select(columns).load(database)?;
        for (organisation, statement, idx) in rows {
            let damaged = || StoreError::damaged(format!("entry {idx} cannot be read"));
            let uuid = |bytes: &[u8]| uuid::Uuid::from_slice(bytes).map_err(|_| damaged());
            let identity = (OrganisationId(uuid(&organisation)?), StatementId(uuid(&statement)?));
            found.insert(identity, EntryIndex(u64::try_from(idx).map_err(|_| damaged())?));
        }
    }
    Ok(found)
}
