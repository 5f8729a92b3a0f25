//! One witness, as a ledger speaks to it (C2SP tlog-witness): what it saw, and its cosignature over what is new.
//!
//! A witness remembers what we may have forgotten. If it shows a checkpoint under our own key that this database does not
//! extend, or cosigned more entries than we ever signed, history was lost here, and signing on would fork the ledger.
//! Everything else is passing: a witness that is down, slow or wrong stops nothing.

use crate::domain::ids::Origin;
use crate::ledger::signed::named_keys;
use crate::limits::{WITNESS_ANSWER_BYTES_MAX, WITNESS_PROOF_HASHES_MAX};
use crate::proof::add_checkpoint::{self, SIZE_TYPE, is_signed, origin_hash, parse_size};
use crate::proof::checkpoint::AnyCheckpoint;
use crate::proof::cosignature::Cosigner;
use crate::proof::merkle::TreeHash;
use crate::proof::note::Note;
use crate::proof::policy;
use crate::proof::tiles::Prover;
use crate::store::cosignatures::{self, StoredCosignature};
use crate::store::tiles::{self, StoredCheckpoint, StoredTiles};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

/// How often a witness that names another size is asked again at once.
const SIZES_TRIED_MAX: usize = 3;

/// Why a witness gave no cosignature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It saw what this database does not extend: halt.
    Fork(String),
    /// It did not answer, or not well: ask again later.
    Passing(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Passing(format!("our own database does not answer: {error}"))
    }
}

fn passing<T>(problem: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Passing(problem.into()))
}

/// A witness to be asked.
pub(crate) struct WitnessClient {
    /// What the policy calls it.
    pub(crate) name: String,
    url: String,
    cosigner: Cosigner,
    origin: Origin,
    store: Arc<Store>,
    agent: Agent,
    /// The size that it cosigned last, as far as we know.
    last_size: u64,
    /// Whether it told us what it saw before we asked it for anything.
    has_told: bool,
}

/// What came back.
struct Answer {
    status: u16,
    content_type: String,
    text: String,
}

impl WitnessClient {
    /// A witness of a policy, if it has an address.
    pub(crate) fn new(
        witness: &policy::Witness,
        origin: &Origin,
        store: &Arc<Store>,
        timeout: Duration,
    ) -> Option<Self> {
        let url = witness.url.as_ref()?.trim_end_matches('/').to_owned();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .build()
            .new_agent();
        let (name, cosigner) = (witness.name.clone(), witness.cosigner.clone());
        let (origin, store) = (origin.clone(), Arc::clone(store));
        Some(Self { name, url, cosigner, origin, store, agent, last_size: 0, has_told: false })
    }

    /// Asks what it saw of this ledger, and compares.
    pub(crate) fn look(&mut self) -> Result<(), Trouble> {
        let url = format!("{}/{}/checkpoint", self.url, origin_hash(self.origin.as_str()));
        let answer = read_answer(self.agent.get(&url).call())?;
        match answer.status {
            200 => self.examine(&answer.text),
            404 => {
                self.has_told = true;
                Ok(())
            }
            status => passing(format!("it does not show what it saw, but answered {status}")),
        }
    }

    /// Compares what a witness shows with what is stored here. Only what our own key signed counts: anybody can write a note.
    fn examine(&mut self, note: &str) -> Result<(), Trouble> {
        let Ok(parsed) = Note::parse(note) else { return passing("what it shows is no signed note") };
        if !is_signed(&parsed, &named_keys(&self.store)?) {
            return passing("what it shows is not signed by this ledger's key");
        }
        let shown = AnyCheckpoint::parse(parsed.text).filter(|shown| shown.origin == self.origin.as_str());
        let Some(shown) = shown else { return passing("what it shows is no checkpoint of this ledger") };
        let (signed, root) = self.store.snapshot(|database| {
            let signed = tiles::last_checkpoint(database)?.map_or(0, |last| last.size);
            let mut source = StoredTiles(database);
            let root = (shown.size <= signed).then(|| root_at(&mut source, shown.size)).transpose()?;
            Ok::<_, Trouble>((signed, root))
        })?;
        if root != Some(shown.root) {
            tracing::error!(
                witness = self.name,
                note,
                "a witness holds a checkpoint that this database does not extend"
            );
            return Err(Trouble::Fork(self.fork_words(shown.size, signed, true)));
        }
        (self.last_size, self.has_told) = (shown.size, true);
        Ok(())
    }

    /// Asks for a cosignature over a checkpoint and keeps it.
    pub(crate) fn cosign(&mut self, checkpoint: &StoredCheckpoint) -> Result<(), Trouble> {
        if !self.has_told {
            match self.look() {
                Ok(()) => {}
                Err(Trouble::Passing(problem)) => {
                    tracing::warn!(witness = self.name, problem, "what it saw is not known");
                }
                Err(fork) => return Err(fork),
            }
        }
        for _ in 0..SIZES_TRIED_MAX {
            let old_size = self.last_size.min(checkpoint.size);
            let proof = self.prove(old_size, checkpoint.size)?;
            let body = add_checkpoint::format(old_size, &proof, &checkpoint.note);
            let answer = read_answer(self.agent.post(format!("{}/add-checkpoint", self.url)).send(body))?;
            match answer.status {
                200 => return self.keep(checkpoint, &answer.text),
                409 => self.take_size(&answer, old_size, checkpoint.size)?,
                // It starts from our size and does not follow our proof: it may hold another history.
                422 => return self.look_then("it answered that our checkpoint does not extend what it saw"),
                status => return passing(format!("it answered {status}: {}", first_words(&answer.text))),
            }
        }
        passing("it names another size each time")
    }

