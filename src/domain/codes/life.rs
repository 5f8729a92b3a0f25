//! Codes of what happens to things: what they are, where they stand, how they are tested, wiped, weighed anew and lost.

use crate::domain::fields::codes;

codes! {
    /// What an item is.
    pub enum ItemKind {
        /// A whole product, with a product class.
        Device = "device",
        /// A part that is reused or leaves alone.
        Component = "component",
        /// Anything known by weight.
        Lot = "lot",
        /// What others are packed in; it has no mass of its own here.
        Container = "container",
    }
}

codes! {
    /// Where an item stands in its life.
    pub enum ItemStatus {
        /// With its holder.
        Held = "held",
        /// Offered to a receiver who has not answered.
        Offered = "offered",
        /// Used by its holder.
        InUse = "in_use",
        /// Part of an open batch.
        InBatch = "in_batch",
        /// Gone: treated, dismantled, merged, released or lost.
        Ended = "ended",
    }
}

codes! {
    /// What is known of a device's state.
    pub enum Condition {
        /// Nobody has tested it.
        Untested = "untested",
        /// It does what it should.
        Works = "works",
        /// It could work after a repair.
        Repairable = "repairable",
        /// It works, is wiped where its class bears data, and is ready for reuse.
        Prepared = "prepared",
        /// It has ended its life as a product.
        Waste = "waste",
    }
}

codes! {
    /// What a test can find (WEEE Directive, Annex VI).
    pub enum TestResult {
        /// It does what it should.
        Works = "works",
        /// It could work after a repair.
        Repairable = "repairable",
        /// It is at the end of its life; bars reuse.
        Waste = "waste",
    }
}

codes! {
    /// How far the data on a medium was put out of reach (NIST SP 800-88 r2).
    pub enum SanitisationMethod {
        /// Out of reach of the ordinary ways to read it.
        Clear = "clear",
        /// Out of reach of a laboratory; the medium can be used again.
        Purge = "purge",
        /// The medium is destroyed.
        Destroy = "destroy",
    }
}

codes! {
    /// How it was done.
    pub enum SanitisationTechnique {
        /// Overwritten; on flash it only clears.
        Overwrite = "overwrite",
        /// Reset to the factory's state.
        FactoryReset = "factory_reset",
        /// The medium's own command to erase all blocks.
        BlockErase = "block_erase",
        /// The key of an encrypted medium was erased.
        CryptoErase = "crypto_erase",
        /// Demagnetised; since revision 2 it purges and does not count as destruction.
        Degauss = "degauss",
        /// Shredded.
        Shred = "shred",
        /// Ground to particles.
        Pulverise = "pulverise",
        /// Burnt.
        Incinerate = "incinerate",
        /// Molten.
        Melt = "melt",
    }
}

impl SanitisationTechnique {
    /// The strongest that the technique can claim (NIST SP 800-88 r2).
    pub const fn reaches(self) -> SanitisationMethod {
        match self {
            Self::Overwrite | Self::FactoryReset => SanitisationMethod::Clear,
            Self::BlockErase | Self::CryptoErase | Self::Degauss => SanitisationMethod::Purge,
            Self::Shred | Self::Pulverise | Self::Incinerate | Self::Melt => SanitisationMethod::Destroy,
        }
    }
}

codes! {
    /// Why an item was weighed again.
    pub enum ReweighReason {
        /// A better scale, or the first weighing at all.
        Measured = "measured",
        /// It dried.
        Dried = "dried",
        /// Something that does not belong to it was taken away.
        Cleaned = "cleaned",
        /// The weight before was wrong.
        WasWrong = "was_wrong",
    }
}

codes! {
    /// How an item left the scheme alive.
    pub enum ReleaseReason {
        /// Sold to be used.
        ReuseSale = "reuse_sale",
        /// Sold as a part.
        PartSale = "part_sale",
        /// Sold as a commodity.
        CommoditySale = "commodity_sale",
        /// Given back to whoever supplied it.
        ReturnedToSupplier = "returned_to_supplier",
    }
}

codes! {
    /// How an item was lost.
    pub enum LossCause {
        /// Nobody knows.
        Missing = "missing",
        /// Stolen.
        Stolen = "stolen",
        /// Destroyed by fire, water or accident.
        Destroyed = "destroyed",
    }
}

codes! {
    /// Why a receiver refuses.
    pub enum RefusalReason {
        /// Something else than offered.
        NotAsOffered = "not_as_offered",
        /// Broken, wet, mixed or dirty.
        Damaged = "damaged",
        /// The receiver may not take it.
        NotPermitted = "not_permitted",
        /// It never came.
        NotReceived = "not_received",
        /// The receiver has no room.
        NoCapacity = "no_capacity",
    }
}

impl From<TestResult> for Condition {
    fn from(result: TestResult) -> Self {
        match result {
            TestResult::Works => Self::Works,
            TestResult::Repairable => Self::Repairable,
            TestResult::Waste => Self::Waste,
        }
    }
}
