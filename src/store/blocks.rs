//! The blocks that hold units now, by what the register is searched by: derived, beside the records that say all of them.

use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Changes, Record};
use crate::domain::time::Date;
use crate::limits::QUERY_BINDS_MAX;
use crate::store::schema::{blocks, companies};
use crate::store::{Database, StoreError, StoreResult, companies as names, database_number, read_index};
use diesel::dsl::min;
use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, NullableExpressionMethods, QueryDsl, Queryable,
    RunQueryDsl, Selectable, SelectableHelper,
};
use std::collections::{BTreeMap, BTreeSet};

/// A row: a block, and by what it is found.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = blocks, treat_none_as_null = true)]
pub struct BlockRow {
    /// Its serial numbers.
    pub serial: String,
    pool: String,
    first_unit: i64,
    last_unit: i64,
    country: String,
    site_code: String,
    vintage: String,
    status: String,
    expires: Option<String>,
    retired_entry: Option<i64>,
    claimed_by: Option<String>,
    period_from: Option<String>,
    period_until: Option<String>,
    failing_since: Option<String>,
}

impl BlockRow {
    fn of(certificate: &Certificate) -> StoreResult<Self> {
        let Certificate { serial, status, expires, retired, holder, .. } = certificate;
        // Whose it is to say: the beneficiary that is named, else who retired.
        let claimed_by = retired.as_ref().and_then(|retired| retired.beneficiary.or(*holder));
        Ok(Self {
            serial: serial.to_string(),
            pool: serial.pool(),
            first_unit: serial.first,
            last_unit: serial.last,
            country: serial.country.to_string(),
            site_code: serial.site.to_string(),
            vintage: serial.vintage.to_string(),
            status: status.as_str().to_owned(),
            expires: expires.as_ref().map(ToString::to_string),
            retired_entry: retired.as_ref().map(|retired| database_number(retired.entry.0)).transpose()?,
            claimed_by: claimed_by.map(|claimed_by| claimed_by.to_string()),
            period_from: retired.as_ref().map(|retired| retired.period.from.to_string()),
            period_until: retired.as_ref().map(|retired| retired.period.until.to_string()),
            failing_since: certificate.failing_since().map(|day| day.to_string()),
        })
    }
}

/// Stores the certificates that a run of entries changed. What was split holds no units any more.
pub fn store(database: &mut Database, changes: &Changes) -> StoreResult<()> {
    for record in changes.records.values() {
        let Record::Certificate(certificate) = record else { continue };
        let target = blocks::table.find(certificate.serial.to_string());
        if certificate.status == CertificateStatus::Split {
            diesel::delete(target).execute(database)?;
            continue;
        }
        let row = BlockRow::of(certificate)?;
        if diesel::update(target).set(&row).execute(database)? == 0 {
            diesel::insert_into(blocks::table).values(&row).execute(database)?;
        }
    }
    Ok(())
}

/// How a block stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has this status.
    At(CertificateStatus),
    /// It is held, and its time is not over on this day.
    InTime(Date),
    /// It is held, and its time is over on this day.
    Expired(Date),
    /// Some of its units fail, and nothing backs them.
    Failing,
    /// The same since before a day; none where there is no such day.
    FailingSinceBefore(Option<Date>),
}

/// By what blocks are looked for; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Blocks that share units with this one.
    pub units: Option<SerialBlock>,
    /// Country of the site.
    pub country: Option<String>,
    /// Code of the site.
    pub site_code: Option<String>,
    /// Month of the pool.
    pub vintage: Option<String>,
    /// How they stand.
    pub standing: Option<Standing>,
    /// Retired in this name.
    pub company: Option<names::Name>,
    /// Retired for a time that touches the days from the first on, before the second.
    pub period: Option<(Date, Date)>,
}

/// Up to `count` blocks in the order of pools and units, behind a block.
pub fn find(
    database: &mut Database,
    wanted: &Wanted,
    after: Option<&SerialBlock>,
    count: i64,
) -> StoreResult<Vec<String>> {
    let mut query = blocks::table
        .order((blocks::pool.asc(), blocks::last_unit.asc()))
        .limit(count)
        .select(blocks::serial)
        .into_boxed();
    if let Some(after) = after {
        query = query
            .filter(blocks::pool.ge(after.pool()))
            .filter(blocks::pool.gt(after.pool()).or(blocks::last_unit.gt(after.last)));
    }
    if let Some(units) = &wanted.units {
        query = query
            .filter(blocks::pool.eq(units.pool()))
            .filter(blocks::last_unit.ge(units.first))
            .filter(blocks::first_unit.le(units.last));
    }
    if let Some(country) = &wanted.country {
        query = query.filter(blocks::country.eq(country));
    }
    if let Some(site_code) = &wanted.site_code {
        query = query.filter(blocks::site_code.eq(site_code));
    }
    if let Some(vintage) = &wanted.vintage {
        query = query.filter(blocks::vintage.eq(vintage));
    }
    let held = CertificateStatus::Held.as_str();
    query = match &wanted.standing {
        None => query,
        Some(Standing::At(status)) => query.filter(blocks::status.eq(status.as_str())),
        Some(Standing::InTime(today)) => {
            query.filter(blocks::status.eq(held)).filter(blocks::expires.ge(today.to_string()))
        }
        Some(Standing::Expired(today)) => {
            query.filter(blocks::status.eq(held)).filter(blocks::expires.lt(today.to_string()))
        }
        Some(Standing::Failing) => query.filter(blocks::failing_since.is_not_null()),
        Some(Standing::FailingSinceBefore(day)) => {
            query.filter(blocks::failing_since.lt(day.as_ref().map(ToString::to_string).unwrap_or_default()))
        }
    };
    if let Some((from, behind)) = &wanted.period {
        query =
            query.filter(blocks::period_from.lt(behind.to_string())).filter(blocks::period_until.ge(from.to_string()));
    }
    match &wanted.company {
        Some(names::Name::Whole(name)) => {
            let claims = companies::table.filter(companies::name.eq(name.clone())).select(companies::idx.nullable());
            query = query.filter(blocks::retired_entry.eq_any(claims));
        }
        Some(names::Name::Beginning(from, to)) => {
            let claims = companies::table
                .filter(companies::name.ge(from.clone()))
                .filter(companies::name.lt(to.clone()))
                .select(companies::idx.nullable());
            query = query.filter(blocks::retired_entry.eq_any(claims));
        }
        None => {}
    }
    Ok(query.load(database)?)
}

