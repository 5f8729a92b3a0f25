//! What a reader finds in the ledger, as text: names in place of ids, kilograms beside grams, a line a statement.

mod accounts;
mod certificates;
mod donation;
mod eligibility;
mod of_certificates;
mod of_handovers;
mod of_papers;
mod of_things;
mod sentences;
mod table;

pub use accounts::where_every_gram_is;
pub use certificates::what_the_register_says;
pub use donation::the_donors_report;
pub use eligibility::what_is_eligible;

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::sentences::{Listener, Sentence};
use crate::forty_computers::telling::table::{Cell, Table, listed, ranges};
use serde_json::Value;

/// Everything that was said, from the first entry to the last.
pub(super) fn the_whole_ledger(tale: &Tale) -> String {
    let entries = pages(tale, "/v1/events?");
    let head = format!(
        "Everything that the ledger holds: {} entries, in their order\n\n\
         Statements that follow one another and say the same of several things stand in one line.\n\n",
        entries.len()
    );
    finished(head + &lines(tale, &entries))
}

/// Everything that was said of a lot and of all that it came from.
pub(super) fn path_of(tale: &Tale, lot: &str) -> String {
    let id = tale.id(lot);
    let path = format!("/v1/items/{id}/path?lineage=up");
    let (first, item) = (tale.read(&path), tale.read(&format!("/v1/items/{id}")));
    let up = first["up"].as_array().expect("a list");
    let named = |kind: &str| {
        let found = up.iter().filter(|node| node["kind"] == kind);
        listed(found.map(|node| tale.name(text(&node["id"])).to_owned()).collect())
    };
    let head = format!(
        "The path of the {lot}, from the donor's desk to the end of its mass\n\n\
         It came from {}, out of {}.\n\
         It became waste in {} and lies in {}, where its waste code is {}; its status is {}.\n\n\
         Of its devices everything is here that was ever said of them, also where it was said of others too.\n\
         The consents under which it crossed borders, the audits of its sites and the reviews of its papers name no item:\n\
         they stand in the_whole_ledger.txt.\n\n",
        named("batch"),
        named("item"),
        text(&item["arising"]["country"]),
        text(&item["lies_in"]),
        text(&item["waste_code"]),
        text(&item["status"]),
    );
    finished(head + &lines(tale, &pages(tale, &format!("{path}&"))))
}

/// All pages of a list of entries.
fn pages(tale: &Tale, path: &str) -> Vec<Value> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = tale.read(&format!("{path}from={from}"));
        found.extend(page["events"].as_array().expect("entries").iter().cloned());
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => return found,
        }
    }
}

/// A line a statement, or a line for several that follow one another and differ in what they are about alone.
fn lines(tale: &Tale, entries: &[Value]) -> String {
    let mut rows = Table::new(&["entry", "day", "who", "signed with", "said"]);
    let mut listener = Listener::new(tale);
    let mut told: Option<(Sentence, Vec<u64>)> = None;
    for entry in entries {
        let (index, sentence) = (entry["index"].as_u64().expect("an index"), listener.hear(entry));
        told = match told {
            Some((before, mut indexes)) if before.is_same(&sentence) => {
                indexes.push(index);
                Some((before.and(sentence), indexes))
            }
            before => {
                add(&mut rows, before);
                Some((sentence, vec![index]))
            }
        };
    }
    add(&mut rows, told);
    rows.written()
}

fn add(rows: &mut Table, told: Option<(Sentence, Vec<u64>)>) {
    let Some((sentence, indexes)) = told else { return };
    let (entries, words) = (ranges(&indexes, 1), sentence.words());
    let Sentence { day, who, key, .. } = sentence;
    rows.row(vec![Cell::right(&entries), Cell::left(&day), Cell::left(&who), Cell::left(&key), Cell::left(&words)]);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text that is told to its end: nothing in it is an id or a hash, which nobody can read and no two runs share.
fn finished(told: String) -> String {
    let is_unreadable = |word: &str| {
        let hex = word.bytes().filter(u8::is_ascii_hexdigit).count();
        (word.len() == 36 && word.matches('-').count() == 4) || (word.len() >= 43 && hex > 20)
    };
    let words = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let found: Vec<&str> = told.split(words).filter(|word| is_unreadable(word)).collect();
    assert_eq!(found, Vec::<&str>::new(), "{told}");
    assert!(!told.contains("something without a name"), "{told}");
    told
}
