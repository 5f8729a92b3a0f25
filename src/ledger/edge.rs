//! The highest end of the ledger that this node has seen: the measure of every head that it works on.

use crate::ledger::append::{AppendError, Seen};
use crate::store::head::Head;
use std::sync::Mutex;

/// What this node has seen; whoever writes compares the head with it first, and remembers the new one after the commit.
pub struct RightEdge(Mutex<Option<Seen>>);

impl RightEdge {
    /// What was found when the ledger was opened.
    pub const fn new(seen: Option<Seen>) -> Self {
        Self(Mutex::new(seen))
    }

    /// The highest end so far.
    pub fn seen(&self) -> Result<Option<Seen>, AppendError> {
        let seen = self.0.lock().map_err(|_| AppendError::Halt("the memory of the head is poisoned".into()))?;
        Ok(*seen)
    }

    /// It only grows: what was seen once stays the measure of every later head.
    pub fn remember(&self, head: &Head) {
        let now = Seen { size: head.size(), chain_hash: head.chain_hash };
        if let Ok(mut seen) = self.0.lock()
            && seen.is_none_or(|before| before.size <= now.size)
        {
            *seen = Some(now);
        }
    }
}
