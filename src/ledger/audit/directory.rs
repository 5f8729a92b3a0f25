//! A directory of tiles as a source: what `loopledger export --tiles` writes, or a mirror.

use crate::ledger::audit::source::{Source, SourceError};
use crate::ledger::audit::tile_files::{Files, TileFiles};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

struct Directory(PathBuf);

/// The ledger whose `checkpoint` and `tile/` lie in a directory.
pub fn open(directory: &Path) -> impl Source {
    TileFiles::new(Directory(directory.to_owned()))
}

impl Files for Directory {
    fn name(&self) -> String {
        format!("the tiles in {}", self.0.display())
    }

    fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let unreadable = |error| SourceError::Unreachable(format!("{}: {error}", self.0.join(path).display()));
        let file = match File::open(self.0.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > most {
            return Err(SourceError::Damaged(format!("{path} has more than {most} bytes")));
        }
        Ok(Some(bytes))
    }

    fn at_once(&self) -> usize {
        1
    }
}
