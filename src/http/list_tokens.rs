//! `GET /v1/tokens`: the tokens, without their secrets.

use crate::domain::time::LedgerTime;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::tokens::scopes_of;
use crate::limits::PAGE_ROWS_MAX;
use crate::store::tokens::{self, TokenRow};
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenBody {
    /// By which it is revoked.
    id: String,
    /// For whom it speaks.
    organisation: String,
    /// What it allows.
    scopes: Vec<String>,
    /// When it was made.
    created: String,
    /// From when on it is void.
    expires: String,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    /// The one person who uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
}

fn time_text(ms: i64) -> String {
    LedgerTime::from_ms(ms).map(|time| time.to_string()).unwrap_or_default()
}

impl From<&TokenRow> for TokenBody {
    fn from(row: &TokenRow) -> Self {
        Self {
            id: row.id.clone(),
            organisation: row.organisation.clone(),
            scopes: scopes_of(row).iter().map(ToString::to_string).collect(),
            created: time_text(row.created_ms),
            expires: time_text(row.expires_ms),
            revoked: row.revoked_ms.map(time_text),
            person: row.person.clone(),
        }
    }
}

/// A page of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokensPage {
    /// In the order of their ids.
    tokens: Vec<TokenBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List tokens.
#[utoipa::path(
    tag = "tokens",
    params(TokensQuery),
    responses(
        (status = 200, description = "A page.", body = TokensPage),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["admin"])),
)]
#[get("/v1/tokens")]
pub(super) async fn list_tokens(
    caller: Authenticated,
    query: web::Query<TokensQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require_admin(&ledger)?;
    let rows = blocking(move || ledger.store.read(|database| tokens::page(database, &query.after, PAGE_ROWS_MAX)));
    let rows = rows.await??;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE_ROWS_MAX);
    let next = rows.last().filter(|_| is_full).map(|row| row.id.clone());
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next {
        response.insert_header((LINK, format!("</v1/tokens?after={next}>; rel=\"next\"")));
    }
    Ok(response.json(TokensPage { tokens: rows.iter().map(TokenBody::from).collect(), next }))
}
