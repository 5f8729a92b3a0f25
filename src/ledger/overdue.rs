//! What is overdue: receipts of shipments, their final treatment, and storage.
//!
//! The ledger notes days; whether something was done by then is asked of the thing itself, so nothing is ever ticked off.

use crate::domain::batch::BatchStatus;
use crate::domain::codes::ItemStatus;
use crate::domain::correction::CorrectionStatus;
use crate::domain::custody::{Handover, HandoverStatus};
use crate::domain::due::{Due, DueKind, subject_of};
use crate::domain::ids::OrganisationId;
use crate::domain::lineage::Node;
use crate::domain::state::{Record, RecordKind};
use crate::domain::time::Date;
use crate::ledger::Ledger;
use crate::ledger::lookup::{Direction, walk};
use crate::limits::{DUES_READ_MAX, PAGE_ROWS_MAX};
use crate::store::{Database, StoreError, records};

/// A page of what is overdue.
#[derive(Debug, Clone, Default)]
pub struct OverduePage {
    /// The longest overdue first.
    pub dues: Vec<Due>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

impl Ledger {
    /// What of an organisation's was due before a day and is not done, after an earlier page's end.
    pub fn overdue(&self, organisation: OrganisationId, day: &Date, after: &str) -> Result<OverduePage, StoreError> {
        let prefix = Due::prefix_of(&organisation);
        self.store.snapshot(|database| {
            let (mut page, mut at, mut read) = (OverduePage::default(), after.max(prefix.as_str()).to_owned(), 0);
            loop {
                let found = records::page(database, RecordKind::Due, &at, PAGE_ROWS_MAX)?;
                let Some(last) = found.last().map(|record| record.id().id) else { return Ok(page) };
                read += found.len();
                for record in found {
                    let Record::Due(due) = record else { continue };
                    if due.organisation != organisation || due.on >= *day {
                        return Ok(page);
                    }
                    if is_outstanding(database, &due)? {
                        page.dues.push(due);
                    }
                }
                let is_full = i64::try_from(page.dues.len()).is_ok_and(|count| count >= PAGE_ROWS_MAX);
                if is_full || read >= DUES_READ_MAX {
                    page.next = Some(last);
                    return Ok(page);
                }
                at = last;
            }
        })
    }
}

fn is_outstanding(database: &mut Database, due: &Due) -> Result<bool, StoreError> {
    let subject = subject_of(due);
    let found = records::load(database, std::slice::from_ref(&subject.id))?;
    let Some(record) = found.into_iter().find(|record| record.id() == subject) else { return Ok(false) };
    match (due.kind, record) {
        (DueKind::Receipt, Record::Handover(handover)) => Ok(handover.status == HandoverStatus::Open),
        (DueKind::Storage, Record::Item(item)) => {
            let here = item.stored.is_some() && item.holder == due.organisation;
            Ok(here && !matches!(item.status, ItemStatus::Ended | ItemStatus::InBatch))
        }
        (DueKind::Completion, Record::Handover(handover)) => is_alive(database, &handover),
        (DueKind::Correction, Record::Correction(correction)) => {
            let is_open = correction.status == CorrectionStatus::Open;
            Ok(is_open && !correction.confirmed.contains(&due.organisation))
        }
        _ => Ok(false),
    }
}

/// Whether something of what a shipment brought has not ended; a lineage too long to follow counts as such.
fn is_alive(database: &mut Database, handover: &Handover) -> Result<bool, StoreError> {
    for lot in &handover.lots {
        let lineage = walk(database, None, Node::Item(*lot), Direction::Down)?;
        if !lineage.complete {
            return Ok(true);
        }
        let nodes = lineage.down.iter().copied().chain([Node::Item(*lot)]);
        let ids: Vec<String> = nodes
            .map(|node| match node {
                Node::Item(item) => item.to_string(),
                Node::Batch(batch) => batch.to_string(),
            })
            .collect();
        let alive = records::load(database, &ids)?.iter().any(|record| match record {
            // A part that was refused is the sender's again and was never received.
            Record::Item(item) => {
                let ended = matches!(item.status, ItemStatus::Ended | ItemStatus::InBatch);
                !ended && item.received.is_some()
            }
            Record::Batch(batch) => batch.status == BatchStatus::Open,
            _ => false,
        });
        if alive {
            return Ok(true);
        }
    }
    Ok(false)
}
