//! A sample that nobody could have foreseen and anybody can draw again: which treatments an auditor looks at on site.
//!
//! The auditor draws a nonce of 32 bytes after a checkpoint was signed and witnessed, so that the ledger could not be arranged
//! for it. To the byte:
//! - `seed` = SHA-256(nonce || root), the root of that checkpoint, 32 bytes each.
//! - The treatments are the entries of type `treated_final` below the checkpoint's size, each with its `net_g` as it was signed.
//! - **By rank**: rank of entry i = SHA-256(seed || uint64be(i)). The lowest `count` ranks are drawn, in the order of their
//!   ranks, compared byte by byte.
//! - **By mass**: treatments in the order of their entries take up the half-open ranges of their grams, one behind the other, T
//!   grams in all. r = uint128be(the first 16 bytes of the seed) mod T. For k = 0 … count - 1 the treatment is drawn whose range
//!   holds the gram floor((k * T + r) / count). A treatment of more than T / count grams is drawn for certain, and may be hit
//!   more than once; it is listed once, with its hits, in the order of the entries.

use crate::proof::merkle::TreeHash;
use sha2::{Digest, Sha256};
use std::collections::BinaryHeap;

/// What a draw rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

/// A treatment that can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its entry.
    pub index: u64,
    /// Its mass as signed, in grams.
    pub grams: u64,
}

/// A treatment that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The treatment.
    pub candidate: Candidate,
    /// How often it was hit: once by rank, by mass perhaps more.
    pub hits: u64,
}

impl Seed {
    /// The seed of a nonce and a checkpoint's root.
    pub fn of(nonce: &[u8; 32], root: &TreeHash) -> Self {
        Self(Sha256::new().chain_update(nonce).chain_update(root.0).finalize().into())
    }

    /// The rank of an entry.
    pub fn rank(&self, index: u64) -> [u8; 32] {
        Sha256::new().chain_update(self.0).chain_update(index.to_be_bytes()).finalize().into()
    }

    /// Draws by rank: each treatment with the same chance.
    pub fn draw_by_rank(&self, candidates: &[Candidate], count: usize) -> Vec<Drawn> {
        let mut lowest: BinaryHeap<([u8; 32], Candidate)> = BinaryHeap::new();
        for candidate in candidates {
            lowest.push((self.rank(candidate.index), *candidate));
            if lowest.len() > count {
                lowest.pop();
            }
        }
        lowest.into_sorted_vec().into_iter().map(|(_, candidate)| Drawn { candidate, hits: 1 }).collect()
    }

    /// Draws by mass: each gram with the same chance. The candidates stand in the order of their entries.
    pub fn draw_by_mass(&self, candidates: &[Candidate], count: u64) -> Vec<Drawn> {
        let total: u128 = candidates.iter().map(|candidate| u128::from(candidate.grams)).sum();
        let (Some(half), true, true) = (self.0.first_chunk::<16>(), total > 0, count > 0) else { return Vec::new() };
        let start = u128::from_be_bytes(*half) % total;
        let gram = |k: u64| (u128::from(k) * total + start) / u128::from(count);
        let (mut drawn, mut next, mut end) = (Vec::new(), 0, 0);
        for candidate in candidates {
            end += u128::from(candidate.grams);
            let first = next;
            while next < count && gram(next) < end {
                next += 1;
            }
            if next > first {
                drawn.push(Drawn { candidate: *candidate, hits: next - first });
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn hash(hex: &str) -> [u8; 32] {
        HEXLOWER.decode(hex.as_bytes()).expect("hex").try_into().expect("32 bytes")
    }

    /// The frozen vector, which a script of its own has worked out.
    #[test]
    fn the_draw_is_frozen() {
        let text = include_str!("../../tests/vectors/sample_v1.txt");
        let (mut nonce, mut root, mut candidates) = (None, None, Vec::new());
        let mut seed = Seed([0; 32]);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |word: &str| word.parse::<u64>().expect("a number");
            let expected = |words: &[&str]| -> Vec<(u64, u64)> {
                words
                    .iter()
                    .map(|word| word.split_once('*').expect("index*hits"))
                    .map(|(i, h)| (number(i), number(h)))
                    .collect()
            };
            let found = |drawn: Vec<Drawn>| -> Vec<(u64, u64)> {
                drawn.into_iter().map(|drawn| (drawn.candidate.index, drawn.hits)).collect()
            };
            match words.as_slice() {
                ["nonce", hex] => nonce = Some(hash(hex)),
                ["root", hex] => root = Some(TreeHash(hash(hex))),
                ["treatment", index, grams] => {
                    candidates.push(Candidate { index: number(index), grams: number(grams) });
                }
                ["seed", hex] => {
                    seed = Seed::of(&nonce.expect("a nonce"), &root.expect("a root"));
                    assert_eq!(seed.0, hash(hex));
                }
                ["rank", index, hex] => assert_eq!(seed.rank(number(index)), hash(hex)),
                ["by_rank", count, drawn @ ..] => {
                    let count = usize::try_from(number(count)).expect("small");
                    assert_eq!(found(seed.draw_by_rank(&candidates, count)), expected(drawn), "{line}");
                }
                ["by_mass", count, drawn @ ..] => {
                    assert_eq!(found(seed.draw_by_mass(&candidates, number(count))), expected(drawn), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        assert!(candidates.len() > 10);
    }

    #[test]
    fn every_gram_has_the_same_chance_and_no_draw_fails() {
        let candidates: Vec<Candidate> =
            (0..50).map(|index| Candidate { index: index * 3, grams: index * index % 17 }).collect();
        for number in 0..200_u8 {
            let seed = Seed::of(&[number; 32], &TreeHash([7; 32]));
            let drawn = seed.draw_by_mass(&candidates, 20);
            assert_eq!(drawn.iter().map(|drawn| drawn.hits).sum::<u64>(), 20);
            assert!(drawn.iter().all(|drawn| drawn.candidate.grams > 0), "no mass, no draw");
            assert_eq!(seed.draw_by_rank(&candidates, 20).len(), 20);
            assert_eq!(seed.draw_by_rank(&candidates, 100).len(), 50);
        }
        let seed = Seed([255; 32]);
        assert_eq!(seed.draw_by_mass(&[], 5), []);
        assert_eq!(seed.draw_by_mass(&candidates[..1], 5), [], "nothing weighs nothing");
        let heavy = [Candidate { index: 1, grams: u64::MAX }, Candidate { index: 2, grams: 1 }];
        assert_eq!(seed.draw_by_mass(&heavy, 10_000).iter().map(|drawn| drawn.hits).sum::<u64>(), 10_000);
    }
}
