//! What was said since of a certificate, and of what stands behind it: facts, each with the proof that its entry is in the
//! ledger. Whoever holds a bundle asks this years later. What stands behind it is a subject of its own (`behind`).

mod behind;

use crate::domain::certificate::Certificate;
use crate::domain::event::{Event, Replacement};
use crate::domain::ids::EntryIndex;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind};
use crate::domain::time::LedgerTime;
use crate::ledger::ancestry::{Ancestry, ancestry};
use crate::ledger::certificates::find_certificate;
use crate::ledger::lookup::read_event;
use crate::ledger::{Ledger, erasure};
use crate::limits::{PAGE_ROWS_MAX, STATUS_EVENTS_MAX, STATUS_PARTS_MAX};
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::tiles::Prover;
use crate::store::tiles::{StoredCheckpoint, StoredTiles};
use crate::store::{Database, StoreError, entries, mentions};
use std::collections::{BTreeMap, BTreeSet};

/// What a later entry is about, as far as a certificate is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The certificate itself or values of its retirement, or a block of which it was a part or that is a part of it.
    Certificate(String),
    /// A treatment behind it, by its entry, the batch that the treated lot left, or what either rests on.
    Treatment(EntryIndex),
    /// A key that signed something behind it and was reported compromised, with the first entry that is held from eligibility.
    Key {
        /// Its thumbprint.
        kid: String,
        /// From where on; from the first if absent.
        since: Option<EntryIndex>,
    },
    /// A site of treatment or of the batches: it is suspended now, or an audit found it otherwise.
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
            complete &= later.of_what_stands_behind(&certificate)?;
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
        let Ancestry { blocks, further } = ancestry(self.database, certificate)?;
        let mut is_all = further.is_none();
        for block in blocks {
            if self.found.len() > STATUS_EVENTS_MAX {
                return Ok(false);
            }
            // Corrections and findings may have been about its other units; what fails is known by the units.
            let is_asked = |event: &Event| concerns_units(event, &block.serial, &certificate.serial);
            is_all &= self.of_block(&block, &is_asked)?;
        }
        Ok(is_all)
    }

    /// What was said of its parts, if it was split.
    fn of_parts(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        let (mut is_all, mut left, mut read) = (true, certificate.into.clone(), 0);
        while let Some(serial) = left.pop() {
            // One entry may make or end hundreds of parts.
            if self.found.len() > STATUS_EVENTS_MAX || read == STATUS_PARTS_MAX {
                return Ok(false);
            }
            read += 1;
            let Some(block) = find_certificate(self.database, &serial)? else { continue };
            is_all &= self.of_block(&block, &|_| true)?;
            left.extend(block.into);
        }
        Ok(is_all)
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
