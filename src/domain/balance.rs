//! The accounts between which every gram moves (rules.md §1).
//!
//! Each event is a set of movements that sums to zero. Always, in total and for each site with `arrived` and
//! `departed`: inflow + reweighed + difference + arrived = live + every other account.

use crate::domain::codes::TableCode;
use crate::domain::fields::{Field, FieldClass, Malformed, Value};
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::state::State;
use std::collections::BTreeMap;
use std::fmt;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Items and open batches.
    Live,
    /// Mass that came under the ledger.
    Inflow,
    /// Signed: what later weighings found more or less.
    Reweighed,
    /// Signed: what no weighing explains, between two parties or at the end of a batch.
    Difference,
    /// Dust and spills.
    Loss,
    /// Packaging, pallets, dirt, water.
    OutOfScope,
    /// Left alive: sold for reuse, as a part, as a commodity, or returned.
    Released,
    /// Lost or stolen.
    Lost,
    /// Came from another site.
    Arrived,
    /// Went to another site.
    Departed,
    /// Ended by a final R operation.
    Recovered(TableCode),
    /// Ended by a final D operation.
    Disposed(TableCode),
}

impl fmt::Display for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Live => "live",
            Self::Inflow => "inflow",
            Self::Reweighed => "reweighed",
            Self::Difference => "difference",
            Self::Loss => "loss",
            Self::OutOfScope => "out_of_scope",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Arrived => "arrived",
            Self::Departed => "departed",
            Self::Recovered(operation) => return write!(out, "recovered:{operation}"),
            Self::Disposed(operation) => return write!(out, "disposed:{operation}"),
        };
        out.write_str(name)
    }
}

impl Field for Account {
    const CLASS: FieldClass = FieldClass::Code;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let parsed = match value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        parsed.ok_or_else(|| Malformed::here("expected an account"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
}

impl Account {
    /// The account that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = [
            Self::Live,
            Self::Inflow,
            Self::Reweighed,
            Self::Difference,
            Self::Loss,
            Self::OutOfScope,
            Self::Released,
            Self::Lost,
            Self::Arrived,
            Self::Departed,
        ];
        if let Some(account) = plain.into_iter().find(|account| account.to_string() == text) {
            return Some(account);
        }
        match text.split_once(':')? {
            ("recovered", operation) => TableCode::parse(operation).map(Self::Recovered),
            ("disposed", operation) => TableCode::parse(operation).map(Self::Disposed),
            _ => None,
        }
    }

    /// On which side of the identity it stands: +1 where mass comes from, -1 where it is or went.
    const fn side(&self) -> i128 {
        match self {
            Self::Inflow | Self::Reweighed | Self::Difference | Self::Arrived => 1,
            _ => -1,
        }
    }
}

/// An account at a site, or at no site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteAccount {
    /// Which account.
    pub account: Account,
    /// Where.
    pub site: Option<SiteId>,
}

fn book(state: &mut State<'_>, site: Option<SiteId>, account: Account, grams: i64) {
    state.book(SiteAccount { account, site }, grams);
}

/// Mass comes under the ledger.
pub(crate) fn flow_in(state: &mut State<'_>, site: Option<SiteId>, grams: Grams) {
    book(state, site, Account::Inflow, grams.get());
    book(state, site, Account::Live, grams.get());
}

/// Live mass turns out to be more or less: `account` is `Reweighed` or `Difference`.
pub(crate) fn adjust(state: &mut State<'_>, site: Option<SiteId>, account: Account, change: i64) {
    book(state, site, account, change);
    book(state, site, Account::Live, change);
}

/// Live mass ends in an account.
pub(crate) fn flow_out(state: &mut State<'_>, site: Option<SiteId>, account: Account, grams: Grams) {
    book(state, site, Account::Live, -grams.get());
    book(state, site, account, grams.get());
}

/// Mass that had ended in an account is live again.
pub(crate) fn come_back(state: &mut State<'_>, site: Option<SiteId>, account: Account, grams: Grams) {
    book(state, site, Account::Live, grams.get());
    book(state, site, account, -grams.get());
}

/// Live mass goes from one site to another.
pub(crate) fn relocate(state: &mut State<'_>, from: Option<SiteId>, to: Option<SiteId>, grams: Grams) {
    if from != to {
        flow_out(state, from, Account::Departed, grams);
        book(state, to, Account::Arrived, grams.get());
        book(state, to, Account::Live, grams.get());
    }
}

/// By how much the identity fails at each site; empty, as it always must be, if it holds.
pub fn imbalances(accounts: &BTreeMap<SiteAccount, i64>) -> Vec<(Option<SiteId>, i128)> {
    let mut sums: BTreeMap<Option<SiteId>, i128> = BTreeMap::new();
    for (account, grams) in accounts {
        *sums.entry(account.site).or_default() += account.account.side() * i128::from(*grams);
    }
    sums.into_iter().filter(|(_, sum)| *sum != 0).collect()
}

/// What departed from some site and arrived at none, or the other way round; 0, as it always must be, over all sites.
pub fn in_between(accounts: &BTreeMap<SiteAccount, i64>) -> i128 {
    let signed = |(account, grams): (&SiteAccount, &i64)| match account.account {
        Account::Departed => i128::from(*grams),
        Account::Arrived => -i128::from(*grams),
        _ => 0,
    };
    accounts.iter().map(signed).sum()
}
