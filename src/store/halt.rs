//! That the ledger is halted, written where every node reads it: beside the head, which each append locks first.

use crate::store::schema::{halts, head};
use crate::store::{Database, StoreError, StoreResult, head as ledger_head};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

/// Writes a halt down; if one stands already, that one stays. Nothing commits behind it on any node.
pub fn write(database: &mut Database, reason: &str, now_ms: i64) -> StoreResult<()> {
    if ledger_head::lock(database)?.is_halted {
        return Ok(());
    }
    let last: Option<i64> =
        halts::table.select(halts::number).order(halts::number.desc()).first(database).optional()?;
    let number = last.unwrap_or(0) + 1;
    let row = (
        halts::number.eq(number),
        halts::reason.eq(reason),
        halts::halted_ms.eq(now_ms),
        halts::because.eq(""),
        halts::resumed_ms.eq(0),
    );
    diesel::insert_into(halts::table).values(row).execute(database)?;
    diesel::update(head::table.find(1)).set(head::halted.eq(number)).execute(database)?;
    Ok(())
}

/// Why the ledger is halted, if it is.
pub fn reason(database: &mut Database) -> StoreResult<Option<String>> {
    let number: i64 = head::table.find(1).select(head::halted).first(database)?;
    if number == 0 {
        return Ok(None);
    }
    let reason: Option<String> = halts::table.find(number).select(halts::reason).first(database).optional()?;
    // Beside the head stands that it is halted; that must not fail because the words are gone.
    Ok(Some(reason.unwrap_or_else(|| "the ledger is halted, and why is not written down any more".to_owned())))
}

/// Lets the ledger go on, and writes down why.
pub fn lift(database: &mut Database, because: &str, now_ms: i64) -> StoreResult<()> {
    ledger_head::lock(database)?;
    let number: i64 = head::table.find(1).select(head::halted).first(database)?;
    if number == 0 {
        return Ok(());
    }
    let lifted = (halts::because.eq(because), halts::resumed_ms.eq(now_ms));
    diesel::update(halts::table.find(number)).set(lifted).execute(database)?;
    let written = diesel::update(head::table.find(1)).set(head::halted.eq(0)).execute(database)?;
    if written == 1 { Ok(()) } else { Err(StoreError::damaged("the head row is gone")) }
}
