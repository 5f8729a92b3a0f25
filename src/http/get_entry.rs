//! `GET /v1/entries/{index}`: the bytes of one entry.

use crate::domain::ids::EntryIndex;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::store::StoreError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, get, web};

/// Read one entry.
///
/// Exactly the bytes that are hashed and chained. For its parties (whoever said it or is named in it) and for tokens
/// with the scope `audit`; to all others it is as if it did not exist.
#[utoipa::path(
    tag = "events",
    params(("index" = u64, Path, description = "The entry's place, from 0.")),
    responses(
        (status = 200, description = "The entry, one line of JSON without line feed.", body = String, content_type = "application/json"),
        (status = 401, description = "No token in force.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such entry, or not for this caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/entries/{index}")]
pub(super) async fn get_entry(
    caller: Authenticated,
    index: web::Path<u64>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let index = EntryIndex(index.into_inner());
    let reader = caller.reader();
    let readable = blocking(move || -> Result<_, StoreError> {
        Ok(match reader {
            Some(reader) if ledger.may_see(reader, index)? => ledger.entry(index)?.map(|entry| entry.bytes),
            _ => None,
        })
    });
    match readable.await?? {
        Some(bytes) => Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(bytes)),
        None => Err(Problem::not_found(format!("there is no entry {index}, or this token may not read it"))),
    }
}
