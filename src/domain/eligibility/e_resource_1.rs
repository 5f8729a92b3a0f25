//! The rules that are new with the scheme `e-resource/1`, each a function of its own; its numbers and lists stand in the
//! rule set. The rules that it shares with its predecessor (final operation, weights, custody, permits, audits, borders)
//! stand in the module above. Reasons and sources of all of them stand with their codes, in `gap`.
//!
//! Everything here is pure, so that whoever verifies a bundle asks the same functions.

use crate::domain::batch::{Batch, BatchFlags, BatchStatus};
use crate::domain::codes::{CountedElsewhere, Country, Provenance, SourceKind, TableCode};
use crate::domain::composition::WasteSource;
use crate::domain::eligibility::expected::{CameOut, short_of};
use crate::domain::eligibility::gap::Gap;
use crate::domain::fed::FedClass;
use crate::domain::hazardous::Hazardous;
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::rule_set::{Conditions, RuleSet};
use crate::domain::time::{Date, LedgerTime};
use std::collections::BTreeSet;

const PPM: i128 = 1_000_000;

fn unless(met: bool, gap: Gap) -> Option<Gap> {
    (!met).then_some(gap)
}

/// It became waste in a country of the scheme's list; the fictitious one is among them on test ledgers alone.
pub fn arose_in_a_listed_country(conditions: &Conditions, country: &Country, test: bool) -> Option<Gap> {
    let in_tests = conditions.arising_in_tests.iter().filter(|_| test);
    let met = conditions.arising.iter().chain(in_tests).any(|listed| listed == country.as_str());
    unless(met, Gap::CountryNotListed)
}

/// It became waste where it was dismantled. What leaves the country later are fractions; equipment that was waste before
/// it crossed a border was brought in to claim it, whatever consent it had. The scheme knows no exception.
pub fn is_not_imported(arising: &Country, dismantled_in: &Country) -> Option<Gap> {
    unless(arising == dismantled_in, Gap::Imported)
}

/// It is no scrap of manufacturing.
pub fn is_no_manufacturing_scrap(kind: SourceKind) -> Option<Gap> {
    unless(kind != SourceKind::Manufacturing, Gap::ManufacturingScrap)
}

/// It came in as equipment: under a product class, or as a part of what was in use under the ledger.
pub fn is_end_of_life_equipment(rules: &RuleSet, class: &TableCode, kind: SourceKind) -> Option<Gap> {
    unless(kind == SourceKind::Reuse || rules.class(class.as_str()).is_some(), Gap::NotEquipment)
}

/// Its supplier declared that no other scheme counts it; of equipment in use, whoever retired it did.
pub fn supplier_counts_it_nowhere_else(declared: CountedElsewhere) -> Option<Gap> {
    unless(declared == CountedElsewhere::None, Gap::CountedElsewhere)
}

/// The centre declared the same of what it dismantled, when it closed the batch.
pub fn centre_counts_it_nowhere_else(declared: Option<CountedElsewhere>) -> Option<Gap> {
    match declared {
        Some(declared) => supplier_counts_it_nowhere_else(declared),
        None => Some(Gap::CentreNotDeclared),
    }
}

/// Whether an operation is one of those for residues and hazardous outputs.
pub fn is_residual(conditions: &Conditions, operation: &str) -> bool {
    conditions.residual.operations.iter().any(|known| known == operation)
}

/// It ended by recycling; or by energy recovery or disposal, if it is a residue or hazardous where it was treated. Whole
/// equipment ends by neither.
pub fn ended_by_an_admitted_operation(
    rules: &RuleSet,
    conditions: &Conditions,
    class: &str,
    hazardous: bool,
    operation: &str,
) -> Option<Gap> {
    let is_residue = hazardous || conditions.residual.fractions.iter().any(|fraction| fraction == class);
    let recycled = conditions.recovery.iter().any(|known| known == operation);
    let is_whole = rules.class(class).is_some();
    let met = !is_whole && (recycled || (is_residue && is_residual(conditions, operation)));
    unless(met, Gap::OperationNotAdmitted)
}

/// What residual operations ended of a batch, up to and with this treatment, is within their share of its input.
pub fn stays_within_the_residual_share(conditions: &Conditions, input: Grams, ended: Grams) -> Option<Gap> {
    let share = i128::from(input.get()) * i128::from(conditions.residual.share_ppm);
    unless(i128::from(ended.get()) * PPM <= share, Gap::ResidualShareExceeded)
}

