//! Occasions: what beside a correction, a finding about a batch or treatment, and a withdrawal makes units be judged anew.
//!
//! Which of them count, the rule set in force says: what older ledgers judged, they judged by fewer.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::batch::Batch;
use crate::domain::certificate::judge;
use crate::domain::eligibility::e_resource_1;
use crate::domain::ids::EntryIndex;
use crate::domain::rule_set::{Conditions, Occasion};
use crate::domain::state::{Record, RecordKind, State, Stop};
use std::collections::BTreeSet;

/// Whether the rule set in force judges units anew after such an event.
pub(crate) fn judges_after(state: &State<'_>, occasion: Occasion) -> Result<bool, Stop> {
    let registry = rules_in_force(state)?.scheme.registry.as_ref();
    Ok(registry.is_some_and(|registry| registry.judged_after.contains(&occasion)))
}

/// Judges the certified grams of some treatments after an event, where the rule set in force does.
pub(crate) fn judge_after(
    state: &mut State<'_>,
    context: &Context<'_>,
    occasion: Occasion,
    treatments: &[EntryIndex],
) -> Result<(), Stop> {
    if treatments.is_empty() || !judges_after(state, occasion)? {
        return Ok(());
    }
    judge(state, context, treatments)
}

/// Judges what left batches whose hazardous grams are taken care of otherwise than before this entry: a part in store was lost,
/// sold or is known by an estimate alone, or it was found and weighed.
pub(crate) fn judge_moved_batches(state: &mut State<'_>, context: &Context<'_>) -> Result<(), Stop> {
    if context.again.is_some() || !state.records().keys().any(|id| id.kind == RecordKind::Batch) {
        return Ok(());
    }
    let Some(conditions) = &rules_in_force(state)?.scheme.conditions else { return Ok(()) };
    let mut moved = BTreeSet::new();
    for (id, record) in state.records().iter().filter(|(id, _)| id.kind == RecordKind::Batch) {
        let (Record::Batch(now), Some(Record::Batch(before))) = (record, state.before(id)?) else { continue };
        if is_complete(conditions, before) != is_complete(conditions, now) {
            moved.extend(&now.treatments);
        }
    }
    judge_after(state, context, Occasion::HazardousMoved, &moved.into_iter().collect::<Vec<_>>())
}

/// Whether a batch's hazardous grams are taken care of, however old they are: units fail by what became of them, not by their age.
fn is_complete(conditions: &Conditions, batch: &Batch) -> bool {
    let found = &batch.hazardous;
    let on_the_first_day = |day| e_resource_1::hazardous_grams_are_taken_care_of(conditions, found, day).is_none();
    found.since.as_ref().is_none_or(on_the_first_day)
}
