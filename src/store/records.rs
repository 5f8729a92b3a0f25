//! Derived state: records and accounts, as replaying the entries gives them.

use crate::domain::balance::{Account, SiteAccount};
use crate::domain::ids::SiteId;
use crate::domain::state::{Changes, Record, RecordId, RecordKind};
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::json;
use crate::store::backend::{self, RecordRow};
use crate::store::schema::{accounts, records};
use crate::store::{Database, StoreError, StoreResult};
use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::{BTreeMap, BTreeSet};

fn read_row(id: &str, kind: &str, body: &str) -> StoreResult<Record> {
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
    let mut found = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        let rows: Vec<(String, String, String)> = records::table
            .filter(records::id.eq_any(chunk))
            .select((records::id, records::kind, records::body))
            .load(database)?;
        for (id, kind, body) in rows {
            found.push(read_row(&id, &kind, &body)?);
        }
    }
    Ok(found)
}

/// A page of all records, in the order of id and kind.
pub fn page_all(database: &mut Database, after: (&str, &str), count: i64) -> StoreResult<Vec<Record>> {
    let (id, kind) = after;
    let rows: Vec<(String, String, String)> = records::table
        .filter(records::id.gt(id).or(records::id.eq(id).and(records::kind.gt(kind))))
        .order((records::id.asc(), records::kind.asc()))
        .limit(count)
        .select((records::id, records::kind, records::body))
        .load(database)?;
    rows.iter().map(|(id, kind, body)| read_row(id, kind, body)).collect()
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

/// The first records of one kind whose ids begin so, in the order of their ids.
pub fn page_under(database: &mut Database, kind: RecordKind, prefix: &str, count: i64) -> StoreResult<Vec<Record>> {
    let mut page = page(database, kind, prefix, count)?;
    page.retain(|record| record.id().id.starts_with(prefix));
    Ok(page)
}

/// All accounts, in grams.
pub fn accounts(database: &mut Database) -> StoreResult<BTreeMap<SiteAccount, i64>> {
    let rows: Vec<(String, String, i64)> = accounts::table.load(database)?;
    let read = |(account, site, grams): (String, String, i64)| {
        let damaged = || StoreError::damaged(format!("account {account} {site} cannot be read"));
        let site_id = if site.is_empty() { None } else { Some(SiteId::parse(&site).ok_or_else(damaged)?) };
        Ok((SiteAccount { account: Account::parse(&account).ok_or_else(damaged)?, site: site_id }, grams))
    };
    rows.into_iter().map(read).collect()
}

/// Stores what a run of entries changed; `known` are the records that existed before.
pub fn store(database: &mut Database, changes: &Changes, known: &BTreeSet<RecordId>) -> StoreResult<()> {
    let row = |(id, record): (&RecordId, &Record)| RecordRow {
        id: id.id.clone(),
        kind: id.kind.as_str().to_owned(),
        body: record.body(),
    };
    let (old, new): (Vec<_>, Vec<_>) = changes.records.iter().partition(|(id, _)| known.contains(id));
    let old: Vec<RecordRow> = old.into_iter().map(row).collect();
    let new: Vec<RecordRow> = new.into_iter().map(row).collect();
    backend::insert_records(database, &new)?;
    if backend::update_records(database, &old)? != old.len() {
        return Err(StoreError::damaged("a record that was read is gone"));
    }
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
