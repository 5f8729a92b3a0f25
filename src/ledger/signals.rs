//! Signals as they are listed: what is implausible, and whether somebody has looked.

use crate::domain::evidence::FlawCode;
use crate::domain::finding::Cure;
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId};
use crate::domain::registry::Key;
use crate::domain::signal::{Signal, SignalCode};
use crate::domain::state::{Record, RecordKind};
use crate::ledger::Ledger;
use crate::limits::{PAGE_ROWS_MAX, SIGNALS_READ_MAX};
use crate::store::{Database, StoreError, records};

/// Where a signal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalStanding {
    /// Nobody has cleared it: the grams behind it back no certificate.
    Open,
    /// An auditor's finding in this entry has.
    Cleared(EntryIndex),
    /// By the correction in this entry it was never raised.
    Lifted(EntryIndex),
}

/// Which signals are asked for; without any of these, all.
#[derive(Debug, Clone, Default)]
pub struct SignalFilter {
    /// Those of one organisation.
    pub organisation: Option<OrganisationId>,
    /// Those at one site.
    pub site: Option<SiteId>,
    /// Those of one kind.
    pub code: Option<SignalCode>,
    /// Those that are open, or those that are not.
    pub open: Option<bool>,
}

impl SignalFilter {
    fn passes(&self, signal: &Signal, standing: SignalStanding) -> bool {
        self.site.is_none_or(|site| signal.site == Some(site))
            && self.code.is_none_or(|code| signal.code == code)
            && self.open.is_none_or(|open| (standing == SignalStanding::Open) == open)
    }
}

/// A page of signals.
#[derive(Debug, Clone, Default)]
pub struct SignalsPage {
    /// By organisation, then in the order of their entries.
    pub signals: Vec<(Signal, SignalStanding)>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

impl Ledger {
    /// Signals that pass a filter, after an earlier page's end. A page may hold few and still have a next one.
    pub fn signals(&self, filter: &SignalFilter, after: &str) -> Result<SignalsPage, StoreError> {
        let prefix = filter.organisation.as_ref().map_or_else(|| Signal::PREFIX.to_owned(), Signal::prefix_of);
        self.store.snapshot(|database| {
            let (mut page, mut at, mut read) = (SignalsPage::default(), after.max(prefix.as_str()).to_owned(), 0);
            loop {
                let found = records::page(database, RecordKind::Signal, &at, PAGE_ROWS_MAX)?;
                let Some(last) = found.last().map(|record| record.id().id) else { return Ok(page) };
                read += found.len();
                for record in found {
                    let Record::Signal(signal) = record else { continue };
                    if !signal.id().starts_with(&prefix) {
                        return Ok(page);
                    }
                    let standing = standing_of(database, &signal)?;
                    if filter.passes(&signal, standing) {
                        page.signals.push((signal, standing));
                    }
                }
                let is_full = i64::try_from(page.signals.len()).is_ok_and(|count| count >= PAGE_ROWS_MAX);
                if is_full || read >= SIGNALS_READ_MAX {
                    page.next = Some(last);
                    return Ok(page);
                }
                at = last;
            }
        })
    }
}

fn standing_of(database: &mut Database, signal: &Signal) -> Result<SignalStanding, StoreError> {
    if let Some(lifted) = signal.lifted {
        return Ok(SignalStanding::Lifted(lifted));
    }
    let cure: Option<Cure> = records::find(database, &Cure::id_of(signal.entry))?;
    let cured = cure.into_iter().flat_map(|cure| cure.cured).find(|cured| cured.codes.contains(&FlawCode::Signal));
    let Some(cured) = cured else { return Ok(SignalStanding::Open) };
    let key: Option<Key> = records::find(database, &cured.signer.to_string())?;
    let in_doubt = key.is_some_and(|key| key.is_compromised_at(cured.by));
    Ok(if in_doubt { SignalStanding::Open } else { SignalStanding::Cleared(cured.by) })
}
