//! A ledger's own database as a source: its entries, and every row beside them. Call it within one snapshot.

use crate::domain::event::{CertificateRetired, Event};
use crate::domain::ids::EntryIndex;
use crate::domain::state::{Changes, Record, RecordKind};
use crate::ledger::audit::derived;
use crate::ledger::audit::progress::Progress;
use crate::ledger::audit::report::Findings;
use crate::ledger::audit::source::{End, Source, SourceError};
use crate::ledger::replay::{Taken, stored_form};
use crate::proof::commitment::check_openings;
use crate::proof::cosignature::Cosigner;
use crate::proof::json;
use crate::proof::keys::CompactJws;
use crate::proof::merkle::{TreeHash, leaf_hash, root_of};
use crate::proof::note::Note;
use crate::proof::tiles::{TILE_WIDTH, TileSource};
use crate::store::derived as derived_form;
use crate::store::entries::StoredEntry;
use crate::store::head::Head;
use crate::store::tiles::{StoredCheckpoint, StoredTiles};
use crate::store::{
    Database, StoreError, StoreFault, companies, cosignatures, entries, head, mentions, openings, past, tiles,
};
use std::collections::VecDeque;

/// Cosignatures that are read at once.
const PAGE_ROWS: i64 = 1_000;

/// A database to be audited.
pub struct DatabaseSource<'a> {
    database: &'a mut Database,
    /// Rows whose entries were given away and have not come back.
    rows: VecDeque<StoredEntry>,
    size: u64,
}

impl<'a> DatabaseSource<'a> {
    /// Reads within the snapshot that the connection has.
    pub const fn new(database: &'a mut Database) -> Self {
        Self { database, rows: VecDeque::new(), size: 0 }
    }
}

/// Damage is a finding, not the end of the audit; other faults are.
pub(super) fn found_or_damage<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.fault == StoreFault::Damaged => Ok(None),
        Err(error) => Err(error),
    }
}

impl Source for DatabaseSource<'_> {
    fn name(&self) -> String {
        match self.database {
            Database::Postgres(_) => "a PostgreSQL database".into(),
            Database::Sqlite(_) => "a SQLite database".into(),
        }
    }

    fn is_own(&self) -> bool {
        true
    }

    fn end(&mut self) -> Result<End, SourceError> {
        if derived_form::form(self.database)? != derived_form::FORM {
            let cure = "audit with the software that serves it, or start the service of this version once";
            let problem = format!("the database's derived state is of another version than this software: {cure}");
            return Err(SourceError::Unreachable(problem));
        }
        self.size = head::read(self.database)?.size();
        let last = found_or_damage(tiles::last_checkpoint(self.database))?.flatten();
        Ok(End { size: self.size, note: last.map(|last| last.note) })
    }

    fn entry(&mut self, index: EntryIndex) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Damaged("the entry is missing".into());
        entries::find(self.database, index)?.map(|stored| stored.bytes).ok_or_else(missing)
    }

    fn entries(&mut self, from: EntryIndex, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let count = count.min(self.size.saturating_sub(from.0));
        let rows = match entries::page(self.database, from, i64::try_from(count).unwrap_or(i64::MAX)) {
            Err(error) if error.fault == StoreFault::Damaged => self.rows_one_by_one(from, count)?,
            other => other?,
        };
        let mut found = Vec::with_capacity(rows.len());
        for (row, expected) in rows.into_iter().zip(from.0..) {
            if row.index.0 != expected {
                break;
            }
            found.push(row.bytes.clone());
            self.rows.push_back(row);
        }
        if found.is_empty() {
            return Err(SourceError::Damaged("the entry is missing or cannot be read".into()));
        }
        Ok(found)
    }

    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, SourceError> {
        let hashes = StoredTiles(self.database).tile(level, n, width)?;
        if width == TILE_WIDTH && tiles::roots(self.database, level, n, n + 1)? != [root_of(&hashes)] {
            return Err(SourceError::Damaged("its column root is not the root of its hashes".into()));
        }
        Ok(hashes)
    }

    fn checkpoints(&mut self, from: u64, to: u64) -> Result<Vec<StoredCheckpoint>, SourceError> {
        Ok(tiles::checkpoints_between(self.database, from, to)?)
    }

    fn compare_batch(
        &mut self,
        taken: &[Taken],
        changes: &Changes,
        progress: &mut Progress,
    ) -> Result<(), SourceError> {
        for taken in taken {
            let Some(stored) = self.rows.pop_front() else { break };
            compare_columns(&stored, taken, &mut progress.findings);
            compare_openings(self.database, taken, &mut progress.findings)?;
        }
        compare_mentions(self.database, taken, progress)?;
        compare_bookings(self.database, taken, changes, progress)?;
        Ok(())
    }

    fn compare_end(
        &mut self,
        workspace: &mut Database,
        head: &Head,
        progress: &Progress,
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        let stored = found_or_damage(head::read(self.database))?;
        let end_of = |head: &Head| (head.frontier.clone(), head.chain_hash, head.time);
        if stored.as_ref().map(end_of) != Some(end_of(head)) {
            findings.broken(None, "the head row is not the end of the entries");
        }
        compare_shown(self.database, findings)?;
        if found_or_damage(entries::page(self.database, EntryIndex(head.size()), 1))?
            .is_none_or(|rows| !rows.is_empty())
        {
            findings.broken(EntryIndex(head.size()), "a row stands beyond the head");
        }
        if openings::stands_from(self.database, EntryIndex(head.size()))? {
            findings.wrong(EntryIndex(head.size()), "an opening stands at an entry that there is not");
        }
        let last = found_or_damage(tiles::last_checkpoint(self.database))?;
        if last.is_none_or(|last| last.is_some_and(|last| last.size > head.size())) {
            findings.broken(None, "a checkpoint is stored over more entries than there are");
        }
        if mentions::count(self.database)? != progress.mentions {
            findings.wrong(None, "the index of what entries concern has other rows than the entries give");
        }
        if past::counts(self.database)?.1 != progress.bookings {
            findings.wrong(None, "there are other bookings than the entries give");
        }
        if !companies::are_as_many(self.database)? {
            findings.wrong(None, "the register knows other companies than retirements name");
        }
        derived::compare(self.database, workspace, head.size(), findings)?;
        compare_cosignatures(self.database, findings)?;
        compare_erasures(self.database, workspace, findings)
    }
}

