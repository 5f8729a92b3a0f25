//! `GET /v1/items/{id}`: an item as it is now, or as it was.

use crate::domain::ids::ItemId;
use crate::domain::state::Record;
use crate::http::as_of;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::registry::record_body;
use crate::ledger::Ledger;
use crate::ledger::lookup::SeenItem;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// The entry for which the answer stands.
const AS_OF: &str = "loopledger-as-of";

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemQuery {
    /// As of an entry, by its index, or of a time (RFC 3339) not after the last entry's: what the ledger said then, whatever
    /// was corrected since.
    as_of: Option<String>,
}

/// Read an item.
///
/// Whole for whoever the last entry about it concerns and for tokens with the scope `audit`; for an organisation that was
/// a party to it before, its id, kind and status. With `as_of` that is asked of the entries until then: nobody sees what an
/// item was before they met it.
#[utoipa::path(
    tag = "items",
    params(("id" = String, Path, description = "The item."), ItemQuery),
    responses(
        (
            status = 200, description = "What is known of it, now or then.", body = Object,
            headers(("loopledger-as-of" = u64, description = "With `as_of`: the entry after which this was so.")),
        ),
        (status = "4XX", description = "Refused; 404 also where the item does not concern the caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/items/{id}")]
pub(super) async fn get_item(
    caller: Authenticated,
    id: web::Path<String>,
    query: web::Query<ItemQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no item of this id, or it does not concern this token");
    let id = ItemId::parse(&id).ok_or_else(missing)?;
    let as_of = as_of::read(query.as_of.as_deref())?;
    let found = blocking(move || ledger.item(reader, id, as_of.as_ref())).await??;
    let (seen, at) = found.ok_or_else(missing)?;
    let mut response = HttpResponse::Ok();
    if let Some(at) = at {
        response.insert_header((AS_OF, at.to_string()));
    }
    Ok(match seen {
        SeenItem::Whole(item) => response.json(record_body(&Record::Item(item))?),
        SeenItem::FromOutside(item) => {
            let (kind, status) = (item.kind.as_str(), item.status.as_str());
            response.json(json!({"id": id.to_string(), "kind": kind, "status": status}))
        }
    })
}
