//! Audit: everything again from the bytes, beside what the database holds.
//!
//! Hashes, chain, leaves, tiles, every checkpoint stored, every signature under the key rules, every rule by replay,
//! and the derived state record by record. Nothing that the database says about an entry is believed.

use crate::domain::balance::{imbalances, in_between};
use crate::domain::fields::Field;
use crate::domain::ids::{EntryIndex, Origin, SiteId};
use crate::domain::past::Stamp;
use crate::domain::registry::Ledger;
use crate::domain::state::{LEDGER_RECORD, Record, RecordId};
use crate::ledger::replay::{Replay, Taken};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::commitment::check_openings;
use crate::proof::json;
use crate::proof::keys::CompactJws;
use crate::proof::merkle::{TreeHash, leaf_hash, root_of};
use crate::proof::note::NoteVerifier;
use crate::store::entries::StoredEntry;
use crate::store::{Database, StoreError, StoreFault, entries, head, mentions, openings, past, records, tiles};
use std::collections::BTreeMap;

/// Rows that are read at once.
const PAGE_ROWS: i64 = 1_000;
/// Findings that are kept; more than these add nothing for whoever looks.
const FINDINGS_MAX: usize = 100;

/// Something that is not as the entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry that it is about, if it is about one.
    pub index: Option<EntryIndex>,
    /// What differs.
    pub problem: String,
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The ledger.
    pub origin: String,
    /// Entries that were replayed.
    pub entries: u64,
    /// Root over them, in hex.
    pub root: String,
    /// BLAKE3 of the last, in hex.
    pub chain_hash: String,
    /// Checkpoints that were compared.
    pub checkpoints: u64,
    /// Entries that the newest of them covers.
    pub covered: u64,
    /// Full tiles that were compared.
    pub tiles: u64,
    /// Records of the derived state that were compared.
    pub records: u64,
    /// Statements that rest on keys whose secrets the service holds.
    pub hosted_statements: u64,
    /// SHA-256 over the whole derived state, in hex.
    pub state_digest: String,
    /// What differs; empty if the ledger is clean.
    pub findings: Vec<Finding>,
}

impl Report {
    fn find(&mut self, index: Option<EntryIndex>, problem: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { index, problem: problem.into() });
        }
    }
}

/// Full tiles as they follow from the leaves, compared with the stored ones as they fill.
#[derive(Default)]
struct TileLevels(BTreeMap<u32, (u64, Vec<TreeHash>)>);

impl TileLevels {
    fn push(&mut self, database: &mut Database, leaf: TreeHash, report: &mut Report) -> Result<(), StoreError> {
        let (mut level, mut hash) = (0, leaf);
        loop {
            let (n, hashes) = self.0.entry(level).or_default();
            hashes.push(hash);
            if hashes.len() < 256 {
                return Ok(());
            }
            let stored = found_or_damage(tiles::full_tile(database, level, *n))?;
            let stored_root = tiles::roots(database, level, *n, *n + 1)?;
            hash = root_of(hashes);
            if stored.as_ref() != Some(hashes) || stored_root != [hash] {
                report.find(None, format!("tile {level}/{n} is not the hashes of its entries"));
            }
            report.tiles += 1;
            *n += 1;
            hashes.clear();
            level += 1;
        }
    }
}

/// Damage is a finding, not the end of the audit; other faults are.
fn found_or_damage<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.fault == StoreFault::Damaged => Ok(None),
        Err(error) => Err(error),
    }
}

