//! `loopledger export`: the ledger as files that any tool can check.

use crate::cli::CommandError;
use crate::config::Place;
use crate::ledger::bundling::vkeys_of;
use crate::ledger::cosigned::with_cosignatures;
use crate::ledger::export::{ExportError, entries_of_last_checkpoint, tree_of_last_checkpoint};
use crate::store::Store;
use crate::store::tiles::StoredCheckpoint;
use clap::Args;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// The tree as C2SP tlog-tiles has it, in a folder: tile/ and, written last, checkpoint. What is there already is
    /// compared and never overwritten.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["entries", "checkpoint"])]
    tiles: Option<PathBuf>,
    /// Leave out the bundles of entries.
    #[arg(long, requires = "tiles")]
    hashes_only: bool,
    /// One entry a line, as far as the checkpoint reaches.
    #[arg(long, value_name = "FILE", required_unless_present = "tiles", requires = "checkpoint")]
    entries: Option<PathBuf>,
    /// The newest signed checkpoint.
    #[arg(long, value_name = "FILE", required_unless_present = "tiles", requires = "entries")]
    checkpoint: Option<PathBuf>,
    /// The checkpoint keys as vkeys, a line each: one, or two while one takes the place of the other. Whoever verifies must
    /// have it by another road than this file.
    #[arg(long, value_name = "FILE", required_unless_present = "tiles")]
    vkey: Option<PathBuf>,
}

/// Writes the files; a running service is not disturbed.
pub(super) fn run(arguments: &Export) -> Result<ExitCode, CommandError> {
    let store = Store::open_to_read(&arguments.place.database())?;
    let checkpoint = match &arguments.tiles {
        Some(folder) => tree_of_last_checkpoint(&store, folder, !arguments.hashes_only)?,
        None => write_lines(&store, arguments)?,
    };
    if let Some(vkey) = &arguments.vkey {
        fs::write(vkey, vkeys_of(&store, &checkpoint)?.join("\n") + "\n")?;
    }
    println!("{} entries, root {}", checkpoint.size, checkpoint.root);
    Ok(ExitCode::SUCCESS)
}

fn write_lines(store: &Store, arguments: &Export) -> Result<StoredCheckpoint, CommandError> {
    let (Some(entries), Some(checkpoint_file)) = (&arguments.entries, &arguments.checkpoint) else {
        return Err("give --tiles, or --entries, --checkpoint and --vkey".into());
    };
    let mut out = BufWriter::new(File::create(entries)?);
    let checkpoint = store.snapshot(|database| {
        let checkpoint = entries_of_last_checkpoint(database, &mut out)?;
        Ok::<_, ExportError>(checkpoint)
    })?;
    fs::write(checkpoint_file, &with_cosignatures(store, checkpoint.clone())?.checkpoint.note)?;
    Ok(checkpoint)
}
