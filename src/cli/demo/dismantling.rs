//! From the café's lots to the end of their mass: over the centre's batches to the treater.

use crate::cli::CommandError;
use crate::cli::demo::parties::Party;
use crate::cli::demo::poster::Saying;
use crate::cli::demo::story::{ITEMS_MAX, Lot, Story};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lots that change hands at once; their weights must fit into one payload.
const LOTS_MAX: usize = 40;
/// What a batch takes in before it is closed, in grams.
const BATCH_G: i64 = 2_000_000;

impl Story<'_, '_> {
    /// Lots go from hand to hand; the receiver weighs them a little differently. Gives them as received.
    pub(super) fn change_hands(
        &mut self,
        lots: &[Lot],
        from: &Party,
        to: &Party,
        moment: i64,
    ) -> Result<Vec<Lot>, CommandError> {
        let (offered, accepted) = (self.plan.moment(moment)?, self.plan.moment(moment + 20)?);
        let mut received = Vec::with_capacity(lots.len());
        for (number, chunk) in lots.chunks(LOTS_MAX).enumerate() {
            let handover = self.plan.id(to.name, 1_000 + u64::try_from(number)?).to_string();
            let sent: Vec<Value> =
                chunk.iter().map(|lot| json!({"lot": lot.id.to_string(), "sent_g": lot.grams})).collect();
            let offer = json!({"handover": handover, "to": to.id.to_string(), "lots": sent});
            self.poster.say(from, Saying::new("handover_offered", &offered, offer).at(from.site))?;
            let mut answers = Vec::with_capacity(chunk.len());
            for lot in chunk {
                let grams = self.plan.around(lot.grams, 4_000, to.name, lot.id.as_u64_pair().1);
                let weight = self.weigh(to.name, grams)?;
                answers.push(json!({"weight": weight, "accepted_g": grams, "refused_g": 0}));
                received.push(Lot { grams, ..lot.clone() });
            }
            let answer = json!({"handover": handover, "lots": answers});
            self.poster.say(to, Saying::new("handover_accepted", &accepted, answer).at(to.site))?;
        }
        Ok(received)
    }

    /// Batch after batch is opened, fed, dismantled into weighed fractions, and closed.
    pub(super) fn dismantle(&mut self, lots: &[Lot]) -> Result<Vec<Lot>, CommandError> {
        let mut fractions = Vec::new();
        let (mut batch, mut grams, mut number) = (Vec::new(), 0, 0);
        for lot in lots {
            grams += lot.grams;
            batch.push(lot.clone());
            if grams >= BATCH_G {
                number += 1;
                fractions.extend(self.dismantle_batch(number, &std::mem::take(&mut batch))?);
                grams = 0;
            }
        }
        if !batch.is_empty() {
            fractions.extend(self.dismantle_batch(number + 1, &batch)?);
        }
        Ok(fractions)
    }

    pub(super) fn dismantle_batch(&mut self, number: u64, lots: &[Lot]) -> Result<Vec<Lot>, CommandError> {
        let centre = self.parties.centre.clone();
        let batch = self.plan.id("batch", number).to_string();
        let (opened, fed) = (self.plan.moment(400)?, self.plan.moment(410)?);
        let (taken, closed) = (self.plan.moment(600)?, self.plan.moment(700)?);
        let fields = json!({"batch": batch});
        self.poster.say(&centre, Saying::new("batch_opened", &opened, fields).at(centre.site))?;
        let items: Vec<String> = lots.iter().map(|lot| lot.id.to_string()).collect();
        for chunk in items.chunks(ITEMS_MAX) {
            let fields = json!({"batch": batch, "items": chunk});
            self.poster.say(&centre, Saying::new("batch_fed", &fed, fields).at(centre.site))?;
        }
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for lot in lots {
            for (fraction, ppm) in self.compositions.of_class(&lot.class)? {
                *sums.entry(fraction.clone()).or_default() += lot.grams * ppm / 1_000_000;
            }
        }
        let mut fractions = Vec::with_capacity(sums.len());
        for (fraction, grams) in sums.into_iter().filter(|(_, grams)| *grams > 0) {
            let grams = self.plan.around(grams, 10_000, "fraction weight", self.lots);
            let lot = self.new_lot(&fraction, grams);
            let weight = self.weigh("centre", lot.grams)?;
            let fields = json!({"batch": batch, "lot": lot.id.to_string(), "fraction": fraction, "weight": weight});
            self.poster.say(&centre, Saying::new("dismantled", &taken, fields).at(centre.site))?;
            fractions.push(lot);
        }
        let input: i64 = lots.iter().map(|lot| lot.grams).sum();
        let fields = json!({
            "batch": batch, "loss_g": input * 4 / 1_000, "out_of_scope_g": 0, "counted_elsewhere": "none",
        });
        self.poster.say(&centre, Saying::new("batch_closed", &closed, fields).at(centre.site))?;
        Ok(fractions)
    }

    /// Each fraction ends by its final operation.
    pub(super) fn treat(&mut self, fractions: &[Lot]) -> Result<(), CommandError> {
        let treater = self.parties.treater.clone();
        let at = self.plan.moment(800)?;
        for lot in fractions {
            let fields = self.end_of(lot)?;
            self.poster.say(&treater, Saying::new("treated_final", &at, fields).at(treater.site))?;
        }
        self.poster.flush()
    }

    pub(super) fn end_of(&self, lot: &Lot) -> Result<Value, CommandError> {
        let operation = self.compositions.operation_of(&lot.class)?;
        Ok(json!({"item": lot.id.to_string(), "operation": operation, "net_g": lot.grams}))
    }
}
