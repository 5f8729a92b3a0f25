//! The kinds of things that are known, each with what it holds and how it is identified.

use crate::domain::batch::Batch;
use crate::domain::border::Consent;
use crate::domain::capacity::SiteYear;
use crate::domain::certificate::{Certificate, Expiring, IssuedYear, PartsListed, PoolTally, SiteTally};
use crate::domain::correction::{Correction, CorrectionsOf};
use crate::domain::custody::Handover;
use crate::domain::delegation::{Delegation, Relation};
use crate::domain::donation::{Donation, Project};
use crate::domain::due::Due;
use crate::domain::erasure::Erased;
use crate::domain::fields::{Field, Malformed, Value, codes};
use crate::domain::finding::{Cure, CureWait, DocumentSeen, NumberTaken};
use crate::domain::ids::OrganisationId;
use crate::domain::item::Item;
use crate::domain::pool::{Certified, CertifiedStretch, Pool, PoolRange};
use crate::domain::registry::{Key, Ledger, Organisation, Scale, Site, SiteCodeTaken};
use crate::domain::signal::{Signal, Tally, Ticket};
use crate::domain::site_batches::BatchAt;
use crate::domain::treatment::{AuditWait, Treatment};

/// The id of the one record about the ledger itself.
pub const LEDGER_RECORD: &str = "ledger";

/// In place of serial numbers: whatever is said of any certificate is found under it, for who checks the register.
pub const EVERY_CERTIFICATE: &str = "all";

