//! What was said since of a certificate, and of what stands behind it: facts, each with the proof that its entry is in the
//! ledger. Whoever holds a bundle asks this years later.

use crate::domain::certificate::Certificate;
use crate::domain::codes::RevocationReason;
use crate::domain::event::{Event, Replacement};
use crate::domain::ids::EntryIndex;
use crate::domain::lineage::Node;
use crate::domain::registry::{Key, Site};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind};
use crate::domain::time::LedgerTime;
use crate::domain::treatment::Treatment;
use crate::ledger::certificates::{find_certificate, giving_blocks, treatments_behind};
use crate::ledger::lookup::{read_event, subject_of_node};
use crate::ledger::{Ledger, erasure};
use crate::limits::{PAGE_ROWS_MAX, STATUS_EVENTS_MAX};
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::tiles::Prover;
use crate::store::tiles::{StoredCheckpoint, StoredTiles};
use crate::store::{Database, StoreError, entries, mentions, records};
use std::collections::{BTreeMap, BTreeSet};

/// What a later entry is about, as far as a certificate is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The certificate itself or values of its retirement, or a block of which it was a part or that is a part of it.
    Certificate(String),
    /// A treatment behind it, by its entry, or the batch that the treated lot left.
    Treatment(EntryIndex),
    /// A key that signed something behind it and was reported compromised, with the first entry that is held from eligibility.
    Key {
        /// Its thumbprint.
        kid: String,
        /// From where on; from the first if absent.
        since: Option<EntryIndex>,
    },
    /// A site of treatment or of the batches, which is suspended now.
    Site(String),
}

/// A later entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterEvent {
    /// Its place.
    pub index: EntryIndex,
    /// When the ledger wrote it down.
    pub time: LedgerTime,
    /// Its type.
    pub type_name: &'static str,
    /// What it is about.
    pub concerns: BTreeSet<Concern>,
    /// Its bytes, if anybody may read them.
    pub bytes: Option<Vec<u8>>,
    /// Its hash in the tree.
    pub leaf_hash: TreeHash,
    /// That it is in the checkpoint's tree, the leaf's sibling first.
    pub hashes: Vec<TreeHash>,
}

/// A certificate's later life, as of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The certificate.
    pub certificate: Certificate,
    /// As of when; with whatever cosignatures it carries.
    pub checkpoint: StoredCheckpoint,
    /// In the order of the ledger.
    pub events: Vec<LaterEvent>,
    /// Whether these are all.
    pub complete: bool,
}

impl Ledger {
    /// The status of a certificate under a checkpoint; `None` if there is no such certificate or the checkpoint does not cover
    /// its issue.
    pub fn certificate_status(
        &self,
        serial: &SerialBlock,
        checkpoint: StoredCheckpoint,
    ) -> Result<Option<CertificateStatus>, StoreError> {
        self.store.snapshot(|database| {
            let found = find_certificate(database, serial)?.filter(|found| found.issued.0 < checkpoint.size);
            let Some(certificate) = found else { return Ok(None) };
            let mut later =
                Later { database, after: certificate.issued, size: checkpoint.size, found: BTreeMap::new() };
            let mut complete = later.of_block(&certificate, &|_| true)?;
            complete &= later.of_ancestors(&certificate)?;
            complete &= later.of_parts(&certificate)?;
            complete &= later.of_treatments(&certificate)?;
            let complete = complete && later.found.len() <= STATUS_EVENTS_MAX;
            let events = later.prove()?;
            Ok(Some(CertificateStatus { certificate, checkpoint, events, complete }))
        })
    }
}

/// Gathers entries behind the issue and below a checkpoint's size.
struct Later<'a> {
    database: &'a mut Database,
    after: EntryIndex,
    size: u64,
    found: BTreeMap<EntryIndex, BTreeSet<Concern>>,
}

