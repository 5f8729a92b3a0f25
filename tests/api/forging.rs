//! A dishonest operator's workshop: takes a ledger apart, changes what it likes, and puts a bundle together again, with
//! every hash, path and signature in order.

use crate::harness::{ORIGIN, OperatorKeys, Party, jwk, key_fields_for, kid, sign_bytes};
use crate::story::Story;
use ed25519_dalek::SigningKey;
use loopledger::domain::codes::KeyUse;
use loopledger::domain::ids::{EntryIndex, Origin};
use loopledger::proof::bundle::{Bundle, BundledEntry, BundledOpening};
use loopledger::proof::checkpoint::Checkpoint;
use loopledger::proof::entry::{ChainHash, Entry};
use loopledger::proof::keys::CompactJws;
use loopledger::proof::merkle::{TreeHash, leaf_hash, node_hash, root_of};
use loopledger::proof::note::NoteVerifier;
use loopledger::proof::statement::Unverified;
use loopledger::store::entries;
use serde_json::{Value, json};
use std::collections::HashMap;

/// A ledger, taken apart.
#[derive(Clone)]
pub struct Workshop {
    /// Payloads in order, with the name of the key that signs each.
    pub said: Vec<(String, Value)>,
    times: Vec<Entry>,
    pub keys: HashMap<String, SigningKey>,
    pub checkpoint: SigningKey,
    pub serial: String,
    pub openings: Vec<BundledOpening>,
    /// An entry that names no entry before it, although all of it is hashed and signed.
    pub unchained: Option<usize>,
}

impl Workshop {
    /// Takes apart the ledger of a story, with a certificate and its openings.
    pub fn of(story: &Story<'_>, serial: &str, openings: Vec<BundledOpening>) -> Self {
        let stored = story.app.ledger.store.read(|database| entries::page(database, EntryIndex(0), 10_000));
        let times: Vec<Entry> =
            stored.expect("readable").iter().map(|entry| Entry::parse(&entry.bytes).expect("an entry")).collect();
        let operator = OperatorKeys::fixed();
        let parties = [&story.centre, &story.smelter, &story.auditor, &story.issuer];
        let keys = parties.iter().map(|party| party.key.clone()).chain([operator.operator, operator.recovery]);
        let read = |entry: &Entry| {
            let kid = Unverified::read(&entry.statement).expect("a statement").kid().to_string();
            let payload = CompactJws::parse(&entry.statement).expect("a JWS").payload;
            (kid, serde_json::from_slice(&payload).expect("JSON"))
        };
        Self {
            said: times.iter().map(read).collect(),
            keys: keys.map(|key| (kid(&key), key)).collect(),
            checkpoint: operator.checkpoint,
            serial: serial.to_owned(),
            times,
            openings,
            unchained: None,
        }
    }

