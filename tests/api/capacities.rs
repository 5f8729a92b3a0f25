//! What a site may take into one operation in a year: stated by its permit, used up by its work under the ledger and outside it.

use crate::client::Answer;
use crate::corrections::instead;
use crate::harness::{TestApp, both_databases, new_id};
use crate::story::Story;
use serde_json::{Value, json};

pub const NONE: [&str; 0] = [];

/// Where a statement is warned of a capacity.
#[track_caller]
pub fn over(answer: &Answer) -> Vec<String> {
    answer.accepted();
    let body = answer.json();
    let warnings = body["warnings"].as_array().expect("warnings");
    let over = warnings.iter().filter(|warning| warning["code"] == "over_capacity");
    over.map(|warning| warning["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

pub fn permit(capacities: &Value) -> Value {
    json!({
        "number": "XD/2026/18", "operations": ["R3", "R4", "R12"],
        "waste_codes": ["16 02 13*", "16 02 15*", "19 12 02", "19 12 04"], "capacity_g_per_year": 1_000_000,
        "capacities": capacities, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
    })
}

pub fn of_operation(operation: &str, capacity_g: i64) -> Value {
    json!([{"operation": operation, "capacity_g_per_year": capacity_g}])
}

/// The same people at new sites, whose permits state such capacities: of the centre, and of the smelter.
pub fn limited<'a>(story: &Story<'a>, centre: &Value, smelter: &Value) -> Story<'a> {
    permitted(story, &permit(centre), &permit(smelter))
}

/// The same people at new sites with such permits: of the centre, and of the smelter.
pub fn permitted<'a>(story: &Story<'a>, centre: &Value, smelter: &Value) -> Story<'a> {
    let app = story.app;
    let site = |party: &str, permit: &Value| {
        let site = new_id();
        let code = site[28..].to_uppercase();
        let fields = json!({"organisation": party, "new_site": site, "country": "XD", "code": code, "permit": permit});
        app.say(&app.operator, "site_registered", &fields).accepted();
        story.audit(&site, "2026-10-01", "conforms").accepted();
        let scale = app.scale(&site);
        (site, scale)
    };
    let (centre_site, centre_scale) = site(&story.centre.id, centre);
    let (smelter_site, smelter_scale) = site(&story.smelter.id, smelter);
    Story { centre_site, centre_scale, smelter_site, smelter_scale, ..Story::beside(story) }
}

/// Fields of one's own, and the site.
fn at(site: &str, mut fields: Value) -> Value {
    fields["site"] = json!(site);
    fields
}

impl Story<'_> {
    /// Steel of a closed batch, at the smelter.
    fn steel_there(&self, grams: i64) -> String {
        let batch = self.batch(grams);
        let steel = self.fraction(&batch, "FE", grams);
        self.close(&batch).accepted();
        self.send(&steel, grams, grams);
        steel
    }

    fn melt(&self, grams: i64, operation: &str) -> Answer {
        self.treat_by(&self.steel_there(grams), grams, operation)
    }

    fn works_outside(&self, site: &str, work: &Value) -> Answer {
        let fields = json!({"changed_site": site, "outside_work": work});
        self.app.say(&self.app.operator, "site_changed", &fields)
    }
}

