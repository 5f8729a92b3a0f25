//! Who takes part, the days on which they speak, and the names under which a reader meets them again.

use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp, key_fields, kid, signed};
use loopledger::domain::ids::OrganisationId;
use loopledger::domain::time::LedgerTime;
use loopledger::ledger::keyring;
use loopledger::ledger::tokens::{self, Scope};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// Everybody who signs, besides the operator: name, country, roles, and the code of the site where there is one.
const CAST: [(&str, &str, &[&str], Option<&str>); 12] = [
    ("Zenne Insurance", "BE", &["donor"], Some("ZENNE")),
    ("Mechelen workshop", "BE", &["refurbisher"], Some("MECH")),
    ("Scheldt Line", "BE", &["carrier"], None),
    ("Rift Haulage", "KE", &["carrier"], None),
    ("Nairobi school hub", "KE", &["refurbisher"], Some("HUB")),
    ("Kibera school", "KE", &["beneficiary"], Some("KIBERA")),
    ("Kisumu school", "KE", &["beneficiary"], Some("KISUMU")),
    ("Machakos school", "KE", &["beneficiary"], Some("MACHAKOS")),
    ("Nairobi centre", "KE", &["recycler", "exporter"], Some("NBO1")),
    ("Hoboken refinery", "BE", &["treater"], Some("HOBOKEN")),
    ("Savanna Audit", "ZA", &["auditor"], None),
    ("Certificate office", "BE", &["issuer"], None),
];

/// The three schools.
pub(super) const SCHOOLS: [&str; 3] = ["Kibera school", "Kisumu school", "Machakos school"];

/// A tale at work: the service, everybody with key and token, and all names.
pub(super) struct Tale {
    pub(super) app: TestApp,
    today: String,
    parties: BTreeMap<&'static str, Party>,
    /// Ids by name.
    ids: BTreeMap<String, String>,
    /// Names by id; of keys by thumbprint.
    names: BTreeMap<String, String>,
}

impl Tale {
    /// A new ledger on 23 November 2026, with nobody there but the operator.
    pub(super) fn begin(kind: Kind) -> Self {
        let app = TestApp::start(kind);
        let (ids, names) = (BTreeMap::new(), BTreeMap::new());
        let mut tale = Self { app, today: "2026-11-23".to_owned(), parties: BTreeMap::new(), ids, names };
        let (id, key) = (tale.app.operator.id.clone(), kid(&tale.app.operator.key));
        tale.call("operator", id);
        tale.names.insert(key, "key 1".to_owned());
        tale
    }

    /// Everybody joins, each with a key of its own.
    pub(super) fn everybody_joins(&mut self) {
        for (name, country, roles, code) in CAST {
            self.joins(name, country, roles);
            if let Some(code) = code {
                let site = self.new_id(&format!("site of {name}"));
                let fields = json!({"organisation": self.id(name), "new_site": site, "country": country, "code": code});
                self.operator_says("site_registered", fields);
            }
        }
        self.renew_tokens();
    }

    /// Somebody joins, with a key of its own.
    pub(super) fn joins(&mut self, name: &'static str, country: &str, roles: &[&str]) {
        let (id, key) = (crate::harness::new_id(), keyring::generate().expect("randomness"));
        self.call(name, id.clone());
        self.names.insert(kid(&key), "key 1".to_owned());
        let fields = json!({"organisation": id, "roles": roles, "country": country});
        self.operator_says("organisation_registered", fields);
        self.operator_says("key_registered", key_fields(&id, &key));
        let token = self.app.token(&id, &["post", "read"]);
        self.parties.insert(name, Party { id, key, token });
    }

    /// The next day on which something happens; whatever is said happens at noon, and the ledger's clock says so.
    pub(super) fn on(&mut self, day: &str) {
        assert!(*day > *self.today, "{day} comes after {}", self.today);
        day.clone_into(&mut self.today);
        let noon = LedgerTime::parse(&format!("{day}T12:00:00.000Z")).expect("a day");
        self.app.now_ms.store(noon.ms(), Ordering::SeqCst);
    }

    fn call(&mut self, name: &str, id: String) {
        assert!(self.ids.insert(name.to_owned(), id.clone()).is_none(), "{name} is named twice");
        self.names.insert(id, name.to_owned());
    }

    /// A new thing of this name. Ids rise with each, so that whatever sorts by them sorts alike every time.
    pub(super) fn new_id(&mut self, name: &str) -> String {
        let id = Uuid::from_u128(0x0194_0000_0000_7000_8000_0000_0000_0000 + self.ids.len() as u128).to_string();
        self.call(name, id.clone());
        id
    }

    /// The id of a thing of this name.
    #[track_caller]
    pub(super) fn id(&self, name: &str) -> String {
        self.ids.get(name).unwrap_or_else(|| panic!("nothing is called {name}")).clone()
    }

