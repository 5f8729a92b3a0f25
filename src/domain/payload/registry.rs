//! What is said of organisations, sites and scales.

use crate::domain::codes::{
    AuditOutcome, CalendarYear, Commitment, Country, Document, DocumentNumber, Role, SiteCode, TableCode, WasteCode,
};
use crate::domain::event::TypeName;
use crate::domain::fields::{codes, record};
use crate::domain::ids::{DonationId, OrganisationId, PartyId, ProjectId, ScaleId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::payload::lot::Count;
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
        /// What of it may go into single operations, but for storage (R13, D15), which is not measured by itself; of those not named
        /// only the whole is limited.
        capacities: Option<Vec<OperationCapacity>>,
        /// First day.
        valid_from: Date,
        /// Last day.
        valid_until: Date,
        /// The paper itself.
        document: Option<Document>,
    }
}

record! {
    /// What a permit allows of one operation.
    pub struct OperationCapacity {
        /// The operation, one of the permit's.
        operation: TableCode,
        /// Waste that may go into it in a calendar year.
        capacity_g_per_year: Grams,
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
    /// What a site takes in outside the ledger: it uses up the permit's capacity too.
    pub struct OutsideWork {
        /// The year.
        year: CalendarYear,
        /// How much.
        received_g: Grams,
        /// Into which operation, where that is declared; without one, all that comes to the site.
        operation: Option<TableCode>,
    }
}

record! {
    /// A site has a further permit, another address, or declares work outside the ledger. By the operator.
    pub struct SiteChanged {
        /// The site or facility; its country and code never change.
        changed_site: SiteId,
        /// A further permit; earlier ones keep their days.
        permit: Option<Permit>,
        /// Another address.
        address: Option<Commitment>,
        /// What it takes in outside the ledger in a year; stated again, the later one holds.
        outside_work: Option<OutsideWork>,
    }
}

record! {
    /// A treatment plant without a key of its own. By the operator.
    pub struct FacilityRegistered {
        /// Its new id, among those of sites.
        facility: SiteId,
        /// Where it lies.
        country: Country,
        /// Its short code; unique in its country.
        code: SiteCode,
        /// What is allowed there.
        permit: Permit,
        /// Its name.
        name: Option<Commitment>,
        /// Its address.
        address: Option<Commitment>,
        /// On what ground it is trusted: an audit report, a certificate of a standard.
        audit_basis: Option<Document>,
    }
}

record! {
    /// What equipment is given for. By the operator.
    pub struct ProjectRegistered {
        /// Its new id.
        project: ProjectId,
        /// Where it is.
        country: Country,
        /// Who runs it.
        organisation: Option<OrganisationId>,
        /// Its name.
        name: Option<Commitment>,
    }
}

codes! {
    /// What a training was about.
    pub enum TrainingTopic {
        /// Using the equipment.
        Use = "use",
        /// Teaching with it.
        Teaching = "teaching",
        /// Maintaining and repairing it.
        Maintenance = "maintenance",
        /// Returning it when it dies.
        EndOfLife = "end_of_life",
    }
}

record! {
    /// People were trained. By whoever trained them.
    pub struct TrainingHeld {
        /// For which project.
        project: ProjectId,
        /// With what of which donation.
        donation: Option<DonationId>,
        /// In what.
        topic: TrainingTopic,
        /// How many people.
        participants: Count,
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
        /// The list of those who came, outside the ledger.
        document: Option<Document>,
    }
}

record! {
    /// Another organisation may speak for this one. Granted again, the later grant holds. By the organisation itself.
    pub struct DelegationGranted {
        /// Who may.
        to: OrganisationId,
        /// What types of statement.
        types: Vec<TypeName>,
        /// At which sites; absent: at all of them, and at none.
        sites: Option<Vec<SiteId>>,
        /// Until the end of this day, UTC.
        until: Date,
    }
}

record! {
    /// A delegation ends. By whoever granted it, or by the delegate.
    pub struct DelegationEnded {
        /// Who granted it.
        from: OrganisationId,
        /// Who had it.
        to: OrganisationId,
    }
}

codes! {
    /// How two parties are related.
    pub enum RelationKind {
        /// One owns a part of the other.
        Ownership = "ownership",
        /// The same people control both.
        Control = "control",
        /// Their people are family.
        Family = "family",
        /// One depends on the other's business.
        Dependence = "dependence",
    }
}

record! {
    /// An organisation is related to another, or to a facility: what they hand to one another is no two-party proof.
    pub struct RelationDeclared {
        /// The other.
        other: PartyId,
        /// How.
        kind: RelationKind,
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
