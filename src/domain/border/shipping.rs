//! Shipments: what leaves a country, under which paper.

use super::consent::{Consent, take_number};
use super::crossing::Crossing;
use super::{borders, warning};
use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::country_of;
use crate::domain::codes::{Country, DocumentNumber, ItemKind, TableCode};
use crate::domain::custody::{Handover, Offering, offer_all};
use crate::domain::due::{self, DueKind};
use crate::domain::event::{BorderGround, ConsentUse, ExportShipped};
use crate::domain::fields::record;
use crate::domain::finding::NumberTaken;
use crate::domain::ids::{ItemId, OrganisationId, PartyId, SiteId};
use crate::domain::item::{Item, bears_data};
use crate::domain::mass::Grams;
use crate::domain::refusal::each_once;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode};
use crate::domain::signal;
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::time::Date;
use crate::domain::waste_code::waste_code;

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
        /// How it must end by its consent, where the rule set binds it: whoever receives it follows this, and is called when the
        /// consent is corrected.
        operation: Option<TableCode>,
        /// The plants that its consent names, the same way.
        plants: Option<Vec<SiteId>>,
        /// The day on which it left.
        departed: Date,
    }
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
    // What is wrong with the whole is wrong with each; the rule sets before noted it and let the grams count.
    let of_all = if borders.consents_bind { warnings.clone() } else { Vec::new() };
    for (position, id) in offered.items.iter().enumerate() {
        warnings.extend(crossing.check(state, context, id, &format!("/items/{position}"), &of_all)?);
    }
    for (position, id) in offered.lots.iter().enumerate() {
        warnings.extend(crossing.check(state, context, id, &format!("/lots/{position}/lot"), &of_all)?);
    }
    let parties: Vec<OrganisationId> = [offered.from].into_iter().chain(offered.to).collect();
    let term = (&crossing.day, borders.transit_days);
    due::note(state, &parties, term, DueKind::Receipt, &offered.id, context.index);
    let binding = crossing.binding(state)?;
    let shipment = Some(Shipment {
        from_country: crossing.from,
        to_country: event.to_country.clone(),
        ground: event.ground,
        under: event.under.clone(),
        operation: binding.and_then(|consent| consent.operation.clone()),
        plants: binding.map(|consent| consent.facilities.clone()),
        departed: crossing.day,
    });
    state.put(Record::Handover(Handover { shipment, ..offered }));
    Ok(each_once(warnings))
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
        let mut warnings = if allowed { Vec::new() } else { warning(WarningCode::BorderNotCovered, "/under/consent") };
        if let Some(number) = self.event.number.as_ref().filter(|_| self.borders.consents_bind) {
            warnings.extend(signal::of_shipment(state, context, (&consent.id, number), offered)?);
        }
        state.mention(RecordId::new(RecordKind::Consent, &consent.id));
        state.put(Record::Consent(Consent { shipped_g, ..consent }));
        Ok(warnings)
    }

    /// The consent that binds what becomes of the shipment, where the rule set asks.
    fn binding<'s>(&self, state: &'s State<'_>) -> Result<Option<&'s Consent>, Stop> {
        match self.event.under.as_ref().filter(|_| self.borders.consents_bind) {
            Some(under) => state.consent(&under.consent),
            None => Ok(None),
        }
    }

    /// Looks at one item; what its ground does not cover marks it, as what is wrong with the whole shipment does.
    fn check(
        &self,
        state: &mut State<'_>,
        context: &Context<'_>,
        id: &ItemId,
        pointer: &str,
        of_all: &[Warning],
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
        let evidence = item.evidence.clone().warned(&warnings, context.index).warned(of_all, context.index);
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
