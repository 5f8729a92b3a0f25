//! What somebody might try, and what the ledger refuses.

use crate::cli::CommandError;
use crate::cli::demo::gift::GIVEN;
use crate::cli::demo::parties::Parties;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::{Lot, Story};
use serde_json::json;

impl Story<'_, '_> {
    /// Each is refused.
    pub(super) fn try_what_must_fail(&mut self, fractions: &[Lot]) -> Result<(), CommandError> {
        let at = self.plan.moment(900)?;
        let (treater, centre) = (self.parties.treater.clone(), self.parties.centre.clone());
        let lot = fractions.first().ok_or("nothing was dismantled")?;
        let again = Saying::new("treated_final", &at, self.end_of(lot)?).at(treater.site);
        self.poster.try_in_vain(&treater, again)?;
        let handover = self.plan.id(treater.name, 1_000).to_string();
        let withdrawn = Saying::new("handover_withdrawn", &at, json!({"handover": handover}));
        self.poster.try_in_vain(&centre, withdrawn)?;
        let foreign = json!({"item": self.item(0).to_string(), "cause": "missing"});
        self.poster.try_in_vain(&centre, Saying::new("lost", &at, foreign))?;
        let audit = json!({
            "audited_site": centre.site.map(|site| site.to_string()), "on": at.get(..10), "outcome": "conforms",
            "document": {"sha256": "0".repeat(64), "blake3": "0".repeat(64)},
        });
        self.poster.try_in_vain(&centre, Saying::new("site_audited", &at, audit))?;
        let consent = self.consent_fields(2)?;
        self.poster.try_in_vain(&centre, Saying::new("export_consented", &at, consent))?;
        let Parties { vendor, beneficiary, .. } = self.parties.clone();
        let missing = json!({"item": self.laptop(GIVEN - 1), "cause": "missing"});
        self.poster.try_in_vain(&vendor, Saying::new("lost", &at, missing).on_behalf_of(&beneficiary))
    }
}
