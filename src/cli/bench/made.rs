//! A made ledger as tiles on disk: the lives of computers from workshops to schools, the same bytes every time.
//!
//! Its statements are framed without asking the rules, which an audit then does; nothing is flushed to the disk.

use crate::cli::CommandError;
use crate::domain::codes::KeyUse;
use crate::domain::ids::{EntryIndex, OrganisationId, Origin, StatementId};
use crate::domain::time::LedgerTime;
use crate::ledger::clock::Clock;
use crate::ledger::keyring;
use crate::ledger::opening::{self, Founding};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::entry_bundle;
use crate::proof::merkle::{Frontier, TreeHash, leaf_hash, root_of};
use crate::proof::note::NoteVerifier;
use crate::proof::statement::{prove_possession, sign};
use crate::proof::tile_path::{TileKind, TilePath};
use crate::proof::tiles::TILE_WIDTH;
use crate::store::{DatabaseUrl, Store, entries};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// 2026-11-23T12:00:00Z.
const NOON_MS: i64 = 1_795_435_200_000;
const ORIGIN: &str = "bench.local/a0d17000";
/// Workshops, each with a school that it supplies.
const PAIRS: u128 = 20;
/// Computers that go through the workshops together; between two statements about one of them lie so many others.
const COHORT: u128 = 2_000;
/// Computers of one handover.
const HANDED_OVER: usize = 50;

/// An organisation that signs for itself.
struct Party {
    id: Uuid,
    key: SigningKey,
}

impl Party {
    fn of(number: u128) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&(1_000 + number).to_be_bytes());
        Self { id: id(1, number), key: SigningKey::from_bytes(&seed) }
    }
}

/// Ids in the order in which they are made, as clients make them.
fn id(space: u128, number: u128) -> Uuid {
    Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 | space << 48 | number)
}

/// A statement that is still to be signed.
struct Unsigned<'a> {
    by: &'a Party,
    payload: String,
}

/// Makes a ledger of so many entries in a folder that holds none, and gives its checkpoint key.
pub(super) fn make(
    folder: &Path,
    size: u64,
    threads: usize,
    mut tell: impl FnMut(u64),
) -> Result<String, CommandError> {
    let origin = Origin::parse(ORIGIN).ok_or("the origin is ill-formed")?;
    let [operator, recovery, checkpoint] = [0, 1, 2].map(|number| Party::of(PAIRS * 2 + number));
    fs::create_dir_all(folder)?;
    let mut log = Log::new(folder, origin.clone());
    log.push(&first_entry(folder, &origin, [&operator, &recovery, &checkpoint])?)?;
    let parties: Vec<Party> = (0..PAIRS * 2).map(Party::of).collect();
    let mut made = 0;
    let mut say = |by, kind: &str, fields| {
        made += 1;
        statement(&origin, by, id(3, made), kind, fields)
    };
    let joining: Vec<Unsigned> = parties
        .iter()
        .enumerate()
        .map(|(at, party)| joins(&origin, &operator, party, at, &mut say))
        .collect::<Result<Vec<_>, CommandError>>()?
        .into_iter()
        .flatten()
        .collect();
    log.append(&joining, size, threads)?;
    let mut first = 0;
    while log.frontier.size() < size {
        log.append(&cohort(&parties, first, &mut say), size, threads)?;
        first += COHORT;
        tell(log.frontier.size());
    }
    log.finish(&checkpoint.key)?;
    let verifier = NoteVerifier::new(origin.as_str(), checkpoint.key.verifying_key());
    Ok(verifier.ok_or("the origin is no key's name")?.vkey())
}

/// The vkey of the ledger that [`make`] makes.
pub(super) fn vkey() -> Result<NoteVerifier, CommandError> {
    let key = Party::of(PAIRS * 2 + 2).key.verifying_key();
    NoteVerifier::new(ORIGIN, key).ok_or_else(|| "the origin is no key's name".into())
}

fn statement<'a>(origin: &Origin, by: &'a Party, id: Uuid, kind: &str, mut fields: Value) -> Unsigned<'a> {
    fields["v"] = json!(1);
    fields["ledger"] = json!(origin.as_str());
    fields["id"] = json!(id.to_string());
    fields["org"] = json!(by.id.to_string());
    fields["type"] = json!(kind);
    fields["occurred_at"] = json!("2026-11-23T13:00:00+02:00");
    Unsigned { by, payload: fields.to_string() }
}