/// Of a batch's hazardous grams enough are accepted by sites that may end them, and the rest lies in store, weighed, and
/// not for long: its age counts from the day on which the first of them left the batch.
pub fn hazardous_grams_are_taken_care_of(conditions: &Conditions, found: &Hazardous, today: &Date) -> Option<Gap> {
    let rule = conditions.hazardous;
    let all = found.accepted_g == found.total_g;
    let is_fresh = || {
        let until = found.since.as_ref().and_then(|since| since.plus_months(rule.storage_months));
        until.is_none_or(|until| *today < until)
    };
    let stored = found.gone_g.0 == 0 && found.unweighed_g.0 == 0;
    unless(all || (found.is_accepted(rule.accepted_ppm) && stored && is_fresh()), Gap::BatchIncomplete)
}

/// What the classes that were fed in should hold came out, as much as the rule set asks; or the receipt counted it missing.
pub fn expected_parts_came_out(conditions: &Conditions, fed: &[FedClass], came_out: &CameOut<'_>) -> Option<Gap> {
    unless(short_of(conditions, fed, came_out).is_empty(), Gap::PartsNotAccountedFor)
}

/// What a batch lacks once it is closed, whatever is treated of it.
pub(crate) fn lacks(conditions: &Conditions, batch: &Batch, now: LedgerTime) -> BTreeSet<Gap> {
    if matches!(batch.status, BatchStatus::Open | BatchStatus::Void) {
        return BTreeSet::new();
    }
    let centre = batch.flags.as_ref().and_then(|flags| flags.centre);
    let hazardous = now.date().map(|today| hazardous_grams_are_taken_care_of(conditions, &batch.hazardous, &today));
    let parts = expected_parts_came_out(conditions, &batch.fed, &CameOut::of(batch));
    let found = [centre_counts_it_nowhere_else(centre), hazardous.unwrap_or(Some(Gap::BatchIncomplete)), parts];
    found.into_iter().flatten().collect()
}

/// What was fed into a batch lacks, by what was declared of it.
pub(crate) fn of_inputs(
    rules: &RuleSet,
    conditions: &Conditions,
    (flags, fed): (&BatchFlags, &[FedClass]),
    dismantled_in: Option<&Country>,
    test: bool,
) -> BTreeSet<Gap> {
    let (country, provenance) = (&flags.arising.country, &flags.provenance);
    let inputs = fed.iter().filter(|fed| fed.grams > Grams::ZERO);
    let equipment = inputs.filter_map(|fed| is_end_of_life_equipment(rules, &fed.class, provenance.kind));
    let declared = of_declared(conditions, (country, dismantled_in), provenance, test);
    declared.into_iter().chain(equipment).collect()
}

/// What waste lacks that is still to be dismantled, in the country in which it lies.
pub(crate) fn of_waste(
    rules: &RuleSet,
    conditions: &Conditions,
    waste: &WasteSource,
    lies_in: Option<&Country>,
    test: bool,
) -> BTreeSet<Gap> {
    let equipment = is_end_of_life_equipment(rules, &waste.class, waste.provenance.kind);
    let declared = of_declared(conditions, (&waste.country, lies_in), &waste.provenance, test);
    declared.into_iter().chain(equipment).collect()
}

/// What was declared of waste: where it arose, and what it is.
fn of_declared(
    conditions: &Conditions,
    (country, dismantled_in): (&Country, Option<&Country>),
    provenance: &Provenance,
    test: bool,
) -> Vec<Gap> {
    let found = [
        arose_in_a_listed_country(conditions, country, test),
        dismantled_in.and_then(|dismantled_in| is_not_imported(country, dismantled_in)),
        is_no_manufacturing_scrap(provenance.kind),
        supplier_counts_it_nowhere_else(provenance.counted_elsewhere),
    ];
    found.into_iter().flatten().collect()
}

