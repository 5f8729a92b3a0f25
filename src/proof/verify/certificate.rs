//! What a certificate says, checked against the statements that a bundle shows.

use crate::domain::certificate::{UNIT_G, blocks, part_of, period_fits};
use crate::domain::codes::{Country, Role, WasteCode};
use crate::domain::eligibility::audit_in_force;
use crate::domain::event::{
    Allotment, CertificateIssued, CertificateRetired, Event, Permit, ReceivedLot, TreatedFinal,
};
use crate::domain::ids::{BatchId, EntryIndex, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::lineage::Node;
use crate::domain::lot::permit_covers;
use crate::domain::mass::{Grams, Weight, WeightBasis};
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::time::{Date, OccurredAt};
use crate::proof::verify::shown::{Shown, ShownStatement};
use crate::proof::verify::{Rejection, invalid};
use std::collections::{BTreeMap, BTreeSet};

/// Steps from a treated lot back to its batch, at most: longer chains of splitting and merging are no honest path.
const CHAIN_MAX: usize = 1_000;

/// Grams of a certificate that ended in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The entry of the treatment.
    pub treatment: u64,
    /// How much.
    pub grams: i64,
    /// The final operation.
    pub operation: String,
    /// Its name.
    pub operation_name: String,
    /// The fraction.
    pub fraction: String,
    /// Whether it is hazardous.
    pub hazardous: bool,
    /// Country and code of the site of treatment.
    pub site: String,
    /// The day.
    pub day: String,
}

/// How it was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredFacts {
    /// The entry.
    pub entry: u64,
    /// First and last day of the period.
    pub period: (String, String),
    /// For what.
    pub purpose_kind: String,
}

/// What a certificate says and rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its serial numbers.
    pub serial: String,
    /// Units of 1 kg.
    pub units: i64,
    /// Whether it covers later errors only.
    pub is_buffer: bool,
    /// Whether the ledger was opened for tests.
    pub is_test: bool,
    /// The scheme.
    pub scheme: String,
    /// Version of the rule set.
    pub rule_set: String,
    /// The entry of the issue.
    pub issued: u64,
    /// Who issued it.
    pub issuer: String,
    /// Who holds it, or retired it; nobody holds the buffer.
    pub holder: Option<String>,
    /// Country and code of the batches' site.
    pub site: String,
    /// The month of the pool.
    pub vintage: String,
    /// Its grams, by allotment.
    pub shares: Vec<Share>,
    /// Where the waste arose, as far as shown.
    pub arising: Vec<String>,
    /// Its retirement.
    pub retired: Option<RetiredFacts>,
}

fn or_invalid<T>(value: Option<T>, problem: impl Into<String>) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::Invalid(problem.into()))
}

/// Checks the certificate that the bundle is about.
pub(super) fn check(shown: &Shown, serial: &str) -> Result<CertificateFacts, Rejection> {
    let block = or_invalid(SerialBlock::parse(serial), "the bundle names no serial numbers")?;
    let mut issues = shown.all().filter_map(|said| match &said.statement.event {
        Event::CertificateIssued(issue) if issue.certificate == block || issue.buffer == block => Some((said, issue)),
        _ => None,
    });
    let (said, issue) = or_invalid(issues.next(), "the issue of the certificate is not shown")?;
    if issues.next().is_some() {
        return invalid("the certificate is issued twice");
    }
    let rules = or_invalid(shown.rules_at(said.index), "this software does not carry the rule set in force")?;
    let site = check_issue(shown, said, issue, rules)?;
    let is_buffer = issue.buffer == block;
    let (skip, units) = if is_buffer { (issue.certificate.units(), block.units()) } else { (0, block.units()) };
    let own = part_of(&issue.allotments, skip * UNIT_G, units * UNIT_G);
    let mut case = Case { shown, issue, said, rules, arising: BTreeSet::new(), batches: BTreeMap::new() };
    let mut shares = Vec::with_capacity(own.len());
    // Over both blocks of the issue: what the other one shares with this one is sold twice.
    require_disjoint(&issue.allotments)?;
    for allotment in &own {
        let at = |problem: String| Rejection::Invalid(format!("treatment {}: {problem}", allotment.treatment));
        shares.push(case.check_allotment(allotment).map_err(at)?);
    }
    let retired = check_retirement(shown, said, issue, &block, rules)?;
    Ok(CertificateFacts {
        serial: serial.to_owned(),
        units,
        is_buffer,
        is_test: shown.is_test(),
        scheme: issue.scheme.to_string(),
        rule_set: rules.version.clone(),
        issued: said.index.0,
        issuer: said.statement.common.org.to_string(),
        holder: (!is_buffer).then(|| issue.holder.to_string()),
        site: format!("{}-{}", site.country, site.code),
        vintage: issue.vintage.to_string(),
        shares,
        arising: case.arising.into_iter().collect(),
        retired,
    })
}

