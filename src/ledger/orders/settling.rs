//! What is due of orders: what nobody paid lapses, what can be retired no more is replaced, and who has paid is served.
//!
//! So much at once and no more, since it is done under the head's lock; what is left stands in the tables for the next one.

use super::Order;
use super::serving::{note_freed, note_waiting, serve};
use super::stock::span_of;
use crate::domain::order::OrderStatus;
use crate::domain::pool::{Span, without};
use crate::domain::time::LedgerTime;
use crate::limits::{ORDERS_LAPSED_MAX, PAGE_ROWS_MAX};
use crate::store::order_units::{self, RESERVED, UnitsRow};
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError, unserved};
use std::collections::{BTreeMap, BTreeSet};

/// What was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Whether something personal was deleted.
    pub(crate) erased: bool,
    /// Whether more is due than one transaction settles.
    pub(crate) is_left: bool,
}

/// Settles what is due; before anything is newly reserved, so that who has paid and waits comes first.
pub(super) fn settle(database: &mut Database, time: LedgerTime) -> Result<Settled, StoreError> {
    let mut settled = lapse(database, time)?;
    if let Some(today) = time.date() {
        let expired = order_units::expired(database, today.as_str(), PAGE_ROWS_MAX)?;
        settled.is_left |= is_full(expired.len(), PAGE_ROWS_MAX);
        settled.erased |= lose(database, time, &expired)?;
    }
    settled.is_left |= serve(database, time)?;
    Ok(settled)
}

/// Ends what nobody has paid in time.
pub(super) fn lapse(database: &mut Database, time: LedgerTime) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let due = orders::due(database, time.ms(), ORDERS_LAPSED_MAX)?;
    settled.is_left = is_full(due.len(), ORDERS_LAPSED_MAX);
    settled.erased = end(database, &due, OrderStatus::Lapsed, time)?;
    Ok(settled)
}

fn is_full(found: usize, most: i64) -> bool {
    i64::try_from(found).is_ok_and(|found| found >= most)
}

/// Whether something is due, without settling it.
pub(super) fn is_due(database: &mut Database, time: LedgerTime) -> Result<bool, StoreError> {
    if !orders::due(database, time.ms(), 1)?.is_empty() || !unserved::some(database, 1)?.is_empty() {
        return Ok(true);
    }
    let Some(today) = time.date() else { return Ok(false) };
    Ok(!order_units::expired(database, today.as_str(), 1)?.is_empty())
}

/// Ends orders, as one: what they were not delivered goes back to the stock, what is personal of them goes. What lapses was over
/// when its time was, or now if that is earlier. Tells whether there was something personal.
pub(super) fn end(
    database: &mut Database,
    rows: &[OrderRow],
    status: OrderStatus,
    time: LedgerTime,
) -> Result<bool, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    order_units::release(database, &ids)?;
    orders::set_over(database, &numbers, status, time.ms())?;
    let sellers: BTreeSet<String> = rows.iter().map(|row| row.seller.clone()).collect();
    note_freed(database, &sellers.into_iter().collect::<Vec<_>>())?;
    for buyer in rows.iter().map(|row| row.buyer.as_str()).collect::<BTreeSet<_>>() {
        orders::keep_newest_dead(database, buyer)?;
    }
    orders::delete_values(database, &ids)
}

/// Units are in stock no more: withdrawn, frozen, failing, or their time is over. Who has paid waits for others, who has not
/// paid orders again. Tells whether something personal was deleted.
pub(super) fn lose(database: &mut Database, time: LedgerTime, lost: &[UnitsRow]) -> Result<bool, StoreError> {
    let concerned: BTreeSet<&String> = lost.iter().map(|row| &row.order_id).collect();
    let concerned: Vec<String> = concerned.into_iter().cloned().collect();
    take_away(database, &concerned, lost)?;
    let (mut unpaid, mut waiting) = (Vec::new(), Vec::new());
    for row in orders::of_ids(database, &concerned)? {
        let order = Order::read(row)?;
        match order.status {
            OrderStatus::Reserved => unpaid.push(order.row),
            OrderStatus::Paid | OrderStatus::Waiting => waiting.push(order),
            _ => {}
        }
    }
    orders::set_waiting(database, &waiting.iter().map(|order| order.row.number).collect::<Vec<_>>())?;
    // Whoever paid first of a centre's has the first turn, and all behind it theirs.
    waiting.sort_by_key(|order| (order.seller, order.row.paid_number));
    waiting.dedup_by_key(|order| order.seller);
    for first in &waiting {
        note_waiting(database, first)?;
    }
    end(database, &unpaid, OrderStatus::Lapsed, time)
}

/// Takes lost units out of what is reserved for the orders that they were reserved for.
fn take_away(database: &mut Database, orders: &[String], lost: &[UnitsRow]) -> Result<(), StoreError> {
    let mut spans: BTreeMap<(&str, &str), Vec<Span>> = BTreeMap::new();
    for row in lost {
        spans.entry((&row.order_id, &row.pool)).or_default().push(span_of(row));
    }
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for row in order_units::of_orders(database, orders)? {
        let lost = spans.get(&(row.order_id.as_str(), row.pool.as_str())).filter(|_| row.entry == RESERVED);
        let left = without(&[span_of(&row)], lost.map(Vec::as_slice).unwrap_or_default());
        if left != [span_of(&row)] {
            kept.extend(left.iter().map(|(first, end)| UnitsRow {
                first_unit: *first,
                last_unit: end - 1,
                ..row.clone()
            }));
            gone.push(row);
        }
    }
    order_units::remove_reserved(database, &gone)?;
    order_units::insert(database, &kept)
}

/// Units that an order has not: neither reserved nor delivered.
pub(super) fn missing_units(database: &mut Database, order: &Order) -> Result<i64, StoreError> {
    let has: i64 = order_units::of_order(database, &order.row.id)?.iter().map(UnitsRow::units).sum();
    Ok(order.row.units - has)
}
