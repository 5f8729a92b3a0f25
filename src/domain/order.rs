//! Orders for certificates: how many units are asked for, and which units of the stock are given.
//!
//! Orders stay outside the ledger; a delivery names the order that it serves. What is here is pure: it chooses among
//! stretches of free units, whoever found them.

use crate::domain::codes::{Country, Month};
use crate::domain::event::Period;
use crate::domain::fields::codes;
use crate::domain::ids::OrganisationId;
use crate::domain::rule_set::{Factor, RuleSet};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::limits::ORDER_STRETCHES_MAX;
use std::collections::BTreeMap;

codes! {
    /// Where an order stands.
    pub enum OrderStatus {
        /// Units are reserved until it is paid or lapses; of an advance order that found none, grams that are yet to come.
        Reserved = "reserved",
        /// Nobody paid in time, or its units were lost before.
        Lapsed = "lapsed",
        /// Its buyer, its seller or the operator gave it up before it was paid.
        Cancelled = "cancelled",
        /// It is paid, and all its units are reserved until they are delivered.
        Paid = "paid",
        /// It is paid and waits for units.
        Waiting = "waiting",
        /// All its units were delivered.
        Delivered = "delivered",
        /// It was paid, and its payment went back before all its units were delivered; it keeps those that were.
        Refunded = "refunded",
    }
}

impl OrderStatus {
    /// Whether something is still to happen.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reserved | Self::Paid | Self::Waiting)
    }
}

codes! {
    /// How units are delivered.
    pub enum DeliveryKind {
        /// They go to the buyer's account.
        Transfer = "transfer",
        /// The centre retires them at once, in the name that the buyer gave.
        Retire = "retire",
    }
}

/// From where and when units shall be; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Where the batch's site lies.
    pub country: Option<Country>,
    /// Whose site it is.
    pub centre: Option<OrganisationId>,
    /// The first vintage.
    pub from: Option<Month>,
    /// The last vintage.
    pub until: Option<Month>,
}

impl Preferences {
    /// The first and the last vintage that are wanted and fit the period of a retirement, which lies within so many months of
    /// the vintage; in months since the year 0. `None` if there is no such vintage.
    pub fn window(&self, period: Option<&Period>, period_months: i64) -> Option<(i64, i64)> {
        let mut first = self.from.as_ref().map_or(i64::MIN, Month::number);
        let mut last = self.until.as_ref().map_or(i64::MAX, Month::number);
        if let Some(Period { from, until }) = period {
            first = first.max(until.month()?.number() - period_months);
            last = last.min(from.month()?.number() + period_months);
        }
        (first <= last).then_some((first, last))
    }

    /// Whether units of a centre and a country are wanted.
    pub fn admit_place(&self, centre: OrganisationId, country: &Country) -> bool {
        self.centre.is_none_or(|wanted| wanted == centre)
            && self.country.as_ref().is_none_or(|wanted| wanted == country)
    }
}

/// So many devices of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// The UNU-KEY.
    pub class: String,
    /// How many.
    pub count: i64,
}

/// What a factor says of devices, in grams; else the position of the first line whose class it does not know.
pub fn grams_of(rules: &RuleSet, factor: &Factor, devices: &[Devices]) -> Result<i64, usize> {
    let mut grams: i64 = 0;
    for (position, line) in devices.iter().enumerate() {
        let each = grams_per_device(rules, factor, &line.class).ok_or(position)?;
        grams = each.checked_mul(line.count).and_then(|more| grams.checked_add(more)).ok_or(position)?;
    }
    Ok(grams)
}

fn grams_per_device(rules: &RuleSet, factor: &Factor, class: &str) -> Option<i64> {
    if factor.classes.as_ref().is_some_and(|classes| !classes.iter().any(|known| known == class)) {
        return None;
    }
    let known = rules.class(class)?;
    factor.grams_per_device.or(known.mean_g)
}

/// Units for so many grams: a part of a kilogram is a whole unit, so that nobody gets less than was promised.
pub const fn units_for(grams: i64) -> i64 {
    (grams + super::certificate::UNIT_G - 1) / super::certificate::UNIT_G
}

