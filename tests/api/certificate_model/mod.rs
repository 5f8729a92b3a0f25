//! Certificates against a naive model: whatever is treated, issued, split, sold, corrected, found, withdrawn, frozen, replaced or
//! retired at random at two sites, every unit is where the model has it, the sum rule holds, and no gram backs two living units.
//!
//! `model` is what is known without asking, `cover` what of it covers errors; `making`, `trading`, `overseeing` and `replacing` take a step on both sides and compare
//! the answers; `checks` compares what stands after each step.

mod checks;
mod cover;
mod making;
mod model;
mod overseeing;
mod replacing;
mod trading;

use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp};
use crate::modelling::{Happened, every_case};
use crate::story::{Story, permitted_site};
use model::{Block, Model, Reason};
use proptest::prelude::*;
use std::sync::atomic::Ordering;

/// What is tried next; places are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Treat { site: usize, grams: i64 },
    TreatTwo { site: usize, alone: i64, joined: [i64; 2] },
    Issue { site: usize, units: i64, second: bool },
    Countersign { block: usize },
    Split { block: usize, at: i64 },
    Transfer { block: usize, to: usize },
    Retire { block: usize },
    Cancel { block: usize },
    Freeze { block: usize, by_auditor: bool, for_fraud: bool },
    Unfreeze { block: usize, by_auditor: bool },
    Withdraw { block: usize, part: (i64, i64), reason: Reason, second: bool },
    Correct { batch: usize, less: i64 },
    Find { treatment: usize },
    Clear { by_entry: bool },
    Replace { block: usize, from: usize },
    Pass { days: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..256_usize;
    // Most happens at the first site, the other is there to give.
    let site = || prop_oneof![3 => Just(0_usize), 1 => Just(1_usize)];
    let reason = prop_oneof![3 => Just(Reason::Error), 2 => Just(Reason::NotEligible), 1 => Just(Reason::Fraud)];
    let seldom = || prop::bool::weighted(0.2);
    // The scale may also have shown more; what did not come out then was lost, within the band.
    let less = prop_oneof![1 => Just(0), 2 => 0..1_000_i64, 1 => -900..0_i64];
    prop_oneof![
        5 => (site(), 5_000..30_000_i64).prop_map(|(site, grams)| Step::Treat { site, grams }),
        3 => (site(), 1_000..9_000_i64, [2_000..12_000_i64, 2_000..12_000_i64])
            .prop_map(|(site, alone, joined)| Step::TreatTwo { site, alone, joined }),
        16 => (site(), 1..40_i64, seldom()).prop_map(|(site, units, second)| Step::Issue { site, units, second }),
        8 => place().prop_map(|block| Step::Countersign { block }),
        10 => (place(), 1..40_i64).prop_map(|(block, at)| Step::Split { block, at }),
        10 => (place(), 0..3_usize).prop_map(|(block, to)| Step::Transfer { block, to }),
        5 => place().prop_map(|block| Step::Retire { block }),
        4 => place().prop_map(|block| Step::Cancel { block }),
        6 => (place(), any::<bool>(), any::<bool>())
            .prop_map(|(block, by_auditor, for_fraud)| Step::Freeze { block, by_auditor, for_fraud }),
        10 => (place(), any::<bool>()).prop_map(|(block, by_auditor)| Step::Unfreeze { block, by_auditor }),
        14 => (place(), (0..40_i64, 0..40_i64), reason, seldom())
            .prop_map(|(block, part, reason, second)| Step::Withdraw { block, part, reason, second }),
        12 => (place(), less).prop_map(|(batch, less)| Step::Correct { batch, less }),
        2 => place().prop_map(|treatment| Step::Find { treatment }),
        6 => any::<bool>().prop_map(|by_entry| Step::Clear { by_entry }),
        26 => (place(), 0..6_usize).prop_map(|(block, from)| Step::Replace { block, from }),
        3 => (30..400_i64).prop_map(|days| Step::Pass { days }),
    ]
}

