//! What a consent says binds: its route, days and plant, the operation at the end, the year until then, and one movement document
//! for one load. The ledger and the offline verifier ask the same; under rule sets before the fifth they asked for less.

use crate::agreeing::rule_set;
use crate::client::Answer;
use crate::corrections::instead;
use crate::forgeries::expect_lie;
use crate::forging::Workshop;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::judging::failing_units;
use crate::long_ways::{bundle, valid};
use crate::signals::{paper, with};
use crate::story::Story;
use crate::withheld::Withheld;
use loopledger::domain::eligibility::Gap;
use serde_json::{Value, json};

const UNCOVERED: &str = "or ended behind it, without the consent or paper";

/// Boards of a centre in Kenya, an exporter there, and a refiner in Belgium who may also burn them.
struct Export<'a> {
    story: Story<'a>,
    exporter: Party,
    yard: (String, String),
    refiner: Party,
    plant: (String, String),
}

impl<'a> Export<'a> {
    fn begin(app: &'a TestApp) -> Self {
        let story = Story::begin_in(app, "KE");
        let (exporter, refiner) = (app.join_in("KE", &["recycler", "exporter"]), app.join_in("BE", &["treater"]));
        let yard = story.plant(&exporter, "KE", 5_000_000);
        let mut export = Self { yard, plant: (String::new(), String::new()), exporter, refiner, story };
        export.plant = export.plant_of_refiner("HOB");
        export
    }

    fn plant_of_refiner(&self, code: &str) -> (String, String) {
        let (app, site) = (self.story.app, new_id());
        let permit = json!({
            "number": "P-1", "operations": ["R4", "R12", "D10"], "waste_codes": ["16 02 15*"],
            "capacity_g_per_year": 5_000_000, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
        });
        let fields = json!({
            "organisation": self.refiner.id, "new_site": site, "country": "BE", "code": code, "permit": permit,
        });
        app.say(&app.operator, "site_registered", &fields).accepted();
        self.story.audit(&site, "2026-10-01", "conforms").accepted();
        let scale = app.scale(&site);
        (site, scale)
    }

    /// Boards out of a closed batch of so many grams, the rest of which went through the furnace as steel.
    fn boards(&self, of: i64, grams: i64) -> String {
        let (story, batch) = (&self.story, self.story.batch(of));
        let boards = story.fraction(&batch, "PWB_HIGH", grams);
        if of > grams {
            let steel = story.fraction(&batch, "FE", of - grams);
            story.send(&steel, of - grams, of - grams);
            story.treat(&steel, of - grams);
        }
        story.close(&batch).accepted();
        let yard = (&self.exporter, self.yard.0.as_str(), self.yard.1.as_str());
        crate::frauds::hand(story.app, &story.centre, yard, &boards, grams).accepted();
        boards
    }

    fn consent(&self, change: &Value) -> String {
        let consent = new_id();
        let fields = Self::consent_fields(&consent, change);
        self.story.app.say(&self.exporter, "export_consented", &fields).accepted();
        consent
    }

    fn consent_fields(consent: &str, change: &Value) -> Value {
        let fields = json!({
            "consent": consent, "number": format!("KE-{}", &consent[24..]), "from_country": "KE", "to_country": "BE",
            "waste_codes": ["16 02 15*"], "basel_codes": ["A1181"], "operation": "R4", "quantity_g": 60_000,
            "shipments": 2, "valid_from": "2026-11-01", "valid_until": "2027-10-31", "guarantee": "G-1",
            "contract": paper('0'),
        });
        with(fields, change)
    }

    /// Boards go under a consent, which is put right afterwards; gives the entry of their end, and says what it should be.
    fn put_right(&self, first: &Value, end: &Value, right: &Value) -> (u64, Box<dyn FnOnce() -> u64 + '_>) {
        let (app, consent) = (self.story.app, new_id());
        let fields = Self::consent_fields(&consent, first);
        let stated = app.say(&self.exporter, "export_consented", &fields).accepted();
        let boards = self.boards(20_000, 20_000);
        let (handover, _) = self.ship(&boards, 20_000, (&consent, 1), &json!({}));
        self.receive(&handover, 20_000, &json!({}));
        let ended = self.end(&boards, 20_000, end).accepted();
        let right = instead(stated, "export_consented", &with(fields, right));
        (ended, Box::new(move || app.say(&self.exporter, "corrected", &right).accepted()))
    }

