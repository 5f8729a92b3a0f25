//! A tree of any size up to 2^63 whose leaves are all the same but a few: every node can be computed at once, and around the
//! few a wrong side or place shows.

use loopledger::proof::merkle::{TreeHash, leaf_hash, node_hash};
use loopledger::proof::tiles::{TILE_HEIGHT, TILE_WIDTH, TileSource};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

pub struct SparseTree {
    /// Roots of perfect subtrees of plain leaves, by height.
    plain: Vec<TreeHash>,
    special: BTreeMap<u64, TreeHash>,
    /// Nodes over special leaves that were asked for before.
    known: RefCell<HashMap<(u32, u64), TreeHash>>,
}

impl SparseTree {
    pub fn new(special: impl IntoIterator<Item = u64>) -> Self {
        let mut plain = vec![leaf_hash(b"plain")];
        for height in 0..63 {
            let below = plain[height];
            plain.push(node_hash(&below, &below));
        }
        let special = special.into_iter().map(|index| (index, leaf_hash(&index.to_be_bytes()))).collect();
        Self { plain, special, known: RefCell::default() }
    }

    pub fn leaf(&self, index: u64) -> TreeHash {
        self.node(0, index)
    }

    /// The root of the perfect subtree of a height, by its number.
    pub fn node(&self, height: u32, number: u64) -> TreeHash {
        let begin = number << height;
        let last = begin + ((1_u64 << height) - 1);
        if self.special.range(begin..=last).next().is_none() {
            return self.plain[height as usize];
        }
        if height == 0 {
            return self.special[&begin];
        }
        let known = self.known.borrow().get(&(height, number)).copied();
        known.unwrap_or_else(|| {
            let node = node_hash(&self.node(height - 1, number * 2), &self.node(height - 1, number * 2 + 1));
            self.known.borrow_mut().insert((height, number), node);
            node
        })
    }

    /// The root over `begin..end`, RFC 6962 §2.1 as it is written.
    pub fn range(&self, begin: u64, end: u64) -> TreeHash {
        let width = end - begin;
        if width.is_power_of_two() {
            return self.node(width.ilog2(), begin >> width.ilog2());
        }
        let middle = begin + (1 << (width - 1).ilog2());
        node_hash(&self.range(begin, middle), &self.range(middle, end))
    }

    pub fn root(&self, size: u64) -> TreeHash {
        self.range(0, size)
    }
}

impl TileSource for &SparseTree {
    type Error = Infallible;

    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, Infallible> {
        Ok((0..width).map(|at| self.node(level * TILE_HEIGHT, n * TILE_WIDTH + at)).collect())
    }
}
