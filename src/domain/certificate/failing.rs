//! Failing: units whose grams turn out otherwise, by a correction in effect, an auditor's finding, or another occasion.
//!
//! What is found says nothing of who sold or claimed: it marks units by their numbers, wherever they are by now, and counts them
//! against their site until they are withdrawn or replaced. Certificates that exist are never changed (rules.md §7).

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::certificate::concerned::{Concerned, Looked, by_root, spans};
use crate::domain::certificate::{Certificate, Failing, judges_after, tally};
use crate::domain::eligibility::{self, Gap};
use crate::domain::finding;
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, CertifiedStretch, Span};
use crate::domain::rule_set::{self, Occasion, RuleSet};
use crate::domain::state::{Record, State, Stop};
use crate::domain::treatment::{Line, Treatment};
use std::collections::BTreeSet;

/// Looks at the certified grams of some treatments again: units that lost grams fail, units whose grams hold again do not.
///
/// What is applied once more judges nothing: its correction does, at the end.
pub(crate) fn judge(state: &mut State<'_>, context: &Context<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    if context.again.is_some() || rules_in_force(state)?.scheme.registry.is_none() {
        return Ok(());
    }
    state.require_loaded(treatments.iter().map(|entry| pool::Certified::id_of(*entry)))?;
    let mut certified = Vec::new();
    for entry in treatments {
        let stretches = pool::certified(state, *entry)?;
        if !stretches.is_empty() {
            certified.push((*entry, stretches));
        }
    }
    let entries: Vec<EntryIndex> = certified.iter().map(|(entry, _)| *entry).collect();
    eligibility::require_loaded(state, &entries)?;
    for (entry, stretches) in certified {
        judge_treatment(state, context, entry, &stretches)?;
    }
    Ok(())
}

fn judge_treatment(
    state: &mut State<'_>,
    context: &Context<'_>,
    treatment: EntryIndex,
    all: &[CertifiedStretch],
) -> Result<(), Stop> {
    let Some(known) = state.certified(&pool::Certified::id_of(treatment))?.cloned() else { return Ok(()) };
    let (mut found, mut uncured, mut all_lost) = (Concerned::default(), BTreeSet::new(), Vec::new());
    for (root, stretches) in by_root(state, all)? {
        let living: Vec<Span> = stretches.iter().flat_map(|stretch| stretch.living()).collect();
        let sound = sound_grams(state, treatment, all, &root)?;
        let lost = pool::without(&living, &sound.grams);
        found.gather(state, &root, treatment, &changed(&living, &known.lost(), &lost), &lost)?;
        uncured.extend(sound.uncured);
        all_lost.extend(lost);
    }
    state.put(Record::Certified(known.losing(all_lost)));
    if judges_after(state, Occasion::Cure)? {
        finding::wait_for_cures(state, treatment, &uncured)?;
    }
    for looked in found.into_certificates() {
        fail(state, context, treatment, looked)?;
    }
    Ok(())
}

/// Of some certified grams those that are lost now and were not, or were lost and are not any more. Units on the others stand as
/// they were judged, so the blocks in which these are, tens of thousands perhaps, are not even read.
fn changed(living: &[Span], before: &[Span], now: &[Span]) -> Vec<Span> {
    [pool::without(now, before), pool::without(&shared_of(living, before), now)].concat()
}

/// What is in some stretches and in some others.
fn shared_of(of: &[Span], others: &[Span]) -> Vec<Span> {
    of.iter().flat_map(|span| others.iter().filter_map(move |other| pool::shared(*span, *other))).collect()
}

/// What of a treatment's grams backs units of one issue.
#[derive(Default)]
struct Sound {
    /// The grams.
    grams: Vec<Span>,
    /// Entries whose flaws keep the others from it, and that somebody may cure.
    uncured: BTreeSet<EntryIndex>,
}

/// The grams of a treatment that back what was certified on them in one issue: by the rules of its own scheme, and what grows old
/// in store since then changes nothing, nor does a rule set that was adopted since.
fn sound_grams(
    state: &State<'_>,
    treatment: EntryIndex,
    stretches: &[CertifiedStretch],
    root: &Certificate,
) -> Result<Sound, Stop> {
    let mut sound = Sound::default();
    let Some(treatment) = state.treatment(treatment)? else { return Ok(sound) };
    for line in &treatment.lines {
        if line.batch_in(state)?.is_none_or(|batch| batch.site != root.site) {
            continue;
        }
        let standing = standing_at_issue(state, root, (treatment, line))?;
        if standing.gaps.iter().copied().any(Gap::fails_units) {
            sound.uncured.extend(standing.uncured);
        } else {
            sound.grams.extend(pool::backed_in(state, line, stretches)?);
        }
    }
    Ok(sound)
}

