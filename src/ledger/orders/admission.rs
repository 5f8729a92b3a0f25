//! At the sequencer's door: what a statement does with units that are reserved.
//!
//! An admission check, which replay skips: orders are no part of the ledger. It runs in the append's own transaction, under
//! the head's lock, so it knows every reservation that stood before it, on whatever node that was made.

use super::deliveries::{Deliveries, Delivery};
use super::fulfilling::follow;
use super::reserved::Reserved;
use super::settling::{Settled, lapse};
use super::stock::span_of;
use super::{Order, OrderCode, OrderRefusal};
use crate::domain::event::{CertificateRetired, CertificateTransferred, Event, Statement};
use crate::domain::ids::{EntryIndex, OrderId, OrganisationId};
use crate::domain::order::{DeliveryKind, OrderStatus};
use crate::domain::pool::{Span, shared, without};
use crate::domain::serial::SerialBlock;
use crate::domain::state::Changes;
use crate::domain::time::LedgerTime;
use crate::ledger::posting::Posted;
use crate::proof::commitment::Opening;
use crate::proof::statement::Unverified;
use crate::store::order_units::UnitsRow;
use crate::store::{Database, StoreError, orders};
use std::collections::BTreeMap;

/// Orders, as far as one append has to do with them.
pub(crate) struct Admission {
    time: LedgerTime,
    erased: bool,
    /// Orders that statements name.
    named: BTreeMap<OrderId, Option<Named>>,
    /// What is reserved where statements dispose of units.
    reserved: Reserved,
}

/// Why a statement is not let through.
pub(crate) enum NotAdmitted {
    /// It takes what is reserved for somebody else, or names an order that it does not serve.
    Refused(OrderRefusal),
    /// What is reserved of these blocks was not read yet: read it, and ask again.
    Unread(Vec<SerialBlock>),
}

