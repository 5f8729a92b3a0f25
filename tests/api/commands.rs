//! The commands, as a centre and an operator would use them.

use crate::harness::{new_id, payload};
use crate::process::{Service, operator_key, operator_of, run};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run_with(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(crate::process::PROGRAM);
    command.args(arguments).envs(variables.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn for_ledger(origin: &str, organisation: &str, kind: &str, mut fields: Value) -> String {
    fields["ledger"] = json!(origin);
    payload(organisation, kind, &fields).to_string()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// From an empty folder to a centre's first device, with nothing but the program.
#[test]
fn a_centre_joins_and_posts() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let service = Service::start(&[], &data, None);
    let operator = operator_of(&service, &data);
    let ready = service.client.get("/health/ready", "").expect("an answer").json();
    let origin = ready["ledger"].as_str().expect("an origin").to_owned();
    let variables = [("LOOPLEDGER_URL", service.client.url.as_str()), ("LOOPLEDGER_TOKEN", operator.token.as_str())];
    let (centre, key) = (new_id(), path(folder.path(), "centre.json"));

    let made = run(&["keygen", "--out", &key, "--ledger", &origin, "--organisation", &centre]);
    let made: Value = serde_json::from_str(&text(&made)).expect("JSON");
    assert!(!run(&["keygen", "--out", &key]).status.success(), "a key is never overwritten");
    let registration = json!({
        "organisation": centre, "jwk": made["jwk"], "custody": made["custody"], "use": made["use"], "proof": made["proof"],
    });
    let join = json!({"organisation": centre, "roles": ["recycler"], "country": "XD"});
    let lines = [
        for_ledger(&origin, &operator.id, "organisation_registered", join),
        for_ledger(&origin, &operator.id, "key_registered", registration),
    ];
    let operator_key_file = path(&data, "keys/operator.json");
    let posted = run_with(&variables, &["post", "--key", &operator_key_file, "--mode", "all"], &lines.join("\n"));
    assert!(posted.status.success(), "{posted:?}");

    let item = json!({
        "item": new_id(), "kind": "device", "class": "0303", "weight": {"basis": "class"}, "country": "XD",
    });
    let signed = run_with(&[], &["sign", "--key", &key], &for_ledger(&origin, &centre, "registered", item.clone()));
    assert!(signed.status.success());
    for status in ["\"status\":201", "\"status\":200"] {
        let posted = run_with(&variables, &["post"], &text(&signed));
        assert!(posted.status.success() && text(&posted).contains(status), "{posted:?}");
    }
    let refused = run_with(&variables, &["post", "--key", &key], &for_ledger(&origin, &centre, "registered", item));
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("already_registered"));
    let early = json!({"item": new_id(), "result": "works"});
    let early = for_ledger(&origin, &centre, "tested", early);
    let waits = run_with(&variables, &["post", "--key", &key, "--wait-for", "items"], &early);
    assert!(waits.status.success() && text(&waits).contains("\"status\":202"), "{waits:?}");
    let told = String::from_utf8_lossy(&waits.stderr);
    assert!(told.contains("0 of 1 statements are in the ledger") && told.contains("1 wait for"), "{told}");
    let unsigned = run_with(&[], &["sign", "--key", &key], "{\"v\":1.5}");
    assert_eq!(unsigned.status.code(), Some(1));
    assert_eq!(operator.key.to_bytes(), operator_key(&data).to_bytes());
}

/// What cannot be reached or read ends with 2, and says so.
#[test]
fn what_cannot_be_reached_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = path(folder.path(), "nowhere");
    for arguments in [
        vec!["audit", "--data", &nowhere],
        vec!["sign", "--key", &nowhere],
        vec![
            "export",
            "--data",
            &nowhere,
            "--entries",
            "/dev/null",
            "--checkpoint",
            "/dev/null",
            "--vkey",
            "/dev/null",
        ],
        vec!["audit", "--database-url", "mysql://somewhere"],
    ] {
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let variables = [("LOOPLEDGER_URL", "http://127.0.0.1:1"), ("LOOPLEDGER_TOKEN", "x")];
    let posted = run_with(&variables, &["post", "--tries", "1"], "a.b.c");
    assert_eq!(posted.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&posted.stderr).contains("nothing is posted twice"));
}

/// The token was lost: whoever has the database makes another. The database was lost: the keys are not used anew.
#[test]
fn what_was_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    drop(Service::start(&[], &data, None));
    let token = text(&run(&["token", "--data", &data.display().to_string()]));
    let service = Service::start(&[], &data, None);
    assert_eq!(service.client.get("/v1/tokens", token.trim()).expect("an answer").status, 200);
    drop(service);
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(data.join(file));
    }
    let serve = run(&["serve", "--listen", "127.0.0.1:0", "--data", &data.display().to_string()]);
    assert_eq!(serve.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&serve.stderr).contains("holds the keys of a ledger, but the database is empty"));
}
