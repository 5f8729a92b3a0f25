//! What a bundle shows: statements whose signatures fit, by keys and organisations that earlier shown statements put in
//! force.

use crate::domain::codes::{KeyCustody, KeyUse, RevocationReason, Role};
use crate::domain::event::{Event, HandoverOffered, LedgerOpened, ScaleRegistered, SiteRegistered, Statement};
use crate::domain::ids::{EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, Origin, ScaleId, SiteId, StatementId};
use crate::domain::lineage::{Link, Node, links};
use crate::domain::registry::SiteAudit;
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::time::LedgerTime;
use crate::proof::entry::Entry;
use crate::proof::keys;
use crate::proof::statement::Unverified;
use crate::proof::verify::{CertificateFacts, Rejection, invalid};
use ed25519_dalek::VerifyingKey;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A key in force.
struct ShownKey {
    organisation: OrganisationId,
    custody: KeyCustody,
    r#use: KeyUse,
    key: VerifyingKey,
    revoked: Option<(RevocationReason, Option<EntryIndex>)>,
}

/// A statement that is shown.
pub(super) struct ShownStatement {
    pub(super) index: EntryIndex,
    pub(super) time: LedgerTime,
    pub(super) signer: KeyId,
    pub(super) statement: Statement,
    /// What it turned into what.
    pub(super) links: Vec<Link>,
}

/// Everything that a bundle shows.
pub(super) struct Shown {
    origin: Origin,
    opened: LedgerOpened,
    operator: OrganisationId,
    statements: BTreeMap<EntryIndex, ShownStatement>,
    keys: HashMap<KeyId, ShownKey>,
    roles: HashMap<OrganisationId, Vec<Role>>,
    sites: HashMap<SiteId, SiteRegistered>,
    scales: HashMap<ScaleId, Vec<ScaleRegistered>>,
    audits: HashMap<SiteId, Vec<SiteAudit>>,
    offers: HashMap<HandoverId, (EntryIndex, HandoverOffered)>,
    /// Which statement made an item.
    makers: HashMap<ItemId, EntryIndex>,
    /// Statements that gave an item's weight, or the item to somebody, in order.
    weighings: HashMap<ItemId, Vec<EntryIndex>>,
    identities: HashSet<(OrganisationId, StatementId)>,
}

impl Shown {
    /// Checks every statement in the order of the ledger.
    pub(super) fn read(origin: Origin, entries: &[Entry]) -> Result<Self, Rejection> {
        let Some((first, rest)) = entries.split_first().filter(|(first, _)| first.index.0 == 0) else {
            return invalid("entry 0, which opens the ledger, is not shown");
        };
        let mut shown = Self::open(origin, first)?;
        for entry in rest {
            shown.take(entry).map_err(|problem| Rejection::Invalid(format!("entry {}: {problem}", entry.index)))?;
        }
        Ok(shown)
    }

    /// Entry 0 brings its own key.
    fn open(origin: Origin, entry: &Entry) -> Result<Self, Rejection> {
        let unverified = Unverified::read(&entry.statement).map_err(|e| Rejection::Invalid(format!("entry 0: {e}")))?;
        let Some(key) = unverified.opening_key() else { return invalid("entry 0 does not open a ledger") };
        let signed = unverified.verify(&key).map_err(|e| Rejection::Invalid(format!("entry 0: {e}")))?;
        let Event::LedgerOpened(opened) = &signed.statement.event else {
            return invalid("entry 0 does not open a ledger");
        };
        let (operator, opened) = (signed.statement.common.org, opened.clone());
        let mut shown = Self {
            origin,
            operator,
            statements: BTreeMap::new(),
            keys: HashMap::new(),
            roles: HashMap::from([(operator, vec![Role::Operator])]),
            sites: HashMap::new(),
            scales: HashMap::new(),
            audits: HashMap::new(),
            offers: HashMap::new(),
            makers: HashMap::new(),
            weighings: HashMap::new(),
            identities: HashSet::new(),
            opened,
        };
        for jwk in shown.opened.operator_keys.clone() {
            let Ok(key) = keys::from_coordinate(&jwk.x) else { return invalid("entry 0 names a key that is none") };
            let (custody, r#use) = (KeyCustody::Own, KeyUse::Statement);
            let key = ShownKey { organisation: operator, custody, r#use, key, revoked: None };
            shown.keys.insert(jwk.thumbprint(), key);
        }
        shown.keep(entry, signed.signer, signed.statement);
        Ok(shown)
    }

    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        let unverified = Unverified::read(&entry.statement).map_err(|refused| refused.to_string())?;
        let key = self.keys.get(&unverified.kid()).ok_or("it is signed by a key that is not shown before it")?;
        let signed = unverified.verify(&key.key).map_err(|refused| refused.to_string())?;
        let common = &signed.statement.common;
        if common.ledger != self.origin {
            return Err(format!("it was said for the ledger {}", common.ledger));
        }
        if key.organisation != common.org || key.r#use != KeyUse::Statement || key.revoked.is_some() {
            return Err("its key is not its organisation's, not for statements, or was revoked before".into());
        }
        if !self.roles.contains_key(&common.org) {
            return Err("its organisation is not shown to be registered before it".into());
        }
        if !self.identities.insert((common.org, common.id)) {
            return Err("its organisation has used this id before".into());
        }
        if common.site.is_some_and(|site| self.sites.get(&site).is_none_or(|site| site.organisation != common.org)) {
            return Err("its site is not shown to be its organisation's".into());
        }
        self.register(entry.index, signed.signer, &signed.statement)?;
        self.keep(entry, signed.signer, signed.statement);
        Ok(())
    }

