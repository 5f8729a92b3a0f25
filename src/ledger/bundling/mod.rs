//! Bundles: gathering what proves a certificate to somebody who has nothing but the ledger's key.

mod corrections;
mod life;
mod turning;

use crate::domain::certificate::Certificate;
use crate::domain::codes::KeyCustody;
use crate::domain::delegation::{Delegation, Relation};
use crate::domain::event::{Event, Statement};
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::finding::Cure;
use crate::domain::ids::{BatchId, EntryIndex, KeyId, OrganisationId, PartyId, ScaleId, SiteId};
use crate::domain::lineage::{Link, Node, links};
use crate::domain::registry::Site;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, RecordId, RecordKind};
use crate::domain::treatment::Treatment;
use crate::ledger::certificates::{Registered, find_certificate, treatments_behind};
use crate::ledger::cosigned::Cosigned;
use crate::ledger::lookup::{offered_lots, subject_of_node};
use crate::ledger::signed::named_keys;
use crate::ledger::{Ledger, erasure};
use crate::limits::{BUNDLE_EXPECTED_MAX, BUNDLE_LINEAGE_MAX, COUNTED_GLANCES_MAX, PAGE_ROWS_MAX};
use crate::proof::bundle::{Bundle, BundledEntry, BundledOpening};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::Entry;
use crate::proof::note::NoteVerifier;
use crate::proof::statement::Unverified;
use crate::proof::tiles::{ProofError, Prover};
use crate::store::tiles::{StoredCheckpoint, StoredTiles};
use crate::store::{Database, Store, StoreError, entries, mentions, openings, records};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Certificates whose statements are remembered as counted.
const REMEMBERED_MAX: usize = 10_000;

/// How many statements a certificate rests on, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Statements.
    pub statements: usize,
    /// Of these, by keys whose secrets the operator holds.
    pub hosted: usize,
    /// Whether that is all of its lineage, or the nearest part.
    pub complete: bool,
}

/// An entry, read.
struct Read {
    bytes: Vec<u8>,
    statement: Statement,
    signer: KeyId,
    links: Vec<Link>,
}

/// Collects entries below a size, each read once.
struct Collector<'a> {
    database: &'a mut Database,
    size: u64,
    read: BTreeMap<EntryIndex, Read>,
    /// Registrations that were looked up.
    supported: BTreeSet<String>,
    /// Batches whose turning points are in.
    turned: BTreeSet<BatchId>,
    /// How many more outputs of batches that a scheme looks for may come in, with their corrections.
    expected_room: usize,
    /// How many more entries on paths of batches may be looked at.
    glances: usize,
    /// Relations that bear on who may issue, hold and sign.
    relations: BTreeSet<String>,
}

impl Ledger {
    /// The bundle of a certificate under a checkpoint and its cosignatures; `None` if there is no such certificate, or the
    /// checkpoint does not cover its issue yet.
    pub fn bundle(&self, serial: &SerialBlock, cosigned: &Cosigned) -> Result<Option<Bundle>, StoreError> {
        let checkpoint = &cosigned.checkpoint;
        let mut keys = vkeys_of(&self.store, checkpoint)?;
        keys.extend(cosigned.witnesses.iter().map(|witness| witness.cosigner.vkey()));
        self.store.snapshot(|database| {
            let Some(certificate) = find_certificate(database, serial)? else { return Ok(None) };
            let mut collector = Collector::new(database, checkpoint.size, usize::MAX);
            if !collector.add(certificate.issued)? {
                return Ok(None);
            }
            collector.collect(&certificate)?;
            let collected = collector.read;
            let openings = match &certificate.retired {
                Some(retired) if retired.entry.0 < checkpoint.size => openings::of_entry(database, retired.entry)?,
                _ => Vec::new(),
            };
            let entry = certificate.retired.as_ref().map_or(0, |retired| retired.entry.0);
            let opening = |opening: crate::proof::commitment::Opening| BundledOpening {
                entry,
                pointer: opening.pointer,
                salt: opening.salt,
                value: opening.value,
            };
            let mut source = StoredTiles(database);
            let mut prover = Prover::new(&mut source, checkpoint.size);
            let mut bundled = Vec::with_capacity(collected.len());
            for (index, read) in collected {
                let path = prover.inclusion(index.0).map_err(unproved)?;
                bundled.push(BundledEntry { index: index.0, bytes: read.bytes, path });
            }
            Ok(Some(Bundle {
                certificate: serial.to_string(),
                keys: keys.clone(),
                checkpoint: checkpoint.note.clone(),
                entries: bundled,
                openings: openings.into_iter().map(opening).collect(),
            }))
        })
    }

