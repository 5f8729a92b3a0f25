//! Giving free stock to orders that are paid and wait: first paid, first served, also in part.
//!
//! Only centres are looked at whose stock may hold more than it did: whatever frees units or brings some into stock notes that
//! in the database, in its own transaction. One transaction serves so many orders and no more; the note says how far it came,
//! and the next one, of an order, of an append or of the node itself, goes on from there. If we crash, nothing is forgotten.

use super::Order;
use super::shelf::{FreeUnits, Shelf};
use super::stock::{MayHold, Wanted, gather, reserve, valid_until};
use crate::domain::order::{OrderStatus, Stretch};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Date, LedgerTime};
use crate::ledger::rules::rules_in_force;
use crate::limits::{ORDER_STRETCHES_MAX, ORDERS_LOOKED_AT_MAX, ORDERS_SERVED_MAX, PAGE_ROWS_MAX, STOCK_ROWS_READ_MAX};
use crate::store::orders::{self, OrderRow};
use crate::store::stock::StockFilter;
use crate::store::{Database, StoreError, order_units, unserved};
use std::collections::BTreeMap;

/// Notes that centres may have more to give than before, to whoever has waited longest.
pub(super) fn note_freed(database: &mut Database, sellers: &[String]) -> Result<(), StoreError> {
    for seller in orders::waited_for(database, sellers)? {
        unserved::note(database, &seller, 0)?;
    }
    Ok(())
}

/// Notes that an order waits for more than before. Those before it in the line have had their turn.
pub(super) fn note_waiting(database: &mut Database, order: &Order) -> Result<(), StoreError> {
    unserved::note(database, &order.row.seller, order.row.paid_number - 1)
}

/// What one transaction does, at most. To look at an order that wants nothing of what there is costs little; so those at the
/// head of a line who wait for something else do not keep the others from theirs.
struct Budget {
    looks: i64,
    gifts: i64,
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.looks <= 0 || self.gifts <= 0
    }
}

/// Serves so many orders as one transaction may; tells whether some are left for the next.
pub(super) fn serve(database: &mut Database, time: LedgerTime) -> Result<bool, StoreError> {
    let Some(today) = time.date() else { return Ok(false) };
    let lines = unserved::some(database, ORDERS_SERVED_MAX)?;
    if lines.is_empty() {
        return Ok(false);
    }
    let mut budget = Budget { looks: ORDERS_LOOKED_AT_MAX, gifts: ORDERS_SERVED_MAX };
    for (seller, after) in lines {
        if budget.is_spent() {
            return Ok(true);
        }
        Line::of(database, &seller, &today)?.serve(database, after, &mut budget)?;
    }
    Ok(!unserved::some(database, 1)?.is_empty())
}

/// A centre's orders that wait, before its stock, which is read once for all of them.
struct Line<'a> {
    seller: &'a str,
    today: &'a Date,
    rules: &'static RuleSet,
    shelf: Shelf,
    /// What was read of the stock and is free yet.
    free: Vec<FreeUnits>,
    may_hold: MayHold,
}

impl<'a> Line<'a> {
    fn of(database: &mut Database, seller: &'a str, today: &'a Date) -> Result<Self, StoreError> {
        let filter = StockFilter { seller: seller.to_owned(), on: valid_until(today), ..StockFilter::default() };
        let (rules, shelf) = (rules_in_force(database)?, Shelf::of(filter));
        Ok(Self { seller, today, rules, shelf, free: Vec::new(), may_hold: MayHold::default() })
    }

