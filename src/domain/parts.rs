//! Parts of devices: a component that is reused or leaves alone takes its grams along.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::balance::relocate;
use crate::domain::codes::{Condition, ItemKind, ItemStatus, TableCode, WasteCode};
use crate::domain::event::{MediaLeft, PartInstalled, PartRemoved};
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, bears_data, new_item, own_item, weigh};
use crate::domain::lot::require_new;
use crate::domain::mass::WeightBasis;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::waste_code::waste_code;

fn device(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let item = own_item(state, context, id, "/item", &[ItemStatus::Held])?;
    if item.kind != ItemKind::Device {
        return refuse(RefusalCode::WrongKind, "/item", "parts are taken from devices and put into devices");
    }
    Ok(item)
}

/// A part leaves a device: it is what the device was, waste or not, of the same donation, and untested.
pub fn part_removed(state: &mut State<'_>, context: &Context<'_>, event: &PartRemoved) -> Result<Vec<Warning>, Stop> {
    let device = device(state, context, &event.item)?;
    require_new(state, &event.component, "/component")?;
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let Some(left) = device.grams.minus(weighed.grams) else {
        let detail = format!("a part weighs no more than its device, which has {}", device.grams);
        return refuse(RefusalCode::OutputsExceedInputs, "/weight", detail);
    };
    let component = new_item(state, context, event.component, ItemKind::Component, event.class.clone(), &weighed)?;
    let is_waste = device.condition == Condition::Waste;
    let (sources, left_sources) = device.sources.take(weighed.grams);
    let (given, left_given) = device.given.take(weighed.grams);
    let component = Item {
        condition: if is_waste { Condition::Waste } else { Condition::Untested },
        arising: device.arising.clone(),
        sources: sources.weighed_as(weighed.basis),
        given,
        waste_code: if is_waste { code_of(state, context, &event.class, &device)? } else { None },
        donation: device.donation,
        country: device.country.clone(),
        lies_in: device.lies_in.clone(),
        site: device.site,
        part_of: Some(device.id),
        evidence: component.evidence.clone().join(&device.evidence),
        last_occurred: component.last_occurred.max(device.last_occurred),
        ..component
    };
    let media_free = event.media_left.map_or(device.media_free, |left| left == MediaLeft::None);
    // A device that is opened must be tested again, unless it is waste anyway.
    let condition = if is_waste { Condition::Waste } else { Condition::Untested };
    // What is left was not weighed as it is now, unless both rest on the same kind of figure.
    let basis = if device.basis == weighed.basis { device.basis } else { WeightBasis::Estimated };
    let (sources, given) = (left_sources.weighed_as(basis), left_given);
    let device = Item { grams: left, basis, media_free, condition, tested: None, sources, given, ..device };
    // The part belongs to the donation too and stands in no list of gifts: this entry is how it is found.
    if let Some(donation) = &device.donation {
        state.mention(RecordId::new(RecordKind::Donation, donation));
    }
    state.put(Record::Item(component));
    state.put(Record::Item(device.touched(context)?));
    Ok(weighed.warnings)
}

fn code_of(
    state: &State<'_>,
    context: &Context<'_>,
    class: &TableCode,
    device: &Item,
) -> Result<Option<WasteCode>, Stop> {
    waste_code(state, context, class, None, device.lies_in.as_ref())
}

/// A component ends in a device, and its grams with it. A medium that was not wiped makes the device one that is not.
pub fn part_installed(state: &mut State<'_>, context: &Context<'_>, event: &PartInstalled) -> Result<(), Stop> {
    let device = device(state, context, &event.item)?;
    let component = own_item(state, context, &event.component, "/component", &[ItemStatus::Held])?;
    if component.kind != ItemKind::Component {
        return refuse(RefusalCode::WrongKind, "/component", "only a component is installed");
    }
    for (item, pointer) in [(&device, "/item"), (&component, "/component")] {
        if item.condition == Condition::Waste {
            return refuse(RefusalCode::WrongCondition, pointer, "this is waste, which bars reuse");
        }
    }
    let Some(grams) = device.grams.plus(component.grams) else {
        return refuse(RefusalCode::SumOutOfRange, "/component", "the device's mass would leave the range");
    };
    relocate(state, component.site, device.site, component.grams);
    let brings_data = bears_data(rules_in_force(state)?, &component);
    let sanitised = if brings_data { device.sanitised.min(component.sanitised) } else { device.sanitised };
    let device = Item {
        grams,
        basis: if device.basis == component.basis { device.basis } else { WeightBasis::Estimated },
        condition: Condition::Untested,
        tested: None,
        media_free: device.media_free && !brings_data,
        sanitised,
        evidence: device.evidence.clone().join(&component.evidence),
        last_occurred: device.last_occurred.max(component.last_occurred),
        ..device
    };
    let ended = Item { installed_in: Some(device.id), site: device.site, ..component }.ended();
    state.put(Record::Item(ended.touched(context)?));
    state.put(Record::Item(device.touched(context)?));
    Ok(())
}
