//! What classes should hold: how much of it a batch must give, what a receipt may count missing, and what a bundle shows of it.

use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{Kind, TestApp, both_databases, new_id, signed};
use crate::long_ways::{bundle, valid};
use crate::signals::with;
use crate::story::Story;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::entry::Entry;
use loopledger::proof::statement::Unverified;
use serde_json::{Value, json};

/// What a verifier says that it could not check.
const UNCHECKED: &str = "that batteries, boards, backlights and toner of the equipment came out of the batches";

pub fn is_unchecked(bundle: &Bundle) -> bool {
    valid(bundle).not_shown.iter().any(|words| words.starts_with(UNCHECKED))
}

/// The bundle without the statements that take a fraction out of a batch.
pub fn without(bundle: &Bundle, fraction: &str) -> Bundle {
    let takes_out = |bytes: &[u8]| {
        let entry = Entry::parse(bytes).expect("an entry");
        let said = Unverified::read(&entry.statement).expect("a statement").statement;
        matches!(&said.event, loopledger::domain::event::Event::Dismantled(event) if event.fraction.as_str() == fraction)
    };
    let mut less = bundle.clone();
    less.entries.retain(|entry| !takes_out(&entry.bytes));
    assert!(less.entries.len() < bundle.entries.len(), "no {fraction} is shown");
    less
}

impl Story<'_> {
    /// So many grams of laptops, of whose pieces receipts counted the batteries of so many missing, and no boards.
    pub fn laptops(&self, grams: i64, pieces: i64, without: i64) -> String {
        let lot = new_id();
        let missing: Vec<Value> = [("batteries", without)]
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(part, count)| json!({"part": part, "count": count}))
            .collect();
        let counted = json!({"pieces": pieces, "missing": missing});
        self.at_centre("received", with(self.receipt(&lot, &self.weighed(grams)), &counted)).accepted();
        lot
    }

    /// Some lots are dismantled into batteries, boards and steel; gives the treatment of the steel.
    pub fn dismantle(&self, lots: &[String], batteries_g: i64, boards_g: i64, steel_g: i64) -> u64 {
        let batch = new_id();
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": lots})).accepted();
        let steel = self.fraction(&batch, "FE", steel_g);
        if batteries_g > 0 {
            self.fraction(&batch, "BAT_LI", batteries_g);
        }
        let boards = self.fraction(&batch, "PWB_HIGH", boards_g);
        self.send(&boards, boards_g, boards_g);
        self.send(&steel, steel_g, steel_g);
        let treatment = self.treat(&steel, steel_g);
        self.close(&batch).accepted();
        treatment
    }
}

