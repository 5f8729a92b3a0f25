//! From donor to school: testing, repairing, wiping, preparing, using, and the end as a product.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::{Condition, ItemKind, ItemStatus, Provenance, Role, SourceKind};
use crate::domain::event::{DataSanitised, PreparedForReuse, PutInUse, Repaired, Retired, Tested};
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, own_item};
use crate::domain::lot::{country_of, waste_code};
use crate::domain::refusal::RefusalCode;
use crate::domain::state::{Record, State, Stop};

fn held(state: &State<'_>, context: &Context<'_>, id: &ItemId) -> Result<Item, Stop> {
    let item = own_item(state, context, id, "/item", &[ItemStatus::Held])?;
    if item.kind == ItemKind::Lot {
        return refuse(RefusalCode::WrongKind, "/item", "a lot is no product; this needs a device or a component");
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
    put(state, context, Item { condition: Condition::from(event.result), ..item })
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
    // A class that no table knows may bear data.
    let bears_data = rules_in_force(state)?.class(item.class.as_str()).is_none_or(|class| class.data_bearing);
    if bears_data && item.sanitised.is_none() {
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
    put(state, context, Item { status: ItemStatus::InUse, ..item })
}

/// It becomes waste, there and then; once.
pub fn retired(state: &mut State<'_>, context: &Context<'_>, event: &Retired) -> Result<(), Stop> {
    let item = own_item(state, context, &event.item, "/item", &[ItemStatus::Held, ItemStatus::InUse])?;
    if item.arising.is_some() || item.kind == ItemKind::Lot {
        return refuse(RefusalCode::WrongCondition, "/item", "this item is waste already");
    }
    let arising = Some(event.arising.clone());
    let provenance = Some(Provenance { kind: SourceKind::Reuse, counted_elsewhere: event.counted_elsewhere });
    let country = country_of(state, context, item.site)?;
    let waste_code = waste_code(state, &item.class, country.as_ref())?;
    let (status, condition) = (ItemStatus::Held, Condition::Waste);
    put(state, context, Item { waste_code, status, condition, arising, provenance, ..item })
}
