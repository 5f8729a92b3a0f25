//! What a bundle shows of batches and of what came out of them: places that are not named, lots that are left out, corrections,
//! and bundles that are cut.

use crate::bundles::anchor;
use crate::corrections::instead;
use crate::expected_parts::{is_unchecked, without};
use crate::harness::{Kind, Party, TestApp, new_id, signed};
use crate::long_ways::{bundle, valid};
use crate::story::{Story, permitted_site};
use loopledger::domain::event::Statement;
use loopledger::proof::bundle::Bundle;
use loopledger::proof::entry::Entry;
use loopledger::proof::statement::Unverified;
use loopledger::proof::verify::verify;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn statements(bundle: &Bundle) -> Vec<Statement> {
    let read = |bytes: &[u8]| {
        let entry = Entry::parse(bytes).expect("an entry");
        Unverified::read(&entry.statement).expect("a statement").statement
    };
    bundle.entries.iter().map(|entry| read(&entry.bytes)).collect()
}

/// How many statements of a type a bundle shows.
fn shown(bundle: &Bundle, kind: &str) -> usize {
    statements(bundle).iter().filter(|statement| statement.event.type_name() == kind).count()
}

/// The story with a centre that belongs to an organisation of another country.
fn from_abroad<'a>(story: &Story<'a>) -> (Story<'a>, Party) {
    let app = story.app;
    let centre = app.join_in("BE", &["recycler"]);
    let centre_site = permitted_site(app, &centre, "CTR9", &["R12", "R13"]);
    let centre_scale = app.scale(&centre_site);
    story.audit(&centre_site, "2026-10-01", "conforms").accepted();
    (Story { centre: centre.clone(), centre_site, centre_scale, ..Story::beside(story) }, centre)
}

/// A waste code that a person states is stated for where the thing lies, which is not where its organisation is at home: the
/// permits there cover it by that code alone.
#[test]
fn a_waste_code_without_a_site() {
    let app = TestApp::start(Kind::Sqlite);
    let (story, centre) = from_abroad(&Story::begin(&app));
    let machine = new_id();
    let fields = json!({
        "item": machine, "kind": "device", "class": "0104", "weight": story.weighed(70_000), "country": "XD",
        "site": story.centre_site,
    });
    app.say(&centre, "registered", &fields).accepted();
    let end = json!({
        "item": machine, "arising": {"country": "XD", "month": "2026-11"}, "counted_elsewhere": "none",
        "waste_code": {"code": "16 02 13*", "reason": "analysis"},
    });
    app.say(&centre, "retired", &end).accepted();
    let (batch, copper) = (new_id(), new_id());
    story.at_centre("batch_opened", json!({"batch": batch})).accepted();
    let fed = story.at_centre("batch_fed", json!({"batch": batch, "items": [machine]}));
    assert_eq!(fed.warnings(), Vec::<String>::new());
    let fields = json!({
        "batch": batch, "lot": copper, "fraction": "CU", "weight": story.weighed(70_000),
        "waste_code": {"code": "19 12 02", "reason": "analysis"},
    });
    app.say(&centre, "dismantled", &fields).accepted();
    story.send(&copper, 70_000, 70_000);
    let treatment = story.treat(&copper, 70_000);
    story.close(&batch).accepted();
    story.is_eligible(treatment, 70_000);
    let serial = story.issue(None);
    assert_eq!(valid(&bundle(&story, &serial)).certificate.units, 67);
}

/// Of parts of a lot that is not shown nobody knows what they should hold, though their mass is.
#[test]
fn parts_of_a_lot_that_is_not_shown() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let parts = [new_id(), new_id()];
    let split = json!([{"lot": parts[0], "net_g": 60_000}, {"lot": parts[1], "net_g": 40_000}]);
    story.at_centre("split", json!({"lot": story.laptops(100_000, 40, 0), "parts": split})).accepted();
    story.is_eligible(story.dismantle(&parts, 500, 9_500, 90_000), 90_000);
    let serial = story.issue(None);
    let whole = bundle(&story, &serial);
    assert!(!is_unchecked(&whole));
    let mut less = whole.clone();
    let is_receipt = statements(&whole).iter().map(|said| said.event.type_name() == "received").collect::<Vec<_>>();
    let mut position = 0;
    less.entries.retain(|_| {
        position += 1;
        !is_receipt[position - 1]
    });
    assert_eq!(less.entries.len() + 1, whole.entries.len());
    assert!(is_unchecked(&less));
}

