//! What became of a certificate after its issue, as everybody may see it.

use crate::domain::certificate::{Certificate, Failing};
use crate::domain::time::Date;
use serde::Serialize;
use utoipa::ToSchema;

/// A step in a certificate's life.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepBody {
    /// The entry that says it.
    pub(super) entry: u64,
    /// Why, as a code: `review`, `fraud`; `issued_in_error`, `not_eligible`, `fraud`; `issue` or `withdrawal` that waits.
    pub(super) reason: &'static str,
}

/// Units whose grams fail, and that nothing backs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailingBody {
    /// First and last unit.
    units: [i64; 2],
    /// The day since which they fail, UTC.
    since: String,
    /// Whether fraud was found; else their grams were corrected, or an auditor holds them.
    fraud: bool,
    /// Whether they should have been replaced by now: the register lists them as unbacked.
    unbacked: bool,
}

/// Units whose grams failed, and which others back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackedBody {
    /// Serial numbers of the units.
    pub(super) units: String,
    /// Serial numbers of those that were withdrawn for them.
    pub(super) by: String,
    /// The entry.
    pub(super) entry: u64,
}

/// What became of a certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateLife {
    /// What waits for a second signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<StepBody>,
    /// That it is frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<StepBody>,
    /// Its withdrawal; on a retired certificate an annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<StepBody>,
    /// The entry by which its holder gave it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<u64>,
    /// Units that fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<FailingBody>,
    /// Units that others back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backed: Vec<BackedBody>,
    /// Serial numbers of the units that its grams back, since it was withdrawn for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    backs: Option<String>,
    /// The block of which it is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    split_from: Option<String>,
    /// The blocks into which it was split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    into: Vec<String>,
}

impl CertificateLife {
    /// Of a certificate, on a day, under a rule set that gives so many months for replacement.
    pub(super) fn of(certificate: &Certificate, today: &Date, replacement_months: Option<u32>) -> Self {
        let step = |entry: u64, reason| StepBody { entry, reason };
        Self {
            pending: certificate.pending.as_ref().map(|pending| step(pending.entry.0, pending.what.as_str())),
            frozen: certificate.frozen.as_ref().map(|frozen| step(frozen.entry.0, frozen.reason.as_str())),
            withdrawn: certificate.withdrawn.as_ref().map(|end| step(end.entry.0, end.reason.as_str())),
            cancelled: certificate.cancelled.map(|entry| entry.0),
            failing: certificate
                .failing
                .iter()
                .map(|failing| failing_body(failing, today, replacement_months))
                .collect(),
            backed: certificate
                .backing
                .iter()
                .map(|backing| BackedBody {
                    units: backing.units.to_string(),
                    by: backing.by.to_string(),
                    entry: backing.entry.0,
                })
                .collect(),
            backs: certificate.backs.as_ref().map(|backs| backs.units.to_string()),
            split_from: certificate.split_from.as_ref().map(ToString::to_string),
            into: certificate.into.iter().map(ToString::to_string).collect(),
        }
    }
}

fn failing_body(failing: &Failing, today: &Date, months: Option<u32>) -> FailingBody {
    let since = failing.since.date();
    let due = since.as_ref().zip(months).and_then(|(since, months)| since.plus_months(months));
    FailingBody {
        units: [failing.first, failing.last],
        since: since.map(|day| day.to_string()).unwrap_or_default(),
        fraud: failing.treatment.is_none(),
        unbacked: due.is_some_and(|due| *today > due),
    }
}
