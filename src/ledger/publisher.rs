//! The publisher: the one node that holds the checkpoint key and owns the guard.
//!
//! Order: derive the root from rows read afresh, sign in memory, check the own signature, store the checkpoint (its
//! primary key is the size, another root halts), move the guard, and only then show the checkpoint, here and on every
//! node. If we crash anywhere in between, the next start finds a stored checkpoint that the guard lags behind, and goes
//! on from it. Only a contradiction halts; a disk or database that fails is tried again.

use crate::domain::ids::{EntryIndex, Origin};
use crate::ledger::guard::{FileGuard, GuardError};
use crate::ledger::health::Health;
use crate::limits::PUBLISH_PAUSE_MS;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::merkle::{Frontier, leaf_hash};
use crate::proof::note::NoteVerifier;
use crate::proof::tiles::{ProofError, Prover};
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{Database, Store, StoreError, StoreFault, entries, head};
use ed25519_dalek::SigningKey;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// Entries that are read at once while the root is derived.
const READ_ENTRIES: i64 = 1_000;

/// The checkpoints that are shown, and the thread that shows them.
pub struct Checkpoints {
    shown: watch::Receiver<Option<StoredCheckpoint>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// What a thread shows.
    pub const fn new(shown: watch::Receiver<Option<StoredCheckpoint>>, thread: JoinHandle<()>) -> Self {
        Self { shown, thread: Some(thread) }
    }

    /// Whether the thread still runs; it ends by itself only when the ledger halts or closes.
    pub fn are_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// The newest.
    pub fn newest(&self) -> Option<StoredCheckpoint> {
        self.shown.borrow().clone()
    }

    /// Waits for one that covers an entry; `None` if none will come because the thread has ended.
    pub async fn covering(&self, index: u64) -> Option<StoredCheckpoint> {
        let mut shown = self.shown.clone();
        let covers = |shown: &Option<StoredCheckpoint>| shown.as_ref().is_some_and(|shown| shown.size > index);
        shown.wait_for(covers).await.ok().and_then(|shown| shown.clone())
    }
}

impl Drop for Checkpoints {
    /// Waits for the last one; the writer must have ended before.
    fn drop(&mut self) {
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the publisher's thread died");
        }
    }
}

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// What is stored contradicts what was signed: signing on would fork the ledger.
    #[error("{0}")]
    Fork(String),
    /// The database did not answer; trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The guard could not be read or written; trying again is safe.
    #[error(transparent)]
    Guard(io::Error),
}

/// What the publisher's thread works with.
pub struct Publisher {
    origin: Origin,
    store: Arc<Store>,
    health: Arc<Health>,
    key: SigningKey,
    verifier: NoteVerifier,
    guard: FileGuard,
    shown: watch::Sender<Option<StoredCheckpoint>>,
    /// The tree as far as it is signed, derived from rows.
    signed: Frontier,
    /// BLAKE3 of the last signed entry.
    chain_hash: ChainHash,
    /// What the guard holds.
    guard_note: String,
    /// Stored, but the guard has not moved to it yet.
    pending: Option<StoredCheckpoint>,
}

impl From<GuardError> for PublishError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Io(error) => Self::Guard(error),
            GuardError::Held(_) | GuardError::Moved => Self::Fork(error.to_string()),
        }
    }
}

fn fork(problem: impl Into<String>) -> PublishError {
    PublishError::Fork(problem.into())
}

/// The right edge of the tree of a size, from tiles and leaf hashes.
fn stored_frontier(database: &mut Database, size: u64) -> Result<Frontier, PublishError> {
    let mut source = StoredTiles(database);
    Prover::new(&mut source, size).frontier().map_err(|error| match error {
        ProofError::Source(error) if error.fault != StoreFault::Damaged => PublishError::Store(error),
        other => fork(format!("the tree of size {size} cannot be derived: {other}")),
    })
}

impl Publisher {
    /// Opens the guard and checks that the database extends both it and every checkpoint stored.
    ///
    /// A fork is found here, before anything is signed.
    pub fn open(
        origin: Origin,
        store: Arc<Store>,
        health: Arc<Health>,
        key: SigningKey,
        guard: FileGuard,
        shown: watch::Sender<Option<StoredCheckpoint>>,
    ) -> Result<Self, PublishError> {
        let verifier = NoteVerifier::new(origin.as_str(), key.verifying_key())
            .ok_or_else(|| fork("the origin cannot be the name of a key"))?;
        let stored = store.read(tiles::last_checkpoint)?;
        let guard_note = match guard.read()? {
            Some(note) => note,
            None => first_guard(&origin, &key, &guard, stored.as_ref())?,
        };
        let guarded = open_guard(&guard_note, &verifier)?;
        if let Some(stored) = &stored {
            require_signed(stored, &verifier)?;
        }
        let (signed, chain_hash) = store.read(|database| require_extends(database, &guarded, stored.as_ref()))?;
        let pending = stored;
        let mut publisher =
            Self { origin, store, health, key, verifier, guard, shown, signed, chain_hash, guard_note, pending };
        publisher.show_pending()?;
        Ok(publisher)
    }

