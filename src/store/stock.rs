//! The stock: certificates that the centre of their site holds and that nothing stops, with what orders search by.
//!
//! Derived like records, and written with them; whoever searches finds what is for sale, not what ever was.

use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::ids::OrganisationId;
use crate::domain::order::OrderStatus;
use crate::limits::QUERY_BINDS_MAX;
use crate::store::order_units::RESERVED;
use crate::store::schema::{order_units, stock};
use crate::store::{Database, StoreResult};
use diesel::dsl::{exists, not, sql};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl};
use std::collections::{BTreeMap, BTreeSet};

/// A certificate in stock.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable)]
#[diesel(table_name = stock)]
pub struct StockRow {
    /// Its serial numbers.
    pub serial: String,
    /// What they begin with, such as `ER-KE-NBO1-202611`.
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
            pool: certificate.serial.pool(),
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

/// Which stock is looked for; what is empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockFilter {
    /// The centre.
    pub seller: String,
    /// A centre whose stock is not meant.
    pub not_seller: String,
    /// Where its site lies.
    pub country: String,
    /// Issuers whose units are not meant.
    pub not_issuers: Vec<String>,
    /// The first and the last vintage, in months since the year 0.
    pub vintages: Option<(i64, i64)>,
    /// A day on which it can still be retired.
    pub on: String,
    /// Whether what is reserved for orders that nobody has paid is free too.
    pub unpaid_too: bool,
}

/// A place in the line in which stock is given: oldest vintage first, then by pool and unit.
pub type Place = (i64, String, i64);

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

/// A page of the stock in which some units are not reserved as a whole by one order, behind a place.
pub fn page(
    database: &mut Database,
    filter: &StockFilter,
    after: Option<&Place>,
    count: i64,
) -> StoreResult<Vec<StockRow>> {
    let taken = order_units::table
        .filter(order_units::pool.eq(stock::pool))
        .filter(order_units::entry.eq(RESERVED))
        .filter(order_units::first_unit.le(stock::first_unit))
        .filter(order_units::last_unit.ge(stock::last_unit));
    let mut query = stock::table
        .filter(stock::expires.ge(filter.on.clone()))
        .order((stock::vintage.asc(), stock::pool.asc(), stock::first_unit.asc()))
        .limit(count)
        .into_boxed();
    query = if filter.unpaid_too {
        // In words of the database: diesel does not see through a query within one within another.
        let is_paid = sql::<Bool>("order_units.order_id NOT IN (SELECT id FROM orders WHERE standing = ")
            .bind::<Text, _>(OrderStatus::Reserved.as_str())
            .sql(")");
        query.filter(not(exists(taken.filter(is_paid))))
    } else {
        query.filter(not(exists(taken)))
    };
    if !filter.seller.is_empty() {
        query = query.filter(stock::seller.eq(filter.seller.clone()));
    }
    if !filter.not_seller.is_empty() {
        query = query.filter(stock::seller.ne(filter.not_seller.clone()));
    }
    if !filter.country.is_empty() {
        query = query.filter(stock::country.eq(filter.country.clone()));
    }
    if !filter.not_issuers.is_empty() {
        query = query.filter(stock::issuer.ne_all(filter.not_issuers.clone()));
    }
    if let Some((from, until)) = filter.vintages {
        query = query.filter(stock::vintage.ge(from)).filter(stock::vintage.le(until));
    }
    if let Some((vintage, pool, unit)) = after.cloned() {
        let is_behind_in_pool = stock::pool.gt(pool.clone()).or(stock::pool.eq(pool).and(stock::first_unit.gt(unit)));
        query = query
            .filter(stock::vintage.ge(vintage))
            .filter(stock::vintage.gt(vintage).or(stock::vintage.eq(vintage).and(is_behind_in_pool)));
    }
    Ok(query.load(database)?)
}

/// Units that a centre has in stock and that can be retired on a day, reserved or not.
pub fn units_of(database: &mut Database, seller: &str, on: &str) -> StoreResult<i64> {
    let units = stock::table.filter(stock::seller.eq(seller)).filter(stock::expires.ge(on)).select(sql::<
        Nullable<BigInt>,
    >(
        "CAST(SUM(last_unit - first_unit + 1) AS BIGINT)",
    ));
    Ok(units.first::<Option<i64>>(database)?.unwrap_or(0))
}

/// The centres of those of some certificates that are in stock.
pub fn sellers_of(database: &mut Database, serials: &[String]) -> StoreResult<BTreeSet<String>> {
    let mut sellers = BTreeSet::new();
    for chunk in serials.chunks(QUERY_BINDS_MAX) {
        let query = stock::table.filter(stock::serial.eq_any(chunk)).select(stock::seller).distinct();
        sellers.extend(query.load::<String>(database)?);
    }
    Ok(sellers)
}

/// Those of some certificates that are in stock.
pub fn among(database: &mut Database, serials: &[String]) -> StoreResult<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for chunk in serials.chunks(QUERY_BINDS_MAX) {
        let query = stock::table.filter(stock::serial.eq_any(chunk)).select(stock::serial);
        found.extend(query.load::<String>(database)?);
    }
    Ok(found)
}

/// All of it, by serial numbers.
pub fn all(database: &mut Database) -> StoreResult<BTreeMap<String, StockRow>> {
    let rows: Vec<StockRow> = stock::table.load(database)?;
    Ok(rows.into_iter().map(|row| (row.serial.clone(), row)).collect())
}

/// Some of a pool's stock that shares units with a stretch, by unit.
pub fn between(
    database: &mut Database,
    pool: &str,
    (first, last): (i64, i64),
    count: i64,
) -> StoreResult<Vec<StockRow>> {
    let query = stock::table
        .filter(stock::pool.eq(pool))
        .filter(stock::last_unit.ge(first))
        .filter(stock::first_unit.le(last))
        .order(stock::first_unit.asc())
        .limit(count);
    Ok(query.load(database)?)
}
