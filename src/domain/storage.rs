//! Storage pending treatment, and how long it may last.

use crate::domain::apply::{Context, refuse, rules_in_force};
use crate::domain::codes::ItemStatus;
use crate::domain::due::{self, DueKind};
use crate::domain::event::Stored;
use crate::domain::ids::ItemId;
use crate::domain::item::{Item, Storage, own_packed_item};
use crate::domain::permit::permit_warning;
use crate::domain::refusal::{RefusalCode, Warning, WarningCode, each_once};
use crate::domain::state::{Record, State, Stop};
use std::collections::BTreeSet;

/// Storage pending treatment, by recovery or by disposal (Directive 2008/98/EC, Annexes I and II).
pub(crate) const STORAGE: &[&str] = &["R13", "D15"];

/// Waste is stored pending treatment; said again at the same place, the clock runs on.
pub fn stored(state: &mut State<'_>, context: &Context<'_>, event: &Stored) -> Result<Vec<Warning>, Stop> {
    if !STORAGE.contains(&event.operation.as_str()) {
        return refuse(RefusalCode::CodeUnknown, "/operation", "storage pending treatment is R13 or D15");
    }
    let distinct: BTreeSet<&ItemId> = event.items.iter().collect();
    if event.items.is_empty() || distinct.len() != event.items.len() {
        return refuse(RefusalCode::ListInvalid, "/items", "name at least one item, and each once");
    }
    let Some(day) = context.day() else {
        return refuse(RefusalCode::TimeInvalid, "/occurred_at", "storage begins on a day");
    };
    let mut warnings = Vec::new();
    for (position, id) in event.items.iter().enumerate() {
        let pointer = format!("/items/{position}");
        let item = own_packed_item(state, context, id, &pointer, &[ItemStatus::Held])?;
        if item.arising.is_none() {
            return refuse(RefusalCode::WrongCondition, pointer, "only waste is stored pending treatment");
        }
        let permits = match item.site {
            Some(site) => state.site(&site)?.map(|site| site.permits.clone()).unwrap_or_default(),
            None => Vec::new(),
        };
        let operation = Some(event.operation.as_str());
        let found = permit_warning(&permits, Some(&day), item.waste_code.as_ref(), operation);
        let evidence = item.evidence.clone().warned(found.as_slice(), context.index);
        warnings.extend(found);
        let since = item.stored.as_ref().map_or_else(|| day.clone(), |stored| stored.since.clone());
        if let Some(borders) = &rules_in_force(state)?.borders {
            let term = (&since, borders.storage_days_max);
            due::note(state, &[item.holder], term, DueKind::Storage, id, context.index);
        }
        let stored = Some(Storage { operation: event.operation.clone(), since });
        state.put(Record::Item(Item { stored, evidence, ..item }.touched(context)?));
    }
    Ok(each_once(warnings))
}

/// A warning if an item was stored longer than it may be when something is done with it.
pub(crate) fn storage_warning(
    state: &State<'_>,
    context: &Context<'_>,
    item: &Item,
    pointer: &str,
) -> Result<Option<Warning>, Stop> {
    let Some(stored) = &item.stored else { return Ok(None) };
    let days = rules_in_force(state)?.borders.as_ref().and_then(|borders| u64::try_from(borders.storage_days_max).ok());
    let last = days.and_then(|days| stored.since.plus_days(days));
    let late = last.zip(context.day()).is_some_and(|(last, day)| day > last);
    Ok(if late { Warning::new(WarningCode::StorageOverdue, pointer) } else { None })
}
