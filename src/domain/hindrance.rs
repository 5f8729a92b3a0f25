//! Why an order waits: whether what it wants may still come.

use crate::domain::event::Period;
use crate::domain::fields::codes;
use crate::domain::order::Preferences;

codes! {
    /// Why an order has not all its units yet. All but the first say that waiting alone will not bring them.
    pub enum Hindrance {
        /// Not enough that matches is free yet.
        NoStockYet = "no_stock_yet",
        /// The vintages that it prefers are over, and no grams of theirs wait for their issue.
        VintagePassed = "vintage_passed",
        /// The same of the vintages that the period of its retirement admits.
        PeriodPassed = "period_passed",
        /// Where it would be served from there is no site.
        NoSite = "no_site",
        /// Its buyer may hold nothing of any organisation that may issue there: they are related, or one.
        BuyerRelated = "buyer_related",
        /// The ledger is closed: nothing is delivered any more.
        LedgerClosed = "ledger_closed",
    }
}

impl Hindrance {
    /// JSON pointer to the part of a new order that asks for what cannot come.
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::VintagePassed => "/prefer/vintage",
            Self::PeriodPassed => "/deliver/period",
            Self::NoSite => "/prefer",
            Self::NoStockYet | Self::BuyerRelated | Self::LedgerClosed => "",
        }
    }

    /// What it means, in the words of whoever orders, and what to do.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoStockYet => "not enough that matches is free yet",
            Self::VintagePassed => {
                "what is treated from now on is younger than the vintages that are wanted; prefer later ones, or none"
            }
            Self::PeriodPassed => {
                "no vintage that may come lies near enough to this period, or the vintages that are wanted do not; name another period"
            }
            Self::NoSite => "no centre has a site where this is wanted from; prefer another country or centre, or none",
            Self::BuyerRelated => {
                "you are related to everybody who may issue there and may hold nothing of them; let it be retired, or prefer another centre"
            }
            Self::LedgerClosed => "the ledger is closed; nothing more is delivered on it",
        }
    }

    /// What it means for an order, in the words of its seller.
    pub const fn detail_for_seller(self) -> &'static str {
        match self {
            Self::NoStockYet => "not enough that matches is free yet",
            Self::VintagePassed => "what is treated from now on is younger than the vintages that its buyer wants",
            Self::PeriodPassed => {
                "no vintage that may come lies near enough to the period of its retirement, or those that its buyer wants do not"
            }
            Self::NoSite => "you have no site where its buyer wants it from",
            Self::BuyerRelated => {
                "its buyer is related to everybody who may issue for you, and may hold nothing of them"
            }
            Self::LedgerClosed => "the ledger is closed; nothing more is delivered on it",
        }
    }
}

/// Which vintages stand in an order's way: none of those that it admits is `first_to_come` or later. That grams of an earlier
/// one may wait for their issue is for the caller to look up; months are counted from the year 0.
pub fn too_old(
    preferences: &Preferences,
    period: Option<&Period>,
    period_months: i64,
    first_to_come: i64,
) -> Option<Hindrance> {
    let may_come = |window: Option<(i64, i64)>| window.is_some_and(|(_, last)| last >= first_to_come);
    if may_come(preferences.window(period, period_months)) {
        return None;
    }
    Some(if may_come(preferences.window(None, period_months)) {
        Hindrance::PeriodPassed
    } else {
        Hindrance::VintagePassed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::codes::Month;
    use crate::domain::time::Date;

    #[test]
    fn what_is_over_stands_in_the_way() {
        let month = |text: &str| Month::parse(text);
        let period = |(from, until): (&str, &str)| {
            let day = |text| Date::parse(text).expect("a day");
            Period { from: day(from), until: day(until) }
        };
        let first_to_come = month("2026-10").expect("a month").number();
        let (old, year) = (("2024-01-01", "2024-12-31"), ("2026-01-01", "2026-12-31"));
        let cases = [
            ("", "", None, None),
            ("2020-01", "", None, None),
            ("", "2026-10", None, None),
            ("", "2026-09", None, Some(Hindrance::VintagePassed)),
            ("2026-01", "2026-09", Some(year), Some(Hindrance::VintagePassed)),
            ("", "", Some(year), None),
            ("2029-01", "", None, None),
            // Twelve months before the first vintage to come, and a month more.
            ("", "", Some(("2025-10-01", "2025-12-31")), None),
            ("", "", Some(("2025-09-01", "2025-12-31")), Some(Hindrance::PeriodPassed)),
            ("", "", Some(old), Some(Hindrance::PeriodPassed)),
            ("2029-01", "", Some(year), Some(Hindrance::PeriodPassed)),
            // No vintage is near enough to both ends of such a period.
            ("", "", Some(("2026-01-01", "2029-12-31")), Some(Hindrance::PeriodPassed)),
        ];
        for (from, until, retired, expected) in cases {
            let preferences = Preferences { from: month(from), until: month(until), ..Preferences::default() };
            let found = too_old(&preferences, retired.map(period).as_ref(), 12, first_to_come);
            assert_eq!(found, expected, "{from} to {until}, {retired:?}");
        }
    }
}
