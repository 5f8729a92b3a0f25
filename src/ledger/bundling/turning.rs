//! Turning points of batches: their beginning, what went in, what a scheme looks for among what came out, their end, and what
//! was said of these since.

use crate::domain::correction::CorrectionsOf;
use crate::domain::event::Event;
use crate::domain::ids::{BatchId, EntryIndex, ItemId};
use crate::domain::lineage::Node;
use crate::domain::rule_set;
use crate::ledger::bundling::Collector;
use crate::store::{StoreError, records};
use std::collections::BTreeSet;

/// What an entry on the path of a batch is to the batch.
enum Turn {
    /// It opens, feeds or closes it, or finds something of it.
    Point,
    /// It takes out a lot of what a scheme looks for.
    Expected(ItemId),
    /// It is a word on a correction.
    Word(EntryIndex),
    Other,
}

impl Turn {
    fn of(event: &Event) -> Self {
        match event {
            Event::BatchOpened(_) | Event::BatchFed(_) | Event::BatchClosed(_) | Event::AuditFinding(_) => Self::Point,
            Event::Dismantled(event) if is_expected(event.fraction.as_str()) => Self::Expected(event.lot),
            Event::CorrectionConfirmed(event) => Self::Word(event.correction),
            Event::CorrectionDisputed(event) => Self::Word(event.correction),
            _ => Self::Other,
        }
    }
}

/// Whether a scheme looks for a fraction among what came out of a batch.
fn is_expected(fraction: &str) -> bool {
    let conditions = rule_set::all().iter().filter_map(|set| set.scheme.conditions.as_ref());
    let mut fractions = conditions.flat_map(|conditions| &conditions.expected).flat_map(|rule| &rule.fractions);
    fractions.any(|known| known == fraction)
}

impl Collector<'_> {
    /// A batch's beginning, everything that went in, and its end: without one of them its input would look smaller. What a scheme
    /// looks for among its outputs is shown whole or not at all, as far as there is room: half of it would look like too little.
    pub(super) fn add_turning_points(&mut self, batch: BatchId) -> Result<(), StoreError> {
        if !self.turned.insert(batch) {
            return Ok(());
        }
        let (mut points, mut expected, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for index in self.path_to_glance_at(Node::Batch(batch))? {
            match self.glance(index)? {
                Turn::Point => points.push(index),
                Turn::Expected(lot) => expected.push((index, lot)),
                Turn::Word(correction) => words.push((index, correction)),
                Turn::Other => {}
            }
        }
        let mut corrections = self.add_corrected(&points)?;
        let outputs: Vec<EntryIndex> = expected.iter().map(|(index, _)| *index).collect();
        let lists = self.corrections_of(&outputs)?;
        let needed = outputs.len() + lists.iter().map(|list| list.corrections.len()).sum::<usize>();
        if needed <= self.expected_room {
            self.expected_room -= needed;
            corrections.extend(self.add_corrected(&outputs)?);
            let corrected: BTreeSet<EntryIndex> = lists.iter().map(|list| list.target).collect();
            for (_, lot) in expected.iter().filter(|(index, _)| corrected.contains(index)) {
                words.extend(self.words_about(*lot)?);
            }
        }
        for (index, _) in words.iter().filter(|(_, correction)| corrections.contains(correction)) {
            self.add(*index)?;
        }
        Ok(())
    }

    /// A path whose every entry is looked at; none of it, nor of any later one, once more would be looked at than may be.
    fn path_to_glance_at(&mut self, node: Node) -> Result<Vec<EntryIndex>, StoreError> {
        let path = self.path(node, self.glances)?;
        self.glances -= path.len();
        Ok(if self.glances == 0 { Vec::new() } else { path })
    }

    /// What an entry is to a batch, without adding it; nothing beyond the checkpoint.
    fn glance(&mut self, index: EntryIndex) -> Result<Turn, StoreError> {
        let is_new = !self.read.contains_key(&index);
        if !self.add(index)? {
            return Ok(Turn::Other);
        }
        let turn = self.read.get(&index).map_or(Turn::Other, |read| Turn::of(&read.statement.event));
        if is_new {
            self.read.remove(&index);
        }
        Ok(turn)
    }

    fn corrections_of(&mut self, entries: &[EntryIndex]) -> Result<Vec<CorrectionsOf>, StoreError> {
        let ids: Vec<String> = entries.iter().map(|entry| CorrectionsOf::id_of(*entry)).collect();
        records::load_of(self.database, &ids)
    }

    /// Adds entries and their corrections, without which they would say what is not so; gives the corrections.
    fn add_corrected(&mut self, entries: &[EntryIndex]) -> Result<BTreeSet<EntryIndex>, StoreError> {
        for index in entries {
            self.add(*index)?;
        }
        let lists = self.corrections_of(entries)?;
        let corrections: BTreeSet<EntryIndex> = lists.into_iter().flat_map(|list| list.corrections).collect();
        for correction in &corrections {
            self.add(*correction)?;
        }
        Ok(corrections)
    }

    /// Words on corrections that bear on a lot, each with the correction.
    fn words_about(&mut self, lot: ItemId) -> Result<Vec<(EntryIndex, EntryIndex)>, StoreError> {
        let mut words = Vec::new();
        for index in self.path_to_glance_at(Node::Item(lot))? {
            if let Turn::Word(correction) = self.glance(index)? {
                words.push((index, correction));
            }
        }
        Ok(words)
    }
}
