//! The running service audits itself, at a set rate and again and again: everything from the entries' bytes, beside every row.
//!
//! A pass replays into a workspace of its own, reading page by page, so that nobody's snapshot lasts long; what was appended
//! meanwhile and the derived rows are compared at the end within one. What is found halts the ledger: rows that the rules
//! read are not what the entries give, so what they would allow next could never be replayed.

use crate::domain::ids::EntryIndex;
use crate::domain::state::Changes;
use crate::ledger::audit::anchor::Anchor;
use crate::ledger::audit::database::DatabaseSource;
use crate::ledger::audit::progress::Progress;
use crate::ledger::audit::report::{Findings, Report};
use crate::ledger::audit::seen::Seen;
use crate::ledger::audit::source::{End, Source, SourceError};
use crate::ledger::audit::{Audit, AuditError};
use crate::ledger::clock::Clock;
use crate::ledger::health::Health;
use crate::ledger::replay::Taken;
use crate::ledger::rules;
use crate::limits::SELF_AUDIT_BATCH_ENTRIES;
use crate::proof::merkle::TreeHash;
use crate::store::head::Head;
use crate::store::tiles::StoredCheckpoint;
use crate::store::workspace::Workspace;
use crate::store::{Database, Store};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How a node audits itself.
#[derive(Debug, Clone)]
pub struct SelfAuditing {
    /// Where the workspace lies; what lies there of an earlier pass is thrown away.
    pub folder: PathBuf,
    /// Entries that are replayed in a second, at most.
    pub entries_per_s: u32,
    /// Pause between two passes.
    pub pause: Duration,
}

/// What the passes came to so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passes {
    /// When the last pass without a finding ended, in milliseconds since 1970, and how many entries it covered.
    pub clean: Option<(i64, u64)>,
    /// What the last pass found, in words; nothing if it was clean.
    pub found: Vec<String>,
}

