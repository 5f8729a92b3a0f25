//! Organisations: who they are and which roles go together.

use crate::domain::apply::{Context, refuse};
use crate::domain::codes::{Commitment, Country, Role};
use crate::domain::event::OrganisationRegistered;
use crate::domain::fields::record;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::domain::refusal::{Refusal, RefusalCode};
use crate::domain::state::{Record, State, Stop};

record! {
    /// An organisation.
    pub struct Organisation {
        /// Its id.
        id: OrganisationId,
        /// What it may be.
        roles: Vec<Role>,
        /// Where it is established; unknown for the operator of a new ledger.
        country: Option<Country>,
        /// Its legal name.
        name: Option<Commitment>,
        /// The entry that registered it.
        registered: EntryIndex,
    }
}

/// Roles exclude one another where independence needs it: an auditor is nothing else; an issuer neither recycles,
/// treats nor buys. The operator is created by `ledger_opened` alone.
pub(crate) fn compatible_roles(roles: &[Role]) -> Result<(), Refusal> {
    let refuse = |code, pointer: &str, detail: &str| {
        Err(Refusal { code, pointer: pointer.to_owned(), detail: detail.to_owned() })
    };
    let distinct: std::collections::BTreeSet<_> = roles.iter().collect();
    if roles.is_empty() || distinct.len() != roles.len() {
        return refuse(RefusalCode::ListInvalid, "/roles", "name at least one role, and each once");
    }
    let has = |role| roles.contains(&role);
    if has(Role::Operator) {
        return refuse(RefusalCode::RolesExclude, "/roles", "the operator is created by ledger_opened alone");
    }
    if has(Role::Auditor) && roles.len() > 1 {
        return refuse(RefusalCode::RolesExclude, "/roles", "an auditor has no other role");
    }
    if has(Role::Issuer) && (has(Role::Recycler) || has(Role::Treater) || has(Role::Buyer)) {
        return refuse(RefusalCode::RolesExclude, "/roles", "an issuer is no recycler, treater or buyer");
    }
    Ok(())
}

/// An organisation joins.
pub fn organisation_registered(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &OrganisationRegistered,
) -> Result<(), Stop> {
    context.require_operator(state)?;
    if state.organisation(&event.organisation)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/organisation", "an organisation of this id is registered");
    }
    compatible_roles(&event.roles)?;
    state.put(Record::Organisation(Organisation {
        id: event.organisation,
        roles: event.roles.clone(),
        country: Some(event.country.clone()),
        name: event.name.clone(),
        registered: context.index,
    }));
    Ok(())
}

pub(crate) fn require_organisation(state: &State<'_>, id: &OrganisationId) -> Result<(), Stop> {
    match state.organisation(id)? {
        Some(_) => Ok(()),
        None => refuse(RefusalCode::Unknown, "/organisation", "no organisation of this id is registered"),
    }
}
