//! What a certificate says, checked against the statements that a bundle shows.

use crate::domain::certificate::{Certificate, CertificateStatus, UNIT_G, blocks};
use crate::domain::codes::{AuditOutcome, Role};
use crate::domain::eligibility::audit_in_force;
use crate::domain::event::{Allotment, CertificateIssued, Event};
use crate::domain::ids::{BatchId, EntryIndex, SiteId};
use crate::domain::registry::SiteAudit;
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::time::{Date, OccurredAt};
use crate::proof::verify::life::{Lives, ShownIssue};
use crate::proof::verify::life_facts::{LifeFacts, RetiredFacts};
use crate::proof::verify::matter::{Batch, Matter};
use crate::proof::verify::scheme::SchemeCheck;
use crate::proof::verify::shown::{Shown, ShownStatement};
use crate::proof::verify::{Rejection, invalid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    pub day: Date,
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
    /// The grams on which its units rest now, by allotment: those of other blocks where these back it.
    pub shares: Vec<Share>,
    /// Where the waste arose, as far as shown.
    pub arising: Vec<String>,
    /// What it rests on and the bundle does not show, in words.
    pub not_shown: Vec<String>,
    /// Its retirement.
    pub retired: Option<RetiredFacts>,
    /// What became of it since its issue.
    pub life: LifeFacts,
}

fn or_invalid<T>(value: Option<T>, problem: impl Into<String>) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::Invalid(problem.into()))
}

/// Checks the certificate that the bundle is about.
pub(super) fn check(shown: &Shown, serial: &str) -> Result<CertificateFacts, Rejection> {
    let block = or_invalid(SerialBlock::parse(serial), "the bundle names no serial numbers")?;
    let lives = Lives::read(shown, &block)?;
    let unknown = "the issue of the certificate is not shown, or not how it was split from what was issued";
    let certificate = or_invalid(lives.certificate(&block), unknown)?;
    let resting = all_resting(&lives, certificate)?;
    require_disjoint(&resting.iter().flat_map(Resting::grams).collect::<Vec<_>>())?;
    let (mut shares, mut arising, mut not_shown) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let issues: BTreeSet<EntryIndex> = resting.iter().map(|resting| resting.certificate.issued).collect();
    for issue in issues {
        let issue = or_invalid(lives.issue(issue), "the issue of a block that backs others is not shown")?;
        let mut case = Case::of(shown, issue)?;
        case.require_treated(&issue.issue.allotments)?;
        for resting in resting.iter().filter(|resting| resting.certificate.issued == issue.said.index) {
            shares.extend(case.check_all(resting)?);
        }
        case.require_inputs(&issue.issue.allotments)?;
        arising.append(&mut case.arising);
        not_shown.append(&mut case.not_shown);
    }
    let issue = or_invalid(lives.issue(certificate.issued), unknown)?;
    Ok(CertificateFacts {
        serial: serial.to_owned(),
        units: block.units(),
        is_buffer: certificate.status == CertificateStatus::Buffer,
        is_test: shown.is_test(),
        scheme: certificate.scheme.to_string(),
        rule_set: certificate.rule_set.version.to_string(),
        issued: certificate.issued.0,
        issuer: certificate.issuer.to_string(),
        holder: certificate.holder.map(|holder| holder.to_string()),
        site: issue.site.clone(),
        vintage: block.vintage.to_string(),
        shares,
        arising: arising.into_iter().collect(),
        not_shown: not_shown.into_iter().collect(),
        retired: certificate.retired.as_ref().map(RetiredFacts::from),
        life: LifeFacts::of(&lives, certificate),
    })
}

/// Units of one block that rest on its own grams.
struct Resting<'a> {
    certificate: &'a Certificate,
    units: Vec<SerialBlock>,
}

impl Resting<'_> {
    fn grams(&self) -> Vec<Allotment> {
        self.units.iter().flat_map(|units| self.certificate.grams_under(units)).collect()
    }
}

/// On what a certificate's units rest: on their own grams, on those of the units that back them, or of those that back these in turn.
fn all_resting<'a>(lives: &'a Lives<'_>, certificate: &'a Certificate) -> Result<Vec<Resting<'a>>, Rejection> {
    let (mut resting, mut left) = (Vec::new(), VecDeque::from([(certificate, certificate.serial.clone())]));
    while let Some((block, asked)) = left.pop_front() {
        let (units, backed) = block.rest_of(&asked);
        resting.push(Resting { certificate: block, units });
        for backing in backed {
            let unknown = || format!("the units {} are not shown, which back {}", backing.by, backing.units);
            let giving = or_invalid(lives.giving(&backing), unknown())?;
            left.push_back((giving, backing.by));
        }
    }
    Ok(resting)
}