/// Audits the ledger in a database; call it within one snapshot. `progress` is told the number of entries done.
pub fn audit(database: &mut Database, mut progress: impl FnMut(u64, u64)) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let Some(origin) = origin_of_first_entry(database)? else {
        report.find(None, "there is no entry 0 that opens a ledger");
        return Ok(report);
    };
    report.origin = origin.to_string();
    let head = head::read(database)?;
    let mut replay = Replay::start(origin);
    let mut levels = TileLevels::default();
    let mut mentions = 0;
    while replay.frontier.size() < head.size() {
        let done = replay.frontier.size();
        progress(done, head.size());
        let page = found_or_damage(entries::page(database, EntryIndex(done), PAGE_ROWS))?.unwrap_or_default();
        let checkpoints = tiles::checkpoints_between(database, done + 1, done + PAGE_ROWS.unsigned_abs())?;
        if page.is_empty() {
            report.find(Some(EntryIndex(done)), "the entry is missing or cannot be read");
            return Ok(report);
        }
        for stored in page.iter().take_while(|stored| stored.index.0 < head.size()) {
            let Some(taken) = take(&mut replay, stored, &mut report) else { return Ok(report) };
            compare_columns(stored, &taken, &mut report);
            mentions += compare_mentions(database, stored.index, &taken, &mut report)?;
            compare_openings(database, stored.index, &taken, &mut report)?;
            report.hosted_statements += u64::from(is_hosted(&replay, &taken));
            levels.push(database, leaf_hash(&stored.bytes), &mut report)?;
            let size = replay.frontier.size();
            for checkpoint in checkpoints.iter().filter(|checkpoint| checkpoint.size == size) {
                compare_checkpoint(&replay, checkpoint, &mut report);
            }
        }
    }
    progress(head.size(), head.size());
    if (&head.frontier, head.chain_hash) != (&replay.frontier, replay.chain_hash) {
        report.find(None, "the head row is not the end of the entries");
    }
    if !entries::page(database, EntryIndex(head.size()), 1)?.is_empty() {
        report.find(Some(EntryIndex(head.size())), "a row stands beyond the head");
    }
    if tiles::last_checkpoint(database)?.is_some_and(|last| last.size > head.size()) {
        report.find(None, "a checkpoint is stored over more entries than there are");
    }
    if mentions::count(database)? != mentions {
        report.find(None, "the index of what entries concern has other rows than the entries give");
    }
    compare_erasures(database, &replay, &mut report)?;
    compare_state(database, &replay, &mut report)?;
    report.entries = replay.frontier.size();
    report.root = replay.frontier.root().to_string();
    report.chain_hash = replay.chain_hash.to_string();
    report.state_digest = data_encoding::HEXLOWER.encode(&replay.state.digest());
    Ok(report)
}

/// The ledger's name stands in its first entry; the audit takes it from there and from nowhere else.
fn origin_of_first_entry(database: &mut Database) -> Result<Option<Origin>, StoreError> {
    let first = entries::find(database, EntryIndex(0))?;
    Ok(first.and_then(|first| crate::proof::entry::Entry::parse(&first.bytes).ok()).map(|entry| entry.ledger))
}

/// Replays one entry; after one that does not follow, nothing after it can be judged.
fn take(replay: &mut Replay, stored: &StoredEntry, report: &mut Report) -> Option<Taken> {
    let expected = EntryIndex(replay.frontier.size());
    if stored.index != expected {
        report.find(Some(expected), "the entry is missing");
        return None;
    }
    match replay.take(&stored.bytes) {
        Ok(taken) => Some(taken),
        Err(problem) => {
            report.find(Some(problem.index), problem.problem);
            None
        }
    }
}

fn compare_columns(stored: &StoredEntry, taken: &Taken, report: &mut Report) {
    let warnings = taken.warnings.write().map(|value| value.to_string());
    let compared = [
        ("leaf_hash", leaf_hash(&stored.bytes) == stored.leaf_hash),
        ("organisation", stored.identity.0 == taken.signed.identity().0),
        ("statement_id", stored.identity.1 == taken.signed.identity().1),
        ("payload_sha256", stored.payload_sha256 == taken.signed.payload_sha256),
        ("warnings", warnings.as_deref() == Some(stored.warnings.as_str())),
    ];
    for (column, _) in compared.iter().filter(|(_, same)| !same) {
        report.find(Some(stored.index), format!("the column {column} is not what the entry says"));
    }
}

