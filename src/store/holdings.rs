//! Accounts: in whose a block was from an entry to an entry, and what each entry did to it. Derived.

use crate::domain::certificate::{AccountChange, AccountChangeKind};
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::limits::QUERY_BINDS_MAX;
use crate::store::schema::{account_changes, holdings};
use crate::store::{Database, StoreError, StoreResult, database_number, read_index};
use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::BTreeSet;

/// A block in an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// The entry since which it is there.
    pub since: EntryIndex,
    /// The block.
    pub serial: String,
    /// Whose account.
    pub holder: OrganisationId,
    /// The entry with which it left, or ended without a claim.
    pub until: Option<EntryIndex>,
}

type HoldingRow = (i64, String, String, Option<i64>);
type ChangeRow = (String, i64, String, String, String);

fn read_organisation(text: &str) -> StoreResult<OrganisationId> {
    OrganisationId::parse(text).ok_or_else(|| StoreError::damaged(format!("an account of {text}")))
}

fn read_holding((since, serial, holder, until): HoldingRow) -> StoreResult<Holding> {
    let until = until.map(read_index).transpose()?;
    Ok(Holding { since: read_index(since)?, serial, holder: read_organisation(&holder)?, until })
}

fn read_change((holder, idx, serial, kind, units): ChangeRow) -> StoreResult<AccountChange> {
    let damaged = || StoreError::damaged(format!("what entry {idx} did to {serial} cannot be read"));
    let block = |text: &str| SerialBlock::parse(text).ok_or_else(damaged);
    Ok(AccountChange {
        entry: read_index(idx)?,
        holder: read_organisation(&holder)?,
        serial: block(&serial)?,
        kind: AccountChangeKind::parse(&kind).ok_or_else(damaged)?,
        units: units.split_whitespace().map(block).collect::<StoreResult<_>>()?,
    })
}

/// Stores what a run of entries did, in order.
pub fn store(database: &mut Database, happened: &[AccountChange]) -> StoreResult<()> {
    for change in happened {
        let (idx, serial, holder) =
            (database_number(change.entry.0)?, change.serial.to_string(), change.holder.to_string());
        let units: Vec<String> = change.units.iter().map(ToString::to_string).collect();
        let row = (
            account_changes::holder.eq(&holder),
            account_changes::idx.eq(idx),
            account_changes::serial.eq(&serial),
            account_changes::kind.eq(change.kind.as_str()),
            account_changes::units.eq(units.join(" ")),
        );
        diesel::insert_into(account_changes::table).values(row).execute(database)?;
        if change.kind.ends() {
            let open = holdings::table
                .filter(holdings::serial.eq(&serial))
                .filter(holdings::holder.eq(&holder))
                .filter(holdings::until.is_null());
            diesel::update(open).set(holdings::until.eq(Some(idx))).execute(database)?;
        }
        if change.kind.begins() {
            let row = (holdings::since.eq(idx), holdings::serial.eq(serial), holdings::holder.eq(holder));
            diesel::insert_into(holdings::table).values(row).execute(database)?;
        }
    }
    Ok(())
}

/// What is or was in an account, in the order in which it came; up to `count` behind an entry and a block.
pub fn of_holder(
    database: &mut Database,
    holder: OrganisationId,
    (since, serial): (EntryIndex, &str),
    count: i64,
) -> StoreResult<Vec<Holding>> {
    let Ok(since) = i64::try_from(since.0) else { return Ok(Vec::new()) };
    let rows: Vec<HoldingRow> = holdings::table
        .filter(holdings::holder.eq(holder.to_string()))
        .filter(holdings::since.ge(since))
        .filter(holdings::since.gt(since).or(holdings::serial.gt(serial)))
        .order((holdings::since.asc(), holdings::serial.asc()))
        .limit(count)
        .load(database)?;
    rows.into_iter().map(read_holding).collect()
}