impl DatabaseSource<'_> {
    /// The rows before one that cannot be read.
    fn rows_one_by_one(&mut self, from: EntryIndex, count: u64) -> Result<Vec<StoredEntry>, StoreError> {
        let mut rows = Vec::new();
        for index in from.0..from.0.saturating_add(count) {
            match found_or_damage(entries::find(self.database, EntryIndex(index)))? {
                Some(Some(row)) => rows.push(row),
                _ => break,
            }
        }
        Ok(rows)
    }
}

fn compare_columns(stored: &StoredEntry, taken: &Taken, findings: &mut Findings) {
    let compared = [
        ("leaf_hash", leaf_hash(&stored.bytes) == stored.leaf_hash),
        ("organisation", stored.identity.0 == taken.signed.identity().0),
        ("statement_id", stored.identity.1 == taken.signed.identity().1),
        ("payload_sha256", stored.payload_sha256 == taken.signed.payload_sha256),
        ("warnings", stored.warnings == stored_form(&taken.warnings)),
    ];
    for (column, _) in compared.iter().filter(|(_, same)| !same) {
        findings.wrong(stored.index, format!("the column {column} is not what the entry says"));
    }
}

/// An opening may be erased, never changed: each that is there must open its commitment.
fn compare_openings(database: &mut Database, taken: &Taken, findings: &mut Findings) -> Result<(), StoreError> {
    let opens = |openings: &Vec<_>| {
        let payload = CompactJws::parse(&taken.signed.jws).ok().and_then(|jws| json::parse(&jws.payload).ok());
        openings.is_empty() || payload.is_some_and(|payload| check_openings(&payload, openings).is_ok())
    };
    let found = found_or_damage(openings::of_entry(database, taken.index))?;
    if !found.as_ref().is_some_and(opens) {
        findings.wrong(taken.index, "an opening does not open its commitment");
    }
    if let Event::CertificateRetired(_) = taken.signed.statement.event {
        let openings = found.unwrap_or_default();
        let company = openings.iter().find(|opening| opening.pointer == CertificateRetired::COMPANY);
        if !companies::follows(database, taken.index, company.map(|opening| opening.value.as_str()))? {
            findings.wrong(taken.index, "the register finds its company by another name than was opened");
        }
    }
    Ok(())
}

