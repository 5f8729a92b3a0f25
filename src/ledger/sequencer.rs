//! The one writer: a bounded queue, a thread, everything that waits in one transaction, answers after the commit.

use crate::domain::event::SecondSignature;
use crate::domain::ids::Origin;
use crate::ledger::append::{AppendError, Appended, append, require_same_history};
use crate::ledger::clock::Clock;
use crate::ledger::demands::Demands;
use crate::ledger::edge::RightEdge;
use crate::ledger::faults::{explain, with_tries};
use crate::ledger::health::Health;
use crate::ledger::log::Log;
use crate::ledger::posting::{Group, Outcome, Posted, Receipt, Refused};
use crate::ledger::waiting_row::found_again;
use crate::ledger::witnessing::Admission;
use crate::limits::{COMMIT_STATEMENTS_MAX, QUEUE_STATEMENTS_MAX};
use crate::store::{Store, StoreError, StoreFault, entries, head, waiting};
use std::cell::Cell;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// How long turns that could not be given are left alone: so many looks for a request, this far apart.
const RETRY_LOOKS: u32 = 100;
const RETRY_LOOK: Duration = Duration::from_millis(20);

/// Why a request got no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// Too many statements wait; come back.
    QueueFull,
    /// The ledger is halted; the reason in words.
    Halted(String),
    /// The node's clock is off; the reason in words.
    ClockOff(String),
    /// Nothing was written; come back.
    NotCommitted,
    /// It may or may not have been written: send the same statement again and learn which.
    OutcomeUnknown,
}

struct Submission {
    group: Group,
    reply: oneshot::Sender<Result<Vec<Outcome>, Unavailable>>,
    /// Its places in the queue, given back when it is answered.
    _places: OwnedSemaphorePermit,
}

/// The way into the queue.
pub struct Sequencer {
    /// `None` once it is closing.
    queue: Option<mpsc::UnboundedSender<Submission>>,
    places: Arc<Semaphore>,
    health: Arc<Health>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer's thread works with.
pub struct Writer {
    /// The ledger.
    pub origin: Origin,
    /// The database.
    pub store: Arc<Store>,
    /// Now.
    pub clock: Clock,
    /// Where to halt.
    pub health: Arc<Health>,
    /// Dropped when the writer ends, which tells the publisher to sign what is left and to end too.
    pub ending: std::sync::mpsc::Sender<()>,
    /// The highest end of the ledger that this node has seen.
    pub edge: Arc<RightEdge>,
    /// Whether statements that waited may be due: some were when the ledger was opened, or did not have their turn in the
    /// last transaction, or nobody knows what became of it.
    pub turns_left: Cell<bool>,
    /// What certificates wait for.
    pub admission: Admission,
    /// The second signature that is demanded under every issue and withdrawal.
    pub second_signature: Option<SecondSignature>,
    /// Emptied of what was erased.
    pub(crate) log: Arc<Log>,
}

/// Waits a moment before something that failed is tried again; a request ends the pause.
fn pause(waiting: &mut mpsc::UnboundedReceiver<Submission>) -> Option<Submission> {
    for _ in 0..RETRY_LOOKS {
        match waiting.try_recv() {
            Ok(submission) => return Some(submission),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::sleep(RETRY_LOOK),
        }
    }
    None
}

impl Sequencer {
    /// Starts the writer's thread; it ends when the last sender is gone and the queue is empty.
    pub fn start(writer: Writer) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::unbounded_channel();
        let health = Arc::clone(&writer.health);
        let thread = thread::Builder::new().name("sequencer".into()).spawn(move || writer.run(waiting))?;
        let places = Arc::new(Semaphore::new(QUEUE_STATEMENTS_MAX));
        Ok(Self { queue: Some(queue), places, health, thread: Some(thread) })
    }

    /// Queues a request's statements and waits for the commit.
    pub async fn post(&self, group: Group) -> Result<Vec<Outcome>, Unavailable> {
        if let Some(reason) = self.health.halted() {
            return Err(Unavailable::Halted(reason));
        }
        let count = u32::try_from(group.posted.len()).map_err(|_| Unavailable::QueueFull)?;
        let places = Arc::clone(&self.places).try_acquire_many_owned(count).map_err(|_| Unavailable::QueueFull)?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Unavailable::NotCommitted)?;
        let died = || self.health.halt_here("the writer's thread died; start the service again");
        if queue.send(Submission { group, reply, _places: places }).is_err() {
            died();
            return Err(Unavailable::NotCommitted);
        }
        // The thread answers every submission; if it died first, nobody knows how far it came.
        answer.await.unwrap_or_else(|_| {
            died();
            Err(Unavailable::OutcomeUnknown)
        })
    }
}

impl Drop for Sequencer {
    /// Finishes what is queued and ends the thread.
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the sequencer's thread died");
        }
    }
}

