//! State as it is loaded from a database for the statements at hand: what appending and replaying both work on.

use crate::domain::certificate::Certificate;
use crate::domain::fields::Field;
use crate::domain::ids::OrganisationId;
use crate::domain::past::PastEntry;
use crate::domain::state::{Changes, Record, RecordId, State, Stop, Wanted};
use crate::proof::entry::Entry;
use crate::proof::json;
use crate::proof::keys;
use crate::proof::statement::Unverified;
use crate::store::entries::StoredEntry;
use crate::store::stock::{self, StockRow};
use crate::store::{Database, StoreError, blocks, entries, holdings, past, records};
use ed25519_dalek::VerifyingKey;
use std::collections::BTreeSet;

/// A partial state over a database, which holds everything that is not in it.
pub(crate) struct Working {
    pub(crate) state: State<'static>,
    /// Records that the database has, to tell an update from an insert.
    known: BTreeSet<RecordId>,
}

impl Working {
    /// Nothing is loaded yet.
    pub(crate) fn new() -> Self {
        Self { state: State::partial(), known: BTreeSet::new() }
    }

    /// Loads what rules ask for.
    pub(crate) fn load(&mut self, database: &mut Database, wanted: Vec<Wanted>) -> Result<(), StoreError> {
        let (mut ids, mut indexes) = (Vec::new(), Vec::new());
        for wanted in wanted {
            match wanted {
                Wanted::Record(id) => ids.push(id),
                Wanted::Past { id, from } => {
                    self.state.remember(id.clone(), from, past::of_id(database, &id, from)?);
                    ids.push(id);
                }
                Wanted::Entry(index) => indexes.push(index),
            }
        }
        // What was changed since and is not written yet is newer than the database.
        ids.retain(|id| !self.state.has_loaded(id));
        for (record, stamp) in records::load_stamped(database, &ids)? {
            self.known.insert(record.id());
            self.state.put_stored(record, stamp);
        }
        self.state.mark_loaded(ids);
        for stored in entries::find_many(database, &indexes)? {
            self.state.remember_entry(stored.index, past_entry(&stored)?);
        }
        Ok(())
    }

    /// Writes derived state: records, what they were, bookings and accounts, blocks, in whose accounts they are, and the
    /// stock.
    pub(crate) fn store(&self, database: &mut Database, changes: &Changes) -> Result<(), StoreError> {
        records::store(database, changes, &self.known)?;
        blocks::store(database, changes)?;
        holdings::store(database, &changes.happened)?;
        let mut standing = Vec::new();
        for record in changes.records.values() {
            if let Record::Certificate(certificate) = record {
                let centre = self.centre_of(database, certificate)?;
                standing.push((certificate.serial.to_string(), StockRow::of(certificate, centre)));
            }
        }
        stock::keep(database, &standing)
    }

    /// Whose the site of a certificate is.
    fn centre_of(
        &self,
        database: &mut Database,
        certificate: &Certificate,
    ) -> Result<Option<OrganisationId>, StoreError> {
        let site = match self.state.site(&certificate.site) {
            Ok(site) => site.cloned(),
            Err(_) => records::find(database, &certificate.site.to_string())?,
        };
        Ok(site.and_then(|site| site.organisation))
    }

    /// After what was changed has been written: the database has it now. Records are kept, the rest is loaded again when it
    /// is asked for; from `records_max` records on nothing is kept.
    pub(crate) fn written(&mut self, changes: Changes, records_max: usize) {
        if self.state.records().len() > records_max {
            *self = Self::new();
            return;
        }
        self.known.extend(changes.records.into_keys());
        self.state.forget_past();
    }
}

/// A rule may write what it never asked for; whether that is an insert or an update must be known.
pub(crate) fn require_written_loaded(state: &State<'_>, changes: &Changes) -> Result<(), Stop> {
    let unasked = changes.written().filter(|id| !state.has_loaded(id));
    let unasked: Vec<Wanted> = unasked.map(|id| Wanted::Record(id.to_owned())).collect();
    if unasked.is_empty() { Ok(()) } else { Err(Stop::Load(unasked)) }
}

/// The public key of a statement's `kid`: registered, or brought along by what opens a ledger. Sequencing and replay
/// both ask here.
pub(crate) fn signing_key(state: &State<'_>, unverified: &Unverified<'_>) -> Result<Option<VerifyingKey>, Stop> {
    let registered = state.key(&unverified.kid())?.and_then(|key| keys::from_coordinate(&key.x).ok());
    Ok(registered.or_else(|| unverified.opening_key()))
}

/// An entry as the rules see it later. Its signature was checked when it was accepted.
fn past_entry(stored: &StoredEntry) -> Result<PastEntry, StoreError> {
    let damaged = || StoreError::damaged(format!("entry {} cannot be read", stored.index));
    let entry = Entry::parse(&stored.bytes).map_err(|_| damaged())?;
    let statement = Unverified::read(&entry.statement).map_err(|_| damaged())?;
    let warnings = json::parse_own(stored.warnings.as_bytes()).map_err(|_| damaged())?;
    let warnings = Vec::read(&warnings).map_err(|_| damaged())?;
    Ok(PastEntry { time: entry.time, signer: statement.kid(), statement: statement.statement, warnings })
}
