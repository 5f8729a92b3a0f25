//! Derived state: records and accounts, as replaying the entries gives them.

use crate::domain::balance::SiteAccount;
use crate::domain::ids::EntryIndex;
use crate::domain::state::{Changes, Record, RecordId, RecordKind};
use crate::limits::QUERY_BINDS_MAX;
use crate::proof::json;
use crate::store::backend::{self, RecordRow};
use crate::store::schema::{accounts, records};
use crate::store::{Database, StoreError, StoreResult};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::BTreeSet;

fn read_row(id: &str, kind: &str, body: &str) -> StoreResult<Record> {
    let damaged = |problem: String| StoreError::damaged(format!("record {kind} {id}: {problem}"));
    let kind_known = RecordKind::parse(kind).ok_or_else(|| damaged("unknown kind".into()))?;
    let value = json::parse(body.as_bytes()).map_err(|deviation| damaged(deviation.to_string()))?;
    let record = Record::read(kind_known, &value).map_err(|problem| damaged(format!("{problem:?}")))?;
    if record.id().id != id {
        return Err(damaged("the body names another id".into()));
    }
    Ok(record)
}

/// All records of these ids, of whatever kind.
pub fn load(connection: &mut Database, ids: &[String]) -> StoreResult<Vec<Record>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(QUERY_BINDS_MAX) {
        let rows: Vec<(String, String, String)> = records::table
            .filter(records::id.eq_any(chunk))
            .select((records::id, records::kind, records::body))
            .load(connection)?;
        for (id, kind, body) in rows {
            found.push(read_row(&id, &kind, &body)?);
        }
    }
    Ok(found)
}

/// A page of the records of one kind, in the order of their ids.
pub fn page(connection: &mut Database, kind: RecordKind, after: &str, count: i64) -> StoreResult<Vec<Record>> {
    let rows: Vec<(String, String)> = records::table
        .filter(records::kind.eq(kind.as_str()))
        .filter(records::id.gt(after))
        .order(records::id.asc())
        .limit(count)
        .select((records::id, records::body))
        .load(connection)?;
    rows.iter().map(|(id, body)| read_row(id, kind.as_str(), body)).collect()
}

/// Stores what a run of entries changed; `known` are the records that existed before.
pub fn store(
    connection: &mut Database,
    changes: &Changes,
    known: &BTreeSet<RecordId>,
    last: EntryIndex,
) -> StoreResult<()> {
    let last = i64::try_from(last.0).map_err(|_| StoreError::damaged("an index beyond the database's range"))?;
    let row = |(id, record): (&RecordId, &Record)| RecordRow {
        id: id.id.clone(),
        kind: id.kind.as_str().to_owned(),
        body: record.body(),
        changed: last,
    };
    let (old, new): (Vec<_>, Vec<_>) = changes.records.iter().partition(|(id, _)| known.contains(id));
    let old: Vec<RecordRow> = old.into_iter().map(row).collect();
    let new: Vec<RecordRow> = new.into_iter().map(row).collect();
    backend::insert_records(connection, &new)?;
    if backend::update_records(connection, &old)? != old.len() {
        return Err(StoreError::damaged("a record that was read is gone"));
    }
    changes.accounts.iter().try_for_each(|(account, grams)| add_to_account(connection, account, *grams))
}

fn add_to_account(connection: &mut Database, account: &SiteAccount, grams: i64) -> StoreResult<()> {
    let name = account.account.as_str();
    let site = account.site.map(|site| site.to_string()).unwrap_or_default();
    let target = accounts::table.find((name, &site));
    let written = diesel::update(target).set(accounts::grams.eq(accounts::grams + grams)).execute(connection)?;
    if written == 0 {
        diesel::insert_into(accounts::table)
            .values((accounts::account.eq(name), accounts::site.eq(&site), accounts::grams.eq(grams)))
            .execute(connection)?;
    }
    Ok(())
}
