//! `POST /v1/events`: one statement.

use crate::domain::ids::EntryIndex;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::body::{PostedStatement, prepare_json, prepare_jws, read_body};
use crate::http::problem::Problem;
use crate::http::receipt::{Answered, ReceiptBody, WaitedProof, answer};
use crate::http::waiting_body::{WaitFor, WaitingBody};
use crate::ledger::Ledger;
use crate::ledger::posting::{Mode, Posted};
use crate::ledger::proofs::NoProof;
use crate::limits::{LINE_BYTES_MAX, PROOF_WAIT_MS_MAX, WITNESS_WAIT_MS_MAX};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post, web};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// How long to wait.
#[derive(Debug, Default, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wait {
    /// For the commit.
    #[default]
    Commit,
    /// For a signed checkpoint too; up to ten seconds.
    Proof,
    /// For one that a quorum of the witnesses cosigned; up to twenty seconds, then as with `proof`.
    Witnessed,
}

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PostQuery {
    /// `commit` (default), `proof`, or `witnessed` where the service has witnesses.
    #[serde(default)]
    #[param(inline)]
    wait: Wait,
    /// `items`: if it names an item, batch, handover, consent, donation or project that nobody has said yet, store it
    /// outside the ledger until that is there, for the offline window at most. If its turn comes before the handover that
    /// brings an item, it waits for that item to move.
    #[param(inline)]
    wait_for: Option<WaitFor>,
}

/// Post one statement.
///
/// Answered after the commit. Sending the same statement again is safe: it gets the first receipt; while it waits, 202, with
/// or without `wait_for`.
#[utoipa::path(
    tag = "events",
    params(PostQuery),
    request_body(description = "A compact JWS, or JSON.", content(
        (String = "application/jose"),
        (PostedStatement<'static> = "application/json"),
    )),
    responses(
        (status = 201, description = "In the ledger now.", body = ReceiptBody),
        (status = 200, description = "It was there before; the first receipt.", body = ReceiptBody),
        (status = 202, description = "With `wait_for`: stored outside the ledger until what it names is there. No receipt. Without: it was stored before and waits on.", body = WaitingBody),
        (status = "4XX", description = "Refused; nothing was written.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/events")]
pub(super) async fn post_event(
    request: HttpRequest,
    query: web::Query<PostQuery>,
    caller: Authenticated,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_posting()?;
    if matches!(query.wait, Wait::Witnessed) && !ledger.asks_for_witnesses() {
        let detail = "this service has no witnesses to wait for; wait=proof waits for the ledger's own signature";
        return Err(Problem::bad_request("query_invalid", "/wait", detail));
    }
    let content_type = request.content_type().to_ascii_lowercase();
    let body = read_body(body, LINE_BYTES_MAX).await?;
    let ledger_of_worker = ledger.clone();
    let patient = query.wait_for.map(|WaitFor::Items| caller.0.organisation);
    let mut posted = blocking(move || prepare(&ledger_of_worker, &caller, &content_type, &body)).await??;
    posted.patient = patient;
    let outcome = ledger.post(vec![posted], Mode::Each).await?.pop();
    let (status, receipt) = match answer(outcome.ok_or_else(|| Problem::internal("no outcome"))?)? {
        Answered::InLedger(status, receipt) => (status, receipt),
        Answered::Waiting(waiting) => return Ok(HttpResponse::Accepted().json(WaitingBody::from(*waiting))),
    };
    let mut answer = ReceiptBody::from(&receipt);
    answer = match query.wait {
        Wait::Commit => answer,
        Wait::Proof => answer.with_proof(wait_for_proof(&ledger, receipt.index).await?),
        Wait::Witnessed => answer.with_proof(wait_for_witnesses(&ledger, receipt.index).await?),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CREATED);
    Ok(HttpResponse::build(status).insert_header((LOCATION, format!("/v1/entries/{}", receipt.index))).json(answer))
}

fn prepare(ledger: &Ledger, caller: &Authenticated, content_type: &str, body: &[u8]) -> Result<Posted, Problem> {
    match content_type {
        "application/json" => prepare_json(ledger, caller, body),
        "application/jose" => {
            let not_ascii = |_| Problem::bad_request("jws_malformed", "", "a compact JWS is ASCII");
            let jws = std::str::from_utf8(body).map_err(not_ascii)?;
            prepare_jws(ledger, caller, jws.trim_end_matches(['\r', '\n']), Vec::new())
        }
        _ => {
            let detail = "send application/jose (a compact JWS) or application/json";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported", "", detail))
        }
    }
}

async fn wait_for_proof(ledger: &web::Data<Ledger>, index: EntryIndex) -> Result<Option<WaitedProof>, Problem> {
    let patience = Duration::from_millis(PROOF_WAIT_MS_MAX);
    let Some(shown) = ledger.checkpoint_over(index, patience).await else { return Ok(None) };
    prove(ledger, index, shown.size).await.map(Some)
}

/// Under a witnessed checkpoint; else under a signed one, and the receipt says so.
async fn wait_for_witnesses(ledger: &web::Data<Ledger>, index: EntryIndex) -> Result<Option<WaitedProof>, Problem> {
    let patience = Duration::from_millis(WITNESS_WAIT_MS_MAX);
    match ledger.witnessed_over(index, patience).await {
        Some(witnessed) => prove(ledger, index, witnessed.size()).await.map(Some),
        None => wait_for_proof(ledger, index).await,
    }
}

async fn prove(ledger: &web::Data<Ledger>, index: EntryIndex, size: u64) -> Result<WaitedProof, Problem> {
    let ledger = ledger.clone();
    let proved = blocking(move || {
        let inclusion = ledger.prove_inclusion(index, Some(size))?;
        let witnessed = ledger.meets_quorum(&inclusion.cosigned);
        let awaits_witnesses = !witnessed && ledger.asks_for_witnesses();
        Ok::<_, NoProof>(WaitedProof { text: inclusion.tlog_proof(), witnessed, awaits_witnesses })
    });
    Ok(proved.await??)
}
