//! `GET /v1/donations/{id}/report`: the donor's report, as JSON or CSV.

use crate::domain::ids::{DonationId, EntryIndex};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::donation_body::DonationBody;
use crate::http::donation_csv::csv_of;
use crate::http::problem::Problem;
use crate::http::table::{Format, send_csv};
use crate::ledger::Ledger;
use crate::ledger::donation_report::{DonationAsked, DonationReport};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// Devices that were given at this entry or later: the `next` of the page before.
    #[serde(default)]
    from: u64,
    /// `json` or `csv`; without it the header `Accept` decides, and JSON is sent unless that prefers `text/csv`.
    format: Option<String>,
}

/// Read a donation's report.
///
/// For its donor and for auditors. Every device: whereabouts, wiped and tested how, used where and how long, treated where
/// and into what, also after it changed hands; of others it tells ids, countries, codes, days and grams. The totals are of
/// the whole donation and stand on the first page of the JSON. A page ends with the statement of the donor that brings its
/// 250th device. CSV has the same devices, one a line; its next page stands in `Link`. Totals, trainings, every use but the
/// last, and what each treatment was, one by one, are in the JSON alone.
#[utoipa::path(
    tag = "donations",
    params(("id" = String, Path, description = "The donation."), ReportQuery),
    responses(
        (status = 200, description = "A page.", content(
            (DonationBody = "application/json"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "Refused; 404 also where it is another organisation's.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/donations/{id}/report")]
pub(super) async fn get_donation_report(
    caller: Authenticated,
    id: web::Path<String>,
    query: web::Query<ReportQuery>,
    request: HttpRequest,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no donation of this id, or it is another organisation's");
    let donation = DonationId::parse(&id).ok_or_else(missing)?;
    let format = Format::of(query.format.as_deref(), &request)?;
    let from = EntryIndex(query.from);
    let asked = DonationAsked { donation, from, totals: from == EntryIndex(0) && format == Format::Json };
    let report = blocking(move || ledger.donation_report(reader, asked)).await??.ok_or_else(missing)?;
    respond(report, format)
}

fn respond(report: DonationReport, format: Format) -> Result<HttpResponse, Problem> {
    let id = report.donation.id;
    let next = report.next.map(|next| format!("/v1/donations/{id}/report?from={next}&format={}", format.as_str()));
    let mut response = Format::answer(next.as_deref());
    match format {
        Format::Json => Ok(response.json(DonationBody::from(report))),
        Format::Csv => Ok(send_csv(response, &format!("donation-{id}"), csv_of(&report)?)),
    }
}