/// How a line of a treatment stands for what was certified on it in one issue: on the day and by the scheme of that issue. No unit
/// fails for a rule that its scheme did not have.
pub fn standing_at_issue(
    state: &State<'_>,
    root: &Certificate,
    of: (&Treatment, &Line),
) -> Result<eligibility::Standing, Stop> {
    let mut standing = eligibility::standing(state, rules_of_issue(state, root)?, of, root.issued_at)?;
    if rule_set::find(&root.rule_set).is_none_or(|rules| rules.scheme.conditions.is_none()) {
        standing.gaps.retain(|gap| !gap.fails_units() || !gap.is_new_with_1());
    }
    Ok(standing)
}

/// The rule set that judges what was certified in one issue: that of the issue. Before a rule set had a table of parts it was the
/// one in force, and ledgers from then replay as they were written.
fn rules_of_issue(state: &State<'_>, root: &Certificate) -> Result<&'static RuleSet, Stop> {
    let in_force = rules_in_force(state)?;
    let of_issue = rule_set::find(&root.rule_set).filter(|_| in_force.weighs_parts());
    Ok(of_issue.unwrap_or(in_force))
}

/// Writes down which of the units that are looked at fail on a treatment; what failed before keeps its cause.
fn fail(state: &mut State<'_>, context: &Context<'_>, treatment: EntryIndex, looked: Looked) -> Result<(), Stop> {
    let Looked { certificate, at, resting } = looked;
    let (before, mut failing): (Vec<Failing>, Vec<Failing>) =
        certificate.failing.iter().cloned().partition(|failing| failing.treatment == Some(treatment));
    let at = spans(&at);
    let mut new = shared_of(&spans(&resting), &at);
    for old in &before {
        let old_units = [(old.first, old.last + 1)];
        let fails_still = shared_of(&new, &old_units);
        let kept = pool::without(&old_units, &at).into_iter().chain(fails_still.iter().copied());
        failing.extend(kept.map(|(first, end)| Failing { first, last: end - 1, ..old.clone() }));
        new = pool::without(&new, &fails_still);
    }
    failing.extend(new.into_iter().map(|(first, end)| Failing {
        cause: context.index,
        since: context.time,
        treatment: Some(treatment),
        first,
        last: end - 1,
    }));
    let failing = joined(failing);
    if failing == certificate.failing {
        return Ok(());
    }
    tally::put(state, Certificate { failing, ..certificate })
}

/// Stretches of failing units in order, neighbours of one cause as one: however often their grams are judged, there are no more of
/// them, and a certificate that is found as it was is not written.
fn joined(mut failing: Vec<Failing>) -> Vec<Failing> {
    failing.sort_by_key(|failing| (failing.cause, failing.treatment, failing.since, failing.first));
    let mut joined: Vec<Failing> = Vec::with_capacity(failing.len());
    for next in failing {
        match joined.last_mut() {
            Some(before) if before.is_of_cause(&next) && next.first <= before.last + 1 => {
                before.last = before.last.max(next.last);
            }
            _ => joined.push(next),
        }
    }
    joined.sort_by_key(|failing| (failing.first, failing.last, failing.cause));
    joined
}

impl Failing {
    /// Whether its units fail by the same cause, since then.
    fn is_of_cause(&self, other: &Self) -> bool {
        (self.cause, self.since, self.treatment) == (other.cause, other.since, other.treatment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::LedgerTime;

    #[test]
    fn neighbours_of_one_cause_are_one_stretch() {
        let since = LedgerTime::from_ms(1_793_000_000_000).expect("a time");
        let failing = |cause: u64, treatment: Option<u64>, first: i64, last: i64| Failing {
            cause: EntryIndex(cause),
            since,
            treatment: treatment.map(EntryIndex),
            first,
            last,
        };
        let one = |first, last| failing(9, Some(3), first, last);
        for (what, stretches, expected) in [
            ("neighbours", vec![one(4, 6), one(1, 3)], vec![one(1, 6)]),
            ("apart", vec![one(1, 3), one(5, 6)], vec![one(1, 3), one(5, 6)]),
            ("another entry", vec![one(1, 3), failing(10, Some(3), 4, 6)], vec![one(1, 3), failing(10, Some(3), 4, 6)]),
            (
                "another treatment",
                vec![one(1, 3), failing(9, Some(4), 4, 6)],
                vec![one(1, 3), failing(9, Some(4), 4, 6)],
            ),
            (
                "between others",
                vec![one(1, 3), failing(9, None, 1, 9), one(4, 6)],
                vec![one(1, 6), failing(9, None, 1, 9)],
            ),
        ] {
            assert_eq!(joined(stretches), expected, "{what}");
        }
    }
}
