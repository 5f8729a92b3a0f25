//! What is known at one place in the ledger.
//!
//! A state is either complete (replay) or partial: loaded from a database for the statements at hand. A partial state
//! never mistakes "not loaded" for "does not exist": asking for what was not loaded stops the rule with
//! [`Stop::Load`], whoever runs it loads that and asks again. So live sequencing and replay cannot disagree.

use crate::domain::balance::{Account, SiteAccount};
use crate::domain::batch::Batch;
use crate::domain::certificate::Certificate;
use crate::domain::custody::Handover;
use crate::domain::event::{Common, Jwk};
use crate::domain::fields::{Field, Malformed, Value, codes};
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, ScaleId, SiteId};
use crate::domain::item::Item;
use crate::domain::pool::{Pool, PoolRange};
use crate::domain::refusal::Refusal;
use crate::domain::registry::{Key, Ledger, Organisation, Scale, Site, SiteCodeTaken, SiteYear};
use crate::domain::treatment::{AuditWait, Treatment};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The id of the one record about the ledger itself.
pub const LEDGER_RECORD: &str = "ledger";

codes! {
    /// What a record is about.
    pub enum RecordKind {
        /// The ledger itself: operator, test or not, rule set in force.
        Ledger = "ledger",
        /// An organisation.
        Organisation = "organisation",
        /// A key.
        Key = "key",
        /// A site.
        Site = "site",
        /// A site code that is taken in its country.
        SiteCode = "site_code",
        /// A scale.
        Scale = "scale",
        /// An item.
        Item = "item",
        /// A handover.
        Handover = "handover",
        /// What a site received in a year.
        SiteYear = "site_year",
        /// A batch.
        Batch = "batch",
        /// A final treatment.
        Treatment = "treatment",
        /// Treatments that wait for an audit.
        AuditWait = "audit_wait",
        /// A pool of eligible grams.
        Pool = "pool",
        /// Grams of a treatment in a pool.
        PoolRange = "pool_range",
        /// A certificate.
        Certificate = "certificate",
    }
}

/// One thing that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The ledger itself.
    Ledger(Ledger),
    /// An organisation.
    Organisation(Organisation),
    /// A key.
    Key(Key),
    /// A site.
    Site(Site),
    /// A site code that is taken.
    SiteCode(SiteCodeTaken),
    /// A scale.
    Scale(Scale),
    /// An item.
    Item(Item),
    /// A handover.
    Handover(Handover),
    /// What a site received in a year.
    SiteYear(SiteYear),
    /// A batch.
    Batch(Batch),
    /// A final treatment.
    Treatment(Treatment),
    /// Treatments that wait for an audit.
    AuditWait(AuditWait),
    /// A pool of eligible grams.
    Pool(Pool),
    /// Grams of a treatment in a pool.
    PoolRange(PoolRange),
    /// A certificate.
    Certificate(Certificate),
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
        matches!(self, Self::Ledger | Self::Item | Self::Site | Self::Organisation | Self::Batch | Self::Certificate)
    }
}

impl Changes {
    /// Takes over what came after.
    pub fn merge(&mut self, later: Self) {
        self.records.extend(later.records);
        for (account, grams) in later.accounts {
            *self.accounts.entry(account).or_default() += grams;
        }
    }

    /// What an entry with these changes concerns: its author and site, and every organisation, site, item, batch and
    /// certificate that a changed record belongs to, is, or lies at.
    pub fn concerned(&self, common: &Common) -> BTreeSet<RecordId> {
        let organisation = |id: &OrganisationId| RecordId::new(RecordKind::Organisation, id);
        let mut concerned = BTreeSet::from([organisation(&common.org)]);
        concerned.extend(common.site.map(|site| RecordId::new(RecordKind::Site, &site)));
        // An audit sets grams of others' batches free; whose they are learns that by asking what is eligible.
        let settles_others = common.r#type.as_str() == "site_audited";
        let of_others = |id: &RecordId| settles_others && id.kind == RecordKind::Batch;
        for (id, record) in self.records.iter().filter(|(id, _)| !of_others(id)) {
            if id.kind.is_looked_up() {
                concerned.insert(id.clone());
            }
            if let Record::Batch(batch) = record {
                concerned.insert(RecordId::new(RecordKind::Site, &batch.site));
            }
            concerned.extend(record.owners().iter().map(organisation));
        }
        concerned
    }
}

