//! Corrections: who may, who decides, what follows down the lineage, and what stands in the way.

use crate::bundles::anchor;
use crate::client::Answer;
use crate::forging::Workshop;
use crate::harness::{Party, TestApp, both_databases, new_id};
use crate::story::Story;
use loopledger::proof::verify::verify;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
const OCCURRED_AT: &str = "2026-11-23T13:00:00+02:00";

fn with(fields: &Value, change: &Value) -> Value {
    let mut fields = fields.clone();
    for (name, value) in change.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    fields
}

fn never(entry: u64) -> Value {
    json!({"entry": entry, "reason": "did_not_occur"})
}

pub fn instead(entry: u64, kind: &str, fields: &Value) -> Value {
    json!({"entry": entry, "reason": "incorrect_data", "instead": with(fields, &json!({"type": kind, "occurred_at": OCCURRED_AT}))})
}

fn later(app: &TestApp, days: i64) {
    app.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst);
}

/// The correction as it stands, read by an auditor's token.
fn standing(app: &TestApp, entry: u64) -> Value {
    app.get(&format!("/v1/corrections/{entry}"), &app.operator.token).json()
}

fn status(app: &TestApp, entry: u64) -> String {
    standing(app, entry)["status"].as_str().expect("a status").to_owned()
}

fn confirm(app: &TestApp, who: &Party, correction: u64) -> Answer {
    app.say(who, "correction_confirmed", &json!({"correction": correction}))
}

fn dispute(app: &TestApp, who: &Party, correction: u64) -> Answer {
    app.say(who, "correction_disputed", &json!({"correction": correction}))
}

fn item(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/v1/items/{id}"), &app.operator.token).json()
}

fn grams(app: &TestApp, id: &str) -> i64 {
    item(app, id)["grams"].as_i64().expect("grams")
}

fn accounts(app: &TestApp) -> Value {
    let balance = app.get("/v1/balance", &app.operator.token).json();
    assert_eq!(balance["closes"], true);
    let all = balance["accounts_g"].as_object().expect("accounts");
    all.iter().filter(|(_, grams)| **grams != 0).map(|(name, grams)| (name.clone(), grams.clone())).collect()
}

impl Story<'_> {
    pub fn received_fields(&self, lot: &str, grams: i64) -> Value {
        let mut fields = self.receipt(lot, &self.weighed(grams));
        fields["site"] = json!(self.centre_site);
        fields
    }

    /// Laptops at the gate; gives the lot and the entry.
    pub fn gate(&self, grams: i64) -> (String, u64) {
        let lot = new_id();
        let entry = self.app.say(&self.centre, "received", &self.received_fields(&lot, grams)).accepted();
        (lot, entry)
    }

    /// Laptops at the gate that go into a batch; gives the lot, the entry of the receipt and the batch.
    pub fn gate_to_batch(&self, grams: i64) -> (String, u64, String) {
        let ((lot, entry), batch) = (self.gate(grams), new_id());
        self.at_centre("batch_opened", json!({"batch": batch})).accepted();
        self.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        (lot, entry, batch)
    }

    fn dismantled_fields(&self, batch: &str, lot: &str, grams: i64) -> Value {
        json!({"batch": batch, "lot": lot, "fraction": "FE", "weight": self.weighed(grams), "site": self.centre_site})
    }

    fn correct(&self, fields: &Value) -> Answer {
        self.app.say(&self.centre, "corrected", fields)
    }
}

