//! Our proofs and checks beside those that others wrote: `ct-merkle` (RFC 6962) and `tlog_tiles` (a port of Go's
//! x/mod/sumdb/tlog). All must give the same hashes, and an altered proof must never pass.

use crate::chance::Chance;
use crate::sparse_tree::SparseTree;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use loopledger::proof::merkle::{ProofProblem, TreeHash, check_consistency, check_inclusion, empty_root, leaf_hash};
use loopledger::proof::tiles::Prover;
use sha2::Sha256;
use tlog_tiles::tlog::{self, Hash, HashReader};

/// Every size up to this one is proved leaf by leaf and beginning by beginning.
const SMALL_SIZES: u64 = 300;
/// Sizes beyond, up to 2^40.
const LARGE_CASES: usize = 400;

/// A tree as `tlog_tiles` asks for it.
impl HashReader for SparseTree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        let read = |index: &u64| {
            let (level, number) = tlog::split_stored_hash_index(*index);
            Hash(self.node(u32::from(level), number).0)
        };
        Ok(indexes.iter().map(read).collect())
    }
}

/// A node as `ct-merkle` numbers it (in order, leaf i at 2i), in a tree of a size.
fn in_order(tree: &SparseTree, size: u64, index: u64) -> ct_merkle::digest::Output<Sha256> {
    let level = index.trailing_ones();
    let begin = index >> (level + 1) << level;
    tree.range(begin, (begin + (1 << level)).min(size)).0.into()
}

