//! The public register: which units there are, where they stand, and in whose names they were retired. Never who holds them.

use crate::domain::certificate::{Certificate, Expiring, PoolTally, SiteTally};
use crate::domain::erasure::ErasedValue;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::registry::{Ledger as LedgerRecord, Site};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{EVERY_CERTIFICATE, LEDGER_RECORD, RecordId, RecordKind};
use crate::domain::time::{Date, LedgerTime};
use crate::ledger::{Ledger, erasure};
use crate::limits::PAGE_ROWS_MAX;
use crate::proof::commitment::Opening;
use crate::store::blocks::{self, Wanted};
use crate::store::{Database, StoreError, entries, head, mentions, openings, records};
use std::collections::{BTreeMap, BTreeSet};

/// What a retirement says in plain words, as far as it was not erased.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// The openings that are there.
    pub openings: Vec<Opening>,
    /// What was erased.
    pub erased: Vec<ErasedValue>,
}

/// A block as the register lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The certificate.
    pub certificate: Certificate,
    /// The claim, if it is retired.
    pub claim: Option<Claim>,
}

/// A page of the register.
#[derive(Debug, Clone)]
pub struct RegisterPage {
    /// In the order of pools and units.
    pub blocks: Vec<Listed>,
    /// The block behind which the next page begins; `None` on the last.
    pub next: Option<SerialBlock>,
}

/// A pool as the register counts it.
#[derive(Debug, Clone)]
pub struct CountedPool {
    /// The counts.
    pub tally: PoolTally,
    /// Of those that are held, units whose time is over.
    pub expired: i64,
    /// What comes before the numbers of its units.
    pub name: String,
}

/// A page of pools, with their sites.
#[derive(Debug, Clone)]
pub struct PoolsPage {
    /// In the order of their sites' ids and their months.
    pub pools: Vec<CountedPool>,
    /// The sites of these pools, and what covers their errors.
    pub sites: Vec<(Site, SiteTally)>,
    /// Entries of the ledger that are counted.
    pub size: u64,
    /// The day on which units count as expired or not.
    pub day: Date,
    /// The record behind which the next page begins; `None` on the last.
    pub next: Option<String>,
}

impl Ledger {
    /// The day, by this node's clock.
    pub fn today(&self) -> Result<Date, StoreError> {
        let today = LedgerTime::from_ms(self.clock.now_ms()).and_then(LedgerTime::date);
        today.ok_or_else(|| StoreError::damaged("the clock shows no day"))
    }