impl Record {
    /// Its id.
    pub fn id(&self) -> RecordId {
        let (kind, id) = match self {
            Self::Ledger(_) => (RecordKind::Ledger, LEDGER_RECORD.to_owned()),
            Self::Organisation(organisation) => (RecordKind::Organisation, organisation.id.to_string()),
            Self::Key(key) => (RecordKind::Key, key.kid.to_string()),
            Self::Site(site) => (RecordKind::Site, site.id.to_string()),
            Self::SiteCode(taken) => (RecordKind::SiteCode, taken.id()),
            Self::Scale(scale) => (RecordKind::Scale, scale.id.to_string()),
            Self::Item(item) => (RecordKind::Item, item.id.to_string()),
            Self::Handover(handover) => (RecordKind::Handover, handover.id.to_string()),
            Self::SiteYear(year) => (RecordKind::SiteYear, year.id()),
            Self::Batch(batch) => (RecordKind::Batch, batch.id.to_string()),
            Self::Treatment(treatment) => (RecordKind::Treatment, treatment.id()),
            Self::AuditWait(wait) => (RecordKind::AuditWait, wait.id()),
            Self::Pool(pool) => (RecordKind::Pool, pool.id()),
            Self::PoolRange(range) => (RecordKind::PoolRange, range.id()),
            Self::Certificate(certificate) => (RecordKind::Certificate, certificate.serial.to_string()),
        };
        RecordId { id, kind }
    }

    /// The organisations whose it is.
    pub fn owners(&self) -> Vec<OrganisationId> {
        match self {
            Self::Organisation(organisation) => vec![organisation.id],
            Self::Key(key) => vec![key.organisation],
            Self::Site(site) => vec![site.organisation],
            Self::Scale(scale) => vec![scale.organisation],
            Self::Item(item) => vec![item.holder],
            Self::Handover(handover) => [handover.from, handover.to].into_iter().chain(handover.carrier).collect(),
            Self::Batch(batch) => vec![batch.organisation],
            Self::Certificate(certificate) => certificate.holder.into_iter().collect(),
            Self::Ledger(_)
            | Self::SiteCode(_)
            | Self::SiteYear(_)
            | Self::Treatment(_)
            | Self::AuditWait(_)
            | Self::Pool(_)
            | Self::PoolRange(_) => Vec::new(),
        }
    }

    /// The record as compact JSON, its stored form.
    pub fn body(&self) -> String {
        let value = match self {
            Self::Ledger(record) => record.write(),
            Self::Organisation(record) => record.write(),
            Self::Key(record) => record.write(),
            Self::Site(record) => record.write(),
            Self::SiteCode(record) => record.write(),
            Self::Scale(record) => record.write(),
            Self::Item(record) => record.write(),
            Self::Handover(record) => record.write(),
            Self::SiteYear(record) => record.write(),
            Self::Batch(record) => record.write(),
            Self::Treatment(record) => record.write(),
            Self::AuditWait(record) => record.write(),
            Self::Pool(record) => record.write(),
            Self::PoolRange(record) => record.write(),
            Self::Certificate(record) => record.write(),
        };
        value.map(|value| value.to_string()).unwrap_or_default()
    }

