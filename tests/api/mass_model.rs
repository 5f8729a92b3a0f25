//! The mass rule against a naive model: whatever is said at random, late, out of order or wrong, and corrected later, every
//! gram is where the model has it, at each site and in total, all along the way.
//!
//! The model is a list of facts and a function that adds them up from the beginning. To correct a fact it changes the list
//! and adds up again; where some later fact cannot stand by then, the service must have found the same.

use crate::harness::{Kind, NOON_MS, Party, TestApp, new_id};
use crate::modelling::every_case;
use crate::story::permitted_site;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// How far before an item's last event something may lie, in days.
const WINDOW_DAYS: i64 = 30;
/// How long a batch takes things in, in days.
const BATCH_DAYS: i64 = 31;

/// What is tried next; places are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Collect { grams: i64 },
    Receive { grams: i64 },
    Reweigh { lot: usize, grams: i64 },
    Merge { one: usize, other: usize },
    Split { lot: usize, part: i64 },
    HandOver { lot: usize, received: i64, refused: i64 },
    Open,
    Feed { batch: usize, lot: usize },
    Dismantle { batch: usize, grams: i64 },
    Close { batch: usize, loss: i64, out_of_scope: i64, remaining: i64 },
    Treat { lot: usize, operation: usize },
    Release { lot: usize },
    Lose { lot: usize },
    Find { lot: usize },
    Correct { fact: usize, grams: i64, never: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0..256_usize;
    let grams = || prop_oneof![1..5_000_i64, 5_000..400_000_i64];
    prop_oneof![
        1 => grams().prop_map(|grams| Step::Collect { grams }),
        3 => grams().prop_map(|grams| Step::Receive { grams }),
        1 => (place.clone(), grams()).prop_map(|(lot, grams)| Step::Reweigh { lot, grams }),
        2 => (place.clone(), place.clone()).prop_map(|(one, other)| Step::Merge { one, other }),
        2 => (place.clone(), 1..100_i64).prop_map(|(lot, part)| Step::Split { lot, part }),
        3 => (place.clone(), 0..130_i64, 0..130_i64).prop_map(|(lot, received, refused)| Step::HandOver { lot, received, refused }),
        1 => Just(Step::Open),
        4 => (place.clone(), place.clone()).prop_map(|(batch, lot)| Step::Feed { batch, lot }),
        4 => (place.clone(), grams()).prop_map(|(batch, grams)| Step::Dismantle { batch, grams }),
        1 => (place.clone(), 0..3_000_i64, 0..3_000_i64, 0..3_000_i64)
            .prop_map(|(batch, loss, out_of_scope, remaining)| Step::Close { batch, loss, out_of_scope, remaining }),
        2 => (place.clone(), 0..3_usize).prop_map(|(lot, operation)| Step::Treat { lot, operation }),
        1 => place.clone().prop_map(|lot| Step::Release { lot }),
        1 => place.clone().prop_map(|lot| Step::Lose { lot }),
        1 => place.prop_map(|lot| Step::Find { lot }),
        4 => (0..256_usize, grams(), prop::bool::weighted(0.25))
            .prop_map(|(fact, grams, never)| Step::Correct { fact, grams, never }),
    ]
}

/// How many days ago something happened: most of it lately, some late, some too far out of order.
fn days_ago() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0_i64), 2 => 1..10_i64, 1 => 10..29_i64, 1 => 31..60_i64]
}

