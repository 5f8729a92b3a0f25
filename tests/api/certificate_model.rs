//! Certificates against a naive model: whatever is treated, issued, split, sold, corrected, withdrawn, frozen, replaced or
//! retired at random, every unit is where the model has it, the sum rule holds, and no gram backs two living units.
//!
//! The model knows units one by one and grams as plain stretches; it works out anew after each step which of them fail.

use crate::client::Answer;
use crate::corrections::instead;
use crate::harness::{Kind, Party, TestApp};
use crate::modelling::every_case;
use crate::story::{Story, changed_retirement};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// What is tried next; places are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Treat { grams: i64 },
    Issue { units: i64 },
    Split { block: usize, at: i64 },
    Transfer { block: usize, to: usize },
    Retire { block: usize },
    Cancel { block: usize },
    Freeze { block: usize },
    Unfreeze { block: usize },
    Withdraw { block: usize, part: (i64, i64), in_error: bool },
    Correct { batch: usize, less: i64 },
    Replace { block: usize },
    Pass { days: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..256_usize;
    prop_oneof![
        4 => (2_000..30_000_i64).prop_map(|grams| Step::Treat { grams }),
        5 => (1..40_i64).prop_map(|units| Step::Issue { units }),
        5 => (place(), 1..40_i64).prop_map(|(block, at)| Step::Split { block, at }),
        5 => (place(), 0..3_usize).prop_map(|(block, to)| Step::Transfer { block, to }),
        2 => place().prop_map(|block| Step::Retire { block }),
        2 => place().prop_map(|block| Step::Cancel { block }),
        2 => place().prop_map(|block| Step::Freeze { block }),
        2 => place().prop_map(|block| Step::Unfreeze { block }),
        4 => (place(), (0..40_i64, 0..40_i64), any::<bool>())
            .prop_map(|(block, part, in_error)| Step::Withdraw { block, part, in_error }),
        6 => (place(), 0..1_000_i64).prop_map(|(batch, less)| Step::Correct { batch, less }),
        6 => place().prop_map(|block| Step::Replace { block }),
        1 => (10..200_i64).prop_map(|days| Step::Pass { days }),
    ]
}

/// Grams of a batch's only treatment, from the first to before the last.
type Grams = (usize, i64, i64);

/// A batch that became steel as a whole, and was certified as far as its input reaches.
#[derive(Debug)]
struct Batch {
    treatment: u64,
    lot: String,
    receipt: u64,
    total: i64,
    input: i64,
    /// Certified grams in the order of their issue.
    certified: Vec<(i64, i64)>,
    /// How many of these the input covers.
    covered: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Held,
    Buffer,
    Retired,
    Cancelled,
    Withdrawn,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Buffer => "buffer",
            Self::Retired => "retired",
            Self::Cancelled => "cancelled",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Debug, Clone)]
struct Unit {
    grams: Vec<Grams>,
    status: Status,
    /// Nobody holds the buffer; the centre is 0.
    holder: Option<usize>,
    frozen: bool,
    annotated: bool,
    issued_ms: i64,
    /// The unit whose grams back it instead of its own.
    backed_by: Option<i64>,
}

/// The whole of what is known.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<Batch>,
    pool: Vec<Grams>,
    /// Units by number, from 1.
    units: BTreeMap<i64, Unit>,
    /// Blocks that exist, by first and last unit.
    blocks: Vec<(i64, i64)>,
    taken_g: i64,
}

impl Model {
    /// Grams of a batch on which units can rest: those that were certified first, as far as its input covers.
    fn sound(&self, batch: usize) -> Vec<(i64, i64)> {
        let batch = &self.batches[batch];
        let (mut left, mut sound) = (batch.covered, Vec::new());
        for (from, to) in &batch.certified {
            let grams = (to - from).min(left);
            sound.push((*from, from + grams));
            left -= grams;
        }
        sound
    }

