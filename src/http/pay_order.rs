//! `POST /v1/orders/{id}/payment`: record that an order was paid.

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

/// Record that an order was paid.
///
/// By its seller or the operator. From then on it does not lapse; the centre delivers it, or refunds it. The same reference
/// again changes nothing. `never_met`: what it lacks can never come; nothing is recorded, so whoever was paid sends that back and
/// gives the order up.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    request_body = ReferenceBody,
    responses(
        (status = 200, description = "Paid; as it stands now.", body = OrderBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/orders/{id}/payment")]
pub(super) async fn pay_order(
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
    let paid = blocking(move || of_worker.pay(&turn, by, id, &reference)).await???;
    let id = paid.ok_or_else(no_such_order)?;
    // Whoever may record a payment may see what it was for.
    Ok(HttpResponse::Ok().json(shown(&ledger, OrderReader::Operator, id).await?))
}
