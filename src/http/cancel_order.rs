//! `DELETE /v1/orders/{id}`: give an order up.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::no_such_order;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, delete, web};

/// Give an order up.
///
/// By its buyer, its seller or the operator, before it is paid: what was reserved is free again. One that is paid is refunded.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    responses(
        (status = 204, description = "Given up."),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[delete("/v1/orders/{id}")]
pub(super) async fn cancel_order(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let by = caller.0.organisation;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    let turn = ledger.turn().await?;
    let cancelled = blocking(move || ledger.cancel(&turn, by, id)).await???;
    cancelled.ok_or_else(no_such_order)?;
    Ok(HttpResponse::NoContent().finish())
}
