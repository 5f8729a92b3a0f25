//! Which batches the grams of a lot left, as far as a bundle shows it. The arithmetic is the ledger's own.

use crate::domain::composition::{Composition, SourceId};
use crate::domain::ids::BatchId;
use crate::domain::mass::Grams;

/// Where a lot's grams come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proof::verify) enum Sources {
    /// Nothing of it is shown.
    NotShown,
    /// It was not dismantled under the ledger.
    Waste,
    /// From batches.
    Batches {
        /// Grams by batch.
        of: Composition,
        /// Whether that is all: of what else joined the lot the batches are not shown.
        whole: bool,
    },
    /// From batches, and in part from what was never dismantled.
    Mixed,
}

const SEVERAL: &str = "it was joined from several batches, of which not all are shown";

impl Sources {
    /// What leaves a batch.
    pub(super) fn of_batch(batch: &BatchId, grams: Option<Grams>) -> Self {
        let grams = grams.filter(|grams| *grams > Grams::ZERO);
        grams.map_or(Self::NotShown, |grams| {
            let of = Composition::of(SourceId::of_batch(batch), grams);
            Self::Batches { of, whole: true }
        })
    }

    /// Whether it left a batch.
    pub(super) const fn is_dismantled(&self) -> bool {
        matches!(self, Self::Batches { .. } | Self::Mixed)
    }

    /// The batches that it left, as far as shown.
    pub(super) fn batches(&self) -> impl Iterator<Item = BatchId> {
        let of = if let Self::Batches { of, .. } = self { of.shares() } else { &[] };
        of.iter().filter_map(|share| share.source.batch())
    }

    /// Whether it left several batches, as far as shown.
    pub(super) fn is_of_several(&self) -> bool {
        matches!(self, Self::Batches { of, .. } if of.shares().len() > 1)
    }

    /// Whether something that joined it is not shown to have left a batch.
    pub(in crate::proof::verify) const fn is_in_part(&self) -> bool {
        matches!(self, Self::Batches { whole: false, .. })
    }

    /// The same batches, weighed again.
    #[must_use]
    pub(super) fn scaled(&self, to: Option<Grams>) -> Self {
        match (self, to) {
            (Self::Batches { of, whole }, Some(to)) => Self::Batches { of: of.scaled(to), whole: *whole },
            _ => self.clone(),
        }
    }

    /// A part, and what is left.
    pub(super) fn take(&self, part: Grams) -> (Self, Self) {
        match self {
            Self::Batches { of, whole } => {
                let (taken, left) = of.take(part);
                (Self::Batches { of: taken, whole: *whole }, Self::Batches { of: left, whole: *whole })
            }
            other => (other.clone(), other.clone()),
        }
    }

    /// Both together. What is not shown makes the sum incomplete; waste among what left batches is not parted again.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Batches { of, whole }, Self::Batches { of: more, whole: also }) => match of.plus(&more) {
                Ok(sum) => Self::Batches { of: sum, whole: whole && also },
                Err(_) => Self::Batches { of, whole: false },
            },
            (Self::Mixed, _)
            | (_, Self::Mixed)
            | (Self::Batches { .. }, Self::Waste)
            | (Self::Waste, Self::Batches { .. }) => Self::Mixed,
            (Self::Batches { of, .. }, Self::NotShown) | (Self::NotShown, Self::Batches { of, .. }) => {
                Self::Batches { of, whole: false }
            }
            (Self::Waste, _) | (_, Self::Waste) => Self::Waste,
            (Self::NotShown, Self::NotShown) => Self::NotShown,
        }
    }

    /// The treatment's gram line: the batch of each stretch, in the order of the sources (rules.md §5).
    pub(in crate::proof::verify) fn lines(&self, net: Grams) -> Result<Vec<(BatchId, i64, i64)>, &'static str> {
        let (of, whole) = match self {
            Self::NotShown => return Err("where it comes from is not shown"),
            Self::Waste => return Err("it left no batch"),
            Self::Mixed => return Err("part of it was never dismantled"),
            Self::Batches { of, whole } => (of, *whole),
        };
        if whole && of.total() != net {
            return Err("it weighs otherwise than what left its batches");
        }
        if let [only] = of.shares() {
            return Ok(only.source.batch().map(|batch| (batch, 0, net.get())).into_iter().collect());
        }
        if !whole {
            return Err(SEVERAL);
        }
        let (mut lines, mut from) = (Vec::with_capacity(of.shares().len()), 0);
        for share in of.shares() {
            let to = from + share.grams.get();
            lines.extend(share.source.batch().map(|batch| (batch, from, to)));
            from = to;
        }
        Ok(lines)
    }
}