/// The issue itself: who, under which scheme, which numbers, how many grams.
fn check_issue(
    shown: &Shown,
    said: &ShownStatement,
    issue: &CertificateIssued,
    rules: &RuleSet,
) -> Result<Site, Rejection> {
    let issuer = said.statement.common.org;
    if issuer == shown.operator() || !shown.has_role(&issuer, &[Role::Issuer]) {
        return invalid("it is not issued by an issuer who is not the operator");
    }
    if issue.scheme.as_str() != rules.scheme.name || (rules.scheme.test_only && !shown.is_test()) {
        return invalid(format!("the scheme {} was not in force, or not admitted on this ledger", issue.scheme));
    }
    let registered = or_invalid(shown.site(&issue.pool_site), "the site of the batches is not shown")?;
    if registered.organisation != issue.holder {
        return invalid("the first holder is not the centre whose site it is");
    }
    let site = Site {
        id: issue.pool_site,
        organisation: registered.organisation,
        country: registered.country.clone(),
        code: registered.code.clone(),
        address: None,
        permit: registered.permit.clone(),
        audits: Vec::new(),
        registered: said.index,
    };
    let units = issue.certificate.units().saturating_add(issue.buffer.units());
    let before = issue.certificate.first - 1;
    let expected = blocks(&site, &issue.vintage, shown.is_test(), before, units, rules.scheme.buffer_ppm);
    if expected.as_ref() != Some(&[issue.certificate.clone(), issue.buffer.clone()]) {
        return invalid("the serial numbers are not those of site, month and number of units");
    }
    let grams: i128 = issue.allotments.iter().map(|part| i128::from(part.to.get()) - i128::from(part.from.get())).sum();
    if grams != i128::from(units) * i128::from(UNIT_G) {
        return invalid(format!("{units} units rest on {grams} g"));
    }
    Ok(site)
}

fn require_disjoint(allotments: &[Allotment]) -> Result<(), Rejection> {
    let mut sorted: Vec<&Allotment> = allotments.iter().collect();
    sorted.sort_by_key(|part| (part.treatment, part.from));
    if sorted.iter().any(|part| part.from >= part.to) {
        return invalid("an allotment holds no grams");
    }
    let overlap = |pair: &[&Allotment]| pair[0].treatment == pair[1].treatment && pair[0].to > pair[1].from;
    if sorted.windows(2).any(overlap) {
        return invalid("two allotments share grams");
    }
    Ok(())
}

fn check_retirement(
    shown: &Shown,
    issued: &ShownStatement,
    issue: &CertificateIssued,
    block: &SerialBlock,
    rules: &RuleSet,
) -> Result<Option<RetiredFacts>, Rejection> {
    let mut retirements = shown.all().filter_map(|said| match &said.statement.event {
        Event::CertificateRetired(retired) if retired.certificate == *block => Some((said, retired)),
        _ => None,
    });
    let Some((said, retired)) = retirements.next() else { return Ok(None) };
    if retirements.next().is_some() {
        return invalid("the certificate is retired twice");
    }
    let by_holder = issue.certificate == *block && said.statement.common.org == issue.holder;
    if !by_holder || said.index <= issued.index {
        return invalid("it is not retired by its holder after its issue");
    }
    let expiry = issued.time.date().and_then(|day| day.plus_months(rules.scheme.valid_months));
    if said.time.date().zip(expiry).is_none_or(|(day, expiry)| day > expiry) {
        return invalid("it was retired after it had expired");
    }
    if period_fits(block, &retired.period, rules.scheme.period_months).is_err() {
        return invalid("the period of the retirement does not fit the vintage");
    }
    Ok(Some(facts_of(said.index, retired)))
}

fn facts_of(entry: EntryIndex, retired: &CertificateRetired) -> RetiredFacts {
    RetiredFacts {
        entry: entry.0,
        period: (retired.period.from.to_string(), retired.period.until.to_string()),
        purpose_kind: retired.purpose_kind.to_string(),
    }
}

