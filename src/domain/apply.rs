//! What follows from one more statement: total, deterministic, a function of the ledger alone.
//!
//! `apply` checks what holds for every statement (ledger, key, organisation, site, clock) and hands over to the rule of
//! the type. Its time is the entry's time, never a clock.

use crate::domain::codes::{KeyUse, Role};
use crate::domain::correction::Brought;
use crate::domain::event::{Event, Statement};
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId};
use crate::domain::past::PastEntry;
use crate::domain::refusal::{Refusal, RefusalCode, Warning, WarningCode};
use crate::domain::registry::{Key, Ledger, Organisation};
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::state::{State, Stop};
use crate::domain::time::{DAY_MS, Date, LedgerTime, MINUTE_MS};
use crate::domain::{
    batch, border, certificate, correction, custody, delegation, donation, erasure, finding, hazardous, intake,
    interim, item, lot, merging, packing, parts, registry, reuse, site_batches, storage, treatment,
};

/// A statement in its place.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The index that it takes if it is accepted.
    pub index: EntryIndex,
    /// The entry's time.
    pub time: LedgerTime,
    /// The key whose signature was verified.
    pub signer: KeyId,
    /// What is said.
    pub statement: &'a Statement,
    /// Set while an earlier statement is applied once more, because something before it was corrected.
    pub again: Option<Again<'a>>,
}

/// An earlier statement that is applied once more. It was accepted over other facts: what it repeats of the ledger's own
/// figures follows them now, and what its day found of permits and capacities was found then.
#[derive(Debug, Clone, Copy)]
pub struct Again<'a> {
    /// The warnings that it got when it was posted.
    pub(crate) warnings: &'a [Warning],
    /// The entry that the signature stands in: the statement's own, or that of its correction.
    pub(crate) signed_at: EntryIndex,
    /// What it brought at first to sites and into operations, and what their years hold beside that. Absent while it is only
    /// repeated as it was.
    pub(crate) brought: Option<&'a Brought<'a>>,
    /// Whether a correction puts it in the place of another statement.
    pub(crate) is_corrected: bool,
    /// Whether the figures that it repeats must be the ledger's own: when a right statement is posted, like any other.
    pub(crate) is_new: bool,
}

/// Refuses, with a code, the field to blame and words.
pub(crate) fn refuse<T>(code: RefusalCode, pointer: impl Into<String>, detail: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Refused(Refusal { code, pointer: pointer.into(), detail: detail.into() }))
}

impl Context<'_> {
    /// Who acts: the author, or whoever it speaks for under a delegation.
    pub(crate) fn party(&self) -> OrganisationId {
        self.statement.common.party()
    }

    /// The statement as it is remembered once it is an entry.
    pub fn remembered(&self, warnings: &[Warning]) -> PastEntry {
        let (statement, warnings) = (self.statement.clone(), warnings.to_vec());
        PastEntry { time: self.time, signer: self.signer, statement, warnings }
    }

    /// Whether what it repeats of the ledger's own figures follows them, since they may be others by now.
    pub(crate) fn follows_figures(&self) -> bool {
        self.again.is_some_and(|again| !again.is_new)
    }

    /// The entry in which the signature stands.
    pub(crate) fn signed_at(&self) -> EntryIndex {
        self.again.map_or(self.index, |again| again.signed_at)
    }

    /// The day on which it happened, as written: dates of codes, permits and capacities go by it.
    pub(crate) fn day(&self) -> Option<Date> {
        self.statement.common.occurred_at.date()
    }

    /// The ledger, if the statement is the operator's.
    pub(crate) fn require_operator<'s>(&self, state: &'s State<'_>) -> Result<&'s Ledger, Stop> {
        match state.ledger()? {
            Some(ledger) if ledger.operator == self.statement.common.org => Ok(ledger),
            _ => refuse(RefusalCode::RoleMissing, "/org", "only the operator may say this"),
        }
    }

    /// The organisation, if it has one of the roles.
    pub(crate) fn require_role<'s>(&self, state: &'s State<'_>, roles: &[Role]) -> Result<&'s Organisation, Stop> {
        match state.organisation(&self.party())? {
            Some(organisation) if organisation.roles.iter().any(|role| roles.contains(role)) => Ok(organisation),
            _ => {
                let wanted: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                refuse(RefusalCode::RoleMissing, "/org", format!("this needs a role of: {}", wanted.join(", ")))
            }
        }
    }

    /// When it happened, as far as that can be: a clock that runs ahead must not bar an item's later events.
    pub(crate) fn occurred_by_now(&self) -> Result<LedgerTime, Stop> {
        match LedgerTime::from_ms(self.statement.common.occurred_at.ms()) {
            Some(time) => Ok(time.min(self.time)),
            None => refuse(RefusalCode::TimeInvalid, "/occurred_at", "expected a time from 1970 to 9999"),
        }
    }
}

