//! Which treated grams may back a certificate, rule by rule (rules.md §6).
//!
//! `e-resource/0` was the first and narrowest scheme, admitted on test ledgers alone: a final operation, weighed mass,
//! custody that somebody else confirmed, permits, sites that were audited, a batch that is closed. Its rules stand here and
//! hold for both schemes. What `e-resource/1` adds stands in a module of its own, and is asked where the rule set in force
//! has its conditions. Certificates that exist keep the scheme under which they were issued.

pub mod e_resource_1;
pub mod expected;
pub mod figures;
pub mod gap;
mod untreated;

use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::codes::{AuditOutcome, WasteCode};
use crate::domain::evidence::Evidence;
use crate::domain::finding::{Cure, cure_of};
use crate::domain::ids::{BatchId, EntryIndex, KeyId, SiteId};
use crate::domain::mass::WeightBasis;
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{State, Stop};
use crate::domain::time::{Date, LedgerTime, OccurredAt};
use crate::domain::treatment::{Line, Treatment};
use std::collections::BTreeSet;

pub use figures::Figure;
pub(crate) use figures::figures;
pub use gap::Gap;
pub(crate) use untreated::{of_batch, of_item, require_untreated};

/// How a line of a treatment stands under the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it lacks, each once; empty if all its grams are eligible.
    pub gaps: BTreeSet<Gap>,
    /// The latest `occurred_at`, as written, of the statements that met a condition: it gives the vintage.
    pub latest: OccurredAt,
    /// Entries that brought flaws which nobody has cured.
    pub uncured: BTreeSet<EntryIndex>,
}

/// Every record that [`standing`] looks at for these treatments, asked for at once.
pub(crate) fn require_loaded(state: &State<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    state.require_loaded(treatments.iter().map(|treatment| Treatment::id_of(*treatment)))?;
    let (mut sites, mut evidence, mut batches) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        sites.insert(treatment.site);
        batches.extend(treatment.batches());
        evidence.push(&treatment.evidence);
    }
    require_behind(state, &sites, &evidence, &batches)
}

/// The sites with their audits, what stands behind pieces of evidence, and all of this behind batches.
fn require_behind(
    state: &State<'_>,
    sites: &BTreeSet<SiteId>,
    evidence: &[&Evidence],
    batches: &BTreeSet<BatchId>,
) -> Result<(), Stop> {
    let asked = evidence.iter().flat_map(|evidence| asked_by(evidence));
    let behind = sites.iter().map(ToString::to_string).chain(batches.iter().map(ToString::to_string));
    state.require_loaded(behind.chain(asked))?;
    let mut further = BTreeSet::new();
    for site in sites {
        further.extend(signers_of_audits(state, site)?);
    }
    for evidence in evidence {
        further.extend(signers_of_cures(state, evidence)?);
    }
    for batch in batches {
        let Some(batch) = state.batch(batch)? else { continue };
        further.insert(batch.site.to_string());
        further.extend(asked_by(&batch.evidence));
        further.extend(batch.hazardous.evidence.iter().flat_map(asked_by));
        further.extend(batch.explained.iter().map(|explained| explained.signer.to_string()));
    }
    state.require_loaded(further)?;
    let mut last = BTreeSet::new();
    for batch in batches {
        let Some(batch) = state.batch(batch)? else { continue };
        last.extend(signers_of_audits(state, &batch.site)?);
        last.extend(signers_of_cures(state, &batch.evidence)?);
        if let Some(evidence) = &batch.hazardous.evidence {
            last.extend(signers_of_cures(state, evidence)?);
        }
    }
    state.require_loaded(last)
}

/// The keys and cures that evidence is judged by.
fn asked_by(evidence: &Evidence) -> impl Iterator<Item = String> {
    let signers = evidence.signers.iter().map(|signer| signer.kid.to_string());
    signers.chain(evidence.flaws.iter().map(|flaw| Cure::id_of(flaw.entry)))
}

fn signers_of_audits(state: &State<'_>, site: &SiteId) -> Result<Vec<String>, Stop> {
    let audits = state.site(site)?.into_iter().flat_map(|site| &site.audits);
    Ok(audits.map(|audit| audit.signer.to_string()).collect())
}

