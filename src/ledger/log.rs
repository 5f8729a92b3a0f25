//! SQLite's log: what was deleted still stands in it until it is emptied.

use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Empties the log after whatever takes values away: erasures, and what waited and was taken back, refused or has expired.
pub(crate) struct Log {
    store: Arc<Store>,
    /// Whether it may hold pages with what was deleted, because a reader was in the way.
    holds_deleted: AtomicBool,
}

impl Log {
    /// Opening the store has emptied it.
    pub(crate) const fn new(store: Arc<Store>) -> Self {
        Self { store, holds_deleted: AtomicBool::new(false) }
    }

    /// After a deletion, and until it has worked after each commit that follows: takes what was deleted out of the database's
    /// log, before anybody is told. A crash here leaves it there until the store is opened again, which does the same.
    pub(crate) fn empty(&self, deleted: bool) {
        if !deleted && !self.holds_deleted.load(Ordering::Relaxed) {
            return;
        }
        let emptied = self.store.empty_log();
        if let Err(error) = &emptied {
            tracing::warn!(%error, "the database's log still holds what was deleted; trying again after the next commit");
        }
        self.holds_deleted.store(!matches!(emptied, Ok(true)), Ordering::Relaxed);
    }
}
