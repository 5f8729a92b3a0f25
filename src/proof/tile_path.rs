//! Where tiles lie: the paths of C2SP tlog-tiles below a log's prefix.
//!
//! `tile/<L>/<N>[.p/<W>]` is a hash tile of level L, `tile/entries/<N>[.p/<W>]` the bundle of entries below a hash tile
//! of level 0. N stands in groups of three digits, of which all but the last begin with `x`: 1234067 is `x001/x234/067`.
//! A partial tile names its width W, 1 to 255. Each tile has one path; any other form is refused.

use crate::proof::tiles::{TILE_HEIGHT, TILE_WIDTH};
use std::fmt;
use std::ops::Range;

/// Highest level of a tile (C2SP tlog-tiles).
pub const LEVEL_MAX: u32 = 63;
/// Highest number of a tile: with it every index below a tile of level 0 stays within 63 bits, in which both databases
/// count.
pub const NUMBER_MAX: u64 = (1 << 55) - 1;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of a level, 0 to [`LEVEL_MAX`].
    Hashes(u32),
    /// Entries.
    Entries,
}

/// The place of one full or partial tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    n: u64,
    width: u64,
}

impl TilePath {
    /// The place of a tile; `None` if the level, the number or the width, which is 1 to 256, is beyond what tiles can have.
    pub const fn new(kind: TileKind, n: u64, width: u64) -> Option<Self> {
        let level_fits = match kind {
            TileKind::Hashes(level) => level <= LEVEL_MAX,
            TileKind::Entries => true,
        };
        if level_fits && n <= NUMBER_MAX && 0 < width && width <= TILE_WIDTH {
            Some(Self { kind, n, width })
        } else {
            None
        }
    }