fn signers_of_cures(state: &State<'_>, evidence: &Evidence) -> Result<Vec<String>, Stop> {
    let mut signers = Vec::new();
    for flaw in &evidence.flaws {
        let cure = state.cure(&Cure::id_of(flaw.entry))?;
        signers.extend(cure.into_iter().flat_map(|cure| &cure.cured).map(|cured| cured.signer.to_string()));
    }
    Ok(signers)
}

/// How a line of a treatment stands at a ledger time: each rule of the scheme of a rule set, over the treatment, its batch and
/// both sites. What may still be certified is asked by the rule set in force, what was by that of its issue.
pub fn standing(
    state: &State<'_>,
    rules: &RuleSet,
    (treatment, line): (&Treatment, &Line),
    now: LedgerTime,
) -> Result<Standing, Stop> {
    let mut standing = Standing::since(&treatment.evidence.latest);
    standing.weigh_evidence(state, &treatment.evidence)?;
    if treatment.basis != WeightBasis::Weighed {
        standing.gaps.insert(Gap::NotWeighed);
    }
    standing.visit(state, rules, (&treatment.day, &treatment.site), Gap::TreatmentSiteNotAudited)?;
    let Some(batch) = line.batch_in(state)? else {
        standing.gaps.insert(Gap::NotFromBatch);
        return Ok(standing);
    };
    standing.meet_in_batch(state, rules, (batch, &treatment.day), now)?;
    standing.end_admittedly(rules, treatment, batch);
    Ok(standing)
}

impl Standing {
    /// Without a gap yet.
    fn since(latest: &OccurredAt) -> Self {
        Self { gaps: BTreeSet::new(), latest: latest.clone(), uncured: BTreeSet::new() }
    }

    fn at_latest(&mut self, time: &OccurredAt) {
        self.latest = self.latest.clone().later(time);
    }

    /// A site was audited around the day of treatment, and is not suspended.
    fn visit(
        &mut self,
        state: &State<'_>,
        rules: &RuleSet,
        (day, site): (&Date, &SiteId),
        gap: Gap,
    ) -> Result<(), Stop> {
        match audited(state, day, site, rules.scheme.audit_months)? {
            Some(reported) => self.at_latest(&reported),
            None => _ = self.gaps.insert(gap),
        }
        if state.site(site)?.is_some_and(Site::is_suspended) {
            self.gaps.insert(Gap::SiteSuspended);
        }
        Ok(())
    }

    fn weigh_batch(&mut self, state: &State<'_>, batch: &Batch) -> Result<(), Stop> {
        self.at_latest(&batch.evidence.latest);
        match (batch.status, &batch.explained) {
            (BatchStatus::Open, _) => _ = self.gaps.insert(Gap::BatchOpen),
            (BatchStatus::Short, Some(found)) if !is_compromised(state, &found.signer, found.entry)? => {
                self.at_latest(&found.occurred_at);
            }
            (BatchStatus::Short, _) => _ = self.gaps.insert(Gap::BatchShort),
            (BatchStatus::Void, _) => _ = self.gaps.insert(Gap::NotFromBatch),
            (BatchStatus::Closed, _) => {}
        }
        if batch.flags.as_ref().is_none_or(|flags| flags.basis != WeightBasis::Weighed) {
            self.gaps.insert(Gap::NotWeighed);
        }
        Ok(())
    }

    /// The rules that look at the batch alone, for what a plant treats of it on a day.
    fn meet_in_batch(
        &mut self,
        state: &State<'_>,
        rules: &RuleSet,
        (batch, day): (&Batch, &Date),
        now: LedgerTime,
    ) -> Result<(), Stop> {
        self.weigh_batch(state, batch)?;
        self.weigh_evidence(state, &batch.evidence)?;
        self.visit(state, rules, (day, &batch.site), Gap::BatchSiteNotAudited)?;
        let Some(conditions) = &rules.scheme.conditions else { return Ok(()) };
        let test = state.ledger()?.is_some_and(|ledger| ledger.test);
        let dismantled_in = state.site(&batch.site)?.map(|site| &site.country);
        if let Some(flags) = &batch.flags {
            let inputs = (flags, batch.fed.as_slice());
            self.gaps.extend(e_resource_1::of_inputs(rules, conditions, inputs, dismantled_in, test));
        }
        self.gaps.extend(e_resource_1::lacks(conditions, batch, now));
        match &batch.hazardous.evidence {
            Some(evidence) => self.weigh_acceptances(state, evidence),
            None => Ok(()),
        }
    }

