//! Reading orders, for those whom they concern.

use super::Order;
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::OrderStatus;
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::order_units::{self, UnitsRow};
use crate::store::{Database, StoreError, head, orders};

/// Who looks at orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderReader {
    /// The operator sees all.
    Operator,
    /// An organisation sees what it buys and what it sells.
    Party(OrganisationId),
}

impl OrderReader {
    fn may_see(self, order: &Order) -> bool {
        match self {
            Self::Operator => true,
            Self::Party(own) => own == order.buyer || own == order.seller,
        }
    }
}

/// An order as it stands now.
#[derive(Debug, Clone)]
pub struct ListedOrder {
    /// The order; its status is that of now, also where what is due is not written yet.
    pub order: Order,
    /// Its units, reserved and delivered.
    pub units: Vec<UnitsRow>,
}

impl Ledger {
    /// A page of orders in the order in which they came, and where the next page goes on.
    pub fn orders(&self, reader: OrderReader, after: i64) -> Result<(Vec<ListedOrder>, Option<i64>), StoreError> {
        let party = match reader {
            OrderReader::Operator => None,
            OrderReader::Party(own) => Some(own.to_string()),
        };
        self.store.snapshot(|database| {
            let rows = orders::page(database, party.as_deref(), after, PAGE_ROWS_MAX)?;
            let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
            let next = rows.last().filter(|_| is_full).map(|row| row.number);
            let read = rows.into_iter().map(Order::read).collect::<Result<Vec<_>, _>>()?;
            Ok((self.as_of_now(database, read)?, next))
        })
    }

    /// An order, for its parties and the operator.
    pub fn order(&self, reader: OrderReader, id: OrderId) -> Result<Option<ListedOrder>, StoreError> {
        self.store.snapshot(|database| {
            let found = Order::find(database, id)?.filter(|order| reader.may_see(order));
            Ok(self.as_of_now(database, found.into_iter().collect())?.pop())
        })
    }

    pub(super) fn as_of_now(&self, database: &mut Database, found: Vec<Order>) -> Result<Vec<ListedOrder>, StoreError> {
        let ledger_time = head::read(database)?.time;
        let now = LedgerTime::from_ms(self.clock.now_ms()).map_or(ledger_time, |clock| clock.max(ledger_time));
        let ids: Vec<String> = found.iter().map(|order| order.row.id.clone()).collect();
        let units = order_units::of_orders(database, &ids)?;
        let list = |mut order: Order| {
            let is_over = order.status == OrderStatus::Reserved && order.row.until_ms <= now.ms();
            if is_over {
                order.status = OrderStatus::Lapsed;
            }
            let own = units.iter().filter(|row| row.order_id == order.row.id && !is_over).cloned().collect();
            ListedOrder { order, units: own }
        };
        Ok(found.into_iter().map(list).collect())
    }
}