fn compare_mentions(
    database: &mut Database,
    index: EntryIndex,
    taken: &Taken,
    report: &mut Report,
) -> Result<u64, StoreError> {
    for subject in &taken.concerned {
        let subject = subject.subject();
        if !mentions::concerns(database, &subject, index)? {
            report.find(Some(index), format!("the index does not say that it concerns {subject}"));
        }
    }
    Ok(u64::try_from(taken.concerned.len()).unwrap_or(u64::MAX))
}

/// An opening may be erased, never changed: each that is there must open its commitment.
fn compare_openings(
    database: &mut Database,
    index: EntryIndex,
    taken: &Taken,
    report: &mut Report,
) -> Result<(), StoreError> {
    let payload = CompactJws::parse(&taken.signed.jws).ok().and_then(|jws| json::parse(&jws.payload).ok());
    let openings = found_or_damage(openings::of_entry(database, index))?;
    let opens = |openings: &Vec<_>| payload.is_some_and(|payload| check_openings(&payload, openings).is_ok());
    if !openings.as_ref().is_some_and(opens) {
        report.find(Some(index), "an opening does not open its commitment");
    }
    Ok(())
}

/// What an entry erased is gone: a row that is there again came from a backup, or was never deleted.
fn compare_erasures(database: &mut Database, replay: &Replay, report: &mut Report) -> Result<(), StoreError> {
    for record in replay.state.records().values() {
        let Record::Erased(erased) = record else { continue };
        // Openings that cannot be read were found with their entry.
        let kept = found_or_damage(openings::of_entry(database, erased.entry))?.unwrap_or_default();
        for value in &erased.values {
            if kept.iter().any(|opening| opening.pointer == value.pointer.as_str()) {
                let problem = format!("the value at {} is still there, entry {} erased it", value.pointer, value.by);
                report.find(Some(erased.entry), problem);
            }
        }
    }
    Ok(())
}

fn is_hosted(replay: &Replay, taken: &Taken) -> bool {
    use crate::domain::codes::KeyCustody;
    matches!(replay.state.key(&taken.signed.signer), Ok(Some(key)) if key.custody == KeyCustody::Hosted)
}

fn compare_checkpoint(replay: &Replay, stored: &tiles::StoredCheckpoint, report: &mut Report) {
    report.checkpoints += 1;
    report.covered = stored.size;
    let vkeys = replay.state.ledger().ok().flatten().into_iter().flat_map(Ledger::checkpoint_vkeys);
    let mut verifiers = vkeys.filter_map(|vkey| NoteVerifier::parse(vkey.as_str()).ok());
    let opened = verifiers.find_map(|verifier| Checkpoint::open(&stored.note, &verifier).ok());
    let says = opened.map(|checkpoint| (checkpoint.size, checkpoint.root));
    let root = replay.frontier.root();
    if says != Some((stored.size, root)) || stored.root != root {
        report.find(None, format!("the checkpoint over {} entries is not signed over them", stored.size));
    }
}