    fn loses_grams(&self, number: i64) -> bool {
        self.units[&number].grams.iter().any(|(batch, from, to)| {
            let held: i64 = self.sound(*batch).iter().map(|(first, end)| (end.min(to) - first.max(from)).max(0)).sum();
            held < to - from
        })
    }

    fn fails(&self, number: i64) -> bool {
        let lives = matches!(self.units[&number].status, Status::Held | Status::Buffer | Status::Retired);
        // What backs it may be backed by others in turn.
        let mut last = number;
        while let Some(by) = self.units[&last].backed_by {
            last = by;
        }
        lives && self.loses_grams(last)
    }

    fn failing(&self, block: (i64, i64)) -> BTreeSet<i64> {
        (block.0..=block.1).filter(|number| self.fails(*number)).collect()
    }

    /// Grams of a batch that are neither certified nor in the pool enter it again, in order, as far as the input reaches.
    fn enter(&mut self, place: usize) {
        let batch = &self.batches[place];
        let waiting: i64 = self.pool.iter().filter(|grams| grams.0 == place).map(|(_, from, to)| to - from).sum();
        let mut left = batch.input - batch.covered - waiting;
        let mut taken: Vec<(i64, i64)> = batch.certified.clone();
        taken.extend(self.pool.iter().filter(|grams| grams.0 == place).map(|(_, from, to)| (*from, *to)));
        taken.sort_unstable();
        let mut at = 0;
        for (from, to) in taken.into_iter().chain([(batch.total, batch.total)]) {
            let grams = (from - at).min(left);
            if grams > 0 {
                self.pool.push((place, at, at + grams));
                left -= grams;
            }
            at = at.max(to);
        }
    }

    /// The front of the pool: grams of so many units at most, in whole units.
    fn front(&self, units: i64) -> Vec<Grams> {
        let all: i64 = self.pool.iter().map(|(_, from, to)| to - from).sum();
        let (mut left, mut front) = ((units * 1_000).min(all) / 1_000 * 1_000, Vec::new());
        for (batch, from, to) in &self.pool {
            let grams = (to - from).min(left);
            if grams > 0 {
                front.push((*batch, *from, from + grams));
                left -= grams;
            }
        }
        front
    }

    fn cut(&mut self, block: (i64, i64), part: (i64, i64)) {
        self.blocks.retain(|known| *known != block);
        let pieces = [(block.0, part.0 - 1), part, (part.1 + 1, block.1)];
        self.blocks.extend(pieces.into_iter().filter(|(first, last)| first <= last));
        self.blocks.sort_unstable();
    }

    /// Units that were ever issued: the last number.
    fn issued(&self) -> i64 {
        self.units.keys().next_back().copied().unwrap_or(0)
    }

    fn first_of(&self, block: (i64, i64)) -> &Unit {
        &self.units[&block.0]
    }

    fn change(&mut self, block: (i64, i64), change: impl Fn(&mut Unit)) {
        for number in block.0..=block.1 {
            change(self.units.get_mut(&number).expect("a unit"));
        }
    }

    /// No gram backs two units that live, or that ended without setting it free.
    fn require_disjoint(&self) {
        for (place, batch) in self.batches.iter().enumerate() {
            let waiting = self.pool.iter().filter(|grams| grams.0 == place).map(|(_, from, to)| (*from, *to));
            let mut all: Vec<(i64, i64)> = batch.certified.iter().copied().chain(waiting).collect();
            all.sort_unstable();
            assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "grams of batch {place} twice: {all:?}");
        }
    }
}

/// The service beside the model.
struct Run<'a> {
    story: Story<'a>,
    parties: [Party; 3],
    model: Model,
    happened: BTreeMap<&'static str, usize>,
}

fn serial(block: (i64, i64)) -> String {
    format!("ERT-XD-CTR1-202611-{:07}-{:07}", block.0, block.1)
}

const MONTHS_24_MS: i64 = 730 * 86_400_000;

