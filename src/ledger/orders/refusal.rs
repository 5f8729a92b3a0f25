//! Why something is not done with an order.

use crate::domain::fields::codes;
use crate::domain::hindrance::Hindrance;

codes! {
    /// Stable codes of refusals about orders.
    pub enum OrderCode {
        /// Another order has this id.
        IdTaken = "id_taken",
        /// Only buyers order.
        RoleMissing = "role_missing",
        /// Only the seller and the operator do this.
        NotTheSeller = "not_the_seller",
        /// The ledger is closed: nothing is delivered any more.
        LedgerClosed = "ledger_closed",
        /// As many orders of this buyer are open as may.
        TooManyOrders = "too_many_orders",
        /// So much of a centre is held for this buyer and not paid as may be.
        TooMuchUnpaid = "too_much_unpaid",
        /// No factor of this name and version stands in the rule set in force.
        FactorUnknown = "factor_unknown",
        /// The factor does not know this class.
        ClassUnknown = "class_unknown",
        /// The rule set in force names no organisation as beneficiary of a retirement.
        BeneficiaryNotNamed = "beneficiary_not_named",
        /// More units than one order may have, or none.
        AmountInvalid = "amount_invalid",
        /// There are not so many units that match.
        NotInStock = "not_in_stock",
        /// What is wanted can never come, as things stand.
        NeverMet = "never_met",
        /// It is paid already.
        OrderPaid = "order_paid",
        /// It lapsed, was cancelled or refunded.
        OrderClosed = "order_closed",
        /// It was paid under another reference.
        PaymentDiffers = "payment_differs",
        /// Only its buyer does this.
        NotTheBuyer = "not_the_buyer",
        /// Nobody has paid it yet.
        OrderNotPaid = "order_not_paid",
        /// All its units were delivered.
        OrderDelivered = "order_delivered",
        /// Its payment went back under another reference.
        RefundDiffers = "refund_differs",
        /// Nobody asks for its payment back.
        RefundNotAsked = "refund_not_asked",
        /// It cannot be delivered now.
        OrderNotReady = "order_not_ready",
        /// These units are reserved for an order.
        UnitsReserved = "units_reserved",
        /// The author sells for no order of this id.
        OrderUnknown = "order_unknown",
        /// The statement is not what was ordered.
        OrderDiffers = "order_differs",
    }
}

/// A refusal: nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRefusal {
    /// Which.
    pub code: OrderCode,
    /// JSON Pointer to the field to blame.
    pub pointer: String,
    /// What was wrong and what to do.
    pub detail: String,
}

impl OrderRefusal {
    pub(super) fn new(code: OrderCode, pointer: &str, detail: impl Into<String>) -> Self {
        Self { code, pointer: pointer.to_owned(), detail: detail.into() }
    }
}

/// The refusal of an order that would wait for ever; there is so much in stock, at most, that one centre can give.
pub(super) fn never_met(hindrance: Hindrance, most: i64) -> OrderRefusal {
    let detail = format!("{hindrance}: {}; one centre has at most {most} kg that match in stock", hindrance.detail());
    OrderRefusal::new(OrderCode::NeverMet, hindrance.pointer(), detail)
}
