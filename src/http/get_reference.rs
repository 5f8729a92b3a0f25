//! `GET /v1/reference/{table}`: the code tables of the rule set in force.

use crate::domain::eligibility::Gap;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Date;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// The query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceQuery {
    /// Only what is valid on this day, such as 2026-12-09.
    #[param(value_type = Option<String>)]
    on: Option<String>,
}

/// Read a code table.
///
/// `classes`, `factors`, `fractions`, `operations`, `scheme`, `waste_lists`, `jurisdictions`, `basel_entries`, `hs_headings`,
/// `hazard_properties`, `un_numbers`, `packaging`, `transport`, `physical`, `weee_categories`, `borders` and `signals` of the rule
/// set that the ledger has adopted, with its version and hash; `events` lists every type with its fields. Public.
#[utoipa::path(
    tag = "reference",
    params(("table" = String, Path, description = "The table's name."), ReferenceQuery),
    responses(
        (status = 200, description = "The table.", body = Object),
        (status = 400, description = "The day is none.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such table.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/reference/{table}")]
pub(super) async fn get_reference(
    table: web::Path<String>,
    query: web::Query<ReferenceQuery>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let rules = blocking(move || ledger.rules_in_force()).await??;
    let day = query.on.as_deref().map(|on| {
        Date::parse(on).ok_or_else(|| Problem::bad_request("query_invalid", "/on", "expected a day such as 2026-12-09"))
    });
    let day = day.transpose()?;
    let mut rows = rows(rules, &table).ok_or_else(|| {
        let tables = TABLES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Problem::not_found(format!("there is no such table; there are scheme, events, {tables}"))
    })?;
    if let Some(day) = &day {
        keep_valid(&mut rows, day.as_str());
    }
    let body = json!({"rule_set": {"version": rules.version, "sha256": rules.sha256}, table.as_str(): rows});
    Ok(HttpResponse::Ok().json(body))
}

type Table = fn(&RuleSet) -> serde_json::Result<Value>;

/// The tables of a rule set.
const TABLES: &[(&str, Table)] = &[
    ("classes", |rules| serde_json::to_value(&rules.classes)),
    ("factors", |rules| serde_json::to_value(&rules.factors)),
    ("fractions", |rules| serde_json::to_value(&rules.fractions)),
    ("operations", |rules| serde_json::to_value(&rules.operations)),
    ("waste_lists", |rules| serde_json::to_value(&rules.waste_lists)),
    ("jurisdictions", |rules| serde_json::to_value(&rules.jurisdictions)),
    ("basel_entries", |rules| serde_json::to_value(&rules.basel_entries)),
    ("hs_headings", |rules| serde_json::to_value(&rules.hs_headings)),
    ("hazard_properties", |rules| serde_json::to_value(&rules.hazard_properties)),
    ("un_numbers", |rules| serde_json::to_value(&rules.un_numbers)),
    ("packaging", |rules| serde_json::to_value(&rules.packaging)),
    ("transport", |rules| serde_json::to_value(&rules.transport)),
    ("physical", |rules| serde_json::to_value(&rules.physical)),
    ("weee_categories", |rules| serde_json::to_value(&rules.weee_categories)),
    ("borders", |rules| serde_json::to_value(&rules.borders)),
    ("signals", |rules| serde_json::to_value(&rules.signals)),
];

fn rows(rules: &RuleSet, table: &str) -> Option<Value> {
    match table {
        "scheme" => Some(scheme(rules)),
        "events" => Some(events()),
        name => TABLES.iter().find(|(known, _)| *known == name).and_then(|(_, table)| table(rules).ok()),
    }
}

/// Leaves out every row, at whatever depth, that is not valid on a day. Days of one form compare as their text does.
fn keep_valid(value: &mut Value, day: &str) {
    match value {
        Value::Array(rows) => {
            let bound = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
            rows.retain(|row| {
                let begun = bound(row, "from").is_none_or(|from| from.as_str() <= day);
                begun && bound(row, "until").is_none_or(|until| day <= until.as_str())
            });
            for row in rows {
                keep_valid(row, day);
            }
        }
        Value::Object(members) => members.values_mut().for_each(|member| keep_valid(member, day)),
        _ => {}
    }
}

/// The scheme's numbers and each of its rules with its reason.
fn scheme(rules: &RuleSet) -> Value {
    let is_in_force = |gap: &&Gap| rules.scheme.conditions.is_some() || !gap.is_new_with_1();
    let rule =
        |gap: &Gap| json!({"code": gap.as_str(), "reason": gap.reason(), "todo": gap.todo(), "source": gap.source()});
    json!({"numbers": rules.scheme, "rules": Gap::ALL.iter().filter(is_in_force).map(rule).collect::<Vec<_>>()})
}

fn events() -> Value {
    use crate::domain::event::{Common, Event};
    use crate::domain::fields::{FieldInfo, Record};
    let field = |field: &FieldInfo| json!({"name": field.name, "required": field.required});
    let fields = |fields: &[FieldInfo]| fields.iter().map(field).collect::<Vec<_>>();
    let of_type = |(name, own): &(&str, &[FieldInfo])| json!({"type": name, "fields": fields(own)});
    let types: Vec<_> = Event::TYPES.iter().map(of_type).collect();
    json!({"common": fields(Common::FIELDS), "types": types})
}