    /// Further parties speak in it.
    pub fn knows<'p>(&mut self, parties: impl IntoIterator<Item = &'p Party>) {
        self.keys.extend(parties.into_iter().map(|party| (kid(&party.key), party.key.clone())));
    }

    /// The payload of the first statement of a type.
    pub fn first(&mut self, kind: &str) -> &mut Value {
        let found = self.said.iter_mut().find(|(_, payload)| payload["type"] == kind);
        &mut found.unwrap_or_else(|| panic!("no {kind}")).1
    }

    /// Where the first statement of a type stands.
    pub fn position(&self, kind: &str) -> usize {
        self.said.iter().position(|(_, payload)| payload["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    }

    /// Puts in another statement; what points at later entries by index points one further.
    pub fn insert(&mut self, at: usize, said: (String, Value)) {
        self.said.insert(at, said);
        let last = self.times.last().expect("entries").clone();
        self.times.push(Entry { index: EntryIndex(last.index.0 + 1), ..last });
        for opening in self.openings.iter_mut().filter(|opening| opening.entry >= at as u64) {
            opening.entry += 1;
        }
        let issue = self.first("certificate_issued");
        for allotment in issue["allotments"].as_array_mut().expect("allotments") {
            if let Some(treatment) = allotment["treatment"].as_u64().filter(|entry| *entry >= at as u64) {
                allotment["treatment"] = json!(treatment + 1);
            }
        }
    }

    /// Puts in a statement by whoever said the first of a type, on the same day.
    pub fn insert_by(&mut self, at: usize, like: &str, fields: &Value) {
        let (signer, said) = self.said[self.position(like)].clone();
        let mut payload = fields.clone();
        payload["id"] = json!(crate::harness::new_id());
        for name in ["v", "ledger", "org", "occurred_at"] {
            payload[name] = said[name].clone();
        }
        self.insert(at, (signer, payload));
    }

    /// Puts in a statement like the first of a type, with some other fields, right after it.
    pub fn repeat(&mut self, kind: &str, change: &Value) {
        let at = self.position(kind);
        let mut again = self.said[at].clone();
        again.1["id"] = json!(crate::harness::new_id());
        for (name, value) in change.as_object().expect("fields") {
            again.1[name] = value.clone();
        }
        self.insert(at + 1, again);
    }

    /// Everybody gets another key: what somebody can do who holds none of the real ones.
    pub fn with_other_keys(mut self) -> Self {
        let operator = SigningKey::from_bytes(&[201; 32]);
        let recovery = SigningKey::from_bytes(&[202; 32]);
        self.checkpoint = SigningKey::from_bytes(&[203; 32]);
        let fixed = OperatorKeys::fixed();
        let mut number = 203;
        for (kid, key) in &mut self.keys {
            number += 1;
            *key = match kid {
                same if *same == crate::harness::kid(&fixed.operator) => operator.clone(),
                same if *same == crate::harness::kid(&fixed.recovery) => recovery.clone(),
                _ => SigningKey::from_bytes(&[number; 32]),
            };
        }
        let by_x: HashMap<String, SigningKey> = self
            .said
            .iter()
            .filter(|(_, payload)| payload["type"] == "key_registered")
            .map(|(_, payload)| {
                let x = payload["jwk"]["x"].as_str().expect("a key");
                let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                let digest = <sha2::Sha256 as sha2::Digest>::digest(jwk);
                let kid = data_encoding::BASE64URL_NOPAD.encode(&digest);
                (x.to_owned(), self.keys.get(&kid).expect("a party's key").clone())
            })
            .collect();
        for (_, payload) in &mut self.said {
            if payload["type"] == "key_registered" {
                let x = payload["jwk"]["x"].as_str().expect("a key");
                let organisation = payload["organisation"].as_str().expect("an id");
                let fields = key_fields_for(organisation, &by_x[x], KeyUse::Statement);
                payload["jwk"] = fields["jwk"].clone();
                payload["proof"] = fields["proof"].clone();
            }
            if payload["type"] == "ledger_opened" {
                payload["operator_keys"] = json!([jwk(&operator), jwk(&recovery)]);
                let org = payload["org"].as_str().expect("an id").to_owned();
                payload["recovery_proof"] = key_fields_for(&org, &recovery, KeyUse::Statement)["proof"].clone();
                payload["checkpoint_vkey"] = json!(vkey(&self.checkpoint));
            }
        }
        self
    }

    /// Signs, chains, hashes and seals everything anew; the bundle shows the entries that `shows` picks.
    pub fn bundle(&self, shows: impl Fn(usize) -> bool) -> Vec<u8> {
        let (mut prev, mut all) = (ChainHash::START, Vec::new());
        for ((kid, payload), old) in self.said.iter().zip(&self.times) {
            if self.unchained == Some(all.len()) {
                prev = ChainHash::START;
            }
            let statement = sign_bytes(&self.keys[kid], payload.to_string().as_bytes());
            let bytes = Entry { prev, statement, ..old.clone() }.to_bytes();
            prev = ChainHash::of(&bytes);
            all.push(bytes);
        }
        sealed(&self.serial, &self.checkpoint, all, self.openings.clone(), shows)
    }
}

/// A bundle over entries, with every path and signature in order; it shows those that `shows` picks.
pub fn sealed(
    serial: &str,
    checkpoint_key: &SigningKey,
    all: Vec<Vec<u8>>,
    openings: Vec<BundledOpening>,
    shows: impl Fn(usize) -> bool,
) -> Vec<u8> {
    let leaves: Vec<TreeHash> = all.iter().map(|bytes| leaf_hash(bytes)).collect();
    let origin = Origin::parse(ORIGIN).expect("an origin");
    let checkpoint = Checkpoint { origin, size: leaves.len() as u64, root: root_of(&leaves) };
    let entry =
        |(index, bytes): (usize, Vec<u8>)| BundledEntry { index: index as u64, bytes, path: path(index, &leaves) };
    let bundle = Bundle {
        certificate: serial.to_owned(),
        keys: vec![vkey(checkpoint_key)],
        checkpoint: checkpoint.sign(checkpoint_key).expect("signed"),
        entries: all.into_iter().enumerate().filter(|(index, _)| shows(*index)).map(entry).collect(),
        openings,
    };
    bundle.to_bytes()
}

pub fn vkey(key: &SigningKey) -> String {
    NoteVerifier::new(ORIGIN, key.verifying_key()).expect("a name").vkey()
}

/// The audit path of RFC 6962 §2.1.1, as it is written.
fn path(index: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut inner, sibling) =
        if index < middle { (path(index, left), right) } else { (path(index - middle, right), left) };
    inner.push(naive_root(sibling));
    inner
}

fn naive_root(leaves: &[TreeHash]) -> TreeHash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    node_hash(&naive_root(left), &naive_root(right))
}
