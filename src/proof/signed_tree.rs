//! The tiles of the tree that a checkpoint signs, each checked against its root before it is given.
//!
//! The partial tiles of the right edge, one a level, make the root. Every full tile makes one hash of the tile above it,
//! and so on up to the edge. So whoever gives tiles on needs neither to trust where they are stored nor to read more than
//! one tile a level: what is not in the signed tree is not given.

use crate::proof::merkle::{TreeHash, root_of};
use crate::proof::tile_path::{TileKind, TilePath, hashes_on_level};
use crate::proof::tiles::{TILE_WIDTH, TileSource};
use std::collections::BTreeMap;

/// Why a tile is not given.
#[derive(Debug, thiserror::Error)]
pub enum TreeProblem<E> {
    /// The tree is too small for such a tile.
    #[error("{0} lies beyond the tree")]
    Beyond(TilePath),
    /// A tile came back with another width than asked for.
    #[error("{0} is incomplete")]
    Incomplete(TilePath),
    /// The tiles of the right edge make another root than the signed one.
    #[error("the tree of size {0} has another root than was signed")]
    OtherRoot(u64),
    /// A tile makes another hash than the signed tree has in its place.
    #[error("{0} is not the one of the signed tree")]
    NotSigned(TilePath),
    /// The tiles could not be read.
    #[error(transparent)]
    Source(E),
}

/// The tree of one size and root.
#[derive(Debug, Clone)]
pub struct SignedTree {
    size: u64,
    /// The partial tile at the end of each level, from level 0 on; empty where the level ends with a full one.
    edge: Vec<Vec<TreeHash>>,
    /// The last full tile read of each level: whoever reads tiles in order meets the same ones above them again.
    read: BTreeMap<u32, (u64, Vec<TreeHash>)>,
}

impl SignedTree {
    /// Reads the right edge, which must make the root.
    pub fn open<S: TileSource>(source: &mut S, size: u64, root: &TreeHash) -> Result<Self, TreeProblem<S::Error>> {
        let (mut edge, mut made) = (Vec::new(), None);
        for (level, hashes) in (0..).map(|level| (level, hashes_on_level(level, size))).take_while(|(_, n)| *n > 0) {
            let partial = match TilePath::new(TileKind::Hashes(level), hashes / TILE_WIDTH, hashes % TILE_WIDTH) {
                Some(tile) => read(source, tile)?,
                None => Vec::new(),
            };
            // What lies to the right of a level's last whole hash is one subtree, as if it were one more hash.
            let row: Vec<_> = partial.iter().copied().chain(made).collect();
            made = (!row.is_empty()).then(|| root_of(&row));
            edge.push(partial);
        }
        if made.unwrap_or_else(|| root_of(&[])) != *root {
            return Err(TreeProblem::OtherRoot(size));
        }
        Ok(Self { size, edge, read: BTreeMap::new() })
    }

    /// The hashes of a tile; for a bundle of entries, their leaf hashes.
    pub fn hashes<S: TileSource>(
        &mut self,
        source: &mut S,
        tile: TilePath,
    ) -> Result<Vec<TreeHash>, TreeProblem<S::Error>> {
        if !tile.is_within(self.size) {
            return Err(TreeProblem::Beyond(tile));
        }
        let whole = self.whole(source, tile.level(), tile.n())?;
        let width = usize::try_from(tile.width()).ok();
        let hashes = width.and_then(|width| whole.get(..width));
        hashes.map(<[_]>::to_vec).ok_or(TreeProblem::Incomplete(tile))
    }

    /// A tile of a level, as far as the tree has it.
    fn whole<S: TileSource>(
        &mut self,
        source: &mut S,
        level: u32,
        n: u64,
    ) -> Result<&[TreeHash], TreeProblem<S::Error>> {
        let Some(tile) = TilePath::new(TileKind::Hashes(level), n, TILE_WIDTH).filter(|tile| tile.is_within(self.size))
        else {
            let level = usize::try_from(level).ok();
            return Ok(level.and_then(|level| self.edge.get(level)).map_or(&[], Vec::as_slice));
        };
        if self.read.get(&level).is_none_or(|(read, _)| *read != n) {
            let hashes = read(source, tile)?;
            let above = self.whole(source, level + 1, n / TILE_WIDTH)?;
            let place = usize::try_from(n % TILE_WIDTH).ok();
            if place.and_then(|place| above.get(place)) != Some(&root_of(&hashes)) {
                return Err(TreeProblem::NotSigned(tile));
            }
            self.read.insert(level, (n, hashes));
        }
        Ok(self.read.get(&level).map_or(&[], |(_, hashes)| hashes.as_slice()))
    }
}

