//! What corrections are about. A batch's path shows every correction that changed it, and what that corrects may lie on another
//! path, which did not fit.

use crate::domain::event::{Event, Statement};
use crate::domain::fields::Value;
use crate::domain::ids::{EntryIndex, ItemId};
use crate::domain::lineage::Node;
use crate::ledger::bundling::Collector;
use crate::limits::BUNDLE_LINEAGE_MAX;
use crate::store::StoreError;
use std::collections::BTreeSet;

impl Collector<'_> {
    /// Adds what the corrections that were read correct, until nothing is new, and all that was said of these things as far as there
    /// is room: of a thing whose beginning is shown nothing in between is left out, or it would seem to be what it was first.
    pub(super) fn add_corrected_things(&mut self) -> Result<(), StoreError> {
        let (mut known, mut room) = (BTreeSet::new(), BUNDLE_LINEAGE_MAX);
        loop {
            let targets = self.read.values().filter_map(|read| match &read.statement.event {
                Event::Corrected(event) => Some(event.entry),
                _ => None,
            });
            let new: Vec<EntryIndex> = targets.filter(|target| known.insert(*target)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for target in new {
                if !self.read.contains_key(&target) {
                    self.add_corrected_thing(target, &mut room)?;
                }
            }
        }
    }

    fn add_corrected_thing(&mut self, target: EntryIndex, room: &mut usize) -> Result<(), StoreError> {
        self.add(target)?;
        let items = self.read.get(&target).map(|read| items_in(&read.statement)).unwrap_or_default();
        for item in items {
            let path = self.path(Node::Item(item), *room + self.read.len() + 1)?;
            let new = path.iter().filter(|index| !self.read.contains_key(index)).count();
            if new <= *room {
                *room -= new;
                for index in path {
                    self.add(index)?;
                }
            }
        }
        Ok(())
    }
}

/// Whatever in a statement may be the id of an item.
fn items_in(statement: &Statement) -> BTreeSet<ItemId> {
    fn gather(value: &Value, items: &mut BTreeSet<ItemId>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(_, value)| gather(value, items)),
            Value::List(elements) => elements.iter().for_each(|element| gather(element, items)),
            Value::Text(text) => items.extend(ItemId::parse(text)),
            Value::Integer(_) | Value::Bool(_) => {}
        }
    }
    let (mut members, mut items) = (Vec::new(), BTreeSet::new());
    statement.event.put_into(&mut members);
    gather(&Value::Object(members), &mut items);
    items
}
