//! What pieces came without, by what their receipts counted: boards that were sold, batteries that fell out, cartridges that
//! were kept. It goes with their grams, as a share of these, since nobody weighs piece by piece.

use crate::domain::apply::refuse;
use crate::domain::codes::Part;
use crate::domain::event::MissingPart;
use crate::domain::fields::record;
use crate::domain::mass::Grams;
use crate::domain::refusal::RefusalCode;
use crate::domain::rule_set::{RuleSet, part_of};
use crate::domain::state::Stop;
use std::collections::BTreeSet;

record! {
    /// A part that some pieces came without.
    pub struct Lack {
        /// The part.
        part: Part,
        /// The share of the grams that came without it, in parts per million; a million is all.
        ppm: i64,
    }
}

/// All of it.
const ALL_PPM: i64 = 1_000_000;

/// What some pieces lack, if their receipt counts what is missing: it says how many pieces there are, counts no more than these,
/// and each part once.
pub(crate) fn lacking(
    rules: &RuleSet,
    missing: Option<&Vec<MissingPart>>,
    pieces: Option<i64>,
) -> Result<Vec<Lack>, Stop> {
    let Some(missing) = missing else { return Ok(Vec::new()) };
    let Some(pieces) = pieces else {
        return refuse(
            RefusalCode::ListInvalid,
            "/pieces",
            "whoever counts what is missing says how many pieces there are",
        );
    };
    let mut counted = BTreeSet::new();
    for (position, found) in missing.iter().enumerate() {
        if found.count.get() > pieces || !counted.insert(found.part) {
            let detail = format!("there are {pieces} pieces; count each part once, and not more than these");
            return refuse(RefusalCode::ListInvalid, format!("/missing/{position}/count"), detail);
        }
    }
    Ok(counted_missing(rules, missing, pieces))
}

/// The shares that such a count comes to.
pub(crate) fn counted_missing(rules: &RuleSet, missing: &[MissingPart], pieces: i64) -> Vec<Lack> {
    let share = |count: i64| i128::from(count) * i128::from(ALL_PPM) / i128::from(pieces.max(1));
    let lacks = missing.iter().map(|found| {
        let ppm = i64::try_from(share(found.count.get())).unwrap_or(ALL_PPM).min(ALL_PPM);
        Lack { part: found.part, ppm }
    });
    lacks.filter(|lack| counts(rules, lack)).collect()
}

/// Whether a rule set looks at a share: without a table of parts only at all of it, so that nothing follows there from others.
fn counts(rules: &RuleSet, lack: &Lack) -> bool {
    lack.ppm >= if rules.weighs_parts() { 1 } else { ALL_PPM }
}

/// How much of something lacks a part, in parts per million.
pub(crate) fn share_of(lacks: &[Lack], part: Part) -> i64 {
    lacks.iter().find(|lack| lack.part == part).map_or(0, |lack| lack.ppm)
}

/// Whether no receipt counted a part missing of every piece.
pub(crate) fn may_hold(lacks: &[Lack], part: Part) -> bool {
    share_of(lacks, part) < ALL_PPM
}

/// How many of so many grams may hold a part.
pub(crate) fn grams_that_may_hold(grams: Grams, lacks: &[Lack], part: Part) -> i64 {
    part_of(grams.get(), ALL_PPM - share_of(lacks, part))
}

/// What two things lack together, each with its grams. All of it lacks a part only where all of both did.
pub(crate) fn joined(rules: &RuleSet, (one, one_g): (&[Lack], Grams), (other, other_g): (&[Lack], Grams)) -> Vec<Lack> {
    let sum = i128::from(one_g.get()) + i128::from(other_g.get());
    let together = |part: Part| {
        let (a, b) = (share_of(one, part), share_of(other, part));
        if a == b || sum == 0 {
            return a.min(b);
        }
        let weighted = i128::from(a) * i128::from(one_g.get()) + i128::from(b) * i128::from(other_g.get());
        i64::try_from(weighted / sum).unwrap_or(ALL_PPM).min(ALL_PPM - 1)
    };
    let lacks = Part::ALL.iter().map(|part| Lack { part: *part, ppm: together(*part) });
    lacks.filter(|lack| counts(rules, lack)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Count;
    use crate::domain::rule_set;

    fn rules(version: &str) -> &'static RuleSet {
        rule_set::all().iter().find(|set| set.version == version).expect("a rule set")
    }

    fn grams(grams: i64) -> Grams {
        Grams::new(grams).expect("grams")
    }

    fn boards(ppm: i64) -> Vec<Lack> {
        if ppm == 0 { Vec::new() } else { vec![Lack { part: Part::Boards, ppm }] }
    }

    #[test]
    fn counts_become_shares() {
        for (count, pieces, ppm) in [(40, 40, ALL_PPM), (39, 40, 975_000), (1, 3, 333_333)] {
            let missing = [MissingPart { part: Part::Boards, count: Count::new(count).expect("a count") }];
            assert_eq!(counted_missing(rules("4"), &missing, pieces), boards(ppm), "{count} of {pieces}");
            let all = if count == pieces { ALL_PPM } else { 0 };
            assert_eq!(counted_missing(rules("3"), &missing, pieces), boards(all), "{count} of {pieces} as it was");
        }
    }

    #[test]
    fn together_they_lack_the_mean_by_weight() {
        for (case, one, other, ppm) in [
            ("both all", (ALL_PPM, 3), (ALL_PPM, 5), ALL_PPM),
            ("half and half", (ALL_PPM, 50), (0, 50), 500_000),
            ("nearly all is not all", (ALL_PPM, 9_000_000), (0, 1), ALL_PPM - 1),
            ("nor is all but an empty lot", (ALL_PPM, 9), (0, 0), ALL_PPM - 1),
            ("of nothing, the less", (ALL_PPM, 0), (200_000, 0), 200_000),
            ("nothing", (0, 9), (0, 9), 0),
        ] {
            let (a, b) = (boards(one.0), boards(other.0));
            let (a, b) = ((a.as_slice(), grams(one.1)), (b.as_slice(), grams(other.1)));
            assert_eq!(joined(rules("4"), a, b), boards(ppm), "{case}");
            assert_eq!(joined(rules("4"), b, a), boards(ppm), "{case}, the other way round");
            let all = if ppm == ALL_PPM { ALL_PPM } else { 0 };
            assert_eq!(joined(rules("3"), a, b), boards(all), "{case}, as it was");
        }
    }
}
