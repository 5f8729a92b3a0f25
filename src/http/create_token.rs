//! `POST /v1/tokens`: a new token.

use crate::domain::ids::{ActorId, OrganisationId};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::body::read_json;
use crate::http::list_tokens::TokenBody;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::{self, Scope};
use crate::limits::{TOKEN_DAYS_DEFAULT, TOKEN_DAYS_MAX};
use actix_web::{HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What the new token shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    /// For whom it speaks.
    organisation: String,
    /// Of `post`, `relay`, `read`, `audit`, `admin`.
    scopes: Vec<String>,
    /// How many days it holds, 1 to 730; 365 if absent.
    days: Option<i64>,
    /// The one person who uses it, by an opaque id: what it posts must name that `actor`. Such a token does not relay.
    person: Option<String>,
}

/// What was wanted, read.
struct Valid {
    organisation: OrganisationId,
    person: Option<ActorId>,
    scopes: BTreeSet<Scope>,
    days: i64,
}

/// The new token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedToken {
    /// The token itself. It is shown this once and kept only as a hash.
    token: String,
    /// What it is.
    #[serde(flatten)]
    about: TokenBody,
}

/// Make a token.
#[utoipa::path(
    tag = "tokens",
    request_body = NewTokenBody,
    responses(
        (status = 201, description = "The token, shown this once.", body = CreatedToken),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"])),
)]
#[post("/v1/tokens")]
pub(super) async fn create_token(
    caller: Authenticated,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_admin(&ledger)?;
    let wanted: NewTokenBody = read_json(body).await?;
    let Valid { organisation, person, scopes, days } = validate(&wanted)?;
    if scopes.contains(&Scope::Admin) && organisation != ledger.operator {
        let detail = "only the operator's own tokens administrate";
        return Err(Problem::bad_request("field_invalid", "/scopes", detail));
    }
    let whose = (organisation, person);
    let created = blocking(move || tokens::create_for(&ledger.store, &ledger.clock, whose, &scopes, days)).await??;
    Ok(HttpResponse::Created().json(CreatedToken { about: TokenBody::from(&created.row), token: created.token }))
}

fn validate(wanted: &NewTokenBody) -> Result<Valid, Problem> {
    let invalid = |pointer, detail| Problem::bad_request("field_invalid", pointer, detail);
    let organisation = OrganisationId::parse(&wanted.organisation);
    let organisation = organisation.ok_or_else(|| invalid("/organisation", "expected a UUID in lower case"))?;
    let scopes: Option<BTreeSet<Scope>> = wanted.scopes.iter().map(|scope| Scope::parse(scope)).collect();
    let known = "expected at least one of post, relay, read, audit, admin";
    let scopes = scopes.filter(|scopes| !scopes.is_empty()).ok_or_else(|| invalid("/scopes", known))?;
    let days = wanted.days.unwrap_or(TOKEN_DAYS_DEFAULT);
    if !(1..=TOKEN_DAYS_MAX).contains(&days) {
        return Err(invalid("/days", "expected 1 to 730 days"));
    }
    let person = wanted.person.as_deref().map(|person| {
        ActorId::parse(person).ok_or_else(|| invalid("/person", "expected an opaque id, a UUID in lower case"))
    });
    let person = person.transpose()?;
    if person.is_some() && scopes.contains(&Scope::Relay) {
        return Err(invalid("/scopes", "a person's token posts what that person says; it does not relay"));
    }
    Ok(Valid { organisation, person, scopes, days })
}
