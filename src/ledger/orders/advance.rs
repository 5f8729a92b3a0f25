//! How much may be ordered before it is issued.
//!
//! Provisional grams of a centre are what lies at its sites under the ledger and what waits in their pools. Of these the
//! buffer's share is taken off, and what advance orders that are open wait for already. What was sent to a smelter and is
//! not treated yet is left out, and free stock too: both would be surer, but a figure that is too low disappoints nobody.

use super::Order;
use super::placing::NewOrder;
use super::settling::missing_units;
use super::stock::rules_in_force;
use crate::domain::balance::{Account, SiteAccount};
use crate::domain::certificate::UNIT_G;
use crate::domain::ids::{OrganisationId, SiteId};
use crate::domain::pool::Pool;
use crate::domain::registry::Site;
use crate::domain::state::RecordKind;
use crate::domain::time::Date;
use crate::limits::{ADVANCE_POOL_MONTHS, PAGE_ROWS_MAX};
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
pub(super) fn outlook(database: &mut Database, new: &NewOrder, today: &Date) -> Result<Outlook, StoreError> {
    let buffer_ppm = rules_in_force(database)?.scheme.buffer_ppm;
    let accounts = records::accounts(database)?;
    let mut grams: BTreeMap<OrganisationId, i64> = BTreeMap::new();
    for site in sites(database)? {
        let Some(seller) = site.organisation else { continue };
        if seller == new.buyer || !new.preferences.admit_place(seller, &site.country) {
            continue;
        }
        let live = accounts.get(&SiteAccount { account: Account::Live, site: Some(site.id) }).copied().unwrap_or(0);
        *grams.entry(seller).or_default() += live.max(0) + in_pools(database, &site.id, new, today)?;
    }
    let mut by_seller = BTreeMap::new();
    for (seller, grams) in grams {
        let net = i128::from(grams) * i128::from(PPM - buffer_ppm) / i128::from(PPM) / i128::from(UNIT_G);
        let units = i64::try_from(net).unwrap_or(0) - waited_for(database, seller)?;
        by_seller.insert(seller, units);
    }
    Ok(Outlook { by_seller })
}

fn sites(database: &mut Database) -> Result<Vec<Site>, StoreError> {
    let (mut sites, mut after) = (Vec::new(), String::new());
    loop {
        let page = records::page(database, RecordKind::Site, &after, PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { return Ok(sites) };
        after = last.id().id;
        sites.extend(page.into_iter().filter_map(|record| Site::try_from(record).ok()));
    }
}

/// Grams in a site's pools of the last months on which no units rest yet.
fn in_pools(database: &mut Database, site: &SiteId, new: &NewOrder, today: &Date) -> Result<i64, StoreError> {
    let Some(month) = today.month() else { return Ok(0) };
    let months = (0..ADVANCE_POOL_MONTHS).filter_map(|back| month.plus(-back));
    let wanted = months.filter(|vintage| new.preferences.admit_vintage(vintage));
    let ids: Vec<String> = wanted.map(|vintage| Pool::id_of(site, &vintage)).collect();
    let pools: Vec<Pool> = records::load_of(database, &ids)?;
    Ok(pools.iter().map(|pool| pool.entered_g.get() - pool.allotted_g.get()).sum())
}

/// Units for which open advance orders of a centre wait.
fn waited_for(database: &mut Database, seller: OrganisationId) -> Result<i64, StoreError> {
    let mut units = 0;
    for row in orders::advance_of(database, &seller.to_string())? {
        units += missing_units(database, &Order::read(row)?)?;
    }
    Ok(units)
}
