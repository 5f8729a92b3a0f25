//! Retirement: the end of certificates in the name of a legal entity. A claim is never erased and nobody uses the units again.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::certificate::{Certificate, CertificateStatus, Retirement, held_by_author, tally};
use crate::domain::event::{CertificateRetired, Period};
use crate::domain::refusal::{Refusal, RefusalCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use crate::domain::time::Date;

const BENEFICIARY: &str = "/beneficiary_organisation";

/// The holder ends whole blocks, under one claim.
pub fn certificate_retired(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &CertificateRetired,
) -> Result<(), Stop> {
    require_distinct(event)?;
    state.require_loaded(event.blocks().map(SerialBlock::to_string))?;
    let rules = rules_in_force(state)?;
    require_own_beneficiary(rules, context, event)?;
    let (months, beneficiary) = (rules.scheme.period_months, event.beneficiary_organisation);
    for (position, serial) in event.blocks().enumerate() {
        let pointer = pointer_to(position);
        let certificate = held_by_author(state, context, serial, &pointer)?;
        period_fits(serial, &event.period, months)?;
        let (period, purpose_kind) = (event.period.clone(), event.purpose_kind);
        let retired = Some(Retirement { entry: context.index, period, purpose_kind, beneficiary });
        tally::put(state, Certificate { status: CertificateStatus::Retired, retired, ..certificate })?;
    }
    Ok(())
}

/// An organisation is named as beneficiary by itself, or by who retires for its order. That the order says so is known where
/// orders are kept, and asked at the door.
fn require_own_beneficiary(rules: &RuleSet, context: &Context<'_>, event: &CertificateRetired) -> Result<(), Stop> {
    let Some(beneficiary) = event.beneficiary_organisation else { return Ok(()) };
    if !rules.names_beneficiaries() {
        let detail =
            "the rule set in force names no organisation as beneficiary; leave it out, the commitments name it";
        return refuse(RefusalCode::BeneficiaryNotNamed, BENEFICIARY, detail);
    }
    if beneficiary != context.party() && event.order.is_none() {
        let detail =
            "only an order names another organisation as beneficiary; name that order, or leave the organisation out";
        return refuse(RefusalCode::BeneficiaryNotNamed, BENEFICIARY, detail);
    }
    Ok(())
}

fn pointer_to(position: usize) -> String {
    position.checked_sub(1).map_or_else(|| "/certificate".to_owned(), |further| format!("/further/{further}"))
}

/// No unit is named twice.
pub(crate) fn require_distinct(event: &CertificateRetired) -> Result<(), Stop> {
    let blocks: Vec<&SerialBlock> = event.blocks().collect();
    for (position, block) in blocks.iter().enumerate() {
        if blocks.iter().take(position).any(|earlier| earlier.overlaps(block)) {
            let detail = "some of these units are named twice in this retirement";
            return refuse(RefusalCode::UnitsOverlap, pointer_to(position), detail);
        }
    }
    Ok(())
}

/// Whether the period of a retirement is one, and lies near enough to the vintage.
pub fn period_fits(certificate: &SerialBlock, period: &Period, months: i64) -> Result<(), Refusal> {
    let refusal = |code, pointer: &str, detail: String| Err(Refusal { code, pointer: pointer.to_owned(), detail });
    let Period { from, until } = period;
    if from > until {
        return refusal(RefusalCode::TimeInvalid, "/period/until", "the period ends before it begins".to_owned());
    }
    let vintage = certificate.vintage.number();
    let distance = |day: &Date| day.month().map_or(i64::MAX, |month| (month.number() - vintage).abs());
    for (day, pointer) in [(from, "/period/from"), (until, "/period/until")] {
        if distance(day) > months {
            let detail = format!("a period lies within {months} months of the vintage {}", certificate.vintage);
            return refusal(RefusalCode::PeriodOutsideVintage, pointer, detail);
        }
    }
    Ok(())
}
