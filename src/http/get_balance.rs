//! `GET /v1/balance`: where every gram is, or was.

use crate::domain::balance::{imbalances, in_between};
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::state::{Record, RecordKind};
use crate::http::as_of;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::as_of::{Accounts, AsOf, NoPlace};
use crate::ledger::lookup::Reader;
use actix_web::http::StatusCode;
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct BalanceQuery {
    /// One site; without it the whole ledger, for tokens with the scope `audit`.
    site: Option<String>,
    /// As of an entry, by its index, or of a time (RFC 3339) not after the last entry's: what the ledger said then, whatever
    /// was corrected since.
    as_of: Option<String>,
}

/// Where every gram is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BalanceBody {
    /// Grams by account; `reweighed` and `difference` are signed.
    accounts_g: BTreeMap<String, i64>,
    /// Whether inflow + reweighed + difference + arrived = live + every other account, to the gram.
    closes: bool,
    /// With `as_of`: the entry after which this was so.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of_entry: Option<u64>,
}

/// Read the mass balance.
///
/// Of a site, for the organisation whose it is; of the whole ledger, for auditors.
#[utoipa::path(
    tag = "balance",
    params(BalanceQuery),
    responses(
        (status = 200, description = "Grams by account.", body = BalanceBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/balance")]
pub(super) async fn get_balance(
    caller: Authenticated,
    query: web::Query<BalanceQuery>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<BalanceBody>, Problem> {
    let reader = caller.require_reader()?;
    let missing = || Problem::not_found("there is no such site, or it is another organisation's");
    let site = match &query.site {
        Some(site) => Some(SiteId::parse(site).ok_or_else(missing)?),
        None => None,
    };
    if site.is_none() && reader != Reader::All {
        let detail = "the balance of the whole ledger needs the scope audit; name one of your sites";
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", "/site", detail));
    }
    let as_of = as_of::read(query.as_of.as_deref())?;
    let found = blocking(move || accounts_of(&ledger, reader, site, as_of.as_ref())).await??;
    let (accounts, at) = found.ok_or_else(missing)?;
    let closes = imbalances(&accounts).is_empty() && (site.is_some() || in_between(&accounts) == 0);
    let mut accounts_g = BTreeMap::new();
    for (account, grams) in accounts {
        *accounts_g.entry(account.account.to_string()).or_default() += grams;
    }
    Ok(web::Json(BalanceBody { accounts_g, closes, as_of_entry: at.map(|at| at.0) }))
}

/// The accounts that a reader may see.
fn accounts_of(
    ledger: &Ledger,
    reader: Reader,
    site: Option<SiteId>,
    as_of: Option<&AsOf>,
) -> Result<Option<(Accounts, Option<EntryIndex>)>, NoPlace> {
    if let Some(site) = site {
        let owner = match ledger.registered(RecordKind::Site, &site.to_string())? {
            Some(Record::Site(site)) => site.organisation,
            _ => return Ok(None),
        };
        let may_see = reader == Reader::All || owner.is_some_and(|owner| reader.may_read(owner));
        if !may_see {
            return Ok(None);
        }
    }
    ledger.accounts(site, as_of).map(Some)
}
