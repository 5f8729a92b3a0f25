//! Statements that wait for what they name.
//!
//! A phone that was offline uploads in any order, and a receiver may be online before the sender. A statement that is
//! refused only because it names what nobody has said yet is stored outside the ledger, if its poster asks for that. It is
//! no entry: it has no index, no receipt and no effect, and neither replay nor audit knows of it. When an accepted entry
//! brings what it waits for, it has its turn right behind that entry in the same transaction, with every rule and key check
//! of that moment. Statements that could go have their turns in the order in which they were posted, one after the other, so
//! what comes out is what the same statements in that order would give. If its turn comes before the sender's handover it finds
//! an item in other hands; then it waits for that item to move, for as long as before.
//!
//! Everything here is written under the head's lock in the transaction of an append: if we crash before the commit neither
//! the entries nor the rows are there, and nobody was told otherwise.

use crate::domain::awaited::{Awaited, awaited, can_be_awaited, must_move};
use crate::domain::refusal::Refusal;
use crate::domain::state::{RecordId, RecordKind, State};
use crate::domain::time::{DAY_MS, LedgerTime};
use crate::ledger::posting::{Outcome, Posted, Refused, Told, Whose};
use crate::ledger::waiting_row::{damaged, identity_of, lives, shown_after_ms, told};
use crate::limits::{
    WAITING_BYTES_OF_ALL_MAX, WAITING_BYTES_OF_ONE_MAX, WAITING_DEAD_OF_ONE_MAX, WAITING_OF_ALL_MAX,
    WAITING_OF_ONE_MAX, WAITING_TURNS_MAX, WAITING_TURNS_OF_ONE_MAX,
};
use crate::proof::keys::CompactJws;
use crate::proof::statement::{Signed, Unverified};
use crate::store::entries::Identity;
use crate::store::waiting::{self, Kept, WaitingHead, WaitingRow};
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
    kept: BTreeMap<Identity, WaitingHead>,
    /// Numbers of the statements that wait for a record, of those that were looked for.
    awaiting: BTreeMap<RecordId, BTreeSet<i64>>,
    /// Ids that were looked for.
    looked_for: BTreeSet<String>,
    /// Numbers of the statements whose turn it is.
    due: BTreeSet<i64>,
    /// Turns that were given.
    turns: usize,
    /// How much of each organisation waits; counted once it matters.
    totals: Option<BTreeMap<String, Kept>>,
    /// Organisations of which something was refused or has expired.
    have_dead: BTreeSet<String>,
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
            have_dead: BTreeSet::new(),
        };
        if room.is_empty {
            return Ok(room);
        }
        waiting::forget(database, shown_after_ms(time))?;
        room.have_dead.extend(waiting::expire(database, time.ms())?);
        for row in waiting::find_by_identity(database, identities)? {
            // A row that names nobody belongs to nobody: nothing of the ledger depends on it.
            if let Ok(identity) = identity_of(&row) {
                room.kept.insert(identity, row);
            }
        }
        // One more than can have its turn now shows that this is not the last transaction.
        let turns = i64::try_from(WAITING_TURNS_MAX + 1).unwrap_or(i64::MAX);
        room.due.extend(waiting::due(database, turns)?);
        room.look_for(database, ids)?;
        Ok(room)
    }

    /// Looks up what waits for records of these ids, in one go for all that statements name. Each is looked up once: what
    /// changes afterwards is changed here.
    pub(crate) fn look_for(&mut self, database: &mut Database, ids: &[String]) -> Result<(), StoreError> {
        if self.is_empty {
            return Ok(());
        }
        let unnamed: Vec<String> = ids.iter().filter(|id| !self.looked_for.contains(*id)).cloned().collect();
        for (number, kind, id) in waiting::awaiting(database, &unnamed, self.time.ms())? {
            if let Some(kind) = RecordKind::parse(&kind) {
                self.awaiting.entry(RecordId { id, kind }).or_default().insert(number);
            }
        }
        self.looked_for.extend(unnamed);
        Ok(())
    }

    /// Idempotency of what waits, beside that of entries: after the signature, before the rules. The same again waits on
    /// if its poster is patient, else the rules are asked again; other content under the same id is a conflict. What was refused or has expired holds no id.
    pub(crate) fn answer_before(&self, posted: &Posted, signed: &Signed) -> Result<Option<Outcome>, Refused> {
        let Some(row) = self.kept.get(&signed.identity()).filter(|row| lives(row)) else { return Ok(None) };
        if row.payload_sha256 != signed.payload_sha256 {
            return Err(Refused::SameIdWaiting);
        }
        Ok(posted.patient.and_then(|_| told(row)).map(|waiting| Outcome::Waiting(Box::new(waiting))))
    }

    /// The answer to a statement that waits and is posted again by somebody who would not wait. Only for what the rules
    /// refuse: then its signature was checked.
    pub(crate) fn waits_on(&self, posted: &Posted) -> Option<Outcome> {
        let row = self.kept.get(&posted.identity).filter(|row| lives(row))?;
        let jws = CompactJws::parse(&posted.jws).ok()?;
        let is_same = Sha256::digest(&jws.payload).as_slice() == row.payload_sha256;
        is_same.then(|| told(row)).flatten().map(|waiting| Outcome::Waiting(Box::new(waiting)))
    }

    /// Stores a statement that waits, unless as much waits as may. What was refused or expired under its id makes room.
    pub(crate) fn keep(
        &mut self,
        database: &mut Database,
        candidate: Candidate,
        window_days: i64,
    ) -> Result<Outcome, StoreError> {
        if let Some(whose) = self.is_full(database, &candidate.row.head)? {
            return Ok(Outcome::Refused(Refused::WaitingFull(whose)));
        }
        self.leave(database, candidate.identity)?;
        let until = LedgerTime::from_ms(self.time.ms() + window_days * DAY_MS).unwrap_or(self.time);
        let number = waiting::highest_number(database)? + 1;
        let mut row = candidate.row;
        (row.head.number, row.head.posted_ms, row.head.until_ms) = (number, self.time.ms(), until.ms());
        waiting::insert(database, &row)?;
        let row = row.head;
        self.count(&row.organisation, 1, row.bytes);
        self.awaiting.entry(candidate.awaited.subject).or_default().insert(number);
        self.is_empty = false;
        let waiting = told(&row).ok_or_else(|| damaged(&row))?;
        self.kept.insert(candidate.identity, row);
        Ok(Outcome::Waiting(Box::new(waiting)))
    }

    /// Whose share is used up, if one more does not fit.
    fn is_full(&mut self, database: &mut Database, row: &WaitingHead) -> Result<Option<Whose>, StoreError> {
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

    fn remove(&mut self, database: &mut Database, row: &WaitingHead) -> Result<(), StoreError> {
        waiting::remove(database, row.number)?;
        if lives(row) {
            self.count(&row.organisation, -1, -row.bytes);
        }
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

    /// These records are new or have moved: what waited for them has its turn.
    pub(crate) fn brought(&mut self, database: &mut Database, moved: &[RecordId]) -> Result<(), StoreError> {
        // Not all of them were named: an answer moves what the offer names, an offer brings what a claim named.
        let ids: Vec<String> = moved.iter().map(|id| id.id.clone()).collect();
        self.look_for(database, &ids)?;
        self.due.extend(moved.iter().filter_map(|id| self.awaiting.remove(id)).flatten());
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
    /// waits for that, as long as before; refused, it stays to be read, without what it says.
    pub(crate) fn had_turn(
        &mut self,
        database: &mut Database,
        mut row: WaitingHead,
        outcome: &Outcome,
        lacks: Option<Lack>,
    ) -> Result<(), StoreError> {
        let refused = match outcome {
            Outcome::Refused(refused) => refused,
            Outcome::Accepted(_) | Outcome::Repeated(_) => {
                self.kept.retain(|_, kept| kept.number != row.number);
                return self.remove(database, &row);
            }
            Outcome::Waiting(_) => return Ok(()),
        };
        let Some(Awaited { subject, pointer }) = lacks.and_then(|lack| self.may_go_on(&mut row, lack)) else {
            return self.refuse(database, row, refused.told());
        };
        waiting::WAITS.clone_into(&mut row.standing);
        (row.awaited_kind, row.awaited_id) = (subject.kind.to_string(), subject.id.clone());
        row.awaited_pointer = pointer;
        self.awaiting.entry(subject).or_default().insert(row.number);
        waiting::update(database, &row)?;
        self.remember(row);
        Ok(())
    }

    /// What it goes on waiting for. It has so many turns in vain and no more, so that an item that moves to and fro costs
    /// everybody else little.
    fn may_go_on(&self, row: &mut WaitingHead, lack: Lack) -> Option<Awaited> {
        if row.until_ms <= self.time.ms() {
            return None;
        }
        match lack {
            Lack::Unknown(awaited) => Some(awaited),
            Lack::Elsewhere(awaited) => {
                row.turns += 1;
                (row.turns < WAITING_TURNS_OF_ONE_MAX).then_some(awaited)
            }
        }
    }

    /// It cannot be read any more. It is outside the ledger, so the ledger goes on; its author may post it again.
    pub(crate) fn give_up(&mut self, database: &mut Database, row: WaitingHead) -> Result<(), StoreError> {
        tracing::error!(number = row.number, "a waiting statement cannot be read any more");
        let detail = "what was stored of it cannot be read any more; post it again".to_owned();
        self.refuse(database, row, Told { code: "waiting_damaged", pointer: String::new(), detail })
    }

    fn refuse(&mut self, database: &mut Database, mut row: WaitingHead, told: Told) -> Result<(), StoreError> {
        self.count(&row.organisation, -1, -row.bytes);
        waiting::REFUSED.clone_into(&mut row.standing);
        told.code.clone_into(&mut row.problem_code);
        (row.problem_pointer, row.problem_detail) = (told.pointer, told.detail);
        row.bytes = 0;
        waiting::update(database, &row)?;
        waiting::empty(database, row.number)?;
        self.have_dead.insert(row.organisation.clone());
        self.remember(row);
        Ok(())
    }

    /// The same identity may be posted later in this transaction.
    fn remember(&mut self, row: WaitingHead) {
        if let Ok(identity) = identity_of(&row) {
            self.kept.insert(identity, row);
        }
    }

    /// Writes down whose turn is still to come. The next transaction begins with them, on whatever node it is.
    pub(crate) fn finish(self, database: &mut Database) -> Result<Left, StoreError> {
        let left: Vec<i64> = self.due.into_iter().collect();
        waiting::mark_due(database, &left)?;
        for organisation in &self.have_dead {
            waiting::keep_newest_dead(database, organisation, WAITING_DEAD_OF_ONE_MAX)?;
        }
        Ok(Left { turns: !left.is_empty(), erased: !self.have_dead.is_empty() })
    }
}

/// What a transaction leaves to be done.
pub(crate) struct Left {
    /// Whether statements are due.
    pub(crate) turns: bool,
    /// Whether statements and openings were deleted, whose bytes the database's log may still hold.
    pub(crate) erased: bool,
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
        let head = WaitingHead {
            number: 0,
            organisation,
            statement_id,
            type_name,
            payload_sha256: Sha256::digest(&jws.payload).to_vec(),
            bytes,
            posted_by: by.to_string(),
            posted_ms: 0,
            until_ms: 0,
            standing: waiting::WAITS.to_owned(),
            turns: 0,
            awaited_kind: awaited.subject.kind.to_string(),
            awaited_id: awaited.subject.id.clone(),
            awaited_pointer: awaited.pointer.clone(),
            problem_code: String::new(),
            problem_pointer: String::new(),
            problem_detail: String::new(),
        };
        let row = WaitingRow { head, jws: posted.jws.clone(), openings };
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
pub(crate) enum Lack {
    /// Nobody has said this yet.
    Unknown(Awaited),
    /// This item is in other hands, or not in the status that the statement needs.
    Elsewhere(Awaited),
}

/// What a statement lacks that was refused, if it had waited.
pub(crate) fn still_lacks(state: &State<'_>, posted: &Posted, outcome: &Outcome) -> Option<Lack> {
    let Outcome::Refused(Refused::Rules(refusal)) = outcome else { return None };
    let unverified = Unverified::read(&posted.jws).ok()?;
    let unknown = awaited(state, &unverified.payload, refusal).map(Lack::Unknown);
    unknown.or_else(|| must_move(state, &unverified.payload, refusal).map(Lack::Elsewhere))
}
