//! `GET /v1/events`: entries, found again.

use crate::domain::erasure::ErasedValue;
use crate::domain::ids::{EntryIndex, ItemId};
use crate::domain::state::{RecordId, RecordKind};
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::lookup::{Event, EventsPage};
use crate::limits::PAGE_ROWS_MAX;
use actix_web::http::header::LINK;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// The query; at most one of item, batch, site and org.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Entries about this item.
    item: Option<String>,
    /// Entries about this batch.
    batch: Option<String>,
    /// Entries at or about this site.
    site: Option<String>,
    /// Entries by or about this organisation.
    org: Option<String>,
    /// Only of this type.
    r#type: Option<String>,
    /// From this index on: the `next` of the page before.
    #[serde(default)]
    from: u64,
}

/// An entry as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventBody {
    /// Its place.
    index: u64,
    /// When the ledger wrote it down.
    time: String,
    /// Its type.
    r#type: String,
    /// Who said it.
    org: String,
    /// Codes and pointers of its warnings.
    #[schema(value_type = Vec<Object>)]
    warnings: Box<RawValue>,
    /// The payload as it was signed.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    /// Its corrections, in order; absent if it has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    corrections: Vec<CorrectionOfEvent>,
    /// Values behind its commitments that were erased since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    erased: Vec<ErasedBody>,
}

/// A correction of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CorrectionOfEvent {
    /// The entry that states it.
    entry: u64,
    /// `in_effect`: what it says counts instead. `open`, `disputed`, `review`: undecided. `superseded`, `rejected`,
    /// `withdrawn`: it does not count.
    status: &'static str,
}

/// A value that was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasedBody {
    /// JSON Pointer of its commitment in the payload.
    pub(super) pointer: String,
    /// The day, UTC.
    pub(super) on: String,
    /// The entry that erased it.
    by: u64,
    /// Why.
    reason: &'static str,
}

impl From<&ErasedValue> for ErasedBody {
    fn from(erased: &ErasedValue) -> Self {
        Self {
            pointer: erased.pointer.to_string(),
            on: erased.on.to_string(),
            by: erased.by.0,
            reason: erased.reason.as_str(),
        }
    }
}

impl EventBody {
    pub(super) fn of(event: Event) -> Result<Self, Problem> {
        Ok(Self {
            index: event.index.0,
            time: event.time.to_string(),
            r#type: event.statement.event.type_name().to_owned(),
            org: event.statement.common.org.to_string(),
            warnings: RawValue::from_string(event.warnings).map_err(Problem::internal)?,
            payload: RawValue::from_string(event.payload).map_err(Problem::internal)?,
            corrections: event
                .corrections
                .into_iter()
                .map(|(entry, status)| CorrectionOfEvent { entry: entry.0, status: status.as_str() })
                .collect(),
            erased: event.erased.iter().map(ErasedBody::from).collect(),
        })
    }
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsBody {
    /// In the order of the ledger. A page may hold few or none and still have a next one: filters come after reading.
    events: Vec<EventBody>,
    /// Pass it as `from` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

impl EventsBody {
    /// The body of a page, with those events that pass.
    pub(super) fn of(page: EventsPage, passes: impl Fn(&Event) -> bool) -> Result<Self, Problem> {
        let events = page.events.into_iter().filter(passes).map(EventBody::of).collect::<Result<_, _>>()?;
        Ok(Self { events, next: page.next.map(|next| next.0) })
    }

    /// From where the next page goes on.
    pub(super) const fn next(&self) -> Option<u64> {
        self.next
    }

    /// The answer; `link` makes the address of the next page.
    pub(super) fn respond(self, link: impl Fn(u64) -> String) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(next) = self.next {
            response.insert_header((LINK, format!("<{}>; rel=\"next\"", link(next))));
        }
        response.json(self)
    }
}

/// List entries.
///
/// Those that concern the token's organisation; a token with the scope `audit` sees all.
#[utoipa::path(
    tag = "events",
    params(EventsQuery),
    responses(
        (status = 200, description = "A page.", body = EventsBody),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["read"]), ("token" = ["audit"])),
)]
#[get("/v1/events")]
pub(super) async fn list_events(
    caller: Authenticated,
    query: web::Query<EventsQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let reader = caller.require_reader()?;
    let subject = subject(&query)?;
    let from = EntryIndex(query.from);
    let looked_for = subject.clone().map(|(_, id)| id);
    let page = blocking(move || ledger.events(reader, looked_for.as_ref(), from, PAGE_ROWS_MAX)).await??;
    let wanted = query.r#type.as_deref();
    let body = EventsBody::of(page, |event| wanted.is_none_or(|wanted| event.statement.event.type_name() == wanted))?;
    Ok(body.respond(|next| {
        let subject = subject.as_ref().map(|(name, id)| format!("&{name}={}", id.id)).unwrap_or_default();
        let of_type = wanted.map(|wanted| format!("&type={wanted}")).unwrap_or_default();
        format!("/v1/events?from={next}{subject}{of_type}")
    }))
}

/// The one subject of the query, its parameter's name and its id; and a type that is no more than a word.
fn subject(query: &EventsQuery) -> Result<Option<(&'static str, RecordId)>, Problem> {
    let invalid = |pointer: &str, detail: &str| Problem::bad_request("query_invalid", pointer, detail);
    if query.r#type.as_ref().is_some_and(|word| !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')) {
        return Err(invalid("/type", "expected a type such as registered"));
    }
    let given = [
        ("item", RecordKind::Item, &query.item),
        ("batch", RecordKind::Batch, &query.batch),
        ("site", RecordKind::Site, &query.site),
        ("org", RecordKind::Organisation, &query.org),
    ];
    let mut named = given.into_iter().filter_map(|(name, kind, id)| id.as_ref().map(|id| (name, kind, id)));
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        // Every id is a UUID; which newtype reads it makes no difference.
        (Some((name, kind, id)), None) if ItemId::parse(id).is_some() => Ok(Some((name, RecordId::new(kind, id)))),
        (Some((name, _, _)), None) => Err(invalid(&format!("/{name}"), "expected a UUID in lower case")),
        (Some(_), Some(_)) => Err(invalid("", "name one of item, batch, site and org, not several")),
    }
}
