//! `GET /v1/organisations/{id}/statement`: what an organisation retired for a year, added up.

use crate::domain::codes::CalendarYear;
use crate::domain::ids::OrganisationId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::table::{Format, query_of, send_csv};
use crate::http::year_statement_body::{StatementBody, csv_of_statement};
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use crate::ledger::year_statement::BehindBlock;
use crate::store::StoreError;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementQuery {
    /// The year.
    #[param(example = "2026")]
    year: String,
    /// The `next` of the page before.
    after: Option<String>,
    /// `json` or `csv`; without it the header `Accept` decides, and JSON is sent unless that prefers `text/csv`.
    format: Option<String>,
}

/// Read a year's statement.
///
/// For the organisation and for auditors. All that it retired, or that a centre retired for it and in its name, for periods that
/// end in the year, added up on the first page: grams by country, operation, waste code and fraction, what is hazardous, and what
/// the figures rest on; page by page the blocks with the entries that retired them, and a sentence for each of these. A retirement counts whole,
/// in the year in which its period ends and for one organisation, so no two statements count the same kilogram; one whose
/// period begins before the year says so. CSV has a line for each sum and each block.
#[utoipa::path(
    tag = "register",
    params(("id" = String, Path, description = "The organisation."), StatementQuery),
    responses(
        (status = 200, description = "The statement.", content(
            (StatementBody = "application/json"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "Refused; 404 also where it is another organisation's.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/organisations/{id}/statement")]
pub(super) async fn get_year_statement(
    caller: Authenticated,
    id: web::Path<String>,
    query: web::Query<StatementQuery>,
    request: HttpRequest,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no organisation of this id, or it is another one's statement");
    let organisation = OrganisationId::parse(&id).ok_or_else(missing)?;
    if reader != Reader::All && reader != Reader::Organisation(organisation) {
        return Err(missing());
    }
    let format = Format::of(query.format.as_deref(), &request)?;
    let invalid = || Problem::bad_request("query_invalid", "/year", "expected a year such as 2026");
    let year = CalendarYear::parse(&query.year).ok_or_else(invalid)?;
    let behind = || Problem::bad_request("query_invalid", "/after", "expected the `next` of the page before");
    let after = query.after.as_deref().map(|text| BehindBlock::parse(text).ok_or_else(behind)).transpose()?;
    let made = blocking(move || -> Result<_, StoreError> {
        let today = ledger.today()?;
        let months = ledger.rules_in_force()?.scheme.registry.as_ref().map(|registry| registry.replacement_months);
        let statement = ledger.year_statement(organisation, &year, after.as_ref())?;
        Ok(statement.map(|statement| StatementBody::of(organisation, &year, &statement, &today, months)))
    });
    let body = made.await??.ok_or_else(invalid)?;
    let address = body.next().map(|next| {
        let parts = [("year", Some(query.year.as_str())), ("after", Some(next)), ("format", Some(format.as_str()))];
        format!("/v1/organisations/{organisation}/statement?{}", query_of(&parts))
    });
    let mut response = Format::answer(address.as_deref());
    match format {
        Format::Json => Ok(response.json(body)),
        Format::Csv => Ok(send_csv(response, &body.file_name(), csv_of_statement(body)?)),
    }
}
