//! Certificates: what can be issued and why not more, and what was issued.

use crate::domain::certificate::{Backing, Certificate, Proposal, Retirement, draft};
use crate::domain::codes::Month;
use crate::domain::erasure::ErasedValue;
use crate::domain::event::{Allotment, CertificateIssued, Event, Replacement};
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::serial::SerialBlock;
use crate::domain::state::Record;
use crate::domain::time::LedgerTime;
use crate::domain::treatment::Treatment;
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::lookup::read_event;
use crate::ledger::witnessing::Witnessing;
use crate::ledger::{Ledger, erasure};
use crate::proof::commitment::Opening;
use crate::store::{Database, StoreError, entries, openings, records};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A certificate as the register shows it.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The certificate.
    pub certificate: Certificate,
    /// The treatments that it rests on, in the order of its allotments; then those behind what backs it.
    pub treatments: Vec<Treatment>,
    /// The openings of its retirement that were not erased.
    pub openings: Vec<Opening>,
    /// What was erased of its retirement.
    pub erased: Vec<ErasedValue>,
    /// The entry that changed it last.
    pub changed: EntryIndex,
    /// The blocks whose grams back units of it, since they were withdrawn for them, and those that back units of such blocks.
    pub giving: Vec<Certificate>,
}

impl Registered {
    /// The grams on which its units rest now: its own, and for units that others back, theirs.
    pub fn resting_on(&self) -> Vec<Allotment> {
        resting_on(&self.certificate, &self.giving)
    }

    /// The certificate, and the blocks that give their grams for units of it.
    pub fn issues(&self) -> impl Iterator<Item = &Certificate> {
        [&self.certificate].into_iter().chain(&self.giving)
    }

    /// The last entry that says something of it, or of the values of its retirement.
    pub fn last_entry(&self) -> EntryIndex {
        self.erased.iter().map(|value| value.by).fold(self.changed, EntryIndex::max)
    }
}

/// The grams on which a certificate's units rest, with all blocks that back some of them, or back these in turn.
pub(crate) fn resting_on(certificate: &Certificate, giving: &[Certificate]) -> Vec<Allotment> {
    let (mut grams, mut left) = (Vec::new(), VecDeque::from([(certificate, certificate.serial.clone())]));
    while let Some((block, units)) = left.pop_front() {
        let (own, backed) = block.rest_of(&units);
        grams.extend(own.iter().flat_map(|units| block.grams_under(units)));
        left.extend(backed.into_iter().filter_map(|backing| {
            let block = giving.iter().find(|block| block.serial.holds(&backing.by))?;
            Some((block, backing.by))
        }));
    }
    grams
}

impl Ledger {
    /// What an issuer would sign now for a pool: up to so many units, or all there are.
    pub fn draft(&self, site: SiteId, vintage: &Month, units: Option<i64>) -> Result<CertificateIssued, Unanswered> {
        let admission = self.witnessing.as_ref().map(Witnessing::admission).unwrap_or_default();
        // Read before the pool: what comes in between is refused for a moment, never let through.
        let covered = admission.covered();
        let now = self.now()?;
        self.store.snapshot(|database| {
            let (proposal, rests_on): (Proposal, _) = ask(database, |state| {
                let proposal = draft(state, &site, vintage, units, now)?;
                let rests_on = proposal.rests_on(state);
                Ok((proposal, rests_on))
            })?;
            match covered {
                Some(covered) if rests_on.is_none_or(|last| last.0 >= covered) => Err(Unanswered::NotWitnessed),
                _ => Ok(proposal.issue),
            }
        })
    }

    /// The time by which eligibility is judged while nothing is said: this node's.
    pub(crate) fn now(&self) -> Result<LedgerTime, StoreError> {
        LedgerTime::from_ms(self.clock.now_ms()).ok_or_else(|| StoreError::damaged("this node's clock is absurd"))
    }

    /// A certificate by its serial numbers.
    pub fn certificate(&self, serial: &SerialBlock) -> Result<Option<Registered>, StoreError> {
        self.store.snapshot(|database| find_registered(database, serial))
    }
}

