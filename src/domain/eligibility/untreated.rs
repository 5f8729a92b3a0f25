//! What grams lack already that no final operation has ended: the rules that can be asked before. What they meet and lack is as if
//! a plant treated them on the day of the question.

use crate::domain::batch::Batch;
use crate::domain::border::completion;
use crate::domain::composition::WasteSource;
use crate::domain::eligibility::{Gap, Standing, e_resource_1, require_behind};
use crate::domain::evidence::Evidence;
use crate::domain::ids::BatchId;
use crate::domain::item::Item;
use crate::domain::mass::WeightBasis;
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{State, Stop};
use crate::domain::time::LedgerTime;
use std::collections::BTreeSet;

/// Every record that is looked at for some items and batches, asked for at once.
pub(crate) fn require_untreated(state: &State<'_>, items: &[Item], batches: &[BatchId]) -> Result<(), Stop> {
    let evidence: Vec<&Evidence> = items.iter().map(|item| &item.evidence).collect();
    let of_items = items.iter().flat_map(|item| item.sources.batches());
    require_behind(state, &BTreeSet::new(), &evidence, &of_items.chain(batches.iter().copied()).collect())
}

/// What a batch lacks, whatever comes of what left it.
pub(crate) fn of_batch(
    state: &State<'_>,
    rules: &RuleSet,
    batch: &Batch,
    now: LedgerTime,
) -> Result<BTreeSet<Gap>, Stop> {
    let mut standing = Standing::since(&batch.evidence.latest);
    if let Some(today) = now.date() {
        standing.meet_in_batch(state, rules, (batch, &today), now)?;
    }
    Ok(standing.gaps)
}

/// What an item lacks, of all that it consists of.
pub(crate) fn of_item(state: &State<'_>, rules: &RuleSet, item: &Item, now: LedgerTime) -> Result<BTreeSet<Gap>, Stop> {
    let mut standing = Standing::since(&item.evidence.latest);
    standing.weigh_evidence(state, &item.evidence)?;
    if item.basis != WeightBasis::Weighed {
        standing.gaps.insert(Gap::NotWeighed);
    }
    let asked = item.evidence.completions.as_deref().unwrap_or_default();
    if now.date().is_some_and(|today| completion::ends_late(asked, &today)) {
        standing.gaps.insert(Gap::BorderNotCovered);
    }
    if item.sources.is_empty() {
        standing.gaps.insert(Gap::NotFromBatch);
    }
    for share in item.sources.shares() {
        match (share.source.batch(), share.source.waste()) {
            (Some(id), _) => {
                let of_batch = state.batch(&id)?.map(|batch| of_batch(state, rules, batch, now)).transpose()?;
                standing.gaps.extend(of_batch.unwrap_or_default());
            }
            (None, Some(waste)) => standing.gaps.extend(of_waste(state, rules, item, &waste)?),
            (None, None) => {}
        }
    }
    Ok(standing.gaps)
}

/// What waste lacks that was not dismantled yet.
fn of_waste(state: &State<'_>, rules: &RuleSet, item: &Item, waste: &WasteSource) -> Result<BTreeSet<Gap>, Stop> {
    let mut gaps = BTreeSet::from([Gap::NotFromBatch]);
    if waste.basis != WeightBasis::Weighed {
        gaps.insert(Gap::NotWeighed);
    }
    let Some(conditions) = &rules.scheme.conditions else { return Ok(gaps) };
    let test = state.ledger()?.is_some_and(|ledger| ledger.test);
    let lies_in = item.lies_in.as_ref();
    gaps.extend(e_resource_1::of_waste(rules, conditions, waste, lies_in, test));
    Ok(gaps)
}
