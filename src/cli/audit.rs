//! `loopledger audit`: everything again from the bytes, beside what the database holds.

use crate::cli::{CommandError, EXIT_REFUSED};
use crate::config::Place;
use crate::ledger::audit::{Report, audit};
use crate::store::Store;
use clap::Args;
use std::io::IsTerminal;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    place: Place,
}

/// Prints what was checked and found; exits 0 clean, 1 with findings, 2 unreadable.
pub(super) fn run(arguments: &Audit) -> Result<ExitCode, CommandError> {
    let store = Store::open_to_read(&arguments.place.database())?;
    let report = store.snapshot(|database| audit(database, show_progress))?;
    print(&report);
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

pub(super) fn show_progress(done: u64, all: u64) {
    if std::io::stderr().is_terminal() {
        let end = if done == all { "\n" } else { "" };
        eprint!("\r{done} of {all} entries{end}");
    }
}

fn print(report: &Report) {
    println!("ledger             {}", report.origin);
    println!("entries            {}", report.entries);
    println!("root               {}", report.root);
    println!("chain hash         {}", report.chain_hash);
    println!("checkpoints        {} (the newest covers {} entries)", report.checkpoints, report.covered);
    println!("full tiles         {}", report.tiles);
    println!("state records      {}", report.records);
    println!("state digest       {}", report.state_digest);
    println!("by hosted keys     {} statements", report.hosted_statements);
    for finding in &report.findings {
        let place = finding.index.map_or_else(|| "ledger".to_owned(), |index| format!("entry {index}"));
        println!("FINDING {place}: {}", finding.problem);
    }
    match report.findings.len() {
        0 => println!("clean: every hash, signature and rule holds, and the database holds what follows from them"),
        count => println!("{count} findings: do not rely on this database"),
    }
}
