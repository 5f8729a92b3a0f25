//! Taking an order: units are reserved for it, or it waits for those that are yet to come.

use super::advance::outlook;
use super::desk::{Done, Turn};
use super::new_order::{Amount, NewOrder};
use super::prospects::{Asked, Prospects};
use super::stock::{Wanted, gather, reserve, valid_until};
use super::{OrderCode, OrderRefusal, never_met};
use crate::domain::codes::Role;
use crate::domain::ids::{OrderId, OrganisationId};
use crate::domain::order::{OrderStatus, Short, Stretch, grams_of, units_for};
use crate::domain::registry::{Ledger as LedgerRecord, Organisation};
use crate::domain::rule_set::RuleSet;
use crate::domain::state::LEDGER_RECORD;
use crate::domain::time::{Date, LedgerTime};
use crate::ledger::Ledger;
use crate::ledger::rules::rules_in_force;
use crate::ledger::sequencer::Unavailable;
use crate::limits::{ORDER_KG_MAX, ORDERS_OPEN_OF_ONE_MAX, ORDERS_UNPAID_KG_FREE, ORDERS_UNPAID_PART};
use crate::store::orders::{self, OrderRow};
use crate::store::{Database, StoreError, records, stock};

/// An order that was placed.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The order.
    pub order: OrderId,
    /// Whether it is new; else it was placed before.
    pub is_new: bool,
}

impl Ledger {
    /// Places an order. The same again gets the order that stands; a refusal is not remembered.
    pub fn place(&self, turn: &Turn, new: &NewOrder) -> Result<Result<Placed, OrderRefusal>, Unavailable> {
        self.at_desk(turn, |database, time| place(database, time, new))
    }
}

fn place(database: &mut Database, time: LedgerTime, new: &NewOrder) -> Result<Done<Placed>, StoreError> {
    if let Some(row) = orders::find(database, &new.id.to_string())? {
        if is_same(database, &row, new)? {
            return Ok(Done::well(Placed { order: new.id, is_new: false }));
        }
        let detail = "an order of this id stands with other content; a new order needs a new id";
        return Ok(Done::refused(OrderRefusal::new(OrderCode::IdTaken, "/id", detail)));
    }
    if let Some(refusal) = may_not_order(database, new.buyer)? {
        return Ok(Done::refused(refusal));
    }
    let rules = rules_in_force(database)?;
    if new.names_buyer() && !rules.names_beneficiaries() {
        let detail = "the rule set in force names no organisation as beneficiary; leave name_buyer out";
        let refusal = OrderRefusal::new(OrderCode::BeneficiaryNotNamed, "/deliver/name_buyer", detail);
        return Ok(Done::refused(refusal));
    }
    let units = match units_of(rules, &new.amount) {
        Ok(units) => units,
        Err(refusal) => return Ok(Done::refused(refusal)),
    };
    let Some(today) = time.date() else { return Err(StoreError::damaged("the ledger's time has no date")) };
    let wanted = Wanted {
        units,
        preferences: &new.preferences,
        seller: None,
        buyer: new.buyer,
        delivery: new.delivery(),
        period: new.retirement.as_ref().map(|wish| &wish.period),
    };
    let mut row = new.row(units, time)?;
    row.number = orders::highest_number(database)? + 1;
    let (seller, stretches) = match seller_and_units(database, &wanted, new.advance, &today)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Done::refused(refusal)),
    };
    row.seller = seller.to_string();
    reserve(database, &row.id, &stretches)?;
    orders::insert(database, &row, new.values())?;
    Ok(Done::well(Placed { order: new.id, is_new: true }))
}

/// Who sells, and the units that are reserved: none if the order waits for what is yet to come.
type Found = (OrganisationId, Vec<Stretch>);

fn seller_and_units(
    database: &mut Database,
    wanted: &Wanted<'_>,
    may_wait: bool,
    today: &Date,
) -> Result<Result<Found, OrderRefusal>, StoreError> {
    let short = match gather(database, wanted, today)?.filled() {
        Ok(stretches) => {
            let Some(seller) = stretches.first().map(|stretch| stretch.seller) else {
                return Err(StoreError::damaged("an order of no units was filled"));
            };
            let refusal = too_much_unpaid(database, wanted, today, (seller, Held::InStock))?;
            return Ok(refusal.map_or(Ok((seller, stretches)), Err));
        }
        Err(short) => short,
    };
    if !may_wait {
        return Ok(Err(not_in_stock(wanted.units, short, LET_IT_WAIT)));
    }
    let mut prospects = Prospects::of(database, today, &Asked::by(wanted.preferences))?;
    // It would wait for ever.
    if let Some(hindrance) = prospects.hindrance(database, wanted)? {
        return Ok(Err(never_met(hindrance, short.most)));
    }
    let outlook = outlook(database, &mut prospects, wanted)?;
    let Some(seller) = outlook.seller(wanted.units) else {
        let later = outlook.most();
        let cut = if prospects.is_cut(wanted) { NAME_THE_CENTRE } else { "" };
        let then = format!(", and at most {later} kg may be waited for{cut}; order less, or in several orders");
        return Ok(Err(not_in_stock(wanted.units, short, &then)));
    };
    let held = Held::ToCome(outlook.all_of(seller));
    let refusal = too_much_unpaid(database, wanted, today, (seller, held))?;
    Ok(refusal.map_or(Ok((seller, Vec::new())), Err))
}

