//! Containers: what is packed moves with its container, and only with it.

use crate::domain::apply::{Context, refuse};
use crate::domain::arrival::arrive;
use crate::domain::codes::{ItemKind, ItemStatus, TableCode};
use crate::domain::event::{Packed, Unpacked};
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, Weighed, new_item, own_item, own_packed_item};
use crate::domain::lot::require_new;
use crate::domain::mass::{Grams, WeightBasis};
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, State, Stop};
use crate::limits::PAYLOAD_LIST_MAX;
use std::collections::BTreeSet;

/// Items go into a container; a container that is not known yet begins here.
pub fn packed(state: &mut State<'_>, context: &Context<'_>, event: &Packed) -> Result<Vec<Warning>, Stop> {
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    let container = container_of(state, context, &event.container)?;
    let mut warnings = Vec::new();
    let mut contents = container.contents.clone().unwrap_or_default();
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.kind == ItemKind::Container {
            return refuse(RefusalCode::WrongKind, pointer, "a container does not go into a container");
        }
        let (item, found) = arrive(state, context, item, container.site)?;
        warnings.extend(found);
        contents.push(*id);
        state.put(Record::Item(Item { packed_in: Some(container.id), ..item }.touched(context)?));
    }
    if contents.len() >= PAYLOAD_LIST_MAX {
        return refuse(RefusalCode::ListInvalid, "/items", "a container holds at most 255 items: an offer names all");
    }
    state.put(Record::Item(Item { contents: Some(contents), ..container }.touched(context)?));
    Ok(each_once(warnings))
}

fn container_of(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    if state.item(id)?.is_some() {
        let known = own_item(state, context, id, "/container", &[ItemStatus::Held])?;
        return if known.kind == ItemKind::Container {
            Ok(known)
        } else {
            refuse(RefusalCode::WrongKind, "/container", "this is no container")
        };
    }
    require_new(state, id, "/container")?;
    let weighed = Weighed { grams: Grams::ZERO, basis: WeightBasis::Estimated, warnings: Vec::new() };
    let Some(class) = TableCode::parse("container") else {
        return refuse(RefusalCode::CodeUnknown, "/container", "containers have no class");
    };
    new_item(state, context, *id, ItemKind::Container, class, &weighed)
}

/// Items leave a container.
pub fn unpacked(state: &mut State<'_>, context: &Context<'_>, event: &Unpacked) -> Result<(), Stop> {
    let container = own_item(state, context, &event.container, "/container", &[ItemStatus::Held])?;
    if container.kind != ItemKind::Container {
        return refuse(RefusalCode::WrongKind, "/container", "this is no container");
    }
    let contents = container.contents.clone().unwrap_or_default();
    let leaving = event.items.clone().unwrap_or_else(|| contents.clone());
    let distinct: BTreeSet<&ItemId> = leaving.iter().collect();
    if leaving.is_empty() || distinct.len() != leaving.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    state.require_loaded(leaving.iter().map(ToString::to_string))?;
    for (position, id) in leaving.iter().enumerate() {
        let pointer = format!("/items/{position}");
        if !contents.contains(id) {
            return refuse(RefusalCode::ListInvalid, pointer, "this is not in the container");
        }
        let item = own_packed_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        state.put(Record::Item(Item { packed_in: None, ..item }.touched(context)?));
    }
    let left: Vec<ItemId> = contents.into_iter().filter(|id| !leaving.contains(id)).collect();
    state.put(Record::Item(
        Item { contents: Some(left).filter(|left| !left.is_empty()), ..container }.touched(context)?,
    ));
    Ok(())
}

/// What is packed moves with its container: whoever offers either names the container and all that is in it.
pub(crate) fn require_whole_containers(state: &State<'_>, offered: &BTreeSet<ItemId>) -> Result<(), Stop> {
    for id in offered {
        let Some(item) = state.item(id)? else { continue };
        if let Some(container) = item.packed_in.filter(|container| !offered.contains(container)) {
            let detail = format!("{id} is packed in {container}; offer that with all its contents, or unpack it first");
            return refuse(RefusalCode::Packed, "/items", detail);
        }
        let missing = item.contents.iter().flatten().find(|inside| !offered.contains(inside));
        if let Some(inside) = missing {
            let detail = format!("the container {id} holds {inside} too; an offer names everything in it");
            return refuse(RefusalCode::Packed, "/items", detail);
        }
    }
    Ok(())
}

/// Takes an item out of its container, as happens when a receiver takes one and not the other.
pub(crate) fn take_out_of_container(state: &mut State<'_>, item: Item) -> Result<Item, Stop> {
    let Some(id) = item.packed_in else { return Ok(item) };
    if let Some(container) = state.item(&id)?.cloned() {
        let left: Vec<ItemId> = container.contents.into_iter().flatten().filter(|inside| *inside != item.id).collect();
        state.put(Record::Item(Item { contents: Some(left).filter(|left| !left.is_empty()), ..container }));
    }
    Ok(Item { packed_in: None, ..item })
}
