//! `loopledger guard`: looks at the guard, or sets it after it was lost.

use crate::cli::ledger_folder::open_guard;
use crate::cli::{CommandError, EXIT_REFUSED, read_input};
use crate::config::{GuardPlace, Place};
use crate::ledger::guard::Guard;
use crate::ledger::opening::ledger_in;
use crate::ledger::signed::{named_keys, open_note};
use crate::proof::checkpoint::{AnyCheckpoint, Checkpoint};
use crate::proof::note::Note;
use crate::store::{Store, head, tiles};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct GuardCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print what the guard holds, beside what the database holds.
    Show(Where),
    /// Put a checkpoint into the guard: one that this ledger's key signed, and never a smaller one.
    Put {
        #[command(flatten)]
        place: Where,
        /// The checkpoint note; - reads standard input.
        checkpoint: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    guard: GuardPlace,
}

/// Exits 0 done, 1 refused. A file is held by the service that publishes, unless it has halted: stop it first.
pub(super) fn run(arguments: &GuardCommand) -> Result<ExitCode, CommandError> {
    match &arguments.action {
        Action::Show(place) => show(place),
        Action::Put { place, checkpoint } => put(place, checkpoint),
    }
}

fn open(place: &Where) -> Result<(Store, Guard), CommandError> {
    let store = Store::open_to_read(&place.place.database())?;
    let ledger = ledger_in(&store)?.ok_or("this database holds no ledger")?;
    let guard = open_guard(&place.place, &place.guard, &ledger.origin)?;
    Ok((store, guard))
}

fn show(place: &Where) -> Result<ExitCode, CommandError> {
    let (store, guard) = open(place)?;
    let size = store.read(head::read)?.size();
    let signed = store.read(tiles::last_checkpoint)?.map_or(0, |stored| stored.size);
    println!("guard              {}", guard.url());
    println!("database           {size} entries, {signed} of them under a checkpoint");
    let Some(note) = guard.read()? else {
        println!("held               nothing");
        return Ok(ExitCode::from(EXIT_REFUSED));
    };
    let code = match open_note(&note, &named_keys(&store)?) {
        Ok(held) => {
            println!("held               {}", describe(&held));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("held               no checkpoint of this ledger: {problem}");
            ExitCode::from(EXIT_REFUSED)
        }
    };
    print!("{note}");
    Ok(code)
}

fn describe(checkpoint: &Checkpoint) -> String {
    format!("a checkpoint over {} entries, root {}", checkpoint.size, checkpoint.root)
}

fn put(place: &Where, checkpoint: &std::path::Path) -> Result<ExitCode, CommandError> {
    let (store, guard) = open(place)?;
    let keys = named_keys(&store)?;
    let refused = |problem: String| {
        println!("refused: {problem}");
        Ok(ExitCode::from(EXIT_REFUSED))
    };
    let Ok(note) = String::from_utf8(read_input(checkpoint)?) else { return refused("this is no text".into()) };
    let new = match open_note(&note, &keys) {
        Ok(new) => new,
        Err(problem) => return refused(format!("this is no checkpoint of this ledger: {problem}")),
    };
    let held = guard.read()?;
    if let Some(problem) = held.as_deref().and_then(|held| why_not_replaced(held, &new)) {
        return refused(problem);
    }
    guard.swap(held.as_deref(), &note)?;
    println!("the guard {} holds {} now", guard.url(), describe(&new));
    let size = store.read(head::read)?.size();
    if size < new.size {
        println!("the database has {size} entries alone: the ledger halts until the newer one is put back");
    }
    Ok(ExitCode::SUCCESS)
}

/// Why what the guard holds does not give way to a checkpoint, if so. Its signature is not asked for: a database that was put
/// back may not know the key yet that signed it.
fn why_not_replaced(held: &str, new: &Checkpoint) -> Option<String> {
    let parsed = Note::parse(held).ok();
    let Some(before) = parsed.as_ref().and_then(|note| AnyCheckpoint::parse(note.text)) else {
        let cure = "look at it with `loopledger guard show`, and take it away yourself if it is worth nothing";
        return Some(format!("the guard holds something that is no checkpoint: {cure}"));
    };
    if before.origin != new.origin.as_str() {
        return Some(format!(
            "the guard holds a checkpoint of another ledger, {}: are two guards swapped?",
            before.origin
        ));
    }
    let what = || format!("the guard holds a checkpoint over {} entries, root {}", before.size, before.root);
    if before.size > new.size {
        return Some(format!("{}, and never goes back", what()));
    }
    let is_another = before.size == new.size && before.root != new.root;
    is_another.then(|| format!("{}: two checkpoints of one size contradict each other (README)", what()))
}
