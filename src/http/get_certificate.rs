//! `GET /v1/certificates/{serial}`: a certificate's page, for everybody.

use crate::domain::certificate::{Certificate, CertificateStatus};
use crate::domain::erasure::ErasedValue;
use crate::domain::event::{CertificateRetired, Permit};
use crate::domain::ids::OrganisationId;
use crate::domain::registry::{Site, SiteAudit};
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;
use crate::http::blocking;
use crate::http::certificate_claims::CertificateClaims;
use crate::http::certificate_life::CertificateLife;
use crate::http::list_events::ErasedBody;
use crate::http::problem::Problem;
use crate::http::register_body::{expires, status_on};
use crate::http::site_work_body::GapBody;
use crate::ledger::Ledger;
use crate::ledger::asking::Unanswered;
use crate::ledger::bundling::Counted;
use crate::ledger::certificate_page::CertificatePage;
use crate::ledger::certificates::Registered;
use crate::proof::commitment::Opening;
use actix_web::{get, web};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A certificate as everybody may see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateBody {
    /// Its serial numbers.
    #[schema(example = "ER-KE-NBO1-202611-0000001-0000500")]
    serial: String,
    /// pending, held, retired, cancelled, withdrawn, split, buffer, or expired: held, but its time is over.
    status: &'static str,
    /// The last day on which it can be retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Net mass that was treated, in kilograms: one unit each.
    net_kg: i64,
    /// Whether the ledger was opened for tests: such a certificate is worth nothing.
    test: bool,
    /// The only sentence that it permits, for whoever it was retired for.
    sentence: String,
    /// What nobody may say with it.
    not_permitted: Vec<&'static str>,
    /// Scheme and rule set under which it was issued.
    scheme: String,
    /// The version of the rule set.
    rule_set: String,
    /// Country and code of the site of dismantling; where it was treated stands in the sentence.
    site: String,
    /// The sites of dismantling and of treatment, with their permits of then and their audits.
    sites: Vec<CertificateSiteBody>,
    /// The month of the pool.
    vintage: String,
    /// First and last day of treatment.
    treated: [String; 2],
    /// Grams by final operation, R (recovered) and D (disposed of).
    by_operation_g: BTreeMap<String, i64>,
    /// Grams by product class of the equipment that went into the batches; of a batch's grams each class has its share of what
    /// was fed in.
    by_class_g: BTreeMap<String, i64>,
    /// Grams by fraction.
    by_fraction_g: BTreeMap<String, i64>,
    /// Hazardous grams among them.
    hazardous_g: i64,
    /// Grams by country in which the waste arose.
    by_country_of_arising_g: BTreeMap<String, i64>,
    /// Grams by country of treatment.
    by_country_of_treatment_g: BTreeMap<String, i64>,
    /// Statements behind it, over the nearest part of its lineage.
    statements: usize,
    /// Of these, by keys whose secrets the operator holds.
    statements_by_hosted_keys: usize,
    /// Whether all of its lineage was counted.
    counted_whole_lineage: bool,
    /// The entry of its issue.
    issued: u64,
    /// When it was issued.
    issued_at: String,
    /// Who issued it.
    issuer: String,
    /// Who runs the ledger.
    operator: String,
    /// How it was retired; until then nobody is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<RetirementBody>,
    /// What is in doubt about its grams: no unit fails for that, and no new certificate would rest on them until an auditor has found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_doubt: Vec<GapBody>,
    /// What became of it.
    #[serde(flatten)]
    life: CertificateLife,
    /// Shares that a claim must not hide.
    #[serde(flatten)]
    claims: CertificateClaims,
}

/// A site at which a certificate's grams were dismantled or treated.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateSiteBody {
    /// Country and code.
    site: String,
    /// Numbers and last days of the permits that were valid while the grams were dismantled or treated there.
    permits: Vec<String>,
    /// Days on which auditors were there, what they found, and the auditors' ids.
    audits: Vec<String>,
}

/// How a certificate was retired.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetirementBody {
    /// The entry.
    pub(super) entry: u64,
    /// The organisation that retired it.
    pub(super) holder: String,
    /// First and last day that it is for.
    pub(super) period: [String; 2],
    /// For what.
    pub(super) purpose_kind: &'static str,
    /// The organisation that is the legal entity, if it wants to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beneficiary_organisation: Option<String>,
    /// The legal entity; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beneficiary: Option<String>,
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beneficiary_number: Option<String>,
    /// The wording of the purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<String>,
    /// Which of the three were erased, and on which day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) erased: Vec<ErasedBody>,
}

/// What a certificate never says (rules.md §7).
pub(super) const NOT_PERMITTED: &[&str] = &[
    "an offset, or anything waste-neutral",
    "that the buyer's own waste was recycled",
    "that all of it was recycled: it was treated, as by_operation_g tells",
    "a deduction from resource outflows under ESRS E5-5",
    "a carbon credit, evidence of extended producer responsibility, or a waste document: this is book and claim",
];