/// Free units side by side, of one certificate that its centre holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The centre.
    pub seller: OrganisationId,
    /// The units.
    pub units: SerialBlock,
    /// The last day on which they can be retired.
    pub expires: Date,
}

/// Gathers free units for one order until one centre can fill it.
///
/// An order has one seller, so that one invoice is paid to one account and one party signs the delivery. Stretches are offered
/// oldest vintage first, then by serial numbers; the centre whose units reach the amount first sells.
#[derive(Debug, Clone)]
pub struct Gathering {
    wanted: i64,
    by_seller: BTreeMap<OrganisationId, Gathered>,
    all: i64,
}

#[derive(Debug, Clone, Default)]
struct Gathered {
    units: i64,
    stretches: Vec<Stretch>,
}

impl Gathering {
    /// So many units are wanted.
    pub const fn of(wanted: i64) -> Self {
        Self { wanted, by_seller: BTreeMap::new(), all: 0 }
    }

    /// Takes what is still wanted of a stretch; tells whether its centre can fill the order now.
    pub fn offer(&mut self, stretch: Stretch) -> bool {
        self.all += stretch.units.units();
        let gathered = self.by_seller.entry(stretch.seller).or_default();
        let missing = self.wanted - gathered.units;
        if missing <= 0 || gathered.stretches.len() == ORDER_STRETCHES_MAX {
            return missing <= 0;
        }
        let SerialBlock { first, last, .. } = stretch.units;
        if let Some(units) = stretch.units.part(first, last.min(first + missing - 1)) {
            gathered.units += units.units();
            gathered.stretches.push(Stretch { units, ..stretch });
        }
        gathered.units == self.wanted
    }

    /// What the first centre gives that fills the order; or, if none does, how much there is.
    pub fn filled(self) -> Result<Vec<Stretch>, Short> {
        let most = self.by_seller.values().map(|gathered| gathered.units).max().unwrap_or(0);
        let full = self.by_seller.into_values().find(|gathered| gathered.units == self.wanted);
        full.map(|gathered| gathered.stretches).ok_or(Short { all: self.all, most })
    }

    /// What there is, also if that is not enough.
    pub fn all_there_is(self) -> Vec<Stretch> {
        self.by_seller.into_values().flat_map(|gathered| gathered.stretches).collect()
    }
}