    fn ship(&self, lot: &str, grams: i64, (consent, sequence): (&str, i64), change: &Value) -> (String, Answer) {
        let handover = new_id();
        let fields = json!({
            "handover": handover, "to": self.refiner.id, "lots": [{"lot": lot, "sent_g": grams}], "to_country": "BE",
            "ground": "consent", "under": {"consent": consent, "sequence": sequence},
            "number": format!("MD-{}", &handover[24..]), "document": paper('0'), "site": self.yard.0,
        });
        let shipped = self.story.app.say(&self.exporter, "export_shipped", &with(fields, change));
        shipped.accepted();
        (handover, shipped)
    }

    fn receive(&self, handover: &str, grams: i64, change: &Value) -> Answer {
        let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": self.plant.1});
        let lots = json!([{"weight": weight, "accepted_g": grams, "refused_g": 0}]);
        let fields = json!({"handover": handover, "site": self.plant.0, "lots": lots});
        let received = self.story.app.say(&self.refiner, "import_received", &with(fields, change));
        received.accepted();
        received
    }

    fn end(&self, lot: &str, grams: i64, change: &Value) -> Answer {
        let end = json!({"item": lot, "operation": "R4", "net_g": grams, "site": self.plant.0});
        self.story.app.say(&self.refiner, "treated_final", &with(end, change))
    }

    /// Boards that go under a consent of which something is said otherwise; gives what shipping, receipt and end were warned of,
    /// and the entries of all three.
    fn told(&self, consent: &Value, end: &Value) -> ([Vec<String>; 3], [u64; 3]) {
        let of = if end.get("operation").is_some() { 100_000 } else { 20_000 };
        let (boards, consent) = (self.boards(of, 20_000), self.consent(consent));
        let (handover, shipped) = self.ship(&boards, 20_000, (&consent, 1), &json!({}));
        let received = self.receive(&handover, 20_000, &json!({}));
        let ended = self.end(&boards, 20_000, end);
        let all = [shipped, received, ended];
        (all.each_ref().map(Answer::warnings), all.each_ref().map(Answer::accepted))
    }

    /// What it lacks under rule set 5 it does not under 4, where it is certified; and the verifier says the same of both.
    fn counted_before(self, consent: &Value, end: &Value, units: i64) {
        self.story.app.adopt_rules("4");
        let (_, [.., ended]) = self.told(consent, end);
        self.story.is_eligible(ended, 20_000);
        let serial = self.story.issue(None);
        assert_eq!(valid(&bundle(&self.story, &serial)).certificate.units, units);
        let mut honest = Workshop::of(&self.story, &serial, Vec::new());
        honest.knows([&self.exporter, &self.refiner]);
        expect_lie(&honest, UNCOVERED, |workshop| workshop.first("rules_adopted")["rule_set"] = rule_set("5"));
    }

    /// It is kept back until an auditor clears that entry; then the ledger certifies it, and the verifier says that it may.
    fn withheld(self, ended: u64, others: i64, cleared: u64) {
        let withheld = Withheld::all_of(self.story, ended, 20_000).beside(others);
        withheld.until_cleared(cleared).show(Gap::BorderNotCovered);
    }
}

fn none() -> Vec<String> {
    Vec::new()
}

fn uncovered() -> Vec<String> {
    vec!["border_not_covered".to_owned()]
}

