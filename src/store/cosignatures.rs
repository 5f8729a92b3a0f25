//! Cosignatures of witnesses beside the checkpoints that they are about.

use crate::store::schema::cosignatures;
use crate::store::{Database, StoreError, StoreResult, database_number};
use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};

/// One witness's newest cosignature of one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCosignature {
    /// Entries of the checkpoint.
    pub size: u64,
    /// The witness's vkey.
    pub witness: String,
    /// When it cosigned, in seconds since 1970.
    pub time: u64,
    /// The signature line, with its line feed.
    pub line: String,
}

type Row = (i64, String, i64, String);

fn read_row((size, witness, time, line): Row) -> StoreResult<StoredCosignature> {
    let damaged = |_| StoreError::damaged(format!("a cosignature of checkpoint {size} is ill-formed"));
    let (size, time) = (u64::try_from(size).map_err(damaged)?, u64::try_from(time).map_err(damaged)?);
    Ok(StoredCosignature { size, witness, time, line })
}

/// Stores a cosignature in the place of an earlier one of the same witness and checkpoint.
pub fn put(database: &mut Database, cosignature: &StoredCosignature) -> StoreResult<()> {
    let size = database_number(cosignature.size)?;
    let (time, line) =
        (cosignatures::time.eq(database_number(cosignature.time)?), cosignatures::line.eq(&cosignature.line));
    let before = cosignatures::table.find((size, &cosignature.witness));
    if diesel::update(before).set((time, line)).execute(database)? == 0 {
        let key = (cosignatures::size.eq(size), cosignatures::witness.eq(&cosignature.witness));
        diesel::insert_into(cosignatures::table).values((key, time, line)).execute(database)?;
    }
    Ok(())
}

/// All cosignatures of one checkpoint, in the order of the witnesses' keys.
pub fn of_checkpoint(database: &mut Database, size: u64) -> StoreResult<Vec<StoredCosignature>> {
    let query = cosignatures::table
        .filter(cosignatures::size.eq(database_number(size)?))
        .order((cosignatures::size.asc(), cosignatures::witness.asc()));
    query.load::<Row>(database)?.into_iter().map(read_row).collect()
}

/// A page of all cosignatures, in the order of sizes and witnesses.
pub fn page(database: &mut Database, after: (u64, &str), count: i64) -> StoreResult<Vec<StoredCosignature>> {
    let size = database_number(after.0)?;
    let same = cosignatures::size.eq(size).and(cosignatures::witness.gt(after.1));
    let query = cosignatures::table
        .filter(cosignatures::size.gt(size).or(same))
        .order((cosignatures::size.asc(), cosignatures::witness.asc()))
        .limit(count);
    query.load::<Row>(database)?.into_iter().map(read_row).collect()
}

/// Cosignatures of checkpoints from one size to another, the largest first, at most so many.
pub fn newest_between(
    database: &mut Database,
    from: u64,
    to: u64,
    at_most: i64,
) -> StoreResult<Vec<StoredCosignature>> {
    let query = cosignatures::table
        .filter(cosignatures::size.ge(database_number(from)?))
        .filter(cosignatures::size.le(database_number(to)?))
        .order((cosignatures::size.desc(), cosignatures::witness.asc()))
        .limit(at_most);
    query.load::<Row>(database)?.into_iter().map(read_row).collect()
}
