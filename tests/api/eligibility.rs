//! The scheme `e-resource/1`, rule by rule: a story in which everything is eligible, and what it takes to spoil it.

use crate::harness::{Kind, TestApp, both_databases, new_id};
use crate::story::Story;
use loopledger::domain::eligibility::Gap;
use serde_json::{Value, json};

/// What is said of one batch, and what becomes of it: 100 kg of laptops give 80 kg of steel and 20 kg of boards.
pub struct Told {
    pub receipt: Value,
    pub closed: Value,
    pub boards_g: i64,
    pub boards_by: &'static str,
    pub are_boards_sent: bool,
}

impl Told {
    pub fn rightly() -> Self {
        Self { receipt: json!({}), closed: json!({}), boards_g: 20_000, boards_by: "R4", are_boards_sent: true }
    }

    /// With some fields of the gate receipt otherwise.
    fn received(change: Value) -> Self {
        Self { receipt: change, ..Self::rightly() }
    }
}

/// What came of it: the batch, and the entries of its treatments.
pub struct Ended {
    /// The laptops, and the entry of their receipt.
    pub lot: String,
    pub received: u64,
    pub batch: String,
    pub boards: String,
    pub of_steel: u64,
    pub of_boards: Option<u64>,
    /// The entry that closed the batch.
    pub closed: u64,
}

fn with(mut fields: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().expect("fields") {
        match value {
            Value::Null => _ = fields.as_object_mut().expect("fields").remove(name),
            value => fields[name] = value.clone(),
        }
    }
    fields
}

impl Story<'_> {
    pub fn tell(&self, told: &Told) -> Ended {
        let (lot, batch) = (new_id(), new_id());
        let missing = json!({"pieces": 40, "missing": [{"part": "batteries", "count": 40}]});
        let receipt = with(with(self.receipt(&lot, &self.weighed(100_000)), &missing), &told.receipt);
        let received = self.at_centre("received", receipt).accepted();
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel_g = 100_000 - told.boards_g;
        let (steel, boards) = (self.fraction(&batch, "FE", steel_g), self.fraction(&batch, "PWB_HIGH", told.boards_g));
        self.send(&steel, steel_g, steel_g);
        let of_steel = self.treat(&steel, steel_g);
        let of_boards = told.are_boards_sent.then(|| {
            self.send(&boards, told.boards_g, told.boards_g);
            self.treat_by(&boards, told.boards_g, told.boards_by).accepted()
        });
        let closed = json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none"});
        let closed = self.at_centre("batch_closed", with(closed, &told.closed)).accepted();
        Ended { lot, received, batch, boards, of_steel, of_boards, closed }
    }

    /// One rule alone keeps a treatment's grams back, and the endpoint says the rule and what to do.
    #[track_caller]
    pub fn lacks(&self, treatment: u64, code: &str) {
        self.lacks_beyond(treatment, code, 0);
    }

    /// The same, of those behind so many grams.
    #[track_caller]
    pub fn lacks_beyond(&self, treatment: u64, code: &str, eligible: i64) {
        let path = format!("/v1/eligibility?treatment={treatment}");
        let body = self.app.get(&path, &self.app.operator.token).json();
        let found = &body["treatments"][0];
        let gaps = found["gaps"].as_array().unwrap_or_else(|| panic!("no gaps: {body}"));
        assert_eq!(gaps.iter().map(|gap| gap["code"].as_str().expect("a code")).collect::<Vec<_>>(), [code]);
        assert_eq!(found["eligible_g"], eligible, "{code}");
        let gap = Gap::parse(code).expect("a gap");
        assert_eq!((&gaps[0]["reason"], &gaps[0]["todo"]), (&json!(gap.reason()), &json!(gap.todo())));
        assert!(gap.reason().len() > 20 && gap.todo().len() > 20 && gap.source().len() > 10, "{code}");
    }

    #[track_caller]
    pub fn is_eligible(&self, treatment: u64, grams: i64) {
        assert_eq!(self.gaps(treatment), (Vec::new(), grams));
    }
}

