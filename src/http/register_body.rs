//! A block as the register shows it, in JSON and as a line of CSV.

use crate::domain::certificate::{Backing, Certificate, CertificateStatus, PendingKind, UNIT_G};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::http::certificate_life::{BackedBody, StepBody};
use crate::http::get_certificate::RetirementBody;
use crate::http::table::{listed, text};
use crate::ledger::register::{Claim, Listed};
use serde::Serialize;
use utoipa::ToSchema;

/// A block of units. Who holds it is not shown; who retired it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockBody {
    /// Its serial numbers.
    #[schema(example = "ER-KE-NBO1-202611-0000001-0000500")]
    serial: String,
    /// pending, held, expired (held, but its time is over), retired, cancelled, withdrawn or buffer.
    status: &'static str,
    /// How many units of 1 kg.
    units: i64,
    /// Country of the site of dismantling.
    country: String,
    /// Its code.
    site: String,
    /// The month of the pool.
    vintage: String,
    /// The entry of its issue.
    issued: u64,
    /// When it was issued.
    issued_at: String,
    /// The last day on which it can be retired, while it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// The scheme under which it was issued.
    scheme: String,
    /// What of it waits for a second signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'static str>,
    /// That it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<StepBody>,
    /// Its units whose grams fail, and that nothing backs yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<String>,
    /// Of these the units that were not replaced in time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unbacked: Vec<String>,
    /// Its units that the grams of others back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backed: Vec<BackedBody>,
    /// The units for which this withdrawn block gives its grams.
    #[serde(skip_serializing_if = "Option::is_none")]
    backs: Option<String>,
    /// Why and by which entry it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<StepBody>,
    /// Why and by which entry its retirement was annotated: the claim stays, its grams do not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotated: Option<StepBody>,
    /// How it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<RetirementBody>,
}

/// The columns. Their order is kept; new ones come behind the last.
pub(super) const COLUMNS: &[&str] = &[
    "serial",
    "status",
    "units",
    "country",
    "site",
    "vintage",
    "issued",
    "issued_at",
    "expires",
    "scheme",
    "pending",
    "frozen",
    "failing",
    "unbacked",
    "backed",
    "backed_by",
    "backs",
    "withdrawn",
    "annotated",
    "retired",
    "retired_by",
    "period_from",
    "period_until",
    "purpose_kind",
    "beneficiary",
    "beneficiary_number",
    "purpose",
    "erased",
    "beneficiary_organisation",
];

impl BlockBody {
    /// A block on a day, under a rule set that gives so many months to replace failing units.
    pub(super) fn of(listed: &Listed, today: &Date, replacement_months: Option<u32>) -> Self {
        let certificate = &listed.certificate;
        let serial = &certificate.serial;
        let unbacked = replacement_months.map(|months| certificate.unbacked_units(today, months)).unwrap_or_default();
        let withdrawn = certificate
            .withdrawn
            .as_ref()
            .map(|withdrawn| StepBody { entry: withdrawn.entry.0, reason: withdrawn.reason.as_str() });
        let (annotated, withdrawn) = if certificate.retired.is_some() { (withdrawn, None) } else { (None, withdrawn) };
        let Claim { openings, erased } = listed.claim.clone().unwrap_or_default();
        Self {
            serial: serial.to_string(),
            status: status_on(certificate, today),
            units: serial.units(),
            country: serial.country.to_string(),
            site: serial.site.to_string(),
            vintage: serial.vintage.to_string(),
            issued: certificate.issued.0,
            issued_at: certificate.issued_at.to_string(),
            expires: expires(certificate),
            scheme: certificate.scheme.to_string(),
            pending: certificate.pending.as_ref().map(|pending| pending.what).map(PendingKind::as_str),
            frozen: certificate
                .frozen
                .as_ref()
                .map(|frozen| StepBody { entry: frozen.entry.0, reason: frozen.reason.as_str() }),
            failing: named(serial, certificate.failing_units()),
            unbacked: named(serial, unbacked),
            backed: backed(certificate),
            backs: certificate.backs.as_ref().map(|backs| backs.units.to_string()),
            withdrawn,
            annotated,
            retired: RetirementBody::of(certificate, &openings, &erased),
        }
    }

    /// Its serial numbers and grams; the entry that retired it, and first and last day of the period.
    pub(super) fn as_retired(&self) -> (&str, i64, [String; 3]) {
        let retired = self.retired.as_ref();
        let day = |position: usize| text(retired.and_then(|retired| retired.period.get(position)));
        (&self.serial, self.units * UNIT_G, [text(retired.map(|retired| retired.entry)), day(0), day(1)])
    }

    /// The block as a line of CSV; what has an entry and a reason is `reason by entry`.
    pub(super) fn line(self) -> Vec<String> {
        let reason = |reason: Option<StepBody>| {
            reason.map(|StepBody { entry, reason }| format!("{reason} by {entry}")).unwrap_or_default()
        };
        let retired = self.retired.as_ref();
        let erased = retired.map(|retired| {
            retired
                .erased
                .iter()
                .map(|value| format!("{} on {}", value.pointer, value.on))
                .collect::<Vec<_>>()
                .join(", ")
        });
        vec![
            self.serial,
            self.status.to_owned(),
            self.units.to_string(),
            self.country,
            self.site,
            self.vintage,
            self.issued.to_string(),
            self.issued_at,
            text(self.expires),
            self.scheme,
            text(self.pending),
            reason(self.frozen),
            listed(self.failing),
            listed(self.unbacked),
            listed(self.backed.iter().map(|backed| &backed.units)),
            listed(self.backed.iter().map(|backed| &backed.by)),
            text(self.backs),
            reason(self.withdrawn),
            reason(self.annotated),
            text(retired.map(|retired| retired.entry)),
            text(retired.map(|retired| &retired.holder)),
            text(retired.map(|retired| &retired.period[0])),
            text(retired.map(|retired| &retired.period[1])),
            text(retired.map(|retired| retired.purpose_kind)),
            text(retired.and_then(|retired| retired.beneficiary.as_ref())),
            text(retired.and_then(|retired| retired.beneficiary_number.as_ref())),
            text(retired.and_then(|retired| retired.purpose.as_ref())),
            text(erased),
            text(retired.and_then(|retired| retired.beneficiary_organisation.as_ref())),
        ]
    }
}

/// Where it stands on a day.
pub(super) fn status_on(certificate: &Certificate, today: &Date) -> &'static str {
    if certificate.is_expired(today) { "expired" } else { certificate.status.as_str() }
}

/// The last day on which it can be retired, while it is held.
pub(super) fn expires(certificate: &Certificate) -> Option<String> {
    let is_held = certificate.status == CertificateStatus::Held;
    certificate.expires.as_ref().filter(|_| is_held).map(ToString::to_string)
}

/// Units of a block by their numbers.
pub(super) fn named(serial: &SerialBlock, units: Vec<(i64, i64)>) -> Vec<String> {
    units.into_iter().filter_map(|(first, last)| serial.part(first, last)).map(|part| part.to_string()).collect()
}

fn backed(certificate: &Certificate) -> Vec<BackedBody> {
    let body = |backing: &Backing| BackedBody {
        units: backing.units.to_string(),
        by: backing.by.to_string(),
        entry: backing.entry.0,
    };
    certificate.backing.iter().map(body).collect()
}
