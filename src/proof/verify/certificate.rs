//! What a certificate says, checked against the statements that a bundle shows.

use crate::domain::certificate::{UNIT_G, blocks, part_of, period_fits};
use crate::domain::codes::{AuditOutcome, Role};
use crate::domain::eligibility::audit_in_force;
use crate::domain::event::{Allotment, CertificateIssued, CertificateRetired, Event};
use crate::domain::ids::{BatchId, EntryIndex, SiteId};
use crate::domain::registry::SiteAudit;
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::time::{Date, OccurredAt};
use crate::proof::verify::matter::{Batch, Matter};
use crate::proof::verify::scheme::SchemeCheck;
use crate::proof::verify::shown::{Shown, ShownStatement};
use crate::proof::verify::{Rejection, invalid};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What it rests on and the bundle does not show, in words.
    pub not_shown: Vec<String>,
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
    // Over both blocks of the issue: what the other one shares with this one is sold twice.
    require_disjoint(&issue.allotments)?;
    require_treated(shown, &issue.allotments)?;
    let is_buffer = issue.buffer == block;
    let skip = if is_buffer { issue.certificate.units() } else { 0 };
    let own = part_of(&issue.allotments, skip * UNIT_G, block.units() * UNIT_G);
    let matter = Matter::before(shown, said.index, rules).map_err(Rejection::Invalid)?;
    let mut case = Case { shown, issue, said, rules, matter, arising: BTreeSet::new(), not_shown: BTreeSet::new() };
    let mut shares = Vec::with_capacity(own.len());
    for allotment in &own {
        let at = |problem: String| Rejection::Invalid(format!("treatment {}: {problem}", allotment.treatment));
        shares.push(case.check_allotment(allotment).map_err(at)?);
    }
    case.require_inputs(&issue.allotments)?;
    let retired = check_retirement(shown, said, issue, &block)?;
    Ok(CertificateFacts {
        serial: serial.to_owned(),
        units: block.units(),
        is_buffer,
        is_test: shown.is_test(),
        scheme: issue.scheme.to_string(),
        rule_set: rules.version.clone(),
        issued: said.index.0,
        issuer: said.statement.common.org.to_string(),
        holder: (!is_buffer).then(|| issue.holder.to_string()),
        site,
        vintage: issue.vintage.to_string(),
        shares,
        arising: case.arising.into_iter().collect(),
        not_shown: case.not_shown.into_iter().collect(),
        retired,
    })
}

