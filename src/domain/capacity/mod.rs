//! Capacity: what a site takes in during a calendar year, as dated, against what its permits allow. In all, when it comes to the
//! site; and under rule sets that ask for it, operation by operation, when it goes into one. What goes beyond happened all the
//! same: it is recorded, with a warning, and its grams back nothing.

mod again;

pub(crate) use again::{is_over_unsaid, returned};

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{CalendarYear, TableCode};
use crate::domain::event::{OutsideWork, Permit};
use crate::domain::fields::record;
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::Site;
use crate::domain::state::{Record, State, Stop};
use crate::domain::storage::STORAGE;
use crate::domain::time::Date;
use crate::limits::INTEGER_MAX;
use std::collections::BTreeSet;

record! {
    /// What a site took in during a calendar year, as dated; measured against its permit's capacity.
    pub struct SiteYear {
        /// The site.
        site: SiteId,
        /// The year.
        year: CalendarYear,
        /// The sum of what was taken in; it only grows, but for corrections.
        received_g: Grams,
        /// What of it was not worked on after all, and counts no more. A sum of its own, so that what is applied once more never
        /// ends at zero.
        returned_g: Option<Grams>,
        /// What it declared to take in outside the ledger.
        outside_g: Option<Grams>,
        /// The operation into which it went; absent of all that came to the site.
        operation: Option<TableCode>,
    }
}

impl SiteYear {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(&self.site, &self.year, self.operation.as_ref())
    }

    /// The id of a site's year, or of that of one operation there.
    pub fn id_of(site: &SiteId, year: &CalendarYear, operation: Option<&TableCode>) -> String {
        match operation {
            None => format!("{site}/{year}"),
            Some(operation) => format!("{site}/{year}/{operation}"),
        }
    }

    /// As the ledger knows it, or nothing yet.
    fn known(state: &State<'_>, site: SiteId, year: CalendarYear, operation: Option<TableCode>) -> Result<Self, Stop> {
        let known = state.site_year(&Self::id_of(&site, &year, operation.as_ref()))?.cloned();
        Ok(known.unwrap_or(Self { site, year, received_g: Grams::ZERO, returned_g: None, outside_g: None, operation }))
    }

    /// With more that was taken in.
    fn plus(self, grams: Grams, pointer: &str) -> Result<Self, Stop> {
        match self.received_g.plus(grams) {
            Some(received_g) => Ok(Self { received_g, ..self }),
            None => refuse(RefusalCode::SumOutOfRange, pointer, "the site's sum of the year would leave the range"),
        }
    }

    /// With more of it that was not worked on after all.
    fn less(self, grams: Grams) -> Self {
        let returned = self.returned_g.unwrap_or(Grams::ZERO);
        Self { returned_g: Some(returned.plus(grams).unwrap_or(returned)), ..self }
    }

    /// What counts of the work under the ledger, in grams. Below zero only while an entry is applied once more on a year that has
    /// not begun.
    pub(crate) fn counted_g(&self) -> i64 {
        self.received_g.get() - self.returned_g.unwrap_or(Grams::ZERO).get()
    }

    /// What the site declared to take in outside the ledger, in grams.
    pub(crate) fn outside_g(&self) -> i64 {
        self.outside_g.unwrap_or(Grams::ZERO).get()
    }

    /// All that uses up the capacity, in grams. A sum beyond the range, which only a senseless declaration brings about, goes
    /// without what is declared: so every rule set has had it.
    pub(crate) fn all_g(&self) -> i64 {
        let all = self.counted_g() + self.outside_g();
        if all > INTEGER_MAX { self.counted_g() } else { all }
    }
}

impl Site {
    /// Its permits on a day.
    fn permits_on(&self, day: &Date) -> impl Iterator<Item = &Permit> {
        self.permits.iter().filter(move |permit| permit.valid_from <= *day && *day <= permit.valid_until)
    }

