//! Orders, which stand outside the ledger. Every write here is made under the head's lock.

use crate::domain::order::OrderStatus;
use crate::limits::{ORDERS_DEAD_OF_ONE_MAX, QUERY_BINDS_MAX};
use crate::store::order_units::RESERVED;
use crate::store::schema::{order_units, order_values, orders};
use crate::store::{Database, StoreResult};
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, JoinOnDsl, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
};
use std::collections::{BTreeMap, BTreeSet};

/// An order. What it does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable)]
#[diesel(table_name = orders)]
pub struct OrderRow {
    /// Its place in the order in which they came.
    pub number: i64,
    /// Its id, made by the buyer.
    pub id: String,
    /// SHA-256 of what was ordered, without what is personal.
    pub content_sha256: Vec<u8>,
    /// Who orders.
    pub buyer: String,
    /// The centre that sells.
    pub seller: String,
    /// How many units.
    pub units: i64,
    /// The devices and the factor behind the units, as JSON.
    pub devices: String,
    /// Preferred country.
    pub country: String,
    /// Preferred centre.
    pub centre: String,
    /// First vintage.
    pub vintage_from: String,
    /// Last vintage.
    pub vintage_until: String,
    /// How it is delivered: a `DeliveryKind`.
    pub delivery: String,
    /// First day of a retirement's period.
    pub period_from: String,
    /// Last day.
    pub period_until: String,
    /// For what it is retired.
    pub purpose_kind: String,
    /// 1 if it may wait for treatment.
    pub advance: i64,
    /// Where it stands: an [`OrderStatus`].
    pub standing: String,
    /// Ledger time at which it came, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it lapses if it is not paid; of one that is over, when that was.
    pub until_ms: i64,
    /// Its place in the order in which they were paid, from 1; 0 before.
    pub paid_number: i64,
    /// When its payment was recorded.
    pub paid_ms: i64,
    /// The payment's reference.
    pub payment: String,
    /// When its buyer asked for the payment back; 0 if it did not.
    pub refund_asked_ms: i64,
    /// When its seller declined that.
    pub refund_declined_ms: i64,
    /// When it was recorded that the payment went back.
    pub refunded_ms: i64,
    /// The reference of that.
    pub refund: String,
    /// 1 if the retirement shall name the buyer as its beneficiary.
    pub names_buyer: i64,
}

const OPEN: [&str; 3] = [OrderStatus::Reserved.as_str(), OrderStatus::Paid.as_str(), OrderStatus::Waiting.as_str()];
const DEAD: [&str; 2] = [OrderStatus::Lapsed.as_str(), OrderStatus::Cancelled.as_str()];

/// How many orders of a buyer are open.
pub fn open_of(database: &mut Database, buyer: &str) -> StoreResult<i64> {
    let open = orders::table.filter(orders::buyer.eq(buyer)).filter(orders::standing.eq_any(OPEN));
    Ok(open.count().get_result(database)?)
}

/// Units of a centre's stock that are reserved for a buyer who has not paid them.
pub fn unpaid_in_stock_of(database: &mut Database, buyer: &str, seller: &str) -> StoreResult<i64> {
    let reserved = order_units::table
        .inner_join(orders::table.on(orders::id.eq(order_units::order_id)))
        .filter(orders::buyer.eq(buyer))
        .filter(orders::seller.eq(seller))
        .filter(orders::standing.eq(OrderStatus::Reserved.as_str()))
        .filter(order_units::entry.eq(RESERVED))
        .select(sql::<Nullable<BigInt>>("CAST(SUM(last_unit - first_unit + 1) AS BIGINT)"));
    Ok(reserved.first::<Option<i64>>(database)?.unwrap_or(0))
}

/// Units of a centre that are held for a buyer who has not paid them, or would be once they are there.
pub fn unpaid_of(database: &mut Database, buyer: &str, seller: &str) -> StoreResult<i64> {
    let unpaid = orders::table
        .filter(orders::buyer.eq(buyer))
        .filter(orders::seller.eq(seller))
        .filter(orders::standing.eq(OrderStatus::Reserved.as_str()))
        .select(orders::units);
    Ok(unpaid.load::<i64>(database)?.into_iter().sum())
}

/// The highest number; 0 if there is none.
pub fn highest_number(database: &mut Database) -> StoreResult<i64> {
    Ok(orders::table.order(orders::number.desc()).select(orders::number).first(database).optional()?.unwrap_or(0))
}

/// The highest place among those that were paid; 0 if there is none.
pub fn highest_paid(database: &mut Database) -> StoreResult<i64> {
    let query = orders::table.order(orders::paid_number.desc()).select(orders::paid_number);
    Ok(query.first(database).optional()?.unwrap_or(0))
}