/// The thread, and what it has found.
pub struct SelfAudit {
    passes: watch::Receiver<Passes>,
    ending: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SelfAudit {
    /// Begins the first pass.
    pub fn start(settings: SelfAuditing, store: Arc<Store>, health: Arc<Health>, clock: Clock) -> io::Result<Self> {
        fs::create_dir_all(&settings.folder)?;
        let ((ending, ends), (tell, passes)) = (channel(), watch::channel(Passes::default()));
        let auditor = Auditor { settings, store, health, clock, ends, tell };
        let thread = thread::Builder::new().name("self-audit".into()).spawn(move || auditor.work())?;
        Ok(Self { passes, ending: Some(ending), thread: Some(thread) })
    }

    /// What the passes came to so far.
    pub fn passes(&self) -> Passes {
        self.passes.borrow().clone()
    }

    /// Waits until the passes came to something; `None` if the thread has ended before.
    pub async fn when(&self, enough: impl FnMut(&Passes) -> bool) -> Option<Passes> {
        let mut passes = self.passes.clone();
        passes.wait_for(enough).await.ok().map(|passes| passes.clone())
    }
}

impl Drop for SelfAudit {
    /// A pass under way ends with its batch.
    fn drop(&mut self) {
        drop(self.ending.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that audits the ledger died");
        }
    }
}

struct Auditor {
    settings: SelfAuditing,
    store: Arc<Store>,
    health: Arc<Health>,
    clock: Clock,
    ends: Receiver<()>,
    tell: watch::Sender<Passes>,
}

impl Auditor {
    fn work(self) {
        while self.health.halted().is_none() {
            match pass(&self.store, &self.settings, &self.ends) {
                Ok(report) => self.conclude(&report),
                // It will be tried again; the age of the last clean pass shows that none comes through.
                Err(error) => tracing::warn!(%error, "the self-audit did not come to its end"),
            }
            if self.ends.recv_timeout(self.settings.pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn conclude(&self, report: &Report) {
        let faults = report.faults();
        let words =
            |index: Option<EntryIndex>| index.map_or_else(|| "the ledger".to_owned(), |at| format!("entry {at}"));
        let found: Vec<String> =
            faults.iter().map(|finding| format!("{}: {}", words(finding.index), finding.problem)).collect();
        self.tell.send_modify(|passes| {
            if found.is_empty() {
                passes.clean = Some((self.clock.now_ms(), report.entries));
            }
            passes.found.clone_from(&found);
        });
        for finding in &found {
            tracing::error!(%finding, "the self-audit found something");
        }
        if let Some(first) = found.first() {
            let reason =
                format!("the self-audit has {} findings, the first is {first}; run `loopledger audit`", found.len());
            // Who does not know the rules cannot judge: that stops nobody else.
            if self.store.read(rules::is_known).unwrap_or(true) {
                self.health.halt(reason);
            } else {
                self.health.halt_here(format!("{reason}; this software lacks the rule set in force"));
            }
        }
    }
}

/// One pass over everything from entry 0: first at the set rate, then what came meanwhile and all rows, within one snapshot.
///
/// It stops early, with [`AuditError::Unreachable`], once the other side of `ends` is gone.
pub fn pass(store: &Store, settings: &SelfAuditing, ends: &Receiver<()>) -> Result<Report, AuditError> {
    let file = settings.folder.join("self-audit.sqlite");
    for left in [file.clone(), file.with_extension("sqlite-journal")] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let mut workspace = Workspace::open(&file)?;
    let begun = Instant::now();
    let mut at_the_rate = |done: u64, _| {
        let due = Duration::from_millis(done.saturating_mul(1_000) / u64::from(settings.entries_per_s.max(1)));
        if let Some(early) = due.checked_sub(begun.elapsed()) {
            // Whether the service ends is looked at before the next entries are read.
            let _ = ends.recv_timeout(early);
        }
    };
    store.read(|database| {
        let mut source = Ending { inner: DatabaseSource::new(database), ends, rows_change: true };
        run(&mut workspace, &mut source, &mut at_the_rate)
    })?;
    store.long_snapshot(|database| {
        let mut source = Ending { inner: DatabaseSource::new(database), ends, rows_change: false };
        run(&mut workspace, &mut source, &mut |_, _| {})
    })
}

fn run(
    workspace: &mut Workspace,
    source: &mut dyn Source,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Report, AuditError> {
    let (seen, anchor, batch) = (&Seen::nothing(), Anchor::None, SELF_AUDIT_BATCH_ENTRIES);
    Audit { workspace, seen, anchor, threads: 1, batch, tell }.run(source)
}

/// The database, until the service ends.
struct Ending<'a> {
    inner: DatabaseSource<'a>,
    ends: &'a Receiver<()>,
    /// Whether others write meanwhile: then only rows that never change are compared, all others wait for the snapshot.
    rows_change: bool,
}

impl Ending<'_> {
    fn goes_on(&self) -> Result<(), SourceError> {
        match self.ends.try_recv() {
            Err(TryRecvError::Disconnected) => Err(SourceError::Unreachable("the service ends".into())),
            _ => Ok(()),
        }
    }
}

impl Source for Ending<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn is_own(&self) -> bool {
        true
    }

    fn end(&mut self) -> Result<End, SourceError> {
        self.inner.end()
    }

    fn entry(&mut self, index: EntryIndex) -> Result<Vec<u8>, SourceError> {
        self.inner.entry(index)
    }

    fn entries(&mut self, from: EntryIndex, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        self.goes_on()?;
        self.inner.entries(from, count)
    }

    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, SourceError> {
        self.inner.tile(level, n, width)
    }

    fn checkpoints(&mut self, from: u64, to: u64) -> Result<Vec<StoredCheckpoint>, SourceError> {
        self.inner.checkpoints(from, to)
    }

    fn compare_batch(
        &mut self,
        taken: &[Taken],
        changes: &Changes,
        progress: &mut Progress,
    ) -> Result<(), SourceError> {
        self.inner.compare_batch(taken, changes, progress)
    }

    fn compare_end(
        &mut self,
        workspace: &mut Database,
        head: &Head,
        progress: &Progress,
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        self.goes_on()?;
        if self.rows_change {
            return Ok(());
        }
        self.inner.compare_end(workspace, head, progress, findings)
    }
}
