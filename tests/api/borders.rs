//! Borders: consents, shipments, their receipt, and what crosses without papers.

use crate::client::Answer;
use crate::harness::{Kind, Party, TestApp, both_databases, new_id};
use serde_json::{Value, json};

/// A centre in Kenya that exports, and a refiner in Belgium.
struct Road {
    app: TestApp,
    centre: Party,
    nairobi: String,
    refiner: Party,
    hoboken: String,
}

fn paper() -> Value {
    json!({"sha256": "5".repeat(64), "blake3": "6".repeat(64)})
}

fn site(app: &TestApp, party: &Party, country: &str, code: &str) -> String {
    let site = new_id();
    let permit = json!({
        "number": "P-1", "operations": ["R12", "R13", "R4", "R3"], "waste_codes": ["16 02 13*", "16 02 15*", "19 12 02"],
        "capacity_g_per_year": 9_000_000_000_i64, "valid_from": "2026-01-01", "valid_until": "2027-12-31",
    });
    let fields =
        json!({"organisation": party.id, "new_site": site, "country": country, "code": code, "permit": permit});
    app.say(&app.operator, "site_registered", &fields).accepted();
    site
}

impl Road {
    fn new(kind: Kind) -> Self {
        let app = TestApp::start(kind);
        let centre = app.join_in("KE", &["recycler", "exporter", "refurbisher"]);
        let refiner = app.join_in("BE", &["treater"]);
        let (nairobi, hoboken) = (site(&app, &centre, "KE", "NBO1"), site(&app, &refiner, "BE", "HOB"));
        Self { app, centre, nairobi, refiner, hoboken }
    }

    fn say(&self, kind: &str, mut fields: Value) -> Answer {
        fields["site"] = json!(self.nairobi);
        self.app.say(&self.centre, kind, &fields)
    }

    /// Boards, or another fraction, out of a batch.
    fn fraction(&self, fraction: &str, grams: i64) -> String {
        let (batch, lot, out) = (new_id(), new_id(), new_id());
        let weight = |grams: i64| json!({"basis": "estimated", "net_g": grams});
        self.say("batch_opened", json!({"batch": batch})).accepted();
        self.say("received", json!({
            "item": lot, "class": "0303", "weight": weight(grams), "arising": {"country": "KE", "month": "2026-10"},
            "provenance": {"kind": "business", "counted_elsewhere": "none"}, "supplier": {"c": "ab".repeat(32)}, "number": format!("WB-{lot}"),
        })).accepted();
        self.say("batch_fed", json!({"batch": batch, "items": [lot]})).accepted();
        self.say("dismantled", json!({"batch": batch, "lot": out, "fraction": fraction, "weight": weight(grams)}))
            .accepted();
        out
    }

    fn consent(&self, change: &Value) -> (String, Answer) {
        let consent = new_id();
        let mut fields = json!({
            "consent": consent, "number": format!("KE-{}", &consent[24..]), "from_country": "KE", "to_country": "BE",
            "transit": [{"country": "AE"}], "waste_codes": ["16 02 15*"], "basel_codes": ["A1181"], "operation": "R4",
            "quantity_g": 10_000, "shipments": 2, "valid_from": "2026-11-01", "valid_until": "2027-10-31",
            "guarantee": "G-77", "contract": paper(),
        });
        for (name, value) in change.as_object().expect("fields") {
            fields[name] = value.clone();
        }
        let answer = self.app.say(&self.centre, "export_consented", &fields);
        (consent, answer)
    }

    fn ship(&self, lot: &str, grams: i64, change: &Value) -> (String, Answer) {
        let handover = new_id();
        let mut fields = json!({
            "handover": handover, "to": self.refiner.id, "lots": [{"lot": lot, "sent_g": grams}], "to_country": "BE",
            "ground": "consent", "number": format!("MD-{}", &handover[24..]), "document": paper(),
        });
        for (name, value) in change.as_object().expect("fields") {
            fields[name] = value.clone();
        }
        (handover, self.say("export_shipped", fields))
    }

    fn receive(&self, handover: &str, accepted: i64, refused: i64) -> (String, Answer) {
        let part = new_id();
        let mut answer = json!({
            "weight": {"basis": "estimated", "net_g": accepted + refused}, "accepted_g": accepted, "refused_g": refused,
        });
        if refused > 0 {
            answer["reason"] = json!("damaged");
        }
        if refused > 0 && accepted > 0 {
            answer["refused_as"] = json!(part);
        }
        let fields = json!({"handover": handover, "site": self.hoboken, "lots": [answer]});
        (part, self.app.say(&self.refiner, "import_received", &fields))
    }
}

