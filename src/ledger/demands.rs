//! What a node demands of statements beyond the rules: admission, which replay skips.

use crate::domain::event::{Event, SecondSignature, Statement};
use crate::domain::state::{State, Stop};
use crate::ledger::posting::Refused;

/// What is demanded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demands {
    /// How many entries a quorum of witnesses has seen, where certificates are issued on nothing else.
    pub covered: Option<u64>,
    /// The second signature under issues and withdrawals, where one is demanded of all.
    pub second: Option<SecondSignature>,
}

impl Demands {
    /// Why a statement is not admitted, if it is not: where a second signature is demanded, it asks for at least that one. What
    /// the operator issues waits for another organisation's in any case, and that is one of another person too.
    pub(crate) fn lacking(&self, state: &State<'_>, statement: &Statement) -> Result<Option<Refused>, Stop> {
        let Some(demanded) = self.second else { return Ok(None) };
        let asked = match &statement.event {
            Event::CertificateIssued(_) if is_operators(state, statement)? => Some(SecondSignature::Organisation),
            Event::CertificateIssued(issued) => issued.second,
            Event::CertificateWithdrawn(withdrawn) => withdrawn.second,
            _ => return Ok(None),
        };
        let suffices = asked == Some(demanded) || asked == Some(SecondSignature::Organisation);
        Ok((!suffices).then_some(Refused::SecondSignatureNeeded(demanded)))
    }
}

fn is_operators(state: &State<'_>, statement: &Statement) -> Result<bool, Stop> {
    Ok(state.ledger()?.is_some_and(|ledger| ledger.operator == statement.common.party()))
}