    /// Reads a path, which begins with `tile/`; `None` if it is not the one form of a tile's path.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(u32::try_from(parse_number(level)?).ok()?),
        };
        let (n, width) = match place.split_once(".p/") {
            Some((n, width)) => (n, parse_number(width).filter(|width| *width < TILE_WIDTH)?),
            None => (place, TILE_WIDTH),
        };
        Self::new(kind, parse_groups(n)?, width)
    }

    /// What it holds.
    pub const fn kind(self) -> TileKind {
        self.kind
    }

    /// Its number on its level.
    pub const fn n(self) -> u64 {
        self.n
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub const fn width(self) -> u64 {
        self.width
    }

    /// Its level; a bundle of entries belongs to the hash tile of level 0.
    pub const fn level(self) -> u32 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// The places on its level that it holds; for a bundle, the indexes of its entries.
    pub const fn range(self) -> Range<u64> {
        let from = self.n * TILE_WIDTH;
        from..from + self.width
    }

    /// Whether a tree of this size has it, be it as a tile that has grown meanwhile.
    pub const fn is_within(self, size: u64) -> bool {
        self.range().end <= hashes_on_level(self.level(), size)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(out, "tile/{level}/")?,
            TileKind::Entries => out.write_str("tile/entries/")?,
        }
        write_groups(out, self.n)?;
        if self.width < TILE_WIDTH {
            write!(out, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Hashes that a tree of this size has on a level.
pub const fn hashes_on_level(level: u32, size: u64) -> u64 {
    match size.checked_shr(TILE_HEIGHT * level) {
        Some(hashes) => hashes,
        None => 0,
    }
}

/// The tiles that a tree of size `to` has and one of size `from` has not, in the order of their numbers.
///
/// What a mirror of the smaller tree lacks of the larger one: full tiles, and on the right edge a partial one.
pub fn added(kind: TileKind, from: u64, to: u64) -> impl Iterator<Item = TilePath> {
    let level = match kind {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    let (before, after) = (hashes_on_level(level, from), hashes_on_level(level, to));
    let numbers = if before < after { before / TILE_WIDTH..after.div_ceil(TILE_WIDTH) } else { 0..0 };
    numbers.filter_map(move |n| TilePath::new(kind, n, (after - n * TILE_WIDTH).min(TILE_WIDTH)))
}

/// A decimal number without sign or leading zeros.
fn parse_number(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| is_plain)
}

/// A number in groups: `x001/x234/067`.
fn parse_groups(text: &str) -> Option<u64> {
    let (above, last) = text.rsplit_once('/').map_or((None, text), |(above, last)| (Some(above), last));
    let mut n = 0;
    for group in above.into_iter().flat_map(|above| above.split('/')) {
        n = append_group(n, group.strip_prefix('x')?)?;
        // A first group of zeros would give the same number a second path.
        if n == 0 {
            return None;
        }
    }
    append_group(n, last)
}

fn append_group(above: u64, digits: &str) -> Option<u64> {
    let is_group = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let group: u64 = digits.parse().ok().filter(|_| is_group)?;
    above.checked_mul(1_000)?.checked_add(group)
}

fn write_groups(out: &mut fmt::Formatter<'_>, n: u64) -> fmt::Result {
    if n >= 1_000 {
        write_upper_groups(out, n / 1_000)?;
    }
    write!(out, "{:03}", n % 1_000)
}

fn write_upper_groups(out: &mut fmt::Formatter<'_>, n: u64) -> fmt::Result {
    if n >= 1_000 {
        write_upper_groups(out, n / 1_000)?;
    }
    write!(out, "x{:03}/", n % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(kind: TileKind, n: u64, width: u64) -> TilePath {
        TilePath::new(kind, n, width).expect("a tile")
    }

    #[test]
    fn each_tile_has_one_path() {
        use TileKind::{Entries, Hashes};
        let table = [
            ("tile/0/000", path(Hashes(0), 0, 256)),
            ("tile/0/x001/x234/067", path(Hashes(0), 1_234_067, 256)),
            ("tile/63/999.p/255", path(Hashes(63), 999, 255)),
            ("tile/1/x001/000.p/1", path(Hashes(1), 1_000, 1)),
            ("tile/entries/x123/456", path(Entries, 123_456, 256)),
            ("tile/entries/000.p/8", path(Entries, 0, 8)),
            ("tile/0/x036/x028/x797/x018/x963/967", path(Hashes(0), NUMBER_MAX, 256)),
        ];
        for (text, place) in table {
            assert_eq!(TilePath::parse(text), Some(place), "{text}");
            assert_eq!(place.to_string(), text);
        }
    }

    #[test]
    fn any_other_form_is_refused() {
        let refused = [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/000 ",
            "tile/8/0/000",
            "tile/64/000",
            "tile/00/000",
            "tile/01/000",
            "tile/+1/000",
            "tile/-1/000",
            "tile//000",
            "tile/data/000",
            "tile/Entries/000",
            "tile/4294967296/000",
            "tile/18446744073709551616/000",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/1234",
            "tile/0/+12",
            "tile/0/٠٠٠",
            "tile/0/x000",
            "tile/0/x000/001",
            "tile/0/x000/x001/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/X001/000",
            "tile/0/xx01/000",
            "tile/0/x001//000",
            "tile/0/x036/x028/x797/x018/x963/968",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/00",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/-1",
            "tile/0/000.p/+1",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/000.p/18446744073709551617",
            "tile/0/000.P/1",
            "tile/0/x001.p/1/000",
        ];
        for text in refused {
            assert_eq!(TilePath::parse(text), None, "{text}");
        }
        let none = [(TileKind::Hashes(64), 0, 1), (TileKind::Entries, NUMBER_MAX + 1, 1), (TileKind::Entries, 0, 0)];
        for (kind, n, width) in none {
            assert_eq!(TilePath::new(kind, n, width), None);
        }
        assert_eq!(TilePath::new(TileKind::Hashes(0), 0, 257), None);
    }

    #[test]
    fn a_tree_has_its_tiles_and_the_partial_ones_that_it_had() {
        let has = |level, n, width, size| path(TileKind::Hashes(level), n, width).is_within(size);
        assert!(has(0, 0, 1, 1) && !has(0, 0, 2, 1));
        assert!(has(0, 0, 256, 256) && has(0, 0, 7, 256) && !has(0, 1, 1, 256) && has(0, 1, 1, 257));
        assert!(!has(1, 0, 1, 255) && has(1, 0, 1, 256) && !has(1, 0, 2, 511) && has(1, 0, 2, 512));
        assert!(has(7, 0, 255, u64::MAX) && !has(7, 0, 256, u64::MAX) && !has(8, 0, 1, u64::MAX));
        assert!(!has(63, NUMBER_MAX, 256, u64::MAX));
    }

    #[test]
    fn what_a_larger_tree_adds() {
        let added = |kind, from, to| added(kind, from, to).map(|tile| tile.to_string()).collect::<Vec<_>>();
        assert_eq!(added(TileKind::Entries, 0, 0), [""; 0]);
        assert_eq!(added(TileKind::Entries, 0, 5), ["tile/entries/000.p/5"]);
        assert_eq!(added(TileKind::Entries, 5, 256), ["tile/entries/000"]);
        assert_eq!(added(TileKind::Hashes(0), 256, 600), ["tile/0/001", "tile/0/002.p/88"]);
        assert_eq!(added(TileKind::Hashes(0), 255, 257), ["tile/0/000", "tile/0/001.p/1"]);
        assert_eq!(added(TileKind::Hashes(1), 256, 511), [""; 0]);
        assert_eq!(added(TileKind::Hashes(1), 256, 600), ["tile/1/000.p/2"]);
        assert_eq!(added(TileKind::Hashes(9), 0, u64::MAX), [""; 0]);
        assert_eq!(added(TileKind::Hashes(0), 9, 5), [""; 0]);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_is_written(level in 0..=LEVEL_MAX, n in 0..=NUMBER_MAX, width in 1..=TILE_WIDTH) {
            for kind in [TileKind::Hashes(level), TileKind::Entries] {
                let tile = path(kind, n, width);
                prop_assert_eq!(TilePath::parse(&tile.to_string()), Some(tile));
            }
        }

        #[test]
        fn nothing_panics_and_no_second_form_is_read(text in "(tile/)?[0-9x./pentris+-]{0,40}|\\PC{0,40}") {
            if let Some(tile) = TilePath::parse(&text) {
                prop_assert_eq!(tile.to_string(), text);
            }
        }
    }
}
