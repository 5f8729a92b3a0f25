//! What is done with waste at a site: dismantling in batches, and interim treatment.

use crate::domain::border::completion;
use crate::domain::codes::{CountedElsewhere, Country, SourceKind, TableCode};
use crate::domain::eligibility::e_resource_1::is_residual;
use crate::domain::event::{BatchClosed, BatchFed, BatchOpened, Dismantled, TreatedFinal, TreatedInterim};
use crate::domain::fed::{self, FedClass};
use crate::domain::ids::{BatchId, EntryIndex, OrganisationId, SiteId};
use crate::domain::item::Overridden;
use crate::domain::mass::Grams;
use crate::domain::permit::permit_covers;
use crate::domain::signal::Gave;
use crate::domain::time::{DAY_MS, OccurredAt};
use crate::domain::waste_code::waste_code_at;
use crate::proof::verify::matter::flaw::{Flaw, What};
use crate::proof::verify::matter::{Lot, Matter, Sources};
use crate::proof::verify::shown::ShownStatement;
use std::collections::BTreeSet;

/// What is known of a batch.
#[derive(Debug, Clone)]
pub(in crate::proof::verify) struct Batch {
    pub(in crate::proof::verify) organisation: OrganisationId,
    pub(in crate::proof::verify) site: Option<SiteId>,
    opened: EntryIndex,
    began_ms: i64,
    /// What went in, less what remained; unknown if the mass of something is not shown.
    pub(in crate::proof::verify) input: Option<Grams>,
    /// The entry that closed it.
    pub(in crate::proof::verify) closed: Option<EntryIndex>,
    pub(in crate::proof::verify) arising: BTreeSet<String>,
    pub(in crate::proof::verify) declared: BTreeSet<(SourceKind, CountedElsewhere)>,
    /// What the centre itself declared when it closed the batch.
    pub(in crate::proof::verify) centre: Option<CountedElsewhere>,
    /// Classes that went in, less what remained, and what they came without.
    pub(in crate::proof::verify) fed: Vec<FedClass>,
    /// Whether it is not all shown of what classes what went in was, and what it came without.
    pub(in crate::proof::verify) holds_unknown: bool,
    /// Fractions that came out, as far as shown.
    pub(in crate::proof::verify) outputs: Vec<TableCode>,
    /// How much of them, lot by lot, where the rule set of that time looked at it.
    pub(in crate::proof::verify) gave: Vec<Gave>,
    /// Those of which some came out while nobody counted.
    pub(in crate::proof::verify) uncounted: Vec<TableCode>,
    /// The most that came out and is not shown, in grams; nothing, if every entry from its beginning to its end is shown.
    pub(in crate::proof::verify) unseen_g: i64,
    /// Whether what is shown to have come out is all that went in, within the band.
    pub(in crate::proof::verify) is_shown_whole: bool,
    /// Hazardous grams that came out, and those of them whose treatment is shown.
    pub(in crate::proof::verify) hazardous: (i64, i64),
    /// Treatments of it by residual operations, each with how much had ended so by then.
    pub(in crate::proof::verify) residual: Vec<(EntryIndex, i64)>,
    pub(in crate::proof::verify) flaws: BTreeSet<Flaw>,
    /// What does not follow from what is shown of its inputs: of theirs a step may be left out.
    pub(in crate::proof::verify) gaps: BTreeSet<String>,
    pub(in crate::proof::verify) latest: OccurredAt,
    /// What came out, as far as shown.
    output: i64,
    division: Grams,
}

