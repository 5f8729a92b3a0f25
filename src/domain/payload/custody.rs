//! What is said when something changes hands.

use crate::domain::codes::{Commitment, Document, DocumentNumber, Place, RefusalReason, TableCode};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::mass::{Grams, Weight};
use crate::domain::time::Date;

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
        /// The receiver; a plant without a key stands in `to_facility` instead.
        to: Option<OrganisationId>,
        /// A plant without a key: the sender itself posts its receipt later, as documented.
        to_facility: Option<SiteId>,
        /// The entry in which the receiver claims to have received this already: the offer completes the handover at once.
        completes: Option<EntryIndex>,
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
        /// What was received although nobody offered it yet: the handover is a new one and waits for its offer.
        unoffered: Option<Unoffered>,
        /// The number of the receipt; a plant without a key is never without one.
        number: Option<DocumentNumber>,
        /// The weighbridge ticket or receipt.
        document: Option<Document>,
    }
}

record! {
    /// What came without an offer.
    pub struct Unoffered {
        /// The sender.
        from: OrganisationId,
        /// Devices and components.
        items: Option<Vec<ItemId>>,
        /// Lots; what became of each stands in `lots` of the acceptance, in this order.
        lots: Option<Vec<ItemId>>,
    }
}

record! {
    /// One of the two sides of a handover agrees to the receiver's weight; when both have, the dispute ends.
    pub struct DifferenceAgreed {
        /// The handover.
        handover: HandoverId,
        /// What explains the difference.
        document: Option<Document>,
    }
}

record! {
    /// A carrier moved what a handover names: one leg of the way.
    pub struct Carried {
        /// The handover.
        handover: HandoverId,
        /// How: a mode of transport of the rule set.
        mode: TableCode,
        /// Where it began.
        from: Place,
        /// Where it ended.
        to: Place,
        /// Day of departure.
        departed: Date,
        /// Day of arrival.
        arrived: Date,
        /// The vehicle or vessel; on the road never absent.
        vehicle: Option<Commitment>,
        /// Waybill or bill of lading.
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
