//! Asking for what is known of one thing.

use super::{LEDGER_RECORD, Record, RecordKind, State, Stop};
use crate::domain::batch::Batch;
use crate::domain::border::Consent;
use crate::domain::capacity::SiteYear;
use crate::domain::certificate::{Certificate, Expiring, IssuedYear, PartsListed, PoolTally, SiteTally};
use crate::domain::codes::Hash;
use crate::domain::correction::{Correction, CorrectionsOf};
use crate::domain::custody::Handover;
use crate::domain::delegation::{Delegation, Relation};
use crate::domain::donation::{Donation, Project};
use crate::domain::erasure::Erased;
use crate::domain::finding::{Cure, CureWait, DocumentSeen};
use crate::domain::ids::{
    BatchId, ConsentId, DonationId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, ProjectId, ScaleId, SiteId,
};
use crate::domain::item::Item;
use crate::domain::pool::{Certified, CertifiedStretch, Pool, PoolRange};
use crate::domain::registry::{Key, Ledger, Organisation, Scale, Site};
use crate::domain::signal::{Tally, Ticket};
use crate::domain::treatment::{AuditWait, Treatment};

macro_rules! lookups {
    ($( $(#[$about:meta])* $name:ident($id:ty) -> $kind:ident; )*) => { $(
        $(#[$about])*
        pub fn $name(&self, id: &$id) -> Result<Option<&$kind>, Stop> {
            Ok(match self.record(RecordKind::$kind, id.to_string())? {
                Some(Record::$kind(found)) => Some(found),
                _ => None,
            })
        }
    )* };
}

impl State<'_> {
    /// The record about the ledger itself; `None` before index 0.
    pub fn ledger(&self) -> Result<Option<&Ledger>, Stop> {
        Ok(match self.record(RecordKind::Ledger, LEDGER_RECORD.to_owned())? {
            Some(Record::Ledger(ledger)) => Some(ledger),
            _ => None,
        })
    }

    /// Whether a document number of a plant is used; the id is [`NumberTaken::id_of`](crate::domain::finding::NumberTaken::id_of).
    pub fn number_taken(&self, id: &str) -> Result<Option<EntryIndex>, Stop> {
        Ok(match self.record(RecordKind::Number, id.to_owned())? {
            Some(Record::Number(taken)) if taken.freed.is_none() => Some(taken.entry),
            _ => None,
        })
    }

    /// The entry to which a file was bound first.
    pub fn document_seen(&self, sha256: &Hash) -> Result<Option<EntryIndex>, Stop> {
        Ok(match self.record(RecordKind::Document, DocumentSeen::id_of(sha256))? {
            Some(Record::Document(seen)) => Some(seen.entry),
            _ => None,
        })
    }

    /// Whether a site code is taken; the id is [`SiteCodeTaken::id_of`](crate::domain::registry::SiteCodeTaken::id_of).
    pub fn site_code_taken(&self, id: &str) -> Result<bool, Stop> {
        Ok(self.record(RecordKind::SiteCode, id.to_owned())?.is_some())
    }

    lookups! {
        /// The organisation of that id.
        organisation(OrganisationId) -> Organisation;
        /// The key of that thumbprint.
        key(KeyId) -> Key;
        /// The site of that id.
        site(SiteId) -> Site;
        /// The scale of that id.
        scale(ScaleId) -> Scale;
        /// The item of that id.
        item(ItemId) -> Item;
        /// The handover of that id.
        handover(HandoverId) -> Handover;
        /// The batch of that id.
        batch(BatchId) -> Batch;
        /// The project of that id.
        project(ProjectId) -> Project;
        /// The donation of that id.
        donation(DonationId) -> Donation;
        /// The consent of that id.
        consent(ConsentId) -> Consent;
        /// The delegation of that id, [`Delegation::id_of`].
        delegation(str) -> Delegation;
        /// The relation of that id, [`Relation::id_of`].
        relation(str) -> Relation;
        /// What was cured; the id is [`Cure::id_of`].
        cure(str) -> Cure;
        /// What waits for a cure; the id is [`CureWait::id_of`].
        cure_wait(str) -> CureWait;
        /// What adds up at a site; the id is [`Tally::id`].
        tally(str) -> Tally;
        /// A weighbridge ticket; the id is [`Ticket::id`].
        ticket(str) -> Ticket;
        /// What a site took in during a year; the id is [`SiteYear::id_of`].
        site_year(str) -> SiteYear;
        /// Treatments that wait for an audit; the id is [`AuditWait::id_of`].
        audit_wait(str) -> AuditWait;
        /// The pool of that id, [`Pool::id_of`].
        pool(str) -> Pool;
        /// The range of that id.
        pool_range(str) -> PoolRange;
        /// The certificate of that serial.
        certificate(str) -> Certificate;
        /// Where the units of a split block are looked for; the id is [`PartsListed::id_of`].
        parts_listed(str) -> PartsListed;
        /// How often a treatment was certified; the id is [`Certified::id_of`].
        certified(str) -> Certified;
        /// The certified stretch of that id.
        certified_stretch(str) -> CertifiedStretch;
        /// Units of a pool by where they stand; the id is [`PoolTally::id_of`].
        pool_tally(str) -> PoolTally;
        /// Held units of a pool that expire on a day.
        expiring(str) -> Expiring;
        /// What covers an error of a site; the id is [`SiteTally::id_of`].
        site_tally(str) -> SiteTally;
        /// What was issued of a year's vintages; the id is [`IssuedYear::id_of`].
        issued_year(str) -> IssuedYear;
        /// The correction of that id, [`Correction::id_of`].
        correction(str) -> Correction;
        /// The corrections of an entry; the id is [`CorrectionsOf::id_of`].
        corrections(str) -> CorrectionsOf;
        /// What was erased of an entry; the id is [`Erased::id_of`].
        erased(str) -> Erased;
    }

    /// The treatment that an entry states.
    pub fn treatment(&self, entry: EntryIndex) -> Result<Option<&Treatment>, Stop> {
        Ok(match self.record(RecordKind::Treatment, Treatment::id_of(entry))? {
            Some(Record::Treatment(found)) => Some(found),
            _ => None,
        })
    }
}