/// The order of an id.
pub fn find(database: &mut Database, id: &str) -> StoreResult<Option<OrderRow>> {
    Ok(orders::table.filter(orders::id.eq(id)).first(database).optional()?)
}

/// The orders of some ids.
pub fn of_ids(database: &mut Database, ids: &[String]) -> StoreResult<Vec<OrderRow>> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        rows.extend(orders::table.filter(orders::id.eq_any(chunk)).load::<OrderRow>(database)?);
    }
    Ok(rows)
}

/// A page in the order in which they came: everybody's, or those that a party buys or sells.
pub fn page(database: &mut Database, party: Option<&str>, after: i64, count: i64) -> StoreResult<Vec<OrderRow>> {
    let mut query =
        orders::table.filter(orders::number.gt(after)).order(orders::number.asc()).limit(count).into_boxed();
    if let Some(party) = party {
        query = query.filter(orders::buyer.eq(party.to_owned()).or(orders::seller.eq(party.to_owned())));
    }
    Ok(query.load(database)?)
}

/// Some of the orders that nobody had paid when their time was over, first over first.
pub fn due(database: &mut Database, at_ms: i64, count: i64) -> StoreResult<Vec<OrderRow>> {
    let due = orders::table
        .filter(orders::standing.eq(OrderStatus::Reserved.as_str()))
        .filter(orders::until_ms.le(at_ms))
        .order((orders::until_ms.asc(), orders::number.asc()))
        .limit(count);
    Ok(due.load(database)?)
}

/// Those of some orders that nobody had paid when their time was over.
pub fn due_among(database: &mut Database, ids: &[String], at_ms: i64) -> StoreResult<BTreeSet<String>> {
    let mut due = BTreeSet::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        let query = orders::table
            .filter(orders::id.eq_any(chunk))
            .filter(orders::standing.eq(OrderStatus::Reserved.as_str()))
            .filter(orders::until_ms.le(at_ms))
            .select(orders::id);
        due.extend(query.load::<String>(database)?);
    }
    Ok(due)
}

/// Those of some orders that nobody has paid.
pub fn unpaid_among(database: &mut Database, ids: &[String]) -> StoreResult<BTreeSet<String>> {
    due_among(database, ids, i64::MAX)
}

/// Orders of a centre that are paid and wait for units, first paid first, behind a place among the paid ones.
pub fn waiting_of(database: &mut Database, seller: &str, after: i64, count: i64) -> StoreResult<Vec<OrderRow>> {
    let waiting = orders::table
        .filter(orders::seller.eq(seller))
        .filter(orders::standing.eq(OrderStatus::Waiting.as_str()))
        .filter(orders::paid_number.gt(after))
        .order(orders::paid_number.asc())
        .limit(count);
    Ok(waiting.load(database)?)
}

/// Those of some centres for whose units somebody waits who has paid.
pub fn waited_for(database: &mut Database, sellers: &[String]) -> StoreResult<Vec<String>> {
    let mut found = Vec::new();
    for chunk in sellers.chunks(QUERY_BINDS_MAX) {
        let waiting = orders::table
            .filter(orders::seller.eq_any(chunk))
            .filter(orders::standing.eq(OrderStatus::Waiting.as_str()))
            .select(orders::seller)
            .distinct();
        found.extend(waiting.load::<String>(database)?);
    }
    Ok(found)
}

/// Units for which orders of some centres wait, or would if they were paid: advance orders less what they have.
pub fn awaited(database: &mut Database, sellers: &[String]) -> StoreResult<BTreeMap<String, i64>> {
    let (reserved, waiting) = (OrderStatus::Reserved.as_str(), OrderStatus::Waiting.as_str());
    let mut awaited: BTreeMap<String, i64> = BTreeMap::new();
    for chunk in sellers.chunks(QUERY_BINDS_MAX) {
        let is_advance = || orders::standing.eq(waiting).or(orders::standing.eq(reserved).and(orders::advance.eq(1)));
        let wanted = orders::table
            .filter(orders::seller.eq_any(chunk))
            .filter(is_advance())
            .group_by(orders::seller)
            .select((orders::seller, sql::<BigInt>("CAST(SUM(orders.units) AS BIGINT)")));
        for (seller, units) in wanted.load::<(String, i64)>(database)? {
            *awaited.entry(seller).or_default() += units;
        }
        let had = order_units::table
            .inner_join(orders::table.on(orders::id.eq(order_units::order_id)))
            .filter(orders::seller.eq_any(chunk))
            .filter(is_advance())
            .group_by(orders::seller)
            .select((orders::seller, sql::<BigInt>("CAST(SUM(last_unit - first_unit + 1) AS BIGINT)")));
        for (seller, units) in had.load::<(String, i64)>(database)? {
            *awaited.entry(seller).or_default() -= units;
        }
    }
    Ok(awaited)
}

