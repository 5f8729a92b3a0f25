//! `GET /v1/register/pools`: how many units of each pool stand where, and what covers each site's errors.

use crate::domain::certificate::SiteTally;
use crate::domain::registry::Site;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::http::table::{Format, csv_of, query_of, send_csv};
use crate::ledger::Ledger;
use crate::ledger::register::{CountedPool, PoolsPage};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolsQuery {
    /// The `next` of the page before.
    #[serde(default)]
    after: String,
    /// `json` or `csv`; without it the header `Accept` decides, and JSON is sent unless that prefers `text/csv`.
    format: Option<String>,
}

/// Units of a pool. `issued` is the sum of pending, held, expired, retired, cancelled, withdrawn and buffer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountedPoolBody {
    /// What comes before the numbers of its units.
    #[schema(example = "ER-KE-NBO1-202611")]
    pool: String,
    /// The site of dismantling.
    site: String,
    /// The month.
    vintage: String,
    /// All that were ever issued.
    issued: i64,
    /// Waiting for a second signature.
    pending: i64,
    /// In accounts, and in time.
    held: i64,
    /// In accounts, but their time is over.
    expired: i64,
    /// Retired.
    retired: i64,
    /// Cancelled.
    cancelled: i64,
    /// Withdrawn, also because their grams back other units.
    withdrawn: i64,
    /// In the buffer.
    buffer: i64,
    /// Of pending, held, expired, retired and buffer: frozen.
    frozen: i64,
    /// Of pending, held, expired, retired and buffer: their grams fail, and nothing backs them.
    failing: i64,
}

/// What covers the errors of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiteCoverBody {
    /// The site.
    site: String,
    /// Its country.
    country: String,
    /// Its code.
    code: String,
    /// Sound units that its own centre holds.
    stock: i64,
    /// Of the stock, units that others back: these cover nothing.
    backed: i64,
    /// Sound units of its buffer.
    buffer: i64,
    /// Units that fail and that nothing backs.
    failing: i64,
    /// Of these, units that neither buffer nor stock can cover: failing, less stock but for what is backed, less buffer; at least 0.
    deficit: i64,
}

/// A page of pools.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PoolsBody {
    /// Who runs the ledger: what it issues itself waits for another organisation.
    operator: String,
    /// Entries of the ledger that are counted.
    as_of_size: u64,
    /// The day, by this node's clock, by which held units are expired or not.
    as_of_day: String,
    /// By site and month.
    pools: Vec<CountedPoolBody>,
    /// The sites of these pools.
    sites: Vec<SiteCoverBody>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Read the sums of the register.
///
/// Public. The sum rule: the units of a pool that were ever issued are those that stand somewhere, each once. Whoever does not
/// want to believe these counts adds up `/v1/register/entries`. CSV has a line for each pool, with its site's cover behind it.
#[utoipa::path(
    tag = "register",
    params(PoolsQuery),
    responses(
        (status = 200, description = "A page.", content(
            (PoolsBody = "application/json"),
            (String = "text/csv"),
        )),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/register/pools")]
pub(super) async fn list_register_pools(
    query: web::Query<PoolsQuery>,
    request: HttpRequest,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let format = Format::of(query.format.as_deref(), &request)?;
    let operator = ledger.operator.to_string();
    let page = blocking(move || ledger.pools_of_register(&query.after)).await??;
    let parts = [("after", page.next.as_deref()), ("format", Some(format.as_str()))];
    let address = page.next.as_ref().map(|_| format!("/v1/register/pools?{}", query_of(&parts)));
    let mut response = Format::answer(address.as_deref());
    match format {
        Format::Json => Ok(response.json(body_of(operator, page))),
        Format::Csv => Ok(send_csv(response, "pools", csv_of(COLUMNS, lines_of(page))?)),
    }
}

fn body_of(operator: String, page: PoolsPage) -> PoolsBody {
    PoolsBody {
        operator,
        as_of_size: page.size,
        as_of_day: page.day.to_string(),
        pools: page.pools.iter().map(CountedPoolBody::from).collect(),
        sites: page.sites.iter().map(SiteCoverBody::from).collect(),
        next: page.next,
    }
}

impl From<&CountedPool> for CountedPoolBody {
    fn from(CountedPool { tally, expired, name }: &CountedPool) -> Self {
        Self {
            pool: name.clone(),
            site: tally.site.to_string(),
            vintage: tally.vintage.to_string(),
            issued: tally.issued(),
            pending: tally.pending,
            held: tally.held - expired,
            expired: *expired,
            retired: tally.retired,
            cancelled: tally.cancelled,
            withdrawn: tally.withdrawn,
            buffer: tally.buffer,
            frozen: tally.frozen,
            failing: tally.failing,
        }
    }
}

impl From<&(Site, SiteTally)> for SiteCoverBody {
    fn from((site, tally): &(Site, SiteTally)) -> Self {
        Self {
            site: site.id.to_string(),
            country: site.country.to_string(),
            code: site.code.to_string(),
            stock: tally.stock,
            backed: tally.backed,
            buffer: tally.buffer,
            failing: tally.failing,
            deficit: tally.deficit(),
        }
    }
}

/// The columns. Their order is kept; new ones come behind the last.
const COLUMNS: &[&str] = &[
    "pool",
    "site",
    "vintage",
    "issued",
    "pending",
    "held",
    "expired",
    "retired",
    "cancelled",
    "withdrawn",
    "buffer",
    "frozen",
    "failing",
    "site_stock",
    "site_buffer",
    "site_failing",
    "site_deficit",
    "as_of_size",
    "site_backed",
];

fn lines_of(page: PoolsPage) -> Vec<Vec<String>> {
    let PoolsPage { pools, sites, size, .. } = page;
    let line = |counted: CountedPool| {
        let cover = sites.iter().find(|(site, _)| site.id == counted.tally.site).map(SiteCoverBody::from);
        let pool = CountedPoolBody::from(&counted);
        let units = [
            pool.issued,
            pool.pending,
            pool.held,
            pool.expired,
            pool.retired,
            pool.cancelled,
            pool.withdrawn,
            pool.buffer,
            pool.frozen,
            pool.failing,
        ];
        let (of_site, backed) = cover
            .map_or(([0; 4], 0), |cover| ([cover.stock, cover.buffer, cover.failing, cover.deficit], cover.backed));
        let names = [pool.pool, pool.site, pool.vintage].into_iter();
        let numbers = units.into_iter().chain(of_site).map(|number| number.to_string());
        names.chain(numbers).chain([size.to_string(), backed.to_string()]).collect()
    };
    pools.into_iter().map(line).collect()
}
