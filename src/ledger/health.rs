//! Whether the ledger appends. Once halted it stays halted until a person has looked and starts it again.

use std::sync::RwLock;

/// Why the ledger does not append, if so.
#[derive(Debug, Default)]
pub struct Health {
    halted: RwLock<Option<String>>,
}

impl Health {
    /// Halts: from now on read-only. The first reason stays.
    pub fn halt(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(%reason, "ledger halted; it serves proofs and appends nothing");
        if let Ok(mut halted) = self.halted.write() {
            halted.get_or_insert(reason);
        }
    }

    /// The reason of the halt.
    pub fn halted(&self) -> Option<String> {
        // A poisoned lock means that a thread died while halting: that is a halt too.
        self.halted.read().map_or_else(|_| Some("a thread died while halting".into()), |reason| reason.clone())
    }
}
