//! After an error and after fraud: units whose grams fail are found wherever they are, withdrawn or replaced, and a claim is
//! never erased.

use crate::client::Answer;
use crate::corrections::instead;
use crate::harness::{Party, TestApp, both_databases};
use crate::story::{Story, VINTAGE, permitted_site};
use serde_json::{Value, json};

/// A block of the story's centre by its numbers.
pub fn units(first: i64, last: i64) -> String {
    format!("ERT-XD-CTR1-202611-{first:07}-{last:07}")
}

fn page(app: &TestApp, serial: &str) -> Value {
    app.get(&format!("/v1/certificates/{serial}"), "").json()
}

/// Status and failing units of a block.
pub fn standing(app: &TestApp, serial: &str) -> (String, Value) {
    let page = page(app, serial);
    let failing = page["failing"].as_array().into_iter().flatten().map(|failing| failing["units"].clone());
    (page["status"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned(), failing.collect())
}

pub fn is(status: &str, failing: Value) -> (String, Value) {
    (status.to_owned(), failing)
}

/// A story whose first batch turns out lighter than it was said to be.
pub struct Error<'a> {
    pub story: Story<'a>,
    pub buyer: Party,
    lot: String,
    receipt: u64,
    pub treatment: u64,
}

impl<'a> Error<'a> {
    /// 100 kg of a first batch and 10 kg of a second are issued: units 1 to 106, and 107 to 110 in the buffer. A buyer retires
    /// 1 to 100, which rest on the first batch; 101 to 106 are unsold.
    pub fn after_issue(app: &'a TestApp) -> Self {
        let story = Story::begin(app);
        let (lot, receipt, batch) = story.gate_to_batch(100_000);
        let steel = story.fraction(&batch, "FE", 100_000);
        story.send(&steel, 100_000, 100_000);
        let treatment = story.treat(&steel, 100_000);
        story.close(&batch).accepted();
        story.whole_batch(10_000);
        assert_eq!(story.issue(None), units(1, 106));
        let buyer = app.join(&["buyer"]);
        let into = [units(1, 100), units(101, 106)];
        app.say(&story.centre, "certificate_split", &json!({"certificate": units(1, 106), "into": into})).accepted();
        let sale = json!({"certificate": units(1, 100), "to": buyer.id});
        app.say(&story.centre, "certificate_transferred", &sale).accepted();
        let (statement, open) = crate::story::changed_retirement(&buyer, &units(1, 100), &json!({}));
        app.post_json("/v1/events", &buyer.token, &json!({"statement": statement, "open": open})).accepted();
        Self { story, buyer, lot, receipt, treatment }
    }

    /// The centre says that less came in; an auditor decides it.
    pub fn correct_to(&self, grams: i64) {
        let right = instead(self.receipt, "received", &self.story.received_fields(&self.lot, grams));
        let correction = self.story.app.say(&self.story.centre, "corrected", &right);
        assert_eq!(correction.warnings(), ["correction_undecided"]);
        let correction = correction.accepted();
        let word = json!({"correction": correction});
        self.story.app.say(&self.story.auditor, "correction_confirmed", &word).accepted();
    }

    pub fn replace(&self, certificate: &str, failed: &str, backing: &str, cut_from: Option<&str>) -> Answer {
        replace(&self.story, certificate, failed, backing, cut_from)
    }

    /// What an auditor finds of a treatment or batch.
    pub fn find(&self, of: &Value) {
        let mut fields = of.clone();
        fields["severity"] = json!("major");
        fields["document"] = json!({"sha256": "2".repeat(64), "blake3": "3".repeat(64)});
        self.story.app.say(&self.story.auditor, "audit_finding", &fields).accepted();
    }

    pub fn withdraw(&self, certificate: &str, part: Option<&str>, reason: &str) -> Answer {
        let mut fields = json!({"certificate": certificate, "reason": reason});
        if let Some(part) = part {
            fields["part"] = json!(part);
        }
        self.story.app.say(&self.story.issuer, "certificate_withdrawn", &fields)
    }
}

fn replace(story: &Story<'_>, certificate: &str, failed: &str, backing: &str, cut_from: Option<&str>) -> Answer {
    let mut replacement = json!({"failed": failed, "backing": backing});
    if let Some(block) = cut_from {
        replacement["cut_from"] = json!(block);
    }
    let fields = json!({"certificate": certificate, "replacements": [replacement]});
    story.app.say(&story.issuer, "certificate_replaced", &fields)
}

