//! Custody: two parties, two statements. Until the receiver answers, everything stays with the sender.
//!
//! `offering` is the sender's word, `taking` the receiver's, `claim` the receiver's without an offer, `way` the carriers'. What
//! ends a handover without anything changing hands, and how both sides settle a difference, stands here.

mod claim;
mod offering;
mod taking;
mod way;

pub use offering::handover_offered;
pub use taking::handover_accepted;
pub use way::carried;

pub(crate) use offering::{Offering, offer_all};
pub(crate) use taking::take;

use crate::domain::apply::{Context, refuse};
use crate::domain::border::Shipment;
use crate::domain::codes::{ItemStatus, Place, TableCode};
use crate::domain::event::{Common, DifferenceAgreed, HandoverAccepted, HandoverRefused, HandoverWithdrawn};
use crate::domain::evidence::FlawCode;
use crate::domain::fields::{codes, record};
use crate::domain::finding;
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, SiteId};
use crate::domain::item::{Item, require_order};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;

codes! {
    /// Where a handover stands.
    pub enum HandoverStatus {
        /// The receiver claims to have it; the sender has not offered it yet.
        Claimed = "claimed",
        /// The receiver has not answered.
        Open = "open",
        /// The receiver took all or a part.
        Accepted = "accepted",
        /// The receiver took nothing.
        Refused = "refused",
        /// The sender took it back.
        Withdrawn = "withdrawn",
        /// It never was: a correction says so.
        Void = "void",
    }
}

record! {
    /// What a receiver claims to have received without an offer.
    pub struct Claim {
        /// The entry that claims it.
        entry: EntryIndex,
        /// The key that signed it.
        signer: KeyId,
        /// Who, where and when.
        common: Common,
        /// What became of it.
        accepted: HandoverAccepted,
    }
}

record! {
    /// One leg of the way.
    pub struct Leg {
        /// The entry that states it.
        entry: EntryIndex,
        /// Who carried.
        carrier: OrganisationId,
        /// How.
        mode: TableCode,
        /// Where it began.
        from: Place,
        /// Where it ended.
        to: Place,
        /// Day of departure.
        departed: Date,
        /// Day of arrival.
        arrived: Date,
    }
}

record! {
    /// A handover.
    pub struct Handover {
        /// Its id.
        id: HandoverId,
        /// The sender.
        from: OrganisationId,
        /// The receiver.
        to: Option<OrganisationId>,
        /// A plant without a key that receives; the sender shows its papers.
        facility: Option<SiteId>,
        /// The devices, components and containers that were offered.
        items: Vec<ItemId>,
        /// The lots that were offered, in the offer's order.
        lots: Vec<ItemId>,
        /// Where it stands.
        status: HandoverStatus,
        /// The entry of the offer; of a claim until then.
        offered: EntryIndex,
        /// The key that signed the offer.
        signer: KeyId,
        /// Who carries, if others do.
        carriers: Vec<OrganisationId>,
        /// The legs of its way, as they were posted.
        legs: Vec<Leg>,
        /// Its border, if it crosses one.
        shipment: Option<Shipment>,
        /// What the receiver claimed before there was an offer.
        claim: Option<Claim>,
        /// The entry of the answer.
        answered: Option<EntryIndex>,
        /// Whether sender and receiver weighed differently beyond the band.
        disputed: bool,
        /// Who has agreed to the difference.
        agreed: Vec<OrganisationId>,
    }
}

impl Handover {
    /// Everything that was offered.
    pub fn all(&self) -> impl Iterator<Item = &ItemId> {
        self.items.iter().chain(&self.lots)
    }

    /// Everybody who has to do with it.
    pub fn parties(&self) -> impl Iterator<Item = OrganisationId> {
        [self.from].into_iter().chain(self.to).chain(self.carriers.iter().copied())
    }
}

/// Which side of a handover speaks.
pub(crate) enum Side {
    Sender,
    Receiver,
}

/// The open handover that a statement answers, if its author may.
pub(crate) fn open_handover(
    state: &State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
) -> Result<Handover, Stop> {
    unanswered(state, context, id, side, &[HandoverStatus::Open])
}

