//! Replacement: failing units are backed by others, in the order of rules.md §7.

use crate::certificate_model::Run;
use crate::certificate_model::model::{Block, Id, Status, Unit};
use serde_json::json;

/// Units that are replaced at once, at most.
const UNITS_MAX: i64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stock,
    Buffer,
    Elsewhere,
}

impl Run<'_> {
    /// Whether a unit may back others, apart from whose turn it is: sound by its own grams, stopped by nothing, and in another block
    /// than these.
    fn may_back(&self, failed_in: Block, origin: Origin, id: Id, unit: &Unit) -> bool {
        let is_here = id.0 == failed_in.site;
        let is_stock = unit.status == Status::Held && unit.holder == Some(0);
        let is_of_origin = match origin {
            Origin::Stock => is_here && is_stock,
            Origin::Buffer => is_here && unit.status == Status::Buffer,
            Origin::Elsewhere => !is_here && (is_stock || unit.status == Status::Buffer),
        };
        let is_stopped = unit.frozen.is_some() || unit.pending.is_some();
        let is_own = unit.backed_by.is_none();
        is_of_origin && is_own && !is_stopped && !self.model.fails(id) && !failed_in.holds(id)
    }

    /// Units side by side that may back others, and the block from which they are cut.
    fn backing(&self, failed_in: Block, origin: Origin, units: i64) -> Option<(Block, Block)> {
        let may_back = |id: Id| self.may_back(failed_in, origin, id, &self.model.units[&id]);
        self.model.blocks.iter().find_map(|block| {
            let (site, first) = block.ids().find(|id| may_back(*id))?;
            let last = (first..=block.last)
                .take(usize::try_from(units).ok()?)
                .take_while(|number| may_back((site, *number)))
                .last()?;
            Some((Block { site, first, last }, *block))
        })
    }

    /// The first of a block's failing units, side by side, and whether fraud taints them all.
    fn first_failing(&self, block: Block) -> (Block, bool) {
        let first = *self.model.failing(block).first().expect("a failing unit");
        let is_tainted = |number: i64| self.model.units[&(block.site, number)].tainted;
        let is_alike =
            |number: &i64| self.model.fails((block.site, *number)) && is_tainted(*number) == is_tainted(first);
        let last = (first..=block.last.min(first + UNITS_MAX - 1)).take_while(is_alike).last().expect("the first");
        (Block { first, last, ..block }, is_tainted(first))
    }

    /// Most often whose turn it is gives; else the buffer or another site, whether or not it is theirs.
    pub fn replace(&mut self, place: usize, from: usize) {
        let failing: Vec<Block> =
            self.model.blocks.iter().filter(|block| !self.model.failing(**block).is_empty()).copied().collect();
        let Some(block) = (!failing.is_empty()).then(|| failing[place % failing.len()]) else { return };
        let (failed, is_fraud) = self.first_failing(block);
        let origins: &[Origin] = match from {
            0 => &[Origin::Buffer],
            1 => &[Origin::Elsewhere],
            _ if is_fraud => &[Origin::Elsewhere],
            _ => &[Origin::Stock, Origin::Buffer, Origin::Elsewhere],
        };
        let wanted = failed.last - failed.first + 1;
        let found = origins.iter().find_map(|origin| Some((*origin, self.backing(block, *origin, wanted)?)));
        let Some((origin, (backing, cut_from))) = found else { return };
        let failed = Block { last: failed.first + backing.last - backing.first, ..failed };
        let replacement =
            json!({"failed": failed.serial(), "backing": backing.serial(), "cut_from": cut_from.serial()});
        let fields = json!({"certificate": block.serial(), "replacements": [replacement]});
        let answer = self.app().say(&self.stories[0].issuer, "certificate_replaced", &fields);
        // Also what its issuer has frozen, or stands beside the failing unit, covers the error first.
        let (stock, buffer) = self.model.cover(block.site);
        let stock = stock - self.model.backed_stock(block.site);
        let is_in_turn = match origin {
            _ if is_fraud => origin == Origin::Elsewhere,
            Origin::Stock => true,
            Origin::Buffer => stock == 0,
            Origin::Elsewhere => stock + buffer == 0,
        };
        let refusal = match self.model.first_of(block).status {
            Status::Buffer | Status::Pending => Some("certificate_not_held"),
            _ => (!is_in_turn).then_some("backing_out_of_turn"),
        };
        let what = if origin == Origin::Elsewhere { "replaced from elsewhere" } else { "replaced" };
        if self.expect(what, &answer, refusal) {
            self.model.cut(cut_from, backing);
            self.model.change(backing, |unit| unit.status = Status::Withdrawn);
            for (id, by) in failed.ids().zip(backing.ids()) {
                let unit = self.model.units.get_mut(&id).expect("a unit");
                (unit.backed_by, unit.tainted) = (Some(by), false);
            }
        }
    }
}
