//! What a centre was paid for a certificate, as far as papers show it: a word alone is told to nobody.

use crate::domain::certificate::Certificate;
use crate::domain::event::{Event, Payment};
use crate::domain::finding::Cure;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind};
use crate::ledger::ancestry::ancestry;
use crate::ledger::lookup::read_event;
use crate::limits::{PAGE_ROWS_MAX, SALES_READ_MAX};
use crate::store::entries::{self, StoredEntry};
use crate::store::{Database, StoreError, holdings, mentions};

/// A payment that papers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The entry that says it: a transfer or the retirement.
    pub entry: EntryIndex,
    /// Who says it.
    pub by: OrganisationId,
    /// For which blocks: this one or one of which it is a part, and others that were retired with it.
    pub units: Vec<SerialBlock>,
    /// How much, and in which currency.
    pub payment: Payment,
    /// The entries to which its papers are bound: its own, or those of evidence about it.
    pub papers: Vec<EntryIndex>,
}

/// What its centre was paid for a certificate, or for a block of which it is a part, oldest first; without papers nothing, and
/// nothing that others paid to others later. However many hands a block went through, what the centre gave away last is read.
pub(crate) fn payments(
    database: &mut Database,
    certificate: &Certificate,
    centre: OrganisationId,
) -> Result<Vec<Paid>, StoreError> {
    let mut found = Vec::new();
    let said = sales_of(database, certificate, centre)?;
    for stored in entries::find_many(database, &said)? {
        found.extend(paid_by(database, stored)?);
    }
    found.retain(|paid| paid.by == centre && !paid.papers.is_empty());
    Ok(found)
}

/// The entries that may say what the centre was paid, in order: those with which the block, or one of which it is a part, left its
/// account, and its retirement.
fn sales_of(
    database: &mut Database,
    certificate: &Certificate,
    centre: OrganisationId,
) -> Result<Vec<EntryIndex>, StoreError> {
    let ancestors = ancestry(database, certificate)?.blocks;
    let chain: Vec<String> =
        ancestors.iter().chain([certificate]).map(|certificate| certificate.serial.to_string()).collect();
    let mut said = holdings::left_account(database, &chain, centre, SALES_READ_MAX)?;
    said.extend(certificate.retired.as_ref().map(|retired| retired.entry));
    Ok(said)
}

/// What an entry says was paid, if it does.
fn paid_by(database: &mut Database, stored: StoredEntry) -> Result<Option<Paid>, StoreError> {
    let said = read_event(stored)?;
    let (units, payment) = match &said.statement.event {
        Event::CertificateTransferred(event) => (vec![event.certificate.clone()], event.paid.clone()),
        Event::CertificateRetired(event) => {
            let further = event.further.iter().flatten().cloned();
            ([event.certificate.clone()].into_iter().chain(further).collect(), event.paid.clone())
        }
        _ => return Ok(None),
    };
    let Some(payment) = payment else { return Ok(None) };
    let own = payment.document.as_ref().map(|_| said.index);
    let papers = own.into_iter().chain(evidence_about(database, said.index)?).collect();
    Ok(Some(Paid { entry: said.index, by: said.statement.common.party(), units, payment, papers }))
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
