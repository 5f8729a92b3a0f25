//! The sale of a part of the demo's certificate.

use crate::cli::CommandError;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::Story;
use crate::domain::serial::SerialBlock;
use serde_json::json;

/// The company buys one unit of so many, rounded up.
const OF_UNITS: i64 = 4;

impl Story<'_, '_> {
    /// The centre splits its block and hands a part on to the company; the rest stays unsold.
    pub(super) fn sell(&mut self, block: &SerialBlock, at: &str) -> Result<SerialBlock, CommandError> {
        let (centre, buyer) = (self.parties.centre.clone(), self.parties.buyer.clone());
        let last = block.first + (block.units() + OF_UNITS - 1) / OF_UNITS - 1;
        let sold = block.part(block.first, last).ok_or("the block has no units")?;
        if let Some(kept) = block.part(last + 1, block.last) {
            let into = [sold.to_string(), kept.to_string()];
            let split = json!({"certificate": block.to_string(), "into": into});
            self.poster.say(&centre, Saying::new("certificate_split", at, split))?;
        }
        let sale = json!({"certificate": sold.to_string(), "to": buyer.id.to_string()});
        self.poster.say(&centre, Saying::new("certificate_transferred", at, sale))?;
        self.poster.flush()?;
        Ok(sold)
    }
}