fn compare_mentions(database: &mut Database, taken: &[Taken], progress: &mut Progress) -> Result<(), StoreError> {
    let concerned = |taken: &Taken| {
        let index = taken.index;
        taken.concerned.iter().map(move |subject| (subject.subject(), index)).collect::<Vec<_>>()
    };
    let expected: Vec<(String, EntryIndex)> = taken.iter().flat_map(concerned).collect();
    progress.mentions += u64::try_from(expected.len()).unwrap_or(u64::MAX);
    for (subject, index) in mentions::missing(database, &expected)? {
        progress.findings.wrong(index, format!("the index does not say that it concerns {subject}"));
    }
    Ok(())
}

/// What each entry booked.
fn compare_bookings(
    database: &mut Database,
    taken: &[Taken],
    changes: &Changes,
    progress: &mut Progress,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (taken.first(), taken.last()) else { return Ok(()) };
    let (from, to) = (first.index, EntryIndex(last.index.0 + 1));
    let mut derived = changes.bookings.clone();
    progress.bookings += u64::try_from(derived.len()).unwrap_or(u64::MAX);
    let Some(mut stored) = found_or_damage(past::bookings_between(database, from, to))? else {
        progress.findings.wrong(from, "what an entry from here on booked cannot be read");
        return Ok(());
    };
    stored.sort();
    derived.sort();
    let differs = stored.iter().zip(&derived).find(|(stored, derived)| stored != derived);
    let differs = differs.map(|(stored, derived)| stored.0.min(derived.0));
    let longer = || stored.get(derived.len()).or_else(|| derived.get(stored.len())).map(|booked| booked.0);
    if let Some(index) = differs.or_else(longer) {
        progress.findings.wrong(index, "what it booked is not what the rules give");
    }
    Ok(())
}

/// What may be seen is a checkpoint, and no newer one than the newest.
fn compare_shown(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let shown = found_or_damage(tiles::shown_size(database))?;
    let exists = match shown {
        Some(0) => true,
        Some(size) => found_or_damage(tiles::checkpoint(database, size))?.flatten().is_some(),
        None => false,
    };
    if !exists {
        findings.wrong(None, "the size that is shown is that of no checkpoint");
    }
    Ok(())
}

/// What a witness said of a checkpoint is its own, and of that checkpoint.
fn compare_cosignatures(database: &mut Database, findings: &mut Findings) -> Result<(), StoreError> {
    let mut after = (0, String::new());
    loop {
        let page = found_or_damage(cosignatures::page(database, (after.0, &after.1), PAGE_ROWS))?;
        let Some(page) = page else {
            findings.wrong(
                None,
                format!("a cosignature of the checkpoint over {} entries or more cannot be read", after.0),
            );
            return Ok(());
        };
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.size, last.witness.clone());
        for row in &page {
            let checkpoint = found_or_damage(tiles::checkpoint(database, row.size))?.flatten();
            let note = checkpoint.map(|checkpoint| checkpoint.note + &row.line).unwrap_or_default();
            let time = Cosigner::parse(&row.witness).and_then(|cosigner| cosigner.time_of(&Note::parse(&note)?));
            if time != Ok(row.time) {
                let (witness, size) = (&row.witness, row.size);
                findings.wrong(
                    None,
                    format!("the cosignature of {witness} on the checkpoint over {size} entries is not its own"),
                );
            }
        }
    }
}

/// What an entry erased is gone: a row that is there again came from a backup, or was never deleted.
fn compare_erasures(
    database: &mut Database,
    workspace: &mut Database,
    findings: &mut Findings,
) -> Result<(), SourceError> {
    derived::each_of(workspace, &[RecordKind::Erased], |record| {
        let Record::Erased(erased) = record else { return Ok(()) };
        // Openings that cannot be read were found with their entry.
        let kept = found_or_damage(openings::of_entry(database, erased.entry))?.unwrap_or_default();
        for value in &erased.values {
            if kept.iter().any(|opening| opening.pointer == value.pointer.as_str()) {
                let problem = format!("the value at {} is still there, entry {} erased it", value.pointer, value.by);
                findings.wrong(erased.entry, problem);
            }
        }
        Ok(())
    })?;
    Ok(())
}