/// The same for a handover that stands otherwise.
fn unanswered(
    state: &State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
    standing: &[HandoverStatus],
) -> Result<Handover, Stop> {
    let Some(handover) = state.handover(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let (speaker, wanted) = match side {
        Side::Sender => (handover.from, "sender"),
        // For a plant without a key the sender shows its papers.
        Side::Receiver => (handover.to.unwrap_or(handover.from), "named receiver"),
    };
    if speaker != context.party() {
        return refuse(RefusalCode::WrongReceiver, "/handover", format!("only the {wanted} may say this"));
    }
    if !standing.contains(&handover.status) {
        let detail = format!("this handover is {} already", handover.status);
        return refuse(RefusalCode::HandoverAnswered, "/handover", detail);
    }
    state.require_loaded(handover.all().map(ToString::to_string))?;
    Ok(handover)
}

fn offered_item(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let Some(item) = state.item(id)? else {
        return refuse(RefusalCode::Unknown, "/handover", "an item of this handover is not known");
    };
    require_order(state, context, item)?;
    Ok(item.clone())
}

/// Gives an offered item back to its sender's shelf; it never left.
pub(crate) fn give_back(state: &mut State<'_>, context: &Context<'_>, id: &ItemId) -> Result<(), Stop> {
    let item = offered_item(state, context, id)?;
    let held = Item { status: ItemStatus::Held, ..item };
    state.put(Record::Item(held.touched(context)?));
    Ok(())
}

pub(crate) fn close(state: &mut State<'_>, context: &Context<'_>, handover: Handover, status: HandoverStatus) {
    let answered = Some(context.index);
    state.put(Record::Handover(Handover { status, answered, ..handover }));
}

/// The sender takes the offer back, or rejects what a receiver claims to have.
pub fn handover_withdrawn(state: &mut State<'_>, context: &Context<'_>, event: &HandoverWithdrawn) -> Result<(), Stop> {
    end_whole(state, context, &event.handover, &Side::Sender, HandoverStatus::Withdrawn)
}

/// The receiver takes nothing, or takes back its claim.
pub fn handover_refused(state: &mut State<'_>, context: &Context<'_>, event: &HandoverRefused) -> Result<(), Stop> {
    end_whole(state, context, &event.handover, &Side::Receiver, HandoverStatus::Refused)
}

/// A handover ends without anything changing hands.
fn end_whole(
    state: &mut State<'_>,
    context: &Context<'_>,
    id: &HandoverId,
    side: &Side,
    status: HandoverStatus,
) -> Result<(), Stop> {
    let handover = unanswered(state, context, id, side, &[HandoverStatus::Open, HandoverStatus::Claimed])?;
    for id in handover.all() {
        if handover.status == HandoverStatus::Open {
            give_back(state, context, id)?;
        } else if let Some(item) = state.item(id)?.cloned() {
            // What was only claimed is where it was.
            state.put(Record::Item(Item { claimed: None, ..item }));
        }
    }
    close(state, context, handover, status);
    Ok(())
}

/// One of the two sides agrees to the receiver's weight; when both have, what was in dispute counts again.
pub fn difference_agreed(state: &mut State<'_>, context: &Context<'_>, event: &DifferenceAgreed) -> Result<(), Stop> {
    let Some(mut handover) = state.handover(&event.handover)?.cloned() else {
        return refuse(RefusalCode::Unknown, "/handover", "no handover of this id is known");
    };
    let party = context.party();
    if party != handover.from && Some(party) != handover.to {
        return refuse(RefusalCode::WrongReceiver, "/handover", "only sender and receiver agree to a difference");
    }
    if !handover.disputed && context.again.is_some() {
        // Since it was said a correction has explained the difference: there is nothing left to agree to.
        return Ok(());
    }
    let (Some(answered), Some(receiver), true) = (handover.answered, handover.to, handover.disputed) else {
        let detail = "nothing of this handover is in dispute between two parties";
        return refuse(RefusalCode::NothingToAnswer, "/handover", detail);
    };
    if handover.agreed.contains(&party) {
        return refuse(RefusalCode::NothingToAnswer, "/handover", "your organisation has agreed before");
    }
    handover.agreed.push(party);
    let both = [handover.from, receiver].iter().all(|side| handover.agreed.contains(side));
    state.put(Record::Handover(Handover { disputed: !both, ..handover }));
    if both { finding::cure(state, context, answered, &[FlawCode::Disputed]) } else { Ok(()) }
}
