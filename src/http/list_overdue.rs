//! `GET /v1/overdue`: receipts of shipments, final treatments and storage that are overdue.

use crate::domain::time::{Date, LedgerTime};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OverdueQuery {
    /// As of this day; today if absent.
    #[param(value_type = Option<String>)]
    on: Option<String>,
    /// Whose; for tokens with the scope `audit`, which name it.
    organisation: Option<String>,
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// Something that is overdue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OverdueBody {
    /// `receipt` of a shipment, `completion` of the final treatment of what it brought, `storage` pending treatment.
    kind: &'static str,
    /// The last day on which it was in time.
    due: String,
    /// The handover or item.
    subject: String,
    /// The entry from which it follows.
    entry: u64,
}

/// A page of what is overdue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OverduePageBody {
    /// The longest overdue first.
    overdue: Vec<OverdueBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List what is overdue.
///
/// Shipments without a receipt, what they brought and is not finally treated, waste stored too long: an organisation's own.
#[utoipa::path(
    tag = "items",
    params(OverdueQuery),
    responses(
        (status = 200, description = "A page.", body = OverduePageBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/overdue")]
pub(super) async fn list_overdue(
    caller: Authenticated,
    query: web::Query<OverdueQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let organisation = caller.require_whose(query.organisation.as_deref())?;
    let day = match &query.on {
        Some(on) => Date::parse(on),
        None => LedgerTime::from_ms(ledger.clock.now_ms()).and_then(LedgerTime::date),
    };
    let day = day.ok_or_else(|| Problem::bad_request("query_invalid", "/on", "expected a day such as 2026-12-09"))?;
    let page = blocking(move || ledger.overdue(organisation, &day, &query.after)).await??;
    let body = |due: crate::domain::due::Due| OverdueBody {
        kind: due.kind.as_str(),
        due: due.on.to_string(),
        subject: due.subject.to_string(),
        entry: due.entry.0,
    };
    let mut response = HttpResponse::Ok();
    if let Some(next) = &page.next {
        response.insert_header((LINK, format!("</v1/overdue?after={next}>; rel=\"next\"")));
    }
    Ok(response.json(OverduePageBody { overdue: page.dues.into_iter().map(body).collect(), next: page.next }))
}
