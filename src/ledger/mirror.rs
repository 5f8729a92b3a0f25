//! The mirror: a copy of the tree, kept up to date in a folder or bucket by the node that publishes.
//!
//! It runs behind the ledger and never holds it up: a place that fails is tried again for ever, less and less often. Only
//! a contradiction halts; a place where another ledger's tree lies halts this node alone, which was given it. Each copy leaves the partial tiles of its checkpoint behind, which the format demands; copying at
//! most every few seconds keeps them few.

use crate::ledger::cosigned::with_cosignatures;
use crate::ledger::health::Health;
use crate::ledger::objects::Objects;
use crate::ledger::tree::EntriesFor;
use crate::ledger::tree_copy::{CopyError, Extent, TreeCopy};
use crate::limits::{MIRROR_PAUSE_MS, MIRROR_RETRY_MS_MAX};
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Store, StoreFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// Where the tree is copied to, and how often.
#[derive(Debug)]
pub struct Mirroring {
    /// The place.
    pub objects: Objects,
    /// The pause between two copies.
    pub pause: Duration,
}

impl Mirroring {
    /// To a place, at the usual pace.
    pub const fn to(objects: Objects) -> Self {
        Self { objects, pause: Duration::from_millis(MIRROR_PAUSE_MS) }
    }
}

/// What the mirror's thread works with.
pub(crate) struct Mirror {
    pub(crate) store: Arc<Store>,
    pub(crate) health: Arc<Health>,
    pub(crate) entries_for: EntriesFor,
    pub(crate) mirroring: Mirroring,
    /// The checkpoints that are shown.
    pub(crate) shown: watch::Receiver<Option<StoredCheckpoint>>,
}

/// A running mirror; dropped, it copies what was shown last and ends.
pub(crate) struct RunningMirror {
    /// Entries that the copy covers, as far as this process has made or met it.
    covers: Arc<AtomicU64>,
    ending: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Copies from now on.
    pub(crate) fn start(self) -> std::io::Result<RunningMirror> {
        let covers = Arc::new(AtomicU64::new(0));
        let (ending, ends) = channel();
        let told = Arc::clone(&covers);
        let thread = thread::Builder::new().name("mirror".into()).spawn(move || self.run(&ends, &told))?;
        Ok(RunningMirror { covers, ending: Some(ending), thread: Some(thread) })
    }

    /// Copies again and again, until it is told to end or the ledger halts.
    fn run(&self, ends: &Receiver<()>, covers: &AtomicU64) {
        let (mut copied, mut wait) = (None, self.mirroring.pause);
        let is_wanted = || ends.try_recv() != Err(TryRecvError::Disconnected);
        loop {
            let outcome = self.copy_newest(&mut copied, covers, &is_wanted);
            wait = match outcome {
                Ok(()) => self.mirroring.pause,
                Err(NotCopied::Over) => return,
                Err(NotCopied::TryAgain) => (wait * 2).min(Duration::from_millis(MIRROR_RETRY_MS_MAX)),
            };
            if ends.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                // What failed a moment ago would only hold up the end; the next start goes on from what lies there.
                if outcome.is_ok() {
                    let _ = self.copy_newest(&mut copied, covers, &|| true);
                }
                return;
            }
        }
    }

    /// Copies what was shown since the last copy.
    fn copy_newest(
        &self,
        copied: &mut Option<StoredCheckpoint>,
        covers: &AtomicU64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<(), NotCopied> {
        let goes_on = || self.health.halted().is_none() && is_wanted();
        let newest = self.shown.borrow().clone();
        // Cosignatures come a moment later than the checkpoint: with them it is copied again.
        let newest = match newest.map(|newest| with_cosignatures(&self.store, newest)).transpose() {
            Ok(newest) => newest.map(|newest| newest.checkpoint).filter(|newest| copied.as_ref() != Some(newest)),
            Err(error) => {
                tracing::warn!(%error, "cosignatures could not be read; trying again");
                return Err(NotCopied::TryAgain);
            }
        };
        let Some(newest) = newest else { return if goes_on() { Ok(()) } else { Err(NotCopied::Over) } };
        let objects = &self.mirroring.objects;
        let with_entries = self.entries_for == EntriesFor::Public;
        let copy = TreeCopy { store: &self.store, objects, with_entries };
        match copy.bring_to(&newest, Extent::Missing, &goes_on) {
            Ok(()) => {
                covers.store(newest.size, Ordering::Relaxed);
                *copied = Some(newest);
                Ok(())
            }
            Err(CopyError::BrokenOff) => Err(NotCopied::Over),
            Err(CopyError::Store(error)) if error.fault == StoreFault::Damaged => self.halt(&error.message),
            Err(CopyError::Contradiction(problem)) => self.halt(&problem),
            Err(CopyError::WrongPlace(problem)) => {
                self.health.halt_here(format!("the copy of the tree: {problem}, and start this node again"));
                Err(NotCopied::Over)
            }
            Err(error @ (CopyError::Store(_) | CopyError::Place(_))) => {
                let (behind, place) = (newest.size - covers.load(Ordering::Relaxed).min(newest.size), objects.url());
                tracing::warn!(%error, %place, behind, "the tree could not be copied; trying again");
                Err(NotCopied::TryAgain)
            }
        }
    }

    fn halt(&self, problem: &str) -> Result<(), NotCopied> {
        self.health.halt(format!("the copy of the tree: {problem}"));
        Err(NotCopied::Over)
    }
}

/// Why nothing was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotCopied {
    /// The place or the database does not answer.
    TryAgain,
    /// The ledger has halted, or the mirror is to end.
    Over,
}

impl RunningMirror {
    /// Entries that the copy covers; 0 until this process has copied once.
    pub(crate) fn covers(&self) -> u64 {
        self.covers.load(Ordering::Relaxed)
    }
}

impl Drop for RunningMirror {
    fn drop(&mut self) {
        self.ending.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the mirror's thread died");
        }
    }
}