/// The issue itself: who, under which scheme, which numbers, how many grams.
pub(super) fn check_issue(
    shown: &Shown,
    said: &ShownStatement,
    issue: &CertificateIssued,
    rules: &RuleSet,
) -> Result<String, Rejection> {
    let issuer = said.party();
    // What the operator issues waits for another organisation, where the rule set knows a second signature.
    let is_operators = issuer == shown.operator() && rules.scheme.registry.is_some();
    if !is_operators && (issuer == shown.operator() || !shown.has_role(&issuer, &[Role::Issuer])) {
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
    // Over both blocks of the issue: what the other one shares with this one is sold twice.
    require_disjoint(&issue.allotments)?;
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

/// The blocks of one issue under examination.
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
    fn of(shown: &'a Shown, issue: &ShownIssue<'a>) -> Result<Self, Rejection> {
        let ShownIssue { said, issue, .. } = *issue;
        let rules = or_invalid(shown.rules_at(said.index), "this software does not carry the rule set in force")?;
        let matter = Matter::before(shown, said.index).map_err(Rejection::Invalid)?;
        let not_shown = matter.untold.clone();
        Ok(Self { shown, issue, said, rules, matter, arising: BTreeSet::new(), not_shown })
    }

    /// No allotment reaches beyond what was treated; also those of the other block, where their treatments are shown.
    fn require_treated(&self, allotments: &[Allotment]) -> Result<(), Rejection> {
        for Allotment { treatment, to, .. } in allotments {
            let Some(Event::TreatedFinal(treated)) = self.shown.statement(*treatment).map(|said| &said.statement.event)
            else {
                continue;
            };
            // A correction may have made it more.
            let net = self.matter.treated.get(treatment).and_then(|lot| lot.grams).max(Some(treated.net_g));
            if let Some(net) = net.filter(|net| to > net) {
                return invalid(format!("treatment {treatment}: {to} are taken of {net}"));
            }
        }
        Ok(())
    }

    /// Everything on which a block was issued; gives the grams on which the units that are asked about rest.
    fn check_all(&mut self, resting: &Resting<'_>) -> Result<Vec<Share>, Rejection> {
        let mut treatments: BTreeMap<EntryIndex, Share> = BTreeMap::new();
        for allotment in &resting.certificate.allotments {
            let at = |problem: String| Rejection::Invalid(format!("treatment {}: {problem}", allotment.treatment));
            treatments.insert(allotment.treatment, self.check_allotment(allotment).map_err(at)?);
        }
        let share = |part: &Allotment| {
            let grams = part.to.get() - part.from.get();
            treatments.get(&part.treatment).map(|share| Share { grams, ..share.clone() })
        };
        Ok(resting.grams().iter().filter_map(share).collect())
    }

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
        let mut conditions = self.matter.settle(&lot.flaws, said.index)?;
        if let Some(gap) = lot.gaps.iter().next() {
            return Err(gap.clone());
        }
        if let Some(net) = lot.grams.filter(|net| allotment.to > *net) {
            return Err(format!("{} are taken of {net}", allotment.to));
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
        let code = lot.code_at(self.rules, (&site.country, &day));
        if site.is_suspended_at(self.said.index) {
            return Err("its site was suspended when the certificate was issued".into());
        }
        let hazardous = code.is_some_and(|code| code.is_hazardous());
        let scheme = self.scheme();
        if let Some(scheme) = &scheme {
            scheme.check_operation(&class, hazardous, treated)?;
        }
        for (batch, from, to) in lot.lines()? {
            if from < allotment.to.get() && allotment.from.get() < to {
                let gaps = self.check_batch(&batch, said.index, &mut conditions)?;
                if let (Some(scheme), Some(known)) = (&scheme, self.matter.batches.get(&batch)) {
                    let words = scheme.check_batch(known).map_err(|broken| format!("the batch {batch}: {broken}"))?;
                    self.not_shown.extend(words);
                    scheme
                        .check_share(known, allotment.treatment)
                        .map_err(|broken| format!("the batch {batch}: {broken}"))?;
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
            day,
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
    fn check_batch(
        &self,
        id: &BatchId,
        treatment: EntryIndex,
        conditions: &mut Vec<OccurredAt>,
    ) -> Result<BTreeSet<String>, String> {
        let is_of_pool =
            |batch: &&Batch| batch.site == Some(self.issue.pool_site) && batch.organisation == self.issue.holder;
        let batch = self.matter.batches.get(id).filter(is_of_pool);
        let batch = batch.ok_or_else(|| format!("the batch {id} is not shown to be one of the certificate's site"))?;
        let closed = batch.closed.ok_or_else(|| format!("the batch {id} is not shown to be closed"))?;
        let cured = self.matter.settle(&batch.flaws, treatment.max(closed));
        let cured = cured.map_err(|flaw| format!("the batch {id}: {flaw}"))?;
        conditions.extend(cured);
        conditions.push(batch.latest.clone());
        Ok(batch.gaps.clone())
    }

    /// No batch backs more than what went into it, where that is shown; over both blocks of the issue.
    fn require_inputs(&mut self, allotments: &[Allotment]) -> Result<(), Rejection> {
        let mut taken: BTreeMap<BatchId, i64> = BTreeMap::new();
        for allotment in allotments {
            let lot = self.matter.treated.get(&allotment.treatment);
            // Lines that do not follow were found where the certificate itself rests on them.
            let lines = lot.and_then(|lot| lot.lines().ok()).unwrap_or_default();
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
