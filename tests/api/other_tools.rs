//! What other people wrote reads our log unchanged: Go's x/mod (`sumdb/note`, `sumdb/tlog`) and Python's aics-tlog.

use crate::harness::{NOON_MS, TestApp, TestDatabase, both_databases};
use crate::tiles::{export_tiles, grow, public};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What checks logs here: each takes the vkey's file and the log's place.
struct Tool {
    name: &'static str,
    command: Vec<OsString>,
}

/// Go must be there, `tests/run` sees to it; Python may be too old.
fn tools() -> Vec<Tool> {
    let mut tools = Vec::new();
    if let Some(checker) = std::env::var_os("LOOPLEDGER_TEST_GO_CHECKER") {
        tools.push(Tool { name: "x/mod", command: vec![checker] });
    } else {
        assert!(
            std::env::var_os("CI").is_none(),
            "LOOPLEDGER_TEST_GO_CHECKER is not set; start the tests with tests/run"
        );
        eprintln!("SKIPPED: LOOPLEDGER_TEST_GO_CHECKER is not set; tests/run builds it");
    }
    if let Some(python) = std::env::var_os("LOOPLEDGER_TEST_TLOG_PYTHON") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checker/check_tiles.py");
        tools.push(Tool { name: "aics-tlog", command: vec![python, script.into()] });
    } else {
        eprintln!("SKIPPED: LOOPLEDGER_TEST_TLOG_PYTHON is not set; tests/run sets it where Python is 3.12 or newer");
    }
    tools
}

impl Tool {
    fn check(&self, vkey: &Path, place: &str, more: &[String]) -> Output {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).arg(vkey).arg(place).args(more);
        command.output().expect("it runs")
    }

    #[track_caller]
    fn accepts(&self, vkey: &Path, place: &str, more: &[String]) -> String {
        let output = self.check(vkey, place, more);
        assert!(output.status.success(), "{}: {output:?}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn refuses(&self, vkey: &Path, place: &str) {
        let output = self.check(vkey, place, &[]);
        assert!(!output.status.success(), "{}: {output:?}", self.name);
    }
}

both_databases! {
    /// Checkpoint, root, every tile, bundle and proof, over HTTP and from exported files; what is altered is refused.
    fn read_our_log(kind) {
        let app = TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, public());
        let donor = app.join(&["donor"]);
        let folder = tempfile::tempdir().expect("a folder");
        let (vkey, files) = (folder.path().join("vkey"), folder.path().join("log"));
        // Sizes that end within a tile, on its border, and behind it.
        let mut sizes = vec![app.wait_for_checkpoint()];
        for count in [1, 252, 1, 300] {
            sizes.push(grow(&app, &donor, count));
            let output = export_tiles(&app, &files, &["--vkey", &vkey.display().to_string()]);
            assert!(output.status.success(), "{output:?}");
            for tool in tools() {
                let size = sizes.last().expect("a size");
                for place in [format!("{}/log", app.url), files.display().to_string()] {
                    let told = tool.accepts(&vkey, &place, &[]);
                    assert!(told.contains(&format!("{size} entries")), "{}: {told}", tool.name);
                }
            }
        }
        for tool in tools().iter().filter(|tool| tool.name == "x/mod") {
            let proofs: Vec<String> =
                [app.url.clone()].into_iter().chain(sizes.iter().map(ToString::to_string)).collect();
            let told = tool.accepts(&vkey, &format!("{}/log", app.url), &proofs);
            let (entries, checkpoints) = (sizes.last().expect("a size"), sizes.len());
            let proved = format!("{entries} inclusion proofs and {checkpoints} consistency proofs hold");
            assert!(told.contains(&proved), "{told}");
        }
        let other_vkey = folder.path().join("other");
        fs::write(&other_vkey, a_foreign_vkey()).expect("written");
        let damaged: Vec<PathBuf> =
            ["checkpoint", "tile/0/000", "tile/entries/001"].iter().map(|path| files.join(path)).collect();
        for tool in tools() {
            let place = files.display().to_string();
            tool.refuses(&other_vkey, &place);
            for file in &damaged {
                let sound = fs::read(file).expect("a file");
                let mut altered = sound.clone();
                altered[40] ^= 1;
                fs::write(file, &altered).expect("written");
                tool.refuses(&vkey, &place);
                fs::write(file, &sound).expect("written");
            }
            tool.accepts(&vkey, &place, &[]);
        }
    }
}

/// The same name with another key.
fn a_foreign_vkey() -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&[77; 32]).verifying_key();
    loopledger::proof::note::NoteVerifier::new(crate::harness::ORIGIN, key).expect("a name").vkey()
}
