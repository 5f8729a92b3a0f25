//! The donor's report of the gift, as the ledger adds it up.

use crate::cli::CommandError;
use crate::cli::demo::plan::Plan;
use crate::cli::demo::summary::kilograms;
use crate::domain::ids::{DonationId, EntryIndex, OrganisationId};
use crate::domain::whereabouts::Whereabouts;
use crate::ledger::Ledger;
use crate::ledger::donation_report::DonationAsked;
use crate::ledger::lookup::Reader;
use std::collections::BTreeMap;

/// Where the donor reads it.
pub(super) fn path(plan: &Plan) -> String {
    format!("/v1/donations/{}/report", gift(plan))
}

/// The donor of the gift.
pub(super) fn donor(plan: &Plan) -> OrganisationId {
    OrganisationId(plan.id("organisation", 7))
}

fn gift(plan: &Plan) -> DonationId {
    DonationId(plan.id("gift of", 1))
}

/// Prints where the gift is, to the gram, as its donor reads it.
pub(super) fn print(ledger: &Ledger, plan: &Plan) -> Result<(), CommandError> {
    let asked = DonationAsked { donation: gift(plan), from: EntryIndex(0), totals: true };
    let report = ledger.donation_report(Reader::Organisation(donor(plan)), asked);
    let report = report.map_err(|unanswered| format!("the donor's report is not there: {unanswered:?}"))?;
    let totals = report.and_then(|report| report.totals).ok_or("the donor has no report")?;
    let changed = totals.changed.ok_or("the donor's report is not whole")?;
    let mut places: BTreeMap<Whereabouts, i64> = BTreeMap::new();
    for ((whereabouts, _), tally) in &totals.places {
        *places.entry(*whereabouts).or_default() += tally.grams;
    }
    let places = places.into_iter().filter(|(_, grams)| *grams != 0);
    let words =
        |(place, grams): (Whereabouts, i64)| format!("{} {}", kilograms(grams), place.as_str().replace('_', " "));
    let places: Vec<String> = places.map(words).collect();
    let brought = kilograms(totals.brought.get());
    println!("the donor's report     {brought} given, {} by later scales and dust =", kilograms(changed));
    println!("                       {}", places.join(" + "));
    Ok(())
}
