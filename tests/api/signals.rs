//! Signals: what raises one, what does not, who sees it, and what clears or lifts it.

use crate::client::Answer;
use crate::corrections::instead;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::story::Story;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

pub const DAY_MS: i64 = 24 * 3_600 * 1_000;

pub fn paper(name: char) -> Value {
    json!({"sha256": name.to_string().repeat(64), "blake3": "6".repeat(64)})
}

pub fn with(mut fields: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    fields
}

/// Pointers of the signals that a receipt tells of.
#[track_caller]
pub fn told(answer: &Answer) -> Vec<String> {
    answer.accepted();
    let body = answer.json();
    let warnings = body["warnings"].as_array().expect("warnings");
    let signals = warnings.iter().filter(|warning| warning["code"] == "signal_raised");
    signals.map(|warning| warning["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

/// Signals as a token sees them.
pub fn listed(app: &TestApp, token: &str, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("/v1/signals?{query}"), token);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["signals"].as_array().expect("signals").clone()
}

/// Code and status of each signal there is.
pub fn all(app: &TestApp) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = listed(app, &app.operator.token, "");
    all.iter().map(|signal| (text(&signal["code"]), text(&signal["status"]))).collect()
}

/// A receipt with some other fields. Whoever counts pieces anew, or none, has not counted parts missing; of another class
/// nobody counted anything.
fn counted_as(receipt: Value, change: &Value) -> Value {
    let mut fields = with(receipt, change);
    let members = fields.as_object_mut().expect("fields");
    if change.get("pieces").is_some() || change.get("class").is_some() {
        members.remove("missing");
    }
    if change.get("class").is_some() && change.get("pieces").is_none() {
        members.remove("pieces");
    }
    members.retain(|_, value| !value.is_null());
    fields
}

impl Story<'_> {
    /// A gate receipt with some other fields, under a ticket of its own.
    pub fn gate_with(&self, grams: i64, change: &Value) -> (String, Answer) {
        let lot = new_id();
        let fields = counted_as(self.received_fields(&lot, grams), change);
        (lot, self.app.say(&self.centre, "received", &fields))
    }

    /// What an auditor finds of something.
    pub fn find(&self, about: &Value, outcome: &str) -> Answer {
        let fields = json!({"severity": "major", "outcome": outcome, "document": paper('5')});
        self.app.say(&self.auditor, "audit_finding", &with(fields, about))
    }

    /// Whether a treatment's grams are held by a signal.
    pub fn is_held(&self, treatment: u64) -> bool {
        self.gaps(treatment).0.contains(&"signal_raised".to_owned())
    }

    /// A batch of some lots that left it as fractions, closed; gives it, its lots and the answer to its end.
    pub fn batch_into(&self, lots: &[String], fractions: &[(&str, i64)]) -> (String, Vec<String>, Answer) {
        let batch = new_id();
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": lots})).accepted();
        let out = fractions.iter().map(|(fraction, grams)| self.fraction(&batch, fraction, *grams)).collect();
        let closed = self.close(&batch);
        (batch, out, closed)
    }
}

/// Confirms a correction that lifts a signal, in the auditor's name: its author's word alone does not.
#[track_caller]
fn confirmed(story: &Story<'_>, correction: &Answer) {
    let (app, entry) = (story.app, correction.accepted());
    assert_eq!(app.get(&format!("/v1/corrections/{entry}"), &app.operator.token).json()["status"], "open");
    app.say(&story.auditor, "correction_confirmed", &json!({"correction": entry})).accepted();
}

