//! `GET /v1/signals`: what the rules find implausible, for auditors and for whoever said it.

use crate::domain::ids::{OrganisationId, SiteId};
use crate::domain::signal::{Signal, SignalCode};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::lookup::Reader;
use crate::ledger::signals::{SignalFilter, SignalStanding};
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalsQuery {
    /// Whose; a token without the scope `audit` sees its own organisation's.
    organisation: Option<String>,
    /// Only at this site.
    site: Option<String>,
    /// Only of this kind, such as `ticket_reused`.
    code: Option<String>,
    /// Only those that nobody has cleared (`true`), or only the others (`false`).
    open: Option<bool>,
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A signal. Figures are there where they make it understandable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignalBody {
    /// What is implausible.
    code: &'static str,
    /// The entry that raised it; an `audit_finding` about it clears it.
    entry: u64,
    /// Whose statement that was.
    organisation: String,
    /// What kind of thing it is about: `item`, `batch`, `handover` or `treatment`.
    about: &'static str,
    /// Its id.
    subject: String,
    /// Of a batch: what it gave too much or too little of.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    found_g: Option<i64>,
    /// What it should be at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    least_g: Option<i64>,
    /// What it should be at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    most_g: Option<i64>,
    /// Of how many pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pieces: Option<i64>,
    /// For auditors: the entry before, where two do not go together.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<u64>,
    /// `open`: its grams back no certificate. `cleared` by an auditor's finding, `lifted` by a correction.
    status: &'static str,
    /// The entry that cleared or lifted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<u64>,
}

impl SignalBody {
    fn of(signal: Signal, standing: SignalStanding, reader: Reader) -> Self {
        let (status, by) = match standing {
            SignalStanding::Open => ("open", None),
            SignalStanding::Cleared(by) => ("cleared", Some(by.0)),
            SignalStanding::Lifted(by) => ("lifted", Some(by.0)),
        };
        Self {
            code: signal.code.as_str(),
            entry: signal.entry.0,
            organisation: signal.organisation.to_string(),
            about: signal.about.as_str(),
            subject: signal.subject.to_string(),
            part: signal.part.map(|part| part.to_string()),
            site: signal.site.map(|site| site.to_string()),
            found_g: signal.found_g.map(|grams| grams.0),
            least_g: signal.least_g.map(crate::domain::mass::Grams::get),
            most_g: signal.most_g.map(crate::domain::mass::Grams::get),
            pieces: signal.pieces.map(crate::domain::event::Count::get),
            // The entry before may be somebody else's.
            earlier: signal.earlier.filter(|_| reader == Reader::All).map(|entry| entry.0),
            status,
            by,
        }
    }
}

/// A page of signals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignalsPageBody {
    /// By organisation, then in the order of their entries. A page may hold few or none and still have a next one.
    signals: Vec<SignalBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List signals of fraud.
///
/// What the rules find implausible in what was said: it is recorded, and backs no certificate until an auditor's finding
/// clears it or a correction lifts it. Auditors see all, an organisation those that its own statements raised.
#[utoipa::path(
    tag = "items",
    params(SignalsQuery),
    responses(
        (status = 200, description = "A page.", body = SignalsPageBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/signals")]
pub(super) async fn list_signals(
    caller: Authenticated,
    query: web::Query<SignalsQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let query = query.into_inner();
    let filter = SignalFilter {
        organisation: whose(reader, read(query.organisation.as_deref(), "/organisation", OrganisationId::parse)?)?,
        site: read(query.site.as_deref(), "/site", SiteId::parse)?,
        code: read(query.code.as_deref(), "/code", SignalCode::parse)?,
        open: query.open,
    };
    let asked = filter.clone();
    let page = blocking(move || ledger.signals(&asked, &query.after)).await??;
    let mut response = HttpResponse::Ok();
    if let Some(next) = &page.next {
        response.insert_header((LINK, format!("</v1/signals?{}after={next}>; rel=\"next\"", asked_for(&filter))));
    }
    let signals = page.signals.into_iter().map(|(signal, standing)| SignalBody::of(signal, standing, reader));
    Ok(response.json(SignalsPageBody { signals: signals.collect(), next: page.next }))
}

/// The filter as it stands in the address of the next page.
fn asked_for(filter: &SignalFilter) -> String {
    let named = [
        ("organisation", filter.organisation.map(|organisation| organisation.to_string())),
        ("site", filter.site.map(|site| site.to_string())),
        ("code", filter.code.map(|code| code.to_string())),
        ("open", filter.open.map(|open| open.to_string())),
    ];
    named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", value?))).collect()
}

/// A value of the query, if it is there and is one.
fn read<T>(text: Option<&str>, pointer: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let expected = || Problem::bad_request("query_invalid", pointer, "this is none; see the documentation for what is");
    text.map(|text| parse(text).ok_or_else(expected)).transpose()
}

/// An organisation asks about itself, an auditor about anybody or everybody.
fn whose(reader: Reader, named: Option<OrganisationId>) -> Result<Option<OrganisationId>, Problem> {
    match (reader, named) {
        (Reader::All, named) => Ok(named),
        (Reader::Organisation(own), Some(named)) if own != named => {
            Err(Problem::not_found("this does not concern the token's organisation"))
        }
        (Reader::Organisation(own), _) => Ok(Some(own)),
    }
}
