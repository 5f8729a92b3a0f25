//! What is only in doubt behind certificates: no unit fails for it, but the page says so, and auditors are told where to look.

use crate::findings::finding;
use crate::harness::{Party, TestApp, both_databases, kid, signed};
use crate::replacements::{is, standing, units};
use crate::story::Story;
use serde_json::{Value, json};

/// Codes of what the page of a block says is in doubt.
pub fn doubted(app: &TestApp, serial: &str) -> Vec<String> {
    let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
    let gaps = page["in_doubt"].as_array().into_iter().flatten();
    gaps.map(|gap| gap["code"].as_str().expect("a code").to_owned()).collect()
}

/// What is in doubt, as somebody is told: treatment, grams, codes, and the units of each certificate.
pub fn told(app: &TestApp, token: &str) -> Vec<Value> {
    let body = app.get("/v1/doubts", token).json();
    let doubts = body["doubts"].as_array().unwrap_or_else(|| panic!("{body}"));
    let codes = |doubt: &Value| {
        doubt["gaps"].as_array().expect("gaps").iter().map(|gap| gap["code"].clone()).collect::<Vec<_>>()
    };
    let named = |doubt: &Value| {
        let certificates = doubt["certificates"].as_array().expect("certificates");
        certificates.iter().map(|one| json!([one["serial"], one["status"], one["units"]])).collect::<Vec<_>>()
    };
    let brief = |doubt: &Value| json!([doubt["treatment"], doubt["grams_g"], codes(doubt), named(doubt)]);
    doubts.iter().map(brief).collect()
}

/// Two batches of 10 kg each, certified together and parted: units 1 to 9 rest on the first, 10 on both, the rest on the second.
fn sold(story: &Story<'_>, buyer: &Party) -> [u64; 2] {
    let treatments = [story.whole_batch(9_500), story.whole_batch(10_500)];
    assert_eq!(story.issue(None), units(1, 19));
    let into = [units(1, 5), units(6, 12), units(13, 19)];
    story.app.say(&story.centre, "certificate_split", &json!({"certificate": units(1, 19), "into": into})).accepted();
    let sale = json!({"certificate": units(6, 12), "to": buyer.id});
    story.app.say(&story.centre, "certificate_transferred", &sale).accepted();
    treatments
}

