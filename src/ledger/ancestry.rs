//! The blocks of which a block is a part. Whoever sells a block piece by piece cuts each piece from what the last left over, so
//! there may be thousands.

use crate::domain::certificate::Certificate;
use crate::domain::serial::SerialBlock;
use crate::ledger::certificates::find_certificate;
use crate::limits::ANCESTORS_MAX;
use crate::store::{Database, StoreError};

/// What a block was cut from.
#[derive(Debug, Clone)]
pub(crate) struct Ancestry {
    /// The block from which it was cut, then the one from which that was cut, and on.
    pub(crate) blocks: Vec<Certificate>,
    /// The block from which the last of them was cut, where there are more than are read at once.
    pub(crate) further: Option<SerialBlock>,
}

/// The blocks of which a block is a part, nearest first.
pub(crate) fn ancestry(database: &mut Database, block: &Certificate) -> Result<Ancestry, StoreError> {
    let (mut blocks, mut further) = (Vec::new(), block.split_from.clone());
    while let Some(serial) = further.take_if(|_| blocks.len() < ANCESTORS_MAX) {
        let Some(found) = find_certificate(database, &serial)? else {
            return Err(StoreError::damaged(format!("{serial} was split and there is no such certificate")));
        };
        further.clone_from(&found.split_from);
        blocks.push(found);
    }
    Ok(Ancestry { blocks, further })
}
