//! What monitoring reads of a node.

use crate::harness::{TestApp, both_databases};
use loopledger::ledger::Ledger;

/// The value of one of our numbers.
fn number(app: &TestApp, name: &str) -> Option<i64> {
    let answer = app.get("/metrics", "");
    assert_eq!(answer.status, 200);
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
    let prefix = format!("loopledger_{name} ");
    answer.text.lines().find_map(|line| line.strip_prefix(&prefix)).map(|value| value.parse().expect("a number"))
}

both_databases! {
    fn the_numbers_follow_the_ledger(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        app.laptop(&donor);
        let size = app.wait_for_checkpoint();
        let entries = app.ledger.readiness().expect("ready");
        assert_eq!(number(&app, "entries"), i64::try_from(entries).ok());
        assert_eq!(number(&app, "checkpoint_entries"), i64::try_from(size).ok());
        assert_eq!((number(&app, "ready"), number(&app, "halted")), (Some(1), Some(0)));
        let ledger: &Ledger = &app.ledger;
        ledger.health.halt("a test says so");
        assert_eq!((number(&app, "ready"), number(&app, "halted")), (Some(0), Some(1)));
    }
}
