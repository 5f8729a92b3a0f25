//! An order as it is placed: what it asks for, and the row that it becomes.

use crate::domain::event::{Period, PurposeKind};
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::{DeliveryKind, Devices, OrderStatus, Preferences};
use crate::domain::time::LedgerTime;
use crate::limits::ORDER_LAPSE_MS;
use crate::store::StoreError;
use crate::store::orders::OrderRow;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// How much is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// So many kilograms.
    Kg(i64),
    /// What a factor makes of so many devices.
    Devices {
        /// The devices.
        devices: Vec<Devices>,
        /// The factor's name.
        factor: String,
        /// Its version.
        version: String,
    },
}

/// In whose name, when and for what the centre shall retire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirementWish {
    /// The time that it is for.
    pub period: Period,
    /// For what.
    pub purpose_kind: PurposeKind,
    /// The values of the retirement's commitments, by pointer.
    pub values: Vec<(String, String)>,
    /// Whether the buyer, as an organisation, shall be named too.
    pub names_buyer: bool,
}

/// An order as it is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id, made by the buyer.
    pub id: OrderId,
    /// Who orders.
    pub buyer: OrganisationId,
    /// How much.
    pub amount: Amount,
    /// From where and when.
    pub preferences: Preferences,
    /// How it shall end, if not in the buyer's account.
    pub retirement: Option<RetirementWish>,
    /// Whether it may wait for treatment.
    pub advance: bool,
}

/// What was ordered, for comparing: everything but what is personal, of which nothing may stay.
#[derive(Serialize)]
struct Content<'a> {
    buyer: String,
    kg: Option<i64>,
    devices: Vec<(&'a str, i64)>,
    factor: Option<(&'a str, &'a str)>,
    preferences: [String; 4],
    retirement: Option<[&'a str; 3]>,
    advance: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    names_buyer: bool,
}

impl NewOrder {
    pub(super) const fn delivery(&self) -> DeliveryKind {
        if self.retirement.is_some() { DeliveryKind::Retire } else { DeliveryKind::Transfer }
    }

    pub(super) fn names_buyer(&self) -> bool {
        self.retirement.as_ref().is_some_and(|wish| wish.names_buyer)
    }

    /// What is personal of it: values by pointer.
    pub(super) fn values(&self) -> &[(String, String)] {
        self.retirement.as_ref().map(|wish| wish.values.as_slice()).unwrap_or_default()
    }

    /// By what it is known again, without what is personal.
    pub(super) fn content_sha256(&self) -> Result<Vec<u8>, StoreError> {
        let (kg, devices, factor) = match &self.amount {
            Amount::Kg(kg) => (Some(*kg), Vec::new(), None),
            Amount::Devices { devices, factor, version } => {
                let lines = devices.iter().map(|line| (line.class.as_str(), line.count)).collect();
                (None, lines, Some((factor.as_str(), version.as_str())))
            }
        };
        let wish = |wish: &'_ RetirementWish| {
            [wish.period.from.to_string(), wish.period.until.to_string(), wish.purpose_kind.to_string()]
        };
        let retirement = self.retirement.as_ref().map(wish);
        let content = Content {
            buyer: self.buyer.to_string(),
            kg,
            devices,
            factor,
            preferences: preference_columns(&self.preferences),
            retirement: retirement.as_ref().map(|[from, until, kind]| [from.as_str(), until.as_str(), kind.as_str()]),
            advance: self.advance,
            names_buyer: self.names_buyer(),
        };
        let bytes = serde_json::to_vec(&content).map_err(|error| StoreError::damaged(error.to_string()))?;
        Ok(Sha256::digest(bytes).to_vec())
    }

    /// The row of the order, before it has a place.
    pub(super) fn row(&self, units: i64, time: LedgerTime) -> Result<OrderRow, StoreError> {
        let [country, centre, vintage_from, vintage_until] = preference_columns(&self.preferences);
        let claim = |of: fn(&RetirementWish) -> String| self.retirement.as_ref().map(of).unwrap_or_default();
        let devices = match &self.amount {
            Amount::Kg(_) => String::new(),
            Amount::Devices { devices, factor, version } => {
                let line = |line: &Devices| json!({"class": line.class, "count": line.count});
                let lines: Vec<_> = devices.iter().map(line).collect();
                json!({"devices": lines, "factor": {"name": factor, "version": version}}).to_string()
            }
        };
        Ok(OrderRow {
            number: 0,
            id: self.id.to_string(),
            content_sha256: self.content_sha256()?,
            buyer: self.buyer.to_string(),
            seller: String::new(),
            units,
            devices,
            country,
            centre,
            vintage_from,
            vintage_until,
            delivery: self.delivery().to_string(),
            period_from: claim(|wish| wish.period.from.to_string()),
            period_until: claim(|wish| wish.period.until.to_string()),
            purpose_kind: claim(|wish| wish.purpose_kind.to_string()),
            advance: i64::from(self.advance),
            standing: OrderStatus::Reserved.to_string(),
            created_ms: time.ms(),
            until_ms: time.ms() + ORDER_LAPSE_MS,
            paid_number: 0,
            paid_ms: 0,
            payment: String::new(),
            refund_asked_ms: 0,
            refund_declined_ms: 0,
            refunded_ms: 0,
            refund: String::new(),
            names_buyer: i64::from(self.names_buyer()),
        })
    }
}

fn preference_columns(preferences: &Preferences) -> [String; 4] {
    let Preferences { country, centre, from, until } = preferences;
    [
        country.as_ref().map(ToString::to_string).unwrap_or_default(),
        centre.map(|centre| centre.to_string()).unwrap_or_default(),
        from.as_ref().map(ToString::to_string).unwrap_or_default(),
        until.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}
