//! The transaction of whatever is done with orders.

use super::OrderRefusal;
use super::settling::settle;
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::append::{AppendError, entry_time};
use crate::ledger::sequencer::Unavailable;
use crate::limits::ORDER_TURNS_WAITING_MAX;
use crate::store::{Database, StoreError, StoreFault, halt, head};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How often a transaction that met another one is tried.
const TRIES_MAX: u32 = 5;

/// Where requests about orders wait: one at a time works with the database, so that a rush of buyers does not keep the
/// sequencer from the one connection that writes.
#[derive(Clone)]
pub(crate) struct Desk {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn open() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), places: Arc::new(Semaphore::new(ORDER_TURNS_WAITING_MAX)) }
    }
}

/// Somebody's turn; the next one's begins when it is dropped.
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Ledger {
    /// Waits for a turn, first come, first served.
    pub async fn turn(&self) -> Result<Turn, Unavailable> {
        let place = Arc::clone(&self.desk.places).try_acquire_owned().map_err(|_| Unavailable::QueueFull)?;
        let turn = Arc::clone(&self.desk.turn).acquire_owned().await.map_err(|_| Unavailable::NotCommitted)?;
        Ok(Turn { _turn: turn, _place: place })
    }

    /// Does something with orders under the head's lock, after what was due is settled. A refusal is committed too: what was
    /// settled stays settled.
    pub(super) fn at_desk<T>(
        &self,
        _: &Turn,
        work: impl Fn(&mut Database, LedgerTime) -> Result<Done<T>, StoreError>,
    ) -> Result<Result<T, OrderRefusal>, Unavailable> {
        if let Some(reason) = self.health.halted() {
            return Err(Unavailable::Halted(reason));
        }
        for tries in 1.. {
            let done = self.store.write(|database| {
                let start = head::lock(database)?;
                if start.is_halted {
                    return Err(AppendError::Halt(halt::reason(database)?.unwrap_or_default()));
                }
                let time = entry_time(database, &self.clock, &start)?;
                let settled = settle(database, time)?;
                let mut done = work(database, time)?;
                done.erased |= settled.erased;
                Ok::<_, AppendError>(done)
            });
            match done {
                Ok(done) => {
                    self.log.empty(done.erased);
                    return Ok(done.outcome);
                }
                Err(AppendError::Store(error)) if error.fault == StoreFault::Busy && tries < TRIES_MAX => {
                    tracing::warn!(%error, "nothing was written about an order; trying again");
                }
                Err(error) => return Err(self.unavailable(error)),
            }
        }
        Err(Unavailable::NotCommitted)
    }

    fn unavailable(&self, error: AppendError) -> Unavailable {
        match error {
            AppendError::Halt(reason) => Unavailable::Halted(reason),
            AppendError::ClockOff(reason) => Unavailable::ClockOff(reason),
            AppendError::Store(error) => {
                tracing::error!(%error, "an order could not be written");
                if error.fault == StoreFault::OutcomeUnknown {
                    // It may have erased something.
                    self.log.empty(true);
                    return Unavailable::OutcomeUnknown;
                }
                Unavailable::NotCommitted
            }
        }
    }
}

/// What was done at the desk.
pub(super) struct Done<T> {
    /// What whoever asked is told.
    pub(super) outcome: Result<T, OrderRefusal>,
    /// Whether something personal was deleted, whose bytes the database's log may still hold.
    pub(super) erased: bool,
}

impl<T> Done<T> {
    pub(super) const fn well(done: T) -> Self {
        Self { outcome: Ok(done), erased: false }
    }

    pub(super) const fn refused(refusal: OrderRefusal) -> Self {
        Self { outcome: Err(refusal), erased: false }
    }
}
