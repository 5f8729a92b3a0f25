//! Codes of parties: their roles, their keys, and what auditors find of their sites.

use crate::domain::fields::codes;

codes! {
    /// What an organisation may be.
    pub enum Role {
        /// Gives equipment.
        Donor = "donor",
        /// Gathers equipment or waste.
        Collector = "collector",
        /// Tests, repairs and prepares for reuse.
        Refurbisher = "refurbisher",
        /// Uses equipment: a school, a hospital, a project.
        Beneficiary = "beneficiary",
        /// Moves goods for others.
        Carrier = "carrier",
        /// Dismantles.
        Recycler = "recycler",
        /// Does the final treatment.
        Treater = "treater",
        /// Sends waste across borders.
        Exporter = "exporter",
        /// Issues certificates.
        Issuer = "issuer",
        /// Buys and retires certificates.
        Buyer = "buyer",
        /// Verifies; excludes every other role.
        Auditor = "auditor",
        /// Runs the service.
        Operator = "operator",
    }
}

codes! {
    /// Who holds a key's secret.
    pub enum KeyCustody {
        /// The organisation itself.
        Own = "own",
        /// The service, for those who cannot.
        Hosted = "hosted",
    }
}

codes! {
    /// What a key may sign.
    pub enum KeyUse {
        /// Statements of this ledger.
        Statement = "statement",
        /// Credentials outside the ledger.
        Credential = "credential",
    }
}

codes! {
    /// Why a key was revoked.
    pub enum RevocationReason {
        /// Another key takes its place.
        Superseded = "superseded",
        /// Its secret is or may be known to others.
        Compromised = "compromised",
    }
}

codes! {
    /// What an auditor found on site.
    pub enum AuditOutcome {
        /// The site does what it says.
        Conforms = "conforms",
        /// It does not; details are findings.
        DoesNotConform = "does_not_conform",
    }
}
