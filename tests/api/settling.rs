//! Which treatments an entry writes by which a batch lacks less: those that wait for something; under rule sets before the fourth all
//! of them, which a later correction meets.

use crate::harness::{TestApp, both_databases};
use crate::judging::certified_before_the_last_boards;
use crate::story::Story;
use loopledger::domain::ids::EntryIndex;
use loopledger::domain::treatment::Treatment;
use loopledger::store::records;
use serde_json::json;

/// The entry that wrote a treatment last.
fn written_by(app: &TestApp, treatment: u64) -> u64 {
    let id = Treatment::id_of(EntryIndex(treatment));
    let found = app
        .ledger
        .store
        .snapshot(|database| records::load_stamped(database, std::slice::from_ref(&id)))
        .expect("readable");
    found.first().map(|(_, stamp)| stamp.since.0).expect("a treatment")
}

both_databases! {
    fn what_is_in_its_pool(kind) {
        for (rules, writes_all) in [("4", false), ("3", true)] {
            let app = TestApp::start(kind);
            if rules != "4" {
                app.adopt_rules(rules);
            }
            let story = Story::begin(&app);
            let (ended, rest) = certified_before_the_last_boards(&story);
            story.at_centre("lost", json!({"item": rest, "cause": "stolen"})).accepted();
            assert_eq!(story.gaps(ended.of_steel).0, ["batch_incomplete"]);
            let found = story.at_centre("found", json!({"item": rest})).accepted();
            assert_eq!(story.gaps(ended.of_steel).0, Vec::<String>::new());
            assert_eq!(written_by(&app, ended.of_steel) == found, writes_all, "rule set {rules}");
        }
    }
}
