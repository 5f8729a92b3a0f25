//! Certified grams: on which grams of a treatment units rest, and what is left of them after a correction.

use crate::domain::batch::Batch;
use crate::domain::certificate::Certificate;
use crate::domain::event::Allotment;
use crate::domain::fields::record;
use crate::domain::ids::EntryIndex;
use crate::domain::mass::Grams;
use crate::domain::pool::ranges_of;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, State, Stop};
use crate::domain::treatment::{Line, Treatment};
use std::collections::BTreeSet;

record! {
    /// How many stretches of a treatment's grams were ever certified, and which of them do not hold.
    pub struct Certified {
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// How many.
        stretches: i64,
        /// Certified grams that back nothing, as they were judged last: what is judged again is only what differs from it.
        lost: Vec<GramSpan>,
    }
}

impl Certified {
    /// None of a treatment's grams yet.
    pub(crate) const fn none(treatment: EntryIndex) -> Self {
        Self { treatment, stretches: 0, lost: Vec::new() }
    }

    /// The grams that do not hold.
    pub(crate) fn lost(&self) -> Vec<Span> {
        self.lost.iter().map(|span| (span.from.get(), span.to.get())).collect()
    }

    /// The same with other grams that do not hold, in order.
    pub(crate) fn losing(self, mut lost: Vec<Span>) -> Self {
        lost.sort_unstable();
        let span = |(from, to): Span| Some(GramSpan { from: Grams::new(from)?, to: Grams::new(to)? });
        Self { lost: lost.into_iter().filter_map(span).collect(), ..self }
    }

    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.treatment)
    }

    /// The id of a treatment's count.
    pub fn id_of(treatment: EntryIndex) -> String {
        format!("certified/{treatment}")
    }
}

record! {
    /// Grams of a treatment on which units rest.
    pub struct CertifiedStretch {
        /// The entry of the treatment.
        treatment: EntryIndex,
        /// Its place among the treatment's, from 0.
        position: i64,
        /// The first gram.
        from: Grams,
        /// The gram behind the last.
        to: Grams,
        /// The block of an issue of which these are grams, as it was issued.
        root: SerialBlock,
        /// The entry of that issue.
        issued: EntryIndex,
        /// Stretches that were set free again, because units were issued in error.
        freed: Vec<GramSpan>,
    }
}

record! {
    /// Some grams of a treatment.
    pub struct GramSpan {
        /// The first gram.
        from: Grams,
        /// The gram behind the last.
        to: Grams,
    }
}

impl CertifiedStretch {
    /// The record's id.
    pub fn id(&self) -> String {
        Self::id_of(self.treatment, self.position)
    }

    fn id_of(treatment: EntryIndex, position: i64) -> String {
        format!("certified/{treatment}/{position}")
    }

    /// Its grams that were not set free.
    pub fn living(&self) -> Vec<Span> {
        let freed: Vec<Span> = self.freed.iter().map(|span| (span.from.get(), span.to.get())).collect();
        without(&[(self.from.get(), self.to.get())], &freed)
    }
}

/// Grams from the first to before the last.
pub type Span = (i64, i64);

/// What of some stretches is left without others.
pub fn without(of: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = of.to_vec();
    for (from, to) in others {
        left = left
            .into_iter()
            .flat_map(|(first, end)| [(first, end.min(*from)), (first.max(*to), end)])
            .filter(|(first, end)| first < end)
            .collect();
    }
    left
}

/// What two stretches share.
pub fn shared((one_from, one_to): Span, (other_from, other_to): Span) -> Option<Span> {
    let (from, to) = (one_from.max(other_from), one_to.min(other_to));
    (from < to).then_some((from, to))
}

fn length(spans: &[Span]) -> i64 {
    spans.iter().map(|(from, to)| to - from).sum()
}

/// The stretches of a treatment that were ever certified, in the order of their issue.
pub(crate) fn certified(state: &State<'_>, treatment: EntryIndex) -> Result<Vec<CertifiedStretch>, Stop> {
    let count = state.certified(&Certified::id_of(treatment))?.map_or(0, |certified| certified.stretches);
    let ids: Vec<String> = (0..count).map(|position| CertifiedStretch::id_of(treatment, position)).collect();
    state.require_loaded(ids.iter().cloned())?;
    let mut stretches = Vec::with_capacity(ids.len());
    for id in &ids {
        stretches.extend(state.certified_stretch(id)?.cloned());
    }
    Ok(stretches)
}

/// The certified grams of a line, in the order of their issue.
pub(crate) fn certified_in(stretches: &[CertifiedStretch], line: &Line) -> Vec<Span> {
    let of_line = (line.from.get(), line.to.get());
    stretches.iter().flat_map(CertifiedStretch::living).filter_map(|span| shared(span, of_line)).collect()
}

/// Grams of a line on which units rest.
pub(crate) fn certified_of(state: &State<'_>, treatment: EntryIndex, line: &Line) -> Result<i64, Stop> {
    Ok(length(&certified_in(&certified(state, treatment)?, line)))
}

