//! What happened to the grams, as far as a bundle shows it: who held which lot, what it weighed, where it came from, and
//! that nothing was made or used twice. One pass over the statements, in order.
//!
//! What is not shown stays unknown and is said to be; what is shown and cannot be, makes the bundle invalid.

use crate::domain::codes::Country;
use crate::domain::event::{
    BatchClosed, BatchFed, BatchOpened, Dismantled, Event, HandoverAccepted, Merged, ReceivedLot,
};
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::lot::permit_covers;
use crate::domain::mass::{Grams, Weight, WeightBasis};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{DAY_MS, OccurredAt};
use crate::proof::verify::shown::{Shown, ShownStatement};
use std::collections::{BTreeSet, HashMap};

/// What is known of an item.
#[derive(Debug, Clone)]
pub(super) struct Lot {
    /// Who has it; unknown if its way there is not shown.
    holder: Option<OrganisationId>,
    /// Its mass; unknown if it is a sum of what is not shown, or the mean of its class.
    pub(super) grams: Option<Grams>,
    /// Whether its mass was read from a verified scale; unknown if it is a sum of what is not shown.
    pub(super) weighed: Option<bool>,
    /// Its class or fraction.
    pub(super) class: Option<String>,
    /// The batch that it left.
    pub(super) batch: Option<BatchId>,
    /// Where it became waste.
    pub(super) arising: BTreeSet<String>,
    /// Why its grams back nothing.
    pub(super) flaws: BTreeSet<&'static str>,
    /// What does not follow from what is shown of it: where a step is left out, or a lie.
    pub(super) gaps: BTreeSet<String>,
    /// When the latest of it happened.
    pub(super) latest: OccurredAt,
    /// Whether custody or weights of lots that were joined to it are not all shown.
    pub(super) unshown: bool,
    used: bool,
}

/// What is known of a batch.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) organisation: OrganisationId,
    pub(super) site: Option<SiteId>,
    began_ms: i64,
    /// What went in, less what remained; unknown if the mass of something is not shown.
    pub(super) input: Option<Grams>,
    pub(super) closed: bool,
    pub(super) arising: BTreeSet<String>,
    pub(super) flaws: BTreeSet<&'static str>,
    /// What does not follow from what is shown of its inputs: of theirs a step may be left out.
    pub(super) gaps: BTreeSet<String>,
    pub(super) latest: OccurredAt,
    /// What came out, as far as shown.
    output: i64,
    division: Grams,
}

/// Everything that happened.
pub(super) struct Matter<'a> {
    shown: &'a Shown,
    rules: &'a RuleSet,
    /// What is known before this entry counts: the issue.
    until: EntryIndex,
    items: HashMap<ItemId, Lot>,
    pub(super) batches: HashMap<BatchId, Batch>,
    answered: BTreeSet<HandoverId>,
    /// Lots as they were when they were treated, by the entry of the treatment.
    pub(super) treated: HashMap<EntryIndex, Lot>,
}

const UNWEIGHED: &str = "something that went in was not weighed on a verified scale";
const HOSTED: &str = "it changed hands between two keys that the operator holds";
const DISPUTED: &str = "sender and receiver weighed it differently beyond the band";
const OVERDUE: &str = "it left its batch later than a batch may last";
const UNPERMITTED: &str = "no permit covers dismantling at its site on that day";
const CUSTODY: &str = "custody from hand to hand is not shown";
const UNKNOWN_CLASS: &str = "its class stands in no table of the rule set";
const SEVERAL: &str = "it was joined from several batches, which this version of the verifier does not part again";
const COMPROMISED: &str = "a key that signed for it was reported compromised before the issue";

/// Corrections whose last word is against them: they changed nothing.
fn corrections_disputed(shown: &Shown, until: EntryIndex) -> BTreeSet<EntryIndex> {
    let mut disputed = BTreeSet::new();
    for said in shown.before(until) {
        match &said.statement.event {
            Event::CorrectionDisputed(event) => _ = disputed.insert(event.correction),
            Event::CorrectionConfirmed(event) => _ = disputed.remove(&event.correction),
            _ => {}
        }
    }
    disputed
}

