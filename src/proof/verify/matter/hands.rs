//! How lots change hands: within a country, over a border, and to plants without a key.

use crate::domain::border::{Allowed, Completion, Crossing, completion, is_named};
use crate::domain::codes::{DocumentNumber, TableCode};
use crate::domain::event::{
    BorderGround, Event, ExportConsented, ExportShipped, HandoverAccepted, HandoverOffered, ImportReceived,
    ReceivedLot, RefusedItem,
};
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::rule_set::RuleSet;
use crate::proof::verify::matter::flaw::What;
use crate::proof::verify::matter::{CUSTODY, Lot, Matter};
use crate::proof::verify::shown::{ShownOffer, ShownStatement};
use std::collections::BTreeSet;

/// What a receiver says that it took.
pub(super) struct Answer<'a> {
    handover: HandoverId,
    refused: &'a [RefusedItem],
    lots: &'a [ReceivedLot],
    /// The number of its paper, if both stand in it, as a plant without a key needs them.
    papers: Option<&'a DocumentNumber>,
    is_import: bool,
}

impl<'a> Answer<'a> {
    pub(super) fn accepted(event: &'a HandoverAccepted) -> Self {
        Self {
            handover: event.handover,
            refused: event.refused.as_deref().unwrap_or_default(),
            lots: event.lots.as_deref().unwrap_or_default(),
            papers: event.number.as_ref().filter(|_| event.document.is_some()),
            is_import: false,
        }
    }

    pub(super) fn received(event: &'a ImportReceived) -> Self {
        Self {
            handover: event.handover,
            refused: event.refused.as_deref().unwrap_or_default(),
            lots: event.lots.as_deref().unwrap_or_default(),
            papers: event.number.as_ref().filter(|_| event.document.is_some()),
            is_import: true,
        }
    }
}

/// What left under a consent so far, as far as shown.
#[derive(Default)]
pub(super) struct Shipped {
    grams: i64,
    sequences: BTreeSet<i64>,
}

/// A receipt at work.
struct Receipt<'a> {
    sender: OrganisationId,
    /// Who has it afterwards: a plant without a key holds nothing.
    holder: OrganisationId,
    site: Option<SiteId>,
    /// Why this is no proof by two independent parties, and what is wrong with its road.
    flaws: Vec<What>,
    is_shipment: bool,
    /// What is asked of the end of what a shipment brought as waste.
    completion: Option<Completion>,
    said: &'a ShownStatement,
}

