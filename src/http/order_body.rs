//! An order as it is answered and listed.

use crate::domain::hindrance::Hindrance;
use crate::domain::order::OrderStatus;
use crate::domain::time::LedgerTime;
use crate::http::problem::Problem;
use crate::ledger::orders::ListedOrder;
use crate::store::order_units::{RESERVED, UnitsRow};
use crate::store::orders::OrderRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// From when units shall be, both months included.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VintageBody {
    /// The first month.
    #[schema(example = "2026-10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// The last.
    #[schema(example = "2026-12")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
}

/// From where and when units shall be; what is absent does not matter.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesBody {
    /// Where the site of the batches lies.
    #[schema(example = "KE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
    /// The organisation of the centre. On a ledger of more than 1,000 sites an order that may wait names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) centre: Option<String>,
    /// The vintages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vintage: Option<VintageBody>,
}

/// The time that a retirement is for, both days included.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodBody {
    /// First day.
    #[schema(example = "2026-01-01")]
    pub(super) from: String,
    /// Last day.
    #[schema(example = "2026-12-31")]
    pub(super) until: String,
}

/// An order. Who is to be named in a retirement is not shown again: it is kept for the delivery alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderBody {
    /// Its id.
    id: String,
    /// `reserved`, `paid`, `waiting` (paid, its units are yet to come), `delivered`, `lapsed`, `cancelled` or `refunded` (paid and
    /// ended by its seller; it keeps what was delivered).
    #[schema(example = "reserved")]
    status: &'static str,
    /// Why it waits, if it does: `no_stock_yet`; or what waiting alone will not end, so that its seller should refund it:
    /// `vintage_passed`, `period_passed`, `no_site`, `buyer_related` or `ledger_closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "no_stock_yet")]
    waits_because: Option<&'static str>,
    /// Who orders.
    buyer: String,
    /// The centre that sells.
    seller: String,
    /// How much.
    kg: i64,
    /// The devices and the factor behind the kilograms, if these were ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    r#for: Option<Box<RawValue>>,
    /// What was preferred.
    prefer: PreferencesBody,
    /// `transfer` or `retire`.
    #[schema(example = "transfer")]
    delivery: &'static str,
    /// Of a retirement: the time that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<PeriodBody>,
    /// Of a retirement: for what.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose_kind: Option<&'static str>,
    /// Of a retirement: whether it names the buyer's organisation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    name_buyer: bool,
    /// Whether it may wait for treatment.
    advance: bool,
    /// When it was placed, in ledger time.
    #[schema(example = "2026-11-23T05:31:00.123Z")]
    placed: String,
    /// When it lapses if it is not paid; of one that is over, when that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Its payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentBody>,
    /// That its payment goes back, or is asked back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundBody>,
    /// Units that are reserved for it.
    reserved: Vec<UnitsBody>,
    /// Units that it got.
    delivered: Vec<UnitsBody>,
}

/// A payment that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentBody {
    /// Its reference.
    reference: String,
    /// When it was recorded, in ledger time.
    #[schema(example = "2026-11-23T05:31:00.123Z")]
    recorded: String,
}

/// A payment that goes back, or is asked back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefundBody {
    /// When its buyer asked for it; the request stands as long as it was neither declined nor recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    /// When its seller declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    declined: Option<String>,
    /// When it was recorded that it went back.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<String>,
    /// The reference of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl RefundBody {
    fn of(row: &OrderRow) -> Option<Self> {
        let time = |ms: i64| LedgerTime::from_ms(ms).filter(|_| ms > 0).map(|time| time.to_string());
        let (asked, declined) = (time(row.refund_asked_ms), time(row.refund_declined_ms));
        let recorded = time(row.refunded_ms);
        let reference = recorded.is_some().then(|| row.refund.clone());
        (asked.is_some() || recorded.is_some()).then_some(Self { asked, declined, recorded, reference })
    }
}

/// Units side by side. Which certificate they are part of may change until they are delivered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnitsBody {
    /// Their serial numbers.
    #[schema(example = "ER-KE-NBO1-202611-0000001-0000500")]
    units: String,
    /// How much.
    kg: i64,
    /// The entry that delivered them.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<i64>,
}

impl From<&UnitsRow> for UnitsBody {
    fn from(row: &UnitsRow) -> Self {
        Self {
            units: format!("{}-{:07}-{:07}", row.pool, row.first_unit, row.last_unit),
            kg: row.units(),
            entry: (row.entry != RESERVED).then_some(row.entry),
        }
    }
}

impl TryFrom<ListedOrder> for OrderBody {
    type Error = Problem;

    fn try_from(listed: ListedOrder) -> Result<Self, Problem> {
        let ListedOrder { order, units, waits_because } = listed;
        let row = order.row;
        let refund = RefundBody::of(&row);
        let time = |ms| LedgerTime::from_ms(ms).map(|time| time.to_string()).unwrap_or_default();
        let text = |text: String| (!text.is_empty()).then_some(text);
        let devices = text(row.devices).map(RawValue::from_string).transpose().map_err(Problem::internal)?;
        let (from, until) = (text(row.vintage_from), text(row.vintage_until));
        let vintage = (from.is_some() || until.is_some()).then_some(VintageBody { from, until });
        let has_until = matches!(
            order.status,
            OrderStatus::Reserved | OrderStatus::Lapsed | OrderStatus::Cancelled | OrderStatus::Refunded
        );
        let (reserved, delivered): (Vec<_>, Vec<_>) = units.iter().partition(|row| row.entry == RESERVED);
        let payment = PaymentBody { reference: row.payment, recorded: time(row.paid_ms) };
        Ok(Self {
            id: row.id,
            status: order.status.as_str(),
            waits_because: waits_because.map(Hindrance::as_str),
            buyer: row.buyer,
            seller: row.seller,
            kg: row.units,
            r#for: devices,
            prefer: PreferencesBody { country: text(row.country), centre: text(row.centre), vintage },
            delivery: order.delivery.as_str(),
            period: order
                .claim
                .as_ref()
                .map(|(period, _)| PeriodBody { from: period.from.to_string(), until: period.until.to_string() }),
            purpose_kind: order.claim.as_ref().map(|(_, kind)| kind.as_str()),
            name_buyer: order.beneficiary.is_some(),
            advance: row.advance == 1,
            placed: time(row.created_ms),
            until: has_until.then(|| time(row.until_ms)),
            payment: (row.paid_number > 0).then_some(payment),
            refund,
            reserved: reserved.into_iter().map(UnitsBody::from).collect(),
            delivered: delivered.into_iter().map(UnitsBody::from).collect(),
        })
    }
}