    /// What it registers, if its author may.
    fn register(&mut self, index: EntryIndex, signer: KeyId, statement: &Statement) -> Result<(), String> {
        let common = &statement.common;
        let is_operators = common.org == self.operator;
        let by_operator = || if is_operators { Ok(()) } else { Err("only the operator may say this".to_owned()) };
        let once = |fresh: bool| if fresh { Ok(()) } else { Err("it registers what is registered".to_owned()) };
        match &statement.event {
            Event::LedgerOpened(_) => Err("a ledger is opened once".into()),
            Event::OrganisationRegistered(event) => {
                by_operator()?;
                once(self.roles.insert(event.organisation, event.roles.clone()).is_none())
            }
            Event::SiteRegistered(event) => {
                by_operator()?;
                once(self.sites.insert(event.new_site, event.clone()).is_none())
            }
            Event::ScaleRegistered(event) => {
                by_operator()?;
                self.scales.entry(event.new_scale).or_default().push(event.clone());
                Ok(())
            }
            Event::KeyRegistered(event) => {
                if event.organisation != common.org {
                    by_operator()?;
                }
                let key = keys::from_coordinate(&event.jwk.x).map_err(|problem| problem.to_string())?;
                let (organisation, custody, r#use) = (event.organisation, event.custody, event.r#use);
                let key = ShownKey { organisation, custody, r#use, key, revoked: None };
                once(self.keys.insert(event.jwk.thumbprint(), key).is_none())
            }
            Event::KeyRevoked(event) => {
                let key = self.keys.get_mut(&event.kid).ok_or("it revokes a key that is not shown")?;
                if key.organisation != common.org && !is_operators {
                    return Err("only the operator or the organisation itself may say this".into());
                }
                key.revoked = Some((event.reason, event.since_index));
                Ok(())
            }
            Event::RulesAdopted(_) => by_operator(),
            Event::SiteAudited(event) => {
                if !self.has_role(&common.org, &[Role::Auditor]) {
                    return Err("only an auditor may say this".into());
                }
                self.audits.entry(event.audited_site).or_default().push(SiteAudit {
                    by: common.org,
                    on: event.on.clone(),
                    outcome: event.outcome,
                    occurred_at: common.occurred_at.clone(),
                    signer,
                    entry: index,
                });
                Ok(())
            }
            Event::HandoverOffered(event) => once(self.offers.insert(event.handover, (index, event.clone())).is_none()),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, entry: &Entry, signer: KeyId, statement: Statement) {
        let offered = match &statement.event {
            Event::HandoverAccepted(event) => self.offered_lots(&event.handover),
            _ => Vec::new(),
        };
        let links = links(&statement.event, &offered);
        for node in links.iter().flat_map(|link| &link.outputs) {
            if let Node::Item(item) = node {
                self.makers.entry(*item).or_insert(entry.index);
            }
        }
        let weighed = match &statement.event {
            Event::Reweighed(event) => vec![event.item],
            Event::Registered(event) => vec![event.item],
            Event::Collected(event) => vec![event.item],
            Event::Received(event) => vec![event.item],
            _ => offered,
        };
        for item in weighed {
            self.weighings.entry(item).or_default().push(entry.index);
        }
        let (index, time) = (entry.index, entry.time);
        self.statements.insert(index, ShownStatement { index, time, signer, statement, links });
    }

    /// The vkey that entry 0 names.
    pub(super) fn checkpoint_vkey(&self) -> &str {
        self.opened.checkpoint_vkey.as_str()
    }

    /// Whether the ledger was opened for tests.
    pub(super) const fn is_test(&self) -> bool {
        self.opened.test
    }

    /// Who runs the ledger.
    pub(super) const fn operator(&self) -> OrganisationId {
        self.operator
    }

    /// The statement of an entry.
    pub(super) fn statement(&self, index: EntryIndex) -> Option<&ShownStatement> {
        self.statements.get(&index)
    }

    /// All statements before an entry, in order.
    pub(super) fn before(&self, index: EntryIndex) -> impl DoubleEndedIterator<Item = &ShownStatement> {
        self.statements.range(..index).map(|(_, shown)| shown)
    }

    /// All statements, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &ShownStatement> {
        self.statements.values()
    }

    /// The statement that made an item.
    pub(super) fn maker(&self, item: ItemId) -> Option<&ShownStatement> {
        self.statement(*self.makers.get(&item)?)
    }

    /// Statements before an entry that gave an item's weight, or the item to somebody.
    pub(super) fn weighings(&self, item: ItemId, before: EntryIndex) -> impl Iterator<Item = &ShownStatement> {
        let indexes = self.weighings.get(&item).into_iter().flatten();
        indexes.filter(move |index| **index < before).filter_map(|index| self.statement(*index))
    }

    /// Whether an organisation has one of the roles.
    pub(super) fn has_role(&self, organisation: &OrganisationId, roles: &[Role]) -> bool {
        self.roles.get(organisation).is_some_and(|has| has.iter().any(|role| roles.contains(role)))
    }

    /// A site as it was registered.
    pub(super) fn site(&self, site: &SiteId) -> Option<&SiteRegistered> {
        self.sites.get(site)
    }

    /// A scale with its verifications.
    pub(super) fn scale(&self, scale: &ScaleId) -> &[ScaleRegistered] {
        self.scales.get(scale).map_or(&[], Vec::as_slice)
    }

    /// The audits of a site that were reported before an entry.
    pub(super) fn audits_before(&self, site: &SiteId, index: EntryIndex) -> Vec<SiteAudit> {
        let audits = self.audits.get(site).into_iter().flatten();
        audits.filter(|audit| audit.entry < index).cloned().collect()
    }

    /// The offer of a handover and its entry.
    pub(super) fn offer(&self, handover: &HandoverId) -> Option<&(EntryIndex, HandoverOffered)> {
        self.offers.get(handover)
    }

    /// The lots of an offer, in its order.
    pub(super) fn offered_lots(&self, handover: &HandoverId) -> Vec<ItemId> {
        let lots = self.offer(handover).and_then(|(_, offer)| offer.lots.as_ref());
        lots.into_iter().flatten().map(|lot| lot.lot).collect()
    }

    /// Whether the operator holds the secret of a key.
    pub(super) fn is_hosted(&self, kid: &KeyId) -> bool {
        self.keys.get(kid).is_none_or(|key| key.custody == KeyCustody::Hosted)
    }

    /// Statements by keys that the operator holds.
    pub(super) fn hosted(&self) -> usize {
        self.statements.values().filter(|shown| self.is_hosted(&shown.signer)).count()
    }

    /// The rule set that was in force for an entry, as far as shown.
    pub(super) fn rules_at(&self, index: EntryIndex) -> Option<&'static RuleSet> {
        let mut adopted = self.before(index).rev().filter_map(|shown| match &shown.statement.event {
            Event::RulesAdopted(event) => Some(&event.rule_set),
            _ => None,
        });
        rule_set::find(adopted.next().unwrap_or(&self.opened.rule_set))
    }

    /// References that lead out of the bundle, counted.
    pub(super) fn not_shown(&self, certificate: &CertificateFacts) -> Vec<String> {
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
        if certificate.arising.is_empty() {
            words.push("where and when the waste arose".to_owned());
        }
        words
    }

    /// Keys that were reported compromised from an entry on at or after which they signed something that is shown.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (kid, key) in &self.keys {
            let Some((RevocationReason::Compromised, since)) = key.revoked else { continue };
            let since = since.unwrap_or(EntryIndex(0));
            let doubtful = self.all().filter(|shown| shown.signer == *kid && shown.index >= since).count();
            if doubtful > 0 {
                let words = "statements are signed by a key that was later reported compromised from entry";
                remarks.push(format!("{doubtful} {words} {since} on ({kid})"));
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