/// In whose accounts some blocks came from an entry on, before another, in order.
pub fn of_blocks(
    database: &mut Database,
    serials: &[String],
    from: EntryIndex,
    before: Option<EntryIndex>,
) -> StoreResult<Vec<Holding>> {
    let Ok(from) = i64::try_from(from.0) else { return Ok(Vec::new()) };
    let before = before.map_or(Ok(i64::MAX), |before| database_number(before.0))?;
    let mut found = Vec::new();
    for chunk in serials.chunks(QUERY_BINDS_MAX) {
        let rows: Vec<HoldingRow> = holdings::table
            .filter(holdings::serial.eq_any(chunk))
            .filter(holdings::since.ge(from))
            .filter(holdings::since.lt(before))
            .load(database)?;
        found.extend(rows.into_iter().map(read_holding).collect::<StoreResult<Vec<_>>>()?);
    }
    found.sort();
    Ok(found)
}

/// The last of the entries with which some blocks left an account, up to so many, in order.
pub fn left_account(
    database: &mut Database,
    serials: &[String],
    holder: OrganisationId,
    count: usize,
) -> StoreResult<Vec<EntryIndex>> {
    let mut found = BTreeSet::new();
    for chunk in serials.chunks(QUERY_BINDS_MAX) {
        let entries: Vec<Option<i64>> = holdings::table
            .filter(holdings::serial.eq_any(chunk))
            .filter(holdings::holder.eq(holder.to_string()))
            .filter(holdings::until.is_not_null())
            .order(holdings::until.desc())
            .limit(i64::try_from(count).unwrap_or(i64::MAX))
            .select(holdings::until)
            .load(database)?;
        found.extend(entries.into_iter().flatten());
    }
    let skipped = found.len().saturating_sub(count);
    found.into_iter().skip(skipped).map(read_index).collect()
}

/// What happened to the blocks of an account from an entry on; whole entries, until `count` changes are reached.
pub fn changes_of(
    database: &mut Database,
    holder: OrganisationId,
    from: EntryIndex,
    count: i64,
) -> StoreResult<Vec<AccountChange>> {
    let Ok(from) = i64::try_from(from.0) else { return Ok(Vec::new()) };
    let of_holder = || account_changes::table.filter(account_changes::holder.eq(holder.to_string()));
    let order = (account_changes::idx.asc(), account_changes::serial.asc(), account_changes::kind.asc());
    let query = of_holder().filter(account_changes::idx.ge(from)).order(order).limit(count);
    let mut rows: Vec<ChangeRow> = query.load(database)?;
    if i64::try_from(rows.len()).is_ok_and(|found| found == count)
        && let Some(last) = rows.last().map(|row| row.1)
    {
        rows.retain(|row| row.1 < last);
        rows.extend(of_holder().filter(account_changes::idx.eq(last)).order(order).load::<ChangeRow>(database)?);
    }
    rows.into_iter().map(read_change).collect()
}

/// Rows of both tables that some entries wrote, as text, for the audit.
pub fn raw_between(database: &mut Database, from: EntryIndex, to: EntryIndex) -> StoreResult<BTreeSet<(i64, String)>> {
    let (from, to) = (database_number(from.0)?, database_number(to.0)?);
    let held: Vec<HoldingRow> =
        holdings::table.filter(holdings::since.ge(from)).filter(holdings::since.lt(to)).load(database)?;
    let happened: Vec<ChangeRow> = account_changes::table
        .filter(account_changes::idx.ge(from))
        .filter(account_changes::idx.lt(to))
        .load(database)?;
    let held = held.into_iter().map(|row| (row.0, format!("{row:?}")));
    Ok(held.chain(happened.into_iter().map(|row| (row.1, format!("{row:?}")))).collect())
}

/// How many rows the two tables have, for the audit.
pub fn counts(database: &mut Database) -> StoreResult<(i64, i64)> {
    Ok((holdings::table.count().get_result(database)?, account_changes::table.count().get_result(database)?))
}
