//! Composition: where the grams of a lot come from (rules.md §5).
//!
//! A lot is grams per source. Merging adds; whatever leaves a lot takes of each source pro rata, by largest remainder, so
//! nobody chooses whose grams leave. The same arithmetic carries the donations behind a lot.

use crate::domain::apply::refuse;
use crate::domain::codes::{CountedElsewhere, Country, Provenance, SourceKind, TableCode};
use crate::domain::fields::{Field, FieldClass, Malformed, Record, Value, record, text_field};
use crate::domain::ids::{BatchId, DonationId};
use crate::domain::mass::{Grams, WeightBasis, apportion};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::Stop;
use crate::limits::SOURCES_MAX;
use std::collections::BTreeMap;

fn is_source(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

text_field!(
    /// Where grams come from: a batch's id; before dismantling `country/class/flags`, where the flags are weight basis, kind
    /// of source and declaration. Among donations: a donation's id, or `-`. Sources sort as their bytes.
    SourceId, Identifier, "a batch's id or country/class/flags", is_source
);

/// What a source says of waste that was not dismantled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasteSource {
    /// Where it became waste.
    pub country: Country,
    /// Its class.
    pub class: TableCode,
    /// What its mass rests on, at the last weighing.
    pub basis: WeightBasis,
    /// What was declared of it.
    pub provenance: Provenance,
}

impl SourceId {
    /// The source of what left a batch.
    pub fn of_batch(batch: &BatchId) -> Self {
        Self::from_parts(&batch.to_string())
    }

    /// The source of waste that was not dismantled yet.
    pub fn of_waste(waste: &WasteSource) -> Self {
        let WasteSource { country, class, basis, provenance } = waste;
        let flags = format!("{basis}.{}.{}", provenance.kind, provenance.counted_elsewhere);
        Self::from_parts(&format!("{country}/{class}/{flags}"))
    }

    /// The source of donated grams; without a donation, that of all others.
    pub fn of_donation(donation: Option<&DonationId>) -> Self {
        donation.map_or_else(|| Self::from_parts("-"), |donation| Self::from_parts(&donation.to_string()))
    }

    /// Codes and ids are all short and graphic, so that no text is ever cut here.
    fn from_parts(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| Self(String::from("-")))
    }

    /// The batch, if it is one.
    pub fn batch(&self) -> Option<BatchId> {
        BatchId::parse(&self.0)
    }

    /// The donation, if it is one.
    pub fn donation(&self) -> Option<DonationId> {
        DonationId::parse(&self.0)
    }

    /// What it says of waste, if it is no batch.
    pub fn waste(&self) -> Option<WasteSource> {
        let mut parts = self.0.splitn(3, '/');
        let (country, class, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let mut flags = flags.splitn(3, '.');
        Some(WasteSource {
            country: Country::parse(country)?,
            class: TableCode::parse(class)?,
            basis: WeightBasis::parse(flags.next()?)?,
            provenance: Provenance {
                kind: SourceKind::parse(flags.next()?)?,
                counted_elsewhere: CountedElsewhere::parse(flags.next()?)?,
            },
        })
    }
}

record! {
    /// Grams of one source.
    pub struct Share {
        /// Where they come from.
        source: SourceId,
        /// How many; never 0.
        grams: Grams,
    }
}

/// Grams per source, in the order of the sources; none has 0 g, none stands twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Composition(Vec<Share>);

/// More sources than a lot may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySources;

/// Refuses what would have too many.
pub(crate) fn too_many_sources<T>(_: TooManySources) -> Result<T, Stop> {
    let detail = format!("this would have more than {SOURCES_MAX} sources; make it smaller");
    refuse(RefusalCode::TooManySources, "", detail)
}

impl Composition {
    /// Grams of one source.
    pub fn of(source: SourceId, grams: Grams) -> Self {
        Self::from_map(BTreeMap::from([(source, grams.get())]))
    }

    fn from_map(shares: BTreeMap<SourceId, i64>) -> Self {
        let share = |(source, grams)| Grams::new(grams).map(|grams| Share { source, grams });
        Self(shares.into_iter().filter_map(share).filter(|share| share.grams > Grams::ZERO).collect())
    }

    /// The shares, in the order of their sources: a treatment's gram line.
    pub fn shares(&self) -> &[Share] {
        &self.0
    }

    /// Whether it has no grams.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All grams.
    pub fn total(&self) -> Grams {
        let sum = self.0.iter().map(|share| share.grams.get()).sum();
        Grams::new(sum).unwrap_or(Grams::ZERO)
    }

    /// Grams of one source; none if it is not among them.
    pub fn grams_of(&self, source: &SourceId) -> Grams {
        self.0.iter().find(|share| share.source == *source).map_or(Grams::ZERO, |share| share.grams)
    }

