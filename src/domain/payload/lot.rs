//! What is said of lots: how waste comes in, joins and parts.

use crate::domain::codes::{
    Arising, Commitment, Document, DocumentNumber, Part, Provenance, TableCode, WasteCodeOverride,
};
use crate::domain::fields::{Field, FieldClass, Malformed, Value, codes, record};
use crate::domain::ids::ItemId;
use crate::domain::mass::{Grams, Weight};

codes! {
    /// What can be collected.
    pub enum CollectedKind {
        /// One device.
        Device = "device",
        /// A lot of one class, known by weight.
        Lot = "lot",
    }
}

record! {
    /// Something that pieces should hold and do not: robbed, taken out before, or never built in.
    pub struct MissingPart {
        /// What.
        part: Part,
        /// Of how many pieces.
        count: Count,
    }
}

record! {
    /// Waste from outside the scheme comes under the ledger where it is gathered.
    pub struct Collected {
        /// Its new id.
        item: ItemId,
        /// A device or a lot.
        kind: CollectedKind,
        /// Its product class.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// How many pieces a lot has.
        pieces: Option<Count>,
        /// What they lack; a lot then says how many pieces it has.
        missing: Option<Vec<MissingPart>>,
        /// Where and when it became waste.
        arising: Arising,
        /// Where it came from, and whether another scheme counts it.
        provenance: Provenance,
        /// Who gave it.
        supplier: Option<Commitment>,
        /// Another waste code than the tables give, with its reason.
        waste_code: Option<WasteCodeOverride>,
    }
}

record! {
    /// Waste from outside the scheme is received at a centre's gate.
    pub struct Received {
        /// The new lot's id.
        item: ItemId,
        /// Its product class.
        class: TableCode,
        /// Its mass.
        weight: Weight,
        /// How many pieces it has.
        pieces: Option<Count>,
        /// What they lack; then it says how many pieces it has.
        missing: Option<Vec<MissingPart>>,
        /// Where and when it became waste.
        arising: Arising,
        /// Where it came from, and whether another scheme counts it.
        provenance: Provenance,
        /// Who delivered it.
        supplier: Commitment,
        /// The number of the weighbridge ticket or gate receipt.
        number: DocumentNumber,
        /// The ticket itself.
        document: Option<Document>,
        /// Another waste code than the tables give, with its reason.
        waste_code: Option<WasteCodeOverride>,
    }
}

record! {
    /// Devices or lots become one lot.
    pub struct Merged {
        /// What goes in.
        inputs: Vec<ItemId>,
        /// The new lot's id.
        lot: ItemId,
    }
}

record! {
    /// A part of a lot.
    pub struct LotPart {
        /// The new lot's id.
        lot: ItemId,
        /// Its mass.
        net_g: Grams,
    }
}

record! {
    /// A lot becomes several, exactly.
    pub struct Split {
        /// The lot.
        lot: ItemId,
        /// Its parts.
        parts: Vec<LotPart>,
    }
}

/// A number of pieces, 1 to a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(i64);

impl Count {
    /// Accepts 1 to a million.
    pub fn new(count: i64) -> Option<Self> {
        (1..=1_000_000).contains(&count).then_some(Self(count))
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Field for Count {
    const CLASS: FieldClass = FieldClass::Quantity;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let count = match value {
            Value::Integer(count) => Self::new(*count),
            _ => None,
        };
        count.ok_or_else(|| Malformed::here("expected a number of pieces, 1 to 1000000"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(self.0))
    }
}
