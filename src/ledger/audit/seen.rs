//! Every checkpoint that this auditor has ever seen: a ledger that later shows another history cannot explain them away.

use crate::ledger::audit::tree::body_of;
use crate::ledger::files::replace;
use crate::proof::checkpoint::Checkpoint;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Notes of checkpoints in a folder, one a file, and what proves a contradiction.
pub struct Seen {
    /// `None`: nothing is remembered.
    folder: Option<PathBuf>,
}

impl Seen {
    /// Remembers nothing.
    pub const fn nothing() -> Self {
        Self { folder: None }
    }

    /// Remembers in a folder, which is made.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("checkpoints"))?;
        Ok(Self { folder: Some(folder.to_owned()) })
    }

    /// The notes, smaller trees first.
    pub(super) fn notes(&self) -> io::Result<Vec<String>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for file in fs::read_dir(folder.join("checkpoints"))? {
            let path = file?.path();
            // A file that was not finished has another ending.
            if path.extension().is_some_and(|ending| ending == "note") {
                found.push((path.file_name().map(ToOwned::to_owned), fs::read_to_string(&path)?));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, note)| note).collect())
    }

    /// Entries of the largest.
    pub(super) fn largest(&self) -> io::Result<u64> {
        Ok(self.notes()?.iter().filter_map(|note| body_of(note)).map(|seen| seen.size).max().unwrap_or(0))
    }

    /// Remembers a checkpoint. It is on disk when this returns, and a crash on the way leaves no half of it.
    pub(super) fn remember(&self, checkpoint: &Checkpoint, note: &str) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folder = folder.join("checkpoints");
        let name = name_of(checkpoint);
        let file = folder.join(format!("{name}.note"));
        if file.exists() { Ok(()) } else { replace(&file, note.as_bytes()) }
    }

    /// Keeps two texts that contradict each other, where they can be shown to others; gives the file.
    pub(super) fn keep_evidence(&self, name: &str, one: &str, other: &str) -> io::Result<Option<PathBuf>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let folder = folder.join("evidence");
        fs::create_dir_all(&folder)?;
        let both = format!("{one}\n{other}");
        // Named by what it holds: another history later never takes its place.
        let file = folder.join(format!("{name}-{}.txt", HEXLOWER.encode(&Sha256::digest(&both)[..8])));
        if !file.exists() {
            replace(&file, both.as_bytes())?;
        }
        Ok(Some(file))
    }
}

/// Sizes sort as their text does.
pub(super) fn name_of(checkpoint: &Checkpoint) -> String {
    format!("{:020}-{}", checkpoint.size, HEXLOWER.encode(&checkpoint.root.0[..8]))
}
