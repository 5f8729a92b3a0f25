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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::order_units::RESERVED;
    use crate::store::workspace::Workspace;

    fn block(first: i64, last: i64) -> SerialBlock {
        SerialBlock::parse(&format!("ER-KE-NBO1-202611-{first:07}-{last:07}")).expect("units")
    }

    fn reserve(database: &mut Database, first: i64, last: i64) {
        let row = UnitsRow {
            order_id: first.to_string(),
            pool: block(first, last).pool(),
            first_unit: first,
            last_unit: last,
            seller: String::new(),
            expires: "2028-11-23".to_owned(),
            entry: RESERVED,
        };
        order_units::insert(database, &[row]).expect("a row");
    }

    /// What is read in whatever pieces is known, each unit once, and what was not read is not.
    /// What is asked about, whether it is known, and what is reserved of it.
    type Asked<'a> = (i64, i64, bool, &'a [i64]);

    #[test]
    fn stretches_that_were_read() {
        let mut workspace = Workspace::temporary().expect("a database");
        let database = workspace.database();
        for (first, last) in [(11, 20), (21, 21), (31, 40)] {
            reserve(database, first, last);
        }
        let (mut reserved, time) = (Reserved::default(), LedgerTime::from_ms(0).expect("a time"));
        // What is read, and then what is asked.
        let table: [((i64, i64), &[Asked<'_>]); 5] = [
            (
                (15, 25),
                &[(15, 25, true, &[21, 11]), (14, 15, false, &[11]), (25, 26, false, &[]), (26, 30, false, &[])],
            ),
            // It overlaps on the left, and again within.
            ((5, 16), &[(5, 25, true, &[21, 11]), (4, 5, false, &[])]),
            ((17, 18), &[(5, 25, true, &[21, 11]), (21, 21, true, &[21]), (22, 25, true, &[])]),
            // Side by side with what was read, and beyond a gap.
            ((26, 30), &[(5, 30, true, &[21, 11]), (30, 31, false, &[])]),
            (
                (36, 50),
                &[(5, 50, false, &[31, 21, 11]), (36, 50, true, &[31]), (31, 35, false, &[31]), (41, 50, true, &[])],
            ),
        ];
        for ((first, last), asked) in table {
            reserved.read(database, time, &[block(first, last)]).expect("read");
            for (from, until, is_known, rows) in asked {
                let block = block(*from, *until);
                let of: Vec<i64> = reserved.of(&block).map(|row| row.first_unit).collect();
                let found = (reserved.knows(&block), of.as_slice());
                assert_eq!(found, (*is_known, *rows), "{block} after {first} to {last} was read");
            }
        }
        // A gap is filled from both sides of what lies in it; nothing that was read is read again.
        reserve(database, 1, 4);
        reserve(database, 22, 24);
        reserved.read(database, time, &[block(1, 50)]).expect("read");
        let of: Vec<i64> = reserved.of(&block(1, 50)).map(|row| row.first_unit).collect();
        assert_eq!((reserved.knows(&block(1, 50)), of), (true, vec![31, 21, 11, 1]));
    }
}
