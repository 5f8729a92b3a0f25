//! Confirming an order by its payment, and giving it up before.

use super::desk::{Done, Turn};
use super::prospects::{Asked, Prospects};
use super::serving::{note_waiting, serve};
use super::settling::{end, missing_units};
use super::{Order, OrderCode, OrderRefusal};
use crate::domain::hindrance::Hindrance;
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::OrderStatus;
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::sequencer::Unavailable;
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError};

/// What is told of an order that is there; `None` if there is none for whoever asks.
pub(super) type Told<T> = Result<Result<Option<T>, OrderRefusal>, Unavailable>;

impl Ledger {
    /// Records that an order was paid: from here on it does not lapse. By its seller or the operator; the same reference
    /// again changes nothing.
    pub fn pay(&self, turn: &Turn, by: OrganisationId, id: OrderId, reference: &str) -> Told<OrderId> {
        self.at_desk(turn, |database, time| {
            let Some(order) = Order::find(database, id)? else { return Ok(Done::well(None)) };
            if by != order.seller && by != self.operator {
                return Ok(told_to_others(
                    &order,
                    by,
                    OrderCode::NotTheSeller,
                    "its seller or the operator records this",
                ));
            }
            pay(database, time, &order, reference)
        })
    }

    /// Gives an order up before it is paid: its units are free again. By its buyer, or by its seller or the operator, whose stock
    /// nobody shall hold back for nothing.
    pub fn cancel(&self, turn: &Turn, by: OrganisationId, id: OrderId) -> Told<OrderId> {
        self.at_desk(turn, |database, time| {
            let Some(order) = Order::find(database, id)? else { return Ok(Done::well(None)) };
            if by != order.buyer && by != order.seller && by != self.operator {
                return Ok(Done::well(None));
            }
            cancel(database, time, &order)
        })
    }
}

/// Whoever is no party does not learn that there is such an order.
pub(super) fn told_to_others(
    order: &Order,
    by: OrganisationId,
    code: OrderCode,
    detail: &str,
) -> Done<Option<OrderId>> {
    if by == order.buyer || by == order.seller {
        return Done::refused(OrderRefusal::new(code, "", detail));
    }
    Done::well(None)
}

fn pay(
    database: &mut Database,
    time: LedgerTime,
    order: &Order,
    reference: &str,
) -> Result<Done<Option<OrderId>>, StoreError> {
    match order.status {
        OrderStatus::Reserved => {}
        OrderStatus::Lapsed | OrderStatus::Cancelled | OrderStatus::Refunded => return Ok(closed(order)),
        OrderStatus::Paid | OrderStatus::Waiting | OrderStatus::Delivered => {
            if order.row.payment == reference {
                return Ok(Done::well(Some(order.id)));
            }
            let detail = "this order was paid under another reference";
            return Ok(Done::refused(OrderRefusal::new(OrderCode::PaymentDiffers, "/reference", detail)));
        }
    }
    let missing = missing_units(database, order)?;
    if missing > 0
        && let Some(hindrance) = hindrance(database, time, order, missing)?
    {
        let detail = format!(
            "{hindrance}: {}; nothing was recorded: send back what was paid, and give the order up by DELETE",
            hindrance.detail_for_seller()
        );
        return Ok(Done::refused(OrderRefusal::new(OrderCode::NeverMet, "", detail)));
    }
    let status = if missing == 0 { OrderStatus::Paid } else { OrderStatus::Waiting };
    let row = OrderRow {
        standing: status.to_string(),
        paid_number: orders::highest_paid(database)? + 1,
        paid_ms: time.ms(),
        payment: reference.to_owned(),
        ..order.row.clone()
    };
    orders::set_paid(database, &row)?;
    if status == OrderStatus::Waiting {
        note_waiting(database, &Order::read(row)?)?;
        serve(database, time)?;
    }
    Ok(Done::well(Some(order.id)))
}

/// What stands in the way of an order that would wait from now on.
fn hindrance(
    database: &mut Database,
    time: LedgerTime,
    order: &Order,
    missing: i64,
) -> Result<Option<Hindrance>, StoreError> {
    let Some(today) = time.date() else { return Ok(None) };
    let mut prospects = Prospects::of(database, &today, &Asked::Of(vec![order.seller]))?;
    prospects.hindrance_of(database, order, missing)
}

fn cancel(database: &mut Database, time: LedgerTime, order: &Order) -> Result<Done<Option<OrderId>>, StoreError> {
    match order.status {
        OrderStatus::Reserved => {}
        OrderStatus::Cancelled => return Ok(Done::well(Some(order.id))),
        OrderStatus::Lapsed | OrderStatus::Refunded => return Ok(closed(order)),
        OrderStatus::Paid | OrderStatus::Waiting | OrderStatus::Delivered => {
            let detail = "it is paid: its buyer asks for a refund, and its seller records that";
            return Ok(Done::refused(OrderRefusal::new(OrderCode::OrderPaid, "", detail)));
        }
    }
    let erased = end(database, std::slice::from_ref(&order.row), OrderStatus::Cancelled, time)?;
    serve(database, time)?;
    Ok(Done { erased, ..Done::well(Some(order.id)) })
}

pub(super) fn closed(order: &Order) -> Done<Option<OrderId>> {
    let detail = format!("this order is {}; what is still wanted is ordered anew, under a new id", order.status);
    Done::refused(OrderRefusal::new(OrderCode::OrderClosed, "", detail))
}
