//! Donations and projects: what was given, for what, and who was trained with it.

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{Commitment, Condition, Country, ItemKind, ItemStatus, Role};
use crate::domain::event::{Donated, ProjectRegistered, TrainingHeld};
use crate::domain::fields::record;
use crate::domain::ids::{DonationId, EntryIndex, OrganisationId, ProjectId};
use crate::domain::item::{Item, own_item};
use crate::domain::mass::Grams;
use crate::domain::refusal::RefusalCode;
use crate::domain::registry::require_organisation;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use std::collections::BTreeSet;

record! {
    /// What equipment is given for.
    pub struct Project {
        /// Its id.
        id: ProjectId,
        /// Where it is.
        country: Country,
        /// Who runs it.
        organisation: Option<OrganisationId>,
        /// Its name.
        name: Option<Commitment>,
        /// The entry that registered it.
        registered: EntryIndex,
    }
}

record! {
    /// What a donor gave.
    pub struct Donation {
        /// Its id.
        id: DonationId,
        /// Who gave.
        donor: OrganisationId,
        /// For what.
        project: ProjectId,
        /// How many devices and components.
        items: i64,
        /// What they weighed on the ledger when they were given, in grams.
        brought_g: Grams,
        /// The entry that began it.
        begun: EntryIndex,
        /// The last entry that added to it.
        last_entry: EntryIndex,
    }
}

/// A project joins.
pub fn project_registered(state: &mut State<'_>, context: &Context<'_>, event: &ProjectRegistered) -> Result<(), Stop> {
    context.require_operator(state)?;
    if state.project(&event.project)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/project", "a project of this id is registered");
    }
    if let Some(organisation) = &event.organisation {
        require_organisation(state, organisation)?;
    }
    state.put(Record::Project(Project {
        id: event.project,
        country: event.country.clone(),
        organisation: event.organisation,
        name: event.name.clone(),
        registered: context.index,
    }));
    Ok(())
}

fn require_project(state: &State<'_>, id: &ProjectId) -> Result<(), Stop> {
    match state.project(id)? {
        Some(_) => Ok(()),
        None => refuse(RefusalCode::Unknown, "/project", "no project of this id is registered"),
    }
}

/// The holder gives devices and components; they stay with it until they are handed over.
pub fn donated(state: &mut State<'_>, context: &Context<'_>, event: &Donated) -> Result<(), Stop> {
    require_project(state, &event.project)?;
    let known = state.donation(&event.donation)?.cloned();
    if known.as_ref().is_some_and(|known| known.donor != context.party()) {
        return refuse(RefusalCode::AlreadyRegistered, "/donation", "a donation of this id is another donor's");
    }
    if known.as_ref().is_some_and(|known| known.project != event.project) {
        return refuse(RefusalCode::SumDiffers, "/project", "this donation is given for another project");
    }
    let distinct: BTreeSet<_> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    let mut brought_g = known.as_ref().map_or(Grams::ZERO, |known| known.brought_g);
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        require_gift(&item, &pointer)?;
        brought_g = match brought_g.plus(item.grams) {
            Some(sum) => sum,
            None => return refuse(RefusalCode::SumOutOfRange, "/items", "the donation's mass would leave the range"),
        };
        state.put(Record::Item(Item { donation: Some(event.donation), ..item }.touched(context)?));
    }
    let items = i64::try_from(event.items.len()).unwrap_or(i64::MAX);
    let begun = known.as_ref().map_or(context.index, |known| known.begun);
    state.put(Record::Donation(Donation {
        id: event.donation,
        donor: context.party(),
        project: event.project,
        items: known.map_or(0, |known| known.items).saturating_add(items),
        brought_g,
        begun,
        last_entry: context.index,
    }));
    state.mention(RecordId::new(RecordKind::Project, &event.project));
    Ok(())
}

/// Waste is no gift, and nothing is given twice.
fn require_gift(item: &Item, pointer: &str) -> Result<(), Stop> {
    if !matches!(item.kind, ItemKind::Device | ItemKind::Component) {
        return refuse(RefusalCode::WrongKind, pointer, "devices and components are donated");
    }
    if item.condition == Condition::Waste {
        return refuse(RefusalCode::WrongCondition, pointer, "this item is waste; waste is no donation");
    }
    match &item.donation {
        Some(donation) => {
            let detail = format!("this item belongs to the donation {donation}");
            refuse(RefusalCode::WrongCondition, pointer, detail)
        }
        None => Ok(()),
    }
}

/// People were trained for a project: by whoever runs it, uses it, or prepares equipment for it.
pub fn training_held(state: &mut State<'_>, context: &Context<'_>, event: &TrainingHeld) -> Result<(), Stop> {
    context.require_role(
        state,
        &[Role::Beneficiary, Role::Refurbisher, Role::Recycler, Role::Collector, Role::Donor, Role::Operator],
    )?;
    require_project(state, &event.project)?;
    if let Some(donation) = &event.donation {
        match state.donation(donation)?.map(|known| known.project) {
            None => return refuse(RefusalCode::Unknown, "/donation", "no donation of this id is known"),
            Some(project) if project != event.project => {
                return refuse(RefusalCode::SumDiffers, "/donation", "this donation is given for another project");
            }
            Some(_) => state.mention(RecordId::new(RecordKind::Donation, donation)),
        }
    }
    if event.until < event.from {
        return refuse(RefusalCode::TimeInvalid, "/until", "it ends before it begins");
    }
    state.mention(RecordId::new(RecordKind::Project, &event.project));
    Ok(())
}
