//! Export: the ledger as files that any tool can check.

use crate::domain::ids::EntryIndex;
use crate::ledger::cosigned::with_cosignatures;
use crate::ledger::objects::{Objects, ObjectsUrl};
use crate::ledger::tree_copy::{CopyError, Extent, TreeCopy};
use crate::proof::tiles::TILE_WIDTH;
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Database, Store, StoreError, entries, tiles};
use std::io::{self, Write};
use std::path::Path;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing is signed yet.
    #[error("no checkpoint is signed yet; start the service once with the checkpoint key")]
    NoCheckpoint,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree of files.
    #[error(transparent)]
    Copy(#[from] CopyError),
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

/// Writes the tree that the newest checkpoint signs to a folder, as C2SP tlog-tiles has it, and gives that checkpoint.
///
/// Files that are there already must be the same bytes: they are compared, all of them, and never overwritten.
pub fn tree_of_last_checkpoint(
    store: &Store,
    folder: &Path,
    with_entries: bool,
) -> Result<StoredCheckpoint, ExportError> {
    let checkpoint = store.read(tiles::shown_checkpoint)?.ok_or(ExportError::NoCheckpoint)?;
    let checkpoint = with_cosignatures(store, checkpoint)?.checkpoint;
    let objects = Objects::open(&ObjectsUrl::Folder(folder.to_owned()), []).map_err(CopyError::from)?;
    TreeCopy { store, objects: &objects, with_entries }.bring_to(&checkpoint, Extent::Everything, &|| true)?;
    Ok(checkpoint)
}