/// The blocks that were retired by an organisation, or for one that is named, for times that end from a day to a day, by day and
/// serial numbers; up to `count` behind a row.
pub fn claimed_by(
    database: &mut Database,
    organisation: OrganisationId,
    (from, until): (&Date, &Date),
    after: Option<(&str, &str)>,
    count: i64,
) -> StoreResult<Vec<(String, String)>> {
    let mut query = blocks::table
        .filter(blocks::claimed_by.eq(organisation.to_string()))
        .filter(blocks::period_until.ge(from.to_string()))
        .filter(blocks::period_until.le(until.to_string()))
        .order((blocks::period_until.asc(), blocks::serial.asc()))
        .limit(count)
        .select((blocks::period_until, blocks::serial))
        .into_boxed();
    if let Some((day, serial)) = after {
        query = query
            .filter(blocks::period_until.ge(day.to_owned()))
            .filter(blocks::period_until.gt(day.to_owned()).or(blocks::serial.gt(serial.to_owned())));
    }
    let rows: Vec<(Option<String>, String)> = query.load(database)?;
    Ok(rows.into_iter().map(|(day, serial)| (day.unwrap_or_default(), serial)).collect())
}

/// The blocks that some retirements ended.
pub fn of_retirements(
    database: &mut Database,
    entries: impl IntoIterator<Item = EntryIndex>,
) -> StoreResult<Vec<String>> {
    let entries = entries.into_iter().map(|entry| database_number(entry.0)).collect::<StoreResult<Vec<i64>>>()?;
    let mut found = Vec::new();
    for chunk in entries.chunks(QUERY_BINDS_MAX) {
        let query = blocks::table.filter(blocks::retired_entry.eq_any(chunk)).order(blocks::serial.asc());
        found.extend(query.select(blocks::serial).load::<String>(database)?);
    }
    Ok(found)
}

/// The first block of each of some retirements, by serial numbers.
pub fn first_of_retirements(
    database: &mut Database,
    entries: &BTreeSet<EntryIndex>,
) -> StoreResult<BTreeMap<EntryIndex, String>> {
    let entries = entries.iter().map(|entry| database_number(entry.0)).collect::<StoreResult<Vec<i64>>>()?;
    let mut found = BTreeMap::new();
    for chunk in entries.chunks(QUERY_BINDS_MAX) {
        let first = blocks::table
            .filter(blocks::retired_entry.eq_any(chunk))
            .group_by(blocks::retired_entry)
            .select((blocks::retired_entry, min(blocks::serial)));
        for (entry, serial) in first.load::<(Option<i64>, Option<String>)>(database)? {
            let entry = entry.map(read_index).transpose()?;
            found.extend(entry.zip(serial));
        }
    }
    Ok(found)
}

/// A page of all rows, in the database's order of serial numbers, for the audit.
pub fn raw_page(database: &mut Database, after: &str, count: i64) -> StoreResult<Vec<BlockRow>> {
    let query = blocks::table.filter(blocks::serial.gt(after)).order(blocks::serial.asc()).limit(count);
    Ok(query.select(BlockRow::as_select()).load(database)?)
}

/// The rows of these serial numbers, for the audit.
pub fn raw_of(database: &mut Database, serials: &[String]) -> StoreResult<Vec<BlockRow>> {
    let mut found = Vec::new();
    for chunk in serials.chunks(QUERY_BINDS_MAX) {
        found.extend(blocks::table.filter(blocks::serial.eq_any(chunk)).select(BlockRow::as_select()).load(database)?);
    }
    Ok(found)
}

/// How many there are, for the audit.
pub fn count(database: &mut Database) -> StoreResult<u64> {
    let count: i64 = blocks::table.count().get_result(database)?;
    u64::try_from(count).map_err(|_| StoreError::damaged("a negative count"))
}
