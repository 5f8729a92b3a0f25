//! Batches, fractions and the end of mass.

use crate::harness::{Party, TestApp, both_databases, kid, new_id};
use serde_json::{Value, json};

fn estimated(grams: i64) -> Value {
    json!({"basis": "estimated", "net_g": grams})
}

fn permit(operations: &[&str]) -> Value {
    json!({
        "number": "XD/2026/17", "operations": operations, "waste_codes": ["16 02 13*", "19 12 02", "16 02 15*"],
        "capacity_g_per_year": 5_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2026-12-31",
    })
}

fn site(app: &TestApp, party: &Party, code: &str, operations: &[&str]) -> String {
    let site = new_id();
    let fields = json!({
        "organisation": party.id, "new_site": site, "country": "XD", "code": code, "permit": permit(operations),
    });
    app.say(&app.operator, "site_registered", &fields).accepted();
    site
}

/// A centre with its site, and what it needs to say things there.
struct Centre<'a> {
    app: &'a TestApp,
    party: Party,
    site: String,
}

impl<'a> Centre<'a> {
    fn new(app: &'a TestApp) -> Self {
        let party = app.join(&["recycler"]);
        let site = site(app, &party, "NBO1", &["R12", "R4"]);
        Self { app, party, site }
    }

    fn say(&self, kind: &str, mut fields: Value) -> crate::client::Answer {
        fields["site"] = json!(self.site);
        self.app.say(&self.party, kind, &fields)
    }

    /// Laptops received at the gate.
    fn lot(&self, grams: i64, counted_elsewhere: &str) -> String {
        let lot = new_id();
        let fields = json!({
            "item": lot, "class": "0303", "weight": estimated(grams), "arising": {"country": "XD", "month": "2026-10"},
            "provenance": {"kind": "business", "counted_elsewhere": counted_elsewhere},
            "supplier": {"c": "ab".repeat(32)}, "number": format!("WB-{lot}"),
        });
        self.say("received", fields).accepted();
        lot
    }

