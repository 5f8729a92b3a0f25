//! The accounts between which every gram moves (rules.md §1).
//!
//! Each event is a set of movements that sums to zero. Always, in total and for each site with `arrived` and
//! `departed`: inflow + reweighed + difference + arrived = live + every other account.

use crate::domain::fields::codes;
use crate::domain::ids::SiteId;

codes! {
    /// An account.
    pub enum Account {
        /// Items and open batches.
        Live = "live",
        /// Mass that came under the ledger.
        Inflow = "inflow",
    }
}

/// An account at a site, or at no site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteAccount {
    /// Which account.
    pub account: Account,
    /// Where.
    pub site: Option<SiteId>,
}
