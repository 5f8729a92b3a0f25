//! Writing derived state anew: software of another form than the database's replays the entries when it opens it.

use crate::domain::ids::EntryIndex;
use crate::ledger::replay::Replay;
use crate::proof::entry::Entry;
use crate::store::{Database, Store, StoreError, derived, entries, head, mentions, records};
use std::collections::BTreeSet;

/// Entries that are read at once.
const PAGE_ROWS: i64 = 1_000;

/// Brings derived state into this software's form, in one transaction under the head's lock: a crash leaves the old one, and
/// of several nodes that start at once one does it and the others find it done.
pub fn bring_up_to_date(store: &Store) -> Result<(), StoreError> {
    if store.read(derived::form)? == derived::FORM {
        return Ok(());
    }
    store.write(|database| {
        let head = head::lock(database)?;
        if derived::form(database)? == derived::FORM {
            return Ok(());
        }
        tracing::info!(entries = head.size(), "derived state is written anew from the entries");
        derived::clear(database)?;
        replay_into(database, head.size())
    })
}

fn replay_into(database: &mut Database, size: u64) -> Result<(), StoreError> {
    let Some(first) = entries::find(database, EntryIndex(0))? else { return Ok(()) };
    let origin = Entry::parse(&first.bytes).map_err(|error| StoreError::damaged(error.to_string()))?.ledger;
    let mut replay = Replay::start(origin);
    while replay.frontier.size() < size {
        let page = entries::page(database, EntryIndex(replay.frontier.size()), PAGE_ROWS)?;
        if page.is_empty() {
            return Err(StoreError::damaged("an entry is missing"));
        }
        let mut concerned = BTreeSet::new();
        for stored in page {
            let taken = replay.take(&stored.bytes).map_err(|error| StoreError::damaged(error.to_string()))?;
            concerned.extend(taken.concerned.into_iter().map(|subject| (subject.subject(), stored.index)));
        }
        mentions::insert(database, &concerned)?;
    }
    records::store(database, &replay.state.into_changes(), &BTreeSet::new())
}
