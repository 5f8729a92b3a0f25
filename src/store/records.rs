//! Derived state: records and accounts, as replaying the entries gives them.

use crate::domain::balance::{Account, SiteAccount};
use crate::domain::ids::SiteId;
use crate::domain::past::Stamp;
use crate::domain::registry::Site;
use crate::domain::state::{Changes, Record, RecordId, RecordKind};
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::json;
use crate::store::bulk::{self, RecordRow};
use crate::store::past::{self, read_stamp};
use crate::store::schema::{accounts, records};
use crate::store::{Database, StoreError, StoreResult, database_number};
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Text};
use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn read_row(id: &str, kind: &str, body: &str) -> StoreResult<Record> {
    let damaged = |problem: String| StoreError::damaged(format!("record {kind} {id}: {problem}"));
    let kind_known = RecordKind::parse(kind).ok_or_else(|| damaged("unknown kind".into()))?;
    let value = json::parse_own(body.as_bytes()).map_err(|deviation| damaged(deviation.to_string()))?;
    let record = Record::read(kind_known, &value).map_err(|problem| damaged(format!("{problem:?}")))?;
    if record.id().id != id {
        return Err(damaged("the body names another id".into()));
    }
    Ok(record)
}

/// All records of these ids, of whatever kind.
pub fn load(database: &mut Database, ids: &[String]) -> StoreResult<Vec<Record>> {
    Ok(load_stamped(database, ids)?.into_iter().map(|(record, _)| record).collect())
}

/// Those of these ids that are of one kind.
pub fn load_of<T: TryFrom<Record>>(database: &mut Database, ids: &[String]) -> StoreResult<Vec<T>> {
    Ok(load(database, ids)?.into_iter().filter_map(|record| T::try_from(record).ok()).collect())
}

/// The record of an id that is of one kind.
pub fn find<T: TryFrom<Record>>(database: &mut Database, id: &str) -> StoreResult<Option<T>> {
    Ok(load_of(database, &[id.to_owned()])?.pop())
}

/// All records of these ids, with the entries that wrote them.
pub fn load_stamped(database: &mut Database, ids: &[String]) -> StoreResult<Vec<(Record, Stamp)>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        found.extend(read_stamped(records::table.filter(records::id.eq_any(chunk)).load(database)?)?);
    }
    Ok(found)
}

type Row = (String, String, String, i64, Option<i64>);

fn read_stamped(rows: Vec<Row>) -> StoreResult<Vec<(Record, Stamp)>> {
    let read = |(id, kind, body, since, before): Row| Ok((read_row(&id, &kind, &body)?, read_stamp(since, before)?));
    rows.into_iter().map(read).collect()
}

/// A row of derived state as it stands, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The record's id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What it says, in JSON.
    pub body: String,
    /// The entry that wrote it.
    pub since: i64,
    /// The entry that had written it before.
    pub before: Option<i64>,
}

fn read_raw((id, kind, body, since, before): Row) -> RawRecord {
    RawRecord { id, kind, body, since, before }
}

/// A page of all records, in the database's order of id and kind.
pub fn raw_page(database: &mut Database, after: (&str, &str), count: i64) -> StoreResult<Vec<RawRecord>> {
    let (id, kind) = after;
    let rows: Vec<Row> = records::table
        .filter(records::id.ge(id))
        .filter(records::id.gt(id).or(records::kind.gt(kind)))
        .order((records::id.asc(), records::kind.asc()))
        .limit(count)
        .load(database)?;
    Ok(rows.into_iter().map(read_raw).collect())
}

/// All records of these ids, unread.
pub fn raw_of(database: &mut Database, ids: &[String]) -> StoreResult<Vec<RawRecord>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        let rows: Vec<Row> = records::table.filter(records::id.eq_any(chunk)).load(database)?;
        found.extend(rows.into_iter().map(read_raw));
    }
    Ok(found)
}

/// A page of the records of some kinds, in the database's order of id and kind.
pub fn page_of_kinds(
    database: &mut Database,
    kinds: &[RecordKind],
    after: (&str, &str),
    count: i64,
) -> StoreResult<Vec<Record>> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let (id, kind) = after;
    let rows: Vec<(String, String, String)> = records::table
        .filter(records::id.ge(id))
        .filter(records::id.gt(id).or(records::kind.gt(kind)))
        .filter(records::kind.eq_any(kinds))
        .order((records::id.asc(), records::kind.asc()))
        .limit(count)
        .select((records::id, records::kind, records::body))
        .load(database)?;
    rows.iter().map(|(id, kind, body)| read_row(id, kind, body)).collect()
}

/// How many records there are.
pub fn count(database: &mut Database) -> StoreResult<u64> {
    let count: i64 = records::table.count().get_result(database)?;
    u64::try_from(count).map_err(|_| StoreError::damaged("a negative count"))
}

/// A page of the records of one kind, in the order of their ids; for the kinds of the registry.
pub fn page(database: &mut Database, kind: RecordKind, after: &str, count: i64) -> StoreResult<Vec<Record>> {
    let rows: Vec<(String, String)> = records::table
        .filter(records::kind.eq(kind.as_str()))
        .filter(records::id.gt(after))
        .order(records::id.asc())
        .limit(count)
        .select((records::id, records::body))
        .load(database)?;
    rows.iter().map(|(id, body)| read_row(id, kind.as_str(), body)).collect()
}

