//! The scheme `e-resource/0`: which treated grams may back a certificate, rule by rule.
//!
//! It is the first and narrowest scheme, admitted on test ledgers alone: a final operation, weighed mass, custody that
//! somebody else confirmed, a permit, sites that were audited, a batch that is closed. Later schemes add the rest of
//! rules.md §6, each as a new version; this one stays, because certificates were issued under it.

use crate::domain::apply::rules_in_force;
use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::codes::AuditOutcome;
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::codes;
use crate::domain::finding::{Cure, cure_of};
use crate::domain::ids::{EntryIndex, KeyId, SiteId};
use crate::domain::mass::WeightBasis;
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::state::{State, Stop};
use crate::domain::time::{Date, OccurredAt};
use crate::domain::treatment::{Line, Treatment};
use std::collections::BTreeSet;

codes! {
    /// A rule that a treatment's grams do not meet, or not yet.
    pub enum Gap {
        /// Whole equipment, or waste that was not dismantled under the ledger.
        NotFromBatch = "not_from_batch",
        /// The treated lot, or what went into its batch, was estimated or taken from a mean.
        NotWeighed = "not_weighed",
        /// The batch is still open.
        BatchOpen = "batch_open",
        /// The batch closed with less than went in, beyond the band.
        BatchShort = "batch_short",
        /// More came out of the batch than went in; this lies beyond its input.
        BeyondBatchInput = "beyond_batch_input",
        /// The site of the batch was not audited, or it did not conform.
        BatchSiteNotAudited = "batch_site_not_audited",
        /// The site of the treatment was not audited, or it did not conform.
        TreatmentSiteNotAudited = "treatment_site_not_audited",
        /// No permit covered some step on its day.
        PermitNotValid = "permit_not_valid",
        /// A site on the way had received more than its permit allows.
        OverCapacity = "over_capacity",
        /// A class that the rule set does not know.
        ClassUnknown = "class_unknown",
        /// A fraction left its batch later than a batch may last.
        BatchOverdue = "batch_overdue",
        /// A handover is in dispute.
        Disputed = "disputed",
        /// It changed hands between two keys that the operator holds.
        CustodyNotConfirmed = "custody_not_confirmed",
        /// It changed hands between related parties, or one organisation spoke for both.
        RelatedParties = "related_parties",
        /// It crossed a border without the consent or paper that it needed.
        BorderNotCovered = "border_not_covered",
        /// The law of the country of dispatch kept it from its destination.
        ExportBanned = "export_banned",
        /// An interim treatment lost more than the band.
        InterimShort = "interim_short",
        /// It rests on papers of a plant without a key that nobody has reviewed.
        NotReviewed = "not_reviewed",
        /// An auditor's finding holds it.
        HeldByFinding = "held_by_finding",
        /// A correction of something behind it is not decided.
        CorrectionUndecided = "correction_undecided",
        /// A rule found something behind it implausible, and no auditor has cleared it.
        SignalRaised = "signal_raised",
        /// The site of the batch or of the treatment is suspended.
        SiteSuspended = "site_suspended",
        /// More flaws than can be cured one by one.
        TooManyFlaws = "too_many_flaws",
        /// Something behind it was signed by a key at or after the entry from which it was compromised.
        KeyCompromised = "key_compromised",
    }
}

