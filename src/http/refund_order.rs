//! `POST /v1/orders/{id}/refund`: record that an order's payment went back.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::{no_such_order, shown};
use crate::http::order_body::OrderBody;
use crate::http::order_reference::{ReferenceBody, read_reference};
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::orders::OrderReader;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, post, web};

/// Record that an order's payment went back.
///
/// By its seller or the operator, while it is paid or waits: it ends, keeps what was delivered of it, and the rest is stock
/// again, for those who wait first. The same reference again changes nothing.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    request_body = ReferenceBody,
    responses(
        (status = 200, description = "Refunded; as it stands now.", body = OrderBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/orders/{id}/refund")]
pub(super) async fn refund_order(
    caller: Authenticated,
    id: web::Path<String>,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let by = caller.0.organisation;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    let reference = read_reference(body).await?;
    let turn = ledger.turn().await?;
    let of_worker = ledger.clone();
    let refunded = blocking(move || of_worker.refund(&turn, by, id, &reference)).await???;
    let id = refunded.ok_or_else(no_such_order)?;
    // Whoever may record this may see what it was for.
    Ok(HttpResponse::Ok().json(shown(&ledger, OrderReader::Operator, id).await?))
}
