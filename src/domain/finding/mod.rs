//! Evidence, reviews and findings: what is found of an entry afterwards, and what that sets free or holds.
//!
//! A flaw hangs on the entry that brought it and reaches grams by lineage. What cures it names that entry, so every gram
//! behind it is cured at once, wherever it is by then.
//!
//! `papers` are files and their reviews, `audit` an auditor's findings, `suspension` what stops a site; who may say it of whom
//! stands in `independence`.

mod audit;
mod independence;
mod papers;
mod suspension;

pub use audit::audit_finding;
pub use papers::{evidence_attached, evidence_reviewed};
pub use suspension::{site_restored, site_suspended};

pub(crate) use independence::{require_independent, require_unrelated};
pub(crate) use papers::{document, require_earlier};

use crate::domain::apply::Context;
use crate::domain::certificate;
use crate::domain::codes::{DocumentNumber, Hash};
use crate::domain::eligibility::Gap;
use crate::domain::evidence::FlawCode;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, PartyId, SiteId};
use crate::domain::rule_set::Occasion;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::OccurredAt;
use crate::domain::treatment::settle_all;
use crate::domain::void_cures::is_settled;
use std::collections::BTreeSet;

record! {
    /// Flaws that are settled.
    pub struct Cured {
        /// Which.
        codes: Vec<FlawCode>,
        /// The entry that settled it.
        by: EntryIndex,
        /// When that was said, as written: grams that it sets free have that vintage.
        occurred_at: OccurredAt,
        /// The key that signed it; what a compromised key signed cures nothing.
        signer: KeyId,
    }
}

record! {
    /// What was settled of an entry's flaws, and who posted papers of a plant with it.
    pub struct Cure {
        /// The entry that brought the flaws.
        entry: EntryIndex,
        /// Who posted it, if somebody else must review it.
        poster: Option<OrganisationId>,
        /// The plant whose papers they are.
        facility: Option<SiteId>,
        /// Its flaws that are settled.
        cured: Vec<Cured>,
    }
}

impl Cure {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// The id of what was settled of an entry.
    pub fn id_of(entry: EntryIndex) -> String {
        format!("cure/{entry}")
    }
}

record! {
    /// Treatments that wait for a cure of an entry's flaws.
    pub struct CureWait {
        /// The entry that brought the flaws.
        entry: EntryIndex,
        /// Entries of treatments, in order.
        treatments: Vec<EntryIndex>,
    }
}

impl CureWait {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.entry)
    }

    /// The id of what waits for an entry.
    pub fn id_of(entry: EntryIndex) -> String {
        format!("cure_wait/{entry}")
    }
}

record! {
    /// A number that is used: a plant's paper, an exporter's notification, a shipment of a consent serve once.
    pub struct NumberTaken {
        /// Whose numbers: a plant, an exporter or a consent.
        scope: PartyId,
        /// The number.
        number: DocumentNumber,
        /// By which entry.
        entry: EntryIndex,
        /// The correction by which it is not used after all.
        freed: Option<EntryIndex>,
    }
}

impl NumberTaken {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.scope, &self.number)
    }

    /// The id of somebody's number.
    pub fn id_of(scope: &PartyId, number: &DocumentNumber) -> String {
        format!("number/{scope}/{number}")
    }
}

record! {
    /// A file that is bound to an entry.
    pub struct DocumentSeen {
        /// SHA-256 of the file.
        sha256: Hash,
        /// The first entry.
        entry: EntryIndex,
    }
}

impl DocumentSeen {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.sha256)
    }

    /// The id of a file.
    pub fn id_of(sha256: &Hash) -> String {
        format!("document/{sha256}")
    }
}

/// Notes that a treatment waits for cures of some entries' flaws: to enter a pool, or for its certified grams to hold again.
pub(crate) fn wait_for_cures(
    state: &mut State<'_>,
    treatment: EntryIndex,
    entries: &BTreeSet<EntryIndex>,
) -> Result<(), Stop> {
    state.require_loaded(entries.iter().map(|entry| CureWait::id_of(*entry)))?;
    for entry in entries {
        let waiting = state.cure_wait(&CureWait::id_of(*entry))?.cloned();
        let mut waiting = waiting.unwrap_or(CureWait { entry: *entry, treatments: Vec::new() });
        if !waiting.treatments.contains(&treatment) {
            waiting.treatments.push(treatment);
        }
        state.put(Record::CureWait(waiting));
    }
    Ok(())
}

/// How a flaw was settled, if it was: at last, where what came before was void.
pub(crate) fn cure_of<'s>(state: &'s State<'_>, code: FlawCode, entry: EntryIndex) -> Result<Option<&'s Cured>, Stop> {
    let cure = state.cure(&Cure::id_of(entry))?;
    Ok(cure.and_then(|cure| cure.cured.iter().rev().find(|cured| cured.codes.contains(&code))))
}

/// Settles flaws of an entry, and looks again at the treatments that waited for it: grams may enter a pool, and units whose
/// grams were certified hold again.
pub(crate) fn cure(
    state: &mut State<'_>,
    context: &Context<'_>,
    entry: EntryIndex,
    codes: &[FlawCode],
) -> Result<(), Stop> {
    let known = state.cure(&Cure::id_of(entry))?.cloned();
    let mut cure = known.unwrap_or(Cure { entry, poster: None, facility: None, cured: Vec::new() });
    let mut open = Vec::with_capacity(codes.len());
    for code in codes {
        if !is_settled(state, &cure, *code)? {
            open.push(*code);
        }
    }
    let codes = open;
    if !codes.is_empty() {
        let (codes, occurred_at) = (codes.clone(), context.statement.common.occurred_at.clone());
        cure.cured.push(Cured { codes, by: context.index, occurred_at, signer: context.signer });
    }
    state.put(Record::Cure(cure));
    let waiting = state.cure_wait(&CureWait::id_of(entry))?.map(|wait| wait.treatments.clone()).unwrap_or_default();
    settle_all(state, context, &waiting)?;
    if codes.iter().any(|code| Gap::of(*code).fails_units()) {
        certificate::judge_after(state, context, Occasion::Cure, &waiting)?;
    }
    Ok(())
}

/// Forgets that flaws of entries were settled, which come up anew; gives the treatments that had waited until they were.
pub(crate) fn reopen(state: &mut State<'_>, flaws: &BTreeSet<(EntryIndex, FlawCode)>) -> Result<Vec<EntryIndex>, Stop> {
    let ids = flaws.iter().flat_map(|(entry, _)| [Cure::id_of(*entry), CureWait::id_of(*entry)]);
    state.require_loaded(ids)?;
    let mut waited = Vec::new();
    for (entry, code) in flaws {
        let Some(mut cure) = state.cure(&Cure::id_of(*entry))?.cloned() else { continue };
        if cure.cured.iter().any(|cured| cured.codes.contains(code)) {
            cure.cured.iter_mut().for_each(|cured| cured.codes.retain(|settled| settled != code));
            cure.cured.retain(|cured| !cured.codes.is_empty());
            state.put(Record::Cure(cure));
            waited.extend(state.cure_wait(&CureWait::id_of(*entry))?.into_iter().flat_map(|wait| &wait.treatments));
        }
    }
    Ok(waited)
}
