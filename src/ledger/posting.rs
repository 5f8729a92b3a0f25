//! What goes into the ledger and what comes back: statements of a request, and their outcomes.

use crate::domain::fields::{Field, codes};
use crate::domain::ids::{EntryIndex, Origin};
use crate::domain::refusal::{Refusal, Warning};
use crate::domain::time::LedgerTime;
use crate::proof::commitment::{Opening, OpeningRefused};
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::json;
use crate::proof::merkle::{TreeHash, leaf_hash};
use crate::proof::statement::{BytesRefused, Signed};
use crate::store::entries::{Identity, StoredEntry};

/// A statement on its way into the ledger.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The compact JWS.
    pub jws: String,
    /// Organisation and id, as the payload says.
    pub identity: Identity,
    /// Identifiers that stand in it.
    pub identifiers: Vec<String>,
    /// Set once the signature was checked; not yet if the key was unknown when it was posted.
    pub signed: Option<Signed>,
    /// Openings that go with it.
    pub openings: Vec<Opening>,
}

codes! {
    /// What one refusal does to the others of a request.
    pub enum Mode {
        /// Nothing: each statement stands for itself.
        Each = "each",
        /// All or nothing, on contiguous indexes.
        All = "all",
    }
}

/// The statements of one request.
#[derive(Debug)]
pub struct Group {
    /// In order.
    pub posted: Vec<Posted>,
    /// What one refusal does to the others.
    pub mode: Mode,
}

/// What a caller gets for an accepted statement: a promise of durability, not yet a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The ledger.
    pub ledger: Origin,
    /// The entry's place.
    pub index: EntryIndex,
    /// When the ledger wrote it down.
    pub time: LedgerTime,
    /// Its hash in the tree.
    pub leaf_hash: TreeHash,
    /// Its BLAKE3, the next entry's `prev`.
    pub chain_hash: ChainHash,
    /// What others will see about it.
    pub warnings: Vec<Warning>,
}

impl Receipt {
    /// The receipt of an entry that is stored, the same as the first one; `None` if its row is damaged.
    pub fn of_stored(ledger: &Origin, stored: &StoredEntry) -> Option<Self> {
        let warnings = json::parse_own(stored.warnings.as_bytes()).ok()?;
        if leaf_hash(&stored.bytes) != stored.leaf_hash {
            return None;
        }
        Some(Self {
            ledger: ledger.clone(),
            index: stored.index,
            time: Entry::parse(&stored.bytes).ok()?.time,
            leaf_hash: leaf_hash(&stored.bytes),
            chain_hash: ChainHash::of(&stored.bytes),
            warnings: Vec::read(&warnings).ok()?,
        })
    }
}

/// Why a statement is not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Its bytes or signature.
    Bytes(Box<BytesRefused>),
    /// An opening does not open.
    Opening(Box<OpeningRefused>),
    /// The openings of these commitments must be posted with the statement.
    OpeningMissing(&'static str),
    /// It rests on more of the state than one transaction loads.
    TooMuchState,
    /// The rules.
    Rules(Box<Refusal>),
    /// The organisation has said something else under this id, in that entry.
    SameIdOtherContent(EntryIndex),
    /// Another line of the same all-or-nothing request has this id and other content.
    SameIdInRequest,
    /// Another statement of the same all-or-nothing request was refused.
    NotPosted,
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ledger now.
    Accepted(Receipt),
    /// It was there before; the receipt is the first one.
    Repeated(Receipt),
    /// It is not.
    Refused(Refused),
}
