//! What statements would do, worked out in memory: rules, receipts and framed entries. Nothing of it is kept until the
//! transaction takes it over.

use super::{Accepted, Run};
use crate::domain::apply::{Context, apply};
use crate::domain::event::{CertificateRetired, Event};
use crate::domain::fields::{Field, Value};
use crate::domain::ids::EntryIndex;
use crate::domain::refusal::{Refusal, RefusalCode, Warning};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Changes, RecordKind, State, Stop, Wanted};
use crate::ledger::orders::NotAdmitted;
use crate::ledger::posting::{Outcome, Posted, Receipt, Refused};
use crate::ledger::working::{require_written_loaded, signing_key};
use crate::limits::LOAD_ROUNDS_MAX;
use crate::proof::commitment::Opening;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::merkle::leaf_hash;
use crate::proof::statement::{BytesRefused, Signed, Unverified};
use crate::store::StoreError;
use crate::store::entries::NewEntry;
use crate::store::head::Head;

/// What a group would do; taken over as a whole or dropped as a whole.
pub(super) struct Staged {
    pub(super) head: Head,
    pub(super) changes: Changes,
    pub(super) accepted: Accepted,
    pub(super) outcomes: Vec<Outcome>,
    /// The statement that asked for more of the state last.
    asked_at: usize,
}

impl Run<'_> {
    /// Works out what statements would do; when a rule asks for more of the state, loads it and goes on from there.
    pub(super) fn stage(&mut self, posted: &[Posted]) -> Result<Staged, StoreError> {
        let mut staged = Staged {
            head: self.head.clone(),
            changes: Changes::default(),
            accepted: Accepted::default(),
            outcomes: Vec::with_capacity(posted.len()),
            asked_at: 0,
        };
        let mut rounds = 0;
        while let Some(asked) = self.stage_rest(posted, &mut staged)? {
            rounds = if staged.outcomes.len() == staged.asked_at { rounds + 1 } else { 0 };
            staged.asked_at = staged.outcomes.len();
            match asked {
                // It rests on more than one transaction should load; the others go on.
                _ if rounds >= LOAD_ROUNDS_MAX => staged.outcomes.push(Outcome::Refused(Refused::TooMuchState)),
                Asked::State(ids) => self.load(ids)?,
                Asked::Reserved(blocks) => self.orders.read(self.database, &blocks)?,
            }
        }
        Ok(staged)
    }

    /// Stages from the first statement without an outcome on; gives what a rule or an admission check asks for, if one does.
    fn stage_rest(&self, posted: &[Posted], staged: &mut Staged) -> Result<Option<Asked>, StoreError> {
        let mut layer = self.working.state.overlay();
        layer.absorb(std::mem::take(&mut staged.changes));
        let mut asked = None;
        for posted in &posted[staged.outcomes.len()..] {
            match self.stage_one(&mut layer, staged, posted) {
                Ok(outcome) => staged.outcomes.push(outcome),
                Err(Unstaged::Refused(refused)) => staged.outcomes.push(Outcome::Refused(refused)),
                Err(Unstaged::Damaged(error)) => return Err(error),
                Err(Unstaged::Asked(what)) => {
                    asked = Some(what);
                    break;
                }
            }
        }
        staged.changes = layer.into_changes();
        Ok(asked)
    }

    fn stage_one(&self, layer: &mut State<'_>, staged: &mut Staged, posted: &Posted) -> Result<Outcome, Unstaged> {
        let at_its_turn;
        let signed = if let Some(signed) = &posted.signed {
            signed
        } else {
            at_its_turn = verify_at_its_turn(layer, &posted.jws)?;
            &at_its_turn
        };
        require_own_key(layer, signed)?;
        if let Some(receipt) = self.receipt_before(staged, signed)? {
            return Ok(Outcome::Repeated(receipt));
        }
        if let Some(outcome) = self.waiting.answer_before(posted, signed)? {
            return Ok(outcome);
        }
        require_openings(&signed.statement.event, &posted.openings)?;
        if let Some(refused) = self.demands.lacking(layer, &signed.statement)? {
            return Err(Unstaged::Refused(refused));
        }
        let index = EntryIndex(staged.head.size());
        let context =
            Context { index, time: self.time, signer: signed.signer, statement: &signed.statement, again: None };
        let mut overlay = layer.overlay();
        let warnings = apply(&mut overlay, &context)?;
        let changes = overlay.into_changes();
        require_written_loaded(layer, &changes)?;
        let concerned = changes.concerned(&signed.statement.common);
        let changes = layer.placed(changes, index, context.remembered(&warnings));
        self.require_witnessed(&signed.statement.event, &changes)?;
        let delivered = [&self.accepted.deliveries, &staged.accepted.deliveries];
        let deliveries = self.orders.admit(&signed.statement, &posted.openings, index, delivered)?;
        staged.accepted.deliveries.extend(deliveries);
        // Nothing of what admission refuses is left behind.
        staged.accepted.mentions.extend(concerned.into_iter().map(|subject| (subject.subject(), index)));
        layer.absorb(changes);
        Ok(Outcome::Accepted(self.frame(staged, signed, &posted.openings, warnings)))
    }

    /// An admission check, which replay skips: where certificates need a quorum, it has seen the entries that put the grams of
    /// an issue into their pool.
    fn require_witnessed(&self, event: &Event, changes: &Changes) -> Result<(), Unstaged> {
        let (Event::CertificateIssued(_), Some(covered)) = (event, self.demands.covered) else { return Ok(()) };
        let ranges = changes.stamps.iter().filter(|(id, _)| id.kind == RecordKind::PoolRange);
        let rests_on = ranges.filter_map(|(_, stamp)| stamp.before).max();
        match rests_on {
            Some(last) if last.0 < covered => Ok(()),
            _ => Err(Unstaged::Refused(Refused::NotWitnessed)),
        }
    }

    /// Idempotency: after the signature, before the rules. The same again gets the first receipt, other content under
    /// the same id is a conflict.
    fn receipt_before(&self, staged: &Staged, signed: &Signed) -> Result<Option<Receipt>, Unstaged> {
        let identity = signed.identity();
        let (payload_sha256, receipt) = if let Some(stored) = self.stored.get(&identity) {
            let receipt = Receipt::of_stored(self.origin, stored);
            let damaged = || StoreError::damaged(format!("entry {} cannot be read", stored.index));
            (stored.payload_sha256.clone(), receipt.ok_or_else(|| Unstaged::Damaged(damaged()))?)
        } else {
            let here = staged.accepted.receipts.get(&identity).or_else(|| self.accepted.receipts.get(&identity));
            let Some((payload_sha256, receipt)) = here else { return Ok(None) };
            (payload_sha256.to_vec(), receipt.clone())
        };
        if payload_sha256 != signed.payload_sha256 {
            return Err(Unstaged::Refused(Refused::SameIdOtherContent(receipt.index)));
        }
        Ok(Some(receipt))
    }

    /// Gives a statement its place: frames the entry, extends chain and tree.
    fn frame(&self, staged: &mut Staged, signed: &Signed, openings: &[Opening], warnings: Vec<Warning>) -> Receipt {
        let index = EntryIndex(staged.head.size());
        let entry = Entry {
            ledger: self.origin.clone(),
            index,
            time: self.time,
            prev: staged.head.chain_hash,
            statement: signed.jws.clone(),
        };
        let bytes = entry.to_bytes();
        let receipt = Receipt {
            ledger: self.origin.clone(),
            index,
            time: self.time,
            leaf_hash: leaf_hash(&bytes),
            chain_hash: ChainHash::of(&bytes),
            warnings,
        };
        staged.head.frontier.push(receipt.leaf_hash);
        staged.head.chain_hash = receipt.chain_hash;
        staged.head.time = self.time;
        staged.accepted.openings.extend(openings.iter().map(|opening| (index, opening.clone())));
        staged.accepted.receipts.insert(signed.identity(), (signed.payload_sha256, receipt.clone()));
        staged.accepted.entries.push(NewEntry {
            index,
            bytes,
            leaf_hash: receipt.leaf_hash,
            identity: signed.identity(),
            payload_sha256: signed.payload_sha256,
            warnings: receipt.warnings.write().unwrap_or(Value::List(Vec::new())).to_string(),
        });
        receipt
    }
}

