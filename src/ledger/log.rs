//! SQLite's log: what was deleted still stands in it until it is emptied.

use crate::limits::LOG_RETRY_TICKS;
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Empties the log after whatever takes values away: erasures, and what waited and was taken back, refused or has expired.
pub(crate) struct Log {
    store: Arc<Store>,
    /// Whether it may hold pages with what was deleted, because a reader was in the way.
    holds_deleted: AtomicBool,
    /// Ticks of the publisher so far.
    ticks: AtomicU32,
}

impl Log {
    /// Opening the store has emptied it.
    pub(crate) const fn new(store: Arc<Store>) -> Self {
        Self { store, holds_deleted: AtomicBool::new(false), ticks: AtomicU32::new(0) }
    }

    /// At each tick of the publisher: where a reader was in the way, and nothing is committed any more, it is tried again.
    /// Seldom, because each attempt keeps the writer waiting for a moment.
    pub(crate) fn tick(&self) {
        if self.ticks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOG_RETRY_TICKS) {
            self.empty(false);
        }
    }

    /// After a deletion, and until it has worked after each commit that follows: takes what was deleted out of the database's
    /// log, before anybody is told. A crash here leaves it there until the store is opened again, which does the same.
    pub(crate) fn empty(&self, deleted: bool) {
        // Taken back before the attempt: a deletion that comes while another thread tries is never forgotten.
        if !self.holds_deleted.swap(false, Ordering::SeqCst) && !deleted {
            return;
        }
        let emptied = self.store.empty_log();
        if let Err(error) = &emptied {
            tracing::warn!(%error, "the database's log still holds what was deleted; trying again soon");
        }
        if !matches!(emptied, Ok(true)) {
            self.holds_deleted.store(true, Ordering::SeqCst);
        }
    }
}
