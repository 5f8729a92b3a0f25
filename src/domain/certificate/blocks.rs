//! Blocks of units: how an issue is divided, and how a block is cut.

use crate::domain::certificate::{
    Backing, Certificate, CertificateStatus, Failing, PartsListed, UNIT_G, UnitNumbers, named, tally,
};
use crate::domain::codes::{Country, Month, SiteCode};
use crate::domain::event::Allotment;
use crate::domain::mass::Grams;
use crate::domain::serial::SerialBlock;
use crate::domain::state::{Record, State, Stop};

const PPM: i64 = 1_000_000;
/// Parts that are listed under one block, at most.
const PARTS_LISTED_MAX: usize = 256;

/// Units that go to the buffer of an issue: the scheme's share, rounded up.
pub fn buffer_units(units: i64, buffer_ppm: i64) -> i64 {
    let share = i128::from(units) * i128::from(buffer_ppm);
    i64::try_from((share + i128::from(PPM) - 1) / i128::from(PPM)).unwrap_or(units)
}

/// The two blocks of an issue: the holder's, and with the highest numbers the buffer's; `None` if there are too few
/// units for two.
pub fn blocks(
    (country, site): (&Country, &SiteCode),
    vintage: &Month,
    test: bool,
    before: i64,
    units: i64,
    ppm: i64,
) -> Option<[SerialBlock; 2]> {
    let buffer = buffer_units(units, ppm);
    let (first, last) = (before.checked_add(1)?, before.checked_add(units)?);
    let block = |first, last| SerialBlock {
        test,
        country: country.clone(),
        site: site.clone(),
        vintage: vintage.clone(),
        first,
        last,
    };
    let split = last - buffer;
    (first <= split && buffer >= 1).then(|| [block(first, split), block(split + 1, last)])
}

/// The allotments of the units from `skip` grams on, `take` grams long: a certificate's own part of an issue.
pub fn part_of(allotments: &[Allotment], skip: i64, take: i64) -> Vec<Allotment> {
    let (mut at, mut part) = (0, Vec::new());
    for allotment in allotments {
        let grams = allotment.to.get() - allotment.from.get();
        let from = (skip - at).clamp(0, grams);
        let to = (skip + take - at).clamp(0, grams);
        let bound = |offset: i64| Grams::new(allotment.from.get() + offset);
        if let (true, Some(from), Some(to)) = (from < to, bound(from), bound(to)) {
            part.push(Allotment { treatment: allotment.treatment, from, to });
        }
        at += grams;
    }
    part
}

impl Certificate {
    /// Its own grams under some of its units.
    pub fn grams_under(&self, units: &SerialBlock) -> Vec<Allotment> {
        let skip = (units.first - self.serial.first) * UNIT_G;
        part_of(&self.allotments, skip, units.units() * UNIT_G)
    }

    /// Its units that rest on its own grams, in stretches: those that no others back.
    pub fn self_backed(&self) -> Vec<SerialBlock> {
        let mut backed: Vec<&SerialBlock> = self.backing.iter().map(|backing| &backing.units).collect();
        backed.sort_unstable_by_key(|units| units.first);
        let (mut stretches, mut next) = (Vec::new(), self.serial.first);
        for units in backed {
            stretches.extend(self.serial.part(next, units.first - 1));
            next = units.last + 1;
        }
        stretches.extend(self.serial.part(next, self.serial.last));
        stretches
    }

    /// On what some of its units rest: those among them that rest on its own grams, and what backs the others.
    pub fn rest_of(&self, units: &SerialBlock) -> (Vec<SerialBlock>, Vec<Backing>) {
        let own = self.self_backed();
        let own = own.iter().filter_map(|stretch| stretch.shared_with(units.first, units.last)).collect();
        (own, self.backing.iter().filter_map(|backing| backing.within(units.first, units.last)).collect())
    }

    /// A part of it as a certificate of its own, in the same hands and the same state.
    fn child(&self, serial: SerialBlock) -> Self {
        let own = |failing: &Failing| {
            let shared = serial.shared_with(failing.first, failing.last)?;
            Some(Failing { first: shared.first, last: shared.last, ..failing.clone() })
        };
        Self {
            allotments: self.grams_under(&serial),
            failing: self.failing.iter().filter_map(own).collect(),
            backing: self.backing.iter().filter_map(|backing| backing.within(serial.first, serial.last)).collect(),
            split_from: Some(self.serial.clone()),
            serial,
            ..self.clone()
        }
    }
}

