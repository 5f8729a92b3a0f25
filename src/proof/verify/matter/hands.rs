//! How lots change hands: within a country, over a border, and to plants without a key.

use crate::domain::border::{Allowed, Crossing};
use crate::domain::codes::Country;
use crate::domain::event::{
    BorderGround, ExportConsented, ExportShipped, HandoverAccepted, ImportReceived, ReceivedLot, RefusedItem,
};
use crate::domain::ids::{HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::proof::verify::matter::flaw::What;
use crate::proof::verify::matter::{CUSTODY, Lot, Matter};
use crate::proof::verify::shown::{ShownOffer, ShownStatement};
use std::collections::BTreeSet;

/// What a receiver says that it took.
pub(super) struct Answer<'a> {
    handover: HandoverId,
    refused: &'a [RefusedItem],
    lots: &'a [ReceivedLot],
    /// Whether number and paper stand in it, as a plant without a key needs them.
    has_papers: bool,
    is_import: bool,
}

impl<'a> Answer<'a> {
    pub(super) fn accepted(event: &'a HandoverAccepted) -> Self {
        Self {
            handover: event.handover,
            refused: event.refused.as_deref().unwrap_or_default(),
            lots: event.lots.as_deref().unwrap_or_default(),
            has_papers: event.number.is_some() && event.document.is_some(),
            is_import: false,
        }
    }

    pub(super) fn received(event: &'a ImportReceived) -> Self {
        Self {
            handover: event.handover,
            refused: event.refused.as_deref().unwrap_or_default(),
            lots: event.lots.as_deref().unwrap_or_default(),
            has_papers: event.number.is_some() && event.document.is_some(),
            is_import: true,
        }
    }
}

/// A receipt at work.
struct Receipt<'a> {
    sender: OrganisationId,
    /// Who has it afterwards: a plant without a key holds nothing.
    holder: OrganisationId,
    site: Option<SiteId>,
    /// Why this is no proof by two parties.
    flaw: Option<What>,
    is_shipment: bool,
    said: &'a ShownStatement,
}

