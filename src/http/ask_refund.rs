//! `POST /v1/orders/{id}/refund-request`: ask for an order's payment back.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::{no_such_order, shown};
use crate::http::order_body::OrderBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::orders::OrderReader;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, post, web};

/// Ask for an order's payment back.
///
/// By its buyer, while it is paid or waits. The request stands on the order until its seller refunds it or declines, its buyer
/// takes it back, or all its units are delivered; asking again changes nothing.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    responses(
        (status = 200, description = "Asked; as it stands now.", body = OrderBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/orders/{id}/refund-request")]
pub(super) async fn ask_refund(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let by = caller.0.organisation;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    let turn = ledger.turn().await?;
    let of_worker = ledger.clone();
    let asked = blocking(move || of_worker.ask_refund(&turn, by, id)).await???;
    let id = asked.ok_or_else(no_such_order)?;
    Ok(HttpResponse::Ok().json(shown(&ledger, OrderReader::Party(by), id).await?))
}