/// Stores a new order, with what is personal of it.
pub fn insert(database: &mut Database, row: &OrderRow, values: &[(String, String)]) -> StoreResult<()> {
    diesel::insert_into(orders::table).values(row).execute(database)?;
    for (pointer, value) in values {
        let columns =
            (order_values::order_id.eq(&row.id), order_values::pointer.eq(pointer), order_values::value.eq(value));
        diesel::insert_into(order_values::table).values(columns).execute(database)?;
    }
    Ok(())
}

/// Writes where an order stands.
pub fn set_standing(database: &mut Database, number: i64, status: OrderStatus, until_ms: i64) -> StoreResult<()> {
    let columns = (orders::standing.eq(status.as_str()), orders::until_ms.eq(until_ms));
    diesel::update(orders::table.find(number)).set(columns).execute(database)?;
    Ok(())
}

/// Writes down that some orders wait.
pub fn set_waiting(database: &mut Database, numbers: &[i64]) -> StoreResult<()> {
    for chunk in numbers.chunks(QUERY_BINDS_MAX) {
        let waiting = orders::standing.eq(OrderStatus::Waiting.as_str());
        diesel::update(orders::table.filter(orders::number.eq_any(chunk))).set(waiting).execute(database)?;
    }
    Ok(())
}

/// Writes down that some orders are over, and since when: what lapsed since its time, unless that is yet to come, all else since now.
pub fn set_over(database: &mut Database, numbers: &[i64], status: OrderStatus, now_ms: i64) -> StoreResult<()> {
    let later_than = if status == OrderStatus::Lapsed { now_ms } else { i64::MIN };
    for chunk in numbers.chunks(QUERY_BINDS_MAX) {
        let some = || orders::table.filter(orders::number.eq_any(chunk));
        diesel::update(some()).set(orders::standing.eq(status.as_str())).execute(database)?;
        let since_now = some().filter(orders::until_ms.gt(later_than));
        diesel::update(since_now).set(orders::until_ms.eq(now_ms)).execute(database)?;
    }
    Ok(())
}

/// Writes down that an order was paid.
pub fn set_paid(database: &mut Database, row: &OrderRow) -> StoreResult<()> {
    let columns = (
        orders::standing.eq(&row.standing),
        orders::paid_number.eq(row.paid_number),
        orders::paid_ms.eq(row.paid_ms),
        orders::payment.eq(&row.payment),
    );
    diesel::update(orders::table.find(row.number)).set(columns).execute(database)?;
    Ok(())
}

/// Writes down what becomes of an order's payment that is asked back.
pub fn set_refund(database: &mut Database, row: &OrderRow) -> StoreResult<()> {
    let columns = (
        orders::refund_asked_ms.eq(row.refund_asked_ms),
        orders::refund_declined_ms.eq(row.refund_declined_ms),
        orders::refunded_ms.eq(row.refunded_ms),
        orders::refund.eq(&row.refund),
    );
    diesel::update(orders::table.find(row.number)).set(columns).execute(database)?;
    Ok(())
}

/// What is personal of an order, by pointer; empty once it is delivered or over.
pub fn values(database: &mut Database, id: &str) -> StoreResult<Vec<(String, String)>> {
    let query = order_values::table
        .filter(order_values::order_id.eq(id))
        .order(order_values::pointer.asc())
        .select((order_values::pointer, order_values::value));
    Ok(query.load(database)?)
}

/// Deletes what is personal of some orders; tells whether there was something.
pub fn delete_values(database: &mut Database, ids: &[String]) -> StoreResult<bool> {
    let mut deleted = 0;
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        deleted +=
            diesel::delete(order_values::table.filter(order_values::order_id.eq_any(chunk))).execute(database)?;
    }
    Ok(deleted > 0)
}

/// Removes a buyer's orders that lapsed or were cancelled, but for the newest.
pub fn keep_newest_dead(database: &mut Database, buyer: &str) -> StoreResult<()> {
    let dead = orders::buyer.eq(buyer).and(orders::standing.eq_any(DEAD));
    let query =
        orders::table.filter(dead).order(orders::number.desc()).offset(ORDERS_DEAD_OF_ONE_MAX).select(orders::number);
    let Some(newest_to_go) = query.first::<i64>(database).optional()? else { return Ok(()) };
    let dead = orders::buyer.eq(buyer).and(orders::standing.eq_any(DEAD));
    diesel::delete(orders::table.filter(dead.and(orders::number.le(newest_to_go)))).execute(database)?;
    Ok(())
}
