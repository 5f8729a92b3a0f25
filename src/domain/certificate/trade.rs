//! Trade: a certificate goes from account to account, is split, or is given up. It is always in exactly one account.

use crate::domain::apply::{Context, refuse};
use crate::domain::certificate::{Certificate, CertificateStatus, blocks, held_by_author, tally};
use crate::domain::codes::Role;
use crate::domain::delegation::are_related;
use crate::domain::event::{CertificateCancelled, CertificateSplit, CertificateTransferred};
use crate::domain::ids::{OrganisationId, PartyId};
use crate::domain::refusal::RefusalCode;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};

/// A block goes to another account.
pub fn certificate_transferred(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateTransferred,
) -> Result<(), Stop> {
    let certificate = held_by_author(state, context, &event.certificate, "/certificate")?;
    require_account(state, &certificate, event.to)?;
    let (holder, held_since) = (Some(event.to), context.index);
    tally::put(state, Certificate { holder, held_since, ..certificate })
}

/// Who holds certificates is a registered buyer or a centre, and has nothing to do with their issuer.
fn require_account(state: &State<'_>, certificate: &Certificate, to: OrganisationId) -> Result<(), Stop> {
    let Some(organisation) = state.organisation(&to)? else {
        return refuse(RefusalCode::Unknown, "/to", "no organisation of this id is registered");
    };
    if certificate.holder == Some(to) {
        return refuse(RefusalCode::WrongReceiver, "/to", "this organisation holds the certificate already");
    }
    if !organisation.roles.iter().any(|role| matches!(role, Role::Buyer | Role::Recycler)) {
        return refuse(
            RefusalCode::WrongReceiver,
            "/to",
            "buyers and recyclers hold certificates; this one is neither",
        );
    }
    let issuer = PartyId(certificate.issuer.0);
    if issuer == PartyId(to.0) || are_related(state, issuer, PartyId(to.0))? {
        let detail = "its issuer and whoever is related to the issuer hold no certificate of it";
        return refuse(RefusalCode::IssuerRelated, "/to", detail);
    }
    Ok(())
}

/// A block becomes several. What fails may be cut away from what holds, so that the rest can be used.
pub fn certificate_split(state: &mut State<'_>, context: &Context<'_>, event: &CertificateSplit) -> Result<(), Stop> {
    let certificate = match held_by_author(state, context, &event.certificate, "/certificate") {
        Err(Stop::Refused(refusal)) if refusal.code == RefusalCode::UnitsFailing => {
            super::named(state, &event.certificate, "/certificate")?
        }
        found => found?,
    };
    require_partition(&event.certificate, &event.into)?;
    blocks::divide(state, certificate, &event.into)
}

/// The parts have all units of the block, each once, in order.
fn require_partition(whole: &SerialBlock, into: &[SerialBlock]) -> Result<(), Stop> {
    if into.len() < 2 {
        return refuse(RefusalCode::ListInvalid, "/into", "name at least two parts");
    }
    let mut next = whole.first;
    for (position, part) in into.iter().enumerate() {
        let pointer = format!("/into/{position}");
        if !whole.holds(part) {
            return refuse(RefusalCode::UnitsInvalid, pointer, "these are not units of the block");
        }
        if part.first < next {
            let detail = format!("unit {} stands in a part before it", part.first);
            return refuse(RefusalCode::UnitsOverlap, pointer, detail);
        }
        if part.first > next {
            let detail = format!("units {next} to {} would be lost", part.first - 1);
            return refuse(RefusalCode::UnitsInvalid, pointer, detail);
        }
        next = part.last + 1;
    }
    if next <= whole.last {
        let detail = format!("units {next} to {} would be lost", whole.last);
        return refuse(RefusalCode::UnitsInvalid, "/into", detail);
    }
    Ok(())
}

/// The holder gives a block up; nobody claims anything of it.
pub fn certificate_cancelled(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateCancelled,
) -> Result<(), Stop> {
    let certificate = held_by_author(state, context, &event.certificate, "/certificate")?;
    let (status, cancelled) = (CertificateStatus::Cancelled, Some(context.index));
    tally::put(state, Certificate { status, cancelled, ..certificate })
}
