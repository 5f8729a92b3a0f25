//! A witness of other logs (C2SP tlog-witness): for each it remembers the last checkpoint that it cosigned, and cosigns
//! only what extends that.
//!
//! One file a log holds the checkpoint with its signatures, as it is served. It is on disk before the cosignature is given
//! away. If we crash before the file is in its place, nothing was cosigned; if after, the log is told the size and asks
//! again. What became of a write that failed is unknown: then the file is read again before anything is decided.

use crate::ledger::clock::Clock;
use crate::ledger::files;
use crate::limits::{WITNESS_CLOCK_BEHIND_S_MAX, WITNESS_CLOCK_S_MAX, WITNESS_CLOCK_S_MIN};
use crate::proof::add_checkpoint::{AddCheckpoint, NotCosigned, origin_hash};
use crate::proof::checkpoint::AnyCheckpoint;
use crate::proof::cosignature::{Cosigner, cosign};
use crate::proof::merkle::TreeHash;
use crate::proof::note::{Note, NoteVerifier};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A witness at work.
pub struct Witness {
    cosigner: Cosigner,
    key: SigningKey,
    clock: Clock,
    /// By the hash of their origins.
    logs: BTreeMap<String, Log>,
    /// The latest time of any cosignature, in seconds since 1970: no later one goes below it.
    last_time: Mutex<u64>,
    /// The operating system's lock: two witnesses on one folder could cosign two histories.
    _lock: File,
}

/// A log that this witness knows.
struct Log {
    keys: Vec<NoteVerifier>,
    path: PathBuf,
    held: Mutex<Held>,
}

/// What a log's file holds.
enum Held {
    /// This, or nothing yet.
    Known(Option<Cosigned>),
    /// A write failed: the file must be read first.
    Unsure,
}

