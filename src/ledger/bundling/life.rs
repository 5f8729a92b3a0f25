//! What was said of a certificate since its issue, as a bundle shows it: of the block, of those of which it is a part, and of
//! those that back it.

use crate::domain::certificate::Certificate;
use crate::domain::delegation::Relation;
use crate::domain::event::Event;
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{RecordId, RecordKind};
use crate::ledger::bundling::Collector;
use crate::ledger::certificates::{find_certificate, giving_blocks};
use crate::store::StoreError;
use std::collections::BTreeSet;

impl Collector<'_> {
    /// Adds the life of a certificate; gives the blocks whose grams back units of it now.
    pub(super) fn add_life(&mut self, certificate: &Certificate) -> Result<Vec<Certificate>, StoreError> {
        let (mut left, mut seen) = (vec![certificate.serial.clone()], BTreeSet::new());
        while let Some(serial) = left.pop() {
            if !seen.insert(serial.to_string()) {
                continue;
            }
            if let Some(block) = find_certificate(self.database, &serial)? {
                left.extend(self.add_said_of(&block)?);
            }
        }
        for failing in &certificate.failing {
            self.add_cause(failing.cause)?;
        }
        giving_blocks(self.database, certificate)
    }

    /// Adds whatever was said of a block; gives the blocks without which that does not follow.
    fn add_said_of(&mut self, block: &Certificate) -> Result<Vec<SerialBlock>, StoreError> {
        self.add(block.issued)?;
        let mut needed: Vec<SerialBlock> = block.split_from.iter().cloned().collect();
        let subject = RecordId::new(RecordKind::Certificate, &block.serial).subject();
        for index in self.about(&subject, usize::MAX)? {
            let is_new = !self.read.contains_key(&index);
            if !self.add(index)? {
                break;
            }
            let Some(read) = self.read.get(&index) else { continue };
            let event = &read.statement.event;
            // Corrections and findings make units fail; what they say is told apart from what was said of the block.
            if !event.type_name().starts_with("certificate_") {
                if is_new {
                    self.read.remove(&index);
                }
                continue;
            }
            let mut parties = vec![read.statement.common.party()];
            match event {
                Event::CertificateTransferred(event) => parties.push(event.to),
                Event::CertificateIssued(event) => parties.push(event.holder),
                Event::CertificateRetired(event) => needed.extend(event.blocks().cloned()),
                Event::CertificateReplaced(event) if event.certificate == block.serial => {
                    needed.extend(event.replacements.iter().map(|replacement| replacement.backing.clone()));
                }
                _ => {}
            }
            self.relate(block.issuer, &parties);
        }
        Ok(needed)
    }

    /// Asks for what parties declared to be to the issuer.
    fn relate(&mut self, issuer: OrganisationId, parties: &[OrganisationId]) {
        let related = parties.iter().map(|party| Relation::id_of(PartyId(issuer.0), PartyId(party.0)));
        self.relations.extend(related);
    }

    /// Adds what made units fail: a finding; the last word on a correction, with that and what it corrects; or whatever else took
    /// grams away, such as a part in store that was lost or weighed anew. It may be somebody else's statement: a holder whose units
    /// fail sees why, and who joins consents to that (rules.md §7).
    fn add_cause(&mut self, cause: EntryIndex) -> Result<(), StoreError> {
        let mut next = Some(cause);
        while let Some(index) = next.take() {
            if !self.add(index)? {
                break;
            }
            next = match self.read.get(&index).map(|read| &read.statement.event) {
                Some(Event::CorrectionConfirmed(event)) => Some(event.correction),
                Some(Event::CorrectionDisputed(event)) => Some(event.correction),
                Some(Event::Corrected(event)) => Some(event.entry),
                _ => None,
            };
        }
        Ok(())
    }
}
