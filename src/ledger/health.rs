//! Whether the ledger appends. Once halted it stays halted until a person has looked.
//!
//! What is stored contradicting what was signed concerns every node: such a halt is written into the database beside the
//! head, which each append locks first, so that no node commits behind it, and every other node finds it there. What
//! concerns this node alone (a key or guard that is not the ledger's, a thread that died) halts this node alone. Where the
//! database cannot be written, the node has halted itself, and goes on trying to tell the others.

use crate::ledger::clock::Clock;
use crate::store::{Store, halt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why the ledger does not append, if so.
pub struct Health {
    store: Arc<Store>,
    clock: Clock,
    halted: Mutex<Option<Halted>>,
}

#[derive(Debug, Clone)]
struct Halted {
    reason: String,
    reach: Reach,
}

impl Drop for Health {
    /// The last of all threads has ended: a halt that one of them found after the publisher ended is still told.
    fn drop(&mut self) {
        if self.lock().as_ref().is_some_and(|halted| halted.reach == Reach::LedgerUntold) {
            self.look();
        }
    }
}

/// Whom a halt concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// This node.
    Node,
    /// Every node, and they do not know yet.
    LedgerUntold,
    /// Every node, and it is written down.
    LedgerTold,
}

impl Health {
    /// A node that is not halted, as far as it knows.
    pub const fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, halted: Mutex::new(None) }
    }

    /// Halts the ledger on every node: from now on read-only, until `loopledger resume`. The first reason stays.
    pub fn halt(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(%reason, "ledger halted; it serves proofs and appends nothing");
        self.set(reason, Reach::LedgerUntold);
    }

    /// Halts this node alone, until it is started again: what is wrong is wrong here.
    pub fn halt_here(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(%reason, "this node halted; it serves proofs and appends nothing");
        self.set(reason, Reach::Node);
    }

    /// The reason of the halt.
    pub fn halted(&self) -> Option<String> {
        self.lock().as_ref().map(|halted| halted.reason.clone())
    }

    /// Tells the other nodes of a halt that began here, and learns of one that began elsewhere. What fails is tried again
    /// at the next look.
    pub fn look(&self) {
        let known = self.lock().clone();
        let outcome = match known {
            Some(Halted { reason, reach: Reach::LedgerUntold }) => {
                let written = self.store.write(|database| halt::write(database, &reason, self.clock.now_ms()));
                written.map(|()| self.set(reason, Reach::LedgerTold))
            }
            Some(Halted { reach: Reach::LedgerTold, .. }) => Ok(()),
            None | Some(Halted { reach: Reach::Node, .. }) => self.store.read(halt::reason).map(|reason| {
                if let Some(reason) = reason {
                    self.learn(reason);
                }
            }),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "whether the ledger is halted could not be written or read");
        }
    }

    /// A halt that is written down already.
    fn learn(&self, reason: String) {
        tracing::error!(%reason, "the ledger is halted; it serves proofs and appends nothing");
        self.set(reason, Reach::LedgerTold);
    }

    /// The first reason stays; only what concerns the ledger takes the place of what concerns this node.
    fn set(&self, reason: String, reach: Reach) {
        let mut halted = self.lock();
        match halted.as_mut() {
            Some(before) if before.reach == Reach::LedgerUntold && reach == Reach::LedgerTold => before.reach = reach,
            Some(before) if before.reach != Reach::Node || reach == Reach::Node => {}
            _ => *halted = Some(Halted { reason, reach }),
        }
    }

    /// A thread that died while it held this leaves a whole value: it is one assignment.
    fn lock(&self) -> MutexGuard<'_, Option<Halted>> {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
