//! How many units of a year's vintages a site may have: they never weigh more than it may receive in that year and the one before
//! it, since grams may wait a year for what makes them eligible. Whatever else fails, certificates above a plant's capacity stop
//! here.

use crate::domain::apply::{refuse, rules_in_force};
use crate::domain::capacity::{SiteYear, counts_every_intake};
use crate::domain::certificate::{IssuedYear, Proposal, UNIT_G, propose};
use crate::domain::codes::{CalendarYear, Month, TableCode};
use crate::domain::dismantling::DISMANTLING;
use crate::domain::event::CertificateIssued;
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::refusal::RefusalCode;
use crate::domain::registry::Site;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::LedgerTime;

/// What an issuer would sign now for a pool: up to so many units, or all there are, and no more than an issue would be allowed.
pub fn draft(
    state: &State<'_>,
    site: &SiteId,
    vintage: &Month,
    units_max: Option<i64>,
    now: LedgerTime,
) -> Result<Proposal, Stop> {
    // An issue has two units at least: where there is no room for these, it says so.
    let room = room_units(state, site, vintage)?.map(|room| room.max(2));
    let proposal = propose(state, site, vintage, units_max.into_iter().chain(room).min(), now)?;
    counted(state, &proposal.issue)?;
    Ok(proposal)
}

/// Counts an issue among those of its year.
pub(super) fn count(state: &mut State<'_>, event: &CertificateIssued) -> Result<(), Stop> {
    if let Some(issued) = counted(state, event)? {
        state.put(Record::IssuedYear(issued));
    }
    Ok(())
}

/// What has been issued of a year with an issue, if the scheme lets it.
fn counted(state: &State<'_>, event: &CertificateIssued) -> Result<Option<IssuedYear>, Stop> {
    let Some(year) = event.vintage.year() else { return Ok(None) };
    let units = issued(state, &event.pool_site, &year)? + event.certificate.units() + event.buffer.units();
    let most_g = most_g(state, &event.pool_site, &year)?;
    let issued = IssuedYear { site: event.pool_site, year, units };
    if rules_in_force(state)?.scheme.registry.is_some() && issued.grams() > most_g {
        let detail = format!(
            "{units} units of {} would be issued; the site may receive {} kg in that year and the one before",
            issued.year,
            most_g / UNIT_G
        );
        return refuse(RefusalCode::OverCapacity, "/certificate", detail);
    }
    Ok(Some(issued))
}

/// How many units an issue of a vintage may still have, where the scheme has a bound.
pub fn room_units(state: &State<'_>, site: &SiteId, vintage: &Month) -> Result<Option<i64>, Stop> {
    let Some(year) = vintage.year() else { return Ok(None) };
    if rules_in_force(state)?.scheme.registry.is_none() {
        return Ok(None);
    }
    let room = most_g(state, site, &year)? / UNIT_G - issued(state, site, &year)?;
    Ok(Some(room.max(0)))
}

fn issued(state: &State<'_>, site: &SiteId, year: &CalendarYear) -> Result<i64, Stop> {
    Ok(state.issued_year(&IssuedYear::id_of(site, year))?.map_or(0, |known| known.units))
}

/// What a site may receive in a year and in the one before, in grams. Where it has declared work outside the ledger that is taken
/// off, whenever it was declared; and the year before then lends no more than what came in and backs none of its own units.
fn most_g(state: &State<'_>, id: &SiteId, year: &CalendarYear) -> Result<i64, Stop> {
    let (Some(site), Ok(number)) = (state.site(id)?, year.as_str().parse::<i64>()) else { return Ok(0) };
    let Some(before) = CalendarYear::parse(&(number - 1).to_string()) else { return Ok(permitted_g(site, year, None)) };
    let (own_g, earlier_g) = (permitted_g(site, year, None), permitted_g(site, &before, None));
    if !counts_every_intake(state)? {
        return Ok(own_g.saturating_add(earlier_g));
    }
    let (own, earlier) = (Room::of(state, site, year)?, Room::of(state, site, &before)?);
    if !own.is_declared && !earlier.is_declared {
        return Ok(own.left_g.saturating_add(earlier.left_g));
    }
    let unissued_g = earlier.received_g - issued(state, id, &before)?.saturating_mul(UNIT_G);
    Ok(own.left_g.saturating_add(earlier.left_g.min(unissued_g.max(0))))
}

/// What a year's permits leave beside declared work.
struct Room {
    left_g: i64,
    received_g: i64,
    is_declared: bool,
}

impl Room {
    fn of(state: &State<'_>, site: &Site, year: &CalendarYear) -> Result<Self, Stop> {
        let known = state.site_year(&SiteYear::id_of(&site.id, year, None))?;
        let received_g = known.map_or(0, SiteYear::counted_g).max(0);
        let outside_g = known.map_or(0, SiteYear::outside_g);
        let dismantling = TableCode::parse(DISMANTLING);
        let dismantled = state.site_year(&SiteYear::id_of(&site.id, year, dismantling.as_ref()))?;
        let dismantled_g = dismantled.map_or(0, SiteYear::outside_g);
        let mut left_g = permitted_g(site, year, None) - outside_g;
        if dismantled_g > 0 {
            left_g = left_g.min(permitted_g(site, year, dismantling.as_ref()) - dismantled_g);
        }
        Ok(Self { left_g: left_g.max(0), received_g, is_declared: outside_g > 0 || dismantled_g > 0 })
    }
}

/// What permits of a year allow to receive, or into an operation; of several the greatest.
fn permitted_g(site: &Site, year: &CalendarYear, operation: Option<&TableCode>) -> i64 {
    let touches =
        |from: &str, until: &str| from.get(..4) <= Some(year.as_str()) && until.get(..4) >= Some(year.as_str());
    let permits = site.permits.iter().filter(|permit| touches(permit.valid_from.as_str(), permit.valid_until.as_str()));
    let allowed = permits.filter_map(|permit| match operation {
        None => Some(permit.capacity_g_per_year),
        Some(operation) => permit.allowed_into(operation),
    });
    allowed.map(Grams::get).max().unwrap_or(0)
}