impl Gap {
    /// The rule and what to do, in words for whoever runs a centre.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFromBatch => "only fractions of a batch back a certificate: dismantle first, then treat",
            Self::NotWeighed => {
                "only weighed mass counts, at the batch's input and at treatment: use a registered, verified scale"
            }
            Self::BatchOpen => "its batch is still open: close the batch",
            Self::BatchShort => "its batch lost more than the band: an auditor must look at it",
            Self::BeyondBatchInput => "a batch backs no more grams than went into it",
            Self::BatchSiteNotAudited => {
                "the site of dismantling needs a conforming audit within 12 months of the treatment"
            }
            Self::TreatmentSiteNotAudited => {
                "the site of treatment needs a conforming audit within 12 months of the treatment"
            }
            Self::PermitNotValid => "the permit of a site did not cover operation, waste code and day",
            Self::OverCapacity => "a site had received more that year than its permit allows",
            Self::ClassUnknown => "the class stands in no table of the rule set",
            Self::BatchOverdue => "it left its batch later than 31 days after the batch was opened",
            Self::Disputed => "sender and receiver weighed it differently beyond the band",
            Self::CustodyNotConfirmed => "it changed hands between two hosted keys: one side needs a key of its own",
            Self::RelatedParties => "it changed hands between related parties: an auditor must look at it",
            Self::BorderNotCovered => "it crossed a border without the consent or paper that it needed",
            Self::ExportBanned => "the law of the country of dispatch keeps such waste from that destination",
            Self::InterimShort => "an interim treatment lost more than the band: an auditor must look at it",
            Self::NotReviewed => "it rests on papers of a plant without a key: somebody else must review them",
            Self::HeldByFinding => "an auditor's finding holds it",
            Self::CorrectionUndecided => {
                "a correction of something behind it is not decided: confirm it, or dispute it"
            }
            Self::SignalRaised => {
                "something behind it is implausible: an auditor must look at it, or it must be corrected"
            }
            Self::SiteSuspended => "the site is suspended: nothing of it backs a new certificate until it is restored",
            Self::TooManyFlaws => "more was wrong behind it than can be cured piece by piece",
            Self::KeyCompromised => "a key that signed for it was reported compromised from an earlier entry on",
        }
    }

    /// Whether a later statement under this very scheme can close it.
    pub(crate) const fn may_still_close(self) -> bool {
        !matches!(
            self,
            Self::NotFromBatch | Self::NotWeighed | Self::BeyondBatchInput | Self::KeyCompromised | Self::TooManyFlaws
        )
    }

    /// Whether it keeps grams out of a pool. A suspension does not: it completes nothing, it only stops the issue.
    pub(crate) const fn bars_entry(self) -> bool {
        !matches!(self, Self::SiteSuspended)
    }

    /// Whether units fail that rest on such grams already. What is undecided, or stops only new issues, fails none.
    pub(crate) const fn fails_units(self) -> bool {
        !matches!(self, Self::SiteSuspended | Self::CorrectionUndecided)
    }

    const fn of(flaw: FlawCode) -> Self {
        match flaw {
            FlawCode::PermitNotValid => Self::PermitNotValid,
            FlawCode::OverCapacity => Self::OverCapacity,
            FlawCode::ClassUnknown => Self::ClassUnknown,
            FlawCode::Disputed => Self::Disputed,
            FlawCode::BatchOverdue => Self::BatchOverdue,
            FlawCode::CustodyNotConfirmed => Self::CustodyNotConfirmed,
            FlawCode::RelatedParties => Self::RelatedParties,
            FlawCode::BorderNotCovered => Self::BorderNotCovered,
            FlawCode::ExportBanned => Self::ExportBanned,
            FlawCode::InterimShort => Self::InterimShort,
            FlawCode::Documented => Self::NotReviewed,
            FlawCode::Finding => Self::HeldByFinding,
            FlawCode::Correction => Self::CorrectionUndecided,
            FlawCode::Signal => Self::SignalRaised,
            FlawCode::TooMany => Self::TooManyFlaws,
        }
    }
}

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
    let mut behind = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        behind.insert(treatment.site.to_string());
        behind.extend(treatment.batches().map(|batch| batch.to_string()));
        behind.extend(asked_by(&treatment.evidence));
    }
    state.require_loaded(behind)?;
    let mut further = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        further.extend(signers_of_audits(state, &treatment.site)?);
        further.extend(signers_of_cures(state, &treatment.evidence)?);
        for line in &treatment.lines {
            let Some(batch) = line.batch_in(state)? else { continue };
            further.insert(batch.site.to_string());
            further.extend(asked_by(&batch.evidence));
            further.extend(batch.explained.iter().map(|explained| explained.signer.to_string()));
        }
    }
    state.require_loaded(further)?;
    let mut last = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        for line in &treatment.lines {
            let Some(batch) = line.batch_in(state)? else { continue };
            last.extend(signers_of_audits(state, &batch.site)?);
            last.extend(signers_of_cures(state, &batch.evidence)?);
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

/// How a line of a treatment stands now: each rule of the scheme, over the treatment, its batch and both sites.
pub fn standing(state: &State<'_>, treatment: &Treatment, line: &Line) -> Result<Standing, Stop> {
    let mut standing =
        Standing { gaps: BTreeSet::new(), latest: treatment.evidence.latest.clone(), uncured: BTreeSet::new() };
    standing.weigh_evidence(state, &treatment.evidence)?;
    if treatment.basis != WeightBasis::Weighed {
        standing.gaps.insert(Gap::NotWeighed);
    }
    standing.visit(state, treatment, &treatment.site, Gap::TreatmentSiteNotAudited)?;
    let Some(batch) = line.batch_in(state)? else {
        standing.gaps.insert(Gap::NotFromBatch);
        return Ok(standing);
    };
    standing.weigh_batch(state, batch)?;
    standing.weigh_evidence(state, &batch.evidence)?;
    standing.visit(state, treatment, &batch.site, Gap::BatchSiteNotAudited)?;
    Ok(standing)
}

impl Standing {
    fn at_latest(&mut self, time: &OccurredAt) {
        self.latest = self.latest.clone().later(time);
    }

    /// A site was audited around the day of treatment, and is not suspended.
    fn visit(&mut self, state: &State<'_>, treatment: &Treatment, site: &SiteId, gap: Gap) -> Result<(), Stop> {
        match audited(state, treatment, site)? {
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
fn is_compromised(state: &State<'_>, kid: &KeyId, entry: EntryIndex) -> Result<bool, Stop> {
    Ok(state.key(kid)?.is_some_and(|key| key.is_compromised_at(entry)))
}

/// When the audit of a site was reported that covers the day of a treatment, if one does; what a compromised key signed
/// is no audit.
fn audited(state: &State<'_>, treatment: &Treatment, site: &SiteId) -> Result<Option<OccurredAt>, Stop> {
    let mut honest = Vec::new();
    for audit in state.site(site)?.into_iter().flat_map(|site| &site.audits) {
        if !is_compromised(state, &audit.signer, audit.entry)? {
            honest.push(audit.clone());
        }
    }
    let months = rules_in_force(state)?.scheme.audit_months;
    Ok(audit_in_force(&honest, &treatment.day, months).map(|audit| audit.occurred_at.clone()))
}

/// The audit that covers a day of treatment, if the last visit within so many months before or after the day found the
/// site to conform: the first report of conformity after the last report of the contrary.
pub fn audit_in_force<'a>(audits: &'a [SiteAudit], day: &Date, months: u32) -> Option<&'a SiteAudit> {
    let (from, until) = (day.minus_months(months)?, day.plus_months(months)?);
    let covering = || audits.iter().filter(|audit| from <= audit.on && audit.on <= until);
    let last = covering().max_by(|one, other| (&one.on, one.entry).cmp(&(&other.on, other.entry)))?;
    if last.outcome != AuditOutcome::Conforms {
        return None;
    }
    let adverse = covering().filter(|audit| audit.outcome != AuditOutcome::Conforms).map(|audit| audit.entry).max();
    let conforming = covering().filter(|audit| audit.outcome == AuditOutcome::Conforms && Some(audit.entry) > adverse);
    conforming.min_by_key(|audit| audit.entry).or(Some(last))
}
