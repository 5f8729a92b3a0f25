//! What stands behind a certificate, also before its batch: on its page, and in what is told of it later.

use crate::findings::finding;
use crate::harness::{Party, TestApp, both_databases, kid, new_id, signed};
use crate::hosted_keys::loopledger_kid;
use crate::register::units;
use crate::replacements::{Error, another_site};
use crate::story::{Story, audit_fields};
use serde_json::{Value, json};

fn page(app: &TestApp, serial: &str) -> Value {
    app.get(&format!("/v1/certificates/{serial}"), "").json()
}

/// Types of the later entries of a certificate, each with the kinds of things that it is about.
fn told_since(app: &TestApp, serial: &str) -> Vec<(String, Vec<String>)> {
    app.wait_for_checkpoint();
    let body = app.get(&format!("/v1/certificates/{serial}/status"), "").json();
    assert_eq!(body["complete"], true, "{body}");
    let events = body["events"].as_array().expect("events").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let concerns = |event: &Value| {
        let concerns = event["concerns"].as_array().expect("concerns").iter();
        concerns.map(|concern| text(&concern["kind"])).collect()
    };
    events.map(|event| (text(&event["type"]), concerns(event))).collect()
}

/// A collector whose key the operator holds, and who belongs to the centre.
struct Collector<'a> {
    story: &'a Story<'a>,
    party: Party,
    kid: String,
}

impl<'a> Collector<'a> {
    fn begin(story: &'a Story<'a>) -> Self {
        let app = story.app;
        let party = app.register(&["collector"]);
        let key = app.post_json("/v1/hosted-keys", &app.operator.token, &json!({"organisation": party.id}));
        app.say(&app.operator, "key_registered", &key.json()).accepted();
        let collector = Self { story, party, kid: loopledger_kid(&key.json()["jwk"]) };
        collector.say("relation_declared", &json!({"other": story.centre.id, "kind": "control"}));
        collector
    }

    fn say(&self, kind: &str, fields: &Value) -> u64 {
        let statement = crate::harness::payload(&self.party.id, kind, fields);
        self.story.app.post_json("/v1/events", &self.party.token, &json!({"statement": statement})).accepted()
    }

    /// Laptops come in by the collector and end as steel; gives the entries of their handover and treatment.
    fn whole_batch(&self, grams: i64) -> (u64, u64) {
        let (story, lot, handover, batch) = (self.story, new_id(), new_id(), new_id());
        let weight = json!({"basis": "estimated", "net_g": grams});
        let mut collected = story.receipt(&lot, &weight);
        for field in ["supplier", "number"] {
            collected.as_object_mut().expect("fields").remove(field);
        }
        collected["kind"] = json!("lot");
        self.say("collected", &collected);
        let offer = json!({"handover": handover, "to": story.centre.id, "lots": [{"lot": lot, "sent_g": grams}]});
        self.say("handover_offered", &offer);
        let answer = json!({"weight": story.weighed(grams), "accepted_g": grams, "refused_g": 0});
        let taken = story.at_centre("handover_accepted", json!({"handover": handover, "lots": [answer]})).accepted();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel = story.fraction(&batch, "FE", grams);
        story.send(&steel, grams, grams);
        let treatment = story.treat(&steel, grams);
        story.close(&batch).accepted();
        (taken, treatment)
    }
}

fn clear(app: &TestApp, auditor: &Party, entry: u64) -> u64 {
    let document = json!({"sha256": "2".repeat(64), "blake3": "3".repeat(64)});
    let fields = json!({"entry": entry, "severity": "minor", "outcome": "cleared", "document": document});
    app.say(auditor, "audit_finding", &fields).accepted()
}

