//! Void cures: what was settled with a key that was reported compromised by then counts for nothing, so somebody else may settle it.
//!
//! Rule sets before the fourth let it stand as done for ever, though the grams behind it backed nothing: so older ledgers replay.

use crate::domain::apply::rules_in_force;
use crate::domain::batch::Batch;
use crate::domain::eligibility::is_compromised;
use crate::domain::evidence::FlawCode;
use crate::domain::finding::Cure;
use crate::domain::ids::{EntryIndex, KeyId};
use crate::domain::state::{State, Stop};

/// Whether a flaw of an entry is settled, so that nobody has to settle it again.
pub(crate) fn is_settled(state: &State<'_>, cure: &Cure, code: FlawCode) -> Result<bool, Stop> {
    for cured in cure.cured.iter().filter(|cured| cured.codes.contains(&code)) {
        if counts(state, &cured.signer, cured.by)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an auditor has explained what a batch lacks.
pub(crate) fn is_explained(state: &State<'_>, batch: &Batch) -> Result<bool, Stop> {
    batch.explained.as_ref().map_or(Ok(false), |explained| counts(state, &explained.signer, explained.entry))
}

/// Whether what a key signed as an entry counts, as its owner has reported of it by now.
fn counts(state: &State<'_>, signer: &KeyId, entry: EntryIndex) -> Result<bool, Stop> {
    let is_asked =
        rules_in_force(state)?.scheme.registry.as_ref().is_some_and(|registry| registry.stolen_keys_cure_nothing);
    Ok(!is_asked || !is_compromised(state, signer, entry)?)
}