/// A statement that was not staged.
enum Unstaged {
    Refused(Refused),
    Asked(Asked),
    Damaged(StoreError),
}

/// What must be read before a statement can be staged.
enum Asked {
    /// More of the state.
    State(Vec<Wanted>),
    /// What is reserved of some blocks.
    Reserved(Vec<SerialBlock>),
}

impl From<Stop> for Unstaged {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => Self::Refused(Refused::Rules(Box::new(refusal))),
            Stop::Load(wanted) => Self::Asked(Asked::State(wanted)),
        }
    }
}

impl From<Refused> for Unstaged {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<NotAdmitted> for Unstaged {
    fn from(not: NotAdmitted) -> Self {
        match not {
            NotAdmitted::Refused(refusal) => Self::Refused(Refused::Order(Box::new(refusal))),
            NotAdmitted::Unread(blocks) => Self::Asked(Asked::Reserved(blocks)),
        }
    }
}

impl From<BytesRefused> for Unstaged {
    fn from(refused: BytesRefused) -> Self {
        Self::Refused(Refused::Bytes(Box::new(refused)))
    }
}

/// Checks the signature of a statement whose key was unknown when it was posted: an earlier one may have brought it.
fn verify_at_its_turn(state: &State<'_>, jws: &str) -> Result<Signed, Unstaged> {
    let unverified = Unverified::read(jws)?;
    let Some(key) = signing_key(state, &unverified)? else {
        let detail = "no key of this thumbprint is registered; the operator registers an organisation's first key";
        return Err(refuse_by_rule(RefusalCode::KeyUnknown, "/kid", detail));
    };
    Ok(unverified.verify(&key)?)
}

/// An admission check, which replay skips: openings can be erased later, but not left out from the start.
fn require_openings(event: &Event, openings: &[Opening]) -> Result<(), Unstaged> {
    let Event::CertificateRetired(_) = event else { return Ok(()) };
    let is_open =
        |pointer: &str| openings.iter().any(|opening| opening.pointer == pointer && !opening.value.trim().is_empty());
    match CertificateRetired::OPENED.iter().find(|pointer| !is_open(pointer)) {
        None => Ok(()),
        Some(missing) => Err(Unstaged::Refused(Refused::OpeningMissing(missing))),
    }
}

/// Before a receipt is repeated: whoever signs with another organisation's key learns nothing of its entries.
fn require_own_key(state: &State<'_>, signed: &Signed) -> Result<(), Unstaged> {
    match state.key(&signed.signer)? {
        Some(key) if key.organisation != signed.statement.common.org => {
            let detail = "the signing key belongs to another organisation";
            Err(refuse_by_rule(RefusalCode::KeyOfAnotherOrganisation, "/org", detail))
        }
        _ => Ok(()),
    }
}

fn refuse_by_rule(code: RefusalCode, pointer: &str, detail: &str) -> Unstaged {
    let refusal = Refusal { code, pointer: pointer.to_owned(), detail: detail.to_owned() };
    Unstaged::Refused(Refused::Rules(Box::new(refusal)))
}