impl Matter<'_> {
    /// The receiver's answer takes effect.
    pub(super) fn change_hands(&mut self, answer: &Answer<'_>, said: &ShownStatement) -> Result<(), String> {
        let offer = self.shown.offer(&answer.handover).ok_or("its offer is not shown")?;
        let offered = self.shown.statement(offer.index).filter(|offered| offered.index < said.index);
        self.hand_over(answer, offer, offered.ok_or("its offer is not shown before it")?, said)
    }

    /// An offer completes what its receiver claimed before: the claim takes effect now, as if it were said here. Without
    /// the claim nothing moves, and whoever acts on it is shown not to hold it.
    pub(super) fn complete(&mut self, event: &HandoverOffered, said: &ShownStatement) -> Result<(), String> {
        let claim = event.completes.filter(|entry| *entry < said.index).and_then(|entry| self.shown.statement(entry));
        let Some((claim, Event::HandoverAccepted(accepted))) = claim.map(|claim| (claim, &claim.statement.event))
        else {
            return Ok(());
        };
        let lots: Vec<ItemId> = event.lots.iter().flatten().map(|lot| lot.lot).collect();
        let items = event.items.as_deref().unwrap_or_default();
        let is_claimed = accepted.handover == event.handover
            && accepted.unoffered.as_ref().is_some_and(|claimed| {
                claimed.from == said.party()
                    && claimed.items.as_deref().unwrap_or_default() == items
                    && claimed.lots.as_deref().unwrap_or_default() == lots
            });
        let offer = self.shown.offer(&event.handover).filter(|_| is_claimed);
        let offer = offer.ok_or("it completes a claim of something else")?;
        let said_here = ShownStatement {
            index: said.index,
            time: said.time,
            signer: claim.signer,
            statement: claim.statement.clone(),
            links: Vec::new(),
        };
        self.hand_over(&Answer::accepted(accepted), offer, said, &said_here)
    }

    fn hand_over(
        &mut self,
        answer: &Answer<'_>,
        offer: &ShownOffer,
        offered: &ShownStatement,
        said: &ShownStatement,
    ) -> Result<(), String> {
        let receipt = self.receipt(answer, offer, offered, said)?;
        self.answer(answer.handover)?;
        if let Some((plant, number)) = offer.facility.zip(answer.papers) {
            self.take_number(plant, number)?;
        }
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
        let is_shipment = offer.shipped_to.is_some();
        if answer.is_import && !is_shipment {
            return Err("what crosses no border is no import".into());
        }
        let (sender, party) = (offered.party(), said.party());
        let (holder, site) = match (offer.to, offer.facility) {
            (Some(to), None) if to == party => (party, said.statement.common.site),
            // The sender itself posts what a plant without a key has signed on paper.
            (None, Some(plant)) if sender == party && answer.papers.is_some() => (sender, Some(plant)),
            _ => return Err("it changed hands between others than those who say so".into()),
        };
        let mut flaws = self.flaws_of_hands(offer, offered, said);
        let consent = self.binding(offered);
        let plants = consent.map(|(_, consent)| plants_of(consent));
        flaws.extend(self.is_elsewhere(offer, plants.as_deref(), site).then_some(What::BorderNotCovered));
        let completion = is_shipment.then(|| self.completion_of(consent, said)).flatten();
        Ok(Receipt { sender, holder, site, flaws, is_shipment, completion, said })
    }

    /// The consent that binds what was shipped under it, as it did when it left, if that is shown.
    fn binding(&self, offered: &ShownStatement) -> Option<(EntryIndex, &ExportConsented)> {
        let Event::ExportShipped(event) = &offered.statement.event else { return None };
        let under = event.under.as_ref().filter(|_| self.consents_bound_at(offered.index))?;
        self.shown.consent(&under.consent, offered.party(), offered.index)
    }

    /// Whether a shipment comes to another country than it was shipped to, or to a plant that its consent does not name.
    fn is_elsewhere(&self, offer: &ShownOffer, plants: Option<&[SiteId]>, site: Option<SiteId>) -> bool {
        let country = site.and_then(|site| self.shown.site(&site)).map(|site| &site.country);
        // Older rule sets did not look where a shipment arrives.
        let is_looked_at = self.said_under.scheme.conditions.is_some();
        let shipped_to = offer.shipped_to.as_ref().filter(|_| is_looked_at);
        let elsewhere = shipped_to.zip(country).is_some_and(|(to, country)| to != country);
        elsewhere || plants.is_some_and(|plants| !is_named(plants, site))
    }

    /// What is asked of the end. A consent from before the rule set that asks for its operation says nothing of that.
    fn completion_of(
        &self,
        consent: Option<(EntryIndex, &ExportConsented)>,
        said: &ShownStatement,
    ) -> Option<Completion> {
        let day = said.statement.common.occurred_at.date()?;
        let operation = consent.filter(|(stated, _)| self.consents_bound_at(*stated));
        Completion::of(self.said_under, operation.map(|(_, consent)| &consent.operation), &day)
    }

    /// Whether the rule set that was in force for an entry asked consents for more than codes and mass.
    fn consents_bound_at(&self, entry: EntryIndex) -> bool {
        self.shown.rules_at(entry).is_some_and(binds)
    }

    /// Whether the rule set of that time asks consents for more than codes and mass.
    fn consents_bind(&self) -> bool {
        binds(self.said_under)
    }

    /// Why a handover is no proof by two independent parties: its sides are related, one organisation signed for both, both
    /// keys are the operator's, or it rests on papers.
    fn flaws_of_hands(&self, offer: &ShownOffer, offered: &ShownStatement, said: &ShownStatement) -> Vec<What> {
        let other = offer.to.map(|to| PartyId(to.0)).or(offer.facility.map(|facility| PartyId(facility.0)));
        let is_related =
            other.is_some_and(|other| self.shown.are_related(PartyId(offered.party().0), other, said.index));
        if offer.facility.is_some() {
            return [What::Papers].into_iter().chain(is_related.then_some(What::Related)).collect();
        }
        let one_signed_both = offered.statement.common.org == said.statement.common.org;
        if is_related || one_signed_both {
            return vec![What::Related];
        }
        let hosted = self.shown.is_hosted(&offered.signer) && self.shown.is_hosted(&said.signer);
        hosted.then_some(What::Hosted).into_iter().collect()
    }

    /// A number of a plant's paper serves once.
    pub(super) fn take_number(&mut self, plant: SiteId, number: &DocumentNumber) -> Result<(), String> {
        let fresh = self.numbers.insert((plant, number.clone()));
        if fresh { Ok(()) } else { Err(format!("the number {number} of a plant's paper was used before")) }
    }

    pub(super) fn answer(&mut self, handover: HandoverId) -> Result<(), String> {
        if self.answered.insert(handover) { Ok(()) } else { Err("a handover is answered twice".into()) }
    }

    fn take_over(&mut self, id: ItemId, receipt: &Receipt<'_>) {
        let said = receipt.said;
        let mut flaws = self.flaws_of_key(said);
        flaws.extend(receipt.flaws.iter().map(|what| said.flaw(*what)));
        let to = receipt.site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone());
        let watched = self.said_under.borders.is_some() && !receipt.is_shipment;
        if let Some(lot) = self.items.get_mut(&id) {
            (lot.holder, lot.site) = (Some(receipt.holder), receipt.site);
            lot.come_to(to, watched, said);
            lot.flaws.extend(flaws);
            lot.latest = lot.latest.clone().later(&said.statement.common.occurred_at);
            if let Some(asked) = receipt.completion.as_ref().filter(|_| lot.is_waste()) {
                lot.completions = completion::joined(lot.completions.iter().chain([asked])).unwrap_or_default();
            }
        }
        self.arrive(id, receipt.site, said);
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
        let mut after = Lot { weighed: Some(weighed), sources, otherwise: None, ..before };
        if after.holder.is_some_and(|holder| holder != receipt.sender) {
            after.gaps.insert(CUSTODY.to_owned());
        }
        if difference.is_some_and(|difference| difference > self.said_under.bands.handover_g(sent, division)) {
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
            let is_waste = |id| {
                let lot = self.items.get(id);
                lot.is_some_and(Lot::is_waste)
            };
            let no_waste = event.lots.iter().flatten().next().is_none() && !all.iter().any(is_waste);
            return if no_waste { Ok(()) } else { Err("waste leaves a country as used equipment".into()) };
        }
        let common = &said.statement.common;
        let from = common.site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone());
        let (Some(from), Some(day), Some(borders)) = (from, common.occurred_at.date(), &self.said_under.borders) else {
            self.mark(&all, "from where a shipment left, or on what day, is not shown");
            return Ok(());
        };
        let crossing = Crossing { rules: self.said_under, borders, from, day, event };
        let under = event.under.as_ref();
        let consent = under.and_then(|under| self.shown.consent(&under.consent, said.party(), said.index));
        let consent = consent.map(|(_, consent)| consent);
        if under.is_some() && consent.is_none() {
            self.mark(&all, "the consent of a shipment is not shown");
            return Ok(());
        }
        if let (Some(under), Some(consent)) = (under, consent) {
            let sent: i64 = event.lots.iter().flatten().map(|lot| lot.sent_g.get()).sum();
            let shipped = self.shipped.entry(under.consent).or_default();
            shipped.grams = shipped.grams.saturating_add(sent);
            let fresh = shipped.sequences.insert(under.sequence.get());
            let too_often = !fresh || under.sequence.get() > consent.shipments.get();
            if too_often || shipped.grams > consent.quantity_g.get() {
                return Err("it ships more, or more often, than its consent allows".into());
            }
        }
        let plants = consent.map(plants_of).unwrap_or_default();
        let allowed = consent.map(|consent| allowed_by(consent, &plants));
        let in_order = !self.consents_bind() || allowed.as_ref().is_none_or(|allowed| crossing.is_allowed(allowed));
        for id in all {
            let Some(lot) = self.items.get(&id) else { continue };
            let Some(class) = lot.class.clone() else { continue };
            let code = lot.code_at(self.said_under, (&crossing.from, &crossing.day));
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

fn binds(rules: &RuleSet) -> bool {
    rules.borders.as_ref().is_some_and(|borders| borders.consents_bind)
}

/// The plants that a consent names.
fn plants_of(consent: &ExportConsented) -> Vec<SiteId> {
    consent.facility.into_iter().chain(consent.interim_facility).collect()
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
    /// What a shipment brought ends otherwise than its consent says, or too late.
    pub(super) fn end(&mut self, operation: &TableCode, said: &ShownStatement) {
        let day = said.statement.common.occurred_at.date();
        let is_late = day.is_some_and(|day| completion::ends_late(&self.completions, &day));
        let is_amiss = is_late || completion::ends_otherwise(&self.completions, operation);
        self.flaws.extend(is_amiss.then(|| said.flaw(What::BorderNotCovered)));
    }
}
