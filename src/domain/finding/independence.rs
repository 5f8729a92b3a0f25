//! Who may find something of whom: no organisation audits itself, or one that it is related to.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::correction::Correction;
use crate::domain::delegation::are_related;
use crate::domain::event::Event;
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId};
use crate::domain::refusal::RefusalCode;
use crate::domain::registry::Site;
use crate::domain::state::{State, Stop};

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
    if is_related(state, context, owner)? {
        let detail = "no organisation audits itself or one that it is related to";
        return refuse(RefusalCode::RelatedParties, "/org", detail);
    }
    Ok(())
}

fn is_related(state: &State<'_>, context: &Context<'_>, other: PartyId) -> Result<bool, Stop> {
    let own = PartyId(context.party().0);
    Ok(own == other || are_related(state, own, other)?)
}

/// Whoever clears an entry has nothing to do with who said it, nor with the other side of what it is about.
pub(super) fn require_stranger_to(state: &State<'_>, context: &Context<'_>, entry: EntryIndex) -> Result<(), Stop> {
    for party in parties_of(state, entry)? {
        require_unrelated_to(state, context, party)?;
    }
    Ok(())
}

/// The same, asked.
pub(super) fn is_stranger_to(state: &State<'_>, context: &Context<'_>, entry: EntryIndex) -> Result<bool, Stop> {
    for party in parties_of(state, entry)? {
        if is_related(state, context, party)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whose entry it is; under rule sets that ask for strangers, also who signed it for its author, and the other side of what it
/// is about: of a handover, of a plant's papers, the centres whose grams ended, or those whom a correction concerns. The first
/// rule set knew no relations.
fn parties_of(state: &State<'_>, entry: EntryIndex) -> Result<Vec<PartyId>, Stop> {
    let rules = rules_in_force(state)?;
    if rules.borders.is_none() {
        return Ok(Vec::new());
    }
    let said = &state.entry(entry)?.statement;
    let mut parties = vec![PartyId(said.common.party().0)];
    if !rules.cures_by_strangers_alone() {
        return Ok(parties);
    }
    parties.push(PartyId(said.common.org.0));
    if let Some(handover) = said.event.handover().map(|id| state.handover(&id)).transpose()?.flatten() {
        parties.extend([handover.from].into_iter().chain(handover.to).map(|side| PartyId(side.0)));
        parties.extend(handover.facility.map(|plant| PartyId(plant.0)));
    }
    if let Event::TreatedFinal(event) = &said.event {
        parties.extend(event.facility.map(|plant| PartyId(plant.0)));
        parties.extend(centres_of(state, entry)?.into_iter().map(|centre| PartyId(centre.0)));
    }
    let correction = state.correction(&Correction::id_of(entry))?;
    parties.extend(correction.into_iter().flat_map(Correction::parties).map(|party| PartyId(party.0)));
    Ok(parties)
}

/// Whose batches the grams left that a final treatment ended: they enter the pools of those.
fn centres_of(state: &State<'_>, treatment: EntryIndex) -> Result<Vec<OrganisationId>, Stop> {
    let Some(treatment) = state.treatment(treatment)? else { return Ok(Vec::new()) };
    state.require_loaded(treatment.batches().map(|batch| batch.to_string()))?;
    let mut centres = Vec::new();
    for batch in treatment.batches() {
        centres.extend(state.batch(&batch)?.map(|batch| batch.organisation));
    }
    Ok(centres)
}
