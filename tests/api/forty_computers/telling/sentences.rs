//! A statement as a sentence: its author is the subject, its type the verb.

use crate::forty_computers::cast::Tale;
use crate::forty_computers::telling::table::{kilograms, listed};
use crate::forty_computers::telling::text;
use data_encoding::BASE64URL_NOPAD;
use loopledger::domain::rule_set::{self, RuleSet};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in a sentence for the things that it is about.
pub(super) const THINGS: &str = "{}";

/// Who said what, when, and under which key.
pub(super) struct Sentence {
    pub(super) day: String,
    pub(super) who: String,
    pub(super) key: String,
    predicate: String,
    about: Vec<String>,
}

impl Sentence {
    /// Whether another differs in what it is about alone.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let known = |said: &Self| (said.day.clone(), said.who.clone(), said.key.clone(), said.predicate.clone());
        !self.about.is_empty() && known(self) == known(other)
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.about.extend(other.about);
        self
    }

    pub(super) fn words(&self) -> String {
        self.predicate.replace(THINGS, &listed(self.about.clone()))
    }
}

/// Hears one statement after the other: an answer is understood by the offer before it.
pub(super) struct Listener<'a> {
    pub(super) tale: &'a Tale,
    pub(super) rules: &'static RuleSet,
    /// By handover.
    pub(super) offers: BTreeMap<String, Offer>,
}

/// What was offered, by name.
pub(super) struct Offer {
    pub(super) from: String,
    /// Devices and containers.
    pub(super) items: Vec<String>,
    /// Lots with what was sent.
    pub(super) lots: Vec<(String, i64)>,
}

impl<'a> Listener<'a> {
    pub(super) fn new(tale: &'a Tale) -> Self {
        let rules = rule_set::all().last().expect("a rule set");
        Self { tale, rules, offers: BTreeMap::new() }
    }

    /// The sentence of an entry.
    pub(super) fn hear(&mut self, entry: &Value) -> Sentence {
        let said = &entry["payload"];
        let warnings = entry["warnings"].as_array().expect("warnings");
        let warned: String = warnings.iter().map(|warning| format!(" [warning: {}]", text(&warning["code"]))).collect();
        let corrections = entry["corrections"].as_array().into_iter().flatten();
        let in_effect = corrections.filter(|correction| correction["status"] == "in_effect");
        let corrected: String =
            in_effect.map(|correction| format!(" [corrected by entry {}]", correction["entry"])).collect();
        let predicate = self.predicate(text(&entry["type"]), said) + &warned + &corrected + &self.by_now(entry);
        let about = if predicate.contains(THINGS) { self.about(said) } else { Vec::new() };
        let who = self.tale.name(text(&entry["org"])).to_owned();
        let (day, key) = (text(&said["occurred_at"])[..10].to_owned(), self.key(&entry["index"]));
        Sentence { day, who, key, predicate, about }
    }

    /// What a treatment counts, where that is no longer what its author said: a correction reached it.
    fn by_now(&self, entry: &Value) -> String {
        if entry["type"] != "treated_final" {
            return String::new();
        }
        let answer = self.tale.read(&format!("/v1/eligibility?treatment={}", entry["index"]));
        let grams = &answer["treatments"][0]["grams_g"];
        assert!(grams.is_i64(), "{answer}");
        if *grams == entry["payload"]["net_g"] { String::new() } else { format!(" [counts {} by now]", mass(grams)) }
    }

    /// The key of an entry, from the header of its signature.
    fn key(&self, index: &Value) -> String {
        let entry = self.tale.read(&format!("/v1/entries/{index}"));
        let header = text(&entry["statement"]).split('.').next().unwrap_or_default().as_bytes();
        let header = BASE64URL_NOPAD.decode(header).expect("a header");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        self.tale.name(text(&header["kid"])).to_owned()
    }

    pub(super) fn name(&self, id: &Value) -> &str {
        self.tale.name(text(id))
    }

    pub(super) fn names(&self, ids: &Value) -> Vec<String> {
        ids.as_array().into_iter().flatten().map(|id| self.name(id).to_owned()).collect()
    }

    /// What a statement is about.
    fn about(&self, said: &Value) -> Vec<String> {
        if said["handover"].is_string() {
            let offer = self.offers.get(text(&said["handover"]));
            return offer.map(|offer| offer.items.clone()).unwrap_or_default();
        }
        let one = said["item"].as_str().map(|id| self.tale.name(id).to_owned());
        let several = ["items", "inputs"].into_iter().flat_map(|field| self.names(&said[field]));
        one.into_iter().chain(several).collect()
    }

    fn predicate(&mut self, kind: &str, said: &Value) -> String {
        let about_handovers = ["handover_offered", "handover_accepted", "export_shipped", "import_received", "carried"];
        if about_handovers.contains(&kind) {
            return self.of_handover(kind, said);
        }
        self.of_registry(kind, said)
            .or_else(|| self.of_device(kind, said))
            .or_else(|| self.of_waste(kind, said))
            .or_else(|| self.of_certificate(kind, said))
            .unwrap_or_else(|| panic!("no words for {kind}"))
    }

    pub(super) fn class(&self, code: &Value) -> String {
        class_in_words(self.rules, text(code))
    }

    pub(super) fn weight(&self, said: &Value) -> String {
        let weight = &said["weight"];
        let grams = |field: &str| weight[field].as_i64().unwrap_or(0);
        match text(&weight["basis"]) {
            "class" => {
                let mean = self.rules.class(text(&said["class"])).and_then(|class| class.mean_g).unwrap_or(0);
                format!("{} each, the mean of their class", kilograms(mean))
            }
            "weighed" => format!(
                "{} on the scale ({} less {} of cage)",
                kilograms(grams("gross_g") - grams("tare_g")),
                kilograms(grams("gross_g")),
                kilograms(grams("tare_g"))
            ),
            _ => format!("{}, estimated", kilograms(grams("net_g"))),
        }
    }
}

/// A class or fraction by its name and its code.
pub(super) fn class_in_words(rules: &RuleSet, code: &str) -> String {
    let name = rules.class(code).map(|class| &class.name);
    let name = name.or_else(|| rules.fraction(code).map(|fraction| &fraction.name)).expect("a class");
    format!("{name} ({code})")
}

pub(super) fn mass(grams: &Value) -> String {
    kilograms(grams.as_i64().unwrap_or(0))
}

pub(super) fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}
