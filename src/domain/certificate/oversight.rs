//! Oversight: second signatures, withdrawal, freezing.

use crate::domain::apply::{Context, refuse};
use crate::domain::certificate::issue::require_person;
use crate::domain::certificate::{
    Certificate, CertificateStatus, Failing, Frozen, Pending, PendingKind, Withdrawal, blocks, issued_by_author, judge,
    named, tally,
};
use crate::domain::codes::Role;
use crate::domain::delegation::are_related;
use crate::domain::event::{
    CertificateCountersigned, CertificateFrozen, CertificateUnfrozen, CertificateWithdrawn, FreezeReason,
    SecondSignature, WithdrawalReason,
};
use crate::domain::finding::require_unrelated;
use crate::domain::ids::{EntryIndex, PartyId};
use crate::domain::pool::{self, Span};
use crate::domain::refusal::RefusalCode;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use crate::domain::treatment::settle_all;

/// The second signature: an issue comes into being, a withdrawal takes effect.
pub fn certificate_countersigned(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateCountersigned,
) -> Result<(), Stop> {
    let certificate = named(state, &event.certificate, "/certificate")?;
    let Some(pending) = certificate.pending.clone() else {
        return refuse(RefusalCode::NothingToAnswer, "/certificate", "nothing of it waits for a second signature");
    };
    require_second(state, context, &certificate, &pending)?;
    let signed = Certificate { pending: None, ..certificate };
    match (pending.what, pending.reason) {
        (PendingKind::Withdrawal, Some(reason)) => withdraw(state, context, signed, reason),
        (PendingKind::Withdrawal, None) => Ok(()),
        (PendingKind::Issue, _) => {
            let other = named(state, &signed.issued_with, "/certificate")?;
            for block in [signed, Certificate { pending: None, ..other }] {
                let status = if block.holder.is_some() { CertificateStatus::Held } else { CertificateStatus::Buffer };
                tally::put(state, Certificate { status, ..block })?;
            }
            Ok(())
        }
    }
}

/// Who signs second is another person of the same organisation where that suffices, else an issuer or auditor who has
/// nothing to do with the first signer or the centre.
fn require_second(
    state: &State<'_>,
    context: &Context<'_>,
    certificate: &Certificate,
    pending: &Pending,
) -> Result<(), Stop> {
    let party = context.party();
    if party == pending.organisation {
        let other_person = match (context.statement.common.actor, pending.actor) {
            (Some(second), Some(first)) => second != first,
            _ => false,
        };
        if pending.second == SecondSignature::Person && other_person {
            return Ok(());
        }
        let detail = match pending.second {
            SecondSignature::Person => "another person of this organisation signs second; name the actor",
            SecondSignature::Organisation => "another organisation signs second",
        };
        return refuse(RefusalCode::WrongReceiver, "/org", detail);
    }
    context.require_role(state, &[Role::Issuer, Role::Auditor])?;
    let centre = state.site(&certificate.site)?.and_then(|site| site.organisation);
    for other in [Some(pending.organisation), centre].into_iter().flatten() {
        if party == other || are_related(state, PartyId(party.0), PartyId(other.0))? {
            let detail = "who signs second is related to neither the first signer nor the centre";
            return refuse(RefusalCode::RelatedParties, "/org", detail);
        }
    }
    Ok(())
}

/// The issuer takes units back, or annotates a retirement.
pub fn certificate_withdrawn(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateWithdrawn,
) -> Result<(), Stop> {
    let certificate = issued_by_author(state, context, &event.certificate, "/certificate")?;
    require_withdrawable(state, &certificate, event)?;
    let part = event.part.as_ref().unwrap_or(&event.certificate);
    if !event.certificate.holds(part) {
        return refuse(RefusalCode::UnitsInvalid, "/part", "these are not units of the block");
    }
    require_person(context, event.second)?;
    let units = match certificate.status {
        // A claim stays whole; and what was never countersigned ends with its other block.
        CertificateStatus::Retired | CertificateStatus::Pending if part != &event.certificate => {
            let detail = "this certificate is withdrawn as a whole";
            return refuse(RefusalCode::UnitsInvalid, "/part", detail);
        }
        CertificateStatus::Pending => {
            let other = named(state, &certificate.issued_with, "/certificate")?;
            withdraw(state, context, Certificate { pending: None, ..other }, event.reason)?;
            return withdraw(state, context, Certificate { pending: None, ..certificate }, event.reason);
        }
        _ => blocks::cut(state, certificate, part)?,
    };
    match event.second {
        None => withdraw(state, context, units, event.reason),
        Some(second) => {
            let pending = Pending {
                what: PendingKind::Withdrawal,
                entry: context.index,
                second,
                organisation: context.party(),
                actor: context.statement.common.actor,
                reason: Some(event.reason),
            };
            tally::put(state, Certificate { pending: Some(pending), ..units })
        }
    }
}

