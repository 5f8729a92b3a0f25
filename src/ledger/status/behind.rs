//! What was said since of what stands behind a certificate: its treatments and their batches, the keys that signed for them,
//! the sites and their audits, and what was found of any of it.

use super::{Concern, Later};
use crate::domain::batch::Batch;
use crate::domain::certificate::Certificate;
use crate::domain::codes::{AuditOutcome, RevocationReason};
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::finding::Cure;
use crate::domain::ids::EntryIndex;
use crate::domain::lineage::Node;
use crate::domain::registry::{Key, Site};
use crate::domain::rule_set;
use crate::domain::time::Date;
use crate::domain::treatment::Treatment;
use crate::ledger::certificate_page::{audits_at_issue, keys_of_audits};
use crate::ledger::certificates::{giving_blocks, treatments_behind};
use crate::ledger::lookup::{read_event, subject_of_node};
use crate::store::{StoreError, entries, records};
use std::collections::{BTreeMap, BTreeSet};

/// Whose word a certificate rests on: keys, each with the last entry that it signed for it.
#[derive(Default)]
struct Signed(BTreeMap<String, EntryIndex>);

impl Signed {
    fn until(&mut self, kid: String, entry: EntryIndex) {
        let last = self.0.entry(kid).or_insert(entry);
        *last = (*last).max(entry);
    }

    fn all_of(&mut self, evidence: &Evidence) {
        for signer in &evidence.signers {
            self.until(signer.kid.to_string(), signer.last);
        }
    }
}

impl Later<'_> {
    /// What was said of the treatments behind a certificate, and behind what backs its units; gives whether that is all.
    pub(super) fn of_what_stands_behind(&mut self, certificate: &Certificate) -> Result<bool, StoreError> {
        let mut blocks = vec![certificate.clone()];
        blocks.extend(giving_blocks(self.database, certificate)?);
        let mut treatments = Vec::new();
        for block in &blocks {
            treatments.extend(treatments_behind(self.database, block)?);
        }
        let batches = self.batches_of(&treatments)?;
        let (mut signed, mut is_all) = (Signed::default(), true);
        for treatment in &treatments {
            is_all &= self.of_treatment(treatment)?;
            let of_batches = || treatment.batches().filter_map(|batch| batches.get(&batch.to_string()));
            // Who explained what a batch lacks is believed as long as the key is.
            for explained in of_batches().filter_map(|batch| batch.explained.as_ref()) {
                signed.until(explained.signer.to_string(), explained.entry);
            }
            for evidence in of_batches().flat_map(Batch::behind).chain([&treatment.evidence]) {
                signed.all_of(evidence);
                self.of_flaws(treatment, evidence, &mut signed)?;
            }
        }
        for block in &blocks {
            self.of_sites(block, &treatments, &mut signed)?;
        }
        self.of_keys(&signed)?;
        Ok(is_all)
    }

    fn batches_of(&mut self, treatments: &[Treatment]) -> Result<BTreeMap<String, Batch>, StoreError> {
        let ids: BTreeSet<String> =
            treatments.iter().flat_map(Treatment::batches).map(|batch| batch.to_string()).collect();
        let batches: Vec<Batch> = records::load_of(self.database, &ids.into_iter().collect::<Vec<_>>())?;
        Ok(batches.into_iter().map(|batch| (batch.id.to_string(), batch)).collect())
    }

    /// Whatever is said of what had ended; of its batches only what may change what was certified.
    fn of_treatment(&mut self, treatment: &Treatment) -> Result<bool, StoreError> {
        let concern = || Concern::Treatment(treatment.entry);
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

    /// What brought flaws since, and what has settled flaws since or before: what a key signed that was reported compromised
    /// settles nothing.
    fn of_flaws(&mut self, treatment: &Treatment, evidence: &Evidence, signed: &mut Signed) -> Result<(), StoreError> {
        let ids: Vec<String> = evidence.flaws.iter().map(|flaw| Cure::id_of(flaw.entry)).collect();
        for flaw in &evidence.flaws {
            self.note(flaw.entry, Concern::Treatment(treatment.entry));
        }
        for cured in records::load_of::<Cure>(self.database, &ids)?.into_iter().flat_map(|cure| cure.cured) {
            self.note(cured.by, Concern::Treatment(treatment.entry));
            signed.until(cured.signer.to_string(), cured.by);
        }
        Ok(())
    }

    /// Keys that were reported compromised from a place on at or before which they signed last.
    fn of_keys(&mut self, Signed(signed): &Signed) -> Result<(), StoreError> {
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

    /// Of a block, the certificate or one that backs units of it: sites that are suspended now, and audits since that found one
    /// otherwise around a day of treatment. The audits on which its issue rested are worth what the keys are that signed them.
    fn of_sites(
        &mut self,
        block: &Certificate,
        treatments: &[Treatment],
        signed: &mut Signed,
    ) -> Result<(), StoreError> {
        let treatments: Vec<&Treatment> =
            treatments.iter().filter(|treatment| block.rests_on(treatment.entry)).collect();
        let treated_at = treatments.iter().map(|treatment| treatment.site.to_string());
        let ids: BTreeSet<String> = treated_at.chain([block.site.to_string()]).collect();
        let months = rule_set::find(&block.rule_set).map_or(0, |rules| rules.scheme.audit_months);
        let days: BTreeSet<&Date> = treatments.iter().map(|treatment| &treatment.day).collect();
        let sites: Vec<Site> = records::load_of(self.database, &ids.into_iter().collect::<Vec<_>>())?;
        let keys = keys_of_audits(self.database, &sites)?;
        for site in sites {
            let concern = || Concern::Site(site.id.to_string());
            for suspension in site.suspensions.iter().filter(|suspension| suspension.until.is_none()) {
                self.note(suspension.from, concern());
            }
            for audit in audits_at_issue(block, (&site, &keys), days.iter().copied()) {
                signed.until(audit.signer.to_string(), audit.entry);
            }
            let contrary = site.audits.iter().filter(|audit| audit.outcome != AuditOutcome::Conforms);
            for audit in contrary.filter(|audit| days.iter().any(|day| audit.is_around(day, months))) {
                self.note(audit.entry, concern());
            }
        }
        Ok(())
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
