//! What makes grams: treatments of one batch or of two, corrections of what went into a batch, and findings about treatments.

use crate::certificate_model::Run;
use crate::certificate_model::model::{Batch, Line, Treatment};
use crate::corrections::instead;
use crate::findings::finding;
use crate::harness::new_id;
use serde_json::json;

impl Run<'_> {
    /// A batch that is in the gate; gives its place and its id.
    fn open(&mut self, site: usize, total: i64) -> (usize, String) {
        let (lot, receipt, batch) = self.stories[site].gate_to_batch(total);
        self.model.batches.push(Batch { site, lot, receipt, total, input: total, closed: false });
        (self.model.batches.len() - 1, batch)
    }

    /// Steel goes through the furnace; `lines` are its batches with their grams, in order.
    fn smelt(&mut self, site: usize, steel: &str, lines: &[(usize, i64)]) {
        let grams = lines.iter().map(|(_, grams)| grams).sum();
        let story = &self.stories[site];
        story.send(steel, grams, grams);
        let (entry, mut at) = (story.treat(steel, grams), 0);
        let line = |(batch, grams): &(usize, i64)| {
            at += grams;
            Line::new(*batch, at - grams, at)
        };
        let lines = lines.iter().map(line).collect();
        self.model.treatments.push(Treatment { entry, lines, held: None });
    }

    /// A batch is closed: what was treated of it enters the pool.
    fn close(&mut self, batch: usize, id: &str) {
        self.stories[self.model.batches[batch].site].close(id).accepted();
        self.model.batches[batch].closed = true;
        for treatment in 0..self.model.treatments.len() {
            if self.model.treatments[treatment].lines.iter().any(|line| line.batch == batch) {
                self.model.settle(treatment);
            }
        }
    }

    pub fn treat(&mut self, site: usize, grams: i64) {
        let (batch, id) = self.open(site, grams);
        let steel = self.stories[site].fraction(&id, "FE", grams);
        self.smelt(site, &steel, &[(batch, grams)]);
        self.close(batch, &id);
        self.count("treated");
    }

    /// Two batches, of which the first gives steel that is treated alone, and both steel that is treated together.
    pub fn treat_two(&mut self, site: usize, alone: i64, joined: [i64; 2]) {
        let (one, one_id) = self.open(site, alone + joined[0]);
        let (other, other_id) = self.open(site, joined[1]);
        let story = &self.stories[site];
        let (first, rest) = (story.fraction(&one_id, "FE", alone), story.fraction(&one_id, "FE", joined[0]));
        let (second, cage) = (story.fraction(&other_id, "FE", joined[1]), new_id());
        story.at_centre("merged", json!({"inputs": [rest, second], "lot": cage})).accepted();
        self.smelt(site, &first, &[(one, alone)]);
        let mut lines = [(&one_id, one, joined[0]), (&other_id, other, joined[1])];
        lines.sort_unstable();
        self.smelt(site, &cage, &lines.map(|(_, batch, grams)| (batch, grams)));
        self.close(one, &one_id);
        self.close(other, &other_id);
        self.count("treated two");
    }

    /// The gate's scale showed less, or what it had shown first: the batch backs so much.
    pub fn correct(&mut self, place: usize, less: i64) {
        if self.model.batches.is_empty() {
            return;
        }
        let place = place % self.model.batches.len();
        let batch = &self.model.batches[place];
        let input = batch.total - less;
        if input == batch.input {
            return;
        }
        let story = &self.stories[batch.site];
        let right = instead(batch.receipt, "received", &story.received_fields(&batch.lot, input));
        let correction = self.app().say(&story.centre, "corrected", &right).accepted();
        self.app().say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        self.model.correct(place, input);
        self.count("corrected");
    }

    /// An auditor holds a treatment.
    pub fn find(&mut self, place: usize) {
        let free = |(place, known): (usize, &Treatment)| known.held.is_none().then_some(place);
        let free: Vec<usize> = self.model.treatments.iter().enumerate().filter_map(free).collect();
        let Some(place) = (!free.is_empty()).then(|| free[place % free.len()]) else { return };
        let held = finding(&json!({"treatment": self.model.treatments[place].entry}), "held");
        let found = self.app().say(&self.stories[0].auditor, "audit_finding", &held).accepted();
        self.model.treatments[place].held = Some(found);
        self.count("found");
    }

    /// What was held longest is cleared: by the treatment, or by another auditor at the finding's entry.
    pub fn clear(&mut self, by_entry: bool) {
        let held = self.model.treatments.iter().enumerate().filter_map(|(place, known)| Some((known.held?, place)));
        let Some((found, place)) = held.min() else { return };
        let (by, about) = if by_entry {
            (&self.second_auditor, json!({"entry": found}))
        } else {
            (&self.stories[0].auditor, json!({"treatment": self.model.treatments[place].entry}))
        };
        self.app().say(by, "audit_finding", &finding(&about, "cleared")).accepted();
        self.model.treatments[place].held = None;
        self.model.settle(place);
        self.count("cleared");
    }
}
