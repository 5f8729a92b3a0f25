//! Speaking for another, and being related to another.
//!
//! Whether a delegation or a relation is in force is decided entry by entry, in ledger order.

use crate::domain::apply::{Context, refuse};
use crate::domain::event::{DelegationEnded, DelegationGranted, RelationDeclared, RelationKind, TypeName};
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, OrganisationId, PartyId, SiteId};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;
use std::collections::BTreeSet;

record! {
    /// That one organisation may speak for another.
    pub struct Delegation {
        /// Who granted it.
        from: OrganisationId,
        /// Who has it.
        to: OrganisationId,
        /// What types of statement.
        types: Vec<TypeName>,
        /// At which sites.
        sites: Option<Vec<SiteId>>,
        /// Its last day, UTC.
        until: Date,
        /// The entry that granted it last.
        granted: EntryIndex,
        /// The entry that ended it.
        ended: Option<EntryIndex>,
    }
}

impl Delegation {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.from, &self.to)
    }

    /// The id of what one granted to another.
    pub fn id_of(from: &OrganisationId, to: &OrganisationId) -> String {
        format!("delegation/{from}/{to}")
    }
}

/// Types that can be delegated: what happens to things. Keys, roles, audits, certificates and delegations are said by
/// whoever answers for them.
pub(crate) const DELEGABLE: &[&str] = &[
    "registered",
    "donated",
    "tested",
    "repaired",
    "data_sanitised",
    "prepared_for_reuse",
    "part_removed",
    "part_installed",
    "packed",
    "unpacked",
    "put_in_use",
    "checked",
    "retired",
    "reweighed",
    "collected",
    "received",
    "merged",
    "split",
    "stored",
    "handover_offered",
    "handover_withdrawn",
    "handover_accepted",
    "handover_refused",
    "difference_agreed",
    "carried",
    "export_consented",
    "export_shipped",
    "import_received",
    "batch_opened",
    "batch_fed",
    "dismantled",
    "batch_closed",
    "treated_interim",
    "treated_final",
    "released",
    "lost",
    "found",
    "evidence_attached",
    "training_held",
    "corrected",
    "correction_confirmed",
    "correction_disputed",
];

