//! The rules that are new with `e-resource/1`, as far as a bundle shows what they are about. The functions are the ledger's
//! own; what is shown and breaks a rule makes the bundle invalid, what is not shown is said to be.

use crate::domain::codes::Country;
use crate::domain::eligibility::Gap;
use crate::domain::eligibility::e_resource_1::{
    arose_in_a_listed_country, centre_counts_it_nowhere_else, ended_by_an_admitted_operation, is_end_of_life_equipment,
    is_no_manufacturing_scrap, is_not_imported, stays_within_the_residual_share, supplier_counts_it_nowhere_else,
};
use crate::domain::eligibility::expected::{CameOut, Short, short_of};
use crate::domain::event::TreatedFinal;
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::rule_set::{Conditions, RuleSet};
use crate::proof::verify::matter::Batch;
use crate::proof::verify::shown::Shown;

const ACCEPTED: &str = "that the other hazardous fractions of the batches were accepted by sites permitted for them";
const EXPECTED: &str = "that batteries, boards, backlights and toner of the equipment came out of the batches, which cannot be checked from this bundle";
const ARISING: &str = "where some of what went into the batches arose, and what was declared of it";

/// The scheme at work on a bundle.
pub(super) struct SchemeCheck<'a> {
    pub(super) shown: &'a Shown,
    pub(super) rules: &'a RuleSet,
    pub(super) conditions: &'a Conditions,
}

fn require(met: Option<Gap>) -> Result<(), String> {
    met.map_or(Ok(()), |gap| Err(gap.reason().to_owned()))
}

impl SchemeCheck<'_> {
    /// The operation of a treatment.
    pub(super) fn check_operation(&self, class: &str, hazardous: bool, treated: &TreatedFinal) -> Result<(), String> {
        let operation = treated.operation.as_str();
        require(ended_by_an_admitted_operation(self.rules, self.conditions, class, hazardous, operation))
    }

    /// What went into a batch and what came out of it; gives what is not shown.
    pub(super) fn check_batch(&self, batch: &Batch) -> Result<Vec<String>, String> {
        let mut not_shown = Vec::new();
        if batch.arising.is_empty() || batch.declared.is_empty() {
            not_shown.push(ARISING.to_owned());
        }
        let site = batch.site.and_then(|site| self.shown.site(&site));
        for country in batch.arising.iter().filter_map(|country| Country::parse(country)) {
            require(arose_in_a_listed_country(self.conditions, &country, self.shown.is_test()))?;
            require(site.and_then(|site| is_not_imported(&country, &site.country)))?;
        }
        for (kind, elsewhere) in &batch.declared {
            require(is_no_manufacturing_scrap(*kind))?;
            require(supplier_counts_it_nowhere_else(*elsewhere))?;
            for fed in &batch.fed {
                require(is_end_of_life_equipment(self.rules, &fed.class, *kind))?;
            }
        }
        require(centre_counts_it_nowhere_else(batch.centre))?;
        not_shown.extend(self.check_parts(batch)?);
        let (hazardous, treated) = (i128::from(batch.hazardous.0), i128::from(batch.hazardous.1));
        let enough = treated * 1_000_000 >= hazardous * i128::from(self.conditions.hazardous.accepted_ppm);
        if !batch.is_shown_whole || !enough {
            not_shown.push(ACCEPTED.to_owned());
        }
        Ok(not_shown)
    }

    /// What its classes should hold came out of a batch; gives what is not shown. A bundle may leave out some of what came out,
    /// so too little is a lie only where what is left out cannot be the rest.
    fn check_parts(&self, batch: &Batch) -> Result<Option<String>, String> {
        let came_out = CameOut { outputs: &batch.outputs, gave: &batch.gave, uncounted: &batch.uncounted };
        let short = short_of(self.conditions, &batch.fed, &came_out);
        if batch.input.is_none() || batch.holds_unknown {
            // Of what is not shown to have gone in nobody knows what it holds.
            return Ok(Some(EXPECTED.to_owned()));
        }
        let is_lie = |short: &Short| short.found_g.saturating_add(batch.unseen_g) < short.least_g;
        match short.first() {
            Some(_) if short.iter().any(is_lie) => Err(Gap::PartsNotAccountedFor.reason().to_owned()),
            Some(_) => Ok(Some(EXPECTED.to_owned())),
            None => Ok(None),
        }
    }

    /// What residual operations are shown to have ended of a batch up to a treatment by one stays within their share.
    pub(super) fn check_share(&self, batch: &Batch, treatment: EntryIndex) -> Result<(), String> {
        let ended = batch.residual.iter().find(|(entry, _)| *entry == treatment);
        let ended = ended.and_then(|(_, ended)| Grams::new(*ended)).zip(batch.input);
        require(ended.and_then(|(ended, input)| stays_within_the_residual_share(self.conditions, input, ended)))
    }
}
