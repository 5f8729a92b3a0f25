//! The running service audits itself: the age of its last clean pass is shown, and what somebody changed halts it.

use crate::harness::{NOON_MS, TestApp, TestDatabase, both_databases, new_id};
use crate::story::{Story, permit_site};
use crate::tampering::{damages, told, unhook};
use loopledger::ledger::self_audit::{Passes, SelfAuditing, pass};
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Waits until the self-audit came to something.
fn passes(app: &TestApp, enough: impl FnMut(&Passes) -> bool) -> Option<Passes> {
    let audit = app.ledger.self_audit().expect("it audits itself");
    actix_web::rt::System::new().block_on(audit.when(enough))
}

both_databases! {
    fn a_clean_pass_is_shown(kind) {
        let app = TestApp::start_auditing_itself(TestDatabase::new(kind), NOON_MS, 100_000);
        told(&app);
        let size = app.ledger.readiness().expect("ready");
        passes(&app, |passes| passes.clean.is_some_and(|(_, entries)| entries == size)).expect("a clean pass");
        let ready = app.get("/health/ready", "").json();
        assert_eq!((&ready["self_audit_size"], &ready["self_audit_age_s"]), (&size.into(), &0.into()));
        let metrics = app.get("/metrics", "").text;
        assert!(metrics.contains(&format!("loopledger_self_audit_entries {size}\n")), "{metrics}");
        assert!(metrics.contains("loopledger_self_audit_age_seconds 0\n"), "{metrics}");
    }

    /// Unsold units are counted as such whatever the id of their site begins with: it may come behind its certificates.
    fn a_site_whose_id_comes_last(kind) {
        let app = TestApp::start_auditing_itself(TestDatabase::new(kind), NOON_MS, 100_000);
        let story = Story::begin(&app);
        let site = format!("f{}", &new_id()[1..]);
        permit_site(&app, &story.centre, &site, ("XD", "LAST"), &["R12", "R13"]);
        story.audit(&site, "2026-10-01", "conforms").accepted();
        let last = Story { centre_scale: app.scale(&site), centre_site: site, ..Story::beside(&story) };
        last.whole_batch(10_000);
        assert_eq!(last.issue(None), "ERT-XD-LAST-202611-0000001-0000009");
        assert_eq!(app.audit().faults(), Vec::<&_>::new());
        let entries_told = app.ledger.readiness().expect("ready");
        let has_come_to_something = |passes: &Passes| {
            !passes.found.is_empty() || passes.clean.is_some_and(|(_, entries)| entries == entries_told)
        };
        assert_eq!(passes(&app, has_come_to_something).expect("a pass").found, Vec::<String>::new());
        assert_eq!(app.ledger.health.halted(), None);
    }

    /// A node that lacks the rules in force cannot judge what it finds: it stops nobody but itself.
    fn a_node_without_the_rules_in_force(kind) {
        let mut app = TestApp::start_auditing_itself(TestDatabase::new(kind), NOON_MS, 100_000);
        app.database.rename_rules("", "9");
        passes(&app, |passes| !passes.found.is_empty()).expect("a finding");
        app.expect_damage();
        let database = app.stop();
        database.rename_rules("9", "");
        let app = TestApp::start_on(database, NOON_MS);
        assert_eq!(app.ledger.health.halted(), None);
        app.join(&["donor"]);
    }

    /// While a pass is at work the age is that of the last clean one.
    fn the_age_of_a_pass_grows(kind) {
        // One entry a second: behind its first pass over the new ledger it is long at work.
        let app = TestApp::start_auditing_itself(TestDatabase::new(kind), NOON_MS, 1);
        let (ended_ms, entries) = passes(&app, |passes| passes.clean.is_some()).and_then(|passes| passes.clean).expect("clean");
        assert_eq!((ended_ms, entries), (NOON_MS, 1));
        told(&app);
        app.now_ms.store(NOON_MS + 3_600_000, Ordering::SeqCst);
        let (age, size) = app.ledger.last_clean_pass().expect("a pass");
        assert!(age == 3_600 || size > 1, "{age} s, {size} entries");
    }

    /// Somebody changes a stored byte under the running service: it is named, and the ledger halts.
    fn what_somebody_changed_halts_the_ledger(kind) {
        let mut app = TestApp::start_auditing_itself(TestDatabase::new(kind), NOON_MS, 100_000);
        app.expect_damage();
        told(&app);
        let (table, change, place) = damages(kind).swap_remove(1);
        app.database.tamper(&format!("{} UPDATE {table} SET {change} WHERE {place}", unhook(kind, table))).expect("done");
        let found = passes(&app, |passes| !passes.found.is_empty()).expect("findings").found;
        assert_eq!(found, ["entry 7: the column leaf_hash is not what the entry says"]);
        let reason = loop {
            if let Some(reason) = app.ledger.health.halted() {
                break reason;
            }
            std::thread::yield_now();
        };
        assert!(reason.contains("the self-audit has 1 findings, the first is entry 7: the column leaf_hash"), "{reason}");
        app.get("/health/ready", "").refused(503, "not_ready", "");
    }

    /// Every change in a stored column, in turn, is found by a pass.
    fn a_pass_finds_every_change(kind) {
        let mut app = TestApp::start(kind);
        app.expect_damage();
        told(&app);
        let (_service, ends) = channel();
        let settings = SelfAuditing {
            folder: app.database.folder.path().to_owned(), entries_per_s: 1_000_000, pause: Duration::ZERO,
        };
        let one_pass = || pass(&app.ledger.store, &settings, &ends).expect("a pass");
        assert_eq!(one_pass().faults(), Vec::<&_>::new());
        for (table, change, place) in damages(kind) {
            let words = format!("{table}: {change}");
            let before = format!("{} CREATE TABLE before AS SELECT * FROM {table}", unhook(kind, table));
            app.database.tamper(&before).expect("an administrator can");
            app.database.tamper(&format!("UPDATE {table} SET {change} WHERE {place}")).expect("an administrator can");
            let report = one_pass();
            assert!(!report.is_clean(), "not found: {words}");
            if matches!(table, "entries" | "bookings") {
                let at = |index: u64| report.faults().iter().any(|fault| fault.index.is_some_and(|at| at.0 == index));
                assert!(at(7), "{words}: {:?}", report.faults());
            }
            let restore = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM before; DROP TABLE before");
            app.database.tamper(&restore).expect("put back");
        }
        assert_eq!(one_pass().faults(), Vec::<&_>::new());
    }
}
