//! How pools, gaps and a site's work look in JSON.

use crate::domain::eligibility::{Figure, Gap};
use crate::ledger::site_work::{BatchWork, PoolWork, SiteWork, Work};
use serde::Serialize;
use utoipa::ToSchema;

/// A rule that is not met.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapBody {
    /// Its stable code.
    code: &'static str,
    /// The rule.
    reason: &'static str,
    /// What to do about it.
    todo: &'static str,
}

impl From<Gap> for GapBody {
    fn from(gap: Gap) -> Self {
        Self { code: gap.as_str(), reason: gap.reason(), todo: gap.todo() }
    }
}

/// Where a rule counts grams: how many there are and how many it asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FigureBody {
    /// The gap to which it belongs.
    code: &'static str,
    /// What is counted, such as a part: batteries, boards, backlights, toner.
    #[schema(example = "batteries")]
    of: &'static str,
    /// Grams that were found.
    found_g: i64,
    /// Grams that there must be at least; of what residual operations ended, at most.
    asked_g: i64,
}

impl From<&Figure> for FigureBody {
    fn from(figure: &Figure) -> Self {
        Self { code: figure.gap.as_str(), of: figure.of, found_g: figure.found_g, asked_g: figure.asked_g }
    }
}

/// Eligible grams of one month.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SitePoolBody {
    /// The month.
    vintage: String,
    /// Grams that became eligible; those that units issued in error set free enter anew and count once more.
    entered_g: i64,
    /// Grams that were ever taken by an issue; those that are set free again stay among them.
    allotted_g: i64,
    /// The last unit that was issued.
    units: i64,
    /// Where the site's capacity holds some of its grams back: how many of its year's vintages, of all months together, may still be
    /// certified within it, and beside declared work outside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    certifiable_g: Option<i64>,
    /// That it does, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<GapBody>,
}

impl From<&PoolWork> for SitePoolBody {
    fn from(work: &PoolWork) -> Self {
        let pool = &work.pool;
        Self {
            certifiable_g: work.bound_g(),
            gaps: work.bound_g().map(|_| Gap::OverCapacity.into()).into_iter().collect(),
            vintage: pool.vintage.to_string(),
            entered_g: pool.entered_g.get(),
            allotted_g: pool.allotted_g.get(),
            units: pool.units,
        }
    }
}

/// Grams that lack something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LackingBody {
    /// What.
    #[serde(flatten)]
    gap: GapBody,
    /// How many; those that lack several things stand under each.
    grams_g: i64,
}

/// Where grams are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkBody {
    /// In open batches.
    in_batch_g: i64,
    /// In lots that came out of batches and are not treated yet; what later scales showed otherwise is in it too.
    untreated_g: i64,
    /// Treated: the sum of the next three.
    treated_g: i64,
    /// Eligible, and in no certificate.
    free_g: i64,
    /// Behind certificates.
    allotted_g: i64,
    /// Backing nothing yet, or never.
    waiting_g: i64,
    /// What they wait for, or lack for good.
    lacking: Vec<LackingBody>,
}

impl From<&Work> for WorkBody {
    fn from(work: &Work) -> Self {
        let lacking = work.lacking_g.iter().map(|(gap, grams)| LackingBody { gap: (*gap).into(), grams_g: *grams });
        Self {
            in_batch_g: work.in_batch_g,
            untreated_g: work.untreated_g,
            treated_g: work.treated_g,
            free_g: work.free_g,
            allotted_g: work.allotted_g,
            waiting_g: work.waiting_g,
            lacking: lacking.collect(),
        }
    }
}

/// A batch of the site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchWorkBody {
    /// Its id.
    batch: String,
    /// Where it stands.
    status: &'static str,
    /// What went in, less what remained.
    input_g: i64,
    /// Where its grams are.
    #[serde(flatten)]
    work: WorkBody,
    /// What all of it lacks already, while some of it is not treated; as if a plant treated that today.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lacks: Vec<GapBody>,
    /// Where a rule counts grams and is not met: what it found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<FigureBody>,
}

impl From<&BatchWork> for BatchWorkBody {
    fn from(found: &BatchWork) -> Self {
        Self {
            batch: found.batch.to_string(),
            status: found.status.as_str(),
            input_g: found.input_g,
            work: WorkBody::from(&found.work),
            lacks: found.lacks.iter().copied().map(GapBody::from).collect(),
            figures: found.figures.iter().map(FigureBody::from).collect(),
        }
    }
}

/// What was dismantled at a site, between its gate and its certificates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiteWorkBody {
    /// All that lies at the site now, in devices, lots and open batches; also what is in no batch yet.
    live_g: i64,
    /// The sums of the page's batches; of all of them, if the site has no more.
    totals: WorkBody,
    /// Its batches, in the order of their ids.
    batches: Vec<BatchWorkBody>,
}

impl From<SiteWork> for SiteWorkBody {
    fn from(found: SiteWork) -> Self {
        let mut totals = Work::default();
        found.batches.iter().for_each(|batch| totals.add(&batch.work));
        Self {
            live_g: found.live_g,
            totals: WorkBody::from(&totals),
            batches: found.batches.iter().map(BatchWorkBody::from).collect(),
        }
    }
}
