//! Derived state of a database beside the one that the entries give: row by row, page by page, and the stock as a whole.
//!
//! Each database orders text by its own rules, so rows are looked up by their keys on the other side; that nothing is there
//! beside them, their number tells.

use crate::domain::ids::EntryIndex;
use crate::domain::state::{LEDGER_RECORD, Record, RecordKind};
use crate::ledger::audit::database::found_or_damage;
use crate::ledger::audit::report::Findings;
use crate::store::blocks::BlockRow;
use crate::store::records::RawRecord;
use crate::store::{Database, StoreError, blocks, holdings, past, records, stock};
use std::collections::BTreeMap;

/// Rows that are read at once.
const PAGE_ROWS: i64 = 1_000;

/// Compares records, what they were, and accounts.
pub(super) fn compare(
    theirs: &mut Database,
    ours: &mut Database,
    size: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let differing = compare_records(theirs, ours, |row, problem| findings.wrong(None, problem_of(row, problem)))?;
    if records::count(theirs)? != records::count(ours)? || differing > 0 {
        compare_records(ours, theirs, |row, problem| {
            if problem == Problem::Missing {
                findings.wrong(None, format!("{} is missing in the derived state", name(row)));
            }
        })?;
    }
    compare_past(theirs, ours, size, findings)?;
    compare_blocks(theirs, ours, findings)?;
    compare_holdings(theirs, ours, size, findings)?;
    let accounts = records::accounts(ours)?;
    let Some(stored) = found_or_damage(records::accounts(theirs))? else {
        findings.wrong(None, "the accounts cannot be read");
        return Ok(());
    };
    for (account, grams) in &accounts {
        if stored.get(account) != Some(grams) {
            let place = account.site.map_or_else(|| "no site".to_owned(), |site| format!("site {site}"));
            findings.wrong(None, format!("the account {} of {place} is not what the entries give", account.account));
        }
    }
    if stored.keys().any(|account| !accounts.contains_key(account)) {
        findings.wrong(None, "there are accounts that the entries do not give");
    }
    compare_stock(theirs, ours, findings)
}

