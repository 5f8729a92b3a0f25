//! Which grams may back a certificate today, and why the others may not.

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::table::{Cell, Table, kilograms};
use crate::forty_computers::telling::{finished, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is asked about: two lots that were never dismantled, and two batches.
const ASKED: [(&str, &str); 4] =
    [("item", "failed laptops"), ("item", "failed desktops"), ("batch", "batch 1"), ("batch", "batch 2")];

/// Every treatment with its grams, eligible or not, and what could be issued.
pub fn what_is_eligible(tale: &Tale) -> String {
    let mut reasons = BTreeMap::new();
    let mut rows = Table::new(&[
        "entry",
        "what ended",
        "out of",
        "by",
        "ended",
        "",
        "eligible",
        "",
        "vintage",
        "what the others lack",
    ]);
    let mut scheme = String::new();
    for (field, name) in ASKED {
        // A batch that is not opened yet is not asked about.
        let Some(id) = tale.known(name) else { continue };
        let body = tale.read(&format!("/v1/eligibility?{field}={id}"));
        text(&body["scheme"]).clone_into(&mut scheme);
        for treatment in body["treatments"].as_array().expect("treatments") {
            add(tale, &mut rows, treatment, &mut reasons);
        }
    }
    let reasons: String = reasons.iter().map(|(code, reason)| format!("{code}: {reason}\n")).collect();
    let head = format!("What may back a certificate on {}, by the scheme {scheme}\n\n", tale.today());
    finished(head + &rows.written() + "\n" + &reasons + "\n" + &pools(tale))
}

fn add(tale: &Tale, rows: &mut Table, treatment: &Value, reasons: &mut BTreeMap<String, String>) {
    let gaps = treatment["gaps"].as_array().expect("gaps");
    for gap in gaps {
        reasons.insert(text(&gap["code"]).to_owned(), text(&gap["reason"]).to_owned());
    }
    let gaps: Vec<&str> = gaps.iter().map(|gap| text(&gap["code"])).collect();
    let grams = |field: &str| treatment[field].as_i64().expect("grams");
    let source = treatment.get("batch").map_or("no batch", |batch| tale.name(text(batch)));
    let in_both = |field: &str| [kilograms(grams(field)), format!("{} g", grams(field))].map(|text| Cell::right(&text));
    let ([ended, ended_g], [eligible, eligible_g]) = (in_both("grams_g"), in_both("eligible_g"));
    rows.row(vec![
        Cell::right(&treatment["treatment"].to_string()),
        Cell::left(tale.name(text(&treatment["item"]))),
        Cell::left(source),
        Cell::left(text(&treatment["operation"])),
        ended,
        ended_g,
        eligible,
        eligible_g,
        Cell::left(treatment.get("vintage").map_or("-", text)),
        Cell::left(&gaps.join(", ")),
    ]);
}

/// The pools of the centre, and what the issuer would be offered to sign for each.
fn pools(tale: &Tale) -> String {
    let site = tale.id("site of Nairobi centre");
    let body = tale.read(&format!("/v1/eligibility?site={site}"));
    let pools = body["pools"].as_array().expect("pools");
    if pools.is_empty() {
        return "Nothing of the Nairobi centre could be issued.\n".to_owned();
    }
    let mut rows = Table::new(&["pool of the Nairobi centre", "eligible", "", "could be issued", "and for the buffer"]);
    for pool in pools {
        let (vintage, grams) = (text(&pool["vintage"]), pool["entered_g"].as_i64().expect("grams"));
        let path = format!("/v1/certificates/draft?site={site}&vintage={vintage}");
        let draft = tale.app.get(&path, &tale.party("Certificate office").token).json();
        rows.row(vec![
            Cell::left(vintage),
            Cell::right(&kilograms(grams)),
            Cell::right(&format!("{grams} g")),
            Cell::left(text(&draft["certificate"])),
            Cell::left(text(&draft["buffer"])),
        ]);
    }
    rows.written()
}
