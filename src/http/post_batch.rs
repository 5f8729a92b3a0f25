//! `POST /v1/events/batch`: up to 1,000 statements, one a line, one result a line.

use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::body::{prepare_json, read_body};
use crate::http::problem::Problem;
use crate::http::receipt::{Answered, ReceiptBody, answer};
use crate::http::waiting_body::{WaitFor, WaitingBody};
use crate::ledger::Ledger;
use crate::ledger::posting::{Mode, Posted};
use crate::limits::{BATCH_BYTES_MAX, BATCH_LINES_MAX, LINE_BYTES_MAX};
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What one refused line does to the others.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BatchMode {
    /// Nothing: each line stands for itself.
    #[default]
    Each,
    /// All or nothing, on contiguous indexes.
    All,
}

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchQuery {
    /// `each` (default) or `all`.
    #[serde(default)]
    #[param(inline)]
    mode: BatchMode,
    /// `items`, with `mode=each`: a line that names what nobody has said yet waits for it outside the ledger.
    #[param(inline)]
    wait_for: Option<WaitFor>,
}

/// The result of one line.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineResult {
    /// The line, from 1.
    line: usize,
    /// The status that the line would have had alone.
    #[schema(example = 201)]
    status: u16,
    /// If it is in the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptBody>,
    /// If it waits for what nobody has said yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingBody>,
    /// If it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl LineResult {
    fn of(line: usize, result: Result<Answered, Problem>) -> Self {
        let (mut receipt, mut waiting, mut refusal) = (None, None, None);
        let status = match result {
            Ok(Answered::InLedger(status, got)) => {
                receipt = Some(ReceiptBody::from(&got));
                status
            }
            Ok(Answered::Waiting(waits)) => {
                waiting = Some(WaitingBody::from(*waits));
                StatusCode::ACCEPTED.as_u16()
            }
            Err(problem) => refusal.insert(problem).status,
        };
        Self { line, status, receipt, waiting, problem: refusal }
    }
}

/// Post many statements.
///
/// NDJSON: each line is `{"statement":S,"open"?:{…}}`; the answer has a result a line, in order. What failed can be
/// mended and the same file sent again: lines that are in the ledger get their first receipt.
#[utoipa::path(
    tag = "events",
    params(BatchQuery),
    request_body(content = String, content_type = "application/x-ndjson", description = "At most 1,000 lines."),
    responses(
        (status = 200, description = "A result a line.", body = LineResult, content_type = "application/x-ndjson"),
        (status = "4XX", description = "Refused as a whole; nothing was written.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/events/batch")]
pub(super) async fn post_batch(
    request: HttpRequest,
    query: web::Query<BatchQuery>,
    caller: Authenticated,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_posting()?;
    if !request.content_type().eq_ignore_ascii_case("application/x-ndjson") {
        let detail = "send application/x-ndjson, one statement a line";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported", "", detail));
    }
    if query.mode == BatchMode::All && query.wait_for.is_some() {
        let detail = "what waits has no place yet, so it cannot be part of all or nothing; use mode=each";
        return Err(Problem::bad_request("query_invalid", "/wait_for", detail));
    }
    let patient = query.wait_for.map(|WaitFor::Items| caller.0.organisation);
    let body = read_body(body, BATCH_BYTES_MAX).await?;
    let ledger_of_worker = ledger.clone();
    let mut lines = blocking(move || prepare_lines(&ledger_of_worker, &caller, &body)).await??;
    lines.iter_mut().flatten().for_each(|posted| posted.patient = patient);
    let results = match query.mode {
        BatchMode::Each => post_lines(&ledger, lines, Mode::Each).await?,
        BatchMode::All if lines.iter().all(Result::is_ok) => post_lines(&ledger, lines, Mode::All).await?,
        BatchMode::All => nothing_posted(lines),
    };
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").body(to_ndjson(&results)?))
}

type Line = Result<Posted, Problem>;

fn prepare_lines(ledger: &Ledger, caller: &Authenticated, body: &[u8]) -> Result<Vec<Line>, Problem> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').take(BATCH_LINES_MAX + 1).collect();
    if lines.len() > BATCH_LINES_MAX {
        return Err(Problem::too_large(format!("a batch has at most {BATCH_LINES_MAX} lines")));
    }
    if body.is_empty() {
        return Err(Problem::bad_request("json_invalid", "", "the batch is empty"));
    }
    let prepare = |line: &[u8]| match line.len() {
        0..=LINE_BYTES_MAX => prepare_json(ledger, caller, line),
        _ => Err(Problem::too_large(format!("a line has at most {LINE_BYTES_MAX} bytes"))),
    };
    Ok(lines.into_iter().map(prepare).collect())
}

/// Posts the lines that can be posted and puts every result in its line's place.
async fn post_lines(ledger: &Ledger, lines: Vec<Line>, mode: Mode) -> Result<Vec<LineResult>, Problem> {
    let mut posted = Vec::with_capacity(lines.len());
    let refused: Vec<Option<Problem>> =
        lines.into_iter().map(|line| line.map(|ready| posted.push(ready)).err()).collect();
    let outcomes = if posted.is_empty() { Vec::new() } else { ledger.post(posted, mode).await? };
    let mut outcomes = outcomes.into_iter();
    let mut result = |(position, refused): (usize, Option<Problem>)| {
        let result = match refused {
            Some(problem) => Err(problem),
            None => outcomes.next().ok_or_else(|| Problem::internal("no outcome")).and_then(answer),
        };
        LineResult::of(position + 1, result)
    };
    Ok(refused.into_iter().enumerate().map(&mut result).collect())
}

/// All or nothing, and some line cannot even be read.
fn nothing_posted(lines: Vec<Line>) -> Vec<LineResult> {
    let result = |(position, line): (usize, Line)| {
        let problem = line.err().unwrap_or_else(|| crate::ledger::posting::Refused::NotPosted.into());
        LineResult::of(position + 1, Err(problem))
    };
    lines.into_iter().enumerate().map(result).collect()
}

fn to_ndjson(results: &[LineResult]) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    for result in results {
        serde_json::to_writer(&mut body, result).map_err(Problem::internal)?;
        body.push(b'\n');
    }
    Ok(body)
}
