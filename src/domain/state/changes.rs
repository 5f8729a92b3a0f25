//! What statements changed, and whom that concerns.

use super::{EVERY_CERTIFICATE, Record, RecordId, RecordKind};
use crate::domain::balance::SiteAccount;
use crate::domain::certificate::AccountChange;
use crate::domain::event::Common;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::past::{PastEntry, Stamp, Version};
use std::collections::{BTreeMap, BTreeSet};

/// What one or more statements changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that are new or differ.
    pub records: BTreeMap<RecordId, Record>,
    /// By which entries they were written.
    pub stamps: BTreeMap<RecordId, Stamp>,
    /// Versions that were written over, in order.
    pub superseded: Vec<(RecordId, Version)>,
    /// What the entries said.
    pub entries: BTreeMap<EntryIndex, PastEntry>,
    /// What each entry added to each account.
    pub bookings: Vec<(EntryIndex, SiteAccount, i64)>,
    /// What each entry did to blocks in accounts, in order.
    pub happened: Vec<AccountChange>,
    /// Grams to add to each account.
    pub accounts: BTreeMap<SiteAccount, i64>,
    /// What is concerned although its record is the same as before.
    pub mentioned: BTreeSet<RecordId>,
}

/// Types of statements that settle treatments of others.
const SETTLING: &[&str] = &[
    "site_audited",
    "audit_finding",
    "evidence_reviewed",
    "difference_agreed",
    "handover_accepted",
    "import_received",
    // What a lot owes its batches is others' business too.
    "reweighed",
    "merged",
    "split",
    "treated_interim",
    "lost",
    "found",
    "released",
];

impl Changes {
    /// The ids of records that may have existed before; what is named by its own entry or place cannot.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        let is_new = |id: &RecordId| matches!(id.kind, RecordKind::Treatment | RecordKind::PoolRange);
        self.records.keys().filter(move |id| !is_new(id)).map(|id| id.id.as_str())
    }

    /// Takes over what came after.
    pub fn merge(&mut self, later: Self) {
        self.records.extend(later.records);
        self.stamps.extend(later.stamps);
        self.superseded.extend(later.superseded);
        self.entries.extend(later.entries);
        self.bookings.extend(later.bookings);
        self.happened.extend(later.happened);
        self.mentioned.extend(later.mentioned);
        for (account, grams) in later.accounts {
            *self.accounts.entry(account).or_default() += grams;
        }
    }

    /// What an entry with these changes concerns: its author and site, and every organisation, site, item, batch and
    /// certificate that a changed record belongs to, is, or lies at.
    pub fn concerned(&self, common: &Common) -> BTreeSet<RecordId> {
        let organisation = |id: &OrganisationId| RecordId::new(RecordKind::Organisation, id);
        let mut concerned = BTreeSet::from([organisation(&common.org)]);
        concerned.extend(common.on_behalf_of.iter().map(organisation));
        concerned.extend(common.site.map(|site| RecordId::new(RecordKind::Site, &site)));
        concerned.extend(self.mentioned.iter().cloned());
        // What cures a gap sets grams of others' batches free; whose they are learns that by asking what is eligible.
        let is_about_certificates = common.r#type.as_str().starts_with("certificate_");
        if is_about_certificates {
            concerned.insert(RecordId::new(RecordKind::Certificate, &EVERY_CERTIFICATE));
        }
        let settles_others = SETTLING.contains(&common.r#type.as_str());
        let of_others = |id: &RecordId| settles_others && id.kind == RecordKind::Batch;
        for (id, record) in self.records.iter().filter(|(id, _)| !of_others(id)) {
            if id.kind.is_looked_up() {
                concerned.insert(id.clone());
            }
            if let Record::Batch(batch) = record {
                concerned.insert(RecordId::new(RecordKind::Site, &batch.site));
            }
            if let Record::Handover(handover) = record {
                concerned.extend(handover.all().map(|item| RecordId::new(RecordKind::Item, item)));
            }
            // Whoever holds units that a correction or a finding makes fail learns that of the certificate, not of the entry.
            if id.kind != RecordKind::Certificate || is_about_certificates {
                concerned.extend(record.owners().iter().map(organisation));
            }
        }
        concerned
    }
}
