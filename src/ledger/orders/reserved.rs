//! What is reserved, as far as the statements of one append ask: read unit by unit when a statement is admitted, and once.
//!
//! Nothing is read for a statement that the rules refuse. So what an append reads here is at most what is reserved of units
//! that the authors of its statements hold, however many statements name them.

use super::admission::span_of_block;
use super::stock::span_of;
use crate::domain::pool::{Span, without};
use crate::domain::serial::SerialBlock;
use crate::domain::time::LedgerTime;
use crate::store::order_units::{self, UnitsRow};
use crate::store::{Database, StoreError, orders};
use std::collections::{BTreeMap, BTreeSet};

/// Reservations by pool.
#[derive(Default)]
pub(super) struct Reserved(BTreeMap<String, OfPool>);

#[derive(Default)]
struct OfPool {
    /// Units whose reservations were read, from the first to behind the last; these stretches share none.
    read: BTreeMap<i64, i64>,
    /// What is reserved of them, by the first unit. No unit is reserved twice.
    rows: BTreeMap<i64, UnitsRow>,
}

impl OfPool {
    fn unread(&self, (first, end): Span) -> Vec<Span> {
        let before = self.read.range(..end).rev().map(|(from, to)| (*from, *to));
        let known: Vec<Span> = before.take_while(|(_, to)| *to > first).collect();
        without(&[(first, end)], &known)
    }
}

impl Reserved {
    /// Whether all reservations of a block's units were read.
    pub(super) fn knows(&self, block: &SerialBlock) -> bool {
        self.0.get(&block.pool()).is_some_and(|pool| pool.unread(span_of_block(block)).is_empty())
    }

    /// Reads what is reserved of some blocks and was not read before.
    pub(super) fn read(
        &mut self,
        database: &mut Database,
        time: LedgerTime,
        blocks: &[SerialBlock],
    ) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for block in blocks {
            let name = block.pool();
            let pool = self.0.entry(name.clone()).or_default();
            for (first, end) in pool.unread(span_of_block(block)) {
                found.extend(order_units::reserved_between(database, &name, first, end - 1)?);
                pool.read.insert(first, end);
            }
        }
        // What is over and has not lapsed yet, because much is due at once, stands in nobody's way.
        let holders: BTreeSet<String> = found.iter().map(|row| row.order_id.clone()).collect();
        let over = orders::due_among(database, &holders.into_iter().collect::<Vec<_>>(), time.ms())?;
        for row in found.into_iter().filter(|row| !over.contains(&row.order_id)) {
            self.0.entry(row.pool.clone()).or_default().rows.insert(row.first_unit, row);
        }
        Ok(())
    }

    /// What shares units with a block, from the last to the first.
    pub(super) fn of<'a>(&'a self, block: &SerialBlock) -> impl Iterator<Item = &'a UnitsRow> + use<'a> {
        let (first, end) = span_of_block(block);
        let rows = self.0.get(&block.pool()).map(|pool| pool.rows.range(..end).rev().map(|(_, row)| row));
        rows.into_iter().flatten().take_while(move |row| span_of(row).1 > first)
    }
}
