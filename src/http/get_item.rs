//! `GET /v1/items/{id}`: an item as it is now.

use crate::domain::ids::ItemId;
use crate::domain::state::Record;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::registry::record_body;
use crate::ledger::Ledger;
use crate::ledger::lookup::SeenItem;
use actix_web::{HttpResponse, get, web};
use serde_json::json;

/// Read an item.
///
/// Whole for whoever the last entry about it concerns and for tokens with the scope `audit`; for an organisation that was
/// a party to it before, its id, kind and status.
#[utoipa::path(
    tag = "items",
    params(("id" = String, Path, description = "The item.")),
    responses(
        (status = 200, description = "What is known of it now.", body = Object),
        (status = "4XX", description = "Refused; 404 also where the item does not concern the caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/items/{id}")]
pub(super) async fn get_item(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no item of this id, or it does not concern this token");
    let id = ItemId::parse(&id).ok_or_else(missing)?;
    let found = blocking(move || ledger.item(reader, id)).await??;
    Ok(match found.ok_or_else(missing)? {
        SeenItem::Whole(item) => HttpResponse::Ok().json(record_body(&Record::Item(item))?),
        SeenItem::FromOutside(item) => {
            let (kind, status) = (item.kind.as_str(), item.status.as_str());
            HttpResponse::Ok().json(json!({"id": id.to_string(), "kind": kind, "status": status}))
        }
    })
}
