//! What an append does to orders: units are delivered, units leave the stock, units appear in it.
//!
//! In the append's own transaction, after its records were written; if we crash before the commit neither is there.

use super::admission::{Delivery, span_of_block};
use super::settling::{give_to_waiting, lose};
use super::stock::span_of;
use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderStatus;
use crate::domain::pool::{Span, shared, without};
use crate::domain::state::{Changes, Record};
use crate::domain::time::LedgerTime;
use crate::store::order_units::{self, RESERVED, UnitsRow};
use crate::store::stock::{self, pool_of};
use crate::store::{Database, StoreError, orders};
use std::collections::BTreeSet;

/// Writes down what was delivered, takes note of units that left the stock otherwise, and gives what is new in stock, or was
/// given back by a lapse (`freed`), to those who wait. Tells whether something personal was deleted.
pub(super) fn follow(
    database: &mut Database,
    time: LedgerTime,
    deliveries: &[Delivery],
    changes: &Changes,
    freed: bool,
) -> Result<bool, StoreError> {
    let certificates: Vec<&Certificate> = changes.records.values().filter_map(certificate_of).collect();
    if (certificates.is_empty() && !freed) || !orders::any_open(database)? {
        return Ok(false);
    }
    let mut erased = false;
    for order in deliveries.iter().map(|delivery| delivery.order).collect::<BTreeSet<_>>() {
        let own: Vec<&Delivery> = deliveries.iter().filter(|delivery| delivery.order == order).collect();
        erased |= deliver(database, time, order, &own)?;
    }
    let lost = lost_with(database, &certificates)?;
    erased |= lose(database, time, &lost)?;
    give_to_waiting(database, time)?;
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
        let (pool, delivered) = (pool_of(&delivery.units), span_of_block(&delivery.units));
        let entry =
            i64::try_from(delivery.entry.0).map_err(|_| StoreError::damaged("an entry beyond the database's range"))?;
        for row in order_units::of_order(database, &id)? {
            let Some(part) = shared(span_of(&row), delivered).filter(|_| row.entry == RESERVED) else {
                continue;
            };
            if row.pool != pool {
                continue;
            }
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
    orders::delete_values(database, &id)
}

/// What is reserved of certificates that are in stock no more. The parts of one that was split are there in its place.
fn lost_with(database: &mut Database, changed: &[&Certificate]) -> Result<Vec<UnitsRow>, StoreError> {
    let mut lost = Vec::new();
    let pools: BTreeSet<String> = changed.iter().map(|certificate| pool_of(&certificate.serial)).collect();
    for pool in pools {
        let reserved = order_units::reserved_in(database, std::slice::from_ref(&pool))?;
        if reserved.is_empty() {
            continue;
        }
        let in_stock: BTreeSet<String> = stock::of_pool(database, &pool)?.into_iter().map(|row| row.serial).collect();
        let gone = changed.iter().map(|certificate| (certificate, certificate.serial.to_string()));
        let gone = gone.filter(|(certificate, serial)| {
            certificate.status != CertificateStatus::Split
                && pool_of(&certificate.serial) == pool
                && !in_stock.contains(serial)
        });
        for (certificate, _) in gone {
            let part = |row: &UnitsRow| {
                let (first, end) = shared(span_of(row), span_of_block(&certificate.serial))?;
                Some(UnitsRow { first_unit: first, last_unit: end - 1, ..row.clone() })
            };
            lost.extend(reserved.iter().filter_map(part));
        }
    }
    Ok(lost)
}