both_databases! {
    /// Told rightly, every gram is eligible.
    fn everything_is_eligible(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ended = story.tell(&Told::rightly());
        story.is_eligible(ended.of_steel, 80_000);
        story.is_eligible(ended.of_boards.expect("boards"), 20_000);
        // A fifth of the input may end by disposal, if it is hazardous.
        let ended = story.tell(&Told { boards_by: "D10", ..Told::rightly() });
        story.is_eligible(ended.of_boards.expect("boards"), 20_000);
    }

    /// What the centre declares counts as much as what its supplier does; a part that some pieces came without is still
    /// expected of the others.
    fn what_is_said_in_part(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let credited = Told { closed: json!({"counted_elsewhere": "plastic_credit"}), ..Told::rightly() };
        story.lacks(story.tell(&credited).of_steel, "counted_elsewhere");
        let few = json!({"missing": [{"part": "batteries", "count": 39}]});
        story.lacks(story.tell(&Told::received(few)).of_steel, "parts_not_accounted_for");
    }

    /// Open and in dispute: both are told.
    fn two_rules_at_once(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(100_000);
        let steel = story.fraction(&batch, "FE", 100_000);
        story.send(&steel, 100_000, 90_000);
        let disputed = story.treat(&steel, 90_000);
        let (found, grams) = story.gaps(disputed);
        assert_eq!((found.as_slice(), grams), (["batch_open".to_owned(), "disputed".to_owned()].as_slice(), 0));
        story.close(&batch).accepted();
        story.lacks(disputed, "disputed");
    }

    /// An audit that finds otherwise holds back what another set free.
    fn a_later_audit_finds_otherwise(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let treatment = story.whole_batch(10_000);
        story.is_eligible(treatment, 10_000);
        story.audit(&story.centre_site, "2026-10-02", "does_not_conform").accepted();
        story.lacks(treatment, "batch_site_not_audited");
    }

    /// New rules judge new grams; certificates that exist stay what they are.
    fn rules_adopted_in_mid_ledger(kind) {
        let app = TestApp::start(kind);
        let adopt = |version: &str| {
            let set = loopledger::domain::rule_set::all().iter().find(|set| set.version == version).expect("a rule set");
            let name = json!({"version": set.version, "sha256": set.sha256});
            app.say(&app.operator, "rules_adopted", &json!({"rule_set": name})).accepted();
        };
        adopt("2");
        let story = Story::begin(&app);
        let undeclared = || Told { closed: json!({"counted_elsewhere": null}), ..Told::rightly() };
        let before = story.tell(&undeclared());
        story.is_eligible(before.of_steel, 80_000);
        let serial = story.issue(Some(50));
        let page = |serial: &str| app.get(&format!("/v1/certificates/{serial}"), "").json();
        let old = page(&serial);
        assert_eq!((&old["scheme"], &old["rule_set"]), (&json!("e-resource/0"), &json!("2")));
        adopt("3");
        assert_eq!(page(&serial), old);
        // What was not certified yet is judged by the rules in force.
        story.lacks(before.of_steel, "centre_not_declared");
        story.draft(None).refused(422, "units_invalid", "/vintage");
        story.tell(&Told::rightly());
        let serial = story.issue(None);
        assert_eq!(page(&serial)["scheme"], "e-resource/1");
        story.retire(&serial).accepted();
    }

    /// On a ledger in earnest the countries are real, and the fictitious one is none of them.
    fn in_earnest(kind) {
        let app = TestApp::start_in_earnest(kind);
        let story = Story::begin_in(&app, "KE");
        let ended = story.tell(&Told::rightly());
        story.is_eligible(ended.of_steel, 80_000);
        let serial = story.issue(None);
        assert!(serial.starts_with("ER-KE-CTR1-202611-"), "{serial}");
        let fictitious = Story::begin(&app);
        let ended = fictitious.tell(&Told::rightly());
        fictitious.lacks(ended.of_steel, "country_not_listed");
    }

    /// A shipment that is received in another country than its papers say has crossed a border without them.
    fn a_shipment_that_goes_astray(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin_in(&app, "KE");
        let exporter = app.join_in("KE", &["recycler", "exporter"]);
        let refiner = app.join_in("BE", &["treater"]);
        let site = |party: &str, country: &str, code: &str| {
            let site = new_id();
            let permit = json!({
                "number": "P-1", "operations": ["R12", "R4"], "waste_codes": ["16 02 13*", "16 02 15*"],
                "capacity_g_per_year": 9_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
            });
            let fields = json!({"organisation": party, "new_site": site, "country": country, "code": code, "permit": permit});
            app.say(&app.operator, "site_registered", &fields).accepted();
            story.audit(&site, "2026-10-01", "conforms").accepted();
            site
        };
        let (nakuru, hoboken, lyon) =
            (site(&exporter.id, "KE", "NAK"), site(&refiner.id, "BE", "HOB"), site(&refiner.id, "FR", "LYO"));
        let paper = json!({"sha256": "0".repeat(64), "blake3": "1".repeat(64)});
        let consent = new_id();
        app.say(&exporter, "export_consented", &json!({
            "consent": consent, "number": "KE-1", "from_country": "KE", "to_country": "BE", "waste_codes": ["16 02 15*"],
            "basel_codes": ["A1181"], "operation": "R4", "quantity_g": 60_000, "shipments": 2, "valid_from": "2026-11-01",
            "valid_until": "2027-10-31", "guarantee": "G-1", "contract": paper,
        })).accepted();
        let centre = Story {
            app: &app, country: "KE", centre_scale: app.scale(&nakuru), centre: exporter, centre_site: nakuru,
            smelter_scale: app.scale(&hoboken), smelter: refiner, smelter_site: hoboken.clone(),
            auditor: story.auditor, issuer: story.issuer,
        };
        for (sequence, arrives_at, warnings) in [(1, &hoboken, vec![]), (2, &lyon, vec!["border_not_covered"])] {
            let batch = centre.batch(20_000);
            let boards = centre.fraction(&batch, "PWB_HIGH", 20_000);
            let handover = new_id();
            centre.at_centre("export_shipped", json!({
                "handover": handover, "to": centre.smelter.id, "lots": [{"lot": boards, "sent_g": 20_000}],
                "to_country": "BE", "ground": "consent", "under": {"consent": consent, "sequence": sequence},
                "number": format!("MD-{sequence}"), "document": paper,
            })).accepted();
            let scale = app.scale(arrives_at);
            let weight = json!({"basis": "weighed", "gross_g": 20_000, "tare_g": 0, "scale": scale});
            let answers = json!([{"weight": weight, "accepted_g": 20_000, "refused_g": 0}]);
            let received = app.say(&centre.smelter, "import_received", &json!({"handover": handover, "site": arrives_at, "lots": answers}));
            received.accepted();
            assert_eq!(received.warnings(), warnings);
            let end = json!({"item": boards, "operation": "R4", "net_g": 20_000, "site": arrives_at});
            let treatment = app.say(&centre.smelter, "treated_final", &end).accepted();
            centre.close(&batch).accepted();
            if warnings.is_empty() {
                centre.is_eligible(treatment, 20_000);
            } else {
                centre.lacks(treatment, "border_not_covered");
            }
        }
    }

    /// What a receipt counts missing must be countable.
    fn a_receipt_that_cannot_count(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let receive = |change: Value| story.at_centre("received", with(story.receipt(&new_id(), &story.weighed(10_000)), &change));
        let reuse = json!({"provenance": {"kind": "reuse", "counted_elsewhere": "none"}});
        receive(reuse).refused(422, "code_unknown", "/provenance/kind");
        receive(json!({"pieces": null})).refused(422, "list_invalid", "/pieces");
        receive(json!({"pieces": 2})).refused(422, "list_invalid", "/missing/0/count");
        let twice = json!({"missing": [{"part": "toner", "count": 1}, {"part": "toner", "count": 2}]});
        receive(twice).refused(422, "list_invalid", "/missing/1/count");
        assert_eq!(receive(json!({"missing": [{"part": "wheels", "count": 1}]})).status, 422);
        let laptop = app.laptop(&story.centre);
        let retired = |count: i64| {
            let missing = json!([{"part": "batteries", "count": count}]);
            let arising = json!({"country": "XD", "month": "2026-11"});
            let fields = json!({"item": laptop, "arising": arising, "counted_elsewhere": "none", "missing": missing});
            story.at_centre("retired", fields)
        };
        retired(2).refused(422, "list_invalid", "/missing/0/count");
        retired(1).accepted();
    }
}

