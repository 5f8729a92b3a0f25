//! Orders for certificates, outside the ledger: stock is reserved, a payment confirms it, statements deliver it.
//!
//! There is one arbiter. Whoever reserves, lapses, confirms or delivers does so in a transaction that locks the ledger's head
//! first, exactly as appending does: so on however many nodes, reservations and transfers stand in one order, and each reads
//! what all before it did. If we crash before the commit, nothing of it happened and nobody was told otherwise; what was told
//! is on disk. Neither replay nor audit knows of orders: what they see is who holds which units.
//!
//! `desk` is that transaction, `placing` takes a `new_order`, `paying` confirms it or gives it up, `refunding` ends it when its
//! payment goes back, `settling` lets orders lapse, `serving` gives new stock to those that wait, and `clerk` sees to both while
//! nobody asks. `shelf` and `stock` find units, `prospects` say what may still come and `advance` how much of it. `admission`
//! stands at the sequencer's door and asks what is `reserved` and what `deliveries` the append has made, `fulfilling` follows what was appended, `delivering` drafts what the centre signs, `listing`
//! reads.

mod admission;
mod advance;
mod clerk;
mod deliveries;
mod delivering;
mod desk;
mod fulfilling;
mod listing;
mod new_order;
mod paying;
mod placing;
mod prospects;
mod refunding;
mod refusal;
mod reserved;
mod serving;
mod settling;
mod shelf;
mod stock;

pub(crate) use admission::{Admission, NotAdmitted};
pub(crate) use clerk::Clerk;
pub(crate) use deliveries::Deliveries;
pub use delivering::{Draft, DraftStatement};
pub(crate) use desk::Desk;
pub use desk::Turn;
pub use listing::{ListedOrder, OrderReader};
pub use new_order::{Amount, NewOrder, RetirementWish};
pub use placing::Placed;
use refusal::never_met;
pub use refusal::{OrderCode, OrderRefusal};

use crate::domain::codes::{Country, Month};
use crate::domain::event::{Period, PurposeKind};
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::{DeliveryKind, OrderStatus, Preferences};
use crate::domain::time::Date;
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError};

/// An order as it is read from its row.
#[derive(Debug, Clone)]
pub struct Order {
    /// The row.
    pub row: OrderRow,
    /// Its id.
    pub id: OrderId,
    /// Who orders.
    pub buyer: OrganisationId,
    /// The centre that sells.
    pub seller: OrganisationId,
    /// From where and when units shall be.
    pub preferences: Preferences,
    /// How it is delivered.
    pub delivery: DeliveryKind,
    /// Of a retirement: the time that it is for, and for what.
    pub claim: Option<(Period, PurposeKind)>,
    /// Of a retirement: whom it shall name as its beneficiary, if an organisation.
    pub beneficiary: Option<OrganisationId>,
    /// Where it stands, as it is stored.
    pub status: OrderStatus,
}

impl Order {
    /// The order of an id; `None` if there is none.
    fn find(database: &mut Database, id: OrderId) -> Result<Option<Self>, StoreError> {
        orders::find(database, &id.to_string())?.map(Self::read).transpose()
    }

    fn read(row: OrderRow) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged(format!("order {} cannot be read", row.number));
        let delivery = DeliveryKind::parse(&row.delivery).ok_or_else(damaged)?;
        let claim = match delivery {
            DeliveryKind::Transfer => None,
            DeliveryKind::Retire => {
                let from = Date::parse(&row.period_from).ok_or_else(damaged)?;
                let until = Date::parse(&row.period_until).ok_or_else(damaged)?;
                Some((Period { from, until }, PurposeKind::parse(&row.purpose_kind).ok_or_else(damaged)?))
            }
        };
        let buyer = OrganisationId::parse(&row.buyer).ok_or_else(damaged)?;
        Ok(Self {
            id: OrderId::parse(&row.id).ok_or_else(damaged)?,
            buyer,
            beneficiary: (row.names_buyer == 1).then_some(buyer),
            seller: OrganisationId::parse(&row.seller).ok_or_else(damaged)?,
            preferences: Preferences {
                country: Country::parse(&row.country),
                centre: OrganisationId::parse(&row.centre),
                from: Month::parse(&row.vintage_from),
                until: Month::parse(&row.vintage_until),
            },
            delivery,
            claim,
            status: OrderStatus::parse(&row.standing).ok_or_else(damaged)?,
            row,
        })
    }
}
