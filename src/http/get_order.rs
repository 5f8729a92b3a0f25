//! `GET /v1/orders/{id}`: one order.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::order_body::OrderBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::orders::OrderReader;
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, get, web};

/// Read an order.
///
/// For its buyer, its seller and the operator.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    responses(
        (status = 200, description = "The order as it stands now.", body = OrderBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"])),
)]
#[get("/v1/orders/{id}")]
pub(super) async fn get_order(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = reader_of(&caller, &ledger)?;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    Ok(HttpResponse::Ok().json(shown(&ledger, reader, id).await?))
}

/// Whose orders a caller sees.
pub(super) fn reader_of(caller: &Authenticated, ledger: &Ledger) -> Result<OrderReader, Problem> {
    caller.require(Scope::Read)?;
    let own = caller.0.organisation;
    Ok(if own == ledger.operator { OrderReader::Operator } else { OrderReader::Party(own) })
}

/// An order as it is answered.
pub(super) async fn shown(ledger: &web::Data<Ledger>, reader: OrderReader, id: OrderId) -> Result<OrderBody, Problem> {
    let ledger = ledger.clone();
    let found = blocking(move || ledger.order(reader, id)).await??;
    found.ok_or_else(no_such_order)?.try_into()
}

/// 404 for an order that is not there, or is others' business.
pub(super) fn no_such_order() -> Problem {
    Problem::not_found("no order of this id is yours, as buyer or as seller")
}
