//! The donor's report: what its forty computers came to, by count and by kilograms, and then one by one.

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::sentences::class_in_words;
use crate::forty_computers::telling::table::{Cell, Table, kilograms, listed};
use crate::forty_computers::telling::{finished, text};
use loopledger::domain::rule_set;
use serde_json::Value;

/// The report as the donor reads it with its own token.
pub fn the_donors_report(tale: &Tale) -> String {
    let path = format!("/v1/donations/{}/report", tale.id("the donation of Zenne Insurance"));
    let answer = tale.app.get(&path, &tale.party("Zenne Insurance").token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let report = answer.json();
    assert!(report["next"].is_null(), "forty computers fit on one page");
    let head = format!(
        "What {} gave for {}, as it stands on {}\n\n",
        tale.name(text(&report["donor"])),
        tale.name(text(&report["project"])),
        tale.today()
    );
    let totals = &report["totals"];
    let told = head
        + &where_it_is(totals)
        + "\n\nTreated where, how and as what\n\n"
        + &treated(totals)
        + "\n\nWho was trained with it\n\n"
        + &trained(tale, totals)
        + "\n\nEach device\n\n"
        + &one_by_one(tale, &report);
    finished(told)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn class(of: &Value) -> String {
    class_in_words(rule_set::all().last().expect("a rule set"), text(&of["class"]))
}

fn in_both(grams: &Value) -> [Cell; 2] {
    let grams = grams.as_i64().expect("grams");
    [Cell::right(&kilograms(grams)), Cell::right(&grams.to_string())]
}

fn where_it_is(totals: &Value) -> String {
    let mut rows = Table::new(&["where", "country", "devices", "kilograms", "grams"]);
    let mut sum = 0;
    for place in list(&totals["whereabouts"]) {
        let [kilograms, grams] = in_both(&place["grams_g"]);
        sum += place["grams_g"].as_i64().expect("grams");
        let whereabouts = text(&place["whereabouts"]).replace('_', " ");
        let devices = Cell::right(&place["devices"].to_string());
        rows.row(vec![Cell::left(&whereabouts), Cell::left(text(&place["country"])), devices, kilograms, grams]);
    }
    let (brought, changed) =
        (totals["brought_g"].as_i64().expect("grams"), totals["changed_g"].as_i64().expect("grams"));
    assert_eq!((brought + changed, &totals["complete"]), (sum, &Value::Bool(true)));
    let (now, first, since) = (kilograms(sum), kilograms(brought), kilograms(changed));
    rows.written() + &format!("Together {now}: {first} when it was given, {since} by later scales, and dust.\n")
}

fn treated(totals: &Value) -> String {
    let mut rows = Table::new(&["country", "by", "as", "treatments", "kilograms", "grams"]);
    for treated in list(&totals["treated"]) {
        let [kilograms, grams] = in_both(&treated["grams_g"]);
        let [country, operation] = ["country", "operation"].map(|field| Cell::left(text(&treated[field])));
        let class = Cell::left(&class(treated));
        rows.row(vec![country, operation, class, Cell::right(&treated["treatments"].to_string()), kilograms, grams]);
    }
    rows.written()
}

fn trained(tale: &Tale, totals: &Value) -> String {
    let mut rows = Table::new(&["by whom", "in what", "from", "until", "people"]);
    for training in list(&totals["trainings"]) {
        let words = ["topic", "from", "until"].map(|field| Cell::left(text(&training[field])));
        let [topic, from, until] = words;
        let who = Cell::left(tale.name(text(&training["organisation"])));
        rows.row(vec![who, topic, from, until, Cell::right(&training["people"].to_string())]);
    }
    rows.written()
}

/// A line a device, or a line for several that differ in nothing but their number.
fn one_by_one(tale: &Tale, report: &Value) -> String {
    let mut lives: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for device in list(&report["devices"]) {
        let life = life_of(tale, report, device);
        let name = tale.name(text(&device["item"])).to_owned();
        match lives.iter_mut().find(|(known, _)| *known == life) {
            Some((_, names)) => names.push(name),
            None => lives.push((life, vec![name])),
        }
    }
    let mut rows = Table::new(&["devices", "class", "wiped", "tested", "used", "ended", "what became of it"]);
    for (life, names) in lives {
        let devices = Cell::left(listed(names).trim_start_matches("devices ").trim_start_matches("device "));
        rows.row([devices].into_iter().chain(life.iter().map(|word| Cell::left(word))).collect());
    }
    rows.written()
}

fn life_of(tale: &Tale, report: &Value, device: &Value) -> Vec<String> {
    let used: Vec<String> = list(&device["uses"])
        .map(|used| format!("{} {} days", tale.name(text(&used["holder"])).replace(" school", ""), used["days"]))
        .collect();
    let retired = &device["retired"];
    let ended = if retired.is_null() {
        String::new()
    } else {
        format!("{} {}", text(&retired["country"]), text(&retired["month"]))
    };
    vec![
        class(device),
        text(&device["wiped"]["method"]).to_owned(),
        found_to_be(device),
        used.join(", "),
        ended,
        became(tale, report, device),
    ]
}

/// What the test that stands found, and that it was repaired.
fn found_to_be(device: &Value) -> String {
    let result = text(&device["tested"]["result"]);
    if device["repaired"].is_null() { result.to_owned() } else { format!("{result}, repaired") }
}

/// Where it is, or into which batch it went and by which entries that was treated.
fn became(tale: &Tale, report: &Value, device: &Value) -> String {
    let whereabouts = text(&device["whereabouts"]).replace('_', " ");
    let country = text(&device["country"]);
    let onward =
        list(&report["onward"]).find(|onward| onward["of"] == device["lot"] || onward["of"] == device["batch"]);
    let Some(onward) = onward else { return format!("{whereabouts} in {country}") };
    let into = list(&onward["batches"]).chain(device.get("lot")).next();
    let entries: Vec<String> = list(&onward["treatments"]).map(ToString::to_string).collect();
    let into = into.map_or("nothing", |id| tale.name(text(id)));
    let by = if entries.len() == 1 { "entry" } else { "entries" };
    format!("{into}; treated by {by} {}; back a certificate: {}", entries.join(", "), text(&device["eligibility"]))
}
