//! Borders: consents, shipments and their receipt (Basel Convention; Regulation (EU) 2024/1157).
//!
//! A consent gives each shipment its number and its mass, and never more. What crosses without the paper that it needs
//! crosses all the same: it is recorded with a warning, and its grams back nothing until cured.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{Road, country_of};
use crate::domain::codes::{BaselCode, Country, DocumentNumber, ItemKind, Role, WasteCode};
use crate::domain::custody::{
    Handover, HandoverStatus, Offering, Side, close, give_back, offer_all, open_handover, take,
};
use crate::domain::due::{self, DueKind};
use crate::domain::event::{
    BorderGround, ConsentUse, ExportConsented, ExportShipped, HandoverAccepted, ImportReceived,
};
use crate::domain::fields::record;
use crate::domain::finding::NumberTaken;
use crate::domain::ids::{ConsentId, EntryIndex, ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::item::{Item, bears_data};
use crate::domain::mass::Grams;
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::rule_set::{Borders, Control, RuleSet};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::domain::waste_code::waste_code;

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

record! {
    /// The border of a handover.
    pub struct Shipment {
        /// Where from.
        from_country: Country,
        /// Where to.
        to_country: Country,
        /// On what ground.
        ground: BorderGround,
        /// Under which consent, as which shipment.
        under: Option<ConsentUse>,
        /// The day on which it left.
        departed: Date,
    }
}

/// The rules of borders in force.
fn borders(rules: &RuleSet) -> Result<&Borders, Stop> {
    match &rules.borders {
        Some(borders) => Ok(borders),
        None => refuse(RefusalCode::RuleSetUnknown, "/type", "the rule set in force has no rules of borders"),
    }
}

fn warning(code: WarningCode, pointer: &str) -> Vec<Warning> {
    Warning::new(code, pointer).into_iter().collect()
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

fn take_number(
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

/// Whether the law of the country of dispatch keeps waste from a destination: hazardous waste and the named entries stay
/// within the OECD, and shipments within the jurisdiction itself are none.
fn is_banned(
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

/// Items leave the country: offered to a receiver in another one, with the papers of their ground.
pub fn export_shipped(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &ExportShipped,
) -> Result<Vec<Warning>, Stop> {
    let rules = rules_in_force(state)?;
    let borders = borders(rules)?;
    if state.handover(&event.handover)?.is_some() {
        return refuse(RefusalCode::AlreadyRegistered, "/handover", "a handover of this id is known");
    }
    let (Some(from), Some(day)) = (country_of(state, context, context.statement.common.site)?, context.day()) else {
        return refuse(RefusalCode::Unknown, "/site", "say from which site it leaves: its country is not known");
    };
    if from == event.to_country {
        let detail = format!("it stays in {from}; say handover_offered");
        return refuse(RefusalCode::WrongReceiver, "/to_country", detail);
    }
    let (items, lots) = (event.items.as_deref().unwrap_or_default(), event.lots.as_deref().unwrap_or_default());
    let carriers = event.carriers.as_deref().unwrap_or_default();
    let (handover, to, facility) = (event.handover, event.to, event.to_facility);
    let offering = Offering { handover, to, facility, items, lots, carriers };
    let offered = offer_all(state, context, &offering)?;
    let crossing = Crossing { rules, borders, from, day, event };
    let mut warnings = crossing.take_of_consent(state, context, &offered)?;
    for (position, id) in offered.items.iter().enumerate() {
        warnings.extend(crossing.check(state, context, id, &format!("/items/{position}"))?);
    }
    for (position, id) in offered.lots.iter().enumerate() {
        warnings.extend(crossing.check(state, context, id, &format!("/lots/{position}/lot"))?);
    }
    let parties: Vec<OrganisationId> = [offered.from].into_iter().chain(offered.to).collect();
    let term = (&crossing.day, borders.transit_days);
    due::note(state, &parties, term, DueKind::Receipt, &offered.id, context.index);
    let shipment = Some(Shipment {
        from_country: crossing.from,
        to_country: event.to_country.clone(),
        ground: event.ground,
        under: event.under.clone(),
        departed: crossing.day,
    });
    state.put(Record::Handover(Handover { shipment, ..offered }));
    Ok(each_once(warnings))
}

/// A shipment as the law of its ground sees it. Pure, so that whoever verifies asks the same.
pub(crate) struct Crossing<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) borders: &'a Borders,
    /// Where it leaves from.
    pub(crate) from: Country,
    /// The day on which it leaves.
    pub(crate) day: Date,
    pub(crate) event: &'a ExportShipped,
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

impl Consent {
    fn allowed(&self) -> Allowed<'_> {
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

impl Crossing<'_> {
    /// Whether a consent is for this way, day and plant.
    pub(crate) fn is_allowed(&self, allowed: &Allowed<'_>) -> bool {
        let way = *allowed.from == self.from && *allowed.to == self.event.to_country;
        let in_time = *allowed.days.0 <= self.day && self.day <= *allowed.days.1;
        let named = |facility| allowed.plants.is_empty() || allowed.plants.contains(&facility);
        way && in_time && self.event.to_facility.is_none_or(named)
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

impl Crossing<'_> {
    /// The shipment's number and mass come from the consent, once and never beyond it. What the consent does not cover
    /// in other ways is a warning.
    fn take_of_consent(
        &self,
        state: &mut State<'_>,
        context: &Context<'_>,
        offered: &Handover,
    ) -> Result<Vec<Warning>, Stop> {
        let under = match (&self.event.under, self.event.ground) {
            (Some(under), BorderGround::Consent) => under,
            (None, BorderGround::Consent) => {
                let detail = "name the consent and the shipment's number; without a consent, ship on another ground";
                return refuse(RefusalCode::ProofMissing, "/under", detail);
            }
            (Some(_), _) => {
                return refuse(RefusalCode::ListInvalid, "/under", "only the ground consent has one");
            }
            (None, _) => return Ok(Vec::new()),
        };
        let Some(consent) = state.consent(&under.consent)?.cloned() else {
            return refuse(RefusalCode::Unknown, "/under/consent", "no consent of this id is known");
        };
        if consent.organisation != context.party() {
            return refuse(RefusalCode::NotTheHolder, "/under/consent", "this is another exporter's consent");
        }
        if under.sequence.get() > consent.shipments {
            let detail = format!("the consent allows {} shipments", consent.shipments);
            return refuse(RefusalCode::ConsentExceeded, "/under/sequence", detail);
        }
        let Some(number) = DocumentNumber::parse(&under.sequence.get().to_string()) else {
            return refuse(RefusalCode::ListInvalid, "/under/sequence", "expected a number from 1");
        };
        let taken = state.number_taken(&NumberTaken::id_of(&PartyId(consent.id.0), &number))?;
        if let Some(entry) = taken.filter(|entry| *entry != context.index) {
            let detail = format!("entry {entry} was this shipment of the consent");
            return refuse(RefusalCode::NumberTaken, "/under/sequence", detail);
        }
        take_number(state, context, PartyId(consent.id.0), &number)?;
        let mass = mass_of(state, offered)?;
        let shipped_g = consent.shipped_g.plus(mass).filter(|sum| *sum <= consent.quantity_g);
        let Some(shipped_g) = shipped_g else {
            let left = consent.quantity_g.minus(consent.shipped_g).unwrap_or(Grams::ZERO);
            let detail = format!("{mass} are shipped; the consent has {left} left");
            return refuse(RefusalCode::ConsentExceeded, "/lots", detail);
        };
        let allowed = self.is_allowed(&consent.allowed());
        state.mention(RecordId::new(RecordKind::Consent, &consent.id));
        state.put(Record::Consent(Consent { shipped_g, ..consent }));
        Ok(if allowed { Vec::new() } else { warning(WarningCode::BorderNotCovered, "/under/consent") })
    }

    /// Looks at one item; what its ground does not cover marks it.
    fn check(
        &self,
        state: &mut State<'_>,
        context: &Context<'_>,
        id: &ItemId,
        pointer: &str,
    ) -> Result<Vec<Warning>, Stop> {
        let Some(item) = state.item(id)?.cloned() else { return Ok(Vec::new()) };
        if item.kind == ItemKind::Container {
            return Ok(Vec::new());
        }
        match self.event.ground {
            BorderGround::NonWasteReuse | BorderGround::NonWasteWarranty => {
                self.require_product(&item, pointer)?;
                return Ok(Vec::new());
            }
            _ if item.arising.is_none() => {
                let detail = "this is no waste; used equipment leaves as non_waste_reuse or non_waste_warranty";
                return refuse(RefusalCode::WrongCondition, pointer, detail);
            }
            _ => {}
        }
        let code = waste_code(state, context, &item.class, item.overridden.as_ref(), Some(&self.from))?;
        let consent = match &self.event.under {
            Some(under) => state.consent(&under.consent)?.cloned(),
            None => None,
        };
        let class = item.class.as_str();
        let covered = self.covers(class, code.as_ref(), consent.as_ref().map(Consent::allowed).as_ref());
        let mut warnings = if covered { Vec::new() } else { warning(WarningCode::BorderNotCovered, pointer) };
        if self.is_banned(class, code.as_ref(), covered) {
            warnings.extend(warning(WarningCode::ExportBanned, pointer));
        }
        let evidence = item.evidence.clone().warned(&warnings, context.index);
        state.put(Record::Item(Item { evidence, ..item }));
        Ok(warnings)
    }

    /// Used equipment and parts: tested each, wiped or without a medium, packed (WEEE Directive, Annex VI).
    fn require_product(&self, item: &Item, pointer: &str) -> Result<(), Stop> {
        use crate::domain::codes::Condition::{Prepared, Works};
        if !item.is_product() {
            return refuse(RefusalCode::WrongCondition, pointer, "waste does not leave as used equipment");
        }
        let for_reuse = self.event.ground == BorderGround::NonWasteReuse;
        if item.tested.is_none() || (for_reuse && !matches!(item.condition, Works | Prepared)) {
            let detail = "each item that leaves for reuse has passed its test; for a warranty it was tested";
            return refuse(RefusalCode::ProofMissing, pointer, detail);
        }
        if bears_data(self.rules, item) && item.sanitised.is_none() && !item.media_free {
            let detail = "it bears data: it needs data_sanitised, verified, or to be without a medium";
            return refuse(RefusalCode::ProofMissing, pointer, detail);
        }
        if item.packed_in.is_none() {
            return refuse(RefusalCode::ProofMissing, pointer, "used equipment leaves packed; say packed first");
        }
        Ok(())
    }
}

fn mass_of(state: &State<'_>, offered: &Handover) -> Result<Grams, Stop> {
    let mut sum = Grams::ZERO;
    for id in offered.all() {
        let grams = state.item(id)?.map_or(Grams::ZERO, |item| item.grams);
        sum = match sum.plus(grams) {
            Some(sum) => sum,
            None => return refuse(RefusalCode::SumOutOfRange, "/lots", "the shipment's mass would leave the range"),
        };
    }
    Ok(sum)
}

/// The receiver in the other country answers; what it refuses, all or a part, returns to live stock at the sender.
pub fn import_received(
    state: &mut State<'_>,
    context: &Context<'_>,
    event: &ImportReceived,
) -> Result<Vec<Warning>, Stop> {
    let borders = borders(rules_in_force(state)?)?;
    let handover = open_handover(state, context, &event.handover, &Side::Receiver)?;
    if handover.shipment.is_none() {
        let detail = "this crosses no border; its receipt is handover_accepted";
        return refuse(RefusalCode::WrongKind, "/handover", detail);
    }
    if event.refused_whole.is_some() {
        if event.refused.is_some() || event.lots.is_some() {
            let detail = "what is refused as a whole is not answered piece by piece";
            return refuse(RefusalCode::ListInvalid, "/refused_whole", detail);
        }
        for id in handover.all() {
            give_back(state, context, id)?;
        }
        close(state, context, handover, HandoverStatus::Refused);
        return Ok(Vec::new());
    }
    if let Some(day) = context.day().filter(|_| !handover.lots.is_empty()) {
        let parties: Vec<OrganisationId> = handover.parties().take(2).collect();
        let term = (&day, borders.completion_days);
        due::note(state, &parties, term, DueKind::Completion, &handover.id, context.index);
    }
    let accepted = HandoverAccepted {
        handover: event.handover,
        refused: event.refused.clone(),
        lots: event.lots.clone(),
        unoffered: None,
        number: event.number.clone(),
        document: event.document.clone(),
    };
    let road = Road::Shipment { elsewhere: is_elsewhere(state, context, &handover)? };
    take(state, context, handover, &accepted, road)
}

/// Whether a shipment arrives in another country than the one it was shipped to; older rule sets did not look.
fn is_elsewhere(state: &State<'_>, context: &Context<'_>, handover: &Handover) -> Result<bool, Stop> {
    if rules_in_force(state)?.scheme.conditions.is_none() {
        return Ok(false);
    }
    let site = handover.facility.or(context.statement.common.site);
    let arrived_in = country_of(state, context, site)?;
    let shipped_to = handover.shipment.as_ref().map(|shipment| &shipment.to_country);
    Ok(arrived_in.as_ref().zip(shipped_to).is_some_and(|(arrived, shipped)| arrived != shipped))
}
