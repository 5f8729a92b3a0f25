//! Replacement: units whose grams failed are backed by the grams of others, which end for that. The claim stays as it is.
//!
//! Who pays first is fixed (rules.md §7): after an error the site's unsold stock, then its buffer, then other sites; after
//! fraud, which taints all of a site, other sites alone.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::certificate::{
    Backing, Backs, Certificate, CertificateStatus, Failing, SiteTally, Withdrawal, blocks, issued_by_author, named,
    tally,
};
use crate::domain::codes::Role;
use crate::domain::event::{CertificateReplaced, Replacement, WithdrawalReason};
use crate::domain::refusal::RefusalCode;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};

/// The issuer names failing units of one certificate and what backs them from now on.
pub fn certificate_replaced(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateReplaced,
) -> Result<(), Stop> {
    if event.replacements.is_empty() {
        return refuse(RefusalCode::ListInvalid, "/replacements", "name at least one replacement");
    }
    for (position, replacement) in event.replacements.iter().enumerate() {
        replace(state, context, event, replacement, &format!("/replacements/{position}"))?;
    }
    Ok(())
}

fn replace(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateReplaced,
    replacement: &Replacement,
    pointer: &str,
) -> Result<(), Stop> {
    let certificate = replaceable(state, context, event)?;
    let is_fraud = require_failing(&certificate, &replacement.failed, &format!("{pointer}/failed"))?;
    let pointer = format!("{pointer}/backing");
    require_as_many(replacement, &pointer)?;
    let (found, origin) = offered(state, context, &certificate, replacement, &pointer)?;
    require_turn(state, &certificate, origin, is_fraud, &pointer)?;
    give(state, context, event, replacement, found)?;
    // The block that was cut may have been this very certificate's neighbour, never itself: it is read again.
    let certificate = named(state, &event.certificate, "/certificate")?;
    tally::put(state, backed(certificate, replacement, context))
}

/// The same for whoever sees some blocks alone, as a bundle shows them: that the units failed, and that it was the turn of those
/// that back them, only whoever knows all units of the site can judge. Of blocks that are not known nothing is asked.
pub(crate) fn replaced_as_shown(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateReplaced,
) -> Result<(), Stop> {
    for (position, replacement) in event.replacements.iter().enumerate() {
        let pointer = format!("/replacements/{position}/backing");
        let is_block_known = state.certificate(&replacement.block().to_string())?.is_some();
        require_as_many(replacement, &pointer)?;
        if state.certificate(&event.certificate.to_string())?.is_none() {
            context.require_role(state, &[Role::Issuer, Role::Operator])?;
            if is_block_known {
                let found = named(state, replacement.block(), &pointer)?;
                require_sound(state, &found, replacement, &pointer)?;
                give(state, context, event, replacement, found)?;
            }
            continue;
        }
        let certificate = replaceable(state, context, event)?;
        require_units(&certificate, &replacement.failed, &pointer)?;
        if is_block_known {
            let (found, origin) = offered(state, context, &certificate, replacement, &pointer)?;
            require_elsewhere(origin, is_tainted(&certificate, &replacement.failed), &pointer)?;
            give(state, context, event, replacement, found)?;
        }
        let certificate = named(state, &event.certificate, "/certificate")?;
        tally::put(state, backed(certificate, replacement, context))?;
    }
    Ok(())
}

/// The certificate, if its issuer replaces units of it and it still lives.
fn replaceable(state: &State<'_>, context: &Context<'_>, event: &CertificateReplaced) -> Result<Certificate, Stop> {
    let certificate = issued_by_author(state, context, &event.certificate, "/certificate")?;
    if !matches!(certificate.status, CertificateStatus::Held | CertificateStatus::Retired) {
        let detail = "what is held or retired is replaced; withdraw stock or buffer that fails";
        return refuse(RefusalCode::CertificateNotHeld, "/certificate", detail);
    }
    Ok(certificate)
}

