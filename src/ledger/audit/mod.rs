//! Audit: everything again from the bytes, beside what was signed and what lies beside the entries.
//!
//! Hashes, chain, leaves, tiles, checkpoints, every signature under the key rules, every rule by replay, what must add up, and
//! for a database the derived state row by row. Nothing that a source says about an entry is believed.
//!
//! The replay lies in a workspace, so memory holds one batch. A run that was killed goes on behind the last batch that it wrote.

pub mod anchor;
mod certified;
mod closing;
pub mod database;
mod derived;
pub mod directory;
pub mod progress;
pub mod remote;
pub mod report;
pub mod seen;
pub mod source;
mod tile_files;
mod tree;

use crate::domain::ids::{EntryIndex, Origin};
use crate::domain::registry::Ledger;
use crate::domain::state::LEDGER_RECORD;
use crate::ledger::replay::checked::{Checked, Keys, check_all};
use crate::ledger::replay::{DoesNotFollow, Keep, NotTaken, Replay, Taken};
use crate::limits::REPLAY_BATCH_ENTRIES;
use crate::proof::entry::Entry;
use crate::store::tiles::StoredCheckpoint;
use crate::store::workspace::{self, Workspace};
use crate::store::{Database, StoreError, StoreFault, entries, head, records};
use anchor::Anchor;
use database::DatabaseSource;
use progress::Progress;
use report::{Findings, Report, Trust};
use seen::Seen;
use source::{End, Source, SourceError};
use std::io;
use tree::{Tree, compare_full_tiles, compare_stored};

/// Why an audit stopped before its end; what it wrote down stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The source does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The workspace is that of another ledger.
    #[error("{0}")]
    OtherLedger(String),
    /// The workspace.
    #[error("the audit's own database: {0}; if it stays, take another folder, or --afresh")]
    Workspace(#[from] StoreError),
    /// The folder of the audit.
    #[error("the audit's folder: {0}")]
    Folder(#[from] io::Error),
}

/// An audit: where it works, what it trusts, and who is told how far it is.
pub struct Audit<'a> {
    /// Where the replay lies.
    pub workspace: &'a mut Workspace,
    /// Checkpoints of earlier runs.
    pub seen: &'a Seen,
    /// Under which key the ledger's checkpoints count.
    pub anchor: Anchor,
    /// Threads that check signatures.
    pub threads: usize,
    /// Entries that are taken in one transaction: what memory holds, and what is lost at most when the run is killed.
    pub batch: u64,
    /// Is told how many entries are done, and of how many.
    pub tell: &'a mut dyn FnMut(u64, u64),
}

/// Audits the ledger in a database on this thread, and remembers nothing; call it within one snapshot.
pub fn audit(database: &mut Database, mut tell: impl FnMut(u64, u64)) -> Result<Report, StoreError> {
    let mut workspace = Workspace::temporary()?;
    let mut audit = Audit {
        workspace: &mut workspace,
        seen: &Seen::nothing(),
        anchor: Anchor::None,
        threads: 1,
        batch: REPLAY_BATCH_ENTRIES.unsigned_abs(),
        tell: &mut tell,
    };
    audit.run(&mut DatabaseSource::new(database)).map_err(|error| match error {
        AuditError::Workspace(error) => error,
        other => StoreError { fault: StoreFault::Failed, message: other.to_string() },
    })
}

/// One run at work.
struct Run<'a, 's> {
    audit: &'a mut Audit<'s>,
    source: &'a mut dyn Source,
    end: End,
    replay: Replay,
    keys: Keys,
    progress: Progress,
    /// What is found in this run and will be found again by the next.
    findings: Findings,
    /// Set if nothing behind an entry can be judged.
    stopped: bool,
}

