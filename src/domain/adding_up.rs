//! What must add up over all records, whichever rules wrote them. Everything here is fed record by record, so that nobody
//! needs all of them at once.

use crate::domain::balance::{Account, SiteAccount};
use crate::domain::certificate::{Certificate, CertificateStatus, UNIT_G, Withdrawal};
use crate::domain::event::{Allotment, WithdrawalReason};
use crate::domain::fields::codes;
use crate::domain::ids::{EntryIndex, SiteId};
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
        Record::Treatment(treatment) => treatment.lines.last().map_or(Grams::ZERO, |line| line.to) == treatment.grams,
        Record::Certificate(certificate) => {
            i128::from(certificate.serial.units()) * i128::from(UNIT_G) == total(&certificate.allotments)
        }
        Record::PoolRange(range) => range.allotted <= range.grams,
        _ => true,
    }
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

codes! {
    /// What a stretch of grams says.
    pub enum StretchKind {
        /// A pool gave it away.
        Taken = "taken",
        /// Units rest on it.
        Certified = "certified",
        /// Units rested on it that were issued in error; others may rest on it by now.
        Freed = "freed",
    }
}

/// A stretch of a treatment's grams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The entry of the treatment.
    pub treatment: EntryIndex,
    /// The first gram.
    pub from: i64,
    /// The gram behind the last.
    pub to: i64,
    /// What it says.
    pub kind: StretchKind,
    /// The certificate, or the range of the pool.
    pub of: String,
}

impl Stretch {
    /// The stretches of a record: a certificate's allotments, or what was taken of a range.
    pub fn of(record: &Record) -> Vec<Self> {
        match record {
            Record::Certificate(certificate) if certificate.status != CertificateStatus::Split => {
                of_certificate(certificate)
            }
            Record::PoolRange(range) if range.allotted > Grams::ZERO => {
                let (from, to) = (range.from.get(), range.from.get() + range.allotted.get());
                vec![Self { treatment: range.treatment, from, to, kind: StretchKind::Taken, of: range.id() }]
            }
            _ => Vec::new(),
        }
    }
}

fn of_certificate(certificate: &Certificate) -> Vec<Stretch> {
    let in_error = |withdrawn: &Withdrawal| withdrawn.reason == WithdrawalReason::IssuedInError;
    let is_freed = certificate.withdrawn.as_ref().is_some_and(in_error);
    let stretch = |allotment: &Allotment| Stretch {
        treatment: allotment.treatment,
        from: allotment.from.get(),
        to: allotment.to.get(),
        kind: if is_freed { StretchKind::Freed } else { StretchKind::Certified },
        of: certificate.serial.to_string(),
    };
    certificate.allotments.iter().map(stretch).collect()
}

/// What is wrong with the stretches of one treatment: two certificates that share grams, or grams behind certificates that no
/// pool gave away, as often as they were certified.
pub fn stretches_differ(stretches: &[Stretch]) -> Option<String> {
    let mut changes: BTreeMap<i64, [i64; 2]> = BTreeMap::new();
    for stretch in stretches {
        let (living, balance) = match stretch.kind {
            StretchKind::Taken => (0, -1),
            StretchKind::Certified => (1, 1),
            StretchKind::Freed => (0, 1),
        };
        for (gram, sign) in [(stretch.from, 1), (stretch.to, -1)] {
            let change = changes.entry(gram).or_default();
            change[0] += sign * living;
            change[1] += sign * balance;
        }
    }
    let (mut living, mut balance) = (0, 0);
    for (gram, change) in changes {
        living += change[0];
        balance += change[1];
        if living > 1 {
            let rest_on = |stretch: &&Stretch| {
                stretch.kind == StretchKind::Certified && (stretch.from..stretch.to).contains(&gram)
            };
            let serials: Vec<&str> = stretches.iter().filter(rest_on).map(|stretch| stretch.of.as_str()).collect();
            let serials = serials.join(" and ");
            return Some(format!("certificates {serials} rest on the same grams, from gram {gram}"));
        }
        if balance != 0 {
            let detail = format!("from gram {gram} certificates rest on other grams than the pools gave away");
            return Some(detail);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from: i64, to: i64, kind: StretchKind, of: &str) -> Stretch {
        Stretch { treatment: EntryIndex(7), from, to, kind, of: of.to_owned() }
    }

    #[test]
    fn no_gram_is_certified_twice() {
        let taken = |from, to| stretch(from, to, StretchKind::Taken, "range");
        let certified = |from, to, of| stretch(from, to, StretchKind::Certified, of);
        let freed = |from, to, of| stretch(from, to, StretchKind::Freed, of);
        let fine = [taken(0, 900), certified(0, 500, "a"), certified(500, 900, "b"), taken(950, 960)];
        assert_eq!(stretches_differ(&fine[..3]), None);
        assert!(stretches_differ(&fine).is_some_and(|words| words.contains("from gram 950")));
        let twice = [taken(0, 900), certified(0, 500, "a"), certified(499, 900, "b")];
        let words = stretches_differ(&twice).expect("a problem");
        assert_eq!(words, "certificates a and b rest on the same grams, from gram 499");
        assert!(stretches_differ(&[taken(0, 900), certified(0, 901, "a")]).is_some());
        // What was issued in error is taken once more.
        let again = [taken(0, 900), freed(200, 300, "a"), certified(0, 200, "b"), certified(300, 900, "c")];
        assert_eq!(stretches_differ(&again), None);
        let again = [&again[..], &[taken(200, 300), certified(200, 300, "d")]].concat();
        assert_eq!(stretches_differ(&again), None);
        let too_often = [&again[..], &[taken(200, 300), certified(200, 300, "e")]].concat();
        assert!(stretches_differ(&too_often).is_some_and(|words| words.contains("certificates d and e")));
    }
}
