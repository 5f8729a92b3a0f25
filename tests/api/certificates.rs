//! Eligibility, issue and retirement, as the people who do it see them.

use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::story::{Story, VINTAGE, changed_retirement, permitted_site};
use loopledger::domain::ids::OrganisationId;
use loopledger::ledger::tokens::{self, Scope};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn codes(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

both_databases! {
    /// The whole road: what is treated becomes units, the units are retired, and everybody can see it.
    fn from_the_furnace_to_a_company(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(100_000);
        let (steel, boards) = (story.fraction(&batch, "FE", 80_000), story.fraction(&batch, "PWB_HIGH", 19_500));
        story.send(&steel, 80_000, 79_800);
        story.send(&boards, 19_500, 19_500);
        let (first, second) = (story.treat(&steel, 79_800), story.treat(&boards, 19_500));
        assert_eq!(story.gaps(first), (codes(&["batch_open"]), 0));
        story.draft(None).refused(422, "units_invalid", "/vintage");
        story.close(&batch).accepted();
        assert_eq!((story.gaps(first), story.gaps(second)), ((vec![], 79_800), (vec![], 19_500)));
        let pools = story.eligibility(&format!("site={}", story.centre_site));
        assert_eq!(pools["pools"], json!([{"vintage": VINTAGE, "entered_g": 99_300, "allotted_g": 0, "units": 0}]));
        assert_eq!(pools["scheme"], "e-resource/1");

        let draft = story.draft(None).json();
        assert_eq!(draft["certificate"], "ERT-XD-CTR1-202611-0000001-0000096");
        assert_eq!(draft["buffer"], "ERT-XD-CTR1-202611-0000097-0000099");
        let taken = |treatment: u64, to: i64| json!({"treatment": treatment, "from": 0, "to": to});
        assert_eq!(draft["allotments"], json!([taken(first, 79_800), taken(second, 19_200)]), "300 g stay in the pool");
        app.say(&story.issuer, "certificate_issued", &draft).accepted();
        let serial = draft["certificate"].as_str().expect("serial numbers");
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        assert_eq!((&page["status"], &page["net_kg"], &page["test"]), (&json!("held"), &json!(96), &json!(true)));
        assert_eq!(page["by_operation_g"], json!({"R4": 96_000}));
        assert_eq!(page["by_fraction_g"], json!({"FE": 79_800, "PWB_HIGH": 16_200}));
        assert_eq!((&page["hazardous_g"], &page["retired"]), (&json!(16_200), &Value::Null));
        assert!(!page.to_string().contains(&story.centre.id), "nobody is named before retirement");
        let buffer = app.get(&format!("/v1/certificates/{}", draft["buffer"].as_str().expect("numbers")), "").json();
        assert_eq!((&buffer["status"], &buffer["by_fraction_g"]), (&json!("buffer"), &json!({"PWB_HIGH": 3_000})));

        let retired = story.retire(serial);
        let entry = retired.accepted();
        assert_eq!(story.retire(serial).status, 409, "a certificate is retired once");
        let page = app.get(&format!("/v1/certificates/{serial}"), "").json();
        assert_eq!((&page["status"], &page["retired"]["holder"]), (&json!("retired"), &json!(story.centre.id)));
        assert_eq!(page["retired"]["beneficiary"], "Example Textiles Ltd");
        let sentence = "96 kg of e-waste arising in XD were treated at XD-FURN, 2026-11-23 to 2026-11-23; Example Textiles Ltd financed it";
        assert_eq!(page["sentence"], sentence);
        assert_eq!(app.get(&format!("/v1/entries/{entry}"), "").status, 200, "entries of certificates are public");
        app.get(&format!("/v1/entries/{first}"), "").refused(401, "token_invalid", "");
    }

    /// Each rule alone keeps the grams back, and says so.
    fn every_rule_withholds_alone(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let mut seen = BTreeSet::new();
        let mut expect = |treatment: u64, code: &str| {
            assert_eq!(story.gaps(treatment), (codes(&[code]), 0));
            seen.insert(code.to_owned());
        };
        // Estimated at the end.
        let batch = story.batch(100_000);
        let lot = new_id();
        let weight = json!({"basis": "estimated", "net_g": 50_000});
        story.at_centre("dismantled", json!({"batch": batch, "lot": lot, "fraction": "FE", "weight": weight})).accepted();
        let rest = story.fraction(&batch, "FE", 50_000);
        story.close(&batch).accepted();
        let end = |lot: &str, grams: i64| json!({"item": lot, "operation": "R4", "net_g": grams, "site": story.centre_site});
        let own = app.say(&story.centre, "treated_final", &end(&lot, 50_000));
        own.accepted();
        assert_eq!(own.warnings(), ["permit_not_valid"], "the centre has no furnace");
        let treatment = own.json()["index"].as_u64().expect("an index");
        assert_eq!(story.gaps(treatment).0, codes(&["not_weighed", "permit_not_valid"]));
        let own = app.say(&story.centre, "treated_final", &end(&rest, 50_000)).accepted();
        expect(own, "permit_not_valid");
        // Estimated at the beginning.
        let batch = story.batch_of(&json!({"basis": "estimated", "net_g": 10_000}));
        let steel = story.fraction(&batch, "FE", 10_000);
        story.send(&steel, 10_000, 10_000);
        let treatment = story.treat(&steel, 10_000);
        story.close(&batch).accepted();
        expect(treatment, "not_weighed");
        // Open, and short.
        let batch = story.batch(100_000);
        let steel = story.fraction(&batch, "FE", 50_000);
        story.send(&steel, 50_000, 50_000);
        let treatment = story.treat(&steel, 50_000);
        expect(treatment, "batch_open");
        assert_eq!(story.close(&batch).warnings(), ["batch_short"]);
        expect(treatment, "batch_short");
        // In dispute on the way to the smelter.
        let batch = story.batch(100_000);
        let steel = story.fraction(&batch, "FE", 100_000);
        assert_eq!(story.send(&steel, 100_000, 90_000).warnings(), ["difference_beyond_band"]);
        let treatment = story.treat(&steel, 90_000);
        story.close(&batch).accepted();
        expect(treatment, "disputed");
        // A class that nobody knows.
        let batch = story.batch(100_000);
        let lot = story.fraction(&batch, "GOLD", 100_000);
        story.send(&lot, 100_000, 100_000);
        let treatment = story.treat(&lot, 100_000);
        story.close(&batch).accepted();
        let (gaps, _) = story.gaps(treatment);
        assert_eq!(gaps, codes(&["permit_not_valid", "class_unknown"]), "no permit names a code for it");
        // A lot that was never dismantled under the ledger.
        let whole = story.receive(&story.weighed(5_000));
        let own = app.say(&story.centre, "treated_final", &end(&whole, 5_000)).accepted();
        assert_eq!(story.gaps(own).0, codes(&["not_from_batch", "permit_not_valid"]));
        assert_eq!(seen.len(), 5);
    }

    /// A site without an audit holds grams back; the audit sets them free, also those of months ago.
    fn an_audit_sets_grams_free(kind) {
        let app = TestApp::start(kind);
        let story = Story::unaudited(&app);
        let treatment = story.whole_batch(20_000);
        assert_eq!(story.gaps(treatment).0, codes(&["batch_site_not_audited", "treatment_site_not_audited"]));
        story.audit(&story.centre_site, "2025-11-22", "conforms").accepted();
        story.audit(&story.centre_site, "2026-11-22", "does_not_conform").accepted();
        story.audit(&story.smelter_site, "2026-11-20", "conforms").accepted();
        assert_eq!(story.gaps(treatment), (codes(&["batch_site_not_audited"]), 0), "too long ago, and failed");
        story.audit(&story.centre_site, "2026-11-23", "conforms").accepted();
        assert_eq!(story.gaps(treatment), (vec![], 20_000));
        // A later visit that finds otherwise holds back what is not issued yet.
        story.audit(&story.centre_site, "2026-11-23", "does_not_conform").accepted();
        assert_eq!(story.gaps(treatment), (codes(&["batch_site_not_audited"]), 0));
        story.draft(None).refused(422, "units_invalid", "/vintage");
    }

    /// Vintage is the month in which the last condition was met, not the one of treatment.
    fn the_vintage_is_that_of_the_last_condition(kind) {
        let app = TestApp::start(kind);
        let story = Story::unaudited(&app);
        story.whole_batch(20_000);
        app.now_ms.fetch_add(40 * 24 * 60 * 60 * 1_000, std::sync::atomic::Ordering::SeqCst);
        for site in [&story.centre_site, &story.smelter_site] {
            let mut fields = crate::story::audit_fields(site, "2026-12-30", "conforms");
            fields["occurred_at"] = json!("2026-12-31T23:30:00-05:00");
            app.say(&story.auditor, "site_audited", &fields).accepted();
        }
        let pools = story.eligibility(&format!("site={}", story.centre_site));
        assert_eq!(pools["pools"][0]["vintage"], "2026-12", "as written, although it is January in UTC");
    }

    /// Two keys of the operator's on both sides of a handover prove nothing.
    fn hosted_keys_on_both_sides_prove_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let hosted = |roles: &[&str]| {
            let party = app.register(roles);
            let body = json!({"organisation": party.id});
            let key = app.post_json("/v1/hosted-keys", &app.operator.token, &body);
            assert_eq!(key.status, 201, "{}", key.text);
            app.say(&app.operator, "key_registered", &key.json()).accepted();
            party
        };
        let collector = hosted(&["collector"]);
        let say = |party: &Party, kind: &str, fields: &Value| {
            let statement = crate::harness::payload(&party.id, kind, fields);
            app.post_json("/v1/events", &party.token, &json!({"statement": statement}))
        };
        for (other, expected) in [(&hosted(&["recycler"]), codes(&["custody_not_confirmed"])), (&story.centre, vec![])] {
            let lot = new_id();
            let fields = json!({
                "item": lot, "kind": "lot", "class": "0303", "weight": {"basis": "estimated", "net_g": 10_000},
                "arising": {"country": "XD", "month": "2026-11"},
                "provenance": {"kind": "household", "counted_elsewhere": "none"},
            });
            say(&collector, "collected", &fields).accepted();
            let handover = new_id();
            let offer = json!({"handover": handover, "to": other.id, "lots": [{"lot": lot, "sent_g": 10_000}]});
            say(&collector, "handover_offered", &offer).accepted();
            let answer = json!({"weight": {"basis": "estimated", "net_g": 10_000}, "accepted_g": 10_000, "refused_g": 0});
            let accept = json!({"handover": handover, "lots": [answer]});
            if other.id == story.centre.id {
                app.say(other, "handover_accepted", &accept).accepted();
            } else {
                say(other, "handover_accepted", &accept).accepted();
            }
            let item = app.get(&format!("/v1/items/{lot}"), &app.operator.token).json();
            let flaws = item["evidence"]["flaws"].as_array().expect("flaws");
            let found: Vec<String> = flaws.iter().map(|flaw| flaw["code"].as_str().expect("a code").to_owned()).collect();
            assert_eq!(found, expected);
        }
    }

    /// What a key signed from the entry on at which it was compromised backs nothing that is not issued yet.
    fn a_compromised_key_holds_grams_back(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (first, second) = (story.whole_batch(10_000), story.whole_batch(10_000));
        let revoke = json!({"kid": crate::harness::kid(&story.smelter.key), "reason": "compromised", "since_index": second});
        app.say(&app.operator, "key_revoked", &revoke).accepted();
        assert_eq!(story.gaps(first), (vec![], 10_000));
        assert_eq!(story.gaps(second), (codes(&["key_compromised"]), 0));
        let draft = story.draft(None).json();
        assert_eq!(draft["allotments"], json!([{"treatment": first, "from": 0, "to": 10_000}]));
    }

    /// A batch never backs more than what went into it; the excess falls on whoever comes last.
    fn a_batch_backs_no_more_than_its_input(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(100_000);
        let (first, second) = (story.fraction(&batch, "FE", 60_000), story.fraction(&batch, "FE", 41_500));
        story.close(&batch).accepted();
        story.send(&first, 60_000, 60_000);
        story.send(&second, 41_500, 41_500);
        let (second, first) = (story.treat(&second, 41_500), story.treat(&first, 60_000));
        assert_eq!(story.gaps(second), (vec![], 41_500));
        assert_eq!(story.gaps(first), (codes(&["beyond_batch_input"]), 58_500));
    }

    /// Nobody chooses grams or numbers, and a stale draft is refused.
    fn the_pool_gives_and_nobody_chooses(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        story.whole_batch(10_000);
        let stale = story.draft(Some(5)).json();
        let altered = |name: &str, value: Value| {
            let mut draft = stale.clone();
            draft[name] = value;
            app.say(&story.issuer, "certificate_issued", &draft)
        };
        let mut later = stale["allotments"].clone();
        later[0]["from"] = json!(5_000);
        later[0]["to"] = json!(10_000);
        altered("allotments", later).refused(409, "grams_taken", "/allotments");
        altered("certificate", json!("ERT-XD-CTR1-202611-0000002-0000005")).refused(409, "grams_taken", "/allotments");
        altered("holder", json!(story.smelter.id)).refused(403, "wrong_receiver", "/holder");
        altered("scheme", json!("e-resource/9")).refused(422, "scheme_not_in_force", "/scheme");
        altered("pool_site", json!(new_id())).refused(422, "unknown", "/pool_site");
        altered("vintage", json!("2026-10")).refused(422, "units_invalid", "/vintage");
        app.say(&story.centre, "certificate_issued", &stale).refused(403, "role_missing", "/org");
        let serial = story.issue(Some(5));
        assert_eq!(serial, "ERT-XD-CTR1-202611-0000001-0000004");
        app.say(&story.issuer, "certificate_issued", &stale).refused(409, "grams_taken", "/allotments");
        let rest = story.draft(None).json();
        assert_eq!(rest["certificate"], "ERT-XD-CTR1-202611-0000006-0000019");
        assert_eq!(rest["allotments"][0]["from"], 5_000);
        app.say(&story.issuer, "certificate_issued", &rest).accepted();
        story.draft(None).refused(422, "units_invalid", "/vintage");
    }

    /// The first scheme's rule sets know no second signature: under them the operator issues nothing.
    fn the_operator_issues_nothing_alone(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        app.adopt_rules("2");
        let draft = story.draft(Some(5)).json();
        app.say(&app.operator, "certificate_issued", &draft).refused(403, "issuer_is_operator", "/org");
    }

    /// However many have signed for what went into a batch, the ledger goes on.
    fn many_signers_stop_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let lot = story.receive(&story.weighed(20_000));
        let mut signer = story.centre.clone();
        for _ in 0..45 {
            let key = loopledger::ledger::keyring::generate().expect("randomness");
            app.say(&signer, "key_registered", &crate::harness::key_fields(&signer.id, &key)).accepted();
            signer.key = key;
            let fields = json!({"item": lot, "weight": story.weighed(20_000), "reason": "measured"});
            app.say(&signer, "reweighed", &fields).accepted();
        }
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel = story.fraction(&batch, "FE", 20_000);
        story.send(&steel, 20_000, 20_000);
        let treatment = story.treat(&steel, 20_000);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(treatment), (vec![], 20_000));
        story.issue(None);
    }

    /// Crumbs at the front of a pool do not bar it.
    fn crumbs_do_not_bar_a_pool(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(10_000);
        let steel = story.fraction(&batch, "FE", 10_000);
        story.send(&steel, 10_000, 10_000);
        let mut rest = (steel, 10_000);
        for _ in 0..2 {
            let parts: Vec<String> = (0..131).map(|_| new_id()).collect();
            let left = new_id();
            let mut split: Vec<Value> = parts.iter().map(|part| json!({"lot": part, "net_g": 1})).collect();
            rest.1 -= 131;
            split.push(json!({"lot": left, "net_g": rest.1}));
            app.say(&story.smelter, "split", &json!({"lot": rest.0, "parts": split})).accepted();
            let ends: Vec<String> = parts
                .iter()
                .map(|part| {
                    let fields = json!({"item": part, "operation": "R4", "net_g": 1, "site": story.smelter_site});
                    crate::harness::signed(&story.smelter, "treated_final", &fields)
                })
                .collect();
            app.post_batch(&story.smelter.token, "all", &ends);
            rest.0 = left;
        }
        let treatment = story.treat(&rest.0, rest.1);
        story.close(&batch).accepted();
        let draft = story.draft(None).json();
        assert_eq!(draft["allotments"], json!([{"treatment": treatment, "from": 0, "to": 9_000}]));
        app.say(&story.issuer, "certificate_issued", &draft).accepted();
    }

    fn a_retirement_that_cannot_be(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let serial = story.issue(None);
        let (statement, open) = story.retirement(&serial);
        let post = |statement: &str, open: &Value| {
            app.post_json("/v1/events", &story.centre.token, &json!({"statement": statement, "open": open}))
        };
        post(&statement, &json!({})).refused(422, "opening_required", "/beneficiary");
        let mut partial = open.clone();
        partial.as_object_mut().expect("openings").remove("/purpose");
        post(&statement, &partial).refused(422, "opening_required", "/purpose");
        let (other, _) = changed_retirement(&story.centre, &serial, &json!({"purpose": {"c": "ab".repeat(32)}}));
        post(&other, &open).refused(422, "opening_invalid", "/open/~1purpose");
        let refusals = [
            (json!({"certificate": "ERT-XD-CTR1-202611-0000001-0000005"}), 422, "unknown", "/certificate"),
            (json!({"certificate": "ERT-XD-CTR1-202611-0000010-0000010"}), 409, "certificate_not_held", "/certificate"),
            (json!({"period": {"from": "2026-12-01", "until": "2026-11-01"}}), 422, "time_invalid", "/period/until"),
            (json!({"period": {"from": "2025-10-31", "until": "2026-11-01"}}), 422, "period_outside_vintage", "/period/from"),
            (json!({"period": {"from": "2026-11-01", "until": "2027-12-01"}}), 422, "period_outside_vintage", "/period/until"),
        ];
        for (change, status, code, pointer) in refusals {
            let (statement, open) = changed_retirement(&story.centre, &serial, &change);
            post(&statement, &open).refused(status, code, pointer);
        }
        let (statement, open) = changed_retirement(&story.smelter, &serial, &json!({}));
        let body = json!({"statement": statement, "open": open});
        app.post_json("/v1/events", &story.smelter.token, &body).refused(403, "not_the_holder", "/certificate");
        app.now_ms.fetch_add(732 * 24 * 60 * 60 * 1_000, std::sync::atomic::Ordering::SeqCst);
        let centre = OrganisationId::parse(&story.centre.id).expect("an id");
        let ledger = &app.ledger;
        let fresh = tokens::create(&ledger.store, &ledger.clock, centre, &[Scope::Post].into(), 365).expect("a token").token;
        let (statement, open) = story.retirement(&serial);
        let body = json!({"statement": statement, "open": open});
        app.post_json("/v1/events", &fresh, &body).refused(409, "certificate_expired", "/certificate");
    }

    /// The pages of certificates: who sees what.
    fn who_may_ask(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let treatment = story.whole_batch(10_000);
        let stranger = app.join(&["recycler"]);
        let ask = |query: &str, party: &Party| app.get(&format!("/v1/eligibility?{query}"), &party.token);
        ask(&format!("treatment={treatment}"), &stranger).refused(404, "not_found", "");
        ask(&format!("site={}", story.centre_site), &story.smelter).refused(404, "not_found", "");
        ask("", &story.centre).refused(400, "query_invalid", "");
        ask("treatment=1&site=x", &story.centre).refused(400, "query_invalid", "");
        assert_eq!(ask(&format!("treatment={treatment}"), &story.smelter).status, 200);
        let draft = format!("/v1/certificates/draft?site={}&vintage={VINTAGE}", story.centre_site);
        app.get(&draft, &stranger.token).refused(403, "role_missing", "/site");
        assert_eq!(app.get(&draft, &story.centre.token).status, 200);
        let serial = story.issue(None);
        app.get(&format!("/v1/certificates/{serial}/bundle"), &story.issuer.token).refused(404, "not_found", "");
        app.get(&format!("/v1/certificates/{serial}/bundle"), "").refused(401, "token_invalid", "");
        app.get("/v1/certificates/ERT-XD-CTR1-202611-0000001-0000099", "").refused(404, "not_found", "");
        app.get("/v1/certificates/x", "").refused(404, "not_found", "");
    }

    /// Capacity counts on whatever road waste comes, and what lies beyond backs nothing.
    fn what_exceeds_the_capacity_backs_nothing(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let small = new_id();
        let fields = json!({
            "organisation": story.centre.id, "new_site": small, "country": "XD", "code": "TINY", "permit": {
                "number": "XD/1", "operations": ["R12"], "waste_codes": ["16 02 13*"], "capacity_g_per_year": 5_000,
                "valid_from": "2026-01-01", "valid_until": "2026-12-31",
            },
        });
        app.say(&app.operator, "site_registered", &fields).accepted();
        let lot = story.receive(&story.weighed(6_000));
        let batch = new_id();
        let at_small = |kind: &str, mut fields: Value| {
            fields["site"] = json!(small);
            app.say(&story.centre, kind, &fields)
        };
        at_small("batch_opened", json!({"batch": batch})).accepted();
        let fed = at_small("batch_fed", json!({"batch": batch, "items": [lot]}));
        fed.accepted();
        assert_eq!(fed.warnings(), ["over_capacity"], "it came from the other site");
        let other = permitted_site(&app, &story.centre, "NONE", &["R4"]);
        let batch = new_id();
        app.say(&story.centre, "batch_opened", &json!({"batch": batch, "site": other})).accepted();
        let lot = story.receive(&story.weighed(1_000));
        let fed = app.say(&story.centre, "batch_fed", &json!({"batch": batch, "items": [lot], "site": other}));
        assert_eq!(fed.warnings(), ["permit_not_valid"], "no permit for dismantling there");
    }
}
