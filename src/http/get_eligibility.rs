//! `GET /v1/eligibility`: which treated grams back a certificate, and why the others do not.

use crate::domain::eligibility::Gap;
use crate::domain::ids::{BatchId, EntryIndex, ItemId, SiteId};
use crate::domain::pool::Pool;
use crate::domain::state::{Record, RecordKind};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::asking::Unanswered;
use crate::ledger::certificates::{Asked, TreatmentStanding};
use crate::ledger::lookup::Reader;
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query: exactly one of the four.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EligibilityQuery {
    /// The entry of a treatment.
    treatment: Option<u64>,
    /// A batch: all treatments of what left it.
    batch: Option<String>,
    /// An item: its treatment, or those of the batch into which it went.
    item: Option<String>,
    /// A site: its pools.
    site: Option<String>,
}

/// A rule that is not met.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapBody {
    /// Its stable code.
    code: &'static str,
    /// What is missing and what to do.
    reason: &'static str,
}

impl From<Gap> for GapBody {
    fn from(gap: Gap) -> Self {
        Self { code: gap.as_str(), reason: gap.reason() }
    }
}

/// How grams of one source stand that a treatment ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TreatmentBody {
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
    /// Grams that back a certificate, or may.
    eligible_g: i64,
    /// The vintage of the pool in which they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    vintage: Option<String>,
    /// What the others lack.
    gaps: Vec<GapBody>,
}

impl From<TreatmentStanding> for TreatmentBody {
    fn from(standing: TreatmentStanding) -> Self {
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
            gaps: standing.gaps.into_iter().map(GapBody::from).collect(),
        }
    }
}

/// Eligible grams of one month.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PoolBody {
    /// The month.
    vintage: String,
    /// Grams that ever became eligible.
    entered_g: i64,
    /// Grams on which units rest.
    allotted_g: i64,
    /// The last unit that was issued.
    units: i64,
}

impl From<Pool> for PoolBody {
    fn from(pool: Pool) -> Self {
        Self {
            vintage: pool.vintage.to_string(),
            entered_g: pool.entered_g.get(),
            allotted_g: pool.allotted_g.get(),
            units: pool.units,
        }
    }
}

/// What backs a certificate and what does not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EligibilityBody {
    /// The scheme by which it is judged.
    scheme: String,
    /// Treatments, in the order of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    treatments: Option<Vec<TreatmentBody>>,
    /// Pools, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Vec<PoolBody>>,
}

/// Ask what is eligible.
///
/// For the centre whose batch it is, for the treater, for an item's holder, and for auditors. Others' gaps are told as
/// codes, never as their entries.
#[utoipa::path(
    tag = "certificates",
    params(EligibilityQuery),
    responses(
        (status = 200, description = "Treatments with their gaps, or a site's pools.", body = EligibilityBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/eligibility")]
pub(super) async fn get_eligibility(
    caller: Authenticated,
    query: web::Query<EligibilityQuery>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<EligibilityBody>, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is nothing of this id, or it does not concern this token");
    let (treatments, pools) = match &*query {
        EligibilityQuery { treatment: None, batch: None, item: None, site: Some(site) } => {
            let site = SiteId::parse(site).ok_or_else(missing)?;
            let ledger = ledger.clone();
            let pools = blocking(move || pools_of(&ledger, reader, site)).await??.ok_or_else(missing)?;
            (None, Some(pools.into_iter().map(PoolBody::from).collect()))
        }
        query => {
            let asked = asked(query)?.ok_or_else(missing)?;
            let ledger = ledger.clone();
            let found = blocking(move || ledger.eligibility(reader, asked)).await??.ok_or_else(missing)?;
            (Some(found.into_iter().map(TreatmentBody::from).collect()), None)
        }
    };
    let scheme = blocking(move || ledger.rules_in_force()).await??.scheme.name.clone();
    Ok(web::Json(EligibilityBody { scheme, treatments, pools }))
}

/// The one thing that is asked about; `None` if its id is none.
fn asked(query: &EligibilityQuery) -> Result<Option<Asked>, Problem> {
    match query {
        EligibilityQuery { treatment: Some(entry), batch: None, item: None, site: None } => {
            Ok(Some(Asked::Treatment(EntryIndex(*entry))))
        }
        EligibilityQuery { treatment: None, batch: Some(batch), item: None, site: None } => {
            Ok(BatchId::parse(batch).map(Asked::Batch))
        }
        EligibilityQuery { treatment: None, batch: None, item: Some(item), site: None } => {
            Ok(ItemId::parse(item).map(Asked::Item))
        }
        _ => Err(Problem::bad_request("query_invalid", "", "name exactly one of treatment, batch, item and site")),
    }
}

fn pools_of(ledger: &Ledger, reader: Reader, site: SiteId) -> Result<Option<Vec<Pool>>, Unanswered> {
    let owner = match ledger.registered(RecordKind::Site, &site.to_string())? {
        Some(Record::Site(site)) => site.organisation,
        _ => return Ok(None),
    };
    if reader != Reader::All && owner.map(Reader::Organisation) != Some(reader) {
        return Ok(None);
    }
    Ok(Some(ledger.pools(site)?))
}
