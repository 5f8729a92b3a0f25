//! From donor to school: testing, repairing, wiping, preparing, using, and the end as a product.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{country_of, intake_warnings};
use crate::domain::capacity;
use crate::domain::codes::{Condition, ItemKind, ItemStatus, Provenance, Role, SourceKind};
use crate::domain::composition::{Composition, SourceId};
use crate::domain::event::{Checked, DataSanitised, PreparedForReuse, PutInUse, Repaired, Retired, Tested};
use crate::domain::ids::ItemId;
use crate::domain::intake::source_of;
use crate::domain::item::{Item, bears_data, own_item};
use crate::domain::lacks::lacking;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::state::{Record, RecordId, RecordKind, State, Stop};
use crate::domain::waste_code::{overridden, waste_code};

fn held(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let item = own_item(state, context, id, "/item", &[ItemStatus::Held])?;
    if matches!(item.kind, ItemKind::Lot | ItemKind::Container) {
        return refuse(RefusalCode::WrongKind, "/item", "this is no product; it needs a device or a component");
    }
    Ok(item)
}

/// Waste is never made a product again here: what was found to be waste, or retired, is barred from reuse.
fn require_product(item: &Item) -> Result<(), Stop> {
    if item.condition == Condition::Waste {
        return refuse(RefusalCode::WrongCondition, "/item", "this item is waste, which bars reuse");
    }
    Ok(())
}

fn put(state: &mut State<'_>, context: &Context<'_>, item: Item) -> Result<(), Stop> {
    state.put(Record::Item(item.touched(context)?));
    Ok(())
}

/// What a test found; the last finding holds, but waste stays waste until that test is corrected.
pub fn tested(state: &mut State<'_>, context: &Context<'_>, event: &Tested) -> Result<(), Stop> {
    let item = held(state, context, &event.item)?;
    require_product(&item)?;
    put(state, context, Item { condition: Condition::from(event.result), tested: Some(context.index), ..item })
}

/// A repair makes it work; it must be prepared again.
pub fn repaired(state: &mut State<'_>, context: &Context<'_>, event: &Repaired) -> Result<(), Stop> {
    let item = held(state, context, &event.item)?;
    require_product(&item)?;
    put(state, context, Item { condition: Condition::Works, ..item })
}

/// Data is out of reach as far as the technique reaches, and only if that was verified.
pub fn data_sanitised(state: &mut State<'_>, context: &Context<'_>, event: &DataSanitised) -> Result<(), Stop> {
    let item = held(state, context, &event.item)?;
    if event.method > event.technique.reaches() {
        let detail = format!("{} reaches {} at most (NIST SP 800-88 r2)", event.technique, event.technique.reaches());
        return refuse(RefusalCode::MethodNotReached, "/method", detail);
    }
    let sanitised = if event.verified { item.sanitised.max(Some(event.method)) } else { item.sanitised };
    put(state, context, Item { sanitised, ..item })
}

/// It works, is wiped where its class bears data, and is ready.
pub fn prepared_for_reuse(state: &mut State<'_>, context: &Context<'_>, event: &PreparedForReuse) -> Result<(), Stop> {
    let item = held(state, context, &event.item)?;
    if item.condition != Condition::Works {
        let detail = format!("only what works is prepared; this item is {}", item.condition);
        return refuse(RefusalCode::WrongCondition, "/item", detail);
    }
    let may_hold_data = bears_data(rules_in_force(state)?, &item) && !item.media_free;
    if may_hold_data && item.sanitised.is_none() {
        let detail = format!("class {} bears data: it needs data_sanitised, verified, first", item.class);
        return refuse(RefusalCode::NotSanitised, "/item", detail);
    }
    put(state, context, Item { condition: Condition::Prepared, ..item })
}

/// The beneficiary that received it uses it.
pub fn put_in_use(state: &mut State<'_>, context: &Context<'_>, event: &PutInUse) -> Result<(), Stop> {
    context.require_role(state, &[Role::Beneficiary])?;
    let item = held(state, context, &event.item)?;
    if item.condition != Condition::Prepared {
        let detail = format!("only what is prepared is put in use; this item is {}", item.condition);
        return refuse(RefusalCode::WrongCondition, "/item", detail);
    }
    if item.received.is_none() {
        return refuse(RefusalCode::NotHandedOver, "/item", "it must come by an accepted handover first");
    }
    if let Some(project) = &event.project {
        if state.project(project)?.is_none() {
            return refuse(RefusalCode::Unknown, "/project", "no project of this id is registered");
        }
        state.mention(RecordId::new(RecordKind::Project, project));
    }
    put(state, context, Item { status: ItemStatus::InUse, ..item })
}

/// Somebody looked whether it is there; what they saw changes nothing else.
pub fn checked(state: &mut State<'_>, context: &Context<'_>, event: &Checked) -> Result<(), Stop> {
    context.require_role(state, &[Role::Beneficiary])?;
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::InUse])?;
    put(state, context, item)
}

/// It becomes waste, there and then; once. At a site that recycles or treats it comes in by that, like what comes through the gate.
pub fn retired(state: &mut State<'_>, context: &Context<'_>, event: &Retired) -> Result<Vec<Warning>, Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held, ItemStatus::InUse])?;
    if item.kind == ItemKind::Container {
        return refuse(RefusalCode::WrongKind, "/item", "a container is no product that dies");
    }
    if item.arising.is_some() || item.kind == ItemKind::Lot {
        return refuse(RefusalCode::WrongCondition, "/item", "this item is waste already");
    }
    let provenance = Provenance { kind: SourceKind::Reuse, counted_elsewhere: event.counted_elsewhere };
    let source = source_of(&item.class, item.basis, &event.arising, &provenance);
    let country = country_of(state, context, item.site)?;
    let overridden = overridden(state, context, event.waste_code.as_ref(), country.as_ref())?;
    let given = item.donation.as_ref().map(|donation| SourceId::of_donation(Some(donation)));
    let is_measured = capacity::counts_every_intake(state)?;
    let retired = Item {
        waste_code: waste_code(state, context, &item.class, overridden.as_ref(), country.as_ref())?,
        overridden,
        status: ItemStatus::Held,
        condition: Condition::Waste,
        lacks: lacking(rules_in_force(state)?, event.missing.as_ref(), Some(1))?,
        arising: Some(event.arising.clone()),
        sources: Composition::of(source, item.grams),
        given: given.map(|given| Composition::of(given, item.grams)).unwrap_or_default(),
        ..item
    };
    let mut warnings = Vec::new();
    if let Some(site) = retired.site.filter(|_| is_measured) {
        warnings = intake_warnings(state, context, site, &retired)?;
    }
    let evidence = retired.evidence.clone().warned(&warnings, context.index);
    put(state, context, Item { evidence, ..retired })?;
    Ok(warnings)
}
