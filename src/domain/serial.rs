//! Serial numbers of certificates: `ER-KE-NBO1-202611-0000001-0000500`, a block of 1 kg units of one pool.
//!
//! The prefix is `ER`, or for ever `ERT` on a ledger that was opened for tests; then country and code of the batch's
//! site, vintage, first and last unit. Each pool counts from 1 and never uses a number again (rules.md §7).

use crate::domain::codes::{Country, Month, SiteCode};
use crate::domain::fields::{Field, FieldClass, Malformed, Value};
use std::fmt;

/// Digits of a unit's number; one that needs more has more.
const UNIT_DIGITS: usize = 7;

/// A block of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialBlock {
    /// Whether the ledger was opened for tests.
    pub test: bool,
    /// Where the batch's site lies.
    pub country: Country,
    /// The code of the batch's site.
    pub site: SiteCode,
    /// The month of the pool.
    pub vintage: Month,
    /// The first unit, from 1.
    pub first: i64,
    /// The last unit.
    pub last: i64,
}

impl SerialBlock {
    /// Units in it.
    pub const fn units(&self) -> i64 {
        self.last - self.first + 1
    }

    /// What comes before its numbers, such as `ER-KE-NBO1-202611`: its pool.
    pub fn pool(&self) -> String {
        let prefix = if self.test { "ERT" } else { "ER" };
        format!("{prefix}-{}-{}-{}", self.country, self.site, self.vintage.as_str().replace('-', ""))
    }

    /// Some of its units, by their numbers; `None` if these are not all its own.
    pub fn part(&self, first: i64, last: i64) -> Option<Self> {
        (self.first <= first && first <= last && last <= self.last).then(|| Self { first, last, ..self.clone() })
    }

    /// Whether all units of another block are units of this one.
    pub fn holds(&self, other: &Self) -> bool {
        self.part(other.first, other.last).as_ref() == Some(other)
    }

    /// The units that it shares with a stretch of numbers of the same pool.
    pub fn shared_with(&self, first: i64, last: i64) -> Option<Self> {
        self.part(self.first.max(first), self.last.min(last))
    }

    /// Whether some unit belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.pool() == other.pool() && self.first <= other.last && other.first <= self.last
    }

    /// Reads the one written form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut next = || parts.next();
        let (prefix, country, site, vintage) = (next()?, next()?, next()?, next()?);
        let (first, last) = (next()?, next()?);
        let (year, month) = vintage.split_at_checked(4)?;
        let block = Self {
            test: prefix == "ERT",
            country: Country::parse(country)?,
            site: SiteCode::parse(site)?,
            vintage: Month::parse(&format!("{year}-{month}"))?,
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        (1 <= block.first && block.first <= block.last && block.to_string() == text).then_some(block)
    }
}

impl fmt::Display for SerialBlock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        write!(out, "{}-{first:0UNIT_DIGITS$}-{last:0UNIT_DIGITS$}", self.pool())
    }
}

impl Field for SerialBlock {
    const CLASS: FieldClass = FieldClass::Identifier;

    fn read(value: &Value) -> Result<Self, Malformed> {
        let block = match value {
            Value::Text(text) => Self::parse(text),
            _ => None,
        };
        block.ok_or_else(|| Malformed::here("expected serial numbers such as ER-KE-NBO1-202611-0000001-0000500"))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_know_their_parts() {
        let block = |text| SerialBlock::parse(text).expect("a block");
        let whole = block("ER-KE-NBO1-202611-0000001-0000500");
        assert_eq!(whole.part(7, 9), Some(block("ER-KE-NBO1-202611-0000007-0000009")));
        assert_eq!(whole.part(7, 501), None);
        assert_eq!(whole.part(9, 7), None);
        assert_eq!(whole.shared_with(400, 600), Some(block("ER-KE-NBO1-202611-0000400-0000500")));
        assert_eq!(whole.shared_with(501, 600), None);
        let cases = [
            ("ER-KE-NBO1-202611-0000500-0000501", true, false),
            ("ER-KE-NBO1-202611-0000001-0000500", true, true),
            ("ER-KE-NBO1-202611-0000501-0000600", false, false),
            ("ER-KE-NBO1-202612-0000007-0000009", false, false),
            ("ERT-KE-NBO1-202611-0000007-0000009", false, false),
            ("ER-KE-NBO1-202611-0000007-0000009", true, true),
        ];
        for (other, overlaps, holds) in cases {
            assert_eq!((whole.overlaps(&block(other)), whole.holds(&block(other))), (overlaps, holds), "{other}");
        }
    }

    #[test]
    fn a_block_has_one_written_form() {
        for good in ["ER-KE-NBO1-202611-0000001-0000500", "ERT-XD-AB-202612-0000007-0000007"] {
            assert_eq!(SerialBlock::parse(good).map(|block| block.to_string()).as_deref(), Some(good));
        }
        assert_eq!(
            SerialBlock::parse("ER-KE-NBO1-202611-9999999-12345678").map(|block| block.units()),
            Some(2_345_680)
        );
        let bad = [
            "ER-KE-NBO1-202611-0000000-0000500",
            "ER-KE-NBO1-202611-0000002-0000001",
            "ER-KE-NBO1-202611-1-500",
            "ER-KE-NBO1-202613-0000001-0000500",
            "ER-KE-NBO1-202611-+000001-0000500",
            "EX-KE-NBO1-202611-0000001-0000500",
            "ER-KE-NBO1-202611-0000001-0000500-1",
            "ER-KE-é-20261é-0000001-0000500",
            "",
        ];
        for bad in bad {
            assert!(SerialBlock::parse(bad).is_none(), "{bad}");
        }
    }
}