/// Read a certificate.
///
/// Public. The holder is named once it has retired it in somebody's name.
#[utoipa::path(
    tag = "certificates",
    params(("serial" = String, Path, description = "Its serial numbers, such as ER-KE-NBO1-202611-0000001-0000500.")),
    responses(
        (status = 200, description = "The certificate.", body = CertificateBody),
        (status = 404, description = "No such certificate.", body = Problem, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/certificates/{serial}")]
pub(super) async fn get_certificate(
    serial: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<web::Json<CertificateBody>, Problem> {
    let missing = || Problem::not_found("no certificate has exactly these serial numbers");
    let serial = SerialBlock::parse(&serial).ok_or_else(missing)?;
    let body = blocking(move || page(&ledger, &serial)).await??;
    body.map(web::Json).ok_or_else(missing)
}

fn page(ledger: &Ledger, serial: &SerialBlock) -> Result<Option<CertificateBody>, Unanswered> {
    let Some(page) = ledger.certificate_page(serial)? else { return Ok(None) };
    let counted = ledger.count_statements(&page.registered)?;
    let in_doubt = ledger.doubts_about(&page.registered)?.into_iter().map(GapBody::from).collect();
    let today = ledger.today()?;
    let registry = ledger.rules_in_force()?.scheme.registry.as_ref();
    let months = registry.map(|registry| registry.replacement_months);
    let life = CertificateLife::of(&page.registered.certificate, &today, months);
    Ok(Some(CertificateBody { in_doubt, ..body_of(page, counted, life, (ledger.operator, &today)) }))
}

fn body_of(
    page: CertificatePage,
    counted: Counted,
    life: CertificateLife,
    (operator, today): (OrganisationId, &Date),
) -> CertificateBody {
    let claims = CertificateClaims::of(&page);
    let sites = page.sites.iter().map(|site| CertificateSiteBody::of(&page, site)).collect();
    let CertificatePage { registered, sums, .. } = page;
    let certificate = &registered.certificate;
    let serial = &certificate.serial;
    CertificateBody {
        serial: serial.to_string(),
        status: status_on(certificate, today),
        expires: expires(certificate),
        net_kg: serial.units(),
        test: serial.test,
        sentence: sums.sentence(serial.units(), company(&registered).as_deref()),
        not_permitted: NOT_PERMITTED.to_vec(),
        scheme: certificate.scheme.to_string(),
        rule_set: certificate.rule_set.version.to_string(),
        site: format!("{}-{}", serial.country, serial.site),
        sites,
        vintage: serial.vintage.to_string(),
        treated: [sums.from, sums.until].map(|day| day.map(|day| day.to_string()).unwrap_or_default()),
        by_operation_g: sums.by_operation,
        by_class_g: sums.by_class,
        by_fraction_g: sums.by_fraction,
        hazardous_g: sums.hazardous,
        by_country_of_arising_g: sums.by_arising,
        by_country_of_treatment_g: sums.by_country,
        statements: counted.statements,
        statements_by_hosted_keys: counted.hosted,
        counted_whole_lineage: counted.complete,
        issued: certificate.issued.0,
        issued_at: certificate.issued_at.to_string(),
        issuer: certificate.issuer.to_string(),
        operator: operator.to_string(),
        retired: RetirementBody::of(certificate, &registered.openings, &registered.erased),
        in_doubt: Vec::new(),
        life,
        claims,
    }
}

impl CertificateSiteBody {
    fn of(page: &CertificatePage, site: &Site) -> Self {
        let permit = |permit: &Permit| format!("{} until {}", permit.number, permit.valid_until);
        let audit = |audit: &SiteAudit| format!("{} {} by {}", audit.on, audit.outcome, audit.by);
        Self {
            site: format!("{}-{}", site.country, site.code),
            permits: page.permits(site).into_iter().map(permit).collect(),
            audits: site.audits.iter().map(audit).collect(),
        }
    }
}

/// For whom it was retired, unless that was erased.
fn company(registered: &Registered) -> Option<String> {
    let is_retired = registered.certificate.status == CertificateStatus::Retired;
    opening(&registered.openings, CertificateRetired::COMPANY).filter(|_| is_retired)
}

fn opening(openings: &[Opening], pointer: &str) -> Option<String> {
    openings.iter().find(|opening| opening.pointer == pointer).map(|opening| opening.value.clone())
}

impl RetirementBody {
    /// How a certificate was retired, if it was.
    pub(super) fn of(certificate: &Certificate, openings: &[Opening], erased: &[ErasedValue]) -> Option<Self> {
        let retired = certificate.retired.as_ref()?;
        Some(Self {
            entry: retired.entry.0,
            holder: certificate.holder.map(|holder| holder.to_string()).unwrap_or_default(),
            period: [retired.period.from.to_string(), retired.period.until.to_string()],
            purpose_kind: retired.purpose_kind.as_str(),
            beneficiary_organisation: retired.beneficiary.map(|named| named.to_string()),
            beneficiary: opening(openings, CertificateRetired::COMPANY),
            beneficiary_number: opening(openings, "/beneficiary_number"),
            purpose: opening(openings, "/purpose"),
            erased: erased.iter().map(ErasedBody::from).collect(),
        })
    }
}