impl Audit<'_> {
    /// Reads what is new at the source, checks it, and compares everything with what follows from the entries.
    pub fn run(&mut self, source: &mut dyn Source) -> Result<Report, AuditError> {
        let mut findings = Findings::default();
        let mut end =
            source.end().or_else(|error| damaged(&mut findings, None, &error).map(|()| End { size: 0, note: None }))?;
        let replayed = head::read(self.workspace.database())?;
        let before = replayed.size();
        // Who has seen more than the witnesses looks as far as that was.
        if end.size < before.max(self.seen.largest()?)
            && let Ok(Some(newest)) = source.newest()
        {
            end = newest;
        }
        let mut progress = Progress::read(self.workspace.database())?.unwrap_or_default();
        let first = first_entry(source, &end);
        let Some(origin) = self.origin(first, &progress, &mut findings)? else {
            let mut report = empty_report(source, &end, &progress.origin);
            report.add(findings);
            return Ok(report);
        };
        progress.origin = origin.to_string();
        let replay = Replay::behind(origin, Keep::Entries, replayed);
        let (keys, stopped) = (Keys::default(), false);
        let mut run = Run { audit: self, source, end, replay, keys, progress, findings, stopped };
        run.recognise()?;
        run.take_all()?;
        run.conclude(before)
    }

    /// The ledger's name stands in its first entry; the audit takes it from there and from nowhere else.
    fn origin(
        &self,
        first: Result<Vec<u8>, SourceError>,
        progress: &Progress,
        findings: &mut Findings,
    ) -> Result<Option<Origin>, AuditError> {
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                damaged(findings, Some(EntryIndex(0)), &error)?;
                Vec::new()
            }
        };
        let origin = Entry::parse(&first).ok().filter(|entry| entry.index.0 == 0).map(|entry| entry.ledger);
        let known = Origin::parse(&progress.origin);
        if let (Some(origin), Some(known)) = (&origin, &known)
            && origin != known
        {
            let problem =
                format!("the folder holds the audit of {known}, this is {origin}; take another one with --work");
            return Err(AuditError::OtherLedger(problem));
        }
        if let (Some(origin), Some(named)) = (&origin, self.anchor.origin())
            && origin.as_str() != named
        {
            findings.broken(EntryIndex(0), format!("it opens {origin}, the key that was given is that of {named}"));
        }
        if origin.is_none() {
            findings.broken(EntryIndex(0), "there is no entry 0 that opens a ledger");
        }
        Ok(origin.or(known))
    }
}

fn first_entry(source: &mut dyn Source, end: &End) -> Result<Vec<u8>, SourceError> {
    if end.size == 0 {
        return Ok(Vec::new());
    }
    source.entry(EntryIndex(0))
}

/// Damage becomes a finding; a source that does not answer ends the run.
fn damaged(findings: &mut Findings, index: Option<EntryIndex>, error: &SourceError) -> Result<(), AuditError> {
    match error {
        SourceError::Damaged(problem) => findings.broken(index, problem.clone()),
        SourceError::Unreachable(problem) => return Err(AuditError::Unreachable(problem.clone())),
    }
    Ok(())
}

fn empty_report(source: &dyn Source, end: &End, origin: &str) -> Report {
    Report {
        origin: origin.to_owned(),
        source: source.name(),
        held: end.size,
        entries: 0,
        replayed_before: 0,
        root: String::new(),
        chain_hash: String::new(),
        checkpoints: 0,
        covered: 0,
        remembered: 0,
        tiles: 0,
        records: 0,
        certificates: 0,
        hosted_statements: 0,
        state_digest: String::new(),
        trust: Trust::Nobody,
        findings: Vec::new(),
        left_out: 0,
    }
}

impl Run<'_, '_> {
    /// What an earlier run replayed must still be what the source holds.
    fn recognise(&mut self) -> Result<(), AuditError> {
        let size = self.replay.head.size();
        if size == 0 {
            return Ok(());
        }
        if self.end.size < size {
            let problem = format!("the source holds {} entries, this auditor has seen {size}", self.end.size);
            self.findings.broken(None, format!("{problem}: history was taken away"));
        }
        let last = EntryIndex(self.end.size.min(size).saturating_sub(1));
        if self.end.size > 0 && !self.is_same(last)? {
            let index = self.first_difference(last)?;
            self.findings.broken(index, "it is another one than this auditor has seen: there are two histories");
            self.keep_both(index)?;
            self.stopped = true;
        }
        Ok(())
    }