impl Writer {
    fn run(self, mut waiting: mpsc::UnboundedReceiver<Submission>) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| self.next_request(&mut waiting)) {
            let mut count = first.group.posted.len();
            let mut batch = vec![first];
            while let Ok(submission) = waiting.try_recv() {
                count += submission.group.posted.len();
                if count > COMMIT_STATEMENTS_MAX {
                    next = Some(submission);
                    break;
                }
                batch.push(submission);
            }
            self.commit_and_answer(batch);
        }
    }

    /// The next request. Requests come first: while there are none, statements that are due have their turns, one
    /// transaction after the other; with every request's transaction some have theirs anyway.
    fn next_request(&self, waiting: &mut mpsc::UnboundedReceiver<Submission>) -> Option<Submission> {
        while self.turns_left.get() && self.health.halted().is_none() {
            match waiting.try_recv() {
                Ok(submission) => return Some(submission),
                // We end: they are written down as due, and whoever opens the ledger next begins with them.
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if !self.give_turns_left()
                && let Some(submission) = pause(waiting)
            {
                return Some(submission);
            }
        }
        waiting.blocking_recv()
    }

    /// Gives one transaction's turns to statements that are due; tells whether that went well. If not, or if we crash, they
    /// are written down as due and whatever is appended next begins with them.
    fn give_turns_left(&self) -> bool {
        let given = self.commit(&[]);
        if let Err(error) = given {
            let why = self.explain(error);
            tracing::warn!(?why, "statements that waited have their turn later");
            return false;
        }
        true
    }

    fn commit_and_answer(&self, batch: Vec<Submission>) {
        let groups: Vec<&Group> = batch.iter().map(|submission| &submission.group).collect();
        let answers = match self.commit(&groups) {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            // Rows that the database rejects are a bug of ours; alone, each request shows which one it is.
            Err(AppendError::Store(error)) if error.fault == StoreFault::Rejected && batch.len() > 1 => {
                tracing::error!(%error, "the database rejected a batch; committing its requests one by one");
                groups.iter().map(|group| self.commit_alone(group)).collect()
            }
            Err(error) => vec![Err(self.explain(error)); batch.len()],
        };
        let answers: Vec<Result<Vec<Outcome>, Unavailable>> = answers;
        for (submission, answer) in batch.into_iter().zip(answers) {
            // Whoever does not wait any more sends the statement again.
            let _ = submission.reply.send(answer);
        }
    }

    fn commit_alone(&self, group: &Group) -> Result<Vec<Outcome>, Unavailable> {
        let outcomes = self.commit(&[group]).map_err(|error| self.explain(error))?;
        outcomes.into_iter().next().ok_or(Unavailable::NotCommitted)
    }

    fn commit(&self, groups: &[&Group]) -> Result<Vec<Vec<Outcome>>, AppendError> {
        if let Some(reason) = self.health.halted() {
            return Err(AppendError::Halt(reason));
        }
        with_tries(|| self.try_commit(groups))
    }

    fn try_commit(&self, groups: &[&Group]) -> Result<Vec<Vec<Outcome>>, AppendError> {
        let seen = self.edge.seen()?;
        let demands = Demands { covered: self.admission.covered(), second: self.second_signature };
        let work = |database: &mut _| append(database, &self.origin, &self.clock, seen.as_ref(), demands, groups);
        match self.store.write(work) {
            Ok(Appended { head, outcomes, turns_left, erased }) => {
                self.edge.remember(&head);
                self.turns_left.set(turns_left);
                self.log.empty(erased);
                Ok(outcomes)
            }
            Err(AppendError::Store(error)) if error.fault == StoreFault::OutcomeUnknown => {
                tracing::error!(%error, "the outcome of a commit is unknown; reading it again");
                // Whether it left something due is not known either: the next transaction looks.
                self.turns_left.set(true);
                let outcomes = self.read_again(groups)?;
                // It may have erased something.
                self.log.empty(true);
                Ok(outcomes)
            }
            Err(error) => {
                // What was due before is due still.
                self.turns_left.set(true);
                Err(error)
            }
        }
    }

    /// Finds out whether a commit whose outcome is unknown happened.
    ///
    /// The head is locked first: a commit that the server still works on holds that lock, so after it the answer is
    /// final. If nothing of it is found it did not happen. If a part is found, the rest was refused by the rules and
    /// left no trace: whoever sends again learns it. What may wait is looked for among what waits, too.
    fn read_again(&self, groups: &[&Group]) -> Result<Vec<Vec<Outcome>>, AppendError> {
        let identities: Vec<_> = groups.iter().flat_map(|group| &group.posted).map(|posted| posted.identity).collect();
        let seen = self.edge.seen()?;
        let found = self.store.write(|database| {
            let head = head::lock(database)?;
            if let Some(seen) = &seen {
                require_same_history(database, &head, seen)?;
            }
            let kept = waiting::find_by_identity(database, &identities)?;
            Ok::<_, AppendError>((head, entries::find_by_identity(database, &identities)?, kept))
        });
        let (head, found, kept) = found.map_err(|error| match error {
            AppendError::Store(error) => AppendError::Store(StoreError { fault: StoreFault::OutcomeUnknown, ..error }),
            other => other,
        })?;
        let outcome = |posted: &Posted| {
            let signed = posted.signed.as_ref()?;
            let Some(stored) = found.get(&posted.identity) else { return found_again(&kept, posted, signed) };
            let receipt = Receipt::of_stored(&self.origin, stored)?;
            let same = stored.payload_sha256 == signed.payload_sha256;
            let conflict = Outcome::Refused(Refused::SameIdOtherContent(receipt.index));
            Some(if same { Outcome::Repeated(receipt) } else { conflict })
        };
        let fault = if found.is_empty() { StoreFault::Failed } else { StoreFault::OutcomeUnknown };
        let all = groups.iter().map(|group| group.posted.iter().map(outcome).collect::<Option<Vec<_>>>());
        let missing = || {
            let message = "not every statement of the commit was found again".to_owned();
            AppendError::Store(StoreError { fault, message })
        };
        let outcomes = all.collect::<Option<Vec<_>>>().ok_or_else(missing)?;
        self.edge.remember(&head);
        Ok(outcomes)
    }

    fn explain(&self, error: AppendError) -> Unavailable {
        explain(&self.health, error, "nothing could be appended")
    }
}
