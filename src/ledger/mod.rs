//! Floor 3: use-cases.
//!
//! The life of one posted statement:
//! 1. [`Ledger::prepare`] reads the JWS and checks its signature, on the caller's thread; a key that is not known yet
//!    is left to the sequencer.
//! 2. [`Ledger::post`] puts it into the bounded queue; a full queue refuses at once.
//! 3. The sequencer, the one writer of this process, takes all that waits into one transaction (`append`): lock the
//!    head, load the state that is named, ask `domain::apply`, frame entries, extend chain and tree, advance the head.
//!    What names something that nobody has said yet may be kept beside the ledger (`waiting`), and has its turn in the
//!    transaction that brings it.
//! 4. Only after the commit is anybody answered. A lost answer is harmless: the same statement again gets the same
//!    receipt.
//! 5. The publisher derives the root from rows read afresh, signs a checkpoint, moves the guard, and only then shows
//!    the checkpoint.
//!
//! Whenever what is found contradicts what was signed, the ledger halts: it goes on serving proofs and appends nothing.

pub mod account;
mod ancestry;
pub mod append;
pub mod as_of;
pub mod asking;
pub mod audit;
pub mod bundling;
pub mod certificate_page;
pub mod certificates;
pub mod clock;
pub mod cosigned;
mod counting;
pub mod demands;
pub mod donation_contents;
pub mod donation_devices;
pub mod donation_report;
pub mod donation_totals;
pub mod doubts;
pub mod downstream;
pub mod edge;
pub mod eligibility;
pub mod erasure;
pub mod export;
mod faults;
mod files;
mod full_tiles;
pub mod guard;
pub mod health;
pub mod keyring;
mod log;
pub mod lookup;
pub mod mirror;
pub mod objects;
pub mod opening;
pub mod orders;
pub mod overdue;
pub mod payments;
pub mod posting;
pub mod proofs;
pub mod publisher;
pub mod pulse;
pub mod rebuild;
pub mod register;
pub mod replay;
pub mod resume;
mod rules;
pub mod sampling;
pub mod self_audit;
pub mod sequencer;
pub mod signals;
pub mod signed;
pub mod site_work;
pub mod status;
pub mod sums;
pub mod tokens;
pub mod tree;
pub mod tree_copy;
pub mod vault;
pub mod waiting;
pub mod waiting_list;
mod waiting_row;
pub mod witness;
mod witness_client;
pub mod witnessing;
mod working;
pub mod year_statement;

use crate::domain::fields::Value;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, Origin};
use crate::domain::state::Record;
use crate::limits::REMEMBERED_KEYS_MAX;
use crate::proof::commitment::{self, Opening};
use crate::proof::entry::Entry;
use crate::proof::keys;
use crate::proof::statement::{Signed, Unverified};
use crate::store::entries::{Identity, StoredEntry};
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Store, StoreError, StoreFault, entries, head, records};
use append::AppendError;
use clock::Clock;
use ed25519_dalek::VerifyingKey;
use health::Health;
use mirror::RunningMirror;
use posting::{Group, Mode, Outcome, Posted, Refused};
use publisher::Checkpoints;
use sequencer::{Sequencer, Unavailable};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tree::EntriesFor;
use vault::Vault;

/// A running ledger: what every request works with.
pub struct Ledger {
    /// Its name.
    pub origin: Origin,
    /// Who runs it.
    pub operator: OrganisationId,
    /// The database.
    pub store: Arc<Store>,
    /// The database's log, emptied of what was taken back.
    pub(crate) log: Arc<log::Log>,
    /// Whether appends are allowed, and if not, why.
    pub health: Arc<Health>,
    /// The secrets of hosted keys.
    pub vault: Vault,
    /// Now.
    pub clock: Clock,
    /// Who may read the bundles of all entries.
    pub entries_for: EntriesFor,
    /// The audit of the running service by itself, on a node that does one. Dropped before the checkpoints, whose thread tells
    /// the other nodes of a halt.
    pub(crate) self_audit: Option<self_audit::SelfAudit>,
    /// Dropped before the checkpoints: it finishes what is queued, then they sign a last one over it.
    pub(crate) sequencer: Sequencer,
    /// Where requests about orders have their turn.
    pub(crate) desk: orders::Desk,
    /// Settles what is due of orders while nobody asks for anything.
    pub(crate) _clerk: orders::Clerk,
    pub(crate) checkpoints: Checkpoints,
    /// Dropped after the checkpoints: it copies the last one.
    pub(crate) mirror: Option<RunningMirror>,
    /// What witnesses are asked and say, where there is a policy.
    pub(crate) witnessing: Option<witnessing::Witnessing>,
    pub(crate) keys: RwLock<HashMap<KeyId, VerifyingKey>>,
    /// Statements behind certificates, by serial, whether it is retired, and how many values of that are erased.
    pub(crate) counted: RwLock<HashMap<(String, EntryIndex), bundling::Counted>>,
}

impl Ledger {
    /// Reads a compact JWS, checks its signature where its key is known, and its openings.
    pub fn prepare(&self, jws: &str, openings: Vec<Opening>) -> Result<Posted, PrepareError> {
        let unverified = Unverified::read(jws).map_err(|refused| Refused::Bytes(Box::new(refused)))?;
        check_openings(&unverified.payload, &openings)?;
        let common = &unverified.statement.common;
        let identity = (common.org, common.id);
        let mut identifiers = unverified.statement.identifiers();
        identifiers.push(unverified.kid().to_string());
        let signed = match self.known_key(unverified.kid())? {
            Some(key) => Some(verify(unverified, &key)?),
            None => None,
        };
        Ok(Posted { jws: jws.to_owned(), identity, identifiers, signed, openings, patient: None })
    }

