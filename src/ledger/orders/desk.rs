//! The transaction of whatever is done with orders.

use super::OrderRefusal;
use super::settling::{is_due, settle};
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::append::{AppendError, entry_time, require_same_history};
use crate::ledger::clock::Clock;
use crate::ledger::edge::RightEdge;
use crate::ledger::faults::{explain, with_tries};
use crate::ledger::health::Health;
use crate::ledger::log::Log;
use crate::ledger::sequencer::Unavailable;
use crate::limits::{ORDER_SETTLINGS_MAX, ORDER_TURNS_WAITING_MAX};
use crate::store::{Database, Store, StoreError, halt, head};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where requests about orders wait: one at a time works with the database, so that a rush of buyers does not keep the
/// sequencer from the one connection that writes.
#[derive(Clone)]
pub(crate) struct Desk {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
    store: Arc<Store>,
    clock: Clock,
    health: Arc<Health>,
    log: Arc<Log>,
    edge: Arc<RightEdge>,
}

/// Somebody's turn; the next one's begins when it is dropped.
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
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

impl Ledger {
    /// Waits for a turn, first come, first served.
    pub async fn turn(&self) -> Result<Turn, Unavailable> {
        let place = Arc::clone(&self.desk.places).try_acquire_owned().map_err(|_| Unavailable::QueueFull)?;
        let turn = Arc::clone(&self.desk.turn).acquire_owned().await.map_err(|_| Unavailable::NotCommitted)?;
        Ok(Turn { _turn: turn, _place: place })
    }

    /// Does something with orders under the head's lock, after everything that was due is settled, in as many transactions as
    /// that takes. A refusal is committed too: what was settled stays settled.
    pub(super) fn at_desk<T>(
        &self,
        _: &Turn,
        work: impl Fn(&mut Database, LedgerTime) -> Result<Done<T>, StoreError>,
    ) -> Result<Result<T, OrderRefusal>, Unavailable> {
        for _ in 0..ORDER_SETTLINGS_MAX {
            if let Some(outcome) = self.desk.transact(&work)? {
                return Ok(outcome);
            }
        }
        Err(Unavailable::NotCommitted)
    }
}

impl Desk {
    pub(crate) fn open(
        store: &Arc<Store>,
        clock: &Clock,
        health: &Arc<Health>,
        log: &Arc<Log>,
        edge: &Arc<RightEdge>,
    ) -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(ORDER_TURNS_WAITING_MAX)),
            store: Arc::clone(store),
            clock: clock.clone(),
            health: Arc::clone(health),
            log: Arc::clone(log),
            edge: Arc::clone(edge),
        }
    }

    /// Settles what is due while nobody has a turn, in one transaction; whoever has one does it anyway. Tells whether something
    /// is left. What fails is said in the log; it stands in the tables as due.
    pub(super) fn settle_quietly(&self) -> Result<bool, Unavailable> {
        if self.health.halted().is_some() {
            return Ok(false);
        }
        let Ok(_turn) = Arc::clone(&self.turn).try_acquire_owned() else { return Ok(false) };
        let looked = self.store.read(|database| {
            let head = head::read(database)?;
            let time = entry_time(database, &self.clock, &head)?;
            Ok::<_, AppendError>(is_due(database, time)?)
        });
        let is_due =
            looked.map_err(|error| explain(&self.health, error, "whether orders are due could not be read"))?;
        Ok(is_due && self.transact(&|_, _| Ok(Done::well(())))?.is_none())
    }

    /// One transaction: settles what is due and, if nothing of that is left, does the work.
    fn transact<T>(
        &self,
        work: &impl Fn(&mut Database, LedgerTime) -> Result<Done<T>, StoreError>,
    ) -> Result<Option<Result<T, OrderRefusal>>, Unavailable> {
        if let Some(reason) = self.health.halted() {
            return Err(Unavailable::Halted(reason));
        }
        with_tries(|| self.try_transact(work)).map_err(|error| self.unavailable(error))
    }

    fn try_transact<T>(
        &self,
        work: &impl Fn(&mut Database, LedgerTime) -> Result<Done<T>, StoreError>,
    ) -> Result<Option<Result<T, OrderRefusal>>, AppendError> {
        let seen = self.edge.seen()?;
        let (start, erased, outcome) = self.store.write(|database| {
            let start = head::lock(database)?;
            if start.is_halted {
                return Err(AppendError::Halt(halt::reason(database)?.unwrap_or_default()));
            }
            // On a database that went back, units would be reserved that are sold in the history that others have seen.
            if let Some(seen) = &seen {
                require_same_history(database, &start, seen)?;
            }
            let time = entry_time(database, &self.clock, &start)?;
            let settled = settle(database, time)?;
            if settled.is_left {
                return Ok((start, settled.erased, None));
            }
            let Done { outcome, erased } = work(database, time)?;
            Ok((start, erased || settled.erased, Some(outcome)))
        })?;
        self.edge.remember(&start);
        self.log.empty(erased);
        Ok(outcome)
    }

    fn unavailable(&self, error: AppendError) -> Unavailable {
        let why = explain(&self.health, error, "an order could not be written");
        if why == Unavailable::OutcomeUnknown {
            // It may have erased something.
            self.log.empty(true);
        }
        why
    }
}
