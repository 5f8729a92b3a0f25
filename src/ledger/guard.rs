//! The guard: the last signed checkpoint, kept where a backup of the database cannot put it back.
//!
//! The database must extend it at start and before each signature; otherwise history was lost or replaced, and signing
//! on would fork the ledger. It is a file outside the data folder, moved by compare-and-swap, on disk before the
//! checkpoint is shown.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The guard as a file, held by one publisher at a time.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
    /// The operating system's lock: two publishers on one guard must not be.
    _lock: File,
}

/// Why the guard did not move.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another publisher holds it.
    #[error("another publisher holds the guard {0}")]
    Held(String),
    /// It holds another checkpoint than the one that this publisher put there.
    #[error("the guard holds another checkpoint than this publisher put there")]
    Moved,
    /// The file system.
    #[error("the guard cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

impl FileGuard {
    /// Takes the guard; its folder is made if it is missing.
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        fs::create_dir_all(folder_of(path))?;
        let lock_path = beside(path, "lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(GuardError::Held(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint note that it holds; `None` before the first.
    pub fn read(&self) -> Result<Option<String>, GuardError> {
        match fs::read_to_string(&self.path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a checkpoint in the place of the expected one.
    ///
    /// If we crash before the rename the old one holds, after it the new one; both are on disk, and the database
    /// extends both. If it fails half-way the same swap again is right: the new one may be there already.
    pub fn swap(&self, expected: Option<&str>, note: &str) -> Result<(), GuardError> {
        let held = self.read()?;
        if held.as_deref() != expected && held.as_deref() != Some(note) {
            return Err(GuardError::Moved);
        }
        let new = beside(&self.path, "new");
        let mut file = File::create(&new)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder_of(&self.path))?.sync_all()?;
        Ok(())
    }
}

/// The folder of a path; that of a bare name is the current one.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// A file beside the guard; the guard's own name may hold dots, so the ending is appended, not replaced.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_moves_by_compare_and_swap_and_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("guard/ledger");
        let guard = FileGuard::open(&path).expect("a guard");
        assert!(matches!(FileGuard::open(&path), Err(GuardError::Held(_))));
        assert_eq!(guard.read().expect("readable"), None);
        assert!(matches!(guard.swap(Some("a"), "b"), Err(GuardError::Moved)));
        guard.swap(None, "a").expect("first");
        guard.swap(Some("a"), "b").expect("second");
        guard.swap(Some("a"), "b").expect("the same again");
        assert!(matches!(guard.swap(Some("a"), "c"), Err(GuardError::Moved)));
        assert_eq!(guard.read().expect("readable").as_deref(), Some("b"));
        drop(guard);
        assert!(FileGuard::open(&path).is_ok());
    }
}
