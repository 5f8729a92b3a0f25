//! Free units of the stock, read page by page: oldest vintage first, then by serial numbers.

use super::stock::span_of;
use crate::domain::ids::OrganisationId;
use crate::domain::order::Stretch;
use crate::domain::pool::{Span, without};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::order_units::{self, UnitsRow};
use crate::store::stock::{self, Place, StockFilter, StockRow};
use crate::store::{Database, StoreError, orders};
use std::collections::{BTreeMap, BTreeSet};

/// Units of one certificate side by side that are reserved for nobody.
#[derive(Debug, Clone)]
pub(super) struct FreeUnits {
    pub(super) stretch: Stretch,
    pub(super) issuer: OrganisationId,
}

/// Where in the stock we are.
pub(super) struct Shelf {
    filter: StockFilter,
    /// Behind which row the next page begins.
    after: Option<Place>,
    rows_read: usize,
    is_at_end: bool,
}

impl Shelf {
    /// At the beginning of what a filter admits.
    pub(super) const fn of(filter: StockFilter) -> Self {
        Self { filter, after: None, rows_read: 0, is_at_end: false }
    }

    /// Rows of the stock that were read so far.
    pub(super) const fn rows_read(&self) -> usize {
        self.rows_read
    }

    /// Whether all of it was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Reads on without what somebody issued.
    pub(super) fn leave_out(&mut self, issuer: OrganisationId) {
        let issuer = issuer.to_string();
        if !self.filter.not_issuers.contains(&issuer) {
            self.filter.not_issuers.push(issuer);
        }
    }

    /// The free units of the next page; `None` behind the last one.
    pub(super) fn next_page(&mut self, database: &mut Database) -> Result<Option<Vec<FreeUnits>>, StoreError> {
        if self.is_at_end {
            return Ok(None);
        }
        let rows = stock::page(database, &self.filter, self.after.as_ref(), PAGE_ROWS_MAX)?;
        self.is_at_end = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE_ROWS_MAX);
        self.rows_read += rows.len();
        if let Some(last) = rows.last() {
            self.after = Some((last.vintage, last.pool.clone(), last.first_unit));
        }
        free_of(database, &rows, self.filter.unpaid_too).map(Some)
    }
}

/// Units of some rows that are reserved for nobody, or for nobody who has paid.
fn free_of(database: &mut Database, rows: &[StockRow], unpaid_too: bool) -> Result<Vec<FreeUnits>, StoreError> {
    let mut spans: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let span = spans.entry(&row.pool).or_insert((row.first_unit, row.last_unit));
        *span = (span.0.min(row.first_unit), span.1.max(row.last_unit));
    }
    let mut reserved: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for (pool, (first, last)) in spans {
        let mut taken: Vec<UnitsRow> = order_units::reserved_between(database, pool, first, last)?;
        if unpaid_too {
            let holders: BTreeSet<String> = taken.iter().map(|row| row.order_id.clone()).collect();
            let unpaid = orders::unpaid_among(database, &holders.into_iter().collect::<Vec<_>>())?;
            taken.retain(|row| !unpaid.contains(&row.order_id));
        }
        reserved.insert(pool, taken.iter().map(span_of).collect());
    }
    let mut free = Vec::with_capacity(rows.len());
    for row in rows {
        let (serial, seller, issuer, expires) = read(row)?;
        let taken = reserved.get(row.pool.as_str()).map(Vec::as_slice).unwrap_or_default();
        for (first, end) in without(&[(serial.first, serial.last + 1)], taken) {
            let units = serial.part(first, end - 1);
            let stretch = |units| Stretch { seller, units, expires: expires.clone() };
            free.extend(units.map(stretch).map(|stretch| FreeUnits { stretch, issuer }));
        }
    }
    Ok(free)
}

fn read(row: &StockRow) -> Result<(SerialBlock, OrganisationId, OrganisationId, Date), StoreError> {
    let damaged = || StoreError::damaged(format!("{} in stock cannot be read", row.serial));
    Ok((
        SerialBlock::parse(&row.serial).ok_or_else(damaged)?,
        OrganisationId::parse(&row.seller).ok_or_else(damaged)?,
        OrganisationId::parse(&row.issuer).ok_or_else(damaged)?,
        Date::parse(&row.expires).ok_or_else(damaged)?,
    ))
}