both_databases! {
    fn a_consent_for_later_days(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (warnings, [shipped, _, ended]) = export.told(&json!({"valid_from": "2026-12-01"}), &json!({}));
        assert_eq!(warnings, [uncovered(), none(), none()]);
        export.withheld(ended, 0, shipped);
    }

    fn a_consent_for_later_days_before(kind) {
        let app = TestApp::start(kind);
        Export::begin(&app).counted_before(&json!({"valid_from": "2026-12-01"}), &json!({}), 19);
    }

    fn a_consent_for_another_route(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (warnings, [shipped, _, ended]) = export.told(&json!({"to_country": "FR"}), &json!({}));
        assert_eq!(warnings, [uncovered(), none(), none()]);
        export.withheld(ended, 0, shipped);
    }

    fn a_plant_that_the_consent_does_not_name(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let other = export.plant_of_refiner("OLEN").0;
        let (warnings, [_, received, ended]) = export.told(&json!({"facility": other}), &json!({}));
        assert_eq!(warnings, [none(), uncovered(), none()]);
        export.withheld(ended, 0, received);
    }

    fn a_plant_that_the_consent_does_not_name_before(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let other = export.plant_of_refiner("OLEN").0;
        export.counted_before(&json!({"facility": other}), &json!({}), 19);
    }

    /// An interim plant is named as well as the last one.
    fn a_plant_that_the_consent_names(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (own, other) = (export.plant.0.clone(), export.plant_of_refiner("OLEN").0);
        let named = json!({"facility": other, "interim_facility": own});
        let (warnings, [.., ended]) = export.told(&named, &json!({}));
        assert_eq!(warnings, [none(), none(), none()]);
        export.story.is_eligible(ended, 20_000);
        let serial = export.story.issue(None);
        assert_eq!(valid(&bundle(&export.story, &serial)).certificate.units, 19);
    }

    /// The residual share would let it count: a consent for recycling does not.
    fn boards_for_recycling_that_are_burnt(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (warnings, [.., ended]) = export.told(&json!({}), &json!({"operation": "D10"}));
        assert_eq!(warnings, [none(), none(), uncovered()]);
        export.withheld(ended, 80, ended);
    }

    fn boards_for_recycling_that_are_burnt_before(kind) {
        let app = TestApp::start(kind);
        Export::begin(&app).counted_before(&json!({}), &json!({"operation": "D10"}), 97);
    }

    /// What was consented to before rule set 5 bound no end, and binds none now.
    fn a_consent_from_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("4");
        let export = Export::begin(&app);
        let (boards, consent) = (export.boards(100_000, 20_000), export.consent(&json!({})));
        app.adopt_rules("5");
        let (handover, _) = export.ship(&boards, 20_000, (&consent, 1), &json!({}));
        export.receive(&handover, 20_000, &json!({}));
        let ended = export.end(&boards, 20_000, &json!({"operation": "D10"}));
        assert_eq!(ended.warnings(), none());
        export.story.is_eligible(ended.accepted(), 20_000);
        let serial = export.story.issue(None);
        assert_eq!(valid(&bundle(&export.story, &serial)).certificate.units, 97);
    }

    /// What left before rule set 5 under a consent for another plant arrived there as it might.
    fn a_shipment_from_before(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("4");
        let export = Export::begin(&app);
        let other = export.plant_of_refiner("OLEN").0;
        let (boards, consent) = (export.boards(20_000, 20_000), export.consent(&json!({"facility": other})));
        let (handover, _) = export.ship(&boards, 20_000, (&consent, 1), &json!({}));
        app.adopt_rules("5");
        assert_eq!(export.receive(&handover, 20_000, &json!({})).warnings(), none());
        let ended = export.end(&boards, 20_000, &json!({})).accepted();
        export.story.is_eligible(ended, 20_000);
        let serial = export.story.issue(None);
        assert_eq!(valid(&bundle(&export.story, &serial)).certificate.units, 19);
    }

    /// A plant that was mistyped: with the right one, receipt and end are as they should be.
    fn a_consent_that_named_the_wrong_plant(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (own, other) = (export.plant.0.clone(), export.plant_of_refiner("OLEN").0);
        let (ended, correct) = export.put_right(&json!({"facility": other}), &json!({}), &json!({"facility": own}));
        export.story.lacks(ended, "border_not_covered");
        let correction = correct();
        app.say(&export.refiner, "correction_confirmed", &json!({"correction": correction})).accepted();
        export.story.is_eligible(ended, 20_000);
    }

    /// A consent that names another plant, which was left out at first: units that rest on its load fail.
    fn a_consent_that_said_too_little(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        export.story.whole_batch(100_000);
        let other = export.plant_of_refiner("OLEN").0;
        let (ended, correct) = export.put_right(&json!({}), &json!({}), &json!({"facility": other}));
        export.story.is_eligible(ended, 20_000);
        export.story.issue(None);
        let correction = correct();
        for party in [&export.refiner, &export.story.auditor] {
            assert_eq!(failing_units(&app), (0, 0));
            app.say(party, "correction_confirmed", &json!({"correction": correction})).accepted();
        }
        export.story.lacks(ended, "border_not_covered");
        assert_eq!(failing_units(&app), (20, 20));
    }

    /// The same of the operation alone.
    fn a_consent_that_said_another_end(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (ended, correct) = export.put_right(&json!({"operation": "R12"}), &json!({}), &json!({"operation": "R5"}));
        export.story.is_eligible(ended, 20_000);
        let correction = correct();
        app.say(&export.refiner, "correction_confirmed", &json!({"correction": correction})).accepted();
        export.story.lacks(ended, "border_not_covered");
    }

    /// What is merged or parted is bound as before; what is sorted is other waste, whatever becomes of it.
    fn a_consent_follows_its_load(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let consent = export.consent(&json!({}));
        let lots: Vec<String> = [1, 2].into_iter().map(|sequence| {
            let boards = export.boards(10_000, 10_000);
            let (handover, _) = export.ship(&boards, 10_000, (&consent, sequence), &json!({}));
            export.receive(&handover, 10_000, &json!({}));
            boards
        }).collect();
        let say = |kind: &str, fields: Value| {
            app.say(&export.refiner, kind, &with(fields, &json!({"site": export.plant.0}))).accepted()
        };
        let (all, part, rest, sorted) = (new_id(), new_id(), new_id(), new_id());
        say("merged", json!({"inputs": lots, "lot": all}));
        let parts = json!([{"lot": part, "net_g": 5_000}, {"lot": rest, "net_g": 15_000}]);
        say("split", json!({"lot": all, "parts": parts}));
        let weight = json!({"basis": "weighed", "gross_g": 15_000, "tare_g": 0, "scale": export.plant.1});
        let outputs = json!([{"lot": sorted, "fraction": "PWB_HIGH", "weight": weight}]);
        say("treated_interim", json!({"inputs": [rest], "operation": "R12", "outputs": outputs, "loss_g": 0, "out_of_scope_g": 0}));
        let burnt = json!({"operation": "D10"});
        assert_eq!(export.end(&part, 5_000, &burnt).warnings(), uncovered());
        assert_eq!(export.end(&sorted, 15_000, &burnt).warnings(), none());
    }

    /// A year after the receipt it should have ended.
    fn boards_that_lay_for_more_than_a_year(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let story = &export.story;
        for site in [&story.centre_site, &export.plant.0] {
            story.audit(site, "2026-11-23", "conforms").accepted();
        }
        let early = json!({"occurred_at": "2026-11-20T12:00:00Z"});
        let consent = export.consent(&json!({}));
        let ends = [("2027-11-20T12:00:00Z", none()), ("2027-11-21T12:00:00Z", uncovered())];
        for ((on, warned), sequence) in ends.into_iter().zip(1..) {
            let boards = export.boards(20_000, 20_000);
            let (handover, _) = export.ship(&boards, 20_000, (&consent, sequence), &early);
            export.receive(&handover, 20_000, &early);
            let ended = export.end(&boards, 20_000, &json!({"occurred_at": on}));
            let of_border = ended.warnings().into_iter().filter(|code| code == "border_not_covered");
            assert_eq!(of_border.collect::<Vec<_>>(), warned, "{on}");
            let ended = ended.accepted();
            if !warned.is_empty() {
                story.lacks(ended, "border_not_covered");
                story.find(&json!({"entry": ended}), "cleared").accepted();
            }
            story.is_eligible(ended, 20_000);
        }
    }

    /// A movement document travels with one load of its consent.
    fn two_loads_under_one_movement_document(kind) {
        let app = TestApp::start(kind);
        let export = Export::begin(&app);
        let (one, other) = (export.consent(&json!({})), export.consent(&json!({})));
        let ship = |under: (&str, i64), number: &str| {
            let boards = export.boards(5_000, 5_000);
            let (handover, shipped) = export.ship(&boards, 5_000, under, &json!({"number": number}));
            (boards, handover, shipped)
        };
        assert_eq!(ship((&one, 1), "MD-7").2.warnings(), none());
        assert_eq!(ship((&other, 1), "MD-7").2.warnings(), none());
        let (boards, handover, shipped) = ship((&one, 2), "md 7");
        assert_eq!(shipped.warnings(), ["signal_raised"]);
        export.receive(&handover, 5_000, &json!({}));
        let ended = export.end(&boards, 5_000, &json!({})).accepted();
        export.story.lacks(ended, "signal_raised");
        export.story.find(&json!({"entry": shipped.accepted()}), "cleared").accepted();
        export.story.is_eligible(ended, 5_000);
    }
}
