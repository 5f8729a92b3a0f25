//! Opening a ledger: a new one with its keys and `ledger_opened`, or an existing one, suspiciously.

use crate::domain::codes::KeyUse;
use crate::domain::event::{Common, Event, LedgerOpened, SecondSignature, Statement, TypeName, Version, Vkey};
use crate::domain::ids::{EntryIndex, OrganisationId, Origin, StatementId};
use crate::domain::registry::{Ledger as LedgerRecord, newest_rule_set};
use crate::domain::state::LEDGER_RECORD;
use crate::domain::time::{LedgerTime, OccurredAt};
use crate::ledger::Ledger;
use crate::ledger::append::{Seen, append};
use crate::ledger::clock::Clock;
use crate::ledger::demands::Demands;
use crate::ledger::edge::RightEdge;
use crate::ledger::health::Health;
use crate::ledger::log::Log;
use crate::ledger::mirror::{Mirror, Mirroring};
use crate::ledger::orders::{Clerk, Desk};
use crate::ledger::posting::{Group, Mode, Outcome, Posted};
use crate::ledger::publisher::{self, Checkpoints, Following, PublishError, Publisher, Publishing};
use crate::ledger::self_audit::{SelfAudit, SelfAuditing};
use crate::ledger::sequencer::{Sequencer, Writer};
use crate::ledger::tree::EntriesFor;
use crate::ledger::vault::Vault;
use crate::ledger::witnessing::{WitnessSettings, Witnesses, Witnessing};
use crate::ledger::{append, keyring, rebuild};
use crate::proof::entry::ChainHash;
use crate::proof::note::NoteVerifier;
use crate::proof::statement::{self, Unverified};
use crate::store::{Store, StoreError, StoreFault, entries, head, records, waiting};
use ed25519_dalek::SigningKey;
use std::cell::Cell;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What a new ledger needs.
pub struct Founding<'a> {
    /// Its name, for ever.
    pub origin: Origin,
    /// Whether its certificates are for tests only.
    pub test: bool,
    /// The operator.
    pub operator: OrganisationId,
    /// The id of the first statement.
    pub statement: StatementId,
    /// The operator key in use.
    pub operator_key: &'a SigningKey,
    /// The operator key that is kept offline.
    pub recovery_key: &'a SigningKey,
    /// The key that signs checkpoints.
    pub checkpoint_key: &'a SigningKey,
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What was asked for makes no ledger.
    #[error("{0}")]
    Refused(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn refused(problem: impl Into<String>) -> OpenError {
    OpenError::Refused(problem.into())
}

/// Writes index 0. A database that holds a ledger is refused.
pub fn found(store: &Store, clock: &Clock, founding: &Founding<'_>) -> Result<(), OpenError> {
    let broken = || refused("the founding keys or the rule set cannot be used");
    let posted = founding_statement(clock, founding).ok_or_else(broken)?;
    let group = Group { posted: vec![posted], mode: Mode::All };
    let appended = store.write(|database| {
        if head::read(database)?.size() > 0 {
            let message = "this database holds a ledger already".to_owned();
            return Err(StoreError { fault: StoreFault::Failed, message }.into());
        }
        append(database, &founding.origin, clock, None, Demands::default(), &[&group])
    });
    match appended {
        Ok(appended) => match appended.outcomes.into_iter().flatten().next() {
            Some(Outcome::Accepted(_)) => Ok(()),
            other => Err(refused(format!("ledger_opened was not accepted: {other:?}"))),
        },
        Err(append::AppendError::Store(error)) => Err(error.into()),
        Err(append::AppendError::Halt(problem) | append::AppendError::ClockOff(problem)) => Err(refused(problem)),
    }
}

fn founding_statement(clock: &Clock, founding: &Founding<'_>) -> Option<Posted> {
    let now = LedgerTime::from_ms(clock.now_ms())?;
    let verifier = NoteVerifier::new(founding.origin.as_str(), founding.checkpoint_key.verifying_key())?;
    let (first, second) = (founding.operator_key, founding.recovery_key);
    let event = LedgerOpened {
        operator_keys: vec![keyring::public_jwk(first).ok()?, keyring::public_jwk(second).ok()?],
        recovery_proof: statement::prove_possession(second, &founding.origin, founding.operator, KeyUse::Statement)?,
        checkpoint_vkey: Vkey::parse(&verifier.vkey())?,
        test: founding.test,
        rule_set: newest_rule_set()?,
    };
    let common = Common {
        v: Version::ONE,
        ledger: founding.origin.clone(),
        id: founding.statement,
        org: founding.operator,
        on_behalf_of: None,
        actor: None,
        site: None,
        r#type: TypeName::parse("ledger_opened")?,
        occurred_at: OccurredAt::parse(&now.to_string())?,
    };
    let payload = Statement { common, event: Event::LedgerOpened(event) }.to_payload();
    let jws = statement::sign(first, payload.as_bytes())?;
    let unverified = Unverified::read(&jws).ok()?;
    let mut identifiers = unverified.statement.identifiers();
    identifiers.push(unverified.kid().to_string());
    let signed = unverified.verify(&first.verifying_key()).ok()?;
    let identity = signed.identity();
    let signed = Some(signed);
    Some(Posted { jws: jws.clone(), identity, identifiers, signed, openings: Vec::new(), patient: None })
}

/// What is known of the ledger in a database itself, or `None` if it is empty.
pub fn ledger_in(store: &Store) -> Result<Option<LedgerRecord>, StoreError> {
    store.read(|database| records::find(database, LEDGER_RECORD))
}

/// What a node serves with.
pub struct Settings {
    /// Now.
    pub clock: Clock,
    /// Opens the secrets of hosted keys.
    pub sealing_key: Zeroizing<[u8; 32]>,
    /// Keys and guard, on the one node that publishes.
    pub publishing: Option<Publishing>,
    /// How the tree is given to others.
    pub sharing: Sharing,
    /// The witnesses, where there is a policy.
    pub witnesses: Option<WitnessSettings>,
    /// How the node audits itself, if it does.
    pub self_audit: Option<SelfAuditing>,
    /// The second signature that is demanded under every issue and withdrawal of certificates.
    pub second_signature: Option<SecondSignature>,
}

/// How the tree of the ledger is given to others.
#[derive(Default)]
pub struct Sharing {
    /// Who may read the bundles of all entries.
    pub entries_for: EntriesFor,
    /// Where the node that publishes keeps a copy.
    pub mirror: Option<Mirroring>,
}

/// Opens an existing ledger for service.
///
/// What contradicts the guard or the checkpoints halts the ledger before anything is signed; it still serves proofs.
pub fn open(store: Arc<Store>, settings: Settings) -> Result<Ledger, OpenError> {
    rebuild::bring_up_to_date(&store)?;
    let ledger = ledger_in(&store)?.ok_or_else(|| refused("this database holds no ledger"))?;
    let (origin, operator) = (ledger.origin, ledger.operator);
    let health = Arc::new(Health::new(Arc::clone(&store), settings.clock.clone()));
    health.look();
    let seen = match store.read(right_edge) {
        Ok(seen) => Some(seen),
        Err(error) if error.fault == StoreFault::Damaged => {
            health.halt(error.message);
            None
        }
        Err(error) => return Err(error.into()),
    };
    let edge = Arc::new(RightEdge::new(seen));
    let (ending, writer_ends) = std::sync::mpsc::channel();
    let (shown, published) = watch::channel(None);
    let Sharing { entries_for, mirror } = settings.sharing;
    let is_publisher = settings.publishing.is_some();
    let witnesses = match &settings.witnesses {
        Some(witnesses) => {
            witnesses.check().map_err(refused)?;
            settings.publishing.as_ref().map(|_| Witnesses::ask(witnesses, &origin, &store, &health))
        }
        None => None,
    };
    let log = Arc::new(Log::new(Arc::clone(&store)));
    let following = Following { store: Arc::clone(&store), health: Arc::clone(&health), log: Arc::clone(&log), shown };
    // If a witness saw more than this database holds, nothing is signed any more.
    let thread = match settings.publishing {
        Some(publishing) if health.halted().is_none() => start_publisher(&origin, publishing, following, writer_ends)?,
        _ => publisher::follow(following, writer_ends)?,
    };
    let start =
        |settings| Witnessing::start(settings, witnesses.unwrap_or_default(), &store, &health, published.clone());
    let witnessing = settings.witnesses.map(start).transpose()?;
    let writer = Writer {
        origin: origin.clone(),
        store: Arc::clone(&store),
        clock: settings.clock.clone(),
        health: Arc::clone(&health),
        ending,
        edge: Arc::clone(&edge),
        // A crash between a transaction and the turns that it left.
        turns_left: Cell::new(!store.read(|database| waiting::due(database, 1))?.is_empty()),
        log: Arc::clone(&log),
        admission: witnessing.as_ref().map(Witnessing::admission).unwrap_or_default(),
        second_signature: settings.second_signature,
    };
    let sequencer = Sequencer::start(writer)?;
    let desk = Desk::open(&store, &settings.clock, &health, &log, &edge);
    let clerk = Clerk::start(desk.clone())?;
    let self_audit = match settings.self_audit {
        Some(auditing) => {
            Some(SelfAudit::start(auditing, Arc::clone(&store), Arc::clone(&health), settings.clock.clone())?)
        }
        None => None,
    };
    let vault = Vault::new(Arc::clone(&store), settings.sealing_key);
    let mirror = match mirror {
        Some(mirroring) if is_publisher => {
            let (store, health, shown) = (Arc::clone(&store), Arc::clone(&health), published.clone());
            Some(Mirror { store, health, entries_for, mirroring, shown }.start()?)
        }
        Some(_) => {
            tracing::warn!("the tree is copied by the node that has the checkpoint key, not by this one");
            None
        }
        None => None,
    };
    let checkpoints = Checkpoints::new(published, thread);
    Ok(Ledger {
        origin,
        operator,
        store,
        log,
        health,
        vault,
        clock: settings.clock,
        entries_for,
        sequencer,
        desk,
        _clerk: clerk,
        checkpoints,
        mirror,
        witnessing,
        self_audit,
        keys: RwLock::default(),
        counted: RwLock::default(),
    })
}

fn start_publisher(
    origin: &Origin,
    publishing: Publishing,
    following: Following,
    writer_ends: std::sync::mpsc::Receiver<()>,
) -> Result<JoinHandle<()>, OpenError> {
    let health = &following.health;
    match Publisher::open(origin.clone(), publishing, following.clone()) {
        Ok(publisher) => return Ok(publisher.start(writer_ends)?),
        Err(PublishError::Store(error)) => return Err(error.into()),
        Err(error @ (PublishError::Guard(_) | PublishError::Moved | PublishError::Halted)) => {
            return Err(refused(error.to_string()));
        }
        Err(PublishError::Fork(problem)) => health.halt(problem),
        Err(PublishError::NotOurs(problem)) => health.halt_here(problem),
    }
    Ok(publisher::follow(following, writer_ends)?)
}

/// The end of the ledger as the last entry's own bytes show it, compared with the head row.
fn right_edge(database: &mut crate::store::Database) -> Result<Seen, StoreError> {
    let head = head::read(database)?;
    let last = match head.size().checked_sub(1) {
        Some(index) => entries::find(database, EntryIndex(index))?,
        None => None,
    };
    let chain_hash = last.map_or(ChainHash::START, |entry| ChainHash::of(&entry.bytes));
    if chain_hash != head.chain_hash {
        return Err(StoreError::damaged("the last entry does not hash to the head; restore the database"));
    }
    Ok(Seen { size: head.size(), chain_hash })
}
