//! What a certificate's grams are worth in words that others use: shares that a claim must not hide (rules.md §7).

use crate::domain::certificate::CertificateStatus;
use crate::domain::codes::Country;
use crate::domain::rule_set;
use crate::domain::sums::Outcome;
use crate::ledger::certificate_page::CertificatePage;
use crate::ledger::payments::Paid;
use serde::Serialize;
use utoipa::ToSchema;

/// A payment to the centre that papers show.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaidBody {
    /// The entry of the transfer or retirement that says it.
    entry: u64,
    /// Who says it: the centre.
    by: String,
    /// For which blocks: this one or one of which it is a part, and others that were retired with it.
    units: Vec<String>,
    /// How much, in the currency's smallest unit.
    amount: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// The entries to which its papers are bound.
    papers: Vec<u64>,
}

/// Shares of a certificate's grams. All of it was treated; none of these sums may be claimed for the whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateClaims {
    /// Grams under a recycling operation, R2 to R9.
    recycled_g: i64,
    /// Grams under another recovery, such as use as fuel.
    otherwise_recovered_g: i64,
    /// Grams that were disposed of.
    disposed_g: i64,
    /// Grams whose every handover both sides signed: neither related parties, nor two keys that the operator holds, nor papers of a
    /// plant without a key.
    confirmed_g: i64,
    /// Grams that rest on papers of a plant without a key, which somebody else has reviewed.
    documented_g: i64,
    /// Grams that changed hands between related parties.
    related_party_g: i64,
    /// Grams behind which at least one statement is signed by a key that the operator holds.
    hosted_keys_g: i64,
    /// Grams treated in the country of dismantling.
    treated_locally_g: i64,
    /// Grams treated in another country, in the European Union.
    treated_in_europe_g: i64,
    /// Grams treated in any other country.
    treated_elsewhere_g: i64,
    /// Organisations whose audits of the sites of dismantling and treatment it rests on: those in force at its issue.
    auditors: Vec<String>,
    /// The centre that sold it, once it is retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    seller: Option<String>,
    /// What the centre was paid, where papers show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paid: Vec<PaidBody>,
}

impl CertificateClaims {
    /// Of a certificate as its page has it.
    pub(super) fn of(page: &CertificatePage) -> Self {
        let (certificate, sums) = (&page.registered.certificate, &page.sums);
        let rules = rule_set::find(&certificate.rule_set);
        let is_european = |country: &str| {
            let jurisdiction = Country::parse(country).and_then(|country| rules?.jurisdiction(&country));
            jurisdiction.is_some_and(|jurisdiction| jurisdiction.code == "EU")
        };
        let home = certificate.serial.country.as_str();
        let abroad = || sums.by_country.iter().filter(|(country, _)| *country != home);
        let in_europe: i64 = abroad().filter(|(country, _)| is_european(country)).map(|(_, grams)| grams).sum();
        let centre = page.site().and_then(|site| site.organisation);
        Self {
            recycled_g: sums.of(Outcome::Recycled),
            otherwise_recovered_g: sums.of(Outcome::OtherwiseRecovered),
            disposed_g: sums.of(Outcome::Disposed),
            confirmed_g: sums.confirmed,
            documented_g: sums.documented,
            related_party_g: sums.related,
            hosted_keys_g: sums.hosted,
            treated_locally_g: sums.by_country.get(home).copied().unwrap_or_default(),
            treated_in_europe_g: in_europe,
            treated_elsewhere_g: abroad().map(|(_, grams)| grams).sum::<i64>() - in_europe,
            auditors: page.auditors().iter().map(ToString::to_string).collect(),
            seller: centre
                .filter(|_| certificate.status == CertificateStatus::Retired)
                .map(|centre| centre.to_string()),
            paid: page.paid.iter().map(PaidBody::from).collect(),
        }
    }
}

impl From<&Paid> for PaidBody {
    fn from(paid: &Paid) -> Self {
        Self {
            entry: paid.entry.0,
            by: paid.by.to_string(),
            units: paid.units.iter().map(ToString::to_string).collect(),
            amount: paid.payment.amount.0,
            currency: paid.payment.currency.to_string(),
            papers: paid.papers.iter().map(|entry| entry.0).collect(),
        }
    }
}