impl Backing {
    /// What of it concerns units by their numbers.
    pub(super) fn within(&self, first: i64, last: i64) -> Option<Self> {
        let units = self.units.shared_with(first, last)?;
        let shift = self.by.first - self.units.first;
        let by = self.by.part(units.first + shift, units.last + shift)?;
        Some(Self { units, by, entry: self.entry })
    }
}

/// The list in which the parts of a block stand too, if it has room for so many.
fn list_with_room(state: &State<'_>, parent: &Certificate, parts: usize) -> Result<Option<PartsListed>, Stop> {
    let Some(UnitNumbers { first, last }) = parent.listed_in else { return Ok(None) };
    let host = SerialBlock { first, last, ..parent.serial.clone() };
    let list = state.parts_listed(&PartsListed::id_of(&host))?.cloned();
    Ok(list.filter(|list| list.parts.len() + parts <= PARTS_LISTED_MAX))
}

/// A block becomes the given parts, which partition it.
pub(super) fn divide(state: &mut State<'_>, parent: Certificate, into: &[SerialBlock]) -> Result<(), Stop> {
    let list = list_with_room(state, &parent, into.len())?;
    let list = match list {
        Some(list) => {
            let now = |block: &SerialBlock| if *block == parent.serial { into.to_vec() } else { vec![block.clone()] };
            PartsListed { parts: list.parts.iter().flat_map(now).collect(), of: list.of }
        }
        None => PartsListed { of: parent.serial.clone(), parts: into.to_vec() },
    };
    let listed_in = Some(UnitNumbers { first: list.of.first, last: list.of.last });
    for part in into {
        tally::put(state, Certificate { listed_in: listed_in.clone(), ..parent.child(part.clone()) })?;
    }
    if list.of != parent.serial {
        let own = PartsListed { of: parent.serial.clone(), parts: into.to_vec() };
        state.put(Record::PartsListed(own));
    }
    state.put(Record::PartsListed(list));
    let (status, into) = (CertificateStatus::Split, into.to_vec());
    // Failing units and backing go with the parts.
    tally::put(state, Certificate { status, into, failing: Vec::new(), backing: Vec::new(), ..parent })
}

/// Cuts some units out of a block, which is split around them; gives them as a certificate of their own.
pub(super) fn cut(state: &mut State<'_>, certificate: Certificate, part: &SerialBlock) -> Result<Certificate, Stop> {
    if certificate.serial == *part {
        return Ok(certificate);
    }
    let whole = certificate.serial.clone();
    let before = whole.part(whole.first, part.first - 1);
    let after = whole.part(part.last + 1, whole.last);
    let into: Vec<SerialBlock> = before.into_iter().chain([part.clone()]).chain(after).collect();
    divide(state, certificate, &into)?;
    // As it was put: it stands in a list of parts, which may be another than that of the whole.
    named(state, part, "/part")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EntryIndex;

    #[test]
    fn three_in_a_hundred_go_to_the_buffer_rounded_up() {
        for (units, buffer) in [(1, 1), (2, 1), (33, 1), (34, 2), (100, 3), (101, 4), (1_000_000, 30_000)] {
            assert_eq!(buffer_units(units, 30_000), buffer, "{units}");
        }
    }

    #[test]
    fn parts_of_an_issue_cut_its_allotments_by_grams() {
        let grams = |grams| Grams::new(grams).expect("grams");
        let allotment =
            |treatment, from, to| Allotment { treatment: EntryIndex(treatment), from: grams(from), to: grams(to) };
        let whole = [allotment(7, 500, 1_700), allotment(9, 0, 2_800)];
        assert_eq!(part_of(&whole, 0, 4_000), whole);
        assert_eq!(part_of(&whole, 0, 1_200), whole[..1]);
        assert_eq!(part_of(&whole, 1_000, 2_000), [allotment(7, 1_500, 1_700), allotment(9, 0, 1_800)]);
        assert_eq!(part_of(&whole, 3_000, 1_000), [allotment(9, 1_800, 2_800)]);
    }

    #[test]
    fn backing_is_cut_with_the_units() {
        let block = |text| SerialBlock::parse(text).expect("a block");
        let backing = Backing {
            units: block("ER-KE-NBO1-202611-0000011-0000020"),
            by: block("ER-KE-NBO1-202612-0000101-0000110"),
            entry: EntryIndex(9),
        };
        let cut = backing.within(1, 14).expect("a part");
        assert_eq!(cut.units, block("ER-KE-NBO1-202611-0000011-0000014"));
        assert_eq!(cut.by, block("ER-KE-NBO1-202612-0000101-0000104"));
        assert_eq!(backing.within(1, 10), None);
    }
}
