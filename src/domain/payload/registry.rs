//! What is said of organisations, sites and scales.

use crate::domain::codes::{
    AuditOutcome, Commitment, Country, Document, DocumentNumber, Role, SiteCode, TableCode, WasteCode,
};
use crate::domain::fields::record;
use crate::domain::ids::{OrganisationId, ScaleId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::time::Date;

record! {
    /// An organisation joins. By the operator.
    pub struct OrganisationRegistered {
        /// Its new id.
        organisation: OrganisationId,
        /// What it may be.
        roles: Vec<Role>,
        /// Where it is established.
        country: Country,
        /// Its legal name.
        name: Option<Commitment>,
    }
}

record! {
    /// What an authority allows at a site.
    pub struct Permit {
        /// The permit's number.
        number: DocumentNumber,
        /// Operations allowed: D and R codes of the rule set.
        operations: Vec<TableCode>,
        /// Waste codes allowed.
        waste_codes: Vec<WasteCode>,
        /// Waste that may be received in a calendar year.
        capacity_g_per_year: Grams,
        /// First day.
        valid_from: Date,
        /// Last day.
        valid_until: Date,
        /// The paper itself.
        document: Option<Document>,
    }
}

record! {
    /// A place where an organisation works. By the operator.
    pub struct SiteRegistered {
        /// Whose site it is.
        organisation: OrganisationId,
        /// Its new id.
        new_site: SiteId,
        /// Where it lies.
        country: Country,
        /// Its part of certificate serials; unique in its country, never changed.
        code: SiteCode,
        /// Its address.
        address: Option<Commitment>,
        /// What is allowed there; a site that only uses or tests needs none.
        permit: Option<Permit>,
    }
}

record! {
    /// A scale, or a new verification of one. By the operator.
    pub struct ScaleRegistered {
        /// Its id; registered again with the same site and division, it records a new verification.
        new_scale: ScaleId,
        /// Where it stands.
        at_site: SiteId,
        /// Its verification scale interval.
        division_g: Grams,
        /// The most it weighs.
        capacity_g: Grams,
        /// Day of the last verification.
        verified_on: Date,
        /// Last day for which that verification holds; weighings after it count as estimated.
        verified_until: Date,
        /// The verification's paper.
        document: Option<Document>,
    }
}

record! {
    /// An auditor was on site.
    pub struct SiteAudited {
        /// The site.
        audited_site: SiteId,
        /// The day.
        on: Date,
        /// What was found.
        outcome: AuditOutcome,
        /// The report.
        document: Document,
    }
}
