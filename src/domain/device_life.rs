//! A device's life as its donor may see it: wiped how, tested how, repaired when, used where and how long.
//!
//! The donor may follow its gift into others' hands, but what others said stays theirs: only codes, ids and days are taken
//! from their statements.

use crate::domain::codes::{Country, SanitisationMethod, SanitisationTechnique, TestResult};
use crate::domain::event::{DataSanitised, Event, PutInUse, Statement};
use crate::domain::ids::{EntryIndex, ItemId, OrganisationId, ProjectId, SiteId};
use crate::domain::item::Item;
use crate::domain::time::Date;

/// That data was put out of reach, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiped {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// The day, as written.
    pub day: Option<Date>,
    /// How far.
    pub method: SanitisationMethod,
    /// How.
    pub technique: SanitisationTechnique,
}

/// What a test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// The day, as written.
    pub day: Option<Date>,
    /// The finding.
    pub result: TestResult,
}

/// That it was repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The entry that says so.
    pub entry: EntryIndex,
    /// The day, as written.
    pub day: Option<Date>,
}

/// A stretch of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The entry with which it began.
    pub entry: EntryIndex,
    /// What for, if that was said.
    pub project: Option<ProjectId>,
    /// The country of use.
    pub country: Country,
    /// Who uses it.
    pub holder: OrganisationId,
    /// Where, if a site was named.
    pub site: Option<SiteId>,
    /// The first day, as written.
    pub from: Option<Date>,
    /// The day on which it ended; `None` while it lasts.
    pub until: Option<Date>,
}

impl Use {
    /// How many days it lasted, or has lasted by a day.
    pub fn days(&self, by: Option<&Date>) -> Option<i64> {
        let end = self.until.as_ref().or(by)?;
        // Two people's calendars may differ by a day; nothing was used for less than none.
        self.from.as_ref()?.days_until(end).map(|days| days.max(0))
    }
}

/// What was said of one device or component, in the order of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// The last of the wipings that reached furthest.
    pub wiped: Option<Wiped>,
    /// The last test.
    pub tested: Option<Tested>,
    /// The last repair. Behind the last test, it is why something works that was found to be repairable.
    pub repaired: Option<Repair>,
    /// Where it was used, first to last.
    pub uses: Vec<Use>,
}

impl Life {
    /// Takes in a statement about the item.
    pub fn see(&mut self, item: ItemId, entry: EntryIndex, statement: &Statement) {
        let day = statement.common.occurred_at.date();
        match &statement.event {
            Event::DataSanitised(said) if said.item == item => self.wipe(entry, day, said),
            Event::Tested(said) if said.item == item => {
                self.tested = Some(Tested { entry, day, result: said.result });
            }
            Event::Repaired(said) if said.item == item => self.repaired = Some(Repair { entry, day }),
            Event::PutInUse(said) if said.item == item => self.uses.push(use_of(entry, statement, said)),
            Event::Retired(said) if said.item == item => self.end_use(day),
            Event::Lost(said) if said.item == item => self.end_use(day),
            _ => {}
        }
    }

    /// The same life with the wiping and the test that stand now: a medium that was built in later takes its own wiping
    /// along, and a device that was opened must be tested again. That it was repaired stays true.
    #[must_use]
    pub fn as_it_stands(self, item: &Item) -> Self {
        let wiped = self.wiped.zip(item.sanitised).map(|(wiped, method)| Wiped { method, ..wiped });
        let tested = self.tested.filter(|tested| item.tested == Some(tested.entry));
        Self { wiped, tested, ..self }
    }

    fn wipe(&mut self, entry: EntryIndex, day: Option<Date>, said: &DataSanitised) {
        let reaches_as_far = self.wiped.as_ref().is_none_or(|known| said.method >= known.method);
        if said.verified && reaches_as_far {
            self.wiped = Some(Wiped { entry, day, method: said.method, technique: said.technique });
        }
    }

    fn end_use(&mut self, day: Option<Date>) {
        if let Some(current) = self.uses.last_mut().filter(|current| current.until.is_none()) {
            current.until = day;
        }
    }
}

fn use_of(entry: EntryIndex, statement: &Statement, said: &PutInUse) -> Use {
    Use {
        entry,
        project: said.project,
        country: said.country.clone(),
        holder: statement.common.party(),
        site: statement.common.site,
        from: statement.common.occurred_at.date(),
        until: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Date> {
        Date::parse(text)
    }

    fn used(from: &str, until: Option<&str>) -> Use {
        let id = uuid::Uuid::from_u128(1);
        Use {
            entry: EntryIndex(1),
            project: None,
            country: Country::parse("KE").expect("a country"),
            holder: OrganisationId(id),
            site: None,
            from: day(from),
            until: until.and_then(day),
        }
    }

    #[test]
    fn days_of_use_end_with_it_or_with_the_day_of_asking() {
        let asked = day("2026-12-31");
        assert_eq!(used("2026-12-01", Some("2026-12-11")).days(asked.as_ref()), Some(10));
        assert_eq!(used("2026-12-01", None).days(asked.as_ref()), Some(30));
        assert_eq!(used("2027-01-01", None).days(asked.as_ref()), Some(0));
        assert_eq!(used("2026-12-01", None).days(None), None);
    }
}
