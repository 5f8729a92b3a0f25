//! The mass rule against a naive model: whatever is said at random, every gram is where the model has it, at each site and
//! in total, all along the way.

use crate::harness::{Kind, Party, TestApp, new_id, postgres_is_here};
use crate::story::permitted_site;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is tried next; places are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Collect { grams: i64 },
    Receive { grams: i64 },
    Reweigh { item: usize, grams: i64 },
    Merge { one: usize, other: usize },
    Split { item: usize, part: i64 },
    HandOver { item: usize, received: i64, refused: i64 },
    Open,
    Feed { batch: usize, item: usize },
    Dismantle { batch: usize, grams: i64 },
    Close { batch: usize, loss: i64, out_of_scope: i64, remaining: i64 },
    Treat { item: usize, operation: usize },
    Release { item: usize },
    Lose { item: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0..64_usize;
    let grams = || prop_oneof![1..5_000_i64, 5_000..400_000_i64];
    prop_oneof![
        1 => grams().prop_map(|grams| Step::Collect { grams }),
        3 => grams().prop_map(|grams| Step::Receive { grams }),
        1 => (place.clone(), grams()).prop_map(|(item, grams)| Step::Reweigh { item, grams }),
        2 => (place.clone(), place.clone()).prop_map(|(one, other)| Step::Merge { one, other }),
        1 => (place.clone(), 1..100_i64).prop_map(|(item, part)| Step::Split { item, part }),
        3 => (place.clone(), 0..130_i64, 0..130_i64).prop_map(|(item, received, refused)| Step::HandOver { item, received, refused }),
        2 => Just(Step::Open),
        4 => (place.clone(), place.clone()).prop_map(|(batch, item)| Step::Feed { batch, item }),
        4 => (place.clone(), grams()).prop_map(|(batch, grams)| Step::Dismantle { batch, grams }),
        1 => (place.clone(), 0..3_000_i64, 0..3_000_i64, 0..3_000_i64)
            .prop_map(|(batch, loss, out_of_scope, remaining)| Step::Close { batch, loss, out_of_scope, remaining }),
        2 => (place.clone(), 0..3_usize).prop_map(|(item, operation)| Step::Treat { item, operation }),
        1 => place.clone().prop_map(|item| Step::Release { item }),
        1 => place.prop_map(|item| Step::Lose { item }),
    ]
}

/// A lot as the model has it.
#[derive(Debug, Clone)]
struct Lot {
    id: String,
    /// 0 the collector's, 1 the centre's, 2 the smelter's.
    holder: usize,
    site: usize,
    grams: i64,
    /// The batch that it left.
    batch: Option<usize>,
    live: bool,
}

#[derive(Debug, Clone)]
struct Batch {
    id: String,
    input: i64,
    left: i64,
    open: bool,
}

/// Grams by site and account, as anybody would keep them with a pencil.
struct Model<'a> {
    app: &'a TestApp,
    parties: [Party; 3],
    sites: [String; 3],
    lots: Vec<Lot>,
    batches: Vec<Batch>,
    accounts: BTreeMap<(usize, &'static str), i64>,
    accepted: BTreeMap<&'static str, usize>,
}

fn estimated(grams: i64) -> Value {
    json!({"basis": "estimated", "net_g": grams})
}

impl<'a> Model<'a> {
    fn new(app: &'a TestApp) -> Self {
        let parties = [app.join(&["collector"]), app.join(&["recycler"]), app.join(&["treater"])];
        let sites = [
            permitted_site(app, &parties[0], "CAFE", &["R13"]),
            permitted_site(app, &parties[1], "CTR1", &["R12"]),
            permitted_site(app, &parties[2], "FURN", &["R4", "D10"]),
        ];
        let (lots, batches) = (Vec::new(), Vec::new());
        Self { app, parties, sites, lots, batches, accounts: BTreeMap::new(), accepted: BTreeMap::new() }
    }

    fn book(&mut self, site: usize, account: &'static str, grams: i64) {
        *self.accounts.entry((site, account)).or_default() += grams;
    }

