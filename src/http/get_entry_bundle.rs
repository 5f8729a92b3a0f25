//! `GET /log/tile/entries/{n}`: the entry bundles of C2SP tlog-tiles.

use crate::http::auth::Anybody;
use crate::http::get_tile::{FOR_EVER, octets, read, requested};
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::Scope;
use crate::ledger::tree::EntriesFor;
use actix_web::http::header::{CACHE_CONTROL, VARY};
use actix_web::{HttpRequest, HttpResponse, get, web};

/// No cache may keep for others what only an auditor may read.
const FOR_THE_CALLER: &str = "private, no-store";

/// Read entries in bulk.
///
/// An entry bundle of C2SP tlog-tiles: the entries below one hash tile of level 0, each behind its length of 16 bits,
/// big-endian. Who may read them is a setting of the service: anybody, or tokens with the scope `audit`. Every entry is
/// hashed anew and checked up to the root that the newest checkpoint signs before it is served.
#[utoipa::path(
    tag = "proofs",
    params(("n" = String, Path, description = "The number of the tile in groups, as in `x001/067`, with `.p/` and a width if it is partial.")),
    responses(
        (status = 200, description = "The entries, each behind its length.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "Not the path of a bundle.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Entries are for auditors, and no token in force was sent.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Entries are for auditors, and the token lacks the scope.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The newest checkpoint does not reach so far.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = ["audit"])),
)]
#[get("/log/tile/entries/{n:.*}")]
pub(super) async fn get_entry_bundle(
    Anybody(caller): Anybody,
    request: HttpRequest,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let cached = match ledger.entries_for {
        EntriesFor::Public => FOR_EVER,
        EntriesFor::Auditors => {
            let nobody = || Problem::unauthorised("entries are for auditors here; send Authorization: Bearer");
            caller.ok_or_else(nobody)?.require(Scope::Audit)?;
            FOR_THE_CALLER
        }
    };
    let bundle = read(requested(&request)?, ledger).await?;
    let mut response = octets();
    if cached == FOR_THE_CALLER {
        response.insert_header((VARY, "Authorization"));
    }
    Ok(response.insert_header((CACHE_CONTROL, cached)).body(bundle))
}
