//! What is due of orders: what nobody paid lapses, and what appears in stock goes to those who have paid and wait.

use super::Order;
use super::stock::{Wanted, gather, reserve, span_of};
use crate::domain::order::OrderStatus;
use crate::domain::pool::{Span, without};
use crate::domain::time::LedgerTime;
use crate::store::order_units::{self, UnitsRow};
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError};
use std::collections::BTreeSet;

/// What was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Whether something personal was deleted.
    pub(crate) erased: bool,
    /// Whether units were given back.
    pub(crate) freed: bool,
}

/// Settles everything that is due; before anything is newly reserved, so that who has paid and waits comes first.
pub(super) fn settle(database: &mut Database, time: LedgerTime) -> Result<Settled, StoreError> {
    let mut settled = lapse(database, time)?;
    if let Some(today) = time.date() {
        let expired = order_units::expired(database, today.as_str())?;
        settled.erased |= lose(database, time, &expired)?;
    }
    give_to_waiting(database, time)?;
    Ok(settled)
}

/// Ends what nobody has paid in time.
pub(super) fn lapse(database: &mut Database, time: LedgerTime) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    for row in orders::due(database, time.ms())? {
        settled.freed = true;
        settled.erased |= end(database, &row, OrderStatus::Lapsed, row.until_ms)?;
    }
    Ok(settled)
}

/// Ends an order without a delivery: its units are given back, what is personal of it goes. Tells whether there was such.
pub(super) fn end(
    database: &mut Database,
    row: &OrderRow,
    status: OrderStatus,
    at_ms: i64,
) -> Result<bool, StoreError> {
    order_units::release(database, &row.id)?;
    orders::set_standing(database, row.number, status, at_ms)?;
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
            order if order.status == OrderStatus::Paid => {
                orders::set_standing(database, order.row.number, OrderStatus::Waiting, order.row.until_ms)?;
            }
            order if order.status == OrderStatus::Reserved => {
                erased |= end(database, &order.row, OrderStatus::Lapsed, time.ms())?;
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

/// Gives free stock to orders that are paid and wait: first paid, first served, also in part.
pub(super) fn give_to_waiting(database: &mut Database, time: LedgerTime) -> Result<(), StoreError> {
    let Some(today) = time.date() else { return Ok(()) };
    for row in orders::waiting(database)? {
        let order = Order::read(row)?;
        let missing = missing_units(database, &order)?;
        let gathering = gather(database, &Wanted::by(&order, missing), &today)?;
        let found = reserve(database, &order.row.id, &gathering.all_there_is())?;
        if found == missing {
            orders::set_standing(database, order.row.number, OrderStatus::Paid, order.row.until_ms)?;
        }
    }
    Ok(())
}

/// Units that an order has not: neither reserved nor delivered.
pub(super) fn missing_units(database: &mut Database, order: &Order) -> Result<i64, StoreError> {
    let has: i64 = order_units::of_order(database, &order.row.id)?.iter().map(UnitsRow::units).sum();
    Ok(order.row.units - has)
}