/// `ledger_opened` as every ledger begins, taken from a database that is thrown away.
fn first_entry(folder: &Path, origin: &Origin, keys: [&Party; 3]) -> Result<Vec<u8>, CommandError> {
    let file = folder.join("founding.sqlite");
    let [operator, recovery, checkpoint] = keys;
    let founding = Founding {
        origin: origin.clone(),
        test: true,
        operator: OrganisationId(operator.id),
        statement: StatementId(id(3, 0)),
        operator_key: &operator.key,
        recovery_key: &recovery.key,
        checkpoint_key: &checkpoint.key,
    };
    let store = Store::open(&DatabaseUrl::Sqlite(file.clone()), 1)?;
    opening::found(&store, &Clock::given(|| NOON_MS), &founding)?;
    let first = store.read(|database| entries::find(database, EntryIndex(0)))?.ok_or("entry 0 is missing")?;
    drop(store);
    for ending in ["sqlite", "sqlite-wal", "sqlite-shm", "lock"] {
        // The database may have tidied up behind itself.
        let _ = fs::remove_file(file.with_extension(ending));
    }
    Ok(first.bytes)
}

/// The operator registers a party and its key.
fn joins<'a>(
    origin: &Origin,
    operator: &'a Party,
    party: &Party,
    at: usize,
    say: &mut impl FnMut(&'a Party, &str, Value) -> Unsigned<'a>,
) -> Result<[Unsigned<'a>; 2], CommandError> {
    let roles = if at.is_multiple_of(2) { json!(["donor", "refurbisher"]) } else { json!(["beneficiary"]) };
    let joins = json!({"organisation": party.id.to_string(), "roles": roles, "country": "XD"});
    let jwk = keyring::public_jwk(&party.key)?;
    let proof = prove_possession(&party.key, origin, OrganisationId(party.id), KeyUse::Statement);
    let registers = json!({
        "organisation": party.id.to_string(), "jwk": {"kty": "OKP", "crv": "Ed25519", "x": jwk.x.as_str()},
        "custody": "own", "use": "statement", "proof": proof.ok_or("a key proves nothing")?.as_str(),
    });
    Ok([say(operator, "organisation_registered", joins), say(operator, "key_registered", registers)])
}

/// Some computers from the workshop's door to the school's desk, stage by stage.
fn cohort<'a>(
    parties: &'a [Party],
    first: u128,
    say: &mut impl FnMut(&'a Party, &str, Value) -> Unsigned<'a>,
) -> Vec<Unsigned<'a>> {
    let count = parties.len() / 2;
    let workshop = |number: usize| &parties[number % count * 2];
    let school = |number: usize| &parties[number % count * 2 + 1];
    let items: Vec<String> = (first..first + COHORT).map(|number| id(2, number).to_string()).collect();
    let by_pair = |pair: usize| items.iter().skip(pair).step_by(count).cloned().collect::<Vec<_>>();
    let mut all = Vec::new();
    for stage in ["registered", "tested", "data_sanitised", "prepared_for_reuse"] {
        for (number, item) in items.iter().enumerate() {
            let fields = match stage {
                "registered" => json!({
                    "item": item, "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "XD",
                }),
                "tested" => json!({"item": item, "result": "works"}),
                "data_sanitised" => {
                    json!({"item": item, "method": "clear", "technique": "overwrite", "verified": true})
                }
                _ => json!({"item": item}),
            };
            all.push(say(workshop(number), stage, fields));
        }
    }
    let mut handovers = Vec::new();
    for pair in 0..count {
        for (part, items) in by_pair(pair).chunks(HANDED_OVER).enumerate() {
            let number = first * 1_000 + (pair * 100 + part) as u128;
            let handover = id(4, number).to_string();
            let fields = json!({"handover": handover, "to": school(pair).id.to_string(), "items": items});
            all.push(say(workshop(pair), "handover_offered", fields));
            handovers.push((pair, handover));
        }
    }
    for (pair, handover) in handovers {
        all.push(say(school(pair), "handover_accepted", json!({"handover": handover})));
    }
    for (number, item) in items.iter().enumerate() {
        all.push(say(school(number), "put_in_use", json!({"item": item, "country": "XD"})));
    }
    all
}

