//! A year's statement of what an organisation retired.

use crate::harness::{Party, TestApp, both_databases};
use crate::register::{retire_for, units};
use crate::story::Story;
use serde_json::{Value, json};

fn statement(app: &TestApp, party: &Party, year: &str) -> Value {
    let answer = app.get(&format!("/v1/organisations/{}/statement?year={year}", party.id), &party.token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Steel and boards become 97 units: 80 on steel and 17 on boards, with 3 in the buffer.
fn mixed(story: &Story<'_>) -> Party {
    let batch = story.batch(100_000);
    let (steel, boards) = (story.fraction(&batch, "FE", 80_000), story.fraction(&batch, "PWB_HIGH", 20_000));
    story.send(&steel, 80_000, 80_000);
    story.send(&boards, 20_000, 20_000);
    story.treat(&steel, 80_000);
    story.treat_by(&boards, 20_000, "R3").accepted();
    story.close(&batch).accepted();
    let whole = story.issue(None);
    assert_eq!(whole, units(1, 97));
    let buyer = story.app.join(&["buyer"]);
    let into = [units(1, 70), units(71, 90), units(91, 97)];
    story.app.say(&story.centre, "certificate_split", &json!({"certificate": whole, "into": into})).accepted();
    for block in into {
        let fields = json!({"certificate": block, "to": buyer.id});
        story.app.say(&story.centre, "certificate_transferred", &fields).accepted();
    }
    buyer
}

both_databases! {
    fn a_year_of_a_company(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = mixed(&story);
        let none = statement(&app, &buyer, "2026");
        assert_eq!((&none["net_kg"], &none["sentence"]), (&json!(0), &json!("nothing was retired for this year")));
        let first = retire_for(&app, &buyer, &units(71, 90), "Example AG", &json!({})).accepted();
        let crossing = json!({"period": {"from": "2026-07-01", "until": "2027-06-30"}});
        let second = retire_for(&app, &buyer, &units(91, 97), "Example AG", &crossing).accepted();
        let body = statement(&app, &buyer, "2026");
        assert_eq!((&body["net_kg"], &body["net_g"]), (&json!(20), &json!(20_000)));
        assert_eq!(body["by_fraction_g"], json!({"FE": 10_000, "PWB_HIGH": 10_000}));
        assert_eq!(body["by_operation_g"], json!({"R3": 10_000, "R4": 10_000}));
        assert_eq!(body["by_waste_code_g"], json!({"16 02 15*": 10_000, "19 12 02": 10_000}));
        assert_eq!(body["by_country_of_arising_g"], json!({"XD": 20_000}));
        assert_eq!(body["by_country_of_treatment_g"], json!({"XD": 20_000}));
        assert_eq!(body["hazardous_g"], 10_000);
        let assurance = json!({
            "confirmed_g": 20_000, "documented_g": 0, "related_parties_g": 0, "hosted_keys_g": 0, "failing_kg": 0,
        });
        assert_eq!(body["assurance"], assurance);
        let sentence = "20 kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23; Example AG financed it";
        assert_eq!(body["sentence"], sentence);
        assert_eq!(body["blocks"].as_array().map(Vec::len), Some(1));
        assert_eq!((&body["blocks"][0]["serial"], &body["blocks"][0]["retired"]["entry"]), (&json!(units(71, 90)), &json!(first)));
        assert_eq!(body["begin_before_the_year"], json!([]));
        // A period that crosses counts whole in the year in which it ends, and in no other.
        let next = statement(&app, &buyer, "2027");
        assert_eq!((&next["net_kg"], &next["begin_before_the_year"]), (&json!(7), &json!([units(91, 97)])));
        assert_eq!(next["blocks"][0]["retired"]["entry"], json!(second));
        assert_eq!(statement(&app, &buyer, "2025")["net_kg"], 0);
        let lines = app.get(&format!("/v1/organisations/{}/statement?year=2027&format=csv", buyer.id), &buyer.token);
        let head = format!("{},2027,{},", buyer.id, second + 1);
        let expected: String = [
            "net,,7000,,,", "hazardous,,7000,,,", "confirmed,,7000,,,", "documented,,0,,,", "related_parties,,0,,,",
            "hosted_keys,,0,,,", "failing,,0,,,", "country_of_arising,XD,7000,,,", "country_of_treatment,XD,7000,,,",
            "operation,R3,7000,,,", "waste_code,16 02 15*,7000,,,", "fraction,PWB_HIGH,7000,,,",
            &format!("block,{},7000,{second},2026-07-01,2027-06-30", units(91, 97)),
        ]
        .iter()
        .map(|line| format!("{head}{line}\r\n"))
        .collect();
        let columns = "organisation,year,as_of_size,what,of,grams,retired,period_from,period_until\r\n";
        assert_eq!(lines.text, format!("{columns}{expected}"));
        assert_eq!(lines.content_type, "text/csv; charset=utf-8; header=present");
    }

    /// The organisation's own and auditors'; what was erased names nobody; what fails is said.
    fn whose_it_is(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = mixed(&story);
        let entry = retire_for(&app, &buyer, &units(71, 90), "Example AG", &json!({})).accepted();
        let path = format!("/v1/organisations/{}/statement?year=2026", buyer.id);
        app.get(&path, &story.centre.token).refused(404, "not_found", "");
        app.get(&path, "").refused(401, "token_invalid", "");
        let audit = app.token(&story.auditor.id, &["audit"]);
        assert_eq!(app.get(&path, &audit).json(), statement(&app, &buyer, "2026"));
        let broken = format!("/v1/organisations/{}/statement?year=26", buyer.id);
        app.get(&broken, &buyer.token).refused(400, "query_invalid", "/year");
        let erase = json!({"entry": entry, "pointers": ["/beneficiary"], "reason": "ordered"});
        app.say(&buyer, "value_erased", &erase).accepted();
        let body = statement(&app, &buyer, "2026");
        assert!(!body.to_string().contains("Example AG"), "{body}");
        assert_eq!(body["sentence"], "20 kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23");
        let page = app.get(&format!("/v1/certificates/{}", units(71, 90)), "").json();
        for name in ["by_fraction_g", "by_operation_g", "hazardous_g", "sentence"] {
            assert_eq!(body[name], page[name], "page and statement say the same");
        }
    }
}
