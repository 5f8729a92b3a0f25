//! Concerned: which units rest on some grams of a treatment, and in which certificates these are by now.
//!
//! Units are followed by their numbers through the parts of the block that was issued, and over replacement to the units that
//! they back.

use crate::domain::certificate::{Certificate, CertificateStatus, PartsListed, UNIT_G};
use crate::domain::ids::EntryIndex;
use crate::domain::pool::{self, CertifiedStretch, Span};
use crate::domain::serial::SerialBlock;
use crate::domain::state::{State, Stop};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

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

/// Certificates with units that rest on some grams of a treatment, each with these units.
#[derive(Debug, Default)]
pub struct Resting {
    /// The certificates, by their serial numbers.
    pub certificates: Vec<(Certificate, Vec<SerialBlock>)>,
    /// Whether there may be more than were asked for or looked through; of those that are named units may be missing then.
    pub has_more: bool,
}

/// At most so many of the certificates that somebody wants to know, with their units that rest on some grams of a treatment; for
/// whoever asks whom something concerns, and changes nothing.
pub fn resting_on(state: &State<'_>, treatment: EntryIndex, grams: &[Span], limit: Limit<'_>) -> Result<Resting, Stop> {
    let stretches = pool::certified(state, treatment)?;
    let mut concerned = Concerned { limit: Some(limit), ..Concerned::default() };
    for (root, stretches) in by_root(state, &stretches)? {
        let living = stretches.iter().flat_map(|stretch| stretch.living());
        let asked: Vec<Span> =
            living.flat_map(|span| grams.iter().filter_map(move |own| pool::shared(span, *own))).collect();
        concerned.gather(state, &root, treatment, &asked, &asked)?;
    }
    let has_more = concerned.has_more;
    let with_units = |Looked { certificate, resting, .. }: Looked| {
        let mut spans = spans(&resting);
        spans.sort_unstable();
        let units = spans.iter().filter_map(|(first, end)| certificate.serial.part(*first, end - 1)).collect();
        (certificate, units)
    };
    Ok(Resting { certificates: concerned.into_certificates().map(with_units).collect(), has_more })
}

/// Certified stretches of a treatment by the block of the issue of which they are.
pub(crate) fn by_root<'a>(
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

/// How many certificates are wanted, and which.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// How many at most.
    pub most: usize,
    /// Whether one is wanted.
    pub is_wanted: &'a dyn Fn(&Certificate) -> bool,
}

impl Limit<'_> {
    /// Blocks that are read at once where not all are wanted.
    const BLOCKS_AT_ONCE: usize = 1_024;
    /// Blocks that are read at most, whether they are wanted or not.
    const BLOCKS_MAX: usize = 8_192;
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

/// Units that are sought in a block, or in the parts into which it was split by now.
#[derive(Debug, Clone)]
struct Sought {
    /// The block.
    block: SerialBlock,
    /// The units in it.
    units: Vec<Numbers>,
    /// Whose grams they rest on.
    rest: Rc<Rest>,
}

/// On whose grams units rest, and the numbers of those that own the grams: which are looked at, and which rest on what was asked for.
#[derive(Debug, Clone)]
enum Rest {
    /// Their own.
    Own { at: Vec<Numbers>, resting: Vec<Numbers> },
    /// Those of a block that backs them.
    Given { by: SerialBlock, at: Vec<Numbers>, resting: Vec<Numbers> },
}

impl Rest {
    /// Of the units of a certificate those that are looked at, and those that rest on what was asked for.
    fn units_of(&self, certificate: &Certificate) -> (Vec<Numbers>, Vec<Numbers>) {
        match self {
            // Units that others back by now do not need their own.
            Self::Own { at, resting } => (not_backed(certificate, at), not_backed(certificate, resting)),
            Self::Given { by, at, resting } => (backed_by(certificate, by, at), backed_by(certificate, by, resting)),
        }
    }
}

/// All certificates of which units are looked at because of grams of one treatment, their own or those of units that back theirs: a
/// certificate may rest on both.
#[derive(Default)]
pub(super) struct Concerned<'a> {
    found: BTreeMap<String, Looked>,
    limit: Option<Limit<'a>>,
    /// Blocks that were read.
    blocks: usize,
    has_more: bool,
}

impl Concerned<'_> {
    /// The certificates, each with its units.
    pub(super) fn into_certificates(self) -> impl Iterator<Item = Looked> {
        self.found.into_values()
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
        let first = Sought { block: root.serial.clone(), units: at.clone(), rest: Rc::new(Rest::Own { at, resting }) };
        let at_once = if self.limit.is_some() { Limit::BLOCKS_AT_ONCE } else { usize::MAX };
        let mut left = VecDeque::from([first]);
        while !left.is_empty() && !self.has_more {
            let now: Vec<Sought> = left.drain(..left.len().min(at_once)).collect();
            self.blocks += now.len();
            self.has_more = self.limit.is_some() && self.blocks > Limit::BLOCKS_MAX;
            let ids = |sought: &Sought| [sought.block.to_string(), PartsListed::id_of(&sought.block)];
            state.require_loaded(now.iter().flat_map(ids))?;
            for sought in now {
                left.extend(self.seek(state, &sought)?);
            }
        }
        Ok(())
    }

    /// Looks at a block; gives where the units are sought next. What is given up needs no grams; what was withdrawn for others gives
    /// these its own, also over several steps.
    fn seek(&mut self, state: &State<'_>, sought: &Sought) -> Result<Vec<Sought>, Stop> {
        let Some(certificate) = state.certificate(&sought.block.to_string())?.cloned() else { return Ok(Vec::new()) };
        let (at, resting) = sought.rest.units_of(&certificate);
        match (certificate.status, &certificate.backs) {
            (CertificateStatus::Split, _) => return parts_with(state, &certificate, sought),
            (CertificateStatus::Withdrawn, Some(backs)) if !at.is_empty() => {
                let units = vec![(backs.units.first, backs.units.last)];
                let (block, by) = (backs.certificate.clone(), certificate.serial.clone());
                return Ok(vec![Sought { block, units, rest: Rc::new(Rest::Given { by, at, resting }) }]);
            }
            (CertificateStatus::Cancelled | CertificateStatus::Withdrawn, _) => {}
            _ if at.is_empty() => {}
            _ => self.add(Looked { certificate, at, resting }),
        }
        Ok(Vec::new())
    }

    fn add(&mut self, looked: Looked) {
        let id = looked.certificate.serial.to_string();
        if let Some(known) = self.found.get_mut(&id) {
            known.at.extend(looked.at);
            known.resting.extend(looked.resting);
            return;
        }
        match self.limit {
            Some(limit) if !(limit.is_wanted)(&looked.certificate) => {}
            Some(limit) if self.found.len() >= limit.most => self.has_more = true,
            _ => _ = self.found.insert(id, looked),
        }
    }
}

/// The parts of a block that was split, those that hold some of the units that are sought in it.
fn parts_with(state: &State<'_>, split: &Certificate, sought: &Sought) -> Result<Vec<Sought>, Stop> {
    let list = state.parts_listed(&PartsListed::id_of(&split.serial))?;
    let parts = list.map_or(&split.into, |list| &list.parts);
    let within = |part: &SerialBlock| {
        let shared = |(first, last): &Numbers| part.shared_with(*first, *last).map(|own| (own.first, own.last));
        let units: Vec<Numbers> = sought.units.iter().filter_map(shared).collect();
        (!units.is_empty()).then(|| Sought { block: part.clone(), units, rest: Rc::clone(&sought.rest) })
    };
    Ok(parts.iter().filter_map(within).collect())
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
