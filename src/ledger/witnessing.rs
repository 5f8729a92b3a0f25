//! Being witnessed: the node that publishes asks the witnesses of its policy to cosign each new checkpoint; every node knows
//! the newest one that a quorum of them cosigned.
//!
//! Witnesses are asked in rounds, all about the same checkpoint: were each asked about the newest when it comes free, a
//! growing ledger would have many cosignatures and never a quorum. A round ends when its quorum is met, or when it was given
//! time enough; a witness that is late is asked about the next one. Each witness has a thread of its own: one that hangs keeps
//! no other waiting, and nothing that is appended or signed.

use crate::domain::ids::{EntryIndex, Origin};
use crate::ledger::Ledger;
use crate::ledger::cosigned::{Cosigned, Witnessed, newest_rows, newest_witnessed};
use crate::ledger::health::Health;
use crate::ledger::witness_client::{Trouble, WitnessClient};
use crate::limits::WITNESS_BACKOFF_MS_MAX;
use crate::proof::policy::Policy;
use crate::store::cosignatures::StoredCosignature;
use crate::store::tiles::StoredCheckpoint;
use crate::store::{Store, StoreError};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the threads look whether there is something to do.
const LOOK: Duration = Duration::from_millis(100);

/// How a node is witnessed.
#[derive(Debug, Clone)]
pub struct WitnessSettings {
    /// Whose cosignatures make a quorum, and where the witnesses are.
    pub policy: Policy,
    /// The least time between two checkpoints that witnesses are asked about.
    pub pause: Duration,
    /// After so long, a witness is asked again about a checkpoint that it cosigned, so that it is known to be the newest.
    pub refresh: Duration,
    /// How long one request to a witness may take.
    pub timeout: Duration,
    /// Whether certificates are issued only on what a quorum has seen.
    pub certificates_need_quorum: bool,
}

impl WitnessSettings {
    /// Finds what cannot work before anything is served.
    pub fn check(&self) -> Result<(), String> {
        let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        for witness in &self.policy.witnesses {
            if let Some(url) = witness.url.as_ref().filter(|url| !is_address(url)) {
                return Err(format!(
                    "the address of witness {}, {url}, begins with neither https:// nor http://",
                    witness.name
                ));
            }
        }
        if self.certificates_need_quorum && !self.policy.asks_for_witnesses() {
            return Err("certificates need a quorum, but the policy has none".to_owned());
        }
        Ok(())
    }
}

/// The witnesses that a publishing node asks; any other one asks none.
#[derive(Default)]
pub(crate) struct Witnesses(Vec<WitnessClient>);

impl Witnesses {
    /// Asks all of them at once what they saw, before the first signature; what contradicts this database halts. Who does not
    /// answer stops nothing, and is asked again before it is asked for a cosignature.
    pub(crate) fn ask(settings: &WitnessSettings, origin: &Origin, store: &Arc<Store>, health: &Health) -> Self {
        let client = |witness| WitnessClient::new(witness, origin, store, settings.timeout);
        let mut clients: Vec<WitnessClient> = settings.policy.witnesses.iter().filter_map(client).collect();
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| match client.look() {
                    Ok(()) => {}
                    Err(Trouble::Fork(problem)) => health.halt(problem),
                    Err(Trouble::Passing(problem)) => {
                        tracing::warn!(
                            witness = client.name,
                            problem,
                            "a witness does not say what it saw; asking again later"
                        );
                    }
                });
            }
        });
        Self(clients)
    }
}

/// The newest witnessed checkpoint, and the threads that find it.
pub(crate) struct Witnessing {
    settings: WitnessSettings,
    witnessed: watch::Receiver<Option<Witnessed>>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Clone)]
struct Shared {
    settings: WitnessSettings,
    store: Arc<Store>,
    health: Arc<Health>,
    /// The checkpoint that witnesses are asked about now.
    asked: Arc<Mutex<Option<StoredCheckpoint>>>,
    ended: Arc<AtomicBool>,
}

impl Shared {
    /// Waits a moment, and tells whether to go on.
    fn goes_on(&self) -> bool {
        thread::sleep(LOOK);
        !self.ended.load(Ordering::Acquire)
    }

    fn asked(&self) -> Option<StoredCheckpoint> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Witnessing {
    /// Starts the threads; a node that does not publish has no witnesses to ask and finds what others' cosignatures make.
    pub(crate) fn start(
        settings: WitnessSettings,
        witnesses: Witnesses,
        store: &Arc<Store>,
        health: &Arc<Health>,
        shown: watch::Receiver<Option<StoredCheckpoint>>,
    ) -> io::Result<Self> {
        let (found, newest) = watch::channel(None);
        let ended = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            settings: settings.clone(),
            store: Arc::clone(store),
            health: Arc::clone(health),
            asked: Arc::default(),
            ended: Arc::clone(&ended),
        };
        let mut witnessing = Self { settings, witnessed: newest, ended, threads: Vec::new() };
        let rounds =
            Rounds { shared: shared.clone(), shown, witnessed: found, rows: Vec::new(), begun: Instant::now() };
        witnessing.threads.push(thread::Builder::new().name("quorum".into()).spawn(move || rounds.run())?);
        for client in witnesses.0 {
            let (shared, name) = (shared.clone(), format!("witness {}", client.name));
            witnessing.threads.push(thread::Builder::new().name(name).spawn(move || ask_for_ever(client, &shared))?);
        }
        Ok(witnessing)
    }

    /// What certificates wait for.
    pub(crate) fn admission(&self) -> Admission {
        Admission(self.settings.certificates_need_quorum.then(|| self.witnessed.clone()))
    }
}

impl Drop for Witnessing {
    /// Waits for the threads, and so for requests that are under way.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a witness's thread died");
            }
        }
    }
}

