//! Ending an order that is paid: its payment goes back, outside the ledger, and its seller records that.

use super::desk::{Done, Turn};
use super::paying::{Told, closed, told_to_others};
use super::serving::serve;
use super::settling::end;
use super::{Order, OrderCode, OrderRefusal};
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::OrderStatus;
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError};

/// What becomes of a request for a payment back, but for the refund itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// Its buyer asks.
    Made,
    /// Its buyer does not ask any more.
    TakenBack,
    /// Its seller refuses: the order stands.
    Declined,
}

impl Ledger {
    /// Records that an order's payment went back: it ends, keeps what was delivered of it, and the rest is stock again. By its
    /// seller or the operator; the same reference again changes nothing.
    pub fn refund(&self, turn: &Turn, by: OrganisationId, id: OrderId, reference: &str) -> Told<OrderId> {
        self.at_desk(turn, |database, time| {
            let Some(order) = Order::find(database, id)? else { return Ok(Done::well(None)) };
            if by != order.seller && by != self.operator {
                let detail = "its seller or the operator records this; its buyer asks for it";
                return Ok(told_to_others(&order, by, OrderCode::NotTheSeller, detail));
            }
            refund(database, time, &order, reference)
        })
    }

    /// Asks for the payment of an order back. By its buyer; the request stands until it is answered, and asking again changes
    /// nothing.
    pub fn ask_refund(&self, turn: &Turn, by: OrganisationId, id: OrderId) -> Told<OrderId> {
        self.at_desk(turn, |database, time| {
            let Some(order) = Order::find(database, id)? else { return Ok(Done::well(None)) };
            if by != order.buyer {
                let detail = "its buyer asks for this; its seller may refund it without";
                return Ok(told_to_others(&order, by, OrderCode::NotTheBuyer, detail));
            }
            request(database, time, &order, Request::Made)
        })
    }

    /// Ends the request for a payment: its buyer takes it back, its seller or the operator declines it.
    pub fn end_refund_request(&self, turn: &Turn, by: OrganisationId, id: OrderId) -> Told<OrderId> {
        self.at_desk(turn, |database, time| {
            let Some(order) = Order::find(database, id)? else { return Ok(Done::well(None)) };
            if by == order.buyer {
                return request(database, time, &order, Request::TakenBack);
            }
            if by == order.seller || by == self.operator {
                return request(database, time, &order, Request::Declined);
            }
            Ok(Done::well(None))
        })
    }
}

/// Why an order is none whose payment can go back.
fn not_refundable(order: &Order) -> Option<Done<Option<OrderId>>> {
    let (code, detail) = match order.status {
        OrderStatus::Paid | OrderStatus::Waiting => return None,
        OrderStatus::Lapsed | OrderStatus::Cancelled | OrderStatus::Refunded => return Some(closed(order)),
        OrderStatus::Reserved => {
            (OrderCode::OrderNotPaid, "no payment of it was recorded; it is given up by DELETE, or lapses")
        }
        OrderStatus::Delivered => {
            (OrderCode::OrderDelivered, "all its units were delivered; who wants to give them back transfers them")
        }
    };
    Some(Done::refused(OrderRefusal::new(code, "", detail)))
}

fn refund(
    database: &mut Database,
    time: LedgerTime,
    order: &Order,
    reference: &str,
) -> Result<Done<Option<OrderId>>, StoreError> {
    if order.status == OrderStatus::Refunded {
        if order.row.refund == reference {
            return Ok(Done::well(Some(order.id)));
        }
        let detail = "the payment of this order went back under another reference";
        return Ok(Done::refused(OrderRefusal::new(OrderCode::RefundDiffers, "/reference", detail)));
    }
    if let Some(refused) = not_refundable(order) {
        return Ok(refused);
    }
    let row = OrderRow { refunded_ms: time.ms(), refund: reference.to_owned(), ..order.row.clone() };
    orders::set_refund(database, &row)?;
    let erased = end(database, std::slice::from_ref(&row), OrderStatus::Refunded, time)?;
    serve(database, time)?;
    Ok(Done { erased, ..Done::well(Some(order.id)) })
}

fn request(
    database: &mut Database,
    time: LedgerTime,
    order: &Order,
    request: Request,
) -> Result<Done<Option<OrderId>>, StoreError> {
    if let Some(refused) = not_refundable(order) {
        return Ok(refused);
    }
    let (asked, declined) = (order.row.refund_asked_ms, order.row.refund_declined_ms);
    let is_open = asked > 0 && declined == 0;
    let (refund_asked_ms, refund_declined_ms) = match request {
        Request::Made if is_open => (asked, declined),
        Request::Made => (time.ms(), 0),
        Request::TakenBack => (0, 0),
        Request::Declined if asked == 0 => {
            let detail = "its buyer does not ask for its payment back";
            return Ok(Done::refused(OrderRefusal::new(OrderCode::RefundNotAsked, "", detail)));
        }
        Request::Declined if is_open => (asked, time.ms()),
        Request::Declined => (asked, declined),
    };
    orders::set_refund(database, &OrderRow { refund_asked_ms, refund_declined_ms, ..order.row.clone() })?;
    Ok(Done::well(Some(order.id)))
}
