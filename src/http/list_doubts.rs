//! `GET /v1/doubts`: certificates about whose grams something is in doubt, for auditors to look at.

use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::site_work_body::GapBody;
use crate::ledger::Ledger;
use crate::ledger::doubts::Doubt;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DoubtsQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A certificate with units that rest on grams in doubt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoubtedBody {
    /// Its serial numbers.
    serial: String,
    /// pending, held, retired or buffer.
    status: &'static str,
    /// Those of its units, by their serial numbers.
    units: Vec<String>,
}

/// Certified grams of a treatment that are in doubt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoubtBody {
    /// The entry of the treatment; an `audit_finding` about it says what follows.
    treatment: u64,
    /// How many of its certified grams.
    grams_g: i64,
    /// What they lack.
    gaps: Vec<GapBody>,
    /// The certificates that rest on them, 100 at most.
    certificates: Vec<DoubtedBody>,
    /// Whether more may rest on them than are named; of those that are named units may be missing then.
    more_certificates: bool,
}

impl From<Doubt> for DoubtBody {
    fn from(doubt: Doubt) -> Self {
        let doubted = doubt.certificates.into_iter().map(|(certificate, units)| DoubtedBody {
            serial: certificate.serial.to_string(),
            status: certificate.status.as_str(),
            units: units.iter().map(ToString::to_string).collect(),
        });
        Self {
            treatment: doubt.treatment.0,
            grams_g: doubt.grams,
            gaps: doubt.gaps.into_iter().map(GapBody::from).collect(),
            certificates: doubted.collect(),
            more_certificates: doubt.has_more,
        }
    }
}

/// A page of doubts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoubtsPageBody {
    /// By treatment. A page may hold few or none and still have a next one.
    doubts: Vec<DoubtBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List certificates in doubt.
///
/// Grams behind certificates that would back no new one now, though no unit fails: a key was reported compromised, also one that
/// settled a flaw, a later audit found otherwise, a site is suspended, a signal or an undecided correction holds them. An auditor's
/// finding says what follows.
/// Auditors see all, an organisation what it treated, dismantled or issued.
#[utoipa::path(
    tag = "certificates",
    params(DoubtsQuery),
    responses(
        (status = 200, description = "A page.", body = DoubtsPageBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/doubts")]
pub(super) async fn list_doubts(
    caller: Authenticated,
    query: web::Query<DoubtsQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let page = blocking(move || ledger.doubts(reader, &query.after)).await??;
    let mut response = HttpResponse::Ok();
    if let Some(next) = &page.next {
        response.insert_header((LINK, format!("</v1/doubts?after={next}>; rel=\"next\"")));
    }
    let doubts = page.doubts.into_iter().map(DoubtBody::from).collect();
    Ok(response.json(DoubtsPageBody { doubts, next: page.next }))
}