both_databases! {
    /// An auditor sees all and may look for some; an organisation sees what its own statements raised; nobody else sees any.
    fn who_sees_what(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (one, _) = story.gate_with(30_000, &json!({"number": "T-1"}));
        let (other, again) = story.gate_with(31_000, &json!({"number": "T-1"}));
        assert_eq!(told(&again), ["/number"]);
        let (heavy, answer) = story.gate_with(300_000, &json!({"pieces": 10}));
        assert_eq!(told(&answer), ["/pieces"]);
        let heavy_entry = answer.accepted();
        let found = listed(&app, &app.operator.token, "");
        let (centre, site) = (&story.centre.id, &story.centre_site);
        assert_eq!(found, [
            json!({
                "code": "ticket_reused", "entry": again.accepted(), "organisation": centre, "about": "item",
                "subject": other, "site": site, "earlier": again.accepted() - 1, "status": "open",
            }),
            json!({
                "code": "mass_per_piece_implausible", "entry": heavy_entry, "organisation": centre, "about": "item",
                "subject": heavy, "site": site, "found_g": 300_000, "least_g": 9_000, "most_g": 90_000, "pieces": 10,
                "status": "open",
            }),
        ]);
        let own = listed(&app, &story.centre.token, "");
        assert_eq!(own.len(), 2);
        assert!(own[0]["earlier"].is_null(), "another's entry may stand there");
        assert_eq!(listed(&app, &story.smelter.token, ""), Vec::<Value>::new());
        let of = |query: String| listed(&app, &app.operator.token, &query).len();
        assert_eq!(of(format!("site={site}")), 2);
        assert_eq!(of(format!("site={}", story.smelter_site)), 0);
        assert_eq!((of(format!("organisation={centre}")), of(format!("organisation={}", story.smelter.id))), (2, 0));
        assert_eq!((of("code=ticket_reused".into()), of("open=true".into()), of("open=false".into())), (1, 2, 0));
        let after = app.get("/v1/signals?after=signal/0", &app.operator.token).json();
        assert_eq!(after["signals"].as_array().map(Vec::len), Some(2));
        app.get("/v1/signals?code=fraud", &app.operator.token).refused(400, "query_invalid", "/code");
        app.get("/v1/signals?site=here", &app.operator.token).refused(400, "query_invalid", "/site");
        app.get(&format!("/v1/signals?organisation={centre}"), &story.smelter.token).refused(404, "not_found", "");
        // A finding that only notes leaves it; one about the item clears it, and that can be seen.
        story.find(&json!({"entry": heavy_entry}), "noted").accepted();
        assert_eq!(of("open=true".into()), 2);
        let finding = story.find(&json!({"item": heavy}), "cleared").accepted();
        assert_eq!((of("open=true".into()), of("open=false".into())), (1, 1));
        let cleared = &listed(&app, &story.centre.token, "open=false")[0];
        assert_eq!((&cleared["status"], &cleared["by"]), (&json!("cleared"), &json!(finding)));
        let earlier = app.get(&format!("/v1/events?from={}", again.accepted() - 1), &story.centre.token).json();
        let said = &earlier["events"][0]["payload"];
        assert_eq!((&said["org"], &said["item"]), (&json!(centre), &json!(one)), "the first load with that ticket is its own");
        let own = |lot: &str| app.get(&format!("/v1/items/{lot}"), &story.centre.token).json()["evidence"]["flaws"].clone();
        let flaw = |entry: u64| json!([{"code": "signal", "entry": entry}]);
        assert_eq!((own(&one), own(&other)), (json!([]), flaw(again.accepted())));
    }

    /// A signal holds exactly the grams behind it, through the batch and into the treatment, until a finding about the entry, the
    /// item, the batch or the treatment clears it.
    fn a_signal_holds_until_a_finding(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let whole = |ticket: &str| {
            let (lot, _) = story.gate_with(9_000, &json!({"number": ticket}));
            let (batch, steel, _) = story.batch_into(std::slice::from_ref(&lot), &[("FE", 9_000)]);
            story.send(&steel[0], 9_000, 9_000);
            (lot, batch, story.treat(&steel[0], 9_000))
        };
        let (_, _, honest) = whole("T-1");
        assert!(!story.is_held(honest));
        for subject in ["entry", "item", "batch"] {
            let (lot, batch, treatment) = whole("T-1");
            assert!(story.is_held(treatment), "{subject}");
            assert_eq!(story.gaps(treatment).1, 0);
            let raised = listed(&app, &app.operator.token, "open=true");
            assert_eq!(raised.len(), 1, "{raised:?}");
            let about = match subject {
                "entry" => json!({"entry": raised[0]["entry"]}),
                "item" => json!({"item": lot}),
                _ => json!({"batch": batch}),
            };
            story.find(&about, "cleared").accepted();
            assert!(!story.is_held(treatment), "{subject}");
        }
        assert!(!story.is_held(honest));
    }

    /// A finding about a treatment clears what the treatment itself raised: a furnace for a tonne a year that melts 600 kg a day.
    fn a_treatment_is_cleared(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (furnace, site) = (app.join(&["treater"]), new_id());
        let permit = json!({
            "number": "F/1", "operations": ["R4"], "waste_codes": ["19 12 02"], "capacity_g_per_year": 1_000_000,
            "valid_from": "2026-01-01", "valid_until": "2026-12-31",
        });
        let fields = json!({"organisation": furnace.id, "new_site": site, "country": "XD", "code": "MELT", "permit": permit});
        app.say(&app.operator, "site_registered", &fields).accepted();
        let scale = app.scale(&site);
        let treat = |grams: i64| {
            let (_, out, _) = story.batch_into(&[story.gate_with(grams, &json!({"class": "0103"})).0], &[("FE", grams)]);
            crate::frauds::hand(&app, &story.centre, (&furnace, &site, &scale), &out[0], grams).accepted();
            let end = json!({"item": out[0], "operation": "R4", "net_g": grams, "site": site});
            app.say(&furnace, "treated_final", &end)
        };
        assert_eq!(told(&treat(300_000)), Vec::<String>::new());
        let second = treat(300_000);
        assert_eq!(told(&second), ["/occurred_at"]);
        let found = &listed(&app, &furnace.token, "open=true")[0];
        let entry = second.accepted();
        assert_eq!((&found["about"], &found["subject"]), (&json!("treatment"), &json!(format!("treatment/{entry}"))));
        assert!(story.is_held(entry));
        story.find(&json!({"treatment": entry}), "cleared").accepted();
        assert!(!story.is_held(entry));
        assert_eq!(listed(&app, &furnace.token, "open=true"), Vec::<Value>::new());
    }

    /// What an auditor has cleared backs a certificate, whose bundle shows that, and verifies.
    fn what_is_cleared_verifies(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.gate_with(9_000, &json!({"number": "WB 77"})).1.accepted();
        let (lot, received) = story.gate_with(9_000, &json!({"number": "wb-77"}));
        assert_eq!(told(&received), ["/number"], "a number is the same however it is written");
        let (_, steel, _) = story.batch_into(&[lot], &[("FE", 9_000)]);
        story.send(&steel[0], 9_000, 9_000);
        story.treat(&steel[0], 9_000);
        story.draft(None).refused(422, "units_invalid", "/vintage");
        story.find(&json!({"entry": received.accepted()}), "cleared").accepted();
        let serial = story.issue(None);
        story.retire(&serial).accepted();
        let desk = crate::verifying::Desk::new();
        desk.put("bundle", &crate::verifying::bundle_now(&app, &serial));
        desk.expect("@bundle --vkey @vkey", 0, &["VALID"]);
    }

    /// A week without a line, posted in one evening, raises nothing: the day as written counts. The same in one day does.
    fn late_uploads_are_no_signal(kind) {
        let app = TestApp::start(kind);
        let (ghost, site, scale) = small_centre(&app, 12_000_000);
        let week: Vec<String> = (16..=22).map(|day| format!("2026-11-{day}T09:00:00+02:00")).collect();
        for day in &week {
            assert_eq!(told(&taken_apart(&app, (&ghost, &site, &scale), day, 600_000)), Vec::<String>::new());
        }
        // Six months old, it is late and no more.
        let answer = taken_apart(&app, (&ghost, &site, &scale), "2026-05-20T09:00:00+02:00", 600_000);
        assert_eq!(told(&answer), Vec::<String>::new());
        assert!(answer.warnings().contains(&"late".to_owned()));
        assert_eq!(told(&taken_apart(&app, (&ghost, &site, &scale), &week[0], 600_000)), ["/occurred_at"]);
        assert_eq!(all(&app), [("throughput_implausible".to_owned(), "open".to_owned())]);
    }

    /// Of the year's differences a little is the scales; more is looked at, and what an auditor has explained is explained.
    fn a_year_of_differences(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let reweigh = |lot: &str, grams: i64| {
            let fields = json!({"item": lot, "weight": story.weighed(grams), "reason": "measured"});
            story.at_centre("reweighed", fields)
        };
        let lots: Vec<String> = (0..5).map(|_| story.gate(600_000).0).collect();
        let guessed = json!({"weight": {"basis": "estimated", "net_g": 200_000}, "pieces": null});
        let guessed = story.gate_with(200_000, &guessed).0;
        assert_eq!(told(&reweigh(&guessed, 800_000)), Vec::<String>::new(), "a guess is no scale");
        assert_eq!(told(&reweigh(&lots[0], 660_000)), Vec::<String>::new());
        assert_eq!(told(&reweigh(&lots[1], 640_000)), Vec::<String>::new(), "at the boundary the milder side holds");
        assert_eq!(told(&reweigh(&lots[2], 600_500)), ["/site"]);
        assert_eq!(told(&reweigh(&lots[3], 599_000)), Vec::<String>::new(), "it goes back");
        let second = reweigh(&lots[4], 630_000);
        assert_eq!(told(&second), ["/site"]);
        let found = listed(&app, &app.operator.token, "");
        assert_eq!(found[1]["found_g"], json!(129_500));
        assert_eq!(found[1]["most_g"], json!(100_000));
        story.find(&json!({"item": lots[4]}), "cleared").accepted();
        let (lot, _) = story.gate(600_000);
        assert_eq!(told(&reweigh(&lot, 650_000)), Vec::<String>::new(), "what was explained counts no more");
        assert_eq!(told(&reweigh(&lot, 750_000)), ["/site"]);
    }

    /// What an auditor's stolen key explained is not explained; the rule set before let it stand.
    fn a_year_explained_with_a_stolen_key(kind) {
        for (version, signals) in [("3", vec![]), ("4", vec!["/site".to_owned()])] {
            let app = TestApp::start(kind);
            app.adopt_rules(version);
            let story = Story::begin(&app);
            let reweigh = |grams: i64| {
                let lot = story.gate(600_000).0;
                let fields = json!({"item": lot, "weight": story.weighed(600_000 + grams), "reason": "measured"});
                story.at_centre("reweighed", fields)
            };
            let first = reweigh(101_000);
            assert_eq!(told(&first), ["/site"]);
            let finding = story.find(&json!({"entry": first.accepted()}), "cleared").accepted();
            assert_eq!(told(&reweigh(1_000)), Vec::<String>::new(), "it is explained");
            let kid = crate::harness::kid(&story.auditor.key);
            let stolen = json!({"kid": kid, "reason": "compromised", "since_index": finding});
            app.say(&app.operator, "key_revoked", &stolen).accepted();
            assert_eq!(told(&reweigh(1_000)), signals, "under rule set {version}");
        }
    }

    /// A mistyped weight is corrected: its signal is lifted, and what comes later is measured by the right one.
    fn a_corrected_weighing_lifts_its_signal(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, _) = story.gate(600_000);
        let fields = |grams: i64| {
            json!({"item": lot, "weight": story.weighed(grams), "reason": "measured", "site": story.centre_site})
        };
        let typed = app.say(&story.centre, "reweighed", &fields(900_000));
        assert_eq!(told(&typed), ["/site"]);
        let right = instead(typed.accepted(), "reweighed", &fields(600_500));
        confirmed(&story, &app.say(&story.centre, "corrected", &right));
        assert_eq!(all(&app), [("difference_of_year".to_owned(), "lifted".to_owned())]);
        let (other, _) = story.gate(600_000);
        let small = json!({"item": other, "weight": story.weighed(640_000), "reason": "measured"});
        assert_eq!(told(&story.at_centre("reweighed", small)), Vec::<String>::new());
    }

    /// A mistyped count holds what became of the lot; the right one sets it free, and a worse one holds it again.
    fn a_corrected_count_runs_down_the_lineage(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, received) = story.gate_with(90_000, &json!({"pieces": 3}));
        assert_eq!(told(&received), ["/pieces"]);
        let entry = received.accepted();
        let (_, steel, _) = story.batch_into(std::slice::from_ref(&lot), &[("FE", 90_000)]);
        story.send(&steel[0], 90_000, 90_000);
        let treatment = story.treat(&steel[0], 90_000);
        assert!(story.is_held(treatment));
        let counted = |pieces: i64| {
            let fields = counted_as(story.received_fields(&lot, 90_000), &json!({"pieces": pieces}));
            app.say(&story.centre, "corrected", &instead(entry, "received", &fields))
        };
        confirmed(&story, &counted(30));
        assert!(!story.is_held(treatment));
        assert_eq!(all(&app), [("mass_per_piece_implausible".to_owned(), "lifted".to_owned())]);
        // The smelter relied on the lot: that its count gets worse is not for its author alone to say either.
        confirmed(&story, &counted(2));
        assert!(story.is_held(treatment));
        assert_eq!(all(&app), [("mass_per_piece_implausible".to_owned(), "open".to_owned())]);
    }

    /// A ticket whose number was mistyped: the wrong one is free again, the right one is used.
    fn a_corrected_ticket(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.gate_with(9_000, &json!({"number": "T-1"})).1.accepted();
        let (lot, received) = story.gate_with(9_000, &json!({"number": "T-1"}));
        assert_eq!(told(&received), ["/number"]);
        let ticket = |number: &str| {
            let fields = with(story.received_fields(&lot, 9_000), &json!({"number": number}));
            app.say(&story.centre, "corrected", &instead(received.accepted(), "received", &fields))
        };
        confirmed(&story, &ticket("T-2"));
        assert_eq!(all(&app), [("ticket_reused".to_owned(), "lifted".to_owned())]);
        let used = told(&ticket("T-1"));
        assert_eq!(used, ["/instead"], "whoever corrects into one is told as well");
        assert_eq!(all(&app), [("ticket_reused".to_owned(), "open".to_owned())]);
        confirmed(&story, &ticket("T-3"));
        let number = |number: &str| told(&story.gate_with(9_000, &json!({"number": number})).1);
        assert_eq!(number("T-3"), ["/number"]);
        assert_eq!(number("T-1"), ["/number"]);
    }

    /// Batteries that were typed in as steel did appear: the batch is looked at again.
    fn a_corrected_fraction(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, _) = story.gate_with(300_000, &json!({"pieces": 100}));
        let fractions = [("PWB_HIGH", 30_000), ("FE", 36_000), ("FE", 234_000)];
        let (batch, out, closed) = story.batch_into(std::slice::from_ref(&lot), &fractions);
        assert_eq!(told(&closed), ["/batch"]);
        story.send(&out[2], 234_000, 234_000);
        let treatment = story.treat(&out[2], 234_000);
        assert!(story.is_held(treatment));
        let typed = app.get(&format!("/v1/events?item={}&type=dismantled", out[1]), &app.operator.token).json();
        let typed = typed["events"][0]["index"].as_u64().expect("an index");
        let fields = json!({
            "batch": batch, "lot": out[1], "fraction": "BAT_LI", "weight": story.weighed(36_000), "site": story.centre_site,
        });
        confirmed(&story, &app.say(&story.centre, "corrected", &instead(typed, "dismantled", &fields)));
        assert!(!story.is_held(treatment));
        assert_eq!(all(&app), [("composition_implausible".to_owned(), "lifted".to_owned())]);
    }

    /// A mistyped output of a day is no part of the day's sum any more.
    fn a_corrected_output(kind) {
        let app = TestApp::start(kind);
        let (ghost, site, scale) = small_centre(&app, 12_000_000);
        let auditor = app.join(&["auditor"]);
        let day = "2026-11-20T09:00:00+02:00";
        let typed = taken_apart(&app, (&ghost, &site, &scale), day, 1_100_000);
        assert_eq!(told(&typed), ["/occurred_at"]);
        let payload = app.get(&format!("/v1/events?org={}", ghost.id), &app.operator.token).json();
        let events = payload["events"].as_array().expect("events").clone();
        let mut right = events.last().expect("an entry")["payload"].clone();
        for name in ["v", "ledger", "id", "org"] {
            right.as_object_mut().expect("fields").remove(name);
        }
        right["weight"]["gross_g"] = json!(110_000);
        let correction = json!({"entry": typed.accepted(), "reason": "incorrect_data", "instead": right});
        let correction = app.say(&ghost, "corrected", &correction).accepted();
        app.say(&auditor, "correction_confirmed", &json!({"correction": correction})).accepted();
        assert_eq!(all(&app), [("throughput_implausible".to_owned(), "lifted".to_owned())]);
        assert_eq!(told(&taken_apart(&app, (&ghost, &site, &scale), day, 900_000)), Vec::<String>::new());
        assert_eq!(told(&taken_apart(&app, (&ghost, &site, &scale), day, 20_000)), ["/occurred_at"]);
    }

    /// A ledger under an older rule set knows no signals.
    fn older_rule_sets_raise_none(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let older = &loopledger::domain::rule_set::all()[1];
        let adopt = |rules: &loopledger::domain::rule_set::RuleSet| {
            let name = json!({"version": rules.version, "sha256": rules.sha256});
            app.say(&app.operator, "rules_adopted", &json!({"rule_set": name})).accepted();
        };
        adopt(older);
        let (lot, answer) = story.gate_with(300_000, &json!({"pieces": 10, "number": "T-1"}));
        assert_eq!(told(&answer), Vec::<String>::new());
        story.gate_with(300_000, &json!({"number": "T-1"})).1.accepted();
        assert_eq!(all(&app), Vec::new());
        adopt(loopledger::domain::rule_set::all().last().expect("rule sets"));
        // What was said before is run again as it was judged then.
        let fields = counted_as(story.received_fields(&lot, 299_000), &json!({"pieces": 10, "number": "T-1"}));
        let corrected = instead(answer.accepted(), "received", &fields);
        app.say(&story.centre, "corrected", &corrected).accepted();
        assert_eq!(all(&app), Vec::new());
        assert_eq!(told(&story.gate_with(300_000, &json!({"pieces": 10})).1), ["/pieces"]);
    }
}

