//! Entry bundles (C2SP tlog-tiles): the entries below one hash tile of level 0, each behind its length.
//!
//! The form is `uint16 big-endian length || entry`, once an entry, nothing before, between or after.

use crate::limits::ENTRY_BYTES_MAX;
use crate::proof::tiles::TILE_WIDTH;

/// Why bytes are no entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleProblem {
    /// An entry's length does not fit into 16 bits.
    #[error("an entry of {0} bytes is longer than a bundle can hold")]
    EntryTooLong(usize),
    /// More entries than a full tile has hashes.
    #[error("a bundle holds up to {TILE_WIDTH} entries")]
    TooManyEntries,
    /// The bytes end within a length or an entry.
    #[error("the bundle ends within entry {0} of it")]
    CutOff(u64),
    /// There are bytes after the entries that the tile's width demands.
    #[error("the bundle goes on after its {0} entries")]
    TooLong(u64),
}

/// Puts entries one behind the other.
pub fn write<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleProblem> {
    let mut bundle = Vec::new();
    for (place, entry) in (0..).zip(entries) {
        if place >= TILE_WIDTH {
            return Err(BundleProblem::TooManyEntries);
        }
        let length = u16::try_from(entry.len()).map_err(|_| BundleProblem::EntryTooLong(entry.len()))?;
        bundle.extend(length.to_be_bytes());
        bundle.extend(entry);
    }
    Ok(bundle)
}

/// Reads exactly `width` entries, 1 to 256; what they say is not looked at.
pub fn read(bundle: &[u8], width: u64) -> Result<Vec<&[u8]>, BundleProblem> {
    if width > TILE_WIDTH {
        return Err(BundleProblem::TooManyEntries);
    }
    let (mut entries, mut rest) = (Vec::new(), bundle);
    for place in 0..width {
        let (entry, after) = split_entry(rest).ok_or(BundleProblem::CutOff(place))?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleProblem::TooLong(width)) }
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

// A length of 16 bits reaches every entry.
const _: () = assert!(ENTRY_BYTES_MAX == 0xffff);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_form_is_fixed() {
        let long = vec![b'x'; ENTRY_BYTES_MAX];
        let bundle = write([b"ab".as_slice(), b"", b"c"]).expect("a bundle");
        assert_eq!(bundle, b"\x00\x02ab\x00\x00\x00\x01c");
        assert_eq!(read(&bundle, 3), Ok(vec![b"ab".as_slice(), b"", b"c"]));
        let bundle = write([long.as_slice()]).expect("a bundle");
        assert_eq!((&bundle[..2], bundle.len()), (&[0xff, 0xff][..], ENTRY_BYTES_MAX + 2));
        assert_eq!(read(&bundle, 1), Ok(vec![long.as_slice()]));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let too_long = vec![b'x'; ENTRY_BYTES_MAX + 1];
        assert_eq!(write([too_long.as_slice()]), Err(BundleProblem::EntryTooLong(ENTRY_BYTES_MAX + 1)));
        let full = usize::try_from(TILE_WIDTH).expect("small");
        assert!(write(vec![b"a".as_slice(); full]).is_ok());
        assert_eq!(write(vec![b"a".as_slice(); full + 1]), Err(BundleProblem::TooManyEntries));
        assert_eq!(read(b"", TILE_WIDTH + 1), Err(BundleProblem::TooManyEntries));
    }

    #[test]
    fn every_cut_and_every_addition_is_seen() {
        let bundle = write([b"one".as_slice(), b"two", b"three"]).expect("a bundle");
        for end in 0..bundle.len() {
            assert!(matches!(read(&bundle[..end], 3), Err(BundleProblem::CutOff(_))), "{end}");
        }
        assert_eq!(read(&bundle, 2), Err(BundleProblem::TooLong(2)));
        assert_eq!(read(&bundle, 4), Err(BundleProblem::CutOff(3)));
        assert_eq!(read(&[bundle.as_slice(), b"\0"].concat(), 3), Err(BundleProblem::TooLong(3)));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_what_is_written(bytes in prop::collection::vec(0..4_u8, 0..40), width in 0..300_u64) {
            if let Ok(entries) = read(&bytes, width) {
                prop_assert_eq!(write(entries), Ok(bytes));
            }
        }
    }
}
