//! Doubts: certified grams that would back no new certificate now, though nothing has made the units fail that rest on them.
//!
//! A key was reported compromised, a later audit found otherwise, a site is suspended, something is implausible or not decided:
//! only an auditor's finding says what follows. So auditors can look, this names the certificates.

use crate::domain::apply::rules_in_force;
use crate::domain::certificate::{Certificate, CertificateStatus, resting_on};
use crate::domain::eligibility::{self, Gap, standing};
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, Span};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, RecordKind, State, Stop};
use crate::domain::time::LedgerTime;
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::certificates::{Asked, Registered, treatments_of};
use crate::ledger::lookup::Reader;
use crate::limits::{DOUBTS_READ_MAX, PAGE_ROWS_MAX};
use crate::store::records;
use std::collections::BTreeSet;

/// Grams of a treatment that are in doubt, and the units that rest on them.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// The treatment.
    pub treatment: EntryIndex,
    /// Why.
    pub gaps: BTreeSet<Gap>,
    /// Certified grams that are concerned.
    pub grams: i64,
    /// Certificates that live, each with its units that rest on them.
    pub certificates: Vec<(Certificate, Vec<SerialBlock>)>,
}

/// A page of doubts.
#[derive(Debug, Clone, Default)]
pub struct DoubtsPage {
    /// By treatment, as the ids of treatments are ordered as text.
    pub doubts: Vec<Doubt>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

impl Ledger {
    /// What is in doubt behind certificates, after an earlier page's end: for auditors all of it, for an organisation what it treated,
    /// dismantled or issued. A page may hold few and still have a next one.
    pub fn doubts(&self, reader: Reader, after: &str) -> Result<DoubtsPage, Unanswered> {
        let now = self.now()?;
        self.store.snapshot(|database| {
            let (mut page, mut at, mut read) = (DoubtsPage::default(), after.to_owned(), 0);
            loop {
                let found = records::page(database, RecordKind::Certified, &at, PAGE_ROWS_MAX)?;
                let Some(last) = found.last().map(|record| record.id().id) else { return Ok(page) };
                read += found.len();
                let treatments: Vec<EntryIndex> = found.iter().filter_map(treatment_of).collect();
                page.doubts.extend(ask(database, |state| doubts_in(state, reader, &treatments, now))?);
                let is_full = i64::try_from(page.doubts.len()).is_ok_and(|count| count >= PAGE_ROWS_MAX);
                if is_full || read >= DOUBTS_READ_MAX {
                    page.next = Some(last);
                    return Ok(page);
                }
                at = last;
            }
        })
    }

    /// What is in doubt about the grams on which the units of a certificate rest; nothing where it has ended.
    pub fn doubts_about(&self, registered: &Registered) -> Result<BTreeSet<Gap>, Unanswered> {
        if !lives(&registered.certificate) {
            return Ok(BTreeSet::new());
        }
        let (now, grams) = (self.now()?, registered.resting_on());
        let treatments: BTreeSet<EntryIndex> = grams.iter().map(|grams| grams.treatment).collect();
        let treatments: Vec<EntryIndex> = treatments.into_iter().collect();
        self.store.snapshot(|database| {
            ask(database, |state| {
                eligibility::require_loaded(state, &treatments)?;
                let mut gaps = BTreeSet::new();
                for entry in &treatments {
                    let Some(treatment) = state.treatment(*entry)? else { continue };
                    let own = grams.iter().filter(|grams| grams.treatment == *entry);
                    let own: Vec<Span> = own.map(|grams| (grams.from.get(), grams.to.get())).collect();
                    gaps.extend(in_doubt(state, treatment, &own, now)?.0);
                }
                Ok(gaps)
            })
        })
    }
}

fn treatment_of(record: &Record) -> Option<EntryIndex> {
    match record {
        Record::Certified(certified) => Some(certified.treatment),
        _ => None,
    }
}

const fn lives(certificate: &Certificate) -> bool {
    matches!(
        certificate.status,
        CertificateStatus::Pending | CertificateStatus::Held | CertificateStatus::Retired | CertificateStatus::Buffer
    )
}

fn doubts_in(
    state: &State<'_>,
    reader: Reader,
    treatments: &[EntryIndex],
    now: LedgerTime,
) -> Result<Vec<Doubt>, Stop> {
    eligibility::require_loaded(state, treatments)?;
    let (mut doubts, mut wanted) = (Vec::new(), Vec::new());
    for entry in treatments {
        match doubt_about(state, reader, *entry, now) {
            Ok(doubt) => doubts.extend(doubt),
            // Treatment by treatment would be round by round: all of them are loaded at once.
            Err(Stop::Load(more)) => wanted.extend(more),
            Err(refused) => return Err(refused),
        }
    }
    if wanted.is_empty() { Ok(doubts) } else { Err(Stop::Load(wanted)) }
}

/// What is in doubt about a treatment's certified grams, if it is the reader's business.
fn doubt_about(state: &State<'_>, reader: Reader, entry: EntryIndex, now: LedgerTime) -> Result<Option<Doubt>, Stop> {
    let Some(treatment) = state.treatment(entry)? else { return Ok(None) };
    let stretches = pool::certified(state, entry)?;
    let certified: Vec<Span> = stretches.iter().flat_map(pool::CertifiedStretch::living).collect();
    let (gaps, grams) = in_doubt(state, treatment, &certified, now)?;
    if gaps.is_empty() {
        return Ok(None);
    }
    let mut certificates = resting_on(state, entry, &grams)?;
    certificates.retain(|(certificate, units)| lives(certificate) && !units.is_empty());
    if treatments_of(state, reader, Asked::Treatment(entry))?.is_none() {
        certificates.retain(|(certificate, _)| reader == Reader::Organisation(certificate.issuer));
    }
    let grams = grams.iter().map(|(from, to)| to - from).sum();
    let certificates: Vec<_> = certificates.into_iter().map(with_units).collect();
    Ok((!certificates.is_empty()).then_some(Doubt { treatment: entry, gaps, grams, certificates }))
}

/// The units as serial numbers, each once.
fn with_units((certificate, numbers): (Certificate, Vec<Span>)) -> (Certificate, Vec<SerialBlock>) {
    let mut spans: Vec<Span> = Vec::with_capacity(numbers.len());
    for (first, last) in numbers {
        let new = pool::without(&[(first, last + 1)], &spans);
        spans.extend(new);
    }
    spans.sort_unstable();
    let units = spans.iter().filter_map(|(first, end)| certificate.serial.part(*first, end - 1)).collect();
    (certificate, units)
}

/// Which doubts there are about some grams of a treatment, and which of the grams they concern.
fn in_doubt(
    state: &State<'_>,
    treatment: &Treatment,
    grams: &[Span],
    now: LedgerTime,
) -> Result<(BTreeSet<Gap>, Vec<Span>), Stop> {
    let (mut gaps, mut concerned) = (BTreeSet::new(), Vec::new());
    for line in &treatment.lines {
        let of_line = (line.from.get(), line.to.get());
        let own: Vec<Span> = grams.iter().filter_map(|span| pool::shared(*span, of_line)).collect();
        if own.is_empty() {
            continue;
        }
        let found = standing(state, rules_in_force(state)?, (treatment, line), now)?.gaps;
        let doubts: Vec<Gap> = found.into_iter().filter(|gap| !gap.fails_units()).collect();
        if !doubts.is_empty() {
            gaps.extend(doubts);
            concerned.extend(own);
        }
    }
    Ok((gaps, concerned))
}
