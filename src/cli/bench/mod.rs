//! `loopledger bench`: how fast a ledger takes statements here, and how fast an audit replays one, beside what the machine could
//! do at most.

mod audit;
mod made;
mod serving;

use crate::cli::CommandError;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    serving: serving::Serving,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure how many entries a second an audit replays, and how much memory that takes.
    Audit(audit::Auditing),
}

/// Measures and prints; nothing is asserted.
pub(super) fn run(arguments: &Bench) -> Result<ExitCode, CommandError> {
    match &arguments.what {
        Some(What::Audit(auditing)) => audit::run(auditing),
        None => serving::run(&arguments.serving),
    }
}
