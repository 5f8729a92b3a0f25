//! Earlier places in the ledger: what it said then, whatever was corrected since.

use crate::domain::balance::SiteAccount;
use crate::domain::ids::{EntryIndex, SiteId};
use crate::domain::time::OccurredAt;
use crate::ledger::Ledger;
use crate::limits::{CLOCK_BEHIND_HEAD_MS_MAX, CLOCK_OFF_DATABASE_MS_MAX};
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

/// Why there is no such place.
#[derive(Debug)]
pub enum NoPlace {
    /// The ledger had no entry yet.
    BeforeTheFirst,
    /// The ledger has not come so far: what it will say of that place is not known.
    NotYet,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for NoPlace {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Grams by account.
pub type Accounts = BTreeMap<SiteAccount, i64>;

impl AsOf {
    /// Reads an index, or a time with its offset (RFC 3339).
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(|index| Self::Entry(EntryIndex(index)));
        }
        OccurredAt::parse(text).map(Self::Time)
    }

    /// The entry after which it lies, asked at a time in milliseconds since 1970.
    pub(crate) fn entry(&self, database: &mut Database, now_ms: i64) -> Result<EntryIndex, NoPlace> {
        let head = head::read(database)?;
        // Behind the last entry a moment is settled once no node's clock can still write an earlier one.
        let settled_ms = head.time.ms().max(now_ms - SETTLED_AFTER_MS);
        match self {
            Self::Entry(index) if index.0 < head.size() => Ok(*index),
            Self::Time(time) if time.ms() <= settled_ms => {
                last_by(database, head.size(), time.ms())?.ok_or(NoPlace::BeforeTheFirst)
            }
            // Entries may yet come before that moment: an answer now would not be the answer then.
            Self::Entry(_) | Self::Time(_) => Err(NoPlace::NotYet),
        }
    }
}

/// More than the clocks of two nodes that append may differ, in milliseconds.
const SETTLED_AFTER_MS: i64 = 2 * (CLOCK_BEHIND_HEAD_MS_MAX + CLOCK_OFF_DATABASE_MS_MAX);

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
    /// All accounts in grams, or those of a site, as they are now, or as they were after an earlier entry: as they are, less
    /// what came later. With them the entry, if an earlier place was asked for.
    pub fn accounts(
        &self,
        site: Option<SiteId>,
        as_of: Option<&AsOf>,
    ) -> Result<(Accounts, Option<EntryIndex>), NoPlace> {
        self.store.snapshot(|database| {
            let mut accounts = records::accounts(database)?;
            accounts.retain(|account, _| site.is_none() || account.site == site);
            let Some(as_of) = as_of else { return Ok((accounts, None)) };
            let at = as_of.entry(database, self.clock.now_ms())?;
            for (account, grams) in past::booked_after(database, at, site)? {
                *accounts.entry(account).or_default() -= grams;
            }
            Ok((accounts, Some(at)))
        })
    }
}
