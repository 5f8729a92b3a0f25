//! Under which keys a checkpoint counts.

use crate::domain::registry::Ledger;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::note::NoteVerifier;
use crate::proof::policy::Policy;

/// What an auditor trusts before anything was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// This key, which came by another road than the ledger.
    Key(Box<NoteVerifier>),
    /// A log and witnesses, which came by another road than the ledger.
    Policy(Box<Policy>),
    /// Nothing: the keys are those that the ledger names.
    None,
}

impl Anchor {
    /// The ledger's name, if the anchor knows it.
    pub(super) fn origin(&self) -> Option<&str> {
        match self {
            Self::Key(verifier) => Some(verifier.name()),
            Self::Policy(policy) => match policy.logs.as_slice() {
                [only] => Some(only.verifier.name()),
                _ => None,
            },
            Self::None => None,
        }
    }

    /// Whether as many witnesses cosigned a note as the anchor demands. One that was just signed may lack them for a moment.
    pub(super) fn is_witnessed(&self, note: Option<&str>) -> bool {
        match self {
            Self::Policy(policy) => {
                note.and_then(|note| policy.open(note).ok()).is_some_and(|opened| opened.quorum_met)
            }
            Self::Key(_) | Self::None => true,
        }
    }

    /// Opens the checkpoint in a note: signed by the anchor and, as far as the ledger is known, by a key that it names.
    pub(super) fn open(&self, note: &str, ledger: Option<&Ledger>) -> Result<Checkpoint, String> {
        let anchored = match self {
            Self::Key(verifier) => {
                let opened = Checkpoint::open(note, verifier);
                Some(opened.map_err(|problem| format!("under the key that was given: {problem}"))?)
            }
            Self::Policy(policy) => {
                let opened =
                    policy.open(note).map_err(|problem| format!("under the policy that was given: {problem}"))?;
                Some(opened.checkpoint)
            }
            Self::None => None,
        };
        let Some(ledger) = ledger else { return anchored.ok_or_else(|| "no key is known yet".to_owned()) };
        let mut problem = "the ledger names no key".to_owned();
        for verifier in ledger.checkpoint_vkeys().filter_map(|vkey| NoteVerifier::parse(vkey.as_str()).ok()) {
            match Checkpoint::open(note, &verifier) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(found) => problem = format!("under the key that the ledger names: {found}"),
            }
        }
        Err(problem)
    }
}
