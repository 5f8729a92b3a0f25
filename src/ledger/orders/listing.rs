//! Reading orders, for those whom they concern.

use super::Order;
use super::prospects::{Asked, Prospects};
use crate::domain::hindrance::Hindrance;
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::OrderStatus;
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::order_units::{self, UnitsRow};
use crate::store::{Database, StoreError, head, orders};
use std::collections::BTreeSet;

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
    /// Why it waits, if it does.
    pub waits_because: Option<Hindrance>,
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
            ListedOrder { order, units: own, waits_because: None }
        };
        let mut listed: Vec<ListedOrder> = found.into_iter().map(list).collect();
        say_why_they_wait(database, now, &mut listed)?;
        Ok(listed)
    }
}

/// Orders that wait say why; what they have in common is read once.
fn say_why_they_wait(database: &mut Database, now: LedgerTime, listed: &mut [ListedOrder]) -> Result<(), StoreError> {
    let mut waiting: Vec<&mut ListedOrder> =
        listed.iter_mut().filter(|listed| listed.order.status == OrderStatus::Waiting).collect();
    let Some(today) = now.date().filter(|_| !waiting.is_empty()) else { return Ok(()) };
    let sellers: BTreeSet<OrganisationId> = waiting.iter().map(|listed| listed.order.seller).collect();
    let mut prospects = Prospects::of(database, &today, &Asked::Of(sellers.into_iter().collect()))?;
    for ListedOrder { order, units, waits_because } in waiting.iter_mut().map(|listed| &mut **listed) {
        let missing = order.row.units - units.iter().map(UnitsRow::units).sum::<i64>();
        let hindrance = prospects.hindrance_of(database, order, missing)?;
        *waits_because = Some(hindrance.unwrap_or(Hindrance::NoStockYet));
    }
    Ok(())
}
