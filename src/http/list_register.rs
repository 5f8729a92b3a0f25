//! `GET /v1/register`: every block of units, for everybody.

use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::codes::{CalendarYear, Country, Month, SiteCode};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::register_body::{BlockBody, COLUMNS};
use crate::http::table::{Format, csv_of, query_of, send_csv};
use crate::ledger::Ledger;
use crate::store::StoreError;
use crate::store::blocks::{Standing, Wanted};
use crate::store::companies::Name;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query; what is given must all hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterQuery {
    /// A block or the number of one unit, also of a certificate that was split since: finds the blocks that hold these units
    /// now.
    serial: Option<String>,
    /// Country of the site of dismantling.
    country: Option<String>,
    /// Its code.
    site: Option<String>,
    /// The month of the pool, such as 2026-11.
    vintage: Option<String>,
    /// pending, held, expired, retired, cancelled, withdrawn or buffer; or, wherever they stand, failing (grams of some units fail, and
    /// nothing backs them) or unbacked (so for longer than the rules give to replace them).
    status: Option<String>,
    /// Retired in the name of this company, in whatever case.
    company: Option<String>,
    /// Retired in the name of a company whose name begins so, in whatever case.
    company_begins: Option<String>,
    /// Retired for a time that touches this year or month.
    period: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `json` or `csv`; without it the header `Accept` decides, and JSON is sent unless that prefers `text/csv`.
    format: Option<String>,
}

/// A page of the register.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisterBody {
    /// In the order of their pools and units.
    blocks: Vec<BlockBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Search the register.
///
/// Public. Every block that holds units now: where it stands, what it rests on of others, and, once it is retired, in whose name
/// and for what. Who holds a block is not shown. Values that were erased are absent, found by no search, and listed as erased.
#[utoipa::path(
    tag = "register",
    params(RegisterQuery),
    responses(
        (status = 200, description = "A page.", content(
            (RegisterBody = "application/json"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/register")]
pub(super) async fn list_register(
    query: web::Query<RegisterQuery>,
    request: HttpRequest,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let format = Format::of(query.format.as_deref(), &request)?;
    let today = ledger.today()?;
    let rules = ledger.clone();
    let rules = blocking(move || rules.rules_in_force()).await??;
    let months = rules.scheme.registry.as_ref().map(|registry| registry.replacement_months);
    let (wanted, after) = (wanted(&query, &today, months)?, after(&query)?);
    let found = blocking(move || -> Result<_, StoreError> {
        let page = ledger.register(&wanted, after.as_ref())?;
        let blocks: Vec<BlockBody> = page.blocks.iter().map(|block| BlockBody::of(block, &today, months)).collect();
        Ok((blocks, page.next.map(|next| next.to_string())))
    });
    let (blocks, next) = found.await??;
    let address = next.as_deref().map(|next| address(&query, next, format));
    let mut response = Format::answer(address.as_deref());
    match format {
        Format::Json => Ok(response.json(RegisterBody { blocks, next })),
        Format::Csv => Ok(send_csv(response, "register", csv_of(COLUMNS, blocks.into_iter().map(BlockBody::line))?)),
    }
}

fn address(query: &RegisterQuery, next: &str, format: Format) -> String {
    let parts = [
        ("serial", query.serial.as_deref()),
        ("country", query.country.as_deref()),
        ("site", query.site.as_deref()),
        ("vintage", query.vintage.as_deref()),
        ("status", query.status.as_deref()),
        ("company", query.company.as_deref()),
        ("company_begins", query.company_begins.as_deref()),
        ("period", query.period.as_deref()),
        ("after", Some(next)),
        ("format", Some(format.as_str())),
    ];
    format!("/v1/register?{}", query_of(&parts))
}

/// Reads a parameter, or says what was expected of it.
fn read<T>(value: Option<&str>, parse: impl Fn(&str) -> Option<T>, refusal: [&str; 2]) -> Result<Option<T>, Problem> {
    let [pointer, expected] = refusal;
    let invalid = || Problem::bad_request("query_invalid", pointer, format!("expected {expected}"));
    value.map(|value| parse(value).ok_or_else(invalid)).transpose()
}

fn after(query: &RegisterQuery) -> Result<Option<SerialBlock>, Problem> {
    read(query.after.as_deref(), SerialBlock::parse, ["/after", "the `next` of the page before"])
}

fn wanted(query: &RegisterQuery, today: &Date, months: Option<u32>) -> Result<Wanted, Problem> {
    let serial = "serial numbers such as ER-KE-NBO1-202611-0000001-0000500, or one such as ER-KE-NBO1-202611-0000001";
    let country = |text: &str| Country::parse(text).map(|country| country.to_string());
    let site = |text: &str| SiteCode::parse(text).map(|code| code.to_string());
    let vintage = |text: &str| Month::parse(text).map(|month| month.to_string());
    let status = "pending, held, expired, retired, cancelled, withdrawn, buffer, failing or unbacked";
    let company = match (&query.company, &query.company_begins) {
        (Some(_), Some(_)) => {
            let detail = "name a company or the beginning of its name, not both";
            return Err(Problem::bad_request("query_invalid", "/company_begins", detail));
        }
        (Some(name), None) => Some(Name::whole(name)),
        (None, Some(begin)) => Some(Name::beginning(begin)),
        (None, None) => None,
    };
    Ok(Wanted {
        units: read(query.serial.as_deref(), units, ["/serial", serial])?,
        country: read(query.country.as_deref(), country, ["/country", "a country such as KE"])?,
        site_code: read(query.site.as_deref(), site, ["/site", "a site's code such as NBO1"])?,
        vintage: read(query.vintage.as_deref(), vintage, ["/vintage", "a month such as 2026-11"])?,
        standing: read(query.status.as_deref(), |text| standing(text, today, months), ["/status", status])?,
        company,
        period: read(query.period.as_deref(), period, ["/period", "a year or month such as 2026 or 2026-11"])?,
    })
}

/// A block, or one unit by its number.
fn units(text: &str) -> Option<SerialBlock> {
    let of_one = || text.rsplit_once('-').and_then(|(_, number)| SerialBlock::parse(&format!("{text}-{number}")));
    SerialBlock::parse(text).or_else(of_one)
}

/// How a block stands; what was split is no block any more, and what is held is in time or not.
fn standing(text: &str, today: &Date, months: Option<u32>) -> Option<Standing> {
    let in_time = || months.and_then(|months| Certificate::first_in_time(today, months));
    match CertificateStatus::parse(text) {
        None if text == "expired" => Some(Standing::Expired(today.clone())),
        None if text == "failing" => Some(Standing::Failing),
        None if text == "unbacked" => Some(Standing::FailingSinceBefore(in_time())),
        None | Some(CertificateStatus::Split) => None,
        Some(CertificateStatus::Held) => Some(Standing::InTime(today.clone())),
        Some(status) => Some(Standing::At(status)),
    }
}

/// The first day of a year or month, and the first after it.
fn period(text: &str) -> Option<(Date, Date)> {
    let (first, months) = match (CalendarYear::parse(text), Month::parse(text)) {
        (Some(year), _) => (Date::parse(&format!("{year}-01-01"))?, 12),
        (None, Some(month)) => (Date::parse(&format!("{month}-01"))?, 1),
        (None, None) => return None,
    };
    let behind = first.plus_months(months)?;
    Some((first, behind))
}
