//! Whether grams of a gift back a certificate, or ever can: what eligibility says of the treatments that it reached.

use crate::domain::eligibility::Gap;
use crate::domain::fields::codes;
use crate::domain::mass::Grams;
use std::collections::BTreeSet;

codes! {
    /// How the grams of something stand.
    pub enum Outlook {
        /// None is eligible now; it is yet to be treated, or waits for what can still be made good.
        Open = "open",
        /// All are eligible.
        Eligible = "eligible",
        /// Some are eligible, others wait or never can be.
        InPart = "in_part",
        /// None is eligible, and none ever can be.
        Never = "never",
    }
}

impl Outlook {
    /// Of a line of a treatment: its grams, those that are eligible, and what the others lack.
    pub fn of_line(grams: Grams, eligible: Grams, gaps: &BTreeSet<Gap>) -> Self {
        if eligible == Grams::ZERO {
            return if gaps.iter().all(|gap| gap.may_still_close()) { Self::Open } else { Self::Never };
        }
        if eligible == grams { Self::Eligible } else { Self::InPart }
    }

    /// Of several together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Open, Self::Never) | (Self::Never, Self::Open) => Self::Open,
            _ => Self::InPart,
        }
    }

    /// Of all together; without any nothing is eligible or will be.
    pub fn of_all(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().reduce(Self::and).unwrap_or(Self::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_eligible_in_part_is_neither_all_nor_nothing() {
        use Outlook::{Eligible, InPart, Never, Open};
        let table: [(&[Outlook], Outlook); 7] = [
            (&[], Never),
            (&[Never, Never], Never),
            (&[Never, Open], Open),
            (&[Eligible, Eligible], Eligible),
            (&[Eligible, Open], InPart),
            (&[Never, Eligible], InPart),
            (&[Open, Never, Open], Open),
        ];
        for (all, expected) in table {
            assert_eq!(Outlook::of_all(all.iter().copied()), expected, "{all:?}");
        }
    }

    #[test]
    fn a_gap_that_cannot_close_is_for_ever() {
        let grams = |grams| Grams::new(grams).expect("grams");
        let of = |eligible, gaps: &[Gap]| Outlook::of_line(grams(10), grams(eligible), &gaps.iter().copied().collect());
        assert_eq!(of(0, &[Gap::BatchOpen]), Outlook::Open);
        assert_eq!(of(0, &[Gap::BatchOpen, Gap::NotFromBatch]), Outlook::Never);
        assert_eq!(of(10, &[]), Outlook::Eligible);
        assert_eq!(of(4, &[Gap::BeyondBatchInput]), Outlook::InPart);
    }
}
