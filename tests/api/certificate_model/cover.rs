//! What covers an error of a site.

use crate::certificate_model::model::{Id, Model, Status, Unit};
use std::collections::BTreeSet;

impl Model {
    /// Sound units within reach at a site: its unsold stock, and its buffer.
    pub fn cover(&self, site: usize) -> (usize, usize) {
        let buffer = |id, unit: &Unit| unit.status == Status::Buffer && self.is_within_reach(id, unit);
        (self.count(site, |id, unit| self.is_stock(id, unit)), self.count(site, buffer))
    }

    /// Of the stock, units that others back: they cover no error.
    pub fn backed_stock(&self, site: usize) -> usize {
        self.count(site, |id, unit| self.is_stock(id, unit) && unit.backed_by.is_some())
    }

    /// Before anything waits in a pool, no unit fails for want of grams that its batch has: those issued first have them first.
    pub fn cover_what_fails(&mut self, concerned: &BTreeSet<usize>) {
        let lines = concerned.iter().flat_map(|treatment| &self.treatments[*treatment].lines);
        for batch in lines.map(|line| line.batch).collect::<BTreeSet<usize>>() {
            let mut bare = Vec::new();
            for (treatment, known) in self.treatments.iter().enumerate() {
                for (place, line) in known.lines.iter().enumerate().filter(|(_, line)| line.batch == batch) {
                    let mut covered = line.covered;
                    for (issue, from, to) in &line.certified {
                        let sound = (to - from).min(covered);
                        covered -= sound;
                        bare.push((*issue, treatment, *from, place, to - from - sound));
                    }
                }
            }
            bare.sort_unstable();
            let mut left = self.left_of(batch);
            for (_, treatment, _, place, grams) in bare {
                let grams = grams.min(left);
                self.treatments[treatment].lines[place].covered += grams;
                (left, self.freed_cover) = (left - grams, self.freed_cover + usize::from(grams > 0));
            }
        }
    }

    fn is_stock(&self, id: Id, unit: &Unit) -> bool {
        unit.status == Status::Held && unit.holder == Some(0) && self.is_within_reach(id, unit)
    }

    fn is_within_reach(&self, id: Id, unit: &Unit) -> bool {
        !self.fails(id) && !unit.frozen.is_some_and(|frozen| frozen.by_auditor)
    }
}
