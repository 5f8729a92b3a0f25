//! Statements that wait for what they name.
//!
//! A phone that was offline uploads in any order, and a receiver may be online before the sender. A statement that is
//! refused only because it names what nobody has said yet is stored outside the ledger, if its poster asks for that. It is
//! no entry: it has no index, no receipt and no effect, and neither replay nor audit knows of it. When an accepted entry
//! brings what it waits for, it has its turn right behind that entry in the same transaction, with every rule and key check
//! of that moment. Statements that could go have their turns in the order in which they were posted, one after the other, so
//! what comes out is what the same statements in that order would give.
//!
//! Everything here is written under the head's lock in the transaction of an append: if we crash before the commit neither
//! the entries nor the rows are there, and nobody was told otherwise.

use crate::domain::awaited::{Awaited, awaited, can_be_awaited};
use crate::domain::ids::{OrganisationId, StatementId};
use crate::domain::refusal::Refusal;
use crate::domain::state::{RecordId, RecordKind, State};
use crate::domain::time::{DAY_MS, LedgerTime};
use crate::ledger::posting::{Outcome, Posted, Refused, Waiting, Whose};
use crate::limits::{
    WAITING_BYTES_OF_ALL_MAX, WAITING_BYTES_OF_ONE_MAX, WAITING_OF_ALL_MAX, WAITING_OF_ONE_MAX, WAITING_SHOWN_DAYS,
    WAITING_TURNS_MAX,
};
use crate::proof::keys::CompactJws;
use crate::proof::statement::{Signed, Unverified};
use crate::store::entries::Identity;
use crate::store::waiting::{self, Kept, WaitingRow};
use crate::store::{Database, StoreError};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What waits, as far as one transaction has to do with it.
pub(crate) struct WaitingRoom {
    /// The time of the transaction's entries.
    time: LedgerTime,
    /// Nothing waits at all: then nothing is looked for.
    is_empty: bool,
    /// What is kept under the identities that are posted, however it stands.
    kept: BTreeMap<Identity, WaitingRow>,
    /// Numbers of the statements that wait for a record, of those that were looked for.
    awaiting: BTreeMap<RecordId, BTreeSet<i64>>,
    /// Ids that were looked for.
    looked_for: BTreeSet<String>,
    /// Numbers of the statements whose turn it is.
    due: BTreeSet<i64>,
    /// Turns that were given.
    turns: usize,
    /// How much is kept of each organisation; counted once it matters.
    totals: Option<BTreeMap<String, Kept>>,
}

impl WaitingRoom {
    /// Looks at what waits under the identities and for the ids that a transaction's requests name, and lets go of what
    /// nobody can read any more.
    pub(crate) fn enter(
        database: &mut Database,
        time: LedgerTime,
        identities: &[Identity],
        ids: &[String],
    ) -> Result<Self, StoreError> {
        let mut room = Self {
            time,
            is_empty: waiting::is_empty(database)?,
            kept: BTreeMap::new(),
            awaiting: BTreeMap::new(),
            looked_for: BTreeSet::new(),
            due: BTreeSet::new(),
            turns: 0,
            totals: None,
        };
        if room.is_empty {
            return Ok(room);
        }
        waiting::forget(database, shown_after_ms(time))?;
        for row in waiting::find_by_identity(database, identities)? {
            room.kept.insert(identity_of(&row)?, row);
        }
        // One more than can have its turn now shows that this is not the last transaction.
        let turns = i64::try_from(WAITING_TURNS_MAX + 1).unwrap_or(i64::MAX);
        room.due.extend(waiting::due(database, time.ms(), turns)?);
        room.look_for(database, ids)?;
        Ok(room)
    }

    /// Looks up what waits for records of these ids, in one go for all that statements name.
    pub(crate) fn look_for(&mut self, database: &mut Database, ids: &[String]) -> Result<(), StoreError> {
        if self.is_empty {
            return Ok(());
        }
        for (number, kind, id) in waiting::awaiting(database, ids, self.time.ms())? {
            if let Some(kind) = RecordKind::parse(&kind) {
                self.awaiting.entry(RecordId { id, kind }).or_default().insert(number);
            }
        }
        self.looked_for.extend(ids.iter().cloned());
        Ok(())
    }

    /// Idempotency of what waits, beside that of entries: after the signature, before the rules. The same again waits on,
    /// if its poster is patient; other content under the same id is a conflict. What was refused or has expired holds no id.
    pub(crate) fn answer_before(&self, posted: &Posted, signed: &Signed) -> Result<Option<Outcome>, Refused> {
        let Some(row) = self.kept.get(&signed.identity()).filter(|row| self.waits(row)) else { return Ok(None) };
        if row.payload_sha256 != signed.payload_sha256 {
            return Err(Refused::SameIdWaiting);
        }
        Ok(posted.patient.and_then(|_| told(row)).map(|waiting| Outcome::Waiting(Box::new(waiting))))
    }