    /// Counts the statements behind a certificate and those that rest on hosted keys, over the part of its lineage that a
    /// bundle would show.
    ///
    /// Anybody may ask, so it is worked out once, and again only when something was said of the certificate or its values.
    pub fn count_statements(&self, registered: &Registered) -> Result<Counted, StoreError> {
        let certificate = &registered.certificate;
        let poisoned = |_| StoreError::damaged("the memory of certificates is poisoned");
        let asked = (certificate.serial.to_string(), registered.last_entry());
        if let Some(known) = self.counted.read().map_err(poisoned)?.get(&asked) {
            return Ok(*known);
        }
        let counted = self.count_in_database(certificate)?;
        let mut remembered =
            self.counted.write().map_err(|_| StoreError::damaged("the memory of certificates is poisoned"))?;
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(asked, counted);
        Ok(counted)
    }

    fn count_in_database(&self, certificate: &Certificate) -> Result<Counted, StoreError> {
        self.store.snapshot(|database| {
            let size = crate::store::head::read(database)?.size();
            let mut collector = Collector::new(database, size, COUNTED_GLANCES_MAX);
            let complete = collector.collect(certificate)?;
            let signers: BTreeSet<String> = collector.read.values().map(|read| read.signer.to_string()).collect();
            let ids: Vec<String> = signers.into_iter().collect();
            let keys = records::load(collector.database, &ids)?;
            let hosted: BTreeSet<KeyId> = keys
                .iter()
                .filter_map(|record| match record {
                    Record::Key(key) if key.custody == KeyCustody::Hosted => Some(key.kid),
                    _ => None,
                })
                .collect();
            let by_hosted = collector.read.values().filter(|read| hosted.contains(&read.signer)).count();
            Ok(Counted { statements: collector.read.len(), hosted: by_hosted, complete })
        })
    }
}

/// The keys that signed a checkpoint, the ledger's own first: one, and while one takes the place of another, both.
pub fn vkeys_of(store: &Store, checkpoint: &StoredCheckpoint) -> Result<Vec<String>, StoreError> {
    let signed = |key: &NoteVerifier| Checkpoint::open(&checkpoint.note, key).is_ok();
    let vkeys: Vec<_> = named_keys(store)?.iter().filter(|key| signed(key)).map(NoteVerifier::vkey).collect();
    if vkeys.is_empty() {
        return Err(StoreError::damaged("the checkpoint is signed by none of the ledger's keys"));
    }
    Ok(vkeys)
}

fn unproved(error: ProofError<StoreError>) -> StoreError {
    match error {
        ProofError::Source(error) => error,
        other => StoreError::damaged(other.to_string()),
    }
}

impl<'a> Collector<'a> {
    fn new(database: &'a mut Database, size: u64, glances: usize) -> Self {
        Self {
            database,
            size,
            read: BTreeMap::new(),
            supported: BTreeSet::new(),
            turned: BTreeSet::new(),
            expected_room: BUNDLE_EXPECTED_MAX,
            glances,
            relations: BTreeSet::new(),
        }
    }

