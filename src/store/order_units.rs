//! Units of orders: reserved, and after their delivery those that the order got. No unit is reserved for two orders: whoever
//! reserves holds the head's lock and has read what is reserved under it.

use crate::limits::QUERY_BINDS_MAX;
use crate::store::schema::order_units;
use crate::store::{Database, StoreResult};
use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl};
use std::collections::BTreeMap;

/// What stands in place of the entry while units are not delivered.
pub const RESERVED: i64 = -1;

/// Units side by side.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable)]
#[diesel(table_name = order_units)]
pub struct UnitsRow {
    /// The order.
    pub order_id: String,
    /// What their serial numbers begin with.
    pub pool: String,
    /// The first unit.
    pub first_unit: i64,
    /// The last.
    pub last_unit: i64,
    /// The centre that holds them until they are delivered.
    pub seller: String,
    /// The last day on which they can be retired.
    pub expires: String,
    /// The entry that delivered them, or [`RESERVED`].
    pub entry: i64,
}

impl UnitsRow {
    /// How many.
    pub const fn units(&self) -> i64 {
        self.last_unit - self.first_unit + 1
    }
}

/// Adds units.
pub fn insert(database: &mut Database, rows: &[UnitsRow]) -> StoreResult<()> {
    for row in rows {
        diesel::insert_into(order_units::table).values(row).execute(database)?;
    }
    Ok(())
}

/// Takes one stretch out.
pub fn remove(database: &mut Database, row: &UnitsRow) -> StoreResult<()> {
    diesel::delete(order_units::table.find((&row.order_id, &row.pool, row.first_unit, row.entry))).execute(database)?;
    Ok(())
}

/// Takes stretches out that are reserved. No unit is reserved twice, so a first unit is that of one.
pub fn remove_reserved(database: &mut Database, rows: &[UnitsRow]) -> StoreResult<()> {
    let mut of_pools: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for row in rows {
        of_pools.entry(&row.pool).or_default().push(row.first_unit);
    }
    for (pool, units) in of_pools {
        for chunk in units.chunks(QUERY_BINDS_MAX) {
            let reserved = order_units::table
                .filter(order_units::pool.eq(pool))
                .filter(order_units::entry.eq(RESERVED))
                .filter(order_units::first_unit.eq_any(chunk));
            diesel::delete(reserved).execute(database)?;
        }
    }
    Ok(())
}

/// Gives back what is reserved for some orders.
pub fn release(database: &mut Database, orders: &[String]) -> StoreResult<()> {
    for chunk in orders.chunks(QUERY_BINDS_MAX) {
        let reserved =
            order_units::table.filter(order_units::order_id.eq_any(chunk)).filter(order_units::entry.eq(RESERVED));
        diesel::delete(reserved).execute(database)?;
    }
    Ok(())
}

/// The units of an order.
pub fn of_order(database: &mut Database, order: &str) -> StoreResult<Vec<UnitsRow>> {
    of_orders(database, &[order.to_owned()])
}

/// The units of some orders, by pool and unit.
pub fn of_orders(database: &mut Database, orders: &[String]) -> StoreResult<Vec<UnitsRow>> {
    let mut rows: Vec<UnitsRow> = Vec::new();
    for chunk in orders.chunks(QUERY_BINDS_MAX) {
        rows.extend(order_units::table.filter(order_units::order_id.eq_any(chunk)).load::<UnitsRow>(database)?);
    }
    rows.sort_by(|one, other| (&one.pool, one.first_unit).cmp(&(&other.pool, other.first_unit)));
    Ok(rows)
}

/// What is reserved among some units of a pool, from the first to the last.
pub fn reserved_between(database: &mut Database, pool: &str, first: i64, last: i64) -> StoreResult<Vec<UnitsRow>> {
    let reserved = order_units::table
        .filter(order_units::pool.eq(pool))
        .filter(order_units::entry.eq(RESERVED))
        .filter(order_units::last_unit.ge(first))
        .filter(order_units::first_unit.le(last));
    Ok(reserved.load(database)?)
}

/// Some of what is reserved and can be retired no more on a day.
pub fn expired(database: &mut Database, today: &str, count: i64) -> StoreResult<Vec<UnitsRow>> {
    let expired = order_units::table
        .filter(order_units::entry.eq(RESERVED))
        .filter(order_units::expires.lt(today))
        .order((order_units::expires.asc(), order_units::order_id.asc()))
        .limit(count);
    Ok(expired.load(database)?)
}