impl Matter<'_> {
    /// The receiver's answer takes effect.
    pub(super) fn change_hands(&mut self, answer: &Answer<'_>, said: &ShownStatement) -> Result<(), String> {
        let offer = self.shown.offer(&answer.handover).ok_or("its offer is not shown")?;
        let offered = self.shown.statement(offer.index).filter(|offered| offered.index < said.index);
        let offered = offered.ok_or("its offer is not shown before it")?;
        let receipt = self.receipt(answer, offer, offered, said)?;
        self.answer(answer.handover)?;
        let refused: BTreeSet<ItemId> = answer.refused.iter().map(|refused| refused.item).collect();
        for item in offer.items.iter().filter(|item| !refused.contains(item)) {
            self.take_over(*item, &receipt);
        }
        if offer.lots.len() != answer.lots.len() {
            return Err("it does not answer each lot of its offer".into());
        }
        for (lot, answer) in offer.lots.iter().zip(answer.lots) {
            self.take_lot(*lot, answer, &receipt)?;
        }
        Ok(())
    }

    fn receipt<'s>(
        &self,
        answer: &Answer<'_>,
        offer: &ShownOffer,
        offered: &ShownStatement,
        said: &'s ShownStatement,
    ) -> Result<Receipt<'s>, String> {
        if answer.is_import && !offer.is_shipment {
            return Err("what crosses no border is no import".into());
        }
        let (sender, party, own_site) = (offered.party(), said.party(), said.statement.common.site);
        let is_shipment = offer.is_shipment;
        match (offer.to, offer.facility) {
            (Some(to), None) if to == party => {
                let hosted = self.shown.is_hosted(&offered.signer) && self.shown.is_hosted(&said.signer);
                let flaw = hosted.then_some(What::Hosted);
                Ok(Receipt { sender, holder: party, site: own_site, flaw, is_shipment, said })
            }
            // The sender itself posts what a plant without a key has signed on paper.
            (None, Some(plant)) if sender == party && answer.has_papers => {
                Ok(Receipt { sender, holder: sender, site: Some(plant), flaw: Some(What::Papers), is_shipment, said })
            }
            _ => Err("it changed hands between others than those who say so".into()),
        }
    }

    pub(super) fn answer(&mut self, handover: HandoverId) -> Result<(), String> {
        if self.answered.insert(handover) { Ok(()) } else { Err("a handover is answered twice".into()) }
    }

    fn take_over(&mut self, id: ItemId, receipt: &Receipt<'_>) {
        let said = receipt.said;
        let mut flaws = self.flaws_of_key(said);
        flaws.extend(receipt.flaw.map(|what| said.flaw(what)));
        let to = receipt.site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone());
        let watched = self.rules.borders.is_some() && !receipt.is_shipment;
        if let Some(lot) = self.items.get_mut(&id) {
            lot.holder = Some(receipt.holder);
            lot.come_to(to, watched, said);
            lot.flaws.extend(flaws);
            lot.latest = lot.latest.clone().later(&said.statement.common.occurred_at);
        }
    }

    fn take_lot(&mut self, id: ItemId, answer: &ReceivedLot, receipt: &Receipt<'_>) -> Result<(), String> {
        let said = receipt.said;
        let Some(weight) = &answer.weight else { return Ok(()) };
        let (net, weighed) = self.read(weight, said);
        let Some(net) = net.filter(|net| answer.accepted_g.plus(answer.refused_g) == Some(*net)) else {
            return Err("accepted and refused are not what was weighed".into());
        };
        let Some(before) = self.items.get(&id).cloned() else {
            // Of a lot whose beginning is left out this may not be the last word either.
            return Ok(());
        };
        let division = weight.scale.map_or(Grams::ZERO, |scale| self.shown.division(&scale));
        let difference = before.grams.map(|sent| (net.get() - sent.get()).abs());
        let sent = before.grams.unwrap_or(Grams::ZERO);
        let sources = before.sources.scaled(Some(net));
        let mut after = Lot { weighed: Some(weighed), sources, ..before };
        if after.holder.is_some_and(|holder| holder != receipt.sender) {
            after.gaps.insert(CUSTODY.to_owned());
        }
        if difference.is_some_and(|difference| difference > self.rules.bands.handover_g(sent, division)) {
            after.flaws.insert(said.flaw(What::Disputed));
        }
        after.latest = after.latest.later(&said.statement.common.occurred_at);
        if answer.accepted_g == Grams::ZERO {
            let back = Lot { grams: Some(answer.refused_g), holder: Some(receipt.sender), ..after };
            self.items.insert(id, back);
            return Ok(());
        }
        let (taken, left) = after.sources.take(answer.accepted_g);
        if let Some(part) = answer.refused_as {
            let back =
                Lot { grams: Some(answer.refused_g), holder: Some(receipt.sender), sources: left, ..after.clone() };
            self.make(part, back)?;
        }
        self.items.insert(id, Lot { grams: Some(answer.accepted_g), sources: taken, ..after });
        self.take_over(id, receipt);
        Ok(())
    }

    /// Items leave a country: held by whoever ships them, and covered by the paper of their ground or marked.
    pub(super) fn ship(&mut self, event: &ExportShipped, said: &ShownStatement) -> Result<(), String> {
        let lots: Vec<ItemId> = event.lots.iter().flatten().map(|lot| lot.lot).collect();
        let all: Vec<ItemId> = lots.into_iter().chain(event.items.iter().flatten().copied()).collect();
        all.iter().try_for_each(|item| self.held(*item, said))?;
        if matches!(event.ground, BorderGround::NonWasteReuse | BorderGround::NonWasteWarranty) {
            return Ok(());
        }
        let common = &said.statement.common;
        let from = common.site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone());
        let (Some(from), Some(day), Some(borders)) = (from, common.occurred_at.date(), &self.rules.borders) else {
            self.mark(&all, "from where a shipment left, or on what day, is not shown");
            return Ok(());
        };
        let crossing = Crossing { rules: self.rules, borders, from, day, event };
        let under = event.under.as_ref();
        let consent = under.and_then(|under| self.shown.consent(&under.consent, said.party(), said.index));
        if under.is_some() && consent.is_none() {
            self.mark(&all, "the consent of a shipment is not shown");
            return Ok(());
        }
        if let (Some(under), Some(consent)) = (under, consent) {
            let sent: i64 = event.lots.iter().flatten().map(|lot| lot.sent_g.get()).sum();
            if under.sequence.get() > consent.shipments.get() || sent > consent.quantity_g.get() {
                return Err("it ships more, or more often, than its consent allows".into());
            }
        }
        let plants: Vec<SiteId> =
            consent.iter().flat_map(|consent| consent.facility.into_iter().chain(consent.interim_facility)).collect();
        let allowed = consent.map(|consent| allowed_by(consent, &plants));
        let in_order = allowed.as_ref().is_none_or(|allowed| crossing.is_allowed(allowed));
        for id in all {
            let Some(class) = self.items.get(&id).and_then(|lot| lot.class.clone()) else { continue };
            let code = self.rules.waste_code(&class, &crossing.from, &crossing.day);
            let covered = crossing.covers(&class, code.as_ref(), allowed.as_ref());
            let banned = crossing.is_banned(&class, code.as_ref(), covered);
            if let Some(lot) = self.items.get_mut(&id) {
                lot.flaws.extend((!covered || !in_order).then(|| said.flaw(What::BorderNotCovered)));
                lot.flaws.extend(banned.then(|| said.flaw(What::ExportBanned)));
            }
        }
        Ok(())
    }

    fn mark(&mut self, items: &[ItemId], gap: &str) {
        for id in items {
            if let Some(lot) = self.items.get_mut(id) {
                lot.gaps.insert(gap.to_owned());
            }
        }
    }
}

fn allowed_by<'c>(consent: &'c ExportConsented, plants: &'c [SiteId]) -> Allowed<'c> {
    Allowed {
        from: &consent.from_country,
        to: &consent.to_country,
        days: (&consent.valid_from, &consent.valid_until),
        plants,
        waste_codes: &consent.waste_codes,
        basel_codes: &consent.basel_codes,
    }
}

impl Lot {
    /// It comes to another country; without a shipment it crossed the border without papers.
    pub(super) fn come_to(&mut self, to: Option<Country>, watched: bool, said: &ShownStatement) {
        let crossed = self.lies_in.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from != to);
        self.flaws.extend((watched && crossed).then(|| said.flaw(What::BorderNotCovered)));
        self.lies_in = to.or_else(|| self.lies_in.take());
    }
}