    /// Adds everything behind a certificate: what it cannot do without, then lineage, nearest first, up to a bound. Gives
    /// whether that was all.
    fn collect(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        self.add(EntryIndex(0))?;
        self.add(certificate.issued)?;
        if let Some(retired) = &certificate.retired {
            self.add(retired.entry)?;
            // Whoever misses a value is shown who erased it, and when.
            for erased in erasure::of_entry(self.database, retired.entry)? {
                self.add(erased.by)?;
            }
        }
        let giving = self.add_life(certificate)?;
        let mut treatments = treatments_behind(self.database, certificate)?;
        for block in &giving {
            treatments.extend(treatments_behind(self.database, block)?);
        }
        for treatment in &treatments {
            self.add(treatment.entry)?;
            self.add_way_back(treatment)?;
            self.add_cures(&treatment.evidence)?;
        }
        self.add_rules()?;
        let complete = self.add_lineage(treatments.iter().map(|treatment| Node::Item(treatment.item)))?;
        self.add_corrected_things()?;
        self.add_supports()?;
        Ok(complete && self.glances > 0)
    }

    /// Adds an entry, unless it lies beyond the checkpoint; gives whether it is in.
    fn add(&mut self, index: EntryIndex) -> Result<bool, StoreError> {
        if index.0 >= self.size {
            return Ok(false);
        }
        if !self.read.contains_key(&index) {
            let damaged = || StoreError::damaged(format!("entry {index} cannot be read"));
            let stored = entries::find(self.database, index)?.ok_or_else(damaged)?;
            let entry = Entry::parse(&stored.bytes).map_err(|_| damaged())?;
            let unverified = Unverified::read(&entry.statement).map_err(|_| damaged())?;
            let signer = unverified.kid();
            let statement = unverified.statement;
            let offered = match &statement.event {
                Event::HandoverAccepted(event) => offered_lots(self.database, &event.handover)?,
                Event::ImportReceived(event) => offered_lots(self.database, &event.handover)?,
                _ => Vec::new(),
            };
            let links = links(&statement.event, &offered);
            self.read.insert(index, Read { bytes: stored.bytes, statement, signer, links });
        }
        Ok(true)
    }

    /// All entries of a node's path, in order.
    fn path(&mut self, node: Node, at_most: usize) -> Result<Vec<EntryIndex>, StoreError> {
        self.about(&subject_of_node(node), at_most)
    }