/// The last checkpoint that was cosigned.
#[derive(Clone)]
struct Cosigned {
    size: u64,
    root: TreeHash,
    time: u64,
    /// Text, the log's signatures and ours.
    note: String,
}

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotWitness {
    /// What it was given makes no witness.
    #[error("{0}")]
    Refused(String),
    /// The file system.
    #[error("the witness's folder cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// Why a request is not answered with a cosignature.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// By the specification.
    #[error(transparent)]
    Refused(#[from] NotCosigned),
    /// The clock cannot be right; nothing was changed.
    #[error("the witness's clock is off: {0}")]
    Clock(String),
    /// It could not be put on disk; nothing was cosigned.
    #[error("the checkpoint could not be put on disk: {0}")]
    Io(#[from] io::Error),
}

impl Witness {
    /// Opens a folder for some logs, whose keys are named like their origins; several keys may be one log's.
    pub fn open(
        folder: &Path,
        name: &str,
        key: SigningKey,
        keys_of_logs: Vec<NoteVerifier>,
        clock: Clock,
    ) -> Result<Self, CannotWitness> {
        let refused = |problem: &str| CannotWitness::Refused(problem.to_owned());
        let cosigner = Cosigner::new(name, key.verifying_key());
        let cosigner = cosigner.ok_or_else(|| refused("a name has no white space, no plus sign, and is not empty"))?;
        if keys_of_logs.iter().any(|log| *log.key() == key.verifying_key()) {
            return Err(refused("the witness's key is a log's: make one of its own with keygen"));
        }
        if keys_of_logs.is_empty() {
            return Err(refused("a witness needs the keys of the logs that it watches: --log or --policy"));
        }
        let lock = take_lock(folder)?;
        let mut last_time = 0;
        let mut logs: BTreeMap<String, Log> = BTreeMap::new();
        for verifier in keys_of_logs {
            let hash = origin_hash(verifier.name());
            let path = folder.join(format!("{hash}.checkpoint"));
            let log = logs.entry(hash);
            log.or_insert_with(|| Log { keys: Vec::new(), path, held: Mutex::new(Held::Unsure) }).keys.push(verifier);
        }
        for log in logs.values_mut() {
            let held = read_held(&log.path, &cosigner)?;
            last_time = held.as_ref().map_or(0, |held| held.time).max(last_time);
            log.held = Mutex::new(Held::Known(held));
        }
        Ok(Self { cosigner, key, clock, logs, last_time: Mutex::new(last_time), _lock: lock })
    }

    /// The key under which others verify its cosignatures.
    pub fn vkey(&self) -> String {
        self.cosigner.vkey()
    }

    /// The origins of the logs that it knows.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.values().filter_map(|log| log.keys.first()).map(NoteVerifier::name)
    }

    /// Cosigns a checkpoint that extends the last one of its log; gives the signature line once it is on disk.
    ///
    /// Requests about one log are decided one after the other: two at once can not both start from the same size.
    pub fn add_checkpoint(&self, body: &str) -> Result<String, Unanswered> {
        let request = AddCheckpoint::parse(body)?;
        let log = self.logs.get(&origin_hash(request.checkpoint.origin));
        let Some(log) = log.filter(|log| log.keys.iter().all(|key| key.name() == request.checkpoint.origin)) else {
            return Err(NotCosigned::UnknownOrigin.into());
        };
        let mut held = log.held.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = self.settle(log, &mut held)?;
        let decided = request.check(&log.keys, latest.map(|latest| (latest.size, latest.root)));
        if decided == Err(NotCosigned::Inconsistent) {
            let AnyCheckpoint { origin, size, root } = request.checkpoint;
            tracing::warn!(origin, size, %root, "a log signed a checkpoint that is not proved to extend what was cosigned");
        }
        decided?;
        let time = self.next_time()?;
        let line = cosign(self.cosigner.name(), &self.key, time, request.note.text);
        let line = line.ok_or_else(|| io::Error::other("the checkpoint cannot be cosigned"))?;
        let note = format!("{}\n{}{line}", request.note.text, request.lines_of(&log.keys));
        // What could not be read again at the next start is not kept: with our line a note may be longer than notes are.
        if Note::parse(&note).ok().and_then(|note| self.cosigner.time_of(&note).ok()) != Some(time) {
            return Err(NotCosigned::Malformed.into());
        }
        *held = Held::Unsure;
        files::replace(&log.path, note.as_bytes())?;
        let AnyCheckpoint { size, root, .. } = request.checkpoint;
        *held = Held::Known(Some(Cosigned { size, root, time, note }));
        Ok(line)
    }

    /// The last checkpoint that was cosigned of a log, with its signatures; the log is named by the hash of its origin.
    pub fn checkpoint(&self, origin_hash: &str) -> io::Result<Option<String>> {
        let Some(log) = self.logs.get(origin_hash) else { return Ok(None) };
        let mut held = log.held.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.settle(log, &mut held)?.map(|latest| latest.note))
    }

    /// What a log's file holds, read again if that is not sure.
    fn settle(&self, log: &Log, held: &mut Held) -> io::Result<Option<Cosigned>> {
        if let Held::Known(known) = held {
            return Ok(known.clone());
        }
        let found = read_held(&log.path, &self.cosigner)?;
        // What a failed write left may be lost with the power until the folder is on disk too.
        File::open(files::folder_of(&log.path))?.sync_all()?;
        *held = Held::Known(found.clone());
        Ok(found)
    }

    /// The time of the next cosignature: never 0, never before the last one. A clock that stands still or went back a little
    /// repeats the last time; one that cannot be right refuses.
    fn next_time(&self) -> Result<u64, Unanswered> {
        let now = u64::try_from(self.clock.now_ms() / 1_000).unwrap_or_default();
        let mut last = self.last_time.lock().unwrap_or_else(PoisonError::into_inner);
        if !(WITNESS_CLOCK_S_MIN..WITNESS_CLOCK_S_MAX).contains(&now) {
            return Err(Unanswered::Clock(format!("it shows {now} seconds since 1970")));
        }
        if now + WITNESS_CLOCK_BEHIND_S_MAX < *last {
            let words = format!("it shows {now} seconds since 1970, the last cosignature {}", *last);
            return Err(Unanswered::Clock(words));
        }
        *last = now.max(*last);
        Ok(*last)
    }
}

/// Reads a log's file and checks our own cosignature in it: a witness that forgot, or was made to forget, must not go on.
fn read_held(path: &Path, cosigner: &Cosigner) -> io::Result<Option<Cosigned>> {
    let note = match fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::other(format!("{} holds no checkpoint that this witness cosigned", path.display()));
    let parsed = Note::parse(&note).map_err(|_| damaged())?;
    let time = cosigner.time_of(&parsed).map_err(|_| damaged())?;
    let AnyCheckpoint { size, root, .. } = AnyCheckpoint::parse(parsed.text).ok_or_else(damaged)?;
    Ok(Some(Cosigned { size, root, time, note }))
}

fn take_lock(folder: &Path) -> Result<File, CannotWitness> {
    fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let words = format!("another witness works in {}: two would cosign two histories", folder.display());
            Err(CannotWitness::Refused(words))
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