/// A log that grows, as C2SP tlog-tiles lays it out.
struct Log<'a> {
    folder: &'a Path,
    origin: Origin,
    frontier: Frontier,
    chain_hash: ChainHash,
    /// Hashes of each level that fill no tile yet, with that tile's number.
    levels: Vec<(u64, Vec<TreeHash>)>,
    bundle: Vec<Vec<u8>>,
}

impl<'a> Log<'a> {
    fn new(folder: &'a Path, origin: Origin) -> Self {
        let (frontier, chain_hash) = (Frontier::default(), ChainHash::START);
        Self { folder, origin, frontier, chain_hash, levels: Vec::new(), bundle: Vec::new() }
    }

    /// Signs statements on all threads and frames them in order, until the log has its size.
    fn append(&mut self, statements: &[Unsigned<'_>], size: u64, threads: usize) -> Result<(), CommandError> {
        let share = statements.len().div_ceil(threads).max(1);
        let signed: Vec<Option<String>> = std::thread::scope(|scope| {
            let sign_all = |share: &[Unsigned<'_>]| {
                share.iter().map(|one| sign(&one.by.key, one.payload.as_bytes())).collect::<Vec<_>>()
            };
            let threads: Vec<_> = statements.chunks(share).map(|share| scope.spawn(move || sign_all(share))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        for statement in signed {
            if self.frontier.size() == size {
                break;
            }
            let entry = Entry {
                ledger: self.origin.clone(),
                index: EntryIndex(self.frontier.size()),
                time: LedgerTime::from_ms(NOON_MS).ok_or("the time is absurd")?,
                prev: self.chain_hash,
                statement: statement.ok_or("a statement cannot be signed")?,
            };
            self.push(&entry.to_bytes())?;
        }
        Ok(())
    }

    fn push(&mut self, entry: &[u8]) -> Result<(), CommandError> {
        let leaf = leaf_hash(entry);
        self.chain_hash = ChainHash::of(entry);
        self.frontier.push(leaf);
        self.bundle.push(entry.to_vec());
        if u64::try_from(self.bundle.len())? == TILE_WIDTH {
            self.write_bundle()?;
        }
        let (mut level, mut hash) = (0, leaf);
        loop {
            if self.levels.len() == level {
                self.levels.push((0, Vec::new()));
            }
            let (n, hashes) = &mut self.levels[level];
            hashes.push(hash);
            if u64::try_from(hashes.len())? < TILE_WIDTH {
                return Ok(());
            }
            hash = root_of(hashes);
            write_tile(self.folder, level, *n, hashes)?;
            *n += 1;
            hashes.clear();
            level += 1;
        }
    }

    fn write_bundle(&mut self) -> Result<(), CommandError> {
        let n = (self.frontier.size() - 1) / TILE_WIDTH;
        let bytes = entry_bundle::write(self.bundle.iter().map(Vec::as_slice))?;
        write(self.folder, TileKind::Entries, n, self.bundle.len(), &bytes)?;
        self.bundle.clear();
        Ok(())
    }

    /// Writes what is not full, and the checkpoint last.
    fn finish(mut self, key: &SigningKey) -> Result<(), CommandError> {
        if !self.bundle.is_empty() {
            self.write_bundle()?;
        }
        for (level, (n, hashes)) in self.levels.iter().enumerate().filter(|(_, (_, hashes))| !hashes.is_empty()) {
            write_tile(self.folder, level, *n, hashes)?;
        }
        let checkpoint = Checkpoint { origin: self.origin, size: self.frontier.size(), root: self.frontier.root() };
        let note = checkpoint.sign(key).ok_or("the checkpoint cannot be signed")?;
        Ok(fs::write(self.folder.join("checkpoint"), note)?)
    }
}

fn write_tile(folder: &Path, level: usize, n: u64, hashes: &[TreeHash]) -> Result<(), CommandError> {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    write(folder, TileKind::Hashes(u32::try_from(level)?), n, hashes.len(), &bytes)
}

fn write(folder: &Path, kind: TileKind, n: u64, width: usize, bytes: &[u8]) -> Result<(), CommandError> {
    let path = TilePath::new(kind, n, u64::try_from(width)?).ok_or("a tile beyond what tiles can have")?;
    let path: PathBuf = folder.join(path.to_string());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, bytes)?)
}
