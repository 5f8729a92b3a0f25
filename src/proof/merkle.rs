//! The RFC 6962 Merkle tree over entries, SHA-256: leaves, roots, and the checks of RFC 9162 §2.1.3 and §2.1.4.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A hash of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub [u8; 32]);

impl std::fmt::Display for TreeHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl std::fmt::Debug for TreeHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TreeHash({self})")
    }
}

impl TreeHash {
    /// Reads 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The hash of an entry's bytes: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into())
}

/// The hash of two neighbours: SHA-256(0x01 || left || right).
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0x01]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of the tree without leaves.
pub fn empty_root() -> TreeHash {
    TreeHash(Sha256::digest([]).into())
}

/// The right edge of a tree: the roots of its perfect subtrees, largest first. All that appending needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

impl Frontier {
    /// Puts together size and peaks; `None` if their number does not fit the size.
    pub fn new(size: u64, peaks: Vec<TreeHash>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok()? == peaks.len()).then_some(Self { size, peaks })
    }

    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// Appends a leaf: as many peaks merge as the size has trailing ones.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut peak = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                peak = node_hash(&left, &peak);
            }
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    /// The root: peaks folded from the smallest to the largest.
    pub fn root(&self) -> TreeHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return empty_root() };
        peaks.fold(*smallest, |right, left| node_hash(left, &right))
    }
}

/// The root over some leaves or, for a tile, over the hashes of a level.
pub fn root_of(hashes: &[TreeHash]) -> TreeHash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(*hash);
    }
    frontier.root()
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofProblem {
    /// Index or sizes contradict one another.
    #[error("index and size do not fit")]
    SizesDoNotFit,
    /// There are more or fewer hashes than index and size demand.
    #[error("the proof has the wrong number of hashes")]
    WrongLength,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// Checks that a leaf stands at an index of the tree of that size and root (RFC 9162 §2.1.3.2).
pub fn check_inclusion(
    leaf: &TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), ProofProblem> {
    if index >= size {
        return Err(ProofProblem::SizesDoNotFit);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofProblem::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    finish(last == 0, hash == *root)
}

fn finish(length_fits: bool, root_fits: bool) -> Result<(), ProofProblem> {
    match (length_fits, root_fits) {
        (false, _) => Err(ProofProblem::WrongLength),
        (true, false) => Err(ProofProblem::OtherRoot),
        (true, true) => Ok(()),
    }
}

/// Checks that the tree of the first size and root is a beginning of the second (RFC 9162 §2.1.4.2).
pub fn check_consistency(
    first: (u64, &TreeHash),
    second: (u64, &TreeHash),
    proof: &[TreeHash],
) -> Result<(), ProofProblem> {
    let ((first_size, first_root), (second_size, second_root)) = (first, second);
    if first_size > second_size {
        return Err(ProofProblem::SizesDoNotFit);
    }
    if first_size == second_size || first_size == 0 {
        let same_root = first_size == 0 || first_root == second_root;
        let empty_is_empty = first_size != 0 || *first_root == empty_root();
        return finish(proof.is_empty(), same_root && empty_is_empty);
    }
    let mut hashes = proof.iter();
    let start = if first_size.is_power_of_two() { Some(first_root) } else { hashes.next() };
    let start = *start.ok_or(ProofProblem::WrongLength)?;
    let shift = (first_size - 1).trailing_ones();
    let (mut node, mut last) = ((first_size - 1) >> shift, (second_size - 1) >> shift);
    let (mut old, mut new) = (start, start);
    for sibling in hashes {
        if last == 0 {
            return Err(ProofProblem::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    finish(last == 0, old == *first_root && new == *second_root)
}