/// A centre with a permit for so many grams a year.
pub fn small_centre(app: &TestApp, capacity: i64) -> (Party, String, String) {
    let (centre, site) = (app.join(&["recycler"]), new_id());
    let permit = json!({
        "number": "XD/2026/99", "operations": ["R12"], "waste_codes": ["16 02 14", "16 02 13*"],
        "capacity_g_per_year": capacity, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
    });
    let fields =
        json!({"organisation": centre.id, "new_site": site, "country": "XD", "code": "SMALL", "permit": permit});
    app.say(&app.operator, "site_registered", &fields).accepted();
    let scale = app.scale(&site);
    (centre, site, scale)
}

/// So many grams of kitchen stoves come in and leave a batch as steel on one day; gives the answer to the steel.
pub fn taken_apart(app: &TestApp, centre: (&Party, &str, &str), day: &str, grams: i64) -> Answer {
    let (party, site, scale) = centre;
    let (lot, batch, steel) = (new_id(), new_id(), new_id());
    let weight = json!({"basis": "weighed", "gross_g": grams, "tare_g": 0, "scale": scale});
    let say =
        |kind: &str, fields: Value| app.say(party, kind, &with(fields, &json!({"site": site, "occurred_at": day})));
    say(
        "received",
        json!({
            "item": lot, "class": "0103", "weight": weight, "arising": {"country": "XD", "month": "2026-04"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)},
            "number": format!("WB-{lot}"),
        }),
    )
    .accepted();
    say("batch_opened", json!({"batch": batch})).accepted();
    say("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
    say("dismantled", json!({"batch": batch, "lot": steel, "fraction": "FE", "weight": weight}))
}

/// Days pass.
pub fn later(app: &TestApp, days: i64) {
    app.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst);
}