    /// A page of the blocks that are looked for, behind a block.
    pub fn register(&self, wanted: &Wanted, after: Option<&SerialBlock>) -> Result<RegisterPage, StoreError> {
        self.store.snapshot(|database| {
            let serials = blocks::find(database, wanted, after, PAGE_ROWS_MAX)?;
            let is_full = i64::try_from(serials.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
            let blocks = listed(database, &serials)?;
            let next = blocks.last().filter(|_| is_full).map(|last| last.certificate.serial.clone());
            Ok(RegisterPage { blocks, next })
        })
    }

    /// A page of all pools, behind one.
    pub fn pools_of_register(&self, after: &str) -> Result<PoolsPage, StoreError> {
        let today = self.today()?;
        self.store.snapshot(|database| {
            let size = head::read(database)?.size();
            let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
            let is_test = ledger.is_some_and(|ledger| ledger.test);
            let begin = format!("{}{after}", PoolTally::PREFIX);
            let found = records::page_between(
                database,
                RecordKind::PoolTally,
                (&begin, &behind(PoolTally::PREFIX)),
                PAGE_ROWS_MAX,
            )?;
            let tallies: Vec<PoolTally> = found.into_iter().filter_map(|record| record.try_into().ok()).collect();
            let is_full = i64::try_from(tallies.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
            let next = tallies.last().filter(|_| is_full).map(|last| format!("{}/{}", last.site, last.vintage));
            let sites = sites_of(database, &tallies)?;
            let mut pools = Vec::with_capacity(tallies.len());
            for tally in tallies {
                let expired = expired(database, &tally, &today)?;
                let name = sites.get(&tally.site).map(|(site, _)| pool_name(is_test, site, &tally));
                pools.push(CountedPool { tally, expired, name: name.unwrap_or_default() });
            }
            Ok(PoolsPage { pools, sites: sites.into_values().collect(), size, day: today.clone(), next })
        })
    }

    /// A page of the entries about certificates, from an index on: their bytes, and where the next page goes on.
    pub fn certificate_entries(&self, from: EntryIndex) -> Result<(Vec<Vec<u8>>, Option<EntryIndex>), StoreError> {
        let subject = RecordId::new(RecordKind::Certificate, &EVERY_CERTIFICATE).subject();
        let found = self.store.snapshot(|database| {
            let indexes = mentions::of_subject(database, &subject, from.0, PAGE_ROWS_MAX)?;
            entries::find_many(database, &indexes)
        })?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
        let next = found.last().filter(|_| is_full).map(|last| EntryIndex(last.index.0 + 1));
        found.iter().try_for_each(|entry| self.require_sound(entry))?;
        Ok((found.into_iter().map(|entry| entry.bytes).collect(), next))
    }
}

/// The certificates of some serial numbers, in that order, with what was claimed of them.
pub(crate) fn listed(database: &mut Database, serials: &[String]) -> Result<Vec<Listed>, StoreError> {
    let found: Vec<Certificate> = records::load_of(database, serials)?;
    let mut found: BTreeMap<String, Certificate> =
        found.into_iter().map(|certificate| (certificate.serial.to_string(), certificate)).collect();
    let claims = claims_of(database, found.values())?;
    let mut listed = Vec::with_capacity(serials.len());
    for serial in serials {
        let Some(certificate) = found.remove(serial) else {
            return Err(StoreError::damaged(format!("{serial} is listed and there is no such certificate")));
        };
        let claim = certificate.retired.as_ref().map(|retired| claims.get(&retired.entry).cloned().unwrap_or_default());
        listed.push(Listed { certificate, claim });
    }
    Ok(listed)
}

/// What the retirements of some certificates say in plain words: one may have ended many of them, so each is read once.
fn claims_of<'a>(
    database: &mut Database,
    certificates: impl Iterator<Item = &'a Certificate>,
) -> Result<BTreeMap<EntryIndex, Claim>, StoreError> {
    let entries: BTreeSet<EntryIndex> =
        certificates.filter_map(|certificate| Some(certificate.retired.as_ref()?.entry)).collect();
    let entries: Vec<EntryIndex> = entries.into_iter().collect();
    let mut openings = openings::of_entries(database, &entries)?;
    let mut erased = erasure::of_entries(database, &entries)?;
    let claim = |entry| {
        let (openings, erased) =
            (openings.remove(&entry).unwrap_or_default(), erased.remove(&entry).unwrap_or_default());
        (entry, Claim { openings, erased })
    };
    Ok(entries.into_iter().map(claim).collect())
}

/// What sorts behind everything that begins so; the last byte of a prefix is a slash, and `0` comes next.
fn behind(prefix: &str) -> String {
    format!("{}0", prefix.trim_end_matches('/'))
}

fn pool_name(test: bool, site: &Site, tally: &PoolTally) -> String {
    let (country, site, vintage) = (site.country.clone(), site.code.clone(), tally.vintage.clone());
    SerialBlock { test, country, site, vintage, first: 1, last: 1 }.pool()
}

/// The sites of some pools, with what covers their errors.
fn sites_of(database: &mut Database, tallies: &[PoolTally]) -> Result<BTreeMap<SiteId, (Site, SiteTally)>, StoreError> {
    let mut ids: Vec<SiteId> = tallies.iter().map(|tally| tally.site).collect();
    ids.sort_unstable();
    ids.dedup();
    let named: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let counted: Vec<String> = ids.iter().map(SiteTally::id_of).collect();
    let counts: Vec<SiteTally> = records::load_of(database, &counted)?;
    let mut counts: BTreeMap<SiteId, SiteTally> = counts.into_iter().map(|tally| (tally.site, tally)).collect();
    let sites: Vec<Site> = records::load_of(database, &named)?;
    let with_counts = |site: Site| {
        let id = site.id;
        (id, (site, counts.remove(&id).unwrap_or(SiteTally::none(id))))
    };
    Ok(sites.into_iter().map(with_counts).collect())
}

/// Held units of a pool whose time is over: one record for each day on which some were issued.
fn expired(database: &mut Database, tally: &PoolTally, today: &Date) -> Result<i64, StoreError> {
    let prefix = Expiring::prefix_of(&tally.site, &tally.vintage);
    let over = records::page_between(database, RecordKind::Expiring, (&prefix, &format!("{prefix}{today}")), i64::MAX)?;
    let over = over.into_iter().filter_map(|record| Expiring::try_from(record).ok());
    Ok(over.map(|expiring| expiring.held).sum())
}
