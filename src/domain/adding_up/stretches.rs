//! Stretches: which grams of a treatment pools gave away, certificates rest on, and the treatment itself has as certified.

use crate::domain::certificate::{Certificate, CertificateStatus, Withdrawal};
use crate::domain::event::{Allotment, WithdrawalReason};
use crate::domain::fields::codes;
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::pool::Span;
use crate::domain::state::Record;
use std::collections::BTreeMap;

codes! {
    /// What a stretch of grams says.
    pub enum StretchKind {
        /// A pool gave it away.
        Taken = "taken",
        /// Units rest on it.
        Certified = "certified",
        /// Units rested on it that were issued in error; others may rest on it by now.
        Freed = "freed",
        /// Its treatment has it as certified.
        NotedCertified = "noted_certified",
        /// Its treatment has it as set free.
        NotedFreed = "noted_freed",
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
    /// The stretches of a record: a certificate's allotments, what was taken of a range, or what is noted of a treatment.
    pub fn of(record: &Record) -> Vec<Self> {
        match record {
            Record::Certificate(certificate) if certificate.status != CertificateStatus::Split => {
                of_certificate(certificate)
            }
            Record::PoolRange(range) if range.allotted > Grams::ZERO => {
                let (from, to) = (range.from.get(), range.from.get() + range.allotted.get());
                vec![Self { treatment: range.treatment, from, to, kind: StretchKind::Taken, of: range.id() }]
            }
            Record::CertifiedStretch(noted) => {
                let of = noted.id();
                let stretch =
                    |(from, to): Span, kind| Self { treatment: noted.treatment, from, to, kind, of: of.clone() };
                let freed = noted.freed.iter().map(|freed| (freed.from.get(), freed.to.get()));
                let freed = freed.map(|span| stretch(span, StretchKind::NotedFreed));
                noted.living().into_iter().map(|span| stretch(span, StretchKind::NotedCertified)).chain(freed).collect()
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

/// How many stretches of each kind lie over a gram.
#[derive(Debug, Clone, Copy, Default)]
struct Over([i64; StretchKind::ALL.len()]);

impl Over {
    fn of(&self, kind: StretchKind) -> i64 {
        StretchKind::ALL.iter().zip(self.0).filter(|(known, _)| **known == kind).map(|(_, count)| count).sum()
    }

    fn add(&mut self, kind: StretchKind, more: i64) {
        for (known, count) in StretchKind::ALL.iter().zip(&mut self.0) {
            *count += if *known == kind { more } else { 0 };
        }
    }
}

/// What is wrong with the stretches of one treatment: two certificates that share grams; grams behind certificates that no pool gave
/// away, as often as they were certified; or other grams than the treatment has as certified and set free.
pub fn stretches_differ(stretches: &[Stretch]) -> Option<String> {
    let mut changes: BTreeMap<i64, Vec<(StretchKind, i64)>> = BTreeMap::new();
    for stretch in stretches {
        for (gram, sign) in [(stretch.from, 1), (stretch.to, -1)] {
            changes.entry(gram).or_default().push((stretch.kind, sign));
        }
    }
    let mut over = Over::default();
    for (gram, change) in changes {
        for (kind, sign) in change {
            over.add(kind, sign);
        }
        let [certified, freed] = [over.of(StretchKind::Certified), over.of(StretchKind::Freed)];
        if certified > 1 {
            let rest_on = |stretch: &&Stretch| {
                stretch.kind == StretchKind::Certified && (stretch.from..stretch.to).contains(&gram)
            };
            let serials: Vec<&str> = stretches.iter().filter(rest_on).map(|stretch| stretch.of.as_str()).collect();
            let serials = serials.join(" and ");
            return Some(format!("certificates {serials} rest on the same grams, from gram {gram}"));
        }
        if certified + freed != over.of(StretchKind::Taken) {
            let detail = format!("from gram {gram} certificates rest on other grams than the pools gave away");
            return Some(detail);
        }
        if [certified, freed] != [over.of(StretchKind::NotedCertified), over.of(StretchKind::NotedFreed)] {
            let detail =
                format!("from gram {gram} certificates rest on other grams than it has as certified or set free");
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
        let noted = |from, to, kind| vec![stretch(from, to, kind, "noted")];
        let certified = |from, to, of| {
            [noted(from, to, StretchKind::NotedCertified), vec![stretch(from, to, StretchKind::Certified, of)]].concat()
        };
        let freed = |from, to, of| {
            [noted(from, to, StretchKind::NotedFreed), vec![stretch(from, to, StretchKind::Freed, of)]].concat()
        };
        let taken = |from, to| vec![taken(from, to)];
        let fine = [taken(0, 900), certified(0, 500, "a"), certified(500, 900, "b")].concat();
        assert_eq!(stretches_differ(&fine), None);
        let more = [&fine[..], &taken(950, 960)].concat();
        assert!(stretches_differ(&more).is_some_and(|words| words.contains("from gram 950")));
        let twice = [taken(0, 900), certified(0, 500, "a"), certified(499, 900, "b")].concat();
        let words = stretches_differ(&twice).expect("a problem");
        assert_eq!(words, "certificates a and b rest on the same grams, from gram 499");
        assert!(stretches_differ(&[taken(0, 900), certified(0, 901, "a")].concat()).is_some());
        // What was issued in error is taken once more.
        let again = [taken(0, 900), freed(200, 300, "a"), certified(0, 200, "b"), certified(300, 900, "c")].concat();
        assert_eq!(stretches_differ(&again), None);
        let again = [again, taken(200, 300), certified(200, 300, "d")].concat();
        assert_eq!(stretches_differ(&again), None);
        let too_often = [&again[..], &taken(200, 300), &certified(200, 300, "e")].concat();
        assert!(stretches_differ(&too_often).is_some_and(|words| words.contains("certificates d and e")));
    }

    #[test]
    fn a_treatment_has_as_certified_what_certificates_rest_on() {
        let all = [
            stretch(0, 900, StretchKind::Taken, "range"),
            stretch(0, 500, StretchKind::Certified, "a"),
            stretch(500, 900, StretchKind::Freed, "b"),
        ];
        let with = |noted: &[(i64, i64, StretchKind)]| {
            let noted = noted.iter().map(|(from, to, kind)| stretch(*from, *to, *kind, "noted"));
            stretches_differ(&all.iter().cloned().chain(noted).collect::<Vec<_>>())
        };
        let (certified, freed) = (StretchKind::NotedCertified, StretchKind::NotedFreed);
        assert_eq!(with(&[(0, 500, certified), (500, 900, freed)]), None);
        for noted in [
            vec![(0, 500, certified)],
            vec![(0, 499, certified), (500, 900, freed)],
            vec![(0, 900, certified)],
            vec![(0, 500, certified), (500, 901, freed)],
            vec![(0, 500, certified), (500, 900, certified)],
            vec![(0, 500, certified), (500, 900, freed), (500, 900, freed)],
        ] {
            let words = with(&noted).unwrap_or_else(|| panic!("{noted:?}"));
            assert!(words.ends_with("rest on other grams than it has as certified or set free"), "{words}");
        }
    }
}
