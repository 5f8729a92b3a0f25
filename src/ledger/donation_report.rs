//! The donor's report: all of a donation, read in one snapshot.
//!
//! The donor may follow the life of what it gave also in others' hands, as far as ids, codes, days and grams go; what
//! others said stays theirs.

use crate::domain::codes::Country;
use crate::domain::donation::{Donation, Project};
use crate::domain::ids::{DonationId, EntryIndex};
use crate::domain::time::LedgerTime;
use crate::ledger::Ledger;
use crate::ledger::asking::Unanswered;
use crate::ledger::donation_contents::Contents;
use crate::ledger::donation_devices::Devices;
use crate::ledger::donation_totals::Totals;
use crate::ledger::lookup::Reader;
use crate::limits::{DONATION_PAGE_ITEMS, DONATION_READ_MAX};
use crate::store::{Database, StoreError, head, records};

/// What of a donation is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DonationAsked {
    /// The donation.
    pub donation: DonationId,
    /// Devices that were given at this entry or later.
    pub from: EntryIndex,
    /// Whether the totals of the whole donation are wanted.
    pub totals: bool,
}

/// A page of a donation's report.
#[derive(Debug, Clone)]
pub struct DonationReport {
    /// The donation.
    pub donation: Donation,
    /// Where its project is.
    pub country: Option<Country>,
    /// How many entries the ledger had when it was read.
    pub size: u64,
    /// When the last of them was written down.
    pub time: LedgerTime,
    /// The totals of the whole donation, if they were asked for.
    pub totals: Option<Totals>,
    /// The devices of the page.
    pub page: Devices,
    /// Where the next page begins; `None` on the last.
    pub next: Option<EntryIndex>,
}

impl Ledger {
    /// A donation's report for its donor or an auditor; `None` if there is no such donation, or it is another's.
    pub fn donation_report(&self, reader: Reader, asked: DonationAsked) -> Result<Option<DonationReport>, Unanswered> {
        self.store.snapshot(|database| {
            let Some(donation) = find(database, asked.donation)?.filter(|found| may_see(reader, found)) else {
                return Ok(None);
            };
            let head = head::read(database)?;
            let country = country_of(database, &donation)?;
            let (totals, downstream) = if asked.totals {
                let all = Contents::read(database, donation.id, EntryIndex(0), DONATION_READ_MAX)?;
                let (totals, downstream) = Totals::of(database, &donation, all)?;
                (Some(totals), Some(downstream))
            } else {
                (None, None)
            };
            let contents = Contents::read(database, donation.id, asked.from, DONATION_PAGE_ITEMS)?;
            let page = Devices::of(database, (donation.id, head.time), &contents.items, downstream)?;
            let (size, time, next) = (head.size(), head.time, contents.next);
            Ok(Some(DonationReport { donation, country, size, time, totals, page, next }))
        })
    }
}

fn find(database: &mut Database, id: DonationId) -> Result<Option<Donation>, StoreError> {
    records::find(database, &id.to_string())
}

fn may_see(reader: Reader, donation: &Donation) -> bool {
    reader.may_read(donation.donor)
}

fn country_of(database: &mut Database, donation: &Donation) -> Result<Option<Country>, StoreError> {
    let project: Option<Project> = records::find(database, &donation.project.to_string())?;
    Ok(project.map(|project| project.country))
}
