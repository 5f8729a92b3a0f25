//! What is kept of a waiting statement, read back.

use crate::domain::awaited::Awaited;
use crate::domain::ids::{OrganisationId, StatementId};
use crate::domain::state::{RecordId, RecordKind};
use crate::domain::time::{DAY_MS, LedgerTime};
use crate::ledger::posting::{Outcome, Posted, Waiting};
use crate::limits::WAITING_SHOWN_DAYS;
use crate::proof::statement::{Signed, Unverified};
use crate::store::StoreError;
use crate::store::entries::Identity;
use crate::store::waiting::{self, WaitingHead, WaitingRow};

/// A waiting statement as it was posted. Its signature is checked once more at its turn; what cannot be read any more is
/// refused there.
pub(crate) fn posted_again(row: &WaitingRow) -> Result<Posted, StoreError> {
    let (mut identity, mut identifiers) = (identity_of(&row.head)?, Vec::new());
    if let Ok(unverified) = Unverified::read(&row.jws) {
        let common = &unverified.statement.common;
        identity = (common.org, common.id);
        identifiers = unverified.statement.identifiers();
        identifiers.push(unverified.kid().to_string());
    }
    let openings = waiting::read_openings(row)?;
    Ok(Posted { jws: row.jws.clone(), identity, identifiers, signed: None, openings, patient: None })
}

/// The answer to a patient statement whose commit had an unknown outcome: it is kept, or it is not.
pub(crate) fn found_again(kept: &[WaitingHead], posted: &Posted, signed: &Signed) -> Option<Outcome> {
    posted.patient?;
    let is_it = |row: &&WaitingHead| {
        let same = row.payload_sha256 == signed.payload_sha256 && lives(row);
        same && identity_of(row).is_ok_and(|identity| identity == posted.identity)
    };
    kept.iter().find(is_it).and_then(told).map(|waiting| Outcome::Waiting(Box::new(waiting)))
}

/// A row that cannot be read back.
pub(crate) fn damaged(row: &WaitingHead) -> StoreError {
    StoreError::damaged(format!("waiting statement {} cannot be read", row.number))
}

/// Whose statement it is, and its id.
pub(crate) fn identity_of(row: &WaitingHead) -> Result<Identity, StoreError> {
    let organisation = OrganisationId::parse(&row.organisation);
    organisation.zip(StatementId::parse(&row.statement_id)).ok_or_else(|| damaged(row))
}

/// Whether it waits or is due; what was refused or has expired holds neither its id nor room.
pub(crate) fn lives(row: &WaitingHead) -> bool {
    matches!(row.standing.as_str(), waiting::WAITS | waiting::DUE)
}

/// What the author of a row is told.
pub(crate) fn told(row: &WaitingHead) -> Option<Waiting> {
    let subject = RecordId { id: row.awaited_id.clone(), kind: RecordKind::parse(&row.awaited_kind)? };
    Some(Waiting {
        identity: identity_of(row).ok()?,
        type_name: row.type_name.clone(),
        awaited: Awaited { subject, pointer: row.awaited_pointer.clone() },
        posted: LedgerTime::from_ms(row.posted_ms)?,
        until: LedgerTime::from_ms(row.until_ms)?,
    })
}

/// Whatever had expired by then is shown no more.
pub(crate) fn shown_after_ms(now: LedgerTime) -> i64 {
    now.ms() - WAITING_SHOWN_DAYS * DAY_MS
}
