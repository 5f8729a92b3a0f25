//! The rule set in force, as the ledger's own record names it.

use crate::domain::registry::Ledger as LedgerRecord;
use crate::domain::rule_set::{self, RuleSet};
use crate::domain::state::LEDGER_RECORD;
use crate::ledger::Ledger;
use crate::store::{Database, StoreError, StoreFault, records};

impl Ledger {
    /// The rule set in force.
    pub fn rules_in_force(&self) -> Result<&'static RuleSet, StoreError> {
        self.store.read(rules_in_force)
    }
}

/// Whether this software carries the rule set in force in a database.
pub(crate) fn is_known(database: &mut Database) -> Result<bool, StoreError> {
    let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
    Ok(ledger.is_some_and(|ledger| rule_set::find(&ledger.rule_set).is_some()))
}

/// The rule set in force in a database.
pub(crate) fn rules_in_force(database: &mut Database) -> Result<&'static RuleSet, StoreError> {
    let ledger: Option<LedgerRecord> = records::find(database, LEDGER_RECORD)?;
    adopted(ledger.as_ref())
}

/// The rule set that a ledger has adopted.
pub(crate) fn adopted(ledger: Option<&LedgerRecord>) -> Result<&'static RuleSet, StoreError> {
    let adopted = ledger.and_then(|ledger| rule_set::find(&ledger.rule_set));
    // The database is whole, and other nodes may know the rule set: nothing is done here, and nothing halts there.
    let unknown = || "the rule set in force is not carried by this software: this node needs a newer one".to_owned();
    adopted.ok_or_else(|| StoreError { fault: StoreFault::Failed, message: unknown() })
}