fn under(consent: &str, sequence: i64) -> Value {
    json!({"under": {"consent": consent, "sequence": sequence}})
}

both_databases! {
    fn a_consent_that_cannot_be(kind) {
        let road = Road::new(kind);
        let table = [
            (json!({"to_country": "KE"}), 403, "wrong_receiver", "/to_country"),
            (json!({"waste_codes": []}), 422, "list_invalid", "/waste_codes"),
            (json!({"quantity_g": 0}), 422, "weight_invalid", "/quantity_g"),
            (json!({"valid_until": "2026-10-31"}), 422, "time_invalid", "/valid_until"),
            (json!({"waste_codes": ["99 99 99"]}), 422, "code_unknown", "/waste_codes/0"),
            (json!({"basel_codes": ["A1181", "A1180"]}), 422, "code_unknown", "/basel_codes/1"),
            (json!({"operation": "R99"}), 422, "code_unknown", "/operation"),
            (json!({"facility": new_id()}), 422, "unknown", "/facility"),
        ];
        for (change, status, code, pointer) in table {
            road.consent(&change).1.refused(status, code, pointer);
        }
        let (consent, answer) = road.consent(&json!({"number": "KE-1"}));
        answer.accepted();
        road.consent(&json!({"number": "KE-1"})).1.refused(409, "number_taken", "/number");
        road.consent(&json!({"consent": consent})).1.refused(409, "already_registered", "/consent");
    }

    /// A shipment takes its number and its mass from the consent, once, and never beyond it.
    fn a_consent_is_used_up(kind) {
        let road = Road::new(kind);
        let (consent, answer) = road.consent(&json!({}));
        answer.accepted();
        let (one, two, three) = (road.fraction("PWB_HIGH", 6_000), road.fraction("PWB_HIGH", 5_000), road.fraction("PWB_HIGH", 4_000));
        road.ship(&one, 6_000, &json!({})).1.refused(409, "proof_missing", "/under");
        road.ship(&one, 6_000, &under(&new_id(), 1)).1.refused(422, "unknown", "/under/consent");
        road.ship(&one, 6_000, &under(&consent, 3)).1.refused(422, "consent_exceeded", "/under/sequence");
        let (first, answer) = road.ship(&one, 6_000, &under(&consent, 1));
        answer.accepted();
        assert!(answer.warnings().is_empty());
        road.ship(&two, 5_000, &under(&consent, 1)).1.refused(409, "number_taken", "/under/sequence");
        road.ship(&two, 5_000, &under(&consent, 2)).1.refused(422, "consent_exceeded", "/lots");
        let (second, answer) = road.ship(&three, 4_000, &under(&consent, 2));
        answer.accepted();
        let overdue = |party: &Party, on: &str| {
            let body = road.app.get(&format!("/v1/overdue?on={on}"), &party.token).json();
            let list = body["overdue"].as_array().unwrap_or_else(|| panic!("no list: {body}"));
            list.iter().map(|due| (due["kind"].as_str().expect("a kind").to_owned(), due["subject"].as_str().expect("an id").to_owned())).collect::<Vec<_>>()
        };
        assert!(overdue(&road.centre, "2027-01-22").is_empty());
        assert_eq!(overdue(&road.centre, "2027-01-23").len(), 2);
        road.app.get("/v1/overdue?on=soon", &road.centre.token).refused(400, "query_invalid", "/on");
        // The receipt of a shipment is import_received; a part is refused and returns to live stock.
        road.app.say(&road.refiner, "handover_accepted", &json!({"handover": first})).refused(409, "wrong_kind", "/handover");
        let (part, answer) = road.receive(&first, 5_000, 1_000);
        answer.accepted();
        let back = road.app.get(&format!("/v1/items/{part}"), &road.centre.token).json();
        assert_eq!((&back["grams"], &back["status"], &back["lies_in"]), (&json!(1_000), &json!("held"), &json!("KE")));
        let lot = road.app.get(&format!("/v1/items/{one}"), &road.refiner.token).json();
        assert_eq!((&lot["grams"], &lot["lies_in"], &lot["evidence"]["flaws"]), (&json!(5_000), &json!("BE"), &json!([])));
        // All of the other is taken back.
        let back = json!({"handover": second, "refused_whole": "not_permitted", "site": road.hoboken});
        road.app.say(&road.refiner, "import_received", &back).accepted();
        let lot = road.app.get(&format!("/v1/items/{three}"), &road.centre.token).json();
        assert_eq!((&lot["grams"], &lot["status"]), (&json!(4_000), &json!("held")));
        // What came must be treated within a year; a receipt that was given is due no more.
        let due = vec![("completion".to_owned(), first.clone())];
        assert_eq!((overdue(&road.refiner, "2027-11-23"), overdue(&road.refiner, "2027-11-24")), (Vec::new(), due));
        let end = json!({"item": one, "operation": "R4", "net_g": 5_000, "site": road.hoboken});
        road.app.say(&road.refiner, "treated_final", &end).accepted();
        assert_eq!(overdue(&road.refiner, "2028-11-24"), Vec::new());
        let balance = road.app.get("/v1/balance", &road.app.operator.token).json();
        assert_eq!(balance["closes"], true);
    }

    /// What the paper does not cover crosses all the same, and is marked.
    fn papers_that_do_not_cover(kind) {
        let road = Road::new(kind);
        let warned = |fraction: &str, change: Value| {
            let lot = road.fraction(fraction, 1_000);
            let (_, answer) = road.ship(&lot, 1_000, &change);
            answer.accepted();
            answer.warnings()
        };
        let (consent, answer) = road.consent(&json!({}));
        answer.accepted();
        assert_eq!(warned("BAT_PB", under(&consent, 1)), ["border_not_covered"]);
        assert_eq!(warned("PWB_HIGH", json!({"ground": "annex_vii"})), ["border_not_covered"]);
        assert!(warned("FE", json!({"ground": "annex_vii"})).is_empty());
        assert!(warned("FE", json!({"ground": "end_of_waste"})).is_empty());
        assert_eq!(warned("PWB_HIGH", json!({"ground": "end_of_waste"})), ["border_not_covered"]);
        let (late, answer) = road.consent(&json!({"valid_from": "2026-12-01"}));
        answer.accepted();
        assert_eq!(warned("PWB_HIGH", under(&late, 1)), ["border_not_covered"]);
        // Handed over as if there were no border.
        let lot = road.fraction("FE", 1_000);
        let handover = new_id();
        let offer = json!({"handover": handover, "to": road.refiner.id, "lots": [{"lot": lot, "sent_g": 1_000}]});
        road.say("handover_offered", offer).accepted();
        let answer = json!({"weight": {"basis": "estimated", "net_g": 1_000}, "accepted_g": 1_000, "refused_g": 0});
        let taken = json!({"handover": handover, "site": road.hoboken, "lots": [answer]});
        let taken = road.app.say(&road.refiner, "handover_accepted", &taken);
        taken.accepted();
        assert_eq!(taken.warnings(), ["border_not_covered"]);
        let stays = road.fraction("FE", 500);
        road.ship(&stays, 500, &json!({"to_country": "KE", "ground": "annex_vii"})).1.refused(403, "wrong_receiver", "/to_country");
    }

    /// Used equipment leaves tested, wiped and packed, or not as used equipment.
    fn used_equipment_needs_its_proofs(kind) {
        let road = Road::new(kind);
        let laptop = new_id();
        let fields = json!({"item": laptop, "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "KE"});
        road.say("registered", fields).accepted();
        let ship = |items: Value, ground: &str| {
            road.say("export_shipped", json!({
                "handover": new_id(), "to": road.refiner.id, "items": items, "to_country": "BE", "ground": ground,
            }))
        };
        ship(json!([laptop]), "annex_vii").refused(409, "wrong_condition", "/items/0");
        ship(json!([laptop]), "non_waste_reuse").refused(409, "proof_missing", "/items/0");
        road.say("tested", json!({"item": laptop, "result": "repairable"})).accepted();
        ship(json!([laptop]), "non_waste_reuse").refused(409, "proof_missing", "/items/0");
        road.say("data_sanitised", json!({"item": laptop, "method": "purge", "technique": "crypto_erase", "verified": true})).accepted();
        ship(json!([laptop]), "non_waste_warranty").refused(409, "proof_missing", "/items/0");
        let container = new_id();
        road.say("packed", json!({"container": container, "items": [laptop]})).accepted();
        ship(json!([container, laptop]), "non_waste_reuse").refused(409, "proof_missing", "/items/1");
        ship(json!([container, laptop]), "non_waste_warranty").accepted();
    }
}
