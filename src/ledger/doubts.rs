//! Doubts: certified grams that would back no new certificate now, though nothing has made the units fail that rest on them.
//!
//! A key was reported compromised, a later audit found otherwise, a site is suspended, something is implausible or not decided:
//! only an auditor's finding says what follows. So auditors can look, this names the certificates.

use crate::domain::certificate::{
    Certificate, CertificateStatus, Limit, Resting, by_root, resting_on, standing_at_issue,
};
use crate::domain::codes::Role;
use crate::domain::eligibility::{self, Gap};
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, Span};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, RecordKind, State, Stop};
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::certificates::Registered;
use crate::ledger::eligibility::{Asked, treatments_of};
use crate::ledger::lookup::Reader;
use crate::limits::{DOUBTED_MAX, DOUBTED_PAGE_MAX, DOUBTS_AT_ONCE, DOUBTS_READ_MAX};
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
    /// Certificates that live, each with its units that rest on them; of many the first.
    pub certificates: Vec<(Certificate, Vec<SerialBlock>)>,
    /// Whether there are more of them.
    pub has_more: bool,
}

/// A page of doubts.
#[derive(Debug, Clone, Default)]
pub struct DoubtsPage {
    /// By treatment, as the ids of treatments are ordered as text.
    pub doubts: Vec<Doubt>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

/// What certified records' ids begin with, and what comes behind them all.
const CERTIFIED: (&str, &str) = ("certified/", "certified0");

impl Ledger {
    /// What is in doubt behind certificates, after an earlier page's end: for auditors all of it, for an organisation what it treated,
    /// dismantled or issued. A page may hold few and still have a next one.
    pub fn doubts(&self, reader: Reader, after: &str) -> Result<DoubtsPage, Unanswered> {
        self.store.snapshot(|database| {
            let mut at = after.max(CERTIFIED.0).to_owned();
            let (mut page, mut read, mut certificates) = (DoubtsPage::default(), 0, 0);
            loop {
                let between = (at.as_str(), CERTIFIED.1);
                let found = records::page_between(database, RecordKind::Certified, between, DOUBTS_AT_ONCE)?;
                let Some(last) = found.last().map(|record| record.id().id) else { return Ok(page) };
                read += found.len();
                let treatments: Vec<EntryIndex> = found.iter().filter_map(treatment_of).collect();
                let doubts = ask(database, |state| doubts_in(state, reader, &treatments))?;
                certificates += doubts.iter().map(|doubt| doubt.certificates.len()).sum::<usize>();
                page.doubts.extend(doubts);
                if certificates >= DOUBTED_PAGE_MAX || read >= DOUBTS_READ_MAX {
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
        let grams = registered.resting_on();
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
                    gaps.extend(in_doubt(state, treatment, &own)?.0);
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

fn doubts_in(state: &State<'_>, reader: Reader, treatments: &[EntryIndex]) -> Result<Vec<Doubt>, Stop> {
    eligibility::require_loaded(state, treatments)?;
    let (mut doubts, mut wanted) = (Vec::new(), Vec::new());
    for entry in treatments {
        match doubt_about(state, reader, *entry) {
            Ok(doubt) => doubts.extend(doubt),
            // Treatment by treatment would be round by round: all of them are loaded at once.
            Err(Stop::Load(more)) => wanted.extend(more),
            Err(refused) => return Err(refused),
        }
    }
    if wanted.is_empty() { Ok(doubts) } else { Err(Stop::Load(wanted)) }
}

/// What is in doubt about a treatment's certified grams, if it is the reader's business.
fn doubt_about(state: &State<'_>, reader: Reader, entry: EntryIndex) -> Result<Option<Doubt>, Stop> {
    let is_party = treatments_of(state, reader, Asked::Treatment(entry))?.is_some();
    if !is_party && !may_issue(state, reader)? {
        return Ok(None);
    }
    let Some(treatment) = state.treatment(entry)? else { return Ok(None) };
    let stretches = pool::certified(state, entry)?;
    let certified: Vec<Span> = stretches.iter().flat_map(pool::CertifiedStretch::living).collect();
    let (gaps, grams) = in_doubt(state, treatment, &certified)?;
    if gaps.is_empty() {
        return Ok(None);
    }
    let is_wanted = |certificate: &Certificate| {
        lives(certificate) && (is_party || reader == Reader::Organisation(certificate.issuer))
    };
    let limit = Limit { most: DOUBTED_MAX, is_wanted: &is_wanted };
    let Resting { certificates, has_more } = resting_on(state, entry, &grams, limit)?;
    let grams = grams.iter().map(|(from, to)| to - from).sum();
    Ok((!certificates.is_empty()).then_some(Doubt { treatment: entry, gaps, grams, certificates, has_more }))
}

/// Whether a reader may have issued something.
fn may_issue(state: &State<'_>, reader: Reader) -> Result<bool, Stop> {
    let Reader::Organisation(id) = reader else { return Ok(false) };
    let known = state.organisation(&id)?;
    Ok(known.is_some_and(|known| known.roles.iter().any(|role| matches!(role, Role::Issuer | Role::Operator))))
}

/// Which doubts there are about some certified grams of a treatment, and which of the grams they concern. They are judged as on the
/// day of their issue: what grows old in store since then changes nothing. What units fail for already is no doubt any more.
fn in_doubt(state: &State<'_>, treatment: &Treatment, grams: &[Span]) -> Result<(BTreeSet<Gap>, Vec<Span>), Stop> {
    let known = state.certified(&pool::Certified::id_of(treatment.entry))?;
    let lost = known.map(pool::Certified::lost).unwrap_or_default();
    let mut stretches = pool::certified(state, treatment.entry)?;
    stretches.retain(|stretch| stretch.living().iter().any(|living| !shared_with(grams, *living).is_empty()));
    let (mut gaps, mut concerned) = (BTreeSet::new(), Vec::new());
    for (root, stretches) in by_root(state, &stretches)? {
        let living: Vec<Span> = stretches.iter().flat_map(|stretch| stretch.living()).collect();
        let asked: Vec<Span> = grams.iter().flat_map(|span| shared_with(&living, *span)).collect();
        for line in &treatment.lines {
            let own = pool::without(&shared_with(&asked, (line.from.get(), line.to.get())), &lost);
            if own.is_empty() {
                continue;
            }
            let found = standing_at_issue(state, &root, (treatment, line))?.gaps;
            if !found.is_empty() {
                gaps.extend(found);
                concerned.extend(own);
            }
        }
    }
    Ok((gaps, concerned))
}

/// What some stretches share with one.
fn shared_with(of: &[Span], one: Span) -> Vec<Span> {
    of.iter().filter_map(|span| pool::shared(*span, one)).collect()
}