/// Something that was said, with the numbers that were read off a scale.
#[derive(Debug, Clone)]
enum Fact {
    BringIn { lot: usize, grams: i64 },
    Reweigh { lot: usize, grams: i64 },
    Merge { inputs: [usize; 2], lot: usize },
    Split { lot: usize, parts: [(usize, i64); 2] },
    Offer { lot: usize, to: usize },
    Accept { lot: usize, received: i64, refused: i64, back: usize },
    Open { batch: usize },
    Feed { batch: usize, lot: usize },
    Dismantle { batch: usize, lot: usize, grams: i64 },
    Close { batch: usize, loss: i64, out_of_scope: i64, remaining: Option<(usize, i64)> },
    Treat { lot: usize, account: &'static str },
    Release { lot: usize },
    Lose { lot: usize },
    Find { lot: usize },
}

/// A fact, who said it, when it happened, and in which words.
#[derive(Debug, Clone)]
struct Said {
    who: usize,
    day: i64,
    fact: Fact,
    kind: &'static str,
    fields: Value,
    entry: u64,
    never: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Offered(usize),
    Ended,
    Lost,
}

/// A lot as the model has it.
#[derive(Debug, Clone)]
struct Lot {
    /// 0 the collector's, 1 the centre's, 2 the smelter's; each has one site.
    holder: usize,
    grams: i64,
    /// Grams by the batch that they left; empty before dismantling.
    sources: BTreeMap<String, i64>,
    standing: Standing,
    last: i64,
}

#[derive(Debug, Clone)]
struct Batch {
    began: i64,
    last: i64,
    fed: bool,
    input: i64,
    left: i64,
    open: bool,
}

impl Batch {
    /// 2 % of what went in, at least 1 kg.
    fn band(&self) -> i64 {
        (self.input / 50).max(1_000)
    }
}

/// Grams by site and account, as anybody would keep them with a pencil.
#[derive(Debug, Clone, Default)]
struct World {
    lots: BTreeMap<usize, Lot>,
    batches: BTreeMap<usize, Batch>,
    accounts: BTreeMap<(usize, &'static str), i64>,
}

/// Another mass in the same proportion, by largest remainder.
fn apportion(parts: &[i64], to: i64) -> Vec<i64> {
    let total: i64 = parts.iter().sum();
    if total == 0 {
        return vec![0; parts.len()];
    }
    let exact: Vec<i128> = parts.iter().map(|part| i128::from(*part) * i128::from(to)).collect();
    let mut shares: Vec<i64> =
        exact.iter().map(|exact| i64::try_from(exact / i128::from(total)).expect("small")).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| -(exact[*at] % i128::from(total)));
    let missing = to - shares.iter().sum::<i64>();
    for at in order.into_iter().take(usize::try_from(missing).expect("small")) {
        shares[at] += 1;
    }
    shares
}

fn scaled(sources: &BTreeMap<String, i64>, to: i64) -> BTreeMap<String, i64> {
    let grams: Vec<i64> = sources.values().copied().collect();
    sources.keys().cloned().zip(apportion(&grams, to)).filter(|(_, grams)| *grams > 0).collect()
}

impl Lot {
    fn weighing(&self, grams: i64) -> Self {
        Self { grams, sources: scaled(&self.sources, grams), ..self.clone() }
    }

    fn parted(&self, grams: i64) -> (Self, Self) {
        let part = self.weighing(grams);
        let mut sources = self.sources.clone();
        for (source, taken) in &part.sources {
            *sources.get_mut(source).expect("a source") -= taken;
        }
        sources.retain(|_, grams| *grams > 0);
        (part, Self { grams: self.grams - grams, sources, ..self.clone() })
    }

    fn ended(&self, standing: Standing) -> Self {
        Self { grams: 0, sources: BTreeMap::new(), standing, ..self.clone() }
    }
}

impl World {
    fn book(&mut self, site: usize, account: &'static str, grams: i64) {
        *self.accounts.entry((site, account)).or_default() += grams;
    }

    /// A lot that somebody may speak of on a day; days count down to today.
    fn own(&self, who: usize, lot: usize, day: i64) -> Option<Lot> {
        let known = self.lots.get(&lot)?;
        let fits = known.holder == who && known.standing == Standing::Held && day >= known.last - WINDOW_DAYS;
        fits.then(|| Lot { last: known.last.max(day), ..known.clone() })
    }

    fn open_batch(&self, batch: usize, day: i64) -> Option<Batch> {
        let known = self.batches.get(&batch)?;
        let fits = known.open && day >= known.last - WINDOW_DAYS;
        fits.then(|| known.clone())
    }

    /// A lot ends in an account.
    fn end(&mut self, id: usize, lot: &Lot, account: &'static str, standing: Standing) {
        self.book(lot.holder, "live", -lot.grams);
        self.book(lot.holder, account, lot.grams);
        self.lots.insert(id, lot.ended(standing));
    }

