//! What became of a certificate since its issue, as far as a bundle shows it.

use crate::domain::certificate::{Certificate, Pending, PendingKind, Retirement};
use crate::domain::event::{Event, SecondSignature};
use crate::domain::serial::SerialBlock;
use crate::proof::verify::life::Lives;

/// How it was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredFacts {
    /// The entry.
    pub entry: u64,
    /// First and last day of the period.
    pub period: (String, String),
    /// For what.
    pub purpose_kind: String,
}

impl From<&Retirement> for RetiredFacts {
    fn from(retired: &Retirement) -> Self {
        Self {
            entry: retired.entry.0,
            period: (retired.period.from.to_string(), retired.period.until.to_string()),
            purpose_kind: retired.purpose_kind.to_string(),
        }
    }
}

/// Something that was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFacts {
    /// The entry.
    pub entry: u64,
    /// Why, as a code.
    pub reason: String,
}

/// What waits for a second signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFacts {
    /// The entry with the first signature.
    pub entry: u64,
    /// Whether it is the issue; else a withdrawal.
    pub is_issue: bool,
    /// Whether another organisation signs second; else another person of the same one.
    pub by_organisation: bool,
}

/// Units whose grams failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedFacts {
    /// Their serial numbers.
    pub units: String,
    /// The units that were withdrawn for them.
    pub by: String,
    /// The entry.
    pub entry: u64,
}

/// What became of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeFacts {
    /// Where it stands: pending, held, retired, cancelled, withdrawn, split or buffer.
    pub status: String,
    /// The blocks of which it is a part, the smallest first.
    pub split_from: Vec<String>,
    /// The blocks into which it was split.
    pub into: Vec<String>,
    /// In how many accounts it has been, the first holder's included; none for the buffer.
    pub hands: usize,
    /// The entry since which its holder has it.
    pub held_since: u64,
    /// What waits for a second signature.
    pub pending: Option<PendingFacts>,
    /// That it is stopped.
    pub frozen: Option<StepFacts>,
    /// Its withdrawal; on a retired certificate an annotation.
    pub withdrawn: Option<StepFacts>,
    /// The entry by which its holder gave it up.
    pub cancelled: Option<u64>,
    /// Units that fail, as far as what is shown says it of the certificate itself: first and last of each stretch.
    pub failing: Vec<(i64, i64)>,
    /// Units that others back.
    pub backed: Vec<BackedFacts>,
    /// The units that its grams back, since it was withdrawn for them.
    pub backs: Option<String>,
    /// Blocks that ended with it under the same claim.
    pub retired_with: Vec<String>,
}

impl LifeFacts {
    pub(super) fn of(lives: &Lives<'_>, certificate: &Certificate) -> Self {
        let step = |entry: u64, reason: &str| StepFacts { entry, reason: reason.to_owned() };
        let backed = certificate.backing.iter().map(|backing| BackedFacts {
            units: backing.units.to_string(),
            by: backing.by.to_string(),
            entry: backing.entry.0,
        });
        Self {
            status: certificate.status.to_string(),
            split_from: lives.with_ancestors(certificate).skip(1).map(|block| block.serial.to_string()).collect(),
            into: certificate.into.iter().map(SerialBlock::to_string).collect(),
            hands: certificate.holder.map_or(0, |_| lives.hands(certificate)),
            held_since: certificate.held_since.0,
            pending: certificate.pending.as_ref().map(PendingFacts::from),
            frozen: certificate.frozen.as_ref().map(|frozen| step(frozen.entry.0, frozen.reason.as_str())),
            withdrawn: certificate.withdrawn.as_ref().map(|end| step(end.entry.0, end.reason.as_str())),
            cancelled: certificate.cancelled.map(|entry| entry.0),
            failing: certificate.failing_units(),
            backed: backed.collect(),
            backs: certificate.backs.as_ref().map(|backs| backs.units.to_string()),
            retired_with: retired_with(lives, certificate),
        }
    }
}

impl From<&Pending> for PendingFacts {
    fn from(pending: &Pending) -> Self {
        Self {
            entry: pending.entry.0,
            is_issue: pending.what == PendingKind::Issue,
            by_organisation: pending.second == SecondSignature::Organisation,
        }
    }
}

fn retired_with(lives: &Lives<'_>, certificate: &Certificate) -> Vec<String> {
    let said = certificate.retired.as_ref().and_then(|retired| lives.statement(retired.entry));
    let Some(Event::CertificateRetired(event)) = said.map(|said| &said.statement.event) else { return Vec::new() };
    event.blocks().filter(|block| **block != certificate.serial).map(SerialBlock::to_string).collect()
}