fn read<S: TileSource>(source: &mut S, tile: TilePath) -> Result<Vec<TreeHash>, TreeProblem<S::Error>> {
    let hashes = source.tile(tile.level(), tile.n(), tile.width()).map_err(TreeProblem::Source)?;
    if u64::try_from(hashes.len()) == Ok(tile.width()) { Ok(hashes) } else { Err(TreeProblem::Incomplete(tile)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::merkle::leaf_hash;
    use crate::proof::tile_path::added;
    use std::convert::Infallible;

    /// Tiles as they were derived, to be damaged.
    struct Stored(BTreeMap<(u32, u64), Vec<TreeHash>>);

    impl Stored {
        fn of(leaves: &[TreeHash]) -> Self {
            let (mut tiles, mut hashes, mut level) = (BTreeMap::new(), leaves.to_vec(), 0);
            while !hashes.is_empty() {
                tiles.extend((0..).map(|n| (level, n)).zip(hashes.chunks(256).map(<[_]>::to_vec)));
                hashes = hashes.chunks_exact(256).map(root_of).collect();
                level += 1;
            }
            Self(tiles)
        }
    }

    impl TileSource for Stored {
        type Error = Infallible;

        fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, Infallible> {
            let hashes = self.0.get(&(level, n)).cloned().unwrap_or_default();
            Ok(hashes.into_iter().take(usize::try_from(width).expect("small")).collect())
        }
    }

    fn leaves(count: u64) -> Vec<TreeHash> {
        (0..count).map(|n| leaf_hash(n.to_string().as_bytes())).collect()
    }

    fn tiles_of(size: u64) -> Vec<TilePath> {
        (0..4).flat_map(|level| added(TileKind::Hashes(level), 0, size)).collect()
    }

    #[test]
    fn every_tile_of_a_tree_is_given() {
        for size in [0, 1, 2, 255, 256, 257, 512, 1_000, 65_535, 65_536, 65_537, 66_000] {
            let all = leaves(size);
            let mut stored = Stored::of(&all);
            let mut tree = SignedTree::open(&mut stored, size, &root_of(&all)).expect("signed");
            for tile in tiles_of(size) {
                let expected = stored.0.get(&(tile.level(), tile.n())).cloned().expect("a tile");
                assert_eq!(tree.hashes(&mut stored, tile).expect("signed"), expected, "{tile} of {size}");
                let half = TilePath::new(tile.kind(), tile.n(), tile.width().div_ceil(2)).expect("a tile");
                let half = tree.hashes(&mut stored, half).expect("signed");
                assert_eq!(half, expected[..half.len()]);
            }
            let beyond = TilePath::new(TileKind::Hashes(0), size / 256, size % 256 + 1).expect("a tile");
            assert!(matches!(tree.hashes(&mut stored, beyond), Err(TreeProblem::Beyond(_))));
        }
    }

    /// One hash of one tile is another: that tile is not given, and no tree has the edge.
    #[test]
    fn no_tile_that_was_changed_is_given() {
        let size = 66_000;
        let all = leaves(size);
        let (sound, root) = (Stored::of(&all), root_of(&all));
        for tile in tiles_of(size).into_iter().step_by(7) {
            let mut stored = Stored(sound.0.clone());
            let changed = stored.0.get_mut(&(tile.level(), tile.n())).and_then(|hashes| hashes.last_mut());
            *changed.expect("a hash") = leaf_hash(b"another history");
            match SignedTree::open(&mut stored, size, &root) {
                Err(TreeProblem::OtherRoot(_)) => assert!(tile.width() < 256, "{tile}"),
                Err(other) => panic!("{tile}: {other}"),
                Ok(mut tree) => {
                    let given = tree.hashes(&mut stored, tile);
                    assert!(matches!(given, Err(TreeProblem::NotSigned(_))), "{tile}");
                }
            }
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let all = leaves(600);
        let mut stored = Stored::of(&all);
        let mut tree = SignedTree::open(&mut stored, 600, &root_of(&all)).expect("signed");
        stored.0.remove(&(0, 1));
        let tile = TilePath::new(TileKind::Hashes(0), 1, 256).expect("a tile");
        assert!(matches!(tree.hashes(&mut stored, tile), Err(TreeProblem::Incomplete(_))));
        stored.0.remove(&(0, 2));
        assert!(matches!(SignedTree::open(&mut stored, 600, &root_of(&all)), Err(TreeProblem::Incomplete(_))));
    }
}
