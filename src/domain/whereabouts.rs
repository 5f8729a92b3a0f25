//! Where something that was given is now, and how many of a donation's grams are there.
//!
//! While it is a product an item has its own grams. As waste its grams are followed by `given`, the shares of donations in
//! items, batches and treatments, which add up to the gram.

use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::codes::{Condition, Country, ItemKind, ItemStatus};
use crate::domain::composition::SourceId;
use crate::domain::fields::codes;
use crate::domain::ids::DonationId;
use crate::domain::item::Item;
use crate::domain::lineage::Node;
use crate::domain::mass::Grams;
use std::cmp::Ordering;

codes! {
    /// Where something is, from what goes on to what has ended.
    pub enum Whereabouts {
        /// A product, with its holder.
        Held = "held",
        /// A product, offered to a receiver who has not answered.
        Offered = "offered",
        /// A product in use.
        InUse = "in_use",
        /// Waste that has joined no lot yet, with its holder or offered.
        Retired = "retired",
        /// In a lot of waste or of a fraction that waits.
        InLot = "in_lot",
        /// In an open batch.
        InBatch = "in_batch",
        /// Ended by a final operation.
        Treated = "treated",
        /// Left the scheme alive, or sold.
        Released = "released",
        /// Lost or stolen.
        Lost = "lost",
        /// Built into another device, which has its grams.
        Installed = "installed",
        /// Nothing of it is anywhere: dust, dirt, and what scales did not find again.
        Dispersed = "dispersed",
    }
}

/// Where something is, and in which country: `None` where that is not known, or where it is in several.
pub type Place = (Whereabouts, Option<Country>);

/// Of two places of the same thing the one that lags behind.
pub fn lagging(one: Place, other: Place) -> Place {
    match one.0.cmp(&other.0) {
        Ordering::Less => one,
        Ordering::Greater => other,
        Ordering::Equal if one.1 == other.1 => one,
        Ordering::Equal => (one.0, None),
    }
}

impl Whereabouts {
    /// Where an item is; `None` if it has become something else.
    pub fn of_item(item: &Item) -> Option<Self> {
        match item.status {
            ItemStatus::Held | ItemStatus::Offered if item.kind == ItemKind::Lot => Some(Self::InLot),
            ItemStatus::Held | ItemStatus::Offered if item.condition == Condition::Waste && item.arising.is_some() => {
                Some(Self::Retired)
            }
            ItemStatus::Held => Some(Self::Held),
            ItemStatus::Offered => Some(Self::Offered),
            ItemStatus::InUse => Some(Self::InUse),
            ItemStatus::InBatch => None,
            ItemStatus::Ended => Self::of_ended(item),
        }
    }

    fn of_ended(item: &Item) -> Option<Self> {
        if item.treated.is_some() {
            Some(Self::Treated)
        } else if item.released_g.is_some() {
            Some(Self::Released)
        } else if item.lost_g.is_some() {
            Some(Self::Lost)
        } else {
            item.installed_in.map(|_| Self::Installed)
        }
    }

    /// Whether it still goes on: something is yet to come of it.
    pub const fn goes_on(self) -> bool {
        !matches!(self, Self::Treated | Self::Released | Self::Installed | Self::Dispersed)
    }
}

/// What an item went into.
pub fn next_of(item: &Item) -> Option<Node> {
    item.joined.map(Node::Item).or(item.fed.map(Node::Batch))
}

/// The mass that an item has by itself, or had when it was lost or released; `None` if its mass went on or has ended.
pub fn own_grams(item: &Item) -> Option<Grams> {
    let went_on = next_of(item).is_some() || item.treated.is_some() || item.installed_in.is_some();
    (!went_on).then(|| item.lost_g.or(item.released_g).unwrap_or(item.grams))
}

/// Grams of a donation in an item, where it is or when it was lost or released.
pub fn grams_in_item(item: &Item, donation: &DonationId) -> Grams {
    if item.arising.is_some() {
        item.given.grams_of(&SourceId::of_donation(Some(donation)))
    } else if item.donation.as_ref() == Some(donation) {
        item.lost_g.or(item.released_g).unwrap_or(item.grams)
    } else {
        Grams::ZERO
    }
}

/// Grams of a donation that are left in an open batch: its share of what went in. Where more came out than went in,
/// nothing is left.
pub fn grams_in_batch(batch: &Batch, donation: &DonationId) -> Grams {
    match (batch.status, Grams::new(batch.left_g.0)) {
        (BatchStatus::Open, Some(left)) => batch.given.scaled(left).grams_of(&SourceId::of_donation(Some(donation))),
        _ => Grams::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_something_is_where_it_lags_behind() {
        let place = |whereabouts, country: &str| (whereabouts, Country::parse(country));
        let (treated, waiting) = (place(Whereabouts::Treated, "KE"), place(Whereabouts::InLot, "BE"));
        assert_eq!(lagging(treated.clone(), waiting.clone()), waiting);
        assert_eq!(lagging(waiting.clone(), treated.clone()), waiting);
        assert_eq!(lagging(treated.clone(), treated.clone()), treated);
        assert_eq!(lagging(treated, place(Whereabouts::Treated, "BE")), (Whereabouts::Treated, None));
    }
}
