//! `GET /v1/eligibility`: which treated grams back a certificate, and why the others do not.

use crate::domain::ids::{BatchId, EntryIndex, ItemId, SiteId};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::eligibility_body::{JudgedTreatmentBody, UntreatedBody};
use crate::http::problem::Problem;
use crate::http::site_work_body::{SitePoolBody, SiteWorkBody};
use crate::ledger::Ledger;
use crate::ledger::eligibility::Asked;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query: exactly one thing to ask about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EligibilityQuery {
    /// The entry of a treatment.
    treatment: Option<u64>,
    /// A batch: all treatments of what left it, and what of it is not treated.
    batch: Option<String>,
    /// An item: its treatment, or those of the batch into which it went, or what it lacks before that.
    item: Option<String>,
    /// Another word for item.
    lot: Option<String>,
    /// A site: its pools, and where the grams of its batches are between its gate and its certificates.
    site: Option<String>,
    /// With `site`: the batch behind which the page begins.
    after: Option<String>,
}

/// What backs a certificate and what does not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EligibilityBody {
    /// The scheme by which it is judged.
    scheme: String,
    /// Treatments, in the order of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    treatments: Option<Vec<JudgedTreatmentBody>>,
    /// What is not treated of the batch or item that is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    untreated: Vec<UntreatedBody>,
    /// Pools, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Vec<SitePoolBody>>,
    /// What lies between the site's gate and its certificates, a page of its batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<SiteWorkBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Ask what is eligible.
///
/// For the centre whose batch or site it is, for the treater, for an item's holder, and for auditors. Each gap has a code, the
/// rule in words, and what to do. Others' gaps are told as codes, never as their entries. By `site` it pages over batches.
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
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is nothing of this id, or it does not concern this token");
    let mut body = EligibilityBody {
        scheme: String::new(),
        treatments: None,
        untreated: Vec::new(),
        pools: None,
        work: None,
        next: None,
    };
    let mut response = HttpResponse::Ok();
    match query.subject()? {
        Subject::Site(site, after) => {
            let site = SiteId::parse(site).ok_or_else(missing)?;
            let after =
                after.map(|after| BatchId::parse(after).ok_or_else(|| invalid("/after", "expected a batch's id")));
            let (after, ledger) = (after.transpose()?, ledger.clone());
            let found = blocking(move || ledger.site_work(reader, site, after)).await??.ok_or_else(missing)?;
            if let Some(next) = found.next {
                body.next = Some(next.to_string());
                response.insert_header((LINK, format!("</v1/eligibility?site={site}&after={next}>; rel=\"next\"")));
            }
            body.pools = Some(found.pools.iter().map(SitePoolBody::from).collect());
            body.work = Some(SiteWorkBody::from(found));
        }
        Subject::Other(asked) => {
            let (asked, ledger) = (asked.ok_or_else(missing)?, ledger.clone());
            let found = blocking(move || ledger.eligibility(reader, asked)).await??.ok_or_else(missing)?;
            body.treatments = Some(found.treated.into_iter().map(JudgedTreatmentBody::from).collect());
            body.untreated = found.untreated.into_iter().map(UntreatedBody::from).collect();
        }
    }
    body.scheme.clone_from(&blocking(move || ledger.rules_in_force()).await??.scheme.name);
    Ok(response.json(body))
}

fn invalid(pointer: &str, detail: &str) -> Problem {
    Problem::bad_request("query_invalid", pointer, detail)
}

/// What is asked about; `None` if its id is none.
enum Subject<'q> {
    Site(&'q str, Option<&'q str>),
    Other(Option<Asked>),
}

impl EligibilityQuery {
    /// The one thing that is asked about.
    fn subject(&self) -> Result<Subject<'_>, Problem> {
        let item = self.item.as_ref().or(self.lot.as_ref());
        let named = [self.batch.is_some(), self.item.is_some(), self.lot.is_some(), self.site.is_some()];
        let count = usize::from(self.treatment.is_some()) + named.iter().filter(|named| **named).count();
        if count != 1 {
            return Err(invalid("", "name exactly one of treatment, batch, item (or lot) and site"));
        }
        match (self.treatment, &self.batch, item, &self.site, &self.after) {
            (.., Some(site), after) => Ok(Subject::Site(site, after.as_deref())),
            (.., Some(_)) => Err(invalid("/after", "only a site has pages")),
            (Some(entry), ..) => Ok(Subject::Other(Some(Asked::Treatment(EntryIndex(entry))))),
            (_, Some(batch), ..) => Ok(Subject::Other(BatchId::parse(batch).map(Asked::Batch))),
            (_, _, item, ..) => Ok(Subject::Other(item.and_then(|item| ItemId::parse(item)).map(Asked::Item))),
        }
    }
}
