//! What a centre signs next to deliver an order: the exact fields, as `GET /v1/certificates/draft` gives them for an issue.

use super::stock::span_of;
use super::{ListedOrder, Order, OrderCode, OrderRefusal};
use crate::domain::codes::{Commitment, CommitmentHash};
use crate::domain::event::{CertificateRetired, CertificateSplit, CertificateTransferred, Period, PurposeKind};
use crate::domain::fields::{Field, Value};
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::OrderStatus;
use crate::domain::pool::{Span, shared, without};
use crate::domain::serial::SerialBlock;
use crate::ledger::{Ledger, keyring};
use crate::limits::{ORDER_STRETCHES_MAX, PAGE_ROWS_MAX};
use crate::proof::commitment::{Opening, commit};
use crate::store::order_units::{RESERVED, UnitsRow};
use crate::store::{Database, StoreError, StoreFault, orders, stock};
use std::collections::BTreeSet;

/// A statement to be completed by the common part and signed.
#[derive(Debug, Clone)]
pub struct DraftStatement {
    /// Its type.
    pub type_name: &'static str,
    /// Its own fields.
    pub fields: Value,
    /// The openings to be posted with it.
    pub openings: Vec<Opening>,
}

/// What is to be signed next.
#[derive(Debug, Clone)]
pub struct Draft {
    /// In the order in which it is to be posted.
    pub statements: Vec<DraftStatement>,
    /// Units that are left to be delivered after it: then it is asked for again.
    pub left: i64,
}

impl Ledger {
    /// The statements that deliver what is left of an order, or so much of it as goes into one step; `None` if this centre sells
    /// for no such order. Salts are fresh each time, and kept nowhere.
    pub fn delivery(
        &self,
        seller: OrganisationId,
        id: OrderId,
    ) -> Result<Option<Result<Draft, OrderRefusal>>, StoreError> {
        self.store.snapshot(|database| {
            let found = Order::find(database, id)?.filter(|order| order.seller == seller);
            let Some(ListedOrder { order, units, .. }) = self.as_of_now(database, found.into_iter().collect())?.pop()
            else {
                return Ok(None);
            };
            if order.status != OrderStatus::Paid {
                let detail =
                    format!("this order is {}; only what is paid and has all its units is delivered", order.status);
                return Ok(Some(Err(OrderRefusal::new(OrderCode::OrderNotReady, "", detail))));
            }
            let reserved: Vec<UnitsRow> = units.into_iter().filter(|row| row.entry == RESERVED).collect();
            draft(database, &order, &reserved).map(Ok).map(Some)
        })
    }
}

/// One step: splits that cut up to so many blocks out, then a transfer of each, or one retirement of all. With what lies
/// between them, so many fit into one split.
fn draft(database: &mut Database, order: &Order, reserved: &[UnitsRow]) -> Result<Draft, StoreError> {
    let (mut statements, mut blocks) = (Vec::new(), Vec::new());
    let pools: BTreeSet<&str> = reserved.iter().map(|row| row.pool.as_str()).collect();
    for pool in pools {
        let wanted = joined(reserved.iter().filter(|row| row.pool == pool).map(span_of).collect());
        cut(database, pool, &wanted, &mut statements, &mut blocks)?;
    }
    let all: i64 = reserved.iter().map(UnitsRow::units).sum();
    let left = all - blocks.iter().map(SerialBlock::units).sum::<i64>();
    match (&order.claim, blocks.split_first()) {
        (None, _) => {
            statements.extend(blocks.into_iter().map(|block| transfer(order, block)).collect::<Result<Vec<_>, _>>()?);
        }
        (Some(claim), Some((certificate, further))) => {
            let values = orders::values(database, &order.row.id)?;
            let further = (!further.is_empty()).then(|| further.to_vec());
            statements.push(retirement(order, claim.clone(), &values, certificate.clone(), further)?);
        }
        (Some(_), None) => {}
    }
    Ok(Draft { statements, left })
}

/// Cuts units of a pool out of its stock, until the step has its blocks.
fn cut(
    database: &mut Database,
    pool: &str,
    wanted: &[Span],
    statements: &mut Vec<DraftStatement>,
    blocks: &mut Vec<SerialBlock>,
) -> Result<(), StoreError> {
    let (mut at, last) = (0, wanted.last().map_or(0, |(_, end)| end - 1));
    while let Some((first, _)) = wanted.iter().find(|(_, end)| *end > at) {
        let rows = stock::between(database, pool, (at.max(*first), last), PAGE_ROWS_MAX)?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let room = ORDER_STRETCHES_MAX - blocks.len();
            if room == 0 {
                return Ok(());
            }
            at = row.last_unit + 1;
            let damaged = || StoreError::damaged(format!("{} in stock cannot be read", row.serial));
            let whole = SerialBlock::parse(&row.serial).ok_or_else(damaged)?;
            let mut own = parts_of(&whole, wanted);
            own.truncate(room);
            if !own.is_empty() && own != [whole.clone()] {
                statements.push(split(whole, &own)?);
            }
            blocks.extend(own);
        }
    }
    Ok(())
}

