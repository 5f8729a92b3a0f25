//! Concerned: which units rest on some grams of a treatment, and in which certificates these are by now.
//!
//! Units are followed by their numbers through the parts of the block that was issued, and over replacement to the units that
//! they back.

use crate::domain::certificate::{Certificate, CertificateStatus, PartsListed, UNIT_G};
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, CertifiedStretch, Span};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use std::collections::BTreeMap;

/// Numbers of units: first and last of a stretch.
pub(super) type Numbers = (i64, i64);

/// Units as stretches from the first to before the last, each once.
pub(super) fn spans(units: &[Numbers]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(units.len());
    for (first, last) in units {
        let new = pool::without(&[(*first, last + 1)], &spans);
        spans.extend(new);
    }
    spans
}

/// Certificates with units that rest on some grams of a treatment, and the numbers of these units; for whoever asks whom something
/// concerns, and changes nothing.
pub fn resting_on(
    state: &State<'_>,
    treatment: EntryIndex,
    grams: &[Span],
) -> Result<Vec<(Certificate, Vec<Numbers>)>, Stop> {
    let (stretches, mut concerned) = (pool::certified(state, treatment)?, Concerned::default());
    for (root, stretches) in by_root(state, &stretches)? {
        let living = stretches.iter().flat_map(|stretch| stretch.living());
        let asked: Vec<Span> =
            living.flat_map(|span| grams.iter().filter_map(move |own| pool::shared(span, *own))).collect();
        concerned.gather(state, &root, treatment, &asked, &asked)?;
    }
    Ok(concerned.into_certificates().map(|looked| (looked.certificate, looked.resting)).collect())
}

/// Certified stretches of a treatment by the block of the issue of which they are.
pub(super) fn by_root<'a>(
    state: &State<'_>,
    stretches: &'a [CertifiedStretch],
) -> Result<Vec<(Certificate, Vec<&'a CertifiedStretch>)>, Stop> {
    let mut of_roots: BTreeMap<String, Vec<&CertifiedStretch>> = BTreeMap::new();
    for stretch in stretches {
        of_roots.entry(stretch.root.to_string()).or_default().push(stretch);
    }
    state.require_loaded(of_roots.keys().cloned())?;
    let mut found = Vec::with_capacity(of_roots.len());
    for (root, stretches) in of_roots {
        found.extend(state.certificate(&root)?.cloned().map(|root| (root, stretches)));
    }
    Ok(found)
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

/// Units of a certificate that are looked at, because of grams on which they rest.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    /// The certificate.
    pub(super) certificate: Certificate,
    /// The units.
    pub(super) at: Vec<Numbers>,
    /// Units that rest on some grams that were asked for: those that are looked at may be among them.
    pub(super) resting: Vec<Numbers>,
}

/// All certificates of which units are looked at because of grams of one treatment, their own or those of units that back theirs: a
/// certificate may rest on both.
#[derive(Default)]
pub(super) struct Concerned(BTreeMap<String, Looked>);

impl Concerned {
    /// The certificates, each with its units.
    pub(super) fn into_certificates(self) -> impl Iterator<Item = Looked> {
        self.0.into_values()
    }

    /// Looks at the units of an issue that rest on some of a treatment's grams, in whichever blocks they are by now, and at no other
    /// block: which of them rest on certain grams?
    pub(super) fn gather(
        &mut self,
        state: &State<'_>,
        root: &Certificate,
        treatment: EntryIndex,
        looked_at: &[Span],
        grams: &[Span],
    ) -> Result<(), Stop> {
        let (at, resting) = (units_on(root, treatment, looked_at), units_on(root, treatment, grams));
        if at.is_empty() {
            return Ok(());
        }
        for leaf in leaves(state, &root.serial, &at)? {
            // Units that others back by now do not need their own.
            let (at, resting) = (not_backed(&leaf, &at), not_backed(&leaf, &resting));
            self.reach(state, Looked { certificate: leaf, at, resting })?;
        }
        Ok(())
    }

    /// Units wherever their grams are needed: what is given up needs none; what was withdrawn for others gives these its own, also
    /// over several steps.
    fn reach(&mut self, state: &State<'_>, looked: Looked) -> Result<(), Stop> {
        let Looked { certificate: leaf, at, resting } = &looked;
        match (leaf.status, &leaf.backs) {
            (CertificateStatus::Cancelled | CertificateStatus::Split, _) | (CertificateStatus::Withdrawn, None) => {}
            (CertificateStatus::Withdrawn, Some(backs)) => {
                let backed = [(backs.units.first, backs.units.last)];
                for certificate in leaves(state, &backs.certificate, &backed)? {
                    let backed = |giving: &[Numbers]| backed_by(&certificate, &leaf.serial, giving);
                    let (at, resting) = (backed(at), backed(resting));
                    self.reach(state, Looked { certificate, at, resting })?;
                }
            }
            _ => self.add(looked),
        }
        Ok(())
    }

    fn add(&mut self, looked: Looked) {
        let id = looked.certificate.serial.to_string();
        match self.0.get_mut(&id) {
            Some(known) => {
                known.at.extend(looked.at);
                known.resting.extend(looked.resting);
            }
            None => _ = self.0.insert(id, looked),
        }
    }
}

/// Those of some units that are in a block and that no others back by now.
fn not_backed(leaf: &Certificate, units: &[Numbers]) -> Vec<Numbers> {
    let backed: Vec<Span> = leaf.backing.iter().map(|backing| (backing.units.first, backing.units.last + 1)).collect();
    let own: Vec<Span> = units
        .iter()
        .filter_map(|(first, last)| leaf.serial.shared_with(*first, *last))
        .map(|units| (units.first, units.last + 1))
        .collect();
    pool::without(&own, &backed).into_iter().map(|(first, end)| (first, end - 1)).collect()
}

/// Units of a certificate that some units of another block back now.
fn backed_by(certificate: &Certificate, by: &SerialBlock, giving: &[Numbers]) -> Vec<Numbers> {
    let mut units = Vec::new();
    for backing in certificate.backing.iter().filter(|backing| by.overlaps(&backing.by)) {
        let shift = backing.units.first - backing.by.first;
        for (first, last) in giving {
            let shared = by.shared_with(*first, *last).and_then(|own| backing.by.shared_with(own.first, own.last));
            units.extend(shared.map(|shared| (shared.first + shift, shared.last + shift)));
        }
    }
    units
}
