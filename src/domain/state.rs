//! What is known at one place in the ledger.
//!
//! A state is either complete (replay) or partial: loaded from a database for the statements at hand. A partial state
//! never mistakes "not loaded" for "does not exist": asking for what was not loaded stops the rule with
//! [`Stop::Load`], whoever runs it loads that and asks again. So live sequencing and replay cannot disagree.

use crate::domain::balance::SiteAccount;
use crate::domain::batch::Batch;
use crate::domain::border::Consent;
use crate::domain::capacity::SiteYear;
use crate::domain::certificate::{
    AccountChange, Certificate, Expiring, IssuedYear, PartsListed, PoolTally, SiteTally, account_changes,
};
use crate::domain::codes::Hash;
use crate::domain::correction::{Correction, CorrectionsOf};
use crate::domain::custody::Handover;
use crate::domain::delegation::{Delegation, Relation};
use crate::domain::donation::{Donation, Project};
use crate::domain::due::Due;
use crate::domain::erasure::Erased;
use crate::domain::event::{Common, Jwk};
use crate::domain::fields::{Field, Malformed, Value, codes};
use crate::domain::finding::{Cure, CureWait, DocumentSeen, NumberTaken};
use crate::domain::ids::{
    BatchId, ConsentId, DonationId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, ProjectId, ScaleId, SiteId,
};
use crate::domain::item::Item;
use crate::domain::past::{Past, PastEntry, Stamp, Version, View};
use crate::domain::pool::{Certified, CertifiedStretch, Pool, PoolRange};
use crate::domain::refusal::Refusal;
use crate::domain::registry::{Key, Ledger, Organisation, Scale, Site, SiteCodeTaken};
use crate::domain::signal::{Signal, Tally, Ticket};
use crate::domain::site_batches::BatchAt;
use crate::domain::treatment::{AuditWait, Treatment};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What a site received in a year.
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
    const fn is_looked_up(self) -> bool {
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

impl Record {
    fn as_certificate(&self) -> Option<&Certificate> {
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

/// Why a rule did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The statement is refused.
    Refused(Refusal),
    /// The state is partial and the rule needs more of it: load that and apply again.
    Load(Vec<Wanted>),
}

/// What a rule needs that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The records of this id, of whatever kind, as they are now.
    Record(String),
    /// The records of this id as they were from an entry on.
    Past {
        /// The id.
        id: String,
        /// The first entry after which they matter.
        from: EntryIndex,
    },
    /// What an entry said.
    Entry(EntryIndex),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is known: its own layer over a base.
///
/// Rules write into an overlay; when the statement is refused the overlay is dropped and nothing has happened.
#[derive(Debug, Clone, Default)]
pub struct State<'base> {
    base: Option<&'base State<'base>>,
    /// Set at the bottom of a state that looks at an earlier place in the ledger.
    view: Option<View<'base>>,
    records: BTreeMap<RecordId, Record>,
    /// Which entries wrote the records; a rule's own layer has none yet.
    stamps: BTreeMap<RecordId, Stamp>,
    past: Past,
    /// What each entry of this layer booked.
    bookings: Vec<(EntryIndex, SiteAccount, i64)>,
    /// What each entry of this layer did to blocks in accounts.
    happened: Vec<AccountChange>,
    accounts: BTreeMap<SiteAccount, i64>,
    mentioned: BTreeSet<RecordId>,
    /// `None`: everything is here. `Some`: the ids whose records, of whatever kind, are here if they exist.
    loaded: Option<BTreeSet<String>>,
}

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

impl<'base> State<'base> {
    /// Knows nothing and knows that there is nothing else: where a replay starts.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows nothing yet; ask, load, ask again.
    pub fn partial() -> Self {
        Self { loaded: Some(BTreeSet::new()), ..Self::default() }
    }

    /// An empty layer over this state.
    pub fn overlay<'over>(&'over self) -> State<'over>
    where
        'base: 'over,
    {
        State { base: Some(self), ..State::default() }
    }

    /// A state as it was after an entry, with some records as a correction makes them.
    pub(crate) fn seen_by(view: View<'base>) -> Self {
        Self { view: Some(view), ..Self::default() }
    }

    /// What this layer holds.
    pub fn into_changes(self) -> Changes {
        let Self { records, stamps, past, bookings, happened, accounts, mentioned, .. } = self;
        let (superseded, entries) = past.into_parts();
        Changes { records, stamps, superseded, entries, bookings, happened, accounts, mentioned }
    }

    /// Takes over what entries changed.
    pub fn absorb(&mut self, changes: Changes) {
        self.records.extend(changes.records);
        self.stamps.extend(changes.stamps);
        self.past.extend(changes.superseded, changes.entries);
        self.bookings.extend(changes.bookings);
        self.happened.extend(changes.happened);
        for (account, grams) in changes.accounts {
            *self.accounts.entry(account).or_default() += grams;
        }
    }

    /// Gives what a rule changed its place in the ledger: which entry wrote it, and what it wrote over.
    pub fn placed(&self, mut changes: Changes, index: EntryIndex, entry: PastEntry) -> Changes {
        for (id, record) in &changes.records {
            let before = self.newest(id);
            if let Record::Certificate(after) = record {
                let before = before.and_then(|(before, _)| before.as_certificate());
                changes.happened.extend(account_changes(index, before, after));
            }
            let stamp = Stamp { since: index, before: before.map(|(_, stamp)| stamp.since) };
            changes.stamps.insert(id.clone(), stamp);
            if let Some((record, stamp)) = before.filter(|_| id.kind.keeps_past()) {
                changes.superseded.push((id.clone(), Version { stamp, record: record.clone() }));
            }
        }
        let moved = changes.accounts.iter().filter(|(_, grams)| **grams != 0);
        changes.bookings.extend(moved.map(|(account, grams)| (index, account.clone(), *grams)));
        changes.entries.insert(index, entry);
        changes
    }

    fn newest(&self, id: &RecordId) -> Option<(&Record, Stamp)> {
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let (Some(record), Some(stamp)) = (state.records.get(id), state.stamps.get(id)) {
                return Some((record, *stamp));
            }
            layer = state.base;
        }
        None
    }

    /// A record as it was after an entry, if it existed.
    pub(crate) fn as_of(&self, id: &RecordId, at: EntryIndex) -> Result<Option<&Record>, Stop> {
        self.require_past([&id.id], at)?;
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let (Some(record), Some(stamp)) = (state.records.get(id), state.stamps.get(id))
                && (stamp.since <= at || (!id.kind.keeps_past() && stamp.before.is_some()))
            {
                return Ok(Some(record));
            }
            if let Some(version) = state.past.version(id, at) {
                return Ok(Some(&version.record));
            }
            layer = state.base;
        }
        Ok(None)
    }

    /// The entries that wrote a record after another entry, in order.
    pub(crate) fn written_after(&self, id: &RecordId, after: EntryIndex) -> Result<BTreeSet<EntryIndex>, Stop> {
        self.require_past([&id.id], after)?;
        let (mut found, mut layer) = (BTreeSet::new(), Some(self));
        while let Some(state) = layer {
            found.extend(state.stamps.get(id).map(|stamp| stamp.since));
            found.extend(state.past.sinces(id));
            layer = state.base;
        }
        Ok(found.split_off(&EntryIndex(after.0 + 1)))
    }

    /// Asks for the past of many ids at once.
    pub(crate) fn require_past<'id>(
        &self,
        ids: impl IntoIterator<Item = &'id String>,
        from: EntryIndex,
    ) -> Result<(), Stop> {
        let missing = ids.into_iter().filter(|id| !self.has_past(id, from));
        let missing: Vec<Wanted> = missing.map(|id| Wanted::Past { id: id.clone(), from }).collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
    }

    /// Whether the records of this id are here as they were from an entry on.
    pub(crate) fn has_past(&self, id: &str, from: EntryIndex) -> bool {
        match (self.base, &self.loaded) {
            (Some(base), _) => base.has_past(id, from),
            (None, None) => true,
            (None, Some(_)) => self.past.reaches(id, from),
        }
    }

    /// What an earlier entry said.
    pub(crate) fn entry(&self, index: EntryIndex) -> Result<&PastEntry, Stop> {
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let Some(entry) = state.past.entry(index) {
                return Ok(entry);
            }
            if let Some(view) = &state.view {
                return view.state.entry(index);
            }
            layer = state.base;
        }
        Err(Stop::Load(vec![Wanted::Entry(index)]))
    }

    /// Puts a record as the database has it, with the entries that wrote it.
    pub fn put_stored(&mut self, record: Record, stamp: Stamp) {
        let id = record.id();
        self.stamps.insert(id.clone(), stamp);
        self.records.insert(id, record);
    }

    /// Remembers what the records of an id were from an entry on.
    pub fn remember(&mut self, id: String, from: EntryIndex, versions: Vec<Version>) {
        self.past.remember(id, from, versions);
    }

    /// Remembers what an entry said.
    pub fn remember_entry(&mut self, index: EntryIndex, entry: PastEntry) {
        self.past.extend(Vec::new(), BTreeMap::from([(index, entry)]));
    }

    /// Forgets what was, what was said and what was booked, and keeps what stands: whoever asks for more loads it again. For a
    /// partial state.
    pub fn forget_past(&mut self) {
        (self.past, self.bookings, self.accounts) = (Past::default(), Vec::new(), BTreeMap::new());
        self.happened = Vec::new();
    }

    /// Whether the records of this id are here if they exist.
    pub fn has_loaded(&self, id: &str) -> bool {
        match (self.base, &self.view, &self.loaded) {
            (Some(base), ..) => base.has_loaded(id),
            (None, Some(view), _) => view.state.has_past(id, view.from),
            (None, None, None) => true,
            (None, None, Some(loaded)) => loaded.contains(id),
        }
    }

    fn wanted(&self, id: String) -> Wanted {
        match (self.base, &self.view) {
            (Some(base), _) => base.wanted(id),
            (None, Some(view)) => Wanted::Past { id, from: view.from },
            (None, None) => Wanted::Record(id),
        }
    }

    /// Remembers that the records of these ids were looked up.
    pub fn mark_loaded(&mut self, ids: impl IntoIterator<Item = String>) {
        if let Some(loaded) = &mut self.loaded {
            loaded.extend(ids);
        }
    }

    /// Writes a record.
    pub fn put(&mut self, record: Record) {
        self.records.insert(record.id(), record);
    }

    /// Says that the entry concerns something whose record it does not change.
    pub fn mention(&mut self, subject: RecordId) {
        self.mentioned.insert(subject);
    }

    /// Adds grams to an account. A movement books both of its sides.
    pub fn book(&mut self, account: SiteAccount, grams: i64) {
        *self.accounts.entry(account).or_default() += grams;
    }

    /// All accounts of this layer.
    pub fn accounts(&self) -> &BTreeMap<SiteAccount, i64> {
        &self.accounts
    }

    /// All records of this layer.
    pub fn records(&self) -> &BTreeMap<RecordId, Record> {
        &self.records
    }

    /// Which entries wrote a record of this layer.
    pub fn stamp(&self, id: &RecordId) -> Option<Stamp> {
        self.stamps.get(id).copied()
    }

    /// The version of a record that an entry wrote, if it was written over.
    pub fn version(&self, id: &RecordId, since: EntryIndex) -> Option<&Version> {
        self.past.version(id, since).filter(|version| version.stamp.since == since)
    }

    /// How many versions were written over.
    pub fn versions(&self) -> usize {
        self.past.len()
    }

    /// What each entry booked, in the order of the entries.
    pub fn bookings(&self) -> &[(EntryIndex, SiteAccount, i64)] {
        &self.bookings
    }

    /// Asks for many records at once, so that they are loaded in one go and not one after the other.
    pub fn require_loaded(&self, ids: impl IntoIterator<Item = String>) -> Result<(), Stop> {
        let missing = ids.into_iter().filter(|id| !self.has_loaded(id));
        let missing: Vec<Wanted> = missing.map(|id| self.wanted(id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
    }

    /// Whether there is such a record.
    pub fn knows(&self, id: &RecordId) -> Result<bool, Stop> {
        Ok(self.record(id.kind, id.id.clone())?.is_some())
    }

    fn record(&self, kind: RecordKind, id: String) -> Result<Option<&Record>, Stop> {
        self.find(&RecordId { id, kind })
    }

    /// A record as it was before this layer.
    pub(crate) fn before(&self, key: &RecordId) -> Result<Option<&Record>, Stop> {
        self.base.map_or(Ok(None), |base| base.find(key))
    }

    /// The record of an id and kind, in whatever layer.
    pub(crate) fn find(&self, key: &RecordId) -> Result<Option<&Record>, Stop> {
        if !self.has_loaded(&key.id) {
            return Err(Stop::Load(vec![self.wanted(key.id.clone())]));
        }
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let Some(record) = state.records.get(key) {
                return Ok(Some(record));
            }
            if let Some(view) = &state.view {
                return view.record(key);
            }
            layer = state.base;
        }
        Ok(None)
    }

    /// The record about the ledger itself; `None` before index 0.
    pub fn ledger(&self) -> Result<Option<&Ledger>, Stop> {
        Ok(match self.record(RecordKind::Ledger, LEDGER_RECORD.to_owned())? {
            Some(Record::Ledger(ledger)) => Some(ledger),
            _ => None,
        })
    }

    /// Whether a document number of a plant is used; the id is [`NumberTaken::id_of`].
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

    /// Whether a site code is taken; the id is [`SiteCodeTaken::id_of`].
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
        /// What a site received in a year; the id is [`SiteYear::id_of`].
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

    /// SHA-256 over every record and account in order: two replays that agree have the same digest.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for (id, record) in &self.records {
            hasher.update(format!("{}\n{}\n{}\n", id.kind, id.id, record.body()));
        }
        for (account, grams) in &self.accounts {
            let site = account.site.map(|site| site.to_string()).unwrap_or_default();
            hasher.update(format!("{}\n{site}\n{grams}\n", account.account));
        }
        hasher.finalize().into()
    }
}

impl Jwk {
    /// The RFC 7638 thumbprint: SHA-256 of the JWK's required members in alphabetical order.
    pub fn thumbprint(&self) -> KeyId {
        let canonical = format!(r#"{{"crv":"{}","kty":"{}","x":"{}"}}"#, self.crv, self.kty, self.x);
        KeyId(Sha256::digest(canonical).into())
    }
}