/// The issue itself: who, under which scheme, which numbers, how many grams.
fn check_issue(
    shown: &Shown,
    said: &ShownStatement,
    issue: &CertificateIssued,
    rules: &RuleSet,
) -> Result<String, Rejection> {
    let issuer = said.statement.common.org;
    if issuer == shown.operator() || !shown.has_role(&issuer, &[Role::Issuer]) {
        return invalid("it is not issued by an issuer who is not the operator");
    }
    if issue.scheme.as_str() != rules.scheme.name || (rules.scheme.test_only && !shown.is_test()) {
        return invalid(format!("the scheme {} was not in force, or not admitted on this ledger", issue.scheme));
    }
    let registered = or_invalid(shown.site(&issue.pool_site), "the site of the batches is not shown")?;
    if registered.organisation != Some(issue.holder) || !shown.has_role(&issue.holder, &[Role::Recycler]) {
        return invalid("the first holder is not the centre whose site it is");
    }
    let units = issue.certificate.units().saturating_add(issue.buffer.units());
    let before = issue.certificate.first - 1;
    let place = (&registered.country, &registered.code);
    let expected = blocks(place, &issue.vintage, shown.is_test(), before, units, rules.scheme.buffer_ppm);
    if expected.as_ref() != Some(&[issue.certificate.clone(), issue.buffer.clone()]) {
        return invalid("the serial numbers are not those of site, month and number of units");
    }
    let grams: i128 = issue.allotments.iter().map(|part| i128::from(part.to.get()) - i128::from(part.from.get())).sum();
    if grams != i128::from(units) * i128::from(UNIT_G) {
        return invalid(format!("{units} units rest on {grams} g"));
    }
    if registered.is_suspended_at(said.index) {
        return invalid("the site of the batches was suspended when the certificate was issued");
    }
    Ok(format!("{}-{}", registered.country, registered.code))
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

/// No allotment reaches beyond what was treated; also those of the other block, where their treatments are shown.
fn require_treated(shown: &Shown, allotments: &[Allotment]) -> Result<(), Rejection> {
    for allotment in allotments {
        if let Some(Event::TreatedFinal(treated)) =
            shown.statement(allotment.treatment).map(|said| &said.statement.event)
            && allotment.to > treated.net_g
        {
            let (entry, to, net) = (allotment.treatment, allotment.to, treated.net_g);
            return invalid(format!("treatment {entry}: {to} are taken of {net}"));
        }
    }
    Ok(())
}

fn check_retirement(
    shown: &Shown,
    issued: &ShownStatement,
    issue: &CertificateIssued,
    block: &SerialBlock,
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
    let rules = or_invalid(shown.rules_at(said.index), "this software does not carry the rule set in force")?;
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
    matter: Matter<'a>,
    arising: BTreeSet<String>,
    not_shown: BTreeSet<String>,
}

impl<'a> Case<'a> {
    fn check_allotment(&mut self, allotment: &Allotment) -> Result<Share, String> {
        let said = self.shown.statement(allotment.treatment).filter(|said| said.index < self.said.index);
        let said = said.ok_or("it is not shown, or comes after the issue")?;
        let Event::TreatedFinal(treated) = &said.statement.event else { return Err("it is no final treatment".into()) };
        let common = &said.statement.common;
        if treated.facility.is_none() && !self.shown.has_role(&said.party(), &[Role::Treater, Role::Recycler]) {
            return Err("whoever states it neither treats nor recycles".into());
        }
        let operation = self.rules.operation(treated.operation.as_str()).filter(|operation| operation.r#final);
        let operation = operation.ok_or("its operation ends no mass")?;
        let day = common.occurred_at.date().ok_or("it has no day")?;
        let site = treated.facility.or(common.site).and_then(|id| Some((id, self.shown.site(&id)?)));
        let (site_id, site) = site.ok_or("its site is not shown")?;
        if treated.facility.is_some() && site.organisation.is_some() {
            return Err("who has a key speaks for itself: its papers are no treatment".into());
        }
        let lot = self.matter.treated.get(&said.index).ok_or("where it comes from is not shown")?;
        let mut conditions = self.matter.settle(&lot.flaws)?;
        if let Some(gap) = lot.gaps.iter().next() {
            return Err(gap.clone());
        }
        match lot.weighed {
            Some(true) => {}
            Some(false) => return Err("its mass was not weighed on a verified scale".into()),
            None => _ = self.not_shown.insert("the weights of some lots that were joined before treatment".to_owned()),
        }
        if lot.unshown {
            self.not_shown.insert("custody of some lots that were joined before treatment".to_owned());
        }
        if lot.sources.is_in_part() {
            self.not_shown.insert("which batches some lots left that were joined before treatment".to_owned());
        }
        let class = lot.class.clone().ok_or("where it comes from is not shown")?;
        let code = self.rules.waste_code(&class, &site.country, &day);
        if site.is_suspended_at(self.said.index) {
            return Err("its site was suspended when the certificate was issued".into());
        }
        let hazardous = code.is_some_and(|code| code.is_hazardous());
        let scheme = self.scheme();
        if let Some(scheme) = &scheme {
            scheme.check_operation(&class, hazardous, treated)?;
        }
        for (batch, from, to) in lot.sources.lines(treated.net_g)? {
            if from < allotment.to.get() && allotment.from.get() < to {
                let gaps = self.check_batch(&batch, &mut conditions)?;
                if let (Some(scheme), Some(known)) = (&scheme, self.matter.batches.get(&batch)) {
                    let words = scheme.check_batch(known).map_err(|broken| format!("the batch {batch}: {broken}"))?;
                    self.not_shown.extend(words);
                    scheme.check_share(&self.matter, &batch, allotment.treatment)?;
                }
                self.not_shown.extend(gaps.into_iter().map(|gap| format!("of what went into a batch: {gap}")));
            }
        }
        conditions.push(self.require_audit(&site_id, &day)?.occurred_at);
        conditions.push(self.require_audit(&self.issue.pool_site, &day)?.occurred_at);
        conditions.extend([common.occurred_at.clone(), lot.latest.clone()]);
        let latest = conditions.iter().max_by_key(|time| time.ms()).and_then(OccurredAt::month);
        if latest.is_none_or(|month| month > self.issue.vintage) {
            return Err(format!("a condition was met after the vintage {}", self.issue.vintage));
        }
        self.arising.extend(lot.arising.iter().cloned());
        Ok(Share {
            treatment: allotment.treatment.0,
            grams: allotment.to.get() - allotment.from.get(),
            operation: treated.operation.to_string(),
            operation_name: operation.name.clone(),
            fraction: class,
            hazardous,
            site: format!("{}-{}", site.country, site.code),
            day: day.to_string(),
        })
    }

    /// The rules that are new with `e-resource/1`, if they were in force.
    fn scheme(&self) -> Option<SchemeCheck<'a>> {
        let (shown, rules) = (self.shown, self.rules);
        rules.scheme.conditions.as_ref().map(|conditions| SchemeCheck { shown, rules, conditions })
    }

    /// Both sites were audited by an auditor within the time that the scheme allows.
    fn require_audit(&self, site: &SiteId, day: &Date) -> Result<SiteAudit, String> {
        let mut audits = self.shown.audits_before(site, self.said.index);
        audits.retain(|audit| !self.shown.is_compromised(&audit.signer, audit.entry, self.said.index));
        let months = self.rules.scheme.audit_months;
        if audit_in_force(&audits, day, months).is_none() {
            return Err(format!("no audit of the site {site} within {months} months is shown"));
        }
        // Grams keep the vintage with which they entered their pool, also when the site was in doubt for a while after.
        let covers = |audit: &&SiteAudit| {
            audit.outcome == AuditOutcome::Conforms && audit_in_force(&[(*audit).clone()], day, months).is_some()
        };
        let first =
            self.shown.audits_before(site, self.said.index).iter().filter(covers).min_by_key(|a| a.entry).cloned();
        first.ok_or_else(|| format!("no audit of the site {site} within {months} months is shown"))
    }

    /// A batch that the centre opened at the pool's site and has closed; adds when its conditions were met, and gives what of
    /// its inputs does not follow.
    fn check_batch(&self, id: &BatchId, conditions: &mut Vec<OccurredAt>) -> Result<BTreeSet<String>, String> {
        let is_of_pool =
            |batch: &&Batch| batch.site == Some(self.issue.pool_site) && batch.organisation == self.issue.holder;
        let batch = self.matter.batches.get(id).filter(is_of_pool);
        let batch = batch.ok_or_else(|| format!("the batch {id} is not shown to be one of the certificate's site"))?;
        if !batch.closed {
            return Err(format!("the batch {id} is not shown to be closed"));
        }
        let cured = self.matter.settle(&batch.flaws).map_err(|flaw| format!("the batch {id}: {flaw}"))?;
        conditions.extend(cured);
        conditions.push(batch.latest.clone());
        Ok(batch.gaps.clone())
    }

    /// No batch backs more than what went into it, where that is shown; over both blocks of the issue.
    fn require_inputs(&mut self, allotments: &[Allotment]) -> Result<(), Rejection> {
        let mut taken: BTreeMap<BatchId, i64> = BTreeMap::new();
        for allotment in allotments {
            let net = self.shown.statement(allotment.treatment).and_then(|said| match &said.statement.event {
                Event::TreatedFinal(treated) => Some(treated.net_g),
                _ => None,
            });
            let lot = self.matter.treated.get(&allotment.treatment);
            // Lines that do not follow were found where the certificate itself rests on them.
            let lines = lot.zip(net).and_then(|(lot, net)| lot.sources.lines(net).ok()).unwrap_or_default();
            for (batch, from, to) in lines {
                let overlap = to.min(allotment.to.get()) - from.max(allotment.from.get());
                if overlap > 0 {
                    *taken.entry(batch).or_default() += overlap;
                }
            }
        }
        for (id, grams) in taken {
            match self.matter.batches.get(&id).and_then(|batch| batch.input) {
                Some(input) if grams > input.get() => {
                    return invalid(format!("{grams} g rest on the batch {id}, into which {input} went"));
                }
                Some(_) => {}
                None => _ = self.not_shown.insert("the mass of everything that went into the batches".to_owned()),
            }
        }
        Ok(())
    }
}
