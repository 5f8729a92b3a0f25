//! The balance: where every gram is, in the whole ledger and at each place.

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::table::{Cell, Table, kilograms};
use crate::forty_computers::telling::{finished, text};
use loopledger::domain::rule_set;
use serde_json::Value;

/// Places in the order in which the computers came to them.
const PLACES: [&str; 9] = [
    "site of Zenne Insurance",
    "site of Mechelen workshop",
    "site of Nairobi school hub",
    "site of Kibera school",
    "site of Kisumu school",
    "site of Machakos school",
    "site of Nairobi centre",
    "Athi furnace",
    "site of Hoboken refinery",
];

/// Accounts on the left side of the balance.
const SOURCES: [&str; 4] = ["inflow", "reweighed", "difference", "arrived"];

/// The whole ledger, then each place, then what is still there.
pub fn where_every_gram_is(tale: &Tale) -> String {
    let mut whole = tale.read("/v1/balance");
    let accounts = whole["accounts_g"].as_object_mut().expect("accounts");
    // What came to a place left another one: in the whole both say nothing.
    assert_eq!(accounts.remove("arrived"), accounts.remove("departed"));
    let mut told = format!("Where every gram is on {}\n\nThe whole ledger\n\n{}", tale.today(), table(&whole));
    for place in PLACES {
        let body = tale.read(&format!("/v1/balance?site={}", tale.id(place)));
        told = told + "\n\nThe " + place + "\n\n" + &table(&body);
    }
    finished(format!("{told}\n\nWhat is still there\n\n{}", still_there(tale, &whole["accounts_g"]["live"])))
}

fn table(body: &Value) -> String {
    let mut table = Table::new(&["", "account", "kilograms", "grams", "what that is"]);
    let accounts = body["accounts_g"].as_object().expect("accounts");
    let mut sums = [0, 0];
    for (side, word) in ["in", "now"].into_iter().enumerate() {
        for (account, grams) in accounts {
            let grams = grams.as_i64().expect("grams");
            if grams == 0 || SOURCES.contains(&account.as_str()) != (side == 0) {
                continue;
            }
            sums[side] += grams;
            row(&mut table, [word, account], grams, &meaning(account));
        }
        row(&mut table, [word, "together"], sums[side], "");
    }
    assert_eq!((&body["closes"], sums[0]), (&Value::Bool(true), sums[1]));
    table.written() + "It closes to the gram.\n"
}

/// Everything that has grams, item by item; together they are what is live.
fn still_there(tale: &Tale, live: &Value) -> String {
    let mut rows = Table::new(&["what", "with", "status", "kilograms", "grams"]);
    let mut sum = 0;
    for (name, id) in tale.things() {
        let answer = tale.app.get(&format!("/v1/items/{id}"), &tale.party("Savanna Audit").token);
        let item = answer.json();
        let Some(grams) = item["grams"].as_i64().filter(|grams| *grams > 0) else { continue };
        sum += grams;
        let numbers = [kilograms(grams), grams.to_string()].map(|number| Cell::right(&number));
        let [kilograms, grams] = numbers;
        let (holder, status) = (tale.name(text(&item["holder"])), text(&item["status"]).replace('_', " "));
        rows.row(vec![Cell::left(name), Cell::left(holder), Cell::left(&status), kilograms, grams]);
    }
    assert_eq!(live, sum);
    rows.written()
}

fn row(rows: &mut Table, [word, account]: [&str; 2], grams: i64, meaning: &str) {
    let numbers = [kilograms(grams), grams.to_string()].map(|number| Cell::right(&number));
    let [kilograms, grams] = numbers;
    rows.row(vec![Cell::left(word), Cell::left(account), kilograms, grams, Cell::left(meaning)]);
}

fn meaning(account: &str) -> String {
    let words = match account {
        "inflow" => "came under the ledger for the first time",
        "reweighed" => "more or less, when its holder weighed it: until then it was a mean",
        "difference" => "more or less, when a receiver weighed it or a batch was closed",
        "arrived" => "came from another place",
        "departed" => "left for another place",
        "live" => "still there",
        "loss" => "dust and spills",
        "lost" => "stolen or missing",
        operation => {
            let code = operation.split(':').nth(1).unwrap_or_default();
            let rules = rule_set::all().last().expect("a rule set");
            return rules.operation(code).map(|known| known.name.to_lowercase()).unwrap_or_default();
        }
    };
    words.to_owned()
}