    /// Publishes whenever the ledger has grown, until the writer has ended and its last entry is signed; halts on a
    /// fork.
    pub fn start(mut self, writer_ends: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("publisher".into()).spawn(move || {
            while self.publish_or_halt() {
                if has_ended(&writer_ends) {
                    self.publish_or_halt();
                    return;
                }
            }
        })
    }

    /// Tells whether to go on.
    fn publish_or_halt(&mut self) -> bool {
        if self.health.halted().is_some() {
            return false;
        }
        match self.publish() {
            Ok(()) => true,
            Err(error @ (PublishError::Store(_) | PublishError::Guard(_))) => {
                tracing::warn!(%error, "no checkpoint could be published; trying again");
                true
            }
            Err(PublishError::Fork(problem)) => {
                self.health.halt(problem);
                false
            }
        }
    }

    /// Publishes one checkpoint if the ledger has grown since the last.
    fn publish(&mut self) -> Result<(), PublishError> {
        self.show_pending()?;
        self.require_guard_unmoved()?;
        let store = Arc::clone(&self.store);
        let head = store.read(head::read)?;
        if head.size() < self.signed.size() {
            let (has, signed) = (head.size(), self.signed.size());
            return Err(fork(format!("the database has {has} entries, but a checkpoint over {signed} is signed")));
        }
        let (frontier, chain_hash) = store.read(|database| self.read_afresh(database, head.size()))?;
        if frontier != head.frontier || chain_hash != head.chain_hash {
            return Err(fork(format!("the head of size {} does not follow from the entries", head.size())));
        }
        if head.size() == self.signed.size() {
            return Ok(());
        }
        let stored = self.sign(&frontier)?;
        store.write(|database| store_checkpoint(database, &stored))?;
        (self.signed, self.chain_hash) = (frontier, chain_hash);
        self.pending = Some(stored);
        self.show_pending()
    }

    /// Signs in memory and checks the own signature before anybody sees it.
    fn sign(&self, frontier: &Frontier) -> Result<StoredCheckpoint, PublishError> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: frontier.size(), root: frontier.root() };
        let note = checkpoint.sign(&self.key).ok_or_else(|| fork("the checkpoint cannot be signed"))?;
        let stored = StoredCheckpoint { size: checkpoint.size, root: checkpoint.root, note };
        require_signed(&stored, &self.verifier)?;
        Ok(stored)
    }

    /// Before each signature: somebody else's checkpoint in the guard means a second publisher.
    fn require_guard_unmoved(&self) -> Result<(), PublishError> {
        if self.guard.read()?.as_ref() != Some(&self.guard_note) {
            return Err(fork(format!("the guard {} was moved by somebody else", self.guard.path().display())));
        }
        Ok(())
    }

    /// Goes on from what is signed, over entries as they are stored now: bytes, leaf hashes and chain must agree.
    fn read_afresh(&self, database: &mut Database, size: u64) -> Result<(Frontier, ChainHash), PublishError> {
        let (mut frontier, mut chain_hash) = (self.signed.clone(), self.chain_hash);
        while frontier.size() < size {
            let page = entries::page(database, EntryIndex(frontier.size()), READ_ENTRIES)?;
            if page.is_empty() {
                return Err(fork(format!("entry {} is missing", frontier.size())));
            }
            for stored in page.iter().take_while(|stored| stored.index.0 < size) {
                let index = frontier.size();
                let entry = Entry::parse(&stored.bytes).map_err(|error| fork(format!("entry {index}: {error}")))?;
                let leaf = leaf_hash(&stored.bytes);
                let in_place = stored.index.0 == index && entry.index.0 == index && entry.ledger == self.origin;
                if !in_place || entry.prev != chain_hash || leaf != stored.leaf_hash {
                    return Err(fork(format!("entry {index} does not follow from the one before")));
                }
                frontier.push(leaf);
                chain_hash = ChainHash::of(&stored.bytes);
            }
        }
        Ok((frontier, chain_hash))
    }

    /// Moves the guard to a checkpoint that is stored, then lets it be seen. What fails here is tried again later.
    fn show_pending(&mut self) -> Result<(), PublishError> {
        let Some(pending) = &self.pending else { return Ok(()) };
        self.guard.swap(Some(&self.guard_note), &pending.note)?;
        self.guard_note.clone_from(&pending.note);
        self.store.write(|database| tiles::show_checkpoint(database, pending.size))?;
        self.shown.send_replace(self.pending.take());
        Ok(())
    }
}

