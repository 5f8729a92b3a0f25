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
use crate::store::order_units::{self, UnitsRow};
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError, unserved};
use std::collections::BTreeSet;

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
    for row in due {
        settled.erased |= end(database, &row, OrderStatus::Lapsed, row.until_ms)?;
    }
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

/// Ends an order: what it was not delivered goes back to the stock, what is personal of it goes. Tells whether there was such.
pub(super) fn end(
    database: &mut Database,
    row: &OrderRow,
    status: OrderStatus,
    at_ms: i64,
) -> Result<bool, StoreError> {
    order_units::release(database, &row.id)?;
    orders::set_standing(database, row.number, status, at_ms)?;
    note_freed(database, std::slice::from_ref(&row.seller))?;
    orders::keep_newest_dead(database, &row.buyer)?;
    orders::delete_values(database, &row.id)
}

/// Units are in stock no more: withdrawn, frozen, failing, or their time is over. Who has paid waits for others, who has not
/// paid orders again. Tells whether something personal was deleted.
pub(super) fn lose(database: &mut Database, time: LedgerTime, lost: &[UnitsRow]) -> Result<bool, StoreError> {
    let mut erased = false;
    let concerned: BTreeSet<&str> = lost.iter().map(|row| row.order_id.as_str()).collect();
    for id in concerned {
        let spans = |pool: &str| -> Vec<Span> {
            lost.iter().filter(|row| row.order_id == id && row.pool == pool).map(span_of).collect()
        };
        for row in order_units::of_order(database, id)? {
            if row.entry == order_units::RESERVED {
                keep_only(database, &row, &without(&[span_of(&row)], &spans(&row.pool)))?;
            }
        }
        let Some(row) = orders::find(database, id)? else { continue };
        match Order::read(row)? {
            order if matches!(order.status, OrderStatus::Paid | OrderStatus::Waiting) => {
                orders::set_standing(database, order.row.number, OrderStatus::Waiting, order.row.until_ms)?;
                note_waiting(database, &order)?;
            }
            order if order.status == OrderStatus::Reserved => {
                let at_ms = time.ms().min(order.row.until_ms);
                erased |= end(database, &order.row, OrderStatus::Lapsed, at_ms)?;
            }
            _ => {}
        }
    }
    Ok(erased)
}

/// Leaves of a stretch only some of its units.
fn keep_only(database: &mut Database, row: &UnitsRow, kept: &[Span]) -> Result<(), StoreError> {
    if kept == [span_of(row)] {
        return Ok(());
    }
    order_units::remove(database, row)?;
    let part = |(first, end): &Span| UnitsRow { first_unit: *first, last_unit: end - 1, ..row.clone() };
    order_units::insert(database, &kept.iter().map(part).collect::<Vec<_>>())
}

/// Units that an order has not: neither reserved nor delivered.
pub(super) fn missing_units(database: &mut Database, order: &Order) -> Result<i64, StoreError> {
    let has: i64 = order_units::of_order(database, &order.row.id)?.iter().map(UnitsRow::units).sum();
    Ok(order.row.units - has)
}
