//! The publisher: the one node that holds the checkpoint key and owns the guard.
//!
//! Order: derive the root from rows read afresh, sign in memory, check the own signature, store the checkpoint (its
//! primary key is the size, another root halts), move the guard, and only then show the checkpoint, here and on every
//! node. If we crash anywhere in between, the next start finds a stored checkpoint that the guard lags behind, and goes
//! on from it. Only a contradiction halts; a disk, bucket or database that fails is tried again.
//!
//! A second publisher on the same guard finds it moved. If what lies there is a checkpoint of this very database, both
//! publish one history: this node steps back alone. Anything else is a second history, and the ledger halts.

use crate::domain::ids::{EntryIndex, Origin};
use crate::ledger::guard::{Guard, GuardError};
use crate::ledger::health::Health;
use crate::ledger::log::Log;
use crate::ledger::signed::{SignedState, fork, lost, named_keys, open_note, require_signed, require_signed_state};
use crate::limits::{GUARD_LOOK_TICKS, GUARD_WAIT_TICKS_MAX, PUBLISH_PAUSE_MS};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::merkle::{Frontier, leaf_hash};
use crate::proof::note::NoteVerifier;
use crate::store::tiles::{self, StoredCheckpoint};
use crate::store::{Database, Store, StoreError, StoreFault, entries, head};
use ed25519_dalek::SigningKey;
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

    /// Whether the thread still runs; it ends by itself only when the ledger closes.
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

/// What the one node has that publishes.
#[derive(Debug)]
pub struct Publishing {
    /// The checkpoint keys at hand. Those sign that the ledger names: one, and while one takes the place of another, both.
    pub keys: Vec<SigningKey>,
    /// The guard.
    pub guard: Guard,
}

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// What is stored contradicts what was signed: signing on would fork the ledger.
    #[error("{0}")]
    Fork(String),
    /// The key or the guard of this node is not the ledger's, or another node publishes: this node must not sign.
    #[error("{0}")]
    NotOurs(String),
    /// The database did not answer; trying again is safe.
    #[error(transparent)]
    Store(StoreError),
    /// The guard could not be read or written; trying again is safe.
    #[error("{0}")]
    Guard(String),
    /// Another node has halted the ledger; this one learns why at its next look.
    #[error("the ledger is halted")]
    Halted,
    /// The guard holds another checkpoint than this node put there.
    #[error("the guard was moved by somebody else")]
    Moved,
}

/// What the publisher's thread works with.
pub struct Publisher {
    origin: Origin,
    store: Arc<Store>,
    health: Arc<Health>,
    publishing: Publishing,
    log: Arc<Log>,
    shown: watch::Sender<Option<StoredCheckpoint>>,
    /// The tree as far as it is signed, derived from rows.
    signed: Frontier,
    /// BLAKE3 of the last signed entry.
    chain_hash: ChainHash,
    /// What the guard holds.
    guard_note: String,
    /// Stored, but the guard has not moved to it yet.
    pending: Option<StoredCheckpoint>,
    /// Ticks until the guard is read although nothing was appended.
    ticks_to_guard_look: u32,
    /// Ticks until a guard that did not answer is asked again, and how many that were the last time; 0 while it answers.
    ticks_to_wait: u32,
    ticks_waited: u32,
}

impl From<StoreError> for PublishError {
    /// A row that cannot be read back is no longer what was signed.
    fn from(error: StoreError) -> Self {
        match error.fault {
            StoreFault::Damaged => fork(format!("the database is damaged: {}", error.message)),
            _ => Self::Store(error),
        }
    }
}

impl From<GuardError> for PublishError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Unreachable(problem) => Self::Guard(problem),
            GuardError::Moved => Self::Moved,
            GuardError::Held(_) | GuardError::Unusable(_) => Self::NotOurs(error.to_string()),
        }
    }
}

impl Publisher {
    /// Reads the guard and checks that the database extends both it and every checkpoint stored.
    ///
    /// A fork is found here, before anything is signed.
    pub(super) fn open(origin: Origin, publishing: Publishing, following: Following) -> Result<Self, PublishError> {
        let Following { store, health, log, shown } = following;
        let named = named_keys(&store)?;
        let first = || first_guard(&origin, &publishing, &named);
        require_a_named_key(&origin, &publishing.keys, &named)?;
        let state = require_signed_state(&store, &publishing.guard, &named, first)?;
        let SignedState { guard_note, stored: pending, frontier: signed, chain_hash } = state;
        let mut publisher = Self {
            origin,
            store,
            health,
            publishing,
            log,
            shown,
            signed,
            chain_hash,
            guard_note,
            pending,
            ticks_to_guard_look: GUARD_LOOK_TICKS,
            ticks_to_wait: 0,
            ticks_waited: 0,
        };
        publisher.show_pending().map_err(|error| publisher.explain(error))?;
        Ok(publisher)
    }