    /// Adds one more fact up; `None` if it cannot stand.
    fn add(&mut self, said: &Said, names: &[String]) -> Option<()> {
        let (who, day) = (said.who, -said.day);
        match &said.fact {
            Fact::BringIn { lot, grams } => {
                self.book(who, "inflow", *grams);
                self.book(who, "live", *grams);
                let sources = BTreeMap::new();
                let new = Lot { holder: who, grams: *grams, sources, standing: Standing::Held, last: day };
                self.lots.insert(*lot, new);
            }
            Fact::Reweigh { lot, grams } => {
                let known = self.own(who, *lot, day)?;
                self.book(who, "reweighed", grams - known.grams);
                self.book(who, "live", grams - known.grams);
                self.lots.insert(*lot, known.weighing(*grams));
            }
            Fact::Merge { inputs, lot } => self.merge(who, day, *inputs, *lot)?,
            Fact::Split { lot, parts } => {
                let known = self.own(who, *lot, day)?;
                let stated: Vec<i64> = parts.iter().map(|(_, grams)| *grams).collect();
                let mut left = known.clone();
                for ((part, _), grams) in parts.iter().zip(apportion(&stated, known.grams)) {
                    let (child, rest) = left.parted(grams);
                    left = rest;
                    self.lots.insert(*part, child);
                }
                self.lots.insert(*lot, known.ended(Standing::Ended));
            }
            Fact::Offer { lot, to } => {
                let known = self.own(who, *lot, day)?;
                self.lots.insert(*lot, Lot { standing: Standing::Offered(*to), ..known });
            }
            Fact::Accept { lot, received, refused, back } => {
                self.accept(who, day, (*lot, *back), *received, *refused)?;
            }
            Fact::Open { batch } => {
                let new = Batch { began: day, last: day, fed: false, input: 0, left: 0, open: true };
                self.batches.insert(*batch, new);
            }
            Fact::Feed { batch, lot } => {
                let mut into = self.open_batch(*batch, day).filter(|into| day - into.began <= BATCH_DAYS)?;
                let known = self.own(who, *lot, day).filter(|known| known.sources.is_empty())?;
                (into.input, into.left, into.fed) = (into.input + known.grams, into.left + known.grams, true);
                into.last = into.last.max(self.lots[lot].last).max(day);
                self.batches.insert(*batch, into);
                self.lots.insert(*lot, known.ended(Standing::Ended));
            }
            Fact::Dismantle { batch, lot, grams } => {
                let mut from =
                    self.open_batch(*batch, day).filter(|from| from.fed && from.left - grams >= -from.band())?;
                from.left -= grams;
                let sources = BTreeMap::from([(names[*batch].clone(), *grams)]);
                let last = from.last.max(day);
                self.lots.insert(*lot, Lot { holder: who, grams: *grams, sources, standing: Standing::Held, last });
                self.batches.insert(*batch, Batch { last, ..from });
            }
            Fact::Close { batch, loss, out_of_scope, remaining } => {
                self.close(who, day, *batch, (*loss, *out_of_scope), *remaining)?;
            }
            Fact::Treat { lot, account } => {
                let known = self.own(who, *lot, day)?;
                self.end(*lot, &known, account, Standing::Ended);
            }
            Fact::Release { lot } => {
                let known = self.own(who, *lot, day)?;
                self.end(*lot, &known, "released", Standing::Ended);
            }
            Fact::Lose { lot } => {
                let known = self.own(who, *lot, day)?;
                self.book(who, "live", -known.grams);
                self.book(who, "lost", known.grams);
                self.lots.insert(*lot, Lot { standing: Standing::Lost, ..known });
            }
            Fact::Find { lot } => {
                let known = self.lots.get(lot)?.clone();
                let fits = known.holder == who && known.standing == Standing::Lost && day >= known.last - WINDOW_DAYS;
                let known = fits.then_some(known)?;
                self.book(who, "live", known.grams);
                self.book(who, "lost", -known.grams);
                self.lots.insert(*lot, Lot { standing: Standing::Held, last: known.last.max(day), ..known });
            }
        }
        Some(())
    }

