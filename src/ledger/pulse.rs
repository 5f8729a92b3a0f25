//! What whoever watches a node wants to know of it at a glance.

use crate::ledger::Ledger;
use crate::ledger::self_audit::SelfAudit;
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
    /// Seconds since the last pass of the self-audit that found nothing, and the entries that it covered.
    pub clean_pass: Option<(u64, u64)>,
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
            clean_pass: self.last_clean_pass(),
        }
    }

    /// The self-audit of this node, if it does one.
    pub const fn self_audit(&self) -> Option<&SelfAudit> {
        self.self_audit.as_ref()
    }

    /// How many seconds ago the last pass of the self-audit ended that found nothing, and how many entries it covered.
    pub fn last_clean_pass(&self) -> Option<(u64, u64)> {
        let (ended_ms, entries) = self.self_audit.as_ref()?.passes().clean?;
        let age_ms = u64::try_from(self.clock.now_ms() - ended_ms).unwrap_or(0);
        Some((age_ms / 1_000, entries))
    }
}