    /// It ended by an operation that the scheme admits, and within the share of its batch, where the rule set asks.
    fn end_admittedly(&mut self, rules: &RuleSet, treatment: &Treatment, batch: &Batch) {
        let Some(conditions) = &rules.scheme.conditions else { return };
        let hazardous = treatment.waste_code.as_ref().is_some_and(WasteCode::is_hazardous);
        let (class, operation) = (treatment.class.as_str(), treatment.operation.as_str());
        self.gaps.extend(e_resource_1::ended_by_an_admitted_operation(rules, conditions, class, hazardous, operation));
        let ended = e_resource_1::ended_by_residual(batch, treatment.entry);
        self.gaps.extend(
            ended.and_then(|ended| e_resource_1::stays_within_the_residual_share(conditions, batch.input_g, ended)),
        );
    }

    /// Those who accepted a batch's hazardous grams are judged as those who accepted the treated ones.
    fn weigh_acceptances(&mut self, state: &State<'_>, evidence: &Evidence) -> Result<(), Stop> {
        self.at_latest(&evidence.latest);
        self.weigh_evidence(state, evidence)
    }

    /// Flaws that nobody has cured, and keys that were compromised.
    fn weigh_evidence(&mut self, state: &State<'_>, evidence: &Evidence) -> Result<(), Stop> {
        for flaw in &evidence.flaws {
            match cure_of(state, flaw.code, flaw.entry)? {
                Some(cured) if !is_compromised(state, &cured.signer, cured.by)? => self.at_latest(&cured.occurred_at),
                _ => {
                    self.gaps.insert(Gap::of(flaw.code));
                    self.uncured.insert(flaw.entry);
                }
            }
        }
        for signer in &evidence.signers {
            if is_compromised(state, &signer.kid, signer.last)? {
                self.gaps.insert(Gap::KeyCompromised);
            }
        }
        Ok(())
    }
}

/// Whether a key was compromised when it signed an entry; without a first index, all that it signed is in doubt.
pub(crate) fn is_compromised(state: &State<'_>, kid: &KeyId, entry: EntryIndex) -> Result<bool, Stop> {
    Ok(state.key(kid)?.is_some_and(|key| key.is_compromised_at(entry)))
}

/// When the audit of a site was reported that covers the day of a treatment, if one does; what a compromised key signed
/// is no audit.
fn audited(state: &State<'_>, day: &Date, site: &SiteId, months: u32) -> Result<Option<OccurredAt>, Stop> {
    let mut honest = Vec::new();
    for audit in state.site(site)?.into_iter().flat_map(|site| &site.audits) {
        if !is_compromised(state, &audit.signer, audit.entry)? {
            honest.push(audit.clone());
        }
    }
    Ok(audit_in_force(&honest, day, months).map(|audit| audit.occurred_at.clone()))
}

/// The audit that covers a day of treatment, if the last visit within so many months before or after the day found the
/// site to conform: the first report of conformity after the last report of the contrary.
pub fn audit_in_force<'a>(audits: &'a [SiteAudit], day: &Date, months: u32) -> Option<&'a SiteAudit> {
    let covering = || audits.iter().filter(|audit| audit.is_around(day, months));
    let last = covering().max_by(|one, other| (&one.on, one.entry).cmp(&(&other.on, other.entry)))?;
    if last.outcome != AuditOutcome::Conforms {
        return None;
    }
    let adverse = covering().filter(|audit| audit.outcome != AuditOutcome::Conforms).map(|audit| audit.entry).max();
    let conforming = covering().filter(|audit| audit.outcome == AuditOutcome::Conforms && Some(audit.entry) > adverse);
    conforming.min_by_key(|audit| audit.entry).or(Some(last))
}