/// Whoever speaks for another needs a delegation in force, for this type and this site.
pub(crate) fn require_delegation(state: &State<'_>, context: &Context<'_>) -> Result<(), Stop> {
    let common = &context.statement.common;
    require_covered(state, context, &common.r#type, common.site, "/on_behalf_of")
}

/// The same for a type and a site that a statement is about: to correct what was said is to say it.
pub(crate) fn require_covered(
    state: &State<'_>,
    context: &Context<'_>,
    r#type: &TypeName,
    site: Option<SiteId>,
    pointer: &str,
) -> Result<(), Stop> {
    let common = &context.statement.common;
    let Some(from) = &common.on_behalf_of else { return Ok(()) };
    let missing = |detail: String| refuse(RefusalCode::DelegationMissing, pointer, detail);
    if *from == common.org {
        return missing("nobody needs a delegation to speak for itself; leave on_behalf_of out".into());
    }
    if !DELEGABLE.contains(&r#type.as_str()) {
        let detail = format!("{type} is said by whoever answers for it, never for another");
        return refuse(RefusalCode::NotDelegable, "/type", detail);
    }
    let Some(delegation) = state.delegation(&Delegation::id_of(from, &common.org))? else {
        return missing("this organisation has granted no delegation to yours".into());
    };
    if let Some(entry) = delegation.ended {
        return missing(format!("entry {entry} ended the delegation"));
    }
    if context.time.date().is_none_or(|today| today > delegation.until) {
        return missing(format!("the delegation ended with {}", delegation.until));
    }
    if !delegation.types.contains(r#type) {
        return missing(format!("the delegation does not cover {type}"));
    }
    match &delegation.sites {
        Some(sites) if !site.is_some_and(|site| sites.contains(&site)) => {
            missing("the delegation covers named sites alone; this is none of them".into())
        }
        _ => Ok(()),
    }
}

/// An organisation lets another speak for it; what it granted that one before is replaced.
pub fn delegation_granted(state: &mut State<'_>, context: &Context<'_>, event: &DelegationGranted) -> Result<(), Stop> {
    let from = context.party();
    if event.to == from {
        return refuse(RefusalCode::WrongReceiver, "/to", "an organisation speaks for itself anyway");
    }
    if state.organisation(&event.to)?.is_none() {
        return refuse(RefusalCode::Unknown, "/to", "no organisation of this id is registered");
    }
    let distinct: BTreeSet<&TypeName> = event.types.iter().collect();
    if event.types.is_empty() || distinct.len() != event.types.len() {
        return refuse(RefusalCode::ListInvalid, "/types", "name at least one type, and each once");
    }
    let barred = |name: &TypeName| !DELEGABLE.contains(&name.as_str());
    if let Some(position) = event.types.iter().position(barred) {
        let detail = format!("these can be delegated: {}", DELEGABLE.join(", "));
        return refuse(RefusalCode::NotDelegable, format!("/types/{position}"), detail);
    }
    for (position, site) in event.sites.iter().flatten().enumerate() {
        if state.site(site)?.is_none_or(|site| site.organisation != Some(from)) {
            let detail = "no site of this organisation has this id";
            return refuse(RefusalCode::SiteOfAnotherOrganisation, format!("/sites/{position}"), detail);
        }
    }
    if context.time.date().is_none_or(|today| event.until < today) {
        return refuse(RefusalCode::TimeInvalid, "/until", "this day is over");
    }
    state.put(Record::Delegation(Delegation {
        from,
        to: event.to,
        types: event.types.clone(),
        sites: event.sites.clone(),
        until: event.until.clone(),
        granted: context.index,
        ended: None,
    }));
    Ok(())
}

/// A delegation ends with this entry; what was said under it stays said.
pub fn delegation_ended(state: &mut State<'_>, context: &Context<'_>, event: &DelegationEnded) -> Result<(), Stop> {
    let party = context.party();
    if party != event.from && party != event.to {
        let detail = "whoever granted a delegation ends it, or whoever has it";
        return refuse(RefusalCode::RoleMissing, "/org", detail);
    }
    let known = state.delegation(&Delegation::id_of(&event.from, &event.to))?.cloned();
    let Some(delegation) = known.filter(|delegation| delegation.ended.is_none()) else {
        return refuse(RefusalCode::NothingToAnswer, "/to", "there is no such delegation in force");
    };
    state.put(Record::Delegation(Delegation { ended: Some(context.index), ..delegation }));
    Ok(())
}

record! {
    /// That two parties are related.
    pub struct Relation {
        /// The one that sorts first.
        one: PartyId,
        /// The other.
        other: PartyId,
        /// How.
        kind: RelationKind,
        /// The entry that declared it first; what was handed over before stays as it was.
        declared: EntryIndex,
    }
}

impl Relation {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.one, self.other)
    }

    /// The id of the relation of two parties, in whatever order.
    pub fn id_of(one: PartyId, other: PartyId) -> String {
        format!("relation/{}/{}", one.min(other), one.max(other))
    }

    /// Both, as organisations; a facility is not looked up by its relations.
    pub(crate) fn organisations(&self) -> Vec<OrganisationId> {
        vec![OrganisationId(self.one.0), OrganisationId(self.other.0)]
    }
}

/// Two parties are related from now on; either of them says it.
pub fn relation_declared(state: &mut State<'_>, context: &Context<'_>, event: &RelationDeclared) -> Result<(), Stop> {
    let own = PartyId(context.party().0);
    if own == event.other {
        return refuse(RefusalCode::WrongReceiver, "/other", "an organisation is not related to itself");
    }
    let is_organisation = state.organisation(&OrganisationId(event.other.0))?.is_some();
    let is_facility = state.site(&SiteId(event.other.0))?.is_some_and(|site| site.organisation.is_none());
    if !is_organisation && !is_facility {
        return refuse(RefusalCode::Unknown, "/other", "no organisation or facility of this id is registered");
    }
    if are_related(state, own, event.other)? {
        return refuse(RefusalCode::AlreadyRegistered, "/other", "this relation is declared");
    }
    let (one, other) = (own.min(event.other), own.max(event.other));
    state.put(Record::Relation(Relation { one, other, kind: event.kind, declared: context.index }));
    Ok(())
}

/// Whether two parties have declared to be related.
pub(crate) fn are_related(state: &State<'_>, one: PartyId, other: PartyId) -> Result<bool, Stop> {
    Ok(state.relation(&Relation::id_of(one, other))?.is_some())
}
