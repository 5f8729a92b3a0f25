//! What happened to the grams, as far as a bundle shows it: who held which lot, what it weighed, where it came from, and
//! that nothing was made or used twice. One pass over the statements, in order.
//!
//! What is not shown stays unknown and is said to be; what is shown and cannot be, makes the bundle invalid.

mod arriving;
mod corrected;
mod devices;
mod flaw;
mod hands;
mod joining;
mod sources;
mod work;

pub(super) use flaw::{Flaw, What};
pub(super) use sources::Sources;

use crate::domain::border::Completion;
use crate::domain::codes::{
    CountedElsewhere, Country, DocumentNumber, Provenance, Role, SourceKind, WasteCode, WasteCodeOverride,
};
use crate::domain::event::{AuditFinding, Count, Event, FindingOutcome, Merged, MissingPart, Split, TreatedFinal};
use crate::domain::ids::{BatchId, ConsentId, EntryIndex, HandoverId, ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::item::Overridden;
use crate::domain::lacks::{Lack, counted_missing};
use crate::domain::mass::{Grams, Weight, WeightBasis, apportion};
use crate::domain::permit::permit_covers;
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::time::{Date, OccurredAt};
use crate::domain::waste_code::waste_code_at;
use crate::proof::verify::shown::{Shown, ShownSite, ShownStatement};
use corrected::Corrections;
use flaw::Cures;
use hands::{Answer, Shipped};
use joining::Joined;
use std::collections::{BTreeSet, HashMap};
pub(super) use work::Batch;

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
    /// The waste code that a person stated instead of the tables'.
    pub(super) overridden: Option<Overridden>,
    /// The batches that it left.
    pub(super) sources: Sources,
    /// The site of its holder where it lies, if one is named.
    site: Option<SiteId>,
    /// The country where it lies, as far as shown.
    lies_in: Option<Country>,
    /// Where it became waste.
    pub(super) arising: BTreeSet<String>,
    /// What was declared of it: where it came from, and whether another scheme counts it.
    pub(super) declared: BTreeSet<(SourceKind, CountedElsewhere)>,
    /// Parts that it came without, by what receipts counted; unknown if receipts or masses of what joined are not all shown.
    lacks: Option<Vec<Lack>>,
    /// How and until when it must end, as shipments over borders brought it.
    completions: Vec<Completion>,
    /// Why its grams back nothing, unless it was cured.
    pub(super) flaws: BTreeSet<Flaw>,
    /// What does not follow from what is shown of it: where a step is left out, or a lie.
    pub(super) gaps: BTreeSet<String>,
    /// When the latest of it happened.
    pub(super) latest: OccurredAt,
    /// Whether custody or weights of lots that were joined to it are not all shown.
    pub(super) unshown: bool,
    used: bool,
    /// Whether it was used up by being lost: it may be found.
    lost: bool,
    /// Since when it weighs otherwise, or is something else, than its statements say: by a correction. What repeats its mass
    /// follows, as on the ledger.
    otherwise: Option<OccurredAt>,
}

impl Lot {
    /// Its waste code at a place on a day: what a person stated for there, or the tables'.
    pub(super) fn code_at(&self, rules: &RuleSet, place: (&Country, &Date)) -> Option<WasteCode> {
        waste_code_at(rules, self.class.as_deref()?, self.overridden.as_ref(), place)
    }

    /// The batch of each stretch of its grams, once it is treated.
    pub(super) fn lines(&self) -> Result<Vec<(BatchId, i64, i64)>, &'static str> {
        self.sources.lines(self.grams.unwrap_or(Grams::ZERO))
    }
}

/// Everything that happened.
pub(super) struct Matter<'a> {
    shown: &'a Shown,
    /// The rule set that was in force when what is being taken was said.
    said_under: &'a RuleSet,
    /// What is known before this entry counts: the issue.
    until: EntryIndex,
    items: HashMap<ItemId, Lot>,
    pub(super) batches: HashMap<BatchId, Batch>,
    answered: BTreeSet<HandoverId>,
    /// Numbers of plants' papers that were used.
    numbers: BTreeSet<(SiteId, DocumentNumber)>,
    /// What left under each consent.
    shipped: HashMap<ConsentId, Shipped>,
    cures: Cures,
    /// Lots as they were when they were treated, by the entry of the treatment.
    pub(super) treated: HashMap<EntryIndex, Lot>,
    /// What nobody can tell from what is shown.
    pub(super) untold: BTreeSet<String>,
}

