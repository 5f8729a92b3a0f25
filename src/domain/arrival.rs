//! Arrival: an item comes to a place. Its grams go there, waste has the code of the place, and what comes to a site is measured
//! against permit and yearly capacity, on whatever road it comes.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::balance::relocate;
use crate::domain::capacity;
use crate::domain::codes::{Country, Role};
use crate::domain::ids::SiteId;
use crate::domain::item::Item;
use crate::domain::mass::Grams;
use crate::domain::permit::permit_warning;
use crate::domain::refusal::{Warning, WarningCode};
use crate::domain::registry::Site;
use crate::domain::state::{State, Stop};
use crate::domain::waste_code::waste_code;

/// Where a statement's site lies, or its organisation.
pub(crate) fn country_of(
    state: &State<'_>,
    context: &Context<'_>,
    site: Option<SiteId>,
) -> Result<Option<Country>, Stop> {
    if let Some(site) = site {
        return Ok(state.site(&site)?.map(|site| site.country.clone()));
    }
    let organisation = state.organisation(&context.party())?;
    Ok(organisation.and_then(|organisation| organisation.country.clone()))
}

/// On what road an item comes to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// Any other.
    Ordinary,
    /// A shipment over a border, whose papers were looked at when it left.
    Shipment {
        /// Whether it came to another country than the papers say.
        elsewhere: bool,
    },
}

/// An item comes to a site, or to no site: its grams move there, waste has the waste code of the place, and what comes
/// from elsewhere is measured against the site's permit and yearly capacity, on whatever road it comes.
pub(crate) fn arrive(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    to: Option<SiteId>,
) -> Result<(Item, Vec<Warning>), Stop> {
    let from = item.site;
    relocate(state, from, to, item.grams);
    settle_in(state, context, Item { site: to, ..item }, from, Road::Ordinary)
}

/// The same for an item whose grams have been booked at its site already.
pub(crate) fn settle_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: Item,
    from: Option<SiteId>,
    road: Road,
) -> Result<(Item, Vec<Warning>), Stop> {
    let country = country_of(state, context, item.site)?;
    let mut warnings = border_warnings(state, &item, country.as_ref(), road)?;
    let stored = item.stored.clone().filter(|_| from == item.site);
    let mut item = Item { lies_in: country.clone().or(item.lies_in.clone()), stored, ..item };
    if item.arising.is_some() {
        let code = waste_code(state, context, &item.class, item.overridden.as_ref(), country.as_ref())?;
        item.waste_code = code;
        if let Some(site) = item.site.filter(|_| from != item.site) {
            warnings.extend(intake_warnings(state, context, site, &item)?);
        }
    }
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    Ok((Item { evidence, ..item }, warnings))
}

/// What lay in one country and lies in another without a shipment has crossed a border without papers.
fn border_warnings(state: &State<'_>, item: &Item, to: Option<&Country>, road: Road) -> Result<Vec<Warning>, Stop> {
    let watched = rules_in_force(state)?.borders.is_some() && road == Road::Ordinary;
    let crossed = item.lies_in.as_ref().zip(to).is_some_and(|(from, to)| from != to);
    let astray = road == Road::Shipment { elsewhere: true };
    let warning =
        if astray || (watched && crossed) { Warning::new(WarningCode::BorderNotCovered, "/site") } else { None };
    Ok(warning.into_iter().collect())
}

/// What the site's permit does not cover on the day, and what exceeds its yearly capacity. Whoever gathers waste needs no
/// permit for the place where it gathers; whoever recycles or treats does.
pub(crate) fn intake_warnings(
    state: &mut State<'_>,
    context: &Context<'_>,
    site: SiteId,
    item: &Item,
) -> Result<Vec<Warning>, Stop> {
    let Some(place) = measured_place(state, context, site)? else { return Ok(Vec::new()) };
    let day = context.day();
    let not_covered = permit_warning(&place.permits, day.as_ref(), item.waste_code.as_ref(), None);
    let over = capacity::take_in(state, context, &place, item.grams)?;
    Ok(not_covered.into_iter().chain(over).collect())
}

/// The site, if what comes to it is measured: its holder recycles or treats, or it is a plant without a key.
fn measured_place(state: &State<'_>, context: &Context<'_>, site: SiteId) -> Result<Option<Site>, Stop> {
    let organisation = state.organisation(&context.party())?;
    let works_on_waste = |role: &Role| matches!(role, Role::Recycler | Role::Treater);
    let works = organisation.is_some_and(|organisation| organisation.roles.iter().any(works_on_waste));
    Ok(state.site(&site)?.filter(|place| works || place.organisation.is_none()).cloned())
}

/// A warning where waste weighs more than it did when it came to its site, and that is beyond the yearly capacity there. What it
/// weighs less gives no room: it may have come in another year.
pub(crate) fn weighed_more(
    state: &mut State<'_>,
    context: &Context<'_>,
    item: &Item,
    change_g: i64,
) -> Result<Option<Warning>, Stop> {
    let (Some(more), Some(site)) = (Grams::new(change_g).filter(|more| *more > Grams::ZERO), item.site) else {
        return Ok(None);
    };
    if !capacity::counts_every_intake(state)? || !came_in(state, item, site)? {
        return Ok(None);
    }
    let Some(place) = measured_place(state, context, site)? else { return Ok(None) };
    capacity::take_in(state, context, &place, more)
}

/// Whether waste came to a site, and did not come out of batches there, into which it had come as something else.
fn came_in(state: &State<'_>, item: &Item, site: SiteId) -> Result<bool, Stop> {
    let sources = || item.sources.shares().iter().map(|share| share.source.batch());
    state.require_loaded(sources().flatten().map(|batch| batch.to_string()))?;
    for source in sources() {
        let Some(batch) = source else { return Ok(true) };
        if state.batch(&batch)?.is_some_and(|batch| batch.site != site) {
            return Ok(true);
        }
    }
    Ok(false)
}
