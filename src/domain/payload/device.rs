//! What is said of devices and components, from donor to the end as a product.

use crate::domain::codes::{
    Arising, Commitment, CountedElsewhere, Country, Document, LossCause, ReleaseReason, ReweighReason,
    SanitisationMethod, SanitisationTechnique, TableCode, TestResult,
};
use crate::domain::fields::{Field, FieldClass, Malformed, Value, codes, record};
use crate::domain::ids::ItemId;
use crate::domain::mass::Weight;

codes! {
    /// What can be registered.
    pub enum RegisteredKind {
        /// A whole product.
        Device = "device",
        /// A part.
        Component = "component",
    }
}

record! {
    /// A device or component comes under the ledger.
    pub struct Registered {
        /// Its new id.
        item: ItemId,
        /// What it is.
        kind: RegisteredKind,
        /// Its product class: a UNU-KEY of the rule set.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// Where it was registered; provenance only, never where waste arose.
        country: Country,
        /// Maker's serial number.
        serial: Option<Commitment>,
        /// Maker and model.
        model: Option<Commitment>,
        /// Year of manufacture, where known.
        year: Option<Year>,
    }
}

record! {
    /// What a test found (WEEE Directive, Annex VI: a record of functionality per item).
    pub struct Tested {
        /// The device or component.
        item: ItemId,
        /// The finding.
        result: TestResult,
        /// The test's own record.
        document: Option<Document>,
        /// Remarks of whoever tested.
        note: Option<Commitment>,
    }
}

record! {
    /// A repair was done; the item works.
    pub struct Repaired {
        /// The device or component.
        item: ItemId,
        /// The workshop's record.
        document: Option<Document>,
        /// What was done.
        note: Option<Commitment>,
    }
}

record! {
    /// The data on an item was put out of reach (NIST SP 800-88 r2).
    pub struct DataSanitised {
        /// The device or component.
        item: ItemId,
        /// How far.
        method: SanitisationMethod,
        /// How.
        technique: SanitisationTechnique,
        /// Whether it was verified afterwards; what was not verified does not count.
        verified: bool,
        /// The tool's own certificate.
        document: Option<Document>,
    }
}

record! {
    /// The item is ready for reuse.
    pub struct PreparedForReuse {
        /// The device or component.
        item: ItemId,
        /// The record of the preparation (EN 50614).
        document: Option<Document>,
    }
}

record! {
    /// A beneficiary uses an item that was handed over to it.
    pub struct PutInUse {
        /// The device or component.
        item: ItemId,
        /// The country of use.
        country: Country,
        /// The room, the class, the ward.
        place: Option<Commitment>,
    }
}

record! {
    /// An item becomes waste, there and then, in whatever condition it is.
    pub struct Retired {
        /// The item.
        item: ItemId,
        /// Where and when it became waste.
        arising: Arising,
        /// Whether another scheme counts it.
        counted_elsewhere: CountedElsewhere,
    }
}

record! {
    /// An item was weighed again.
    pub struct Reweighed {
        /// The item.
        item: ItemId,
        /// What it weighs; `class` does not fit here.
        weight: Weight,
        /// Why.
        reason: ReweighReason,
    }
}

record! {
    /// An item leaves the scheme alive.
    pub struct Released {
        /// The item.
        item: ItemId,
        /// How.
        reason: ReleaseReason,
        /// The invoice or receipt.
        document: Option<Document>,
    }
}

record! {
    /// An item is gone and nobody has it.
    pub struct Lost {
        /// The item.
        item: ItemId,
        /// How.
        cause: LossCause,
        /// A police report or the like.
        document: Option<Document>,
    }
}

/// A year of manufacture, 1950 to 2199.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year(i64);

impl Field for Year {
    const CLASS: FieldClass = FieldClass::Time;

    fn read(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Integer(year @ 1950..=2199) => Ok(Self(*year)),
            _ => Err(Malformed::here("expected a year from 1950 to 2199")),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}
