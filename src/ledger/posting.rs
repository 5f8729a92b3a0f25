//! What goes into the ledger and what comes back: statements of a request, and their outcomes.

use crate::domain::awaited::Awaited;
use crate::domain::event::SecondSignature;
use crate::domain::fields::{Field, codes};
use crate::domain::ids::{EntryIndex, OrganisationId, Origin};
use crate::domain::refusal::{Refusal, Warning};
use crate::domain::time::LedgerTime;
use crate::ledger::orders::OrderRefusal;
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
    /// Set if it may wait for what it names and nobody has said yet: the organisation whose token posts it.
    pub patient: Option<OrganisationId>,
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

/// What whoever issues is told while the witnesses have not seen enough.
pub const NOT_WITNESSED: &str = "certificates are issued on what a quorum of witnesses has seen, and it has not cosigned a \
checkpoint over all of these treatments yet; send it again in a moment";

/// Why a statement is not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Its bytes or signature.
    Bytes(Box<BytesRefused>),
    /// An opening does not open.
    Opening(Box<OpeningRefused>),
    /// The openings of these commitments must be posted with the statement.
    OpeningMissing(&'static str),
    /// No quorum of witnesses has seen yet what a certificate would rest on.
    NotWitnessed,
    /// This service issues and withdraws under a second signature, and the statement asks for none or for less.
    SecondSignatureNeeded(SecondSignature),
    /// It rests on more of the state than one transaction loads.
    TooMuchState,
    /// The rules.
    Rules(Box<Refusal>),
    /// It takes units that are reserved for an order, or names one that it does not serve.
    Order(Box<OrderRefusal>),
    /// The organisation has said something else under this id, in that entry.
    SameIdOtherContent(EntryIndex),
    /// Another line of the same all-or-nothing request has this id and other content.
    SameIdInRequest,
    /// Another statement of the same all-or-nothing request was refused.
    NotPosted,
    /// The organisation has something else under this id that waits.
    SameIdWaiting,
    /// As much waits as may.
    WaitingFull(Whose),
}

/// Whose waiting statements are as many as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The organisation's.
    Own,
    /// Everybody's together.
    All,
}

/// A refusal as it is told and kept: code, field and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The stable code.
    pub code: &'static str,
    /// JSON Pointer to the field to blame.
    pub pointer: String,
    /// What was wrong and what to do.
    pub detail: String,
}

impl Refused {
    /// The refusal in words.
    pub fn told(&self) -> Told {
        let (code, pointer, detail): (_, &str, &str) = match self {
            Self::Bytes(refused) => (refused.code.as_str(), &refused.pointer, &refused.detail),
            Self::Rules(refusal) => (refusal.code.as_str(), &refusal.pointer, &refusal.detail),
            Self::Order(refusal) => (refusal.code.as_str(), &refusal.pointer, &refusal.detail),
            Self::Opening(refused) => {
                let pointer = format!("/open/{}", refused.pointer.replace('~', "~0").replace('/', "~1"));
                return Told { code: "opening_invalid", pointer, detail: refused.problem.to_owned() };
            }
            Self::SameIdOtherContent(index) => {
                let detail = format!("entry {index} has this id with other content; a new statement needs a new id");
                return Told { code: "id_taken", pointer: "/id".to_owned(), detail };
            }
            Self::OpeningMissing(pointer) => {
                let detail = "its opening, with a value, must be posted beside the statement; the register shows it";
                ("opening_required", pointer, detail)
            }
            Self::TooMuchState => {
                ("too_much_state", "", "it rests on too many records at once; say it in several statements")
            }
            Self::NotWitnessed => ("not_witnessed", "/allotments", NOT_WITNESSED),
            Self::SecondSignatureNeeded(demanded) => {
                let detail = format!(
                    "this service issues and withdraws certificates under a second signature: say \"second\":\"{demanded}\""
                );
                return Told { code: "second_signature_needed", pointer: "/second".to_owned(), detail };
            }
            Self::SameIdInRequest => {
                let detail =
                    "another line of this batch has this id with other content; a new statement needs a new id";
                ("id_taken", "/id", detail)
            }
            Self::NotPosted => {
                let detail = "another line of this all-or-nothing batch was refused, so this one was not posted";
                ("not_posted", "", detail)
            }
            Self::SameIdWaiting => {
                let detail =
                    "a statement with this id and other content waits; take that one back, or give this a new id";
                ("id_taken", "/id", detail)
            }
            Self::WaitingFull(Whose::Own) => {
                let detail =
                    "as much of this organisation waits as may; post what it waits for, or take some of it back";
                ("waiting_full", "", detail)
            }
            Self::WaitingFull(Whose::All) => {
                ("waiting_full", "", "as much waits here as may; send it again later, or after what it names")
            }
        };
        Told { code, pointer: pointer.to_owned(), detail: detail.to_owned() }
    }
}

/// A statement that was stored outside the ledger, because it names what nobody has said yet. No receipt: it has no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who says it, and its id.
    pub identity: Identity,
    /// Its type.
    pub type_name: String,
    /// What it waits for.
    pub awaited: Awaited,
    /// When it was posted, in ledger time.
    pub posted: LedgerTime,
    /// Until when it waits, in ledger time.
    pub until: LedgerTime,
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
    /// It is not yet: it waits, and is stored.
    Waiting(Box<Waiting>),
}
