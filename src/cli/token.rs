//! `loopledger token`: a token without a token, for whoever has the database; when none is left, or the first was lost.

use crate::cli::{CommandError, ledger_folder};
use crate::config::Place;
use crate::ledger::clock::Clock;
use crate::ledger::{opening, tokens};
use crate::limits::{TOKEN_DAYS_DEFAULT, TOKEN_DAYS_MAX};
use crate::store::Store;
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(flatten)]
    place: Place,
    /// How many days it holds.
    #[arg(long, default_value_t = TOKEN_DAYS_DEFAULT, value_parser = clap::value_parser!(i64).range(1..=TOKEN_DAYS_MAX))]
    days: i64,
}

/// Makes a token of the operator with every scope and prints it; on SQLite the service must be stopped first.
pub(super) fn run(arguments: &Token) -> Result<ExitCode, CommandError> {
    let store = Store::open(&arguments.place.database(), 1)?;
    let ledger = opening::ledger_in(&store)?.ok_or("this database holds no ledger")?;
    let scopes = ledger_folder::operator_scopes();
    let token = tokens::create(&store, &Clock::system(), ledger.operator, &scopes, arguments.days)?;
    println!("{}", token.token);
    Ok(ExitCode::SUCCESS)
}