    /// Publishes whenever the ledger has grown, until the writer has ended and its last entry is signed. Once halted it
    /// lets go of the guard and follows.
    pub fn start(mut self, writer_ends: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("publisher".into()).spawn(move || {
            while self.tick() {
                self.health.look();
                self.log.tick();
                if has_ended(&writer_ends) {
                    self.publish_or_halt();
                    self.health.look();
                    return;
                }
            }
            let Self { store, health, log, publishing, shown, .. } = self;
            // Whoever looks at the guard or lifts the halt finds nobody else holding it.
            drop(publishing);
            follow_until_end(&Following { store, health, log, shown }, &writer_ends);
        })
    }

    /// Publishes, unless it waits after the guard did not answer. Tells whether to go on.
    fn tick(&mut self) -> bool {
        self.ticks_to_guard_look = self.ticks_to_guard_look.saturating_sub(1);
        if self.ticks_to_wait > 0 {
            self.ticks_to_wait -= 1;
            return self.health.halted().is_none();
        }
        self.publish_or_halt()
    }

    /// Tells whether to go on.
    fn publish_or_halt(&mut self) -> bool {
        if self.health.halted().is_some() {
            return false;
        }
        match self.publish().map_err(|error| self.explain(error)) {
            Ok(()) => {
                self.ticks_waited = 0;
                true
            }
            Err(PublishError::Fork(problem)) => {
                self.health.halt(problem);
                false
            }
            Err(PublishError::NotOurs(problem)) => {
                self.health.halt_here(problem);
                false
            }
            Err(error) => {
                tracing::warn!(%error, "no checkpoint could be published; trying again");
                if matches!(error, PublishError::Guard(_)) {
                    self.ticks_waited = (self.ticks_waited * 2).clamp(1, GUARD_WAIT_TICKS_MAX);
                    self.ticks_to_wait = self.ticks_waited;
                }
                true
            }
        }
    }

    /// Publishes one checkpoint if the ledger has grown since the last.
    fn publish(&mut self) -> Result<(), PublishError> {
        self.show_pending()?;
        let store = Arc::clone(&self.store);
        let head = store.read(head::read)?;
        let has_grown = head.size() > self.signed.size();
        if has_grown || self.ticks_to_guard_look == 0 {
            self.require_guard_unmoved()?;
            self.ticks_to_guard_look = GUARD_LOOK_TICKS;
        }
        if head.size() < self.signed.size() {
            let (has, signed) = (head.size(), self.signed.size());
            return Err(fork(format!("the database has {has} entries, but a checkpoint over {signed} is signed")));
        }
        let (frontier, chain_hash) = store.read(|database| self.read_afresh(database, head.size()))?;
        if frontier != head.frontier || chain_hash != head.chain_hash {
            return Err(fork(format!("the head of size {} does not follow from the entries", head.size())));
        }
        if !has_grown {
            return Ok(());
        }
        let stored = self.sign(&frontier)?;
        store.write(|database| {
            // Under the head's lock, as an append: once a halt is written nothing more counts as signed, on any node.
            if head::lock(database)?.is_halted {
                return Err(PublishError::Halted);
            }
            store_checkpoint(database, &stored)
        })?;
        (self.signed, self.chain_hash) = (frontier, chain_hash);
        self.pending = Some(stored);
        self.show_pending()
    }

    /// Signs in memory and checks the own signatures before anybody sees them.
    fn sign(&self, frontier: &Frontier) -> Result<StoredCheckpoint, PublishError> {
        let named = named_keys(&self.store)?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: frontier.size(), root: frontier.root() };
        let note = sign(&checkpoint, &self.publishing.keys, &named)?;
        let stored = StoredCheckpoint { size: checkpoint.size, root: checkpoint.root, note };
        require_signed(&stored, &named)?;
        Ok(stored)
    }

    /// Before each signature, and now and then while nothing is appended: somebody else's checkpoint in the guard means a second publisher.
    fn require_guard_unmoved(&self) -> Result<(), PublishError> {
        if self.publishing.guard.read()?.as_ref() == Some(&self.guard_note) { Ok(()) } else { Err(PublishError::Moved) }
    }

    /// What it means that the guard was moved: by another publisher of this very ledger, or by a second history.
    fn explain(&self, error: PublishError) -> PublishError {
        let PublishError::Moved = error else { return error };
        let place = self.publishing.guard.url();
        let is_of_this_database = || -> Result<bool, PublishError> {
            let guard = &self.publishing.guard;
            let Some(note) = guard.read()? else { return Err(lost(guard, self.signed.size())) };
            let Ok(held) = open_note(&note, &named_keys(&self.store)?) else { return Ok(false) };
            let stored = self.store.read(|database| tiles::checkpoint(database, held.size))?;
            Ok(stored.is_some_and(|stored| stored.root == held.root))
        };
        match is_of_this_database() {
            Err(error) => error,
            Ok(true) => {
                let cure = "one node alone may have keys/checkpoint.json; take it from the other, or from this one, and start this one again";
                PublishError::NotOurs(format!("another node publishes this ledger and moved the guard {place}: {cure}"))
            }
            Ok(false) => {
                let cure =
                    "this database does not know what lies there (README, \"Two checkpoints contradict each other\")";
                fork(format!("the guard {place} was moved by somebody else: {cure}"))
            }
        }
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
        self.publishing.guard.swap(Some(&self.guard_note), &pending.note)?;
        self.guard_note.clone_from(&pending.note);
        self.store.write(|database| tiles::show_checkpoint(database, pending.size))?;
        self.shown.send_replace(self.pending.take());
        Ok(())
    }
}