    fn waits(&self, row: &WaitingRow) -> bool {
        row.standing != waiting::REFUSED && row.until_ms > self.time.ms()
    }

    /// Stores a statement that waits, unless as much waits as may. What was refused or expired under its id makes room.
    pub(crate) fn keep(
        &mut self,
        database: &mut Database,
        candidate: Candidate,
        window_days: i64,
    ) -> Result<Outcome, StoreError> {
        if let Some(whose) = self.is_full(database, &candidate.row)? {
            return Ok(Outcome::Refused(Refused::WaitingFull(whose)));
        }
        self.leave(database, candidate.identity)?;
        let until = LedgerTime::from_ms(self.time.ms() + window_days * DAY_MS).unwrap_or(self.time);
        let number = waiting::highest_number(database)? + 1;
        let row = WaitingRow { number, posted_ms: self.time.ms(), until_ms: until.ms(), ..candidate.row };
        waiting::insert(database, &row)?;
        self.count(&row.organisation, 1, row.bytes);
        self.awaiting.entry(candidate.awaited.subject).or_default().insert(number);
        self.is_empty = false;
        let waiting = told(&row).ok_or_else(|| damaged(&row))?;
        self.kept.insert(candidate.identity, row);
        Ok(Outcome::Waiting(Box::new(waiting)))
    }

    /// Whose share is used up, if one more does not fit.
    fn is_full(&mut self, database: &mut Database, row: &WaitingRow) -> Result<Option<Whose>, StoreError> {
        let totals = match &self.totals {
            Some(totals) => totals,
            None => self.totals.insert(waiting::kept(database)?),
        };
        let own = totals.get(&row.organisation).copied().unwrap_or_default();
        let all = totals.values().fold(Kept::default(), |all, one| Kept {
            statements: all.statements + one.statements,
            bytes: all.bytes + one.bytes,
        });
        let exceeds = |kept: Kept, statements, bytes| kept.statements >= statements || kept.bytes + row.bytes > bytes;
        Ok(if exceeds(own, WAITING_OF_ONE_MAX, WAITING_BYTES_OF_ONE_MAX) {
            Some(Whose::Own)
        } else if exceeds(all, WAITING_OF_ALL_MAX, WAITING_BYTES_OF_ALL_MAX) {
            Some(Whose::All)
        } else {
            None
        })
    }

    fn count(&mut self, organisation: &str, statements: i64, bytes: i64) {
        if let Some(totals) = &mut self.totals {
            let kept = totals.entry(organisation.to_owned()).or_default();
            kept.statements += statements;
            kept.bytes += bytes;
        }
    }

    /// A statement is in the ledger, or is stored anew: what was kept under its identity goes.
    pub(crate) fn leave(&mut self, database: &mut Database, identity: Identity) -> Result<(), StoreError> {
        let Some(row) = self.kept.remove(&identity) else { return Ok(()) };
        self.remove(database, &row)
    }

    fn remove(&mut self, database: &mut Database, row: &WaitingRow) -> Result<(), StoreError> {
        waiting::remove(database, row.number)?;
        self.count(&row.organisation, -1, -row.bytes);
        self.due.remove(&row.number);
        for numbers in self.awaiting.values_mut() {
            numbers.remove(&row.number);
        }
        Ok(())
    }

    /// Whether something may wait for this record, as far as that is known without looking for it.
    pub(crate) fn may_await(&self, id: &RecordId) -> bool {
        !self.is_empty && can_be_awaited(id.kind)
    }

    /// These records are new: what waited for them has its turn.
    pub(crate) fn brought(&mut self, database: &mut Database, new: &[RecordId]) -> Result<(), StoreError> {
        // An offer that completes a claim brings what the claim named.
        let unnamed = |id: &&RecordId| !self.looked_for.contains(&id.id);
        let unnamed: Vec<String> = new.iter().filter(unnamed).map(|id| id.id.clone()).collect();
        self.look_for(database, &unnamed)?;
        self.due.extend(new.iter().filter_map(|id| self.awaiting.remove(id)).flatten());
        Ok(())
    }

