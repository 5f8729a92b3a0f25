//! What the grams of certificates are, added up from their records: for a certificate's page and for a year's statement.

use crate::domain::batch::Batch;
use crate::domain::codes::{KeyCustody, WasteCode};
use crate::domain::event::Allotment;
use crate::domain::evidence::{Evidence, FlawCode};
use crate::domain::fed::FedClass;
use crate::domain::ids::{BatchId, EntryIndex, KeyId, SiteId};
use crate::domain::mass::{Grams, apportion};
use crate::domain::pool::shared;
use crate::domain::registry::{Key, Site};
pub use crate::domain::sums::Sums;
use crate::domain::sums::{Described, Weakness};
use crate::domain::treatment::Treatment;
use crate::ledger::certificates::Registered;
use crate::store::{Database, StoreError, records};
use std::collections::{BTreeMap, BTreeSet};

/// What sums need to know of treatments beside their records.
#[derive(Debug, Default)]
pub struct Places {
    /// Country and code of sites.
    sites: BTreeMap<SiteId, [String; 2]>,
    /// The batches that treated grams left.
    batches: BTreeMap<BatchId, Batch>,
    /// Keys whose secrets the operator holds.
    hosted: BTreeSet<KeyId>,
}

impl Places {
    /// Looks up where some treatments were done, which batches they ended, and which of the signers behind both are the
    /// operator's keys.
    pub(crate) fn of(database: &mut Database, treatments: &[Treatment]) -> Result<Self, StoreError> {
        let named = |ids: BTreeSet<String>| ids.into_iter().collect::<Vec<_>>();
        let sites = treatments.iter().map(|treatment| treatment.site.to_string()).collect();
        let sites: Vec<Site> = records::load_of(database, &named(sites))?;
        let batches = treatments.iter().flat_map(Treatment::batches).map(|batch| batch.to_string()).collect();
        let batches: Vec<Batch> = records::load_of(database, &named(batches))?;
        let of_treatments = treatments.iter().map(|treatment| &treatment.evidence);
        let behind = of_treatments.chain(batches.iter().flat_map(Batch::behind));
        let keys = behind.flat_map(|evidence| &evidence.signers).map(|signer| signer.kid.to_string()).collect();
        let keys: Vec<Key> = records::load_of(database, &named(keys))?;
        let place = |site: Site| (site.id, [site.country.to_string(), site.code.to_string()]);
        let hosted = keys.into_iter().filter(|key| key.custody == KeyCustody::Hosted).map(|key| key.kid);
        Ok(Self {
            sites: sites.into_iter().map(place).collect(),
            batches: batches.into_iter().map(|batch| (batch.id, batch)).collect(),
            hosted: hosted.collect(),
        })
    }

    /// What sums tell apart of a treatment's grams that left a batch: what stands behind either counts.
    fn described<'t>(&'t self, treatment: &'t Treatment, batch: Option<&'t Batch>) -> Described<'t> {
        let of_batch = batch.into_iter().flat_map(Batch::behind);
        let weakness = of_batch.map(|evidence| self.weakness(evidence));
        let flags = batch.and_then(|batch| batch.flags.as_ref());
        let arising = flags.map(|flags| &flags.arising).or(treatment.arising.as_ref());
        Described {
            operation: treatment.operation.as_str(),
            fraction: treatment.class.as_str(),
            waste_code: treatment.waste_code.as_ref().map(WasteCode::as_str),
            hazardous: treatment.waste_code.as_ref().is_some_and(WasteCode::is_hazardous),
            arising: arising.map(|arising| arising.country.as_str()),
            place: self.sites.get(&treatment.site).map(|[country, code]| (country.as_str(), code.as_str())),
            day: treatment.day.clone(),
            weakness: weakness.fold(self.weakness(&treatment.evidence), Weakness::or),
        }
    }

    fn weakness(&self, evidence: &Evidence) -> Weakness {
        let has = |code| evidence.flaws.iter().any(|flaw| flaw.code == code);
        Weakness {
            documented: has(FlawCode::Documented),
            related: has(FlawCode::RelatedParties),
            unconfirmed: has(FlawCode::CustodyNotConfirmed),
            hosted: evidence.signers.iter().any(|signer| self.hosted.contains(&signer.kid)),
        }
    }
}

impl Sums {
    /// The grams on which a certificate rests now.
    pub(crate) fn of_certificate(registered: &Registered, places: &Places) -> Self {
        let treatments = registered.treatments.iter().map(|treatment| (treatment.entry, treatment)).collect();
        let mut sums = Self::default();
        sums.add_parts(&registered.resting_on(), &treatments, places);
        sums
    }

    /// Adds some grams of treatments; among `treatments`, by their entries, are those.
    pub fn add_parts(&mut self, parts: &[Allotment], treatments: &BTreeMap<EntryIndex, &Treatment>, places: &Places) {
        for part in parts {
            let Some(treatment) = treatments.get(&part.treatment) else { continue };
            for line in &treatment.lines {
                let span = (line.from.get(), line.to.get());
                if let Some((from, to)) = shared(span, (part.from.get(), part.to.get())) {
                    let batch = line.source.batch().and_then(|batch| places.batches.get(&batch));
                    self.count(to - from, &places.described(treatment, batch));
                    if let Some(batch) = batch {
                        self.count_classes(to - from, &batch.fed);
                    }
                }
            }
        }
    }

    /// Which equipment grams of a batch were cannot be told apart any more: each class has its share of what was fed in.
    fn count_classes(&mut self, grams: i64, fed: &[FedClass]) {
        let Some(grams) = Grams::new(grams) else { return };
        let weights: Vec<Grams> = fed.iter().map(|fed| fed.grams).collect();
        for (fed, share) in fed.iter().zip(apportion(&weights, grams)) {
            *self.by_class.entry(fed.class.to_string()).or_default() += share.get();
        }
        self.by_class.retain(|_, grams| *grams > 0);
    }
}