/// The service beside the model.
struct Run<'a> {
    /// The same people at each of two sites of one centre.
    stories: [Story<'a>; 2],
    /// The centre, and two buyers.
    parties: [Party; 3],
    /// Clears what the stories' auditor found, by the finding's entry.
    second_auditor: Party,
    model: Model,
    happened: Happened,
}

impl<'a> Run<'a> {
    fn begin(app: &'a TestApp) -> Self {
        let first = Story::begin(app);
        let site = permitted_site(app, &first.centre, "CTR2", &["R12", "R13"]);
        let second = Story { centre_scale: app.scale(&site), centre_site: site, ..Story::beside(&first) };
        second.audit(&second.centre_site, "2026-10-01", "conforms").accepted();
        let parties = [first.centre.clone(), app.join(&["buyer"]), app.join(&["buyer"])];
        let (second_auditor, model) = (app.join(&["auditor"]), Model::default());
        Self { stories: [first, second], parties, second_auditor, model, happened: Happened::new() }
    }

    fn app(&self) -> &'a TestApp {
        self.stories[0].app
    }

    fn now_ms(&self) -> i64 {
        self.app().now_ms.load(Ordering::SeqCst)
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

    /// A block, most often one that lives.
    fn block(&self, place: usize) -> Option<Block> {
        let may_be = |block: &&Block| place.is_multiple_of(8) || self.model.first_of(**block).lives();
        let blocks: Vec<Block> = self.model.blocks.iter().filter(may_be).copied().collect();
        (!blocks.is_empty()).then(|| blocks[place % blocks.len()])
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Treat { site, grams } => self.treat(site, grams),
            Step::TreatTwo { site, alone, joined } => self.treat_two(site, alone, joined),
            Step::Issue { site, units, second } => self.issue(site, units, second),
            Step::Countersign { block } => self.countersign(block),
            Step::Split { block, at } => self.split(block, at),
            Step::Transfer { block, to } => self.transfer(block, to),
            Step::Retire { block } => self.end(block, true),
            Step::Cancel { block } => self.end(block, false),
            Step::Freeze { block, by_auditor, for_fraud } => self.freeze(block, by_auditor, for_fraud),
            Step::Unfreeze { block, by_auditor } => self.unfreeze(block, by_auditor),
            Step::Withdraw { block, part, reason, second } => self.withdraw(block, part, reason, second),
            Step::Correct { batch, less } => self.correct(batch, less),
            Step::Find { treatment } => self.find(treatment),
            Step::Clear { by_entry } => self.clear(by_entry),
            Step::Replace { block, from } => self.replace(block, from),
            Step::Pass { days } => self.pass(days),
        }
        self.model.look_again(self.now_ms());
        self.require_disjoint();
        self.require_sums();
        self.require_sum_rule();
    }

    /// Time goes by; everybody gets a new token, as old ones expire.
    fn pass(&mut self, days: i64) {
        let app = self.app();
        app.now_ms.fetch_add(days * 86_400_000, Ordering::SeqCst);
        self.stories.iter_mut().for_each(Story::renew_tokens);
        for party in self.parties.iter_mut().chain([&mut self.second_auditor]) {
            party.renew_token(app);
        }
        self.count("passed");
    }
}

/// Takes all steps against a service; gives what happened how often.
fn run(kind: Kind, steps: &[Step]) -> Happened {
    let app = TestApp::start(kind);
    let mut run = Run::begin(&app);
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
        "treated two",
        "issued",
        "issued in part",
        "in deficit",
        "countersigned",
        "split",
        "transferred",
        "retired",
        "cancelled",
        "frozen",
        "frozen for fraud",
        "unfrozen",
        "withdrawn",
        "withdrawn in error",
        "withdrawn for fraud",
        "withdrawn in part",
        "corrected",
        "found",
        "cleared",
        "replaced",
        "replaced from elsewhere",
        "unbacked",
        "expired",
        "refused",
        "passed",
    ];
    let steps = prop::collection::vec(step(), 250..350);
    every_case(&steps, (2, 10), |kind, steps| run(kind, steps), (&all, 1));
}
