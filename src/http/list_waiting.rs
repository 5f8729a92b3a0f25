//! `GET /v1/waiting`: statements that wait outside the ledger, and what became of those that waited in vain.

use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::waiting_body::WaitingBody;
use crate::ledger::Ledger;
use crate::ledger::waiting_list::{Listed, Standing};
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: i64,
}

/// A statement outside the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedBody {
    /// The statement and what it waits for, or waited for last.
    #[serde(flatten)]
    waiting: WaitingBody,
    /// The organisation whose token posted it.
    posted_by: String,
    /// `waiting`; `refused` at its turn; or `expired`, if what it waited for did not come in time.
    #[schema(example = "waiting")]
    standing: &'static str,
    /// Why it was refused at its turn. Once the cause is gone it may be posted again, under the same id.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ToldBody>,
}

/// A refusal that was kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToldBody {
    /// The code that a problem has.
    #[schema(example = "key_revoked")]
    code: String,
    /// JSON Pointer to the field to blame.
    #[serde(skip_serializing_if = "String::is_empty")]
    pointer: String,
    /// What was wrong and what to do.
    detail: String,
}

impl From<Listed> for ListedBody {
    fn from(listed: Listed) -> Self {
        let Listed { row, standing, waiting } = listed;
        let told = || ToldBody { code: row.problem_code, pointer: row.problem_pointer, detail: row.problem_detail };
        let (standing, problem) = match standing {
            Standing::Waiting => ("waiting", None),
            Standing::Refused => ("refused", Some(told())),
            Standing::Expired => ("expired", None),
        };
        Self { waiting: waiting.into(), posted_by: row.posted_by, standing, problem }
    }
}

/// A page of statements outside the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingPage {
    /// In the order in which they were posted.
    waiting: Vec<ListedBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// List what waits.
///
/// Statements of the token's organisation that were posted with `wait_for` and are not in the ledger; a token with the scope
/// `audit` sees everybody's. What was refused at its turn or expired is kept without statement and openings, and
/// shown until 30 days after its time, the newest 200 of each organisation. What was sequenced is not here any more: the same statement posted again gets its receipt.
#[utoipa::path(
    tag = "events",
    params(WaitingQuery),
    responses(
        (status = 200, description = "A page.", body = WaitingPage),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/waiting")]
pub(super) async fn list_waiting(
    caller: Authenticated,
    query: web::Query<WaitingQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let (listed, next) = blocking(move || ledger.waiting(reader, query.after)).await??;
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("</v1/waiting?after={next}>; rel=\"next\"")));
    }
    Ok(response.json(WaitingPage { waiting: listed.into_iter().map(ListedBody::from).collect(), next }))
}
