//! `loopledger audit`: everything again from the bytes, beside what was signed and what a database holds.

use crate::cli::verify::{Anchor as AnchorArguments, Trusted};
use crate::cli::{CommandError, EXIT_REFUSED, EXIT_UNREADABLE, EXIT_UNTRUSTED};
use crate::config::Place;
use crate::ledger::audit::anchor::Anchor;
use crate::ledger::audit::database::DatabaseSource;
use crate::ledger::audit::report::{Report, Trust};
use crate::ledger::audit::seen::Seen;
use crate::ledger::audit::{Audit, AuditError, directory, remote, source::Source};
use crate::limits::REPLAY_BATCH_ENTRIES;
use crate::store::workspace::Workspace;
use crate::store::{Store, StoreError};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments. Without --url and --tiles the ledger's own database is audited.
#[derive(Debug, Args)]
pub(super) struct Auditing {
    #[command(flatten)]
    place: Place,
    /// Audit what a service serves, or any store of its tiles.
    #[arg(long, value_name = "URL", conflicts_with = "tiles")]
    url: Option<String>,
    /// A file with a token of the scope audit, for a service whose entries are for auditors alone.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// Audit a directory of tiles.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    #[command(flatten)]
    anchor: AnchorArguments,
    /// Keep the replay and every checkpoint seen in this folder: a run that was stopped goes on, a later one takes only what is
    /// new, and another history is found. It takes about two and a half times the bytes of the entries.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Replay from entry 0 again in the same folder; the checkpoints seen are kept.
    #[arg(long, requires = "work")]
    afresh: bool,
    /// Threads that check signatures; by default one a core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Also write the result as JSON to this file; - writes it to standard output instead of the words.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Prints what was checked and found; exits 0 clean, 1 broken or wrong, 2 unreadable, 3 clean but trusted by nobody.
pub(super) fn run(arguments: &Auditing) -> Result<ExitCode, CommandError> {
    let report = match (&arguments.url, &arguments.tiles) {
        (Some(url), _) => {
            let token = arguments.token_file.as_ref().map(fs::read_to_string).transpose()?;
            let token = token.map(|token| token.trim().to_owned());
            audit(arguments, &mut remote::open(url, token, arguments.anchor.is_policy())?)
        }
        (None, Some(directory)) => audit(arguments, &mut directory::open(directory)),
        (None, None) => {
            let store = Store::open_to_read(&arguments.place.database())?;
            store.long_snapshot(|database| audit(arguments, &mut DatabaseSource::new(database)))
        }
    };
    let report = match report {
        Ok(report) => report,
        Err(Unfinished(error)) => {
            eprintln!("loopledger: {error}");
            if arguments.work.is_some() {
                eprintln!("loopledger: run the same command again, it goes on from there");
            }
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    write(arguments, &report)?;
    Ok(match (report.is_clean(), report.trust) {
        (false, _) => ExitCode::from(EXIT_REFUSED),
        (true, Trust::Nobody | Trust::Unwitnessed) => ExitCode::from(EXIT_UNTRUSTED),
        (true, Trust::Anchor | Trust::OwnDatabase) => ExitCode::SUCCESS,
    })
}

/// Why there is no result.
struct Unfinished(CommandError);

impl From<StoreError> for Unfinished {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<AuditError> for Unfinished {
    fn from(error: AuditError) -> Self {
        Self(error.into())
    }
}

impl From<std::io::Error> for Unfinished {
    fn from(error: std::io::Error) -> Self {
        Self(error.into())
    }
}

fn audit(arguments: &Auditing, source: &mut dyn Source) -> Result<Report, Unfinished> {
    let anchor = match arguments.anchor.read().map_err(Unfinished)? {
        Trusted::Key(verifier) => Anchor::Key(Box::new(verifier)),
        Trusted::Policy(policy) => Anchor::Policy(Box::new(policy)),
        Trusted::Nobody => Anchor::None,
    };
    let (mut workspace, seen) = match &arguments.work {
        None => (Workspace::temporary()?, Seen::nothing()),
        Some(folder) => {
            let seen = Seen::in_folder(folder)?;
            // What is compared with a database is counted from entry 0, so each kind of source has a replay of its own.
            let name = if source.is_own() { "database.sqlite" } else { "tiles.sqlite" };
            let file = folder.join(name);
            if arguments.afresh {
                // The journal last: SQLite drops one that lies beside no database.
                remove(&file)?;
                remove(&folder.join(format!("{name}-journal")))?;
            }
            (Workspace::open(&file)?, seen)
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.map_or(cores, usize::from);
    let bar = bar();
    let mut tell = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let batch = REPLAY_BATCH_ENTRIES.unsigned_abs();
    let report = Audit { workspace: &mut workspace, seen: &seen, anchor, threads, batch, tell: &mut tell }.run(source);
    bar.finish_and_clear();
    Ok(report?)
}

fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("AUDIT {bar:40} {pos}/{len} entries, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn write(arguments: &Auditing, report: &Report) -> Result<(), CommandError> {
    let Some(file) = &arguments.json else {
        print(report);
        return Ok(());
    };
    let json = serde_json::to_string_pretty(&report.to_json())?;
    if file.as_os_str() == "-" {
        println!("{json}");
    } else {
        fs::write(file, json + "\n")?;
        print(report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!("ledger             {}", report.origin);
    println!("read from          {}", report.source);
    let before = match report.replayed_before {
        0 => String::new(),
        before => format!(" (of these {before} in earlier runs, whose bytes were not read again)"),
    };
    println!("entries            {} of {}{before}", report.entries, report.held);
    println!("root               {}", report.root);
    println!("chain hash         {}", report.chain_hash);
    println!("checkpoints        {} (the newest covers {} entries)", report.checkpoints, report.covered);
    println!("seen before        {} checkpoints", report.remembered);
    println!("tiles              {}", report.tiles);
    println!("state records      {}, of these {} certificates", report.records, report.certificates);
    println!("state digest       {}", report.state_digest);
    println!("by hosted keys     {} statements", report.hosted_statements);
    for finding in &report.findings {
        let place = finding.index.map_or_else(|| "ledger".to_owned(), |index| format!("entry {index}"));
        println!("{} {place}: {}", finding.severity.as_str().to_uppercase(), finding.problem);
    }
    if report.left_out > 0 {
        println!("and {} findings more", report.left_out);
    }
    match (report.faults().len(), report.trust) {
        (0, Trust::OwnDatabase) => {
            println!("clean: every hash, signature and rule holds, and the database holds what follows from them");
        }
        (0, Trust::Anchor) => {
            println!("clean: every hash, signature and rule holds, under the key or policy that was given");
        }
        (0, Trust::Unwitnessed) => {
            println!(
                "clean, but fewer witnesses than the policy demands have cosigned the newest checkpoint: ask again later"
            );
        }
        (0, Trust::Nobody) => {
            println!(
                "clean, but trusted by nobody: the key came from the ledger itself; give it with --vkey or --policy"
            );
        }
        (count, _) => println!("{count} findings: do not rely on this ledger before they are explained"),
    }
}
