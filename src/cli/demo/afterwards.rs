//! What turns out afterwards: a weight of the gift was typed wrong and is corrected, and a serial number is erased.

use crate::cli::CommandError;
use crate::cli::demo::parties::Party;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::Story;
use crate::domain::ids::{EntryIndex, OrganisationId};
use crate::proof::commitment::{Opening, commit};
use serde_json::{Value, json};

/// What was typed too much, in grams.
const TYPED_TOO_MUCH_G: i64 = 500;
/// Where a registration names the maker's serial number.
const SERIAL: &str = "/serial";
/// What a payload says of itself, and what stands in its place does not.
const ENVELOPE: [&str; 4] = ["v", "ledger", "id", "org"];

impl Story<'_, '_> {
    /// The serial number of a laptop as a commitment, and what opens it.
    pub(super) fn hidden_serial(&self) -> Result<(Value, Opening), CommandError> {
        // A real salt is random; this one must be the same when an interrupted demo goes on.
        let (salt, value) = (self.plan.salt("gift serial"), "DEMO-SN-0001".to_owned());
        let hash = commit(SERIAL, &salt, &value).ok_or("a commitment cannot be made")?;
        Ok((json!({"c": hash}), Opening { pointer: SERIAL.to_owned(), salt, value }))
    }

    /// Whoever used the laptop asks for it: the donor erases the serial number.
    pub(super) fn erase_serial(&mut self, registration: u64) -> Result<(), CommandError> {
        let donor = self.parties.donor.clone();
        let entry = self.index_of(donor.id, registration)?;
        let fields = json!({"entry": entry.0, "pointers": [SERIAL], "reason": "person_asked"});
        self.say_ago(&donor, "value_erased", (3, 9), fields)
    }

    /// The centre finds that the weight of a fraction was typed wrong; nobody else may say so in its place. The fraction is
    /// melted, by a plant without a key, so that there is no other party to ask: the auditor looks at the ticket.
    pub(super) fn correct_weight(&mut self, south: &Party, dismantled: u64) -> Result<(), CommandError> {
        let entry = self.index_of(south.id, dismantled)?;
        let mut instead = self.said_before(south.id, dismantled)?.ok_or("the fraction was never weighed")?;
        if let Some(fields) = instead.as_object_mut() {
            fields.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
        }
        let typed_g = instead["weight"]["gross_g"].as_i64().ok_or("the fraction was not on a scale")?;
        instead["weight"]["gross_g"] = json!(typed_g - TYPED_TOO_MUCH_G);
        let fields = json!({"entry": entry.0, "reason": "incorrect_data", "instead": instead});
        let at = self.ago(3, 10)?;
        let treater = self.parties.treater.clone();
        self.poster.try_in_vain(&treater, Saying::new("corrected", &at, fields.clone()))?;
        let number = self.poster.next_number();
        self.poster.say_as(south, Saying::new("corrected", &at, fields).at(south.site), number)?;
        self.poster.flush()?;
        let word = json!({"correction": self.index_of(south.id, number)?.0});
        self.say_ago(&self.parties.auditor.clone(), "correction_confirmed", (2, 9), word)?;
        self.poster.flush()
    }

    /// Where the ledger holds the statement of a number.
    pub(super) fn index_of(&self, org: OrganisationId, number: u64) -> Result<EntryIndex, CommandError> {
        Ok(self.entry_of(org, number)?.ok_or("a statement is not in the ledger")?.index)
    }
}