    fn prove(&self, old_size: u64, size: u64) -> Result<Vec<TreeHash>, Trouble> {
        let proof = self.store.snapshot(|database| {
            let mut source = StoredTiles(database);
            let proof = Prover::new(&mut source, size).consistency(old_size);
            proof.map_err(|error| Trouble::Passing(format!("no proof from size {old_size}: {error}")))
        })?;
        if proof.len() > WITNESS_PROOF_HASHES_MAX {
            return passing("the consistency proof is longer than a witness reads");
        }
        Ok(proof)
    }

    /// It refused: what it saw may be another history than ours, which it shows if it can.
    fn look_then<T>(&mut self, problem: &str) -> Result<T, Trouble> {
        self.look()?;
        passing(problem)
    }

    /// Takes the size that a witness says it cosigned last. One beyond all that we ever signed means that history was lost
    /// here, also where the witness cannot show it: then a person decides who is wrong.
    ///
    /// A witness may also mean another root by 409, of the size that we sent or of the checkpoint's own: then histories are
    /// compared.
    fn take_size(&mut self, answer: &Answer, sent: u64, asked: u64) -> Result<(), Trouble> {
        let is_size = answer.content_type.split(';').next().is_some_and(|kind| kind.trim() == SIZE_TYPE);
        let size = answer.text.strip_suffix('\n').and_then(parse_size).filter(|_| is_size);
        let Some(size) = size else { return self.look_then("it answered 409 without a size") };
        if size == sent {
            return self.look_then("it answered 409 and named the size that was sent");
        }
        if size == asked
            && let Err(fork @ Trouble::Fork(_)) = self.look()
        {
            return Err(fork);
        }
        if size <= asked {
            self.last_size = size;
            return Ok(());
        }
        let last = self.store.read(tiles::last_checkpoint)?.map_or(0, |last| last.size);
        if size <= last {
            return passing(format!("it cosigned {size} entries already"));
        }
        if let Err(fork @ Trouble::Fork(_)) = self.look() {
            return Err(fork);
        }
        Err(Trouble::Fork(self.fork_words(size, last, false)))
    }

    fn fork_words(&self, size: u64, signed: u64, is_shown: bool) -> String {
        let name = &self.name;
        let what = if size > signed {
            format!("witness {name} cosigned {size} entries, but this database knows of no checkpoint beyond {signed}")
        } else {
            format!("witness {name} cosigned other entries than the first {size} of this database")
        };
        let proof = if is_shown {
            "; it shows them under this ledger's key: a backup was put back or commits were lost; restore the newer database"
        } else {
            "; it does not show them: ask whoever runs it; if it is wrong take it out of the policy, else restore the newer database"
        };
        what + proof
    }

    /// Verifies a cosignature strictly, over the checkpoint that was sent, and keeps it. Lines of unknown keys are ignored.
    fn keep(&mut self, checkpoint: &StoredCheckpoint, lines: &str) -> Result<(), Trouble> {
        let note = format!("{}{lines}", checkpoint.note);
        let Ok(parsed) = Note::parse(&note) else { return passing("its answer is no signature line") };
        let time = match self.cosigner.time_of(&parsed) {
            Ok(time) => time,
            Err(problem) => return passing(format!("its cosignature: {problem}")),
        };
        let is_newest = |line: &&crate::proof::note::SignatureLine<'_>| {
            let alone = Note { text: parsed.text, signatures: vec![(*line).clone()] };
            self.cosigner.time_of(&alone) == Ok(time)
        };
        let Some(line) = parsed.signatures.iter().find(is_newest) else {
            return passing("its answer has no cosignature");
        };
        let (size, witness) = (checkpoint.size, self.cosigner.vkey());
        let cosignature = StoredCosignature { size, witness, time, line: format!("{}\n", line.line) };
        self.store.write(|database| cosignatures::put(database, &cosignature))?;
        self.last_size = size;
        Ok(())
    }
}

/// The root of the tree of a size.
fn root_at(source: &mut StoredTiles<'_>, size: u64) -> Result<TreeHash, Trouble> {
    let frontier = Prover::new(source, size).frontier();
    frontier
        .map(|frontier| frontier.root())
        .map_err(|error| Trouble::Passing(format!("no root of size {size}: {error}")))
}

/// Reads an answer, bounded.
fn read_answer(answered: Result<Response<Body>, ureq::Error>) -> Result<Answer, Trouble> {
    let unreachable = |error: ureq::Error| Trouble::Passing(error.to_string());
    let mut response = answered.map_err(unreachable)?;
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    let text =
        response.body_mut().with_config().limit(WITNESS_ANSWER_BYTES_MAX).read_to_string().map_err(unreachable)?;
    Ok(Answer { status, content_type, text })
}

/// What fits into a line of the log.
fn first_words(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}
