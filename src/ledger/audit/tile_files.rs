//! A ledger as the files of C2SP tlog-tiles, wherever they lie.

use crate::domain::ids::EntryIndex;
use crate::ledger::audit::source::{End, Source, SourceError};
use crate::ledger::audit::tree::body_of;
use crate::limits::{ENTRY_BUNDLE_BYTES_MAX, NOTE_BYTES_MAX, REPLAY_BATCH_BYTES_MAX, TILE_BYTES_MAX};
use crate::proof::entry_bundle;
use crate::proof::merkle::TreeHash;
use crate::proof::tile_path::{TileKind, TilePath, hashes_on_level};
use crate::proof::tiles::TILE_WIDTH;
use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

/// Where the files lie.
pub(super) trait Files: Sync {
    /// What it is, in words.
    fn name(&self) -> String;

    /// The file at a path below the log's prefix, of at most so many bytes; `None` if there is none.
    fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError>;

    /// How many files are best read at once.
    fn at_once(&self) -> usize;
}

/// A ledger in such files.
pub(super) struct TileFiles<F> {
    files: F,
    size: u64,
    /// Whether the newest checkpoint with a quorum comes before the newest at all.
    witnessed: bool,
}

impl<F: Files> TileFiles<F> {
    pub(super) const fn new(files: F) -> Self {
        Self { files, size: 0, witnessed: false }
    }

    /// Reads only as far as witnesses have seen, where the service says how far that is.
    pub(super) fn up_to_witnessed(self) -> Self {
        Self { witnessed: true, ..self }
    }

    /// A tile of so many hashes or entries; where a partial one has gone because the full one is there, the beginning of that.
    fn read_tile(&self, kind: TileKind, n: u64, most: usize) -> Result<(Vec<u8>, u64), SourceError> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let on_level = hashes_on_level(level, self.size);
        let width = on_level.saturating_sub(n.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        let mut missing = format!("tile {n} lies beyond the tree");
        for width in [width, TILE_WIDTH] {
            let Some(path) = TilePath::new(kind, n, width) else { continue };
            if let Some(bytes) = self.files.read(&path.to_string(), most)? {
                return Ok((bytes, width));
            }
            missing = format!("{path} is missing");
        }
        Err(SourceError::Damaged(missing))
    }

    fn bundle(&self, n: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let (bytes, width) = self.read_tile(TileKind::Entries, n, ENTRY_BUNDLE_BYTES_MAX)?;
        let entries = entry_bundle::read(&bytes, width);
        let entries = entries.map_err(|problem| SourceError::Damaged(format!("entry bundle {n}: {problem}")))?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Some bundles, read together.
    fn bundles(&self, numbers: &[u64]) -> Vec<Result<Vec<Vec<u8>>, SourceError>> {
        if let [n] = numbers {
            return vec![self.bundle(*n)];
        }
        std::thread::scope(|scope| {
            let reading: Vec<_> = numbers.iter().map(|n| scope.spawn(|| self.bundle(*n))).collect();
            let ended = |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|cause| resume_unwind(cause));
            reading.into_iter().map(ended).collect()
        })
    }
}

impl<F: Files> Source for TileFiles<F> {
    fn name(&self) -> String {
        self.files.name()
    }

    fn end(&mut self) -> Result<End, SourceError> {
        let witnessed = if self.witnessed { self.files.read("witnessed-checkpoint", NOTE_BYTES_MAX)? } else { None };
        let newest = match witnessed {
            Some(witnessed) => Some(witnessed),
            None => self.files.read("checkpoint", NOTE_BYTES_MAX)?,
        };
        let Some(note) = newest else {
            return Err(SourceError::Unreachable(format!("{}: there is no checkpoint", self.files.name())));
        };
        let note = String::from_utf8(note).map_err(|_| SourceError::Damaged("the checkpoint is not UTF-8".into()))?;
        let Some(checkpoint) = body_of(&note) else {
            return Err(SourceError::Damaged("the checkpoint is not origin, size and root in a signed note".into()));
        };
        self.size = checkpoint.size;
        Ok(End { size: checkpoint.size, note: Some(note) })
    }

    fn newest(&mut self) -> Result<Option<End>, SourceError> {
        if !std::mem::take(&mut self.witnessed) {
            return Ok(None);
        }
        self.end().map(Some)
    }

    fn entry(&mut self, index: EntryIndex) -> Result<Vec<u8>, SourceError> {
        let bundle = self.bundle(index.0 / TILE_WIDTH)?;
        let place = usize::try_from(index.0 % TILE_WIDTH).unwrap_or(usize::MAX);
        bundle.into_iter().nth(place).ok_or_else(|| SourceError::Damaged(format!("entry {index} is missing")))
    }

    fn entries(&mut self, from: EntryIndex, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let to = from.0.saturating_add(count).min(self.size);
        let numbers: Vec<u64> = (from.0 / TILE_WIDTH..to.div_ceil(TILE_WIDTH)).collect();
        let skipped = usize::try_from(from.0 % TILE_WIDTH).unwrap_or(0);
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for together in numbers.chunks(self.files.at_once()) {
            // Fewer entries of the largest size than of the usual one fit into memory.
            if bytes > REPLAY_BATCH_BYTES_MAX {
                break;
            }
            for bundle in self.bundles(together) {
                match bundle {
                    Ok(bundle) => {
                        bytes += bundle.iter().map(Vec::len).sum::<usize>();
                        found.extend(bundle);
                    }
                    // What stands before it is taken; the next call meets it again.
                    Err(SourceError::Damaged(_)) if found.len() > skipped => {
                        return Ok(cut(found, skipped, to - from.0));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(cut(found, skipped, to - from.0))
    }

    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, SourceError> {
        let (bytes, _) = self.read_tile(TileKind::Hashes(level), n, TILE_BYTES_MAX)?;
        let hashes: Option<Vec<_>> = bytes.chunks(32).map(TreeHash::from_slice).collect();
        let mut hashes = hashes.ok_or_else(|| SourceError::Damaged("not a number of whole hashes".into()))?;
        hashes.truncate(usize::try_from(width).unwrap_or(usize::MAX));
        Ok(hashes)
    }
}

/// The entries that were asked for, out of whole bundles.
fn cut(mut bundled: Vec<Vec<u8>>, skipped: usize, count: u64) -> Vec<Vec<u8>> {
    bundled.drain(..skipped.min(bundled.len()));
    bundled.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    bundled
}
