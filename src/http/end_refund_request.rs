//! `DELETE /v1/orders/{id}/refund-request`: end the request for an order's payment.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::no_such_order;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, delete, web};

/// End the request for an order's payment.
///
/// Its buyer takes it back, and nothing of it is left; its seller or the operator declines, which the order shows.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    responses(
        (status = 204, description = "Ended."),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[delete("/v1/orders/{id}/refund-request")]
pub(super) async fn end_refund_request(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let by = caller.0.organisation;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    let turn = ledger.turn().await?;
    let ended = blocking(move || ledger.end_refund_request(&turn, by, id)).await???;
    ended.ok_or_else(no_such_order)?;
    Ok(HttpResponse::NoContent().finish())
}
