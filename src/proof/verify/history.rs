//! Two views of one ledger: whether one history can be behind both.
//!
//! Two signed checkpoints that no single history has are the proof of a fork: whoever signed them showed different people
//! different ledgers. Both notes together are the evidence.

use crate::proof::bundle::Bundle;
use crate::proof::checkpoint::Checkpoint;
use crate::proof::entry::{ChainHash, Entry};
use crate::proof::merkle::{TreeHash, check_consistency};
use std::collections::BTreeMap;

/// How two checkpoints stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Same size, same root.
    Same,
    /// The larger one is proved to extend the smaller.
    Proved,
    /// Nothing contradicts, and nothing was proved: no proof was given.
    NotProved,
}

/// Why two views cannot be of one history, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(pub String);

fn contradiction<T>(problem: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction(problem.into()))
}

/// Orders two checkpoints by size; of equal sizes the first stays first.
pub fn by_size<'a>(one: &'a Checkpoint, other: &'a Checkpoint) -> (&'a Checkpoint, &'a Checkpoint) {
    if one.size <= other.size { (one, other) } else { (other, one) }
}

/// Compares two checkpoints; `proof` is the consistency proof from the smaller to the larger, from whomever: only its hashes
/// count.
pub fn compare(one: &Checkpoint, other: &Checkpoint, proof: Option<&[TreeHash]>) -> Result<Agreement, Contradiction> {
    let (small, large) = by_size(one, other);
    if small.origin != large.origin {
        return contradiction(format!("they are of two ledgers, {} and {}", one.origin, other.origin));
    }
    if small.size == large.size {
        if small.root == large.root {
            return Ok(Agreement::Same);
        }
        let size = small.size;
        return contradiction(format!(
            "two checkpoints over {size} entries have different roots: the ledger has forked"
        ));
    }
    let Some(proof) = proof else { return Ok(Agreement::NotProved) };
    match check_consistency((small.size, &small.root), (large.size, &large.root), proof) {
        Ok(()) => Ok(Agreement::Proved),
        Err(problem) => contradiction(format!(
            "the checkpoint over {} entries is not proved to extend the one over {}: {problem}; the ledger has forked, or \
             whoever made the proof is wrong",
            large.size, small.size
        )),
    }
}

/// Compares the entries that two verified bundles show: the same at the same places, each named by the one behind it. Gives how
/// many places both show.
pub fn compare_entries(one: &Bundle, other: &Bundle) -> Result<usize, Contradiction> {
    let mut all: BTreeMap<u64, &[u8]> = one.entries.iter().map(|entry| (entry.index, entry.bytes.as_slice())).collect();
    let mut shared = 0;
    for entry in &other.entries {
        match all.insert(entry.index, &entry.bytes) {
            Some(known) if known != entry.bytes => {
                return contradiction(format!("entry {} is not the same in both: the ledger has forked", entry.index));
            }
            known => shared += usize::from(known.is_some()),
        }
    }
    let neighbours = all.iter().zip(all.iter().skip(1)).filter(|((index, _), (next, _))| **index + 1 == **next);
    for ((index, bytes), (next, after)) in neighbours {
        if Entry::parse(after).is_ok_and(|entry| entry.prev != ChainHash::of(bytes)) {
            let problem = format!("entry {next} of one does not name the hash of entry {index} of the other");
            return contradiction(format!("{problem}: the ledger has forked"));
        }
    }
    Ok(shared)
}
