//! What a certificate's page rests on, read as of one moment.

use crate::domain::batch::Batch;
use crate::domain::certificate::Certificate;
use crate::domain::eligibility::audit_in_force;
use crate::domain::event::Permit;
use crate::domain::ids::{BatchId, OrganisationId};
use crate::domain::pool::shared;
use crate::domain::registry::{Key, Site, SiteAudit};
use crate::domain::rule_set;
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::domain::treatment::Treatment;
use crate::ledger::Ledger;
use crate::ledger::certificates::{Registered, find_registered};
use crate::ledger::payments::{Paid, payments};
use crate::ledger::sums::{Places, Sums};
use crate::store::{Database, StoreError, records};
use std::collections::BTreeSet;

/// A certificate with what is told of it.
#[derive(Debug, Clone)]
pub struct CertificatePage {
    /// The certificate.
    pub registered: Registered,
    /// The grams on which it rests now, added up.
    pub sums: Sums,
    /// The sites of dismantling and treatment, each once.
    pub sites: Vec<Site>,
    /// The keys that signed audits of these sites.
    pub keys: Vec<Key>,
    /// The batches that its grams left.
    batches: Vec<Batch>,
    /// What the centre was paid, where papers show it.
    pub paid: Vec<Paid>,
}

impl Ledger {
    /// What the page of a certificate tells; `None` if no certificate has these serial numbers.
    pub fn certificate_page(&self, serial: &SerialBlock) -> Result<Option<CertificatePage>, StoreError> {
        self.store.snapshot(|database| {
            let Some(registered) = find_registered(database, serial)? else { return Ok(None) };
            let places = Places::of(database, &registered.treatments)?;
            let treated_at = registered.treatments.iter().map(|treatment| treatment.site.to_string());
            let dismantled_at = registered.issues().map(|block| block.site.to_string());
            let sites: BTreeSet<String> = treated_at.chain(dismantled_at).collect();
            let sites: Vec<Site> = records::load_of(database, &sites.into_iter().collect::<Vec<_>>())?;
            let own = sites.iter().find(|site| site.id == registered.certificate.site);
            let paid = match own.and_then(|site| site.organisation) {
                Some(centre) => payments(database, &registered.certificate, centre)?,
                None => Vec::new(),
            };
            let batches = batches_behind(&registered).iter().map(ToString::to_string).collect::<Vec<_>>();
            let batches = records::load_of(database, &batches)?;
            let (sums, keys) = (Sums::of_certificate(&registered, &places), keys_of_audits(database, &sites)?);
            Ok(Some(CertificatePage { registered, sums, sites, keys, batches, paid }))
        })
    }
}

/// The batches that a certificate's grams left, and those of what backs it, each once.
fn batches_behind(registered: &Registered) -> BTreeSet<BatchId> {
    let mut batches = BTreeSet::new();
    for part in registered.issues().flat_map(|block| &block.allotments) {
        let span = (part.from.get(), part.to.get());
        let treatment = registered.treatments.iter().find(|treatment| treatment.entry == part.treatment);
        let lines = treatment.into_iter().flat_map(|treatment| &treatment.lines);
        let lines = lines.filter(|line| shared((line.from.get(), line.to.get()), span).is_some());
        batches.extend(lines.filter_map(|line| line.source.batch()));
    }
    batches
}

impl CertificatePage {
    /// The permits of a site that were valid while its grams were dismantled there, or on the days on which they were treated there.
    pub fn permits<'a>(&'a self, site: &'a Site) -> Vec<&'a Permit> {
        let treated = self.registered.treatments.iter().filter(|treatment| treatment.site == site.id);
        let treated = treated.map(|treatment| (treatment.day.clone(), treatment.day.clone()));
        let dismantled = self.batches.iter().filter(|batch| batch.site == site.id);
        let dismantled = dismantled.filter_map(|batch| Some((batch.began.date()?, batch.last_occurred.date()?)));
        let spans: Vec<(Date, Date)> = treated.chain(dismantled).collect();
        let is_of_then =
            |permit: &&Permit| spans.iter().any(|(from, to)| permit.valid_from <= *to && *from <= permit.valid_until);
        site.permits.iter().filter(is_of_then).collect()
    }

    /// The site of dismantling.
    pub fn site(&self) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == self.registered.certificate.site)
    }

    /// Whose audits its grams rest on: those that were in force when it was issued, and when what backs its units was, around
    /// the days of treatment, at the sites of dismantling and of treatment.
    pub fn auditors(&self) -> BTreeSet<OrganisationId> {
        let mut auditors = BTreeSet::new();
        for block in self.registered.issues() {
            let rests_on = |treatment: &&Treatment| block.rests_on(treatment.entry);
            let treatments: Vec<&Treatment> = self.registered.treatments.iter().filter(rests_on).collect();
            for site in &self.sites {
                let days = treatments.iter().filter(|treatment| site.id == block.site || site.id == treatment.site);
                let days = days.map(|treatment| &treatment.day);
                auditors.extend(audits_at_issue(block, (site, &self.keys), days).map(|audit| audit.by));
            }
        }
        auditors
    }
}

/// The keys that signed audits of some sites.
pub(crate) fn keys_of_audits(database: &mut Database, sites: &[Site]) -> Result<Vec<Key>, StoreError> {
    let signers: BTreeSet<String> =
        sites.iter().flat_map(|site| &site.audits).map(|audit| audit.signer.to_string()).collect();
    records::load_of(database, &signers.into_iter().collect::<Vec<_>>())
}

/// The audits of a site that were in force around some days when a block was issued; what was known by then to be signed with a
/// stolen key was none.
pub(crate) fn audits_at_issue<'d>(
    block: &Certificate,
    (site, keys): (&Site, &[Key]),
    days: impl Iterator<Item = &'d Date>,
) -> impl Iterator<Item = SiteAudit> {
    let months = rule_set::find(&block.rule_set).map_or(0, |rules| rules.scheme.audit_months);
    let is_void = |audit: &SiteAudit| {
        let signer = keys.iter().find(|key| key.kid == audit.signer);
        signer.is_some_and(|key| key.is_compromised_at(audit.entry) && key.is_revoked_before(block.issued))
    };
    let known = site.audits.iter().filter(|audit| audit.entry <= block.issued && !is_void(audit));
    let known: Vec<SiteAudit> = known.cloned().collect();
    days.filter_map(move |day| audit_in_force(&known, day, months).cloned())
}
