//! Centres whose stock may hold units for orders that are paid and wait, and how far down their lines these were served.
//!
//! What is left to be served is read from here, so nothing of it depends on the memory of a process.

use crate::store::schema::unserved;
use crate::store::{Database, StoreResult};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

/// Notes that a centre's line is to be served from behind a place among its paid orders; what was noted before is not lost.
pub fn note(database: &mut Database, seller: &str, after: i64) -> StoreResult<()> {
    let before: Option<i64> = unserved::table.find(seller).select(unserved::after).first(database).optional()?;
    match before {
        Some(before) if before <= after => Ok(()),
        Some(_) => set(database, seller, after),
        None => {
            let columns = (unserved::seller.eq(seller), unserved::after.eq(after));
            diesel::insert_into(unserved::table).values(columns).execute(database)?;
            Ok(())
        }
    }
}

/// Writes down how far a centre's line was served.
pub fn set(database: &mut Database, seller: &str, after: i64) -> StoreResult<()> {
    diesel::update(unserved::table.find(seller)).set(unserved::after.eq(after)).execute(database)?;
    Ok(())
}

/// Nobody further in a centre's line can be served.
pub fn forget(database: &mut Database, seller: &str) -> StoreResult<()> {
    diesel::delete(unserved::table.find(seller)).execute(database)?;
    Ok(())
}

/// Some centres whose lines are to be served, each with the place behind which to go on.
pub fn some(database: &mut Database, count: i64) -> StoreResult<Vec<(String, i64)>> {
    Ok(unserved::table.order(unserved::seller.asc()).limit(count).load(database)?)
}
