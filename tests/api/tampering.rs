//! Ledger tables refuse change; what an administrator changes in spite of that, the audit names.

use crate::harness::{Kind, TestApp, both_databases, laptop_fields, new_id, signed};
use crate::replacements::{Error, units};
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use loopledger::proof::commitment::commit;
use loopledger::proof::cosignature::{Cosigner, cosign};
use loopledger::store::cosignatures::{self, StoredCosignature};
use serde_json::json;

/// What takes the triggers away that refuse change.
pub fn unhook(kind: Kind, table: &str) -> String {
    match kind {
        Kind::Sqlite => {
            format!("DROP TRIGGER IF EXISTS {table}_refuse_update; DROP TRIGGER IF EXISTS {table}_refuse_delete;")
        }
        Kind::Postgres => format!("ALTER TABLE {table} DISABLE TRIGGER ALL;"),
    }
}

/// A change in each stored column of a ledger that [`told`] its story: table, what is set, and where.
pub fn damages(kind: Kind) -> Vec<(&'static str, String, &'static str)> {
    let flip = |column: &str| match kind {
        Kind::Sqlite => format!("CAST(substr({column}, 1, 20) || x'00' || substr({column}, 22) AS BLOB)"),
        Kind::Postgres => format!("set_byte({column}, 20, (get_byte({column}, 20) + 1) % 256)"),
    };
    let uuid = match kind {
        Kind::Sqlite => "x'00000000000070008000000000000000'",
        Kind::Postgres => "decode('00000000000070008000000000000000', 'hex')",
    };
    vec![
        ("entries", format!("bytes = {}", flip("bytes")), "idx = 7"),
        ("entries", format!("leaf_hash = {}", flip("leaf_hash")), "idx = 7"),
        ("entries", format!("payload_sha256 = {}", flip("payload_sha256")), "idx = 7"),
        ("entries", format!("organisation = {uuid}"), "idx = 7"),
        ("entries", format!("statement_id = {uuid}"), "idx = 7"),
        ("entries", "warnings = '[{}]'".into(), "idx = 7"),
        ("entries", "idx = 9999".into(), "idx = 7"),
        ("tiles", format!("hashes = {}", flip("hashes")), "n = 0"),
        ("tiles", format!("root = {}", flip("root")), "n = 0"),
        ("checkpoints", format!("root = {}", flip("root")), "size > 200"),
        ("checkpoints", "note = replace(note, 'ledger.test', 'ledger.best')".into(), "size > 200"),
        ("checkpoints", "size = size + 1".into(), "size > 200"),
        ("tiles", "n = 1".into(), "n = 0"),
        ("tiles", "level = 1".into(), "n = 0"),
        ("shown", "size = size + 1".into(), "id = 1"),
        ("head", "size = size + 1".into(), "id = 1"),
        ("head", "time_ms = time_ms + 1".into(), "id = 1"),
        ("head", format!("chain_hash = {}", flip("chain_hash")), "id = 1"),
        ("head", format!("frontier = {}", flip("frontier")), "id = 1"),
        ("records", "body = replace(body, '0303', '0302')".into(), "kind = 'item'"),
        ("records", "kind = 'scale'".into(), "kind = 'item'"),
        ("records", "id = '00000000-0000-7000-8000-000000000000'".into(), "kind = 'key' AND since = 2"),
        ("records", "since = since + 1".into(), "kind = 'item' AND before IS NULL"),
        ("records", "before = 1".into(), "kind = 'item' AND before IS NOT NULL"),
        ("past", "body = replace(body, '0303', '0302')".into(), "kind = 'item'"),
        ("past", "since = since + 1".into(), "kind = 'item'"),
        ("past", "kind = 'batch'".into(), "kind = 'item'"),
        ("past", "before = 0".into(), "kind = 'item'"),
        ("past", "id = '00000000-0000-7000-8000-000000000000'".into(), "kind = 'item'"),
        ("bookings", "grams = grams + 1".into(), "idx = 7"),
        ("bookings", "site = '00000000-0000-7000-8000-000000000000'".into(), "idx = 7"),
        ("bookings", "account = 'released'".into(), "idx = 7 AND account = 'live'"),
        ("bookings", "idx = 9999".into(), "idx = 7"),
        ("mentions", "subject = 'item/x'".into(), "idx = 7 AND subject LIKE 'item/%'"),
        ("mentions", "idx = idx + 1000".into(), "idx = 7"),
        ("openings", format!("salt = {}", flip("salt")), "pointer = '/serial'"),
        ("openings", "value = 'another'".into(), "pointer = '/serial'"),
        ("openings", "idx = idx + 1".into(), "pointer = '/serial'"),
        ("openings", "idx = idx - 1".into(), "pointer = '/serial'"),
        ("openings", "pointer = '/model'".into(), "pointer = '/serial'"),
        ("cosignatures", "line = replace(line, 'A', 'B')".into(), "size > 200"),
        ("cosignatures", "time = time + 1".into(), "size > 200"),
        ("cosignatures", "witness = witness || 'A'".into(), "size > 200"),
        ("cosignatures", "size = size - 1".into(), "size > 200"),
        ("accounts", "account = 'released'".into(), "account = 'inflow'"),
        ("accounts", "site = '00000000-0000-7000-8000-000000000000'".into(), "account = 'inflow'"),
        ("accounts", "grams = grams + 1".into(), "account = 'inflow'"),
    ]
}

