//! How fast an audit replays a ledger here, beside how fast the processor checks signatures alone.

use crate::cli::CommandError;
use crate::cli::audit::bar;
use crate::cli::bench::made;
use crate::domain::event::Event;
use crate::domain::ids::EntryIndex;
use crate::ledger::audit::anchor::Anchor;
use crate::ledger::audit::seen::Seen;
use crate::ledger::audit::source::Source;
use crate::ledger::audit::{Audit, directory};
use crate::limits::REPLAY_BATCH_ENTRIES;
use crate::proof::entry::Entry;
use crate::proof::keys::{self, CompactJws};
use crate::proof::statement::Unverified;
use crate::store::workspace::Workspace;
use clap::Args;
use ed25519_dalek::VerifyingKey;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long signatures alone are checked.
const SPAN: Duration = Duration::from_secs(5);
/// Statements whose signatures are checked alone, over and over.
const SAMPLE: u64 = 4_096;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Auditing {
    /// Entries of the ledger that is made.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    entries: u64,
    /// Where it is made, with some 2.5 kB of disk an entry for it and its replay; what is there already is used again.
    #[arg(long, value_name = "DIR", default_value = "./loopledger-bench-audit")]
    folder: PathBuf,
    /// Keep the ledger, so that it is made once.
    #[arg(long)]
    keep: bool,
    /// Threads that check signatures; by default one a core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// Makes a ledger, audits it, and prints how fast that went.
pub(super) fn run(arguments: &Auditing) -> Result<ExitCode, CommandError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.map_or(cores, usize::from);
    let folder = arguments.folder.join(format!("ledger-{}", arguments.entries));
    if !folder.join("checkpoint").exists() {
        let begun = Instant::now();
        let bar = bar();
        bar.set_length(arguments.entries);
        made::make(&folder, arguments.entries, cores, |done| bar.set_position(done))?;
        bar.finish_and_clear();
        println!("made {} entries in {:.1?}, signed on {cores} cores", arguments.entries, begun.elapsed());
    }
    let alone = signatures_alone(&mut directory::open(&folder), cores)?;
    let measured = audit(arguments, &folder, threads);
    let work = arguments.folder.join("work");
    if work.exists() {
        fs::remove_dir_all(work)?;
    }
    if !arguments.keep {
        fs::remove_dir_all(&arguments.folder)?;
    }
    let rate = measured?;
    println!("  signatures alone, {cores} cores        {alone:>9.0} /s");
    println!("  the audit beside it                {:>9.0} %", rate / alone * 100.0);
    Ok(ExitCode::SUCCESS)
}

/// Entries a second of a whole audit, from an empty folder to its report.
fn audit(arguments: &Auditing, folder: &std::path::Path, threads: usize) -> Result<f64, CommandError> {
    let work = arguments.folder.join("work");
    let seen = Seen::in_folder(&work)?;
    let mut workspace = Workspace::open(&work.join("tiles.sqlite"))?;
    forget_peak();
    let bar = bar();
    let mut tell = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let anchor = Anchor::Key(Box::new(made::vkey()?));
    let begun = Instant::now();
    let batch = REPLAY_BATCH_ENTRIES.unsigned_abs();
    let mut audit = Audit { workspace: &mut workspace, seen: &seen, anchor, threads, batch, tell: &mut tell };
    let report = audit.run(&mut directory::open(folder))?;
    let elapsed = begun.elapsed();
    bar.finish_and_clear();
    if !report.is_clean() {
        return Err(format!("the audit found {:?}", report.findings).into());
    }
    let rate = f64::from(u32::try_from(report.entries)?) / elapsed.as_secs_f64();
    println!("  audit of {} entries, {threads} threads {rate:>9.0} /s   in {elapsed:.1?}", report.entries);
    println!("  peak memory                        {:>9} MiB", peak_memory_mib().unwrap_or_default());
    Ok(rate)
}

/// The highest memory in use so far; of Linux alone.
fn peak_memory_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1_024)
}

/// The making's memory is not the audit's. Where the kernel does not let us, the peak is that of both.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// `verify_strict` over the ledger's own statements, on all cores: what no audit can be faster than.
fn signatures_alone(source: &mut impl Source, cores: usize) -> Result<f64, CommandError> {
    source.end()?;
    let entries = source.entries(EntryIndex(0), SAMPLE)?;
    let statements: Vec<String> =
        entries.iter().map(|bytes| Entry::parse(bytes).map(|entry| entry.statement)).collect::<Result<_, _>>()?;
    let (mut known, mut signed): (HashMap<_, VerifyingKey>, Vec<_>) = Default::default();
    for statement in &statements {
        let unverified = Unverified::read(statement)?;
        if let Event::KeyRegistered(event) = &unverified.statement.event {
            known.insert(event.jwk.thumbprint(), keys::from_coordinate(&event.jwk.x)?);
        }
        if let (Some(key), Ok(jws)) = (known.get(&unverified.kid()), CompactJws::parse(statement)) {
            signed.push((*key, jws));
        }
    }
    let begun = Instant::now();
    let count = || {
        let mut count = 0_u32;
        for (key, jws) in signed.iter().cycle() {
            if begun.elapsed() >= SPAN || !jws.is_signed_by(key) {
                break;
            }
            count += 1;
        }
        count
    };
    let counted: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    });
    Ok(f64::from(counted) / begun.elapsed().as_secs_f64())
}
