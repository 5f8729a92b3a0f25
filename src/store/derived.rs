//! In which form derived state is kept, and throwing it away to write it anew.

use crate::store::StoreResult;
use crate::store::backend::Database;
use crate::store::schema::{
    account_changes, accounts, blocks, bookings, derived, holdings, mentions, past, records, stock,
};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};

/// The form of records, mentions and accounts that this software reads and writes. It changes with any of their fields.
pub const FORM: i64 = 7;

/// The form that the database holds.
pub fn form(database: &mut Database) -> StoreResult<i64> {
    Ok(derived::table.find(1).select(derived::form).first(database)?)
}

/// Throws all derived state away and says that what comes is of this software's form. The entries stay.
pub fn clear(database: &mut Database) -> StoreResult<()> {
    diesel::delete(records::table).execute(database)?;
    diesel::delete(mentions::table).execute(database)?;
    diesel::delete(accounts::table).execute(database)?;
    diesel::delete(past::table).execute(database)?;
    diesel::delete(bookings::table).execute(database)?;
    diesel::delete(stock::table).execute(database)?;
    diesel::delete(blocks::table).execute(database)?;
    diesel::delete(holdings::table).execute(database)?;
    diesel::delete(account_changes::table).execute(database)?;
    diesel::update(derived::table.find(1)).set(derived::form.eq(FORM)).execute(database)?;
    Ok(())
}
