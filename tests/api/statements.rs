//! A year's statement of what an organisation retired.

use crate::bundles::anchor;
use crate::harness::{Party, TestApp, both_databases};
use crate::orders::{delivered, order_of, pay, place, placed, read, retire};
use crate::register::{retire_for, units};
use crate::story::Story;
use loopledger::proof::verify::verify;
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
        assert_eq!((&none["sums"]["net_kg"], &none["sums"]["sentence"]), (&json!(0), &json!("nothing was retired for this year")));
        let first = retire_for(&app, &buyer, &units(71, 90), "Example AG", &json!({})).accepted();
        let crossing = json!({"period": {"from": "2026-07-01", "until": "2027-06-30"}});
        let second = retire_for(&app, &buyer, &units(91, 97), "Example AG", &crossing).accepted();
        let body = statement(&app, &buyer, "2026");
        assert_eq!((&body["sums"]["net_kg"], &body["sums"]["net_g"]), (&json!(20), &json!(20_000)));
        assert_eq!(body["sums"]["by_fraction_g"], json!({"FE": 10_000, "PWB_HIGH": 10_000}));
        assert_eq!(body["sums"]["by_operation_g"], json!({"R3": 10_000, "R4": 10_000}));
        assert_eq!(body["sums"]["by_waste_code_g"], json!({"16 02 15*": 10_000, "19 12 02": 10_000}));
        assert_eq!(body["sums"]["by_country_of_arising_g"], json!({"XD": 20_000}));
        assert_eq!(body["sums"]["by_country_of_treatment_g"], json!({"XD": 20_000}));
        assert_eq!(body["sums"]["hazardous_g"], 10_000);
        let assurance = json!({
            "confirmed_g": 20_000, "documented_g": 0, "related_parties_g": 0, "hosted_keys_g": 0, "failing_kg": 0,
        });
        assert_eq!(body["sums"]["assurance"], assurance);
        let sentence = "20 kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23; Example AG financed it";
        assert_eq!(body["sums"]["sentence"], sentence);
        assert_eq!(body["blocks"].as_array().map(Vec::len), Some(1));
        assert_eq!((&body["blocks"][0]["serial"], &body["blocks"][0]["retired"]["entry"]), (&json!(units(71, 90)), &json!(first)));
        assert_eq!(body["begin_before_the_year"], json!([]));
        // A period that crosses counts whole in the year in which it ends, and in no other.
        let next = statement(&app, &buyer, "2027");
        assert_eq!((&next["sums"]["net_kg"], &next["begin_before_the_year"]), (&json!(7), &json!([units(91, 97)])));
        assert_eq!(next["blocks"][0]["retired"]["entry"], json!(second));
        assert_eq!(statement(&app, &buyer, "2025")["sums"]["net_kg"], 0);
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
        assert_eq!(body["sums"]["sentence"], "20 kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23");
        let page = app.get(&format!("/v1/certificates/{}", units(71, 90)), "").json();
        for name in ["by_fraction_g", "by_operation_g", "hazardous_g", "sentence"] {
            assert_eq!(body["sums"][name], page[name], "page and statement say the same");
        }
    }

    /// One sentence names one company: each retirement has its own, and the whole one only if they agree.
    fn several_companies(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = mixed(&story);
        let first = retire_for(&app, &buyer, &units(71, 90), "Example AG", &json!({})).accepted();
        let both = json!({"further": [units(1, 70)]});
        let second = retire_for(&app, &buyer, &units(91, 97), "Another Ltd", &both).accepted();
        let body = statement(&app, &buyer, "2026");
        assert_eq!((&body["sums"]["net_kg"], body["blocks"].as_array().map(Vec::len)), (&json!(97), Some(3)));
        let treated = "kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23";
        assert_eq!(body["sums"]["sentence"], format!("97 {treated}"));
        assert_eq!(body["retirements"], json!([
            {"entry": first, "net_kg": 20, "sentence": format!("20 {treated}; Example AG financed it")},
            {"entry": second, "net_kg": 77, "sentence": format!("77 {treated}; Another Ltd financed it")},
        ]));
    }

    /// Pages of blocks: the sums stand on the first, and each retirement where its first block is.
    fn more_blocks_than_a_page(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(250_000);
        let single = |unit| units(unit, unit);
        let pieces: Vec<String> = (1..=242).map(single).collect();
        let whole = story.issue(None);
        assert_eq!(whole, units(1, 242));
        app.say(&story.centre, "certificate_split", &json!({"certificate": whole, "into": pieces})).accepted();
        let retire = |own: &[String], company: &str| {
            let change = json!({"further": own[1..]});
            retire_for(&app, &story.centre, &own[0], company, &change).accepted()
        };
        let entries = [retire(&pieces[..120], "Example AG"), retire(&pieces[120..], "Another Ltd")];
        let first = statement(&app, &story.centre, "2026");
        let next = first["next"].as_str().expect("a second page");
        let second = statement(&app, &story.centre, &format!("2026&after={next}"));
        let blocks = |page: &Value| -> Vec<String> {
            let blocks = page["blocks"].as_array().expect("blocks").iter();
            blocks.map(|block| block["serial"].as_str().expect("serial numbers").to_owned()).collect()
        };
        assert_eq!((blocks(&first), blocks(&second)), (pieces[..200].to_vec(), pieces[200..].to_vec()));
        assert_eq!(second["next"], Value::Null);
        assert_eq!(second.get("sums"), None, "they stand on the first page alone");
        assert_eq!((&first["sums"]["net_kg"], &first["as_of_size"]), (&json!(242), &second["as_of_size"]));
        let kg = |page: &Value| -> Vec<(u64, i64)> {
            let retired = page["retirements"].as_array().expect("retirements").iter();
            retired.map(|one| (one["entry"].as_u64().expect("an entry"), one["net_kg"].as_i64().expect("kg"))).collect()
        };
        assert_eq!((kg(&first), kg(&second)), (vec![(entries[0], 120), (entries[1], 122)], vec![]));
        let path = format!("/v1/organisations/{}/statement?year=2026&format=csv", story.centre.id);
        let page = app.get(&path, &story.centre.token);
        assert!(page.link.contains(&format!("after={next}&")), "{}", page.link);
        let rest = app.get(&format!("{path}&after={next}"), &story.centre.token);
        let lines = |text: &str, what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!((lines(&page.text, ",net,"), lines(&rest.text, ",net,")), (1, 0));
        assert_eq!((lines(&page.text, ",block,"), lines(&rest.text, ",block,"), rest.link.as_str()), (200, 42, ""));
        let bad = app.get(&format!("{path}&after=2026-12-31"), &story.centre.token);
        bad.refused(400, "query_invalid", "/after");
    }

    /// A company whose centre retires for it has its statement, if it let itself be named.
    fn a_buyer_whose_centre_retires(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (named, unnamed) = (app.join(&["buyer"]), app.join(&["buyer"]));
        let wish = |name_buyer: bool| {
            let mut wish = retire(("2026-01-01", "2026-12-31"));
            if name_buyer {
                wish["name_buyer"] = json!(true);
            }
            json!({"deliver": wish})
        };
        let body = order_of(20, &wish(true));
        let first = placed(&app, &named, &body);
        assert_eq!(place(&app, &named, &body).status, 200);
        let other = order_of(20, &json!({"id": first, "deliver": retire(("2026-01-01", "2026-12-31"))}));
        place(&app, &named, &other).refused(409, "id_taken", "/id");
        assert_eq!(read(&app, &named, &first)["name_buyer"], true);
        let second = placed(&app, &unnamed, &order_of(30, &wish(false)));
        for id in [&first, &second] {
            assert_eq!(pay(&app, &story.centre, id, "A").status, 200);
        }
        // The centre names whom the order names, and nobody else.
        let into = [units(1, 20), units(21, 50), units(51, 97)];
        app.say(&story.centre, "certificate_split", &json!({"certificate": units(1, 97), "into": into})).accepted();
        let retired = |serial: &str, change: &Value| retire_for(&app, &story.centre, serial, "Example Textiles Ltd", change);
        let pointer = "/beneficiary_organisation";
        retired(&units(1, 20), &json!({"order": first})).refused(409, "order_differs", pointer);
        for (serial, id, organisation) in [(units(1, 20), &first, &unnamed.id), (units(21, 50), &second, &unnamed.id)] {
            let change = json!({"order": id, "beneficiary_organisation": organisation});
            retired(&serial, &change).refused(409, "order_differs", pointer);
        }
        let unasked = json!({"beneficiary_organisation": named.id});
        retired(&units(51, 97), &unasked).refused(422, "beneficiary_not_named", pointer);
        delivered(&app, &story.centre, &first);
        delivered(&app, &story.centre, &second);
        let own = json!({"beneficiary_organisation": story.centre.id});
        retired(&units(51, 97), &own).accepted();
        let kg = |party: &Party| statement(&app, party, "2026")["sums"]["net_kg"].clone();
        assert_eq!((kg(&named), kg(&unnamed), kg(&story.centre)), (json!(20), json!(0), json!(77)));
        let body = statement(&app, &named, "2026");
        assert!(body["sums"]["sentence"].as_str().is_some_and(|said| said.ends_with("Example Textiles Ltd financed it")), "{body}");
        assert_eq!(body["blocks"][0]["retired"]["beneficiary_organisation"], named.id);
        let page = |serial: &str| app.get(&format!("/v1/certificates/{serial}"), "").json()["retired"].clone();
        assert_eq!((&page(&units(1, 20))["holder"], &page(&units(1, 20))[&pointer[1..]]), (&json!(story.centre.id), &json!(named.id)));
        assert_eq!(page(&units(21, 50))[&pointer[1..]], Value::Null);
        // The offline verifier knows the rule too.
        let bundle = app.get(&format!("/v1/certificates/{}/bundle", units(1, 20)), &story.centre.token);
        assert!(verify(&bundle.bytes, Some(&anchor())).is_ok_and(|verdict| verdict.trusted), "{}", bundle.text);
    }

    /// Earlier rule sets name nobody, as their ledgers were written.
    fn nobody_is_named_under_rule_set_3(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        let serial = story.issue(None);
        app.adopt_rules("3");
        let buyer = app.join(&["buyer"]);
        let mut wish = retire(("2026-01-01", "2026-12-31"));
        wish["name_buyer"] = json!(true);
        place(&app, &buyer, &order_of(1, &json!({"deliver": wish}))).refused(422, "beneficiary_not_named", "/deliver/name_buyer");
        let own = json!({"beneficiary_organisation": story.centre.id});
        let answer = retire_for(&app, &story.centre, &serial, "Example AG", &own);
        answer.refused(422, "beneficiary_not_named", "/beneficiary_organisation");
        retire_for(&app, &story.centre, &serial, "Example AG", &json!({})).accepted();
    }
}
