//! Finding free units for an order: the stock less what is reserved.

use super::Order;
use super::shelf::{FreeUnits, Shelf};
use crate::domain::delegation::Relation;
use crate::domain::event::Period;
use crate::domain::ids::{OrganisationId, PartyId};
use crate::domain::order::{DeliveryKind, Gathering, Preferences, Stretch};
use crate::domain::pool::Span;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Date;
use crate::ledger::rules::rules_in_force;
use crate::limits::STOCK_ROWS_READ_MAX;
use crate::store::order_units::{self, RESERVED, UnitsRow};
use crate::store::stock::StockFilter;
use crate::store::{Database, StoreError, records};
use std::collections::BTreeMap;

/// Days for which units must be valid yet when they are reserved: as long as a reservation lasts.
const VALID_DAYS_MIN: u64 = 3;

/// What an order looks for.
pub(super) struct Wanted<'a> {
    pub(super) units: i64,
    pub(super) preferences: &'a Preferences,
    /// The one centre that may sell, if that is settled.
    pub(super) seller: Option<OrganisationId>,
    pub(super) buyer: OrganisationId,
    pub(super) delivery: DeliveryKind,
    pub(super) period: Option<&'a Period>,
}

impl<'a> Wanted<'a> {
    /// What an order lacks, from its own seller.
    pub(super) fn by(order: &'a Order, units: i64) -> Self {
        Self {
            units,
            preferences: &order.preferences,
            seller: Some(order.seller),
            buyer: order.buyer,
            delivery: order.delivery,
            period: order.claim.as_ref().map(|(period, _)| period),
        }
    }

    /// The vintages that it admits; `None` if there are none.
    pub(super) fn window(&self, rules: &RuleSet) -> Option<(i64, i64)> {
        self.preferences.window(self.period, rules.scheme.period_months)
    }

    /// Which stock can be reserved for it today, of vintages from the first to the last.
    fn filter(&self, vintages: (i64, i64), today: &Date) -> StockFilter {
        let seller = self.seller.or(self.preferences.centre);
        StockFilter {
            seller: seller.map(|seller| seller.to_string()).unwrap_or_default(),
            not_seller: self.buyer.to_string(),
            country: self.preferences.country.as_ref().map(ToString::to_string).unwrap_or_default(),
            vintages: Some(vintages),
            on: valid_until(today),
            ..StockFilter::default()
        }
    }

    /// Whether it admits some units, of whose vintages it admits those of a window.
    pub(super) fn admits(
        &self,
        database: &mut Database,
        may_hold: &mut MayHold,
        units: &FreeUnits,
        (first, last): (i64, i64),
    ) -> Result<bool, StoreError> {
        let Stretch { seller, units: block, .. } = &units.stretch;
        let is_wanted = *seller != self.buyer
            && (first..=last).contains(&block.vintage.number())
            && self.preferences.admit_place(*seller, &block.country);
        Ok(is_wanted && self.may_get(database, may_hold, units.issuer)?)
    }

    /// Whether it may be delivered what somebody issued. What is retired at once the buyer never holds.
    pub(super) fn may_get(
        &self,
        database: &mut Database,
        may_hold: &mut MayHold,
        issuer: OrganisationId,
    ) -> Result<bool, StoreError> {
        Ok(self.delivery == DeliveryKind::Retire || may_hold.ask(database, self.buyer, issuer)?)
    }
}

/// Gathers free units: oldest vintage first, then by serial numbers.
pub(super) fn gather(database: &mut Database, wanted: &Wanted<'_>, today: &Date) -> Result<Gathering, StoreError> {
    let mut gathering = Gathering::of(wanted.units);
    let Some(window) = wanted.window(rules_in_force(database)?) else { return Ok(gathering) };
    let mut shelf = Shelf::of(wanted.filter(window, today));
    offer(database, wanted, &mut shelf, |stretch| gathering.offer(stretch))?;
    Ok(gathering)
}

/// Whether the stock has all that is wanted, once those who have not paid hold none of it any more. Taken for granted where
/// that would take more rows than one order reads.
pub(super) fn is_within_reach(database: &mut Database, wanted: &Wanted<'_>, today: &Date) -> Result<bool, StoreError> {
    let Some(window) = wanted.window(rules_in_force(database)?) else { return Ok(false) };
    let mut shelf = Shelf::of(StockFilter { unpaid_too: true, ..wanted.filter(window, today) });
    let mut missing = wanted.units;
    let is_enough = offer(database, wanted, &mut shelf, |stretch| {
        missing -= stretch.units.units();
        missing <= 0
    })?;
    Ok(is_enough || !shelf.is_at_end())
}

/// Offers what is on the shelf and may be delivered for an order, until that is enough; tells whether it was.
fn offer(
    database: &mut Database,
    wanted: &Wanted<'_>,
    shelf: &mut Shelf,
    mut is_enough_with: impl FnMut(Stretch) -> bool,
) -> Result<bool, StoreError> {
    let mut may_hold = MayHold::default();
    while shelf.rows_read() < STOCK_ROWS_READ_MAX {
        let Some(page) = shelf.next_page(database)? else { break };
        for free in page {
            if !wanted.may_get(database, &mut may_hold, free.issuer)? {
                // None of what this issuer's units are is read any further.
                shelf.leave_out(free.issuer);
            } else if is_enough_with(free.stretch) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The day on which units must still be valid to be reserved today.
pub(super) fn valid_until(today: &Date) -> String {
    today.plus_days(VALID_DAYS_MIN).unwrap_or_else(|| today.clone()).to_string()
}

/// Whether buyers may hold what somebody issued: an issuer and its relations hold nothing of it. Asked once each.
#[derive(Default)]
pub(super) struct MayHold(BTreeMap<(OrganisationId, OrganisationId), bool>);

impl MayHold {
    pub(super) fn ask(
        &mut self,
        database: &mut Database,
        buyer: OrganisationId,
        issuer: OrganisationId,
    ) -> Result<bool, StoreError> {
        if let Some(may) = self.0.get(&(buyer, issuer)) {
            return Ok(*may);
        }
        let id = Relation::id_of(PartyId(buyer.0), PartyId(issuer.0));
        let relation: Option<Relation> = records::find(database, &id)?;
        let may = buyer != issuer && relation.is_none();
        self.0.insert((buyer, issuer), may);
        Ok(may)
    }
}

/// Units as numbers from the first to behind the last.
pub(super) const fn span_of(row: &UnitsRow) -> Span {
    (row.first_unit, row.last_unit + 1)
}

/// Reserves stretches for an order.
pub(super) fn reserve(database: &mut Database, order: &str, stretches: &[Stretch]) -> Result<i64, StoreError> {
    let row = |stretch: &Stretch| UnitsRow {
        order_id: order.to_owned(),
        pool: stretch.units.pool(),
        first_unit: stretch.units.first,
        last_unit: stretch.units.last,
        seller: stretch.seller.to_string(),
        expires: stretch.expires.to_string(),
        entry: RESERVED,
    };
    let rows: Vec<UnitsRow> = stretches.iter().map(row).collect();
    order_units::insert(database, &rows)?;
    Ok(rows.iter().map(UnitsRow::units).sum())
}