/// After [`super::entering::withdraw`] and a correction's new facts: certified grams of these treatments use up what their batches
/// can back, the first that were certified first; what is beyond stays uncovered, and fails.
pub(crate) fn cover_certified(state: &mut State<'_>, treatments: &[EntryIndex]) -> Result<(), Stop> {
    let mut claims = Vec::new();
    for entry in treatments {
        let Some(treatment) = state.treatment(*entry)?.cloned() else { continue };
        let stretches = certified(state, *entry)?;
        // A line that an earlier correction left certified as a whole has no place in a pool either, and is covered.
        let is_bare = |line: &Line| line.places.is_empty() && line.covered == Grams::ZERO;
        for (position, line) in treatment.lines.iter().enumerate().filter(|(_, line)| is_bare(line)) {
            for stretch in &stretches {
                let spans = certified_in(std::slice::from_ref(stretch), line);
                claims.extend(spans.into_iter().map(|span| (stretch.issued, *entry, span, position)));
            }
        }
    }
    claims.sort_unstable();
    for (_, entry, (from, to), position) in claims {
        let Some(mut treatment) = state.treatment(entry)?.cloned() else { continue };
        let Some(line) = treatment.lines.get_mut(position) else { continue };
        let Some(batch) = line.batch_in(state)?.cloned() else { continue };
        let left = batch.input_g.minus(batch.eligible_g).unwrap_or(Grams::ZERO);
        let grams = Grams::new(to - from).unwrap_or(Grams::ZERO).min(left);
        line.covered = line.covered.plus(grams).unwrap_or(line.covered);
        let eligible_g = batch.eligible_g.plus(grams).unwrap_or(batch.eligible_g);
        state.put(Record::Batch(Batch { eligible_g, ..batch }));
        state.put(Record::Treatment(treatment));
    }
    Ok(())
}

/// Sets the grams of units that were issued in error free; gives the treatments whose lines may enter a pool again.
pub(crate) fn free(state: &mut State<'_>, certificate: &Certificate) -> Result<Vec<EntryIndex>, Stop> {
    let treatments: BTreeSet<EntryIndex> = certificate.allotments.iter().map(|allotment| allotment.treatment).collect();
    state.require_loaded(treatments.iter().flat_map(|entry| [Certified::id_of(*entry), Treatment::id_of(*entry)]))?;
    for Allotment { treatment, from, to } in &certificate.allotments {
        let span = (from.get(), to.get());
        // Should they be certified once more, they are judged from the beginning.
        if let Some(known) = state.certified(&Certified::id_of(*treatment))?.cloned() {
            let lost = without(&known.lost(), &[span]);
            state.put(Record::Certified(known.losing(lost)));
        }
        for mut stretch in certified(state, *treatment)? {
            if let Some((from, to)) = shared((stretch.from.get(), stretch.to.get()), span)
                && stretch.root.holds(&certificate.serial)
                && let (Some(from), Some(to)) = (Grams::new(from), Grams::new(to))
            {
                stretch.freed.push(GramSpan { from, to });
                state.put(Record::CertifiedStretch(stretch));
            }
        }
    }
    for treatment in &treatments {
        uncover(state, *treatment)?;
    }
    Ok(treatments.into_iter().collect())
}

/// After grams of a treatment were set free: its lines cover no more certified grams than there are, and what is left over may
/// enter a pool. While others of the line fail, these take the place.
fn uncover(state: &mut State<'_>, entry: EntryIndex) -> Result<(), Stop> {
    let Some(mut treatment) = state.treatment(entry)?.cloned() else { return Ok(()) };
    let stretches = certified(state, entry)?;
    for line in &mut treatment.lines {
        let Some(batch) = line.batch_in(state)?.cloned() else { continue };
        let (waiting, certified) = (waiting_in(state, line)?, length(&certified_in(&stretches, line)));
        let covered = Grams::new((line.covered.get() - waiting).min(certified) + waiting).unwrap_or(line.covered);
        if covered < line.covered {
            let more = line.covered.minus(covered).unwrap_or(Grams::ZERO);
            let eligible_g = batch.eligible_g.minus(more).unwrap_or(Grams::ZERO);
            state.put(Record::Batch(Batch { eligible_g, ..batch }));
            (line.covered, line.reopened) = (covered, true);
        }
    }
    state.put(Record::Treatment(treatment));
    Ok(())
}

/// Grams of a line that wait in pools.
fn waiting_in(state: &State<'_>, line: &Line) -> Result<i64, Stop> {
    Ok(ranges_of(state, line)?.iter().map(|range| range.grams.get() - range.allotted.get()).sum())
}

/// Of the certified grams of a line, those that it still backs, the first that were certified first.
pub(crate) fn backed_in(state: &State<'_>, line: &Line, stretches: &[CertifiedStretch]) -> Result<Vec<Span>, Stop> {
    let mut left = line.covered.get() - waiting_in(state, line)?;
    let mut backed = Vec::new();
    for (from, to) in certified_in(stretches, line) {
        let grams = (to - from).min(left);
        if grams > 0 {
            backed.push((from, from + grams));
            left -= grams;
        }
    }
    Ok(backed)
}

/// Notes on which grams the blocks of an issue rest.
pub(super) fn certify(state: &mut State<'_>, roots: &[Certificate]) -> Result<(), Stop> {
    let allotments = || roots.iter().flat_map(|root| root.allotments.iter().map(move |allotment| (root, allotment)));
    state.require_loaded(allotments().map(|(_, allotment)| Certified::id_of(allotment.treatment)))?;
    for (root, Allotment { treatment, from, to }) in allotments() {
        let (treatment, from, to) = (*treatment, *from, *to);
        let known = state.certified(&Certified::id_of(treatment))?.cloned().unwrap_or(Certified::none(treatment));
        let (position, root, issued) = (known.stretches, root.serial.clone(), root.issued);
        let stretch = CertifiedStretch { treatment, position, from, to, root, issued, freed: Vec::new() };
        state.put(Record::CertifiedStretch(stretch));
        state.put(Record::Certified(Certified { stretches: position + 1, ..known }));
    }
    Ok(())
}