/// Withdrawn is what is unsold, in the buffer, or waits for its countersignature; what is retired is annotated, once. What a
/// buyer holds was paid for: it is frozen and replaced.
fn require_withdrawable(
    state: &State<'_>,
    certificate: &Certificate,
    event: &CertificateWithdrawn,
) -> Result<(), Stop> {
    let centre = state.site(&certificate.site)?.and_then(|site| site.organisation);
    match certificate.status {
        CertificateStatus::Held if certificate.holder != centre => {
            let detail = "a buyer holds these units: freeze them, and replace those that fail";
            refuse(RefusalCode::CertificateSold, "/certificate", detail)
        }
        CertificateStatus::Cancelled | CertificateStatus::Withdrawn | CertificateStatus::Split => {
            refuse(RefusalCode::CertificateNotHeld, "/certificate", "these units have ended before")
        }
        CertificateStatus::Retired if is_annotated(certificate, event.reason) => {
            refuse(RefusalCode::NothingToAnswer, "/certificate", "this retirement is annotated already")
        }
        CertificateStatus::Retired if event.reason == WithdrawalReason::IssuedInError => {
            let detail = "a retired certificate is annotated because its grams are not eligible, or for fraud";
            refuse(RefusalCode::NothingToAnswer, "/reason", detail)
        }
        _ if event.reason == WithdrawalReason::IssuedInError && is_tainted(certificate) => {
            let detail =
                "somebody else froze these units, or fraud taints them: withdraw them as such, it sets no grams free";
            refuse(RefusalCode::CertificateFrozen, "/reason", detail)
        }
        CertificateStatus::Buffer if event.reason == WithdrawalReason::IssuedInError => {
            let detail = "the buffer is withdrawn when its units fail; what was issued in error is its holder's block";
            refuse(RefusalCode::NothingToAnswer, "/reason", detail)
        }
        _ if certificate.pending.as_ref().is_some_and(|pending| pending.what == PendingKind::Withdrawal) => {
            let detail = "its withdrawal waits for a second signature already";
            refuse(RefusalCode::CertificatePending, "/certificate", detail)
        }
        _ => Ok(()),
    }
}

/// Whether nothing is left to annotate: fraud may be found after an error.
fn is_annotated(certificate: &Certificate, reason: WithdrawalReason) -> bool {
    let earlier = certificate.withdrawn.as_ref().map(|withdrawn| withdrawn.reason);
    earlier.is_some_and(|earlier| earlier == reason || earlier == WithdrawalReason::Fraud)
}

/// Whether somebody other than the issuer stopped it, or fraud taints it.
fn is_tainted(certificate: &Certificate) -> bool {
    let by_others = certificate.frozen.as_ref().is_some_and(|frozen| frozen.organisation != certificate.issuer);
    by_others || certificate.failing.iter().any(|failing| failing.treatment.is_none())
}

/// Units end; what was issued in error sets its grams free. On a retired certificate it is an annotation, and after fraud all
/// its units are to be replaced.
fn withdraw(
    state: &mut State<'_>,
    context: &Context<'_>,
    certificate: Certificate,
    reason: WithdrawalReason,
) -> Result<(), Stop> {
    if reason == WithdrawalReason::IssuedInError && is_tainted(&certificate) {
        // It was frozen while its withdrawal waited for a second signature.
        let detail = "somebody else froze these units, or fraud taints them";
        return refuse(RefusalCode::CertificateFrozen, "/certificate", detail);
    }
    let withdrawn = Some(Withdrawal { entry: context.index, reason });
    if certificate.status == CertificateStatus::Retired {
        let is_fraud = reason == WithdrawalReason::Fraud;
        let tainted = if is_fraud { tainted(context, &certificate) } else { Vec::new() };
        let failing = certificate.failing.iter().cloned().chain(tainted).collect();
        return tally::put(state, Certificate { withdrawn, failing, ..certificate });
    }
    let status = CertificateStatus::Withdrawn;
    tally::put(state, Certificate { status, withdrawn, frozen: None, ..certificate.clone() })?;
    if reason != WithdrawalReason::IssuedInError {
        return Ok(());
    }
    tally::count_back(state, &certificate)?;
    let treatments: Vec<EntryIndex> = pool::free(state, &certificate)?;
    settle_all(state, context, &treatments)?;
    // Units that failed for want of grams may have these now.
    judge(state, context, &treatments)
}

