//! `POST /v1/orders`: order certificates.

use crate::domain::codes::{Country, Month};
use crate::domain::event::{Period, PurposeKind};
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::{Devices, Preferences};
use crate::domain::time::Date;
use crate::http::auth::Authenticated;
use crate::http::blocking;
use crate::http::body::read_json;
use crate::http::get_order::shown;
use crate::http::order_body::{OrderBody, PeriodBody, PreferencesBody};
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::orders::{Amount, NewOrder, OrderReader, RetirementWish};
use crate::ledger::tokens::Scope;
use crate::limits::ORDER_DEVICES_MAX;
use crate::proof::commitment::problem_of_value;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

/// An order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrderBody {
    /// A UUID that the buyer makes: the same order again under it is safe.
    id: String,
    /// So many kilograms; or devices and a factor.
    kg: Option<i64>,
    /// So many devices of some classes.
    devices: Option<Vec<DevicesBody>>,
    /// The factor that makes kilograms of devices; `/v1/reference/factors` lists them.
    factor: Option<FactorBody>,
    /// From where and when units shall be.
    #[serde(default)]
    prefer: PreferencesBody,
    /// How they are delivered.
    deliver: DeliverBody,
    /// Whether the order may wait for treatment and issue, where there is not enough in stock.
    #[serde(default)]
    advance: bool,
}

/// So many devices of a class.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DevicesBody {
    /// The UNU-KEY.
    #[schema(example = "0303")]
    class: String,
    /// How many.
    count: u32,
}

/// A factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorBody {
    /// Its name.
    #[schema(example = "close-the-gap-computer")]
    name: String,
    /// Its version.
    #[schema(example = "1")]
    version: String,
}

/// How units are delivered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "how", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum DeliverBody {
    /// To the buyer's account.
    Transfer {},
    /// The centre retires them at once in the name of a legal entity, which is public from then on. Until then what is
    /// said here is for the seller alone; it is deleted with the delivery, or when the order lapses, is cancelled or refunded.
    Retire {
        /// The time that it is for, within 12 months of the vintage.
        period: PeriodBody,
        /// `product_sold`, `device_fleet`, `it_donation`, `annual_footprint` or `other`.
        purpose_kind: String,
        /// The legal entity.
        beneficiary: String,
        /// Its number in a public register.
        beneficiary_number: String,
        /// The wording of the purpose.
        purpose: String,
        /// Whether the buyer's organisation is named too: everybody then knows its id and what it holds, and the retirement
        /// stands in its year's statement, not in the centre's. From rule set 4 on.
        #[serde(default)]
        name_buyer: bool,
    },
}

/// Order certificates.
///
/// Units of one centre are reserved, oldest vintage first, for 72 hours of ledger time; once the payment is recorded nothing
/// lapses. Where there is not enough, an order with `advance` may wait, up to what the centres have yet to treat; `never_met` says
/// that what it wants can never come, and why. On a ledger of more than 1,000 sites such an order names its centre, since no more
/// are looked at. `too_much_unpaid`: so much of one centre is held for this buyer already and not paid. For organisations with
/// the role buyer.
#[utoipa::path(
    tag = "orders",
    request_body = NewOrderBody,
    responses(
        (status = 201, description = "Taken.", body = OrderBody),
        (status = 200, description = "It was placed before; as it stands now.", body = OrderBody),
        (status = "4XX", description = "Refused; `not_in_stock` says how much there is.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now; send it again.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = ["post"])),
)]
#[post("/v1/orders")]
pub(super) async fn create_order(
    caller: Authenticated,
    body: web::Payload,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::Post)?;
    let buyer = caller.0.organisation;
    let new = read(read_json(body).await?, buyer)?;
    let turn = ledger.turn().await?;
    let of_worker = ledger.clone();
    let placed = blocking(move || of_worker.place(&turn, &new)).await???;
    let order = shown(&ledger, OrderReader::Party(buyer), placed.order).await?;
    let mut response = if placed.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((LOCATION, format!("/v1/orders/{}", placed.order))).json(order))
}

fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::bad_request("field_invalid", pointer, detail)
}

