//! Where a run of a correction begins: what it proposes, and the earlier corrections that are made anew with it.

use crate::domain::apply::refuse;
use crate::domain::correction::{Correction, CorrectionStatus, CorrectionsOf};
use crate::domain::event::{Corrected, Event, Statement};
use crate::domain::ids::{EntryIndex, KeyId};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{State, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// What should have been said in an entry.
#[derive(Debug, Clone)]
pub(super) struct Replaced {
    /// The entry that says so.
    pub(super) by: EntryIndex,
    /// The key that signed that.
    pub(super) signer: KeyId,
    /// The right statement; `None` if nothing happened.
    pub(super) statement: Option<Statement>,
}

/// A correction that is looked at.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    /// The entry that is wrong.
    pub(super) target: EntryIndex,
    /// What should stand there.
    pub(super) replaced: Replaced,
}

impl Proposal {
    /// That of a correction that is being posted.
    pub(super) fn of(state: &State<'_>, by: EntryIndex, signer: KeyId, event: &Corrected) -> Result<Self, Stop> {
        let earlier = &state.entry(event.entry)?.statement.common;
        let statement = event.in_place_of(earlier);
        Ok(Self { target: event.entry, replaced: Replaced { by, signer, statement } })
    }

    /// That of a correction that an earlier entry states.
    pub(super) fn stated(state: &State<'_>, by: EntryIndex) -> Result<Self, Stop> {
        let entry = state.entry(by)?;
        match &entry.statement.event {
            Event::Corrected(event) => Self::of(state, by, entry.signer, event),
            _ => refuse(RefusalCode::Unknown, "/correction", "no correction stands at this index"),
        }
    }
}

/// Where a run begins: entries that are replaced, and corrections whose effects are made anew.
pub(super) struct Start {
    pub(super) seeds: BTreeMap<EntryIndex, Replaced>,
    pub(super) met: BTreeSet<EntryIndex>,
    /// The entries that brought those corrections into force.
    pub(super) effects: BTreeSet<EntryIndex>,
}

impl Start {
    pub(super) fn of(state: &State<'_>, proposal: &Proposal) -> Result<Self, Stop> {
        let seeds = BTreeMap::from([(proposal.target, proposal.replaced.clone())]);
        let mut start = Self { seeds, met: BTreeSet::new(), effects: BTreeSet::new() };
        let earlier = state.corrections(&CorrectionsOf::id_of(proposal.target))?;
        for entry in earlier.into_iter().flat_map(|earlier| &earlier.corrections) {
            start.meet(state, *entry)?;
        }
        Ok(start)
    }

    /// The same without what is proposed: what stands, with what was proposed last for its target, or nothing.
    pub(super) fn without(&self, state: &State<'_>, proposal: &Proposal) -> Result<(Self, Proposal), Stop> {
        let (mut seeds, mut standing) = (self.seeds.clone(), proposal.clone());
        match in_effect(state, proposal.target)? {
            Some(entry) => {
                standing = Proposal::stated(state, entry)?;
                seeds.insert(proposal.target, standing.replaced.clone());
            }
            None => _ = seeds.remove(&proposal.target),
        }
        Ok((Self { seeds, met: self.met.clone(), effects: self.effects.clone() }, standing))
    }

    /// Takes a correction that has an effect into account, with all that are entangled with it.
    pub(super) fn meet(&mut self, state: &State<'_>, entry: EntryIndex) -> Result<(), Stop> {
        let mut left = vec![entry];
        while let Some(entry) = left.pop() {
            let Some(correction) = state.correction(&Correction::id_of(entry))? else { continue };
            let Some(effect) = correction.effect.filter(|_| !self.met.contains(&entry)) else { continue };
            self.met.insert(entry);
            self.effects.insert(effect);
            left.extend(correction.over.iter().chain(&correction.absorbed));
            if !self.seeds.contains_key(&correction.target)
                && let Some(in_effect) = in_effect(state, correction.target)?
            {
                self.seeds.insert(correction.target, Proposal::stated(state, in_effect)?.replaced);
            }
        }
        Ok(())
    }
}

/// What counts as said in an entry: by its correction, if one is in effect.
pub(super) fn in_force(state: &State<'_>, target: EntryIndex) -> Result<Option<Statement>, Stop> {
    match in_effect(state, target)? {
        Some(correction) => Ok(Proposal::stated(state, correction)?.replaced.statement),
        None => Ok(Some(state.entry(target)?.statement.clone())),
    }
}

/// The correction of an entry that counts.
pub(super) fn in_effect(state: &State<'_>, target: EntryIndex) -> Result<Option<EntryIndex>, Stop> {
    let all = state.corrections(&CorrectionsOf::id_of(target))?;
    for entry in all.into_iter().flat_map(|all| &all.corrections) {
        let known = state.correction(&Correction::id_of(*entry))?;
        if known.is_some_and(|correction| correction.status == CorrectionStatus::InEffect) {
            return Ok(Some(*entry));
        }
    }
    Ok(None)
}
