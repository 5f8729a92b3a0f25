//! Intake: waste from outside the scheme comes under the ledger, where it is gathered or at a gate.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::arrival::{country_of, intake_warnings};
use crate::domain::balance::flow_in;
use crate::domain::codes::{Arising, Condition, ItemKind, Provenance, Role, SourceKind, TableCode, WasteCodeOverride};
use crate::domain::composition::{Composition, SourceId, WasteSource};
use crate::domain::event::{Collected, CollectedKind, Count, Received};
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, Weighed, new_item, weigh};
use crate::domain::lacks::{Lack, lacking};
use crate::domain::lot::require_new;
use crate::domain::mass::WeightBasis;
use crate::domain::refusal::{RefusalCode, Warning};
use crate::domain::signal;
use crate::domain::state::{Record, State, Stop};
use crate::domain::waste_code::{code_warning, overridden, waste_code};

/// What is said of waste when it comes in from outside.
struct Incoming<'a> {
    id: ItemId,
    kind: ItemKind,
    class: &'a TableCode,
    arising: &'a Arising,
    provenance: &'a Provenance,
    waste_code: Option<&'a WasteCodeOverride>,
    pieces: Option<Count>,
    lacks: Vec<Lack>,
}

/// The source of waste that was not dismantled yet.
pub(crate) fn source_of(class: &TableCode, basis: WeightBasis, arising: &Arising, provenance: &Provenance) -> SourceId {
    let (country, class, provenance) = (arising.country.clone(), class.clone(), provenance.clone());
    SourceId::of_waste(&WasteSource { country, class, basis, provenance })
}

fn take_in(
    state: &mut State<'_>,
    context: &Context<'_>,
    incoming: &Incoming<'_>,
    weighed: Weighed,
) -> Result<Vec<Warning>, Stop> {
    let site = context.statement.common.site;
    let country = country_of(state, context, site)?;
    let overridden = overridden(state, context, incoming.waste_code, country.as_ref())?;
    let waste_code = waste_code(state, context, incoming.class, overridden.as_ref(), country.as_ref())?;
    let source = source_of(incoming.class, weighed.basis, incoming.arising, incoming.provenance);
    let counts = rules_in_force(state)?.signals.is_some();
    let item = Item {
        condition: Condition::Waste,
        arising: Some(incoming.arising.clone()),
        sources: Composition::of(source, weighed.grams),
        waste_code: waste_code.clone(),
        overridden,
        lacks: incoming.lacks.clone(),
        country,
        pieces: incoming.pieces.filter(|_| counts),
        ..new_item(state, context, incoming.id, incoming.kind, incoming.class.clone(), &weighed)?
    };
    flow_in(state, site, weighed.grams);
    let mut warnings = weighed.warnings;
    warnings.extend(code_warning(waste_code.as_ref()));
    if let Some(site) = site {
        warnings.extend(intake_warnings(state, context, site, &item)?);
    }
    warnings.extend(signal::of_count(state, context, &item)?);
    let evidence = item.evidence.clone().warned(&warnings, context.index);
    state.put(Record::Item(Item { evidence, ..item }));
    Ok(warnings)
}

/// Waste from outside the scheme comes under the ledger where it is gathered.
pub fn collected(state: &mut State<'_>, context: &Context<'_>, event: &Collected) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Collector, Role::Recycler])?;
    require_new(state, &event.item, "/item")?;
    let kind = match event.kind {
        CollectedKind::Device => ItemKind::Device,
        CollectedKind::Lot => ItemKind::Lot,
    };
    require_lot_weight(kind, &event.weight)?;
    require_no_reuse(state, &event.provenance)?;
    let weighed = weigh(state, context, &event.class, &event.weight)?;
    let (arising, provenance, waste_code) = (&event.arising, &event.provenance, event.waste_code.as_ref());
    let counted = event.pieces.map(Count::get).or((kind == ItemKind::Device).then_some(1));
    let lacks = lacking(rules_in_force(state)?, event.missing.as_ref(), counted)?;
    let (id, pieces) = (event.item, event.pieces.filter(|_| kind == ItemKind::Lot));
    let incoming = Incoming { id, kind, class: &event.class, arising, provenance, waste_code, pieces, lacks };
    take_in(state, context, &incoming, weighed)
}

/// A lot is known by weight: the mean of its class says nothing about it.
fn require_lot_weight(kind: ItemKind, weight: &crate::domain::mass::Weight) -> Result<(), Stop> {
    if kind == ItemKind::Lot && weight.basis == WeightBasis::Class {
        return refuse(RefusalCode::WeightInvalid, "/weight/basis", "a lot is weighed, or at least estimated");
    }
    Ok(())
}

/// Only what was retired under this ledger comes from reuse; whoever brings waste in says where that is from.
fn require_no_reuse(state: &State<'_>, provenance: &Provenance) -> Result<(), Stop> {
    if provenance.kind == SourceKind::Reuse && rules_in_force(state)?.scheme.conditions.is_some() {
        let detail = "what was in use under this ledger is retired; say where waste from outside comes from";
        return refuse(RefusalCode::CodeUnknown, "/provenance/kind", detail);
    }
    Ok(())
}

/// Waste from outside the scheme is received at a centre's gate; what the permit does not cover is taken with a warning.
pub fn received(state: &mut State<'_>, context: &Context<'_>, event: &Received) -> Result<Vec<Warning>, Stop> {
    context.require_role(state, &[Role::Recycler])?;
    if context.statement.common.site.is_none() {
        return refuse(RefusalCode::Unknown, "/site", "a gate receipt names the centre's site");
    }
    require_new(state, &event.item, "/item")?;
    require_lot_weight(ItemKind::Lot, &event.weight)?;
    require_no_reuse(state, &event.provenance)?;
    let mut weighed = weigh(state, context, &event.class, &event.weight)?;
    weighed.warnings.extend(signal::of_load(state, context, event)?);
    let (arising, provenance, waste_code) = (&event.arising, &event.provenance, event.waste_code.as_ref());
    let lacks = lacking(rules_in_force(state)?, event.missing.as_ref(), event.pieces.map(Count::get))?;
    let (id, kind, pieces) = (event.item, ItemKind::Lot, event.pieces);
    let incoming = Incoming { id, kind, class: &event.class, arising, provenance, waste_code, pieces, lacks };
    take_in(state, context, &incoming, weighed)
}