impl Story<'_> {
    /// So many statements that take ten grams of a fraction out of a batch each.
    fn crumbs(&self, batch: &str, fraction: &str, pages: usize) {
        let crumb = || {
            let (weight, site) = (self.weighed(10), &self.centre_site);
            let fields = json!({"batch": batch, "lot": new_id(), "fraction": fraction, "weight": weight, "site": site});
            signed(&self.centre, "dismantled", &fields)
        };
        for _ in 0..pages {
            let page: Vec<String> = (0..401).map(|_| crumb()).collect();
            let answer = self.app.post_batch(&self.centre.token, "all", &page);
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }

    /// An open batch of laptops.
    fn batch_of_laptops(&self) -> String {
        let batch = new_id();
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": [self.laptops(100_000, 40, 0)]})).accepted();
        batch
    }

    /// Boards and steel leave a batch, the steel ends, and the batch is closed; gives the treatment.
    fn ended(&self, batch: &str) -> u64 {
        let (steel, boards) = (self.fraction(batch, "FE", 77_000), self.fraction(batch, "PWB_HIGH", 2_000));
        self.send(&boards, 2_000, 2_000);
        self.send(&steel, 77_000, 77_000);
        let treatment = self.treat(&steel, 77_000);
        self.close(batch).accepted();
        treatment
    }
}

/// A batch whose path does not fit is shown with what its classes should hold, and with the corrections of that: what was said
/// first is not the last word.
#[test]
fn corrections_in_a_bundle_that_is_cut() {
    let app = TestApp::start(Kind::Sqlite);
    let mut story = Story::begin(&app);
    let (batch, batteries) = (story.batch_of_laptops(), new_id());
    story.crumbs(&batch, "FE", 5);
    let fields = |story: &Story<'_>, grams: i64| -> Value {
        let weight = story.weighed(grams);
        json!({"batch": batch, "lot": batteries, "fraction": "BAT_LI", "weight": weight, "site": story.centre_site})
    };
    let entry = app.say(&story.centre, "dismantled", &fields(&story, 5)).accepted();
    let treatment = story.ended(&batch);
    story.lacks(treatment, "parts_not_accounted_for");
    app.now_ms.fetch_add(4 * 24 * 3_600 * 1_000, Ordering::SeqCst);
    story.renew_tokens();
    let right = instead(entry, "dismantled", &fields(&story, 500));
    let correction = app.say(&story.centre, "corrected", &right).accepted();
    app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
    story.is_eligible(treatment, 77_000);
    let serial = story.issue(Some(50));
    let cut = bundle(&story, &serial);
    assert!(cut.entries.len() < 200, "{} entries: it is not cut", cut.entries.len());
    assert_eq!((shown(&cut, "corrected"), shown(&cut, "correction_confirmed")), (1, 1));
    assert!(!is_unchecked(&cut), "{:?}", valid(&cut).not_shown);
    // A correction of what is not shown may concern anything.
    let hidden = verify(&without(&cut, "BAT_LI").to_bytes(), Some(&anchor()));
    assert!(hidden.is_err_and(|refused| refused.to_string().contains("which is not shown")));
}

/// Anybody may ask for a certificate's page, so no more of a batch is looked at for it than a page is worth.
#[test]
fn what_a_page_counts_has_a_bound() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let batch = story.batch_of_laptops();
    story.fraction(&batch, "BAT_LI", 500);
    story.crumbs(&batch, "FE", 10);
    let (steel, boards) = (story.fraction(&batch, "FE", 57_000), story.fraction(&batch, "PWB_HIGH", 2_000));
    story.send(&boards, 2_000, 2_000);
    story.send(&steel, 57_000, 57_000);
    story.treat(&steel, 57_000);
    story.close(&batch).accepted();
    let serial = story.issue(Some(50));
    let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
    assert_eq!(page["counted_whole_lineage"], json!(false));
    // Whoever may have the bundle has all that it rests on.
    let shown = bundle(&story, &serial);
    assert!(page["statements"].as_u64().is_some_and(|counted| counted < shown.entries.len() as u64), "{page}");
    assert!(!is_unchecked(&shown), "{:?}", valid(&shown).not_shown);
}

/// What came out in thousands of pieces is left out as a whole, and that is said: half of it would look like too little.
#[test]
fn a_bundle_has_a_bound() {
    let app = TestApp::start(Kind::Sqlite);
    let story = Story::begin(&app);
    let batch = story.batch_of_laptops();
    story.crumbs(&batch, "BAT_LI", 5);
    let treatment = story.ended(&batch);
    story.is_eligible(treatment, 77_000);
    let serial = story.issue(Some(50));
    let cut = bundle(&story, &serial);
    assert!(cut.entries.len() < 200, "{} entries", cut.entries.len());
    assert!(is_unchecked(&cut));
}
