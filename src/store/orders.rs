//! Orders, which stand outside the ledger. Every write here is made under the head's lock.

use crate::domain::order::OrderStatus;
use crate::limits::ORDERS_DEAD_OF_ONE_MAX;
use crate::store::schema::{order_values, orders};
use crate::store::{Database, StoreResult};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
};

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
}

const OPEN: [&str; 3] = [OrderStatus::Reserved.as_str(), OrderStatus::Paid.as_str(), OrderStatus::Waiting.as_str()];
const DEAD: [&str; 2] = [OrderStatus::Lapsed.as_str(), OrderStatus::Cancelled.as_str()];

/// Whether some order is open.
pub fn any_open(database: &mut Database) -> StoreResult<bool> {
    let first: Option<i64> =
        orders::table.filter(orders::standing.eq_any(OPEN)).select(orders::number).first(database).optional()?;
    Ok(first.is_some())
}

/// How many orders of a buyer are open.
pub fn open_of(database: &mut Database, buyer: &str) -> StoreResult<i64> {
    let open = orders::table.filter(orders::buyer.eq(buyer)).filter(orders::standing.eq_any(OPEN));
    Ok(open.count().get_result(database)?)
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

/// A page in the order in which they came: everybody's, or those that a party buys or sells.
pub fn page(database: &mut Database, party: Option<&str>, after: i64, count: i64) -> StoreResult<Vec<OrderRow>> {
    let mut query =
        orders::table.filter(orders::number.gt(after)).order(orders::number.asc()).limit(count).into_boxed();
    if let Some(party) = party {
        query = query.filter(orders::buyer.eq(party.to_owned()).or(orders::seller.eq(party.to_owned())));
    }
    Ok(query.load(database)?)
}

/// Orders that nobody had paid when their time was over.
pub fn due(database: &mut Database, at_ms: i64) -> StoreResult<Vec<OrderRow>> {
    let due = orders::table
        .filter(orders::standing.eq(OrderStatus::Reserved.as_str()))
        .filter(orders::until_ms.le(at_ms))
        .order(orders::number.asc());
    Ok(due.load(database)?)
}

/// Paid orders that wait for units, first paid first.
pub fn waiting(database: &mut Database) -> StoreResult<Vec<OrderRow>> {
    let waiting =
        orders::table.filter(orders::standing.eq(OrderStatus::Waiting.as_str())).order(orders::paid_number.asc());
    Ok(waiting.load(database)?)
}

/// Orders of a seller that wait for units, and advance orders that may come to.
pub fn advance_of(database: &mut Database, seller: &str) -> StoreResult<Vec<OrderRow>> {
    let (reserved, waiting) = (OrderStatus::Reserved.as_str(), OrderStatus::Waiting.as_str());
    let in_advance = orders::standing.eq(reserved).and(orders::advance.eq(1));
    let advance = orders::table.filter(orders::seller.eq(seller)).filter(orders::standing.eq(waiting).or(in_advance));
    Ok(advance.load(database)?)
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

/// What is personal of an order, by pointer; empty once it is delivered or over.
pub fn values(database: &mut Database, id: &str) -> StoreResult<Vec<(String, String)>> {
    let query = order_values::table
        .filter(order_values::order_id.eq(id))
        .order(order_values::pointer.asc())
        .select((order_values::pointer, order_values::value));
    Ok(query.load(database)?)
}

/// Deletes what is personal of an order; tells whether there was something.
pub fn delete_values(database: &mut Database, id: &str) -> StoreResult<bool> {
    Ok(diesel::delete(order_values::table.filter(order_values::order_id.eq(id))).execute(database)? > 0)
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
