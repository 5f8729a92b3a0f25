//! Writing derived state anew: software of another form than the database's replays the entries when it opens it.

use crate::domain::ids::EntryIndex;
use crate::ledger::replay::checked::{Keys, check_all};
use crate::ledger::replay::{Keep, NotTaken, Replay};
use crate::limits::REPLAY_BATCH_ENTRIES;
use crate::proof::entry::Entry;
use crate::store::head::Head;
use crate::store::{Database, Store, StoreError, companies, derived, entries, head};

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
        replay_into(database, head.size())?;
        companies::write_anew(database)
    })
}

fn replay_into(database: &mut Database, size: u64) -> Result<(), StoreError> {
    let Some(first) = entries::find(database, EntryIndex(0))? else { return Ok(()) };
    let origin = Entry::parse(&first.bytes).map_err(|error| StoreError::damaged(error.to_string()))?.ledger;
    let mut replay = Replay::behind(origin, Keep::Derived, Head::start());
    let (keys, threads) = (Keys::default(), std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    while replay.head.size() < size {
        let page = entries::page(database, EntryIndex(replay.head.size()), REPLAY_BATCH_ENTRIES)?;
        if page.is_empty() {
            return Err(StoreError::damaged("an entry is missing"));
        }
        let batch = check_all(page.into_iter().map(|stored| stored.bytes).collect(), &keys, threads);
        replay.prepare(database, &batch)?;
        for checked in batch {
            replay.take(database, &keys, checked).map_err(|error| match error {
                NotTaken::Entry(problem) => StoreError::damaged(problem.to_string()),
                NotTaken::Store(error) => error,
            })?;
        }
        replay.write(database)?;
    }
    Ok(())
}
