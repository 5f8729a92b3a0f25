//! Earlier places in the ledger: what it said then, whatever was corrected since.

use crate::domain::balance::SiteAccount;
use crate::domain::ids::EntryIndex;
use crate::domain::time::OccurredAt;
use crate::ledger::Ledger;
use crate::proof::entry::Entry;
use crate::store::{Database, StoreError, entries, head, past, records};
use std::collections::BTreeMap;

/// A place in the ledger, as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOf {
    /// After an entry.
    Entry(EntryIndex),
    /// After the last entry that the ledger wrote down by this time.
    Time(OccurredAt),
}

impl AsOf {
    /// Reads an index, or a time with its offset (RFC 3339).
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(|index| Self::Entry(EntryIndex(index)));
        }
        OccurredAt::parse(text).map(Self::Time)
    }

    /// The entry after which it lies; `None` if the ledger had none yet, or has not come so far.
    pub(crate) fn entry(&self, database: &mut Database) -> Result<Option<EntryIndex>, StoreError> {
        let size = head::read(database)?.size();
        match self {
            Self::Entry(index) => Ok((index.0 < size).then_some(*index)),
            Self::Time(time) => last_by(database, size, time.ms()),
        }
    }
}

/// The last entry whose time is not after a moment: times never go back, so halving finds it.
fn last_by(database: &mut Database, size: u64, until_ms: i64) -> Result<Option<EntryIndex>, StoreError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let damaged = || StoreError::damaged(format!("entry {middle} cannot be read"));
        let stored = entries::find(database, EntryIndex(middle))?.ok_or_else(damaged)?;
        let time = Entry::parse(&stored.bytes).map_err(|_| damaged())?.time;
        if time.ms() <= until_ms { low = middle + 1 } else { high = middle }
    }
    Ok(low.checked_sub(1).map(EntryIndex))
}

impl Ledger {
    /// All accounts in grams as they are now, or as they were after an earlier entry: as they are, less what came later.
    /// `None`: the ledger has no such place.
    pub fn accounts(&self, as_of: Option<&AsOf>) -> Result<Option<BTreeMap<SiteAccount, i64>>, StoreError> {
        self.store.snapshot(|database| {
            let mut accounts = records::accounts(database)?;
            let Some(as_of) = as_of else { return Ok(Some(accounts)) };
            let Some(at) = as_of.entry(database)? else { return Ok(None) };
            for (account, grams) in past::booked_after(database, at)? {
                *accounts.entry(account).or_default() -= grams;
            }
            Ok(Some(accounts))
        })
    }
}