impl Matter<'_> {
    pub(super) fn open(&mut self, event: &BatchOpened, said: &ShownStatement) -> Result<(), String> {
        let common = &said.statement.common;
        let opened = Batch {
            organisation: said.party(),
            site: common.site,
            opened: said.index,
            began_ms: said.occurred_by_now_ms(),
            input: Some(Grams::ZERO),
            closed: None,
            arising: BTreeSet::new(),
            declared: BTreeSet::new(),
            centre: None,
            fed: Vec::new(),
            holds_unknown: false,
            outputs: Vec::new(),
            gave: Vec::new(),
            uncounted: Vec::new(),
            unseen_g: i64::MAX,
            is_shown_whole: false,
            hazardous: (0, 0),
            residual: Vec::new(),
            flaws: self.flaws_of_key(said),
            gaps: BTreeSet::new(),
            latest: common.occurred_at.clone(),
            output: 0,
            division: Grams::ZERO,
        };
        let before = self.batches.insert(event.batch, opened);
        if before.is_some() { Err("a batch is opened twice".into()) } else { Ok(()) }
    }

    pub(super) fn dismantle(&mut self, event: &Dismantled, said: &ShownStatement) -> Result<(), String> {
        let (overdue, arising) = self.at_work(&event.batch, said)?;
        let (grams, weighed) = self.read(&event.weight, said);
        let mut flaws = self.flaws_of_key(said);
        flaws.extend(overdue.then(|| said.flaw(What::Overdue)));
        let known = self.said_under.fraction(event.fraction.as_str()).is_some();
        flaws.extend((!known).then(|| said.flaw(What::UnknownClass)));
        let division = event.weight.scale.map_or(Grams::ZERO, |scale| self.shown.division(&scale));
        let place = self.place_of(&event.batch, said);
        let overridden = self.overridden(event.waste_code.as_ref(), (place.as_ref(), said));
        let is_hazardous = self.is_hazardous(event.fraction.as_str(), overridden.as_ref(), (place.as_ref(), said));
        let is_counted = self.said_under.signals.is_some();
        if let Some(batch) = self.batches.get_mut(&event.batch) {
            batch.outputs.push(event.fraction.clone());
            match grams.filter(|_| is_counted) {
                Some(grams) => batch.gave.push(Gave { fraction: event.fraction.clone(), grams }),
                None => batch.uncounted.push(event.fraction.clone()),
            }
            let hazardous_g = grams.filter(|_| is_hazardous).map_or(0, Grams::get);
            batch.hazardous.0 = batch.hazardous.0.saturating_add(hazardous_g);
            batch.output = batch.output.saturating_add(grams.map_or(0, Grams::get));
            batch.division = batch.division.max(division);
        }
        let (class, weighed) = (Some(event.fraction.to_string()), Some(weighed));
        let sources = Sources::of_batch(&event.batch, grams);
        let (lies_in, site) = (place, self.site_of(&event.batch, said));
        let lot =
            Lot { grams, weighed, class, overridden, sources, site, lies_in, arising, flaws, ..self.unknown(said) };
        self.make(event.lot, lot)
    }

    /// Where what leaves a batch lies: at the site of the batch, whatever site is named when it leaves.
    fn place_of(&self, batch: &BatchId, said: &ShownStatement) -> Option<Country> {
        let site = self.site_of(batch, said).and_then(|site| self.shown.site(&site));
        site.map(|site| site.country.clone())
    }

    fn site_of(&self, batch: &BatchId, said: &ShownStatement) -> Option<SiteId> {
        self.batches.get(batch).and_then(|batch| batch.site).or(said.statement.common.site)
    }

    /// The batch of a statement, if it is shown, open, and its author's. Gives whether it has lasted too long, and where
    /// its inputs arose.
    fn at_work(&mut self, id: &BatchId, said: &ShownStatement) -> Result<(bool, BTreeSet<String>), String> {
        let flaws = self.flaws_of_key(said);
        let Some(batch) = self.batches.get_mut(id) else { return Ok((false, BTreeSet::new())) };
        let common = &said.statement.common;
        if batch.organisation != said.party() || batch.closed.is_some() {
            return Err(format!("the batch {id} is another's, or closed"));
        }
        batch.latest = batch.latest.clone().later(&common.occurred_at);
        batch.flaws.extend(flaws);
        let overdue = said.occurred_by_now_ms() - batch.began_ms > self.said_under.batch_days_max * DAY_MS;
        Ok((overdue, batch.arising.clone()))
    }

    pub(super) fn feed(&mut self, event: &BatchFed, said: &ShownStatement) -> Result<(), String> {
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
            if lot.sources.is_dismantled() {
                return Err("what was dismantled is fed again".into());
            }
            batch.flaws.extend((lot.weighed == Some(false)).then(|| said.flaw(What::Unweighed)));
            batch.flaws.extend((!permitted).then(|| said.flaw(What::Unpermitted)));
            batch.flaws.extend(lot.flaws);
            batch.gaps.extend(lot.gaps);
            batch.arising.extend(lot.arising);
            batch.declared.extend(lot.declared);
            batch.holds_unknown |= lot.class.is_none() || lot.lacks.is_none();
            if let (Some(class), Some(grams)) = (lot.class.as_deref().and_then(TableCode::parse), lot.grams) {
                fed::add(self.said_under, &mut batch.fed, &class, (grams, &lot.lacks.unwrap_or_default()));
            }
            batch.latest = batch.latest.clone().later(&lot.latest);
            if let Some(since) = &lot.otherwise {
                batch.latest = batch.latest.clone().later(since);
            }
        }
        Ok(())
    }

    /// Whether a fraction carries an asterisk at a place, by the tables or by what a person stated.
    fn is_hazardous(
        &self,
        class: &str,
        overridden: Option<&Overridden>,
        (place, said): (Option<&Country>, &ShownStatement),
    ) -> bool {
        let Some((country, day)) = place.zip(said.statement.common.occurred_at.date()) else { return false };
        let code = |stated| waste_code_at(self.said_under, class, stated, (country, &day));
        [None, overridden].into_iter().filter_map(code).any(|code| code.is_hazardous())
    }

    /// Counts what is treated of batches' hazardous outputs, and what residual operations end of them. What was treated under a
    /// rule set without these conditions is counted nowhere.
    pub(super) fn count_treated(&mut self, event: &TreatedFinal, lot: &Lot, said: &ShownStatement) {
        let (overridden, place) = (lot.overridden.as_ref(), self.country_of(said));
        let is_hazardous = |class: &str| self.is_hazardous(class, overridden, (place.as_ref(), said));
        let is_hazardous = lot.class.as_deref().is_some_and(is_hazardous);
        let conditions = self.said_under.scheme.conditions.as_ref();
        let is_residual = conditions.is_some_and(|conditions| is_residual(conditions, event.operation.as_str()));
        // Of what does not follow nobody knows how much it was.
        let lines = if lot.gaps.is_empty() { lot.lines().unwrap_or_default() } else { Vec::new() };
        for (batch, from, to) in lines {
            let Some(batch) = self.batches.get_mut(&batch) else { continue };
            batch.hazardous.1 += if is_hazardous { to - from } else { 0 };
            if is_residual {
                let before = batch.residual.last().map_or(0, |(_, ended)| *ended);
                batch.residual.push((said.index, before + to - from));
            }
        }
    }

    fn may_dismantle(&self, batch: &BatchId, lot: &Lot, said: &ShownStatement) -> bool {
        let site = self.batches.get(batch).and_then(|batch| batch.site);
        let kind = lot.class.as_deref().map(|class| (class, lot.overridden.as_ref()));
        site.is_none_or(|site| self.is_permitted(&site, kind, "R12", said))
    }

    /// Whether a site that is shown had a permit for the operation, the day, and the waste code of a class.
    fn is_permitted(
        &self,
        site: &SiteId,
        kind: Option<(&str, Option<&Overridden>)>,
        operation: &str,
        said: &ShownStatement,
    ) -> bool {
        let (Some(site), Some((class, overridden))) = (self.shown.site(site), kind) else { return true };
        let Some(day) = said.statement.common.occurred_at.date() else { return false };
        let Some(code) = waste_code_at(self.said_under, class, overridden, (&site.country, &day)) else { return false };
        site.permits_before(said.index).iter().any(|permit| permit_covers(permit, &day, &code, Some(operation)))
    }

    pub(super) fn close(&mut self, event: &BatchClosed, said: &ShownStatement) -> Result<(), String> {
        let (_, arising) = self.at_work(&event.batch, said)?;
        for stock in event.remaining.iter().flatten() {
            let (grams, weighed) = self.read(&stock.weight, said);
            let (class, weighed, arising) = (Some(stock.class.to_string()), Some(weighed), arising.clone());
            let lacks = self.batches.get_mut(&event.batch).and_then(|batch| {
                let lacks = fed::take_back(&mut batch.fed, &stock.class, grams.unwrap_or(Grams::ZERO));
                (!batch.holds_unknown).then_some(lacks)
            });
            let batch = self.batches.get(&event.batch);
            let flaws = batch.map(|batch| batch.flaws.clone()).unwrap_or_default();
            let declared = batch.map(|batch| batch.declared.clone()).unwrap_or_default();
            let sources = Sources::Waste;
            let site = self.site_of(&event.batch, said);
            let lot =
                Lot { grams, weighed, class, sources, site, arising, declared, lacks, flaws, ..self.unknown(said) };
            self.make(stock.lot, lot)?;
            if let Some(batch) = self.batches.get_mut(&event.batch) {
                let less = |(input, grams): (Grams, Grams)| input.minus(grams).unwrap_or(Grams::ZERO);
                batch.input = batch.input.zip(grams).map(less);
                let division = stock.weight.scale.map_or(Grams::ZERO, |scale| self.shown.division(&scale));
                batch.division = batch.division.max(division);
            }
        }
        let is_unbroken = |from: EntryIndex| self.shown.shows_all_between(from, said.index);
        if let Some(batch) = self.batches.get_mut(&event.batch) {
            batch.closed = Some(said.index);
            batch.centre = event.counted_elsewhere;
            let stated_g = event.loss_g.get() + event.out_of_scope_g.get();
            let out = batch.output.saturating_add(stated_g);
            let band = |input| self.said_under.bands.batch_g(input, batch.division);
            if batch.input.is_some_and(|input| out > input.get() + band(input)) {
                return Err("more came out of a batch than went in, beyond the band".into());
            }
            if is_unbroken(batch.opened) {
                batch.unseen_g = 0;
                let is_short = batch.input.is_some_and(|input| input.get() - out > band(input));
                batch.flaws.extend(is_short.then(|| said.flaw(What::Short)));
            } else if let Some(input) = batch.input {
                batch.unseen_g = (input.get() + band(input) - out).max(0);
            }
            batch.is_shown_whole = batch.input.is_some_and(|input| out + band(input) >= input.get());
        }
        Ok(())
    }

    /// Lots become lots; what comes out has its share of every batch behind what went in.
    pub(super) fn treat_interim(&mut self, event: &TreatedInterim, said: &ShownStatement) -> Result<(), String> {
        let whole = self.join(&event.inputs, said)?;
        let (mut lot, site) = (whole.lot, said.statement.common.site);
        lot.completions = completion::of_other_waste(&lot.completions).unwrap_or_default();
        lot.come_to(self.country_of(said), self.said_under.borders.is_some(), said);
        let operation = event.operation.as_str();
        let may = |(class, overridden): &(String, Option<Overridden>)| {
            let kind = Some((class.as_str(), overridden.as_ref()));
            site.is_some_and(|site| self.is_permitted(&site, kind, operation, said))
        };
        let permitted = whole.kinds.iter().all(may);
        lot.flaws.extend((!permitted).then(|| said.flaw(What::InterimUnpermitted)));
        let yields: Vec<_> = event.outputs.iter().map(|output| self.read(&output.weight, said)).collect();
        let divisions = event.outputs.iter().filter_map(|output| output.weight.scale);
        let division = divisions.map(|scale| self.shown.division(&scale)).max().unwrap_or(Grams::ZERO);
        let weighed: i64 = yields.iter().filter_map(|(grams, _)| *grams).map(Grams::get).sum();
        let out = weighed + event.loss_g.get() + event.out_of_scope_g.get();
        if let Some(input) = lot.grams {
            let band = self.said_under.bands.batch_g(input, division);
            if out > input.get() + band {
                return Err("more came out of an interim treatment than went in, beyond the band".into());
            }
            lot.flaws.extend((input.get() - out > band).then(|| said.flaw(What::InterimShort)));
        }
        let mut left = lot.sources.scaled(Grams::new(out));
        for (output, (grams, weighed)) in event.outputs.iter().zip(yields) {
            let (sources, rest) = left.take(grams.unwrap_or(Grams::ZERO));
            left = rest;
            let (class, weighed) = (Some(output.fraction.to_string()), Some(weighed));
            self.make(output.lot, Lot { grams, weighed, class, overridden: None, sources, ..lot.clone() })?;
        }
        Ok(())
    }
}
