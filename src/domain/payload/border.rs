//! What is said when waste or used equipment crosses a border.

use crate::domain::codes::RefusalReason;
use crate::domain::codes::{BaselCode, Country, Document, DocumentNumber, TableCode, WasteCode};
use crate::domain::fields::{codes, record};
use crate::domain::ids::{ConsentId, HandoverId, ItemId, OrganisationId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::payload::custody::{OfferedLot, ReceivedLot, RefusedItem};
use crate::domain::payload::lot::Count;
use crate::domain::time::Date;

record! {
    /// A country on the way, and the day from which it consents.
    pub struct TransitConsent {
        /// The country.
        country: Country,
        /// The day of its consent; absent: tacit.
        on: Option<Date>,
    }
}

record! {
    /// The authorities of dispatch, transit and destination consent to shipments (Basel Convention, Article 6).
    pub struct ExportConsented {
        /// The consent's new id.
        consent: ConsentId,
        /// The number of the notification.
        number: DocumentNumber,
        /// Where the waste is shipped from.
        from_country: Country,
        /// Where it is shipped to.
        to_country: Country,
        /// Countries on the way.
        transit: Option<Vec<TransitConsent>>,
        /// Waste codes, as they stand in the country of dispatch.
        waste_codes: Vec<WasteCode>,
        /// Basel entries.
        basel_codes: Vec<BaselCode>,
        /// The operation at the destination.
        operation: TableCode,
        /// An interim plant that may stand between.
        interim_facility: Option<SiteId>,
        /// The plant of the final operation.
        facility: Option<SiteId>,
        /// The most that may be shipped.
        quantity_g: Grams,
        /// How many shipments; they are numbered from 1.
        shipments: Count,
        /// First day.
        valid_from: Date,
        /// Last day.
        valid_until: Date,
        /// The number of the financial guarantee or insurance.
        guarantee: DocumentNumber,
        /// The contract between exporter and plant.
        contract: Document,
        /// Its id in the Digital Waste Shipment System, where there is one.
        diwass_id: Option<DocumentNumber>,
        /// The consents themselves.
        document: Option<Document>,
    }
}

codes! {
    /// On what ground something crosses a border.
    pub enum BorderGround {
        /// Waste under a consent.
        Consent = "consent",
        /// Waste of the green list, with the document of Annex VII.
        AnnexVii = "annex_vii",
        /// It has ceased to be waste by criteria of law.
        EndOfWaste = "end_of_waste",
        /// Used equipment or parts for reuse: tested, wiped or without drive, packed.
        NonWasteReuse = "non_waste_reuse",
        /// Parts that go back under warranty or for repair: tested, packed.
        NonWasteWarranty = "non_waste_warranty",
    }
}

record! {
    /// A shipment under a consent.
    pub struct ConsentUse {
        /// The consent.
        consent: ConsentId,
        /// The number of this shipment under it.
        sequence: Count,
    }
}

record! {
    /// How a shipment travels, in the codes of the movement document.
    pub struct ShipmentPaper {
        /// Packaging, by code.
        packaging: Option<Vec<TableCode>>,
        /// UN numbers.
        un_numbers: Option<Vec<TableCode>>,
        /// Properties that make it hazardous.
        hazard_properties: Option<Vec<TableCode>>,
        /// HS subheadings.
        hs_codes: Option<Vec<TableCode>>,
        /// Number of the sea container.
        container_number: Option<DocumentNumber>,
    }
}

record! {
    /// Items leave the country: an offer to a receiver in another one.
    pub struct ExportShipped {
        /// The new id of the handover.
        handover: HandoverId,
        /// The receiver; a plant without a key stands in `to_facility` instead.
        to: Option<OrganisationId>,
        /// A plant without a key.
        to_facility: Option<SiteId>,
        /// The devices, components and containers that are shipped.
        items: Option<Vec<ItemId>>,
        /// The lots that are shipped.
        lots: Option<Vec<OfferedLot>>,
        /// Where it goes.
        to_country: Country,
        /// On what ground.
        ground: BorderGround,
        /// `consent`: which, and the shipment's number.
        under: Option<ConsentUse>,
        /// Who carries it, leg by leg.
        carriers: Option<Vec<OrganisationId>>,
        /// Codes of the movement document.
        paper: Option<ShipmentPaper>,
        /// The number of the movement document or Annex VII.
        number: Option<DocumentNumber>,
        /// The paper itself.
        document: Option<Document>,
    }
}

record! {
    /// The receiver in the other country takes a shipment, a part of it, or nothing.
    pub struct ImportReceived {
        /// The handover.
        handover: HandoverId,
        /// Nothing is taken, for this reason: it is taken back.
        refused_whole: Option<RefusalReason>,
        /// Devices and components that it does not take; all others it takes.
        refused: Option<Vec<RefusedItem>>,
        /// What became of the lots, in the offer's order.
        lots: Option<Vec<ReceivedLot>>,
        /// The number of the certificate of receipt; a plant without a key is never without one.
        number: Option<DocumentNumber>,
        /// The certificate of receipt.
        document: Option<Document>,
    }
}
