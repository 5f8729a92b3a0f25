//! What the grams of certificates are, added up: for a certificate's page and for a year's statement.

use crate::domain::certificate::Certificate;
use crate::domain::codes::{KeyCustody, WasteCode};
use crate::domain::evidence::FlawCode;
use crate::domain::ids::{KeyId, SiteId};
use crate::domain::registry::{Key, Site};
use crate::domain::time::Date;
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::certificates::Registered;
use crate::store::{Database, StoreError, records};
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
    /// Those that rest on papers of a plant without a key, which somebody else reviewed; the others are confirmed.
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

/// What sums need to know of treatments beside their records.
#[derive(Debug, Default)]
pub struct Places {
    /// Country and code of sites.
    sites: BTreeMap<SiteId, [String; 2]>,
    /// Keys whose secrets the operator holds.
    hosted: BTreeSet<KeyId>,
}

impl Places {
    /// Looks up where some treatments were done, and which of their signers are the operator's keys.
    pub(crate) fn of(database: &mut Database, treatments: &[Treatment]) -> Result<Self, StoreError> {
        let sites: BTreeSet<String> = treatments.iter().map(|treatment| treatment.site.to_string()).collect();
        let signers = treatments.iter().flat_map(|treatment| &treatment.evidence.signers);
        let keys: BTreeSet<String> = signers.map(|signer| signer.kid.to_string()).collect();
        let sites: Vec<Site> = records::load_of(database, &sites.into_iter().collect::<Vec<_>>())?;
        let keys: Vec<Key> = records::load_of(database, &keys.into_iter().collect::<Vec<_>>())?;
        let place = |site: Site| (site.id, [site.country.to_string(), site.code.to_string()]);
        let hosted = keys.into_iter().filter(|key| key.custody == KeyCustody::Hosted).map(|key| key.kid);
        Ok(Self { sites: sites.into_iter().map(place).collect(), hosted: hosted.collect() })
    }
}

impl Sums {
    /// Adds the grams of a certificate; `treatments` are those that it rests on.
    pub fn add(&mut self, certificate: &Certificate, treatments: &[Treatment], places: &Places) {
        for allotment in &certificate.allotments {
            if let Some(treatment) = treatments.iter().find(|treatment| treatment.entry == allotment.treatment) {
                self.add_grams(treatment, allotment.to.get() - allotment.from.get(), places);
            }
        }
    }

    fn add_grams(&mut self, treatment: &Treatment, grams: i64, places: &Places) {
        self.total += grams;
        *self.by_operation.entry(treatment.operation.to_string()).or_default() += grams;
        *self.by_fraction.entry(treatment.class.to_string()).or_default() += grams;
        if let Some(code) = &treatment.waste_code {
            *self.by_waste_code.entry(code.to_string()).or_default() += grams;
        }
        if let Some(arising) = &treatment.arising {
            *self.by_arising.entry(arising.country.to_string()).or_default() += grams;
        }
        if let Some([country, code]) = places.sites.get(&treatment.site) {
            *self.by_country.entry(country.clone()).or_default() += grams;
            self.sites.insert(format!("{country}-{code}"));
        }
        let only = |holds: bool| if holds { grams } else { 0 };
        let has = |code| treatment.evidence.flaws.iter().any(|flaw| flaw.code == code);
        self.hazardous += only(treatment.waste_code.as_ref().is_some_and(WasteCode::is_hazardous));
        self.documented += only(has(FlawCode::Documented));
        self.related += only(has(FlawCode::RelatedParties));
        self.hosted += only(treatment.evidence.signers.iter().any(|signer| places.hosted.contains(&signer.kid)));
        let day = &treatment.day;
        self.from = self.from.take().filter(|from| from <= day).or_else(|| Some(day.clone()));
        self.until = self.until.take().filter(|until| until >= day).or_else(|| Some(day.clone()));
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

impl Ledger {
    /// The grams of a certificate, added up.
    pub fn sums(&self, registered: &Registered) -> Result<Sums, StoreError> {
        let places = self.store.read(|database| Places::of(database, &registered.treatments))?;
        let mut sums = Sums::default();
        sums.add(&registered.certificate, &registered.treatments, &places);
        Ok(sums)
    }
}
