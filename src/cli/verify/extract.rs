//! A bundle's entries as files that any C2SP tool takes: the leaf's bytes, and a tlog-proof for each.

use crate::cli::CommandError;
use crate::proof::bundle::Bundle;
use crate::proof::tlog_proof;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Writes `<index>.entry` and `<index>.tlog-proof` for each entry; gives how many. A file that is there stays as it is and
/// ends it.
pub(super) fn write(bundle: &Bundle, folder: &Path) -> Result<usize, CommandError> {
    fs::create_dir_all(folder)?;
    for entry in &bundle.entries {
        let proof = tlog_proof::format(entry.index, &entry.path, &bundle.checkpoint);
        write_new(&folder.join(format!("{}.entry", entry.index)), &entry.bytes)?;
        write_new(&folder.join(format!("{}.tlog-proof", entry.index)), proof.as_bytes())?;
    }
    Ok(bundle.entries.len())
}

/// Writes a file that must not be there yet.
pub(super) fn write_new(file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let opened = OpenOptions::new().create_new(true).write(true).open(file);
    let written = opened.and_then(|mut out| out.write_all(bytes).and_then(|()| out.sync_all()));
    written.map_err(|error| format!("{}: {error}", file.display()).into())
}