    /// Serves orders behind a place and writes down how far it came.
    fn serve(&mut self, database: &mut Database, mut after: i64, budget: &mut Budget) -> Result<(), StoreError> {
        // A line takes one look at least, also if nobody stands in it any more.
        budget.looks -= 1;
        loop {
            let rows = orders::waiting_of(database, self.seller, after, PAGE_ROWS_MAX)?;
            if rows.is_empty() {
                return unserved::forget(database, self.seller);
            }
            let has = had(database, &rows)?;
            for row in rows {
                if self.is_bare(database)? {
                    return unserved::forget(database, self.seller);
                }
                if budget.is_spent() {
                    return unserved::set(database, self.seller, after);
                }
                let (missing, place) = (row.units - has.get(&row.id).copied().unwrap_or(0), row.paid_number);
                let given = self.give(database, &Order::read(row)?, missing)?;
                budget.looks -= 1;
                budget.gifts -= i64::from(given != Given::Nothing);
                if given == Given::FirstPieces {
                    return unserved::set(database, self.seller, place - 1);
                }
                after = place;
            }
        }
    }

    /// Gives an order what there is of what it lacks.
    fn give(&mut self, database: &mut Database, order: &Order, missing: i64) -> Result<Given, StoreError> {
        let mut stretches = self.take(database, order, missing)?;
        let mut given = reserve(database, &order.row.id, &stretches)?;
        if given < missing && stretches.len() < ORDER_STRETCHES_MAX && !self.shelf.is_at_end() {
            // What this order wants may lie behind what is read for all: it looks for itself.
            stretches = gather(database, &Wanted::by(order, missing - given), self.today)?.all_there_is();
            given += reserve(database, &order.row.id, &stretches)?;
        }
        if given == missing {
            orders::set_standing(database, order.row.number, OrderStatus::Paid, order.row.until_ms)?;
        } else if stretches.len() == ORDER_STRETCHES_MAX {
            return Ok(Given::FirstPieces);
        }
        Ok(if given > 0 { Given::WhatThereIs } else { Given::Nothing })
    }

    /// Takes off the shelf what an order admits, up to what it lacks.
    fn take(&mut self, database: &mut Database, order: &Order, missing: i64) -> Result<Vec<Stretch>, StoreError> {
        let wanted = Wanted::by(order, missing);
        let Some(window) = wanted.window(self.rules) else { return Ok(Vec::new()) };
        let (mut stretches, mut left, mut at) = (Vec::new(), missing, 0);
        while left > 0 && stretches.len() < ORDER_STRETCHES_MAX && self.reaches(database, at)? {
            if !wanted.admits(database, &mut self.may_hold, &self.free[at], window)? {
                at += 1;
                continue;
            }
            let whole = self.free.remove(at);
            let block = &whole.stretch.units;
            let last = block.last.min(block.first + left - 1);
            if let Some(rest) = block.part(last + 1, block.last) {
                let stretch = Stretch { units: rest, ..whole.stretch.clone() };
                self.free.insert(at, FreeUnits { stretch, issuer: whole.issuer });
            }
            if let Some(units) = block.part(block.first, last) {
                left -= units.units();
                stretches.push(Stretch { units, ..whole.stretch });
            }
        }
        Ok(stretches)
    }

    /// Whether there are free units at a place, once enough of the stock is read.
    fn reaches(&mut self, database: &mut Database, at: usize) -> Result<bool, StoreError> {
        while at >= self.free.len() && self.shelf.rows_read() < STOCK_ROWS_READ_MAX {
            let Some(page) = self.shelf.next_page(database)? else { return Ok(false) };
            self.free.extend(page);
        }
        Ok(at < self.free.len())
    }

    /// Whether nothing is left for anybody.
    fn is_bare(&mut self, database: &mut Database) -> Result<bool, StoreError> {
        Ok(!self.reaches(database, 0)? && self.shelf.is_at_end())
    }
}

/// What an order got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// There is nothing for it.
    Nothing,
    /// All it lacked, or all there is for it.
    WhatThereIs,
    /// As many pieces as one turn gives; it has another.
    FirstPieces,
}

/// Units that orders have, reserved and delivered.
fn had(database: &mut Database, rows: &[OrderRow]) -> Result<BTreeMap<String, i64>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut has: BTreeMap<String, i64> = BTreeMap::new();
    for units in order_units::of_orders(database, &ids)? {
        *has.entry(units.order_id.clone()).or_default() += units.units();
    }
    Ok(has)
}
