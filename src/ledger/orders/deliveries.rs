//! What one append delivers, found by units: a retirement names up to 257 blocks, an append has thousands of statements, and
//! each block is asked about under the head's lock.

use super::admission::span_of_block;
use crate::domain::ids::{EntryIndex, OrderId};
use crate::domain::serial::SerialBlock;
use std::collections::BTreeMap;

/// Units that an entry delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(super) order: OrderId,
    pub(super) units: SerialBlock,
    pub(super) entry: EntryIndex,
}

/// Deliveries by pool and first unit. What is delivered is reserved no more, so no unit is delivered twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deliveries(BTreeMap<String, BTreeMap<i64, Delivery>>);

impl Deliveries {
    /// What shares units with a block, from the last to the first.
    pub(super) fn of(&self, block: &SerialBlock) -> impl Iterator<Item = &Delivery> {
        let (first, end) = span_of_block(block);
        let of_pool = self.0.get(&block.pool()).map(|pool| pool.range(..end).rev().map(|(_, delivery)| delivery));
        of_pool.into_iter().flatten().take_while(move |delivery| span_of_block(&delivery.units).1 > first)
    }

    /// All of them, order by order.
    pub(super) fn by_order(&self) -> BTreeMap<OrderId, Vec<&Delivery>> {
        let mut found: BTreeMap<OrderId, Vec<&Delivery>> = BTreeMap::new();
        for delivery in self.0.values().flat_map(BTreeMap::values) {
            found.entry(delivery.order).or_default().push(delivery);
        }
        found
    }
}

impl Extend<Delivery> for Deliveries {
    fn extend<T: IntoIterator<Item = Delivery>>(&mut self, more: T) {
        for delivery in more {
            self.0.entry(delivery.units.pool()).or_default().insert(delivery.units.first, delivery);
        }
    }
}

impl IntoIterator for Deliveries {
    type Item = Delivery;
    type IntoIter = std::vec::IntoIter<Delivery>;

    fn into_iter(self) -> Self::IntoIter {
        let all: Vec<Delivery> = self.0.into_values().flat_map(BTreeMap::into_values).collect();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn block(units: &str) -> SerialBlock {
        SerialBlock::parse(units).expect("units")
    }

    #[test]
    fn what_shares_units_is_found() {
        let mut deliveries = Deliveries::default();
        let delivery = |units: &str, order: u128| Delivery {
            order: OrderId(Uuid::from_u128(order)),
            units: block(units),
            entry: EntryIndex(7),
        };
        deliveries.extend([
            delivery("ER-KE-NBO1-202611-0000011-0000020", 1),
            delivery("ER-KE-NBO1-202611-0000021-0000021", 2),
            delivery("ER-KE-NBO1-202611-0000031-0000040", 1),
            delivery("ER-KE-NBO1-202612-0000011-0000020", 3),
        ]);
        for (asked, found) in [
            ("ER-KE-NBO1-202611-0000001-0000010", &[][..]),
            ("ER-KE-NBO1-202611-0000001-0000011", &[11]),
            ("ER-KE-NBO1-202611-0000012-0000012", &[11]),
            ("ER-KE-NBO1-202611-0000020-0000031", &[31, 21, 11]),
            ("ER-KE-NBO1-202611-0000022-0000030", &[]),
            ("ER-KE-NBO1-202611-0000041-0000050", &[]),
            ("ER-KE-NBO1-202612-0000001-0000050", &[11]),
            ("ER-KE-MBA1-202611-0000001-0000050", &[]),
        ] {
            let of: Vec<i64> = deliveries.of(&block(asked)).map(|delivery| delivery.units.first).collect();
            assert_eq!(of, found, "{asked}");
        }
        let counts: Vec<usize> = deliveries.by_order().values().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1]);
    }
}
