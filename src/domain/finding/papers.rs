//! Files that are bound to entries, papers of plants without a key, and their reviews.

use super::{Cure, DocumentSeen, NumberTaken, cure};
use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{DocumentNumber, Role};
use crate::domain::delegation::are_related;
use crate::domain::event::{
    Event, EvidenceAttached, EvidenceReviewed, HandoverAccepted, ImportReceived, ReviewOutcome,
};
use crate::domain::evidence::FlawCode;
use crate::domain::ids::{EntryIndex, PartyId, SiteId};
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::void_cures::is_settled;

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
