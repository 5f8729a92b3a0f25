//! Checkpoints with the cosignatures that are known of them, and whether these are a quorum.

use crate::ledger::Ledger;
use crate::limits::{COSIGNATURES_READ_MAX, COSIGNATURES_SERVED_MAX};
use crate::proof::cosignature::Cosigner;
use crate::proof::note::Note;
use crate::proof::policy::Policy;
use crate::store::cosignatures::{self, StoredCosignature};
use crate::store::tiles::{self, StoredCheckpoint};
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;

/// A checkpoint whose note carries cosignatures behind the log's own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The checkpoint.
    pub checkpoint: StoredCheckpoint,
    /// The witnesses, in the order of their lines.
    pub witnesses: Vec<WitnessSeen>,
}

/// A witness, and when it cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSeen {
    /// Its key.
    pub cosigner: Cosigner,
    /// Seconds since 1970.
    pub time: u64,
}

/// A checkpoint whose cosignatures are a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The checkpoint with the cosignatures of the policy's witnesses.
    pub cosigned: Cosigned,
    /// The latest time, in seconds since 1970, at or after which a quorum of them vouched for it.
    pub time: u64,
}

impl Witnessed {
    /// Entries that it covers.
    pub const fn size(&self) -> u64 {
        self.cosigned.checkpoint.size
    }
}

impl From<StoredCheckpoint> for Cosigned {
    /// Nobody's cosignature is known.
    fn from(checkpoint: StoredCheckpoint) -> Self {
        Self { checkpoint, witnesses: Vec::new() }
    }
}

impl Cosigned {
    /// Adds the lines that verify, one a key. A row that does not verify was touched by somebody: served, it would make
    /// whoever knows its key refuse the whole note.
    fn new(checkpoint: StoredCheckpoint, rows: &[StoredCosignature], wanted: impl Fn(&Cosigner) -> bool) -> Self {
        let own = Note::parse(&checkpoint.note).map_or(0, |note| note.signatures.len());
        let mut found = Self::from(checkpoint);
        for row in rows {
            if found.witnesses.len() == COSIGNATURES_SERVED_MAX {
                break;
            }
            let cosigner = Cosigner::parse(&row.witness).ok().filter(&wanted);
            let Some(cosigner) = cosigner.filter(|cosigner| !found.is_by(cosigner)) else { continue };
            let note = format!("{}{}", found.checkpoint.note, row.line);
            let lines = own + found.witnesses.len() + 1;
            let Some(time) = time_of_last_line(&note, lines, &cosigner) else {
                tracing::error!(size = row.size, witness = row.witness, "a stored cosignature does not verify");
                continue;
            };
            found.checkpoint.note = note;
            found.witnesses.push(WitnessSeen { cosigner, time });
        }
        found
    }

    fn is_by(&self, cosigner: &Cosigner) -> bool {
        self.witnesses.iter().any(|seen| seen.cosigner.key() == cosigner.key())
    }

    /// The latest time at or after which a quorum cosigned it; `None` if they are no quorum, or the policy asks for none.
    pub fn quorum_time(&self, policy: &Policy) -> Option<u64> {
        let place = |cosigner: &Cosigner| policy.witnesses.iter().position(|witness| witness.cosigner == *cosigner);
        let mut seen: Vec<(u64, usize)> =
            self.witnesses.iter().filter_map(|seen| Some((seen.time, place(&seen.cosigner)?))).collect();
        seen.sort_unstable_by(|one, other| other.cmp(one));
        let mut cosigned = BTreeSet::new();
        let reaches = |(time, place): (u64, usize)| {
            cosigned.insert(place);
            policy.is_quorum(&cosigned).then_some(time)
        };
        seen.into_iter().filter(|_| policy.asks_for_witnesses()).find_map(reaches)
    }
}

/// The time of a note's last line, which must be this witness's only one.
fn time_of_last_line(note: &str, lines: usize, cosigner: &Cosigner) -> Option<u64> {
    let parsed = Note::parse(note).ok().filter(|parsed| parsed.signatures.len() == lines)?;
    let last = parsed.signatures.last().cloned()?;
    cosigner.time_of(&Note { text: parsed.text, signatures: vec![last] }).ok()
}

/// The first checkpoint, in the order of the rows, that a quorum of a policy's witnesses cosigned.
pub(crate) fn newest_witnessed(
    store: &Store,
    policy: &Policy,
    rows: &[StoredCosignature],
) -> Result<Option<Witnessed>, StoreError> {
    let is_in_policy = |cosigner: &Cosigner| policy.witnesses.iter().any(|witness| witness.cosigner == *cosigner);
    for rows in rows.chunk_by(|one, other| one.size == other.size) {
        let Some(size) = rows.first().map(|row| row.size) else { continue };
        let Some(checkpoint) = store.read(|database| tiles::checkpoint(database, size))? else { continue };
        let cosigned = Cosigned::new(checkpoint, rows, is_in_policy);
        if let Some(time) = cosigned.quorum_time(policy) {
            return Ok(Some(Witnessed { cosigned, time }));
        }
    }
    Ok(None)
}

/// What is stored of the newest checkpoints, the largest first.
pub(crate) fn newest_rows(store: &Store, from: u64, to: u64) -> Result<Vec<StoredCosignature>, StoreError> {
    store.read(|database| cosignatures::newest_between(database, from, to, COSIGNATURES_READ_MAX))
}

/// A checkpoint with every cosignature that is known of it, on whichever node that came in.
pub(crate) fn with_cosignatures(store: &Store, checkpoint: StoredCheckpoint) -> Result<Cosigned, StoreError> {
    let rows = store.read(|database| cosignatures::of_checkpoint(database, checkpoint.size))?;
    Ok(Cosigned::new(checkpoint, &rows, |_| true))
}

impl Ledger {
    /// A checkpoint with every cosignature that is known of it.
    pub fn cosigned(&self, checkpoint: StoredCheckpoint) -> Result<Cosigned, StoreError> {
        with_cosignatures(&self.store, checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::merkle::empty_root;
    use ed25519_dalek::SigningKey;
    use std::fmt::Write as _;

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::new("w", SigningKey::from_bytes(&[seed; 32]).verifying_key()).expect("a name")
    }

    /// Two of three: the quorum vouched when the second of the latest did.
    #[test]
    fn a_quorum_is_as_fresh_as_its_stalest_needed_member() {
        let mut text = String::new();
        for seed in 1..=3 {
            writeln!(text, "witness w{seed} {}", cosigner(seed).vkey()).expect("memory");
        }
        let quorum = |quorum: &str| Policy::parse(format!("{text}{quorum}").as_bytes()).expect("a policy");
        let (two, none) = (quorum("group g 2 w1 w2 w3\nquorum g"), quorum("quorum none"));
        let checkpoint = StoredCheckpoint { size: 0, root: empty_root(), note: String::new() };
        let cases = [
            (vec![], None),
            (vec![(1, 50)], None),
            (vec![(1, 50), (9, 60)], None),
            (vec![(1, 50), (2, 40)], Some(40)),
            (vec![(1, 10), (2, 40), (3, 30)], Some(30)),
        ];
        for (seen, expected) in cases {
            let witness = |(seed, time): &(u8, u64)| WitnessSeen { cosigner: cosigner(*seed), time: *time };
            let witnesses = seen.iter().map(witness).collect();
            let cosigned = Cosigned { checkpoint: checkpoint.clone(), witnesses };
            assert_eq!(cosigned.quorum_time(&two), expected, "{seen:?}");
            assert_eq!(cosigned.quorum_time(&none), None, "nobody is asked for, so nobody has seen it");
        }
    }
}