/// The same for what is kept of certificates, of a ledger whose units failed and were replaced.
fn damages_of_certificates() -> Vec<(&'static str, String, &'static str)> {
    let retired = "retired_entry IS NOT NULL";
    let other_number = |field: &str, unit: i64| {
        let named = |unit: i64| format!("'\"{field}\":\"{}\"'", units(unit, unit));
        format!("body = replace(body, {}, {})", named(unit), named(unit - 1))
    };
    vec![
        ("blocks", "serial = serial || 'x'".into(), retired),
        ("blocks", "pool = pool || 'x'".into(), retired),
        ("blocks", "first_unit = first_unit + 1".into(), retired),
        ("blocks", "last_unit = last_unit + 1".into(), retired),
        ("blocks", "country = 'KE'".into(), retired),
        ("blocks", "site_code = 'X'".into(), retired),
        ("blocks", "vintage = '2026-10'".into(), retired),
        ("blocks", "status = 'held'".into(), retired),
        ("blocks", "expires = '2030-01-01'".into(), retired),
        ("blocks", "failing_since = '2026-11-01'".into(), retired),
        ("blocks", "retired_entry = retired_entry - 1".into(), retired),
        ("blocks", "claimed_by = 'x'".into(), retired),
        ("blocks", "period_from = '2026-02-01'".into(), retired),
        ("blocks", "period_until = '2026-11-01'".into(), retired),
        ("holdings", "since = since + 1".into(), "until IS NULL"),
        ("holdings", "serial = serial || 'x'".into(), "until IS NULL"),
        ("holdings", "holder = 'x'".into(), "until IS NULL"),
        ("holdings", "until = 7".into(), "until IS NULL"),
        ("account_changes", "holder = 'x'".into(), "kind = 'failing'"),
        ("account_changes", "idx = idx - 1".into(), "kind = 'failing'"),
        ("account_changes", "serial = serial || 'x'".into(), "kind = 'failing'"),
        ("account_changes", "kind = 'sound'".into(), "kind = 'failing'"),
        ("account_changes", "units = '[]'".into(), "kind = 'failing'"),
        ("companies", "idx = idx - 1".into(), "idx > 0"),
        ("stock", "serial = serial || 'x'".into(), "first_unit > 0"),
        ("stock", "pool = pool || 'x'".into(), "first_unit > 0"),
        ("stock", "first_unit = first_unit + 1".into(), "first_unit > 0"),
        ("stock", "last_unit = last_unit + 1".into(), "first_unit > 0"),
        ("stock", "seller = 'x'".into(), "first_unit > 0"),
        ("stock", "country = 'KE'".into(), "first_unit > 0"),
        ("stock", "vintage = vintage + 1".into(), "first_unit > 0"),
        ("stock", "issuer = 'x'".into(), "first_unit > 0"),
        ("stock", "expires = '2030-01-01'".into(), "first_unit > 0"),
        ("records", "body = replace(body, '\"units\":', '\"units\":1')".into(), "kind = 'issued_year'"),
        ("records", "body = replace(body, '\"eligible_g\":', '\"eligible_g\":1')".into(), "kind = 'batch'"),
        ("records", "body = replace(body, '\"covered\":', '\"covered\":1')".into(), "kind = 'treatment'"),
        ("records", "body = replace(body, '\"stretches\":', '\"stretches\":1')".into(), "kind = 'certified'"),
        ("records", "body = replace(body, '\"to\":', '\"to\":1')".into(), "kind = 'certified_stretch'"),
        ("records", other_number("by", 103), "body LIKE '%\"backing\":[{%'"),
        ("records", other_number("units", 99), "body LIKE '%\"backing\":[{%'"),
        ("records", other_number("units", 99), "body LIKE '%\"backs\":{%'"),
        ("records", "body = replace(body, '\"cause\":', '\"cause\":1')".into(), "body LIKE '%\"cause\":%'"),
    ]
}