    fn merge(&mut self, who: usize, day: i64, inputs: [usize; 2], lot: usize) -> Option<()> {
        let [first, second] = [self.own(who, inputs[0], day)?, self.own(who, inputs[1], day)?];
        if inputs[0] == inputs[1] || first.sources.is_empty() != second.sources.is_empty() {
            return None;
        }
        let mut sources = first.sources.clone();
        for (source, grams) in &second.sources {
            *sources.entry(source.clone()).or_default() += grams;
        }
        let (grams, last) = (first.grams + second.grams, first.last.max(second.last));
        self.lots.insert(lot, Lot { holder: who, grams, sources, standing: Standing::Held, last });
        self.lots.insert(inputs[0], first.ended(Standing::Ended));
        self.lots.insert(inputs[1], second.ended(Standing::Ended));
        Some(())
    }

    /// The receiver's weight counts. What is refused never left; what came more or less than sent is difference where it was
    /// found.
    fn accept(&mut self, who: usize, day: i64, (id, back): (usize, usize), received: i64, refused: i64) -> Option<()> {
        let lot = self.lots.get(&id)?.clone();
        if lot.standing != Standing::Offered(who) || day < lot.last - WINDOW_DAYS {
            return None;
        }
        let (from, sent, accepted) = (lot.holder, lot.grams, received - refused);
        let lot = Lot { standing: Standing::Held, last: lot.last.max(day), ..lot }.weighing(received);
        if accepted == 0 {
            self.book(from, "difference", refused - sent);
            self.book(from, "live", refused - sent);
            self.lots.insert(id, lot);
            return Some(());
        }
        let staying = refused.min(sent);
        let travelling = sent - staying;
        for (site, account, grams) in [
            (from, "departed", travelling),
            (who, "arrived", travelling),
            (from, "difference", refused - staying),
            (who, "difference", accepted - travelling),
            (from, "live", refused - sent),
            (who, "live", accepted),
        ] {
            self.book(site, account, grams);
        }
        let (taken, returned) = lot.parted(accepted);
        if refused > 0 {
            self.lots.insert(back, returned);
        }
        self.lots.insert(id, Lot { holder: who, ..taken });
        Some(())
    }

    fn close(
        &mut self,
        who: usize,
        day: i64,
        id: usize,
        (loss, out_of_scope): (i64, i64),
        remaining: Option<(usize, i64)>,
    ) -> Option<()> {
        let mut batch = self.open_batch(id, day)?;
        if let Some((lot, grams)) = remaining {
            batch.left -= grams;
            if !batch.fed || batch.left < -batch.band() || grams - batch.input > batch.band() {
                return None;
            }
            batch.input = (batch.input - grams).max(0);
            let last = batch.last.max(day);
            self.lots.insert(lot, Lot { holder: who, grams, sources: BTreeMap::new(), standing: Standing::Held, last });
        }
        for (account, grams) in [("loss", loss), ("out_of_scope", out_of_scope)] {
            batch.left -= grams;
            if batch.left < -batch.band() {
                return None;
            }
            self.book(who, account, grams);
            self.book(who, "live", -grams);
        }
        self.book(who, "difference", -batch.left);
        self.book(who, "live", -batch.left);
        self.batches.insert(id, Batch { left: 0, open: false, ..batch });
        Some(())
    }
}

fn estimated(grams: i64) -> Value {
    json!({"basis": "estimated", "net_g": grams})
}

/// One of some that fit, three times of four; else one of all.
fn chosen(all: &[usize], place: usize, fits: impl Fn(&usize) -> bool) -> Option<usize> {
    let fitting: Vec<usize> = all.iter().filter(|one| !place.is_multiple_of(4) && fits(one)).copied().collect();
    let of = if fitting.is_empty() { all } else { &fitting };
    Some(of[(place / 4).checked_rem(of.len())?])
}

/// When something happened so many days ago.
fn on(day: i64) -> String {
    let ms = NOON_MS - 3_600_000 - day * DAY_MS;
    chrono::DateTime::from_timestamp_millis(ms).expect("a time").format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The service, and the model beside it.
struct Twins<'a> {
    app: &'a TestApp,
    parties: [Party; 3],
    sites: [String; 3],
    auditor: Party,
    /// Ids of lots and batches.
    names: Vec<String>,
    lots: Vec<usize>,
    batches: Vec<usize>,
    said: Vec<Said>,
    world: World,
    happened: BTreeMap<&'static str, usize>,
}

impl<'a> Twins<'a> {
    fn new(app: &'a TestApp) -> Self {
        let parties = [app.join(&["collector"]), app.join(&["recycler"]), app.join(&["treater"])];
        let sites = [
            permitted_site(app, &parties[0], "CAFE", &["R13"]),
            permitted_site(app, &parties[1], "CTR1", &["R12"]),
            permitted_site(app, &parties[2], "FURN", &["R4", "D10"]),
        ];
        let (lots, batches) = (Vec::new(), Vec::new());
        let (names, said, world, happened) = (Vec::new(), Vec::new(), World::default(), BTreeMap::new());
        Self { app, parties, sites, auditor: app.join(&["auditor"]), names, lots, batches, said, world, happened }
    }

