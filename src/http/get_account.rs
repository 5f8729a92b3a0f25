//! `GET /v1/account`: the certificates that an organisation holds, and those that it held.

use crate::domain::certificate::{Certificate, PendingKind};
use crate::domain::ids::EntryIndex;
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::register_body::{named, status_on};
use crate::http::table::query_of;
use crate::ledger::Ledger;
use crate::ledger::account::Held;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountQuery {
    /// Whose; for tokens with the scope `audit`, which name it.
    organisation: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// A block that is or was in the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldingBody {
    /// Its serial numbers.
    serial: String,
    /// How many units.
    units: i64,
    /// The entry with which it came.
    since: u64,
    /// The entry with which it left: handed on, split, cancelled or withdrawn. Absent while it is here; what is retired stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// How it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<StandingBody>,
}

/// How a block stands that is in the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StandingBody {
    /// pending, held, expired or retired.
    status: &'static str,
    /// The last day on which it can be retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What of it waits for a second signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<&'static str>,
    /// Why it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<&'static str>,
    /// Its units whose grams fail, and that nothing backs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<String>,
    /// The entry that retired it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<u64>,
}

/// A page of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountBody {
    /// Whose.
    organisation: String,
    /// In the order in which the blocks came.
    holdings: Vec<HoldingBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Read an account.
///
/// The blocks that the token's organisation holds or has retired, and those that it held once, with the entries between which they
/// were here.
#[utoipa::path(
    tag = "register",
    params(AccountQuery),
    responses(
        (status = 200, description = "A page.", body = AccountBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/account")]
pub(super) async fn get_account(
    caller: Authenticated,
    query: web::Query<AccountQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let holder = caller.require_whose(query.organisation.as_deref())?;
    let (since, serial) = place(query.after.as_deref())?;
    let today = ledger.today()?;
    let page = blocking(move || ledger.account(holder, (since, &serial))).await??;
    let next = page.next.map(|(since, serial)| format!("{since}/{serial}"));
    let mut response = HttpResponse::Ok();
    if next.is_some() {
        let parts = [("organisation", query.organisation.as_deref()), ("after", next.as_deref())];
        response.insert_header((LINK, format!("</v1/account?{}>; rel=\"next\"", query_of(&parts))));
    }
    let holdings = page.held.into_iter().map(|held| body_of(held, &today)).collect();
    Ok(response.json(AccountBody { organisation: holder.to_string(), holdings, next }))
}

/// Behind which block the page begins.
fn place(after: Option<&str>) -> Result<(EntryIndex, String), Problem> {
    let Some(after) = after else { return Ok((EntryIndex(0), String::new())) };
    let read = |(since, serial): (&str, &str)| Some((EntryIndex(since.parse().ok()?), serial.to_owned()));
    let invalid = || Problem::bad_request("query_invalid", "/after", "expected the `next` of the page before");
    after.split_once('/').and_then(read).ok_or_else(invalid)
}

fn body_of(held: Held, today: &Date) -> HoldingBody {
    let Held { holding, certificate } = held;
    HoldingBody {
        units: SerialBlock::parse(&holding.serial).map_or(0, |serial| serial.units()),
        serial: holding.serial,
        since: holding.since.0,
        until: holding.until.map(|until| until.0),
        now: certificate.map(|certificate| standing(&certificate, today)),
    }
}

fn standing(certificate: &Certificate, today: &Date) -> StandingBody {
    StandingBody {
        status: status_on(certificate, today),
        expires: certificate.expires.as_ref().filter(|_| certificate.retired.is_none()).map(ToString::to_string),
        pending: certificate.pending.as_ref().map(|pending| pending.what).map(PendingKind::as_str),
        frozen: certificate.frozen.as_ref().map(|frozen| frozen.reason.as_str()),
        failing: named(&certificate.serial, certificate.failing_units()),
        retired: certificate.retired.as_ref().map(|retired| retired.entry.0),
    }
}
