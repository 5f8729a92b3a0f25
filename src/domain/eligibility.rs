//! The scheme `e-resource/0`: which treated grams may back a certificate, rule by rule.
//!
//! It is the first and narrowest scheme, admitted on test ledgers alone: a final operation, weighed mass, custody that
//! somebody else confirmed, a permit, sites that were audited, a batch that is closed. Later schemes add the rest of
//! rules.md §6, each as a new version; this one stays, because certificates were issued under it.

use crate::domain::apply::rules_in_force;
use crate::domain::batch::{Batch, BatchStatus};
use crate::domain::codes::{AuditOutcome, RevocationReason};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fields::codes;
use crate::domain::ids::{EntryIndex, KeyId, SiteId};
use crate::domain::mass::WeightBasis;
use crate::domain::registry::SiteAudit;
use crate::domain::state::{State, Stop};
use crate::domain::time::{Date, OccurredAt};
use crate::domain::treatment::Treatment;
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
            Self::KeyCompromised => "a key that signed for it was reported compromised from an earlier entry on",
        }
    }

    /// Whether a later statement under this very scheme can close it.
    pub(crate) const fn may_still_close(self) -> bool {
        matches!(self, Self::BatchOpen | Self::BatchSiteNotAudited | Self::TreatmentSiteNotAudited)
    }

    const fn of(flaw: FlawCode) -> Self {
        match flaw {
            FlawCode::PermitNotValid => Self::PermitNotValid,
            FlawCode::OverCapacity => Self::OverCapacity,
            FlawCode::ClassUnknown => Self::ClassUnknown,
            FlawCode::Disputed => Self::Disputed,
            FlawCode::BatchOverdue => Self::BatchOverdue,
            FlawCode::CustodyNotConfirmed => Self::CustodyNotConfirmed,
        }
    }
}

/// How a treatment stands under the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it lacks, each once; empty if all its grams are eligible.
    pub gaps: BTreeSet<Gap>,
    /// The latest `occurred_at`, as written, of the statements that met a condition: it gives the vintage.
    pub latest: OccurredAt,
}

/// Every record that [`standing`] looks at for these treatments, asked for at once.
pub(crate) fn require_loaded(state: &State<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    state.require_loaded(treatments.iter().map(|treatment| Treatment::id_of(*treatment)))?;
    let mut behind = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        behind.insert(treatment.site.to_string());
        behind.extend(treatment.batch.map(|batch| batch.to_string()));
        behind.extend(treatment.evidence.signers.iter().map(|signer| signer.kid.to_string()));
    }
    state.require_loaded(behind)?;
    let mut further = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        if let Some(site) = state.site(&treatment.site)? {
            further.extend(site.audits.iter().map(|audit| audit.signer.to_string()));
        }
        let batch = treatment.batch_in(state)?;
        further.extend(batch.map(|batch| batch.site.to_string()));
        let signers = batch.into_iter().flat_map(|batch| &batch.evidence.signers);
        further.extend(signers.map(|signer| signer.kid.to_string()));
    }
    state.require_loaded(further)?;
    let mut auditors = BTreeSet::new();
    for treatment in treatments {
        let Some(treatment) = state.treatment(*treatment)? else { continue };
        let Some(batch) = treatment.batch_in(state)? else { continue };
        let audits = state.site(&batch.site)?.into_iter().flat_map(|site| &site.audits);
        auditors.extend(audits.map(|audit| audit.signer.to_string()));
    }
    state.require_loaded(auditors)
}

/// How a treatment stands now: each rule of the scheme, over the treatment, its batch and both sites.
pub fn standing(state: &State<'_>, treatment: &Treatment) -> Result<Standing, Stop> {
    let mut gaps = gaps_of_evidence(state, &treatment.evidence)?;
    let mut latest = treatment.evidence.latest.clone();
    if treatment.basis != WeightBasis::Weighed {
        gaps.insert(Gap::NotWeighed);
    }
    match audited(state, treatment, &treatment.site)? {
        Some(reported) => latest = latest.later(&reported),
        None => _ = gaps.insert(Gap::TreatmentSiteNotAudited),
    }
    let Some(batch) = treatment.batch_in(state)? else {
        gaps.insert(Gap::NotFromBatch);
        return Ok(Standing { gaps, latest });
    };
    gaps.extend(gaps_of_batch(batch));
    gaps.extend(gaps_of_evidence(state, &batch.evidence)?);
    latest = latest.later(&batch.evidence.latest);
    match audited(state, treatment, &batch.site)? {
        Some(reported) => latest = latest.later(&reported),
        None => _ = gaps.insert(Gap::BatchSiteNotAudited),
    }
    Ok(Standing { gaps, latest })
}

fn gaps_of_batch(batch: &Batch) -> Vec<Gap> {
    let of_status = match batch.status {
        BatchStatus::Open => Some(Gap::BatchOpen),
        BatchStatus::Short => Some(Gap::BatchShort),
        BatchStatus::Closed => None,
    };
    let weighed = batch.flags.as_ref().is_some_and(|flags| flags.basis == WeightBasis::Weighed);
    let of_basis = if weighed { None } else { Some(Gap::NotWeighed) };
    of_status.into_iter().chain(of_basis).collect()
}

fn gaps_of_evidence(state: &State<'_>, evidence: &Evidence) -> Result<BTreeSet<Gap>, Stop> {
    let mut gaps: BTreeSet<Gap> = evidence.flaws.iter().map(|flaw| Gap::of(flaw.code)).collect();
    for signer in &evidence.signers {
        if is_compromised(state, &signer.kid, signer.last)? {
            gaps.insert(Gap::KeyCompromised);
        }
    }
    Ok(gaps)
}

/// Whether a key was compromised when it signed an entry; without a first index, all that it signed is in doubt.
fn is_compromised(state: &State<'_>, kid: &KeyId, entry: EntryIndex) -> Result<bool, Stop> {
    let revoked = state.key(kid)?.and_then(|key| key.revoked.as_ref());
    Ok(revoked.is_some_and(|revocation| {
        revocation.reason == RevocationReason::Compromised && revocation.since.is_none_or(|since| since <= entry)
    }))
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