/// What residual operations had ended of a batch when this treatment was stated, its own grams among it; `None` if it was
/// by another operation.
pub(crate) fn ended_by_residual(batch: &Batch, treatment: EntryIndex) -> Option<Grams> {
    batch.residual.iter().find(|ended| ended.treatment == treatment).map(|ended| ended.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mass::SignedGrams;
    use crate::domain::rule_set;

    fn rules() -> (&'static RuleSet, &'static Conditions) {
        let found = rule_set::all().iter().find_map(|set| Some((set, set.scheme.conditions.as_ref()?)));
        found.expect("a rule set with conditions")
    }

    fn grams(grams: i64) -> Grams {
        Grams::new(grams).expect("grams")
    }

    fn country(code: &str) -> Country {
        Country::parse(code).expect("a country")
    }

    fn code(code: &str) -> TableCode {
        TableCode::parse(code).expect("a code")
    }

    #[test]
    fn countries_of_arising() {
        let (_, conditions) = rules();
        for (code, test, listed) in
            [("KE", false, true), ("CL", false, true), ("XD", true, true), ("XD", false, false), ("BE", true, false)]
        {
            let gap = arose_in_a_listed_country(conditions, &country(code), test);
            assert_eq!(gap.is_none(), listed, "{code} {test}");
        }
        assert_eq!(is_not_imported(&country("KE"), &country("UG")), Some(Gap::Imported));
    }

    #[test]
    fn operations_by_what_they_end() {
        let (rules, conditions) = rules();
        let table = [
            ("FE", false, "R4", true),
            ("PLAST_CLEAN", false, "R3", true),
            ("FE", false, "D10", false),
            ("FE", false, "R1", false),
            ("RESIDUE_NONHAZ", false, "R1", true),
            ("RESIDUE_NONHAZ", false, "D5", true),
            ("RESIDUE_NONHAZ", false, "D1", false),
            ("PLAST_BFR", true, "D10", true),
            ("PWB_HIGH", true, "D12", true),
            ("PWB_HIGH", true, "R10", false),
            ("PWB_HIGH", true, "R12", false),
            ("BAT_LI", true, "R13", false),
            ("0303", true, "D10", false),
            ("0303", true, "R4", false),
        ];
        for (class, hazardous, operation, admitted) in table {
            let gap = ended_by_an_admitted_operation(rules, conditions, class, hazardous, operation);
            assert_eq!(gap.is_none(), admitted, "{class} {operation}");
        }
        for never in ["D1", "D2", "D3", "D4", "D6", "D7", "D8", "D11", "R2", "R10", "R11", "D13", "D14", "D15"] {
            assert!(ended_by_an_admitted_operation(rules, conditions, "RESIDUE_HAZ", true, never).is_some(), "{never}");
        }
    }

    #[test]
    fn the_share_of_residual_operations_has_a_boundary() {
        let (_, conditions) = rules();
        for (input, ended, within) in [(100, 20, true), (100, 21, false), (0, 0, true), (0, 1, false), (4, 1, false)] {
            let gap = stays_within_the_residual_share(conditions, grams(input), grams(ended));
            assert_eq!(gap.is_none(), within, "{ended} of {input}");
        }
    }

    #[test]
    fn declarations() {
        assert_eq!(centre_counts_it_nowhere_else(None), Some(Gap::CentreNotDeclared));
        assert_eq!(centre_counts_it_nowhere_else(Some(CountedElsewhere::None)), None);
        assert_eq!(centre_counts_it_nowhere_else(Some(CountedElsewhere::CarbonCredit)), Some(Gap::CountedElsewhere));
        assert_eq!(is_no_manufacturing_scrap(SourceKind::Manufacturing), Some(Gap::ManufacturingScrap));
        let (rules, _) = rules();
        let equipment = |class: &str, kind| is_end_of_life_equipment(rules, &code(class), kind).is_none();
        assert!(equipment("0303", SourceKind::Household) && equipment("HDD", SourceKind::Reuse));
        assert!(!equipment("HDD", SourceKind::Business) && !equipment("9999", SourceKind::Household));
    }

    #[test]
    fn what_became_of_hazardous_grams() {
        let (_, conditions) = rules();
        let found = |total: i64, accepted: i64, gone: i64, unweighed: i64| Hazardous {
            total_g: grams(total),
            accepted_g: grams(accepted),
            gone_g: SignedGrams(gone),
            unweighed_g: SignedGrams(unweighed),
            since: Date::parse("2026-11-23"),
            evidence: None,
        };
        let table = [
            (found(0, 0, 0, 0), "2030-01-01", true),
            (found(100, 94, 0, 0), "2026-11-24", false),
            (found(100, 95, 0, 0), "2026-11-24", true),
            (found(100, 95, 0, 0), "2027-11-22", true),
            (found(100, 95, 0, 0), "2027-11-23", false),
            (found(100, 100, 0, 0), "2027-11-23", true),
            (found(100, 95, 1, 0), "2026-11-24", false),
            (found(100, 95, 0, 5), "2026-11-24", false),
        ];
        for (found, today, met) in table {
            let today = Date::parse(today).expect("a day");
            assert_eq!(
                hazardous_grams_are_taken_care_of(conditions, &found, &today).is_none(),
                met,
                "{found:?} {today}"
            );
        }
    }
}