impl Later<'_> {
    fn note(&mut self, index: EntryIndex, concern: Concern) {
        if index > self.after && index.0 < self.size {
            self.found.entry(index).or_default().insert(concern);
        }
    }

    /// The later entries about a subject; gives whether one page held them all.
    fn about(&mut self, subject: &str) -> Result<(Vec<EntryIndex>, bool), StoreError> {
        let page = mentions::of_subject(self.database, subject, self.after.0 + 1, PAGE_ROWS_MAX)?;
        let is_all = i64::try_from(page.len()).is_ok_and(|count| count < PAGE_ROWS_MAX);
        Ok((page, is_all))
    }

    /// What was said of a block, as far as it is asked for.
    fn of_block(&mut self, block: &Certificate, is_asked: &dyn Fn(&Event) -> bool) -> Result<bool, StoreError> {
        let concern = || Concern::Certificate(block.serial.to_string());
        let subject = RecordId::new(RecordKind::Certificate, &block.serial).subject();
        let (indexes, is_all) = self.about(&subject)?;
        for stored in entries::find_many(self.database, &indexes)? {
            let index = stored.index;
            if is_asked(&read_event(stored)?.statement.event) {
                self.note(index, concern());
            }
        }
        for failing in &block.failing {
            self.note(failing.cause, concern());
        }
        if let Some(retired) = &block.retired {
            for erased in erasure::of_entry(self.database, retired.entry)? {
                self.note(erased.by, concern());
            }
        }
        Ok(is_all)
    }

    /// What was said of the blocks of which it is a part, before it was one of its own.
    fn of_ancestors(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        let (mut is_all, mut parent) = (true, certificate.split_from.clone());
        while let Some(serial) = parent.take() {
            let Some(block) = find_certificate(self.database, &serial)? else { break };
            // Corrections and findings may have been about its other units; what fails is known by the units.
            let is_asked = |event: &Event| concerns_units(event, &block.serial, &certificate.serial);
            is_all &= self.of_block(&block, &is_asked)?;
            parent = block.split_from;
        }
        Ok(is_all)
    }

    /// What was said of its parts, if it was split.
    fn of_parts(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        let (mut is_all, mut left) = (true, certificate.into.clone());
        while let Some(serial) = left.pop() {
            if self.found.len() > STATUS_EVENTS_MAX {
                return Ok(false);
            }
            let Some(block) = find_certificate(self.database, &serial)? else { continue };
            is_all &= self.of_block(&block, &|_| true)?;
            left.extend(block.into);
        }
        Ok(is_all)
    }

    fn of_treatments(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        let mut treatments = treatments_behind(self.database, certificate)?;
        for block in giving_blocks(self.database, certificate)? {
            treatments.extend(treatments_behind(self.database, &block)?);
        }
        let mut sites = BTreeSet::from([certificate.site.to_string()]);
        let mut signed: BTreeMap<String, EntryIndex> = BTreeMap::new();
        let mut is_all = true;
        for treatment in &treatments {
            sites.insert(treatment.site.to_string());
            for signer in &treatment.evidence.signers {
                let last = signed.entry(signer.kid.to_string()).or_insert(signer.last);
                *last = (*last).max(signer.last);
            }
            is_all &= self.of_treatment(treatment)?;
        }
        self.of_keys(&signed)?;
        self.of_sites(sites)?;
        Ok(is_all)
    }

    /// Whatever is said of what had ended, and holds its grams; of its batches only what may change what was certified.
    fn of_treatment(&mut self, treatment: &Treatment) -> Result<bool, StoreError> {
        let concern = || Concern::Treatment(treatment.entry);
        for flaw in &treatment.evidence.flaws {
            self.note(flaw.entry, concern());
        }
        let (indexes, mut is_all) = self.about(&subject_of_node(Node::Item(treatment.item)))?;
        for index in indexes {
            self.note(index, concern());
        }
        for batch in treatment.batches() {
            let (indexes, all_of_batch) = self.about(&subject_of_node(Node::Batch(batch)))?;
            is_all &= all_of_batch;
            for stored in entries::find_many(self.database, &indexes)? {
                let index = stored.index;
                if corrects(&read_event(stored)?.statement.event) {
                    self.note(index, concern());
                }
            }
        }
        Ok(is_all)
    }

    /// Keys that were reported compromised from a place on at or before which they signed last.
    fn of_keys(&mut self, signed: &BTreeMap<String, EntryIndex>) -> Result<(), StoreError> {
        let ids: Vec<String> = signed.keys().cloned().collect();
        for key in records::load_of::<Key>(self.database, &ids)? {
            let kid = key.kid.to_string();
            let Some(revoked) = key.revoked.filter(|revoked| revoked.reason == RevocationReason::Compromised) else {
                continue;
            };
            if signed.get(&kid).is_some_and(|last| revoked.since.is_none_or(|since| since <= *last)) {
                self.note(revoked.reported, Concern::Key { kid, since: revoked.since });
            }
        }
        Ok(())
    }

    fn of_sites(&mut self, ids: BTreeSet<String>) -> Result<(), StoreError> {
        let ids: Vec<String> = ids.into_iter().collect();
        for site in records::load_of::<Site>(self.database, &ids)? {
            for suspension in site.suspensions.iter().filter(|suspension| suspension.until.is_none()) {
                self.note(suspension.from, Concern::Site(site.id.to_string()));
            }
        }
        Ok(())
    }

    /// Reads and proves what was found, up to a bound.
    fn prove(self) -> Result<Vec<LaterEvent>, StoreError> {
        let Self { database, size, found, .. } = self;
        let indexes: Vec<EntryIndex> = found.keys().take(STATUS_EVENTS_MAX).copied().collect();
        let stored = entries::find_many(database, &indexes)?;
        let mut source = StoredTiles(database);
        let mut prover = Prover::new(&mut source, size);
        let mut events = Vec::with_capacity(stored.len());
        for entry in stored {
            let concerns = found.get(&entry.index).cloned().unwrap_or_default();
            let hashes = prover.inclusion(entry.index.0).map_err(StoreError::from)?;
            let (bytes, leaf_hash) = (entry.bytes.clone(), leaf_hash(&entry.bytes));
            let event = read_event(entry)?;
            let type_name = event.statement.event.type_name();
            // As GET /v1/entries has it: what is said of certificates is everybody's, the rest its parties'.
            let is_public = concerns.iter().any(|concern| matches!(concern, Concern::Certificate(_)))
                && (type_name.starts_with("certificate_") || type_name == "value_erased");
            events.push(LaterEvent {
                index: event.index,
                time: event.time,
                type_name,
                concerns,
                bytes: is_public.then_some(bytes),
                leaf_hash,
                hashes,
            });
        }
        Ok(events)
    }
}

/// Whether what was said of a block concerns some of its units.
fn concerns_units(event: &Event, block: &SerialBlock, units: &SerialBlock) -> bool {
    match event {
        // It cut the block in parts, of which these are one, or it replaces units of it.
        Event::CertificateReplaced(event) => {
            let replaces = |one: &Replacement| one.failed.overlaps(units) || one.block() == block;
            event.replacements.iter().any(replaces)
        }
        event => event.type_name().starts_with("certificate_"),
    }
}

/// Whether an event may change what was certified: it corrects, or it finds.
const fn corrects(event: &Event) -> bool {
    matches!(
        event,
        Event::Corrected(_)
            | Event::CorrectionConfirmed(_)
            | Event::CorrectionDisputed(_)
            | Event::AuditFinding(_)
            | Event::EvidenceReviewed(_)
    )
}
