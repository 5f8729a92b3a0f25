//! What is said of certificates: their issue and their end in somebody's name.

use crate::domain::codes::{Commitment, Month, SchemeName};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{EntryIndex, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::serial::SerialBlock;
use crate::domain::time::Date;

record! {
    /// Grams of one treatment on which units rest.
    pub struct Allotment {
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// The first gram of the treatment.
        from: Grams,
        /// The gram behind the last.
        to: Grams,
    }
}

record! {
    /// Units are issued: a block for the centre and, with the highest numbers, one for the buffer.
    ///
    /// Which grams they take is not chosen: the pool gives them in its order (rules.md §7), and this statement repeats
    /// what `GET /v1/certificates/draft` proposes.
    pub struct CertificateIssued {
        /// The holder's block.
        certificate: SerialBlock,
        /// The buffer's block, which follows.
        buffer: SerialBlock,
        /// Who holds it first: the centre whose site it is.
        holder: OrganisationId,
        /// The site of the batches.
        pool_site: SiteId,
        /// The month of the pool.
        vintage: Month,
        /// The scheme under which the grams are eligible.
        scheme: SchemeName,
        /// The grams, in the order of the units; unit i of both blocks together rests on grams [1000 i, 1000 i + 1000).
        allotments: Vec<Allotment>,
    }
}

codes! {
    /// For what a certificate is retired.
    pub enum PurposeKind {
        /// Products that were sold.
        ProductSold = "product_sold",
        /// Devices in use at a company.
        DeviceFleet = "device_fleet",
        /// Devices that were donated.
        ItDonation = "it_donation",
        /// The e-waste of a year.
        AnnualFootprint = "annual_footprint",
        /// Anything else, in the words of the purpose.
        Other = "other",
    }
}

record! {
    /// The time that a retirement is for, both days included.
    pub struct Period {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    }
}

record! {
    /// The holder ends a certificate in the name of a legal entity, for ever.
    ///
    /// The openings of its three commitments are required at posting and public in the register.
    pub struct CertificateRetired {
        /// The whole block.
        certificate: SerialBlock,
        /// The time that it is for.
        period: Period,
        /// For what.
        purpose_kind: PurposeKind,
        /// The legal entity that may say that it financed the treatment.
        beneficiary: Commitment,
        /// Its number in a public register.
        beneficiary_number: Commitment,
        /// The wording of the purpose.
        purpose: Commitment,
    }
}

impl CertificateRetired {
    /// The commitments whose openings belong to it.
    pub const OPENED: &'static [&'static str] = &["/beneficiary", "/beneficiary_number", "/purpose"];
}
