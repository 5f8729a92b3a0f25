//! What the grams of certificates are, added up from their records: for a certificate's page and for a year's statement.

use crate::domain::codes::{KeyCustody, WasteCode};
use crate::domain::event::Allotment;
use crate::domain::evidence::FlawCode;
use crate::domain::ids::{EntryIndex, KeyId, SiteId};
use crate::domain::registry::{Key, Site};
pub use crate::domain::sums::Sums;
use crate::domain::sums::{Described, Weakness};
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::certificates::Registered;
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

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

    /// What sums tell apart of a treatment's grams.
    fn described<'t>(&'t self, treatment: &'t Treatment) -> Described<'t> {
        let has = |code| treatment.evidence.flaws.iter().any(|flaw| flaw.code == code);
        Described {
            operation: treatment.operation.as_str(),
            fraction: treatment.class.as_str(),
            waste_code: treatment.waste_code.as_ref().map(WasteCode::as_str),
            hazardous: treatment.waste_code.as_ref().is_some_and(WasteCode::is_hazardous),
            arising: treatment.arising.as_ref().map(|arising| arising.country.as_str()),
            place: self.sites.get(&treatment.site).map(|[country, code]| (country.as_str(), code.as_str())),
            day: treatment.day.clone(),
            weakness: Weakness {
                documented: has(FlawCode::Documented),
                related: has(FlawCode::RelatedParties),
                hosted: treatment.evidence.signers.iter().any(|signer| self.hosted.contains(&signer.kid)),
            },
        }
    }
}

impl Sums {
    /// Adds some grams of treatments; among `treatments`, by their entries, are those.
    pub fn add_parts(&mut self, parts: &[Allotment], treatments: &BTreeMap<EntryIndex, &Treatment>, places: &Places) {
        for part in parts {
            if let Some(treatment) = treatments.get(&part.treatment) {
                self.count(part.to.get() - part.from.get(), &places.described(treatment));
            }
        }
    }
}

impl Ledger {
    /// The grams on which a certificate rests now, added up.
    pub fn sums(&self, registered: &Registered) -> Result<Sums, StoreError> {
        let places = self.store.read(|database| Places::of(database, &registered.treatments))?;
        let treatments = registered.treatments.iter().map(|treatment| (treatment.entry, treatment)).collect();
        let mut sums = Sums::default();
        sums.add_parts(&registered.resting_on(), &treatments, &places);
        Ok(sums)
    }
}
