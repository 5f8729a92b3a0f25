//! `GET /v1/items/{id}/path`: everything that was said about an item.

use crate::domain::ids::{EntryIndex, ItemId};
use crate::domain::lineage::Node;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::list_events::EventsBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::as_of::NoPlace;
use crate::ledger::lookup::Direction;
use crate::limits::PAGE_ROWS_MAX;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PathQuery {
    /// From this index on: the `next` of the page before.
    #[serde(default)]
    from: u64,
    /// `up`: also what it came from; `down`: also what it became; `both`; or `none`, the item alone.
    #[serde(default)]
    lineage: Option<String>,
}

/// An item or a batch of a lineage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeBody {
    /// `item` or `batch`.
    kind: &'static str,
    /// Its id.
    id: String,
}

impl From<Node> for NodeBody {
    fn from(node: Node) -> Self {
        match node {
            Node::Item(id) => Self { kind: "item", id: id.to_string() },
            Node::Batch(id) => Self { kind: "batch", id: id.to_string() },
        }
    }
}

/// A page of a path.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PathBody {
    /// What it came from, nearest first.
    up: Vec<NodeBody>,
    /// What it became, nearest first.
    down: Vec<NodeBody>,
    /// Whether `up` and `down` hold all that was asked for and that the caller may see; each ends at 1,000.
    lineage_complete: bool,
    /// The entries.
    #[serde(flatten)]
    page: EventsBody,
}

/// Read an item's path.
///
/// In the order of the ledger; entries that do not concern the caller are left out. With `lineage` also the entries of what
/// it came from or became, over merging, splitting and dismantling.
#[utoipa::path(
    tag = "items",
    params(("id" = String, Path, description = "The item."), PathQuery),
    responses(
        (status = 200, description = "A page.", body = PathBody),
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
    let direction = query.lineage.as_deref().map_or(Some(Direction::None), Direction::parse);
    let expected = || Problem::bad_request("query_invalid", "/lineage", "expected none, up, down or both");
    let direction = direction.ok_or_else(expected)?;
    let page = blocking(move || -> Result<_, NoPlace> {
        if ledger.item(reader, id, None)?.is_none() {
            return Ok(None);
        }
        Ok(Some(ledger.lineage(reader, id, direction, from, PAGE_ROWS_MAX)?))
    });
    let (lineage, page) = page.await??.ok_or_else(missing)?;
    let nodes = |nodes: Vec<Node>| nodes.into_iter().map(NodeBody::from).collect();
    let (up, down) = (nodes(lineage.up), nodes(lineage.down));
    let body = PathBody { up, down, lineage_complete: lineage.complete, page: EventsBody::of(page, |_| true)? };
    let mut response = HttpResponse::Ok();
    if let Some(next) = body.page.next() {
        let address = format!("</v1/items/{id}/path?lineage={direction}&from={next}>; rel=\"next\"");
        response.insert_header((LINK, address));
    }
    Ok(response.json(body))
}
