//! What is posted: a JWS, or `{"statement":S,"open"?:{…}}` where S is a JWS or, for a hosted key, the payload itself.

use crate::domain::ids::OrganisationId;
use crate::http::auth::Authenticated;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::posting::Posted;
use crate::ledger::tokens::Scope;
use crate::limits::LINE_BYTES_MAX;
use crate::proof::commitment::Opening;
use crate::proof::statement::{self, Unverified};
use actix_web::web;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One statement with its openings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostedStatement<'a> {
    /// A compact JWS; or, where the organisation has a hosted key, the payload, whose bytes from its first `{` to its
    /// last `}` are signed as posted.
    #[serde(borrow)]
    #[schema(value_type = StatementOrPayload)]
    statement: &'a RawValue,
    /// Openings of commitments, by JSON Pointer of the commitment.
    #[serde(default)]
    open: BTreeMap<String, OpeningBody>,
}

/// A compact JWS or a payload.
#[derive(ToSchema)]
#[schema(as = StatementOrPayload)]
#[serde(untagged)]
#[expect(dead_code, reason = "only documents the shape; the bytes are read raw because they are what is signed")]
pub(super) enum StatementOrPayload {
    /// A compact JWS by the organisation's own key.
    Jws(String),
    /// A payload that the organisation's hosted key shall sign.
    Payload(BTreeMap<String, serde_json::Value>),
}

/// The value behind a commitment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpeningBody {
    /// 64 lower-case hex digits, fresh for every commitment.
    salt: String,
    /// The value, UTF-8 in NFC, at most 1,024 bytes.
    value: String,
}

/// Reads a body up to a limit; an upload that breaks off is refused as a whole.
pub(super) async fn read_body(payload: web::Payload, limit: usize) -> Result<web::Bytes, Problem> {
    match payload.to_bytes_limited(limit).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let detail = format!("the upload broke off, nothing was posted: {error}");
            Err(Problem::bad_request("upload_truncated", "", detail))
        }
        Err(_) => Err(Problem::too_large(format!("the body may have {limit} bytes"))),
    }
}

/// Reads a body as JSON of one shape.
pub(super) async fn read_json<T: DeserializeOwned>(payload: web::Payload) -> Result<T, Problem> {
    let body = read_body(payload, LINE_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| Problem::bad_request("json_invalid", "", error.to_string()))
}

/// Reads a statement out of a JSON body and makes it ready for the sequencer; a payload is signed with a hosted key.
pub(super) fn prepare_json(ledger: &Ledger, caller: &Authenticated, body: &[u8]) -> Result<Posted, Problem> {
    let body: PostedStatement<'_> = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request("json_invalid", "", format!("expected {{\"statement\":…,\"open\":{{…}}}}: {error}"))
    })?;
    let openings = body.open.into_iter().map(read_opening).collect::<Result<Vec<_>, _>>()?;
    let raw = body.statement.get();
    if raw.starts_with('{') {
        return prepare_hosted(ledger, caller, raw.as_bytes(), openings);
    }
    let jws: String = serde_json::from_str(raw)
        .map_err(|_| Problem::bad_request("json_invalid", "/statement", "expected a JWS or a payload object"))?;
    prepare_jws(ledger, caller, &jws, openings)
}

/// Makes a compact JWS ready for the sequencer.
pub(super) fn prepare_jws(
    ledger: &Ledger,
    caller: &Authenticated,
    jws: &str,
    openings: Vec<Opening>,
) -> Result<Posted, Problem> {
    let posted = ledger.prepare(jws, openings)?;
    caller.require_author(posted.identity.0)?;
    let Some(signed) = &posted.signed else {
        let said = Unverified::read(jws)?.statement;
        caller.require_actor(&said)?;
        caller.require_person(&said)?;
        return Ok(posted);
    };
    caller.require_actor(&signed.statement)?;
    if let Err(refused) = caller.require_person(&signed.statement)
        && !ledger.is_stored(posted.identity, &signed.payload_sha256)?
    {
        // What stands in the ledger gets its receipt again, with whatever token it was posted.
        return Err(refused);
    }
    Ok(posted)
}

/// A hosted key signs for its own organisation alone, and only for that organisation's token: never by relay.
fn prepare_hosted(
    ledger: &Ledger,
    caller: &Authenticated,
    payload: &[u8],
    openings: Vec<Opening>,
) -> Result<Posted, Problem> {
    let (_, statement) = statement::read_payload(payload)?;
    let author: OrganisationId = statement.common.org;
    caller.require(Scope::Post)?;
    if caller.0.organisation != author {
        let detail = "a hosted key signs only for a token of its own organisation";
        let status = actix_web::http::StatusCode::FORBIDDEN;
        return Err(Problem::new(status, "token_of_another_organisation", "/org", detail));
    }
    // Before it is signed: what a key has signed once could be posted by anybody.
    caller.require_actor(&statement)?;
    // A retry is the statement that stands there, also after its key was revoked; it is not signed anew.
    let identity = (author, statement.common.id);
    let jws = if let Some(stored) = ledger.stored_statement(identity, payload)? {
        stored
    } else {
        caller.require_person(&statement)?;
        ledger.vault.sign(author, payload)?
    };
    prepare_jws(ledger, caller, &jws, openings)
}

fn read_opening((pointer, body): (String, OpeningBody)) -> Result<Opening, Problem> {
    let salt = HEXLOWER.decode(body.salt.as_bytes()).ok().and_then(|salt| salt.try_into().ok());
    let salt = salt.ok_or_else(|| {
        let at = format!("/open/{}/salt", pointer.replace('~', "~0").replace('/', "~1"));
        Problem::bad_request("opening_invalid", &at, "expected 64 lower-case hex digits")
    })?;
    Ok(Opening { pointer, salt, value: body.value })
}
