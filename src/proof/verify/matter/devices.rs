//! Parts of devices: what is taken out takes its grams along, what is built in brings them.

use crate::domain::event::{PartInstalled, PartRemoved};
use crate::proof::verify::matter::flaw::What;
use crate::proof::verify::matter::{Lot, Matter};
use crate::proof::verify::shown::ShownStatement;

impl Matter<'_> {
    /// A part is what its device was: waste or not, and with whatever is wrong with that.
    pub(super) fn remove_part(&mut self, event: &PartRemoved, said: &ShownStatement) -> Result<(), String> {
        let (grams, weighed) = self.read(&event.weight, said);
        let known = self.is_known(event.class.as_str());
        let mut part = self.items.get(&event.item).cloned().unwrap_or_else(|| self.unknown(said));
        (part.grams, part.weighed, part.class) = (grams, Some(weighed), Some(event.class.to_string()));
        (part.overridden, part.lacks, part.otherwise) = (None, Some(Vec::new()), None);
        self.held(event.item, said)?;
        if let Some(device) = self.items.get_mut(&event.item) {
            device.grams = device.grams.zip(grams).and_then(|(whole, part)| whole.minus(part));
            device.weighed = together(device.weighed, Some(weighed));
            part.latest = part.latest.later(&device.latest);
            part.flaws.extend(device.flaws.iter().copied());
        }
        part.flaws.extend((!known).then(|| said.flaw(What::UnknownClass)));
        self.make(event.component, part)
    }

    /// A part ends in a device, and its grams and whatever is wrong with it go into that.
    pub(super) fn install_part(&mut self, event: &PartInstalled, said: &ShownStatement) -> Result<(), String> {
        self.held(event.item, said)?;
        let part = self.used(event.component, said)?;
        let Some(device) = self.items.get_mut(&event.item) else { return Ok(()) };
        let grams = part.as_ref().and_then(|part| part.grams);
        device.grams = device.grams.zip(grams).and_then(|(one, other)| one.plus(other));
        device.weighed = together(device.weighed, part.as_ref().and_then(|part| part.weighed));
        let Some(Lot { flaws, gaps, latest, .. }) = part else { return Ok(()) };
        device.flaws.extend(flaws);
        device.gaps.extend(gaps);
        device.latest = device.latest.clone().later(&latest);
        Ok(())
    }
}

/// A mass that is reckoned from two is weighed if both were.
const fn together(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), Some(true)) => Some(true),
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    }
}
