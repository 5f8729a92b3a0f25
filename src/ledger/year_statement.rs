//! A year's statement: all that was retired for an organisation for that year, added up.
//!
//! A retirement counts whole, in the year in which its period ends, for the beneficiary that it names, or else for who retired:
//! so the statements of all years and organisations add up to all retirements, and none is counted twice.

use crate::domain::certificate::Certificate;
use crate::domain::codes::CalendarYear;
use crate::domain::event::CertificateRetired;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::certificates::{giving_blocks, resting_on};
use crate::ledger::register::{Listed, listed};
use crate::ledger::sums::{Places, Sums};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::{Database, StoreError, blocks, head, records};
use std::collections::{BTreeMap, BTreeSet};

/// A year's statement: a page of its blocks, and on the first one sums over all of it.
#[derive(Debug, Clone)]
pub struct YearStatement {
    /// Entries of the ledger from which it was made.
    pub size: u64,
    /// All blocks, on the first page alone.
    pub whole: Option<Claimed>,
    /// A page of the blocks, by the last day of their period, then by serial numbers.
    pub blocks: Vec<Listed>,
    /// The retirements whose first block stands on the page, each whole.
    pub retirements: BTreeMap<EntryIndex, Claimed>,
    /// Behind which block the next page begins; `None` on the last.
    pub next: Option<BehindBlock>,
}

/// What blocks add up to.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// Grams.
    pub sums: Sums,
    /// Units.
    pub units: i64,
    /// Units that fail, and that nothing backs yet.
    pub failing: i64,
    /// In whose names they were retired; none where that was erased. Two at most are kept, since a sentence names one.
    companies: BTreeSet<Option<String>>,
}

impl Claimed {
    /// The company in whose name all of it was retired, if it is one.
    pub fn company(&self) -> Option<&str> {
        self.companies.first().filter(|_| self.companies.len() == 1)?.as_deref()
    }

    fn add(&mut self, block: &Listed, rests: &Rests<'_>) {
        self.sums.add_parts(&resting_on(&block.certificate, rests.giving), rests.by_entry, rests.places);
        self.units += block.certificate.serial.units();
        self.failing += block.certificate.failing_count();
        if self.companies.len() < 2 {
            let mut openings = block.claim.iter().flat_map(|claim| &claim.openings);
            let company = openings.find(|opening| opening.pointer == CertificateRetired::COMPANY);
            self.companies.insert(company.map(|opening| opening.value.clone()));
        }
    }
}

/// What the grams of one block rest on.
struct Rests<'a> {
    giving: &'a [Certificate],
    by_entry: &'a BTreeMap<EntryIndex, &'a Treatment>,
    places: &'a Places,
}

/// A place between the blocks of a statement, as a page names the next one: `2026-12-31/ER-KE-NBO1-202611-0000001-0000500`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehindBlock {
    /// The last day of the block's period.
    pub until: Date,
    /// Its serial numbers.
    pub serial: SerialBlock,
}

impl BehindBlock {
    /// Reads the one written form.
    pub fn parse(text: &str) -> Option<Self> {
        let (until, serial) = text.split_once('/')?;
        Some(Self { until: Date::parse(until)?, serial: SerialBlock::parse(serial)? })
    }
}

impl std::fmt::Display for BehindBlock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.until, self.serial)
    }
}

/// Whose statement, and for which days.
struct Asked {
    organisation: OrganisationId,
    first: Date,
    last: Date,
}

impl Ledger {
    /// What was retired for an organisation for periods that end in a year, with a page of the blocks; `None` if the year has
    /// no days.
    pub fn year_statement(
        &self,
        organisation: OrganisationId,
        year: &CalendarYear,
        after: Option<&BehindBlock>,
    ) -> Result<Option<YearStatement>, StoreError> {
        let day = |text: &str| Date::parse(&format!("{year}-{text}"));
        let (Some(first), Some(last)) = (day("01-01"), day("12-31")) else { return Ok(None) };
        let asked = Asked { organisation, first, last };
        self.store.snapshot(|database| {
            let size = head::read(database)?.size();
            let (blocks, next) = page(database, &asked, after)?;
            let begun = begun_on(database, &blocks)?;
            let mut retirements: BTreeMap<EntryIndex, Claimed> =
                begun.iter().map(|entry| (*entry, Claimed::default())).collect();
            let whole = if after.is_none() {
                Some(add_all(database, &asked, &mut retirements)?)
            } else {
                add_retirements(database, begun, &mut retirements)?;
                None
            };
            Ok(Some(YearStatement { size, whole, blocks, retirements, next }))
        })
    }
}

