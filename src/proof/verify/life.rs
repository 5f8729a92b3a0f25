//! The lives of the certificates that a bundle shows, lived once more: each statement about them is put to the domain's own rules,
//! in the order of the ledger.
//!
//! What a bundle shows of a life is whole or it is a lie: whoever hands on a block holds it by then, parts partition it, an end is
//! final. Blocks that are not shown are left alone. That nothing was said besides, no bundle can show.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::certificate::{self, Backing, Certificate};
use crate::domain::codes::Role;
use crate::domain::delegation::Relation;
use crate::domain::event::{CertificateIssued, CertificateRetired, Event, Replacement, RuleSetName};
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId};
use crate::domain::registry::{Ledger, Organisation, Site};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, State, Stop};
use crate::proof::verify::certificate::check_issue;
use crate::proof::verify::shown::{Shown, ShownStatement};
use crate::proof::verify::{Rejection, invalid};
use std::collections::BTreeMap;

/// An issue that is shown and was checked.
pub(super) struct ShownIssue<'a> {
    pub(super) said: &'a ShownStatement,
    pub(super) issue: &'a CertificateIssued,
    /// Country and code of the batches' site.
    pub(super) site: String,
}

/// Every certificate that a bundle shows, as it stands after all that is shown.
pub(super) struct Lives<'a> {
    shown: &'a Shown,
    state: State<'static>,
    issues: BTreeMap<EntryIndex, ShownIssue<'a>>,
}

impl<'a> Lives<'a> {
    /// Lives them, for a bundle about a block: whatever is said of its units follows from their issue.
    pub(super) fn read(shown: &'a Shown, about: &SerialBlock) -> Result<Self, Rejection> {
        let mut lives = Self { shown, state: State::empty(), issues: BTreeMap::new() };
        for said in shown.all() {
            lives.take(said, about)?;
        }
        Ok(lives)
    }

    /// A block as it stands, if it is shown how it came about.
    pub(super) fn certificate(&self, serial: &SerialBlock) -> Option<&Certificate> {
        self.state.certificate(&serial.to_string()).ok().flatten()
    }

