//! What a bundle shows: statements whose signatures fit, by keys and organisations that earlier shown statements put in
//! force.

mod registering;
mod remarks;
mod things;

pub(super) use things::{ShownOffer, ShownSite, ShownStatement};

use crate::domain::codes::{Country, KeyCustody, KeyUse, RevocationReason, Role};
use crate::domain::event::{Event, ExportConsented, LedgerOpened, RuleSetName, ScaleRegistered, Statement};
use crate::domain::ids::{
    ConsentId, EntryIndex, HandoverId, ItemId, KeyId, OrganisationId, Origin, PartyId, ScaleId, SiteId, StatementId,
};
use crate::domain::lineage::links;
use crate::domain::mass::Grams;
use crate::domain::registry::SiteAudit;
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::time::LedgerTime;
use crate::proof::entry::Entry;
use crate::proof::keys;
use crate::proof::statement::Unverified;
use crate::proof::verify::{Rejection, invalid};
use std::collections::{BTreeMap, HashMap, HashSet};
use things::{ShownDelegation, ShownKey};

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
    /// Rule sets by the entries that adopted them.
    adopted: BTreeMap<EntryIndex, RuleSetName>,
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
            adopted: BTreeMap::new(),
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

    /// Whether the operator holds the secret of a key.
    pub(super) fn is_hosted(&self, kid: &KeyId) -> bool {
        self.keys.get(kid).is_none_or(|key| key.custody == KeyCustody::Hosted)
    }

    /// The rule set that was in force for an entry, as far as shown.
    pub(super) fn rules_at(&self, index: EntryIndex) -> Option<&'static RuleSet> {
        let adopted = self.adopted.range(..index).next_back();
        rule_set::find(adopted.map_or(&self.opened.rule_set, |(_, rule_set)| rule_set))
    }
}
