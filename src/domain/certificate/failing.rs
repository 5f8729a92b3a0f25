//! Failing: units whose grams turn out otherwise, by a correction in effect, an auditor's finding, or another occasion.
//!
//! What is found says nothing of who sold or claimed: it marks units by their numbers, wherever they are by now, and counts them
//! against their site until they are withdrawn or replaced. Certificates that exist are never changed (rules.md §7).

use crate::domain::apply::{Context, rules_in_force};
use crate::domain::certificate::{Certificate, CertificateStatus, Failing, PartsListed, UNIT_G, judges_after, tally};
use crate::domain::eligibility;
use crate::domain::finding;
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, CertifiedStretch, Span};
use crate::domain::rule_set::{self, Occasion};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of units: first and last of a stretch.
type Numbers = (i64, i64);

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
    let (mut found, mut uncured) = (Found::default(), BTreeSet::new());
    let mut of_roots: BTreeMap<String, Vec<&CertifiedStretch>> = BTreeMap::new();
    for stretch in all {
        of_roots.entry(stretch.root.to_string()).or_default().push(stretch);
    }
    state.require_loaded(of_roots.keys().cloned())?;
    for (root, stretches) in of_roots {
        let Some(root) = state.certificate(&root)?.cloned() else { continue };
        let living: Vec<Span> = stretches.iter().flat_map(|stretch| stretch.living()).collect();
        let sound = sound_grams(state, treatment, all, &root)?;
        let lost = pool::without(&living, &sound.grams);
        uncured.extend(sound.uncured);
        let (resting, failing) = (units_on(&root, treatment, &living), units_on(&root, treatment, &lost));
        for leaf in leaves(state, &root.serial, &resting)? {
            found.gather(state, leaf, &failing)?;
        }
    }
    if judges_after(state, Occasion::Cure)? {
        finding::wait_for_cures(state, treatment, &uncured)?;
    }
    for (certificate, failing) in found.0.into_values() {
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

/// The units of a block that rest on some grams of a treatment; one gram of a thousand suffices.
fn units_on(root: &Certificate, treatment: EntryIndex, grams: &[Span]) -> Vec<Numbers> {
    let (mut at, mut units) = (0, Vec::new());
    for allotment in &root.allotments {
        let own = (allotment.from.get(), allotment.to.get());
        for (from, to) in grams.iter().filter_map(|span| pool::shared(*span, own)) {
            if allotment.treatment == treatment {
                let number = |gram: i64| root.serial.first + (at + gram - own.0) / UNIT_G;
                units.push((number(from), number(to - 1)));
            }
        }
        at += own.1 - own.0;
    }
    units
}

/// The blocks in which some units of a block are by now.
fn leaves(state: &State<'_>, root: &SerialBlock, units: &[Numbers]) -> Result<Vec<Certificate>, Stop> {
    let (mut found, mut level) = (Vec::new(), vec![root.clone()]);
    while !level.is_empty() {
        state.require_loaded(level.iter().flat_map(|serial| [serial.to_string(), PartsListed::id_of(serial)]))?;
        let mut next = Vec::new();
        for serial in &level {
            let Some(certificate) = state.certificate(&serial.to_string())?.cloned() else { continue };
            if certificate.status != CertificateStatus::Split {
                found.push(certificate);
                continue;
            }
            let list = state.parts_listed(&PartsListed::id_of(serial))?;
            let parts = list.map_or(&certificate.into, |list| &list.parts);
            let concerned =
                |part: &&SerialBlock| units.iter().any(|(first, last)| part.shared_with(*first, *last).is_some());
            next.extend(parts.iter().filter(concerned).cloned());
        }
        level = next;
    }
    Ok(found)
}

/// All certificates with grams of one treatment, their own or those of units that back theirs, and which of their units fail on
/// them: a certificate may lose both.
#[derive(Default)]
struct Found(BTreeMap<String, (Certificate, Vec<Numbers>)>);

impl Found {
    /// Counts in a block that rests on the treatment's grams; units that others back by now do not need their own.
    fn gather(&mut self, state: &State<'_>, leaf: Certificate, failing: &[Numbers]) -> Result<(), Stop> {
        let failing = not_backed(&leaf, failing);
        self.reach(state, leaf, failing)
    }

    /// Units that fail, wherever that is felt: what is given up needs no grams; what was withdrawn for others fails those, also
    /// over several steps.
    fn reach(&mut self, state: &State<'_>, leaf: Certificate, failing: Vec<Numbers>) -> Result<(), Stop> {
        match (leaf.status, &leaf.backs) {
            (CertificateStatus::Cancelled | CertificateStatus::Split, _) | (CertificateStatus::Withdrawn, None) => {}
            (CertificateStatus::Withdrawn, Some(backs)) => {
                let backed = [(backs.units.first, backs.units.last)];
                for certificate in leaves(state, &backs.certificate, &backed)? {
                    let failing = backed_by(&certificate, &leaf.serial, &failing);
                    self.reach(state, certificate, failing)?;
                }
            }
            _ => self.add(leaf, failing),
        }
        Ok(())
    }

    fn add(&mut self, certificate: Certificate, failing: Vec<Numbers>) {
        let id = certificate.serial.to_string();
        self.0.entry(id).or_insert_with(|| (certificate, Vec::new())).1.extend(failing);
    }
}

/// The failing units of a block that no others back by now: those do not need their own grams.
fn not_backed(leaf: &Certificate, failing: &[Numbers]) -> Vec<Numbers> {
    let backed: Vec<Span> = leaf.backing.iter().map(|backing| (backing.units.first, backing.units.last + 1)).collect();
    let own: Vec<Span> = failing
        .iter()
        .filter_map(|(first, last)| leaf.serial.shared_with(*first, *last))
        .map(|units| (units.first, units.last + 1))
        .collect();
    pool::without(&own, &backed).into_iter().map(|(first, end)| (first, end - 1)).collect()
}

/// Units of a certificate that some failing units of another block back now.
fn backed_by(certificate: &Certificate, by: &SerialBlock, failing: &[Numbers]) -> Vec<Numbers> {
    let mut units = Vec::new();
    for backing in certificate.backing.iter().filter(|backing| by.overlaps(&backing.by)) {
        let shift = backing.units.first - backing.by.first;
        for (first, last) in failing {
            let shared = by.shared_with(*first, *last).and_then(|own| backing.by.shared_with(own.first, own.last));
            units.extend(shared.map(|shared| (shared.first + shift, shared.last + shift)));
        }
    }
    units
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
