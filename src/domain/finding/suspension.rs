//! Suspended sites.

use super::require_independent;
use crate::domain::apply::{Context, refuse};
use crate::domain::codes::Role;
use crate::domain::event::{SiteRestored, SiteSuspended};
use crate::domain::ids::SiteId;
use crate::domain::refusal::RefusalCode;
use crate::domain::registry::{Site, Suspension};
use crate::domain::state::{Record, State, Stop};
use crate::limits::SITE_HISTORY_MAX;

/// The site of a suspension, if its author may speak of it: an auditor who is independent of it, or the operator.
fn suspended_or_not(state: &State<'_>, context: &Context<'_>, id: &SiteId, pointer: &str) -> Result<Site, Stop> {
    context.require_role(state, &[Role::Auditor, Role::Operator])?;
    let Some(site) = state.site(id)?.cloned() else {
        return refuse(RefusalCode::Unknown, pointer, "no site of this id is registered");
    };
    require_independent(state, context, &site)?;
    Ok(site)
}

/// Nothing of a site backs a new certificate until it is restored; what was issued stays.
pub fn site_suspended(state: &mut State<'_>, context: &Context<'_>, event: &SiteSuspended) -> Result<(), Stop> {
    let mut site = suspended_or_not(state, context, &event.suspended_site, "/suspended_site")?;
    if site.is_suspended() {
        return refuse(RefusalCode::NothingToAnswer, "/suspended_site", "this site is suspended already");
    }
    if site.suspensions.len() >= SITE_HISTORY_MAX {
        return refuse(RefusalCode::ListInvalid, "/suspended_site", "a site has at most 256 suspensions");
    }
    site.suspensions.push(Suspension { from: context.index, reason: event.reason, until: None });
    state.put(Record::Site(site));
    Ok(())
}

/// A suspension ends with this entry.
pub fn site_restored(state: &mut State<'_>, context: &Context<'_>, event: &SiteRestored) -> Result<(), Stop> {
    let mut site = suspended_or_not(state, context, &event.restored_site, "/restored_site")?;
    let Some(open) = site.suspensions.iter_mut().find(|suspension| suspension.until.is_none()) else {
        return refuse(RefusalCode::NothingToAnswer, "/restored_site", "this site is not suspended");
    };
    open.until = Some(context.index);
    state.put(Record::Site(site));
    Ok(())
}
