//! How far an audit has come, written down with each batch: a run that was stopped goes on from there.

use crate::domain::adding_up::{LiveSums, composition_adds_up};
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::state::{Changes, RecordId};
use crate::ledger::audit::report::Findings;
use crate::store::{Database, StoreError, workspace};
use serde::{Deserialize, Serialize};

/// What cannot be read from the workspace's own tables.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The ledger.
    pub(super) origin: String,
    /// What was found so far.
    pub(super) findings: Findings,
    pub(super) tiles: u64,
    pub(super) checkpoints: u64,
    /// Entries that the newest checkpoint covers.
    pub(super) covered: u64,
    pub(super) hosted_statements: u64,
    /// Rows of the index of what entries concern.
    pub(super) mentions: u64,
    /// Rows of what entries booked.
    pub(super) bookings: u64,
    /// Live grams by site, as numbers of more than 64 bits; no site is an empty one.
    live: Vec<(String, String)>,
    #[serde(skip)]
    sums: LiveSums,
}

impl Progress {
    /// As it was last written down; `None` before the first batch.
    pub(super) fn read(database: &mut Database) -> Result<Option<Self>, StoreError> {
        let Some(text) = workspace::progress(database)? else { return Ok(None) };
        let damaged = || StoreError::damaged("the progress of the audit cannot be read");
        let mut progress: Self = serde_json::from_str(&text).map_err(|_| damaged())?;
        for (site, grams) in &progress.live {
            let site = if site.is_empty() { None } else { Some(SiteId::parse(site).ok_or_else(damaged)?) };
            progress.sums.set(site, grams.parse().map_err(|_| damaged())?);
        }
        Ok(Some(progress))
    }

    /// Writes it down, in the transaction of the entries that it tells of.
    pub(super) fn write(&mut self, database: &mut Database) -> Result<(), StoreError> {
        let site = |site: Option<SiteId>| site.map(|site| site.to_string()).unwrap_or_default();
        self.live = self.sums.sums().map(|(at, grams)| (site(at), grams.to_string())).collect();
        let text = serde_json::to_string(self).map_err(|error| StoreError::damaged(error.to_string()))?;
        workspace::set_progress(database, &text)
    }

    /// Looks whether what a batch changed adds up, and counts its live grams; `first` is the batch's first entry.
    pub(super) fn count(&mut self, changes: &Changes, first: EntryIndex) {
        // Of the versions that a batch wrote over, those that it wrote itself were never counted; there is one more at most.
        for (_, version) in changes.superseded.iter().filter(|(_, version)| version.stamp.since < first) {
            self.sums.remove(&version.record);
        }
        for (RecordId { id, kind }, record) in &changes.records {
            self.sums.add(record);
            if !composition_adds_up(record) {
                self.findings.broken(None, format!("the grams of {kind} {id} do not add up to its mass"));
            }
        }
    }

    /// Grams of items and open batches.
    pub(super) const fn live(&self) -> &LiveSums {
        &self.sums
    }
}
