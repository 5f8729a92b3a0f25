//! What a fault means to whoever writes: how often it is tried again, what is answered, and when the ledger halts. The same at
//! the sequencer and at the desk of orders, since both write under the head's lock.

use crate::ledger::append::AppendError;
use crate::ledger::health::Health;
use crate::ledger::sequencer::Unavailable;
use crate::store::StoreFault;

/// How often a transaction that met another one is tried before the caller is told to come back.
const BUSY_TRIES_MAX: u32 = 5;

/// How often a transaction is tried that surely wrote nothing. A connection that broke while it was idle shows only when
/// it is used; the next one is fresh.
const fn tries_max(fault: StoreFault) -> u32 {
    match fault {
        StoreFault::Busy => BUSY_TRIES_MAX,
        StoreFault::Failed => 2,
        StoreFault::Rejected | StoreFault::OutcomeUnknown | StoreFault::Damaged => 1,
    }
}

/// Does one transaction, and tries it again as often as its fault allows.
pub(crate) fn with_tries<T>(mut transaction: impl FnMut() -> Result<T, AppendError>) -> Result<T, AppendError> {
    let mut tries = 1;
    loop {
        match transaction() {
            Err(AppendError::Store(error)) if tries < tries_max(error.fault) => {
                tracing::warn!(%error, "nothing was written; trying again");
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Turns an error into the caller's answer, and halts where going on could fork the ledger. Says in the log what could not be
/// done.
pub(crate) fn explain(health: &Health, error: AppendError, undone: &str) -> Unavailable {
    match error {
        AppendError::Halt(reason) => {
            if health.halted().is_none() {
                health.halt(reason.clone());
            }
            Unavailable::Halted(reason)
        }
        AppendError::ClockOff(reason) => Unavailable::ClockOff(reason),
        AppendError::Store(error) if error.fault == StoreFault::Damaged => {
            health.halt(error.message.clone());
            Unavailable::Halted(error.message)
        }
        AppendError::Store(error) => {
            tracing::error!(%error, "{undone}");
            match error.fault {
                StoreFault::OutcomeUnknown => Unavailable::OutcomeUnknown,
                _ => Unavailable::NotCommitted,
            }
        }
    }
}