fn plain(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn theirs(hashes: &[TreeHash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

fn root_hash(root: TreeHash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

/// One leaf of one tree, proved three times.
fn compare_inclusion(tree: &SparseTree, size: u64, index: u64, chance: &mut Chance) {
    let (root, leaf) = (tree.root(size), tree.leaf(index));
    let mut source = tree;
    let ours = Prover::new(&mut source, size).inclusion(index).expect("tiles");
    let ports = tlog::prove_record(size, index, tree).expect("a proof");
    assert_eq!(theirs(&ours), ports, "leaf {index} of {size}");
    let nodes = ct_merkle::indices_for_inclusion_proof(size, index);
    let nodes: Vec<_> = nodes.into_iter().map(|node| in_order(tree, size, node)).collect();
    assert_eq!(plain(&ours), InclusionProof::<Sha256>::from_digests(&nodes).as_bytes(), "leaf {index} of {size}");
    assert_eq!(check_inclusion(&leaf, index, size, &ours, &root), Ok(()));
    assert!(tlog::check_record(&ports, size, Hash(root.0), index, Hash(leaf.0)).is_ok());
    for altered in alterations(&ours, chance) {
        assert!(check_inclusion(&leaf, index, size, &altered, &root).is_err(), "altered: leaf {index} of {size}");
    }
    let other = leaf_hash(b"another leaf");
    assert_eq!(check_inclusion(&other, index, size, &ours, &root), Err(ProofProblem::OtherRoot));
    assert_eq!(check_inclusion(&leaf, index, size, &ours, &other), Err(ProofProblem::OtherRoot));
    assert_eq!(check_inclusion(&leaf, size, size, &ours, &root), Err(ProofProblem::SizesDoNotFit));
}

/// One beginning of one tree, proved three times.
fn compare_consistency(tree: &SparseTree, first: u64, second: u64, chance: &mut Chance) {
    let (old, new) = (tree.root(first), tree.root(second));
    let mut source = tree;
    let ours = Prover::new(&mut source, second).consistency(first).expect("tiles");
    let ports = tlog::prove_tree(second, first, tree).expect("a proof");
    assert_eq!(theirs(&ours), ports, "{first} of {second}");
    let nodes = ct_merkle::indices_for_consistency_proof(first, second - first);
    let nodes: Vec<_> = nodes.into_iter().map(|node| in_order(tree, second, node)).collect();
    let proof = ConsistencyProof::<Sha256>::from_digests(&nodes);
    assert_eq!(plain(&ours), proof.as_bytes(), "{first} of {second}");
    assert!(root_hash(new, second).verify_consistency(&root_hash(old, first), &proof).is_ok());
    assert_eq!(check_consistency((first, &old), (second, &new), &ours), Ok(()));
    assert!(tlog::check_tree(&ports, second, Hash(new.0), first, Hash(old.0)).is_ok());
    for altered in alterations(&ours, chance) {
        assert!(check_consistency((first, &old), (second, &new), &altered).is_err(), "altered: {first} of {second}");
    }
    let other = leaf_hash(b"another history");
    assert!(check_consistency((first, &other), (second, &new), &ours).is_err());
    assert!(check_consistency((first, &old), (second, &other), &ours).is_err());
    if first != second {
        assert_eq!(check_consistency((second, &new), (first, &old), &ours), Err(ProofProblem::SizesDoNotFit));
    }
}

/// A proof with one bit flipped, one hash less, one more, and two swapped.
fn alterations(proof: &[TreeHash], chance: &mut Chance) -> Vec<Vec<TreeHash>> {
    let longer = [proof, &[leaf_hash(b"one more")]].concat();
    if proof.is_empty() {
        return vec![longer];
    }
    let (at, byte) = (chance.place(proof.len()), chance.place(32));
    let mut flipped = proof.to_vec();
    flipped[at].0[byte] ^= 1 << chance.place(8);
    let mut altered = vec![longer, flipped, proof[1..].to_vec(), proof[..proof.len() - 1].to_vec()];
    let mut swapped = proof.to_vec();
    swapped.swap(0, at);
    if swapped != proof {
        altered.push(swapped);
    }
    altered
}

#[test]
fn every_leaf_of_every_small_tree() {
    let mut chance = Chance::seeded(1);
    // Every leaf is another: no place can be mistaken for its neighbour.
    let tree = SparseTree::new(0..SMALL_SIZES);
    for size in 1..=SMALL_SIZES {
        for index in 0..size {
            compare_inclusion(&tree, size, index, &mut chance);
        }
    }
}

#[test]
fn every_beginning_of_every_small_tree() {
    let mut chance = Chance::seeded(4);
    let tree = SparseTree::new(0..SMALL_SIZES);
    for size in 1..=SMALL_SIZES {
        for first in 1..=size {
            compare_consistency(&tree, first, size, &mut chance);
        }
    }
}

#[test]
fn random_proofs_of_trees_up_to_two_to_the_fortieth() {
    let mut chance = Chance::seeded(2);
    for _ in 0..LARGE_CASES {
        let bits = chance.below(33) + 8;
        // Near a power of two the shape changes; elsewhere anything can be.
        let size = match chance.below(3) {
            0 => (1 << bits) - 2 + chance.below(5),
            _ => (1 << (bits - 1)) + 1 + chance.below(1 << (bits - 1)),
        };
        let (index, first) = (chance.below(size), 1 + chance.below(size));
        let around = [index.saturating_sub(1), index, index + 1, first - 1, first, size - 1];
        let tree = SparseTree::new(around);
        compare_inclusion(&tree, size, index, &mut chance);
        compare_consistency(&tree, first, size, &mut chance);
    }
}

/// The trees that `ct-merkle` builds itself, from leaves and not from our nodes.
#[test]
fn trees_that_ct_merkle_builds() {
    let mut built = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let tree = SparseTree::new(0..SMALL_SIZES);
    assert_eq!(built.root().as_bytes().as_slice(), empty_root().0);
    for index in 0..SMALL_SIZES {
        built.push(index.to_be_bytes().to_vec());
        let size = index + 1;
        assert_eq!(built.root().as_bytes().as_slice(), tree.root(size).0);
        let mut source = &tree;
        let mut prover = Prover::new(&mut source, size);
        let at = usize::try_from(index / 2).expect("small");
        assert_eq!(built.prove_inclusion(at).as_bytes(), plain(&prover.inclusion(index / 2).expect("tiles")));
    }
}

/// Sizes, indexes and proofs of any kind: refused or passed, never a panic, whatever an attacker sends.
#[test]
fn absurd_proofs_do_not_panic() {
    let mut chance = Chance::seeded(3);
    let number = |chance: &mut Chance| match chance.below(5) {
        0 => chance.below(4),
        1 => u64::MAX - chance.below(4),
        2 => (1 << chance.below(64)) - chance.below(2),
        _ => chance.number(),
    };
    for _ in 0..20_000 {
        let (first, second) = (number(&mut chance), number(&mut chance));
        let length = chance.place(70);
        let proof: Vec<_> = (0..length).map(|_| leaf_hash(&chance.number().to_be_bytes())).collect();
        let root = leaf_hash(&chance.number().to_be_bytes());
        assert!(check_inclusion(&root, first, second, &proof, &root).is_err() || (second == 1 && proof.is_empty()));
        let passes = check_consistency((first, &root), (second, &root), &proof).is_ok();
        assert!(!passes || (proof.is_empty() && first == second && first != 0), "{first} {second} {length}");
    }
}
