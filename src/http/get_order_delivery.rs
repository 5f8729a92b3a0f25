//! `GET /v1/orders/{id}/delivery`: what a centre would sign now to deliver an order.

use crate::domain::ids::OrderId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::get_order::no_such_order;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::orders::{Draft, DraftStatement};
use crate::ledger::tokens::Scope;
use actix_web::{HttpResponse, get, web};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The statements that deliver an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryBody {
    /// To be posted in this order.
    statements: Vec<DraftBody>,
    /// Kilograms that are left after these: then ask again.
    left_kg: i64,
}

/// A statement to be completed by the common part, and by `paid` if that is to be said, and signed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DraftBody {
    /// `certificate_split`, `certificate_transferred` or `certificate_retired`.
    #[schema(example = "certificate_transferred")]
    r#type: &'static str,
    /// Its own fields.
    #[schema(value_type = Object)]
    fields: Box<RawValue>,
    /// The openings that are posted with it, by JSON Pointer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<String, OpenedBody>,
}

/// The value behind a commitment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenedBody {
    /// Fresh at each draft.
    salt: String,
    /// The value.
    value: String,
}

impl TryFrom<DraftStatement> for DraftBody {
    type Error = Problem;

    fn try_from(draft: DraftStatement) -> Result<Self, Problem> {
        let fields = RawValue::from_string(draft.fields.to_string()).map_err(Problem::internal)?;
        let open = draft.openings.into_iter().map(|opening| {
            (opening.pointer, OpenedBody { salt: HEXLOWER.encode(&opening.salt), value: opening.value })
        });
        Ok(Self { r#type: draft.type_name, fields, open: open.collect() })
    }
}

/// Draft a delivery.
///
/// For the seller of an order that is paid and has all its units: splits that cut them out, then the transfer of each block,
/// or one retirement of all with its openings. Posted as usual they deliver the order, up to 100 blocks in one step: as long as
/// `left_kg` is not 0, or after an interruption, ask again and get what is left.
#[utoipa::path(
    tag = "orders",
    params(("id" = String, Path, description = "The order's id.")),
    responses(
        (status = 200, description = "The statements to sign.", body = DeliveryBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"])),
)]
#[get("/v1/orders/{id}/delivery")]
pub(super) async fn get_order_delivery(
    caller: Authenticated,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Read)?;
    let seller = caller.0.organisation;
    let id = OrderId::parse(&id).ok_or_else(no_such_order)?;
    let drafted = blocking(move || ledger.delivery(seller, id)).await??;
    let Draft { statements, left } = drafted.ok_or_else(no_such_order)??;
    let statements = statements.into_iter().map(DraftBody::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().json(DeliveryBody { statements, left_kg: left }))
}