fn read(body: NewOrderBody, buyer: OrganisationId) -> Result<NewOrder, Problem> {
    Ok(NewOrder {
        id: OrderId::parse(&body.id).ok_or_else(|| invalid("/id", "expected a UUID in lower case with hyphens"))?,
        buyer,
        amount: read_amount(body.kg, body.devices, body.factor)?,
        preferences: read_preferences(&body.prefer)?,
        retirement: read_delivery(body.deliver)?,
        advance: body.advance,
    })
}

fn read_amount(
    kg: Option<i64>,
    devices: Option<Vec<DevicesBody>>,
    factor: Option<FactorBody>,
) -> Result<Amount, Problem> {
    match (kg, devices, factor) {
        (Some(kg), None, None) => Ok(Amount::Kg(kg)),
        (None, Some(devices), Some(factor)) if (1..=ORDER_DEVICES_MAX).contains(&devices.len()) => {
            let line = |line: DevicesBody| Devices { class: line.class, count: i64::from(line.count) };
            let devices = devices.into_iter().map(line).collect();
            Ok(Amount::Devices { devices, factor: factor.name, version: factor.version })
        }
        (None, Some(_), Some(_)) => Err(invalid("/devices", format!("expected 1 to {ORDER_DEVICES_MAX} lines"))),
        (None, Some(_), None) => Err(invalid("/factor", "devices need a factor; /v1/reference/factors lists them")),
        _ => Err(invalid("/kg", "expected either kg, or devices and a factor")),
    }
}

fn read_preferences(body: &PreferencesBody) -> Result<Preferences, Problem> {
    let country = body.country.as_deref().map(|text| {
        Country::parse(text).ok_or_else(|| invalid("/prefer/country", "expected two capital letters (ISO 3166-1)"))
    });
    let centre = body.centre.as_deref().map(|text| {
        OrganisationId::parse(text).ok_or_else(|| invalid("/prefer/centre", "expected a UUID in lower case"))
    });
    let month = |text: Option<&String>, pointer| {
        let read =
            |text: &String| Month::parse(text).ok_or_else(|| invalid(pointer, "expected a month such as 2026-11"));
        text.map(read).transpose()
    };
    let vintage = body.vintage.as_ref();
    Ok(Preferences {
        country: country.transpose()?,
        centre: centre.transpose()?,
        from: month(vintage.and_then(|vintage| vintage.from.as_ref()), "/prefer/vintage/from")?,
        until: month(vintage.and_then(|vintage| vintage.until.as_ref()), "/prefer/vintage/until")?,
    })
}

fn read_delivery(body: DeliverBody) -> Result<Option<RetirementWish>, Problem> {
    let DeliverBody::Retire { period, purpose_kind, beneficiary, beneficiary_number, purpose, name_buyer } = body
    else {
        return Ok(None);
    };
    let day = |text: &str, pointer: &str| {
        Date::parse(text).ok_or_else(|| invalid(pointer, "expected a day such as 2026-12-31"))
    };
    let period = Period {
        from: day(&period.from, "/deliver/period/from")?,
        until: day(&period.until, "/deliver/period/until")?,
    };
    if period.from > period.until {
        return Err(invalid("/deliver/period/until", "the period ends before it begins"));
    }
    let kind = PurposeKind::parse(&purpose_kind).ok_or_else(|| {
        let kinds: Vec<&str> = PurposeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        invalid("/deliver/purpose_kind", format!("expected one of: {}", kinds.join(", ")))
    })?;
    let mut values = Vec::new();
    let said = [("/beneficiary", beneficiary), ("/beneficiary_number", beneficiary_number), ("/purpose", purpose)];
    for (pointer, value) in said {
        let problem = if value.trim().is_empty() {
            Some("expected a value; the register shows it")
        } else {
            problem_of_value(&value)
        };
        if let Some(problem) = problem {
            return Err(invalid(&format!("/deliver{pointer}"), problem));
        }
        values.push((pointer.to_owned(), value));
    }
    Ok(Some(RetirementWish { period, purpose_kind: kind, values, names_buyer: name_buyer }))
}