/// What orders are filled from.
fn compare_stock(theirs: &mut Database, ours: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let (stored, derived) = (stock::all(theirs)?, stock::all(ours)?);
    for (serial, row) in &derived {
        if stored.get(serial) != Some(row) {
            findings.wrong(None, format!("{serial} does not stand in stock as the entries give it"));
        }
    }
    for serial in stored.keys().filter(|serial| !derived.contains_key(*serial)) {
        findings.wrong(None, format!("{serial} stands in stock and follows from no entry"));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Problem {
    Missing,
    Column(&'static str),
}

fn name(row: &RawRecord) -> String {
    if row.id == LEDGER_RECORD {
        "the record of the ledger".into()
    } else {
        format!("the record {} {}", row.kind, row.id)
    }
}

fn problem_of(row: &RawRecord, problem: Problem) -> String {
    match problem {
        Problem::Missing => format!("{} follows from no entry", name(row)),
        Problem::Column(column) => format!("the column {column} of {} is not what the entries give", name(row)),
    }
}

/// Looks up each record of one side on the other; gives how many differ.
fn compare_records(
    one: &mut Database,
    other: &mut Database,
    mut tell: impl FnMut(&RawRecord, Problem),
) -> Result<u64, StoreError> {
    let (mut after, mut differing) = ((String::new(), String::new()), 0);
    loop {
        let page = records::raw_page(one, (&after.0, &after.1), PAGE_ROWS)?;
        let Some(last) = page.last() else { return Ok(differing) };
        after = (last.id.clone(), last.kind.clone());
        let ids: Vec<String> = page.iter().map(|row| row.id.clone()).collect();
        let found = records::raw_of(other, &ids)?;
        let found: BTreeMap<(&str, &str), &RawRecord> =
            found.iter().map(|row| ((row.id.as_str(), row.kind.as_str()), row)).collect();
        for row in &page {
            let problem = match found.get(&(row.id.as_str(), row.kind.as_str())) {
                None => Some(Problem::Missing),
                Some(other) if other.body != row.body => Some(Problem::Column("body")),
                Some(other) if other.since != row.since => Some(Problem::Column("since")),
                Some(other) if other.before != row.before => Some(Problem::Column("before")),
                Some(_) => None,
            };
            if let Some(problem) = problem {
                differing += 1;
                tell(row, problem);
            }
        }
    }
}

/// What was known at earlier entries, version by version, by the entries that wrote them.
fn compare_past(
    theirs: &mut Database,
    ours: &mut Database,
    size: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut from, step) = (0, PAGE_ROWS.unsigned_abs());
    while from < size {
        let (begin, end) = (EntryIndex(from), EntryIndex(from + step));
        let (stored, derived) = (past::raw_between(theirs, begin, end)?, past::raw_between(ours, begin, end)?);
        for (key, row) in &derived {
            if stored.get(key) != Some(row) {
                let (since, id, kind) = key;
                let problem = format!("what the {kind} {id} was from here on is not what the entries give");
                findings.wrong(EntryIndex(since.unsigned_abs()), problem);
            }
        }
        for (since, id, kind) in stored.keys().filter(|key| !derived.contains_key(key)) {
            let problem = format!("what the {kind} {id} was from here on follows from no entry");
            findings.wrong(EntryIndex(since.unsigned_abs()), problem);
        }
        from += step;
    }
    if past::counts(theirs)?.0 != past::counts(ours)?.0 {
        findings.wrong(None, "there are other earlier versions of records than the entries give");
    }
    Ok(())
}

/// What the register is searched by.
fn compare_blocks(theirs: &mut Database, ours: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let page = blocks::raw_page(ours, &after, PAGE_ROWS)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.serial);
        let serials: Vec<String> = page.iter().map(|row| row.serial.clone()).collect();
        let stored = blocks::raw_of(theirs, &serials)?;
        let stored: BTreeMap<&str, &BlockRow> = stored.iter().map(|row| (row.serial.as_str(), row)).collect();
        for row in page.iter().filter(|row| stored.get(row.serial.as_str()) != Some(row)) {
            findings.wrong(None, format!("by what {} is searched is not what the entries give", row.serial));
        }
    }
    if blocks::count(theirs)? != blocks::count(ours)? {
        findings.wrong(None, "the register lists other blocks than the entries give");
    }
    Ok(())
}

/// In whose accounts blocks are and were, and what happened there, by the entries that wrote it.
fn compare_holdings(
    theirs: &mut Database,
    ours: &mut Database,
    size: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut from, step) = (0, PAGE_ROWS.unsigned_abs());
    while from < size {
        let (begin, end) = (EntryIndex(from), EntryIndex(from + step));
        let (stored, derived) = (holdings::raw_between(theirs, begin, end)?, holdings::raw_between(ours, begin, end)?);
        for (index, _) in stored.symmetric_difference(&derived) {
            let problem = "what it did to the accounts of certificates is not what the rules give";
            findings.wrong(EntryIndex(index.unsigned_abs()), problem);
        }
        from += step;
    }
    if holdings::counts(theirs)? != holdings::counts(ours)? {
        findings.wrong(None, "the accounts of certificates hold other rows than the entries give");
    }
    Ok(())
}

/// Reads each record of some kinds.
pub(super) fn each_of(
    database: &mut Database,
    kinds: &[RecordKind],
    mut work: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    each_page_of(database, kinds, |_, page| page.into_iter().try_for_each(&mut work))
}

/// Reads the records of some kinds page by page.
pub(super) fn each_page_of(
    database: &mut Database,
    kinds: &[RecordKind],
    mut work: impl FnMut(&mut Database, Vec<Record>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = (String::new(), String::new());
    loop {
        let page = records::page_of_kinds(database, kinds, (&after.0, &after.1), PAGE_ROWS)?;
        let Some(last) = page.last().map(Record::id) else { return Ok(()) };
        after = (last.id, last.kind.to_string());
        work(database, page)?;
    }
}