both_databases! {
    /// The smelter's key was lost before the second treatment: what rests on that is named, and nothing fails until an auditor says so.
    fn a_key_that_was_lost_before_the_treatment(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = app.join(&["buyer"]);
        let [first, second] = sold(&story, &buyer);
        assert_eq!(told(&app, &app.operator.token), Vec::<Value>::new());
        let lost = json!({"kid": kid(&story.smelter.key), "reason": "compromised", "since_index": first + 1});
        app.say(&app.operator, "key_revoked", &lost).accepted();
        for block in [units(6, 12), units(13, 19), units(20, 20)] {
            assert_eq!(doubted(&app, &block), ["key_compromised"], "{block}");
        }
        assert_eq!(doubted(&app, &units(1, 5)), Vec::<String>::new());
        assert_eq!(standing(&app, &units(6, 12)), is("held", json!([])));
        let concerned = json!([
            [units(6, 12), "held", [units(10, 12)]],
            [units(13, 19), "held", [units(13, 19)]],
            [units(20, 20), "buffer", [units(20, 20)]],
        ]);
        let expected = [json!([second, 10_500, ["key_compromised"], concerned])];
        // Auditors are told, and whoever treated, dismantled or issued; others see it on the page.
        for party in [&app.operator, &story.smelter, &story.centre, &story.issuer] {
            assert_eq!(told(&app, &party.token), expected);
        }
        assert_eq!(told(&app, &buyer.token), Vec::<Value>::new());
        // A finding says what follows: the units fail, and what is in doubt about them is no news any more.
        let held = finding(&json!({"treatment": second}), "held");
        app.say(&story.auditor, "audit_finding", &held).accepted();
        assert_eq!(standing(&app, &units(6, 12)), is("held", json!([[10, 12]])));
        assert_eq!(told(&app, &app.operator.token), Vec::<Value>::new());
        assert_eq!(doubted(&app, &units(6, 12)), Vec::<String>::new());
    }

    /// A later audit found otherwise, and a site is suspended: in doubt until the next audit, or until it is restored.
    fn a_site_that_is_in_doubt(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = app.join(&["buyer"]);
        sold(&story, &buyer);
        let is_doubted = |codes: &[&str]| {
            assert_eq!(doubted(&app, &units(1, 5)), codes);
            let concerned: Vec<usize> = told(&app, &app.operator.token).iter().map(|doubt| doubt[3].as_array().expect("certificates").len()).collect();
            assert_eq!(concerned, if codes.is_empty() { vec![] } else { vec![2, 3] });
            assert_eq!(standing(&app, &units(1, 5)), is("held", json!([])));
        };
        is_doubted(&[]);
        story.audit(&story.smelter_site, "2026-11-20", "does_not_conform").accepted();
        is_doubted(&["treatment_site_not_audited"]);
        let suspension = json!({"suspended_site": story.centre_site, "reason": "statements"});
        app.say(&story.auditor, "site_suspended", &suspension).accepted();
        is_doubted(&["treatment_site_not_audited", "site_suspended"]);
        app.say(&story.auditor, "site_restored", &json!({"restored_site": story.centre_site})).accepted();
        story.audit(&story.smelter_site, "2026-11-22", "conforms").accepted();
        is_doubted(&[]);
    }

    /// A doubt about what was sold piece by piece names so many pieces, and says that there are more.
    fn more_certificates_than_are_named(kind) {
        const UNITS: i64 = 120;
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(130_000);
        assert_eq!(story.issue(None), units(1, 126));
        let split = |first: i64| {
            let into = [units(first, first), units(first + 1, 126)];
            signed(&story.centre, "certificate_split", &json!({"certificate": units(first, 126), "into": into}))
        };
        let splits: Vec<String> = (1..=UNITS).map(split).collect();
        assert_eq!(app.post_batch(&story.centre.token, "all", &splits).status, 200);
        story.audit(&story.smelter_site, "2026-11-20", "does_not_conform").accepted();
        let doubt = |token: &str| app.get("/v1/doubts", token).json()["doubts"][0].clone();
        for party in [&app.operator, &story.issuer] {
            let doubt = doubt(&party.token);
            let named = doubt["certificates"].as_array().expect("certificates").len();
            assert_eq!((named, &doubt["more_certificates"], &doubt["grams_g"]), (100, &json!(true), &json!(130_000)));
        }
        for first in 1..=UNITS - 60 {
            app.say(&story.centre, "certificate_cancelled", &json!({"certificate": units(first, first)})).accepted();
        }
        let doubt = doubt(&app.operator.token);
        let named = doubt["certificates"].as_array().expect("certificates").len();
        assert_eq!((named, &doubt["more_certificates"]), (62, &json!(false)), "60 pieces, the rest and the buffer");
        let other = app.join(&["issuer"]);
        assert_eq!(told(&app, &other.token), Vec::<Value>::new());
    }

    /// A page ends behind so many certificates and says where the next one goes on; together they name each treatment once.
    fn page_by_page(kind) {
        const TREATMENTS: usize = 27;
        const LAST: i64 = 1_099;
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let mut treatments: Vec<Value> = (0..TREATMENTS).map(|_| json!(story.whole_batch(42_000))).collect();
        assert_eq!(story.issue(None), units(1, LAST));
        for first in (1..=LAST).step_by(250) {
            let behind = LAST.min(first + 249) + 1;
            let mut into: Vec<String> = (first..behind).map(|unit| units(unit, unit)).collect();
            into.extend((behind <= LAST).then(|| units(behind, LAST)));
            let split = json!({"certificate": units(first, LAST), "into": into});
            app.say(&story.centre, "certificate_split", &split).accepted();
        }
        story.audit(&story.smelter_site, "2026-11-20", "does_not_conform").accepted();
        let page = |address: &str| app.get(address, &app.operator.token).json();
        let named = |page: &Value| -> Vec<Value> {
            page["doubts"].as_array().expect("doubts").iter().map(|doubt| doubt["treatment"].clone()).collect()
        };
        let first = page("/v1/doubts");
        let mut all = named(&first);
        assert_eq!(all.len(), 25, "of {TREATMENTS}");
        let last = page(&format!("/v1/doubts?after={}", first["next"].as_str().expect("a next page")));
        assert_eq!((named(&last).len(), &last["next"]), (2, &Value::Null));
        all.extend(named(&last));
        let in_order = |list: &mut Vec<Value>| list.sort_by_key(Value::as_u64);
        in_order(&mut all);
        in_order(&mut treatments);
        assert_eq!(all, treatments);
    }

    /// What ended is in nobody's doubt; what backs other units is in doubt with these.
    fn units_that_back_others(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let buyer = app.join(&["buyer"]);
        let [first, second] = sold(&story, &buyer);
        let held = finding(&json!({"treatment": first}), "held");
        app.say(&story.auditor, "audit_finding", &held).accepted();
        let replacement = json!({"failed": units(6, 6), "backing": units(13, 13), "cut_from": units(13, 19)});
        let fields = json!({"certificate": units(6, 12), "replacements": [replacement]});
        app.say(&story.issuer, "certificate_replaced", &fields).accepted();
        app.say(&story.centre, "certificate_cancelled", &json!({"certificate": units(14, 19)})).accepted();
        let lost = json!({"kid": kid(&story.smelter.key), "reason": "compromised", "since_index": first + 1});
        app.say(&app.operator, "key_revoked", &lost).accepted();
        let of_second = told(&app, &app.operator.token).into_iter().find(|doubt| doubt[0] == second).expect("a doubt");
        let concerned = json!([
            [units(6, 12), "held", [units(6, 6), units(10, 12)]],
            [units(20, 20), "buffer", [units(20, 20)]],
        ]);
        assert_eq!(of_second[3], concerned);
        assert_eq!(doubted(&app, &units(13, 13)), Vec::<String>::new());
    }
}