    /// Reads the stored form.
    pub fn read(kind: RecordKind, value: &Value) -> Result<Self, Malformed> {
        match kind {
            RecordKind::Ledger => Ledger::read(value).map(Self::Ledger),
            RecordKind::Organisation => Organisation::read(value).map(Self::Organisation),
            RecordKind::Key => Key::read(value).map(Self::Key),
            RecordKind::Site => Site::read(value).map(Self::Site),
            RecordKind::SiteCode => SiteCodeTaken::read(value).map(Self::SiteCode),
            RecordKind::Scale => Scale::read(value).map(Self::Scale),
            RecordKind::Item => Item::read(value).map(Self::Item),
            RecordKind::Handover => Handover::read(value).map(Self::Handover),
            RecordKind::SiteYear => SiteYear::read(value).map(Self::SiteYear),
            RecordKind::Batch => Batch::read(value).map(Self::Batch),
            RecordKind::Treatment => Treatment::read(value).map(Self::Treatment),
            RecordKind::AuditWait => AuditWait::read(value).map(Self::AuditWait),
            RecordKind::Pool => Pool::read(value).map(Self::Pool),
            RecordKind::PoolRange => PoolRange::read(value).map(Self::PoolRange),
            RecordKind::Certificate => Certificate::read(value).map(Self::Certificate),
        }
    }
}

/// Why a rule did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The statement is refused.
    Refused(Refusal),
    /// The state is partial and the rule needs the records of these ids: load them and apply again.
    Load(Vec<String>),
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
    records: BTreeMap<RecordId, Record>,
    accounts: BTreeMap<SiteAccount, i64>,
    /// `None`: everything is here. `Some`: the ids whose records, of whatever kind, are here if they exist.
    loaded: Option<BTreeSet<String>>,
}

/// What one or more statements changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that are new or differ.
    pub records: BTreeMap<RecordId, Record>,
    /// Grams to add to each account.
    pub accounts: BTreeMap<SiteAccount, i64>,
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

    /// What this layer holds.
    pub fn into_changes(self) -> Changes {
        Changes { records: self.records, accounts: self.accounts }
    }

    /// Takes over what an overlay changed.
    pub fn absorb(&mut self, changes: Changes) {
        self.records.extend(changes.records);
        for (account, grams) in changes.accounts {
            *self.accounts.entry(account).or_default() += grams;
        }
    }

    /// Whether the records of this id are here if they exist.
    pub fn has_loaded(&self, id: &str) -> bool {
        match (self.base, &self.loaded) {
            (Some(base), _) => base.has_loaded(id),
            (None, None) => true,
            (None, Some(loaded)) => loaded.contains(id),
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

    /// Asks for many records at once, so that they are loaded in one go and not one after the other.
    pub fn require_loaded(&self, ids: impl IntoIterator<Item = String>) -> Result<(), Stop> {
        let missing: Vec<String> = ids.into_iter().filter(|id| !self.has_loaded(id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Stop::Load(missing)) }
    }

    fn record(&self, kind: RecordKind, id: String) -> Result<Option<&Record>, Stop> {
        if !self.has_loaded(&id) {
            return Err(Stop::Load(vec![id]));
        }
        let key = RecordId { id, kind };
        let mut layer = Some(self);
        while let Some(state) = layer {
            if let Some(record) = state.records.get(&key) {
                return Ok(Some(record));
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
    }

    /// The treatment that an entry states.
    pub fn treatment(&self, entry: EntryIndex) -> Result<Option<&Treatment>, Stop> {
        Ok(match self.record(RecordKind::Treatment, Treatment::id_of(entry))? {
            Some(Record::Treatment(found)) => Some(found),
            _ => None,
        })
    }

    /// By how many grams the items and open batches of each site differ from its live account; empty, as it always must
    /// be, if they do not. For a complete state.
    pub fn live_differences(&self) -> Vec<(Option<SiteId>, i128)> {
        let mut sums: BTreeMap<Option<SiteId>, i128> = BTreeMap::new();
        for record in self.records.values() {
            let (site, grams) = match record {
                Record::Item(item) => (item.site, item.grams.get()),
                Record::Batch(batch) => (Some(batch.site), batch.left_g.0),
                _ => continue,
            };
            *sums.entry(site).or_default() += i128::from(grams);
        }
        for (account, grams) in self.accounts.iter().filter(|(account, _)| account.account == Account::Live) {
            *sums.entry(account.site).or_default() -= i128::from(*grams);
        }
        sums.into_iter().filter(|(_, difference)| *difference != 0).collect()
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