/// Fraud taints all units of a certificate that rest on its own grams; what others back by now does not rest on the site's.
fn tainted(context: &Context<'_>, certificate: &Certificate) -> Vec<Failing> {
    let SerialBlock { first, last, .. } = certificate.serial;
    let backed: Vec<Span> =
        certificate.backing.iter().map(|backing| (backing.units.first, backing.units.last + 1)).collect();
    let (cause, since, treatment) = (context.index, context.time, None);
    let failing = |(first, end): Span| Failing { cause, since, treatment, first, last: end - 1 };
    pool::without(&[(first, last + 1)], &backed).into_iter().map(failing).collect()
}

/// Its issuer or an auditor stops a certificate.
pub fn certificate_frozen(state: &mut State<'_>, context: &Context<'_>, event: &CertificateFrozen) -> Result<(), Stop> {
    let certificate = overseen(state, context, &event.certificate)?;
    if !matches!(certificate.status, CertificateStatus::Held | CertificateStatus::Buffer) {
        let detail = format!("this certificate is {}; only what may still be used is frozen", certificate.status);
        return refuse(RefusalCode::CertificateNotHeld, "/certificate", detail);
    }
    if let Some(frozen) = &certificate.frozen {
        let detail = format!("entry {} froze it before", frozen.entry);
        return refuse(RefusalCode::NothingToAnswer, "/certificate", detail);
    }
    let frozen = Some(Frozen { entry: context.index, reason: event.reason, organisation: context.party() });
    let is_fraud = event.reason == FreezeReason::Fraud;
    let tainted = if is_fraud { tainted(context, &certificate) } else { Vec::new() };
    let failing = certificate.failing.iter().cloned().chain(tainted).collect();
    tally::put(state, Certificate { frozen, failing, ..certificate })
}

/// A certificate may be used again; what an auditor stopped, an auditor lets go.
pub fn certificate_unfrozen(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateUnfrozen,
) -> Result<(), Stop> {
    let certificate = overseen(state, context, &event.certificate)?;
    let is_withdrawal = |pending: &Pending| pending.what == PendingKind::Withdrawal;
    if certificate.frozen.is_none()
        && certificate.issuer == context.party()
        && certificate.pending.as_ref().is_some_and(is_withdrawal)
    {
        // Nobody has signed second: its issuer takes the withdrawal back.
        return tally::put(state, Certificate { pending: None, ..certificate });
    }
    let Some(frozen) = certificate.frozen.clone() else {
        return refuse(RefusalCode::NothingToAnswer, "/certificate", "this certificate is not frozen");
    };
    if frozen.organisation != context.party() && certificate.issuer == context.party() {
        let detail = "an auditor froze it; an auditor unfreezes it";
        return refuse(RefusalCode::NotTheAuthor, "/certificate", detail);
    }
    let failing = certificate.failing.iter().filter(|failing| failing.cause != frozen.entry).cloned().collect();
    tally::put(state, Certificate { frozen: None, failing, ..certificate })
}

/// The certificate, if the author is its issuer, or an auditor who is independent of its holder and centre.
fn overseen(state: &State<'_>, context: &Context<'_>, serial: &SerialBlock) -> Result<Certificate, Stop> {
    let certificate = named(state, serial, "/certificate")?;
    if certificate.issuer == context.party() {
        return Ok(certificate);
    }
    context.require_role(state, &[Role::Auditor])?;
    let centre = state.site(&certificate.site)?.and_then(|site| site.organisation);
    for organisation in [centre, certificate.holder].into_iter().flatten() {
        require_unrelated(state, context, organisation)?;
    }
    Ok(certificate)
}