/// Declares the kinds of records once: their names, what they hold, and how they are identified.
macro_rules! record_kinds {
    ($( $(#[$about:meta])* $kind:ident($type:ty) = $text:literal, $id:expr; )*) => {
        codes! {
            /// What a record is about.
            pub enum RecordKind { $( $(#[$about])* $kind = $text ),* }
        }

        /// One thing that is known.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Record { $( $(#[$about])* $kind($type) ),* }

        impl Record {
            /// Its id.
            pub fn id(&self) -> RecordId {
                match self { $( Self::$kind(record) => {
                    let id: fn(&$type) -> String = $id;
                    RecordId { id: id(record), kind: RecordKind::$kind }
                } )* }
            }

            /// The record as compact JSON, its stored form.
            pub fn body(&self) -> String {
                let value = match self { $( Self::$kind(record) => record.write() ),* };
                value.map(|value| value.to_string()).unwrap_or_default()
            }

            /// Reads the stored form.
            pub fn read(kind: RecordKind, value: &Value) -> Result<Self, Malformed> {
                match kind { $( RecordKind::$kind => <$type>::read(value).map(Self::$kind) ),* }
            }
        }

        $(
            impl TryFrom<Record> for $type {
                /// The kind that it is instead.
                type Error = RecordKind;

                fn try_from(record: Record) -> Result<Self, RecordKind> {
                    if let Record::$kind(found) = record { Ok(found) } else { Err(record.id().kind) }
                }
            }
        )*
    };
}

record_kinds! {
    /// The ledger itself: operator, test or not, rule set in force.
    Ledger(Ledger) = "ledger", |_| LEDGER_RECORD.to_owned();
    /// An organisation.
    Organisation(Organisation) = "organisation", |organisation| organisation.id.to_string();
    /// A key.
    Key(Key) = "key", |key| key.kid.to_string();
    /// A site or facility.
    Site(Site) = "site", |site| site.id.to_string();
    /// A site code that is taken in its country.
    SiteCode(SiteCodeTaken) = "site_code", SiteCodeTaken::id;
    /// A scale.
    Scale(Scale) = "scale", |scale| scale.id.to_string();
    /// A delegation.
    Delegation(Delegation) = "delegation", Delegation::id;
    /// That two parties are related.
    Relation(Relation) = "relation", Relation::id;
    /// What equipment is given for.
    Project(Project) = "project", |project| project.id.to_string();
    /// What a donor gave.
    Donation(Donation) = "donation", |donation| donation.id.to_string();
    /// An item.
    Item(Item) = "item", |item| item.id.to_string();
    /// A handover.
    Handover(Handover) = "handover", |handover| handover.id.to_string();
    /// A consent to shipments over borders.
    Consent(Consent) = "consent", |consent| consent.id.to_string();
    /// What a site took in during a year.
    SiteYear(SiteYear) = "site_year", SiteYear::id;
    /// A batch.
    Batch(Batch) = "batch", |batch| batch.id.to_string();
    /// That a batch is one of a site's.
    BatchAt(BatchAt) = "batch_at", BatchAt::id;
    /// A final treatment.
    Treatment(Treatment) = "treatment", Treatment::id;
    /// Treatments that wait for an audit.
    AuditWait(AuditWait) = "audit_wait", AuditWait::id;
    /// What was cured of an entry's flaws.
    Cure(Cure) = "cure", Cure::id;
    /// Treatments that wait for a cure.
    CureWait(CureWait) = "cure_wait", CureWait::id;
    /// A document number of a plant that is used.
    Number(NumberTaken) = "number", NumberTaken::id;
    /// A file that is bound to an entry.
    Document(DocumentSeen) = "document", DocumentSeen::id;
    /// Something that is due on a day.
    Due(Due) = "due", Due::id;
    /// A pool of eligible grams.
    Pool(Pool) = "pool", Pool::id;
    /// Grams of a treatment in a pool.
    PoolRange(PoolRange) = "pool_range", PoolRange::id;
    /// A certificate.
    Certificate(Certificate) = "certificate", |certificate| certificate.serial.to_string();
    /// Where the units of a block that was split are looked for.
    PartsListed(PartsListed) = "parts_listed", PartsListed::id;
    /// How many stretches of a treatment's grams were certified.
    Certified(Certified) = "certified", Certified::id;
    /// Grams of a treatment on which units rest.
    CertifiedStretch(CertifiedStretch) = "certified_stretch", CertifiedStretch::id;
    /// Units of a pool by where they stand.
    PoolTally(PoolTally) = "pool_tally", PoolTally::id;
    /// Held units of a pool whose time is over after a day.
    Expiring(Expiring) = "expiring", Expiring::id;
    /// What covers an error of a site, and what is to be covered.
    SiteTally(SiteTally) = "site_tally", SiteTally::id;
    /// Units that were issued of one year's vintages of a site.
    IssuedYear(IssuedYear) = "issued_year", IssuedYear::id;
    /// A correction.
    Correction(Correction) = "correction", Correction::id;
    /// The corrections of one entry.
    CorrectionsOf(CorrectionsOf) = "corrections", CorrectionsOf::id;
    /// What was erased of an entry's values.
    Erased(Erased) = "erased", Erased::id;
    /// Something implausible.
    Signal(Signal) = "signal", Signal::id;
    /// What adds up at a site, for signals.
    Tally(Tally) = "tally", Tally::id;
    /// A weighbridge ticket that is used.
    Ticket(Ticket) = "ticket", Ticket::id;
}

/// What a record is about, and its id as text. Ordered by id first, as the database keeps them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The id as it is written.
    pub id: String,
    /// What it is about.
    pub kind: RecordKind,
}

impl RecordId {
    /// Names a record.
    pub fn new(kind: RecordKind, id: &impl ToString) -> Self {
        Self { id: id.to_string(), kind }
    }

    /// Kind and id as one text. Whoever chooses an id chooses it within its kind: an item that is named like an
    /// organisation is not mistaken for it.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

impl RecordKind {
    /// Whether entries are looked up by the ids of such records.
    pub(super) const fn is_looked_up(self) -> bool {
        matches!(
            self,
            Self::Ledger
                | Self::Item
                | Self::Site
                | Self::Organisation
                | Self::Batch
                | Self::Certificate
                | Self::Handover
                | Self::Donation
                | Self::Project
                | Self::Consent
        )
    }

    /// Whether earlier versions of such records are kept: what a correction runs again rests on them, and what is asked for
    /// as of an earlier entry. Of the others the rules only ever need what stands now.
    pub const fn keeps_past(self) -> bool {
        matches!(
            self,
            Self::Ledger
                | Self::Organisation
                | Self::Site
                | Self::Scale
                | Self::Donation
                | Self::Item
                | Self::Handover
                | Self::Consent
                | Self::Batch
                | Self::Treatment
                | Self::Signal
                | Self::Tally
                | Self::Ticket
        )
    }
}

impl Record {
    pub(super) fn as_certificate(&self) -> Option<&Certificate> {
        if let Self::Certificate(certificate) = self { Some(certificate) } else { None }
    }

    /// The organisations whose it is.
    pub fn owners(&self) -> Vec<OrganisationId> {
        match self {
            Self::Organisation(organisation) => vec![organisation.id],
            Self::Key(key) => vec![key.organisation],
            Self::Site(site) => site.organisation.into_iter().collect(),
            Self::Delegation(delegation) => vec![delegation.from, delegation.to],
            Self::Relation(relation) => relation.organisations(),
            Self::Donation(donation) => vec![donation.donor],
            Self::Consent(consent) => vec![consent.organisation],
            Self::Project(project) => project.organisation.into_iter().collect(),
            Self::Scale(scale) => vec![scale.organisation],
            Self::Item(item) => vec![item.holder],
            Self::Handover(handover) => handover.parties().collect(),
            Self::Batch(batch) => vec![batch.organisation],
            Self::Certificate(certificate) => certificate.holder.into_iter().collect(),
            Self::Correction(correction) => correction.parties().collect(),
            Self::Signal(signal) => vec![signal.organisation],
            Self::Cure(cure) => cure.poster.into_iter().collect(),
            Self::Ledger(_)
            | Self::SiteCode(_)
            | Self::SiteYear(_)
            | Self::BatchAt(_)
            | Self::Treatment(_)
            | Self::AuditWait(_)
            | Self::CureWait(_)
            | Self::Number(_)
            | Self::Document(_)
            | Self::Due(_)
            | Self::Pool(_)
            | Self::PoolRange(_)
            | Self::PartsListed(_)
            | Self::Certified(_)
            | Self::CertifiedStretch(_)
            | Self::PoolTally(_)
            | Self::Expiring(_)
            | Self::SiteTally(_)
            | Self::IssuedYear(_)
            | Self::CorrectionsOf(_)
            | Self::Erased(_)
            | Self::Tally(_)
            | Self::Ticket(_) => Vec::new(),
        }
    }
}