    fn name(&mut self) -> usize {
        self.names.push(new_id());
        self.names.len() - 1
    }

    fn new_lot(&mut self) -> usize {
        let lot = self.name();
        self.lots.push(lot);
        lot
    }

    /// A lot, and who has it; of one that never was, the centre.
    fn lot(&self, place: usize) -> Option<(usize, usize, i64)> {
        self.lot_that(place, |lot| lot.standing == Standing::Held)
    }

    /// Mostly one of which something can be said, and now and then any other.
    fn lot_that(&self, place: usize, fits: impl Fn(&Lot) -> bool) -> Option<(usize, usize, i64)> {
        let lot = chosen(&self.lots, place, |lot| self.world.lots.get(lot).is_some_and(&fits))?;
        let known = self.world.lots.get(&lot);
        Some((lot, known.map_or(1, |known| known.holder), known.map_or(1, |known| known.grams)))
    }

    fn batch(&self, place: usize) -> Option<usize> {
        chosen(&self.batches, place, |batch| self.world.batches.get(batch).is_some_and(|batch| batch.open))
    }

    /// Says a fact, and requires of the service what the model says of it.
    fn say(&mut self, who: usize, day: i64, fact: Fact, kind: &'static str, mut fields: Value) -> bool {
        fields["site"] = json!(self.sites[who]);
        let mut said = Said { who, day, fact, kind, fields, entry: 0, never: false };
        let mut world = self.world.clone();
        let expected = world.add(&said, &self.names).is_some();
        said.fields["occurred_at"] = json!(on(day));
        let answer = self.app.say(&self.parties[who], kind, &said.fields);
        assert_eq!(answer.status == 201, expected, "{said:?}: {}", answer.text);
        if expected {
            said.entry = answer.accepted();
            assert_eq!(answer.warnings().contains(&"late".to_owned()), day > WINDOW_DAYS);
            self.world = world;
            self.said.push(said);
            *self.happened.entry(kind).or_default() += 1;
        } else {
            *self.happened.entry("refused").or_default() += 1;
        }
        expected
    }

    fn bring_in(&mut self, who: usize, day: i64, kind: &'static str, grams: i64) {
        let lot = self.new_lot();
        let mut fields = json!({
            "item": self.names[lot], "class": "0303", "weight": estimated(grams),
            "arising": {"country": "XD", "month": "2026-09"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)},
        });
        match kind {
            "received" => fields["number"] = json!("WB-1"),
            _ => fields["kind"] = json!("lot"),
        }
        self.say(who, day, Fact::BringIn { lot, grams }, kind, fields);
    }

