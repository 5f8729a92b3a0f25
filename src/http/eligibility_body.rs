//! How treated and untreated grams look in the answer of `/v1/eligibility`.

use crate::domain::codes::ItemStatus;
use crate::http::site_work_body::{FigureBody, GapBody};
use crate::ledger::eligibility::{Place, Treated, Untreated};
use serde::Serialize;
use utoipa::ToSchema;

/// How grams of one source stand that a treatment ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JudgedTreatmentBody {
    /// The entry of the treatment.
    treatment: u64,
    /// What ended.
    item: String,
    /// Where these grams come from: a batch, or waste that was never dismantled.
    source: String,
    /// The batch that they left.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    /// The final operation.
    operation: String,
    /// The first of these grams on the treatment's gram line.
    from_g: i64,
    /// All grams of this source.
    grams_g: i64,
    /// Grams that back a certificate by the rules in force now, or may.
    eligible_g: i64,
    /// Grams on which units rest: they were judged by the rules of their issue, so they may be more than are eligible now.
    certified_g: i64,
    /// The vintage of the pool in which they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    vintage: Option<String>,
    /// What the others lack.
    gaps: Vec<GapBody>,
    /// Where a rule counts grams and is not met: what it found. For whoever has the batch, and for auditors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<FigureBody>,
}

impl From<Treated> for JudgedTreatmentBody {
    fn from(Treated { standing, certified_g, figures }: Treated) -> Self {
        let treatment = standing.treatment;
        Self {
            treatment: treatment.entry.0,
            item: treatment.item.to_string(),
            source: standing.line.source.to_string(),
            batch: standing.line.source.batch().map(|batch| batch.to_string()),
            operation: treatment.operation.to_string(),
            from_g: standing.line.from.get(),
            grams_g: standing.line.grams().get(),
            eligible_g: standing.eligible.get(),
            vintage: standing.line.places.last().map(|place| place.vintage.to_string()),
            certified_g,
            gaps: standing.gaps.into_iter().map(GapBody::from).collect(),
            figures: figures.iter().map(FigureBody::from).collect(),
        }
    }
}

/// Grams that no final treatment has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UntreatedBody {
    /// The batch in which they are, or in what left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    /// The item in which they are or were.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    /// The lot that the item has joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    /// How many; 0 of an item that has ended.
    grams_g: i64,
    /// Why they back nothing.
    reason: &'static str,
    /// What they lack already, as if a plant treated them today.
    gaps: Vec<GapBody>,
    /// Where a rule counts grams and is not met: what it found. For whoever has the batch, and for auditors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<FigureBody>,
}

impl From<Untreated> for UntreatedBody {
    fn from(found: Untreated) -> Self {
        let (batch, item, joined) = match found.place {
            Place::Batch(batch) => (Some(batch.to_string()), None, None),
            Place::Item(item, _) | Place::Voided(item) => (None, Some(item.to_string()), None),
            Place::Joined(item, lot) => (None, Some(item.to_string()), Some(lot.to_string())),
        };
        Self {
            batch,
            item,
            joined,
            grams_g: found.grams,
            reason: reason(found.place),
            gaps: found.gaps.into_iter().map(GapBody::from).collect(),
            figures: found.figures.iter().map(FigureBody::from).collect(),
        }
    }
}

const fn reason(place: Place) -> &'static str {
    match place {
        Place::Joined(..) => "it went into another lot: ask for that one",
        Place::Voided(_) => "a correction says that it never was",
        Place::Item(_, ItemStatus::Ended) => {
            "it ended without a final treatment: split, treated in the interim, released or lost; its path says what became of it"
        }
        Place::Item(_, ItemStatus::InUse) => "it is in use: reuse earns no certificate",
        Place::Batch(_) => {
            "no final treatment of these grams is stated: they are in the batch or in what left it, or ended otherwise (released, lost, weighed less), as the paths of its lots say"
        }
        Place::Item(..) => "only what a final treatment has ended backs a certificate: this is not treated yet",
    }
}