both_databases! {
    /// A gram of batteries for a tonne of laptops says that the others went somewhere else: a share is asked, to the gram.
    fn a_share_is_asked(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let laptops = || vec![story.laptops(100_000, 40, 0)];
        story.is_eligible(story.dismantle(&laptops(), 500, 9_500, 90_000), 90_000);
        story.lacks(story.dismantle(&laptops(), 499, 9_500, 90_000), "parts_not_accounted_for");
        story.lacks(story.dismantle(&laptops(), 9_000, 499, 90_000), "parts_not_accounted_for");
    }

    /// What pieces came without is left out of the share, also in parts and mixtures of lots, and of what remained.
    fn what_pieces_came_without(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let mostly_robbed = || vec![story.laptops(90_000, 30, 29)];
        story.is_eligible(story.dismantle(&mostly_robbed(), 15, 9_000, 80_000), 80_000);
        story.lacks(story.dismantle(&mostly_robbed(), 14, 9_000, 80_000), "parts_not_accounted_for");
        // A robbed lot and a whole one, mixed and parted: half of each part may hold batteries.
        let mixed = || {
            let (cage, parts) = (new_id(), [new_id(), new_id()]);
            let lots = [story.laptops(50_000, 20, 20), story.laptops(50_000, 20, 0)];
            story.at_centre("merged", json!({"inputs": lots, "lot": cage})).accepted();
            let split = json!([{"lot": parts[0], "net_g": 90_000}, {"lot": parts[1], "net_g": 10_000}]);
            story.at_centre("split", json!({"lot": cage, "parts": split})).accepted();
            vec![parts[0].clone()]
        };
        story.is_eligible(story.dismantle(&mixed(), 225, 8_000, 81_000), 81_000);
        story.lacks(story.dismantle(&mixed(), 224, 8_000, 81_000), "parts_not_accounted_for");
        // Half of a batch remains; of the other half the share is asked.
        let (batch, lot) = (new_id(), story.laptops(100_000, 40, 20));
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel = story.fraction(&batch, "FE", 49_625);
        story.fraction(&batch, "BAT_LI", 125);
        let boards = story.fraction(&batch, "PWB_LOW", 250);
        story.send(&boards, 250, 250);
        story.send(&steel, 49_625, 49_625);
        let treatment = story.treat(&steel, 49_625);
        let rest = new_id();
        story.at_centre("batch_closed", json!({
            "batch": batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none",
            "remaining": [{"lot": rest, "class": "0303", "weight": story.weighed(50_000)}],
        })).accepted();
        story.is_eligible(treatment, 49_625);
        // What remained is as it came.
        story.is_eligible(story.dismantle(std::slice::from_ref(&rest), 125, 4_875, 45_000), 45_000);
        // Offline it adds up the same.
        let serial = story.issue(None);
        let shown = bundle(&story, &serial);
        assert_eq!((valid(&shown).certificate.units, is_unchecked(&shown)), (247, false));
    }

    /// Under the rule set before, any battery was enough.
    fn one_gram_was_enough(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = Story::begin(&app);
        let treatment = story.dismantle(&[story.laptops(100_000, 40, 0)], 1, 9_500, 90_000);
        story.is_eligible(treatment, 90_000);
        let serial = story.issue(Some(20));
        let shown = bundle(&story, &serial);
        assert!(!is_unchecked(&shown));
        let honest = Workshop::of(&story, &serial, Vec::new());
        let batteries = "batteries, boards, backlights and toner";
        expect_lie(&honest, batteries, |workshop| of_batteries(workshop)["fraction"] = json!("PLAST_CLEAN"));
        app.adopt_rules("4");
        story.lacks(treatment, "parts_not_accounted_for");
    }

    /// Offline it is the same share. What a bundle leaves out may be the rest of it: then it is said not to be checked, and is
    /// never a lie of the ledger's.
    fn what_a_bundle_shows_of_it(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let lots = [story.laptops(45_000, 20, 0), story.laptops(45_000, 20, 10)];
        story.is_eligible(story.dismantle(&lots, 337, 9_000, 80_000), 80_000);
        let serial = story.issue(None);
        let shown = bundle(&story, &serial);
        assert!(!is_unchecked(&shown));
        assert!(is_unchecked(&without(&shown, "BAT_LI")), "337 g are within what scales differ");
        assert!(is_unchecked(&without(&shown, "PWB_HIGH")));
        let honest = Workshop::of(&story, &serial, Vec::new());
        let batteries = "batteries, boards, backlights and toner";
        expect_lie(&honest, batteries, |workshop| of_batteries(workshop)["weight"]["gross_g"] = json!(336));
        expect_lie(&honest, batteries, |workshop| of_batteries(workshop)["fraction"] = json!("PLAST_CLEAN"));
        expect_lie(&honest, batteries, |workshop| {
            let counted = workshop.said.iter_mut().find(|(_, said)| said["missing"][0]["count"] == 10).expect("a receipt");
            counted.1["missing"][0]["count"] = json!(9);
        });
    }
}

/// The statement that takes batteries out of a batch.
fn of_batteries(workshop: &mut Workshop) -> &mut Value {
    let found = workshop.said.iter_mut().find(|(_, said)| said["fraction"] == "BAT_LI");
    &mut found.expect("batteries").1
}

/// A batch of more than two thousand statements does not fit into a bundle; what its classes should hold is shown all the same.
#[test]
fn a_bundle_that_is_cut() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let batch = new_id();
    story.at_centre("batch_opened", json!({"batch": batch})).accepted();
    let lot = story.laptops(100_000, 40, 0);
    story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
    let crumb = || {
        let weight = story.weighed(10);
        let fields =
            json!({"batch": batch, "lot": new_id(), "fraction": "FE", "weight": weight, "site": story.centre_site});
        signed(&story.centre, "dismantled", &fields)
    };
    for _ in 0..5 {
        let page: Vec<String> = (0..401).map(|_| crumb()).collect();
        let answer = app.post_batch(&story.centre.token, "all", &page);
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let steel = story.fraction(&batch, "FE", 77_000);
    story.fraction(&batch, "BAT_LI", 500);
    let boards = story.fraction(&batch, "PWB_HIGH", 2_000);
    story.send(&boards, 2_000, 2_000);
    story.send(&steel, 77_000, 77_000);
    let treatment = story.treat(&steel, 77_000);
    story.close(&batch).accepted();
    story.is_eligible(treatment, 77_000);
    let serial = story.issue(Some(50));
    let shown = bundle(&story, &serial);
    assert!(shown.entries.len() < 200, "{} entries: it is not cut", shown.entries.len());
    assert!(!is_unchecked(&shown), "{:?}", valid(&shown).not_shown);
    assert!(is_unchecked(&without(&shown, "BAT_LI")));
}