const CUSTODY: &str = "custody from hand to hand is not shown";

impl<'a> Matter<'a> {
    /// Goes through everything before the issue.
    pub(super) fn before(shown: &'a Shown, until: EntryIndex) -> Result<Self, String> {
        const UNKNOWN: &str = "this software does not carry a rule set that was in force";
        let mut matter = Self {
            shown,
            said_under: shown.rules_at(EntryIndex(0)).ok_or(UNKNOWN)?,
            until,
            items: HashMap::new(),
            batches: HashMap::new(),
            answered: BTreeSet::new(),
            numbers: BTreeSet::new(),
            shipped: HashMap::new(),
            cures: Cures::before(shown, until),
            treated: HashMap::new(),
            untold: BTreeSet::new(),
        };
        let corrections = Corrections::before(shown, until)?;
        for said in shown.before(until) {
            let taken = matter.take_corrected(said, &corrections);
            taken.map_err(|problem| format!("entry {}: {problem}", said.index))?;
            if let Event::RulesAdopted(event) = &said.statement.event {
                matter.said_under = rule_set::find(&event.rule_set).ok_or(UNKNOWN)?;
            }
        }
        Ok(matter)
    }

    fn take(&mut self, said: &ShownStatement) -> Result<(), String> {
        match &said.statement.event {
            Event::Registered(event) => self.begin(event.item, event.class.as_str(), &event.weight, said),
            Event::Collected(event) => {
                self.begin(event.item, event.class.as_str(), &event.weight, said)?;
                self.restate_code(event.item, event.waste_code.as_ref(), (self.country_of(said), said));
                let pieces = event.pieces.map(Count::get).or(Some(1));
                self.arose(event.item, &event.arising.country, &event.provenance, (pieces, event.missing.as_ref()));
                self.arrive(event.item, said.statement.common.site, said);
                Ok(())
            }
            Event::Received(event) => {
                self.begin(event.item, event.class.as_str(), &event.weight, said)?;
                self.restate_code(event.item, event.waste_code.as_ref(), (self.country_of(said), said));
                let pieces = event.pieces.map(Count::get);
                self.arose(event.item, &event.arising.country, &event.provenance, (pieces, event.missing.as_ref()));
                self.arrive(event.item, said.statement.common.site, said);
                Ok(())
            }
            Event::Retired(event) => {
                self.held(event.item, said)?;
                let site = self.items.get(&event.item).and_then(|lot| lot.site);
                let place = site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone());
                self.restate_code(event.item, event.waste_code.as_ref(), (place, said));
                let provenance = Provenance { kind: SourceKind::Reuse, counted_elsewhere: event.counted_elsewhere };
                self.arose(event.item, &event.arising.country, &provenance, (Some(1), event.missing.as_ref()));
                Ok(())
            }
            Event::Reweighed(event) => self.reweigh(event.item, &event.weight, said),
            Event::Merged(event) => self.merge(event, said),
            Event::Split(event) => self.split(event, said),
            Event::HandoverOffered(event) => {
                let lots = event.lots.iter().flatten().map(|lot| lot.lot);
                lots.chain(event.items.iter().flatten().copied()).try_for_each(|item| self.held(item, said))?;
                self.complete(event, said)
            }
            // A claim moves nothing; whoever acts on it before an offer is shown not to hold it.
            Event::HandoverAccepted(event) if event.unoffered.is_some() => Ok(()),
            Event::HandoverAccepted(event) => self.change_hands(&Answer::accepted(event), said),
            Event::ExportShipped(event) => self.ship(event, said),
            // It is taken back: it never left its sender's hands.
            Event::ImportReceived(event) if event.refused_whole.is_some() => self.answer(event.handover),
            Event::ImportReceived(event) => self.change_hands(&Answer::received(event), said),
            Event::HandoverWithdrawn(event) => self.answer(event.handover),
            Event::HandoverRefused(event) => self.answer(event.handover),
            Event::BatchOpened(event) => self.open(event, said),
            Event::BatchFed(event) => self.feed(event, said),
            Event::Dismantled(event) => self.dismantle(event, said),
            Event::BatchClosed(event) => self.close(event, said),
            Event::TreatedFinal(event) => self.treat(event, said),
            Event::TreatedInterim(event) => self.treat_interim(event, said),
            Event::PartRemoved(event) => self.remove_part(event, said),
            Event::PartInstalled(event) => self.install_part(event, said),
            Event::Found(event) => self.find(event.item, said),
            Event::Released(event) => self.used(event.item, said).map(drop),
            Event::Lost(event) => self.lose(event.item, said),
            Event::AuditFinding(event) => self.take_finding(event, said),
            _ => Ok(()),
        }
    }

    /// A finding holds a thing, clears what findings held of it, or what an entry brought.
    fn take_finding(&mut self, event: &AuditFinding, said: &ShownStatement) -> Result<(), String> {
        if !self.shown.has_role(&said.statement.common.org, &[Role::Auditor]) {
            return Err("only an auditor may say this".into());
        }
        let is_cleared = event.outcome == FindingOutcome::Cleared;
        let holds = !self.shown.is_compromised(&said.signer, said.index, self.until);
        let about = event.entry.or(event.treatment).filter(|entry| *entry < said.index);
        if about.is_some_and(|entry| is_cleared && !self.may_clear(entry, said)) {
            return Ok(());
        }
        if let Some(entry) = about.filter(|_| is_cleared && event.entry.is_some()) {
            self.cures.clear(entry, said, holds);
        }
        let item = event.item.and_then(|id| self.items.get_mut(&id)).map(|lot| &mut lot.flaws);
        let batch = event.batch.and_then(|id| self.batches.get_mut(&id)).map(|batch| &mut batch.flaws);
        let treatment = event.treatment.and_then(|entry| self.treated.get_mut(&entry)).map(|lot| &mut lot.flaws);
        let Some(flaws) = item.or(batch).or(treatment) else { return Ok(()) };
        match event.outcome {
            FindingOutcome::Held => _ = flaws.insert(said.flaw(What::Held)),
            FindingOutcome::Cleared => self.cures.clear_of_thing(flaws, said, holds),
            FindingOutcome::Noted => {}
        }
        Ok(())
    }

    fn lose(&mut self, id: ItemId, said: &ShownStatement) -> Result<(), String> {
        self.used(id, said)?;
        if let Some(lot) = self.items.get_mut(&id) {
            lot.lost = true;
        }
        Ok(())
    }

    /// Only what was lost is found.
    fn find(&mut self, id: ItemId, said: &ShownStatement) -> Result<(), String> {
        if let Some(lot) = self.items.get_mut(&id) {
            if !lot.lost {
                return Err(format!("{id} is found and was not lost"));
            }
            (lot.used, lot.lost) = (false, false);
        }
        self.held(id, said)
    }

    /// The parts of a lot, each with its share of every batch, in the order in which they are named.
    fn split(&mut self, event: &Split, said: &ShownStatement) -> Result<(), String> {
        let lot = self.used(event.lot, said)?;
        let mut left = lot.unwrap_or_else(|| self.unknown(said));
        let mut masses: Vec<Grams> = event.parts.iter().map(|part| part.net_g).collect();
        if let Some(grams) = left.grams.filter(|_| left.otherwise.is_some()) {
            masses = apportion(&masses, grams);
        }
        let sum: i64 = masses.iter().copied().map(Grams::get).sum();
        if left.grams.is_some_and(|grams| grams.get() != sum) {
            left.gaps.insert("the parts of a split do not add up to the lot".to_owned());
        }
        for (part, grams) in event.parts.iter().zip(masses) {
            let (taken, rest) = left.sources.take(grams);
            left.sources = rest;
            self.make(part.lot, Lot { grams: Some(grams), sources: taken, ..left.clone() })?;
        }
        Ok(())
    }

    /// The end of a lot's mass.
    fn treat(&mut self, event: &TreatedFinal, said: &ShownStatement) -> Result<(), String> {
        if let Some(plant) = event.facility {
            let number = event.number.as_ref().filter(|_| event.document.is_some());
            self.take_number(plant, number.ok_or("what a plant without a key did is shown by no paper")?)?;
        }
        let Some(mut lot) = self.used(event.item, said)? else { return Ok(()) };
        let grams = *lot.grams.get_or_insert(event.net_g);
        match lot.otherwise.take() {
            Some(since) if grams != event.net_g => lot.latest = lot.latest.later(&since),
            None if grams != event.net_g => {
                lot.gaps.insert(format!("{} were treated of a lot of {grams}", event.net_g));
            }
            _ => {}
        }
        if let Some(plant) = event.facility {
            lot.flaws.insert(said.flaw(What::Papers));
            let related = self.shown.are_related(PartyId(said.party().0), PartyId(plant.0), said.index);
            lot.flaws.extend(related.then(|| said.flaw(What::Related)));
        }
        let site = event.facility.or(said.statement.common.site).and_then(|site| self.shown.site(&site));
        lot.come_to(site.map(|site| site.country.clone()), self.said_under.borders.is_some(), said);
        lot.end(&event.operation, said);
        let permitted = site.is_none_or(|site| self.may_treat(event, &lot, site, said));
        self.count_treated(event, &lot, said);
        lot.flaws.extend((!permitted).then(|| said.flaw(What::TreatmentUnpermitted)));
        self.treated.insert(said.index, lot);
        Ok(())
    }

    /// Whether the permits of its site covered a final treatment: operation, waste code and day. Of what class it is may
    /// not be shown, which backs nothing anyway.
    fn may_treat(&self, event: &TreatedFinal, lot: &Lot, site: &ShownSite, said: &ShownStatement) -> bool {
        let Some(day) = said.statement.common.occurred_at.date() else { return false };
        if lot.class.is_none() {
            return true;
        }
        let code = lot.code_at(self.said_under, (&site.country, &day));
        let (permits, operation) = (site.permits_before(said.index), Some(event.operation.as_str()));
        code.is_some_and(|code| permits.iter().any(|permit| permit_covers(permit, &day, &code, operation)))
    }

    /// When flaws of grams were cured that entered their pool no earlier than an entry, as far as that was a condition; in words,
    /// a flaw that nobody is shown to have cured.
    pub(super) fn settle(&self, flaws: &BTreeSet<Flaw>, entered: EntryIndex) -> Result<Vec<OccurredAt>, String> {
        self.cures.settle(flaws, entered)
    }

    /// Something of which nothing is known but that its author has it.
    fn unknown(&self, said: &ShownStatement) -> Lot {
        Lot {
            holder: Some(said.party()),
            grams: None,
            weighed: None,
            class: None,
            overridden: None,
            sources: Sources::NotShown,
            site: said.statement.common.site,
            lies_in: self.country_of(said),
            arising: BTreeSet::new(),
            declared: BTreeSet::new(),
            lacks: None,
            completions: Vec::new(),
            flaws: self.flaws_of_key(said),
            gaps: BTreeSet::new(),
            latest: said.statement.common.occurred_at.clone(),
            unshown: false,
            used: false,
            lost: false,
            otherwise: None,
        }
    }

    /// Where a statement's site lies, if it names one.
    fn country_of(&self, said: &ShownStatement) -> Option<Country> {
        said.statement.common.site.and_then(|site| self.shown.site(&site)).map(|site| site.country.clone())
    }

    /// A person states another waste code than the tables', for the place where the item lies.
    fn restate_code(
        &mut self,
        id: ItemId,
        stated: Option<&WasteCodeOverride>,
        (place, said): (Option<Country>, &ShownStatement),
    ) {
        let overridden = self.overridden(stated, (place.as_ref(), said));
        if let Some(lot) = self.items.get_mut(&id) {
            lot.overridden = overridden;
        }
    }

    /// A stated code at a place; where nothing lies at a site, that of its organisation.
    fn overridden(
        &self,
        stated: Option<&WasteCodeOverride>,
        (place, said): (Option<&Country>, &ShownStatement),
    ) -> Option<Overridden> {
        let country = place.or_else(|| self.shown.country(&said.party()));
        Some(Overridden { code: stated?.code.clone(), country: country?.clone() })
    }

    fn flaws_of_key(&self, said: &ShownStatement) -> BTreeSet<Flaw> {
        let compromised = self.shown.is_compromised(&said.signer, said.index, self.until);
        compromised.then(|| said.flaw(What::Compromised)).into_iter().collect()
    }

    fn make(&mut self, id: ItemId, lot: Lot) -> Result<(), String> {
        if self.items.insert(id, lot).is_some() {
            return Err(format!("{id} is made twice"));
        }
        Ok(())
    }

    fn begin(&mut self, id: ItemId, class: &str, weight: &Weight, said: &ShownStatement) -> Result<(), String> {
        let (grams, weighed) = self.read(weight, said);
        let (class_known, class) = (self.is_known(class), Some(class.to_owned()));
        let mut lot = Lot { grams, weighed: Some(weighed), class, sources: Sources::Waste, ..self.unknown(said) };
        lot.flaws.extend((!class_known).then(|| said.flaw(What::UnknownClass)));
        self.make(id, lot)
    }

    /// Whether a class of equipment stands in the tables. A part may be what a fraction is; the first rule set knew none of these.
    fn is_known(&self, class: &str) -> bool {
        let rules = self.said_under;
        rules.class(class).is_some() || (rules.borders.is_some() && rules.fraction(class).is_some())
    }

    fn arose(
        &mut self,
        id: ItemId,
        country: &Country,
        provenance: &Provenance,
        (pieces, missing): (Option<i64>, Option<&Vec<MissingPart>>),
    ) {
        if let Some(lot) = self.items.get_mut(&id) {
            lot.arising.insert(country.to_string());
            lot.declared.insert((provenance.kind, provenance.counted_elsewhere));
            let rules = self.said_under;
            let counted = missing.zip(pieces).map(|(missing, pieces)| counted_missing(rules, missing, pieces));
            lot.lacks = Some(counted.unwrap_or_default());
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

    fn reweigh(&mut self, id: ItemId, weight: &Weight, said: &ShownStatement) -> Result<(), String> {
        self.held(id, said)?;
        let (grams, weighed) = self.read(weight, said);
        if let Some(lot) = self.items.get_mut(&id) {
            lot.sources = lot.sources.scaled(grams);
            (lot.grams, lot.weighed, lot.otherwise) = (grams, Some(weighed), None);
        }
        Ok(())
    }

    fn merge(&mut self, event: &Merged, said: &ShownStatement) -> Result<(), String> {
        let whole = self.join(&event.inputs, said)?;
        let classes: BTreeSet<&String> = whole.kinds.iter().map(|(class, _)| class).collect();
        if classes.len() > 1 {
            return Err("what is merged is of different classes".into());
        }
        let class = whole.kinds.first().map(|(class, _)| class.clone());
        self.make(event.lot, Lot { class, ..whole.lot })
    }

    /// Uses up items and adds up what is known of them.
    fn join(&mut self, inputs: &[ItemId], said: &ShownStatement) -> Result<Joined, String> {
        let lot = Lot { grams: Some(Grams::ZERO), weighed: Some(true), ..self.unknown(said) };
        let mut whole = Joined { lot, kinds: Vec::new(), gaps_of_others: BTreeSet::new() };
        let mut sources: Option<Sources> = None;
        for (position, id) in inputs.iter().enumerate() {
            let input = self.used(*id, said)?;
            let more = input.as_ref().map_or(Sources::NotShown, |input| input.sources.clone());
            sources = Some(match sources {
                Some(so_far) => so_far.join(more),
                None => more,
            });
            match input {
                Some(input) => whole.add(self.said_under, input, position == 0),
                None => whole.add_unknown(),
            }
        }
        whole.lot.sources = sources.unwrap_or(Sources::NotShown);
        whole.settle_gaps();
        Ok(whole)
    }
}