/// The retirements whose first block stands on a page: so each is added up once, on however many pages its blocks are.
fn begun_on(database: &mut Database, page: &[Listed]) -> Result<BTreeSet<EntryIndex>, StoreError> {
    let shown: BTreeSet<EntryIndex> = page.iter().filter_map(entry_of).collect();
    let serials: BTreeSet<String> = page.iter().map(|block| block.certificate.serial.to_string()).collect();
    let first = blocks::first_of_retirements(database, &shown)?;
    Ok(first.into_iter().filter(|(_, serial)| serials.contains(serial)).map(|(entry, _)| entry).collect())
}

fn entry_of(block: &Listed) -> Option<EntryIndex> {
    block.certificate.retired.as_ref().map(|retired| retired.entry)
}

fn page(
    database: &mut Database,
    Asked { organisation, first, last }: &Asked,
    after: Option<&BehindBlock>,
) -> Result<(Vec<Listed>, Option<BehindBlock>), StoreError> {
    let after = after.map(|after| (after.until.to_string(), after.serial.to_string()));
    let after = after.as_ref().map(|(day, serial)| (day.as_str(), serial.as_str()));
    let rows = blocks::claimed_by(database, *organisation, (first, last), after, PAGE_ROWS_MAX)?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
    let serials: Vec<String> = rows.into_iter().map(|(_, serial)| serial).collect();
    let blocks = listed(database, &serials)?;
    let next = blocks.last().filter(|_| is_full).and_then(|last| {
        let until = last.certificate.retired.as_ref()?.period.until.clone();
        Some(BehindBlock { until, serial: last.certificate.serial.clone() })
    });
    Ok((blocks, next))
}

/// Adds all blocks up, page by page, and what some retirements ended.
fn add_all(
    database: &mut Database,
    asked: &Asked,
    retirements: &mut BTreeMap<EntryIndex, Claimed>,
) -> Result<Claimed, StoreError> {
    let (mut whole, mut behind) = (Claimed::default(), None);
    loop {
        let (blocks, next) = page(database, asked, behind.as_ref())?;
        add_page(database, &blocks, &mut whole, retirements)?;
        match next {
            Some(next) => behind = Some(next),
            None => return Ok(whole),
        }
    }
}

/// Adds up all blocks that some retirements ended.
fn add_retirements(
    database: &mut Database,
    entries: BTreeSet<EntryIndex>,
    retirements: &mut BTreeMap<EntryIndex, Claimed>,
) -> Result<(), StoreError> {
    let serials = blocks::of_retirements(database, entries)?;
    for serials in serials.chunks(usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX)) {
        let page = listed(database, serials)?;
        add_page(database, &page, &mut Claimed::default(), retirements)?;
    }
    Ok(())
}

/// Adds a page's blocks up: their treatments are read once.
fn add_page(
    database: &mut Database,
    page: &[Listed],
    whole: &mut Claimed,
    retirements: &mut BTreeMap<EntryIndex, Claimed>,
) -> Result<(), StoreError> {
    let mut giving = Vec::with_capacity(page.len());
    for block in page {
        giving.push(giving_blocks(database, &block.certificate)?);
    }
    let all = page.iter().map(|block| &block.certificate).chain(giving.iter().flatten());
    let entries: BTreeSet<EntryIndex> = all.flat_map(treatments_of).collect();
    let ids: Vec<String> = entries.into_iter().map(Treatment::id_of).collect();
    let treatments: Vec<Treatment> = records::load_of(database, &ids)?;
    let places = Places::of(database, &treatments)?;
    let by_entry: BTreeMap<EntryIndex, &Treatment> =
        treatments.iter().map(|treatment| (treatment.entry, treatment)).collect();
    for (block, giving) in page.iter().zip(&giving) {
        let rests = Rests { giving, by_entry: &by_entry, places: &places };
        whole.add(block, &rests);
        if let Some(retirement) = entry_of(block).and_then(|entry| retirements.get_mut(&entry)) {
            retirement.add(block, &rests);
        }
    }
    Ok(())
}

fn treatments_of(certificate: &Certificate) -> impl Iterator<Item = EntryIndex> {
    certificate.allotments.iter().map(|allotment| allotment.treatment)
}