    /// The same of a thing that may not be there yet.
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        self.ids.get(name).map(String::as_str)
    }

    /// Everything that has a name, with its id.
    pub(super) fn things(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ids.iter().map(|(name, id)| (name.as_str(), id.as_str()))
    }

    pub(super) fn today(&self) -> &str {
        &self.today
    }

    /// The ids of several.
    pub(super) fn all<S: AsRef<str>>(&self, names: &[S]) -> Vec<String> {
        names.iter().map(|name| self.id(name.as_ref())).collect()
    }

    /// The name of an id or key.
    pub(super) fn name(&self, id: &str) -> &str {
        self.names.get(id).map_or("something without a name", String::as_str)
    }

    pub(super) fn party(&self, name: &str) -> &Party {
        self.parties.get(name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// Fields with the day, in the author's own time, and the author's site.
    pub(super) fn dated(&self, name: &str, mut fields: Value) -> Value {
        let (hour, offset) = match CAST.iter().find(|(known, ..)| *known == name).map(|(_, country, ..)| *country) {
            Some("BE") => (13, "+01:00"),
            Some("KE") => (15, "+03:00"),
            Some("ZA") => (14, "+02:00"),
            _ => (12, "+00:00"),
        };
        fields["occurred_at"] = json!(format!("{}T{hour}:00:00{offset}", self.today));
        if let Some(site) = self.ids.get(&format!("site of {name}")) {
            fields["site"] = json!(site);
        }
        fields
    }

    /// Somebody says something, and nobody objects.
    #[track_caller]
    pub(super) fn say(&self, name: &str, kind: &str, fields: Value) -> u64 {
        self.say_warned(name, kind, fields, &[])
    }

    /// The same for what is taken with warnings.
    #[track_caller]
    pub(super) fn say_warned(&self, name: &str, kind: &str, fields: Value, warnings: &[&str]) -> u64 {
        settled(&self.app.say(self.party(name), kind, &self.dated(name, fields)), warnings)
    }

    #[track_caller]
    pub(super) fn operator_says(&self, kind: &str, fields: Value) -> u64 {
        settled(&self.app.say(&self.app.operator, kind, &self.dated("operator", fields)), &[])
    }

    /// Somebody says the same about many things, in one request.
    #[track_caller]
    pub(super) fn say_of_each(&self, name: &str, kind: &str, each: impl Iterator<Item = Value>) {
        let party = self.party(name);
        let lines: Vec<String> = each.map(|fields| signed(party, kind, &self.dated(name, fields))).collect();
        let answers = self.app.post_batch(&party.token, "all", &lines).lines();
        assert_eq!(answers.len(), lines.len());
        for answer in answers {
            assert_eq!((&answer["status"], &answer["receipt"]["warnings"]), (&json!(201), &json!([])), "{answer}");
        }
    }

    /// Somebody offers things and another takes them all: devices and containers.
    pub(super) fn hand_over(&mut self, from: &str, to: &str, items: &[String], carrier: Option<&str>) -> String {
        let handover = self.new_id(&format!("handover {}", self.ids.len()));
        let mut offer = json!({"handover": handover, "to": self.id(to), "items": items});
        if let Some(carrier) = carrier {
            offer["carrier"] = json!(self.id(carrier));
        }
        self.say(from, "handover_offered", offer);
        self.say(to, "handover_accepted", json!({"handover": handover}));
        handover
    }

    /// Tokens last a year; everybody gets a new one.
    pub(super) fn renew_tokens(&mut self) {
        let ledger = &self.app.ledger;
        let operator = OrganisationId::parse(&self.app.operator.id).expect("an id");
        let scopes = Scope::ALL.iter().copied().collect();
        let token = tokens::create(&ledger.store, &ledger.clock, operator, &scopes, 400).expect("a token").token;
        self.app.operator.token = token;
        for (name, party) in &mut self.parties {
            let auditing = *name == "Savanna Audit";
            let scopes: &[&str] = if auditing { &["post", "read", "audit"] } else { &["post", "read"] };
            party.token = self.app.token(&party.id, scopes);
        }
    }

    /// Somebody takes a new key, brought in by the key before, which goes out of use.
    pub(super) fn change_key(&mut self, name: &'static str) {
        let (old, id) = (self.party(name).key.clone(), self.id(name));
        let new = keyring::generate().expect("randomness");
        self.names.insert(kid(&new), "key 2".to_owned());
        self.say(name, "key_registered", key_fields(&id, &new));
        self.parties.get_mut(name).expect("somebody").key = new;
        self.say(name, "key_revoked", json!({"kid": kid(&old), "reason": "superseded"}));
    }

    /// What the auditor reads: it may see every entry.
    pub(super) fn read(&self, path: &str) -> Value {
        let answer = self.app.get(path, &self.party("Savanna Audit").token);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

#[track_caller]
fn settled(answer: &Answer, warnings: &[&str]) -> u64 {
    let index = answer.accepted();
    assert_eq!(answer.warnings(), warnings, "{}", answer.text);
    index
}

/// `device 01` and so on.
pub(super) fn devices(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("device {number:02}")).collect()
}

/// A file that stays outside the ledger and holds its own name, so that each name is another file.
pub(super) fn file(name: &str) -> Value {
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(name));
    json!({"sha256": sha256, "blake3": blake3::hash(name.as_bytes()).to_hex().as_str()})
}