impl<'a> Matter<'a> {
    /// Goes through everything before the issue.
    pub(super) fn before(shown: &'a Shown, until: EntryIndex, rules: &'a RuleSet) -> Result<Self, String> {
        let mut matter = Self {
            shown,
            rules,
            until,
            items: HashMap::new(),
            batches: HashMap::new(),
            answered: BTreeSet::new(),
            treated: HashMap::new(),
        };
        let disputed = corrections_disputed(shown, until);
        for said in shown.before(until) {
            if let Event::Corrected(event) = &said.statement.event
                && !disputed.contains(&said.index)
            {
                let problem = "which this version of the verifier does not follow down the lineage";
                return Err(format!("entry {} corrects entry {}, {problem}", said.index, event.entry));
            }
            matter.take(said).map_err(|problem| format!("entry {}: {problem}", said.index))?;
        }
        Ok(matter)
    }

    fn take(&mut self, said: &ShownStatement) -> Result<(), String> {
        match &said.statement.event {
            Event::Registered(event) => self.begin(event.item, event.class.as_str(), &event.weight, said),
            Event::Collected(event) => {
                self.begin(event.item, event.class.as_str(), &event.weight, said)?;
                self.arose(event.item, &event.arising.country);
                Ok(())
            }
            Event::Received(event) => {
                self.begin(event.item, event.class.as_str(), &event.weight, said)?;
                self.arose(event.item, &event.arising.country);
                Ok(())
            }
            Event::Retired(event) => {
                self.held(event.item, said)?;
                self.arose(event.item, &event.arising.country);
                Ok(())
            }
            Event::Reweighed(event) => self.reweigh(event.item, &event.weight, said),
            Event::Merged(event) => self.merge(event, said),
            Event::Split(event) => {
                let lot = self.used(event.lot, said)?;
                let sum: i64 = event.parts.iter().map(|part| part.net_g.get()).sum();
                let mut known = lot.unwrap_or_else(|| self.unknown(said));
                if known.grams.is_some_and(|grams| grams.get() != sum) {
                    known.gaps.insert("the parts of a split do not add up to the lot".to_owned());
                }
                for part in &event.parts {
                    let known = known.clone();
                    self.make(part.lot, Lot { grams: Some(part.net_g), ..known })?;
                }
                Ok(())
            }
            Event::HandoverOffered(event) => {
                let lots = event.lots.iter().flatten().map(|lot| lot.lot);
                lots.chain(event.items.iter().flatten().copied()).try_for_each(|item| self.held(item, said))
            }
            // A claim moves nothing; whoever acts on it before an offer is shown not to hold it.
            Event::HandoverAccepted(event) if event.unoffered.is_some() => Ok(()),
            Event::HandoverAccepted(event) => self.change_hands(event, said),
            Event::HandoverWithdrawn(event) => self.answer(event.handover),
            Event::HandoverRefused(event) => self.answer(event.handover),
            Event::BatchOpened(event) => self.open(event, said),
            Event::BatchFed(event) => self.feed(event, said),
            Event::Dismantled(event) => self.dismantle(event, said),
            Event::BatchClosed(event) => self.close(event, said),
            Event::TreatedFinal(event) => {
                let Some(mut lot) = self.used(event.item, said)? else { return Ok(()) };
                if let Some(grams) = lot.grams.filter(|grams| *grams != event.net_g) {
                    lot.gaps.insert(format!("{} were treated of a lot of {grams}", event.net_g));
                }
                self.treated.insert(said.index, lot);
                Ok(())
            }
            Event::TreatedInterim(event) => event.inputs.iter().try_for_each(|lot| self.used(*lot, said).map(drop)),
            Event::PartRemoved(event) => self.part_from(event.item, &event.weight, said),
            Event::PartInstalled(event) => {
                self.held(event.item, said)?;
                self.used(event.component, said).map(drop)
            }
            Event::Found(event) => {
                if let Some(lot) = self.items.get_mut(&event.item) {
                    lot.used = false;
                }
                self.held(event.item, said)
            }
            Event::Released(event) => self.used(event.item, said).map(drop),
            Event::Lost(event) => self.used(event.item, said).map(drop),
            _ => Ok(()),
        }
    }

