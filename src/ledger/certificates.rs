//! Certificates: what can be issued and why not more, and what was issued.

use crate::domain::apply::rules_in_force;
use crate::domain::certificate::{Backing, Certificate, Proposal, Retirement, draft};
use crate::domain::codes::Month;
use crate::domain::eligibility::{self, Gap, standing};
use crate::domain::erasure::ErasedValue;
use crate::domain::event::{Allotment, CertificateIssued, Event, Replacement};
use crate::domain::ids::{BatchId, EntryIndex, ItemId, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::LedgerTime;
use crate::domain::treatment::{Line, Treatment};
use crate::ledger::asking::{Unanswered, ask};
use crate::ledger::lookup::{Reader, read_event};
use crate::ledger::witnessing::Witnessing;
use crate::ledger::{Ledger, erasure};
use crate::proof::commitment::Opening;
use crate::store::{Database, StoreError, entries, openings, records};
use std::collections::{BTreeSet, VecDeque};

/// How one line of a treatment stands: grams of one source.
#[derive(Debug, Clone)]
pub struct TreatmentStanding {
    /// The treatment.
    pub treatment: Treatment,
    /// The line.
    pub line: Line,
    /// Grams that back a certificate or may.
    pub eligible: Grams,
    /// What the others lack.
    pub gaps: BTreeSet<Gap>,
}

/// What eligibility is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// One treatment, by its entry.
    Treatment(EntryIndex),
    /// All treatments of what left a batch.
    Batch(BatchId),
    /// The treatment that ended an item, or of what left the batch into which it went.
    Item(ItemId),
}

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

    /// How treated grams stand under the scheme; `None` if there is nothing of that id, or it is others' business.
    pub fn eligibility(&self, reader: Reader, asked: Asked) -> Result<Option<Vec<TreatmentStanding>>, Unanswered> {
        let now = self.now()?;
        self.store.snapshot(|database| ask(database, |state| standings(state, reader, asked, now)))
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
        let mut serials = BTreeSet::new();
        for backing in &backed {
            serials.extend(given_by(database, backing)?.map(|given| given.to_string()));
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

/// The block that was withdrawn to back some units. It may be named in part since, when units were cut off or replaced once more:
/// the entry has it whole.
fn given_by(database: &mut Database, backing: &Backing) -> Result<Option<SerialBlock>, StoreError> {
    let stored = entries::find(database, backing.entry)?;
    let said = stored.map(read_event).transpose()?.map(|read| read.statement.event);
    let Some(Event::CertificateReplaced(event)) = said else {
        return Err(StoreError::damaged(format!("entry {} replaces nothing", backing.entry)));
    };
    let gives = |replacement: &Replacement| replacement.backing.holds(&backing.by);
    Ok(event.replacements.into_iter().find(gives).map(|replacement| replacement.backing))
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

fn standings(
    state: &State<'_>,
    reader: Reader,
    asked: Asked,
    now: LedgerTime,
) -> Result<Option<Vec<TreatmentStanding>>, Stop> {
    match treatments_of(state, reader, asked)? {
        Some(entries) => lines_of(state, &entries, now),
        None => Ok(None),
    }
}

/// How every line of some treatments stands at a time; `None` if one of them is not known.
pub(crate) fn lines_of(
    state: &State<'_>,
    entries: &[EntryIndex],
    now: LedgerTime,
) -> Result<Option<Vec<TreatmentStanding>>, Stop> {
    eligibility::require_loaded(state, entries)?;
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(treatment) = state.treatment(*entry)?.cloned() else { return Ok(None) };
        for line in treatment.lines.clone() {
            found.push(line_standing(state, &treatment, line, now)?);
        }
    }
    Ok(Some(found))
}

fn line_standing(
    state: &State<'_>,
    treatment: &Treatment,
    line: Line,
    now: LedgerTime,
) -> Result<TreatmentStanding, Stop> {
    let mut gaps = standing(state, rules_in_force(state)?, (treatment, &line), now)?.gaps;
    let entered = line.covered;
    // What meets every rule and entered no pool waits for nothing but to be looked at again, with its site's next audit;
    // unless its batch has no grams left to back it.
    let is_beyond = !line.waits() || is_exhausted(state, &line)?;
    if gaps.is_empty() && entered < line.grams() && is_beyond {
        gaps.insert(Gap::BeyondBatchInput);
    }
    let lost = gaps.iter().any(|gap| *gap != Gap::BeyondBatchInput);
    let eligible = if lost { Grams::ZERO } else { entered };
    Ok(TreatmentStanding { treatment: treatment.clone(), line, eligible, gaps })
}

/// Whether the batch of a line backs nothing more.
fn is_exhausted(state: &State<'_>, line: &Line) -> Result<bool, Stop> {
    let batch = line.source.batch().map(|batch| state.batch(&batch)).transpose()?.flatten();
    Ok(batch.is_some_and(|batch| batch.eligible_g >= batch.input_g))
}

/// The treatments that are asked about, if they are the reader's business: the centre's whose batch it is, the treater's,
/// or the item's holder's.
pub(crate) fn treatments_of(state: &State<'_>, reader: Reader, asked: Asked) -> Result<Option<Vec<EntryIndex>>, Stop> {
    let may = |owner: OrganisationId| reader == Reader::All || reader == Reader::Organisation(owner);
    Ok(match asked {
        Asked::Batch(id) => {
            state.batch(&id)?.filter(|batch| may(batch.organisation)).map(|batch| batch.treatments.clone())
        }
        Asked::Item(id) => match state.item(&id)? {
            Some(item) if may(item.holder) => match (item.treated, item.fed) {
                (Some(entry), _) => Some(vec![entry]),
                (None, Some(batch)) => state.batch(&batch)?.map(|batch| batch.treatments.clone()),
                (None, None) => Some(Vec::new()),
            },
            _ => None,
        },
        Asked::Treatment(entry) => {
            let Some(treatment) = state.treatment(entry)? else { return Ok(None) };
            let mut is_party = may(treatment.organisation);
            for batch in treatment.batches() {
                is_party |= state.batch(&batch)?.is_some_and(|batch| may(batch.organisation));
            }
            is_party.then(|| vec![entry])
        }
    })
}
