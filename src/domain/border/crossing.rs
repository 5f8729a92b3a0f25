//! A shipment as the law of its ground sees it. Pure, so that whoever verifies asks the same.

use super::Allowed;
use crate::domain::codes::{Country, WasteCode};
use crate::domain::event::{BorderGround, ExportShipped};
use crate::domain::ids::SiteId;
use crate::domain::rule_set::{Borders, Control, RuleSet};
use crate::domain::time::Date;

/// A shipment.
pub(crate) struct Crossing<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) borders: &'a Borders,
    /// Where it leaves from.
    pub(crate) from: Country,
    /// The day on which it leaves.
    pub(crate) day: Date,
    pub(crate) event: &'a ExportShipped,
}

impl Crossing<'_> {
    /// Whether a consent is for this way, day and plant.
    pub(crate) fn is_allowed(&self, allowed: &Allowed<'_>) -> bool {
        let way = *allowed.from == self.from && *allowed.to == self.event.to_country;
        let in_time = *allowed.days.0 <= self.day && self.day <= *allowed.days.1;
        way && in_time && self.event.to_facility.is_none_or(|plant| is_named(allowed.plants, Some(plant)))
    }

    /// Whether the ground covers a piece of waste: its entry and code under the consent, the green list under Annex VII,
    /// criteria of law for what has ceased to be waste.
    pub(crate) fn covers(&self, class: &str, code: Option<&WasteCode>, allowed: Option<&Allowed<'_>>) -> bool {
        let event = self.event;
        match event.ground {
            BorderGround::Consent => allowed.is_some_and(|allowed| {
                let basel = self.basel_of(class);
                let by_entry = allowed.basel_codes.iter().any(|known| Some(known.as_str()) == basel);
                by_entry && code.is_some_and(|code| allowed.waste_codes.contains(code))
            }),
            BorderGround::AnnexVii => event.document.is_some() && self.is_green(class),
            BorderGround::EndOfWaste => {
                let criteria = self.rules.fraction(class).and_then(|known| known.end_of_waste.as_ref());
                event.document.is_some() && criteria.is_some()
            }
            BorderGround::NonWasteReuse | BorderGround::NonWasteWarranty => true,
        }
    }

    /// Whether the law keeps a piece of waste from where it goes; what has ceased to be waste may go anywhere.
    pub(crate) fn is_banned(&self, class: &str, code: Option<&WasteCode>, covered: bool) -> bool {
        let ends = self.event.ground == BorderGround::EndOfWaste && covered;
        !ends && is_banned(self.rules, self.borders, &self.from, &self.event.to_country, self.basel_of(class), code)
    }

    fn basel_of(&self, class: &str) -> Option<&str> {
        self.rules.basel_entry(class, &self.day).map(|entry| entry.code.as_str())
    }

    fn is_green(&self, class: &str) -> bool {
        let Some(entry) = self.rules.basel_entry(class, &self.day) else { return false };
        if entry.control == Control::AnnexVii {
            return true;
        }
        let inside = |country: &Country| {
            let own = self.rules.jurisdiction(country).map(|known| &known.code);
            own.is_some() && own == entry.annex_vii_within.as_ref()
        };
        let in_time = entry.annex_vii_until.as_ref().is_some_and(|until| self.day.as_str() <= until.as_str());
        in_time && inside(&self.from) && inside(&self.event.to_country)
    }
}

/// Whether the law of the country of dispatch keeps waste from a destination: hazardous waste and the named entries stay
/// within the OECD, and shipments within the jurisdiction itself are none.
pub(super) fn is_banned(
    rules: &RuleSet,
    borders: &Borders,
    from: &Country,
    to: &Country,
    basel: Option<&str>,
    code: Option<&WasteCode>,
) -> bool {
    let ban = &borders.export_ban;
    let inside =
        |country: &Country| rules.jurisdiction(country).is_some_and(|known| known.code == ban.from_jurisdiction);
    let named = basel.is_some_and(|basel| ban.basel.iter().any(|entry| entry == basel));
    let kept = named || code.is_some_and(WasteCode::is_hazardous);
    inside(from) && !inside(to) && !borders.oecd.iter().any(|member| member == to.as_str()) && kept
}

/// Whether a consent lets waste come to a place: one that it names, or any, if it names none.
pub(crate) fn is_named(plants: &[SiteId], place: Option<SiteId>) -> bool {
    plants.is_empty() || place.is_some_and(|place| plants.contains(&place))
}