/// How much there is, where it is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Units of all centres.
    pub all: i64,
    /// The most that one centre can give in one order.
    pub most: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::certificate::period_fits;
    use crate::domain::rule_set;
    use uuid::Uuid;

    fn stretch(seller: u128, units: &str) -> Stretch {
        Stretch {
            seller: OrganisationId(Uuid::from_u128(seller)),
            units: SerialBlock::parse(units).expect("units"),
            expires: Date::parse("2028-11-23").expect("a day"),
        }
    }

    fn taken(stretches: &[Stretch]) -> Vec<String> {
        stretches.iter().map(|stretch| stretch.units.to_string()).collect()
    }

    #[test]
    fn the_centre_that_reaches_the_amount_first_sells() {
        let mut gathering = Gathering::of(70);
        assert!(!gathering.offer(stretch(1, "ER-KE-NBO1-202610-0000001-0000050")));
        assert!(!gathering.offer(stretch(2, "ER-KE-MBA1-202611-0000001-0000060")));
        assert!(gathering.offer(stretch(1, "ER-KE-NBO1-202611-0000101-0000500")));
        let given = gathering.filled().expect("filled");
        assert_eq!(taken(&given), ["ER-KE-NBO1-202610-0000001-0000050", "ER-KE-NBO1-202611-0000101-0000120"]);
    }

    #[test]
    fn what_is_not_enough_is_counted() {
        let mut gathering = Gathering::of(70);
        gathering.offer(stretch(1, "ER-KE-NBO1-202610-0000001-0000050"));
        gathering.offer(stretch(2, "ER-KE-MBA1-202611-0000001-0000060"));
        assert_eq!(gathering.clone().filled(), Err(Short { all: 110, most: 60 }));
        assert_eq!(gathering.all_there_is().len(), 2);
    }

    #[test]
    fn an_order_takes_so_many_stretches_and_no_more() {
        let mut gathering = Gathering::of(1_000);
        for number in 0..1_000 {
            let units = format!("ER-KE-NBO1-202610-{0:07}-{0:07}", 2 * number + 1);
            assert!(!gathering.offer(stretch(1, &units)));
        }
        let most = i64::try_from(ORDER_STRETCHES_MAX).expect("small");
        assert_eq!(gathering.filled(), Err(Short { all: 1_000, most }));
    }

    #[test]
    fn preferences_leave_out_what_is_not_wanted() {
        let month = |text| Month::parse(text).expect("a month");
        let wanted = Preferences {
            country: Country::parse("KE"),
            centre: Some(OrganisationId(Uuid::from_u128(1))),
            from: Some(month("2026-10")),
            until: Some(month("2026-12")),
        };
        let cases = [("2026-09", false), ("2026-10", true), ("2026-12", true), ("2027-01", false)];
        for (vintage, admitted) in cases {
            let (first, last) = wanted.window(None, 12).expect("some vintages");
            assert_eq!((first..=last).contains(&month(vintage).number()), admitted, "{vintage}");
        }
        for (centre, country, admitted) in [(1, "KE", true), (2, "KE", false), (1, "UG", false)] {
            let centre = OrganisationId(Uuid::from_u128(centre));
            assert_eq!(wanted.admit_place(centre, &Country::parse(country).expect("a country")), admitted);
        }
        assert_eq!(Preferences::default().window(None, 12), Some((i64::MIN, i64::MAX)));
    }

    #[test]
    fn the_window_has_the_vintages_that_a_retirement_admits() {
        let month = |text| Month::parse(text).expect("a month");
        let day = |text| Date::parse(text).expect("a day");
        let wanted =
            Preferences { from: Some(month("2025-06")), until: Some(month("2027-06")), ..Preferences::default() };
        for (from, until) in [
            ("2026-01-01", "2026-12-31"),
            ("2025-07-01", "2027-06-30"),
            ("2024-01-01", "2024-12-31"),
            ("2020-01-01", "2029-12-31"),
        ] {
            let period = Period { from: day(from), until: day(until) };
            let window = wanted.window(Some(&period), 12);
            let preferred = month("2025-06").number()..=month("2027-06").number();
            for number in month("2023-01").number()..month("2030-01").number() {
                let vintage = month("2000-01").plus(number - month("2000-01").number()).expect("a month");
                let text = format!("ER-KE-NBO1-{}-0000001-0000001", vintage.as_str().replace('-', ""));
                let serial = SerialBlock::parse(&text).expect("a unit");
                let fits = period_fits(&serial, &period, 12).is_ok() && preferred.contains(&number);
                let within = window.is_some_and(|(first, last)| first <= number && number <= last);
                assert_eq!(within, fits, "{vintage} for {from} to {until}");
            }
        }
    }

    #[test]
    fn factors_turn_devices_into_units() {
        let rules = rule_set::all().last().expect("a rule set");
        let lines = |lines: &[(&str, i64)]| -> Vec<Devices> {
            lines.iter().map(|(class, count)| Devices { class: (*class).to_owned(), count: *count }).collect()
        };
        let units = |factor, devices: &[(&str, i64)]| {
            let factor = rules.factor(factor, "1").expect("a factor");
            grams_of(rules, factor, &lines(devices)).map(units_for)
        };
        assert_eq!(units("close-the-gap-computer", &[("0302", 3), ("0303", 2)]), Ok(100));
        assert_eq!(units("close-the-gap-computer", &[("0302", 3), ("0306", 2)]), Err(1));
        assert_eq!(units("class-mean", &[("0306", 1)]), Ok(1));
        assert_eq!(units("class-mean", &[("0306", 101)]), Ok(11));
        assert_eq!(units("class-mean", &[("9999", 1)]), Err(0));
    }
}
