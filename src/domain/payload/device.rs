//! What is said of devices and components, from donor to the end as a product.

use crate::domain::codes::{
    Arising, Commitment, CountedElsewhere, Country, Document, DocumentNumber, LossCause, ReleaseReason, ReweighReason,
    SanitisationMethod, SanitisationTechnique, TableCode, TestResult, WasteCodeOverride,
};
use crate::domain::fields::{Field, FieldClass, Malformed, Value, codes, record};
use crate::domain::ids::{DonationId, ItemId, ProjectId};
use crate::domain::mass::Weight;
use crate::domain::payload::lot::MissingPart;

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
    /// A donor gives devices and components for a project that it chose; several statements may make one donation.
    pub struct Donated {
        /// The donation's id, new with its first statement.
        donation: DonationId,
        /// What they are given for.
        project: ProjectId,
        /// Devices and components.
        items: Vec<ItemId>,
        /// The deed of gift or contract.
        document: Option<Document>,
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
        /// What it is used for.
        project: Option<ProjectId>,
        /// The room, the class, the ward.
        place: Option<Commitment>,
    }
}

codes! {
    /// What somebody saw who looked at an item in use.
    pub enum CheckFinding {
        /// It is there and does what it should.
        InUse = "in_use",
        /// It is there and does not work.
        Faulty = "faulty",
        /// It was not found.
        NotFound = "not_found",
    }
}

record! {
    /// Somebody looked whether an item in use is there.
    pub struct Checked {
        /// The device or component.
        item: ItemId,
        /// What was seen.
        finding: CheckFinding,
        /// The list or photograph.
        document: Option<Document>,
    }
}

codes! {
    /// Whether a device still holds a data medium after a part was taken out.
    pub enum MediaLeft {
        /// None: nothing of a user's data can be on it.
        None = "none",
        /// At least one.
        Some = "some",
    }
}

record! {
    /// A part leaves a device and is traced from now on; its grams leave the device.
    pub struct PartRemoved {
        /// The device.
        item: ItemId,
        /// The new component's id.
        component: ItemId,
        /// What it is: a product class or a fraction of the rule set.
        class: TableCode,
        /// Its mass; at most the device's.
        weight: Weight,
        /// What was checked of data media left in the device.
        media_left: Option<MediaLeft>,
        /// Maker's serial number.
        serial: Option<Commitment>,
        /// Maker and model.
        model: Option<Commitment>,
    }
}

record! {
    /// A component becomes part of a device; the device must be tested again.
    pub struct PartInstalled {
        /// The device.
        item: ItemId,
        /// The component, which ends.
        component: ItemId,
    }
}

record! {
    /// Items go into a container, which protects them and moves with them.
    pub struct Packed {
        /// The container: a new id, or one of the holder's.
        container: ItemId,
        /// What goes in.
        items: Vec<ItemId>,
        /// The seal's number.
        seal: Option<DocumentNumber>,
    }
}

record! {
    /// Items leave a container.
    pub struct Unpacked {
        /// The container.
        container: ItemId,
        /// What leaves; absent: everything.
        items: Option<Vec<ItemId>>,
    }
}

record! {
    /// Waste is stored pending treatment; the clock of its storage starts.
    pub struct Stored {
        /// Lots and devices.
        items: Vec<ItemId>,
        /// R13 or D15.
        operation: TableCode,
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
        /// What it should hold and does not.
        missing: Option<Vec<MissingPart>>,
        /// Another waste code than the tables give, with its reason.
        waste_code: Option<WasteCodeOverride>,
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

record! {
    /// What was lost is back with its last holder.
    pub struct Found {
        /// The item.
        item: ItemId,
        /// A report of it.
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
