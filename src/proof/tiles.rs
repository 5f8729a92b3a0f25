//! Hash tiles (C2SP tlog-tiles) and the proofs that are made from them.
//!
//! A tile of level L holds up to 256 hashes; hash i of level L is the root over 256^L leaves. Only full tiles are
//! stored; a partial one is derived from the level below.

use crate::proof::merkle::{Frontier, TreeHash, root_of};
use std::collections::BTreeMap;

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Binary levels that a tile spans.
pub const TILE_HEIGHT: u32 = 8;

/// Where proofs read their hashes.
pub trait TileSource {
    /// What can go wrong there.
    type Error;

    /// The first `width` hashes of tile `n` of a level; `width` is 1 to 256.
    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, Self::Error>;
}

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError<E> {
    /// The tree has no such index or size.
    #[error("the tree has no such index or size")]
    OutOfRange,
    /// A tile came back with another width than asked for.
    #[error("tile {level}/{n} is incomplete")]
    Incomplete {
        /// Its level.
        level: u32,
        /// Its number.
        n: u64,
    },
    /// The tiles could not be read.
    #[error(transparent)]
    Source(E),
}

/// Makes proofs for one tree size, reading each tile once.
pub struct Prover<'a, S: TileSource> {
    source: &'a mut S,
    size: u64,
    tiles: BTreeMap<(u32, u64), Vec<TreeHash>>,
}

impl<'a, S: TileSource> Prover<'a, S> {
    /// For the tree of this size, which the source must hold.
    pub const fn new(source: &'a mut S, size: u64) -> Self {
        Self { source, size, tiles: BTreeMap::new() }
    }

    /// The hashes that prove that the leaf of this index is in the tree, the leaf's sibling first.
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
        if index >= self.size {
            return Err(ProofError::OutOfRange);
        }
        let (mut begin, mut end, mut path) = (0, self.size, Vec::new());
        while end - begin > 1 {
            let middle = begin + split(end - begin);
            if index < middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(begin, middle)?);
                begin = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The hashes that prove that the tree of the first size is a beginning of this one.
    pub fn consistency(&mut self, first: u64) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
        if first > self.size {
            return Err(ProofError::OutOfRange);
        }
        if first == 0 || first == self.size {
            return Ok(Vec::new());
        }
        let (mut begin, mut end, mut path) = (0, self.size, Vec::new());
        while first != end {
            let middle = begin + split(end - begin);
            if first <= middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(begin, middle)?);
                begin = middle;
            }
        }
        if begin != 0 {
            path.push(self.range(begin, end)?);
        }
        path.reverse();
        Ok(path)
    }

    /// The right edge of the tree.
    pub fn frontier(&mut self) -> Result<Frontier, ProofError<S::Error>> {
        let (mut begin, mut peaks) = (0, Vec::new());
        let size = self.size;
        for height in (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1) {
            peaks.push(self.perfect(begin, height)?);
            begin += 1 << height;
        }
        Frontier::new(self.size, peaks).ok_or(ProofError::OutOfRange)
    }

    /// The root over `begin..end`, where `begin` is a multiple of the largest power of two in the range.
    fn range(&mut self, begin: u64, end: u64) -> Result<TreeHash, ProofError<S::Error>> {
        let (mut at, mut peaks) = (begin, Vec::new());
        let width = end - begin;
        for height in (0..u64::BITS).rev().filter(|height| width >> height & 1 == 1) {
            peaks.push(self.perfect(at, height)?);
            at += 1 << height;
        }
        Frontier::new(width, peaks).map(|frontier| frontier.root()).ok_or(ProofError::OutOfRange)
    }

    /// The root of the perfect subtree of 2^height leaves that begins at a multiple of its width.
    fn perfect(&mut self, begin: u64, height: u32) -> Result<TreeHash, ProofError<S::Error>> {
        let (level, rest) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = begin >> (TILE_HEIGHT * level);
        let (n, from) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let hashes = self.tile(level, n)?;
        let slots = usize::try_from(from).ok().zip(usize::try_from(from + (1 << rest)).ok());
        let slice = slots.and_then(|(from, to)| hashes.get(from..to));
        slice.map(root_of).ok_or(ProofError::Incomplete { level, n })
    }

    fn tile(&mut self, level: u32, n: u64) -> Result<&[TreeHash], ProofError<S::Error>> {
        if !self.tiles.contains_key(&(level, n)) {
            let on_level = self.size >> (TILE_HEIGHT * level);
            let width = on_level.saturating_sub(n * TILE_WIDTH).min(TILE_WIDTH);
            let hashes = self.source.tile(level, n, width).map_err(ProofError::Source)?;
            if u64::try_from(hashes.len()) != Ok(width) {
                return Err(ProofError::Incomplete { level, n });
            }
            self.tiles.insert((level, n), hashes);
        }
        Ok(self.tiles.get(&(level, n)).map_or(&[], Vec::as_slice))
    }
}

