//! What is said of dismantling and treatment.

use crate::domain::codes::{Document, DocumentNumber, TableCode};
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, ItemId};
use crate::domain::mass::{Grams, Weight};

record! {
    /// A stretch of dismantling begins at the statement's site; it lasts 31 days at most.
    pub struct BatchOpened {
        /// The new batch's id.
        batch: BatchId,
    }
}

record! {
    /// Waste goes into a batch.
    pub struct BatchFed {
        /// The batch.
        batch: BatchId,
        /// Lots and devices.
        items: Vec<ItemId>,
    }
}

record! {
    /// A fraction leaves a batch, weighed when its cage is full.
    pub struct Dismantled {
        /// The batch.
        batch: BatchId,
        /// The new lot's id.
        lot: ItemId,
        /// What it is: a fraction of the rule set.
        fraction: TableCode,
        /// Its mass.
        weight: Weight,
    }
}

record! {
    /// What was fed into a batch and not dismantled.
    pub struct RemainingStock {
        /// The new lot's id.
        lot: ItemId,
        /// Its product class, one of those fed in.
        class: TableCode,
        /// Its mass.
        weight: Weight,
    }
}

record! {
    /// A batch ends. What no figure explains is booked as difference; nobody types it.
    pub struct BatchClosed {
        /// The batch.
        batch: BatchId,
        /// Dust and spills.
        loss_g: Grams,
        /// Packaging, pallets, dirt, water.
        out_of_scope_g: Grams,
        /// What was not dismantled.
        remaining: Option<Vec<RemainingStock>>,
    }
}

record! {
    /// The end of mass: a final operation at the statement's site.
    pub struct TreatedFinal {
        /// The lot or device.
        item: ItemId,
        /// A final R or D operation.
        operation: TableCode,
        /// Its whole mass, as last weighed; what weighs otherwise is weighed again first.
        net_g: Grams,
        /// The number of the treatment's certificate.
        number: Option<DocumentNumber>,
        /// The certificate.
        document: Option<Document>,
    }
}
