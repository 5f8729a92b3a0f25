//! `GET /v1/entries/{index}`: the bytes of one entry.

use crate::domain::erasure::ErasedValue;
use crate::domain::event::Event;
use crate::domain::ids::EntryIndex;
use crate::http::auth::{Anybody, Authenticated};
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::proof::entry::Entry;
use crate::proof::statement::Unverified;
use crate::store::StoreError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, get, web};

/// What was erased of the entry's values.
const ERASED: &str = "loopledger-erased";

/// Read one entry.
///
/// Exactly the bytes that are hashed and chained. The entries of certificates are public, so that anybody can check that
/// no two rest on the same grams, and so are those that erase values of theirs. Others are for their parties (whoever said it or is named in it) and for tokens with the
/// scope `audit`; to all others it is as if they did not exist. The bytes never change; what was erased of the values behind
/// their commitments stands in a header.
#[utoipa::path(
    tag = "events",
    params(("index" = u64, Path, description = "The entry's place, from 0.")),
    responses(
        (
            status = 200, description = "The entry, one line of JSON without line feed.", body = String,
            content_type = "application/json",
            headers(("loopledger-erased" = String, description = "Values that were erased, if any: pointer, day and erasing entry, as in `/serial on 2026-11-23 by 57`, separated by commas.")),
        ),
        (status = 401, description = "Not public, and no token in force.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such entry, or not for this caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/entries/{index}")]
pub(super) async fn get_entry(
    Anybody(caller): Anybody,
    index: web::Path<u64>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let index = EntryIndex(index.into_inner());
    let reader = caller.as_ref().and_then(Authenticated::reader);
    let readable = blocking(move || -> Result<_, StoreError> {
        let Some(entry) = ledger.entry(index)? else { return Ok(None) };
        let is_party = match reader {
            Some(reader) => ledger.may_see(reader, index)?,
            None => false,
        };
        if !is_party && !is_public(&ledger, &entry.bytes)? {
            return Ok(None);
        }
        Ok(Some((entry.bytes, ledger.erased(index)?)))
    });
    match readable.await?? {
        Some((bytes, erased)) => {
            let mut response = HttpResponse::Ok();
            response.insert_header((CONTENT_TYPE, "application/json"));
            if !erased.is_empty() {
                response.insert_header((ERASED, in_words(&erased)));
            }
            Ok(response.body(bytes))
        }
        None if caller.is_none() => Err(Problem::unauthorised("this entry is not public; send Authorization: Bearer")),
        None => Err(Problem::not_found(format!("there is no entry {index}, or this token may not read it"))),
    }
}

/// Pointers have neither spaces nor commas.
fn in_words(erased: &[ErasedValue]) -> String {
    let words = |value: &ErasedValue| format!("{} on {} by {}", value.pointer, value.on, value.by);
    erased.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Issue, retirement and whatever else is said of certificates; also that values of such an entry were erased.
fn is_public(ledger: &Ledger, bytes: &[u8]) -> Result<bool, StoreError> {
    let said = event_of(bytes);
    let about = match &said {
        Some(Event::ValueErased(erased)) => ledger.entry(erased.entry)?.and_then(|entry| event_of(&entry.bytes)),
        _ => said,
    };
    Ok(about.is_some_and(|event| event.type_name().starts_with("certificate_")))
}

fn event_of(bytes: &[u8]) -> Option<Event> {
    let entry = Entry::parse(bytes).ok()?;
    Unverified::read(&entry.statement).ok().map(|read| read.statement.event)
}
