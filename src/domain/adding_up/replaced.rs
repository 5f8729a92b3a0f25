//! Replaced units on both sides: the certificate that says who backs them, and the blocks that were withdrawn for them.

use crate::domain::ids::EntryIndex;
use crate::domain::serial::SerialBlock;
use crate::domain::state::Record;

/// Whose side it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The certificate's whose units are backed.
    Backed,
    /// The block's that gives its grams.
    Giving,
}

/// That some units are backed by as many others, as one side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Whose.
    pub side: Side,
    /// The units that failed.
    pub units: SerialBlock,
    /// The units that give their grams.
    pub by: SerialBlock,
    /// The entry that says so.
    pub entry: EntryIndex,
}

impl Replaced {
    /// What a record says: a certificate of its own units, a withdrawn block of those that it backs.
    pub fn of(record: &Record) -> Vec<Self> {
        let Record::Certificate(certificate) = record else { return Vec::new() };
        let giving = certificate.backs.as_ref().zip(certificate.withdrawn.as_ref()).map(|(backs, withdrawn)| Self {
            side: Side::Giving,
            units: backs.units.clone(),
            by: certificate.serial.clone(),
            entry: withdrawn.entry,
        });
        let backed = certificate.backing.iter().map(|backing| Self {
            side: Side::Backed,
            units: backing.units.clone(),
            by: backing.by.clone(),
            entry: backing.entry,
        });
        backed.chain(giving).collect()
    }
}

/// What is wrong between what a certificate says of units that are backed and the block that should give its grams for them, if
/// there is one: the same units one by one, by the same entry.
pub fn replaced_differ(backed: &Replaced, giving: Option<&Replaced>) -> Option<String> {
    let (units, by) = (&backed.units, &backed.by);
    let Some(giving) = giving.filter(|giving| giving.by.holds(by)) else {
        return Some(format!("{units} are backed by {by}, which no withdrawn block has"));
    };
    let shift = by.first - giving.by.first;
    let same = giving.units.part(giving.units.first + shift, giving.units.first + shift + by.units() - 1);
    if same.as_ref() != Some(units) {
        return Some(format!("{units} are backed by {by}, which were withdrawn for {}", giving.units));
    }
    let (said, withdrawn) = (backed.entry, giving.entry);
    (said != withdrawn)
        .then(|| format!("{units} are backed by {by} since entry {said}, withdrawn by entry {withdrawn}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first: i64, last: i64) -> SerialBlock {
        SerialBlock::parse(&format!("ER-KE-NBO1-202611-{first:07}-{last:07}")).expect("a block")
    }

    fn replaced(side: Side, units: (i64, i64), by: (i64, i64), entry: u64) -> Replaced {
        Replaced { side, units: block(units.0, units.1), by: block(by.0, by.1), entry: EntryIndex(entry) }
    }

    #[test]
    fn both_sides_name_the_same_units() {
        let giving = replaced(Side::Giving, (11, 20), (101, 110), 9);
        let differ = |units, by, entry| replaced_differ(&replaced(Side::Backed, units, by, entry), Some(&giving));
        assert_eq!(differ((11, 20), (101, 110), 9), None);
        assert_eq!(differ((13, 14), (103, 104), 9), None, "the certificate was cut since");
        for (units, by, entry, words) in [
            ((13, 14), (104, 105), 9, "withdrawn for"),
            ((21, 22), (111, 112), 9, "no withdrawn block"),
            ((11, 20), (101, 110), 8, "withdrawn by entry 9"),
        ] {
            assert!(differ(units, by, entry).is_some_and(|problem| problem.contains(words)), "{words}");
        }
        assert!(replaced_differ(&replaced(Side::Backed, (11, 20), (101, 110), 9), None).is_some());
    }
}