    /// An issue, if it is shown.
    pub(super) fn issue(&self, entry: EntryIndex) -> Option<&ShownIssue<'a>> {
        self.issues.get(&entry)
    }

    /// The block whose units back others: what was given may be named in part since.
    pub(super) fn giving(&self, backing: &Backing) -> Option<&Certificate> {
        let blocks = self.state.records().values().filter_map(|record| match record {
            Record::Certificate(block) => Some(block),
            _ => None,
        });
        let gives = |block: &&Certificate| {
            block.serial.holds(&backing.by)
                && block.withdrawn.as_ref().is_some_and(|withdrawn| withdrawn.entry == backing.entry)
                && block.backs.is_some()
        };
        blocks.into_iter().find(gives)
    }

    /// A block and those of which it is a part, the smallest first.
    pub(super) fn with_ancestors<'s>(&'s self, certificate: &'s Certificate) -> impl Iterator<Item = &'s Certificate> {
        std::iter::successors(Some(certificate), |block| self.certificate(block.split_from.as_ref()?))
    }

    /// How many accounts a block has been in, its issue's included.
    pub(super) fn hands(&self, certificate: &Certificate) -> usize {
        let blocks: Vec<&SerialBlock> = self.with_ancestors(certificate).map(|block| &block.serial).collect();
        let hands_on = |said: &&ShownStatement| match &said.statement.event {
            Event::CertificateTransferred(event) => blocks.contains(&&event.certificate),
            _ => false,
        };
        1 + self.shown.all().filter(hands_on).count()
    }

    /// The statement of an entry.
    pub(super) fn statement(&self, entry: EntryIndex) -> Option<&'a ShownStatement> {
        self.shown.statement(entry)
    }

    fn knows(&self, serial: &SerialBlock) -> bool {
        self.certificate(serial).is_some()
    }

    fn take(&mut self, said: &'a ShownStatement, about: &SerialBlock) -> Result<(), Rejection> {
        let named = blocks_named(&said.statement.event);
        if let Some(serial) = named.iter().find(|serial| serial.overlaps(about) && !self.knows(serial)) {
            return invalid(format!("entry {} is about {serial}, and how that came about is not shown", said.index));
        }
        let (index, common) = (said.index, &said.statement.common);
        let context = Context { index, time: said.time, signer: said.signer, statement: &said.statement, again: None };
        let state = &mut self.state;
        let lived = match &said.statement.event {
            Event::LedgerOpened(event) => {
                let ledger = Ledger {
                    origin: common.ledger.clone(),
                    operator: common.org,
                    test: event.test,
                    rule_set: event.rule_set.clone(),
                    checkpoint_vkey: event.checkpoint_vkey.clone(),
                    former_vkey: None,
                    closed: None,
                };
                state.put(Record::Ledger(ledger));
                self.register(common.org, vec![Role::Operator], index);
                return Ok(());
            }
            Event::RulesAdopted(event) => return self.adopt(&event.rule_set),
            Event::OrganisationRegistered(event) => {
                self.register(event.organisation, event.roles.clone(), index);
                return Ok(());
            }
            Event::SiteRegistered(event) => {
                state.put(Record::Site(Site {
                    id: event.new_site,
                    organisation: Some(event.organisation),
                    country: event.country.clone(),
                    code: event.code.clone(),
                    address: None,
                    permits: event.permit.iter().cloned().collect(),
                    audits: Vec::new(),
                    suspensions: Vec::new(),
                    registered: index,
                    changed: Vec::new(),
                }));
                return Ok(());
            }
            Event::RelationDeclared(event) => {
                let own = PartyId(common.party().0);
                let (one, other) = (own.min(event.other), own.max(event.other));
                state.put(Record::Relation(Relation { one, other, kind: event.kind, declared: index }));
                return Ok(());
            }
            Event::CertificateIssued(issue) => return self.take_issue(said, issue, &context),
            Event::CertificateRetired(event) => self.retire(event, &context),
            Event::CertificateReplaced(event) => certificate::replaced_as_shown(state, &context, event),
            event if named.iter().any(|serial| self.knows(serial)) => self.oversee_or_trade(event, &context),
            _ => return Ok(()),
        };
        lived.map_err(|stop| Rejection::Invalid(format!("entry {index}: {}: {}", common.r#type, in_words(stop))))
    }

    fn register(&mut self, id: OrganisationId, roles: Vec<Role>, registered: EntryIndex) {
        self.state.put(Record::Organisation(Organisation { id, roles, country: None, name: None, registered }));
    }

    fn adopt(&mut self, rule_set: &RuleSetName) -> Result<(), Rejection> {
        let Ok(Some(ledger)) = self.state.ledger() else { return invalid("entry 0 does not open a ledger") };
        let ledger = Ledger { rule_set: rule_set.clone(), ..ledger.clone() };
        self.state.put(Record::Ledger(ledger));
        Ok(())
    }

    fn take_issue(
        &mut self,
        said: &'a ShownStatement,
        issue: &'a CertificateIssued,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let Ok(rules) = rules_in_force(&self.state) else {
            return invalid("this software does not carry the rule set in force");
        };
        let site = check_issue(self.shown, said, issue, rules)?;
        let overlaps = |known: &ShownIssue<'_>| {
            [&known.issue.certificate, &known.issue.buffer]
                .iter()
                .any(|block| block.overlaps(&issue.certificate) || block.overlaps(&issue.buffer))
        };
        if self.issues.values().any(overlaps) {
            return invalid("the certificate is issued twice");
        }
        let issued = certificate::put_issued(&mut self.state, context, issue);
        issued.map_err(|stop| Rejection::Invalid(format!("entry {}: {}", said.index, in_words(stop))))?;
        self.issues.insert(said.index, ShownIssue { said, issue, site });
        Ok(())
    }

    /// One claim ends several blocks; those that are not shown are left alone.
    fn retire(&mut self, event: &CertificateRetired, context: &Context<'_>) -> Result<(), Stop> {
        certificate::require_distinct(event)?;
        let mut known = event.blocks().filter(|serial| self.knows(serial)).cloned();
        let Some(first) = known.next() else { return Ok(()) };
        let further: Vec<SerialBlock> = known.collect();
        let further = (!further.is_empty()).then_some(further);
        let of_known = CertificateRetired { certificate: first, further, ..event.clone() };
        certificate::certificate_retired(&mut self.state, context, &of_known)
    }

    fn oversee_or_trade(&mut self, event: &Event, context: &Context<'_>) -> Result<(), Stop> {
        let state = &mut self.state;
        match event {
            Event::CertificateCountersigned(event) => certificate::certificate_countersigned(state, context, event),
            Event::CertificateTransferred(event) => certificate::certificate_transferred(state, context, event),
            Event::CertificateSplit(event) => certificate::certificate_split(state, context, event),
            Event::CertificateCancelled(event) => certificate::certificate_cancelled(state, context, event),
            Event::CertificateWithdrawn(event) => certificate::certificate_withdrawn(state, context, event),
            Event::CertificateFrozen(event) => certificate::certificate_frozen(state, context, event),
            Event::CertificateUnfrozen(event) => certificate::certificate_unfrozen(state, context, event),
            _ => Ok(()),
        }
    }
}

/// The blocks that a statement is about, as they must be by then; an issue makes its own.
fn blocks_named(event: &Event) -> Vec<&SerialBlock> {
    match event {
        Event::CertificateCountersigned(event) => vec![&event.certificate],
        Event::CertificateTransferred(event) => vec![&event.certificate],
        Event::CertificateSplit(event) => vec![&event.certificate],
        Event::CertificateCancelled(event) => vec![&event.certificate],
        Event::CertificateWithdrawn(event) => vec![&event.certificate],
        Event::CertificateFrozen(event) => vec![&event.certificate],
        Event::CertificateUnfrozen(event) => vec![&event.certificate],
        Event::CertificateRetired(event) => event.blocks().collect(),
        Event::CertificateReplaced(event) => {
            // One statement may cut a block more than once: what is left of it is named after that.
            [&event.certificate].into_iter().chain(event.replacements.first().map(Replacement::block)).collect()
        }
        _ => Vec::new(),
    }
}

/// The state of a bundle is complete: nothing is ever to be loaded.
fn in_words(stop: Stop) -> String {
    match stop {
        Stop::Refused(refusal) => refusal.detail,
        Stop::Load(_) => "it rests on what is not shown".to_owned(),
    }
}
