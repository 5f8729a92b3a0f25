//! How much may be ordered before it is issued.
//!
//! Provisional grams of a centre are what lies at its sites under the ledger and what waits in their pools. Of these the
//! buffer's share is taken off, and what advance orders that are open wait for already. What was sent to a smelter and is
//! not treated yet is left out, and free stock too: both would be surer, but a figure that is too low disappoints nobody.

use super::stock::{Wanted, rules_in_force};
use crate::domain::certificate::UNIT_G;
use crate::domain::ids::OrganisationId;
use crate::domain::pool::Pool;
use crate::domain::registry::Site;
use crate::domain::state::RecordKind;
use crate::domain::time::Date;
use crate::limits::{ADVANCE_POOL_MONTHS, ADVANCE_SITES_MAX, PAGE_ROWS_MAX};
use crate::store::{Database, StoreError, orders, records};
use std::collections::BTreeMap;

const PPM: i64 = 1_000_000;

/// Units that may be waited for, by centre.
pub(super) struct Outlook {
    by_seller: BTreeMap<OrganisationId, i64>,
}

impl Outlook {
    /// The centre with the best outlook, if that is good enough.
    pub(super) fn seller(&self, units: i64) -> Option<OrganisationId> {
        let best = self.by_seller.iter().max_by_key(|(seller, units)| (**units, std::cmp::Reverse(**seller)));
        best.filter(|(_, outlook)| **outlook >= units).map(|(seller, _)| *seller)
    }

    /// The most that one centre's outlook allows.
    pub(super) fn most(&self) -> i64 {
        self.by_seller.values().copied().max().unwrap_or(0).max(0)
    }
}

/// The outlook of every centre that an order would take.
pub(super) fn outlook(database: &mut Database, wanted: &Wanted<'_>, today: &Date) -> Result<Outlook, StoreError> {
    let buffer_ppm = rules_in_force(database)?.scheme.buffer_ppm;
    let mut grams: BTreeMap<OrganisationId, i64> = BTreeMap::new();
    let (mut after, mut looked_at) = (String::new(), 0);
    while looked_at < ADVANCE_SITES_MAX {
        let page = records::page(database, RecordKind::Site, &after, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.id().id;
        let sites = page.into_iter().filter_map(|record| Site::try_from(record).ok());
        let admitted: Vec<Site> = sites.filter(|site| admits(wanted, site)).collect();
        looked_at += admitted.len();
        add_provisional(database, &mut grams, &admitted, wanted, today)?;
    }
    let sellers: Vec<String> = grams.keys().map(ToString::to_string).collect();
    let awaited = orders::awaited(database, &sellers)?;
    let units = |(seller, grams): (OrganisationId, i64)| {
        let net = i128::from(grams) * i128::from(PPM - buffer_ppm) / i128::from(PPM) / i128::from(UNIT_G);
        let awaited = awaited.get(&seller.to_string()).copied().unwrap_or(0);
        (seller, i64::try_from(net).unwrap_or(0) - awaited)
    };
    Ok(Outlook { by_seller: grams.into_iter().map(units).collect() })
}

fn admits(wanted: &Wanted<'_>, site: &Site) -> bool {
    site.organisation
        .is_some_and(|seller| seller != wanted.buyer && wanted.preferences.admit_place(seller, &site.country))
}

/// Adds what lies at some sites, and in their pools of the last months without units that rest on it.
fn add_provisional(
    database: &mut Database,
    grams: &mut BTreeMap<OrganisationId, i64>,
    sites: &[Site],
    wanted: &Wanted<'_>,
    today: &Date,
) -> Result<(), StoreError> {
    let ids: Vec<String> = sites.iter().map(|site| site.id.to_string()).collect();
    let live = records::live_at(database, &ids)?;
    let month = today.month();
    let months = (0..ADVANCE_POOL_MONTHS).filter_map(|back| month.as_ref()?.plus(-back));
    let months: Vec<_> = months.filter(|vintage| wanted.preferences.admit_vintage(vintage)).collect();
    let pools: Vec<String> =
        sites.iter().flat_map(|site| months.iter().map(|vintage| Pool::id_of(&site.id, vintage))).collect();
    let pools: Vec<Pool> = records::load_of(database, &pools)?;
    for site in sites {
        let Some(seller) = site.organisation else { continue };
        let at_site = live.get(&site.id.to_string()).copied().unwrap_or(0).max(0);
        let own = pools.iter().filter(|pool| pool.site == site.id);
        let in_pools: i64 = own.map(|pool| pool.entered_g.get() - pool.allotted_g.get()).sum();
        *grams.entry(seller).or_default() += at_site + in_pools;
    }
    Ok(())
}
