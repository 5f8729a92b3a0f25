//! What a bundle shows: statements whose signatures fit, by keys and organisations that earlier shown statements put in
//! force.

use crate::domain::codes::{Country, KeyCustody, KeyUse, RevocationReason, Role, SiteCode};
use crate::domain::event::{
    CommitmentPointer, Common, Event, ExportConsented, LedgerOpened, OfferedLot, Permit, ScaleRegistered, Statement,
    TypeName,
};
use crate::domain::ids::{
    ConsentId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, Origin, PartyId, ScaleId, SiteId, StatementId,
};
use crate::domain::lineage::{Link, Node, links};
use crate::domain::mass::Grams;
use crate::domain::registry::{SiteAudit, compatible_roles};
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::time::{Date, LedgerTime};
use crate::proof::entry::Entry;
use crate::proof::keys;
use crate::proof::statement::Unverified;
use crate::proof::verify::matter::{Flaw, What};
use crate::proof::verify::{CertificateFacts, ErasedFacts, Rejection, invalid};
use ed25519_dalek::VerifyingKey;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A key in force.
struct ShownKey {
    organisation: OrganisationId,
    custody: KeyCustody,
    r#use: KeyUse,
    key: VerifyingKey,
    revoked: Option<ShownRevocation>,
    /// Whether the operator registered it for an organisation that had a key already.
    added: bool,
}

/// What was said last of a key's end.
struct ShownRevocation {
    at: EntryIndex,
    reason: RevocationReason,
    since: Option<EntryIndex>,
}

/// A site or facility as it is shown.
pub(super) struct ShownSite {
    pub(super) organisation: Option<OrganisationId>,
    pub(super) country: Country,
    pub(super) code: SiteCode,
    permits: Vec<(EntryIndex, Permit)>,
    /// Entries that suspended it, and those that ended that.
    suspensions: Vec<(EntryIndex, Option<EntryIndex>)>,
}

impl ShownSite {
    /// The permits that were on the ledger before an entry.
    pub(super) fn permits_before(&self, index: EntryIndex) -> Vec<Permit> {
        self.permits.iter().filter(|(stated, _)| *stated < index).map(|(_, permit)| permit.clone()).collect()
    }

    /// Whether a suspension was in force at an entry.
    pub(super) fn is_suspended_at(&self, index: EntryIndex) -> bool {
        self.suspensions.iter().any(|(from, until)| *from < index && until.is_none_or(|until| until > index))
    }
}

/// What was offered to whom, within a country or over a border.
pub(super) struct ShownOffer {
    /// The entry.
    pub(super) index: EntryIndex,
    pub(super) to: Option<OrganisationId>,
    /// A plant without a key.
    pub(super) facility: Option<SiteId>,
    pub(super) items: Vec<ItemId>,
    pub(super) lots: Vec<ItemId>,
    /// Where to, if it crosses a border as a shipment.
    pub(super) shipped_to: Option<Country>,
}

/// What one organisation lets another say.
struct ShownDelegation {
    types: Vec<TypeName>,
    sites: Option<Vec<SiteId>>,
    until: Date,
    ended: bool,
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
    organisations: HashMap<OrganisationId, (Vec<Role>, Option<Country>)>,
    sites: HashMap<SiteId, ShownSite>,
    delegations: HashMap<(OrganisationId, OrganisationId), ShownDelegation>,
    scales: HashMap<ScaleId, Vec<(EntryIndex, ScaleRegistered)>>,
    audits: HashMap<SiteId, Vec<SiteAudit>>,
    offers: HashMap<HandoverId, ShownOffer>,
    consents: HashMap<ConsentId, (EntryIndex, OrganisationId, ExportConsented)>,
    /// Who declared to be related, the one that sorts first before the other, and where first.
    relations: HashMap<(PartyId, PartyId), EntryIndex>,
    identities: HashSet<(OrganisationId, StatementId)>,
}

impl ShownStatement {
    /// Who acts in it: its author, or whoever the author speaks for.
    pub(super) fn party(&self) -> OrganisationId {
        let common = &self.statement.common;
        common.on_behalf_of.unwrap_or(common.org)
    }

