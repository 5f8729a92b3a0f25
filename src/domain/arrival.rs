//! Arrival: an item comes to a place. Its grams go there, waste has the code of the place, and what comes to a site is measured
//! against permit and yearly capacity, on whatever road it comes.

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::balance::relocate;
use crate::domain::capacity;
use crate::domain::codes::{Country, Role};
use crate::domain::ids::SiteId;
use crate::domain::item::Item;
use crate::domain::permit::permit_warning;
use crate::domain::refusal::{Warning, WarningCode};
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
    let organisation = state.organisation(&context.party())?;
    let works_on_waste = |role: &Role| matches!(role, Role::Recycler | Role::Treater);
    let works = organisation.is_some_and(|organisation| organisation.roles.iter().any(works_on_waste));
    let Some(place) = state.site(&site)?.cloned() else { return Ok(Vec::new()) };
    if !works && place.organisation.is_some() {
        return Ok(Vec::new());
    }
    let day = context.day();
    let not_covered = permit_warning(&place.permits, day.as_ref(), item.waste_code.as_ref(), None);
    let over = capacity::take_in(state, context, &place, item.grams)?;
    Ok(not_covered.into_iter().chain(over).collect())
}
