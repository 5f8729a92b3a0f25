//! What is said when something changes hands.

use crate::domain::codes::{Document, DocumentNumber, RefusalReason};
use crate::domain::fields::record;
use crate::domain::ids::{HandoverId, ItemId, OrganisationId};
use crate::domain::mass::{Grams, Weight};

record! {
    /// A lot in an offer.
    pub struct OfferedLot {
        /// The lot.
        lot: ItemId,
        /// What the sender says it weighs.
        sent_g: Grams,
    }
}

record! {
    /// What became of an offered lot at the receiver's.
    pub struct ReceivedLot {
        /// What was received, gross and tare as for any weight; absent if the lot never came.
        weight: Option<Weight>,
        /// What of it is taken.
        accepted_g: Grams,
        /// What of it is not; it goes back to the sender.
        refused_g: Grams,
        /// The new id of the refused part.
        refused_as: Option<ItemId>,
        /// Why it is refused.
        reason: Option<RefusalReason>,
    }
}

record! {
    /// Items are offered to a receiver; until it answers, custody stays with the sender.
    pub struct HandoverOffered {
        /// The new id of the handover.
        handover: HandoverId,
        /// The receiver.
        to: OrganisationId,
        /// The devices and components that are offered.
        items: Option<Vec<ItemId>>,
        /// The lots that are offered.
        lots: Option<Vec<OfferedLot>>,
        /// Who carries it.
        carrier: Option<OrganisationId>,
        /// The number of the paper that goes with it.
        number: Option<DocumentNumber>,
        /// The paper.
        document: Option<Document>,
    }
}

record! {
    /// The sender takes an offer back.
    pub struct HandoverWithdrawn {
        /// The handover.
        handover: HandoverId,
    }
}

record! {
    /// A device or component that the receiver does not take.
    pub struct RefusedItem {
        /// The item.
        item: ItemId,
        /// Why.
        reason: RefusalReason,
    }
}

record! {
    /// The receiver takes what was offered, or a part of it.
    pub struct HandoverAccepted {
        /// The handover.
        handover: HandoverId,
        /// Devices and components that it does not take; all others it takes.
        refused: Option<Vec<RefusedItem>>,
        /// What became of the lots, in the offer's order.
        lots: Option<Vec<ReceivedLot>>,
        /// The weighbridge ticket or receipt.
        document: Option<Document>,
    }
}

record! {
    /// The receiver takes nothing.
    pub struct HandoverRefused {
        /// The handover.
        handover: HandoverId,
        /// Why.
        reason: RefusalReason,
    }
}