/// Up to `count` sites of an organisation, in the order of their ids.
pub fn sites_of(database: &mut Database, organisation: &str, count: usize) -> StoreResult<Vec<Site>> {
    // What the indexes of both databases are made of, which they serve only for these very words.
    let is_own = match database {
        Database::Sqlite(_) => "kind = 'site' AND json_extract(body, '$.organisation') = ",
        Database::Postgres(_) => "kind = 'site' AND (body::jsonb ->> 'organisation') = ",
    };
    let count = i64::try_from(count).map_err(|_| StoreError::damaged("a count beyond the database's range"))?;
    let rows: Vec<(String, String)> = records::table
        .filter(sql::<Bool>(is_own).bind::<Text, _>(organisation))
        .order(records::id.asc())
        .limit(count)
        .select((records::id, records::body))
        .load(database)?;
    let read = rows.iter().map(|(id, body)| read_row(id, RecordKind::Site.as_str(), body));
    let read: Vec<Record> = read.collect::<StoreResult<_>>()?;
    Ok(read.into_iter().filter_map(|record| Site::try_from(record).ok()).collect())
}

/// A page of one kind between two ids, both left out. Nothing behind the second one is read.
pub fn page_between(
    database: &mut Database,
    kind: RecordKind,
    (after, before): (&str, &str),
    count: i64,
) -> StoreResult<Vec<Record>> {
    let rows: Vec<(String, String)> = records::table
        .filter(records::id.gt(after).and(records::id.lt(before)))
        .filter(records::kind.eq(kind.as_str()))
        .order(records::id.asc())
        .limit(count)
        .select((records::id, records::body))
        .load(database)?;
    rows.iter().map(|(id, body)| read_row(id, kind.as_str(), body)).collect()
}

/// The first records of one kind whose ids begin so, in the order of their ids.
pub fn page_under(database: &mut Database, kind: RecordKind, prefix: &str, count: i64) -> StoreResult<Vec<Record>> {
    let mut page = page(database, kind, prefix, count)?;
    page.retain(|record| record.id().id.starts_with(prefix));
    Ok(page)
}

/// All accounts, in grams.
pub fn accounts(database: &mut Database) -> StoreResult<BTreeMap<SiteAccount, i64>> {
    let rows: Vec<(String, String, i64)> = accounts::table.load(database)?;
    rows.into_iter().map(|(account, site, grams)| Ok((read_account(&account, &site)?, grams))).collect()
}

/// Live grams at some sites, by the site's id.
pub fn live_at(database: &mut Database, sites: &[String]) -> StoreResult<BTreeMap<String, i64>> {
    let mut live = BTreeMap::new();
    for chunk in sites.chunks(QUERY_BINDS_MAX) {
        let query = accounts::table
            .filter(accounts::account.eq(Account::Live.to_string()))
            .filter(accounts::site.eq_any(chunk))
            .select((accounts::site, accounts::grams));
        live.extend(query.load::<(String, i64)>(database)?);
    }
    Ok(live)
}

/// An account as the database keeps it: no site is an empty one.
pub(super) fn read_account(account: &str, site: &str) -> StoreResult<SiteAccount> {
    let damaged = || StoreError::damaged(format!("account {account} {site} cannot be read"));
    let site_id = if site.is_empty() { None } else { Some(SiteId::parse(site).ok_or_else(damaged)?) };
    Ok(SiteAccount { account: Account::parse(account).ok_or_else(damaged)?, site: site_id })
}

/// Stores what a run of entries changed; `known` are the records that existed before.
pub fn store(database: &mut Database, changes: &Changes, known: &BTreeSet<RecordId>) -> StoreResult<()> {
    let row = |(id, record): (&RecordId, &Record)| {
        let stamp = changes.stamps.get(id).ok_or_else(|| StoreError::damaged("a record without its entry"))?;
        Ok(RecordRow {
            id: id.id.clone(),
            kind: id.kind.as_str().to_owned(),
            body: record.body(),
            since: database_number(stamp.since.0)?,
            before: stamp.before.map(|before| database_number(before.0)).transpose()?,
        })
    };
    let (old, new): (Vec<_>, Vec<_>) = changes.records.iter().partition(|(id, _)| known.contains(id));
    let old: Vec<RecordRow> = old.into_iter().map(row).collect::<StoreResult<_>>()?;
    let new: Vec<RecordRow> = new.into_iter().map(row).collect::<StoreResult<_>>()?;
    bulk::insert_records(database, &new)?;
    if bulk::update_records(database, &old)? != old.len() {
        return Err(StoreError::damaged("a record that was read is gone"));
    }
    past::insert(database, &changes.superseded)?;
    past::insert_bookings(database, &changes.bookings)?;
    changes.accounts.iter().try_for_each(|(account, grams)| add_to_account(database, account, *grams))
}

fn add_to_account(database: &mut Database, account: &SiteAccount, grams: i64) -> StoreResult<()> {
    let name = account.account.to_string();
    let site = account.site.map(|site| site.to_string()).unwrap_or_default();
    let target = accounts::table.find((&name, &site));
    let written = diesel::update(target).set(accounts::grams.eq(accounts::grams + grams)).execute(database)?;
    if written == 0 {
        diesel::insert_into(accounts::table)
            .values((accounts::account.eq(&name), accounts::site.eq(&site), accounts::grams.eq(grams)))
            .execute(database)?;
    }
    Ok(())
}
