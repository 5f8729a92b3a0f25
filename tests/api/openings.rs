//! Openings of commitments travel beside the statement and are checked before it is sequenced.

use crate::harness::{TestApp, both_databases, laptop_fields, new_id, signed};
use data_encoding::HEXLOWER;
use loopledger::domain::ids::EntryIndex;
use loopledger::proof::commitment::commit;
use loopledger::store::openings;
use serde_json::{Value, json};

both_databases! {
    fn openings_are_checked_and_kept_apart(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let salt = [7_u8; 32];
        let value = "Sérië C02-XK 1";
        let c = commit("/serial", &salt, value).expect("short");
        let post = |pointer: &str, salt: &str, value: &str, c: &Value| {
            let mut fields = laptop_fields(&new_id());
            fields["serial"] = json!({"c": c});
            let statement = signed(&donor, "registered", &fields);
            let body = json!({"statement": statement, "open": {pointer: {"salt": salt, "value": value}}});
            app.post_json("/v1/events", &donor.token, &body)
        };
        let (hex, c) = (HEXLOWER.encode(&salt), json!(c));
        let index = post("/serial", &hex, value, &c).accepted();
        let kept = app.ledger.store.read(|database| openings::of_entry(database, EntryIndex(index))).expect("readable");
        assert_eq!((kept.len(), kept[0].value.as_str()), (1, value));
        let long = "x".repeat(1_025);
        let table = [
            (post("/serial", &hex, "another", &c), 422, "/open/~1serial"),
            (post("/serial", &"0".repeat(64), value, &c), 422, "/open/~1serial"),
            (post("/model", &hex, value, &c), 422, "/open/~1model"),
            (post("/class", &hex, value, &c), 422, "/open/~1class"),
            (post("/serial", &hex, "Se\u{301}rie\u{308} C02-XK 1", &c), 422, "/open/~1serial"),
            (post("/serial", &hex, &long, &c), 422, "/open/~1serial"),
            (post("/serial", &hex, "a\u{0}b", &json!(commit("/serial", &salt, "a\u{0}b"))), 422, "/open/~1serial"),
            (post("/serial", "zz", value, &c), 400, "/open/~1serial/salt"),
            (post("/serial", &hex.to_uppercase().replace('0', "A"), value, &c), 400, "/open/~1serial/salt"),
        ];
        for (answer, status, pointer) in table {
            answer.refused(status, "opening_invalid", pointer);
        }
        let statement = signed(&donor, "registered", &laptop_fields(&new_id()));
        let many: serde_json::Map<String, Value> =
            (0..65).map(|n| (format!("/x{n}"), json!({"salt": hex, "value": "v"}))).collect();
        app.post_json("/v1/events", &donor.token, &json!({"statement": statement, "open": many}))
            .refused(422, "opening_invalid", "/open/");
    }
}