/// Stretches in order; those side by side are one.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for (first, end) in spans {
        match joined.last_mut() {
            Some(before) if before.1 == first => before.1 = end,
            _ => joined.push((first, end)),
        }
    }
    joined
}

/// The parts of a block that are among some stretches, which are in order.
fn parts_of(whole: &SerialBlock, wanted: &[Span]) -> Vec<SerialBlock> {
    let spans = wanted.iter().filter_map(|span| shared(*span, (whole.first, whole.last + 1)));
    spans.filter_map(|(first, end)| whole.part(first, end - 1)).collect()
}

/// A split that cuts these parts out of a block.
fn split(whole: SerialBlock, own: &[SerialBlock]) -> Result<DraftStatement, StoreError> {
    let taken: Vec<Span> = own.iter().map(|part| (part.first, part.last + 1)).collect();
    let rest = without(&[(whole.first, whole.last + 1)], &taken);
    let mut into: Vec<SerialBlock> =
        rest.into_iter().filter_map(|(first, end)| whole.part(first, end - 1)).chain(own.iter().cloned()).collect();
    into.sort_by_key(|part| part.first);
    statement("certificate_split", &CertificateSplit { certificate: whole, into }, Vec::new())
}

fn transfer(order: &Order, certificate: SerialBlock) -> Result<DraftStatement, StoreError> {
    let event = CertificateTransferred { certificate, to: order.buyer, order: Some(order.id), paid: None };
    statement("certificate_transferred", &event, Vec::new())
}

/// One claim over the blocks of a step.
fn retirement(
    order: &Order,
    (period, purpose_kind): (Period, PurposeKind),
    values: &[(String, String)],
    certificate: SerialBlock,
    further: Option<Vec<SerialBlock>>,
) -> Result<DraftStatement, StoreError> {
    let openings = values.iter().map(opening).collect::<Result<Vec<_>, _>>()?;
    let committed = |pointer: &str| {
        let opening = openings.iter().find(|opening| opening.pointer == pointer);
        let hash = opening.and_then(|opening| commit(pointer, &opening.salt, &opening.value));
        let c = hash.and_then(|hash| CommitmentHash::parse(&hash));
        c.map(|c| Commitment { c })
            .ok_or_else(|| StoreError::damaged(format!("order {} lacks {pointer}", order.row.number)))
    };
    let event = CertificateRetired {
        certificate,
        period,
        purpose_kind,
        beneficiary: committed("/beneficiary")?,
        beneficiary_number: committed("/beneficiary_number")?,
        purpose: committed("/purpose")?,
        further,
        order: Some(order.id),
        beneficiary_organisation: order.beneficiary,
        paid: None,
    };
    statement("certificate_retired", &event, openings)
}

fn opening((pointer, value): &(String, String)) -> Result<Opening, StoreError> {
    let no_salt = |error: std::io::Error| StoreError { fault: StoreFault::Failed, message: error.to_string() };
    let (pointer, value) = (pointer.clone(), value.clone());
    Ok(Opening { pointer, salt: *keyring::random_secret().map_err(no_salt)?, value })
}

fn statement(
    type_name: &'static str,
    event: &impl Field,
    openings: Vec<Opening>,
) -> Result<DraftStatement, StoreError> {
    let fields = event.write().ok_or_else(|| StoreError::damaged("a draft that cannot be written"))?;
    Ok(DraftStatement { type_name, fields, openings })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> SerialBlock {
        SerialBlock::parse(text).expect("a block")
    }

    #[test]
    fn a_split_cuts_out_what_was_ordered_and_nothing_else() {
        let whole = block("ER-KE-NBO1-202611-0000001-0000100");
        let own = parts_of(&whole, &joined(vec![(90, 95), (11, 21), (21, 31), (100, 140)]));
        let text = |blocks: &[SerialBlock]| blocks.iter().map(|part| (part.first, part.last)).collect::<Vec<_>>();
        assert_eq!(text(&own), [(11, 30), (90, 94), (100, 100)]);
        let split = split(whole.clone(), &own).expect("a statement");
        let event = CertificateSplit::read(&split.fields).expect("readable");
        assert_eq!(text(&event.into), [(1, 10), (11, 30), (31, 89), (90, 94), (95, 99), (100, 100)]);
        assert_eq!(parts_of(&whole, &[(1, 101)]), [whole]);
    }
}
