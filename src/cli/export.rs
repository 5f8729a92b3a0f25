//! `loopledger export`: the ledger as files that any tool can check.

use crate::cli::CommandError;
use crate::config::Place;
use crate::ledger::bundling::vkeys_of;
use crate::ledger::export::{ExportError, entries_of_last_checkpoint};
use crate::store::Store;
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
    /// One entry a line, as far as the checkpoint reaches.
    #[arg(long, value_name = "FILE")]
    entries: PathBuf,
    /// The newest signed checkpoint.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The checkpoint keys as vkeys, a line each: one, or two while one takes the place of the other. Whoever verifies must have it by another road than this file.
    #[arg(long, value_name = "FILE")]
    vkey: PathBuf,
}

/// Writes the three files; a running service is not disturbed.
pub(super) fn run(arguments: &Export) -> Result<ExitCode, CommandError> {
    let store = Store::open_to_read(&arguments.place.database())?;
    let mut out = BufWriter::new(File::create(&arguments.entries)?);
    let checkpoint = store.snapshot(|database| {
        let checkpoint = entries_of_last_checkpoint(database, &mut out)?;
        Ok::<_, ExportError>(checkpoint)
    })?;
    let vkeys = vkeys_of(&store, &checkpoint)?;
    fs::write(&arguments.checkpoint, &checkpoint.note)?;
    fs::write(&arguments.vkey, vkeys.join("\n") + "\n")?;
    println!("{} entries, root {}", checkpoint.size, checkpoint.root);
    Ok(ExitCode::SUCCESS)
}