    fn open(&mut self, event: &BatchOpened, said: &ShownStatement) -> Result<(), String> {
        let common = &said.statement.common;
        let opened = Batch {
            organisation: said.party(),
            site: common.site,
            began_ms: common.occurred_at.ms(),
            input: Some(Grams::ZERO),
            closed: false,
            arising: BTreeSet::new(),
            flaws: self.flaws_of_key(said),
            gaps: BTreeSet::new(),
            latest: common.occurred_at.clone(),
            output: 0,
            division: Grams::ZERO,
        };
        let before = self.batches.insert(event.batch, opened);
        if before.is_some() { Err("a batch is opened twice".into()) } else { Ok(()) }
    }

    fn dismantle(&mut self, event: &Dismantled, said: &ShownStatement) -> Result<(), String> {
        let (overdue, arising) = self.at_work(&event.batch, said)?;
        let (grams, weighed) = self.read(&event.weight, said);
        let mut flaws = self.flaws_of_key(said);
        if overdue {
            flaws.insert(OVERDUE);
        }
        if self.rules.fraction(event.fraction.as_str()).is_none() {
            flaws.insert(UNKNOWN_CLASS);
        }
        let division = event.weight.scale.map_or(Grams::ZERO, |scale| self.shown.division(&scale));
        if let Some(batch) = self.batches.get_mut(&event.batch) {
            batch.output += grams.map_or(0, Grams::get);
            batch.division = batch.division.max(division);
        }
        let class = Some(event.fraction.to_string());
        let lot = Lot {
            grams,
            weighed: Some(weighed),
            class,
            batch: Some(event.batch),
            arising,
            flaws,
            ..self.unknown(said)
        };
        self.make(event.lot, lot)
    }

    /// Something of which nothing is known but that its author has it.
    fn unknown(&self, said: &ShownStatement) -> Lot {
        Lot {
            holder: Some(said.party()),
            grams: None,
            weighed: None,
            class: None,
            batch: None,
            arising: BTreeSet::new(),
            flaws: self.flaws_of_key(said),
            gaps: BTreeSet::new(),
            latest: said.statement.common.occurred_at.clone(),
            unshown: false,
            used: false,
        }
    }