    /// All entries about a subject, in order, read page by page.
    fn about(&mut self, subject: &str, at_most: usize) -> Result<Vec<EntryIndex>, StoreError> {
        let (mut path, mut from) = (Vec::new(), 0);
        while path.len() < at_most {
            let page = mentions::of_subject(self.database, subject, from, PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { break };
            from = last.0 + 1;
            path.extend(page);
        }
        path.truncate(at_most);
        Ok(path)
    }

    /// The way from a treated lot to its batches, and the batches' own beginning, inputs and end: what a verifier cannot do
    /// without. Of a lot of one batch the first parents suffice; of several, all are needed to part their grams again.
    fn add_way_back(&mut self, treatment: &Treatment) -> Result<(), StoreError> {
        let batches: BTreeSet<BatchId> = treatment.batches().collect();
        for batch in &batches {
            self.add_turning_points(*batch)?;
            let record = records::load(self.database, &[batch.to_string()])?.into_iter().next();
            if let Some(Record::Batch(batch)) = record {
                self.add_cures(&batch.evidence)?;
            }
        }
        let parents_needed = if batches.len() > 1 { usize::MAX } else { 1 };
        let (mut left, mut seen) = (VecDeque::from([Node::Item(treatment.item)]), BTreeSet::new());
        while let Some(node) = left.pop_front().filter(|_| seen.len() < BUNDLE_LINEAGE_MAX) {
            if node.batch().is_some() || !seen.insert(node) {
                continue;
            }
            let mut parents = Vec::new();
            for index in self.path(node, usize::MAX)? {
                self.add(index)?;
                let links = self.read.get(&index).map(|read| read.links.clone()).unwrap_or_default();
                parents.extend(links.iter().flat_map(|link| link.up(node)).copied());
            }
            left.extend(parents.into_iter().take(parents_needed));
        }
        Ok(())
    }

    /// What cured flaws behind grams: reviews, findings, and the agreement of both sides of a handover.
    fn add_cures(&mut self, evidence: &Evidence) -> Result<(), StoreError> {
        // A finding about a treatment stands on the path of no item.
        for flaw in evidence.flaws.iter().filter(|flaw| flaw.code == FlawCode::Finding) {
            self.add(flaw.entry)?;
        }
        let ids: Vec<String> = evidence.flaws.iter().map(|flaw| Cure::id_of(flaw.entry)).collect();
        for record in records::load(self.database, &ids)? {
            let Record::Cure(cure) = record else { continue };
            self.add(cure.entry)?;
            for cured in &cure.cured {
                self.add(cured.by)?;
                let cures_dispute = cured.codes.contains(&FlawCode::Disputed);
                let handover = self.read.get(&cure.entry).and_then(|read| match &read.statement.event {
                    Event::HandoverAccepted(event) => Some(event.handover),
                    Event::ImportReceived(event) => Some(event.handover),
                    _ => None,
                });
                if let Some(handover) = handover.filter(|_| cures_dispute) {
                    let subject = RecordId::new(RecordKind::Handover, &handover).subject();
                    for index in mentions::of_subject(self.database, &subject, 0, PAGE_ROWS_MAX)? {
                        self.add(index)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every adoption of a rule set before the checkpoint.
    fn add_rules(&mut self) -> Result<(), StoreError> {
        let subject = RecordId::new(RecordKind::Ledger, &crate::domain::state::LEDGER_RECORD).subject();
        for index in mentions::of_subject(self.database, &subject, 1, PAGE_ROWS_MAX)? {
            self.add(index)?;
        }
        Ok(())
    }

    /// Upwards from the treated lots, breadth first. A path is shown whole or not at all: half of one would say less, or
    /// something else, than all of it. From a batch whose path does not fit the way goes on to what went in, which is shown.
    fn add_lineage(&mut self, start: impl Iterator<Item = Node>) -> Result<bool, StoreError> {
        let mut left: VecDeque<Node> = start.collect();
        let mut seen: BTreeSet<Node> = left.iter().copied().collect();
        let (mut room, mut complete) = (BUNDLE_LINEAGE_MAX, true);
        while let Some(node) = left.pop_front() {
            let mut path = self.path(node, room + self.read.len() + 1)?;
            let new = path.iter().filter(|index| !self.read.contains_key(index)).count();
            if new > room {
                if node.batch().is_none() {
                    return Ok(false);
                }
                complete = false;
                path.retain(|index| self.read.contains_key(index));
            } else {
                room -= new;
            }
            for index in path {
                self.add(index)?;
                let links = self.read.get(&index).map(|read| read.links.clone()).unwrap_or_default();
                let parents = links.iter().flat_map(|link| link.up(node)).copied();
                left.extend(parents.filter(|parent| seen.insert(*parent)));
            }
        }
        Ok(complete)
    }

    /// Keys, organisations, sites, scales and audits behind what is shown, until nothing is missing.
    fn add_supports(&mut self) -> Result<(), StoreError> {
        loop {
            let mut wanted = self.relations.clone();
            for read in self.read.values() {
                wanted.extend(supports_of(read));
            }
            let new: Vec<String> = wanted.difference(&self.supported).cloned().collect();
            if new.is_empty() {
                return Ok(());
            }
            for record in records::load(self.database, &new)? {
                if let Record::Site(site) = &record {
                    self.relations.extend(site.audits.iter().map(|audit| relation_to(site, audit.by)));
                }
                for index in Self::registrations(&record) {
                    self.add(index)?;
                }
            }
            self.supported.extend(new);
        }
    }

    /// The entries that put a registered thing in force, and what became of it.
    fn registrations(record: &Record) -> Vec<EntryIndex> {
        match record {
            Record::Key(key) => {
                let revoked = key.revoked.iter().flat_map(|revocation| [revocation.at, revocation.reported]);
                [key.registered].into_iter().chain(revoked).collect()
            }
            Record::Organisation(organisation) => vec![organisation.registered],
            Record::Site(site) => {
                let suspended = site.suspensions.iter().flat_map(|found| [found.from].into_iter().chain(found.until));
                let audited = site.audits.iter().map(|audit| audit.entry);
                audited.chain(suspended).chain(site.changed.iter().copied()).chain([site.registered]).collect()
            }
            Record::Delegation(delegation) => [delegation.granted].into_iter().chain(delegation.ended).collect(),
            Record::Scale(scale) => scale.verifications.iter().map(|verification| verification.entry).collect(),
            Record::Handover(handover) => vec![handover.offered],
            Record::Consent(consent) => vec![consent.stated],
            Record::Relation(relation) => vec![relation.declared],
            _ => Vec::new(),
        }
    }
}

/// The ids of what a statement rests on: its key, its author, every organisation, site, scale and handover in it.
fn supports_of(read: &Read) -> Vec<String> {
    let mut ids = vec![read.signer.to_string(), read.statement.common.org.to_string()];
    ids.extend(read.statement.common.site.map(|site| site.to_string()));
    if let Some(from) = &read.statement.common.on_behalf_of {
        ids.extend([from.to_string(), Delegation::id_of(from, &read.statement.common.org)]);
    }
    let party = read.statement.common.party();
    match &read.statement.event {
        Event::CertificateIssued(event) => ids.extend([event.pool_site.to_string(), event.holder.to_string()]),
        Event::CertificateTransferred(event) => ids.push(event.to.to_string()),
        Event::SiteAudited(event) => ids.push(event.audited_site.to_string()),
        Event::SiteRegistered(event) => ids.push(event.organisation.to_string()),
        Event::SiteChanged(event) => ids.push(event.changed_site.to_string()),
        Event::SiteSuspended(event) => ids.push(event.suspended_site.to_string()),
        Event::SiteRestored(event) => ids.push(event.restored_site.to_string()),
        Event::DelegationGranted(event) => ids.push(event.to.to_string()),
        Event::DelegationEnded(event) => ids.extend([event.from.to_string(), event.to.to_string()]),
        Event::TreatedFinal(event) => ids.extend(receiver_of(party, None, event.facility)),
        Event::ScaleRegistered(event) => ids.push(event.at_site.to_string()),
        Event::KeyRegistered(event) => ids.push(event.organisation.to_string()),
        Event::HandoverOffered(event) => ids.extend(receiver_of(party, event.to, event.to_facility)),
        Event::ExportShipped(event) => {
            ids.extend(receiver_of(party, event.to, event.to_facility));
            ids.extend(event.under.iter().map(|under| under.consent.to_string()));
        }
        Event::HandoverAccepted(event) => ids.push(event.handover.to_string()),
        Event::ImportReceived(event) => ids.push(event.handover.to_string()),
        Event::KeyRevoked(event) => ids.push(event.kid.to_string()),
        _ => {}
    }
    ids.extend(read.statement.event.scales().iter().map(ScaleId::to_string));
    ids
}

/// What an organisation may have declared to be to whoever has a site.
fn relation_to(site: &Site, organisation: OrganisationId) -> String {
    let owner = site.organisation.map_or(PartyId(site.id.0), |owner| PartyId(owner.0));
    Relation::id_of(PartyId(organisation.0), owner)
}

/// A receiver, and what it may have declared to be to the sender.
fn receiver_of(from: OrganisationId, to: Option<OrganisationId>, facility: Option<SiteId>) -> Vec<String> {
    let organisation = to.map(|to| (to.to_string(), PartyId(to.0)));
    let receiver = organisation.or(facility.map(|facility| (facility.to_string(), PartyId(facility.0))));
    receiver.into_iter().flat_map(|(id, party)| [id, Relation::id_of(PartyId(from.0), party)]).collect()
}
