//! What an append does to orders: units are delivered, units leave the stock, units appear in it.
//!
//! In the append's own transaction, after its records were written; if we crash before the commit neither is there.

use super::admission::span_of_block;
use super::deliveries::{Deliveries, Delivery};
use super::serving::{note_freed, serve};
use super::settling::lose;
use super::stock::span_of;
use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::pool::{Span, shared, without};
use crate::domain::state::{Changes, Record};
use crate::domain::time::LedgerTime;
use crate::store::order_units::{self, RESERVED, UnitsRow};
use crate::store::{Database, StoreError, orders, stock};
use std::collections::BTreeMap;

/// Writes down what was delivered, takes note of units that left the stock otherwise, and gives what is new in stock, or was
/// given back before, to those who wait. Tells whether something personal was deleted.
pub(super) fn follow(
    database: &mut Database,
    time: LedgerTime,
    deliveries: &Deliveries,
    changes: &Changes,
) -> Result<bool, StoreError> {
    let mut erased = false;
    for (order, own) in deliveries.by_order() {
        erased |= deliver(database, time, order, &own)?;
    }
    let certificates: Vec<&Certificate> = changes.records.values().filter_map(certificate_of).collect();
    if !certificates.is_empty() {
        let serials: Vec<String> = certificates.iter().map(|certificate| certificate.serial.to_string()).collect();
        let lost = lost_with(database, &certificates, &serials)?;
        erased |= lose(database, time, &lost)?;
        let sellers: Vec<String> = stock::sellers_of(database, &serials)?.into_iter().collect();
        note_freed(database, &sellers)?;
    }
    serve(database, time)?;
    Ok(erased)
}

fn certificate_of(record: &Record) -> Option<&Certificate> {
    match record {
        Record::Certificate(certificate) => Some(certificate),
        _ => None,
    }
}

/// Moves delivered units from what is reserved to what the order got; with the last of them it is delivered, and what is
/// personal of it goes: what the register shows are the openings of the entry.
fn deliver(
    database: &mut Database,
    time: LedgerTime,
    order: OrderId,
    deliveries: &[&Delivery],
) -> Result<bool, StoreError> {
    let id = order.to_string();
    for delivery in deliveries {
        let (pool, delivered) = (delivery.units.pool(), span_of_block(&delivery.units));
        let entry =
            i64::try_from(delivery.entry.0).map_err(|_| StoreError::damaged("an entry beyond the database's range"))?;
        for row in order_units::reserved_between(database, &pool, delivered.0, delivered.1 - 1)? {
            let Some(part) = shared(span_of(&row), delivered).filter(|_| row.order_id == id) else { continue };
            order_units::remove(database, &row)?;
            let stretch =
                |(first, end): Span, entry| UnitsRow { first_unit: first, last_unit: end - 1, entry, ..row.clone() };
            let mut rows = vec![stretch(part, entry)];
            rows.extend(without(&[span_of(&row)], &[part]).into_iter().map(|left| stretch(left, RESERVED)));
            order_units::insert(database, &rows)?;
        }
    }
    let Some(row) = orders::find(database, &id)? else { return Ok(false) };
    let got = order_units::of_order(database, &id)?.into_iter().filter(|row| row.entry != RESERVED);
    if got.map(|row| row.units()).sum::<i64>() < row.units {
        return Ok(false);
    }
    orders::set_standing(database, row.number, OrderStatus::Delivered, time.ms())?;
    orders::delete_values(database, &[id])
}

/// What is reserved of certificates that are in stock no more. The parts of one that was split are there in its place.
fn lost_with(
    database: &mut Database,
    changed: &[&Certificate],
    serials: &[String],
) -> Result<Vec<UnitsRow>, StoreError> {
    let in_stock = stock::among(database, serials)?;
    let mut gone: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for (certificate, serial) in changed.iter().zip(serials) {
        if certificate.status != CertificateStatus::Split && !in_stock.contains(serial) {
            gone.entry(certificate.serial.pool()).or_default().push(span_of_block(&certificate.serial));
        }
    }
    let mut lost = Vec::new();
    for (pool, spans) in gone {
        let first = spans.iter().map(|(first, _)| *first).min().unwrap_or_default();
        let end = spans.iter().map(|(_, end)| *end).max().unwrap_or_default();
        for row in order_units::reserved_between(database, &pool, first, end - 1)? {
            let parts = spans.iter().filter_map(|span| shared(span_of(&row), *span));
            let part = |(first, end): Span| UnitsRow { first_unit: first, last_unit: end - 1, ..row.clone() };
            lost.extend(parts.map(part));
        }
    }
    Ok(lost)
}
