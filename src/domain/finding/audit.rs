//! An auditor's findings.

use super::independence::{is_stranger_to, require_stranger_to};
use super::{Cure, cure, require_earlier, require_independent, require_unrelated};
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::batch::{Batch, Explained};
use crate::domain::certificate;
use crate::domain::codes::{ItemStatus, Role};
use crate::domain::correction::Correction;
use crate::domain::event::{AuditFinding, FindingOutcome};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::ids::EntryIndex;
use crate::domain::item::Item;
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::treatment::{Treatment, settle_all};
use crate::domain::void_cures::{is_explained, is_settled};

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
        (AuditFinding { entry: Some(entry), .. }, outcome) => find_of_entry(state, context, *entry, outcome),
        (AuditFinding { found_site: Some(_), .. }, _) => find_of_site(state, context, event),
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

fn find_of_entry(
    state: &mut State<'_>,
    context: &Context<'_>,
    entry: EntryIndex,
    outcome: FindingOutcome,
) -> Result<(), Stop> {
    require_earlier(context, entry, "/entry")?;
    require_stranger_to(state, context, entry)?;
    match outcome {
        FindingOutcome::Held => {
            let detail = "an entry is not held; name the item, batch or treatment that it brought";
            refuse(RefusalCode::NothingToAnswer, "/outcome", detail)
        }
        FindingOutcome::Noted => Ok(()),
        FindingOutcome::Cleared => {
            let correction = holds_for_ever(state, entry)?.then_some(FlawCode::Correction);
            let codes: Vec<FlawCode> = CLEARABLE.iter().copied().chain(correction).collect();
            cure(state, context, entry, &codes)
        }
    }
}

/// Whether a correction was decided with a key that was reported compromised by then: nobody decides it again, and what it held
/// would wait for ever.
fn holds_for_ever(state: &State<'_>, entry: EntryIndex) -> Result<bool, Stop> {
    let is_decided = state.correction(&Correction::id_of(entry))?.is_some_and(|correction| !correction.is_undecided());
    if !is_decided || !rules_in_force(state)?.lost_keys_hold_nothing() {
        return Ok(false);
    }
    let Some(settled) = state.cure(&Cure::id_of(entry))? else { return Ok(false) };
    let was_let_go = settled.cured.iter().any(|cured| cured.codes.contains(&FlawCode::Correction));
    Ok(was_let_go && !is_settled(state, settled, FlawCode::Correction)?)
}

fn find_of_site(state: &mut State<'_>, context: &Context<'_>, event: &AuditFinding) -> Result<(), Stop> {
    let Some(site) = event.found_site.as_ref().map(|id| state.site(id)).transpose()?.flatten().cloned() else {
        return refuse(RefusalCode::Unknown, "/found_site", "no site of this id is registered");
    };
    require_independent(state, context, &site)?;
    state.mention(RecordId::new(RecordKind::Site, &site.id));
    if event.outcome != FindingOutcome::Noted {
        let detail = "a site is held by site_suspended and cleared by site_restored; a finding notes";
        return refuse(RefusalCode::NothingToAnswer, "/outcome", detail);
    }
    Ok(())
}

/// The evidence of something after a finding about it: held with a flaw of its own.
fn held(evidence: Evidence, context: &Context<'_>) -> Evidence {
    evidence.flawed(FlawCode::Finding, context.index)
}

/// Clears what findings and signals hold in some evidence; a signal about what a relation of the auditor said stays for another
/// one. A finding is another auditor's, or its own.
fn clear_findings(state: &mut State<'_>, context: &Context<'_>, evidence: &Evidence) -> Result<(), Stop> {
    let held = evidence.flaws.iter().filter(|flaw| matches!(flaw.code, FlawCode::Finding | FlawCode::Signal));
    let by_strangers = rules_in_force(state)?.cures_by_strangers_alone();
    for flaw in held.cloned().collect::<Vec<_>>() {
        if by_strangers && flaw.code == FlawCode::Signal && !is_stranger_to(state, context, flaw.entry)? {
            continue;
        }
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
            state.put(Record::Item(Item { evidence, ..item }));
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
            state.put(Record::Batch(Batch { evidence, ..batch }));
            certificate::judge(state, context, &treatments)
        }
        FindingOutcome::Cleared => {
            let (treatments, evidence) = (batch.treatments.clone(), batch.evidence.clone());
            if !is_explained(state, &batch)? {
                let explained = Some(Explained {
                    entry: context.index,
                    occurred_at: context.statement.common.occurred_at.clone(),
                    signer: context.signer,
                });
                state.put(Record::Batch(Batch { explained, ..batch }));
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
    require_stranger_to(state, context, treatment.entry)?;
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
