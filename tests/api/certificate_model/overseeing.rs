//! Freezing, withdrawal, and second signatures.

use crate::certificate_model::Run;
use crate::certificate_model::model::{Block, Reason, Status, Stopped};
use serde_json::json;

/// Some units of a block; numbers are taken modulo how many there are.
fn part_of(block: Block, (one, other): (i64, i64)) -> Block {
    let length = block.last - block.first + 1;
    let (one, other) = (block.first + one % length, block.first + other % length);
    Block { first: one.min(other), last: one.max(other), ..block }
}

impl Run<'_> {
    /// Units of stock or buffer that fail, side by side, and their block.
    fn failing_cover(&self) -> Option<(Block, Block)> {
        self.model.blocks.iter().find_map(|block| {
            let unit = self.model.first_of(*block);
            let is_cover = unit.status == Status::Buffer || (unit.status == Status::Held && unit.holder == Some(0));
            let first = *self.model.failing(*block).first().filter(|_| is_cover)?;
            let last = (first..=block.last).take_while(|number| self.model.fails((block.site, *number))).last()?;
            Some((*block, Block { first, last, ..*block }))
        })
    }

    pub fn freeze(&mut self, place: usize, by_auditor: bool, for_fraud: bool) {
        let Some(block) = self.block(place) else { return };
        let story = &self.stories[0];
        let by = if by_auditor { &story.auditor } else { &story.issuer };
        let fields = json!({"certificate": block.serial(), "reason": if for_fraud { "fraud" } else { "review" }});
        let answer = self.app().say(by, "certificate_frozen", &fields);
        let unit = self.model.first_of(block);
        let refusal = match (unit.status, unit.frozen) {
            (Status::Held | Status::Buffer, None) => None,
            (Status::Held | Status::Buffer, Some(_)) => Some("nothing_to_answer"),
            _ => Some("certificate_not_held"),
        };
        if self.expect(if for_fraud { "frozen for fraud" } else { "frozen" }, &answer, refusal) {
            self.model.change(block, |unit| unit.frozen = Some(Stopped { by_auditor, for_fraud }));
            if for_fraud {
                self.model.taint(block);
            }
        }
    }

    /// Every second unfreezing is of something that is frozen, if anything is.
    pub fn unfreeze(&mut self, place: usize, by_auditor: bool) {
        let mut frozen = self.model.blocks.iter().filter(|block| self.model.first_of(**block).frozen.is_some());
        let chosen = frozen.next().copied().filter(|_| place.is_multiple_of(2));
        let Some(block) = chosen.or(self.block(place)) else { return };
        let story = &self.stories[0];
        let by = if by_auditor { &story.auditor } else { &story.issuer };
        let answer = self.app().say(by, "certificate_unfrozen", &json!({"certificate": block.serial()}));
        let unit = self.model.first_of(block).clone();
        let refusal = match unit.frozen {
            // Its issuer takes back a withdrawal that nobody has signed second.
            None if unit.pending.is_some() && !by_auditor => None,
            None => Some("nothing_to_answer"),
            Some(frozen) if frozen.by_auditor && !by_auditor => Some("not_the_author"),
            Some(_) => None,
        };
        if !self.expect("unfrozen", &answer, refusal) {
            return;
        }
        match unit.frozen {
            None => self.model.change(block, |unit| unit.pending = None),
            Some(frozen) => self.model.change(block, |unit| {
                (unit.frozen, unit.tainted) = (None, unit.tainted && !frozen.for_fraud);
            }),
        }
    }

    /// Every second withdrawal is of stock or buffer that fails, if any does.
    pub fn withdraw(&mut self, place: usize, part: (i64, i64), reason: Reason, second: bool) {
        let (failing, chosen) = (self.failing_cover(), self.block(place));
        let Some((block, part)) =
            failing.filter(|_| place.is_multiple_of(2)).or_else(|| Some((chosen?, part_of(chosen?, part))))
        else {
            return;
        };
        let unit = self.model.first_of(block).clone();
        let is_whole = matches!(unit.status, Status::Retired | Status::Pending);
        let part = if is_whole { block } else { part };
        let mut fields = json!({"certificate": block.serial(), "part": part.serial(), "reason": reason.name()});
        if second {
            fields["second"] = json!("organisation");
        }
        let answer = self.app().say(&self.stories[0].issuer, "certificate_withdrawn", &fields);
        let in_error = reason == Reason::Error;
        let is_annotated = unit.annotated.is_some_and(|earlier| earlier == reason || earlier == Reason::Fraud);
        let refusal = match unit.status {
            Status::Held if unit.holder != Some(0) => Some("certificate_sold"),
            Status::Cancelled | Status::Withdrawn => Some("certificate_not_held"),
            Status::Retired if is_annotated || in_error => Some("nothing_to_answer"),
            _ if in_error && self.model.is_tainted(block) => Some("certificate_frozen"),
            Status::Buffer if in_error => Some("nothing_to_answer"),
            _ if unit.pending.is_some() => Some("certificate_pending"),
            _ => None,
        };
        let what = match (second && unit.status != Status::Pending, reason) {
            (true, _) => "withdrawn in part",
            (_, Reason::Error) => "withdrawn in error",
            (_, Reason::NotEligible) => "withdrawn",
            (_, Reason::Fraud) => "withdrawn for fraud",
        };
        if !self.expect(what, &answer, refusal) {
            return;
        }
        if unit.status == Status::Pending {
            // What was never countersigned ends with its other block.
            self.model.withdraw(unit.issued_with, reason);
            return self.model.withdraw(block, reason);
        }
        self.model.cut(block, part);
        if second {
            self.model.change(part, |unit| unit.pending = Some(reason));
        } else {
            self.model.withdraw(part, reason);
        }
    }

    /// Every second countersignature is of something that waits for one, if anything does.
    pub fn countersign(&mut self, place: usize) {
        let waits = |block: &&Block| {
            let unit = self.model.first_of(**block);
            unit.status == Status::Pending || unit.pending.is_some()
        };
        let chosen = self.model.blocks.iter().find(waits).copied().filter(|_| place.is_multiple_of(2));
        let Some(block) = chosen.or(self.block(place)) else { return };
        let fields = json!({"certificate": block.serial()});
        let answer = self.app().say(&self.stories[0].auditor, "certificate_countersigned", &fields);
        let unit = self.model.first_of(block).clone();
        let refusal = match (unit.status, unit.pending) {
            (Status::Pending, _) => None,
            (_, Some(Reason::Error)) if self.model.is_tainted(block) => Some("certificate_frozen"),
            (_, Some(_)) => None,
            (_, None) => Some("nothing_to_answer"),
        };
        if !self.expect("countersigned", &answer, refusal) {
            return;
        }
        match unit.pending {
            Some(reason) => self.model.withdraw(block, reason),
            None => {
                for block in [block, unit.issued_with] {
                    self.model.change(block, |unit| {
                        unit.status = if unit.holder.is_some() { Status::Held } else { Status::Buffer };
                    });
                }
            }
        }
    }
}
