//! Lots: waste known by weight, and how a lot parts.

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{ItemKind, ItemStatus};
use crate::domain::event::Split;
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, own_item};
use crate::domain::mass::{Grams, apportion};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};

/// Nothing is known yet by the id of something new.
pub(crate) fn require_new(state: &State<'_>, id: &ItemId, pointer: &str) -> Result<(), Stop> {
    match state.item(id)? {
        Some(_) => refuse(RefusalCode::AlreadyRegistered, pointer, "an item of this id is known"),
        None => Ok(()),
    }
}

/// A lot becomes several; their grams are exactly its own, and each takes of every source.
pub fn split(state: &mut State<'_>, context: &Context<'_>, event: &Split) -> Result<(), Stop> {
    let lot = own_item(state, context, &event.lot, "/lot", &[ItemStatus::Held])?;
    if lot.kind != ItemKind::Lot {
        return refuse(RefusalCode::WrongKind, "/lot", "only a lot is split");
    }
    if event.parts.len() < 2 {
        return refuse(RefusalCode::ListInvalid, "/parts", "a split has at least two parts");
    }
    let mut left = lot.clone();
    let masses = masses_of(context, &lot, event);
    for ((position, part), grams) in event.parts.iter().enumerate().zip(&masses) {
        let pointer = format!("/parts/{position}");
        require_new(state, &part.lot, &format!("{pointer}/lot"))?;
        let is_empty = *grams == Grams::ZERO && !context.follows_figures();
        if is_empty || *grams > left.grams {
            return refuse(RefusalCode::SumDiffers, format!("{pointer}/net_g"), unequal(lot.grams));
        }
        let (child, rest) = left.parted(*grams);
        left = rest;
        let child = Item { id: part.lot, registered: context.index, ..child };
        state.put(Record::Item(child.touched(context)?));
    }
    if left.grams != Grams::ZERO {
        return refuse(RefusalCode::SumDiffers, "/parts", unequal(lot.grams));
    }
    state.put(Record::Item(lot.passed_on().touched(context)?));
    Ok(())
}

/// The masses of a split's parts: as stated; of a lot whose mass was corrected, in the proportion stated.
fn masses_of(context: &Context<'_>, lot: &Item, event: &Split) -> Vec<Grams> {
    let stated: Vec<Grams> = event.parts.iter().map(|part| part.net_g).collect();
    if context.follows_figures() { apportion(&stated, lot.grams) } else { stated }
}

fn unequal(grams: Grams) -> String {
    format!("the parts, each more than 0 g, must add up to exactly the lot's {grams}")
}
