//! Failing: units whose grams turn out otherwise, by a correction in effect, an auditor's finding, or another occasion.
//!
//! What is found says nothing of who sold or claimed: it marks units by their numbers, wherever they are by now, and counts them
//! against their site until they are withdrawn or replaced. Certificates that exist are never changed (rules.md §7).

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::certificate::concerned::{Concerned, Numbers, by_root};
use crate::domain::certificate::{Certificate, Failing, judges_after, tally};
use crate::domain::eligibility;
use crate::domain::finding;
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, CertifiedStretch, Span};
use crate::domain::rule_set::{self, Occasion};
use crate::domain::state::{State, Stop};
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
    let (mut found, mut uncured) = (Concerned::default(), BTreeSet::new());
    for (root, stretches) in by_root(state, all)? {
        let living: Vec<Span> = stretches.iter().flat_map(|stretch| stretch.living()).collect();
        let sound = sound_grams(state, treatment, all, &root)?;
        found.gather(state, &root, treatment, &living, &pool::without(&living, &sound.grams))?;
        uncured.extend(sound.uncured);
    }
    if judges_after(state, Occasion::Cure)? {
        finding::wait_for_cures(state, treatment, &uncured)?;
    }
    for (certificate, failing) in found.into_certificates() {
        fail(state, context, certificate, treatment, &failing)?;
    }
    Ok(())
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
/// in store since then changes nothing.
fn sound_grams(
    state: &State<'_>,
    treatment: EntryIndex,
    stretches: &[CertifiedStretch],
    root: &Certificate,
) -> Result<Sound, Stop> {
    let mut sound = Sound::default();
    let Some(treatment) = state.treatment(treatment)? else { return Ok(sound) };
    let has_conditions = rule_set::find(&root.rule_set).is_some_and(|rules| rules.scheme.conditions.is_some());
    for line in &treatment.lines {
        if line.batch_in(state)?.is_none_or(|batch| batch.site != root.site) {
            continue;
        }
        let standing = eligibility::standing(state, treatment, line, root.issued_at)?;
        if standing.gaps.iter().any(|gap| gap.fails_units() && (has_conditions || !gap.is_new_with_1())) {
            sound.uncured.extend(standing.uncured);
        } else {
            sound.grams.extend(pool::backed_in(state, line, stretches)?);
        }
    }
    Ok(sound)
}

/// Writes down which units of a certificate fail on a treatment; what failed before keeps its cause.
fn fail(
    state: &mut State<'_>,
    context: &Context<'_>,
    certificate: Certificate,
    treatment: EntryIndex,
    units: &[Numbers],
) -> Result<(), Stop> {
    let (before, mut failing): (Vec<Failing>, Vec<Failing>) =
        certificate.failing.iter().cloned().partition(|failing| failing.treatment == Some(treatment));
    let mut new: Vec<Span> = units.iter().map(|(first, last)| (*first, last + 1)).collect();
    for old in &before {
        let kept: Vec<Span> = new.iter().filter_map(|span| pool::shared(*span, (old.first, old.last + 1))).collect();
        failing.extend(kept.iter().map(|(first, end)| Failing { first: *first, last: end - 1, ..old.clone() }));
        new = pool::without(&new, &kept);
    }
    failing.extend(new.into_iter().map(|(first, end)| Failing {
        cause: context.index,
        since: context.time,
        treatment: Some(treatment),
        first,
        last: end - 1,
    }));
    failing.sort_by_key(|failing| (failing.first, failing.last, failing.cause));
    if failing == certificate.failing {
        return Ok(());
    }
    tally::put(state, Certificate { failing, ..certificate })
}