fn require_as_many(replacement: &Replacement, pointer: &str) -> Result<(), Stop> {
    if replacement.failed.units() == replacement.backing.units() {
        return Ok(());
    }
    let detail = format!("{} units fail, {} would back them", replacement.failed.units(), replacement.backing.units());
    refuse(RefusalCode::UnitsInvalid, pointer, detail)
}

/// The backing units end as a certificate of their own, and their grams are the failed units'.
fn give(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateReplaced,
    replacement: &Replacement,
    found: Certificate,
) -> Result<(), Stop> {
    let backing = blocks::cut(state, found, &replacement.backing)?;
    let by = Backs { certificate: event.certificate.clone(), units: replacement.failed.clone() };
    let withdrawn = Some(Withdrawal { entry: context.index, reason: WithdrawalReason::NotEligible });
    let status = CertificateStatus::Withdrawn;
    tally::put(state, Certificate { status, withdrawn, backs: Some(by), ..backing })
}

/// Whether all these units fail, and whether fraud taints them.
fn require_failing(certificate: &Certificate, failed: &SerialBlock, pointer: &str) -> Result<bool, Stop> {
    require_units(certificate, failed, pointer)?;
    let covers = |(first, last): &(i64, i64)| *first <= failed.first && failed.last <= *last;
    if !certificate.failing_units().iter().any(covers) {
        let detail = "some of these units do not fail; only failing units are replaced";
        return refuse(RefusalCode::UnitsInvalid, pointer, detail);
    }
    Ok(is_tainted(certificate, failed))
}

fn require_units(certificate: &Certificate, failed: &SerialBlock, pointer: &str) -> Result<(), Stop> {
    if certificate.serial.holds(failed) {
        return Ok(());
    }
    refuse(RefusalCode::UnitsInvalid, pointer, "these are not units of the certificate")
}

/// Whether fraud taints some of these units.
fn is_tainted(certificate: &Certificate, failed: &SerialBlock) -> bool {
    let taints =
        |failing: &Failing| failing.treatment.is_none() && failed.shared_with(failing.first, failing.last).is_some();
    certificate.failing.iter().any(taints)
}

/// Where backing units come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stock,
    Buffer,
    OtherSite,
}

/// The block that gives backing units, sound as it is, and where it comes from.
fn offered(
    state: &State<'_>,
    context: &Context<'_>,
    certificate: &Certificate,
    replacement: &Replacement,
    pointer: &str,
) -> Result<(Certificate, Origin), Stop> {
    let found = named(state, replacement.block(), pointer)?;
    if found.serial.overlaps(&certificate.serial) {
        let detail = "these are not units of that block, or the failing ones themselves";
        return refuse(RefusalCode::UnitsInvalid, pointer, detail);
    }
    require_sound(state, &found, replacement, pointer)?;
    let origin = origin_of(state, context, certificate, &found, pointer)?;
    Ok((found, origin))
}

fn require_sound(state: &State<'_>, found: &Certificate, replacement: &Replacement, pointer: &str) -> Result<(), Stop> {
    if !found.serial.holds(&replacement.backing) {
        let detail = "these are not units of that block, or the failing ones themselves";
        return refuse(RefusalCode::UnitsInvalid, pointer, detail);
    }
    let (first, last) = (replacement.backing.first, replacement.backing.last);
    let fails = |failing: &Failing| failing.first <= last && first <= failing.last;
    if found.is_stopped() || found.failing.iter().any(fails) {
        let detail = "what fails, is frozen or waits for a second signature backs nothing";
        return refuse(RefusalCode::UnitsFailing, pointer, detail);
    }
    if !matches!(found.status, CertificateStatus::Held | CertificateStatus::Buffer) {
        let detail = "these units have ended, or are not issued yet";
        return refuse(RefusalCode::CertificateNotHeld, pointer, detail);
    }
    let is_backed = |backing: &Backing| backing.units.shared_with(first, last).is_some();
    if rules_in_force(state)?.backed_back_none() && found.backing.iter().any(is_backed) {
        let detail = "others back some of these units: give units that rest on their own grams";
        return refuse(RefusalCode::UnitsBacked, pointer, detail);
    }
    Ok(())
}

