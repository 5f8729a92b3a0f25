//! How things come to places: over borders, and to sites whose permits must cover them.

use crate::domain::codes::{Country, Role};
use crate::domain::ids::{ItemId, SiteId};
use crate::domain::permit::permit_covers;
use crate::proof::verify::matter::flaw::What;
use crate::proof::verify::matter::{Lot, Matter};
use crate::proof::verify::shown::ShownStatement;

impl Matter<'_> {
    /// Waste comes to a site from elsewhere: one of its permits covers it there on that day, by whatever operation. Whoever
    /// gathers waste needs none where it gathers; whoever works on it does, and so does a plant without a key.
    pub(super) fn arrive(&mut self, id: ItemId, site: Option<SiteId>, said: &ShownStatement) {
        let (Some(site), Some(lot)) = (site.and_then(|site| self.shown.site(&site)), self.items.get_mut(&id)) else {
            return;
        };
        let works = self.shown.has_role(&said.party(), &[Role::Recycler, Role::Treater]);
        // What it is may not be shown, and then it backs nothing.
        if !lot.is_waste() || lot.class.is_none() || (!works && site.organisation.is_some()) {
            return;
        }
        let day = said.statement.common.occurred_at.date();
        let code = day.as_ref().and_then(|day| lot.code_at(self.said_under, (&site.country, day)));
        let is_covered = day.zip(code).is_some_and(|(day, code)| {
            site.permits_before(said.index).iter().any(|permit| permit_covers(permit, &day, &code, None))
        });
        lot.flaws.extend((!is_covered).then(|| said.flaw(What::ArrivalUnpermitted)));
    }
}

impl Lot {
    /// Whether it has become waste, as far as shown.
    pub(super) fn is_waste(&self) -> bool {
        !self.arising.is_empty() || self.sources.is_dismantled()
    }

    /// It comes to another country; without a shipment it crossed the border without papers.
    pub(super) fn come_to(&mut self, to: Option<Country>, watched: bool, said: &ShownStatement) {
        let crossed = self.lies_in.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from != to);
        self.flaws.extend((watched && crossed).then(|| said.flaw(What::BorderNotCovered)));
        self.lies_in = to.or_else(|| self.lies_in.take());
    }
}