/// Makes each change in turn, has the audit find it, and puts back what there was.
fn require_each_is_named(app: &TestApp, kind: Kind, damages: Vec<(&'static str, String, &'static str)>) {
    let faults = || app.audit().faults().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(faults(), Vec::new());
    for (name, change, place) in damages {
        let words = format!("{name}: {change}");
        let before = format!("CREATE TABLE before AS SELECT * FROM {name}");
        app.database.tamper(&format!("{}{before}", unhook(kind, name))).expect("an administrator can");
        app.database.tamper(&format!("UPDATE {name} SET {change} WHERE {place}")).expect("an administrator can");
        let findings = faults();
        assert!(!findings.is_empty(), "not found: {words}");
        if matches!(name, "entries" | "bookings" | "mentions") && !change.starts_with("idx = idx") {
            assert!(
                findings.iter().any(|finding| finding.index.is_some_and(|index| index.0 == 7)),
                "{words}: {findings:?}"
            );
        }
        let restore = format!("DELETE FROM {name}; INSERT INTO {name} SELECT * FROM before; DROP TABLE before");
        app.database.tamper(&restore).expect("put back");
        assert_eq!(faults(), Vec::new(), "put back: {words}");
    }
}

/// A ledger with a row in every table: openings and a cosignature too.
pub fn told(app: &TestApp) {
    let donor = app.join(&["donor"]);
    let batch: Vec<_> = (0..260).map(|_| signed(&donor, "registered", &laptop_fields(&new_id()))).collect();
    app.post_batch(&donor.token, "all", &batch);
    let item = app.laptop(&donor);
    app.say(&donor, "tested", &json!({"item": item, "result": "works"})).accepted();
    let mut fields = laptop_fields(&new_id());
    fields["serial"] = json!({"c": commit("/serial", &[7; 32], "C02")});
    let open = json!({"/serial": {"salt": HEXLOWER.encode(&[7; 32]), "value": "C02"}});
    let statement = signed(&donor, "registered", &fields);
    app.post_json("/v1/events", &donor.token, &json!({"statement": statement, "open": open})).accepted();
    app.wait_for_checkpoint();
    let witness = SigningKey::from_bytes(&[8; 32]);
    let cosigner = Cosigner::new("witness.test/w", witness.verifying_key()).expect("a name");
    let shown = app.ledger.checkpoint().expect("a checkpoint");
    let text = format!("{}\n", shown.note.split("\n\n").next().expect("text"));
    let line = cosign(cosigner.name(), &witness, 1_795_435_200, &text).expect("a line");
    let row = StoredCosignature { size: shown.size, witness: cosigner.vkey(), time: 1_795_435_200, line };
    app.ledger.store.write(|database| cosignatures::put(database, &row)).expect("stored");
}

both_databases! {
    fn ledger_tables_refuse_change(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let batch: Vec<_> = (0..260).map(|_| signed(&donor, "registered", &laptop_fields(&new_id()))).collect();
        app.post_batch(&donor.token, "all", &batch);
        app.wait_for_checkpoint();
        for (table, column) in [("entries", "idx"), ("tiles", "n"), ("checkpoints", "size")] {
            let mut attempts = vec![
                format!("UPDATE {table} SET {column} = {column} + 1000000"),
                format!("DELETE FROM {table}"),
            ];
            attempts.push(match kind {
                Kind::Sqlite => format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"),
                Kind::Postgres => format!("TRUNCATE {table}"),
            });
            for attempt in attempts {
                let pragma = if kind == Kind::Sqlite { "PRAGMA recursive_triggers = ON; " } else { "" };
                let refused = app.database.tamper(&format!("{pragma}{attempt}")).err();
                assert!(refused.is_some_and(|words| words.contains("append-only")), "{attempt}");
            }
        }
    }

    /// One change in each stored column, in turn: the audit names it.
    fn the_audit_names_what_was_changed(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        told(&app);
        require_each_is_named(&app, kind, damages(kind));
    }

    /// The same for certificates: what they are searched by, whose they are, what is for sale, and what they rest on.
    fn the_audit_names_what_was_changed_of_certificates(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        let error = Error::after_issue(&app);
        error.correct_to(98_200);
        error.replace(&units(1, 100), &units(99, 99), &units(103, 103), Some(&units(101, 106))).accepted();
        app.wait_for_checkpoint();
        require_each_is_named(&app, kind, damages_of_certificates());
    }

    /// A damaged entry is never served as if it were whole: reading it halts the ledger.
    fn a_damaged_entry_is_not_served(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        app.join(&["donor"]);
        let (unhook, change) = match kind {
            Kind::Sqlite => ("DROP TRIGGER entries_refuse_update;", "x'7b7d'"),
            Kind::Postgres => ("ALTER TABLE entries DISABLE TRIGGER ALL;", "decode('7b7d', 'hex')"),
        };
        app.database.tamper(&format!("{unhook} UPDATE entries SET bytes = {change} WHERE idx = 1")).expect("done");
        app.get("/v1/entries/1", &app.operator.token).refused(503, "database_unavailable", "");
        assert!(app.ledger.health.halted().is_some());
    }
}