/// A certificate under examination.
struct Case<'a> {
    shown: &'a Shown,
    issue: &'a CertificateIssued,
    said: &'a ShownStatement,
    rules: &'a RuleSet,
    arising: BTreeSet<String>,
    /// Batches that were checked, with the latest time of their statements.
    batches: BTreeMap<BatchId, OccurredAt>,
}

/// A lot on its way back to its batch.
struct Traced {
    batch: BatchId,
    fraction: String,
    /// The country in which it left the batch: its waste code is that of this place until it changes hands.
    country: Country,
    latest: OccurredAt,
}

impl Case<'_> {
    fn check_allotment(&mut self, allotment: &Allotment) -> Result<Share, String> {
        let said = self.shown.statement(allotment.treatment).filter(|said| said.index < self.said.index);
        let said = said.ok_or("it is not shown, or comes after the issue")?;
        let Event::TreatedFinal(treated) = &said.statement.event else { return Err("it is no final treatment".into()) };
        if allotment.to > treated.net_g {
            return Err(format!("{} are taken of {}", allotment.to, treated.net_g));
        }
        let common = &said.statement.common;
        if !self.shown.has_role(&common.org, &[Role::Treater, Role::Recycler]) {
            return Err("whoever states it neither treats nor recycles".into());
        }
        let operation = self.rules.operation(treated.operation.as_str()).filter(|operation| operation.r#final);
        let operation = operation.ok_or("its operation ends no mass")?;
        let day = common.occurred_at.date().ok_or("it has no day")?;
        let (site_id, site) =
            common.site.and_then(|id| Some((id, self.shown.site(&id)?))).ok_or("its site is not shown")?;
        let traced = self.trace(treated.item, said)?;
        let code = self
            .waste_code(&traced.fraction, &site.country)
            .or_else(|| self.waste_code(&traced.fraction, &traced.country));
        require_permit(site.permit.as_ref(), &day, code.as_ref(), treated)?;
        let of_treatment = self.require_audit(&site_id, &day)?;
        let of_batch = self.require_audit(&self.issue.pool_site.clone(), &day)?;
        let closed = self.check_batch(&traced.batch)?;
        let conditions =
            [&common.occurred_at, &traced.latest, &of_treatment.occurred_at, &of_batch.occurred_at, &closed];
        if conditions.into_iter().any(|time| time.month().is_some_and(|month| month > self.issue.vintage)) {
            return Err(format!("a condition was met after the vintage {}", self.issue.vintage));
        }
        let hazardous = self.rules.fraction(&traced.fraction).is_some_and(|fraction| fraction.hazardous);
        Ok(Share {
            treatment: allotment.treatment.0,
            grams: allotment.to.get() - allotment.from.get(),
            operation: treated.operation.to_string(),
            operation_name: operation.name.clone(),
            fraction: traced.fraction,
            hazardous,
            site: format!("{}-{}", site.country, site.code),
            day: day.to_string(),
        })
    }

    fn waste_code(&self, fraction: &str, country: &Country) -> Option<WasteCode> {
        let codes = &self.rules.fraction(fraction)?.waste_code;
        codes.get(country.jurisdiction()).and_then(|code| WasteCode::parse(code))
    }

    /// Both sites were audited by an auditor within the time that the scheme allows.
    fn require_audit(&self, site: &SiteId, day: &Date) -> Result<SiteAudit, String> {
        let audits = self.shown.audits_before(site, self.said.index);
        let months = self.rules.scheme.audit_months;
        let found = audit_in_force(&audits, day, months).cloned();
        found.ok_or_else(|| format!("no audit of the site {site} within {months} months is shown"))
    }

    /// Follows a treated lot back: weighed mass, custody from hand to hand, and the batch that it left.
    fn trace(&self, item: ItemId, treated: &ShownStatement) -> Result<Traced, String> {
        let Event::TreatedFinal(end) = &treated.statement.event else { return Err("it is no final treatment".into()) };
        self.require_mass_and_custody(item, end.net_g, treated)?;
        let (mut item, mut before) = (item, treated.index);
        let mut latest = treated.statement.common.occurred_at.clone();
        for _ in 0..CHAIN_MAX {
            let made = self.maker(item, before).ok_or_else(|| format!("where {item} comes from is not shown"))?;
            before = made.index;
            if made.statement.common.occurred_at.ms() > latest.ms() {
                latest = made.statement.common.occurred_at.clone();
            }
            if let Event::Dismantled(event) = &made.statement.event {
                let (batch, fraction) = (event.batch, event.fraction.to_string());
                let country = self.shown.site(&self.issue.pool_site).map(|site| site.country.clone());
                return Ok(Traced { batch, fraction, country: country.ok_or("its site is not shown")?, latest });
            }
            let parent = made.links.iter().flat_map(|link| link.up(Node::Item(item))).find_map(|node| match node {
                Node::Item(parent) if self.maker(*parent, before).is_some() => Some(*parent),
                _ => None,
            });
            item = parent.ok_or_else(|| format!("where {item} comes from is not shown"))?;
        }
        Err("the way back to its batch is too long".into())
    }

    /// The statement that made an item, before another.
    fn maker(&self, item: ItemId, before: EntryIndex) -> Option<&ShownStatement> {
        self.shown.maker(item).filter(|said| said.index < before)
    }

    /// The last weighing of the treated lot is by a verified scale and gives the grams that were treated; each change of
    /// hands was stated by both sides, one of them with a key of its own; and whoever treated it held it.
    fn require_mass_and_custody(&self, item: ItemId, net: Grams, treated: &ShownStatement) -> Result<(), String> {
        let maker = self.maker(item, treated.index).ok_or("where it comes from is not shown")?;
        let mut holder = maker.statement.common.org;
        for said in self.shown.weighings(item, treated.index) {
            if let Some((handover, answer)) = self.answer(item, said)
                && answer.weight.is_some()
                && answer.accepted_g > Grams::ZERO
            {
                holder = self.change_hands(holder, said, &handover)?;
            }
        }
        if holder != treated.statement.common.org {
            return Err("whoever treated it is not shown to have received it".into());
        }
        match self.mass_before(item, treated.index)? {
            Some(mass) if mass != net => Err(format!("{net} were treated of a lot of {mass}")),
            _ => Ok(()),
        }
    }

    /// The receiver's answer about a lot.
    fn answer<'s>(&self, item: ItemId, said: &'s ShownStatement) -> Option<(HandoverId, &'s ReceivedLot)> {
        let Event::HandoverAccepted(event) = &said.statement.event else { return None };
        let position = self.shown.offered_lots(&event.handover).iter().position(|lot| *lot == item)?;
        event.lots.as_ref()?.get(position).map(|answer| (event.handover, answer))
    }

    /// The mass of a lot before an entry, by weighings alone; `None` if it is a sum of lots that are not all shown.
    fn mass_before(&self, item: ItemId, before: EntryIndex) -> Result<Option<Grams>, String> {
        let Some(maker) = self.maker(item, before) else { return Ok(None) };
        let mut mass = self.first_mass(item, maker)?;
        for said in self.shown.weighings(item, before) {
            if let Event::Reweighed(event) = &said.statement.event {
                mass = Some(self.weighed(&event.weight, said)?);
            } else if let Some((_, ReceivedLot { weight: Some(weight), accepted_g, refused_g, .. })) =
                self.answer(item, said)
            {
                self.weighed(weight, said)?;
                mass = Some(if *accepted_g == Grams::ZERO { *refused_g } else { *accepted_g });
            }
        }
        Ok(mass)
    }

    /// The mass with which a lot began.
    fn first_mass(&self, item: ItemId, maker: &ShownStatement) -> Result<Option<Grams>, String> {
        Ok(match &maker.statement.event {
            // What is weighed again later need not have been weighed at first.
            Event::Dismantled(event) if event.weight.basis == WeightBasis::Weighed => {
                Some(self.weighed(&event.weight, maker)?)
            }
            Event::Dismantled(_) if self.shown.weighings(item, self.said.index).next().is_none() => {
                return Err(format!("entry {}: its mass was not weighed", maker.index));
            }
            Event::Split(event) => event.parts.iter().find(|part| part.lot == item).map(|part| part.net_g),
            Event::Merged(event) => self.sum_of(&event.inputs, maker.index)?,
            Event::HandoverAccepted(event) => {
                let mut answers = event.lots.iter().flatten();
                answers.find(|answer| answer.refused_as == Some(item)).map(|answer| answer.refused_g)
            }
            _ => None,
        })
    }

    /// The sum of lots that left batches by weight; `None` if one is not shown to, or is a sum itself.
    fn sum_of(&self, lots: &[ItemId], before: EntryIndex) -> Result<Option<Grams>, String> {
        let mut sum = Grams::ZERO;
        for lot in lots {
            let is_fraction = |said: &ShownStatement| matches!(said.statement.event, Event::Dismantled(_));
            if !self.maker(*lot, before).is_some_and(is_fraction) {
                return Ok(None);
            }
            let Some(mass) = self.mass_before(*lot, before)? else { return Ok(None) };
            let Some(more) = sum.plus(mass) else { return Ok(None) };
            sum = more;
        }
        Ok(Some(sum))
    }

    fn change_hands(
        &self,
        holder: OrganisationId,
        accepted: &ShownStatement,
        handover: &HandoverId,
    ) -> Result<OrganisationId, String> {
        let (index, offer) = self.shown.offer(handover).ok_or("a handover's offer is not shown")?;
        let offered = self.shown.statement(*index).ok_or("a handover's offer is not shown")?;
        let receiver = accepted.statement.common.org;
        if offered.statement.common.org != holder || offer.to != receiver || *index > accepted.index {
            return Err("it changed hands between others than those who say so".into());
        }
        if self.shown.is_hosted(&offered.signer) && self.shown.is_hosted(&accepted.signer) {
            return Err("it changed hands between two keys that the operator holds".into());
        }
        Ok(receiver)
    }

    /// The net mass of a weight that was read from a verified scale.
    fn weighed(&self, weight: &Weight, said: &ShownStatement) -> Result<Grams, String> {
        let at = |problem: &str| format!("entry {}: {problem}", said.index);
        let net = weight.net().ok().flatten().filter(|_| weight.basis == WeightBasis::Weighed);
        let net = net.ok_or_else(|| at("its mass was not weighed"))?;
        let day = said.statement.common.occurred_at.date();
        let scales = weight.scale.as_ref().map_or(&[][..], |scale| self.shown.scale(scale));
        let covers = |day: &Date| scales.iter().any(|scale| scale.verified_on <= *day && *day <= scale.verified_until);
        if !day.as_ref().is_some_and(covers) {
            return Err(at("its scale is not shown to have been verified on that day"));
        }
        Ok(net)
    }

    /// The last weight of what went into a batch, where it is shown, is from a scale.
    fn require_weighed_input(&self, item: ItemId, before: EntryIndex) -> Result<(), String> {
        let weights = self.shown.weighings(item, before).filter_map(|said| match &said.statement.event {
            Event::Registered(event) => Some(&event.weight),
            Event::Collected(event) => Some(&event.weight),
            Event::Received(event) => Some(&event.weight),
            Event::Reweighed(event) => Some(&event.weight),
            _ => self.answer(item, said).and_then(|(_, answer)| answer.weight.as_ref()),
        });
        match weights.last() {
            Some(weight) if weight.basis != WeightBasis::Weighed => {
                Err(format!("{item} went into its batch without being weighed"))
            }
            _ => Ok(()),
        }
    }

    /// The batch was opened at the pool's site by its centre, something was fed into it, and it is closed.
    fn check_batch(&mut self, batch: &BatchId) -> Result<OccurredAt, String> {
        if let Some(latest) = self.batches.get(batch) {
            return Ok(latest.clone());
        }
        let (mut opened, mut closed, mut fed) = (false, None, false);
        for said in self.shown.before(self.said.index) {
            let common = &said.statement.common;
            match &said.statement.event {
                Event::BatchOpened(event) if event.batch == *batch => {
                    opened = common.site == Some(self.issue.pool_site) && common.org == self.issue.holder;
                }
                Event::BatchFed(event) if event.batch == *batch => {
                    fed = true;
                    event.items.iter().try_for_each(|item| self.require_weighed_input(*item, said.index))?;
                }
                Event::BatchClosed(event) if event.batch == *batch => closed = Some(common.occurred_at.clone()),
                Event::Retired(event) => _ = self.arising.insert(event.arising.country.to_string()),
                Event::Collected(event) => _ = self.arising.insert(event.arising.country.to_string()),
                Event::Received(event) => _ = self.arising.insert(event.arising.country.to_string()),
                _ => {}
            }
        }
        if !opened || !fed {
            return Err(format!("the batch {batch} is not shown to be one of the certificate's site"));
        }
        let closed = closed.ok_or_else(|| format!("the batch {batch} is not shown to be closed"))?;
        self.batches.insert(*batch, closed.clone());
        Ok(closed)
    }
}

fn require_permit(
    permit: Option<&Permit>,
    day: &Date,
    code: Option<&WasteCode>,
    treated: &TreatedFinal,
) -> Result<(), String> {
    match (permit, code) {
        (Some(permit), Some(code)) if permit_covers(permit, day, code, Some(treated.operation.as_str())) => Ok(()),
        _ => Err("no permit of its site covers operation, waste code and day".into()),
    }
}
