//! `GET /v1/reference/{table}`: the code tables of the rule set in force.

use crate::domain::eligibility::Gap;
use crate::domain::rule_set::RuleSet;
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use actix_web::{HttpResponse, get, web};
use serde_json::{Value, json};

/// Read a code table.
///
/// `classes`, `fractions`, `operations` and `scheme` of the rule set that the ledger has adopted, with its version and
/// hash; `events` lists every type with its fields. Public.
#[utoipa::path(
    tag = "reference",
    params(("table" = String, Path, description = "classes, fractions, operations, scheme or events")),
    responses(
        (status = 200, description = "The table.", body = Object),
        (status = 404, description = "No such table.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/reference/{table}")]
pub(super) async fn get_reference(
    table: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    let rules = blocking(move || ledger.rules_in_force()).await??;
    let rows = rows(rules, &table).ok_or_else(|| {
        Problem::not_found("there is no such table; there are classes, fractions, operations, scheme and events")
    })?;
    let body = json!({"rule_set": {"version": rules.version, "sha256": rules.sha256}, table.as_str(): rows});
    Ok(HttpResponse::Ok().json(body))
}

fn rows(rules: &RuleSet, table: &str) -> Option<Value> {
    match table {
        "classes" => serde_json::to_value(&rules.classes).ok(),
        "fractions" => serde_json::to_value(&rules.fractions).ok(),
        "operations" => serde_json::to_value(&rules.operations).ok(),
        "scheme" => Some(scheme(rules)),
        "events" => Some(events()),
        _ => None,
    }
}

/// The scheme's numbers and each of its rules with its reason.
fn scheme(rules: &RuleSet) -> Value {
    let rule = |gap: &Gap| json!({"code": gap.as_str(), "reason": gap.reason()});
    json!({"numbers": rules.scheme, "rules": Gap::ALL.iter().map(rule).collect::<Vec<_>>()})
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