    /// An open batch with so much in it.
    fn batch(&self, grams: i64) -> String {
        let batch = new_id();
        self.say("batch_opened", json!({"batch": batch})).accepted();
        let lot = self.lot(grams, "none");
        self.say("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        batch
    }

    fn dismantle(&self, batch: &str, fraction: &str, grams: i64) -> (String, crate::client::Answer) {
        let lot = new_id();
        let fields = json!({"batch": batch, "lot": lot, "fraction": fraction, "weight": estimated(grams)});
        let answer = self.say("dismantled", fields);
        (lot, answer)
    }

    fn close(&self, batch: &str, loss: i64, out_of_scope: i64) -> crate::client::Answer {
        self.say("batch_closed", json!({"batch": batch, "loss_g": loss, "out_of_scope_g": out_of_scope}))
    }

    fn balance(&self) -> Value {
        let balance = self.app.get(&format!("/v1/balance?site={}", self.site), &self.party.token).json();
        assert_eq!(balance["closes"], true);
        balance["accounts_g"].clone()
    }
}

both_databases! {
    /// From the gate to the end of mass, with every gram accounted for.
    fn a_batch_from_gate_to_furnace(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let batch = centre.batch(100_000);
        let (steel, answer) = centre.dismantle(&batch, "FE", 60_000);
        answer.accepted();
        let (boards, answer) = centre.dismantle(&batch, "PWB_HIGH", 20_000);
        answer.accepted();
        let kept = new_id();
        let close = json!({
            "batch": batch, "loss_g": 500, "out_of_scope_g": 1_000,
            "remaining": [{"lot": kept, "class": "0303", "weight": estimated(17_000)}],
        });
        let closed = centre.say("batch_closed", close);
        closed.accepted();
        assert!(closed.warnings().is_empty());
        let expected = json!({
            "inflow": 100_000, "live": 97_000, "loss": 500, "out_of_scope": 1_000, "difference": -1_500,
        });
        assert_eq!(centre.balance(), expected);
        let fraction = app.get(&format!("/v1/items/{steel}"), &centre.party.token).json();
        assert_eq!((&fraction["class"], &fraction["sources"]), (&json!("FE"), &json!([{"source": batch, "grams": 60_000}])));
        assert_eq!(fraction["waste_code"], "19 12 02");

        let treated = centre.say("treated_final", json!({"item": steel, "operation": "R4", "net_g": 60_000}));
        treated.accepted();
        assert!(treated.warnings().is_empty());
        let again = json!({"item": steel, "operation": "R4", "net_g": 60_000});
        centre.say("treated_final", again).refused(409, "item_ended", "/item");
        let smelter = app.join(&["treater"]);
        let furnace = site(&app, &smelter, "FURN", &["R4"]);
        let handover = new_id();
        let offer = json!({"handover": handover, "to": smelter.id, "lots": [{"lot": boards, "sent_g": 20_000}]});
        app.say(&centre.party, "handover_offered", &offer).accepted();
        let taken = json!({"handover": handover, "site": furnace, "lots": [
            {"weight": estimated(19_900), "accepted_g": 19_900, "refused_g": 0},
        ]});
        let taken = app.say(&smelter, "handover_accepted", &taken);
        taken.accepted();
        assert!(taken.warnings().is_empty());
        let end = json!({"item": boards, "operation": "R4", "net_g": 19_900, "site": furnace});
        app.say(&smelter, "treated_final", &end).accepted();
        let whole = app.get("/v1/balance", &app.operator.token).json();
        assert_eq!(whole["accounts_g"]["recovered:R4"], 79_900);
        assert_eq!(whole["accounts_g"]["difference"], -1_600);
        assert_eq!((&whole["closes"], &whole["accounts_g"]["live"]), (&json!(true), &json!(17_000)));
        centre.say("batch_fed", json!({"batch": batch, "items": [kept]})).refused(409, "batch_closed", "/batch");
        centre.close(&batch, 0, 0).refused(409, "batch_closed", "/batch");
    }

    /// More may come out than went in only as far as scales disagree: 2 %, at least 1 kg.
    fn outputs_never_exceed_inputs_beyond_the_band(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        for (input, band) in [(100_000, 2_000), (10_000, 1_000)] {
            let batch = centre.batch(input);
            let (_, beyond) = centre.dismantle(&batch, "FE", input + band + 1);
            beyond.refused(422, "outputs_exceed_inputs", "/weight");
            centre.dismantle(&batch, "FE", input + band).1.accepted();
            centre.close(&batch, 1, 0).refused(422, "outputs_exceed_inputs", "/loss_g");
            centre.close(&batch, 0, 1).refused(422, "outputs_exceed_inputs", "/out_of_scope_g");
            let closed = centre.close(&batch, 0, 0);
            closed.accepted();
            assert!(closed.warnings().is_empty());
        }
    }

    /// A shortfall within the band is difference; beyond it the batch closes all the same, and says so.
    fn a_short_batch_closes_with_a_warning(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        for (out, short) in [(98_000, false), (97_999, true)] {
            let batch = centre.batch(100_000);
            centre.dismantle(&batch, "FE", out).1.accepted();
            let closed = centre.close(&batch, 0, 0);
            closed.accepted();
            assert_eq!(closed.warnings().contains(&"batch_short".to_owned()), short, "{out}");
        }
    }

    /// A scale with a coarse division gives a wide band, to the end of the batch.
    fn a_coarse_scale_closes_too(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let scale = new_id();
        let fields = json!({
            "new_scale": scale, "at_site": centre.site, "division_g": 20_000, "capacity_g": 60_000_000,
            "verified_on": "2026-11-01", "verified_until": "2027-10-31",
        });
        app.say(&app.operator, "scale_registered", &fields).accepted();
        let batch = centre.batch(100_000);
        let weight = json!({"basis": "weighed", "gross_g": 130_000, "tare_g": 0, "scale": scale});
        let fields = json!({"batch": batch, "lot": new_id(), "fraction": "FE", "weight": weight});
        centre.say("dismantled", fields).accepted();
        let closed = centre.close(&batch, 0, 0);
        closed.accepted();
        assert!(closed.warnings().is_empty());
        assert_eq!(centre.balance()["difference"], 30_000);
    }

    /// No more of a class remains than was fed of it.
    fn what_remains_keeps_its_class(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let batch = centre.batch(90_000);
        let desktops = new_id();
        let fields = json!({
            "item": desktops, "class": "0302", "weight": estimated(10_000), "number": "WB-2",
            "arising": {"country": "XD", "month": "2026-10"}, "supplier": {"c": "ab".repeat(32)},
            "provenance": {"kind": "business", "counted_elsewhere": "none"},
        });
        centre.say("received", fields).accepted();
        centre.say("batch_fed", json!({"batch": batch, "items": [desktops]})).accepted();
        let close = |class: &str, grams: i64| {
            let remaining = json!([{"lot": new_id(), "class": class, "weight": estimated(grams)}]);
            centre.say("batch_closed", json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0, "remaining": remaining}))
        };
        close("0302", 60_000).refused(422, "outputs_exceed_inputs", "/remaining/0/weight");
        close("0302", 10_500).accepted();
    }

    fn a_batch_that_cannot_be(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let other = app.join(&["recycler"]);
        let collector = app.join(&["collector"]);
        let batch = centre.batch(100_000);
        let open = json!({"batch": new_id()});
        app.say(&centre.party, "batch_opened", &open).refused(422, "unknown", "/site");
        app.say(&collector, "batch_opened", &open).refused(403, "role_missing", "/org");
        centre.say("batch_opened", json!({"batch": batch})).refused(409, "already_registered", "/batch");
        let feed = |items: Value| centre.say("batch_fed", json!({"batch": batch, "items": items}));
        let (counted, laptop) = (centre.lot(1_000, "epr"), centre.app.join(&["recycler"]));
        feed(json!([])).refused(422, "list_invalid", "/items");
        feed(json!([counted, counted])).refused(422, "list_invalid", "/items");
        feed(json!([counted])).refused(422, "sources_differ", "/items/0");
        feed(json!([new_id()])).refused(422, "unknown", "/items/0");
        feed(json!([app.laptop(&laptop)])).refused(403, "not_the_holder", "/items/0");
        let (fraction, answer) = centre.dismantle(&batch, "FE", 1_000);
        answer.accepted();
        feed(json!([fraction])).refused(409, "wrong_condition", "/items/0");
        let unknown = centre.dismantle(&batch, "GOLD", 1).1;
        unknown.accepted();
        assert_eq!(unknown.warnings(), ["class_unknown", "waste_code_unknown"]);
        centre.dismantle(&new_id(), "FE", 1).1.refused(422, "unknown", "/batch");
        let again = json!({"batch": batch, "lot": fraction, "fraction": "FE", "weight": estimated(1)});
        centre.say("dismantled", again).refused(409, "already_registered", "/lot");
        let foreign = json!({"batch": batch, "lot": new_id(), "fraction": "FE", "weight": estimated(1)});
        app.say(&other, "dismantled", &foreign).refused(403, "not_the_holder", "/batch");
        let empty = new_id();
        centre.say("batch_opened", json!({"batch": empty})).accepted();
        centre.dismantle(&empty, "FE", 1).1.refused(422, "outputs_exceed_inputs", "/batch");
        let stock = |class: &str, grams: i64| {
            let remaining = json!([{"lot": new_id(), "class": class, "weight": estimated(grams)}]);
            centre.say("batch_closed", json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0, "remaining": remaining}))
        };
        stock("0302", 1_000).refused(422, "code_unknown", "/remaining/0/class");
        stock("0303", 200_000).refused(422, "outputs_exceed_inputs", "/remaining/0/weight");
        app.now_ms.fetch_add(32 * 24 * 60 * 60 * 1_000, std::sync::atomic::Ordering::SeqCst);
        let late = json!({
            "batch": batch, "lot": new_id(), "fraction": "FE", "weight": estimated(1),
            "occurred_at": "2026-12-25T10:00:00Z",
        });
        let late = centre.say("dismantled", late);
        late.accepted();
        assert_eq!(late.warnings(), ["batch_overdue"]);
        let more = json!({"batch": batch, "items": [centre.lot(1_000, "none")], "occurred_at": "2026-12-25T10:00:00Z"});
        centre.say("batch_fed", more).refused(422, "time_invalid", "/occurred_at");
        let early = json!({"batch": batch, "loss_g": 0, "out_of_scope_g": 0});
        centre.say("batch_closed", early.clone()).refused(422, "before_last_event", "/occurred_at");
        let mut close = early;
        close["occurred_at"] = json!("2026-12-25T10:00:00Z");
        centre.say("batch_closed", close).accepted();
    }

    fn a_treatment_that_ends_nothing(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let (steel, answer) = centre.dismantle(&centre.batch(100_000), "FE", 10_000);
        answer.accepted();
        let treat = |operation: &str| centre.say("treated_final", json!({"item": steel, "operation": operation, "net_g": 10_000}));
        for interim in ["R12", "R13", "D13", "D14", "D15"] {
            treat(interim).refused(422, "operation_not_final", "/operation");
        }
        treat("R14").refused(422, "code_unknown", "/operation");
        let nowhere = json!({"item": steel, "operation": "R4", "net_g": 10_000});
        app.say(&centre.party, "treated_final", &nowhere).refused(422, "unknown", "/site");
        let collector = app.join(&["collector"]);
        app.say(&collector, "treated_final", &nowhere).refused(403, "role_missing", "/org");
        let alive = app.laptop(&centre.party);
        let alive = json!({"item": alive, "operation": "R4", "net_g": 1});
        centre.say("treated_final", alive).refused(409, "wrong_condition", "/item");
        let lighter = json!({"item": steel, "operation": "R4", "net_g": 9_999});
        centre.say("treated_final", lighter).refused(422, "sum_differs", "/net_g");
        let unpermitted = treat("D5");
        unpermitted.accepted();
        assert_eq!(unpermitted.warnings(), ["permit_not_valid"]);
        assert_eq!(centre.balance()["disposed:D5"], 10_000);
    }

    fn fractions_of_two_batches_join(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let (first, second) = (centre.batch(100_000), centre.batch(100_000));
        let lots: Vec<String> =
            [&first, &first, &second].iter().map(|batch| centre.dismantle(batch, "FE", 10_000).0).collect();
        let copper = centre.dismantle(&first, "CU", 1_000).0;
        let (steel, with_copper) = (json!([lots[0], lots[1], lots[2]]), json!([lots[0], copper]));
        centre.say("merged", json!({"inputs": with_copper, "lot": new_id()})).refused(422, "classes_differ", "/inputs/1");
        centre.say("merged", json!({"inputs": steel, "lot": new_id()})).accepted();
    }

    fn auditors_report_what_they_found(kind) {
        let app = TestApp::start(kind);
        let centre = Centre::new(&app);
        let auditor = app.join(&["auditor"]);
        let report = |site: &str, on: &str| json!({
            "audited_site": site, "on": on, "outcome": "conforms",
            "document": {"sha256": "0".repeat(64), "blake3": "1".repeat(64)},
        });
        let index = app.say(&auditor, "site_audited", &report(&centre.site, "2026-11-20")).accepted();
        let audited = app.get(&format!("/v1/sites/{}", centre.site), &auditor.token).json();
        assert_eq!(audited["audits"], json!([{
            "by": auditor.id, "on": "2026-11-20", "outcome": "conforms", "entry": index,
            "occurred_at": "2026-11-23T13:00:00+02:00", "signer": kid(&auditor.key),
        }]));
        app.say(&centre.party, "site_audited", &report(&centre.site, "2026-11-20")).refused(403, "role_missing", "/org");
        app.say(&auditor, "site_audited", &report(&new_id(), "2026-11-20")).refused(422, "unknown", "/audited_site");
        app.say(&auditor, "site_audited", &report(&centre.site, "2026-11-24")).refused(422, "time_invalid", "/on");
    }
}