    /// Says it, and requires what the model expects.
    fn say(&mut self, who: usize, kind: &'static str, mut fields: Value, expected: bool) -> bool {
        fields["site"] = json!(self.sites[who]);
        let answer = self.app.say(&self.parties[who], kind, &fields);
        assert_eq!(answer.status == 201, expected, "{kind} {fields}: {}", answer.text);
        if expected {
            *self.accepted.entry(kind).or_default() += 1;
        }
        expected
    }

    fn add(&mut self, holder: usize, grams: i64, batch: Option<usize>, id: String) {
        self.lots.push(Lot { id, holder, site: holder, grams, batch, live: true });
    }

    fn lot(&self, place: usize) -> Option<(usize, Lot)> {
        let at = place.checked_rem(self.lots.len())?;
        Some((at, self.lots[at].clone()))
    }

    fn bring_in(&mut self, who: usize, kind: &'static str, grams: i64) {
        let id = new_id();
        let mut fields = json!({
            "item": id, "class": "0303", "weight": estimated(grams), "arising": {"country": "XD", "month": "2026-10"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)},
        });
        match kind {
            "received" => fields["number"] = json!("WB-1"),
            _ => fields["kind"] = json!("lot"),
        }
        self.say(who, kind, fields, true);
        self.add(who, grams, None, id);
        self.book(who, "inflow", grams);
        self.book(who, "live", grams);
    }

    /// An item ends in an account.
    fn end(&mut self, at: usize, account: &'static str) {
        let lot = &mut self.lots[at];
        lot.live = false;
        let (site, grams) = (lot.site, std::mem::take(&mut lot.grams));
        self.book(site, "live", -grams);
        self.book(site, account, grams);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Collect { grams } => self.bring_in(0, "collected", *grams),
            Step::Receive { grams } => self.bring_in(1, "received", *grams),
            Step::Reweigh { item, grams } => {
                let Some((at, lot)) = self.lot(*item) else { return };
                let fields = json!({"item": lot.id, "weight": estimated(*grams), "reason": "measured"});
                if self.say(lot.holder, "reweighed", fields, lot.live) {
                    self.book(lot.site, "reweighed", grams - lot.grams);
                    self.book(lot.site, "live", grams - lot.grams);
                    self.lots[at].grams = *grams;
                }
            }
            Step::Merge { one, other } => self.merge(*one, *other),
            Step::Split { item, part } => {
                let Some((at, lot)) = self.lot(*item) else { return };
                let part = (lot.grams * part / 100).max(1);
                let ids = [new_id(), new_id()];
                let fields = json!({"lot": lot.id, "parts": [
                    {"lot": ids[0], "net_g": part}, {"lot": ids[1], "net_g": (lot.grams - part).max(0)},
                ]});
                if self.say(lot.holder, "split", fields, lot.live && part < lot.grams) {
                    self.lots[at].live = false;
                    self.lots[at].grams = 0;
                    for (id, grams) in ids.into_iter().zip([part, lot.grams - part]) {
                        self.lots.push(Lot { id, grams, ..lot.clone() });
                    }
                }
            }
            Step::HandOver { item, received, refused } => self.hand_over(*item, *received, *refused),
            Step::Open => {
                let id = new_id();
                self.say(1, "batch_opened", json!({"batch": id}), true);
                self.batches.push(Batch { id, input: 0, left: 0, open: true });
            }
            Step::Feed { batch, item } => {
                let (Some(place), Some((at, lot))) = (batch.checked_rem(self.batches.len()), self.lot(*item)) else {
                    return;
                };
                let into = self.batches[place].clone();
                let fields = json!({"batch": into.id, "items": [lot.id]});
                let fits = into.open && lot.live && lot.holder == 1 && lot.batch.is_none();
                if self.say(1, "batch_fed", fields, fits) {
                    self.batches[place].input += lot.grams;
                    self.batches[place].left += lot.grams;
                    self.lots[at].live = false;
                    self.lots[at].grams = 0;
                }
            }
            Step::Dismantle { batch, grams } => {
                let Some(place) = batch.checked_rem(self.batches.len()) else { return };
                let from = self.batches[place].clone();
                let id = new_id();
                let fields = json!({"batch": from.id, "lot": id, "fraction": "FE", "weight": estimated(*grams)});
                let fits = from.open && from.input > 0 && from.left - grams >= -from.band();
                if self.say(1, "dismantled", fields, fits) {
                    self.batches[place].left -= grams;
                    self.add(1, *grams, Some(place), id);
                }
            }
            Step::Close { batch, loss, out_of_scope, remaining } => {
                self.close(*batch, *loss, *out_of_scope, *remaining);
            }
            Step::Treat { item, operation } => {
                let Some((at, lot)) = self.lot(*item) else { return };
                let (operation, account) = [("R4", "recovered:R4"), ("D10", "disposed:D10"), ("R12", "")][*operation];
                let fields = json!({"item": lot.id, "operation": operation, "net_g": lot.grams});
                let fits = lot.live && lot.holder > 0 && operation != "R12";
                if self.say(lot.holder, "treated_final", fields, fits) {
                    self.end(at, account);
                }
            }
            Step::Release { item } => {
                let Some((at, lot)) = self.lot(*item) else { return };
                if self.say(lot.holder, "released", json!({"item": lot.id, "reason": "commodity_sale"}), lot.live) {
                    self.end(at, "released");
                }
            }
            Step::Lose { item } => {
                let Some((at, lot)) = self.lot(*item) else { return };
                if self.say(lot.holder, "lost", json!({"item": lot.id, "cause": "missing"}), lot.live) {
                    self.end(at, "lost");
                }
            }
        }
    }

    fn merge(&mut self, one: usize, other: usize) {
        let (Some((at, first)), Some((and, second))) = (self.lot(one), self.lot(other)) else { return };
        let id = new_id();
        let fields = json!({"inputs": [first.id, second.id], "lot": id});
        let fits = at != and
            && first.live
            && second.live
            && first.holder == second.holder
            && first.batch.is_some() == second.batch.is_some();
        if self.say(first.holder, "merged", fields, fits) {
            for at in [at, and] {
                self.lots[at].live = false;
                self.lots[at].grams = 0;
            }
            self.add(first.holder, first.grams + second.grams, first.batch, id);
        }
    }

    /// The next in the chain takes the lot, weighs it, and refuses a part.
    fn hand_over(&mut self, item: usize, received: i64, refused: i64) {
        let Some((at, lot)) = self.lot(item) else { return };
        let Some(to) = Some(lot.holder + 1).filter(|to| *to < 3) else { return };
        let (handover, back) = (new_id(), new_id());
        let offer =
            json!({"handover": handover, "to": self.parties[to].id, "lots": [{"lot": lot.id, "sent_g": lot.grams}]});
        if !self.say(lot.holder, "handover_offered", offer, lot.live) {
            return;
        }
        let received = (lot.grams * received / 100).max(1);
        let refused = (lot.grams * refused / 100).min(received);
        let accepted = received - refused;
        let mut answer = json!({"weight": estimated(received), "accepted_g": accepted, "refused_g": refused});
        if refused > 0 {
            answer["reason"] = json!("damaged");
        }
        if refused > 0 && accepted > 0 {
            answer["refused_as"] = json!(back);
        }
        self.say(to, "handover_accepted", json!({"handover": handover, "lots": [answer]}), true);
        if accepted == 0 {
            self.book(lot.site, "difference", refused - lot.grams);
            self.book(lot.site, "live", refused - lot.grams);
            self.lots[at].grams = refused;
            return;
        }
        // What is refused never left; what came more or less than sent is difference where it was found.
        let staying = refused.min(lot.grams);
        let travelling = lot.grams - staying;
        for (site, account, grams) in [
            (lot.site, "departed", travelling),
            (to, "arrived", travelling),
            (lot.site, "difference", refused - staying),
            (to, "difference", accepted - travelling),
            (lot.site, "live", refused - lot.grams),
            (to, "live", accepted),
        ] {
            self.book(site, account, grams);
        }
        self.lots[at] = Lot { holder: to, site: to, grams: accepted, ..lot.clone() };
        if refused > 0 {
            self.lots.push(Lot { id: back, grams: refused, ..lot });
        }
    }

    fn close(&mut self, batch: usize, loss: i64, out_of_scope: i64, remaining: i64) {
        let Some(place) = batch.checked_rem(self.batches.len()) else { return };
        let from = self.batches[place].clone();
        let stays = remaining.min(from.left.max(0));
        let kept = new_id();
        let mut fields = json!({"batch": from.id, "loss_g": loss, "out_of_scope_g": out_of_scope});
        if stays > 0 {
            fields["remaining"] = json!([{"lot": kept, "class": "0303", "weight": estimated(stays)}]);
        }
        let input = from.input - stays;
        let after = Batch { input, ..from.clone() };
        let left = from.left - stays - loss;
        let fits = from.open && left >= -after.band() && left - out_of_scope >= -after.band();
        if !self.say(1, "batch_closed", fields, fits) {
            return;
        }
        self.batches[place].open = false;
        self.batches[place].left = 0;
        if stays > 0 {
            self.add(1, stays, None, kept);
        }
        let rest = left - out_of_scope;
        for (account, grams) in [("loss", loss), ("out_of_scope", out_of_scope), ("difference", -rest)] {
            self.book(1, account, grams);
        }
        self.book(1, "live", -loss - out_of_scope - rest);
    }

    /// Every gram is where the model has it.
    fn compare(&self) {
        for lot in &self.lots {
            let item = self.app.get(&format!("/v1/items/{}", lot.id), &self.app.operator.token).json();
            assert_eq!(item["grams"], lot.grams, "{lot:?}");
        }
        for site in 0..3 {
            let path = format!("/v1/balance?site={}", self.sites[site]);
            let balance = self.app.get(&path, &self.parties[site].token).json();
            assert_eq!(balance["closes"], true);
            let told: BTreeMap<String, i64> =
                serde_json::from_value(balance["accounts_g"].clone()).expect("grams by account");
            let mine = self.accounts.iter().filter(|((at, _), _)| *at == site);
            let mine: BTreeMap<String, i64> =
                mine.map(|((_, account), grams)| ((*account).to_owned(), *grams)).collect();
            let nonzero = |accounts: BTreeMap<String, i64>| -> BTreeMap<String, i64> {
                accounts.into_iter().filter(|(_, grams)| *grams != 0).collect()
            };
            assert_eq!(nonzero(told), nonzero(mine), "site {site}");
        }
        let items: i64 = self.lots.iter().map(|lot| lot.grams).sum();
        let batches: i64 = self.batches.iter().map(|batch| batch.left).sum();
        let live: i64 =
            self.accounts.iter().filter(|((_, account), _)| *account == "live").map(|(_, grams)| grams).sum();
        assert_eq!(items + batches, live, "items and open batches are the live mass");
    }
}

impl Batch {
    /// 2 % of what went in, at least 1 kg.
    fn band(&self) -> i64 {
        (self.input / 50).max(1_000)
    }
}

fn run(kind: Kind, steps: &[Step]) -> BTreeMap<&'static str, usize> {
    let app = TestApp::start(kind);
    let mut model = Model::new(&app);
    for (number, step) in steps.iter().enumerate() {
        model.take(step);
        if number % 20 == 0 {
            model.compare();
        }
    }
    model.compare();
    model.accepted
}

#[test]
fn every_gram_is_where_a_naive_model_has_it() {
    let kinds: &[Kind] = if postgres_is_here() { &[Kind::Sqlite, Kind::Postgres] } else { &[Kind::Sqlite] };
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]));
    let total = std::cell::RefCell::new(BTreeMap::<&str, usize>::new());
    let outcome = runner.run(&prop::collection::vec(step(), 40..120), |steps| {
        for kind in kinds {
            for (event, count) in run(*kind, &steps) {
                *total.borrow_mut().entry(event).or_default() += count;
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let total = total.into_inner();
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
    ];
    for event in all {
        assert!(total.get(event).is_some_and(|count| *count > 5), "{event} hardly happened: {total:?}");
    }
}
