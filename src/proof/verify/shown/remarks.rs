//! What a reader should know of what is shown: what was erased, what leads out of the bundle, which keys to mind.

use crate::domain::codes::RevocationReason;
use crate::domain::event::{CommitmentPointer, Event};
use crate::domain::ids::EntryIndex;
use crate::domain::lineage::Node;
use crate::proof::verify::shown::Shown;
use crate::proof::verify::shown::things::{ShownRevocation, ShownStatement};
use crate::proof::verify::{CertificateFacts, ErasedFacts};
use std::collections::BTreeSet;

impl Shown {
    /// What was erased of an entry's values: pointer, day and entry, in the order of the ledger.
    pub(in crate::proof::verify) fn erased(&self, entry: EntryIndex) -> Vec<ErasedFacts> {
        let of_statement = |shown: &ShownStatement| match &shown.statement.event {
            Event::ValueErased(event) if event.entry == entry => {
                let on = shown.time.date().map(|day| day.to_string()).unwrap_or_default();
                let facts = |pointer: &CommitmentPointer| ErasedFacts {
                    pointer: pointer.to_string(),
                    on: on.clone(),
                    by: shown.index.0,
                };
                event.pointers.iter().map(facts).collect()
            }
            _ => Vec::new(),
        };
        self.all().flat_map(of_statement).collect()
    }

    /// Statements by keys that the operator holds.
    pub(in crate::proof::verify) fn hosted(&self) -> usize {
        self.statements.values().filter(|shown| self.is_hosted(&shown.signer)).count()
    }

    /// References that lead out of the bundle, counted.
    pub(in crate::proof::verify) fn not_shown(&self, certificate: &CertificateFacts) -> Vec<String> {
        let made: BTreeSet<Node> =
            self.all().flat_map(|shown| shown.links.iter()).flat_map(|l| l.outputs.clone()).collect();
        let begun: BTreeSet<Node> = self.all().filter_map(|shown| begins(&shown.statement.event)).collect();
        let used: BTreeSet<Node> =
            self.all().flat_map(|shown| shown.links.iter()).flat_map(|l| l.inputs.clone()).collect();
        let unknown = used.iter().filter(|node| !made.contains(node) && !begun.contains(node)).count();
        let mut words = Vec::new();
        if unknown > 0 {
            words.push(format!("{unknown} items went into what is shown whose own beginning is not shown"));
        }
        words.extend(certificate.not_shown.iter().cloned());
        if certificate.arising.is_empty() {
            words.push("where and when the waste arose".to_owned());
        }
        words
    }

    /// Keys that were reported compromised from an entry on at or after which they signed something that is shown, and
    /// keys that the operator added for others.
    pub(in crate::proof::verify) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (kid, key) in &self.keys {
            let signed_from = |from| self.all().filter(|shown| shown.signer == *kid && shown.index >= from).count();
            if let Some(ShownRevocation { reason: RevocationReason::Compromised, since, .. }) = key.revoked {
                let since = since.unwrap_or(EntryIndex(0));
                let doubtful = signed_from(since);
                if doubtful > 0 {
                    let words = "statements are signed by a key that was reported compromised from entry";
                    remarks.push(format!("{doubtful} {words} {since} on ({kid})"));
                }
            }
            if key.added && signed_from(EntryIndex(0)) > 0 {
                let words = "statements are signed by a key that the operator added for an organisation that had one";
                remarks.push(format!("{} {words} ({kid})", signed_from(EntryIndex(0))));
            }
        }
        remarks.sort();
        remarks
    }
}

/// What an event brings under the ledger.
fn begins(event: &Event) -> Option<Node> {
    match event {
        Event::Registered(event) => Some(Node::Item(event.item)),
        Event::Collected(event) => Some(Node::Item(event.item)),
        Event::Received(event) => Some(Node::Item(event.item)),
        Event::BatchOpened(event) => Some(Node::Batch(event.batch)),
        _ => None,
    }
}
