//! Export: the ledger as files that any tool can check.

use crate::domain::ids::EntryIndex;
use crate::proof::tiles::TILE_WIDTH;
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Database, StoreError, entries, tiles};
use std::io::{self, Write};

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing is signed yet.
    #[error("no checkpoint is signed yet; start the service once with the checkpoint key")]
    NoCheckpoint,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// Writes every entry that the newest checkpoint covers, one a line, and gives that checkpoint.
pub fn entries_of_last_checkpoint(
    database: &mut Database,
    out: &mut impl Write,
) -> Result<StoredCheckpoint, ExportError> {
    let checkpoint = tiles::shown_checkpoint(database)?.ok_or(ExportError::NoCheckpoint)?;
    let page_size = i64::try_from(TILE_WIDTH).unwrap_or(256);
    let mut next = 0;
    while next < checkpoint.size {
        let page = entries::page(database, EntryIndex(next), page_size)?;
        if page.is_empty() {
            return Err(StoreError::damaged(format!("entry {next} is missing")).into());
        }
        for entry in page.iter().take_while(|entry| entry.index.0 < checkpoint.size) {
            if entry.index.0 != next {
                return Err(StoreError::damaged(format!("entry {next} is missing")).into());
            }
            out.write_all(&entry.bytes)?;
            out.write_all(b"\n")?;
            next += 1;
        }
    }
    out.flush()?;
    Ok(checkpoint)
}
