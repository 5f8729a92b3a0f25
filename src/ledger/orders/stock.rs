//! Finding free units for an order: the stock less what is reserved.

use super::Order;
use crate::domain::certificate::period_fits;
use crate::domain::delegation::Relation;
use crate::domain::event::Period;
use crate::domain::ids::{OrganisationId, PartyId};
use crate::domain::order::{DeliveryKind, Gathering, Preferences, Stretch};
use crate::domain::pool::{Span, without};
use crate::domain::registry::Ledger as LedgerRecord;
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::serial::SerialBlock;
use crate::domain::state::LEDGER_RECORD;
use crate::domain::time::Date;
use crate::store::order_units::{self, RESERVED, UnitsRow};
use crate::store::stock::{self, StockFilter, StockRow, pool_of};
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

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
}

/// Gathers free units: oldest vintage first, then by serial numbers.
pub(super) fn gather(database: &mut Database, wanted: &Wanted<'_>, today: &Date) -> Result<Gathering, StoreError> {
    let mut gathering = Gathering::of(wanted.units);
    let rules = rules_in_force(database)?;
    let seller = wanted.seller.or(wanted.preferences.centre);
    let filter = StockFilter {
        seller: seller.map(|seller| seller.to_string()).unwrap_or_default(),
        country: wanted.preferences.country.as_ref().map(ToString::to_string).unwrap_or_default(),
        on: today.plus_days(VALID_DAYS_MIN).unwrap_or_else(|| today.clone()).to_string(),
    };
    let mut issuers = BTreeMap::new();
    for vintage in stock::vintages(database, &filter)? {
        let rows = stock::of_vintage(database, &filter, vintage)?;
        let pools: BTreeSet<String> = rows.iter().map(|row| row.pool.clone()).collect();
        let reserved = order_units::reserved_in(database, &pools.into_iter().collect::<Vec<_>>())?;
        for row in rows {
            let (serial, seller, issuer, expires) = read(&row)?;
            let is_wanted = seller != wanted.buyer
                && wanted.preferences.admit_vintage(&serial.vintage)
                && wanted.preferences.admit_place(seller, &serial.country)
                && wanted.period.is_none_or(|period| period_fits(&serial, period, rules.scheme.period_months).is_ok())
                && (wanted.delivery == DeliveryKind::Retire || may_hold(database, &mut issuers, wanted.buyer, issuer)?);
            if !is_wanted {
                continue;
            }
            for units in free_of(&serial, &row.pool, &reserved) {
                if gathering.offer(Stretch { seller, units, expires: expires.clone() }) {
                    return Ok(gathering);
                }
            }
        }
    }
    Ok(gathering)
}

/// The rule set in force.
pub(super) fn rules_in_force(database: &mut Database) -> Result<&'static RuleSet, StoreError> {
    let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
    let adopted = ledger.and_then(|ledger| rule_set::find(&ledger.rule_set));
    adopted.ok_or_else(|| StoreError::damaged("the rule set in force is not carried by this software"))
}

fn read(row: &StockRow) -> Result<(SerialBlock, OrganisationId, OrganisationId, Date), StoreError> {
    let damaged = || StoreError::damaged(format!("{} in stock cannot be read", row.serial));
    Ok((
        SerialBlock::parse(&row.serial).ok_or_else(damaged)?,
        OrganisationId::parse(&row.seller).ok_or_else(damaged)?,
        OrganisationId::parse(&row.issuer).ok_or_else(damaged)?,
        Date::parse(&row.expires).ok_or_else(damaged)?,
    ))
}

/// Whether a buyer may hold what somebody issued: an issuer and its relations hold nothing of it.
fn may_hold(
    database: &mut Database,
    known: &mut BTreeMap<OrganisationId, bool>,
    buyer: OrganisationId,
    issuer: OrganisationId,
) -> Result<bool, StoreError> {
    if let Some(may) = known.get(&issuer) {
        return Ok(*may);
    }
    let relation: Option<Relation> = records::find(database, &Relation::id_of(PartyId(buyer.0), PartyId(issuer.0)))?;
    let may = buyer != issuer && relation.is_none();
    known.insert(issuer, may);
    Ok(may)
}

/// Units of a certificate that are reserved for nobody.
fn free_of(serial: &SerialBlock, pool: &str, reserved: &[UnitsRow]) -> Vec<SerialBlock> {
    let taken: Vec<Span> = reserved.iter().filter(|row| row.pool == pool).map(span_of).collect();
    let free = without(&[(serial.first, serial.last + 1)], &taken);
    free.into_iter().filter_map(|(first, end)| serial.part(first, end - 1)).collect()
}

/// Units as numbers from the first to behind the last.
pub(super) const fn span_of(row: &UnitsRow) -> Span {
    (row.first_unit, row.last_unit + 1)
}

/// Reserves stretches for an order.
pub(super) fn reserve(database: &mut Database, order: &str, stretches: &[Stretch]) -> Result<i64, StoreError> {
    let row = |stretch: &Stretch| UnitsRow {
        order_id: order.to_owned(),
        pool: pool_of(&stretch.units),
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
