//! `GET /v1/orders`: what was ordered.

use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::reader_of;
use crate::http::order_body::OrderBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OrdersQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: i64,
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrdersPage {
    /// In the order in which they came.
    orders: Vec<OrderBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// List orders.
///
/// What the token's organisation buys and what it sells; the operator sees all. Of those that lapsed or were cancelled the
/// newest 200 of each buyer are kept.
#[utoipa::path(
    tag = "orders",
    params(OrdersQuery),
    responses(
        (status = 200, description = "A page.", body = OrdersPage),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"])),
)]
#[get("/v1/orders")]
pub(super) async fn list_orders(
    caller: Authenticated,
    query: web::Query<OrdersQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = reader_of(&caller, &ledger)?;
    let (listed, next) = blocking(move || ledger.orders(reader, query.after)).await??;
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("</v1/orders?after={next}>; rel=\"next\"")));
    }
    let orders = listed.into_iter().map(OrderBody::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(response.json(OrdersPage { orders, next }))
}
