//! Lifting a halt, after a person has looked.

use crate::ledger::audit::audit;
use crate::ledger::audit::report::Report;
use crate::ledger::clock::Clock;
use crate::ledger::guard::Guard;
use crate::ledger::publisher::PublishError;
use crate::ledger::signed::{named_keys, require_signed_state};
use crate::store::{Store, StoreError, halt};

/// Why a halt stands.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// None does.
    #[error("the ledger is not halted")]
    NotHalted,
    /// Guard, checkpoints and database do not agree.
    #[error("{0}")]
    Signed(#[from] PublishError),
    /// Replaying everything found something.
    #[error("the audit has {} findings; `loopledger audit` prints them", .0.faults().len())]
    Findings(Box<Report>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the ledger is halted, if it is.
pub fn reason(store: &Store) -> Result<Option<String>, StoreError> {
    store.read(halt::reason)
}

/// Checks that the database extends what was signed, replays everything, and only then lets the ledger go on.
///
/// Nodes that run take it up when they are started again. If we crash before the last write the halt stands.
pub fn resume(
    store: &Store,
    guard: &Guard,
    clock: &Clock,
    because: &str,
    progress: impl FnMut(u64, u64),
) -> Result<String, ResumeError> {
    let reason = reason(store)?.ok_or(ResumeError::NotHalted)?;
    let nothing_signed = || Err(PublishError::NotOurs(format!("the guard {} is empty", guard.url())));
    require_signed_state(store, guard, &named_keys(store)?, nothing_signed)?;
    let report = store.long_snapshot(|database| audit(database, progress))?;
    if !report.is_clean() {
        return Err(ResumeError::Findings(Box::new(report)));
    }
    store.write(|database| halt::lift(database, because, clock.now_ms()))?;
    Ok(reason)
}