fn compare_state(database: &mut Database, replay: &Replay, report: &mut Report) -> Result<(), StoreError> {
    let mut after = (String::new(), String::new());
    let mut seen = 0;
    loop {
        let page = records::page_all(database, (&after.0, &after.1), PAGE_ROWS);
        let Some(page) = found_or_damage(page)? else {
            report.find(None, format!("a record after {:?} of the derived state cannot be read", after.0));
            return Ok(());
        };
        let Some(last) = page.last().map(|(record, _)| record.id()) else { break };
        for (record, stamp) in &page {
            seen += 1;
            compare_record(replay, record, *stamp, report);
        }
        after = (last.id, last.kind.to_string());
    }
    report.records = seen;
    let expected = u64::try_from(replay.state.records().len()).unwrap_or(u64::MAX);
    if seen != expected {
        report.find(None, format!("the derived state has {seen} records, the entries give {expected}"));
    }
    compare_past(database, replay, report)?;
    compare_bookings(database, replay, report)?;
    for (site, grams) in imbalances(replay.state.accounts()) {
        report.find(None, format!("the accounts do not close by {grams} g at {}", place(site)));
    }
    if in_between(replay.state.accounts()) != 0 {
        report.find(None, "what departed from sites is not what arrived at others");
    }
    if found_or_damage(records::accounts(database))?.as_ref() != Some(replay.state.accounts()) {
        report.find(None, "the accounts are not those that the entries give");
    }
    for (site, grams) in replay.state.live_differences() {
        report.find(None, format!("items and open batches at {} are {grams} g off its account", place(site)));
    }
    for id in replay.state.composition_differences() {
        report.find(None, format!("the sources of {} {} do not add up to its mass", id.kind, id.id));
    }
    Ok(())
}

fn place(site: Option<SiteId>) -> String {
    site.map_or_else(|| "no site".to_owned(), |site| format!("site {site}"))
}

/// What was known at earlier entries, version by version.
fn compare_past(database: &mut Database, replay: &Replay, report: &mut Report) -> Result<(), StoreError> {
    let (mut after, mut seen) = ((EntryIndex(0), String::new(), String::new()), 0);
    loop {
        let page = found_or_damage(past::page(database, (after.0, &after.1, &after.2), PAGE_ROWS))?;
        let Some(page) = page else {
            report.find(Some(after.0), "an earlier version of a record cannot be read");
            return Ok(());
        };
        let Some(last) = page.last() else { break };
        let id = last.record.id();
        after = (last.stamp.since, id.id, id.kind.to_string());
        for version in &page {
            let id = version.record.id();
            if replay.state.version(&id, version.stamp.since) != Some(version) {
                let problem = format!("what the {} {} was from here on is not what the entries give", id.kind, id.id);
                report.find(Some(version.stamp.since), problem);
            }
        }
        seen += page.len();
    }
    if seen != replay.state.versions() {
        let expected = replay.state.versions();
        report.find(None, format!("there are {seen} earlier versions of records, the entries give {expected}"));
    }
    Ok(())
}

/// What each entry booked.
fn compare_bookings(database: &mut Database, replay: &Replay, report: &mut Report) -> Result<(), StoreError> {
    let (mut from, mut left, mut seen) = (EntryIndex(0), replay.state.bookings(), 0);
    while from.0 < replay.frontier.size() {
        let to = EntryIndex(from.0 + PAGE_ROWS.unsigned_abs());
        let here = left.partition_point(|(index, ..)| *index < to);
        let (mut derived, rest) = (left[..here].to_vec(), &left[here..]);
        let Some(mut stored) = found_or_damage(past::bookings_between(database, from, to))? else {
            report.find(Some(from), "what an entry from here on booked cannot be read");
            return Ok(());
        };
        seen += stored.len();
        stored.sort();
        derived.sort();
        if let Some((differs, _)) = stored.iter().zip(&derived).find(|(stored, derived)| stored != derived) {
            report.find(Some(differs.0), "what it booked is not what the rules give");
        }
        (from, left) = (to, rest);
    }
    if seen != replay.state.bookings().len() {
        report.find(None, "there are other bookings than the entries give");
    }
    Ok(())
}

fn compare_record(replay: &Replay, stored: &Record, stamp: Stamp, report: &mut Report) {
    let RecordId { id, kind } = stored.id();
    let derived = replay.state.records().get(&stored.id());
    if derived != Some(stored) || replay.state.stamp(&stored.id()) != Some(stamp) {
        let name = if id == LEDGER_RECORD { "the ledger".to_owned() } else { format!("{kind} {id}") };
        report.find(None, format!("the stored record of {name} is not what the entries give"));
    }
}
