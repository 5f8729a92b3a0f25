//! `GET /v1/account/changes`: what happened to an organisation's certificates.

use crate::domain::certificate::AccountChange;
use crate::domain::ids::EntryIndex;
use crate::domain::time::LedgerTime;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::table::query_of;
use crate::ledger::Ledger;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    /// Whose; for tokens with the scope `audit`, which name it.
    organisation: Option<String>,
    /// From this index on: the `next` of the page before; or one more than the last index that was seen.
    #[serde(default)]
    from: u64,
}

/// Something that happened to a block.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeBody {
    /// The entry with which it happened. Whether it may be read is another question.
    index: u64,
    /// When the ledger wrote it down.
    time: String,
    /// `issued`, `countersigned`, `received`, `part`, `handed_on`, `split`, `retired`, `cancelled`, `withdrawal_pending`,
    /// `withdrawal_taken_back` (before anybody signed second), `withdrawn`, `annotated` (a retirement whose grams do not hold; told
    /// anew when error turns out to be fraud), `frozen`, `unfrozen`, `failing` (units lost the grams behind them), `sound` (they hold again), `backed` (by
    /// grams of others).
    change: &'static str,
    /// The block.
    serial: String,
    /// Its units that are meant.
    units: Vec<String>,
}

/// A page of what happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangesBody {
    /// In the order of the ledger.
    changes: Vec<ChangeBody>,
    /// Pass it as `from` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Follow an account.
///
/// What happened to the blocks that the token's organisation holds or has retired, also through entries that it may not read: a
/// correction or a finding that makes units fail is told as what it does to these units.
#[utoipa::path(
    tag = "register",
    params(ChangesQuery),
    responses(
        (status = 200, description = "A page.", body = ChangesBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/account/changes")]
pub(super) async fn list_account_changes(
    caller: Authenticated,
    query: web::Query<ChangesQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let holder = caller.require_whose(query.organisation.as_deref())?;
    let from = EntryIndex(query.from);
    let page = blocking(move || ledger.account_changes(holder, from)).await??;
    let next = page.next.map(|next| next.0);
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        let from = next.to_string();
        let parts = [("organisation", query.organisation.as_deref()), ("from", Some(from.as_str()))];
        response.insert_header((LINK, format!("</v1/account/changes?{}>; rel=\"next\"", query_of(&parts))));
    }
    Ok(response.json(ChangesBody { changes: page.changes.into_iter().map(body_of).collect(), next }))
}

fn body_of((time, change): (LedgerTime, AccountChange)) -> ChangeBody {
    ChangeBody {
        index: change.entry.0,
        time: time.to_string(),
        change: change.kind.as_str(),
        serial: change.serial.to_string(),
        units: change.units.iter().map(ToString::to_string).collect(),
    }
}