/// Who decides which checkpoint witnesses are asked about, and finds the newest that has its quorum.
struct Rounds {
    shared: Shared,
    shown: watch::Receiver<Option<StoredCheckpoint>>,
    witnessed: watch::Sender<Option<Witnessed>>,
    /// What was stored at the last look.
    rows: Vec<StoredCosignature>,
    /// When the round began.
    begun: Instant,
}

impl Rounds {
    fn run(mut self) {
        loop {
            if let Err(error) = self.find_quorum() {
                tracing::warn!(%error, "the newest witnessed checkpoint cannot be read");
            }
            self.advance();
            if !self.shared.goes_on() {
                return;
            }
        }
    }

    /// Looks for a newer witnessed checkpoint, or newer cosignatures of the same; only if something was stored.
    fn find_quorum(&mut self) -> Result<(), StoreError> {
        let Some(to) = self.shown.borrow().as_ref().map(|shown| shown.size) else { return Ok(()) };
        let from = self.witnessed.borrow().as_ref().map_or(0, Witnessed::size);
        let rows = newest_rows(&self.shared.store, from, to)?;
        if rows != self.rows {
            let found = newest_witnessed(&self.shared.store, &self.shared.settings.policy, &rows)?;
            self.rows = rows;
            if found.is_some() {
                self.witnessed.send_replace(found);
            }
        }
        Ok(())
    }

    /// Begins the next round over the newest checkpoint, if this one has had its quorum or time enough.
    fn advance(&mut self) {
        let Some(newest) = self.shown.borrow().clone() else { return };
        let settings = &self.shared.settings;
        let mut asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = match &*asked {
            None => true,
            Some(asked) if newest.size <= asked.size => false,
            Some(asked) => {
                let is_met = self.witnessed.borrow().as_ref().is_some_and(|witnessed| witnessed.size() >= asked.size);
                let enough = if is_met { settings.pause } else { settings.pause.max(settings.timeout) };
                self.begun.elapsed() >= enough
            }
        };
        if is_over {
            *asked = Some(newest);
            self.begun = Instant::now();
        }
    }
}

/// One witness's thread: asks about each round's checkpoint once, again after a failure and a growing pause, and again after
/// a long time. Ends when the ledger halts: what contradicts itself is not witnessed further.
fn ask_for_ever(mut client: WitnessClient, shared: &Shared) {
    let mut cosigned: Option<(u64, Instant)> = None;
    let (mut failures, mut not_before) = (0_u32, Instant::now());
    while shared.goes_on() && shared.health.halted().is_none() {
        let Some(asked) = shared.asked().filter(|_| Instant::now() >= not_before) else { continue };
        if cosigned.is_some_and(|(size, at)| size >= asked.size && at.elapsed() < shared.settings.refresh) {
            continue;
        }
        match client.cosign(&asked) {
            Ok(()) => {
                cosigned = Some((asked.size, Instant::now()));
                failures = 0;
            }
            Err(Trouble::Fork(problem)) => return shared.health.halt(problem),
            Err(Trouble::Passing(problem)) => {
                failures = failures.saturating_add(1);
                not_before = Instant::now() + backoff(shared.settings.pause, failures);
                tracing::warn!(
                    witness = client.name,
                    size = asked.size,
                    failures,
                    problem,
                    "not cosigned; asking again"
                );
            }
        }
    }
}

/// Twice as long after each failure, within bounds.
fn backoff(pause: Duration, failures: u32) -> Duration {
    let longest = Duration::from_millis(WITNESS_BACKOFF_MS_MAX);
    pause.max(LOOK).saturating_mul(1 << (failures - 1).min(16)).min(longest)
}

/// What certificates wait for before they are issued, where they do.
#[derive(Clone, Default)]
pub struct Admission(Option<watch::Receiver<Option<Witnessed>>>);

impl Admission {
    /// Entries that a quorum has seen; `None` if certificates need no quorum.
    pub fn covered(&self) -> Option<u64> {
        self.0.as_ref().map(|witnessed| witnessed.borrow().as_ref().map_or(0, Witnessed::size))
    }
}

impl Ledger {
    /// Whether this node has a policy that asks for witnesses.
    pub fn asks_for_witnesses(&self) -> bool {
        self.witnessing.as_ref().is_some_and(|witnessing| witnessing.settings.policy.asks_for_witnesses())
    }

    /// Whether certificates are issued only on what a quorum has seen.
    pub fn certificates_need_quorum(&self) -> bool {
        self.witnessing.as_ref().is_some_and(|witnessing| witnessing.settings.certificates_need_quorum)
    }

    /// The newest checkpoint that a quorum cosigned.
    pub fn witnessed(&self) -> Option<Witnessed> {
        self.witnessing.as_ref().and_then(|witnessing| witnessing.witnessed.borrow().clone())
    }

    /// Waits until a quorum cosigned a checkpoint over an entry; `None` if that takes longer than `patience`.
    pub async fn witnessed_over(&self, index: EntryIndex, patience: Duration) -> Option<Witnessed> {
        let mut witnessed = self.witnessing.as_ref()?.witnessed.clone();
        let covers = |found: &Option<Witnessed>| found.as_ref().is_some_and(|found| found.size() > index.0);
        let found = tokio::time::timeout(patience, witnessed.wait_for(covers)).await;
        found.ok()?.ok().and_then(|found| found.clone())
    }

    /// Whether the cosignatures of a checkpoint are a quorum.
    pub fn meets_quorum(&self, cosigned: &Cosigned) -> bool {
        let policy = self.witnessing.as_ref().map(|witnessing| &witnessing.settings.policy);
        policy.is_some_and(|policy| cosigned.quorum_time(policy).is_some())
    }
}
