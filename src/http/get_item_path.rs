//! `GET /v1/items/{id}/path`: everything that was said about an item.

use crate::domain::ids::{EntryIndex, ItemId};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::list_events::EventsBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::StoreError;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PathQuery {
    /// From this index on: the `next` of the page before.
    #[serde(default)]
    from: u64,
}

/// Read an item's path.
///
/// In the order of the ledger; entries that do not concern the caller are left out.
#[utoipa::path(
    tag = "items",
    params(("id" = String, Path, description = "The item."), PathQuery),
    responses(
        (status = 200, description = "A page.", body = EventsBody),
        (status = "4XX", description = "Refused; 404 also where the item does not concern the caller.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/items/{id}/path")]
pub(super) async fn get_item_path(
    caller: Authenticated,
    id: web::Path<String>,
    query: web::Query<PathQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no item of this id, or it does not concern this token");
    let id = ItemId::parse(&id).ok_or_else(missing)?;
    let from = EntryIndex(query.from);
    let page = blocking(move || -> Result<_, StoreError> {
        if ledger.item(reader, id)?.is_none() {
            return Ok(None);
        }
        ledger.events(reader, Some(&id.to_string()), from, PAGE_ROWS_MAX).map(Some)
    });
    let body = EventsBody::of(page.await??.ok_or_else(missing)?, |_| true)?;
    Ok(body.respond(|next| format!("/v1/items/{id}/path?from={next}")))
}
