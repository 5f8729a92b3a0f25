//! What was signed, and whether the database still extends it: asked at start, before the guard is set, and before a halt
//! is lifted.

use crate::domain::ids::EntryIndex;
use crate::domain::registry::Ledger as LedgerRecord;
use crate::ledger::guard::Guard;
use crate::ledger::opening::ledger_in;
use crate::ledger::publisher::PublishError;
use crate::proof::checkpoint::{Checkpoint, CheckpointProblem};
use crate::proof::entry::ChainHash;
use crate::proof::merkle::Frontier;
use crate::proof::note::{NoteProblem, NoteVerifier};
use crate::proof::tiles::{ProofError, Prover};
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{Database, Store, StoreError, StoreFault, entries, head};

pub(super) fn fork(problem: impl Into<String>) -> PublishError {
    PublishError::Fork(problem.into())
}

/// The keys that may sign checkpoints, as the ledger names them: the one in force and the one before it.
pub fn named_keys(store: &Store) -> Result<Vec<NoteVerifier>, StoreError> {
    let ledger = ledger_in(store)?;
    let vkeys = ledger.iter().flat_map(LedgerRecord::checkpoint_vkeys);
    Ok(vkeys.filter_map(|vkey| NoteVerifier::parse(vkey.as_str()).ok()).collect())
}

/// Reads a checkpoint note that at least one of the keys signed. A bad signature of any of them refuses it.
pub fn open_note(note: &str, keys: &[NoteVerifier]) -> Result<Checkpoint, CheckpointProblem> {
    let mut found = Err(CheckpointProblem::Note(NoteProblem::NotSigned));
    for key in keys {
        match Checkpoint::open(note, key) {
            Err(CheckpointProblem::Note(NoteProblem::NotSigned)) => {}
            Err(problem) => return Err(problem),
            Ok(checkpoint) => found = Ok(checkpoint),
        }
    }
    found
}

/// The last signed state of the ledger, which the database extends.
#[derive(Debug)]
pub struct SignedState {
    /// The guard's note.
    pub guard_note: String,
    /// The largest checkpoint that the database stores; the guard may lag behind it.
    pub stored: Option<StoredCheckpoint>,
    /// The tree as far as it is signed.
    pub(super) frontier: Frontier,
    /// BLAKE3 of the last signed entry.
    pub(super) chain_hash: ChainHash,
}

/// Reads guard and database and requires that the database extends both the guard's checkpoint and its own last one.
///
/// The guard is read first: a publisher that still runs stores a checkpoint before it moves the guard there, so what the
/// database stores is never behind a guard that was read before. `first` gives the guard of a ledger of which nothing was
/// signed yet.
pub(super) fn require_signed_state(
    store: &Store,
    guard: &Guard,
    keys: &[NoteVerifier],
    first: impl FnOnce() -> Result<String, PublishError>,
) -> Result<SignedState, PublishError> {
    let held = guard.read()?;
    let stored = store.read(tiles::last_checkpoint)?;
    let guard_note = match (held, &stored) {
        (Some(note), _) => note,
        (None, None) => first()?,
        (None, Some(stored)) => return Err(lost(guard, stored.size)),
    };
    let guarded = open_note(&guard_note, keys).map_err(|problem| {
        let what = format!("the guard {} holds no checkpoint of this ledger: {problem}", guard.url());
        let cure = "are the guards or keys of two ledgers swapped, of test and production? Give this node its own and start it again";
        PublishError::NotOurs(format!("{what}; {cure}"))
    })?;
    if let Some(stored) = &stored {
        require_signed(stored, keys)?;
    }
    let (frontier, chain_hash) = store.read(|database| require_extends(database, &guarded, stored.as_ref()))?;
    Ok(SignedState { guard_note, stored, frontier, chain_hash })
}

/// Without its guard a ledger signs nothing, because nobody knows whether the database still is what was signed.
pub(super) fn lost(guard: &Guard, size: u64) -> PublishError {
    let what = format!("a checkpoint over {size} entries is stored, but the guard {} is gone", guard.url());
    let cure = "put the last checkpoint that you trust there with `loopledger guard put`";
    PublishError::NotOurs(format!("{what}; {cure} (README, \"The guard is lost\")"))
}

/// A checkpoint's note must say under the ledger's keys what its row says.
pub(super) fn require_signed(stored: &StoredCheckpoint, keys: &[NoteVerifier]) -> Result<(), PublishError> {
    let opened = open_note(&stored.note, keys).map(|opened| (opened.size, opened.root));
    if opened == Ok((stored.size, stored.root)) {
        return Ok(());
    }
    Err(fork(format!("the checkpoint over {} entries is not signed by the checkpoint key", stored.size)))
}

/// The right edge of the tree of a size, from tiles and leaf hashes.
fn stored_frontier(database: &mut Database, size: u64) -> Result<Frontier, PublishError> {
    let mut source = StoredTiles(database);
    Prover::new(&mut source, size).frontier().map_err(|error| match error {
        ProofError::Source(error) if error.fault != StoreFault::Damaged => PublishError::Store(error),
        other => fork(format!("the tree of size {size} cannot be derived: {other}")),
    })
}

/// The database must extend the guard's checkpoint and the last one that it stores itself.
fn require_extends(
    database: &mut Database,
    guarded: &Checkpoint,
    stored: Option<&StoredCheckpoint>,
) -> Result<(Frontier, ChainHash), PublishError> {
    const CURE: &str = "a backup was put back, or a standby took over that lacked the last commits; put the newer \
                        database in its place (README, \"The guard is ahead of the database\")";
    let size = head::read(database)?.size();
    if size < guarded.size {
        let problem = format!("the database has {size} entries, the guard was signed over {}", guarded.size);
        return Err(fork(format!("{problem}; {CURE}")));
    }
    if stored_frontier(database, guarded.size)?.root() != guarded.root {
        let cure = "this is another history (README, \"Two checkpoints contradict each other\")";
        return Err(fork(format!("the first {} entries are not those that were signed; {cure}", guarded.size)));
    }
    let last = stored.map_or(0, |stored| stored.size);
    if guarded.size > last {
        let problem =
            format!("the guard holds a checkpoint over {} entries that this database never stored", guarded.size);
        return Err(fork(format!("{problem}; {CURE}")));
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