both_databases! {
    /// What was weak before the batch is as weak behind it, gram by gram; and whoever asks later learns what was found of it.
    fn before_the_batch(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let collector = Collector::begin(&story);
        let (taken, treatment) = collector.whole_batch(10_000);
        assert_eq!(story.gaps(treatment), (vec!["related_parties".to_owned()], 0));
        let reviewer = app.join(&["auditor"]);
        clear(&app, &reviewer, taken);
        story.whole_batch(30_000);
        let serial = story.issue(None);
        assert_eq!(serial, units(1, 38), "the first 10 rest on what came by the collector");
        let told = page(&app, &serial);
        for (name, grams) in [("related_party_g", 10_000), ("hosted_keys_g", 10_000), ("confirmed_g", 28_000)] {
            assert_eq!(told[name], grams, "{name}: {told}");
        }
        assert_eq!(told_since(&app, &serial), []);

        // The key that signed nothing but the collection, the key of whoever cleared the handover, and that of an audit.
        let revoke = |kid: &str| {
            app.say(&app.operator, "key_revoked", &json!({"kid": kid, "reason": "compromised"})).accepted();
        };
        revoke(&collector.kid);
        revoke(&kid(&reviewer.key));
        revoke(&kid(&story.auditor.key));
        // A visit long before the treatments says nothing of them; one in the months around them does.
        let other = app.join(&["auditor"]);
        for (on, outcome) in [("2024-01-01", "does_not_conform"), ("2026-11-01", "does_not_conform"), ("2026-11-02", "conforms")] {
            app.say(&other, "site_audited", &audit_fields(&story.smelter_site, on, outcome)).accepted();
        }
        let key = || ("key_revoked".to_owned(), vec!["key".to_owned()]);
        assert_eq!(told_since(&app, &serial), [key(), key(), key(), ("site_audited".to_owned(), vec!["site".to_owned()])]);
        // On whose audits it rested does not change with those that came later.
        assert_eq!(page(&app, &serial)["auditors"], json!([story.auditor.id]));
    }

    /// What an auditor found of a treatment, and that the finding itself was cleared, by its entry alone.
    fn a_later_cure_is_told(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let collector = Collector::begin(&story);
        let reviewer = app.join(&["auditor"]);
        let (taken, treatment) = collector.whole_batch(10_000);
        clear(&app, &reviewer, taken);
        let serial = story.issue(None);
        let held = json!({
            "treatment": treatment, "severity": "major", "outcome": "held",
            "document": {"sha256": "4".repeat(64), "blake3": "5".repeat(64)},
        });
        let held = app.say(&story.auditor, "audit_finding", &held).accepted();
        clear(&app, &reviewer, held);
        let finding = |concerns: &[&str]| {
            ("audit_finding".to_owned(), concerns.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>())
        };
        let both = || finding(&["certificate", "treatment"]);
        assert_eq!(told_since(&app, &serial), [both(), both()], "the units failed, and hold again");
    }

    /// Units that another site's grams back rest on that site too.
    fn what_backs_units_is_told_of_too(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        let sold = units(1, 100);
        error.withdraw(&sold, None, "fraud").accepted();
        let other = another_site(&error.story, 120_000);
        error.replace(&sold, &sold, &other.replace("-0000116", "-0000100"), Some(&other)).accepted();
        let before = told_since(&app, &sold);
        let pools = app.get("/v1/register/pools", "").json();
        let sites = pools["sites"].as_array().expect("sites");
        let giving = sites.iter().find(|site| site["code"] == "CTR2").expect("the site that gives");
        let suspended = json!({"suspended_site": giving["site"], "reason": "statements"});
        app.say(&error.story.auditor, "site_suspended", &suspended).accepted();
        let told = ("site_suspended".to_owned(), vec!["site".to_owned()]);
        assert_eq!(told_since(&app, &sold), [before, vec![told]].concat());
    }

    /// The equipment behind a batch's fractions: each class has its share of what was fed in, to the gram.
    fn the_mix_of_classes(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(20_000);
        let monitors = new_id();
        let mut receipt = story.receipt(&monitors, &story.weighed(10_001));
        receipt["class"] = json!("0309");
        receipt["pieces"] = json!(2);
        receipt["missing"] = json!([{"part": "backlights", "count": 2}, {"part": "boards", "count": 2}]);
        story.at_centre("received", receipt).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [monitors]})).accepted();
        let steel = story.fraction(&batch, "FE", 30_001);
        story.send(&steel, 30_001, 30_001);
        let treatment = story.treat(&steel, 30_001);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(treatment), (vec![], 30_001));
        let told = page(&app, &story.issue(None));
        assert_eq!(told["by_class_g"], json!({"0303": 19_333, "0309": 9_667}), "29 kg, one third of it monitors");
        assert_eq!(told["by_fraction_g"], json!({"FE": 29_000}));
    }

    /// Whoever sells a block unit by unit cuts each from what the last left over: the way back is read a thousand steps at a time.
    fn a_block_that_was_sold_piece_by_piece(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(1_100_000);
        let whole = story.issue(None);
        assert_eq!(whole, units(1, 1_067));
        let cut = |first: i64| {
            let fields = json!({"certificate": units(first, 1_067), "into": [units(first, first), units(first + 1, 1_067)]});
            signed(&story.centre, "certificate_split", &fields)
        };
        let lines: Vec<String> = (1..=1_003).map(cut).collect();
        for lines in lines.chunks(200) {
            let answer = app.post_batch(&story.centre.token, "all", lines);
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let history = |serial: &str| app.get(&format!("/v1/certificates/{serial}/history"), "").json();
        let last = history(&units(1_004, 1_067));
        let blocks = last["blocks"].as_array().expect("blocks");
        assert_eq!((blocks.len(), &blocks[0], &blocks[1_000]), (1_001, &json!(units(4, 1_067)), &json!(units(1_004, 1_067))));
        assert_eq!(last["cut_from"], units(3, 1_067));
        let first = history(&units(3, 1_067));
        assert_eq!((&first["blocks"], first.get("cut_from")), (&json!([units(1, 1_067), units(2, 1_067), units(3, 1_067)]), None));
        assert_eq!(page(&app, &units(1_004, 1_067))["split_from"], units(1_003, 1_067));
        app.wait_for_checkpoint();
        let status = |serial: &str| app.get(&format!("/v1/certificates/{serial}/status"), "").json();
        assert_eq!(status(&units(900, 900))["complete"], true);
        assert_eq!(status(&units(1_004, 1_067))["complete"], false, "it says so");
    }

    /// An audit that was known to be a thief's when the certificate was issued is none of those on which it rests.
    fn an_audit_by_a_stolen_key(kind) {
        let app = TestApp::start(kind);
        let story = Story::unaudited(&app);
        let (thief, honest) = (app.join(&["auditor"]), app.join(&["auditor"]));
        for (auditor, on) in [(&thief, "2026-10-01"), (&honest, "2026-10-02")] {
            for site in [&story.centre_site, &story.smelter_site] {
                app.say(auditor, "site_audited", &audit_fields(site, on, "conforms")).accepted();
            }
        }
        story.whole_batch(10_000);
        app.say(&app.operator, "key_revoked", &json!({"kid": kid(&thief.key), "reason": "compromised"})).accepted();
        let serial = story.issue(None);
        assert_eq!(page(&app, &serial)["auditors"], json!([honest.id]));
    }

    /// Who explained what a batch lacks is asked for as well as who cleared a flaw.
    fn whoever_explained_a_short_batch(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (batch, _) = story.treated_of(50_000, 40_000);
        assert_eq!(story.close(&batch).warnings(), ["batch_short"]);
        let other = app.join(&["auditor"]);
        let explained = app.say(&other, "audit_finding", &finding(&json!({"batch": batch}), "cleared")).accepted();
        let serial = story.issue(None);
        assert_eq!(told_since(&app, &serial), []);
        let lost = json!({"kid": kid(&other.key), "reason": "compromised", "since_index": explained});
        app.say(&app.operator, "key_revoked", &lost).accepted();
        assert_eq!(told_since(&app, &serial), [("key_revoked".to_owned(), vec!["key".to_owned()])]);
    }
}