    /// The yearly capacity that its permits give for a day; of several the greatest.
    pub(crate) fn capacity_on(&self, day: &Date) -> Option<Grams> {
        self.permits_on(day).map(|permit| permit.capacity_g_per_year).max().or_else(|| {
            // A permit that has lapsed still tells what the plant was built for.
            self.permits.last().map(|permit| permit.capacity_g_per_year)
        })
    }

    /// The capacity against which a year is measured as a whole: that of its last day.
    fn capacity_in(&self, year: &SiteYear) -> Option<Grams> {
        let day = Date::parse(&format!("{}-12-31", year.year))?;
        match &year.operation {
            None => self.capacity_on(&day),
            Some(operation) => self.operation_capacity_on(&day, operation),
        }
    }

    /// The yearly capacity for one operation; of several permits the greatest. `None` if one that allows the operation states
    /// none for it: then only the whole is limited.
    pub(crate) fn operation_capacity_on(&self, day: &Date, operation: &TableCode) -> Option<Grams> {
        let mut allowing = self.permits_on(day).filter(|permit| permit.operations.contains(operation)).peekable();
        if allowing.peek().is_some() {
            let stated: Option<Vec<Grams>> = allowing.map(|permit| permit.stated_for(operation)).collect();
            return stated?.into_iter().max();
        }
        self.permits.last().and_then(|permit| permit.stated_for(operation))
    }
}

impl Permit {
    /// What it states for one operation.
    fn stated_for(&self, operation: &TableCode) -> Option<Grams> {
        let mut stated = self.capacities.iter().flatten();
        stated.find(|capacity| capacity.operation == *operation).map(|capacity| capacity.capacity_g_per_year)
    }

    /// What it allows into one operation in a year, if it allows that at all: what it states, or the whole.
    pub(crate) fn allowed_into(&self, operation: &TableCode) -> Option<Grams> {
        let is_allowed = self.operations.contains(operation);
        is_allowed.then(|| self.stated_for(operation).unwrap_or(self.capacity_g_per_year))
    }
}

/// Counts what comes to a site; a warning beyond what its permits allow in all.
pub(crate) fn take_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    site: &Site,
    grams: Grams,
) -> Result<Option<Warning>, Stop> {
    let Some((day, year)) = day_and_year(context) else { return Ok(None) };
    let year = SiteYear::known(state, site.id, year, None)?.plus(grams, WEIGHT)?;
    measure(state, context, year, site.capacity_on(&day), WEIGHT)
}

/// Counts what goes into an operation at a site, where the rule set does; a warning beyond what its permits state for it.
pub(crate) fn take_into(
    state: &mut State<'_>,
    context: &Context<'_>,
    (site, operation): (SiteId, &str),
    grams: Grams,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let Some((day, year, operation)) = counted(state, context, operation)? else { return Ok(None) };
    let Some(place) = state.site(&site)?.cloned() else { return Ok(None) };
    let capacity = place.operation_capacity_on(&day, &operation);
    let year = SiteYear::known(state, site, year, Some(operation))?.plus(grams, pointer)?;
    measure(state, context, year, capacity, pointer)
}

/// Under which year something that goes into an operation counts, where the rule set counts operations.
pub(crate) fn year_counted(
    state: &State<'_>,
    context: &Context<'_>,
    operation: &str,
) -> Result<Option<CalendarYear>, Stop> {
    Ok(counted(state, context, operation)?.map(|(_, year, _)| year))
}

/// What was counted into an operation in a year and was not worked on after all counts no more there.
pub(crate) fn take_back(
    state: &mut State<'_>,
    (site, operation): (SiteId, &str),
    year: &CalendarYear,
    grams: Grams,
) -> Result<(), Stop> {
    let known = SiteYear::known(state, site, year.clone(), TableCode::parse(operation))?;
    state.put(Record::SiteYear(known.less(grams)));
    Ok(())
}

/// Whether the measure has no gaps under the rule set in force.
pub(crate) fn counts_every_intake(state: &State<'_>) -> Result<bool, Stop> {
    Ok(rules_in_force(state)?.permits.as_ref().is_some_and(|permits| permits.every_intake_counts))
}