    /// A flaw that it brings.
    pub(super) const fn flaw(&self, what: What) -> Flaw {
        Flaw { entry: self.index, what }
    }
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
            organisations: HashMap::from([(operator, (vec![Role::Operator], None))]),
            sites: HashMap::new(),
            delegations: HashMap::new(),
            scales: HashMap::new(),
            audits: HashMap::new(),
            offers: HashMap::new(),
            consents: HashMap::new(),
            relations: HashMap::new(),
            identities: HashSet::new(),
            opened,
        };
        for jwk in shown.opened.operator_keys.clone() {
            let Ok(key) = keys::from_coordinate(&jwk.x) else { return invalid("entry 0 names a key that is none") };
            let (custody, r#use) = (KeyCustody::Own, KeyUse::Statement);
            let key = ShownKey { organisation: operator, custody, r#use, key, revoked: None, added: false };
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
        if !self.organisations.contains_key(&common.org) {
            return Err("its organisation is not shown to be registered before it".into());
        }
        if !self.identities.insert((common.org, common.id)) {
            return Err("its organisation has used this id before".into());
        }
        self.require_delegation(entry.time, &signed.statement)?;
        let party = Some(common.on_behalf_of.unwrap_or(common.org));
        if common.site.is_some_and(|site| self.sites.get(&site).is_none_or(|site| site.organisation != party)) {
            return Err("its site is not shown to be its organisation's".into());
        }
        self.register(entry.index, signed.signer, &signed.statement)?;
        self.keep(entry, signed.signer, signed.statement);
        Ok(())
    }

    /// Whoever speaks for another is shown to have a delegation in force for it.
    fn require_delegation(&self, time: LedgerTime, statement: &Statement) -> Result<(), String> {
        let common = &statement.common;
        let Some(from) = common.on_behalf_of else { return Ok(()) };
        let known = self.delegations.get(&(from, common.org)).filter(|known| !known.ended);
        let in_force = known.is_some_and(|known| {
            known.types.contains(&common.r#type)
                && time.date().is_some_and(|today| today <= known.until)
                && known.sites.as_ref().is_none_or(|sites| common.site.is_some_and(|site| sites.contains(&site)))
        });
        if in_force { Ok(()) } else { Err("it is said for another without a delegation that is shown".into()) }
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
                compatible_roles(&event.roles).map_err(|refusal| refusal.detail)?;
                let organisation = (event.roles.clone(), Some(event.country.clone()));
                once(self.organisations.insert(event.organisation, organisation).is_none())
            }
            Event::ScaleRegistered(event) => {
                by_operator()?;
                self.scales.entry(event.new_scale).or_default().push((index, event.clone()));
                Ok(())
            }
            Event::KeyRegistered(event) => {
                if event.organisation != common.org {
                    by_operator()?;
                }
                let key = keys::from_coordinate(&event.jwk.x).map_err(|problem| problem.to_string())?;
                let (organisation, custody, r#use) = (event.organisation, event.custody, event.r#use);
                let has_one = self.keys.values().any(|known| known.organisation == organisation);
                let added = has_one && common.org != organisation;
                let key = ShownKey { organisation, custody, r#use, key, revoked: None, added };
                once(self.keys.insert(event.jwk.thumbprint(), key).is_none())
            }
            Event::KeyRevoked(event) => {
                let key = self.keys.get_mut(&event.kid).ok_or("it revokes a key that is not shown")?;
                if key.organisation != common.org && !is_operators {
                    return Err("only the operator or the organisation itself may say this".into());
                }
                let earlier = key.revoked.as_ref().map(|revoked| revoked.reason);
                if earlier.is_some_and(|earlier| {
                    (earlier, event.reason) != (RevocationReason::Superseded, RevocationReason::Compromised)
                }) {
                    return Err("it revokes what is revoked".into());
                }
                let since = event.since_index;
                if since.is_some_and(|since| since > index || event.reason == RevocationReason::Superseded) {
                    return Err("it revokes from an entry on that does not fit".into());
                }
                key.revoked = Some(ShownRevocation { at: index, reason: event.reason, since });
                Ok(())
            }
            Event::RulesAdopted(_) | Event::CheckpointKeyChanged(_) => by_operator(),
            Event::ValueErased(event) => {
                if event.entry >= index {
                    return Err("it erases values of an entry that does not come before it".into());
                }
                let author = self.statement(event.entry).map(ShownStatement::party);
                if author.is_some_and(|author| author != common.org) { by_operator() } else { Ok(()) }
            }
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
            _ => self.register_offer(index, statement),
        }
    }

    /// What it offers, or may be shipped under.
    fn register_offer(&mut self, index: EntryIndex, statement: &Statement) -> Result<(), String> {
        let once = |fresh: bool| if fresh { Ok(()) } else { Err("it registers what is registered".to_owned()) };
        let offer =
            |to, facility, items: &Option<Vec<ItemId>>, lots: &Option<Vec<OfferedLot>>, shipped_to| ShownOffer {
                index,
                to,
                facility,
                items: items.clone().unwrap_or_default(),
                lots: lots.iter().flatten().map(|lot| lot.lot).collect(),
                shipped_to,
            };
        let (handover, offer) = match &statement.event {
            Event::HandoverOffered(event) => {
                (event.handover, offer(event.to, event.to_facility, &event.items, &event.lots, None))
            }
            Event::ExportShipped(event) => {
                let shipped_to = Some(event.to_country.clone());
                (event.handover, offer(event.to, event.to_facility, &event.items, &event.lots, shipped_to))
            }
            Event::ExportConsented(event) => {
                let common = &statement.common;
                let consent = (index, common.on_behalf_of.unwrap_or(common.org), event.clone());
                return once(self.consents.insert(event.consent, consent).is_none());
            }
            _ => return self.register_site(index, statement),
        };
        once(self.offers.insert(handover, offer).is_none())
    }

    /// What it says of sites and of who may speak for whom, if its author may.
    fn register_site(&mut self, index: EntryIndex, statement: &Statement) -> Result<(), String> {
        let common = &statement.common;
        let is_operators = common.org == self.operator;
        let by_operator = || if is_operators { Ok(()) } else { Err("only the operator may say this".to_owned()) };
        let once = |fresh: bool| if fresh { Ok(()) } else { Err("it registers what is registered".to_owned()) };
        match &statement.event {
            Event::SiteRegistered(event) => {
                by_operator()?;
                let site = ShownSite {
                    organisation: Some(event.organisation),
                    country: event.country.clone(),
                    code: event.code.clone(),
                    permits: event.permit.iter().map(|permit| (index, permit.clone())).collect(),
                    suspensions: Vec::new(),
                };
                once(self.sites.insert(event.new_site, site).is_none())
            }
            Event::FacilityRegistered(event) => {
                by_operator()?;
                let site = ShownSite {
                    organisation: None,
                    country: event.country.clone(),
                    code: event.code.clone(),
                    permits: vec![(index, event.permit.clone())],
                    suspensions: Vec::new(),
                };
                once(self.sites.insert(event.facility, site).is_none())
            }
            Event::SiteChanged(event) => {
                by_operator()?;
                let site = self.sites.get_mut(&event.changed_site).ok_or("it changes a site that is not shown")?;
                site.permits.extend(event.permit.iter().map(|permit| (index, permit.clone())));
                Ok(())
            }
            Event::SiteSuspended(event) => {
                self.require_supervisor(common)?;
                let site = self.sites.get_mut(&event.suspended_site).ok_or("it suspends a site that is not shown")?;
                site.suspensions.push((index, None));
                Ok(())
            }
            Event::SiteRestored(event) => {
                self.require_supervisor(common)?;
                let site = self.sites.get_mut(&event.restored_site).ok_or("it restores a site that is not shown")?;
                site.suspensions
                    .iter_mut()
                    .filter(|(_, until)| until.is_none())
                    .for_each(|(_, until)| *until = Some(index));
                Ok(())
            }
            Event::DelegationGranted(event) => {
                let (types, sites, until) = (event.types.clone(), event.sites.clone(), event.until.clone());
                let granted = ShownDelegation { types, sites, until, ended: false };
                self.delegations.insert((common.org, event.to), granted);
                Ok(())
            }
            Event::RelationDeclared(event) => {
                let own = PartyId(common.on_behalf_of.unwrap_or(common.org).0);
                self.relations.entry((own.min(event.other), own.max(event.other))).or_insert(index);
                Ok(())
            }
            Event::DelegationEnded(event) => {
                if common.org != event.from && common.org != event.to {
                    return Err("only whoever granted a delegation ends it, or whoever has it".into());
                }
                if let Some(known) = self.delegations.get_mut(&(event.from, event.to)) {
                    known.ended = true;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Only an auditor or the operator suspends and restores.
    fn require_supervisor(&self, common: &Common) -> Result<(), String> {
        if common.org == self.operator || self.has_role(&common.org, &[Role::Auditor]) {
            return Ok(());
        }
        Err("only an auditor or the operator may say this".into())
    }

    fn keep(&mut self, entry: &Entry, signer: KeyId, statement: Statement) {
        let offered = match &statement.event {
            Event::HandoverAccepted(event) => self.offered_lots(&event.handover),
            Event::ImportReceived(event) => self.offered_lots(&event.handover),
            _ => Vec::new(),
        };
        let links = links(&statement.event, &offered);
        let (index, time) = (entry.index, entry.time);
        self.statements.insert(index, ShownStatement { index, time, signer, statement, links });
    }

    /// Whether the ledger names a key for its checkpoints: in entry 0, or in a change of keys that is shown.
    pub(super) fn names_checkpoint_key(&self, vkey: &str) -> bool {
        let changed = self.all().any(|shown| match &shown.statement.event {
            Event::CheckpointKeyChanged(event) => event.vkey.as_str() == vkey,
            _ => false,
        });
        changed || self.opened.checkpoint_vkey.as_str() == vkey
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

    /// Whether every entry from one to another is shown.
    pub(super) fn shows_all_between(&self, from: EntryIndex, to: EntryIndex) -> bool {
        let shown = u64::try_from(self.statements.range(from..to).count());
        shown.is_ok_and(|shown| shown == to.0.saturating_sub(from.0))
    }

    /// All statements, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &ShownStatement> {
        self.statements.values()
    }

    /// Whether an organisation has one of the roles.
    pub(super) fn has_role(&self, organisation: &OrganisationId, roles: &[Role]) -> bool {
        self.organisations.get(organisation).is_some_and(|(has, _)| has.iter().any(|role| roles.contains(role)))
    }

    /// Where an organisation is established.
    pub(super) fn country(&self, organisation: &OrganisationId) -> Option<&Country> {
        self.organisations.get(organisation).and_then(|(_, country)| country.as_ref())
    }

    /// A site or facility.
    pub(super) fn site(&self, site: &SiteId) -> Option<&ShownSite> {
        self.sites.get(site)
    }

    /// A scale with its verifications.
    pub(super) fn scale(&self, scale: &ScaleId) -> &[(EntryIndex, ScaleRegistered)] {
        self.scales.get(scale).map_or(&[], Vec::as_slice)
    }

    /// The division of a scale.
    pub(super) fn division(&self, scale: &ScaleId) -> Grams {
        self.scale(scale).first().map_or(Grams::ZERO, |(_, scale)| scale.division_g)
    }

    /// Whether a key was reported, before an entry, to have been compromised when it signed another.
    pub(super) fn is_compromised(&self, kid: &KeyId, signed: EntryIndex, before: EntryIndex) -> bool {
        let revoked = self.keys.get(kid).and_then(|key| key.revoked.as_ref());
        revoked.is_some_and(|revoked| {
            revoked.reason == RevocationReason::Compromised
                && revoked.at < before
                && revoked.since.is_none_or(|since| since <= signed)
        })
    }

    /// The audits of a site that were reported before an entry.
    pub(super) fn audits_before(&self, site: &SiteId, index: EntryIndex) -> Vec<SiteAudit> {
        let audits = self.audits.get(site).into_iter().flatten();
        audits.filter(|audit| audit.entry < index).cloned().collect()
    }

    /// The offer of a handover.
    pub(super) fn offer(&self, handover: &HandoverId) -> Option<&ShownOffer> {
        self.offers.get(handover)
    }

    /// A consent to shipments that an organisation had before an entry, and where it was stated.
    pub(super) fn consent(
        &self,
        id: &ConsentId,
        party: OrganisationId,
        before: EntryIndex,
    ) -> Option<(EntryIndex, &ExportConsented)> {
        let known = self.consents.get(id).filter(|(index, of, _)| *index < before && *of == party);
        known.map(|(index, _, consent)| (*index, consent))
    }

    /// Whether two parties declared to be related before an entry.
    pub(super) fn are_related(&self, one: PartyId, other: PartyId, before: EntryIndex) -> bool {
        self.relations.get(&(one.min(other), one.max(other))).is_some_and(|declared| *declared < before)
    }

    /// The lots of an offer, in its order.
    pub(super) fn offered_lots(&self, handover: &HandoverId) -> Vec<ItemId> {
        self.offer(handover).map(|offer| offer.lots.clone()).unwrap_or_default()
    }

    /// What was erased of an entry's values: pointer, day and entry, in the order of the ledger.
    pub(super) fn erased(&self, entry: EntryIndex) -> Vec<ErasedFacts> {
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
        words.extend(certificate.not_shown.iter().cloned());
        if certificate.arising.is_empty() {
            words.push("where and when the waste arose".to_owned());
        }
        words
    }

    /// Keys that were reported compromised from an entry on at or after which they signed something that is shown, and
    /// keys that the operator added for others.
    pub(super) fn remarks(&self) -> Vec<String> {
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
