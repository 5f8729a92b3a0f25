//! What can be checked of an entry without knowing those before it: its form, its statement, and its signature where the key
//! is remembered. Any number of threads does that at once.

use crate::domain::event::Event;
use crate::domain::fields::Value;
use crate::domain::ids::KeyId;
use crate::limits::REMEMBERED_KEYS_MAX;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::keys;
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::statement::{Signed, Unverified};
use crate::store::entries::Identity;
use ed25519_dalek::VerifyingKey;
use std::collections::HashMap;
use std::sync::RwLock;

/// Keys by the thumbprint that names them.
///
/// A thumbprint is a hash of the key itself, so whoever brings a key brings the right one. Whether it is in force at an entry is
/// for the rules to say.
#[derive(Default)]
pub struct Keys(RwLock<HashMap<KeyId, VerifyingKey>>);

impl Keys {
    pub(super) fn find(&self, kid: KeyId) -> Option<VerifyingKey> {
        self.0.read().ok()?.get(&kid).copied()
    }

    pub(super) fn remember(&self, key: VerifyingKey) {
        let Some(kid) = keys::thumbprint(&key) else { return };
        if let Ok(mut remembered) = self.0.write() {
            if remembered.len() >= REMEMBERED_KEYS_MAX {
                remembered.clear();
            }
            remembered.insert(kid, key);
        }
    }

    /// Statements bring the keys that later ones are signed with.
    fn remember_brought(&self, event: &Event) {
        let coordinates = match event {
            Event::KeyRegistered(event) => std::slice::from_ref(&event.jwk),
            Event::LedgerOpened(event) => event.operator_keys.as_slice(),
            _ => return,
        };
        for key in coordinates.iter().filter_map(|jwk| keys::from_coordinate(&jwk.x).ok()) {
            self.remember(key);
        }
    }
}

/// An entry, checked as far as it goes without those before it.
pub struct Checked {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its hash in the tree.
    pub leaf_hash: TreeHash,
    /// Its BLAKE3.
    pub chain_hash: ChainHash,
    /// What it says, or why it says nothing.
    pub read: Result<Read, String>,
}

/// What an entry says.
pub struct Read {
    /// The entry.
    pub entry: Entry,
    /// What its statement says, or why it is none.
    pub statement: Result<Said, String>,
}

/// What a statement says.
pub struct Said {
    /// The statement with its signature checked; `None` if its key is not remembered.
    pub signed: Option<Signed>,
    /// Who said it, and its id.
    pub identity: Identity,
    /// Identifiers that stand in it.
    pub identifiers: Vec<String>,
    /// SHA-256 of the files that it binds.
    pub documents: Vec<String>,
}

impl Checked {
    /// Checks one entry.
    pub fn new(bytes: Vec<u8>, keys: &Keys) -> Self {
        let read = Entry::parse(&bytes).map_err(|problem| problem.to_string());
        let read = read.map(|entry| Read { statement: say(&entry.statement, keys), entry });
        Self { leaf_hash: leaf_hash(&bytes), chain_hash: ChainHash::of(&bytes), read, bytes }
    }

    /// What it says, if it says something.
    pub fn said(&self) -> Option<&Said> {
        self.read.as_ref().ok().and_then(|read| read.statement.as_ref().ok())
    }
}

fn say(jws: &str, keys: &Keys) -> Result<Said, String> {
    let unverified = Unverified::read(jws).map_err(|refused| refused.to_string())?;
    keys.remember_brought(&unverified.statement.event);
    let common = &unverified.statement.common;
    let identity = (common.org, common.id);
    let mut identifiers = unverified.statement.identifiers();
    identifiers.push(unverified.kid().to_string());
    let mut documents = Vec::new();
    find_documents(&unverified.payload, &mut documents);
    let signed = match keys.find(unverified.kid()) {
        Some(key) => Some(unverified.verify(&key).map_err(|refused| refused.to_string())?),
        None => None,
    };
    Ok(Said { signed, identity, identifiers, documents })
}

/// A file is bound by two hashes wherever a statement names one.
fn find_documents(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(Value::Text(sha256)), Some(_)) = (value.member("sha256"), value.member("blake3")) {
                found.push(sha256.clone());
            }
            for (_, member) in members {
                find_documents(member, found);
            }
        }
        Value::List(elements) => {
            for element in elements {
                find_documents(element, found);
            }
        }
        Value::Text(_) | Value::Integer(_) | Value::Bool(_) => {}
    }
}

/// Checks entries on some threads; they come back in their order.
pub fn check_all(entries: Vec<Vec<u8>>, keys: &Keys, threads: usize) -> Vec<Checked> {
    let share = entries.len().div_ceil(threads.max(1)).max(1);
    let mut shares = Vec::new();
    let mut entries = entries.into_iter();
    loop {
        let share: Vec<Vec<u8>> = entries.by_ref().take(share).collect();
        if share.is_empty() {
            break;
        }
        shares.push(share);
    }
    let check = |share: Vec<Vec<u8>>| share.into_iter().map(|bytes| Checked::new(bytes, keys)).collect::<Vec<_>>();
    if shares.len() < 2 {
        return shares.into_iter().flat_map(check).collect();
    }
    std::thread::scope(|scope| {
        let check = &check;
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || check(share))).collect();
        let ended =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        ended.flatten().collect()
    })
}
