//! Consents: what the authorities let an exporter ship, and what they say of it.

use super::crossing::is_banned;
use super::{borders, warning};
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{BaselCode, Country, DocumentNumber, Role, TableCode, WasteCode};
use crate::domain::event::ExportConsented;
use crate::domain::fields::record;
use crate::domain::finding::NumberTaken;
use crate::domain::ids::{ConsentId, EntryIndex, OrganisationId, PartyId, SiteId};
use crate::domain::mass::Grams;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::RuleSet;
use crate::domain::state::{Record, State, Stop};
use crate::domain::time::Date;

record! {
    /// A consent to shipments.
    pub struct Consent {
        /// Its id.
        id: ConsentId,
        /// The exporter.
        organisation: OrganisationId,
        /// The number of the notification.
        number: DocumentNumber,
        /// Where from.
        from_country: Country,
        /// Where to.
        to_country: Country,
        /// Waste codes that it covers.
        waste_codes: Vec<WasteCode>,
        /// Basel entries that it covers.
        basel_codes: Vec<BaselCode>,
        /// The operation, where the rule set asks how it ends.
        operation: Option<TableCode>,
        /// The plants that it names.
        facilities: Vec<SiteId>,
        /// The most that may be shipped.
        quantity_g: Grams,
        /// What was shipped, whether or not it was taken.
        shipped_g: Grams,
        /// How many shipments it allows.
        shipments: i64,
        /// First day.
        valid_from: Date,
        /// Last day.
        valid_until: Date,
        /// The entry that stated it.
        stated: EntryIndex,
    }
}

impl Consent {
    pub(super) fn allowed(&self) -> Allowed<'_> {
        Allowed {
            from: &self.from_country,
            to: &self.to_country,
            days: (&self.valid_from, &self.valid_until),
            plants: &self.facilities,
            waste_codes: &self.waste_codes,
            basel_codes: &self.basel_codes,
        }
    }
}

/// What a consent allows, apart from number and mass.
pub(crate) struct Allowed<'a> {
    pub(crate) from: &'a Country,
    pub(crate) to: &'a Country,
    pub(crate) days: (&'a Date, &'a Date),
    pub(crate) plants: &'a [SiteId],
    pub(crate) waste_codes: &'a [WasteCode],
    pub(crate) basel_codes: &'a [BaselCode],
}

/// An exporter has the consent of every authority.
pub fn export_consented(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &ExportConsented,
) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Exporter])?;
    let rules = rules_in_force(state)?;
    let borders = borders(rules)?;
    if state.consent(&event.consent)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/consent", "a consent of this id is known");
    }
    let own = PartyId(context.party().0);
    take_number(state, context, own, &event.number)?;
    require_sound_consent(rules, event)?;
    for (pointer, facility) in [("/facility", &event.facility), ("/interim_facility", &event.interim_facility)] {
        if let Some(facility) = facility
            && state.site(facility)?.is_none()
        {
            return refuse(RefusalCode::Unknown, pointer, "no site or facility of this id is registered");
        }
    }
    state.put(Record::Consent(Consent {
        id: event.consent,
        organisation: context.party(),
        number: event.number.clone(),
        from_country: event.from_country.clone(),
        to_country: event.to_country.clone(),
        waste_codes: event.waste_codes.clone(),
        basel_codes: event.basel_codes.clone(),
        operation: borders.consents_bind.then(|| event.operation.clone()),
        facilities: event.facility.into_iter().chain(event.interim_facility).collect(),
        quantity_g: event.quantity_g,
        shipped_g: Grams::ZERO,
        shipments: event.shipments.get(),
        valid_from: event.valid_from.clone(),
        valid_until: event.valid_until.clone(),
        stated: context.index,
    }));
    let banned = event
        .basel_codes
        .iter()
        .any(|code| is_banned(rules, borders, &event.from_country, &event.to_country, Some(code.as_str()), None));
    Ok(if banned { warning(WarningCode::ExportBanned, "/to_country") } else { Vec::new() })
}

fn require_sound_consent(rules: &RuleSet, event: &ExportConsented) -> Result<(), Stop> {
    if event.from_country == event.to_country {
        return refuse(RefusalCode::WrongReceiver, "/to_country", "a consent is for another country");
    }
    if event.waste_codes.is_empty() || event.basel_codes.is_empty() {
        return refuse(RefusalCode::ListInvalid, "/waste_codes", "name at least one waste code and one Basel entry");
    }
    if event.quantity_g == Grams::ZERO {
        return refuse(RefusalCode::WeightInvalid, "/quantity_g", "a consent is for more than 0 g");
    }
    if event.valid_until < event.valid_from {
        return refuse(RefusalCode::TimeInvalid, "/valid_until", "the consent ends before it begins");
    }
    // A consent may outlive a change of codes: on one of its days each must be valid.
    let days = [&event.valid_from, &event.valid_until];
    let listed = |code: &WasteCode| days.iter().any(|day| rules.lists_waste_code(code, &event.from_country, day));
    if let Some(position) = event.waste_codes.iter().position(|code| !listed(code)) {
        let detail = "this code stands in no list of the country of dispatch on the consent's days";
        return refuse(RefusalCode::CodeUnknown, format!("/waste_codes/{position}"), detail);
    }
    let known = |code: &BaselCode| days.iter().any(|day| rules.basel(code, day).is_some());
    if let Some(position) = event.basel_codes.iter().position(|code| !known(code)) {
        let detail = "this Basel entry is not valid on the consent's days";
        return refuse(RefusalCode::CodeUnknown, format!("/basel_codes/{position}"), detail);
    }
    if rules.operation(event.operation.as_str()).is_none() {
        return refuse(RefusalCode::CodeUnknown, "/operation", "expected D1 to D15 or R1 to R13");
    }
    Ok(())
}

pub(super) fn take_number(
    state: &mut State<'_>,
    context: &Context<'_>,
    scope: PartyId,
    number: &DocumentNumber,
) -> Result<(), Stop> {
    let taken = state.number_taken(&NumberTaken::id_of(&scope, number))?;
    if let Some(entry) = taken.filter(|entry| *entry != context.index) {
        return refuse(RefusalCode::NumberTaken, "/number", format!("entry {entry} has used this number"));
    }
    state.put(Record::Number(NumberTaken { scope, number: number.clone(), entry: context.index, freed: None }));
    Ok(())
}