/// Unsold stock of the site, its buffer, or what of other sites may be given: their buffer, or units that the centre of the
/// failing site has bought for it.
fn origin_of(
    state: &State<'_>,
    context: &Context<'_>,
    certificate: &Certificate,
    found: &Certificate,
    pointer: &str,
) -> Result<Origin, Stop> {
    let centre = state.site(&certificate.site)?.and_then(|site| site.organisation);
    let is_own_site = found.site == certificate.site;
    match found.status {
        CertificateStatus::Held if found.holder == centre && is_own_site => Ok(Origin::Stock),
        CertificateStatus::Held if found.holder == centre => Ok(Origin::OtherSite),
        CertificateStatus::Buffer if is_own_site => Ok(Origin::Buffer),
        CertificateStatus::Buffer if found.issuer == context.party() => Ok(Origin::OtherSite),
        CertificateStatus::Held => {
            let detail = "these units are somebody's: the centre of the failing site must hold what is given for it";
            refuse(RefusalCode::NotTheHolder, pointer, detail)
        }
        CertificateStatus::Buffer => {
            let detail = "the buffer of another site is given by the issuer who issued it";
            refuse(RefusalCode::NotTheAuthor, pointer, detail)
        }
        _ => refuse(RefusalCode::CertificateNotHeld, pointer, "these units have ended, or are not issued yet"),
    }
}

fn require_elsewhere(origin: Origin, is_fraud: bool, pointer: &str) -> Result<(), Stop> {
    if is_fraud && origin != Origin::OtherSite {
        let detail = "after fraud other sites replace, and not the one whose certificate it is";
        return refuse(RefusalCode::BackingOutOfTurn, pointer, detail);
    }
    Ok(())
}

/// What comes before it must be used up.
fn require_turn(
    state: &State<'_>,
    certificate: &Certificate,
    origin: Origin,
    is_fraud: bool,
    pointer: &str,
) -> Result<(), Stop> {
    require_elsewhere(origin, is_fraud, pointer)?;
    let tally = state.site_tally(&SiteTally::id_of(&certificate.site))?;
    let (stock, buffer, backed) = tally.map_or((0, 0, 0), |tally| (tally.stock, tally.buffer, tally.backed));
    // What can be given for nothing keeps nothing else from its turn.
    let stock = if rules_in_force(state)?.backed_back_none() { stock - backed } else { stock };
    let before = match origin {
        Origin::Stock => 0,
        Origin::Buffer => stock,
        Origin::OtherSite if is_fraud => 0,
        Origin::OtherSite => stock + buffer,
    };
    if before > 0 {
        let detail = format!(
            "{stock} units of the site's stock and {buffer} of its buffer are sound: stock comes first, then the buffer"
        );
        return refuse(RefusalCode::BackingOutOfTurn, pointer, detail);
    }
    Ok(())
}

/// The certificate with some of its units backed anew.
fn backed(certificate: Certificate, replacement: &Replacement, context: &Context<'_>) -> Certificate {
    let failed = &replacement.failed;
    let outside = |first: i64, last: i64| {
        let before = (first, last.min(failed.first - 1));
        let after = (first.max(failed.last + 1), last);
        [before, after].into_iter().filter(|(first, last)| first <= last)
    };
    let failing = certificate.failing.iter().flat_map(|failing| {
        outside(failing.first, failing.last).map(|(first, last)| Failing { first, last, ..failing.clone() })
    });
    let earlier = certificate.backing.iter().flat_map(|backing| {
        outside(backing.units.first, backing.units.last).filter_map(|(first, last)| backing.within(first, last))
    });
    let new = Backing { units: failed.clone(), by: replacement.backing.clone(), entry: context.index };
    let (failing, backing) = (failing.collect(), earlier.chain([new]).collect());
    Certificate { failing, backing, ..certificate }
}
