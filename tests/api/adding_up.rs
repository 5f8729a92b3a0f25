//! What an audit adds up anew over all records that the entries give: should a rule ever keep a wrong number, the audit says so,
//! though the database holds the same.

use crate::harness::{TestApp, both_databases};
use crate::replacements::{Error, units};
use diesel::connection::SimpleConnection;
use loopledger::ledger::audit::Audit;
use loopledger::ledger::audit::anchor::Anchor;
use loopledger::ledger::audit::database::DatabaseSource;
use loopledger::ledger::audit::report::{Finding, Severity};
use loopledger::ledger::audit::seen::Seen;
use loopledger::store::workspace::Workspace;
use std::fs;
use std::path::Path;

/// What an audit of a service's database finds broken or wrong, with a replay that lies in a file; what was replayed before is not
/// replayed again.
fn faults(app: &TestApp, file: &Path) -> Vec<Finding> {
    let mut workspace = Workspace::open(file).expect("a workspace");
    let (seen, tell) = (Seen::nothing(), &mut |_, _| {});
    let audit = |database: &mut _| {
        let mut audit =
            Audit { workspace: &mut workspace, seen: &seen, anchor: Anchor::None, threads: 1, batch: 1_000, tell };
        Ok::<_, loopledger::store::StoreError>(audit.run(&mut DatabaseSource::new(database)).expect("an audit"))
    };
    let report = app.ledger.store.snapshot(audit).expect("a report");
    report.faults().into_iter().cloned().collect()
}

/// A change of a record as a rule could have made it: of which kind and where, the field, its value, and what the audit says.
fn changes() -> Vec<(&'static str, String, &'static str, String, &'static str)> {
    let (anywhere, number) = (|| "1 = 1".to_owned(), |number: i64| number.to_string());
    let of = |block: String| format!("id = '{block}'");
    let text = |block: String| format!("'{block}'");
    let (sold, given) = (units(1, 100), units(103, 103));
    vec![
        ("pool_tally", anywhere(), "$.held", number(77), "tally/"),
        ("site_tally", anywhere(), "$.stock", number(77), "site_tally/"),
        ("site_tally", anywhere(), "$.backed", number(77), "site_tally/"),
        ("expiring", anywhere(), "$.held", number(77), "expiring/"),
        ("issued_year", anywhere(), "$.units", number(107), "issued_year/"),
        (
            "batch",
            "body LIKE '%\"eligible_g\":98200%'".into(),
            "$.eligible_g",
            number(98_199),
            "the eligible grams of batch",
        ),
        (
            "treatment",
            "body LIKE '%\"covered\":98200%'".into(),
            "$.lines[0].covered",
            number(98_201),
            "the eligible grams of batch",
        ),
        (
            "treatment",
            "body LIKE '%\"covered\":98200%'".into(),
            "$.lines[0].covered",
            number(100_001),
            "the eligible grams of batch",
        ),
        (
            "certified",
            "body LIKE '%\"stretches\":2%'".into(),
            "$.stretches",
            number(3),
            "the certified stretches of treatment",
        ),
        (
            "certified_stretch",
            "body LIKE '%\"freed\":[{%'".into(),
            "$.freed[0].to",
            number(6_500),
            "certified or set free",
        ),
        (
            "certified_stretch",
            "body LIKE '%\"freed\":[{%'".into(),
            "$.freed",
            "json('[]')".into(),
            "certified or set free",
        ),
        ("pool_range", "body LIKE '%\"allotted\":100000%'".into(), "$.allotted", number(99_000), "the grams of pool/"),
        ("certificate", of(sold.clone()), "$.backing[0].by", text(units(102, 102)), "which no withdrawn block has"),
        ("certificate", of(sold.clone()), "$.backing[0].units", text(units(100, 100)), "which were withdrawn for"),
        ("certificate", of(sold.clone()), "$.backing[0].entry", number(3), "since entry 3, withdrawn by entry"),
        ("certificate", of(sold), "$.backing", "json('[]')".into(), "from unit 99 of"),
        ("certificate", of(given), "$.backs.units", text(units(98, 98)), "which were withdrawn for"),
    ]
}

both_databases! {
    /// One number in turn is another in the replay: the audit names it as what contradicts the log.
    fn a_number_that_does_not_add_up_is_named(kind) {
        let app = TestApp::start(kind);
        let error = Error::after_issue(&app);
        error.withdraw(&units(101, 106), Some(&units(104, 105)), "issued_in_error").accepted();
        error.correct_to(98_200);
        error.replace(&units(1, 100), &units(99, 99), &units(103, 103), Some(&units(101, 103))).accepted();
        let folder = tempfile::tempdir().expect("a folder");
        let (file, whole) = (folder.path().join("replay.sqlite"), folder.path().join("whole.sqlite"));
        assert_eq!(faults(&app, &file), Vec::new());
        fs::copy(&file, &whole).expect("a copy");
        for (kind, place, field, value, words) in changes() {
            let change = format!("UPDATE records SET body = json_set(body, '{field}', {value}) WHERE kind = '{kind}' AND {place}");
            let mut workspace = Workspace::open(&file).expect("a workspace");
            workspace.database().batch_execute(&change).expect("changed");
            drop(workspace);
            let names = |fault: &Finding| fault.severity == Severity::Broken && fault.problem.contains(words);
            let faults = faults(&app, &file);
            assert!(faults.iter().any(names), "{change}: {faults:?}");
            fs::copy(&whole, &file).expect("put back");
        }
        assert_eq!(faults(&app, &file), Vec::new());
    }
}
