//! What a certificate's page rests on, read as of one moment.

use crate::domain::eligibility::audit_in_force;
use crate::domain::ids::OrganisationId;
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::rule_set;
use crate::domain::serial::SerialBlock;
use crate::ledger::Ledger;
use crate::ledger::certificates::{Registered, find_registered};
use crate::ledger::payments::{Paid, payments};
use crate::ledger::sums::{Places, Sums};
use crate::store::{StoreError, records};
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
            let sites: BTreeSet<String> = treated_at.chain([registered.certificate.site.to_string()]).collect();
            Ok(Some(CertificatePage {
                sums: Sums::of_certificate(&registered, &places),
                sites: records::load_of(database, &sites.into_iter().collect::<Vec<_>>())?,
                paid: payments(database, &registered.certificate)?,
                registered,
            }))
        })
    }
}

impl CertificatePage {
    /// The site of dismantling.
    pub fn site(&self) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == self.registered.certificate.site)
    }

    /// Whose audits its grams rested on when it was issued: those in force, around the days of treatment, at the site of
    /// dismantling and at those of treatment.
    pub fn auditors(&self) -> BTreeSet<OrganisationId> {
        let certificate = &self.registered.certificate;
        let months = rule_set::find(&certificate.rule_set).map_or(0, |rules| rules.scheme.audit_months);
        let mut auditors = BTreeSet::new();
        for site in &self.sites {
            let known: Vec<SiteAudit> =
                site.audits.iter().filter(|audit| audit.entry <= certificate.issued).cloned().collect();
            for treatment in &self.registered.treatments {
                if treatment.site == site.id || site.id == certificate.site {
                    auditors.extend(audit_in_force(&known, &treatment.day, months).map(|audit| audit.by));
                }
            }
        }
        auditors
    }
}