/// The largest power of two below `width`, which is at least 2.
const fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::merkle::{ProofProblem, check_consistency, check_inclusion, leaf_hash};
    use std::convert::Infallible;

    /// Tiles derived from all leaves, the slow and plain way.
    struct Leaves(Vec<TreeHash>);

    impl TileSource for Leaves {
        type Error = Infallible;

        fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, Infallible> {
            let mut hashes = self.0.clone();
            for _ in 0..level {
                hashes = hashes.chunks_exact(256).map(root_of).collect();
            }
            let from = usize::try_from(n * TILE_WIDTH).expect("small");
            Ok(hashes[from..from + usize::try_from(width).expect("small")].to_vec())
        }
    }

    /// RFC 6962 §2.1 as it is written.
    fn naive_root(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => crate::proof::merkle::empty_root(),
            [leaf] => *leaf,
            _ => {
                let middle = usize::try_from(split(leaves.len() as u64)).expect("small");
                crate::proof::merkle::node_hash(&naive_root(&leaves[..middle]), &naive_root(&leaves[middle..]))
            }
        }
    }

    fn leaves(count: usize) -> Vec<TreeHash> {
        (0..count).map(|n| leaf_hash(n.to_string().as_bytes())).collect()
    }

    #[test]
    fn every_small_tree_proves_every_leaf_and_every_beginning() {
        let all = leaves(70);
        for size in 1..=all.len() {
            let mut source = Leaves(all[..size].to_vec());
            let root = naive_root(&all[..size]);
            let size = size as u64;
            let mut prover = Prover::new(&mut source, size);
            assert_eq!(prover.frontier().expect("tiles").root(), root);
            for index in 0..size {
                let proof = prover.inclusion(index).expect("tiles");
                let leaf = all[usize::try_from(index).expect("small")];
                assert_eq!(check_inclusion(&leaf, index, size, &proof, &root), Ok(()));
                let longer = [proof.clone(), vec![leaf]].concat();
                assert_eq!(check_inclusion(&leaf, index, size, &longer, &root), Err(ProofProblem::WrongLength));
                assert!(check_inclusion(&leaf, index + 1, size, &proof, &root).is_err());
            }
            for first in 0..=size {
                let first_root = naive_root(&all[..usize::try_from(first).expect("small")]);
                let proof = prover.consistency(first).expect("tiles");
                assert_eq!(check_consistency((first, &first_root), (size, &root), &proof), Ok(()));
                if 0 < first && first < size {
                    let wrong = leaf_hash(b"other history");
                    assert!(check_consistency((first, &wrong), (size, &root), &proof).is_err());
                    assert!(check_consistency((first, &first_root), (size, &wrong), &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn trees_that_cross_tile_borders_prove_too() {
        let all = leaves(66_000);
        for size in [255, 256, 257, 512, 1_000, 65_535, 65_536, 65_537, 66_000_usize] {
            let root = root_of(&all[..size]);
            let mut source = Leaves(all[..size].to_vec());
            let mut prover = Prover::new(&mut source, size as u64);
            for index in [0, 1, 254, size / 2, size - 1] {
                let proof = prover.inclusion(index as u64).expect("tiles");
                assert_eq!(check_inclusion(&all[index], index as u64, size as u64, &proof, &root), Ok(()));
            }
            for first in [1, 128, 200, size / 2, size - 1] {
                let proof = prover.consistency(first as u64).expect("tiles");
                let first_root = root_of(&all[..first]);
                assert_eq!(check_consistency((first as u64, &first_root), (size as u64, &root), &proof), Ok(()));
            }
        }
    }
}
