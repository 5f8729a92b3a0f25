//! `POST /v1/hosted-keys`: a key whose secret the service keeps.

use crate::domain::codes::KeyUse;
use crate::domain::ids::OrganisationId;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::body::read_json;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::vault::HostedKey;
use actix_web::{HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// For whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHostedKey {
    /// The organisation that cannot keep a key.
    organisation: String,
}

/// A public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
struct PublicJwk {
    /// Always `OKP`.
    kty: String,
    /// Always `Ed25519`.
    crv: String,
    /// The public key.
    x: String,
}

/// The fields of the `key_registered` statement that puts it in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HostedKeyBody {
    /// The organisation.
    organisation: String,
    /// The public key.
    jwk: PublicJwk,
    /// Always `hosted`.
    custody: String,
    /// Always `statement`.
    r#use: String,
    /// Proof of possession.
    proof: String,
}

impl From<HostedKey> for HostedKeyBody {
    fn from(key: HostedKey) -> Self {
        let jwk = PublicJwk { kty: key.jwk.kty.to_string(), crv: key.jwk.crv.to_string(), x: key.jwk.x.to_string() };
        Self {
            organisation: key.organisation.to_string(),
            jwk,
            custody: "hosted".to_owned(),
            r#use: key.r#use.to_string(),
            proof: key.proof.to_string(),
        }
    }
}

/// Make a hosted key.
///
/// It signs nothing until a `key_registered` statement with these fields is in the ledger.
#[utoipa::path(
    tag = "keys",
    request_body = NewHostedKey,
    responses(
        (status = 201, description = "The fields to register it with.", body = HostedKeyBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"])),
)]
#[post("/v1/hosted-keys")]
pub(super) async fn create_hosted_key(
    caller: Authenticated,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_admin(&ledger)?;
    let wanted: NewHostedKey = read_json(body).await?;
    let organisation = OrganisationId::parse(&wanted.organisation).ok_or_else(|| {
        Problem::bad_request("field_invalid", "/organisation", "expected a UUID in lower case with hyphens")
    })?;
    let created =
        blocking(move || ledger.vault.create(&ledger.origin, organisation, KeyUse::Statement, ledger.clock.now_ms()));
    Ok(HttpResponse::Created().json(HostedKeyBody::from(created.await??)))
}