    fn take(&mut self, step: &Step, day: i64) -> Option<()> {
        match step {
            Step::Collect { grams } => self.bring_in(0, day, "collected", *grams),
            Step::Receive { grams } => self.bring_in(1, day, "received", *grams),
            Step::Reweigh { lot, grams } => {
                let (lot, who, _) = self.lot(*lot)?;
                let fields = json!({"item": self.names[lot], "weight": estimated(*grams), "reason": "measured"});
                self.say(who, day, Fact::Reweigh { lot, grams: *grams }, "reweighed", fields);
            }
            Step::Merge { one, other } => {
                let ((one, who, _), (other, ..)) = (self.lot(*one)?, self.lot(*other)?);
                let lot = self.new_lot();
                let fields = json!({"inputs": [self.names[one], self.names[other]], "lot": self.names[lot]});
                self.say(who, day, Fact::Merge { inputs: [one, other], lot }, "merged", fields);
            }
            Step::Split { lot, part } => {
                let (lot, who, grams) = self.lot(*lot)?;
                // A lot of a single gram is not split.
                let part = (grams * part / 100).max(1).min(grams - 1);
                (part > 0).then_some(())?;
                let parts = [(self.new_lot(), part), (self.new_lot(), grams - part)];
                let told = parts.map(|(lot, grams)| json!({"lot": self.names[lot], "net_g": grams}));
                let fields = json!({"lot": self.names[lot], "parts": told});
                self.say(who, day, Fact::Split { lot, parts }, "split", fields);
            }
            Step::HandOver { lot, received, refused } => self.hand_over(*lot, day, *received, *refused)?,
            Step::Open => {
                let batch = self.name();
                self.batches.push(batch);
                let fields = json!({"batch": self.names[batch]});
                self.say(1, day, Fact::Open { batch }, "batch_opened", fields);
            }
            Step::Feed { batch, lot } => {
                let fits = |lot: &Lot| lot.standing == Standing::Held && lot.holder == 1 && lot.sources.is_empty();
                let (batch, (lot, ..)) = (self.batch(*batch)?, self.lot_that(*lot, fits)?);
                let fields = json!({"batch": self.names[batch], "items": [self.names[lot]]});
                self.say(1, day, Fact::Feed { batch, lot }, "batch_fed", fields);
            }
            Step::Dismantle { batch, grams } => {
                let (batch, grams) = (self.batch(*batch)?, *grams);
                let lot = self.new_lot();
                let weight = estimated(grams);
                let fields =
                    json!({"batch": self.names[batch], "lot": self.names[lot], "fraction": "FE", "weight": weight});
                self.say(1, day, Fact::Dismantle { batch, lot, grams }, "dismantled", fields);
            }
            Step::Close { batch, loss, out_of_scope, remaining } => {
                let batch = self.batch(*batch)?;
                let mut fields = json!({"batch": self.names[batch], "loss_g": loss, "out_of_scope_g": out_of_scope});
                let remaining = (*remaining > 1_000).then(|| (self.new_lot(), *remaining));
                if let Some((lot, grams)) = remaining {
                    fields["remaining"] =
                        json!([{"lot": self.names[lot], "class": "0303", "weight": estimated(grams)}]);
                }
                let (loss, out_of_scope) = (*loss, *out_of_scope);
                self.say(1, day, Fact::Close { batch, loss, out_of_scope, remaining }, "batch_closed", fields);
            }
            Step::Treat { lot, operation } => {
                let (lot, who, grams) = self.lot(*lot)?;
                let (operation, account) =
                    [("R4", "recovered:R4"), ("D10", "disposed:D10"), ("R3", "recovered:R3")][*operation];
                // A collector treats nothing, which the model has no word for.
                (who > 0).then_some(())?;
                let fields = json!({"item": self.names[lot], "operation": operation, "net_g": grams});
                self.say(who, day, Fact::Treat { lot, account }, "treated_final", fields);
            }
            Step::Release { lot } => {
                let (lot, who, _) = self.lot(*lot)?;
                let fields = json!({"item": self.names[lot], "reason": "commodity_sale"});
                self.say(who, day, Fact::Release { lot }, "released", fields);
            }
            Step::Lose { lot } => {
                let (lot, who, _) = self.lot(*lot)?;
                self.say(who, day, Fact::Lose { lot }, "lost", json!({"item": self.names[lot], "cause": "missing"}));
            }
            Step::Find { lot } => {
                let (lot, who, _) = self.lot_that(*lot, |lot| lot.standing == Standing::Lost)?;
                self.say(who, day, Fact::Find { lot }, "found", json!({"item": self.names[lot]}));
            }
            Step::Correct { fact, grams, never } => self.correct(*fact, *grams, *never)?,
        }
        Some(())
    }

