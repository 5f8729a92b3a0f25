//! `GET /v1/reference/{table}`: the code tables of the rule set in force.

use crate::domain::rule_set::{self, RuleSet};
use crate::http::blocking;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::ledger::opening;
use actix_web::{HttpResponse, get, web};
use serde_json::{Value, json};

/// Read a code table.
///
/// `classes`, `fractions`, `operations` of the rule set that the ledger has adopted, with its version and hash; `events`
/// lists every type with its fields. Public.
#[utoipa::path(
    tag = "reference",
    params(("table" = String, Path, description = "classes, fractions, operations or events")),
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
    let adopted = blocking(move || opening::ledger_in(&ledger.store)).await??.map(|ledger| ledger.rule_set);
    let rules = adopted.as_ref().and_then(rule_set::find);
    let rules = rules.ok_or_else(|| Problem::internal("the rule set in force is not carried"))?;
    let rows = rows(rules, &table).ok_or_else(|| {
        Problem::not_found("there is no such table; there are classes, fractions, operations and events")
    })?;
    let body = json!({"rule_set": {"version": rules.version, "sha256": rules.sha256}, table.as_str(): rows});
    Ok(HttpResponse::Ok().json(body))
}

fn rows(rules: &RuleSet, table: &str) -> Option<Value> {
    match table {
        "classes" => serde_json::to_value(&rules.classes).ok(),
        "fractions" => serde_json::to_value(&rules.fractions).ok(),
        "operations" => serde_json::to_value(&rules.operations).ok(),
        "events" => Some(events()),
        _ => None,
    }
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
