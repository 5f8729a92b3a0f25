//! The reference of a payment, or of one that went back.

use crate::http::body::read_json;
use crate::http::problem::Problem;
use crate::limits::ORDER_REFERENCE_BYTES_MAX;
use actix_web::web;
use serde::Deserialize;
use utoipa::ToSchema;

/// A payment, or one that went back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceBody {
    /// The reference on the bank's advice or the invoice: printable ASCII, at most 64 characters. No names.
    #[schema(example = "RF18 5390 0754 7034")]
    reference: String,
}

/// Reads a body that names a reference.
pub(super) async fn read_reference(body: web::Payload) -> Result<String, Problem> {
    let ReferenceBody { reference } = read_json(body).await?;
    let is_printable = reference.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let is_bounded = (1..=ORDER_REFERENCE_BYTES_MAX).contains(&reference.len());
    if is_printable && is_bounded && reference.trim() == reference {
        return Ok(reference);
    }
    let detail = "expected printable ASCII, 1 to 64 characters, no space at either end";
    Err(Problem::bad_request("field_invalid", "/reference", detail))
}