    /// The next in the chain takes the lot, weighs it, and refuses a part.
    fn hand_over(&mut self, place: usize, day: i64, received: i64, refused: i64) -> Option<()> {
        let (lot, who, grams) = self.lot(place)?;
        let to = Some(who + 1).filter(|to| *to < 3)?;
        let handover = new_id();
        let lots = json!([{"lot": self.names[lot], "sent_g": grams}]);
        let offer = json!({"handover": handover, "to": self.parties[to].id, "lots": lots});
        self.say(who, day, Fact::Offer { lot, to }, "handover_offered", offer).then_some(())?;
        let received = (grams * received / 100).max(1);
        let refused = (grams * refused / 100).min(received);
        let back = self.new_lot();
        let answer = self.answer(received, refused, back);
        let fields = json!({"handover": handover, "lots": [answer]});
        self.say(to, day, Fact::Accept { lot, received, refused, back }, "handover_accepted", fields);
        Some(())
    }

    fn answer(&self, received: i64, refused: i64, back: usize) -> Value {
        let accepted = received - refused;
        let mut answer = json!({"weight": estimated(received), "accepted_g": accepted, "refused_g": refused});
        if refused > 0 {
            answer["reason"] = json!("damaged");
        }
        if refused > 0 && accepted > 0 {
            answer["refused_as"] = json!(self.names[back]);
        }
        answer
    }

    /// A fact was otherwise, or never; or it was after all.
    fn correct(&mut self, place: usize, grams: i64, never: bool) -> Option<()> {
        let at = place.checked_rem(self.said.len())?;
        let before = self.said[at].clone();
        let mut right = Said { never, ..before.clone() };
        if never {
            (!before.never).then_some(())?;
        } else {
            let changed = self.weigh_again(&mut right, grams);
            (changed || before.never).then_some(())?;
        }
        let mut all = self.said.clone();
        all[at] = right.clone();
        let mut world = World::default();
        let stands = all.iter().filter(|said| !said.never).try_for_each(|said| world.add(said, &self.names)).is_some();
        if self.say_corrected(&before, &right, stands) {
            (self.said, self.world) = (all, world);
        }
        Some(())
    }

    /// Changes what a scale showed; whether there was one.
    fn weigh_again(&self, said: &mut Said, new: i64) -> bool {
        let before = said.fields.clone();
        match &mut said.fact {
            Fact::BringIn { grams, .. } | Fact::Reweigh { grams, .. } | Fact::Dismantle { grams, .. } => {
                *grams = new;
                said.fields["weight"] = estimated(new);
            }
            Fact::Accept { received, refused, back, .. } => {
                *received = new.max(*refused);
                said.fields["lots"] = json!([self.answer(*received, *refused, *back)]);
            }
            _ => {}
        }
        said.fields != before
    }