impl Run<'_> {
    fn app(&self) -> &TestApp {
        self.story.app
    }

    fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// The service says what the model says: accepted, or refused with that code.
    fn expect(&mut self, what: &'static str, answer: &Answer, refusal: Option<&'static str>) -> bool {
        match refusal {
            None => {
                answer.accepted();
                self.count(what);
            }
            Some(code) => {
                assert_eq!(answer.json()["code"], code, "{what}: {}", answer.text);
                self.count("refused");
            }
        }
        refusal.is_none()
    }

    fn block(&self, place: usize) -> Option<(i64, i64)> {
        (!self.model.blocks.is_empty()).then(|| self.model.blocks[place % self.model.blocks.len()])
    }

    /// Why a holder cannot use its block.
    fn holders_refusal(&self, block: (i64, i64)) -> Option<&'static str> {
        let unit = self.model.first_of(block);
        let now = self.app().now_ms.load(Ordering::SeqCst);
        if unit.status != Status::Held {
            Some("certificate_not_held")
        } else if now > unit.issued_ms + MONTHS_24_MS {
            Some("certificate_expired")
        } else if unit.frozen {
            Some("certificate_frozen")
        } else if self.model.failing(block).is_empty() {
            None
        } else {
            Some("units_failing")
        }
    }

    fn holder_of(&self, block: (i64, i64)) -> Party {
        self.parties[self.model.first_of(block).holder.unwrap_or(0)].clone()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Treat { grams } => self.treat(grams),
            Step::Issue { units } => self.issue(units),
            Step::Split { block, at } => self.split(block, at),
            Step::Transfer { block, to } => self.transfer(block, to),
            Step::Retire { block } => self.end(block, true),
            Step::Cancel { block } => self.end(block, false),
            Step::Freeze { block } => self.freeze(block, true),
            Step::Unfreeze { block } => self.freeze(block, false),
            Step::Withdraw { block, part, in_error } => self.withdraw(block, part, in_error),
            Step::Correct { batch, less } => self.correct(batch, less),
            Step::Replace { block } => self.replace(block),
            Step::Pass { days } => self.pass(days),
        }
        self.model.require_disjoint();
        self.require_sums();
        self.require_sum_rule();
    }

    /// Time goes by; everybody gets a new token, as old ones expire.
    fn pass(&mut self, days: i64) {
        let app = self.story.app;
        app.now_ms.fetch_add(days * 86_400_000, Ordering::SeqCst);
        self.story.renew_tokens();
        for party in &mut self.parties {
            party.renew_token(app);
        }
        self.count("passed");
    }

    fn treat(&mut self, grams: i64) {
        let story = &self.story;
        let (lot, receipt, batch) = story.gate_to_batch(grams);
        let steel = story.fraction(&batch, "FE", grams);
        story.send(&steel, grams, grams);
        let treatment = story.treat(&steel, grams);
        story.close(&batch).accepted();
        let (total, input) = (grams, grams);
        let new = Batch { treatment, lot, receipt, total, input, certified: Vec::new(), covered: 0 };
        self.model.batches.push(new);
        self.model.enter(self.model.batches.len() - 1);
        self.count("treated");
    }

    fn issue(&mut self, wanted: i64) {
        let draft = self.story.draft(Some(wanted));
        let front = self.model.front(wanted);
        let units = front.iter().map(|(_, from, to)| to - from).sum::<i64>() / 1_000;
        let failing = self.model.units.keys().any(|number| self.model.fails(*number));
        let refusal = match (self.model.batches.is_empty(), failing, units < 2) {
            (true, ..) => Some("units_invalid"),
            (_, true, _) => Some("site_in_deficit"),
            (_, _, true) => Some("units_invalid"),
            _ => None,
        };
        if let Some(code) = refusal {
            assert_eq!(draft.json()["code"], code, "{}", draft.text);
            return self.count(if failing { "in deficit" } else { "refused" });
        }
        let draft = draft.json();
        let said: Vec<Value> = front
            .iter()
            .map(|(batch, from, to)| json!({"treatment": self.model.batches[*batch].treatment, "from": from, "to": to}))
            .collect();
        assert_eq!(draft["allotments"], json!(said), "{:?}", self.model.pool);
        let first = self.model.issued() + 1;
        let buffer = (units * 3 + 99) / 100;
        let blocks = [(first, first + units - buffer - 1), (first + units - buffer, first + units - 1)];
        assert_eq!((&draft["certificate"], &draft["buffer"]), (&json!(serial(blocks[0])), &json!(serial(blocks[1]))));
        self.app().say(&self.story.issuer, "certificate_issued", &draft).accepted();
        self.give_out(&front, blocks);
        self.count("issued");
    }

    /// The model's own issue: grams leave the pool, unit by unit.
    fn give_out(&mut self, front: &[Grams], blocks: [(i64, i64); 2]) {
        let issued_ms = self.app().now_ms.load(Ordering::SeqCst);
        let model = &mut self.model;
        let mut grams = front.iter().flat_map(|(batch, from, to)| (*from..*to).map(move |gram| (*batch, gram)));
        for number in blocks[0].0..=blocks[1].1 {
            let mut own: Vec<Grams> = Vec::new();
            for (batch, gram) in grams.by_ref().take(1_000) {
                match own.last_mut() {
                    Some(last) if last.0 == batch && last.2 == gram => last.2 += 1,
                    _ => own.push((batch, gram, gram + 1)),
                }
            }
            let is_buffer = number >= blocks[1].0;
            let (status, holder) = if is_buffer { (Status::Buffer, None) } else { (Status::Held, Some(0)) };
            let (frozen, annotated, backed_by) = (false, false, None);
            model.units.insert(number, Unit { grams: own, status, holder, frozen, annotated, issued_ms, backed_by });
        }
        for (batch, from, to) in front {
            model.batches[*batch].certified.push((*from, *to));
            model.batches[*batch].covered += to - from;
            model.taken_g += to - from;
            let range = model.pool.iter_mut().find(|range| range.0 == *batch && range.1 == *from).expect("a range");
            range.1 = *to;
        }
        model.pool.retain(|(_, from, to)| from < to);
        model.blocks.extend(blocks);
        model.blocks.sort_unstable();
    }

    fn split(&mut self, place: usize, at: i64) {
        let Some(block) = self.block(place).filter(|block| block.0 < block.1) else { return };
        let last = block.0 + at % (block.1 - block.0);
        let (one, other) = ((block.0, last), (last + 1, block.1));
        let fields = json!({"certificate": serial(block), "into": [serial(one), serial(other)]});
        let answer = self.app().say(&self.holder_of(block), "certificate_split", &fields);
        // What fails may be cut away.
        let refusal = self.holders_refusal(block).filter(|code| *code != "units_failing");
        if self.expect("split", &answer, refusal) {
            self.model.cut(block, one);
        }
    }

    fn transfer(&mut self, place: usize, to: usize) {
        let Some(block) = self.block(place) else { return };
        let (from, to) = (self.holder_of(block), to % 3);
        let fields = json!({"certificate": serial(block), "to": self.parties[to].id});
        let answer = self.app().say(&from, "certificate_transferred", &fields);
        let same = self.model.first_of(block).holder == Some(to);
        let refusal = self.holders_refusal(block).or(same.then_some("wrong_receiver"));
        if self.expect("transferred", &answer, refusal) {
            self.model.change(block, |unit| unit.holder = Some(to));
        }
    }

    fn end(&mut self, place: usize, retire: bool) {
        let Some(block) = self.block(place) else { return };
        let holder = self.holder_of(block);
        let answer = if retire {
            let (statement, open) = changed_retirement(&holder, &serial(block), &json!({}));
            self.app().post_json("/v1/events", &holder.token, &json!({"statement": statement, "open": open}))
        } else {
            self.app().say(&holder, "certificate_cancelled", &json!({"certificate": serial(block)}))
        };
        let (what, status) = if retire { ("retired", Status::Retired) } else { ("cancelled", Status::Cancelled) };
        let refusal = self.holders_refusal(block);
        if self.expect(what, &answer, refusal) {
            self.model.change(block, |unit| unit.status = status);
        }
    }

    /// Every second unfreezing is of something that is frozen, if anything is.
    fn freeze(&mut self, place: usize, freeze: bool) {
        let mut frozen = self.model.blocks.iter().filter(|block| self.model.first_of(**block).frozen);
        let chosen = frozen.next().copied().filter(|_| !freeze && place.is_multiple_of(2));
        let Some(block) = chosen.or(self.block(place)) else { return };
        let mut fields = json!({"certificate": serial(block)});
        let kind = if freeze { "certificate_frozen" } else { "certificate_unfrozen" };
        if freeze {
            fields["reason"] = json!("review");
        }
        let answer = self.app().say(&self.story.issuer, kind, &fields);
        let unit = self.model.first_of(block);
        let ended = freeze && !matches!(unit.status, Status::Held | Status::Buffer);
        let refusal = match (ended, unit.frozen == freeze) {
            (true, _) => Some("certificate_not_held"),
            (_, true) => Some("nothing_to_answer"),
            _ => None,
        };
        if self.expect(if freeze { "frozen" } else { "unfrozen" }, &answer, refusal) {
            self.model.change(block, |unit| unit.frozen = freeze);
        }
    }

    fn withdraw(&mut self, place: usize, part: (i64, i64), in_error: bool) {
        let Some(block) = self.block(place) else { return };
        let unit = self.model.first_of(block).clone();
        let (one, other) = (block.0 + part.0 % (block.1 - block.0 + 1), block.0 + part.1 % (block.1 - block.0 + 1));
        let is_whole = unit.status == Status::Retired;
        let part = if is_whole { block } else { (one.min(other), one.max(other)) };
        let reason = if in_error { "issued_in_error" } else { "not_eligible" };
        let fields = json!({"certificate": serial(block), "part": serial(part), "reason": reason});
        let answer = self.app().say(&self.story.issuer, "certificate_withdrawn", &fields);
        let refusal = match unit.status {
            Status::Held if unit.holder != Some(0) => Some("certificate_sold"),
            Status::Cancelled | Status::Withdrawn => Some("certificate_not_held"),
            Status::Retired if unit.annotated || in_error => Some("nothing_to_answer"),
            Status::Buffer if in_error => Some("nothing_to_answer"),
            _ => None,
        };
        if !self.expect(if in_error { "withdrawn in error" } else { "withdrawn" }, &answer, refusal) {
            return;
        }
        if unit.status == Status::Retired {
            return self.model.change(block, |unit| unit.annotated = true);
        }
        self.model.cut(block, part);
        self.model.change(part, |unit| (unit.status, unit.frozen) = (Status::Withdrawn, false));
        if in_error {
            self.free(part);
        }
    }

    /// Grams of these units are certified no more, and may enter the pool again.
    fn free(&mut self, part: (i64, i64)) {
        let freed: Vec<Grams> = (part.0..=part.1).flat_map(|number| self.model.units[&number].grams.clone()).collect();
        let places: BTreeSet<usize> = freed.iter().map(|grams| grams.0).collect();
        for place in places {
            let batch = &mut self.model.batches[place];
            let mut left = Vec::new();
            for (from, to) in &batch.certified {
                let mut at = *from;
                let mut holes: Vec<&Grams> =
                    freed.iter().filter(|grams| grams.0 == place && grams.1 < *to && *from < grams.2).collect();
                holes.sort_unstable();
                for (_, first, end) in holes {
                    left.push((at, *first));
                    at = *end;
                }
                left.push((at, *to));
            }
            left.retain(|(from, to)| from < to);
            batch.certified = left;
            let certified: i64 = batch.certified.iter().map(|(from, to)| to - from).sum();
            if certified < batch.covered {
                batch.covered = certified;
                self.model.enter(place);
            }
        }
    }

    /// The gate's scale showed less, or what it had shown first: the batch backs so much.
    fn correct(&mut self, place: usize, less: i64) {
        if self.model.batches.is_empty() {
            return;
        }
        let place = place % self.model.batches.len();
        let batch = &self.model.batches[place];
        let input = batch.total - less;
        if input == batch.input {
            return;
        }
        let right = instead(batch.receipt, "received", &self.story.received_fields(&batch.lot, input));
        let correction = self.app().say(&self.story.centre, "corrected", &right).accepted();
        let word = json!({"correction": correction});
        self.app().say(&self.story.auditor, "correction_confirmed", &word).accepted();
        self.model.pool.retain(|grams| grams.0 != place);
        let batch = &mut self.model.batches[place];
        batch.input = input;
        batch.covered = batch.certified.iter().map(|(from, to)| to - from).sum::<i64>().min(input);
        self.model.enter(place);
        self.count("corrected");
    }

    /// A failing unit is replaced by one of the unsold stock, or where there is none, of the buffer.
    fn replace(&mut self, place: usize) {
        let failing: Vec<(i64, i64)> = self.model.blocks.clone();
        let failing: Vec<(i64, i64)> =
            failing.into_iter().filter(|block| !self.model.failing(*block).is_empty()).collect();
        let Some(block) = (!failing.is_empty()).then(|| failing[place % failing.len()]) else { return };
        let failed = *self.model.failing(block).first().expect("a failing unit");
        let sound = |number: &&i64| {
            let unit = &self.model.units[*number];
            !unit.frozen && !self.model.fails(**number) && !(block.0..=block.1).contains(*number)
        };
        let of = |status: Status| {
            let in_stock = |number: &&i64| {
                let unit = &self.model.units[*number];
                unit.status == status && unit.holder == (status == Status::Held).then_some(0)
            };
            self.model.units.keys().filter(sound).find(in_stock).copied()
        };
        // Also what its issuer has frozen, or stands beside the failing unit, is unsold stock and would come first.
        let in_stock = |number: &i64| {
            let unit = &self.model.units[number];
            unit.status == Status::Held && unit.holder == Some(0) && !self.model.fails(*number)
        };
        let any_stock = self.model.units.keys().any(in_stock);
        let (stock, buffer) = (of(Status::Held), of(Status::Buffer));
        let Some(backing) = stock.or(buffer) else { return };
        let from = self.model.blocks.iter().find(|block| (block.0..=block.1).contains(&backing)).copied();
        let from = from.expect("the block of the backing unit");
        let replacement = json!({
            "failed": serial((failed, failed)), "backing": serial((backing, backing)), "cut_from": serial(from),
        });
        let fields = json!({"certificate": serial(block), "replacements": [replacement]});
        let answer = self.app().say(&self.story.issuer, "certificate_replaced", &fields);
        let status = self.model.first_of(block).status;
        let refusal = match status {
            Status::Buffer => Some("certificate_not_held"),
            _ if stock.is_none() && any_stock => Some("backing_out_of_turn"),
            _ => None,
        };
        if self.expect("replaced", &answer, refusal) {
            self.model.cut(from, (backing, backing));
            self.model.change((backing, backing), |unit| unit.status = Status::Withdrawn);
            self.model.change((failed, failed), |unit| unit.backed_by = Some(backing));
        }
    }

    /// The sum rule, as everybody reads it: what was issued is what stands somewhere, and the model has it there too.
    fn require_sum_rule(&self) {
        let pools = self.app().get("/v1/register/pools", "").json();
        let Some(pool) = pools["pools"].as_array().and_then(|pools| pools.first()) else {
            return assert_eq!(self.model.issued(), 0);
        };
        let now = self.app().now_ms.load(Ordering::SeqCst);
        let is_expired = |unit: &Unit| unit.status == Status::Held && now > unit.issued_ms + MONTHS_24_MS;
        let count = |holds: &dyn Fn(&Unit) -> bool| self.model.units.values().filter(|unit| holds(unit)).count();
        let of = |status: Status| count(&|unit: &Unit| unit.status == status && !is_expired(unit));
        let failing = self.model.units.keys().filter(|number| self.model.fails(**number)).count();
        let expected = json!({
            "issued": self.model.issued(), "pending": 0, "held": of(Status::Held), "expired": count(&is_expired),
            "retired": of(Status::Retired), "cancelled": of(Status::Cancelled), "withdrawn": of(Status::Withdrawn),
            "buffer": of(Status::Buffer), "failing": failing,
        });
        for (name, units) in expected.as_object().expect("counts") {
            assert_eq!(&pool[name], units, "{name}: {pool}");
        }
    }

    /// What the pool says, and that the units are all there.
    fn require_sums(&self) {
        if self.model.batches.is_empty() {
            return;
        }
        let pools = self.story.eligibility(&format!("site={}", self.story.centre_site));
        let waiting: i64 = self.model.pool.iter().map(|(_, from, to)| to - from).sum();
        let pool = &pools["pools"][0];
        let said = [&pool["entered_g"], &pool["allotted_g"], &pool["units"]].map(|sum| sum.as_i64().expect("a sum"));
        assert_eq!(said, [self.model.taken_g + waiting, self.model.taken_g, self.model.issued()]);
        let covered: i64 = self.model.blocks.iter().map(|(first, last)| last - first + 1).sum();
        assert_eq!(covered, self.model.issued(), "blocks partition the units");
    }

    /// Every block stands as the model has it.
    fn require_blocks(&self) {
        let now = self.app().now_ms.load(Ordering::SeqCst);
        for block in &self.model.blocks {
            let page = self.app().get(&format!("/v1/certificates/{}", serial(*block)), "").json();
            let unit = self.model.first_of(*block);
            let is_expired = unit.status == Status::Held && now > unit.issued_ms + MONTHS_24_MS;
            let status = if is_expired { "expired" } else { unit.status.name() };
            assert_eq!(page["status"], status, "{block:?}");
            assert_eq!(page["frozen"].is_null(), !unit.frozen, "{block:?}");
            if unit.status != Status::Cancelled && unit.status != Status::Withdrawn {
                let failing = page["failing"].as_array().cloned().unwrap_or_default();
                let number = |failing: &Value, end: usize| failing["units"][end].as_i64().expect("a number");
                let failing: BTreeSet<i64> =
                    failing.iter().flat_map(|failing| number(failing, 0)..=number(failing, 1)).collect();
                assert_eq!(failing, self.model.failing(*block), "{block:?}");
            }
        }
    }
}

/// Takes all steps against a service; gives what happened how often.
fn run(kind: Kind, steps: &[Step]) -> BTreeMap<&'static str, usize> {
    let app = TestApp::start(kind);
    let story = Story::begin(&app);
    let parties = [story.centre.clone(), app.join(&["buyer"]), app.join(&["buyer"])];
    let mut run = Run { story, parties, model: Model::default(), happened: BTreeMap::new() };
    for (position, step) in steps.iter().enumerate() {
        run.take(step);
        if position % 20 == 0 {
            run.require_blocks();
        }
    }
    run.require_blocks();
    run.happened
}

#[test]
fn every_unit_is_where_a_naive_model_has_it() {
    let all = [
        "treated",
        "issued",
        "in deficit",
        "split",
        "transferred",
        "retired",
        "cancelled",
        "frozen",
        "unfrozen",
        "withdrawn",
        "withdrawn in error",
        "corrected",
        "replaced",
        "refused",
        "passed",
    ];
    let steps = prop::collection::vec(step(), 250..350);
    every_case(&steps, (2, 10), |kind, steps| run(kind, steps), (&all, 1));
}