/// The rule set in force.
pub(crate) fn rules_in_force(state: &State<'_>) -> Result<&'static RuleSet, Stop> {
    let adopted = state.ledger()?.and_then(|ledger| rule_set::find(&ledger.rule_set));
    match adopted {
        Some(rules) => Ok(rules),
        None => refuse(RefusalCode::RuleSetUnknown, "/type", "the rule set in force is not carried by this software"),
    }
}

/// Applies a statement to the state, or says why not; on any stop the state given must be discarded.
pub fn apply(state: &mut State<'_>, context: &Context<'_>) -> Result<Vec<Warning>, Stop> {
    let mut warnings = Vec::new();
    // What opens a ledger brings its own key and rules.
    if !matches!(context.statement.event, Event::LedgerOpened(_)) {
        require_ledger(state, context)?;
        require_key(state, context)?;
        delegation::require_delegation(state, context)?;
        require_own_site(state, context)?;
        warnings = clock_warnings(state, context)?;
    }
    warnings.extend(apply_rule(state, context)?);
    Ok(warnings)
}

/// Applies the rule of a statement's type alone; on any stop the state given must be discarded.
pub(crate) fn apply_rule(state: &mut State<'_>, context: &Context<'_>) -> Result<Vec<Warning>, Stop> {
    let mut warnings = Vec::new();
    match &context.statement.event {
        Event::LedgerOpened(event) => registry::ledger_opened(state, context, event)?,
        Event::OrganisationRegistered(event) => registry::organisation_registered(state, context, event)?,
        Event::SiteRegistered(event) => registry::site_registered(state, context, event)?,
        Event::ScaleRegistered(event) => registry::scale_registered(state, context, event)?,
        Event::KeyRegistered(event) => registry::key_registered(state, context, event)?,
        Event::KeyRevoked(event) => registry::key_revoked(state, context, event)?,
        Event::RulesAdopted(event) => registry::rules_adopted(state, context, event)?,
        Event::CheckpointKeyChanged(event) => registry::checkpoint_key_changed(state, context, event)?,
        Event::LedgerClosed(event) => registry::ledger_closed(state, context, event)?,
        Event::SiteChanged(event) => warnings.extend(registry::site_changed(state, context, event)?),
        Event::FacilityRegistered(event) => registry::facility_registered(state, context, event)?,
        Event::ProjectRegistered(event) => donation::project_registered(state, context, event)?,
        Event::TrainingHeld(event) => donation::training_held(state, context, event)?,
        Event::DelegationGranted(event) => delegation::delegation_granted(state, context, event)?,
        Event::DelegationEnded(event) => delegation::delegation_ended(state, context, event)?,
        Event::RelationDeclared(event) => delegation::relation_declared(state, context, event)?,
        Event::Registered(event) => warnings.extend(item::registered(state, context, event)?),
        Event::Donated(event) => donation::donated(state, context, event)?,
        Event::Tested(event) => reuse::tested(state, context, event)?,
        Event::Repaired(event) => reuse::repaired(state, context, event)?,
        Event::DataSanitised(event) => reuse::data_sanitised(state, context, event)?,
        Event::PreparedForReuse(event) => reuse::prepared_for_reuse(state, context, event)?,
        Event::PartRemoved(event) => warnings.extend(parts::part_removed(state, context, event)?),
        Event::PartInstalled(event) => parts::part_installed(state, context, event)?,
        Event::Packed(event) => warnings.extend(packing::packed(state, context, event)?),
        Event::Unpacked(event) => packing::unpacked(state, context, event)?,
        Event::PutInUse(event) => reuse::put_in_use(state, context, event)?,
        Event::Checked(event) => reuse::checked(state, context, event)?,
        Event::Retired(event) => warnings.extend(reuse::retired(state, context, event)?),
        Event::Reweighed(event) => warnings.extend(item::reweighed(state, context, event)?),
        Event::Collected(event) => warnings.extend(intake::collected(state, context, event)?),
        Event::Received(event) => warnings.extend(intake::received(state, context, event)?),
        Event::Merged(event) => warnings.extend(merging::merged(state, context, event)?),
        Event::Split(event) => lot::split(state, context, event)?,
        Event::Stored(event) => warnings.extend(storage::stored(state, context, event)?),
        Event::HandoverOffered(event) => warnings.extend(custody::handover_offered(state, context, event)?),
        Event::HandoverWithdrawn(event) => custody::handover_withdrawn(state, context, event)?,
        Event::HandoverAccepted(event) => warnings.extend(custody::handover_accepted(state, context, event)?),
        Event::HandoverRefused(event) => custody::handover_refused(state, context, event)?,
        Event::DifferenceAgreed(event) => custody::difference_agreed(state, context, event)?,
        Event::Carried(event) => custody::carried(state, context, event)?,
        Event::ExportConsented(event) => warnings.extend(border::export_consented(state, context, event)?),
        Event::ExportShipped(event) => warnings.extend(border::export_shipped(state, context, event)?),
        Event::ImportReceived(event) => warnings.extend(border::import_received(state, context, event)?),
        Event::BatchOpened(event) => batch::batch_opened(state, context, event)?,
        Event::BatchFed(event) => warnings.extend(batch::batch_fed(state, context, event)?),
        Event::Dismantled(event) => warnings.extend(batch::dismantled(state, context, event)?),
        Event::BatchClosed(event) => warnings.extend(batch::batch_closed(state, context, event)?),
        Event::TreatedInterim(event) => warnings.extend(interim::treated_interim(state, context, event)?),
        Event::TreatedFinal(event) => warnings.extend(treatment::treated_final(state, context, event)?),
        Event::EvidenceAttached(event) => warnings.extend(finding::evidence_attached(state, context, event)?),
        Event::EvidenceReviewed(event) => finding::evidence_reviewed(state, context, event)?,
        Event::SiteAudited(event) => treatment::site_audited(state, context, event)?,
        Event::AuditFinding(event) => finding::audit_finding(state, context, event)?,
        Event::Corrected(event) => warnings.extend(correction::corrected(state, context, event)?),
        Event::CorrectionConfirmed(event) => correction::correction_confirmed(state, context, event)?,
        Event::CorrectionDisputed(event) => correction::correction_disputed(state, context, event)?,
        Event::SiteSuspended(event) => finding::site_suspended(state, context, event)?,
        Event::SiteRestored(event) => finding::site_restored(state, context, event)?,
        Event::CertificateIssued(event) => certificate::certificate_issued(state, context, event)?,
        Event::CertificateCountersigned(event) => certificate::certificate_countersigned(state, context, event)?,
        Event::CertificateTransferred(event) => certificate::certificate_transferred(state, context, event)?,
        Event::CertificateSplit(event) => certificate::certificate_split(state, context, event)?,
        Event::CertificateRetired(event) => certificate::certificate_retired(state, context, event)?,
        Event::CertificateCancelled(event) => certificate::certificate_cancelled(state, context, event)?,
        Event::CertificateWithdrawn(event) => certificate::certificate_withdrawn(state, context, event)?,
        Event::CertificateFrozen(event) => certificate::certificate_frozen(state, context, event)?,
        Event::CertificateUnfrozen(event) => certificate::certificate_unfrozen(state, context, event)?,
        Event::CertificateReplaced(event) => certificate::certificate_replaced(state, context, event)?,
        Event::ValueErased(event) => erasure::value_erased(state, context, event)?,
        Event::Released(event) => item::released(state, context, event)?,
        Event::Lost(event) => item::lost(state, context, event)?,
        Event::Found(event) => item::found(state, context, event)?,
    }
    site_batches::note(state)?;
    hazardous::follow(state, context)?;
    certificate::judge_moved_batches(state, context)?;
    Ok(warnings)
}

fn require_ledger(state: &State<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let Some(ledger) = state.ledger()? else {
        return refuse(RefusalCode::LedgerNotOpen, "/type", "the first entry of a ledger is ledger_opened");
    };
    if ledger.origin != context.statement.common.ledger {
        return refuse(RefusalCode::WrongLedger, "/ledger", format!("this ledger is {}", ledger.origin));
    }
    if let Some(closed) = &ledger.closed {
        let next = closed.successor.as_ref().map(|origin| format!("; {origin} goes on")).unwrap_or_default();
        return refuse(
            RefusalCode::LedgerClosed,
            "/ledger",
            format!("entry {} closed this ledger{next}", closed.entry),
        );
    }
    Ok(())
}

fn require_key<'s>(state: &'s State<'_>, context: &Context<'_>) -> Result<&'s Key, Stop> {
    let Some(key) = state.key(&context.signer)? else {
        return refuse(RefusalCode::KeyUnknown, "/kid", "no key of this thumbprint is registered");
    };
    if key.organisation != context.statement.common.org {
        return refuse(
            RefusalCode::KeyOfAnotherOrganisation,
            "/org",
            "the signing key belongs to another organisation",
        );
    }
    if let Some(revocation) = &key.revoked {
        let detail = format!("this key was revoked by entry {}; sign with a key in force", revocation.at);
        return refuse(RefusalCode::KeyRevoked, "/kid", detail);
    }
    if key.r#use != KeyUse::Statement {
        return refuse(RefusalCode::KeyNotForStatements, "/kid", "this key is registered for credentials");
    }
    Ok(key)
}

fn require_own_site(state: &State<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let common = &context.statement.common;
    let Some(site) = &common.site else { return Ok(()) };
    match state.site(site)? {
        None => refuse(RefusalCode::Unknown, "/site", "no site of this id is registered"),
        Some(site) if site.organisation != Some(context.party()) => {
            refuse(RefusalCode::SiteOfAnotherOrganisation, "/site", "this site belongs to another organisation")
        }
        Some(_) => Ok(()),
    }
}

/// Age and a wrong clock are warnings, never refusals: what happened, happened.
fn clock_warnings(state: &State<'_>, context: &Context<'_>) -> Result<Vec<Warning>, Stop> {
    let age_ms = context.time.ms() - context.statement.common.occurred_at.ms();
    let rules = rules_in_force(state)?;
    let (ahead_ms, window_ms) = (rules.clock_ahead_minutes * MINUTE_MS, rules.offline_window_days * DAY_MS);
    let code = match age_ms {
        age if age < -ahead_ms => Some(WarningCode::ClockAhead),
        age if age > window_ms => Some(WarningCode::Late),
        _ => None,
    };
    Ok(code.and_then(|code| Warning::new(code, "/occurred_at")).into_iter().collect())
}