impl From<OrderRefusal> for NotAdmitted {
    fn from(refusal: OrderRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An order, with what is personal of it: values by pointer.
type Named = (Order, Vec<(String, String)>);

/// How a statement takes units out of its author's hands.
struct Disposal<'a> {
    blocks: Vec<(&'a SerialBlock, String)>,
    order: Option<OrderId>,
    by: By<'a>,
}

enum By<'a> {
    Transfer(&'a CertificateTransferred),
    Retirement(&'a CertificateRetired),
    Cancellation,
}

fn disposal(event: &Event) -> Option<Disposal<'_>> {
    let one = |block| vec![(block, "/certificate".to_owned())];
    Some(match event {
        Event::CertificateTransferred(event) => {
            Disposal { blocks: one(&event.certificate), order: event.order, by: By::Transfer(event) }
        }
        Event::CertificateCancelled(event) => {
            Disposal { blocks: one(&event.certificate), order: None, by: By::Cancellation }
        }
        Event::CertificateRetired(event) => {
            let further = event.further.iter().flatten().enumerate();
            let further = further.map(|(position, block)| (block, format!("/further/{position}")));
            let blocks = one(&event.certificate).into_iter().chain(further).collect();
            Disposal { blocks, order: event.order, by: By::Retirement(event) }
        }
        _ => return None,
    })
}

impl Admission {
    /// Lets lapse what is due, so that nothing stands in a statement's way that is over.
    pub(crate) fn enter(database: &mut Database, time: LedgerTime) -> Result<Self, StoreError> {
        let Settled { erased, .. } = lapse(database, time)?;
        Ok(Self { time, erased, named: BTreeMap::new(), reserved: Reserved::default() })
    }

    /// Looks up the orders that statements name.
    pub(crate) fn look_for<'a>(
        &mut self,
        database: &mut Database,
        posted: impl IntoIterator<Item = &'a Posted>,
    ) -> Result<(), StoreError> {
        for posted in posted {
            if let Some(signed) = &posted.signed {
                self.look_up(database, &signed.statement.event)?;
            } else if let Ok(unverified) = Unverified::read(&posted.jws) {
                self.look_up(database, &unverified.statement.event)?;
            }
        }
        Ok(())
    }

    fn look_up(&mut self, database: &mut Database, event: &Event) -> Result<(), StoreError> {
        let Some(disposal) = disposal(event) else { return Ok(()) };
        if let Some(id) = disposal.order.filter(|id| !self.named.contains_key(id)) {
            let found = match Order::find(database, id)? {
                Some(order) => Some((order, orders::values(database, &id.to_string())?)),
                None => None,
            };
            self.named.insert(id, found);
        }
        Ok(())
    }

    /// Reads what is reserved of some blocks.
    pub(crate) fn read(&mut self, database: &mut Database, blocks: &[SerialBlock]) -> Result<(), StoreError> {
        self.reserved.read(database, self.time, blocks)
    }

    /// What a statement delivers that the rules let through; refused if it takes what is reserved for somebody else, or
    /// names an order that it does not serve. `delivered` is what this append delivered before.
    pub(crate) fn admit(
        &self,
        statement: &Statement,
        openings: &[Opening],
        entry: EntryIndex,
        delivered: [&Deliveries; 2],
    ) -> Result<Vec<Delivery>, NotAdmitted> {
        let Some(disposal) = disposal(&statement.event) else { return Ok(Vec::new()) };
        let order = match disposal.order {
            Some(id) => Some(self.served(id, statement.common.party(), &disposal, openings)?),
            None => None,
        };
        let unread = disposal.blocks.iter().map(|(block, _)| *block).filter(|block| !self.reserved.knows(block));
        let unread: Vec<SerialBlock> = unread.cloned().collect();
        if !unread.is_empty() {
            return Err(NotAdmitted::Unread(unread));
        }
        let mut deliveries = Vec::new();
        for (block, pointer) in &disposal.blocks {
            let reserved = self.reserved_of(block, order, delivered);
            match order {
                Some(order) if without(&[span_of_block(block)], &reserved).is_empty() => {
                    deliveries.push(Delivery { order: order.id, units: (*block).clone(), entry });
                }
                Some(_) => {
                    let detail =
                        "not all of these units are reserved for this order; /v1/orders/{id}/delivery says which";
                    return Err(OrderRefusal::new(OrderCode::OrderDiffers, pointer, detail).into());
                }
                None if reserved.iter().any(|span| shared(*span, span_of_block(block)).is_some()) => {
                    let detail =
                        "some of these units are reserved for an order: name it, or split the block and use the others";
                    return Err(OrderRefusal::new(OrderCode::UnitsReserved, pointer, detail).into());
                }
                None => {}
            }
        }
        Ok(deliveries)
    }

    /// What is still reserved of a block's units: for one order, or for whatever order.
    fn reserved_of(&self, block: &SerialBlock, order: Option<&Order>, delivered: [&Deliveries; 2]) -> Vec<Span> {
        let is_asked = |row: &&UnitsRow| order.is_none_or(|order| row.order_id == order.row.id);
        let reserved: Vec<Span> = self.reserved.of(block).filter(is_asked).map(span_of).collect();
        let gone = delivered.into_iter().flat_map(|delivered| delivered.of(block));
        without(&reserved, &gone.map(|delivery| span_of_block(&delivery.units)).collect::<Vec<_>>())
    }

    /// The order that a statement serves, if it is the author's to serve and says what was ordered.
    fn served(
        &self,
        id: OrderId,
        author: OrganisationId,
        disposal: &Disposal<'_>,
        openings: &[Opening],
    ) -> Result<&Order, OrderRefusal> {
        let found = self.named.get(&id).and_then(Option::as_ref).filter(|(order, _)| order.seller == author);
        let Some((order, values)) = found else {
            let detail = "you sell for no order of this id; leave it out if this serves none";
            return Err(OrderRefusal::new(OrderCode::OrderUnknown, "/order", detail));
        };
        let differs = |pointer: &str, detail: String| Err(OrderRefusal::new(OrderCode::OrderDiffers, pointer, detail));
        if order.status != OrderStatus::Paid {
            let detail =
                format!("this order is {}; only what is paid and has all its units is delivered", order.status);
            return differs("/order", detail);
        }
        match (&disposal.by, order.delivery) {
            (By::Transfer(event), DeliveryKind::Transfer) if event.to == order.buyer => Ok(order),
            (By::Transfer(_), DeliveryKind::Transfer) => differs("/to", "another organisation ordered".to_owned()),
            (By::Retirement(event), DeliveryKind::Retire) => match unlike(event, order, values, openings) {
                None => Ok(order),
                Some(pointer) => {
                    differs(pointer, "something else was ordered; /v1/orders/{id}/delivery says what".to_owned())
                }
            },
            _ => differs("/order", format!("delivery by {} was ordered", order.delivery)),
        }
    }

    /// What becomes of orders with the append, after its records were written. Tells whether something personal was deleted.
    pub(crate) fn finish(
        self,
        database: &mut Database,
        deliveries: &Deliveries,
        changes: &Changes,
    ) -> Result<bool, StoreError> {
        Ok(follow(database, self.time, deliveries, changes)? || self.erased)
    }
}

/// A block's units as numbers from the first to behind the last.
pub(super) const fn span_of_block(block: &SerialBlock) -> Span {
    (block.first, block.last + 1)
}

/// Where a retirement says something else than was ordered.
fn unlike(
    event: &CertificateRetired,
    order: &Order,
    values: &[(String, String)],
    openings: &[Opening],
) -> Option<&'static str> {
    let (period, purpose_kind) = order.claim.as_ref()?;
    if event.period != *period {
        return Some("/period");
    }
    if event.purpose_kind != *purpose_kind {
        return Some("/purpose_kind");
    }
    if event.beneficiary_organisation != order.beneficiary {
        return Some("/beneficiary_organisation");
    }
    let says = |pointer: &str, value: &str| {
        openings.iter().any(|opening| opening.pointer == pointer && opening.value == value)
    };
    let is_said = |pointer: &&str| values.iter().any(|(of, value)| of == pointer && says(of, value));
    CertificateRetired::OPENED.iter().find(|pointer| !is_said(pointer)).copied()
}
