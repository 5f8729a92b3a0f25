//! Waste codes: nobody types one. The rule set's tables give it for a class where it lies, or a person states another.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{Country, TableCode, WasteCode, WasteCodeOverride};
use crate::domain::item::Overridden;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{State, Stop};
use crate::domain::time::Date;

/// The waste code of a class or fraction by the rule set in force, where the country is known, on the day on which it
/// is said to have happened.
pub(crate) fn waste_code(
    state: &State<'_>,
    context: &Context<'_>,
    class: &TableCode,
    overridden: Option<&Overridden>,
    country: Option<&Country>,
) -> Result<Option<WasteCode>, Stop> {
    let rules = rules_in_force(state)?;
    let place = country.zip(context.day());
    Ok(place.and_then(|(country, day)| waste_code_at(rules, class.as_str(), overridden, (country, &day))))
}

/// The same at a place on a day: a person's, as long as it stands in the list there, or the tables'. Pure, so that whoever
/// verifies a bundle asks the same.
pub(crate) fn waste_code_at(
    rules: &RuleSet,
    class: &str,
    overridden: Option<&Overridden>,
    (country, day): (&Country, &Date),
) -> Option<WasteCode> {
    let chosen = overridden.filter(|chosen| chosen.country == *country);
    let chosen = chosen.filter(|chosen| rules.lists_waste_code(&chosen.code, country, day));
    chosen.map(|chosen| chosen.code.clone()).or_else(|| rules.waste_code(class, country, day))
}

/// A person's waste code instead of the tables': it must stand in the list of the place on the day.
pub(crate) fn overridden(
    state: &State<'_>,
    context: &Context<'_>,
    stated: Option<&WasteCodeOverride>,
    country: Option<&Country>,
) -> Result<Option<Overridden>, Stop> {
    let Some(stated) = stated else { return Ok(None) };
    let rules = rules_in_force(state)?;
    match (country, context.day()) {
        (Some(country), Some(day)) if rules.lists_waste_code(&stated.code, country, &day) => {
            Ok(Some(Overridden { code: stated.code.clone(), country: country.clone() }))
        }
        _ => {
            let detail = format!("{} stands in no list of the place on that day", stated.code);
            refuse(RefusalCode::CodeUnknown, "/waste_code/code", detail)
        }
    }
}

pub(crate) fn code_warning(code: Option<&WasteCode>) -> Option<Warning> {
    if code.is_some() { None } else { Warning::new(WarningCode::WasteCodeUnknown, "/class") }
}
