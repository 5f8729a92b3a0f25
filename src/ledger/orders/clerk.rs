//! The node looks after orders while nobody asks for anything: what is due is settled on an idle ledger too, so that what is
//! personal of an order that nobody paid is gone soon after it lapsed, and who waits is served to the last.

use super::desk::Desk;
use crate::limits::{ORDER_FAULT_PAUSE_MS, ORDER_LOOK_PAUSE_MS};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The thread; it ends when this is dropped.
pub(crate) struct Clerk {
    ending: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Clerk {
    /// Begins to look, by the ledger's time: with each look one transaction's worth is settled, so that nobody's request waits
    /// for more than that; while something is left, it looks again at once.
    pub(crate) fn start(desk: Desk) -> std::io::Result<Self> {
        let (ending, ends) = channel();
        let work = move || {
            let mut pause = ORDER_LOOK_PAUSE_MS;
            while ends.recv_timeout(Duration::from_millis(pause)) == Err(RecvTimeoutError::Timeout) {
                pause = match desk.settle_quietly() {
                    Ok(true) => 0,
                    Ok(false) => ORDER_LOOK_PAUSE_MS,
                    // The desk has said why, and need not say it each second. On damaged rows the ledger has halted.
                    Err(_) => ORDER_FAULT_PAUSE_MS,
                };
            }
        };
        let thread = thread::Builder::new().name("orders".into()).spawn(work)?;
        Ok(Self { ending: Some(ending), thread: Some(thread) })
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        drop(self.ending.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks after orders died");
        }
    }
}
