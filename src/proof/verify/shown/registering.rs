//! What statements register, if their authors may: keys, organisations, scales, sites, offers, and who speaks for whom.

use crate::domain::codes::{RevocationReason, Role};
use crate::domain::event::{Common, Event, OfferedLot, Statement};
use crate::domain::ids::{EntryIndex, ItemId, KeyId, PartyId, SiteId};
use crate::domain::registry::{SiteAudit, compatible_roles};
use crate::proof::keys;
use crate::proof::verify::shown::Shown;
use crate::proof::verify::shown::things::{
    ShownDelegation, ShownKey, ShownOffer, ShownRevocation, ShownSite, ShownStatement,
};

impl Shown {
    /// What it registers, if its author may.
    pub(super) fn register(&mut self, index: EntryIndex, signer: KeyId, statement: &Statement) -> Result<(), String> {
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
            Event::CheckpointKeyChanged(_) => by_operator(),
            Event::RulesAdopted(event) => {
                by_operator()?;
                self.adopted.insert(index, event.rule_set.clone());
                Ok(())
            }
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
                self.require_independent(event.audited_site, (index, statement))?;
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

    /// No organisation audits itself or a related one; the first rule set asked for the role alone.
    fn require_independent(&self, site: SiteId, (index, said): (EntryIndex, &Statement)) -> Result<(), String> {
        let asked = self.rules_at(index).is_some_and(|rules| rules.borders.is_some());
        let Some(known) = self.sites.get(&site).filter(|_| asked) else { return Ok(()) };
        let owner = known.organisation.map_or(PartyId(site.0), |organisation| PartyId(organisation.0));
        let own = PartyId(said.common.party().0);
        if own == owner || self.are_related(own, owner, index) {
            return Err("no organisation audits itself or one that it is related to".into());
        }
        Ok(())
    }

    /// Only an auditor or the operator suspends and restores.
    fn require_supervisor(&self, common: &Common) -> Result<(), String> {
        if common.org == self.operator || self.has_role(&common.org, &[Role::Auditor]) {
            return Ok(());
        }
        Err("only an auditor or the operator may say this".into())
    }
}
