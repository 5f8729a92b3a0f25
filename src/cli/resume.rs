//! `loopledger resume`: lifts a halt.

use crate::cli::ledger_folder::open_guard;
use crate::cli::{CommandError, EXIT_REFUSED, audit};
use crate::config::{GuardPlace, Place};
use crate::ledger::clock::Clock;
use crate::ledger::opening::ledger_in;
use crate::ledger::resume::{ResumeError, resume};
use crate::store::Store;
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    guard: GuardPlace,
    /// Why the ledger may go on; it is kept beside the halt's reason.
    #[arg(long, value_name = "TEXT")]
    because: String,
}

/// Exits 0 lifted, 1 not lifted because something does not hold; on SQLite the service must be stopped first.
pub(super) fn run(arguments: &Resume) -> Result<ExitCode, CommandError> {
    let store = Store::open(&arguments.place.database(), 1)?;
    let ledger = ledger_in(&store)?.ok_or("this database holds no ledger")?;
    let guard = open_guard(&arguments.place, &arguments.guard, &ledger.origin)?;
    let bar = audit::bar();
    let tell = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    match resume(&store, &guard, &Clock::system(), &arguments.because, tell) {
        Ok(reason) => {
            println!("was halted         {reason}");
            println!("goes on because    {}", arguments.because);
            println!("Guard, checkpoints and every entry agree. Start the nodes again.");
            Ok(ExitCode::SUCCESS)
        }
        Err(ResumeError::Store(error)) => Err(error.into()),
        Err(error) => {
            println!("not lifted: {error}");
            Ok(ExitCode::from(EXIT_REFUSED))
        }
    }
}