/// A certificate as the register shows it, by its serial numbers.
pub(crate) fn find_registered(database: &mut Database, serial: &SerialBlock) -> Result<Option<Registered>, StoreError> {
    let found = records::load_stamped(database, &[serial.to_string()])?.pop();
    let Some((Record::Certificate(certificate), stamp)) = found else { return Ok(None) };
    let mut treatments = treatments_behind(database, &certificate)?;
    let giving = giving_blocks(database, &certificate)?;
    for block in &giving {
        treatments.extend(treatments_behind(database, block)?);
    }
    let (openings, erased) = match &certificate.retired {
        Some(Retirement { entry, .. }) => (openings::of_entry(database, *entry)?, erasure::of_entry(database, *entry)?),
        None => (Vec::new(), Vec::new()),
    };
    Ok(Some(Registered { certificate, treatments, openings, erased, changed: stamp.since, giving }))
}

/// The certificate of some serial numbers.
pub(crate) fn find_certificate(
    database: &mut Database,
    serial: &SerialBlock,
) -> Result<Option<Certificate>, StoreError> {
    records::find(database, &serial.to_string())
}

/// The blocks that were withdrawn to back units of a certificate, each once, those first that back its own; and where such units
/// were themselves backed by others, as rule sets before the fourth allowed, those that back these.
pub(crate) fn giving_blocks(
    database: &mut Database,
    certificate: &Certificate,
) -> Result<Vec<Certificate>, StoreError> {
    let (mut blocks, mut backed): (Vec<Certificate>, _) = (Vec::new(), certificate.backing.clone());
    while !backed.is_empty() {
        let said = replacements(database, &backed)?;
        let mut serials = BTreeSet::new();
        for backing in &backed {
            serials.extend(given_by(&said, backing)?.map(ToString::to_string));
        }
        serials.retain(|serial| blocks.iter().all(|block| block.serial.to_string() != *serial));
        blocks.extend(records::load_of(database, &serials.into_iter().collect::<Vec<_>>())?);
        let behind = |backing: &Backing| {
            let giving = blocks.iter().find(|block| block.serial.holds(&backing.by));
            giving.map(|block| block.rest_of(&backing.by).1).unwrap_or_default()
        };
        backed = backed.iter().flat_map(behind).collect();
    }
    Ok(blocks)
}

/// What the entries say that replaced some units; one of them may have replaced many pieces.
fn replacements(
    database: &mut Database,
    backed: &[Backing],
) -> Result<BTreeMap<EntryIndex, Vec<Replacement>>, StoreError> {
    let entries: BTreeSet<EntryIndex> = backed.iter().map(|backing| backing.entry).collect();
    let mut said = BTreeMap::new();
    for stored in entries::find_many(database, &entries.into_iter().collect::<Vec<_>>())? {
        let read = read_event(stored)?;
        if let Event::CertificateReplaced(event) = read.statement.event {
            said.insert(read.index, event.replacements);
        }
    }
    Ok(said)
}

/// The block that was withdrawn to back some units. It may be named in part since, when units were cut off or replaced once more:
/// the entry has it whole.
fn given_by<'a>(
    said: &'a BTreeMap<EntryIndex, Vec<Replacement>>,
    backing: &Backing,
) -> Result<Option<&'a SerialBlock>, StoreError> {
    let replacements = said.get(&backing.entry);
    let replacements =
        replacements.ok_or_else(|| StoreError::damaged(format!("entry {} replaces nothing", backing.entry)))?;
    let gives = |replacement: &&Replacement| replacement.backing.holds(&backing.by);
    Ok(replacements.iter().find(gives).map(|replacement| &replacement.backing))
}

/// The treatments that a certificate rests on, in the order of its allotments.
pub(crate) fn treatments_behind(
    database: &mut Database,
    certificate: &Certificate,
) -> Result<Vec<Treatment>, StoreError> {
    let entries = || certificate.allotments.iter().map(|allotment| allotment.treatment);
    let ids: Vec<String> = entries().map(Treatment::id_of).collect();
    let mut treatments: Vec<Treatment> = records::load_of(database, &ids)?;
    treatments.sort_by_key(|treatment| entries().position(|entry| entry == treatment.entry));
    Ok(treatments)
}