/// The guard of a ledger of which nothing is signed yet: a checkpoint over no entries, so that a guard which is missing
/// later is known to have been lost.
fn first_guard(
    origin: &Origin,
    key: &SigningKey,
    guard: &FileGuard,
    stored: Option<&StoredCheckpoint>,
) -> Result<String, PublishError> {
    if let Some(stored) = stored {
        let (size, path) = (stored.size, guard.path().display());
        let cure = "put the last checkpoint that you trust there, as a file, and start again";
        return Err(fork(format!("checkpoint {size} is stored, but the guard {path} is gone; {cure}")));
    }
    let nothing = Checkpoint { origin: origin.clone(), size: 0, root: Frontier::default().root() };
    let note = nothing.sign(key).ok_or_else(|| fork("the checkpoint cannot be signed"))?;
    guard.swap(None, &note)?;
    Ok(note)
}

/// A checkpoint's note must say under our key what its row says.
fn require_signed(stored: &StoredCheckpoint, verifier: &NoteVerifier) -> Result<(), PublishError> {
    let opened = Checkpoint::open(&stored.note, verifier).map(|opened| (opened.size, opened.root));
    if opened == Ok((stored.size, stored.root)) {
        return Ok(());
    }
    Err(fork(format!("the checkpoint over {} entries is not signed by the checkpoint key", stored.size)))
}

fn open_guard(note: &str, verifier: &NoteVerifier) -> Result<Checkpoint, PublishError> {
    Checkpoint::open(note, verifier).map_err(|error| {
        fork(format!("the guard's checkpoint is not this ledger's: {error}; are test and production keys swapped?"))
    })
}

/// The database must extend the guard's checkpoint and the last one that it stores itself.
fn require_extends(
    database: &mut Database,
    guarded: &Checkpoint,
    stored: Option<&StoredCheckpoint>,
) -> Result<(Frontier, ChainHash), PublishError> {
    let size = head::read(database)?.size();
    if size < guarded.size {
        let cure = "a backup was put back or commits were lost; restore the newer database";
        let problem = format!("the database has {size} entries, the guard was signed over {}", guarded.size);
        return Err(fork(format!("{problem}; {cure}")));
    }
    if stored_frontier(database, guarded.size)?.root() != guarded.root {
        return Err(fork(format!("the first {} entries are not those that were signed", guarded.size)));
    }
    let last = stored.map_or(0, |stored| stored.size);
    if guarded.size > last {
        return Err(fork("the guard holds a checkpoint that this database never stored; a backup was put back"));
    }
    let frontier = stored_frontier(database, last)?;
    if stored.is_some_and(|stored| stored.root != frontier.root()) || last > size {
        return Err(fork(format!("the stored checkpoint over {last} entries does not fit them")));
    }
    let last_entry = match last.checked_sub(1) {
        Some(index) => entries::find(database, EntryIndex(index))?,
        None => None,
    };
    Ok((frontier, last_entry.map_or(ChainHash::START, |entry| ChainHash::of(&entry.bytes))))
}

/// Stores a checkpoint; one that is there with another root would be a second history.
fn store_checkpoint(database: &mut Database, checkpoint: &StoredCheckpoint) -> Result<(), PublishError> {
    match tiles::checkpoint(database, checkpoint.size)? {
        None => Ok(tiles::insert_checkpoint(database, checkpoint)?),
        Some(stored) if stored.root == checkpoint.root => Ok(()),
        Some(_) => Err(fork(format!("another root is signed for size {}", checkpoint.size))),
    }
}

/// Shows checkpoints that another node published: what a node without the checkpoint key does.
pub fn follow(
    store: Arc<Store>,
    shown: watch::Sender<Option<StoredCheckpoint>>,
    writer_ends: Receiver<()>,
) -> std::io::Result<JoinHandle<()>> {
    show_newest(&store, &shown);
    thread::Builder::new().name("follower".into()).spawn(move || {
        while !has_ended(&writer_ends) {
            show_newest(&store, &shown);
        }
    })
}

fn show_newest(store: &Store, shown: &watch::Sender<Option<StoredCheckpoint>>) {
    match store.read(tiles::shown_checkpoint) {
        Ok(None) => {}
        Ok(Some(newest)) => {
            shown.send_if_modified(|before| {
                let is_newer = before.as_ref().is_none_or(|before| before.size < newest.size);
                if is_newer {
                    *before = Some(newest);
                }
                is_newer
            });
        }
        Err(error) => tracing::warn!(%error, "the newest checkpoint cannot be read"),
    }
}

/// Pauses, and tells whether the writer ended meanwhile.
fn has_ended(writer_ends: &Receiver<()>) -> bool {
    let pause = Duration::from_millis(PUBLISH_PAUSE_MS);
    writer_ends.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
}
