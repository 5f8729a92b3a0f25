//! Where every unit is that was ever issued of the centre, and who stands in for what fails.

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::table::{Cell, Table, listed};
use crate::forty_computers::telling::{finished, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// The blocks that exist by now of what was issued, and their sums by status.
pub fn what_the_register_says(tale: &Tale, roots: &[String]) -> String {
    let mut rows = Table::new(&["block", "units", "status", "in whose name", "units that fail", "backed by others"]);
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let mut left: Vec<String> = roots.iter().rev().cloned().collect();
    while let Some(serial) = left.pop() {
        let page = tale.app.get(&format!("/v1/certificates/{serial}"), "").json();
        let parts = page["into"].as_array().into_iter().flatten().map(|part| text(part).to_owned());
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            *sums.entry(text(&page["status"]).to_owned()).or_default() += page["net_kg"].as_i64().expect("units");
            add(&mut rows, &serial, &page);
        }
        left.extend(parts.into_iter().rev());
    }
    let all: i64 = sums.values().sum();
    let sums: Vec<String> = sums.into_iter().map(|(status, units)| format!("{units} {status}")).collect();
    let head = format!("What the register says of the Nairobi centre on {}\n\n", tale.today());
    finished(head + &rows.written() + &format!("\n{all} units were issued: {}\n", listed(sums)) + &cover(tale))
}

/// What covers an error of the centre, and what it must cover.
fn cover(tale: &Tale) -> String {
    let pools = tale.app.get("/v1/register/pools", "").json();
    let site = tale.id("site of Nairobi centre");
    let is_its_own = |cover: &&Value| cover["site"] == site.as_str();
    let sites = pools["sites"].as_array().expect("sites");
    let [stock, buffer, failing, deficit] = match sites.iter().find(is_its_own) {
        Some(cover) => ["stock", "buffer", "failing", "deficit"].map(|name| cover[name].clone()),
        None => panic!("the centre stands in no register: {pools}"),
    };
    format!("sound and unsold: {stock}; sound in the buffer: {buffer}; failing: {failing}; deficit: {deficit}\n")
}

fn add(rows: &mut Table, serial: &str, page: &Value) {
    let stretches = page["failing"].as_array().into_iter().flatten();
    let failing: Vec<String> = stretches
        .map(|failing| match (failing["units"][0].as_i64(), failing["units"][1].as_i64()) {
            (first, last) if first == last => first.unwrap_or_default().to_string(),
            (first, last) => format!("{}-{}", first.unwrap_or_default(), last.unwrap_or_default()),
        })
        .collect();
    let backed = page["backed"].as_array().into_iter().flatten();
    let backed: Vec<String> =
        backed.map(|backed| format!("{} by {}", number(&backed["units"]), text(&backed["by"]))).collect();
    rows.row(vec![
        Cell::left(serial),
        Cell::right(&page["net_kg"].to_string()),
        Cell::left(text(&page["status"])),
        Cell::left(page["retired"].get("beneficiary").map_or("-", text)),
        Cell::left(if failing.is_empty() { "-".to_owned() } else { failing.join(", ") }.as_str()),
        Cell::left(if backed.is_empty() { "-".to_owned() } else { backed.join("; ") }.as_str()),
    ]);
}

/// The number of a block of one unit.
fn number(serial: &Value) -> i64 {
    text(serial).rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