/// Where a gate receipt or an answer states a mass.
const WEIGHT: &str = "/weight";

fn day_and_year(context: &Context<'_>) -> Option<(Date, CalendarYear)> {
    let day = context.day()?;
    let year = day.year()?;
    Some((day, year))
}

/// Under which day, year and operation something counts, where the rule set counts by operation.
fn counted(
    state: &State<'_>,
    context: &Context<'_>,
    operation: &str,
) -> Result<Option<(Date, CalendarYear, TableCode)>, Stop> {
    let counts = rules_in_force(state)?.permits.as_ref().is_some_and(|permits| permits.capacity_per_operation);
    let found = day_and_year(context).zip(TableCode::parse(operation)).filter(|_| counts);
    Ok(found.map(|((day, year), operation)| (day, year, operation)))
}

/// Keeps a sum, and warns if it is beyond the capacity.
fn measure(
    state: &mut State<'_>,
    context: &Context<'_>,
    year: SiteYear,
    capacity: Option<Grams>,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let over = match context.again {
        None => is_beyond(year.all_g(), capacity),
        Some(again) => again::is_over(state, again, &year, capacity, pointer)?,
    };
    state.put(Record::SiteYear(year));
    Ok(if over { Warning::new(WarningCode::OverCapacity, pointer) } else { None })
}

fn is_beyond(sum_g: i64, capacity: Option<Grams>) -> bool {
    capacity.is_some_and(|capacity| sum_g > capacity.get())
}

/// A site declares what it takes in outside the ledger in a year, in all or into one operation; stated again, the later holds. A
/// warning if that carries the year beyond: what came in before stays as it was found, and certificates stop at what is left.
pub(crate) fn declare_outside(state: &mut State<'_>, site: &Site, work: &OutsideWork) -> Result<Option<Warning>, Stop> {
    if let Some(operation) = &work.operation
        && rules_in_force(state)?.operation(operation.as_str()).is_none()
    {
        return refuse(RefusalCode::CodeUnknown, "/outside_work/operation", "expected D1 to D15 or R1 to R13");
    }
    let known = SiteYear::known(state, site.id, work.year.clone(), work.operation.clone())?;
    let year = SiteYear { outside_g: Some(work.received_g), ..known };
    let is_over = counts_every_intake(state)? && is_beyond(year.all_g(), site.capacity_in(&year));
    state.put(Record::SiteYear(year));
    Ok(if is_over { Warning::new(WarningCode::OverCapacity, "/outside_work/received_g") } else { None })
}

