//! A year's statement: all that an organisation retired for that year, added up.
//!
//! A retirement counts whole, in the year in which its period ends: so the statements of all years add up to all retirements, and
//! none is counted twice.

use crate::domain::certificate::Certificate;
use crate::domain::codes::CalendarYear;
use crate::domain::event::CertificateRetired;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::time::Date;
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::certificates::{giving_blocks, resting_on};
use crate::ledger::register::{Listed, listed};
use crate::ledger::sums::{Places, Sums};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::{Database, StoreError, blocks, head, records};
use std::collections::{BTreeMap, BTreeSet};

/// A year's statement.
#[derive(Debug, Clone)]
pub struct YearStatement {
    /// Entries of the ledger from which it was made.
    pub size: u64,
    /// Grams of all blocks.
    pub sums: Sums,
    /// Units of all blocks.
    pub units: i64,
    /// The blocks, by the last day of their period.
    pub blocks: Vec<Listed>,
}

impl YearStatement {
    /// The companies in whose names the blocks were retired, as far as they were not erased.
    pub fn companies(&self) -> BTreeSet<&str> {
        let openings = self.blocks.iter().filter_map(|block| block.claim.as_ref()).flat_map(|claim| &claim.openings);
        let named = openings.filter(|opening| opening.pointer == CertificateRetired::COMPANY);
        named.map(|opening| opening.value.as_str()).collect()
    }
}

impl Ledger {
    /// What an organisation retired for periods that end in a year; `None` if the year has no days.
    pub fn year_statement(
        &self,
        organisation: OrganisationId,
        year: &CalendarYear,
    ) -> Result<Option<YearStatement>, StoreError> {
        let day = |text: &str| Date::parse(&format!("{year}-{text}"));
        let (Some(first), Some(last)) = (day("01-01"), day("12-31")) else { return Ok(None) };
        self.store.snapshot(|database| {
            let size = head::read(database)?.size();
            let mut statement = YearStatement { size, sums: Sums::default(), units: 0, blocks: Vec::new() };
            let mut after: Option<(String, String)> = None;
            loop {
                let behind = after.as_ref().map(|(day, serial)| (day.as_str(), serial.as_str()));
                let page = blocks::retired_by(database, organisation, (&first, &last), behind, PAGE_ROWS_MAX)?;
                let Some(end) = page.last().cloned() else { return Ok(Some(statement)) };
                after = Some(end);
                let serials: Vec<String> = page.into_iter().map(|(_, serial)| serial).collect();
                let found = listed(database, &serials)?;
                add_page(database, &mut statement, &found)?;
                statement.blocks.extend(found);
            }
        })
    }
}

/// Adds a page's blocks up: their treatments are read once.
fn add_page(database: &mut Database, statement: &mut YearStatement, page: &[Listed]) -> Result<(), StoreError> {
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
    for (Listed { certificate, .. }, giving) in page.iter().zip(&giving) {
        statement.sums.add_parts(&resting_on(certificate, giving), &by_entry, &places);
        statement.units += certificate.serial.units();
    }
    Ok(())
}

fn treatments_of(certificate: &Certificate) -> impl Iterator<Item = EntryIndex> {
    certificate.allotments.iter().map(|allotment| allotment.treatment)
}
