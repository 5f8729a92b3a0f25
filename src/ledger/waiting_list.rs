//! What stands outside the ledger, for its authors: reading it and taking it back.

use crate::domain::ids::{OrganisationId, StatementId};
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use crate::ledger::posting::Waiting;
use crate::ledger::sequencer::Unavailable;
use crate::ledger::waiting_row::{damaged, shown_after_ms, told};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::waiting::{self, WaitingHead};
use crate::store::{StoreError, StoreFault, head};

/// How a statement outside the ledger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Waiting,
    /// It was refused at its turn.
    Refused,
    /// What it waited for did not come in time.
    Expired,
}

/// A statement outside the ledger, as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is kept.
    pub row: WaitingHead,
    /// How it stands.
    pub standing: Standing,
    /// What its author was told.
    pub waiting: Waiting,
}

impl Ledger {
    /// A page of the statements outside the ledger, in the order in which they were posted, and where the next page goes
    /// on. What was refused or has expired stays for [`WAITING_SHOWN_DAYS`](crate::limits::WAITING_SHOWN_DAYS) after its time, then it goes.
    pub fn waiting(&self, reader: Reader, after: i64) -> Result<(Vec<Listed>, Option<i64>), StoreError> {
        let own = match reader {
            Reader::All => None,
            Reader::Organisation(own) => Some(own.to_string()),
        };
        let clock = LedgerTime::from_ms(self.clock.now_ms());
        let (now, rows) = self.store.snapshot(|database| {
            let ledger_time = head::read(database)?.time;
            let now = clock.map_or(ledger_time, |clock| clock.max(ledger_time));
            let page = waiting::page(database, own.as_deref(), after, shown_after_ms(now), PAGE_ROWS_MAX)?;
            Ok::<_, StoreError>((now, page))
        })?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
        let next = rows.last().filter(|_| is_full).map(|row| row.number);
        let listed = |row: WaitingHead| {
            let Some(waiting) = told(&row) else {
                tracing::error!(error = %damaged(&row), "left out of a list");
                return None;
            };
            let standing = match row.standing.as_str() {
                waiting::REFUSED => Standing::Refused,
                waiting::EXPIRED => Standing::Expired,
                waiting::WAITS if row.until_ms <= now.ms() => Standing::Expired,
                _ => Standing::Waiting,
            };
            Some(Listed { row, standing, waiting })
        };
        Ok((rows.into_iter().filter_map(listed).collect(), next))
    }

    /// Takes back an organisation's statement that is not in the ledger; tells whether there was one.
    ///
    /// What it says is gone from the database's log, too, before anybody is told. The head is locked: either it is gone before its turn, or it had its turn and is an entry.
    pub fn take_back(&self, organisation: OrganisationId, id: StatementId) -> Result<bool, Unavailable> {
        if let Some(reason) = self.health.halted() {
            return Err(Unavailable::Halted(reason));
        }
        let taken = self.store.write(|database| {
            head::lock(database)?;
            waiting::take_back(database, &organisation.to_string(), &id.to_string())
        });
        // A commit of unknown outcome may have taken it away.
        let unknown = |error: &StoreError| error.fault == StoreFault::OutcomeUnknown;
        self.log.empty(matches!(&taken, Ok(true)) || taken.as_ref().is_err_and(unknown));
        taken.map_err(|error| {
            tracing::error!(%error, "a waiting statement could not be taken back");
            match error.fault {
                StoreFault::OutcomeUnknown => Unavailable::OutcomeUnknown,
                _ => Unavailable::NotCommitted,
            }
        })
    }
}