/// The capacities that a permit states: each of an operation that it allows and that is counted, each once, none above the whole.
pub(crate) fn require_sound(permit: &Permit) -> Result<(), Stop> {
    let mut stated = BTreeSet::new();
    for (position, capacity) in permit.capacities.iter().flatten().enumerate() {
        let at = |field: &str| format!("/permit/capacities/{position}/{field}");
        if !permit.operations.contains(&capacity.operation) {
            let detail = format!("the permit does not allow {}: name it among its operations", capacity.operation);
            return refuse(RefusalCode::ListInvalid, at("operation"), detail);
        }
        if STORAGE.contains(&capacity.operation.as_str()) {
            let detail = format!(
                "{} is storage and is not measured by itself: what is stored came in and counts in the whole",
                capacity.operation
            );
            return refuse(RefusalCode::ListInvalid, at("operation"), detail);
        }
        if !stated.insert(&capacity.operation) {
            let detail = format!("the capacity for {} is stated twice", capacity.operation);
            return refuse(RefusalCode::ListInvalid, at("operation"), detail);
        }
        if capacity.capacity_g_per_year > permit.capacity_g_per_year {
            let detail = format!("the whole permit is for {} a year", permit.capacity_g_per_year);
            return refuse(RefusalCode::WeightInvalid, at("capacity_g_per_year"), detail);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::codes::{Country, DocumentNumber, SiteCode};
    use crate::domain::event::OperationCapacity;
    use crate::domain::ids::EntryIndex;
    use crate::domain::state::Stop;
    use uuid::Uuid;

    fn code(code: &str) -> TableCode {
        TableCode::parse(code).expect("a code")
    }

    fn day(day: &str) -> Date {
        Date::parse(day).expect("a day")
    }

    fn grams(grams: i64) -> Grams {
        Grams::new(grams).expect("grams")
    }

    /// A permit of one year, for so many grams in all, and what it states for operations.
    fn permit(year: u32, all_g: i64, operations: &[&str], stated: &[(&str, i64)]) -> Permit {
        let capacities = stated
            .iter()
            .map(|(operation, g)| OperationCapacity { operation: code(operation), capacity_g_per_year: grams(*g) });
        Permit {
            number: DocumentNumber::parse("P-1").expect("a number"),
            operations: operations.iter().map(|operation| code(operation)).collect(),
            waste_codes: Vec::new(),
            capacity_g_per_year: grams(all_g),
            capacities: Some(capacities.collect()),
            valid_from: day(&format!("{year}-01-01")),
            valid_until: day(&format!("{year}-12-31")),
            document: None,
        }
    }

    fn site(permits: Vec<Permit>) -> Site {
        Site {
            id: SiteId(Uuid::nil()),
            organisation: None,
            country: Country::parse("XD").expect("a country"),
            code: SiteCode::parse("CTR1").expect("a code"),
            address: None,
            permits,
            audits: Vec::new(),
            suspensions: Vec::new(),
            registered: EntryIndex(0),
            changed: Vec::new(),
        }
    }

    #[test]
    fn the_capacity_of_an_operation_on_a_day() {
        let stated = |r4: i64| permit(2026, 100, &["R3", "R4"], &[("R4", r4)]);
        let table = [
            ("stated", vec![stated(60)], "R4", Some(60)),
            ("not stated for this one", vec![stated(60)], "R3", None),
            ("of two the greater", vec![stated(60), stated(70)], "R4", Some(70)),
            ("one of two limits the whole alone", vec![stated(60), permit(2026, 90, &["R4"], &[])], "R4", None),
            ("one that does not allow it counts not", vec![stated(60), permit(2026, 90, &["R3"], &[])], "R4", Some(60)),
            ("a lapsed one tells what was built", vec![permit(2025, 100, &["R4"], &[("R4", 50)])], "R4", Some(50)),
            ("no permit", vec![], "R4", None),
        ];
        for (case, permits, operation, capacity) in table {
            let found = site(permits).operation_capacity_on(&day("2026-11-23"), &code(operation));
            assert_eq!(found.map(Grams::get), capacity, "{case}");
        }
    }

    #[test]
    fn capacities_that_a_permit_can_state() {
        let pointer = |stated: &[(&str, i64)]| match require_sound(&permit(2026, 100, &["R3", "R4"], stated)) {
            Err(Stop::Refused(refusal)) => Some(refusal.pointer),
            _ => None,
        };
        assert_eq!(pointer(&[("R3", 100), ("R4", 100)]), None, "together they may be more than the whole");
        assert_eq!(pointer(&[("R3", 1), ("R5", 1)]), Some("/permit/capacities/1/operation".to_owned()));
        assert_eq!(pointer(&[("R3", 1), ("R3", 1)]), Some("/permit/capacities/1/operation".to_owned()));
        assert_eq!(pointer(&[("R3", 101)]), Some("/permit/capacities/0/capacity_g_per_year".to_owned()));
    }

    #[test]
    fn what_is_taken_back_never_stops_at_zero() {
        let year = SiteYear {
            site: SiteId(Uuid::nil()),
            year: CalendarYear::parse("2026").expect("a year"),
            received_g: grams(3),
            returned_g: None,
            outside_g: Some(grams(20)),
            operation: Some(code("R12")),
        };
        let after = year.less(grams(4)).less(grams(5));
        assert_eq!((after.received_g.get(), after.counted_g(), after.all_g()), (3, -6, 14));
    }
}