/// What an order would hold before it is paid.
#[derive(Clone, Copy)]
enum Held {
    /// Units of the stock.
    InStock,
    /// Units yet to come, which are so many at most.
    ToCome(i64),
}

/// Whether a buyer would hold back too much of a centre that it has not paid: so nobody empties the stock for nothing. What holds
/// stock is measured against what can be reserved of it today; what waits, against the stock and what is to come. Each is measured
/// by itself, so it does not matter which of two is placed first.
fn too_much_unpaid(
    database: &mut Database,
    wanted: &Wanted<'_>,
    today: &Date,
    (seller, held): (OrganisationId, Held),
) -> Result<Option<OrderRefusal>, StoreError> {
    let (buyer, seller) = (wanted.buyer.to_string(), seller.to_string());
    let in_stock = orders::unpaid_in_stock_of(database, &buyer, &seller)?;
    let (unpaid, coming) = match held {
        Held::InStock => (in_stock, 0),
        Held::ToCome(coming) => (orders::unpaid_of(database, &buyer, &seller)? - in_stock, coming),
    };
    if unpaid + wanted.units <= ORDERS_UNPAID_KG_FREE {
        return Ok(None);
    }
    let all = stock::units_of(database, &seller, &valid_until(today))? + coming;
    let most = (all / ORDERS_UNPAID_PART).max(ORDERS_UNPAID_KG_FREE);
    if unpaid + wanted.units <= most {
        return Ok(None);
    }
    let of_what = match held {
        Held::InStock => "one centre's stock",
        Held::ToCome(_) => "what one centre has and is to come there",
    };
    let detail = format!(
        "at most {most} kg of {of_what} may be held for you before they are paid, and {unpaid} kg are; order less, or pay or \
         cancel an order first"
    );
    Ok(Some(OrderRefusal::new(OrderCode::TooMuchUnpaid, "", detail)))
}

/// Whether an order stands as it is placed again. What is personal is compared as long as it is kept.
fn is_same(database: &mut Database, row: &OrderRow, new: &NewOrder) -> Result<bool, StoreError> {
    if row.content_sha256 != new.content_sha256()? {
        return Ok(false);
    }
    let is_kept = OrderStatus::parse(&row.standing).is_some_and(OrderStatus::is_open);
    let mut values = new.values().to_vec();
    values.sort();
    let mut kept = orders::values(database, &row.id)?;
    kept.sort();
    Ok(!is_kept || kept == values)
}

fn may_not_order(database: &mut Database, buyer: OrganisationId) -> Result<Option<OrderRefusal>, StoreError> {
    let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
    if ledger.is_some_and(|ledger| ledger.closed.is_some()) {
        let detail = "the ledger is closed; nothing more is delivered on it";
        return Ok(Some(OrderRefusal::new(OrderCode::LedgerClosed, "", detail)));
    }
    let organisation: Option<Organisation> = records::find(database, &buyer.to_string())?;
    if !organisation.is_some_and(|organisation| organisation.roles.contains(&Role::Buyer)) {
        let detail = "only organisations with the role buyer order; the operator registers roles";
        return Ok(Some(OrderRefusal::new(OrderCode::RoleMissing, "", detail)));
    }
    if orders::open_of(database, &buyer.to_string())? >= ORDERS_OPEN_OF_ONE_MAX {
        let detail =
            format!("{ORDERS_OPEN_OF_ONE_MAX} orders of this buyer are open; wait for a delivery, or cancel one");
        return Ok(Some(OrderRefusal::new(OrderCode::TooManyOrders, "", detail)));
    }
    Ok(None)
}

/// How many units an amount is.
fn units_of(rules: &RuleSet, amount: &Amount) -> Result<i64, OrderRefusal> {
    let (units, pointer) = match amount {
        Amount::Kg(kg) => (*kg, "/kg"),
        Amount::Devices { devices, factor, version } => {
            let Some(factor) = rules.factor(factor, version) else {
                let detail = "the rule set in force has no such factor; /v1/reference/factors lists them";
                return Err(OrderRefusal::new(OrderCode::FactorUnknown, "/factor", detail));
            };
            let grams = grams_of(rules, factor, devices).map_err(|position| {
                let detail =
                    "the factor does not hold for this class, or there are too many; see /v1/reference/factors";
                OrderRefusal::new(OrderCode::ClassUnknown, &format!("/devices/{position}/class"), detail)
            })?;
            (units_for(grams), "/devices")
        }
    };
    if (1..=ORDER_KG_MAX).contains(&units) {
        return Ok(units);
    }
    let detail = format!("one order has 1 to {ORDER_KG_MAX} kg; this one has {units}");
    Err(OrderRefusal::new(OrderCode::AmountInvalid, pointer, detail))
}

/// What a buyer may do where nothing shall wait.
const LET_IT_WAIT: &str = "; order less, in several orders, or let it wait for treatment (advance)";
/// What is said where not all sites were looked at.
const NAME_THE_CENTRE: &str =
    " of the sites that were looked at, since there are too many: name the centre (prefer.centre)";

fn not_in_stock(units: i64, Short { all, most }: Short, then: &str) -> OrderRefusal {
    let detail =
        format!("{units} kg are wanted; {all} kg that match are free, {most} kg of them from one centre{then}");
    OrderRefusal::new(OrderCode::NotInStock, "", detail)
}