both_databases! {
    /// A furnace for 10 kg a year: to the gram, whatever else the plant may do, and its grams back nothing beyond.
    fn a_furnace_is_full(kind) {
        let app = TestApp::start(kind);
        let story = limited(&Story::begin(&app), &json!([]), &of_operation("R4", 10_000));
        let within = story.melt(6_000, "R4");
        assert_eq!(over(&within), NONE);
        assert_eq!(over(&story.melt(50_000, "R3")), NONE, "only the whole limits what is not named");
        assert_eq!(over(&story.melt(4_000, "R4")), NONE, "the whole of it is allowed");
        let beyond = story.melt(2_000, "R4");
        assert_eq!(over(&beyond), ["/operation"]);
        story.is_eligible(within.accepted(), 6_000);
        story.lacks(beyond.accepted(), "over_capacity");
        story.find(&json!({"entry": beyond.accepted()}), "cleared").accepted();
        story.is_eligible(beyond.accepted(), 2_000);
        // Another year has a capacity of its own; what its permit of last year was built for, it still is.
        let new_year = json!({"occurred_at": "2027-01-04T09:00:00+02:00"});
        app.now_ms.fetch_add(43 * crate::signals::DAY_MS, std::sync::atomic::Ordering::SeqCst);
        let (one, other) = (story.steel_there(10_000), story.steel_there(1_000));
        let melted = |lot: &str, grams: i64| {
            let end = json!({"item": lot, "operation": "R4", "net_g": grams, "site": story.smelter_site});
            over(&app.say(&story.smelter, "treated_final", &crate::signals::with(end, &new_year)))
        };
        assert_eq!((melted(&one, 10_000), melted(&other, 1_000)), (vec![], vec!["/operation".to_owned()]));
    }

    /// Work outside the ledger uses the capacity up: of the operation that it names, or of the whole.
    fn work_outside_the_ledger(kind) {
        let app = TestApp::start(kind);
        let story = limited(&Story::begin(&app), &json!([]), &of_operation("R4", 10_000));
        let outside = |fields: Value| story.works_outside(&story.smelter_site, &fields);
        outside(json!({"year": "2026", "received_g": 900_000})).accepted();
        outside(json!({"year": "2026", "received_g": 900_000, "operation": "R3"})).accepted();
        outside(json!({"year": "2025", "received_g": 9_000, "operation": "R4"})).accepted();
        assert_eq!(over(&story.melt(5_000, "R4")), NONE);
        outside(json!({"year": "2026", "received_g": 4_000, "operation": "R4"})).accepted();
        assert_eq!(over(&story.melt(2_000, "R4")), ["/operation"]);
        // Stated again, the later holds.
        outside(json!({"year": "2026", "received_g": 1_000, "operation": "R4"})).accepted();
        assert_eq!(over(&story.melt(1_000, "R4")), NONE);
        outside(json!({"year": "2026", "received_g": 1, "operation": "R99"}))
            .refused(422, "code_unknown", "/outside_work/operation");
    }

    /// Dismantling is R12, and so is sorting; what was fed into a batch and remained was not dismantled.
    fn a_centre_takes_apart_what_it_may(kind) {
        let app = TestApp::start(kind);
        let story = limited(&Story::begin(&app), &of_operation("R12", 20_000), &json!([]));
        let feed = |batch: &str, grams: i64| {
            let lot = story.receive(&story.weighed(grams));
            story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]}))
        };
        let open = || {
            let batch = new_id();
            story.at_centre("batch_opened", json!({"batch": batch})).accepted();
            batch
        };
        let first = open();
        assert_eq!(over(&feed(&first, 12_000)), NONE);
        let steel = story.fraction(&first, "FE", 8_000);
        let rest = json!([{"lot": new_id(), "class": "0303", "weight": story.weighed(4_000)}]);
        let closed = json!({
            "batch": first, "loss_g": 0, "out_of_scope_g": 0, "counted_elsewhere": "none", "remaining": rest,
        });
        story.at_centre("batch_closed", closed).accepted();
        let sorted = story.at_centre("treated_interim", json!({
            "inputs": [steel], "operation": "R12", "loss_g": 0, "out_of_scope_g": 0,
            "outputs": [{"lot": new_id(), "fraction": "FE", "weight": story.weighed(8_000)}],
        }));
        assert_eq!(over(&sorted), NONE);
        let second = open();
        assert_eq!(over(&feed(&second, 4_000)), NONE, "20 kg by now");
        assert_eq!(over(&feed(&second, 1_000)), ["/items"]);
        let steel = story.fraction(&second, "FE", 5_000);
        story.close(&second).accepted();
        story.send(&steel, 5_000, 5_000);
        story.lacks(story.treat(&steel, 5_000), "over_capacity");
    }

    /// Sums follow corrections, and what was said over them stands as its day found it; what is corrected itself counts once.
    fn corrections_move_the_sums(kind) {
        let app = TestApp::start(kind);
        let story = limited(&Story::begin(&app), &json!([]), &of_operation("R4", 10_000));
        let confirmed = |wrong: u64, fields: &Value| {
            let fields = instead(wrong, "treated_final", &at(&story.smelter_site, fields.clone()));
            let correction = app.say(&story.smelter, "corrected", &fields).accepted();
            app.say(&story.auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        };
        let end = |lot: &str, operation: &str, grams: i64| json!({"item": lot, "operation": operation, "net_g": grams});
        let melted = story.melt(8_000, "R4");
        let steel = story.steel_there(3_000);
        let other = story.treat_by(&steel, 3_000, "R3").accepted();
        assert_eq!(over(&melted), NONE);
        // It was the furnace after all, and that is beyond.
        confirmed(other, &end(&steel, "R4", 3_000));
        story.lacks(other, "over_capacity");
        story.is_eligible(melted.accepted(), 8_000);
        let beyond = story.melt(1_000, "R4");
        assert_eq!(over(&beyond), ["/operation"], "12 kg by now");
        // It was not: then 9 kg are in the sum, but what was said meanwhile stands as its day found it.
        confirmed(other, &end(&steel, "R3", 3_000));
        story.is_eligible(other, 3_000);
        story.lacks(beyond.accepted(), "over_capacity");
        assert_eq!(over(&story.melt(1_000, "R4")), NONE);
        assert_eq!(over(&story.melt(1, "R4")), ["/operation"]);
    }

    /// What is corrected itself counts once, beside what else its year has; also where that is nothing.
    fn a_corrected_treatment_counts_once(kind) {
        let app = TestApp::start(kind);
        let people = Story::begin(&app);
        let corrected = |grams: i64| {
            let story = limited(&people, &json!([]), &of_operation("R4", 10_000));
            let steel = story.steel_there(grams);
            let treatment = story.treat_by(&steel, grams, "R4").accepted();
            let right = json!({"item": steel, "operation": "R4", "net_g": grams});
            let mut fields = instead(treatment, "treated_final", &at(&story.smelter_site, right));
            fields["instead"]["occurred_at"] = json!("2026-11-23T12:30:00+02:00");
            app.say(&story.smelter, "corrected", &fields).accepted();
            (story, treatment)
        };
        let (story, treatment) = corrected(9_000);
        story.is_eligible(treatment, 9_000);
        assert_eq!(over(&story.melt(1_000, "R4")), NONE);
        assert_eq!(over(&story.melt(1, "R4")), ["/operation"]);
        let (story, treatment) = corrected(10_001);
        story.lacks(treatment, "over_capacity");
    }

    /// What a permit cannot state, and where the answer points.
    fn permits_that_cannot_be(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let one = |operation: &str, capacity_g: i64| json!({"operation": operation, "capacity_g_per_year": capacity_g});
        for (capacities, code, pointer) in [
            (json!([one("R4", 1), one("R5", 1)]), "list_invalid", "/permit/capacities/1/operation"),
            (json!([one("R4", 1), one("R4", 2)]), "list_invalid", "/permit/capacities/1/operation"),
            (json!([one("R4", 1_000_001)]), "weight_invalid", "/permit/capacities/0/capacity_g_per_year"),
            (json!([one("R4", 1), one("R13", 1)]), "list_invalid", "/permit/capacities/1/operation"),
            (json!([one("D15", 1)]), "list_invalid", "/permit/capacities/0/operation"),
        ] {
            let mut permit = permit(&capacities);
            permit["operations"] = json!(["R3", "R4", "R12", "R13", "D15"]);
            let fields = json!({"changed_site": story.smelter_site, "permit": permit});
            app.say(&app.operator, "site_changed", &fields).refused(422, code, pointer);
        }
        let fields = json!({"changed_site": story.smelter_site, "permit": permit(&json!([one("R4", 1_000_000)]))});
        app.say(&app.operator, "site_changed", &fields).accepted();
    }

    /// Rule sets before the fourth look at the whole alone.
    fn an_older_rule_set(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("3");
        let story = limited(&Story::begin(&app), &json!([]), &of_operation("R4", 10_000));
        assert_eq!(over(&story.melt(20_000, "R4")), NONE);
        app.adopt_rules("4");
        assert_eq!(over(&story.melt(10_000, "R4")), NONE, "what came before was counted in no operation");
        assert_eq!(over(&story.melt(1_000, "R4")), ["/operation"]);
    }
}