/// One of the keys at hand must be the ledger's: a key of another ledger must never sign here.
fn require_a_named_key(origin: &Origin, keys: &[SigningKey], named: &[NoteVerifier]) -> Result<(), PublishError> {
    if keys.iter().any(|key| named.iter().any(|named| is_key(named, origin, key))) {
        return Ok(());
    }
    let problem = "the checkpoint key of this node is not this ledger's; are the keys of two ledgers swapped, of test and \
                   production? Give this node its own, or none, and start it again";
    Err(PublishError::NotOurs(problem.to_owned()))
}

fn is_key(named: &NoteVerifier, origin: &Origin, key: &SigningKey) -> bool {
    NoteVerifier::new(origin.as_str(), key.verifying_key()).as_ref() == Some(named)
}

/// Signs by each key at hand that the ledger names, the one in force first.
fn sign(checkpoint: &Checkpoint, keys: &[SigningKey], named: &[NoteVerifier]) -> Result<String, PublishError> {
    require_a_named_key(&checkpoint.origin, keys, named)?;
    let at_hand = |named: &NoteVerifier| keys.iter().find(|key| is_key(named, &checkpoint.origin, key));
    let mut signers = named.iter().filter_map(at_hand);
    let first = signers.next().and_then(|key| checkpoint.sign(key));
    let note = signers.fold(first, |note, key| checkpoint.add_signature(&note?, key));
    note.ok_or_else(|| fork("the checkpoint cannot be signed"))
}

/// The guard of a ledger of which nothing is signed yet: a checkpoint over no entries, so that a guard which is missing
/// later is known to have been lost.
fn first_guard(origin: &Origin, publishing: &Publishing, named: &[NoteVerifier]) -> Result<String, PublishError> {
    let nothing = Checkpoint { origin: origin.clone(), size: 0, root: Frontier::default().root() };
    let note = sign(&nothing, &publishing.keys, named)?;
    publishing.guard.swap(None, &note)?;
    Ok(note)
}

/// Stores a checkpoint; one that is there with another root would be a second history.
fn store_checkpoint(database: &mut Database, checkpoint: &StoredCheckpoint) -> Result<(), PublishError> {
    match tiles::checkpoint(database, checkpoint.size)? {
        None => Ok(tiles::insert_checkpoint(database, checkpoint)?),
        Some(stored) if stored.root == checkpoint.root => Ok(()),
        Some(_) => Err(fork(format!("another root is signed for size {}", checkpoint.size))),
    }
}

/// Shows checkpoints that another node published: what a node does that does not publish.
pub(super) fn follow(following: Following, writer_ends: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
    following.show_newest();
    thread::Builder::new().name("follower".into()).spawn(move || follow_until_end(&following, &writer_ends))
}

fn follow_until_end(following: &Following, writer_ends: &Receiver<()>) {
    following.health.look();
    while !has_ended(writer_ends) {
        following.show_newest();
        following.health.look();
        following.log.tick();
    }
    following.health.look();
}

/// What a node works with that shows checkpoints, whoever publishes them.
#[derive(Clone)]
pub(super) struct Following {
    pub(super) store: Arc<Store>,
    pub(super) health: Arc<Health>,
    /// Emptied at a tick where a reader was in the way before, also on a ledger where nothing more is appended.
    pub(super) log: Arc<Log>,
    pub(super) shown: watch::Sender<Option<StoredCheckpoint>>,
}

impl Following {
    fn show_newest(&self) {
        match self.store.read(tiles::shown_checkpoint) {
            Ok(None) => {}
            Ok(Some(newest)) => {
                self.shown.send_if_modified(|before| {
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
}

/// Pauses, and tells whether the writer ended meanwhile.
fn has_ended(writer_ends: &Receiver<()>) -> bool {
    let pause = Duration::from_millis(PUBLISH_PAUSE_MS);
    writer_ends.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
}
