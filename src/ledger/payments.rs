//! What a centre was paid for a certificate, as far as papers show it: a word alone is told to nobody.

use crate::domain::certificate::Certificate;
use crate::domain::event::{Event, Payment};
use crate::domain::finding::Cure;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::state::{RecordId, RecordKind};
use crate::ledger::Ledger;
use crate::ledger::certificates::find_certificate;
use crate::ledger::lookup::read_event;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::{Database, StoreError, entries, mentions};

/// A payment that papers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The entry that says it: a transfer or the retirement.
    pub entry: EntryIndex,
    /// Who says it.
    pub by: OrganisationId,
    /// How much, and in which currency.
    pub payment: Payment,
    /// The entries to which its papers are bound: its own, or those of evidence about it.
    pub papers: Vec<EntryIndex>,
}

impl Ledger {
    /// What was paid for a certificate, or for a block of which it is a part, oldest first; without papers nothing.
    pub fn payments(&self, certificate: &Certificate) -> Result<Vec<Paid>, StoreError> {
        self.store.snapshot(|database| {
            let (mut found, mut block) = (Vec::new(), Some(certificate.clone()));
            while let Some(certificate) = block.take() {
                found.extend(paid_for(database, &certificate)?);
                let parent = certificate.split_from.as_ref();
                block = parent.map(|parent| find_certificate(database, parent)).transpose()?.flatten();
            }
            found.retain(|paid| !paid.papers.is_empty());
            found.sort_by_key(|paid| paid.entry);
            Ok(found)
        })
    }
}

fn paid_for(database: &mut Database, block: &Certificate) -> Result<Vec<Paid>, StoreError> {
    let subject = RecordId::new(RecordKind::Certificate, &block.serial).subject();
    let indexes = mentions::of_subject(database, &subject, 0, PAGE_ROWS_MAX)?;
    let mut found = Vec::new();
    for stored in entries::find_many(database, &indexes)? {
        let said = read_event(stored)?;
        let payment = match &said.statement.event {
            Event::CertificateTransferred(event) => event.paid.clone(),
            Event::CertificateRetired(event) => event.paid.clone(),
            _ => None,
        };
        if let Some(payment) = payment {
            let own = payment.document.as_ref().map(|_| said.index);
            let papers = own.into_iter().chain(evidence_about(database, said.index)?).collect();
            found.push(Paid { entry: said.index, by: said.statement.common.party(), payment, papers });
        }
    }
    Ok(found)
}

/// The entries that bind a file to an entry.
fn evidence_about(database: &mut Database, entry: EntryIndex) -> Result<Vec<EntryIndex>, StoreError> {
    let subject = RecordId::new(RecordKind::Cure, &Cure::id_of(entry)).subject();
    let indexes = mentions::of_subject(database, &subject, 0, PAGE_ROWS_MAX)?;
    let mut found = Vec::new();
    for stored in entries::find_many(database, &indexes)? {
        let said = read_event(stored)?;
        if matches!(&said.statement.event, Event::EvidenceAttached(event) if event.about == entry) {
            found.push(said.index);
        }
    }
    Ok(found)
}