    fn flaws_of_key(&self, said: &ShownStatement) -> BTreeSet<&'static str> {
        let compromised = self.shown.is_compromised(&said.signer, said.index, self.until);
        compromised.then_some(COMPROMISED).into_iter().collect()
    }

    fn make(&mut self, id: ItemId, lot: Lot) -> Result<(), String> {
        if self.items.insert(id, lot).is_some() {
            return Err(format!("{id} is made twice"));
        }
        Ok(())
    }

    fn begin(&mut self, id: ItemId, class: &str, weight: &Weight, said: &ShownStatement) -> Result<(), String> {
        let (grams, weighed) = self.read(weight, said);
        let mut lot = Lot { grams, weighed: Some(weighed), class: Some(class.to_owned()), ..self.unknown(said) };
        if self.rules.class(class).is_none() {
            lot.flaws.insert(UNKNOWN_CLASS);
        }
        self.make(id, lot)
    }

    fn arose(&mut self, id: ItemId, country: &Country) {
        if let Some(lot) = self.items.get_mut(&id) {
            lot.arising.insert(country.to_string());
        }
    }

    /// Notes that an item's holder says something of it; what is not shown may be anybody's.
    fn held(&mut self, id: ItemId, said: &ShownStatement) -> Result<(), String> {
        let flaws = self.flaws_of_key(said);
        let Some(lot) = self.items.get_mut(&id) else { return Ok(()) };
        if lot.used {
            return Err(format!("{id} was used up before"));
        }
        if lot.holder.is_some_and(|holder| holder != said.party()) {
            lot.gaps.insert(CUSTODY.to_owned());
            lot.holder = Some(said.party());
        }
        lot.latest = lot.latest.clone().later(&said.statement.common.occurred_at);
        lot.flaws.extend(flaws);
        Ok(())
    }

    /// Takes an item that is used up by what is said.
    fn used(&mut self, id: ItemId, said: &ShownStatement) -> Result<Option<Lot>, String> {
        self.held(id, said)?;
        let Some(lot) = self.items.get_mut(&id) else {
            // It is not shown where it comes from; that it is used up here is.
            let lot = Lot { used: true, ..self.unknown(said) };
            self.items.insert(id, lot);
            return Ok(None);
        };
        let before = lot.clone();
        lot.used = true;
        Ok(Some(before))
    }

    /// The mass of a weight, and whether it was read from a scale that the author's organisation had, that was verified
    /// for the day by then, and that can weigh so much.
    fn read(&self, weight: &Weight, said: &ShownStatement) -> (Option<Grams>, bool) {
        let net = weight.net().ok().flatten();
        let (WeightBasis::Weighed, Some(scale), Some(gross)) = (weight.basis, weight.scale, weight.gross_g) else {
            return (net, false);
        };
        let common = &said.statement.common;
        let known = || self.shown.scale(&scale).iter().filter(|(index, _)| *index < said.index);
        let Some((_, last)) = known().next_back() else { return (net, false) };
        let owner = self.shown.site(&last.at_site).and_then(|site| site.organisation);
        let covers = |day| known().any(|(_, scale)| scale.verified_on <= day && day <= scale.verified_until);
        let verified = common.occurred_at.date().is_some_and(covers);
        (net, verified && owner == Some(said.party()) && gross <= last.capacity_g)
    }

    /// A part takes its grams along; what is left was not weighed as it is now.
    fn part_from(&mut self, id: ItemId, weight: &Weight, said: &ShownStatement) -> Result<(), String> {
        self.held(id, said)?;
        let (part, _) = self.read(weight, said);
        if let Some(lot) = self.items.get_mut(&id) {
            lot.grams = lot.grams.zip(part).and_then(|(whole, part)| whole.minus(part));
            lot.weighed = Some(false);
        }
        Ok(())
    }

    fn reweigh(&mut self, id: ItemId, weight: &Weight, said: &ShownStatement) -> Result<(), String> {
        self.held(id, said)?;
        let (grams, weighed) = self.read(weight, said);
        if let Some(lot) = self.items.get_mut(&id) {
            (lot.grams, lot.weighed) = (grams, Some(weighed));
        }
        Ok(())
    }

    fn merge(&mut self, event: &Merged, said: &ShownStatement) -> Result<(), String> {
        let mut whole = Lot { grams: Some(Grams::ZERO), weighed: Some(true), ..self.unknown(said) };
        for (position, id) in event.inputs.iter().enumerate() {
            let Some(input) = self.used(*id, said)? else {
                (whole.grams, whole.weighed) = (None, whole.weighed.filter(|weighed| !weighed));
                continue;
            };
            if position > 0 && whole.class.is_some() && input.class.is_some() && whole.class != input.class {
                return Err("what is merged is of different classes".into());
            }
            if position > 0 && whole.class.is_some() && input.class.is_some() && whole.batch != input.batch {
                whole.gaps.insert(SEVERAL.to_owned());
            }
            if whole.class.is_none() {
                (whole.class, whole.batch) = (input.class, input.batch);
            }
            whole.grams = whole.grams.zip(input.grams).and_then(|(sum, more)| sum.plus(more));
            whole.weighed = match (whole.weighed, input.weighed) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            whole.arising.extend(input.arising);
            whole.flaws.extend(input.flaws);
            // Of the lots that were joined, one way back is shown whole; of the others a step may be left out.
            whole.unshown |= input.unshown || !input.gaps.is_empty();
            whole.latest = whole.latest.later(&input.latest);
        }
        self.make(event.lot, whole)
    }

    fn change_hands(&mut self, event: &HandoverAccepted, said: &ShownStatement) -> Result<(), String> {
        let (index, offer) = self.shown.offer(&event.handover).ok_or("its offer is not shown")?;
        let offered = self.shown.statement(*index).filter(|offered| offered.index < said.index);
        let offered = offered.ok_or("its offer is not shown before it")?;
        if offer.to != Some(said.party()) {
            return Err("it changed hands between others than those who say so".into());
        }
        self.answer(event.handover)?;
        let hosted = self.shown.is_hosted(&offered.signer) && self.shown.is_hosted(&said.signer);
        let refused: BTreeSet<ItemId> = event.refused.iter().flatten().map(|refused| refused.item).collect();
        for item in offer.items.iter().flatten().filter(|item| !refused.contains(item)) {
            self.take_over(*item, hosted, said);
        }
        let (lots, answers) = (offer.lots.iter().flatten(), event.lots.iter().flatten());
        if lots.clone().count() != answers.clone().count() {
            return Err("it does not answer each lot of its offer".into());
        }
        for (lot, answer) in lots.zip(answers) {
            self.take_lot(lot.lot, offered.party(), answer, hosted, said)?;
        }
        Ok(())
    }

    fn answer(&mut self, handover: HandoverId) -> Result<(), String> {
        if self.answered.insert(handover) { Ok(()) } else { Err("a handover is answered twice".into()) }
    }

    fn take_over(&mut self, id: ItemId, hosted: bool, said: &ShownStatement) {
        let flaws = self.flaws_of_key(said);
        if let Some(lot) = self.items.get_mut(&id) {
            lot.holder = Some(said.party());
            lot.flaws.extend(flaws);
            lot.flaws.extend(hosted.then_some(HOSTED));
            lot.latest = lot.latest.clone().later(&said.statement.common.occurred_at);
        }
    }

    fn take_lot(
        &mut self,
        id: ItemId,
        sender: OrganisationId,
        answer: &ReceivedLot,
        hosted: bool,
        said: &ShownStatement,
    ) -> Result<(), String> {
        let Some(weight) = &answer.weight else { return Ok(()) };
        let (net, weighed) = self.read(weight, said);
        if net.is_none() || net != answer.accepted_g.plus(answer.refused_g) {
            return Err("accepted and refused are not what was weighed".into());
        }
        let Some(before) = self.items.get(&id).cloned() else {
            // Of a lot whose beginning is left out this may not be the last word either.
            return Ok(());
        };
        let division = weight.scale.map_or(Grams::ZERO, |scale| self.shown.division(&scale));
        let difference = before.grams.zip(net).map(|(sent, net)| (net.get() - sent.get()).abs());
        let sent = before.grams.unwrap_or(Grams::ZERO);
        let mut after = Lot { weighed: Some(weighed), ..before };
        if after.holder.is_some_and(|holder| holder != sender) {
            after.gaps.insert(CUSTODY.to_owned());
        }
        if difference.is_some_and(|difference| difference > self.rules.bands.handover_g(sent, division)) {
            after.flaws.insert(DISPUTED);
        }
        after.latest = after.latest.later(&said.statement.common.occurred_at);
        if answer.accepted_g == Grams::ZERO {
            let back = Lot { grams: Some(answer.refused_g), holder: Some(sender), ..after };
            self.items.insert(id, back);
            return Ok(());
        }
        if let Some(part) = answer.refused_as {
            self.make(part, Lot { grams: Some(answer.refused_g), holder: Some(sender), ..after.clone() })?;
        }
        let taken = Lot { grams: Some(answer.accepted_g), ..after };
        self.items.insert(id, taken);
        self.take_over(id, hosted, said);
        Ok(())
    }

    /// The batch of a statement, if it is shown, open, and its author's. Gives whether it has lasted too long, and where
    /// its inputs arose.
    fn at_work(&mut self, id: &BatchId, said: &ShownStatement) -> Result<(bool, BTreeSet<String>), String> {
        let flaws = self.flaws_of_key(said);
        let Some(batch) = self.batches.get_mut(id) else { return Ok((false, BTreeSet::new())) };
        let common = &said.statement.common;
        if batch.organisation != said.party() || batch.closed {
            return Err(format!("the batch {id} is another's, or closed"));
        }
        batch.latest = batch.latest.clone().later(&common.occurred_at);
        batch.flaws.extend(flaws);
        let overdue = common.occurred_at.ms() - batch.began_ms > self.rules.batch_days_max * DAY_MS;
        Ok((overdue, batch.arising.clone()))
    }

    fn feed(&mut self, event: &BatchFed, said: &ShownStatement) -> Result<(), String> {
        if self.at_work(&event.batch, said)?.0 {
            return Err("a batch is fed later than a batch may last".into());
        }
        for id in &event.items {
            let lot = self.used(*id, said)?;
            let permitted = lot.as_ref().is_none_or(|lot| self.may_dismantle(&event.batch, lot, said));
            let Some(batch) = self.batches.get_mut(&event.batch) else { continue };
            let grams = lot.as_ref().and_then(|lot| lot.grams);
            batch.input = batch.input.zip(grams).and_then(|(sum, more)| sum.plus(more));
            let Some(lot) = lot else { continue };
            if lot.batch.is_some() {
                return Err("what was dismantled is fed again".into());
            }
            batch.flaws.extend((lot.weighed == Some(false)).then_some(UNWEIGHED));
            batch.flaws.extend((!permitted).then_some(UNPERMITTED));
            batch.flaws.extend(lot.flaws);
            batch.gaps.extend(lot.gaps);
            batch.arising.extend(lot.arising);
            batch.latest = batch.latest.clone().later(&lot.latest);
        }
        Ok(())
    }

    fn may_dismantle(&self, batch: &BatchId, lot: &Lot, said: &ShownStatement) -> bool {
        let site = self.batches.get(batch).and_then(|batch| batch.site).and_then(|site| self.shown.site(&site));
        let (Some(site), Some(class)) = (site, &lot.class) else { return true };
        let Some(day) = said.statement.common.occurred_at.date() else { return false };
        let Some(code) = self.rules.waste_code(class, &site.country, &day) else { return false };
        site.permits_before(said.index).iter().any(|permit| permit_covers(permit, &day, &code, Some("R12")))
    }

    fn close(&mut self, event: &BatchClosed, said: &ShownStatement) -> Result<(), String> {
        let (_, arising) = self.at_work(&event.batch, said)?;
        for stock in event.remaining.iter().flatten() {
            let (grams, weighed) = self.read(&stock.weight, said);
            let (class, arising) = (Some(stock.class.to_string()), arising.clone());
            let flaws = self.batches.get(&event.batch).map(|batch| batch.flaws.clone()).unwrap_or_default();
            let lot = Lot { grams, weighed: Some(weighed), class, arising, flaws, ..self.unknown(said) };
            self.make(stock.lot, lot)?;
            if let Some(batch) = self.batches.get_mut(&event.batch) {
                let less = |(input, grams): (Grams, Grams)| input.minus(grams).unwrap_or(Grams::ZERO);
                batch.input = batch.input.zip(grams).map(less);
            }
        }
        if let Some(batch) = self.batches.get_mut(&event.batch) {
            batch.closed = true;
            let out = batch.output + event.loss_g.get() + event.out_of_scope_g.get();
            let band = |input| self.rules.bands.batch_g(input, batch.division);
            if batch.input.is_some_and(|input| out > input.get() + band(input)) {
                return Err("more came out of a batch than went in, beyond the band".into());
            }
        }
        Ok(())
    }
}
