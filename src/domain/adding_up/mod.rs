//! What must add up over all records, whichever rules wrote them. Everything here is fed record by record, so that nobody
//! needs all of them at once; what grows with the ledger is sorted outside (`stretches`, `shares`) and fed in that order.

mod replaced;
mod shares;
mod stretches;

pub use replaced::{Replaced, Side, replaced_differ};
pub use shares::{Share, shares_of};
pub use stretches::{Stretch, StretchKind, stretches_differ};

use crate::domain::balance::{Account, SiteAccount};
use crate::domain::certificate::{Certificate, CertificateStatus, UNIT_G};
use crate::domain::event::Allotment;
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::pool::Pool;
use crate::domain::state::Record;
use std::collections::BTreeMap;

/// Grams of the items and open batches of each site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveSums(BTreeMap<Option<SiteId>, i128>);

impl LiveSums {
    /// Puts a sum back that was taken down with [`LiveSums::sums`].
    pub fn set(&mut self, site: Option<SiteId>, grams: i128) {
        self.0.insert(site, grams);
    }

    /// Counts a record in.
    pub fn add(&mut self, record: &Record) {
        self.count(record, 1);
    }

    /// Counts out a record that was written over.
    pub fn remove(&mut self, record: &Record) {
        self.count(record, -1);
    }

    fn count(&mut self, record: &Record, sign: i128) {
        let (site, grams) = match record {
            Record::Item(item) => (item.site, item.grams.get()),
            Record::Batch(batch) => (Some(batch.site), batch.left_g.0),
            _ => return,
        };
        *self.0.entry(site).or_default() += sign * i128::from(grams);
    }

    /// The sums that are not zero.
    pub fn sums(&self) -> impl Iterator<Item = (Option<SiteId>, i128)> {
        self.0.iter().filter(|(_, grams)| **grams != 0).map(|(site, grams)| (*site, *grams))
    }

    /// By how many grams they differ from the sites' live accounts; empty, as it always must be, if they do not.
    pub fn differences(&self, accounts: &BTreeMap<SiteAccount, i64>) -> Vec<(Option<SiteId>, i128)> {
        let mut sums = self.0.clone();
        for (account, grams) in accounts.iter().filter(|(account, _)| account.account == Account::Live) {
            *sums.entry(account.site).or_default() -= i128::from(*grams);
        }
        sums.into_iter().filter(|(_, difference)| *difference != 0).collect()
    }
}

/// Whether the sources and donations of a record add up to its mass.
pub fn composition_adds_up(record: &Record) -> bool {
    match record {
        Record::Item(item) => {
            // What was lost keeps sources and donations, it may be found; what was released keeps its donations.
            let grams = item.lost_g.or(item.released_g).unwrap_or(item.grams);
            let has_sources = item.arising.is_some() && item.released_g.is_none() && grams > Grams::ZERO;
            let given = item.given.is_empty() || item.given.total() == grams;
            (!has_sources || item.sources.total() == grams) && given
        }
        Record::Batch(batch) => {
            let given = batch.given.is_empty() || batch.given.total() == batch.input_g;
            // A batch backs no more than what went into it.
            given && batch.eligible_g <= batch.input_g
        }
        Record::Treatment(treatment) => {
            let ends = treatment.lines.last().map_or(Grams::ZERO, |line| line.to) == treatment.grams;
            // No line covers more than its own grams.
            ends && treatment.lines.iter().all(|line| line.covered <= line.grams())
        }
        Record::Certificate(certificate) => certificate_adds_up(certificate),
        Record::PoolRange(range) => range.allotted <= range.grams,
        _ => true,
    }
}

/// A unit rests on 1 kg, and whatever is said of units is said of units of the block.
fn certificate_adds_up(certificate: &Certificate) -> bool {
    let Certificate { serial, allotments, failing, backing, backs, .. } = certificate;
    let rests = i128::from(serial.units()) * i128::from(UNIT_G) == total(allotments);
    let within = |first: i64, last: i64| serial.first <= first && first <= last && last <= serial.last;
    let fail_within = failing.iter().all(|failing| within(failing.first, failing.last));
    let backed_within =
        backing.iter().all(|backing| serial.holds(&backing.units) && backing.units.units() == backing.by.units());
    // Who gives its grams has ended, and gives as many as fail.
    let gives = backs.as_ref().is_none_or(|backs| {
        let is_over = certificate.status == CertificateStatus::Withdrawn;
        is_over && backs.units.units() == serial.units() && backs.certificate.holds(&backs.units)
    });
    rests && fail_within && backed_within && gives
}

fn total(allotments: &[Allotment]) -> i128 {
    allotments.iter().map(|allotment| i128::from(allotment.to.get()) - i128::from(allotment.from.get())).sum()
}

/// What a pool says, beside what its ranges and certificates say.
#[derive(Debug, Clone, Default)]
struct PoolSum {
    pool: Option<Pool>,
    entered_g: i128,
    taken_g: i128,
    issued_g: i128,
    units: i128,
}

/// Pools beside their ranges and the certificates that rest on them.
#[derive(Debug, Clone, Default)]
pub struct PoolSums(BTreeMap<String, PoolSum>);

impl PoolSums {
    /// Counts a record in.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Pool(pool) => self.of(pool.id()).pool = Some(pool.clone()),
            Record::PoolRange(range) => {
                let sum = self.of(Pool::id_of(&range.site, &range.vintage));
                sum.entered_g += i128::from(range.grams.get());
                sum.taken_g += i128::from(range.allotted.get());
            }
            // The units of a block that was split are those of its parts.
            Record::Certificate(certificate) if certificate.status != CertificateStatus::Split => {
                let sum = self.of(Pool::id_of(&certificate.site, &certificate.serial.vintage));
                sum.issued_g += total(&certificate.allotments);
                sum.units += i128::from(certificate.serial.units());
            }
            _ => {}
        }
    }

    fn of(&mut self, id: String) -> &mut PoolSum {
        self.0.entry(id).or_default()
    }

    /// The pools whose grams are not those of their ranges, or whose certificates rest on other grams than were taken.
    pub fn differing(&self) -> impl Iterator<Item = &str> {
        let differs = |sum: &PoolSum| {
            sum.pool.as_ref().is_none_or(|pool| {
                let says = [pool.entered_g.get(), pool.allotted_g.get(), pool.allotted_g.get(), pool.units];
                says.map(i128::from) != [sum.entered_g, sum.taken_g, sum.issued_g, sum.units]
            })
        };
        self.0.iter().filter(move |(_, sum)| differs(sum)).map(|(id, _)| id.as_str())
    }
}
