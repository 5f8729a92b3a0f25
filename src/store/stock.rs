//! The stock: certificates that the centre of their site holds and that nothing stops, with what orders search by.
//!
//! Derived like records, and written with them; whoever searches finds what is for sale, not what ever was.

use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::ids::OrganisationId;
use crate::domain::serial::SerialBlock;
use crate::store::schema::stock;
use crate::store::{Database, StoreResult};
use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl};
use std::collections::BTreeMap;

/// A certificate in stock.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable)]
#[diesel(table_name = stock)]
pub struct StockRow {
    /// Its serial numbers.
    pub serial: String,
    /// What they begin with, as [`pool_of`] gives it.
    pub pool: String,
    /// The first unit.
    pub first_unit: i64,
    /// The last.
    pub last_unit: i64,
    /// The centre.
    pub seller: String,
    /// Where its site lies.
    pub country: String,
    /// The vintage, in months since the year 0.
    pub vintage: i64,
    /// Who issued it.
    pub issuer: String,
    /// The last day on which it can be retired.
    pub expires: String,
}

impl StockRow {
    /// A certificate as it stands in stock; `None` if it does not. `centre` is the organisation of its site.
    pub fn of(certificate: &Certificate, centre: Option<OrganisationId>) -> Option<Self> {
        let is_stock = certificate.status == CertificateStatus::Held
            && !certificate.is_stopped()
            && certificate.failing.is_empty()
            && certificate.holder.is_some()
            && certificate.holder == centre;
        let (seller, expires) = (certificate.holder?, certificate.expires.as_ref()?);
        is_stock.then(|| Self {
            serial: certificate.serial.to_string(),
            pool: pool_of(&certificate.serial),
            first_unit: certificate.serial.first,
            last_unit: certificate.serial.last,
            seller: seller.to_string(),
            country: certificate.serial.country.to_string(),
            vintage: certificate.serial.vintage.number(),
            issuer: certificate.issuer.to_string(),
            expires: expires.to_string(),
        })
    }
}

/// The part of serial numbers that all units of a pool share: `ER-KE-NBO1-202611`.
pub fn pool_of(serial: &SerialBlock) -> String {
    let text = serial.to_string();
    let end = text.rmatch_indices('-').nth(1).map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}

/// Which stock is looked for; what is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockFilter {
    /// The centre.
    pub seller: String,
    /// Where its site lies.
    pub country: String,
    /// A day on which it can still be retired.
    pub on: String,
}

/// Writes how certificates stand: a row where they are in stock, none where they are not.
pub fn keep(database: &mut Database, standing: &[(String, Option<StockRow>)]) -> StoreResult<()> {
    for (serial, row) in standing {
        diesel::delete(stock::table.find(serial)).execute(database)?;
        if let Some(row) = row {
            diesel::insert_into(stock::table).values(row).execute(database)?;
        }
    }
    Ok(())
}

/// The vintages of which there is stock, oldest first.
pub fn vintages(database: &mut Database, filter: &StockFilter) -> StoreResult<Vec<i64>> {
    let mut query =
        stock::table.filter(stock::expires.ge(filter.on.clone())).select(stock::vintage).distinct().into_boxed();
    if !filter.seller.is_empty() {
        query = query.filter(stock::seller.eq(filter.seller.clone()));
    }
    if !filter.country.is_empty() {
        query = query.filter(stock::country.eq(filter.country.clone()));
    }
    let mut vintages: Vec<i64> = query.load(database)?;
    vintages.sort_unstable();
    Ok(vintages)
}

/// The stock of one vintage, by pool and unit.
pub fn of_vintage(database: &mut Database, filter: &StockFilter, vintage: i64) -> StoreResult<Vec<StockRow>> {
    let mut query =
        stock::table.filter(stock::vintage.eq(vintage)).filter(stock::expires.ge(filter.on.clone())).into_boxed();
    if !filter.seller.is_empty() {
        query = query.filter(stock::seller.eq(filter.seller.clone()));
    }
    if !filter.country.is_empty() {
        query = query.filter(stock::country.eq(filter.country.clone()));
    }
    let mut rows: Vec<StockRow> = query.load(database)?;
    // Databases do not sort text alike.
    rows.sort_by(|one, other| (&one.pool, one.first_unit).cmp(&(&other.pool, other.first_unit)));
    Ok(rows)
}

/// All of it, by serial numbers.
pub fn all(database: &mut Database) -> StoreResult<BTreeMap<String, StockRow>> {
    let rows: Vec<StockRow> = stock::table.load(database)?;
    Ok(rows.into_iter().map(|row| (row.serial.clone(), row)).collect())
}

/// The stock of one pool, by unit.
pub fn of_pool(database: &mut Database, pool: &str) -> StoreResult<Vec<StockRow>> {
    Ok(stock::table.filter(stock::pool.eq(pool)).order(stock::first_unit.asc()).load(database)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_one_pool_share_what_their_serials_begin_with() {
        let serial = SerialBlock::parse("ERT-XD-CTR1-202611-0000001-12345678").expect("a serial");
        assert_eq!(pool_of(&serial), "ERT-XD-CTR1-202611");
    }
}