    fn known_key(&self, kid: KeyId) -> Result<Option<VerifyingKey>, StoreError> {
        let poisoned = |_| StoreError::damaged("the memory of keys is poisoned");
        if let Some(key) = self.keys.read().map_err(poisoned)?.get(&kid) {
            return Ok(Some(*key));
        }
        let found = self.store.read(|database| records::load(database, &[kid.to_string()]))?;
        let key = found.iter().find_map(|record| match record {
            Record::Key(key) => keys::from_coordinate(&key.x).ok(),
            _ => None,
        });
        if let Some(key) = key {
            let mut remembered =
                self.keys.write().map_err(|_| StoreError::damaged("the memory of keys is poisoned"))?;
            if remembered.len() >= REMEMBERED_KEYS_MAX {
                remembered.clear();
            }
            remembered.insert(kid, key);
        }
        Ok(key)
    }

    /// The statement that stands in the ledger under an identity, if its payload is this one.
    pub fn stored_statement(&self, identity: Identity, payload: &[u8]) -> Result<Option<String>, StoreError> {
        let stored = self.stored_under(identity, &Sha256::digest(payload))?;
        Ok(stored.and_then(|stored| Entry::parse(&stored.bytes).ok()).map(|entry| entry.statement))
    }

    /// Whether the statement of an identity stands in the ledger with a payload of this SHA-256.
    pub fn is_stored(&self, identity: Identity, payload_sha256: &[u8]) -> Result<bool, StoreError> {
        Ok(self.stored_under(identity, payload_sha256)?.is_some())
    }

    fn stored_under(&self, identity: Identity, payload_sha256: &[u8]) -> Result<Option<StoredEntry>, StoreError> {
        let mut found = self.store.read(|database| entries::find_by_identity(database, &[identity]))?;
        Ok(found.remove(&identity).filter(|stored| stored.payload_sha256 == payload_sha256))
    }

    /// Posts statements and waits for the commit; one outcome each, in order.
    pub async fn post(&self, posted: Vec<Posted>, mode: Mode) -> Result<Vec<Outcome>, Unavailable> {
        self.sequencer.post(Group { posted, mode }).await
    }

    /// The newest checkpoint that was shown.
    pub fn checkpoint(&self) -> Option<StoredCheckpoint> {
        self.checkpoints.newest()
    }

    /// Entries that the copy of the tree covers; `None` on a node that keeps none.
    pub fn mirrored(&self) -> Option<u64> {
        self.mirror.as_ref().map(RunningMirror::covers)
    }

    /// Waits until a checkpoint covers an entry; `None` if that takes longer than `patience`.
    pub async fn checkpoint_over(&self, index: EntryIndex, patience: Duration) -> Option<StoredCheckpoint> {
        tokio::time::timeout(patience, self.checkpoints.covering(index.0)).await.ok()?
    }

    /// The entry of an index, whose stored hash is compared with its bytes.
    pub fn entry(&self, index: EntryIndex) -> Result<Option<entries::StoredEntry>, StoreError> {
        let found = self.store.read(|database| entries::find(database, index))?;
        found.iter().try_for_each(|entry| self.require_sound(entry))?;
        Ok(found)
    }

    /// Compares an entry's stored hash with its bytes. A difference is damage beneath us: the ledger halts.
    pub(crate) fn require_sound(&self, entry: &entries::StoredEntry) -> Result<(), StoreError> {
        if crate::proof::merkle::leaf_hash(&entry.bytes) == entry.leaf_hash {
            return Ok(());
        }
        let message = format!("entry {} does not hash to its stored leaf hash", entry.index);
        self.health.halt(message.clone());
        Err(StoreError { fault: StoreFault::Damaged, message })
    }

    /// Whether this node appends: the number of entries, or why not.
    pub fn readiness(&self) -> Result<u64, String> {
        if let Some(reason) = self.health.halted() {
            return Err(reason);
        }
        if !self.checkpoints.are_alive() {
            return Err("the thread that publishes checkpoints died; start the service again".into());
        }
        let looked = self.store.read(|database| {
            let head = head::read(database)?;
            append::entry_time(database, &self.clock, &head)?;
            Ok(head.size())
        });
        looked.map_err(|error| match error {
            AppendError::Store(error) => format!("the database does not answer: {:?}", error.fault),
            AppendError::Halt(reason) | AppendError::ClockOff(reason) => reason,
        })
    }
}

/// Why a statement does not reach the queue.
#[derive(Debug)]
pub enum PrepareError {
    /// It is refused.
    Refused(Refused),
    /// The database could not be asked.
    Store(StoreError),
}

impl From<Refused> for PrepareError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for PrepareError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn check_openings(payload: &Value, openings: &[Opening]) -> Result<(), Refused> {
    commitment::check_openings(payload, openings).map_err(|refused| Refused::Opening(Box::new(refused)))
}

fn verify(unverified: Unverified<'_>, key: &VerifyingKey) -> Result<Signed, Refused> {
    unverified.verify(key).map_err(|refused| Refused::Bytes(Box::new(refused)))
}