    /// The next statement whose turn it is, in the order in which they were posted; `None` too if this transaction has
    /// given as many turns as it may.
    pub(crate) fn next(&mut self, database: &mut Database) -> Result<Option<WaitingRow>, StoreError> {
        while self.turns < WAITING_TURNS_MAX {
            let Some(number) = self.due.pop_first() else { return Ok(None) };
            // What is gone needs no turn.
            if let Some(row) = waiting::find(database, number)? {
                self.turns += 1;
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What becomes of a statement after its turn: in the ledger it is found by its receipt; if it lacks something else it
    /// waits for that, as long as before; refused, it stays to be read.
    pub(crate) fn had_turn(
        &mut self,
        database: &mut Database,
        mut row: WaitingRow,
        outcome: &Outcome,
        lacks: Option<Awaited>,
    ) -> Result<(), StoreError> {
        let identity = identity_of(&row)?;
        let refused = match outcome {
            Outcome::Refused(refused) => refused,
            Outcome::Accepted(_) | Outcome::Repeated(_) => {
                self.kept.remove(&identity);
                return self.remove(database, &row);
            }
            Outcome::Waiting(_) => return Ok(()),
        };
        if let Some(Awaited { subject, pointer }) = lacks {
            waiting::WAITS.clone_into(&mut row.standing);
            (row.awaited_kind, row.awaited_id) = (subject.kind.to_string(), subject.id.clone());
            row.awaited_pointer = pointer;
            self.awaiting.entry(subject).or_default().insert(row.number);
        } else {
            let told = refused.told();
            waiting::REFUSED.clone_into(&mut row.standing);
            told.code.clone_into(&mut row.problem_code);
            (row.problem_pointer, row.problem_detail) = (told.pointer, told.detail);
        }
        waiting::update(database, &row)?;
        // The same identity may be posted later in this transaction.
        self.kept.insert(identity, row);
        Ok(())
    }

    /// Writes down whose turn is still to come; tells whether there are any. The next transaction begins with them, on
    /// whatever node it is.
    pub(crate) fn finish(self, database: &mut Database) -> Result<bool, StoreError> {
        let left: Vec<i64> = self.due.into_iter().collect();
        waiting::mark_due(database, &left)?;
        Ok(!left.is_empty())
    }
}

/// A refused statement that may wait.
pub(crate) struct Candidate {
    identity: Identity,
    awaited: Awaited,
    row: WaitingRow,
}

impl Candidate {
    /// Whether a refused statement may wait, and for what.
    pub(crate) fn of(state: &State<'_>, posted: &Posted, refusal: &Refusal) -> Result<Option<Self>, StoreError> {
        let Some(by) = posted.patient else { return Ok(None) };
        let Some((awaited, type_name)) = lacks(state, &posted.jws, refusal) else { return Ok(None) };
        let Ok(jws) = CompactJws::parse(&posted.jws) else { return Ok(None) };
        let openings = waiting::write_openings(&posted.openings)?;
        let bytes = i64::try_from(posted.jws.len() + openings.len()).unwrap_or(i64::MAX);
        let (organisation, statement_id) = (posted.identity.0.to_string(), posted.identity.1.to_string());
        let row = WaitingRow {
            number: 0,
            organisation,
            statement_id,
            type_name,
            payload_sha256: Sha256::digest(&jws.payload).to_vec(),
            jws: posted.jws.clone(),
            openings,
            bytes,
            posted_by: by.to_string(),
            posted_ms: 0,
            until_ms: 0,
            standing: waiting::WAITS.to_owned(),
            awaited_kind: awaited.subject.kind.to_string(),
            awaited_id: awaited.subject.id.clone(),
            awaited_pointer: awaited.pointer.clone(),
            problem_code: String::new(),
            problem_pointer: String::new(),
            problem_detail: String::new(),
        };
        Ok(Some(Self { identity: posted.identity, awaited, row }))
    }
}

/// What a statement lacks that the rules refuse, and its type.
fn lacks(state: &State<'_>, jws: &str, refusal: &Refusal) -> Option<(Awaited, String)> {
    let unverified = Unverified::read(jws).ok()?;
    let awaited = awaited(state, &unverified.payload, refusal)?;
    Some((awaited, unverified.statement.event.type_name().to_owned()))
}

/// What a statement lacks after its turn.
pub(crate) fn still_lacks(state: &State<'_>, posted: &Posted, outcome: &Outcome) -> Option<Awaited> {
    match outcome {
        Outcome::Refused(Refused::Rules(refusal)) => lacks(state, &posted.jws, refusal).map(|(awaited, _)| awaited),
        _ => None,
    }
}

/// A waiting statement as it was posted. Its signature is checked once more at its turn; what cannot be read any more is
/// refused there.
pub(crate) fn posted_again(row: &WaitingRow) -> Result<Posted, StoreError> {
    let (mut identity, mut identifiers) = (identity_of(row)?, Vec::new());
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
pub(crate) fn found_again(kept: &[WaitingRow], posted: &Posted, signed: &Signed) -> Option<Outcome> {
    posted.patient?;
    let is_it = |row: &&WaitingRow| {
        let same = row.payload_sha256 == signed.payload_sha256 && row.standing != waiting::REFUSED;
        same && identity_of(row).is_ok_and(|identity| identity == posted.identity)
    };
    kept.iter().find(is_it).and_then(told).map(|waiting| Outcome::Waiting(Box::new(waiting)))
}

/// A row that cannot be read back.
pub(crate) fn damaged(row: &WaitingRow) -> StoreError {
    StoreError::damaged(format!("waiting statement {} cannot be read", row.number))
}

fn identity_of(row: &WaitingRow) -> Result<Identity, StoreError> {
    let organisation = OrganisationId::parse(&row.organisation);
    organisation.zip(StatementId::parse(&row.statement_id)).ok_or_else(|| damaged(row))
}

/// What the author of a row is told.
pub(crate) fn told(row: &WaitingRow) -> Option<Waiting> {
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
