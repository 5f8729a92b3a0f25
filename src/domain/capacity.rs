//! Capacity: what a site takes in during a calendar year, as dated, against what its permits allow. In all, when it comes to the
//! site; and under rule sets that ask for it, operation by operation, when it goes into one. What goes beyond happened all the
//! same: it is recorded, with a warning, and its grams back nothing.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{CalendarYear, TableCode};
use crate::domain::event::{OutsideWork, Permit};
use crate::domain::fields::record;
use crate::domain::ids::SiteId;
use crate::domain::mass::Grams;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::registry::Site;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;
use std::collections::{BTreeMap, BTreeSet};

record! {
    /// What a site took in during a calendar year, as dated; measured against its permit's capacity.
    pub struct SiteYear {
        /// The site.
        site: SiteId,
        /// The year.
        year: CalendarYear,
        /// The sum.
        received_g: Grams,
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
        Ok(known.unwrap_or(Self { site, year, received_g: Grams::ZERO, outside_g: None, operation }))
    }

    /// With more that was taken in.
    fn plus(self, grams: Grams, pointer: &str) -> Result<Self, Stop> {
        match self.received_g.plus(grams) {
            Some(received_g) => Ok(Self { received_g, ..self }),
            None => refuse(RefusalCode::SumOutOfRange, pointer, "the site's sum of the year would leave the range"),
        }
    }

    /// All that uses up the capacity.
    fn all_g(&self) -> Grams {
        self.received_g.plus(self.outside_g.unwrap_or(Grams::ZERO)).unwrap_or(self.received_g)
    }
}

/// What an entry brought to sites and into operations at first: what a correction puts in its place counts instead.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brought {
    /// To sites.
    to_sites: Grams,
    /// Into operations, by the id of the site's year.
    into_operations: BTreeMap<String, Grams>,
}

impl Brought {
    /// Counts by how much a site's year grew with the entry.
    pub(crate) fn count(&mut self, before: Grams, after: &SiteYear) {
        let grams = after.received_g.minus(before).unwrap_or(Grams::ZERO);
        if after.operation.is_none() {
            self.to_sites = self.to_sites.plus(grams).unwrap_or(self.to_sites);
        } else {
            self.into_operations.insert(after.id(), grams);
        }
    }

    /// What of it a site's year holds.
    fn in_year(&self, year: &SiteYear) -> Grams {
        match year.operation {
            None => self.to_sites,
            Some(_) => self.into_operations.get(&year.id()).copied().unwrap_or(Grams::ZERO),
        }
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

    /// The yearly capacity for one operation; of several permits the greatest. `None` if one that allows the operation states
    /// none for it: then only the whole is limited.
    pub(crate) fn operation_capacity_on(&self, day: &Date, operation: &TableCode) -> Option<Grams> {
        let mut allowing = self.permits_on(day).filter(|permit| permit.operations.contains(operation)).peekable();
        if allowing.peek().is_some() {
            let stated: Option<Vec<Grams>> = allowing.map(|permit| capacity_for(permit, operation)).collect();
            return stated?.into_iter().max();
        }
        self.permits.last().and_then(|permit| capacity_for(permit, operation))
    }
}

/// What a permit states for one operation.
fn capacity_for(permit: &Permit, operation: &TableCode) -> Option<Grams> {
    let mut stated = permit.capacities.iter().flatten();
    stated.find(|capacity| capacity.operation == *operation).map(|capacity| capacity.capacity_g_per_year)
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
    Ok(measure(state, context, year, site.capacity_on(&day), WEIGHT))
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
    Ok(measure(state, context, year, capacity, pointer))
}

/// What went into an operation and was left of it counts no more. Should it have gone in the year before, that year keeps what
/// this one does not hold: the careful side.
pub(crate) fn take_back(
    state: &mut State<'_>,
    context: &Context<'_>,
    (site, operation): (SiteId, &str),
    grams: Grams,
) -> Result<(), Stop> {
    let Some((_, year, operation)) = counted(state, context, operation)? else { return Ok(()) };
    let year = SiteYear::known(state, site, year, Some(operation))?;
    let received_g = year.received_g.minus(grams).unwrap_or(Grams::ZERO);
    state.put(Record::SiteYear(SiteYear { received_g, ..year }));
    Ok(())
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

/// Keeps a sum, and warns if it is beyond the capacity. A statement that is applied once more keeps what its day found; of one
/// that is corrected itself the old mass is in the year's sum, and the new one counts in its place.
fn measure(
    state: &mut State<'_>,
    context: &Context<'_>,
    year: SiteYear,
    capacity: Option<Grams>,
    pointer: &str,
) -> Option<Warning> {
    let replaces = context.again.and_then(|again| again.replaces);
    let over = match context.again {
        Some(again) if replaces.is_none() => again
            .warnings
            .iter()
            .any(|known| known.code == WarningCode::OverCapacity && known.pointer.as_str() == pointer),
        _ => {
            let old_g = replaces.map_or(Grams::ZERO, |brought| brought.in_year(&year));
            let sum = year.all_g().minus(old_g).unwrap_or(Grams::ZERO);
            capacity.is_some_and(|capacity| sum > capacity)
        }
    };
    state.put(Record::SiteYear(year));
    if over { Warning::new(WarningCode::OverCapacity, pointer) } else { None }
}

/// A site declares what it takes in outside the ledger in a year, in all or into one operation; stated again, the later holds.
pub(crate) fn declare_outside(state: &mut State<'_>, site: SiteId, work: &OutsideWork) -> Result<(), Stop> {
    if let Some(operation) = &work.operation
        && rules_in_force(state)?.operation(operation.as_str()).is_none()
    {
        return refuse(RefusalCode::CodeUnknown, "/outside_work/operation", "expected D1 to D15 or R1 to R13");
    }
    let year = SiteYear::known(state, site, work.year.clone(), work.operation.clone())?;
    state.put(Record::SiteYear(SiteYear { outside_g: Some(work.received_g), ..year }));
    Ok(())
}

/// The capacities that a permit states: each of an operation that it allows, each once, none above the whole.
pub(crate) fn require_sound(permit: &Permit) -> Result<(), Stop> {
    let mut stated = BTreeSet::new();
    for (position, capacity) in permit.capacities.iter().flatten().enumerate() {
        let at = |field: &str| format!("/permit/capacities/{position}/{field}");
        if !permit.operations.contains(&capacity.operation) {
            let detail = format!("the permit does not allow {}: name it among its operations", capacity.operation);
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
    fn what_a_correction_replaces_counts_once() {
        let year = |operation: Option<&str>, received_g: i64| SiteYear {
            site: SiteId(Uuid::nil()),
            year: CalendarYear::parse("2026").expect("a year"),
            received_g: grams(received_g),
            outside_g: None,
            operation: operation.map(code),
        };
        let mut brought = Brought::default();
        brought.count(grams(10), &year(None, 14));
        brought.count(grams(0), &year(Some("R4"), 3));
        let in_year = |operation| brought.in_year(&year(operation, 99)).get();
        assert_eq!((in_year(None), in_year(Some("R4")), in_year(Some("R3"))), (4, 3, 0));
    }
}