    /// The batches among the sources.
    pub fn batches(&self) -> impl Iterator<Item = BatchId> {
        self.0.iter().filter_map(|share| share.source.batch())
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Result<Self, TooManySources> {
        let mut sums: BTreeMap<SourceId, i64> = BTreeMap::new();
        for share in self.0.iter().chain(&other.0) {
            *sums.entry(share.source.clone()).or_default() += share.grams.get();
        }
        if sums.len() > SOURCES_MAX { Err(TooManySources) } else { Ok(Self::from_map(sums)) }
    }

    /// The same shares of another mass, by largest remainder; ties go to the source that sorts first.
    #[must_use]
    pub fn scaled(&self, to: Grams) -> Self {
        let grams: Vec<Grams> = self.0.iter().map(|share| share.grams).collect();
        let shares = self.0.iter().zip(apportion(&grams, to));
        Self::from_map(shares.map(|(share, grams)| (share.source.clone(), grams.get())).collect())
    }

    /// Takes a part out, pro rata; gives the part and what is left. No source gives more than it has.
    pub fn take(&self, part: Grams) -> (Self, Self) {
        let taken = self.scaled(part.min(self.total()));
        let mut left: BTreeMap<SourceId, i64> =
            self.0.iter().map(|share| (share.source.clone(), share.grams.get())).collect();
        for share in &taken.0 {
            *left.entry(share.source.clone()).or_default() -= share.grams.get();
        }
        (taken, Self::from_map(left))
    }

    /// The same waste, weighed again: the flag of every source that was not dismantled yet says so.
    #[must_use]
    pub fn weighed_as(&self, basis: WeightBasis) -> Self {
        let mut sums: BTreeMap<SourceId, i64> = BTreeMap::new();
        for share in &self.0 {
            let source = match share.source.waste() {
                Some(waste) => SourceId::of_waste(&WasteSource { basis, ..waste }),
                None => share.source.clone(),
            };
            *sums.entry(source).or_default() += share.grams.get();
        }
        Self::from_map(sums)
    }
}

/// Donations behind grams: of what was never donated there is no list, and in a list it stands under `-`.
pub fn given_of(parts: &[(&Composition, Grams)]) -> Result<Composition, TooManySources> {
    if parts.iter().all(|(given, _)| given.is_empty()) {
        return Ok(Composition::default());
    }
    let mut sum = Composition::default();
    for (given, grams) in parts {
        let others = Composition::of(SourceId::of_donation(None), *grams);
        sum = sum.plus(if given.is_empty() { &others } else { given })?;
    }
    Ok(sum)
}

impl Field for Composition {
    const CLASS: FieldClass = FieldClass::Structure(Share::FIELDS);

    fn read(value: &Value) -> Result<Self, Malformed> {
        Vec::<Share>::read(value).map(Self)
    }

    fn write(&self) -> Option<Value> {
        self.0.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grams(grams: i64) -> Grams {
        Grams::new(grams).expect("grams")
    }

    fn composition(parts: &[(&str, i64)]) -> Composition {
        let share =
            |(source, of): &(&str, i64)| Composition::of(SourceId::parse(source).expect("a source"), grams(*of));
        parts.iter().map(share).fold(Composition::default(), |sum, part| sum.plus(&part).expect("few"))
    }

    #[test]
    fn remainders_go_to_the_largest_and_ties_to_the_first() {
        type Parts<'a> = &'a [(&'a str, i64)];
        let table: [(Parts<'_>, i64, Parts<'_>); 6] = [
            (&[("a", 1), ("b", 1), ("c", 1)], 2, &[("a", 1), ("b", 1)]),
            (&[("b", 1), ("a", 1)], 1, &[("a", 1)]),
            (&[("a", 70), ("b", 30)], 10, &[("a", 7), ("b", 3)]),
            (&[("a", 2), ("b", 1)], 4, &[("a", 3), ("b", 1)]),
            (&[("a", 500), ("b", 499), ("c", 1)], 999, &[("a", 499), ("b", 499), ("c", 1)]),
            (&[("a", 5)], 0, &[]),
        ];
        for (whole, to, expected) in table {
            assert_eq!(composition(whole).scaled(grams(to)), composition(expected), "{whole:?} to {to}");
        }
    }

    #[test]
    fn a_source_says_what_it_is() {
        let text = "KE/0303/weighed.reuse.none";
        let waste = SourceId::parse(text).and_then(|source| source.waste()).expect("waste");
        assert_eq!(SourceId::of_waste(&waste).as_str(), text);
        let reweighed = composition(&[(text, 7), ("KE/0303/estimated.reuse.none", 5)]).weighed_as(WeightBasis::Weighed);
        assert_eq!(reweighed, composition(&[(text, 12)]));
        assert!(SourceId::parse("01936d0e-7a8b-7c1d-9e2f-0123456789ab").is_some_and(|id| id.waste().is_none()));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_take_from_nobody_more_than_it_has(
            shares in proptest::collection::vec(1..1_000_000_i64, 1..40),
            parts in proptest::collection::vec(0..400_000_i64, 1..8),
            other in 0..9_007_199_254_740_991_i64,
        ) {
            let names: Vec<String> = (0..shares.len()).map(|at| format!("source-{at:02}")).collect();
            let named: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(shares).collect();
            let whole = composition(&named);
            prop_assert_eq!(whole.scaled(grams(other)).total(), grams(other));
            let mut left = whole.clone();
            let mut sum = Composition::default();
            for part in parts {
                let (taken, rest) = left.take(grams(part));
                prop_assert_eq!(taken.total(), grams(part).min(left.total()));
                sum = sum.plus(&taken).expect("few");
                left = rest;
            }
            prop_assert_eq!(sum.plus(&left).expect("few"), whole);
        }
    }
}
