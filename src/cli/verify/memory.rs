//! What a verifier remembers of each ledger: the last checkpoint that it believed. A ledger that ever contradicts it has forked,
//! and both notes are kept.

use crate::cli::CommandError;
use crate::cli::verify::extract::write_new;
use crate::cli::verify::proofs::Proofs;
use crate::domain::ids::Origin;
use crate::ledger::guard::{Guard, GuardError, GuardUrl};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::note::Note;
use crate::proof::verify::Trust;
use crate::proof::verify::history::{Agreement, Contradiction};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A folder with one file a ledger.
pub(super) struct Memory(PathBuf);

/// How a checkpoint stands to what was remembered, and what became of it.
pub(super) enum Observed {
    /// Nothing was; it is now.
    First,
    /// It was.
    Same,
    /// It extends one over so many entries, and takes its place.
    Extends(u64),
    /// It is a beginning of the one over so many entries, which stays.
    Older(u64),
    /// Nothing was proved; the one over so many entries stays.
    NotProved(u64),
    /// No history has both; the remembered note stays, and is given.
    Contradicted(Contradiction, String),
}

impl Memory {
    /// Only what somebody vouches for is remembered: else a stranger's file could take the place of the truth.
    pub(super) fn open(folder: &Path, trust: Trust<'_>) -> Result<Self, CommandError> {
        if matches!(trust, Trust::Nobody) {
            return Err("--state needs --vkey or --policy: what nobody vouches for is not remembered".into());
        }
        Ok(Self(folder.to_owned()))
    }

    /// Compares a believed checkpoint with the remembered one, and remembers the larger.
    ///
    /// If we crash before the new note is in place the old one holds; it is swapped on disk, and the same command again is right.
    pub(super) fn observe(
        &self,
        checkpoint: &Checkpoint,
        note: &str,
        proofs: &Proofs,
    ) -> Result<Observed, CommandError> {
        let file = self.0.join(file_name(&checkpoint.origin));
        let held = |error| match error {
            GuardError::Held(_) => format!("{}: another verification is at it; run this again", file.display()),
            other => format!("{}: {other}", file.display()),
        };
        let place = Guard::open(&GuardUrl::File(file.clone()), &checkpoint.origin, []).map_err(held)?;
        let Some(remembered) = place.read().map_err(held)? else {
            place.swap(None, note).map_err(held)?;
            return Ok(Observed::First);
        };
        let before = Note::parse(&remembered).ok().and_then(|note| Checkpoint::parse(note.text));
        let before = before.ok_or_else(|| format!("{} holds no checkpoint; move it away", file.display()))?;
        let agreement = match proofs.compare(&before, checkpoint)? {
            Ok(agreement) => agreement,
            Err(found) => return Ok(Observed::Contradicted(found, remembered)),
        };
        Ok(match agreement {
            Agreement::Same => Observed::Same,
            Agreement::NotProved => Observed::NotProved(before.size),
            Agreement::Proved if checkpoint.size < before.size => Observed::Older(before.size),
            Agreement::Proved => {
                place.swap(Some(&remembered), note).map_err(held)?;
                Observed::Extends(before.size)
            }
        })
    }

    /// Keeps two notes that contradict one another, named after their sizes and their content; gives the files.
    pub(super) fn keep_evidence(&self, notes: [&str; 2]) -> Result<Vec<PathBuf>, CommandError> {
        std::fs::create_dir_all(&self.0)?;
        let size = |note: &str| {
            let parsed = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.text));
            parsed.map_or_else(|| "unknown".to_owned(), |checkpoint| checkpoint.size.to_string())
        };
        let digest = Sha256::new().chain_update(notes[0]).chain_update([0]).chain_update(notes[1]).finalize();
        let name = format!("fork-{}-{}-{}", size(notes[0]), size(notes[1]), HEXLOWER.encode(&digest[..8]));
        let mut files = Vec::with_capacity(notes.len());
        for (number, note) in notes.iter().enumerate() {
            let file = self.0.join(format!("{name}.{}.checkpoint", number + 1));
            // The name tells the content: what is there is the same.
            if !file.exists() {
                write_new(&file, note.as_bytes())?;
            }
            files.push(file);
        }
        Ok(files)
    }
}

/// A ledger's file: its name in a form that every file system takes, and a hash that no other name has.
fn file_name(origin: &Origin) -> String {
    let digest = Sha256::digest(origin.as_str());
    let plain = origin.as_str().replace(['/', ':'], "_");
    format!("{plain}-{}.checkpoint", HEXLOWER.encode(&digest[..8]))
}
