//! What whoever watches a node wants to know of it at a glance.

use crate::ledger::Ledger;
use crate::store::head;

/// A node's state, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Whether it appends; if not, `/health/ready` says why.
    pub ready: bool,
    /// Whether it has halted: a person must look.
    pub halted: bool,
    /// Entries; `None` while the database does not answer.
    pub entries: Option<u64>,
    /// Entries that the newest checkpoint covers.
    pub checkpoint_entries: u64,
}

impl Ledger {
    /// Looks at everything once. It never fails: what cannot be read is an answer too.
    pub fn pulse(&self) -> Pulse {
        let entries = self.store.read(head::read).ok().map(|head| head.size());
        Pulse {
            ready: self.readiness().is_ok(),
            halted: self.health.halted().is_some(),
            entries,
            checkpoint_entries: self.checkpoint().map_or(0, |shown| shown.size),
        }
    }
}
