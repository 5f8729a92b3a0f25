//! `GET /v1/certificates/{serial}/history`: where a block comes from.

use crate::domain::ids::EntryIndex;
use crate::domain::serial::SerialBlock;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::account::{History, HistoryEvent};
use crate::store::holdings::Holding;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// Events from this index on: the `next` of the page before.
    #[serde(default)]
    from: u64,
}

/// Where a block comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryBody {
    /// The block from which the first of `blocks` was cut: it has a history of its own. Absent if that was issued as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_from: Option<String>,
    /// The block that was issued, then each part that was cut from the one before, and last the block itself; the last thousand
    /// steps of a longer way.
    blocks: Vec<String>,
    /// In whose accounts they came with the events of this page, by id alone: names are not in the ledger.
    holders: Vec<HolderBody>,
    /// Entries about any of them, in the order of the ledger.
    events: Vec<HistoryEventBody>,
    /// Pass it as `from` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// A block in an account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HolderBody {
    /// Whose account.
    organisation: String,
    /// The block.
    serial: String,
    /// The entry with which it came.
    since: u64,
    /// The entry with which it left; absent while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryEventBody {
    /// Its place.
    index: u64,
    /// When the ledger wrote it down.
    time: String,
    /// Its type, if it is an entry of certificates, which everybody can read; of others it is only told that they are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
}

/// Read a certificate's history.
///
/// Public. Every entry about the block and those from which it was cut, and in whose accounts they were.
#[utoipa::path(
    tag = "certificates",
    params(("serial" = String, Path, description = "Its serial numbers; also of a block that was split."), HistoryQuery),
    responses(
        (status = 200, description = "Its history, a page of events.", body = HistoryBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/certificates/{serial}/history")]
pub(super) async fn get_certificate_history(
    serial: web::Path<String>,
    query: web::Query<HistoryQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::not_found("no certificate has exactly these serial numbers");
    let serial = SerialBlock::parse(&serial).ok_or_else(missing)?;
    let (asked, from) = (serial.clone(), EntryIndex(query.from));
    let history = blocking(move || ledger.history(&asked, from)).await??.ok_or_else(missing)?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = history.next {
        let address = format!("</v1/certificates/{serial}/history?from={next}>; rel=\"next\"");
        response.insert_header((LINK, address));
    }
    Ok(response.json(body_of(history)))
}

fn body_of(history: History) -> HistoryBody {
    HistoryBody {
        cut_from: history.further.as_ref().map(ToString::to_string),
        blocks: history.chain.iter().map(ToString::to_string).collect(),
        holders: history.holdings.into_iter().map(holder_body).collect(),
        events: history.events.iter().map(event_body).collect(),
        next: history.next.map(|next| next.0),
    }
}

fn holder_body(holding: Holding) -> HolderBody {
    HolderBody {
        organisation: holding.holder.to_string(),
        serial: holding.serial,
        since: holding.since.0,
        until: holding.until.map(|until| until.0),
    }
}

fn event_body(event: &HistoryEvent) -> HistoryEventBody {
    HistoryEventBody {
        index: event.index.0,
        time: event.time.to_string(),
        r#type: event.type_name.starts_with("certificate_").then_some(event.type_name),
    }
}
