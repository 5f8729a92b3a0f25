//! What the grams of certificates are, added up: the same for a page, a year's statement, and a verdict.

use crate::domain::time::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Grams of certificates, summed. Maps go by code as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// All of them.
    pub total: i64,
    /// By final operation.
    pub by_operation: BTreeMap<String, i64>,
    /// By fraction or class.
    pub by_fraction: BTreeMap<String, i64>,
    /// By product class of the equipment from which they came: of what went into their batch, each class its share.
    pub by_class: BTreeMap<String, i64>,
    /// By waste code where they lay; those without one are left out.
    pub by_waste_code: BTreeMap<String, i64>,
    /// By country in which the waste arose.
    pub by_arising: BTreeMap<String, i64>,
    /// By country of treatment.
    pub by_country: BTreeMap<String, i64>,
    /// Country and code of the sites of treatment.
    pub sites: BTreeSet<String>,
    /// Those under a hazardous waste code.
    pub hazardous: i64,
    /// Those whose every handover two parties proved: unrelated ones, not two keys of the operator's, and no papers instead.
    pub confirmed: i64,
    /// Those that rest on papers of a plant without a key, which somebody else reviewed.
    pub documented: i64,
    /// Those that changed hands between related parties on their way.
    pub related: i64,
    /// Those behind which at least one statement is signed by a key that the operator holds.
    pub hosted: i64,
    /// The first day of treatment.
    pub from: Option<Date>,
    /// The last.
    pub until: Option<Date>,
}

/// What became of treated mass (Directive 2008/98/EC, Article 3 (15a) and (17), Annexes I and II).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// R2 to R9.
    Recycled,
    /// Any other recovery: as fuel, or spread on land.
    OtherwiseRecovered,
    /// D.
    Disposed,
}

impl Outcome {
    /// What an operation comes to.
    fn of(operation: &str) -> Self {
        match operation {
            "R2" | "R3" | "R4" | "R5" | "R6" | "R7" | "R8" | "R9" => Self::Recycled,
            other if other.starts_with('R') => Self::OtherwiseRecovered,
            _ => Self::Disposed,
        }
    }
}

/// What sums tell apart of some grams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described<'a> {
    /// The final operation.
    pub operation: &'a str,
    /// The fraction or class.
    pub fraction: &'a str,
    /// The waste code where they lay.
    pub waste_code: Option<&'a str>,
    /// Whether that is a hazardous one.
    pub hazardous: bool,
    /// Where the waste arose, if it is one country.
    pub arising: Option<&'a str>,
    /// Country and code of the site of treatment.
    pub place: Option<(&'a str, &'a str)>,
    /// The day of treatment.
    pub day: Date,
    /// What the proof of them lacks.
    pub weakness: Weakness,
}

/// What the proof of grams lacks, although they are eligible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all may hold at once")]
pub struct Weakness {
    /// They rest on papers of a plant without a key.
    pub documented: bool,
    /// They changed hands between related parties.
    pub related: bool,
    /// They changed hands between two keys that the operator holds.
    pub unconfirmed: bool,
    /// A statement behind them is signed by a key that the operator holds.
    pub hosted: bool,
}

impl Weakness {
    /// What the proof of grams lacks that rest on two things.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            documented: self.documented || other.documented,
            related: self.related || other.related,
            unconfirmed: self.unconfirmed || other.unconfirmed,
            hosted: self.hosted || other.hosted,
        }
    }

    /// Whether two parties proved each handover.
    const fn is_confirmed(self) -> bool {
        !self.documented && !self.related && !self.unconfirmed
    }
}

impl Sums {
    /// Counts some grams in.
    pub fn count(&mut self, grams: i64, of: &Described<'_>) {
        self.total += grams;
        let add = |sums: &mut BTreeMap<String, i64>, code: &str| *sums.entry(code.to_owned()).or_default() += grams;
        add(&mut self.by_operation, of.operation);
        add(&mut self.by_fraction, of.fraction);
        if let Some(code) = of.waste_code {
            add(&mut self.by_waste_code, code);
        }
        if let Some(country) = of.arising {
            add(&mut self.by_arising, country);
        }
        if let Some((country, code)) = of.place {
            add(&mut self.by_country, country);
            self.sites.insert(format!("{country}-{code}"));
        }
        let only = |holds: bool| if holds { grams } else { 0 };
        self.hazardous += only(of.hazardous);
        self.confirmed += only(of.weakness.is_confirmed());
        self.documented += only(of.weakness.documented);
        self.related += only(of.weakness.related);
        self.hosted += only(of.weakness.hosted);
        let day = &of.day;
        self.from = self.from.take().filter(|from| from <= day).or_else(|| Some(day.clone()));
        self.until = self.until.take().filter(|until| until >= day).or_else(|| Some(day.clone()));
    }

    /// Grams that came to something.
    pub fn of(&self, outcome: Outcome) -> i64 {
        let came_to = |(operation, _): &(&String, &i64)| Outcome::of(operation) == outcome;
        self.by_operation.iter().filter(came_to).map(|(_, grams)| grams).sum()
    }

    /// The permitted sentence (rules.md §7) about so many units; `company` is for whom they were retired.
    pub fn sentence(&self, units: i64, company: Option<&str>) -> String {
        let sites: Vec<&str> = self.sites.iter().map(String::as_str).collect();
        let countries: Vec<&str> = self.by_arising.keys().map(String::as_str).collect();
        let day = |day: &Option<Date>| day.as_ref().map(ToString::to_string).unwrap_or_default();
        let (arising, sites) = (countries.join(", "), sites.join(", "));
        let (from, until) = (day(&self.from), day(&self.until));
        let treated = format!("{units} kg of e-waste arising in {arising} were treated at {sites}, {from} to {until}");
        match company {
            Some(company) => format!("{treated}; {company} financed it"),
            None => treated,
        }
    }
}
