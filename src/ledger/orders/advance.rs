//! How much may be ordered before it is issued.
//!
//! Provisional grams of a centre are what lies at its sites under the ledger and what waits in their pools. Of these the
//! buffer's share is taken off, and what advance orders that are open wait for already. What was sent to a smelter and is
//! not treated yet is left out, and free stock too: both would be surer, but a figure that is too low disappoints nobody.

use super::prospects::Prospects;
use super::stock::Wanted;
use crate::domain::certificate::UNIT_G;
use crate::domain::ids::OrganisationId;
use crate::store::{Database, StoreError, orders};
use std::collections::BTreeMap;

const PPM: i64 = 1_000_000;

/// Units that may be waited for, by centre.
pub(super) struct Outlook {
    by_seller: BTreeMap<OrganisationId, Coming>,
}

/// Units that may come of a centre.
#[derive(Debug, Clone, Copy, Default)]
struct Coming {
    /// All of them.
    all: i64,
    /// Those for which no order waits yet.
    free: i64,
}

impl Outlook {
    /// The centre with the best outlook, if that is good enough.
    pub(super) fn seller(&self, units: i64) -> Option<OrganisationId> {
        let best = self.by_seller.iter().max_by_key(|(seller, coming)| (coming.free, std::cmp::Reverse(**seller)));
        best.filter(|(_, coming)| coming.free >= units).map(|(seller, _)| *seller)
    }

    /// The most that one centre's outlook allows.
    pub(super) fn most(&self) -> i64 {
        self.by_seller.values().map(|coming| coming.free).max().unwrap_or(0).max(0)
    }

    /// Everything that may come of a centre, whoever waits for it.
    pub(super) fn all_of(&self, seller: OrganisationId) -> i64 {
        self.by_seller.get(&seller).map_or(0, |coming| coming.all)
    }
}

/// The outlook of every centre that an order would take.
pub(super) fn outlook(
    database: &mut Database,
    prospects: &mut Prospects<'_>,
    wanted: &Wanted<'_>,
) -> Result<Outlook, StoreError> {
    let grams = prospects.provisional(database, wanted)?;
    let sellers: Vec<String> = grams.keys().map(ToString::to_string).collect();
    let awaited = orders::awaited(database, &sellers)?;
    let net_ppm = i128::from(PPM - prospects.rules.scheme.buffer_ppm);
    let units = |(seller, grams): (OrganisationId, i64)| {
        let net = i128::from(grams) * net_ppm / i128::from(PPM) / i128::from(UNIT_G);
        let all = i64::try_from(net).unwrap_or(0);
        let awaited = awaited.get(&seller.to_string()).copied().unwrap_or(0);
        (seller, Coming { all, free: all - awaited })
    };
    Ok(Outlook { by_seller: grams.into_iter().map(units).collect() })
}