    /// Says a correction, with everybody's word that it needs; whether it came into effect, which it must if the model stands.
    fn say_corrected(&mut self, before: &Said, right: &Said, stands: bool) -> bool {
        let reason = if right.never { "did_not_occur" } else { "incorrect_data" };
        let mut fields = json!({"entry": before.entry, "reason": reason});
        if !right.never {
            let mut instead = right.fields.clone();
            instead["type"] = json!(right.kind);
            fields["instead"] = instead;
        }
        let author = self.parties[before.who].clone();
        let answer = self.app.say(&author, "corrected", &fields);
        if answer.status != 201 {
            // What the rules refuse of the right statement itself is refused at once.
            assert!(!stands, "{before:?} -> {right:?}: {}", answer.text);
            *self.happened.entry("correction refused").or_default() += 1;
            return false;
        }
        let correction = answer.accepted();
        let known = self.app.get(&format!("/v1/corrections/{correction}"), &self.app.operator.token).json();
        let status = known["status"].as_str().expect("a status");
        assert_eq!(status != "review", stands, "{before:?} -> {right:?}: {known}");
        *self.happened.entry(if stands { "corrected" } else { "correction blocked" }).or_default() += 1;
        if !stands {
            self.app.say(&author, "correction_disputed", &json!({"correction": correction})).accepted();
            return false;
        }
        if status == "open" {
            let asked: Vec<&str> =
                known["counterparties"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            let word = json!({"correction": correction});
            for party in self.parties.iter().filter(|party| asked.contains(&party.id.as_str())) {
                self.app.say(party, "correction_confirmed", &word).accepted();
            }
            if asked.is_empty() {
                self.app.say(&self.auditor, "correction_confirmed", &word).accepted();
            }
        }
        let known = self.app.get(&format!("/v1/corrections/{correction}"), &self.app.operator.token).json();
        assert_eq!(known["status"], "in_effect", "{before:?} -> {right:?}");
        true
    }

    /// Every gram is where the model has it, and comes from where the model has it.
    fn compare(&self) {
        for id in &self.lots {
            let answer = self.app.get(&format!("/v1/items/{}", self.names[*id]), &self.app.operator.token);
            let Some(lot) = self.world.lots.get(id) else {
                assert!(answer.status == 404 || answer.json()["grams"] == 0, "{id} never was: {}", answer.text);
                continue;
            };
            let item = answer.json();
            let is_gone = lot.standing == Standing::Lost;
            assert_eq!(item["grams"], if is_gone { 0 } else { lot.grams }, "{id} {lot:?}: {item}");
            let sources: BTreeMap<String, i64> = item["sources"]
                .as_array()
                .expect("sources")
                .iter()
                .map(|share| {
                    (share["source"].as_str().expect("a source").to_owned(), share["grams"].as_i64().expect("grams"))
                })
                .filter(|(source, _)| !source.contains('/'))
                .collect();
            assert_eq!(sources, lot.sources, "{id} {lot:?}");
        }
        for site in 0..3 {
            let path = format!("/v1/balance?site={}", self.sites[site]);
            let balance = self.app.get(&path, &self.parties[site].token).json();
            assert_eq!(balance["closes"], true);
            let told: BTreeMap<String, i64> =
                serde_json::from_value(balance["accounts_g"].clone()).expect("grams by account");
            let mine = self.world.accounts.iter().filter(|((at, _), _)| *at == site);
            let mine: BTreeMap<String, i64> =
                mine.map(|((_, account), grams)| ((*account).to_owned(), *grams)).collect();
            let nonzero = |accounts: BTreeMap<String, i64>| -> BTreeMap<String, i64> {
                accounts.into_iter().filter(|(_, grams)| *grams != 0).collect()
            };
            assert_eq!(nonzero(told), nonzero(mine), "site {site}");
        }
    }

    /// The identities of every site and of all, after each step.
    fn require_closed_accounts(&self) {
        let balance = self.app.get("/v1/balance", &self.app.operator.token).json();
        assert_eq!(balance["closes"], true);
        let sum = |account: &str| -> i64 {
            self.world.accounts.iter().filter(|((_, name), _)| *name == account).map(|(_, grams)| grams).sum()
        };
        for account in ["inflow", "live", "reweighed", "difference", "recovered:R4"] {
            assert_eq!(balance["accounts_g"][account].as_i64().unwrap_or(0), sum(account), "{account}");
        }
        let lots = self.world.lots.values().filter(|lot| lot.standing != Standing::Lost).map(|lot| lot.grams);
        let batches = self.world.batches.values().map(|batch| batch.left);
        assert_eq!(lots.chain(batches).sum::<i64>(), sum("live"), "lots and open batches are the live mass");
    }
}

fn run(kind: Kind, steps: &[(Step, i64)]) -> BTreeMap<&'static str, usize> {
    let app = TestApp::start(kind);
    let mut twins = Twins::new(&app);
    for (number, (step, day)) in steps.iter().enumerate() {
        let _ = twins.take(step, *day);
        twins.require_closed_accounts();
        if number % 20 == 0 {
            twins.compare();
        }
    }
    twins.compare();
    twins.happened
}

#[test]
fn every_gram_is_where_a_naive_model_has_it() {
    let all = [
        "collected",
        "received",
        "reweighed",
        "merged",
        "split",
        "handover_offered",
        "handover_accepted",
        "batch_opened",
        "batch_fed",
        "dismantled",
        "batch_closed",
        "treated_final",
        "released",
        "lost",
        "found",
        "refused",
        "corrected",
        "correction blocked",
    ];
    let steps = prop::collection::vec((step(), days_ago()), 40..120);
    every_case(&steps, (24, 5), |kind, steps| run(kind, steps), (&all, 5));
}
