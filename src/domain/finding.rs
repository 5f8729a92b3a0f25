//! Evidence, reviews and findings: what is found of an entry afterwards, and what that sets free or holds.
//!
//! A flaw hangs on the entry that brought it and reaches grams by lineage. What cures it names that entry, so every gram
//! behind it is cured at once, wherever it is by then.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::certificate;
use crate::domain::codes::{DocumentNumber, Hash, ItemStatus, Role};
use crate::domain::delegation::are_related;
use crate::domain::eligibility::Gap;
use crate::domain::event::{
    AuditFinding, Event, EvidenceAttached, EvidenceReviewed, FindingOutcome, HandoverAccepted, ImportReceived,
    ReviewOutcome, SiteRestored, SiteSuspended,
};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, PartyId, SiteId};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::{Site, Suspension};
use crate::domain::rule_set::Occasion;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::OccurredAt;
use crate::domain::treatment::{Treatment, settle_all};
use crate::domain::void_cures::{is_explained, is_settled};
use crate::limits::SITE_HISTORY_MAX;
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

/// A file is bound to an entry that exists; the same file bound twice may be the same load told twice.
pub fn evidence_attached(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &EvidenceAttached,
) -> Result<Vec<Warning>, Stop> {
    require_earlier(context, event.about, "/about")?;
    // Whoever looks at that entry finds what was attached to it.
    state.mention(RecordId::new(RecordKind::Cure, &Cure::id_of(event.about)));
    if let Some(item) = &event.item {
        if state.item(item)?.is_none() {
            return refuse(RefusalCode::Unknown, "/item", "no item of this id is registered");
        }
        state.mention(RecordId::new(RecordKind::Item, item));
    }
    if state.document_seen(&event.document.sha256)?.is_some() {
        return Ok(Warning::new(WarningCode::DocumentSeen, "/document").into_iter().collect());
    }
    state.put(Record::Document(DocumentSeen { sha256: event.document.sha256.clone(), entry: context.index }));
    Ok(Vec::new())
}

/// The entry that something is said about stands in the ledger.
pub(crate) fn require_earlier(context: &Context<'_>, entry: EntryIndex, pointer: &str) -> Result<(), Stop> {
    if entry >= context.index {
        return refuse(RefusalCode::Unknown, pointer, "there is no entry of this index yet");
    }
    Ok(())
}

/// Notes that an entry rests on papers of a plant, which somebody else must review, and takes the paper's number.
pub(crate) fn document(
    state: &mut State<'_>,
    context: &Context<'_>,
    facility: SiteId,
    number: &DocumentNumber,
) -> Result<(), Stop> {
    let scope = PartyId(facility.0);
    let taken = state.number_taken(&NumberTaken::id_of(&scope, number))?;
    if let Some(entry) = taken.filter(|entry| *entry != context.index) {
        let detail = format!("entry {entry} has used this number of this plant");
        return refuse(RefusalCode::NumberTaken, "/number", detail);
    }
    let entry = context.index;
    state.put(Record::Number(NumberTaken { scope, number: number.clone(), entry, freed: None }));
    let poster = Some(context.party());
    state.put(Record::Cure(Cure { entry, poster, facility: Some(facility), cured: Vec::new() }));
    Ok(())
}

/// Papers were reviewed by somebody other than their poster, and not related to it or to the plant.
pub fn evidence_reviewed(state: &mut State<'_>, context: &Context<'_>, event: &EvidenceReviewed) -> Result<(), Stop> {
    context.require_role(state, &[Role::Auditor, Role::Operator])?;
    let known = state.cure(&Cure::id_of(event.entry))?.cloned();
    let Some((cure_record, poster)) = known.and_then(|cure| cure.poster.map(|poster| (cure, poster))) else {
        return refuse(RefusalCode::NothingToAnswer, "/entry", "this entry rests on no plant's papers");
    };
    let own = PartyId(context.party().0);
    let others = [Some(PartyId(poster.0)), cure_record.facility.map(|facility| PartyId(facility.0))];
    for other in others.into_iter().flatten() {
        if own == other || are_related(state, own, other)? {
            let detail = "papers are reviewed by somebody other than their poster, related to neither poster nor plant";
            return refuse(RefusalCode::RelatedParties, "/org", detail);
        }
    }
    // Whoever posted them reads what came of them, whatever that is.
    state.mention(RecordId::new(RecordKind::Organisation, &poster));
    mention_things(state, event.entry)?;
    if is_settled(state, &cure_record, FlawCode::Documented)? {
        return refuse(RefusalCode::NothingToAnswer, "/entry", "these papers were reviewed and accepted before");
    }
    match event.outcome {
        ReviewOutcome::Accepted => cure(state, context, event.entry, &[FlawCode::Documented]),
        // They stay as they were: documented, and backing nothing.
        ReviewOutcome::Rejected => Ok(()),
    }
}