both_databases! {
    /// Within 72 hours, while nobody else rests on it, an author corrects alone; the ledger still tells what it said before.
    fn an_author_corrects_alone(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(12_000);
        later(&app, 1);
        let corrected = story.correct(&instead(entry, "received", &story.received_fields(&lot, 10_200)));
        let correction = corrected.accepted();
        assert!(corrected.warnings().is_empty());
        assert_eq!(grams(&app, &lot), 10_200);
        assert_eq!(accounts(&app), json!({"inflow": 10_200, "live": 10_200}));
        let known = standing(&app, correction);
        assert_eq!((&known["status"], &known["effect"], &known["target"]), (&json!("in_effect"), &json!(correction), &json!(entry)));

        let token = &app.operator.token;
        let before = app.get(&format!("/v1/items/{lot}?as_of={entry}"), token).json();
        assert_eq!((&before["grams"], &before["last_entry"]), (&json!(12_000), &json!(entry)));
        let balance = app.get(&format!("/v1/balance?as_of={entry}"), token).json();
        assert_eq!((&balance["accounts_g"]["inflow"], &balance["closes"]), (&json!(12_000), &json!(true)));
        let then = app.get(&format!("/v1/items/{lot}?as_of=2026-11-23T23:00:00Z"), token).json();
        assert_eq!(then["grams"], 12_000, "that evening nobody knew better");
        let then = app.get(&format!("/v1/items/{lot}?as_of=2026-11-24T12:00:00Z"), token).json();
        assert_eq!(then["grams"], 10_200);
        app.get(&format!("/v1/items/{lot}?as_of={}", entry - 1), token).refused(404, "not_found", "");
        app.get(&format!("/v1/items/{lot}?as_of={}", correction + 1), token).refused(400, "query_invalid", "/as_of");
        app.get(&format!("/v1/items/{lot}?as_of=2020-01-01T00:00:00Z"), token).refused(400, "query_invalid", "/as_of");
        app.get(&format!("/v1/items/{lot}?as_of=yesterday"), token).refused(400, "query_invalid", "/as_of");
        app.get("/v1/balance?as_of=-1", token).refused(400, "query_invalid", "/as_of");
        let path = app.get(&format!("/v1/items/{lot}/path"), token).json();
        let events = path["events"].as_array().expect("events");
        assert_eq!(events.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["received", "corrected"]);
        assert_eq!(events[0]["corrections"], json!([{"entry": correction, "status": "in_effect"}]));

        // Corrected again, and then taken back altogether.
        let again = story.correct(&instead(entry, "received", &story.received_fields(&lot, 10_400))).accepted();
        assert_eq!((grams(&app, &lot), status(&app, correction), status(&app, again)), (10_400, "superseded".into(), "in_effect".into()));
        let none = story.correct(&never(entry)).accepted();
        let known = item(&app, &lot);
        assert_eq!((&known["grams"], &known["status"], &known["voided"]), (&json!(0), &json!("ended"), &json!(none)));
        assert_eq!(accounts(&app), json!({}));
        let restored = story.correct(&instead(entry, "received", &story.received_fields(&lot, 10_300)));
        restored.accepted();
        assert_eq!((grams(&app, &lot), accounts(&app)), (10_300, json!({"inflow": 10_300, "live": 10_300})));
        story.at_centre("merged", json!({"inputs": [lot], "lot": new_id()})).accepted();
    }

    /// What cannot be corrected, in the order in which it is found.
    fn refusals(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(12_000);
        let right = instead(entry, "received", &story.received_fields(&lot, 10_000));
        let size = app.ledger.readiness().expect("ready");
        let scale = app.scale(&story.centre_site);
        let changed = |change: &Value| with(&right, &json!({"instead": with(&right["instead"], change)}));
        let other = "01936d0e-7a8b-7c1d-9e2f-0123456789ab";
        let unknown_field = with(&right, &json!({"instead": with(&right["instead"], &json!({"colour": "red"}))}));
        let of_correction = json!({"type": "corrected", "occurred_at": OCCURRED_AT, "entry": 1, "reason": "did_not_occur"});
        let table: Vec<(&Party, Value, u16, &str, &str)> = vec![
            (&story.centre, json!({"entry": size + 50, "reason": "did_not_occur"}), 422, "unknown", "/entry"),
            (&story.smelter, right.clone(), 403, "not_the_author", "/entry"),
            (&app.operator, never(0), 422, "not_correctable", "/entry"),
            (&story.centre, with(&right, &json!({"reason": "did_not_occur"})), 422, "list_invalid", "/instead"),
            (&story.centre, json!({"entry": entry, "reason": "incorrect_data"}), 422, "list_invalid", "/instead"),
            (&story.centre, instead(entry, "released", &json!({"item": lot, "reason": "commodity_sale"})), 422, "not_correctable", "/instead/type"),
            (&story.centre, with(&right, &json!({"instead": of_correction})), 422, "field_invalid", "/instead/type"),
            (&story.centre, unknown_field, 422, "field_invalid", "/instead/colour"),
            (&story.centre, changed(&json!({"site": other})), 422, "unknown", "/instead/site"),
            (&story.centre, changed(&json!({"site": story.smelter_site})), 403, "site_of_another_organisation", "/instead/site"),
            (&story.centre, changed(&json!({"weight": {"basis": "weighed", "gross_g": 5, "tare_g": 9, "scale": scale}})), 422, "weight_invalid", "/instead/weight"),
            (&story.centre, instead(entry, "received", &story.received_fields(&lot, 12_000)), 422, "correction_without_effect", "/instead"),
        ];
        for (who, fields, code_of_status, code, pointer) in table {
            app.say(who, "corrected", &fields).refused(code_of_status, code, pointer);
        }
        app.say(&story.auditor, "correction_confirmed", &json!({"correction": entry})).refused(422, "unknown", "/correction");
        app.say(&story.centre, "correction_disputed", &json!({"correction": entry})).refused(422, "unknown", "/correction");
        app.get(&format!("/v1/corrections/{entry}"), &app.operator.token).refused(404, "not_found", "");
        let (registered, second) = (new_id(), new_id());
        let first = json!({"item": registered, "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "XD"});
        let made = app.say(&story.centre, "registered", &first).accepted();
        app.say(&story.centre, "registered", &with(&first, &json!({"item": second}))).accepted();
        let taken = instead(made, "registered", &with(&first, &json!({"item": second})));
        story.correct(&taken).refused(409, "already_registered", "/instead");
    }

    /// A wrong weight runs down a lineage: what was split is split in proportion, what was merged adds up, what went into the
    /// batch went in, to the gram.
    fn effects_run_down_the_lineage(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let ((lot, entry), (other, _)) = (story.gate(9_000), story.gate(5_000));
        let parts = [new_id(), new_id(), new_id()];
        let split = json!({"lot": lot, "parts": [
            {"lot": parts[0], "net_g": 3_000}, {"lot": parts[1], "net_g": 3_000}, {"lot": parts[2], "net_g": 3_000},
        ]});
        story.at_centre("split", split).accepted();
        let merged = new_id();
        story.at_centre("merged", json!({"inputs": [parts[0], other], "lot": merged})).accepted();
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        story.at_centre("batch_fed", json!({"batch": batch, "items": [parts[1], merged]})).accepted();
        let steel = story.fraction(&batch, "FE", 10_500);
        let closed = story.close(&batch).accepted();
        assert_eq!(accounts(&app), json!({"inflow": 14_000, "live": 13_500, "difference": -500}));

        let corrected = story.correct(&instead(entry, "received", &story.received_fields(&lot, 8_000)));
        let correction = corrected.accepted();
        assert!(corrected.warnings().is_empty(), "nobody else rests on it yet");
        assert_eq!(parts.iter().map(|part| grams(&app, part)).collect::<Vec<_>>(), [0, 0, 2_666]);
        assert_eq!((grams(&app, &lot), grams(&app, &merged), grams(&app, &steel)), (0, 0, 10_500));
        // 2,667 + 5,000 + 2,667 went in, 10,500 came out: 166 g more, within the band.
        assert_eq!(accounts(&app), json!({"inflow": 13_000, "live": 13_166, "difference": 166}));
        let token = &app.operator.token;
        let then = app.get(&format!("/v1/items/{}?as_of={closed}", parts[2]), token).json();
        assert_eq!(then["grams"], 3_000);
        let found = app.get(&format!("/v1/events?item={}", parts[2]), token).json();
        assert!(found["events"].as_array().expect("events").iter().any(|event| event["index"] == correction), "it stands on the path");

        // Another entry of the same lineage, corrected in its turn, and the first one again.
        let (_, again) = (story.gate(1), entry);
        let more = story.correct(&instead(again, "received", &story.received_fields(&lot, 9_300)));
        more.accepted();
        assert_eq!((grams(&app, &parts[2]), status(&app, correction)), (3_100, "superseded".to_owned()));
        // 10,500 of 3,100 + 5,000 + 3,100: 700 g less, within the band of 1 kg.
        assert_eq!(accounts(&app), json!({"inflow": 14_301, "live": 13_601, "difference": -700}));
    }

    /// Corrections of different entries of one lineage add up, in whatever order they come.
    fn corrections_of_one_lineage_add_up(kind) {
        for later_first in [true, false] {
            let app = TestApp::start(kind);
            let story = Story::begin(&app);
            let (lot, gate) = story.gate(20_000);
            let weighing = json!({"item": lot, "weight": story.weighed(19_000), "reason": "dried", "site": story.centre_site});
            let weighed = app.say(&story.centre, "reweighed", &weighing).accepted();
            let batch = new_id();
            story.at_centre("batch_opened", json!({"batch": batch})).accepted();
            story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
            let steel = new_id();
            let out = app.say(&story.centre, "dismantled", &story.dismantled_fields(&batch, &steel, 18_000)).accepted();
            story.close(&batch).accepted();
            let right = [
                instead(gate, "received", &story.received_fields(&lot, 21_000)),
                instead(out, "dismantled", &story.dismantled_fields(&batch, &steel, 18_500)),
                instead(weighed, "reweighed", &with(&weighing, &json!({"weight": story.weighed(18_900)}))),
            ];
            let order = if later_first { [1, 2, 0] } else { [0, 1, 2] };
            for at in order {
                story.correct(&right[at]).accepted();
            }
            let expected = json!({"inflow": 21_000, "reweighed": -2_100, "live": 18_500, "difference": -400});
            assert_eq!((grams(&app, &steel), accounts(&app)), (18_500, expected), "later first: {later_first}");
            // The weighing never was: what was received went in.
            story.correct(&never(weighed)).accepted();
            let expected = json!({"inflow": 21_000, "live": 18_500, "difference": -2_500});
            let known = story.app.get(&format!("/v1/events?batch={batch}"), &app.operator.token);
            assert_eq!((known.status, accounts(&app)), (200, expected));
        }
    }

    /// Where the other side has accepted, it has a word; until then the grams are held.
    fn the_counterparty_confirms(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let batch = story.batch(100_000);
        let steel = new_id();
        let out = app.say(&story.centre, "dismantled", &story.dismantled_fields(&batch, &steel, 99_000)).accepted();
        assert_eq!(story.send(&steel, 99_000, 90_000).warnings(), ["difference_beyond_band"]);
        let treatment = story.treat(&steel, 90_000);
        story.close(&batch).accepted();
        assert_eq!(story.gaps(treatment).0, ["disputed"]);
        let right = instead(out, "dismantled", &story.dismantled_fields(&batch, &steel, 90_000));
        let corrected = story.correct(&right);
        let correction = corrected.accepted();
        assert_eq!(corrected.warnings(), ["correction_undecided"]);
        assert_eq!(standing(&app, correction)["counterparties"], json!([story.smelter.id]));
        assert_eq!(story.gaps(treatment).0, ["disputed", "correction_undecided"]);
        story.correct(&right).refused(409, "correction_undecided", "/entry");
        confirm(&app, &story.centre, correction).refused(403, "wrong_receiver", "/correction");
        confirm(&app, &story.issuer, correction).refused(403, "wrong_receiver", "/correction");
        confirm(&app, &story.auditor, correction).refused(403, "counterparty_first", "/correction");
        app.get(&format!("/v1/corrections/{correction}"), &story.issuer.token).refused(404, "not_found", "");
        assert_eq!(app.get(&format!("/v1/corrections/{correction}"), &story.smelter.token).status, 200);

        // Five days of silence: it stands on the list of what is overdue.
        later(&app, 6);
        let overdue = app.get("/v1/overdue", &story.smelter.token).json();
        assert_eq!((&overdue["overdue"][0]["kind"], &overdue["overdue"][0]["entry"]), (&json!("correction"), &json!(correction)));
        confirm(&app, &story.smelter, correction).accepted();
        confirm(&app, &story.smelter, correction).refused(409, "nothing_to_answer", "/correction");
        assert_eq!(app.get("/v1/overdue", &story.smelter.token).json()["overdue"], json!([]));
        assert_eq!(status(&app, correction), "in_effect");
        // Centre and smelter agree by now; of the batch 10 kg are missing instead.
        assert_eq!(story.gaps(treatment).0, ["batch_short"]);
        let expected = json!({"inflow": 100_000, "recovered:R4": 90_000, "difference": -10_000, "departed": 90_000, "arrived": 90_000});
        assert_eq!(accounts(&app), expected);
    }

    /// A dispute, or 30 days of silence, and an auditor decides.
    fn an_auditor_decides(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(50_000);
        story.send(&lot, 50_000, 50_000);
        let propose = |grams| story.correct(&instead(entry, "received", &story.received_fields(&lot, grams))).accepted();
        let first = propose(50_400);
        dispute(&app, &story.smelter, first).accepted();
        assert_eq!(status(&app, first), "disputed");
        confirm(&app, &story.smelter, first).accepted();
        assert_eq!(status(&app, first), "disputed", "once disputed, an auditor decides");
        dispute(&app, &story.auditor, first).accepted();
        assert_eq!((status(&app, first), accounts(&app)["inflow"].clone()), ("rejected".into(), json!(50_000)));
        confirm(&app, &story.auditor, first).refused(409, "nothing_to_answer", "/correction");

        let second = propose(50_300);
        dispute(&app, &story.centre, second).accepted();
        assert_eq!(status(&app, second), "withdrawn");
        let third = propose(50_200);
        later(&app, 29);
        confirm(&app, &story.auditor, third).refused(403, "counterparty_first", "/correction");
        later(&app, 1);
        confirm(&app, &story.auditor, third).accepted();
        assert_eq!((status(&app, third), accounts(&app)["inflow"].clone()), ("in_effect".into(), json!(50_200)));
        assert_eq!(accounts(&app)["difference"], -200, "the smelter's weight stands");
        // Nobody decides about related parties.
        let fourth = propose(50_100);
        app.say(&story.auditor, "relation_declared", &json!({"other": story.centre.id, "kind": "control"})).accepted();
        later(&app, 31);
        confirm(&app, &story.auditor, fourth).refused(403, "related_parties", "/org");
    }

    /// Whoever comes to rest on it while it waits is asked too; a relation's word, and that of whoever speaks for both sides, is
    /// nobody else's word.
    fn others_are_asked_too(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (trader, vendor) = (app.join(&["recycler", "treater"]), app.join(&["refurbisher"]));
        let (lot, entry) = story.gate(50_000);
        story.send(&lot, 50_000, 50_000);
        let correction = story.correct(&instead(entry, "received", &with(&story.received_fields(&lot, 50_000), &json!({"class": "0302"})))).accepted();
        assert_eq!(standing(&app, correction)["counterparties"], json!([story.smelter.id]));
        let handover = new_id();
        let offer = json!({"handover": handover, "to": trader.id, "lots": [{"lot": lot, "sent_g": 50_000}]});
        app.say(&story.smelter, "handover_offered", &offer).accepted();
        let weight = json!({"basis": "estimated", "net_g": 50_000});
        let lots = json!([{"weight": weight, "accepted_g": 50_000, "refused_g": 0}]);
        app.say(&trader, "handover_accepted", &json!({"handover": handover, "lots": lots})).accepted();
        confirm(&app, &story.smelter, correction).accepted();
        let known = standing(&app, correction);
        assert_eq!((&known["status"], &known["counterparties"]), (&json!("open"), &json!([story.smelter.id, trader.id])));
        // The trader lets a vendor speak for it, and so does the centre, which has the vendor state a correction.
        let delegate = |who: &Party| {
            let fields = json!({"to": vendor.id, "types": ["corrected", "correction_confirmed", "received"], "until": "2027-11-23"});
            app.say(who, "delegation_granted", &fields).accepted();
        };
        delegate(&trader);
        confirm(&app, &trader, correction).accepted();
        assert_eq!((status(&app, correction), item(&app, &lot)["class"].clone()), ("in_effect".into(), json!("0302")));
        let right = instead(entry, "received", &with(&story.received_fields(&lot, 50_000), &json!({"class": "0303"})));
        let for_centre = with(&right, &json!({"on_behalf_of": story.centre.id}));
        app.say(&vendor, "corrected", &for_centre).refused(403, "delegation_missing", "/on_behalf_of");
        delegate(&story.centre);
        let second = app.say(&vendor, "corrected", &for_centre).accepted();
        let for_trader = json!({"correction": second, "on_behalf_of": trader.id});
        app.say(&vendor, "correction_confirmed", &for_trader).refused(403, "related_parties", "/org");
        dispute(&app, &story.centre, second).accepted();
        app.say(&trader, "relation_declared", &json!({"other": story.centre.id, "kind": "ownership"})).accepted();
        let third = story.correct(&right).accepted();
        assert_eq!(standing(&app, third)["counterparties"], json!([story.smelter.id]), "the trader is the centre's own");
    }

    /// After 72 hours, or once it was treated, an author alone is not enough: where nobody else is concerned, an auditor looks.
    fn late_corrections_need_an_auditor(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(5_000);
        later(&app, 4);
        let correction = story.correct(&instead(entry, "received", &story.received_fields(&lot, 5_500))).accepted();
        assert_eq!((status(&app, correction), grams(&app, &lot)), ("open".into(), 5_000));
        confirm(&app, &story.auditor, correction).accepted();
        assert_eq!((status(&app, correction), grams(&app, &lot)), ("in_effect".into(), 5_500));
        let (lot, entry) = story.gate(6_000);
        story.at_centre("treated_final", json!({"item": lot, "operation": "R4", "net_g": 6_000})).accepted();
        let correction = story.correct(&instead(entry, "received", &story.received_fields(&lot, 6_600))).accepted();
        assert_eq!(status(&app, correction), "open");
        confirm(&app, &story.auditor, correction).accepted();
        assert_eq!(accounts(&app)["recovered:R4"], 6_600);
        // What touches neither mass nor party nor code counts at once, however late.
        let laptop = app.laptop(&story.centre);
        let test = json!({"item": laptop, "result": "works"});
        let tested = app.say(&story.centre, "tested", &test).accepted();
        later(&app, 20);
        story.correct(&instead(tested, "tested", &json!({"item": laptop, "result": "repairable"}))).accepted();
        assert_eq!(item(&app, &laptop)["condition"], "repairable");
    }

    /// A correction that a later entry cannot stand with waits for an auditor, and never half-happens.
    fn a_later_entry_stands_in_the_way(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, entry) = story.gate(30_000);
        let batch = new_id();
        story.at_centre("batch_opened", json!({"batch": batch})).accepted();
        let fed = story.at_centre("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        let steel = story.fraction(&batch, "FE", 29_000);
        let before = accounts(&app);
        let corrected = story.correct(&never(entry));
        let correction = corrected.accepted();
        assert_eq!(corrected.warnings(), ["correction_undecided"]);
        let known = standing(&app, correction);
        assert_eq!((&known["status"], &known["blocked_by"]), (&json!("review"), &json!(fed)));
        confirm(&app, &story.auditor, correction).refused(409, "correction_blocked", "/correction");
        assert_eq!((accounts(&app), grams(&app, &steel)), (before.clone(), 29_000));
        dispute(&app, &story.centre, correction).accepted();
        assert_eq!((status(&app, correction), accounts(&app)), ("withdrawn".into(), before));
        // More would come out of the batch than went in.
        let correction = story.correct(&instead(entry, "received", &story.received_fields(&lot, 20_000))).accepted();
        assert_eq!(status(&app, correction), "review");
    }

    /// Under rule sets without a registry certified grams are not changed behind a certificate's back.
    fn certified_grams_are_not_touched(kind) {
        let app = TestApp::start(kind);
        app.adopt_rules("2");
        let story = Story::begin(&app);
        let (lot, entry, batch) = story.gate_to_batch(40_000);
        let steel = story.fraction(&batch, "FE", 40_000);
        story.send(&steel, 40_000, 40_000);
        let treatment = story.treat(&steel, 40_000);
        story.close(&batch).accepted();
        let right = |grams| instead(entry, "received", &story.received_fields(&lot, grams));
        // Before the issue the grams change with it: a batch backs no more than went in.
        let correction = story.correct(&right(39_500)).accepted();
        assert_eq!(status(&app, correction), "open");
        assert_eq!(story.gaps(treatment).0, ["correction_undecided"]);
        confirm(&app, &story.smelter, correction).refused(403, "wrong_receiver", "/correction");
        confirm(&app, &story.auditor, correction).accepted();
        assert_eq!(story.gaps(treatment), (vec!["beyond_batch_input".to_owned()], 39_500));
        let pools = story.eligibility(&format!("site={}", story.centre_site));
        assert_eq!(pools["pools"][0]["entered_g"], 39_500);
        story.issue(Some(10));
        let correction = story.correct(&right(39_800)).accepted();
        let known = standing(&app, correction);
        assert_eq!((&known["status"], &known["blocked_by"]), (&json!("review"), &json!(treatment)));
        confirm(&app, &story.auditor, correction).refused(409, "correction_blocked", "/correction");
        dispute(&app, &story.auditor, correction).accepted();
        story.issue(Some(10));
    }

    /// The offline verifier follows figures that an auditor confirmed; what it does not follow it never calls valid; what did not
    /// change anything it passes over.
    fn a_bundle_follows_corrected_figures_and_nothing_else(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let bundle = |change: Value, take_back: bool| {
            let (lot, entry, batch) = story.gate_to_batch(40_000);
            let steel = story.fraction(&batch, "FE", 39_500);
            story.send(&steel, 39_500, 39_500);
            story.treat(&steel, 39_500);
            story.close(&batch).accepted();
            let right = with(&story.received_fields(&lot, 39_600), &change);
            let correction = story.correct(&instead(entry, "received", &right)).accepted();
            let last = match change.get("arising") {
                // The smelter's own treatment would come out otherwise, so it is asked first.
                Some(_) => confirm(&app, &story.smelter, correction),
                None if take_back => dispute(&app, &story.centre, correction),
                None => confirm(&app, &story.auditor, correction),
            };
            last.accepted();
            let serial = story.issue(None);
            (app.get(&format!("/v1/certificates/{serial}/bundle"), &story.centre.token).text, serial)
        };
        let problem = |bundle: &str| verify(bundle.as_bytes(), Some(&anchor())).err().map(|rejection| format!("{rejection:?}"));
        assert_eq!(problem(&bundle(json!({}), true).0), None, "it was taken back");
        let (followed, serial) = bundle(json!({}), false);
        assert_eq!(problem(&followed), None, "its figures are followed");
        let other = bundle(json!({"arising": {"country": "XD", "month": "2026-09"}}), false).0;
        let is_not_followed = |bundle: &str| problem(bundle).is_some_and(|problem| problem.contains("corrected otherwise"));
        assert!(is_not_followed(&other), "the month in which it arose");
        // Without the auditor's word, or with figures on which so much cannot rest, it is not believed.
        let honest = Workshop::of(&story, &serial, Vec::new());
        let word = honest.position("correction_confirmed");
        let unconfirmed = honest.bundle(|index| index != word);
        assert!(is_not_followed(&String::from_utf8_lossy(&unconfirmed)));
        // Nor is what somebody corrects who has not said it, whoever decided for that.
        let (smelters, treated) = honest.said[honest.position("treated_final")].clone();
        let mut strange = honest.clone();
        for (signer, said) in strange.said.iter_mut().filter(|(_, said)| said["type"] == "corrected") {
            (*signer, said["org"]) = (smelters.clone(), treated["org"].clone());
        }
        assert!(is_not_followed(&String::from_utf8_lossy(&strange.bundle(|_| true))));
        let mut lighter = honest.clone();
        for (_, said) in lighter.said.iter_mut().filter(|(_, said)| said["type"] == "corrected") {
            said["instead"]["weight"]["gross_g"] = json!(20_000);
        }
        let lighter = lighter.bundle(|_| true);
        assert!(problem(&String::from_utf8_lossy(&lighter)).is_some_and(|problem| problem.contains("more came out of a batch")));
    }

    /// A receipt that was wrong: everything is offered again, as if nobody had answered.
    fn a_receipt_did_not_occur(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let (lot, _) = story.gate(8_000);
        let receipt = story.send(&lot, 8_000, 7_900).json()["index"].as_u64().expect("an index");
        let correction = app.say(&story.smelter, "corrected", &never(receipt)).accepted();
        assert_eq!(standing(&app, correction)["counterparties"], json!([story.centre.id]));
        confirm(&app, &story.centre, correction).accepted();
        let known = item(&app, &lot);
        assert_eq!((&known["status"], &known["holder"], &known["grams"]), (&json!("offered"), &json!(story.centre.id), &json!(8_000)));
        assert_eq!(accounts(&app), json!({"inflow": 8_000, "live": 8_000}));
    }

    /// A statement and its correction in one batch of requests.
    fn corrected_in_the_same_batch(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        let size = app.ledger.readiness().expect("ready");
        let lot = new_id();
        let (part, rest) = (new_id(), new_id());
        let lines = [
            crate::harness::signed(&story.centre, "received", &story.received_fields(&lot, 1_000)),
            crate::harness::signed(&story.centre, "split", &json!({"lot": lot, "site": story.centre_site, "parts": [
                {"lot": part, "net_g": 250}, {"lot": rest, "net_g": 750},
            ]})),
            crate::harness::signed(&story.centre, "corrected", &instead(size, "received", &story.received_fields(&lot, 2_000))),
            crate::harness::signed(&story.centre, "corrected", &instead(size, "received", &story.received_fields(&lot, 3_000))),
        ];
        let results = app.post_batch(&story.centre.token, "all", &lines).lines();
        assert!(results.iter().all(|line| line["status"] == 201), "{results:?}");
        assert_eq!((grams(&app, &part), grams(&app, &rest)), (750, 2_250));
        let then = app.get(&format!("/v1/items/{part}?as_of={}", size + 2), &app.operator.token).json();
        assert_eq!(then["grams"], 500);
    }
}