    fn is_same(&mut self, index: EntryIndex) -> Result<bool, AuditError> {
        let ours = entries::find(self.audit.workspace.database(), index)?;
        match self.source.entry(index) {
            Ok(theirs) => Ok(ours.is_some_and(|ours| ours.bytes == theirs)),
            Err(SourceError::Damaged(_)) => Ok(false),
            Err(SourceError::Unreachable(problem)) => Err(AuditError::Unreachable(problem)),
        }
    }

    /// Entries hold the hash of the one before, so once two histories differ they differ for ever: halving finds where.
    fn first_difference(&mut self, differing: EntryIndex) -> Result<EntryIndex, AuditError> {
        let (mut low, mut high) = (0, differing.0);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_same(EntryIndex(middle))? { low = middle + 1 } else { high = middle }
        }
        Ok(EntryIndex(high))
    }

    fn keep_both(&mut self, index: EntryIndex) -> Result<(), AuditError> {
        let ours = entries::find(self.audit.workspace.database(), index)?.map(|ours| ours.bytes).unwrap_or_default();
        let theirs = self.source.entry(index).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.audit.seen.keep_evidence(&format!("entry-{index}"), &text(&ours), &text(&theirs))?;
        Ok(())
    }

    /// Takes all entries behind those of earlier runs. While one batch is applied the next one is checked.
    fn take_all(&mut self) -> Result<(), AuditError> {
        let mut ready = Vec::new();
        let mut next = self.replay.head.size();
        loop {
            (self.audit.tell)(self.replay.head.size(), self.end.size);
            let read = if self.stopped { Vec::new() } else { self.read(next)? };
            next += u64::try_from(read.len()).unwrap_or(u64::MAX);
            let (keys, threads) = (std::mem::take(&mut self.keys), self.audit.threads);
            let (checked, taken) = std::thread::scope(|scope| {
                if threads < 2 {
                    let taken = self.take_batch(std::mem::take(&mut ready), &keys);
                    return (check_all(read, &keys, 1), taken);
                }
                let checking = scope.spawn(|| check_all(read, &keys, threads));
                let taken = self.take_batch(std::mem::take(&mut ready), &keys);
                (checking.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)), taken)
            });
            self.keys = keys;
            taken?;
            ready = checked;
            if ready.is_empty() || self.stopped {
                break;
            }
        }
        (self.audit.tell)(self.replay.head.size(), self.end.size);
        Ok(())
    }

    /// The next entries of the source; none at its end, or where it is damaged.
    fn read(&mut self, from: u64) -> Result<Vec<Vec<u8>>, AuditError> {
        let count = self.end.size.saturating_sub(from).min(self.audit.batch);
        if count == 0 {
            return Ok(Vec::new());
        }
        match self.source.entries(EntryIndex(from), count) {
            Ok(read) if !read.is_empty() => Ok(read),
            Ok(_) => {
                self.findings.broken(EntryIndex(from), "the entry is missing");
                Ok(Vec::new())
            }
            Err(error) => {
                damaged(&mut self.findings, Some(EntryIndex(from)), &error)?;
                Ok(Vec::new())
            }
        }
    }

    /// Takes entries and writes them down in one transaction, with what was found of them.
    fn take_batch(&mut self, batch: Vec<Checked>, keys: &Keys) -> Result<(), AuditError> {
        let Some(last) = u64::try_from(batch.len()).ok().filter(|count| *count > 0) else { return Ok(()) };
        let (before, to) = (self.replay.head.size(), self.replay.head.size() + last);
        let checkpoints = match self.source.checkpoints(before + 1, to) {
            Ok(checkpoints) => checkpoints,
            Err(error) => {
                damaged(&mut self.progress.findings, None, &error)?;
                Vec::new()
            }
        };
        let Self { audit, source, replay, progress, .. } = self;
        let does_not_follow = audit.workspace.transaction(|database| {
            let (taken, problem) = take_each(replay, database, keys, batch, &checkpoints, progress)?;
            for taken in &taken {
                workspace::add_documents(database, taken.index, &taken.documents)?;
                progress.hosted_statements += u64::from(taken.is_hosted);
            }
            progress.count(replay.changes(), EntryIndex(before));
            let compared = source.compare_batch(&taken, replay.changes(), progress);
            compared.or_else(|error| damaged(&mut progress.findings, None, &error))?;
            replay.write(database)?;
            compare_full_tiles(database, *source, (before, replay.head.size()), progress)?;
            progress.write(database)?;
            Ok::<_, AuditError>(problem)
        })?;
        if let Some(DoesNotFollow { index, problem }) = does_not_follow {
            self.findings.broken(index, problem);
            self.stopped = true;
        }
        Ok(())
    }

    /// Everything that is looked at once all entries are taken.
    fn conclude(self, before: u64) -> Result<Report, AuditError> {
        let mut report = empty_report(self.source, &self.end, &self.progress.origin);
        let Self { audit, source, end, replay, mut progress, mut findings, .. } = self;
        let size = replay.head.size();
        if size < end.size {
            findings.notice(EntryIndex(size), format!("nothing from here on was judged, of {} entries", end.size));
        }
        let database = audit.workspace.database();
        let ledger: Option<Ledger> = records::find(database, LEDGER_RECORD)?;
        let (anchor, seen) = (&audit.anchor, audit.seen);
        let mut tree = Tree { workspace: database, source, anchor, seen, ledger, size };
        report.remembered = tree.compare_remembered(&end, &mut findings)?;
        let newest = tree.compare_newest(&end, &mut findings)?;
        tree.compare_partial_tiles(&end, &mut progress, &mut findings)?;
        let Tree { workspace: database, source, .. } = tree;
        closing::look(database, &progress, &mut report, &mut findings)?;
        if size == end.size {
            let compared = source.compare_end(database, &replay.head, &progress, &mut findings);
            compared.or_else(|error| damaged(&mut findings, None, &error))?;
        }
        report.trust = match anchor {
            _ if source.is_own() => Trust::OwnDatabase,
            anchor if !anchor.is_witnessed(end.note.as_deref()) => Trust::Unwitnessed,
            Anchor::Key(_) | Anchor::Policy(_) => Trust::Anchor,
            Anchor::None => Trust::Nobody,
        };
        (report.entries, report.replayed_before) = (size, before.min(size));
        (report.root, report.chain_hash) =
            (replay.head.frontier.root().to_string(), replay.head.chain_hash.to_string());
        (report.tiles, report.hosted_statements) = (progress.tiles, progress.hosted_statements);
        report.checkpoints = progress.checkpoints.max(u64::from(newest.is_some()));
        report.covered = newest.unwrap_or(progress.covered);
        report.add(std::mem::take(&mut progress.findings));
        report.add(findings);
        Ok(report)
    }
}

/// Takes entries one after the other, and compares the checkpoints over them on the way; an entry that does not follow ends it.
fn take_each(
    replay: &mut Replay,
    database: &mut Database,
    keys: &Keys,
    batch: Vec<Checked>,
    checkpoints: &[StoredCheckpoint],
    progress: &mut Progress,
) -> Result<(Vec<Taken>, Option<DoesNotFollow>), AuditError> {
    replay.prepare(database, &batch)?;
    let mut all = Vec::with_capacity(batch.len());
    for checked in batch {
        match replay.take(database, keys, checked) {
            Ok(taken) => all.push(taken),
            Err(NotTaken::Entry(problem)) => return Ok((all, Some(problem))),
            Err(NotTaken::Store(error)) => return Err(error.into()),
        }
        let size = replay.head.size();
        for stored in checkpoints.iter().filter(|checkpoint| checkpoint.size == size) {
            let ledger = replay.state().ledger().ok().flatten();
            compare_stored(stored, ledger, replay.head.frontier.root(), progress);
        }
    }
    Ok((all, None))
}