/// A review stands on the path of what the papers are about.
fn mention_things(state: &mut State<'_>, entry: EntryIndex) -> Result<(), Stop> {
    let things = match &state.entry(entry)?.statement.event {
        Event::TreatedFinal(event) => vec![event.item],
        Event::HandoverAccepted(HandoverAccepted { handover, .. })
        | Event::ImportReceived(ImportReceived { handover, .. }) => {
            state.handover(handover)?.map(|known| known.all().copied().collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    for item in things {
        state.mention(RecordId::new(RecordKind::Item, &item));
    }
    Ok(())
}

/// An auditor's finding holds grams, clears what held them, or is noted.
pub fn audit_finding(state: &mut State<'_>, context: &Context<'_>, event: &AuditFinding) -> Result<(), Stop> {
    context.require_role(state, &[Role::Auditor])?;
    let subjects = [
        event.item.is_some(),
        event.batch.is_some(),
        event.treatment.is_some(),
        event.entry.is_some(),
        event.found_site.is_some(),
    ];
    if subjects.iter().filter(|named| **named).count() != 1 {
        return refuse(RefusalCode::ListInvalid, "", "name one of item, batch, treatment, entry and found_site");
    }
    match (event, event.outcome) {
        (AuditFinding { item: Some(_), .. }, _) => find_of_item(state, context, event),
        (AuditFinding { batch: Some(_), .. }, _) => find_of_batch(state, context, event),
        (AuditFinding { treatment: Some(_), .. }, _) => find_of_treatment(state, context, event),
        (AuditFinding { entry: Some(entry), .. }, outcome) => {
            require_earlier(context, *entry, "/entry")?;
            // The first rule set knew no relations; under those with borders nobody clears what itself or a relation said.
            if rules_in_force(state)?.borders.is_some() {
                let author = state.entry(*entry)?.statement.common.party();
                require_unrelated(state, context, author)?;
            }
            if outcome == FindingOutcome::Held {
                let detail = "an entry is not held; name the item, batch or treatment that it brought";
                return refuse(RefusalCode::NothingToAnswer, "/outcome", detail);
            }
            if outcome == FindingOutcome::Noted { Ok(()) } else { cure(state, context, *entry, CLEARABLE) }
        }
        (AuditFinding { found_site: Some(site), .. }, outcome) => {
            let Some(site) = state.site(site)?.cloned() else {
                return refuse(RefusalCode::Unknown, "/found_site", "no site of this id is registered");
            };
            require_independent(state, context, &site)?;
            state.mention(RecordId::new(RecordKind::Site, &site.id));
            if outcome != FindingOutcome::Noted {
                let detail = "a site is held by site_suspended and cleared by site_restored; a finding notes";
                return refuse(RefusalCode::NothingToAnswer, "/outcome", detail);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What an auditor may clear of an entry: everything that one flawed fact can bring.
const CLEARABLE: &[FlawCode] = &[
    FlawCode::PermitNotValid,
    FlawCode::OverCapacity,
    FlawCode::ClassUnknown,
    FlawCode::Disputed,
    FlawCode::BatchOverdue,
    FlawCode::CustodyNotConfirmed,
    FlawCode::RelatedParties,
    FlawCode::BorderNotCovered,
    FlawCode::ExportBanned,
    FlawCode::InterimShort,
    FlawCode::Finding,
    FlawCode::Signal,
];

/// The evidence of something after a finding about it: held with a flaw of its own.
fn held(evidence: Evidence, context: &Context<'_>) -> Evidence {
    evidence.flawed(FlawCode::Finding, context.index)
}

/// Clears what findings and signals hold in some evidence.
fn clear_findings(state: &mut State<'_>, context: &Context<'_>, evidence: &Evidence) -> Result<(), Stop> {
    let held = evidence.flaws.iter().filter(|flaw| matches!(flaw.code, FlawCode::Finding | FlawCode::Signal));
    for flaw in held.cloned().collect::<Vec<_>>() {
        cure(state, context, flaw.entry, &[flaw.code])?;
    }
    Ok(())
}

fn find_of_item(state: &mut State<'_>, context: &Context<'_>, event: &AuditFinding) -> Result<(), Stop> {
    let Some(item) = event.item.as_ref().map(|id| state.item(id)).transpose()?.flatten().cloned() else {
        return refuse(RefusalCode::Unknown, "/item", "no item of this id is registered");
    };
    require_unrelated(state, context, item.holder)?;
    if matches!(item.status, ItemStatus::Ended | ItemStatus::InBatch) && event.outcome == FindingOutcome::Held {
        let detail = "this item has ended; name the batch or treatment in which its grams are";
        return refuse(RefusalCode::ItemEnded, "/item", detail);
    }
    state.mention(RecordId::new(RecordKind::Item, &item.id));
    match event.outcome {
        FindingOutcome::Held => {
            let evidence = held(item.evidence.clone(), context);
            state.put(Record::Item(crate::domain::item::Item { evidence, ..item }));
            Ok(())
        }
        FindingOutcome::Cleared => clear_findings(state, context, &item.evidence),
        FindingOutcome::Noted => Ok(()),
    }
}

fn find_of_batch(state: &mut State<'_>, context: &Context<'_>, event: &AuditFinding) -> Result<(), Stop> {
    let Some(batch) = event.batch.as_ref().map(|id| state.batch(id)).transpose()?.flatten().cloned() else {
        return refuse(RefusalCode::Unknown, "/batch", "no batch of this id is known");
    };
    require_unrelated(state, context, batch.organisation)?;
    state.mention(RecordId::new(RecordKind::Batch, &batch.id));
    match event.outcome {
        FindingOutcome::Held => {
            let (treatments, evidence) = (batch.treatments.clone(), held(batch.evidence.clone(), context));
            state.put(Record::Batch(crate::domain::batch::Batch { evidence, ..batch }));
            certificate::judge(state, context, &treatments)
        }
        FindingOutcome::Cleared => {
            let (treatments, evidence) = (batch.treatments.clone(), batch.evidence.clone());
            if !is_explained(state, &batch)? {
                let explained = Some(crate::domain::batch::Explained {
                    entry: context.index,
                    occurred_at: context.statement.common.occurred_at.clone(),
                    signer: context.signer,
                });
                state.put(Record::Batch(crate::domain::batch::Batch { explained, ..batch }));
            }
            clear_findings(state, context, &evidence)?;
            settle_all(state, context, &treatments)?;
            certificate::judge(state, context, &treatments)
        }
        FindingOutcome::Noted => Ok(()),
    }
}

fn find_of_treatment(state: &mut State<'_>, context: &Context<'_>, event: &AuditFinding) -> Result<(), Stop> {
    let Some(treatment) = event.treatment.map(|entry| state.treatment(entry)).transpose()?.flatten().cloned() else {
        return refuse(RefusalCode::Unknown, "/treatment", "no final treatment stands at this index");
    };
    require_unrelated(state, context, treatment.organisation)?;
    match event.outcome {
        FindingOutcome::Held => {
            let (entry, evidence) = (treatment.entry, held(treatment.evidence.clone(), context));
            state.put(Record::Treatment(Treatment { evidence, ..treatment }));
            certificate::judge(state, context, &[entry])
        }
        FindingOutcome::Cleared => {
            clear_findings(state, context, &treatment.evidence)?;
            settle_all(state, context, &[treatment.entry])?;
            certificate::judge(state, context, &[treatment.entry])
        }
        FindingOutcome::Noted => Ok(()),
    }
}

/// No organisation audits itself or a related one.
pub(crate) fn require_independent(state: &State<'_>, context: &Context<'_>, site: &Site) -> Result<(), Stop> {
    let owner = site.organisation.map_or(PartyId(site.id.0), |organisation| PartyId(organisation.0));
    require_unrelated_to(state, context, owner)
}

/// The same for whatever an organisation holds or did.
pub(crate) fn require_unrelated(
    state: &State<'_>,
    context: &Context<'_>,
    organisation: OrganisationId,
) -> Result<(), Stop> {
    require_unrelated_to(state, context, PartyId(organisation.0))
}

fn require_unrelated_to(state: &State<'_>, context: &Context<'_>, owner: PartyId) -> Result<(), Stop> {
    let own = PartyId(context.party().0);
    if own == owner || are_related(state, own, owner)? {
        let detail = "no organisation audits itself or one that it is related to";
        return refuse(RefusalCode::RelatedParties, "/org", detail);
    }
    Ok(())
}

/// The site of a suspension, if its author may speak of it: an auditor who is independent of it, or the operator.
fn suspended_or_not(state: &State<'_>, context: &Context<'_>, id: &SiteId, pointer: &str) -> Result<Site, Stop> {
    context.require_role(state, &[Role::Auditor, Role::Operator])?;
    let Some(site) = state.site(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, pointer, "no site of this id is registered");
    };
    require_independent(state, context, &site)?;
    Ok(site)
}

/// Nothing of a site backs a new certificate until it is restored; what was issued stays.
pub fn site_suspended(state: &mut State<'_>, context: &Context<'_>, event: &SiteSuspended) -> Result<(), Stop> {
    let mut site = suspended_or_not(state, context, &event.suspended_site, "/suspended_site")?;
    if site.is_suspended() {
        return refuse(RefusalCode::NothingToAnswer, "/suspended_site", "this site is suspended already");
    }
    if site.suspensions.len() >= SITE_HISTORY_MAX {
        return refuse(RefusalCode::ListInvalid, "/suspended_site", "a site has at most 256 suspensions");
    }
    site.suspensions.push(Suspension { from: context.index, reason: event.reason, until: None });
    state.put(Record::Site(site));
    Ok(())
}

/// A suspension ends with this entry.
pub fn site_restored(state: &mut State<'_>, context: &Context<'_>, event: &SiteRestored) -> Result<(), Stop> {
    let mut site = suspended_or_not(state, context, &event.restored_site, "/restored_site")?;
    let Some(open) = site.suspensions.iter_mut().find(|suspension| suspension.until.is_none()) else {
        return refuse(RefusalCode::NothingToAnswer, "/restored_site", "this site is not suspended");
    };
    open.until = Some(context.index);
    state.put(Record::Site(site));
    Ok(())
}