both_databases! {
    /// Stock first, then the buffer, then the site is in deficit until others give; what was claimed stays claimed.
    fn stock_then_buffer_then_deficit(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let (sold, stock, buffer) = (units(1, 100), units(101, 106), units(107, 110));
        error.story.whole_batch(5_000);
        error.correct_to(98_200);
        // 1,800 g are missing: the last two units that rest on them fail, in whoever's hands.
        assert_eq!(standing(&app, &sold), is("retired", json!([[99, 100]])));
        assert_eq!(standing(&app, &stock), is("held", json!([])));
        error.story.draft(None).refused(409, "site_in_deficit", "/pool_site");
        // The buffer is not touched while there is stock; what does not fail is not replaced.
        let refused = [
            ((99, 99), units(107, 107), &buffer, 409, "backing_out_of_turn", "/replacements/0/backing"),
            ((98, 99), units(101, 102), &stock, 422, "units_invalid", "/replacements/0/failed"),
            ((99, 100), units(101, 101), &stock, 422, "units_invalid", "/replacements/0/backing"),
            ((99, 99), units(107, 107), &stock, 422, "units_invalid", "/replacements/0/backing"),
        ];
        for ((first, last), backing, block, status, code, pointer) in refused {
            error.replace(&sold, &units(first, last), &backing, Some(block)).refused(status, code, pointer);
        }
        error.replace(&sold, &units(99, 99), &units(103, 103), Some(&stock)).accepted();
        assert_eq!(standing(&app, &sold), is("retired", json!([[100, 100]])));
        assert_eq!(page(&app, &sold)["backed"][0]["by"], units(103, 103));
        let given = page(&app, &units(103, 103));
        assert_eq!((&given["status"], &given["backs"]), (&json!("withdrawn"), &json!(units(99, 99))));
        // The rest of the stock is sold: now the buffer stands in.
        for block in [units(101, 102), units(104, 106)] {
            let sale = json!({"certificate": block, "to": error.buyer.id});
            app.say(&error.story.centre, "certificate_transferred", &sale).accepted();
        }
        let sold_too = error.replace(&sold, &units(100, 100), &units(104, 104), Some(&units(104, 106)));
        sold_too.refused(403, "not_the_holder", "/replacements/0/backing");
        error.replace(&sold, &units(100, 100), &units(110, 110), Some(&buffer)).accepted();
        assert_eq!(standing(&app, &sold), is("retired", json!([])));
        assert_eq!(error.story.issue(None), units(111, 114), "the site issues again");
        assert_eq!(page(&app, &sold)["retired"]["beneficiary"], "Example Textiles Ltd");
    }

    /// Beyond stock and buffer the site is in deficit, until its centre gives what it has elsewhere.
    fn another_site_gives(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        let sale = json!({"certificate": units(101, 106), "to": error.buyer.id});
        app.say(&error.story.centre, "certificate_transferred", &sale).accepted();
        error.withdraw(&units(107, 110), Some(&units(108, 110)), "not_eligible").accepted();
        error.correct_to(98_500);
        assert_eq!(standing(&app, &sold), is("retired", json!([[99, 100]])));
        let other = another_site(&error.story, 5_000);
        let (given, of) = (other.replace("-0000004", "-0000001"), Some(other.as_str()));
        error.replace(&sold, &units(99, 99), &given, of).refused(409, "backing_out_of_turn", "/replacements/0/backing");
        error.replace(&sold, &units(100, 100), &units(107, 107), None).accepted();
        error.story.whole_batch(5_000);
        error.story.draft(None).refused(409, "site_in_deficit", "/pool_site");
        error.replace(&sold, &units(99, 99), &given, of).accepted();
        assert_eq!(error.story.issue(None), units(111, 114));
    }

    /// What fails in unsold stock and buffer is withdrawn, and its grams are never issued again.
    fn failing_stock_is_withdrawn(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, receipt, batch) = story.gate_to_batch(400_000);
        let steel = story.fraction(&batch, "FE", 400_000);
        story.send(&steel, 400_000, 400_000);
        let treatment = story.treat(&steel, 400_000);
        story.close(&batch).accepted();
        assert_eq!(story.issue(Some(396)), units(1, 384));
        assert_eq!(story.issue(None), units(397, 399));
        let buyer = app.join(&["buyer"]);
        let error = Error { story, buyer, lot, receipt, treatment };
        error.correct_to(392_200);
        // What was certified last fails first: the second issue, and then the end of the first one's buffer.
        assert_eq!(standing(&app, &units(1, 384)), is("held", json!([])));
        assert_eq!(standing(&app, &units(385, 396)), is("buffer", json!([[393, 396]])));
        assert_eq!(standing(&app, &units(397, 399)), is("held", json!([[397, 399]])));
        assert_eq!(standing(&app, &units(400, 400)), is("buffer", json!([[400, 400]])));
        // Nobody uses them; even so a block can be cut.
        error.story.retire(&units(397, 399)).refused(409, "units_failing", "/certificate");
        let into = [units(397, 397), units(398, 399)];
        app.say(&error.story.centre, "certificate_split", &json!({"certificate": units(397, 399), "into": into})).accepted();
        assert_eq!(standing(&app, &units(398, 399)), is("held", json!([[398, 399]])));
        for (block, part) in [(into[0].as_str(), None), (&into[1], None), (&units(385, 396), Some(units(393, 396))), (&units(400, 400), None)] {
            error.withdraw(block, part.as_deref(), "not_eligible").accepted();
        }
        let (gaps, eligible) = error.story.gaps(error.treatment);
        assert_eq!((gaps, eligible), (vec!["beyond_batch_input".to_owned()], 392_200));
        error.story.draft(None).refused(422, "units_invalid", "/vintage");
        error.story.whole_batch(3_000);
        assert_eq!(error.story.issue(None), units(401, 402), "and the site issues again");
    }

    /// What a correction of one batch covered, a correction of another batch of the same treatment does not cover once more.
    fn covered_once(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (first, second) = (story.gate_to_batch(10_000), story.gate_to_batch(10_000));
        let steel = [&first, &second].map(|(_, _, batch)| story.fraction(batch, "FE", 10_000));
        let cage = crate::harness::new_id();
        story.at_centre("merged", json!({"inputs": steel, "lot": cage})).accepted();
        story.send(&cage, 20_000, 20_000);
        let treatment = story.treat(&cage, 20_000);
        for (_, _, batch) in [&first, &second] {
            story.close(batch).accepted();
        }
        assert_eq!(story.issue(None), units(1, 19));
        let eligible = || {
            let found = story.eligibility(&format!("treatment={treatment}"))["treatments"].clone();
            found.as_array().expect("lines").iter().map(|line| line["eligible_g"].as_i64()).collect::<Vec<_>>()
        };
        // More went into the first one than came out: all of it is certified, and the batch could back more.
        for ((lot, receipt, _), grams) in [(&first, 10_500), (&second, 9_900), (&second, 10_000), (&first, 9_500)] {
            let right = instead(*receipt, "received", &story.received_fields(lot, grams));
            let correction = app.say(&story.centre, "corrected", &right).accepted();
            app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
            let covered = if *lot == first.0 { [grams.min(10_000), 10_000] } else { [10_000, grams] };
            assert_eq!(eligible(), covered.map(Some), "{grams}");
        }
        assert_eq!(standing(&app, &units(1, 19)), is("held", json!([[10, 10]])));
        assert_eq!(standing(&app, &units(20, 20)), is("buffer", json!([])));
    }

    /// A correction the other way lets units hold again.
    fn what_fails_may_hold_again(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        for (grams, failing) in [
            (98_100, json!([[99, 100]])),
            (99_000, json!([[100, 100]])),
            (98_500, json!([[99, 99], [100, 100]])),
            (100_000, json!([])),
        ] {
            error.correct_to(grams);
            assert_eq!(standing(&app, &sold), is("retired", failing), "{grams}");
        }
        error.story.whole_batch(3_000);
        error.story.issue(None);
    }

    /// An auditor's finding makes units fail that rest on the treatment, and its clearance lets them hold again.
    fn a_finding_makes_units_fail(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        error.find(&json!({"treatment": error.treatment, "outcome": "held"}));
        assert_eq!(standing(&app, &units(1, 100)), is("retired", json!([[1, 100]])));
        assert_eq!(standing(&app, &units(101, 106)), is("held", json!([])));
        error.replace(&units(1, 100), &units(1, 2), &units(101, 102), Some(&units(101, 106))).accepted();
        error.find(&json!({"treatment": error.treatment, "outcome": "cleared"}));
        assert_eq!(standing(&app, &units(1, 100)), is("retired", json!([])));
    }

    /// A block that was sold piece by piece, unit after unit, is found down to its last piece.
    fn sold_piece_by_piece(kind) {
        const UNITS: i64 = 600;
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let treatment = story.whole_batch(700_000);
        let whole = story.issue(None);
        let last = UNITS + 79;
        assert_eq!(whole, units(1, last));
        let split = |first: i64| {
            let fields = json!({"certificate": units(first, last), "into": [units(first, first), units(first + 1, last)]});
            crate::harness::signed(&story.centre, "certificate_split", &fields)
        };
        let splits: Vec<String> = (1..UNITS).map(split).collect();
        for lines in splits.chunks(200) {
            let told = app.post_batch(&story.centre.token, "each", lines).lines();
            assert!(told.iter().all(|line| line["status"] == 201), "{told:?}");
        }
        let document = json!({"sha256": "2".repeat(64), "blake3": "3".repeat(64)});
        let fields = json!({"treatment": treatment, "outcome": "held", "severity": "major", "document": document});
        app.say(&story.auditor, "audit_finding", &fields).accepted();
        for (first, end) in [(1, 1), (UNITS / 2, UNITS / 2), (UNITS, last)] {
            assert_eq!(standing(&app, &units(first, end)), is("held", json!([[first, end]])));
        }
    }

    /// Units that back others fail those, when their own grams fail in turn.
    fn backing_that_fails(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        error.correct_to(99_000);
        error.replace(&sold, &units(100, 100), &units(102, 102), Some(&units(101, 106))).accepted();
        let batches = app.get("/v1/events?type=batch_closed", &error.story.centre.token).json();
        let second = &batches["events"].as_array().expect("events").last().expect("a batch")["payload"]["batch"];
        error.find(&json!({"batch": second, "outcome": "held"}));
        assert_eq!(standing(&app, &sold), is("retired", json!([[100, 100]])), "it is backed by unit 102");
        assert_eq!(standing(&app, &units(103, 106)), is("held", json!([[103, 106]])));
        error.find(&json!({"batch": second, "outcome": "cleared"}));
        assert_eq!(standing(&app, &sold), is("retired", json!([])));
    }

    /// After fraud: held units are frozen, retired ones annotated, and both replaced from other sites alone, within a year.
    fn after_fraud(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sale = json!({"certificate": units(101, 106), "to": error.buyer.id});
        app.say(&error.story.centre, "certificate_transferred", &sale).accepted();
        error.withdraw(&units(101, 106), None, "fraud").refused(409, "certificate_sold", "/certificate");
        let freeze = json!({"certificate": units(101, 106), "reason": "fraud"});
        app.say(&error.story.auditor, "certificate_frozen", &freeze).accepted();
        error.withdraw(&units(1, 100), None, "issued_in_error").refused(409, "nothing_to_answer", "/reason");
        error.withdraw(&units(1, 100), None, "fraud").accepted();
        error.withdraw(&units(1, 100), None, "fraud").refused(409, "nothing_to_answer", "/certificate");
        error.withdraw(&units(107, 110), Some(&units(108, 110)), "fraud").accepted();
        assert_eq!(standing(&app, &units(1, 100)), is("retired", json!([[1, 100]])));
        assert_eq!(standing(&app, &units(101, 106)), is("held", json!([[101, 106]])));
        assert_eq!(page(&app, &units(1, 100))["withdrawn"]["reason"], "fraud");
        let own = error.replace(&units(1, 100), &units(1, 1), &units(107, 107), None);
        own.refused(409, "backing_out_of_turn", "/replacements/0/backing");
        let other = another_site(&error.story, 120_000);
        let given = other.replace("-0000116", "-0000100");
        error.replace(&units(1, 100), &units(1, 100), &given, Some(&other)).accepted();
        assert_eq!(standing(&app, &units(1, 100)), is("retired", json!([])));
        // A year later what is not replaced is listed as unbacked.
        assert_eq!(page(&app, &units(101, 106))["failing"][0]["unbacked"], false);
        app.now_ms.fetch_add(366 * 86_400_000, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(page(&app, &units(101, 106))["failing"][0]["unbacked"], true);
    }
}

/// So many grams of another site of the same centre, issued; gives the centre's block.
pub fn another_site(story: &Story<'_>, grams: i64) -> String {
    let app = story.app;
    let site = permitted_site(app, &story.centre, "CTR2", &["R12", "R13"]);
    let scale = app.scale(&site);
    story.audit(&site, "2026-10-01", "conforms").accepted();
    let second = Story { centre_site: site.clone(), centre_scale: scale, ..Story::beside(story) };
    second.whole_batch(grams);
    let draft = app.get(&format!("/v1/certificates/draft?site={site}&vintage={VINTAGE}"), &story.issuer.token).json();
    app.say(&story.issuer, "certificate_issued", &draft).accepted();
    draft["certificate"].as_str().expect("serial numbers").to_owned()
}
