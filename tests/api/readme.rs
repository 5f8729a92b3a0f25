//! The README's commands, run as they stand.

use crate::bundles::anchor;
use crate::harness::{ORIGIN, Party, TestApp, both_databases, laptop_fields, new_id, signed};
use crate::process::{PROGRAM, export, run, run_checker};
use crate::replacements::units;
use crate::story::Story;
use loopledger::ledger::keyring;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;

/// The code blocks of the README whose first line names them.
pub fn block(name: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("readable");
    let blocks: Vec<&str> = readme.split("```").collect();
    let start = format!("# README: {name}");
    let found = blocks.iter().filter_map(|block| block.split_once('\n')).find(|(_, code)| code.starts_with(&start));
    found.map(|(_, code)| code.to_owned()).expect("the README has this block")
}

pub fn shell(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).envs(variables.iter().copied());
    command.output().expect("bash runs")
}

#[track_caller]
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

both_databases! {
    fn posting_as_the_readme_says(kind) {
        let app = TestApp::start(kind);
        let centre = app.register(&["recycler"]);
        let folder = tempfile::tempdir().expect("a folder");
        let variables = [("ORIGIN", ORIGIN), ("ORG", &centre.id), ("URL", &app.url), ("TOKEN", &centre.token)];
        let key = printed(&shell(folder.path(), &block("make a key"), &variables));
        let fields = serde_json::from_str(&key).expect("the line for the operator");
        app.say(&app.operator, "key_registered", &fields).accepted();
        let script = format!("{}\n{}", block("make a key"), block("post ("));
        let posted = printed(&shell(folder.path(), &script, &variables));
        assert!(posted.contains("\"index\":") && posted.contains("tlog-proof"), "{posted}");
        let Some(python) = std::env::var_os("LOOPLEDGER_TEST_PYTHON") else { return };
        let mut command = Command::new(python);
        command.arg("-c").arg(block("post with Python")).current_dir(folder.path()).envs(variables);
        let posted = printed(&command.output().expect("Python runs"));
        assert!(posted.contains("\"index\":"), "{posted}");
    }

    fn reading_as_the_readme_says(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let (item, project, donation) = (new_id(), new_id(), new_id());
        let registered = app.say(&donor, "registered", &laptop_fields(&item)).accepted();
        app.say(&app.operator, "project_registered", &json!({"project": project, "country": "KE"})).accepted();
        app.say(&donor, "donated", &json!({"donation": donation, "project": project, "items": [item]})).accepted();
        let mistaken = app.say(&donor, "registered", &laptop_fields(&new_id())).accepted();
        let never = json!({"entry": mistaken, "reason": "did_not_occur"});
        let correction = app.say(&donor, "corrected", &never).accepted().to_string();
        app.now_ms.fetch_add(30 * 24 * 3_600_000, Ordering::SeqCst);
        let unheard = signed(&donor, "tested", &json!({"item": new_id(), "result": "works"}));
        let folder = tempfile::tempdir().expect("a folder");
        let variables = [
            ("URL", app.url.as_str()), ("TOKEN", &donor.token), ("STATEMENT", &unheard), ("ITEM", &item),
            ("CORRECTION", &correction), ("DONATION", &donation),
        ];
        let told = printed(&shell(folder.path(), &block("wait and read"), &variables));
        let parts = ["\"waits_for\"", "\"standing\":\"waiting\"", "as_of_size", "\"status\":\"in_effect\"", &item];
        for part in parts {
            assert!(told.contains(part), "{part} is missing:\n{told}");
        }
        assert!(told.contains(&format!("\"last_entry\":{}", registered + 2)), "{told}");
        assert!(!told.contains("\"code\""), "{told}");
    }

    fn ordering_as_the_readme_says(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(100_000);
        story.issue(None);
        let (buyer, order) = (app.join(&["buyer"]), new_id());
        let folder = tempfile::tempdir().expect("a folder");
        let variables = [
            ("URL", app.url.as_str()), ("TOKEN", &buyer.token), ("SELLER_TOKEN", &story.centre.token), ("ORDER", &order),
        ];
        let told = printed(&shell(folder.path(), &block("order"), &variables));
        for part in ["\"status\":\"reserved\"", "\"status\":\"paid\"", "certificate_transferred"] {
            assert!(told.contains(part), "{part} is missing:\n{told}");
        }
    }

    fn selling_as_the_readme_says(kind) {
        let app = TestApp::start(kind);
        let story = Story::begin(&app);
        story.whole_batch(10_000);
        let (whole, buyer) = (story.issue(None), app.join(&["buyer"]));
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &str, party: &Party| {
            let file = folder.path().join(name);
            keyring::write_key(&file, &party.key).expect("written");
            file.display().to_string()
        };
        let (centre_key, buyer_key) = (key("centre.json", &story.centre), key("buyer.json", &buyer));
        let program = Path::new(PROGRAM).parent().expect("a folder").display().to_string();
        let path = format!("{program}:{}", std::env::var("PATH").expect("a path"));
        let (sold, kept) = (units(1, 4), units(5, 9));
        let variables = [
            ("PATH", path.as_str()), ("URL", &app.url), ("ORIGIN", ORIGIN), ("CENTRE", &story.centre.id), ("BUYER", &buyer.id),
            ("CENTRE_KEY", &centre_key), ("CENTRE_TOKEN", &story.centre.token), ("BUYER_KEY", &buyer_key),
            ("BUYER_TOKEN", &buyer.token), ("BLOCK", &whole), ("SOLD", &sold), ("KEPT", &kept),
        ];
        printed(&shell(folder.path(), &block("sell, buy, retire"), &variables));
        let bundle = folder.path().join("bundle.json").display().to_string();
        let words = printed(&run(&["verify", &bundle, "--vkey", &anchor().vkey()]));
        for part in ["VALID", &sold, "Example Textiles Ltd", "The e-waste of our offices in 2026", "the 2 accounts", &buyer.id] {
            assert!(words.contains(part), "{part} is missing:\n{words}");
        }
    }

    fn checking_as_the_readme_says(kind) {
        let app = TestApp::start(kind);
        app.join(&["donor"]);
        app.wait_for_checkpoint();
        let folder = tempfile::tempdir().expect("a folder");
        let url = match &app.database.url {
            loopledger::store::DatabaseUrl::Postgres(url) => url.clone(),
            loopledger::store::DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        };
        export(folder.path(), &["--database-url", &url]);
        std::fs::copy(folder.path().join("entries"), folder.path().join("entries.jsonl")).expect("copied");
        assert_eq!(printed(&shell(folder.path(), &block("walk the chain"), &[])), "the chain holds\n");
        if let Some(checked) = run_checker(folder.path()) {
            assert!(printed(&checked).contains("VALID"));
        }
        assert!(printed(&run(&["audit", "--database-url", &url])).contains("clean"));
    }
}