/// Every rule stands in the reference with its words and its source; a ledger under older rules has the older ones.
#[test]
fn the_rules_can_be_looked_up() {
    let app = TestApp::start(Kind::Sqlite);
    let scheme = |app: &TestApp| app.get("/v1/reference/scheme", "").json()["scheme"].clone();
    let now = scheme(&app);
    let rules = now["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), Gap::ALL.len());
    for rule in rules {
        let has_words = |name: &str| rule[name].as_str().is_some_and(|words| words.len() > 10);
        assert!(["reason", "todo", "source"].into_iter().all(has_words), "{rule}");
    }
    let hazardous = json!({"accepted_ppm": 950_000, "storage_months": 12, "settles_waiting_alone": true});
    assert_eq!(now["numbers"]["conditions"]["hazardous"], hazardous);
    let boards = &now["numbers"]["conditions"]["expected"][0];
    assert_eq!(
        (&boards["part"], &boards["least_ppm"]["0303"]),
        (&json!("boards"), &json!(5_000)),
        "the words point here"
    );
    let old = loopledger::domain::rule_set::all().iter().find(|set| set.version == "2").expect("a rule set");
    let name = json!({"rule_set": {"version": old.version, "sha256": old.sha256}});
    app.say(&app.operator, "rules_adopted", &name).accepted();
    let before = scheme(&app);
    assert!(before["numbers"].get("conditions").is_none());
    assert_eq!(before["rules"].as_array().expect("rules").len(), rules.len() - 10);
}
