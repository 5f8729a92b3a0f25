//! What is said of dismantling and treatment.

use crate::domain::codes::{CountedElsewhere, Document, DocumentNumber, TableCode, WasteCodeOverride};
use crate::domain::fields::record;
use crate::domain::ids::{BatchId, ItemId, SiteId};
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
        /// Another waste code than the tables give, with its reason.
        waste_code: Option<WasteCodeOverride>,
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
        /// Whether the centre has what it dismantled counted elsewhere too; its own word, beside that of its suppliers.
        counted_elsewhere: Option<CountedElsewhere>,
    }
}

record! {
    /// What an interim treatment gives.
    pub struct InterimOutput {
        /// The new lot's id.
        lot: ItemId,
        /// What it is: a fraction of the rule set.
        fraction: TableCode,
        /// Its mass.
        weight: Weight,
    }
}

record! {
    /// Sorting, shredding, blending, repacking before the final treatment: lots become lots, as in a batch that opens and
    /// closes at once.
    pub struct TreatedInterim {
        /// Lots that go in.
        inputs: Vec<ItemId>,
        /// R12, D13 or D14.
        operation: TableCode,
        /// What comes out.
        outputs: Vec<InterimOutput>,
        /// Dust and spills.
        loss_g: Grams,
        /// Packaging, pallets, dirt, water.
        out_of_scope_g: Grams,
        /// The record of the treatment.
        document: Option<Document>,
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
        /// A plant without a key that did it, in the words of its certificate; then number and document are required.
        facility: Option<SiteId>,
        /// The number of the treatment's certificate.
        number: Option<DocumentNumber>,
        /// The certificate.
        document: Option<Document>,
    }
}
